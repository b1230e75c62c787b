/*
 * list_machines.c - list: machines and their groups.
 */
#include <string.h>

#include "frontends/VBoxManage/list.h"

struct entry {
    char *object, *id, *name;
};

static void entry_free(void *p)
{
    struct entry *e = p;

    g_free(e->object);
    g_free(e->id);
    g_free(e->name);
    g_free(e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct entry *const *)a)->name, (*(const struct entry *const *)b)->name);
}

static void print_entry(const struct entry *e, unsigned number, GVariantBuilder *json)
{
    (void)number;
    if (json != NULL)
        g_variant_builder_add_parsed(json, "{'Id': <%s>, 'Name': <%s>}", e->id, e->name);
    else
        printf("\"%s\" {%s}\n", *e->name != '\0' ? e->name : "<inaccessible>", e->id);
}

static int list_machines(struct cmd *c, const struct listing *l, bool running)
{
    GVariant *reply = NULL;
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(entry_free);
    GVariantBuilder json;

    bool ok = running ? TRY(c, ivirtual_box_get_running_vms(c->client, API_PATH, &reply, &error))
                      : TRY(c, ivirtual_box_get_machines(c->client, API_PATH, &reply, &error));
    if (!ok)
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        struct entry *e = g_new0(struct entry, 1);
        g_variant_get_child(list, k, "(oss)", &e->object, &e->id, &e->name);
        g_ptr_array_add(all, e);
    }
    if (l->sorted)
        g_ptr_array_sort(all, by_name);
    g_variant_builder_init(&json, G_VARIANT_TYPE("aa{sv}"));
    int rc = RC_OK;
    for (unsigned k = 0; k < all->len; k++) {
        const struct entry *e = all->pdata[k];
        if (!l->details) {
            print_entry(e, k, c->json ? &json : NULL);
            continue;
        }
        rc = show_machine(c, e->object, false) != RC_OK ? RC_FAILURE : rc;
        printf("\n");
    }
    g_autoptr(GVariant) collected = g_variant_ref_sink(g_variant_builder_end(&json));
    if (c->json && !l->details)
        print_json(collected);
    return rc;
}

int list_vms(struct cmd *c, const struct listing *l)
{
    return list_machines(c, l, false);
}

int list_running(struct cmd *c, const struct listing *l)
{
    return list_machines(c, l, true);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int list_groups(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);

    (void)l;
    if (!TRY(c, ivirtual_box_get_machines(c->client, API_PATH, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    g_ptr_array_add(groups, g_strdup("/"));
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        const char *object;
        g_variant_get_child(list, k, "(&oss)", &object, NULL, NULL);
        GError *error = NULL;
        g_autoptr(GVariant) names = client_get(c->client, object, "IMachine", "Groups", &error);
        g_clear_error(&error);
        for (gsize n = 0; names != NULL && n < g_variant_n_children(names); n++) {
            char *name;
            g_variant_get_child(names, n, "s", &name);
            if (g_ptr_array_find_with_equal_func(groups, name, g_str_equal, NULL))
                g_free(name);
            else
                g_ptr_array_add(groups, name);
        }
    }
    g_ptr_array_sort(groups, by_text);
    for (unsigned k = 0; k < groups->len; k++)
        printf("\"%s\"\n", (const char *)groups->pdata[k]);
    return RC_OK;
}

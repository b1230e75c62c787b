/*
 * kept.c - see kept.h.
 */
#include "main/server/kept.h"

#include <string.h>

static char *name_of(const struct kept_kind *k, const void *item)
{
    return *(char *const *)((const char *)item + k->name_offset);
}

GPtrArray *kept_list(struct service *s, const struct kept_kind *k)
{
    return *(GPtrArray **)((char *)s->global + k->list_offset);
}

void *kept_named(struct service *s, const struct kept_kind *k, const char *name)
{
    const GPtrArray *list = kept_list(s, k);

    for (unsigned n = 0; n < list->len; n++)
        if (g_strcmp0(name_of(k, list->pdata[n]), name) == 0)
            return list->pdata[n];
    return NULL;
}

struct part *kept_find(struct service *s, const struct kept_kind *k, const char *node)
{
    g_autofree char *name = api_node_unescape(node);
    void *item = kept_named(s, k, name);

    s->part = (struct part){.service = s, .base = item};
    return item != NULL ? &s->part : NULL;
}

void kept_nodes(struct service *s, const struct kept_kind *k, GPtrArray *nodes)
{
    const GPtrArray *list = kept_list(s, k);

    for (unsigned n = 0; n < list->len; n++)
        g_ptr_array_add(nodes, api_node_escape(name_of(k, list->pdata[n])));
}

void kept_tell(struct service *s, const struct kept_kind *k, const char *name, bool exists)
{
    service_emit(s, "NetworkChanged", g_variant_new("(ssb)", k->signal, name, exists));
}

static char *path_of(const struct kept_kind *k, const char *name)
{
    g_autofree char *node = api_node_escape(name);

    return g_strconcat(k->folder, "/", node, NULL);
}

static GVariant *reply(const struct kept_kind *k, const char *name)
{
    g_autofree char *path = path_of(k, name);

    return g_variant_new("(o)", path);
}

bool kept_create(struct bus_call *call, const struct kept_kind *k, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    if (*name == '\0')
        return api_fail(error, E_INVALIDARG, "A %s needs a name", k->what);
    if (kept_named(s, k, name) != NULL)
        return api_fail(error, E_INVALIDARG, "A %s named '%s' already exists", k->what, name);
    void *item = k->make();
    char **at = (char **)((char *)item + k->name_offset);
    g_free(*at);
    *at = g_strdup(name);
    if (k->init != NULL)
        k->init(item);
    g_ptr_array_add(kept_list(s, k), item);
    if (!service_save(s, error))
        return false;
    kept_tell(s, k, name, true);
    *ret = reply(k, name);
    return true;
}

bool kept_remove(struct bus_call *call, const struct kept_kind *k, GError **error)
{
    struct service *s = call->object;
    const char *path;

    g_variant_get(call->args, "(&o)", &path);
    const char *slash = strrchr(path, '/');
    bool here = strncmp(path, k->folder, strlen(k->folder)) == 0 && slash == path + strlen(k->folder);
    g_autofree char *name = here ? api_node_unescape(slash + 1) : NULL;
    void *item = name != NULL ? kept_named(s, k, name) : NULL;
    if (item == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no %s '%s'", k->what, path);
    g_ptr_array_remove(kept_list(s, k), item);
    if (!service_save(s, error))
        return false;
    kept_tell(s, k, name, false);
    return true;
}

bool kept_lookup(struct bus_call *call, const struct kept_kind *k, GVariant **ret, GError **error)
{
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    if (kept_named(call->object, k, name) == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a %s named '%s'", k->what, name);
    *ret = reply(k, name);
    return true;
}

bool kept_all(struct bus_call *call, const struct kept_kind *k, GVariant **ret)
{
    const GPtrArray *list = kept_list(call->object, k);
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (unsigned n = 0; n < list->len; n++) {
        g_autofree char *path = path_of(k, name_of(k, list->pdata[n]));
        g_variant_builder_add(&b, "o", path);
    }
    *ret = g_variant_new("(ao)", &b);
    return true;
}

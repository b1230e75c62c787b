/*
 * medium.c - closemedium, showmediuminfo, and the lists of media.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

/* "disk", "dvd", "floppy" as DeviceType; NULL: none of them. */
const char *medium_kind(const char *word)
{
    if (g_ascii_strcasecmp(word, "disk") == 0 || g_ascii_strcasecmp(word, "hdd") == 0)
        return "HardDisk";
    if (g_ascii_strcasecmp(word, "dvd") == 0)
        return "DVD";
    return g_ascii_strcasecmp(word, "floppy") == 0 ? "Floppy" : NULL;
}

/* ---- one medium named by kind and location ---- */

static int parse_medium(struct cmd *c, const char **ret_kind, const char **ret_where, int *ret_option)
{
    struct value v;

    *ret_kind = "HardDisk";
    *ret_where = NULL;
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id != CMD_WORD) {
            *ret_option = id;
            continue;
        }
        const char *kind = c->at < c->argc || *ret_where != NULL ? medium_kind(v.text) : NULL;
        if (kind != NULL)
            *ret_kind = kind;
        else if (*ret_where == NULL)
            *ret_where = v.text;
        else
            return cmd_syntax(c, "Invalid parameter '%s'", v.text);
    }
    if (*ret_where == NULL)
        return cmd_syntax(c, "Medium name or UUID required");
    return cmd_client(c) != NULL ? RC_OK : RC_FAILURE;
}

/* ---- closemedium ---- */

enum { DELETE = 1 };
static const struct option close_options[] = {{DELETE, "--delete|-r", OPTION_NONE, false, NULL, "Delete the file too"},
                                              {0}};

static int closemedium(struct cmd *c)
{
    const char *kind, *where;
    int remove = 0, rc = parse_medium(c, &kind, &where, &remove);

    if (rc != RC_OK)
        return rc;
    g_autofree char *medium = cmd_open_medium(c, where, kind, false);
    if (medium == NULL)
        return RC_FAILURE;
    if (!remove)
        return TRY(c, imedium_close(c->client, medium, &error)) ? RC_OK : RC_FAILURE;
    char *progress = NULL;
    if (!TRY(c, imedium_delete_storage(c->client, medium, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    return cmd_progress(c, object) ? RC_OK : RC_FAILURE;
}

const struct command closemedium_command = {
    "closemedium", "Remove a hard disk, DVD, or floppy image from the media registry",
    (const char *const[]){"[disk | dvd | floppy] <uuid | filename> [--delete]", NULL}, close_options, closemedium};

/* ---- showing ---- */

static const char *state_text(const char *state)
{
    static const char *const words[][2] = {{"NotCreated", "not created"},    {"Created", "created"},
                                           {"LockedRead", "locked read"},    {"LockedWrite", "locked write"},
                                           {"Inaccessible", "inaccessible"}, {"Creating", "creating"},
                                           {"Deleting", "deleting"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (strcmp(words[k][0], state) == 0)
            return words[k][1];
    return "unknown";
}

static char *type_text(GVariant *m)
{
    g_autofree char *low = g_ascii_strdown(dict_str(m, "Type"), -1);

    if (strcmp(low, "normal") == 0)
        return g_strdup(*dict_str(m, "Parent") == '\0' ? "normal (base)" : "normal (differencing)");
    return g_steal_pointer(&low);
}

static const char *variant_text(GVariant *m)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(m, "Variant", G_VARIANT_TYPE("as"));
    g_autofree const char **words = list != NULL ? g_variant_get_strv(list, NULL) : NULL;

    if (words == NULL)
        return "unknown";
    if (g_strv_contains(words, "Diff"))
        return "differencing default";
    return g_strv_contains(words, "Fixed") ? "fixed default" : "dynamic default";
}

static void print_snapshots(GVariant *m, const char *machine)
{
    g_autoptr(GVariant) uses = g_variant_lookup_value(m, "SnapshotUses", G_VARIANT_TYPE("a(sss)"));

    for (gsize k = 0; uses != NULL && k < g_variant_n_children(uses); k++) {
        const char *of, *id, *name;
        g_variant_get_child(uses, k, "(&s&s&s)", &of, &id, &name);
        if (strcmp(of, machine) == 0)
            printf(" [%s (UUID: %s)]", name, id);
    }
}

static void print_encryption(GVariant *m, bool details)
{
    const bool on = dict_bool(m, "Encrypted");

    printf("Encryption:     %s\n", on ? "enabled" : "disabled");
    if (on && details)
        printf("Cipher:         %s\nPassword ID:    %s\n", dict_str(m, "EncryptionCipher"),
               dict_str(m, "EncryptionPasswordId"));
}

static void print_properties(GVariant *m)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(m, "Properties", G_VARIANT_TYPE("a{ss}"));

    for (gsize k = 0; list != NULL && k < g_variant_n_children(list); k++) {
        const char *name, *val;
        g_variant_get_child(list, k, "{&s&s}", &name, &val);
        printf("%s%s=%s\n", k == 0 ? "Property:       " : "                ", name, val);
    }
}

static void print_users(struct cmd *c, GVariant *m)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(m, "MachineIds", G_VARIANT_TYPE("as"));
    g_autofree const char **ids = list != NULL ? g_variant_get_strv(list, NULL) : NULL;

    for (unsigned k = 0; ids != NULL && ids[k] != NULL; k++) {
        char node[API_UUID_SIZE];
        api_node_from_uuid(ids[k], node);
        g_autofree char *object = g_strconcat(API_ROOT "/machine/", node, NULL);
        GError *error = NULL;
        g_autoptr(GVariant) name = client_get(c->client, object, "IMachine", "Name", &error);
        g_clear_error(&error);
        printf("%s%s (UUID: %s)", k == 0 ? "In use by VMs:  " : "                ",
               name != NULL ? g_variant_get_string(name, NULL) : "", ids[k]);
        print_snapshots(m, ids[k]);
        printf("\n");
    }
}

static void print_children(GVariant *m)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(m, "Children", G_VARIANT_TYPE("as"));
    g_autofree const char **ids = list != NULL ? g_variant_get_strv(list, NULL) : NULL;

    for (unsigned k = 0; ids != NULL && ids[k] != NULL; k++)
        printf("%s%s\n", k == 0 ? "Child UUIDs:    " : "                ", ids[k]);
}

/* @base: what stands for a parent that there is not; NULL: nothing of a parent. */
void medium_show(struct cmd *c, GVariant *m, const char *base, bool details)
{
    g_autofree char *type = type_text(m);
    const char *parent = dict_str(m, "Parent");
    gint64 size = dict_int(m, "LogicalSize"), on_disk = dict_int(m, "Size");

    printf("UUID:           %s\n", dict_str(m, "Id"));
    if (base != NULL)
        printf("Parent UUID:    %s\n", *parent != '\0' ? parent : base);
    printf("State:          %s\n", state_text(dict_str(m, "State")));
    if (details && *dict_str(m, "LastAccessError") != '\0')
        printf("Access Error:   %s\n", dict_str(m, "LastAccessError"));
    if (details && *dict_str(m, "Description") != '\0')
        printf("Description:    %s\n", dict_str(m, "Description"));
    printf("Type:           %s\n", type);
    if (details && *parent != '\0')
        printf("Auto-Reset:     %s\n", dict_bool(m, "AutoReset") ? "on" : "off");
    printf("Location:       %s\n", dict_str(m, "Location"));
    printf("Storage format: %s\n", dict_str(m, "Format"));
    if (details)
        printf("Format variant: %s\n", variant_text(m));
    printf("Capacity:       %" G_GINT64_FORMAT " MBytes\n", size >> 20);
    if (details)
        printf("Size on disk:   %" G_GINT64_FORMAT " MBytes\n", on_disk >> 20);
    print_encryption(m, details);
    if (!details)
        return;
    print_properties(m);
    print_users(c, m);
    print_children(m);
}

static int showmediuminfo(struct cmd *c)
{
    const char *kind, *where;
    int unused = 0, rc = parse_medium(c, &kind, &where, &unused);

    if (rc != RC_OK)
        return rc;
    g_autofree char *medium = cmd_open_medium(c, where, kind, false);
    g_autoptr(GVariant) d = medium != NULL ? cmd_describe(c, medium, "IMedium") : NULL;
    if (d == NULL)
        return RC_FAILURE;
    if (c->json)
        print_json(d);
    else
        medium_show(c, d, "base", true);
    return RC_OK;
}

const struct command showmediuminfo_command = {
    "showmediuminfo|showhdinfo|showvdiinfo", "Show information about a medium",
    (const char *const[]){"[disk | dvd | floppy] <uuid | filename>", NULL}, NULL, showmediuminfo};

/* list hdds, dvds, floppies */
int medium_list(struct cmd *c, const char *kind, bool details)
{
    GVariant *media = NULL;
    GVariantBuilder json;

    if (!TRY(c, ivirtual_box_get_media(c->client, API_PATH, kind, &media, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = media;
    g_variant_builder_init(&json, G_VARIANT_TYPE("aa{sv}"));
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        const char *object;
        g_variant_get_child(list, k, "(&os)", &object, NULL);
        g_autoptr(GVariant) d = cmd_describe(c, object, "IMedium");
        if (d == NULL)
            continue;
        if (c->json) {
            g_variant_builder_add_value(&json, d);
        } else {
            medium_show(c, d, strcmp(kind, "HardDisk") == 0 ? "base" : NULL, details);
            printf("\n");
        }
    }
    g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_builder_end(&json));
    if (c->json)
        print_json(all);
    return RC_OK;
}

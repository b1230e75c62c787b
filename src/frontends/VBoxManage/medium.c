/*
 * medium.c - createmedium, closemedium, modifymedium, showmediuminfo, and the lists of media.
 */
#include <glib/gstdio.h>
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

/* ---- createmedium ---- */

enum { FILENAME = 1, SIZE, SIZE_BYTES, DIFF_PARENT, FORMAT, VARIANT, PROPERTY, PROPERTY_FILE, STATIC };
static const struct option create_options[] = {
    {FILENAME, "--filename|-f", OPTION_TEXT, false, "filename", "The file to make"},
    {SIZE, "--size|-s", OPTION_U64, false, "megabytes", "Size in MB"},
    {SIZE_BYTES, "--sizebyte|-S", OPTION_U64, false, "bytes", "Size in bytes"},
    {DIFF_PARENT, "--diffparent|-d", OPTION_TEXT, false, "UUID | filename", "Make a differencing image to this one"},
    {FORMAT, "--format|-o", OPTION_TEXT, false, "VDI | VMDK | VHD", "File format; default VDI"},
    {VARIANT, "--variant|-m", OPTION_TEXT, false, "Standard,Fixed,Split2G,Stream,ESX,Formatted", "Layout"},
    {PROPERTY, "--property|-p", OPTION_TEXT, false, "name=value", "Property of the format"},
    {PROPERTY_FILE, "--property-file|-P", OPTION_TEXT, false, "name=file", "Property of the format, value in a file"},
    {STATIC, "--static|-F", OPTION_NONE, false, NULL, NULL},
    {0},
};

struct creation {
    const char *kind, *file, *format, *variant, *parent;
    guint64 bytes;
    bool sized;
};

static int parse_creation(struct cmd *c, struct creation *n)
{
    struct value v;

    n->kind = "HardDisk";
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case FILENAME: n->file = v.text; break;
        case SIZE:
            if (v.number > G_MAXUINT64 >> 20)
                return cmd_syntax(c, "Invalid value '%s' for option '--size': a number", v.text);
            n->bytes = v.number << 20, n->sized = true;
            break;
        case SIZE_BYTES: n->bytes = v.number, n->sized = true; break;
        case DIFF_PARENT: n->parent = v.text; break;
        case FORMAT: n->format = v.text; break;
        case VARIANT: n->variant = v.text; break;
        case STATIC: n->variant = "Fixed"; break;
        case PROPERTY:
        case PROPERTY_FILE: return cmd_error("Formats with properties of their own are not available");
        case CMD_WORD:
            n->kind = medium_kind(v.text);
            if (n->kind == NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            break;
        default: return RC_SYNTAX;
        }
    }
    if (n->file == NULL || *n->file == '\0')
        return cmd_syntax(c, "Parameter --filename is required");
    if (n->parent == NULL && !n->sized)
        return cmd_syntax(c, "Parameter --size is required");
    return RC_OK;
}

/* With the usual extension where the name has none. */
char *medium_file(const char *file, const char *kind, const char *format)
{
    g_autofree char *path = cmd_absolute(file);
    const char *dot = strrchr(path, '.');

    if (dot != NULL && strchr(dot, '/') == NULL)
        return g_steal_pointer(&path);
    const char *usual = strcmp(kind, "DVD") == 0 ? "iso" : strcmp(kind, "Floppy") == 0 ? "img" : format;
    g_autofree char *low = g_ascii_strdown(usual, -1);
    return g_strconcat(path, ".", low, NULL);
}

static const char *word_of(const char *word)
{
    static const char *const words[][2] = {{"standard", "Standard"},
                                           {"default", "Standard"},
                                           {"fixed", "Fixed"},
                                           {"static", "Fixed"},
                                           {"split2g", "VmdkSplit2G"},
                                           {"stream", "VmdkStreamOptimized"},
                                           {"streamoptimized", "VmdkStreamOptimized"},
                                           {"esx", "VmdkESX"},
                                           {"formatted", "Formatted"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (g_ascii_strcasecmp(words[k][0], word) == 0)
            return words[k][1];
    return NULL;
}

const char **medium_variant_words(struct cmd *c, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "Standard", ",", -1);
    g_autoptr(GPtrArray) variant = g_ptr_array_new();

    for (unsigned k = 0; words[k] != NULL; k++) {
        const char *word = word_of(words[k]);
        if (word == NULL) {
            cmd_syntax(c, "Invalid medium variant '%s'", words[k]);
            return NULL;
        }
        g_ptr_array_add(variant, (void *)word);
    }
    g_ptr_array_add(variant, NULL);
    return (const char **)g_ptr_array_free(g_steal_pointer(&variant), FALSE);
}

void medium_forget_new(struct cmd *c, const char *object)
{
    GError *ignored = NULL; /* the reason was said; the name must not stay behind */

    imedium_close(c->client, object, &ignored);
    g_clear_error(&ignored);
}

/* Its storage: of its own, or what differs from @parent. */
static bool make_storage(struct cmd *c, const struct creation *n, const char *object, const char *const *variant)
{
    char *progress = NULL;
    bool ok;

    if (n->parent != NULL) {
        g_autofree char *parent = cmd_open_medium(c, n->parent, "HardDisk", false);
        ok = parent != NULL &&
             TRY(c, imedium_create_diff_storage(c->client, parent, object, variant, &progress, &error));
    } else {
        ok = TRY(c, imedium_create_base_storage(c->client, object, n->bytes, variant, &progress, &error));
    }
    ok = ok && cmd_progress(c, progress);
    g_free(progress);
    return ok;
}

static int createmedium(struct cmd *c)
{
    struct creation n = {0};
    int rc = parse_creation(c, &n);

    if (rc != RC_OK)
        return rc;
    g_autofree const char **variant = medium_variant_words(c, n.variant);
    if (variant == NULL)
        return RC_SYNTAX;
    const char *format = n.format != NULL ? n.format : strcmp(n.kind, "HardDisk") == 0 ? "VDI" : "RAW";
    g_autofree char *path = medium_file(n.file, n.kind, format);
    char *medium = NULL;
    if (cmd_client(c) == NULL ||
        !TRY(c, ivirtual_box_create_medium(c->client, API_PATH, format, path, "ReadWrite", n.kind, &medium, &error)))
        return RC_FAILURE;
    g_autofree char *object = medium;
    if (!make_storage(c, &n, object, variant)) {
        medium_forget_new(c, object);
        return cmd_error("Failed to create medium");
    }
    g_autoptr(GVariant) d = cmd_describe(c, object, "IMedium");
    printf("Medium created. UUID: %s\n", d != NULL ? dict_str(d, "Id") : "");
    return RC_OK;
}

const struct command createmedium_command = {
    "createmedium|createhd|createvdi", "Create a new medium",
    (const char *const[]){"[disk | dvd | floppy] <--filename=filename> [--size=megabytes | --sizebyte=bytes] "
                          "[--format= VDI | VMDK | VHD] [--variant Standard,Fixed,Split2G,Stream,ESX,Formatted]",
                          NULL},
    create_options, createmedium};

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

void medium_show(struct cmd *c, GVariant *m, bool details)
{
    g_autofree char *type = type_text(m);
    const char *parent = dict_str(m, "Parent");
    gint64 size = dict_int(m, "LogicalSize"), on_disk = dict_int(m, "Size");

    printf("UUID:           %s\n", dict_str(m, "Id"));
    if (strcmp(dict_str(m, "DeviceType"), "HardDisk") == 0)
        printf("Parent UUID:    %s\n", *parent != '\0' ? parent : "base");
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
    if (strcmp(dict_str(m, "DeviceType"), "HardDisk") == 0)
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
        medium_show(c, d, true);
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
            medium_show(c, d, details);
            printf("\n");
        }
    }
    g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_builder_end(&json));
    if (c->json)
        print_json(all);
    return RC_OK;
}

/*
 * createmedium.c - createmedium: images, differencing images, and images that stand for a disk of the host.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { FILENAME = 1, SIZE, SIZE_BYTES, DIFF_PARENT, FORMAT, VARIANT, PROPERTY, PROPERTY_FILE, STATIC };
static const struct option create_options[] = {
    {FILENAME, "--filename|-f", OPTION_TEXT, false, "filename", "The file to make"},
    {SIZE, "--size|-s", OPTION_U64, false, "megabytes", "Size in MB"},
    {SIZE_BYTES, "--sizebyte|-S", OPTION_U64, false, "bytes", "Size in bytes"},
    {DIFF_PARENT, "--diffparent|-d", OPTION_TEXT, false, "UUID | filename", "Make a differencing image to this one"},
    {FORMAT, "--format|-o", OPTION_TEXT, false, "VDI | VMDK | VHD", "File format; default VDI"},
    {VARIANT, "--variant|-m", OPTION_TEXT, false, "Standard,Fixed,Split2G,Stream,ESX,Formatted,RawDisk", "Layout"},
    {PROPERTY, "--property|-p", OPTION_TEXT, false, "name=value", "Property of the format"},
    {PROPERTY_FILE, "--property-file|-P", OPTION_TEXT, false, "name=file", "Property of the format, value in a file"},
    {STATIC, "--static|-F", OPTION_NONE, false, NULL, NULL},
    {0},
};

struct creation {
    const char *kind, *file, *format, *variant, *parent;
    guint64 bytes;
    bool sized;
    GPtrArray *properties; /* "NAME=VALUE"; a value that a file holds is the file's absolute name */
};

/* RawDisk takes its size from the disk it stands for. */
static bool stands_for_disk(const struct creation *n)
{
    return n->variant != NULL && g_ascii_strcasecmp(n->variant, "RawDisk") == 0;
}

static int add_property(struct cmd *c, struct creation *n, const char *text, bool file)
{
    const char *val = strchr(text, '=');

    if (val == NULL || val == text)
        return cmd_syntax(c, "Invalid key value pair: '%s'.", text);
    g_autofree char *name = g_strndup(text, (gsize)(val - text));
    g_autofree char *path = file || strcmp(name, "RawDrive") == 0 ? cmd_absolute(val + 1) : NULL;
    g_ptr_array_add(n->properties, g_strdup_printf("%s=%s", name, path != NULL ? path : val + 1));
    return RC_OK;
}

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
        case PROPERTY_FILE: {
            const int rc = add_property(c, n, v.text, id == PROPERTY_FILE);
            if (rc != RC_OK)
                return rc;
            break;
        }
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
    if (n->properties->len > 0 && !stands_for_disk(n))
        return cmd_error("Only images of the variant RawDisk are made with properties");
    if (n->parent == NULL && !n->sized && !stands_for_disk(n))
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
                                           {"rawdisk", "VmdkRawDisk"},
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

static bool set_properties(struct cmd *c, const struct creation *n, const char *object)
{
    for (guint k = 0; k < n->properties->len; k++) {
        g_auto(GStrv) pair = g_strsplit(n->properties->pdata[k], "=", 2);
        if (!TRY(c, imedium_set_property(c->client, object, pair[0], pair[1], &error)))
            return false;
    }
    return true;
}

void medium_host_disk_hint(void)
{
    fprintf(stderr, "VBoxManage: info: A machine opens it once you allow that: VBoxManage setextradata <vm> "
                    "VBoxInternal2/HostDisks 1\n");
}

static int make_medium(struct cmd *c, const struct creation *n)
{
    g_autofree const char **variant = medium_variant_words(c, n->variant);
    const char *format = n->format != NULL ? n->format : strcmp(n->kind, "HardDisk") == 0 ? "VDI" : "RAW";
    g_autofree char *path = medium_file(n->file, n->kind, format);
    char *medium = NULL;

    if (variant == NULL)
        return RC_SYNTAX;
    if (cmd_client(c) == NULL ||
        !TRY(c, ivirtual_box_create_medium(c->client, API_PATH, format, path, "ReadWrite", n->kind, &medium, &error)))
        return RC_FAILURE;
    g_autofree char *object = medium;
    if (!set_properties(c, n, object) || !make_storage(c, n, object, variant)) {
        medium_forget_new(c, object);
        return cmd_error("Failed to create medium");
    }
    g_autoptr(GVariant) d = cmd_describe(c, object, "IMedium");
    printf("Medium created. UUID: %s\n", d != NULL ? dict_str(d, "Id") : "");
    if (stands_for_disk(n))
        medium_host_disk_hint();
    return RC_OK;
}

static int createmedium(struct cmd *c)
{
    struct creation n = {.properties = g_ptr_array_new_with_free_func(g_free)};
    int rc = parse_creation(c, &n);

    if (rc == RC_OK)
        rc = make_medium(c, &n);
    g_ptr_array_unref(n.properties);
    return rc;
}

const struct command createmedium_command = {
    "createmedium|createhd|createvdi", "Create a new medium",
    (const char *const[]){"[disk | dvd | floppy] <--filename=filename> [--size=megabytes | --sizebyte=bytes] "
                          "[--format= VDI | VMDK | VHD] [--variant Standard,Fixed,Split2G,Stream,ESX,Formatted]",
                          "[disk] <--filename=filename> <--format=VMDK> <--variant=RawDisk> "
                          "<--property=RawDrive=device> [--property=Partitions=number,...] [--property=Relative=1] "
                          "[--property-file=BootSector=file]",
                          NULL},
    create_options, createmedium};

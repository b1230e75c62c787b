/*
 * modifymedium.c - modifymedium, clonemedium, mediumproperty.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

/* ---- modifymedium ---- */

enum { TYPE = 1, AUTORESET, PROPERTY, COMPACT, RESIZE, RESIZE_BYTES, MOVE, SET_LOCATION, DESCRIPTION };
static const struct option modify_options[] = {
    {TYPE, "--type|-type|-t", OPTION_TEXT, false, "type",
     "normal, writethrough, immutable, shareable, readonly or multiattach"},
    {AUTORESET, "--autoreset|-autoreset|-z", OPTION_ON_OFF, false, "on | off", "Emptied at every start"},
    {PROPERTY, "--property|-p", OPTION_TEXT, false, "name=[value]", "Set or remove a property"},
    {COMPACT, "--compact|-compact|-c", OPTION_NONE, false, NULL, "Give back blocks of zeros"},
    {RESIZE, "--resize|-r", OPTION_U64, false, "megabytes", "New size in MB"},
    {RESIZE_BYTES, "--resizebyte|-b", OPTION_U64, false, "bytes", "New size in bytes"},
    {MOVE, "--move|-m", OPTION_TEXT, false, "pathname", "Move the file"},
    {SET_LOCATION, "--setlocation|-l", OPTION_TEXT, false, "pathname", "Say where the file is by now"},
    {DESCRIPTION, "--description|-d", OPTION_TEXT, false, "text", "Free text"},
    {0},
};

struct change {
    const char *kind, *where, *type, *property, *move, *location, *description;
    bool reset, reset_given, compact;
    guint64 bytes;
};

static int parse_change(struct cmd *c, struct change *m)
{
    struct value v;
    unsigned count = 0;

    m->kind = "HardDisk";
    for (int id; (id = cmd_next(c, &v)) != CMD_END; count += id > 0) {
        switch (id) {
        case TYPE: m->type = v.text; break;
        case AUTORESET: m->reset = v.on, m->reset_given = true; break;
        case PROPERTY: m->property = v.text; break;
        case COMPACT: m->compact = true; break;
        case RESIZE:
            if (v.number == 0 || v.number > G_MAXUINT64 >> 20)
                return cmd_syntax(c, "Invalid value '%s' for option '--resize': a number", v.text);
            m->bytes = v.number << 20;
            break;
        case RESIZE_BYTES: m->bytes = v.number; break;
        case MOVE: m->move = v.text; break;
        case SET_LOCATION: m->location = v.text; break;
        case DESCRIPTION: m->description = v.text; break;
        case CMD_WORD:
            if (m->where == NULL && medium_kind(v.text) != NULL && c->at < c->argc && *c->argv[c->at] != '-')
                m->kind = medium_kind(v.text);
            else if (m->where == NULL)
                m->where = v.text;
            else
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            break;
        default: return RC_SYNTAX;
        }
    }
    if (m->where == NULL)
        return cmd_syntax(c, "Medium name or UUID required");
    return count > 0 ? RC_OK : cmd_syntax(c, "No operation specified");
}

static const char *type_word(const char *text)
{
    static const char *const words[] = {"Normal", "Writethrough", "Immutable", "Shareable", "Readonly", "MultiAttach"};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (g_ascii_strcasecmp(words[k], text) == 0)
            return words[k];
    return NULL;
}

static bool progressed(struct cmd *c, bool started, char **progress)
{
    g_autofree char *object = *progress;

    return started && cmd_progress(c, object);
}

static bool set_property(struct cmd *c, const char *medium, const char *text)
{
    g_auto(GStrv) pair = g_strsplit(text, "=", 2);

    if (pair[0] == NULL || pair[1] == NULL) {
        cmd_syntax(c, "Invalid key value pair: No '='.");
        return false;
    }
    return TRY(c, imedium_set_property(c->client, medium, pair[0], pair[1], &error));
}

static bool relocate(struct cmd *c, const char *medium, const struct change *m, const char *id)
{
    char *progress = NULL;

    if (m->move != NULL) {
        g_autofree char *path = cmd_absolute(m->move);
        g_autofree char *folder = g_strconcat(path, g_str_has_suffix(m->move, "/") ? "/" : "", NULL);
        if (!progressed(c, TRY(c, imedium_move_to(c->client, medium, folder, &progress, &error)), &progress))
            return false;
        printf("Move medium with UUID %s finished\n", id);
    }
    if (m->location != NULL) {
        g_autofree char *path = cmd_absolute(m->location);
        if (!cmd_set(c, medium, "IMedium", "Location", g_variant_new_string(path)))
            return false;
        printf("Set new location of medium with UUID %s finished\n", id);
    }
    return true;
}

static bool change(struct cmd *c, const char *medium, const struct change *m, const char *id)
{
    char *progress = NULL;

    if (m->type != NULL && !cmd_set(c, medium, "IMedium", "Type", g_variant_new_string(type_word(m->type))))
        return false;
    if (m->reset_given && !cmd_set(c, medium, "IMedium", "AutoReset", g_variant_new_boolean(m->reset)))
        return false;
    if (m->property != NULL && !set_property(c, medium, m->property))
        return false;
    if (m->compact && !progressed(c, TRY(c, imedium_compact(c->client, medium, &progress, &error)), &progress))
        return false;
    if (m->bytes != 0 &&
        !progressed(c, TRY(c, imedium_resize(c->client, medium, m->bytes, &progress, &error)), &progress))
        return false;
    if (!relocate(c, medium, m, id))
        return false;
    if (m->description == NULL)
        return true;
    if (!cmd_set(c, medium, "IMedium", "Description", g_variant_new_string(m->description)))
        return false;
    printf("Medium description has been changed.\n");
    return true;
}

static int modifymedium(struct cmd *c)
{
    struct change m = {0};
    int rc = parse_change(c, &m);

    if (rc != RC_OK)
        return rc;
    if (m.type != NULL && type_word(m.type) == NULL)
        return cmd_syntax(c, "Invalid medium type '%s'", m.type);
    g_autofree char *medium = cmd_client(c) != NULL ? cmd_open_medium(c, m.where, m.kind, false) : NULL;
    g_autoptr(GVariant) d = medium != NULL ? cmd_describe(c, medium, "IMedium") : NULL;
    return d != NULL && change(c, medium, &m, dict_str(d, "Id")) ? RC_OK : RC_FAILURE;
}

const struct command modifymedium_command = {
    "modifymedium|modifyhd|modifyvdi", "Change the characteristics of an existing disk image",
    (const char *const[]){"[disk | dvd | floppy] <uuid | filename> [--autoreset=on | off] [--compact] "
                          "[--description=description] [--move=pathname] [--property=name=[value]] "
                          "[--resize=megabytes | --resizebyte=bytes] [--setlocation=pathname] "
                          "[--type=normal | writethrough | immutable | shareable | readonly | multiattach]",
                          NULL},
    modify_options, modifymedium};

/* ---- clonemedium ---- */

enum { FORMAT = 1, VARIANT, EXISTING, CLONE_RESIZE, STATIC };
static const struct option clone_options[] = {
    {FORMAT, "--format|-format|-o", OPTION_TEXT, false, "VDI | VMDK | VHD | RAW", "Of the copy; default the source's"},
    {VARIANT, "--variant|-variant|-m", OPTION_TEXT, false, "Standard,Fixed,Split2G,Stream,ESX", "Layout"},
    {EXISTING, "--existing|-E", OPTION_NONE, false, NULL, "The target is there; its contents are given up"},
    {CLONE_RESIZE, "--resize|-r", OPTION_U64, false, "megabytes", "Size of the copy in MB; default the source's"},
    {STATIC, "--static|-F", OPTION_NONE, false, NULL, NULL},
    {0},
};

struct copy {
    const char *kind, *from, *to, *format, *variant;
    guint64 bytes; /* 0: as large as the source */
    bool existing;
};

static int parse_copy(struct cmd *c, struct copy *k)
{
    struct value v;

    k->kind = "HardDisk";
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case FORMAT: k->format = v.text; break;
        case VARIANT: k->variant = v.text; break;
        case EXISTING: k->existing = true; break;
        case STATIC: k->variant = "Fixed"; break;
        case CLONE_RESIZE:
            if (v.number == 0 || v.number > G_MAXINT64 >> 20)
                return cmd_syntax(c, "Invalid value '%s' for option '--resize': a number of megabytes", v.text);
            k->bytes = v.number << 20;
            break;
        case CMD_WORD:
            if (k->from == NULL && medium_kind(v.text) != NULL && c->argc - c->at >= 2)
                k->kind = medium_kind(v.text);
            else if (k->from == NULL)
                k->from = v.text;
            else if (k->to == NULL)
                k->to = v.text;
            else
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            break;
        default: return RC_SYNTAX;
        }
    }
    if (k->from == NULL)
        return cmd_syntax(c, "Mandatory UUID or input file parameter missing");
    return k->to != NULL ? RC_OK : cmd_syntax(c, "Mandatory output file parameter missing");
}

static char *copy_target(struct cmd *c, const struct copy *k, const char *format)
{
    char *medium = NULL;

    if (k->existing)
        return cmd_open_medium(c, k->to, k->kind, false);
    g_autofree char *path = medium_file(k->to, k->kind, format);
    if (!TRY(c, ivirtual_box_create_medium(c->client, API_PATH, format, path, "ReadWrite", k->kind, &medium, &error)))
        return NULL;
    return medium;
}

/* The copy, as large as it is to be; a new one goes again if it cannot be made so. */
static bool copy_to(struct cmd *c, const struct copy *k, const char *from, const char *to, const char **variant)
{
    char *progress = NULL;

    if (!progressed(c, TRY(c, imedium_clone_to(c->client, from, to, variant, "/", &progress, &error)), &progress)) {
        if (!k->existing)
            medium_forget_new(c, to);
        return false;
    }
    progress = NULL;
    if (k->bytes == 0 || progressed(c, TRY(c, imedium_resize(c->client, to, k->bytes, &progress, &error)), &progress))
        return true;
    progress = NULL;
    if (!k->existing && imedium_delete_storage(c->client, to, &progress, NULL))
        progressed(c, true, &progress);
    return false;
}

static int clonemedium(struct cmd *c)
{
    struct copy k = {0};
    int rc = parse_copy(c, &k);

    if (rc != RC_OK)
        return rc;
    g_autofree const char **variant = medium_variant_words(c, k.variant);
    if (variant == NULL)
        return RC_SYNTAX;
    g_autofree char *from = cmd_client(c) != NULL ? cmd_open_medium(c, k.from, k.kind, false) : NULL;
    g_autoptr(GVariant) source = from != NULL ? cmd_describe(c, from, "IMedium") : NULL;
    if (source == NULL)
        return RC_FAILURE;
    g_autofree char *to = copy_target(c, &k, k.format != NULL ? k.format : dict_str(source, "Format"));
    if (to == NULL)
        return RC_FAILURE;
    g_autoptr(GVariant) d = copy_to(c, &k, from, to, variant) ? cmd_describe(c, to, "IMedium") : NULL;
    if (d == NULL)
        return RC_FAILURE;
    printf("Clone medium created in format '%s'. UUID: %s\n", dict_str(d, "Format"), dict_str(d, "Id"));
    return RC_OK;
}

const struct command clonemedium_command = {
    "clonemedium|clonehd|clonevdi", "Create a clone of a medium",
    (const char *const[]){"[disk | dvd | floppy] <uuid | source-medium> <uuid | target-medium> "
                          "[--format=VDI | VMDK | VHD | RAW | other] [--variant=Standard,Fixed,Split2G,Stream,ESX] "
                          "[--existing]",
                          NULL},
    clone_options, clonemedium};

/* ---- mediumproperty ---- */

static int mediumproperty(struct cmd *c)
{
    const char *words[5] = {NULL};
    unsigned count = 0;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id != CMD_WORD)
            return RC_SYNTAX;
        if (count == G_N_ELEMENTS(words))
            return cmd_syntax(c, "Too many parameters");
        words[count++] = v.text;
    }
    const char *kind = count > 0 ? medium_kind(words[0]) : NULL;
    const char *const *w = kind != NULL ? words + 1 : words;
    count -= kind != NULL;
    bool set = count == 4 && strcmp(w[0], "set") == 0, get = count == 3 && strcmp(w[0], "get") == 0;
    bool remove = count == 3 && strcmp(w[0], "delete") == 0;
    if (!set && !get && !remove)
        return count > 0 && strcmp(w[0], "set") != 0 && strcmp(w[0], "get") != 0 && strcmp(w[0], "delete") != 0
                   ? cmd_syntax(c, "Invalid parameter '%s'", w[0])
                   : cmd_syntax(c, "Not enough parameters");
    g_autofree char *medium =
        cmd_client(c) != NULL ? cmd_open_medium(c, w[1], kind != NULL ? kind : "HardDisk", false) : NULL;
    if (medium == NULL)
        return RC_FAILURE;
    if (!get)
        return TRY(c, imedium_set_property(c->client, medium, w[2], set ? w[3] : "", &error)) ? RC_OK : RC_FAILURE;
    char *val = NULL;
    if (!TRY(c, imedium_get_property(c->client, medium, w[2], &val, &error)))
        return RC_FAILURE;
    printf("%s=%s\n", w[2], val);
    g_free(val);
    return RC_OK;
}

const struct command mediumproperty_command = {
    "mediumproperty|hdproperty", "Manage medium properties",
    (const char *const[]){"[disk | dvd | floppy] set <uuid | filename> <property-name> <property-value>",
                          "[disk | dvd | floppy] get <uuid | filename> <property-name>",
                          "[disk | dvd | floppy] delete <uuid | filename> <property-name>", NULL},
    NULL, mediumproperty};

/*
 * clonevm.c - clonevm, movevm.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { NAME = 1, SNAPSHOT, MODE, OPTIONS, GROUPS, BASE, UUID, REGISTER };
static const struct option clone_options[] = {
    {NAME, "--name|-n", OPTION_TEXT, false, "name", "Name of the clone; default \"NAME Clone\""},
    {SNAPSHOT, "--snapshot|-s", OPTION_TEXT, false, "snapshot-name", "Clone this snapshot"},
    {MODE, "--mode|-m", OPTION_TEXT, false, "machine | machinechildren | all", "With or without snapshots"},
    {OPTIONS, "--options|-o", OPTION_TEXT, false, "option[,...]",
     "link, keepallmacs, keepnatmacs, keepdisknames, keephwuuids"},
    {GROUPS, "--groups|-g", OPTION_TEXT, false, "group[,...]", "Groups the clone is in"},
    {BASE, "--basefolder|-p", OPTION_TEXT, false, "folder", "Where the clone's folder is made"},
    {UUID, "--uuid|-u", OPTION_TEXT, false, "uuid", "UUID of the clone"},
    {REGISTER, "--register|-r", OPTION_NONE, false, NULL, "Register it"},
    {0},
};

struct clone {
    const char *from, *name, *snapshot, *mode, *options, *groups, *base, *uuid;
    bool registered;
};

static int parse_clone(struct cmd *c, struct clone *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case NAME: n->name = v.text; break;
        case SNAPSHOT: n->snapshot = v.text; break;
        case MODE: n->mode = v.text; break;
        case OPTIONS: n->options = v.text; break;
        case GROUPS: n->groups = v.text; break;
        case BASE: n->base = v.text; break;
        case UUID: n->uuid = v.text; break;
        case REGISTER: n->registered = true; break;
        case CMD_WORD:
            if (n->from != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            n->from = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    return n->from != NULL ? RC_OK : cmd_syntax(c, "VM name required");
}

static const char *word_of(const char *const words[][2], unsigned count, const char *text)
{
    for (unsigned k = 0; k < count; k++)
        if (g_ascii_strcasecmp(words[k][0], text) == 0)
            return words[k][1];
    return NULL;
}

static const char *mode_of(const char *text)
{
    static const char *const words[][2] = {{"machine", "MachineState"},
                                           {"machinechildren", "MachineAndChildStates"},
                                           {"machineandchildren", "MachineAndChildStates"},
                                           {"all", "AllStates"}};

    return word_of(words, G_N_ELEMENTS(words), text != NULL ? text : "machine");
}

/* The API's words; NULL: said. g_free the array */
static const char **options_of(struct cmd *c, const char *text)
{
    static const char *const known[][2] = {{"link", "Link"},
                                           {"keepallmacs", "KeepAllMACs"},
                                           {"keepnatmacs", "KeepNATMACs"},
                                           {"keepdisknames", "KeepDiskNames"},
                                           {"keephwuuids", "KeepHwUUIDs"}};
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "", ",", -1);
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (unsigned k = 0; words[k] != NULL && *words[k] != '\0'; k++) {
        const char *word = word_of(known, G_N_ELEMENTS(known), words[k]);
        if (word == NULL) {
            cmd_syntax(c, "Invalid clone options '%s'", text);
            return NULL;
        }
        g_ptr_array_add(found, (void *)word);
    }
    g_ptr_array_add(found, NULL);
    return (const char **)g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

/* The new machine in memory; NULL: said. */
static char *make_target(struct cmd *c, const struct clone *n, const char *name, const char *os)
{
    g_auto(GStrv) groups = g_strsplit(n->groups != NULL ? n->groups : "", ",", -1);
    g_autofree char *base = n->base != NULL ? cmd_absolute(n->base) : g_strdup("");
    char *machine = NULL;

    if (!TRY(c, ivirtual_box_create_machine(c->client, API_PATH, "", name, (const char *const *)groups, os, base,
                                            n->uuid != NULL ? n->uuid : "", "", "", "", &machine, &error)))
        return NULL;
    return machine;
}

static int make_clone(struct cmd *c, const struct clone *n, const char *mode, const char *const *options)
{
    g_autofree char *from = cmd_find_machine(c, n->from);
    g_autoptr(GVariant) d = from != NULL ? cmd_describe(c, from, "IMachine") : NULL;
    char *snapshot = NULL, *progress = NULL;

    if (d == NULL)
        return RC_FAILURE;
    if (n->snapshot != NULL && !TRY(c, imachine_find_snapshot(c->client, from, n->snapshot, &snapshot, &error)))
        return RC_FAILURE;
    g_autofree char *frozen = snapshot != NULL ? snapshot : g_strdup("/");
    g_autofree char *name = n->name != NULL ? g_strdup(n->name) : g_strdup_printf("%s Clone", dict_str(d, "Name"));
    g_autofree char *to = make_target(c, n, name, dict_str(d, "OSTypeId"));
    if (to == NULL || !TRY(c, imachine_clone_to(c->client, from, to, mode, options, frozen, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    if (!cmd_progress(c, object))
        return RC_FAILURE;
    if (n->registered && !TRY(c, ivirtual_box_register_machine(c->client, API_PATH, to, &error)))
        return RC_FAILURE;
    printf("Machine has been successfully cloned as \"%s\"\n", name);
    return RC_OK;
}

static int clonevm(struct cmd *c)
{
    struct clone n = {0};
    int rc = parse_clone(c, &n);

    if (rc != RC_OK)
        return rc;
    const char *mode = mode_of(n.mode);
    if (mode == NULL)
        return cmd_syntax(c, "Invalid clone mode '%s'", n.mode);
    g_autofree const char **options = options_of(c, n.options);
    return options != NULL ? make_clone(c, &n, mode, options) : RC_SYNTAX;
}

const struct command clonevm_command = {
    "clonevm", "Create a clone of an existing virtual machine",
    (const char *const[]){"<vmname | uuid> [--basefolder=basefolder] [--groups=group,...] [--mode=machine | "
                          "machinechildren | all] [--name=name] [--options=option,...] [--register] "
                          "[--snapshot=snapshot-name] [--uuid=uuid]",
                          NULL},
    clone_options, clonevm};

/* ---- movevm ---- */

enum { MOVE_TYPE = 1, FOLDER };
static const struct option move_options[] = {
    {MOVE_TYPE, "--type|-t", OPTION_TEXT, false, "basic", "Only basic"},
    {FOLDER, "--folder|-f", OPTION_TEXT, false, "folder-name", "Where the machine's folder goes"},
    {0},
};

static int movevm(struct cmd *c)
{
    const char *name = NULL, *type = "basic", *folder = NULL;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case MOVE_TYPE: type = v.text; break;
        case FOLDER: folder = v.text; break;
        case CMD_WORD:
            if (name != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            name = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    if (name == NULL)
        return cmd_syntax(c, "VM name required");
    if (folder == NULL)
        return cmd_syntax(c, "Missing required option: --folder");
    g_autofree char *machine = cmd_find_machine(c, name);
    g_autofree char *base = cmd_absolute(folder);
    char *progress = NULL;
    if (machine == NULL || !cmd_lock(c, machine) ||
        !TRY(c, imachine_move_to(c->client, c->session_machine, base, type, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    if (!cmd_progress(c, object))
        return RC_FAILURE;
    printf("Machine has been successfully moved into %s\n", base);
    return RC_OK;
}

const struct command movevm_command = {
    "movevm", "Move a virtual machine to a new location on the host system",
    (const char *const[]){"<uuid | vmname> [--type=basic] [--folder=folder-name]", NULL}, move_options, movevm};

/*
 * createvm.c - createvm, registervm, unregistervm.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { NAME = 1, OSTYPE, GROUPS, UUID, BASE, REGISTER, DEFAULT, ARCH, CIPHER, PASSWORD_ID, PASSWORD };

static const struct option create_options[] = {
    {NAME, "--name|-n", OPTION_TEXT, false, "name", "Name of the machine"},
    {OSTYPE, "--ostype|--os-type|-o", OPTION_TEXT, false, "type", "Guest operating system type; see \"list ostypes\""},
    {GROUPS, "--groups|-g", OPTION_TEXT, false, "group[,...]", "Groups the machine is in"},
    {UUID, "--uuid|-u", OPTION_TEXT, false, "uuid", "UUID of the machine"},
    {BASE, "--basefolder|-p", OPTION_TEXT, false, "folder", "Where the machine's folder is made"},
    {REGISTER, "--register|-r", OPTION_NONE, false, NULL, "Register it"},
    {DEFAULT, "--default|-d", OPTION_NONE, false, NULL, "With the usual hardware of that guest type"},
    {ARCH, "--platform-architecture", OPTION_TEXT, false, "x86", "Only x86"},
    {CIPHER, "--cipher|-c", OPTION_TEXT, false, "cipher", "Of encrypted settings; needs an extension pack"},
    {PASSWORD_ID, "--password-id|-i", OPTION_TEXT, false, "id", "Name of their password"},
    {PASSWORD, "--password|-w", OPTION_TEXT, false, "file", "Holds their password; - is standard input"},
    {0},
};

struct creation {
    const char *name, *os, *groups, *uuid, *base, *cipher, *password_id, *password_file;
    bool registered, usual;
};

static int parse_creation(struct cmd *c, struct creation *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case NAME: n->name = v.text; break;
        case OSTYPE: n->os = v.text; break;
        case GROUPS: n->groups = v.text; break;
        case UUID: n->uuid = v.text; break;
        case BASE: n->base = v.text; break;
        case REGISTER: n->registered = true; break;
        case DEFAULT: n->usual = true; break;
        case CIPHER: n->cipher = v.text; break;
        case PASSWORD_ID: n->password_id = v.text; break;
        case PASSWORD: n->password_file = v.text; break;
        case ARCH:
            if (strcmp(v.text, "x86") != 0)
                return cmd_syntax(c, "Invalid platform architecture '%s': only x86", v.text);
            break;
        case CMD_WORD: return cmd_syntax(c, "Invalid parameter '%s'", v.text);
        default: return RC_SYNTAX;
        }
    }
    if (n->name == NULL)
        return cmd_syntax(c, "Parameter --name is required");
    const bool any = n->cipher != NULL || n->password_id != NULL || n->password_file != NULL;
    const bool all = n->cipher != NULL && n->password_id != NULL && n->password_file != NULL;
    return any == all ? RC_OK
                      : cmd_syntax(c, "Parameters --cipher, --password-id and --password are required together");
}

static bool os_type_known(struct cmd *c, const char *os)
{
    GVariant *list = NULL;

    if (!TRY(c, ivirtual_box_get_guest_os_types(c->client, API_PATH, &list, &error)))
        return false;
    g_autoptr(GVariant) types = list;
    for (gsize k = 0; k < g_variant_n_children(types); k++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(types, k);
        if (g_ascii_strcasecmp(dict_str(one, "Id"), os) == 0 || strcmp(dict_str(one, "Description"), os) == 0)
            return true;
    }
    cmd_error("Unknown or invalid guest OS type given.");
    return false;
}

/* Controllers as the guest type recommends, an empty DVD drive. */
static bool add_usual(struct cmd *c, const char *machine)
{
    char *made = NULL;

    bool ok = TRY(c, imachine_add_storage_controller(c->client, machine, "IDE", "IDE", &made, &error)) &&
              TRY(c, imachine_attach_device(c->client, machine, "IDE", 1, 0, "DVD", "/", &error)) &&
              TRY(c, imachine_add_usb_controller(c->client, machine, "OHCI", "OHCI", &error));
    g_free(made);
    return ok;
}

static int createvm(struct cmd *c)
{
    struct creation n = {0};
    int rc = parse_creation(c, &n);

    if (rc != RC_OK)
        return rc;
    if (cmd_client(c) == NULL || (n.os != NULL && !os_type_known(c, n.os)))
        return RC_FAILURE;
    g_auto(GStrv) groups = g_strsplit(n.groups != NULL ? n.groups : "", ",", -1);
    g_autofree char *base = n.base != NULL ? cmd_absolute(n.base) : g_strdup("");
    g_autofree char *password =
        n.password_file != NULL ? cmd_read_password(n.password_file, "Enter the password:") : g_strdup("");
    char *machine = NULL;
    if (password == NULL)
        return RC_FAILURE;
    if (!TRY(c, ivirtual_box_create_machine(c->client, API_PATH, "", n.name, (const char *const *)groups,
                                            n.os != NULL ? n.os : "", base, n.uuid != NULL ? n.uuid : "",
                                            n.cipher != NULL ? n.cipher : "",
                                            n.password_id != NULL ? n.password_id : "", password, &machine, &error)))
        return RC_FAILURE;
    g_autofree char *object = machine;
    if (n.usual && !add_usual(c, object))
        return RC_FAILURE;
    if (!TRY(c, imachine_save_settings(c->client, object, &error)) ||
        (n.registered && !TRY(c, ivirtual_box_register_machine(c->client, API_PATH, object, &error))))
        return RC_FAILURE;
    g_autoptr(GVariant) d = cmd_describe(c, object, "IMachine");
    if (d == NULL)
        return RC_FAILURE;
    printf("Virtual machine '%s' is created%s.\nUUID: %s\nSettings file: '%s'\n", n.name,
           n.registered ? " and registered" : "", dict_str(d, "Id"), dict_str(d, "SettingsFilePath"));
    return RC_OK;
}

const struct command createvm_command = {
    "createvm", "Create a new virtual machine",
    (const char *const[]){
        "<--name=name> [--basefolder=basefolder] [--default] [--groups=group-ID[,...]] "
        "[--ostype=ostype] [--register] [--uuid=uuid] [--cipher=cipher] [--password-id=id] [--password=file]",
        NULL},
    create_options, createvm};

/* ---- registervm ---- */

enum { OF_SETTINGS = 1 };
static const struct option register_options[] = {
    {OF_SETTINGS, "--password|-p", OPTION_TEXT, false, "file", "Holds the password of encrypted settings"},
    {0},
};

static int registervm(struct cmd *c)
{
    struct value v;
    const char *file = NULL, *password_file = NULL;
    char *machine = NULL;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == CMD_WORD && file != NULL)
            return cmd_syntax(c, "Too many parameters");
        *(id == CMD_WORD ? &file : &password_file) = v.text;
    }
    if (file == NULL)
        return cmd_syntax(c, "Not enough parameters");
    g_autofree char *path = cmd_absolute(file);
    g_autofree char *password =
        password_file != NULL ? cmd_read_password(password_file, "Enter the password:") : g_strdup("");
    if (password == NULL || cmd_client(c) == NULL ||
        !TRY(c, ivirtual_box_open_machine(c->client, API_PATH, path, password, &machine, &error)))
        return RC_FAILURE;
    g_autofree char *object = machine;
    return TRY(c, ivirtual_box_register_machine(c->client, API_PATH, object, &error)) ? RC_OK : RC_FAILURE;
}

const struct command registervm_command = {"registervm", "Register a virtual machine",
                                           (const char *const[]){"<filename> [--password=file]", NULL},
                                           register_options, registervm};

/* ---- unregistervm ---- */

enum { DELETE = 1, DELETE_ALL };
static const struct option unregister_options[] = {
    {DELETE, "--delete|-d", OPTION_NONE, false, NULL, "Delete its files too"},
    {DELETE_ALL, "--delete-all|-a", OPTION_NONE, false, NULL, "Delete its files and all its disks"},
    {0},
};

static int unregistervm(struct cmd *c)
{
    const char *name = NULL;
    bool remove = false;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id != CMD_WORD)
            remove = true;
        else if (name == NULL)
            name = v.text;
        else
            return cmd_syntax(c, "Invalid parameter '%s'", v.text);
    }
    if (name == NULL)
        return cmd_syntax(c, "VM name required");
    g_autofree char *machine = cmd_find_machine(c, name);
    if (machine == NULL)
        return RC_FAILURE;
    g_auto(GStrv) media = NULL;
    const char *mode = remove ? "DetachAllReturnHardDisksOnly" : "DetachAllReturnNone";
    if (!TRY(c, imachine_unregister(c->client, machine, remove ? mode : "UnregisterOnly", &media, &error)))
        return RC_FAILURE;
    if (!remove)
        return RC_OK;
    char *progress = NULL;
    if (!TRY(c, imachine_delete_config(c->client, machine, (const char *const *)media, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    return cmd_progress(c, object) ? RC_OK : RC_FAILURE;
}

const struct command unregistervm_command = {"unregistervm", "Unregister a virtual machine",
                                             (const char *const[]){"<uuid | vmname> [--delete] [--delete-all]", NULL},
                                             unregister_options, unregistervm};

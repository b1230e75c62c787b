/*
 * storageattach.c - storageattach: what is in a machine's drives.
 */
#include "frontends/VBoxManage/storageattach.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "frontends/VBoxManage/commands.h"

enum {
    A_CTL = 1,
    A_PORT,
    A_DEVICE,
    A_TYPE,
    A_MEDIUM,
    A_MTYPE,
    A_PASSTHROUGH,
    A_TEMPEJECT,
    A_NONROTATIONAL,
    A_DISCARD,
    A_HOTPLUGGABLE,
    A_GROUP,
    A_FORCE,
    A_COMMENT,
    A_SETUUID,
    A_SETPARENT,
    A_INTNET,
    A_ISCSI /* and all after it: of iscsi_options() */
};
static const struct option attach_options[] = {
    {A_CTL, "--storagectl", OPTION_TEXT, false, "name", "Which controller"},
    {A_PORT, "--port", OPTION_U32, false, "number", "Its port"},
    {A_DEVICE, "--device", OPTION_U32, false, "number", "Device at the port"},
    {A_TYPE, "--type", OPTION_TEXT, false, "dvddrive | fdd | hdd", "What kind of drive"},
    {A_MEDIUM, "--medium", OPTION_TEXT, false, "none | emptydrive | additions | uuid | filename", "What is in it"},
    {A_MTYPE, "--mtype", OPTION_TEXT, false, "normal | writethrough | immutable | shareable | readonly | multiattach",
     "Type of the medium"},
    {A_PASSTHROUGH, "--passthrough", OPTION_ON_OFF, false, "on | off", "Host drive: the guest writes discs"},
    {A_TEMPEJECT, "--tempeject", OPTION_ON_OFF, false, "on | off", "The guest may eject, until it ends"},
    {A_NONROTATIONAL, "--nonrotational", OPTION_ON_OFF, false, "on | off", "The guest sees a solid state disk"},
    {A_DISCARD, "--discard", OPTION_ON_OFF, false, "on | off", "Space the guest discards is given back"},
    {A_HOTPLUGGABLE, "--hotpluggable", OPTION_ON_OFF, false, "on | off", "May come and go while it runs"},
    {A_GROUP, "--bandwidthgroup", OPTION_TEXT, false, "name | none", "Shares this group's bandwidth"},
    {A_FORCE, "--forceunmount", OPTION_NONE, false, NULL, "Even if the guest has locked it"},
    {A_COMMENT, "--comment", OPTION_TEXT, false, "text", "Description of the medium"},
    {A_SETUUID, "--setuuid", OPTION_TEXT, false, "uuid", "New UUID of the image; empty: a random one"},
    {A_SETPARENT, "--setparentuuid", OPTION_TEXT, false, "uuid", "New parent UUID of the image"},
    {A_ISCSI + ISCSI_OPTION_SERVER, "--server", OPTION_TEXT, false, "name | ip", "iSCSI: the target's host"},
    {A_ISCSI + ISCSI_OPTION_TARGET, "--target", OPTION_TEXT, false, "target", "iSCSI: the target's name"},
    {A_ISCSI + ISCSI_OPTION_PORT, "--tport", OPTION_TEXT, false, "port", "iSCSI: the target's TCP port; default 3260"},
    {A_ISCSI + ISCSI_OPTION_LUN, "--lun", OPTION_TEXT, false, "lun", "iSCSI: logical unit; default 0"},
    {A_ISCSI + ISCSI_OPTION_ENCODED_LUN, "--encodedlun", OPTION_TEXT, false, "lun",
     "iSCSI: logical unit as the protocol encodes it, 16 hexadecimal digits"},
    {A_ISCSI + ISCSI_OPTION_USER, "--username", OPTION_TEXT, false, "username", "iSCSI: user name (CHAP)"},
    {A_ISCSI + ISCSI_OPTION_PASSWORD, "--password", OPTION_TEXT, false, "password",
     "iSCSI: the user's secret; other users of this host may see it, --passwordfile is safer"},
    {A_ISCSI + ISCSI_OPTION_PASSWORD_FILE, "--passwordfile", OPTION_TEXT, false, "file",
     "iSCSI: the user's secret, from a file"},
    {A_ISCSI + ISCSI_OPTION_INITIATOR, "--initiator", OPTION_TEXT, false, "initiator", "iSCSI: name of this end"},
    {A_INTNET, "--intnet", OPTION_NONE, false, NULL, "iSCSI: the target is reached through an internal network"},
    {0},
};

struct attach {
    const char *machine, *ctl, *type, *medium, *mtype, *group, *comment;
    struct iscsi_medium iscsi;
    gint32 port, device;
    bool has_port, has_device, force, fresh;
    GVariantDict flags;
};

static const char *flag_name(int id)
{
    switch (id) {
    case A_PASSTHROUGH: return "Passthrough";
    case A_TEMPEJECT: return "TemporaryEject";
    case A_NONROTATIONAL: return "NonRotational";
    case A_DISCARD: return "Discard";
    case A_HOTPLUGGABLE: return "HotPluggable";
    default: return NULL;
    }
}

static int parse_attach(struct cmd *c, struct attach *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case A_CTL: n->ctl = v.text; break;
        case A_PORT: n->port = (gint32)v.number, n->has_port = true; break;
        case A_DEVICE: n->device = (gint32)v.number, n->has_device = true; break;
        case A_TYPE: n->type = v.text; break;
        case A_MEDIUM: n->medium = v.text; break;
        case A_MTYPE: n->mtype = v.text; break;
        case A_GROUP: n->group = v.text; break;
        case A_FORCE: n->force = true; break;
        case A_COMMENT: n->comment = v.text; break;
        case A_SETUUID: n->fresh = true; break;
        case A_SETPARENT:
            return cmd_error("--setparentuuid is not available; use \"internalcommands sethdparentuuid\"");
        case CMD_WORD:
            if (n->machine != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            n->machine = v.text;
            break;
        case A_INTNET: n->iscsi.internal = true; break;
        case CMD_ERROR: return RC_SYNTAX;
        default:
            if (id >= A_ISCSI) {
                n->iscsi.text[id - A_ISCSI] = v.text;
                break;
            }
            g_variant_dict_insert(&n->flags, flag_name(id), "b", v.on);
        }
    }
    if (n->machine == NULL)
        return cmd_syntax(c, "Not enough parameters");
    return n->ctl != NULL ? RC_OK : cmd_syntax(c, "Storage controller name not specified");
}

static GVariant *attached_at(GVariant *machine, const struct attach *n)
{
    g_autoptr(GVariant) list = dict_list(machine, "MediumAttachments");

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        GVariant *one = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(one, "Controller"), n->ctl) == 0 && dict_int(one, "Port") == n->port &&
            dict_int(one, "Device") == n->device)
            return one;
        g_variant_unref(one);
    }
    return NULL;
}

static GVariant *controller_named(GVariant *machine, const char *name)
{
    g_autoptr(GVariant) list = dict_list(machine, "StorageControllers");

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        GVariant *one = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(one, "Name"), name) == 0)
            return one;
        g_variant_unref(one);
    }
    return NULL;
}

/* Port and device that were not given: 0 where the controller has only one. */
static int complete_place(struct cmd *c, struct attach *n, GVariant *controller)
{
    if (!n->has_port && dict_int(controller, "MaxPortCount") > 1)
        return cmd_syntax(c, "Port not specified");
    if (!n->has_device && dict_int(controller, "MaxDevicesPerPortCount") > 1)
        return cmd_syntax(c, "Device not specified");
    return RC_OK;
}

static const char *drive_of(const char *word)
{
    if (g_ascii_strcasecmp(word, "hdd") == 0)
        return "HardDisk";
    if (g_ascii_strcasecmp(word, "dvddrive") == 0)
        return "DVD";
    return g_ascii_strcasecmp(word, "fdd") == 0 ? "Floppy" : NULL;
}

/* What the drive is to be when the command does not say. */
static const char *guess_drive(const struct attach *n, GVariant *there, GVariant *controller)
{
    if (there != NULL)
        return dict_str(there, "Type");
    if (strcmp(dict_str(controller, "Bus"), "Floppy") == 0)
        return "Floppy";
    bool disc = g_ascii_strcasecmp(n->medium, "emptydrive") == 0 || g_ascii_strcasecmp(n->medium, "additions") == 0 ||
                g_str_has_suffix(n->medium, ".iso");
    return disc ? "DVD" : NULL;
}

static char *medium_object(struct cmd *c, const struct attach *n, const char *drive)
{
    const char *where = n->medium;

    if (g_ascii_strcasecmp(where, "emptydrive") == 0)
        return g_strdup("/");
    g_autofree char *iso = NULL;
    if (g_ascii_strcasecmp(where, "additions") == 0) {
        g_autoptr(GVariant) properties = cmd_describe(c, API_ROOT "/SystemProperties", "ISystemProperties");
        iso = g_strdup(properties != NULL ? dict_str(properties, "DefaultAdditionsISO") : "");
        if (*iso == '\0') {
            cmd_error("Cannot find the Guest Additions ISO image");
            return NULL;
        }
        where = iso;
    }
    if (g_ascii_strcasecmp(where, "iscsi") == 0)
        return iscsi_medium_new(c, &n->iscsi);
    return cmd_open_medium(c, where, drive, n->fresh);
}

static bool put_medium(struct cmd *c, const struct attach *n, GVariant *there, const char *drive, const char *medium)
{
    const char *copy = c->session_machine;

    if (n->mtype != NULL && strcmp(medium, "/") != 0) {
        const char *type = api_enum_canonical("MediumType", n->mtype);
        if (type == NULL)
            return cmd_error("Invalid --mtype argument '%s'", n->mtype), false;
        if (!cmd_set(c, medium, "IMedium", "Type", g_variant_new_string(type)))
            return false;
    }
    if (n->comment != NULL && strcmp(medium, "/") != 0 &&
        !cmd_set(c, medium, "IMedium", "Description", g_variant_new_string(n->comment)))
        return false;
    bool same_drive = there != NULL && strcmp(dict_str(there, "Type"), drive) == 0 && strcmp(drive, "HardDisk") != 0;
    if (same_drive)
        return TRY(c, imachine_mount_medium(c->client, copy, n->ctl, n->port, n->device, medium, n->force, &error));
    if (there != NULL && !TRY(c, imachine_detach_device(c->client, copy, n->ctl, n->port, n->device, &error)))
        return false;
    return TRY(c, imachine_attach_device(c->client, copy, n->ctl, n->port, n->device, drive, medium, &error));
}

static bool put_host_drive(struct cmd *c, const struct attach *n, const char *drive, const char *path)
{
    if (strcmp(drive, "DVD") != 0)
        return cmd_error("Host drive '%s' cannot be used: only CD and DVD drives can", path), false;
    if (access(path, R_OK) != 0)
        return cmd_error("Host drive '%s' cannot be used: %s", path, g_strerror(errno)), false;
    return TRY(c, imachine_attach_host_drive(c->client, c->session_machine, n->ctl, n->port, n->device, path, &error));
}

static bool put(struct cmd *c, const struct attach *n, GVariant *there, const char *drive)
{
    if (g_str_has_prefix(n->medium, "host:"))
        return put_host_drive(c, n, drive, n->medium + strlen("host:"));
    g_autofree char *medium = medium_object(c, n, drive);
    const bool ok = medium != NULL && put_medium(c, n, there, drive, medium);

    if (!ok && medium != NULL && g_ascii_strcasecmp(n->medium, "iscsi") == 0)
        medium_forget_new(c, medium);
    return ok;
}

static int attach(struct cmd *c, struct attach *n)
{
    const char *copy = c->session_machine;
    g_autoptr(GVariant) machine = cmd_describe(c, copy, "IMachine");
    g_autoptr(GVariant) controller = machine != NULL ? controller_named(machine, n->ctl) : NULL;

    if (machine == NULL)
        return RC_FAILURE;
    if (controller == NULL)
        return cmd_error("Could not find a controller named '%s'\n", n->ctl);
    int rc = complete_place(c, n, controller);
    if (rc != RC_OK)
        return rc;
    g_autoptr(GVariant) there = attached_at(machine, n);
    bool ok = true;
    if (n->medium != NULL && g_ascii_strcasecmp(n->medium, "none") == 0) {
        if (n->type == NULL)
            ok = TRY(c, imachine_detach_device(c->client, copy, n->ctl, n->port, n->device, &error));
        else if (there != NULL)
            ok = TRY(c, imachine_detach_device(c->client, copy, n->ctl, n->port, n->device, &error));
    } else if (n->medium != NULL) {
        const char *drive = n->type != NULL ? drive_of(n->type) : guess_drive(n, there, controller);
        if (n->type != NULL && drive == NULL)
            return cmd_error("Invalid --type argument '%s'", n->type);
        if (drive == NULL)
            return cmd_syntax(c, "Argument --type must be specified");
        ok = put(c, n, there, drive);
    }
    if (!ok)
        return RC_FAILURE;
    if (n->group != NULL)
        g_variant_dict_insert(&n->flags, "BandwidthGroup", "s", strcmp(n->group, "none") == 0 ? "" : n->group);
    g_autoptr(GVariant) flags = g_variant_ref_sink(g_variant_dict_end(&n->flags));
    if (g_variant_n_children(flags) > 0 &&
        !TRY(c, imachine_set_device_flags(c->client, copy, n->ctl, n->port, n->device, flags, &error)))
        return RC_FAILURE;
    return cmd_save(c) ? RC_OK : RC_FAILURE;
}

/* A running machine's session is shared: its process has the other one. */
static bool lock_for_change(struct cmd *c, const char *machine)
{
    g_autoptr(GVariant) now = cmd_describe(c, machine, "IMachine");
    const char *state = now != NULL ? dict_str(now, "State") : "";
    const bool live = strcmp(state, "Running") == 0 || strcmp(state, "Paused") == 0;

    return now != NULL && (live ? cmd_lock_shared(c, machine) : cmd_lock(c, machine));
}

static int storageattach(struct cmd *c)
{
    struct attach n = {0};

    g_variant_dict_init(&n.flags, NULL);
    int rc = parse_attach(c, &n);
    if (rc == RC_OK) {
        g_autofree char *machine = cmd_find_machine(c, n.machine);
        rc = machine != NULL && lock_for_change(c, machine) ? attach(c, &n) : RC_FAILURE;
    }
    g_variant_dict_clear(&n.flags);
    return rc;
}

const struct command storageattach_command = {
    "storageattach", "Attach, remove, and modify storage media used by a virtual machine",
    (const char *const[]){"<uuid | vmname> <--storagectl=name> [--bandwidthgroup= name | none] [--comment=text] "
                          "[--device=number] [--discard= on | off] [--forceunmount] [--hotpluggable= on | off] "
                          "[--medium= none | emptydrive | additions | uuid | filename | host:drive | iscsi] "
                          "[--mtype= normal | writethrough | immutable | shareable | readonly | multiattach] "
                          "[--nonrotational= on | off] [--passthrough= on | off] [--port=number] [--setuuid=uuid] "
                          "[--tempeject= on | off] [--type= dvddrive | fdd | hdd]",
                          "<uuid | vmname> <--storagectl=name> [--device=number] [--port=number] [--type=hdd] "
                          "<--medium=iscsi> <--server= name | ip> <--target=target> [--tport=port] "
                          "[--lun=lun | --encodedlun=lun] [--username=username] "
                          "[--password=password | --passwordfile=file] [--initiator=initiator] [--intnet]",
                          NULL},
    attach_options, storageattach};

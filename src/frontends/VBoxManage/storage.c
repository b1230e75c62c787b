/*
 * storage.c - storagectl, storageattach.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "frontends/VBoxManage/commands.h"

enum { NAME = 1, ADD, CONTROLLER, PORTS, HOST_CACHE, BOOTABLE, RENAME, REMOVE };
static const struct option ctl_options[] = {
    {NAME, "--name", OPTION_TEXT, false, "controller-name", "Which controller"},
    {ADD, "--add", OPTION_TEXT, false, "floppy | ide | pcie | sas | sata | scsi | usb | virtio", "Add one on this bus"},
    {CONTROLLER, "--controller|--controllertype", OPTION_TEXT, false, "chipset",
     "LSILogic, LSILogicSAS, BusLogic, IntelAHCI, PIIX3, PIIX4, ICH6, I82078, USB, NVMe or VirtIO"},
    {PORTS, "--portcount|--sataportcount", OPTION_U32, false, "count", "Ports in use"},
    {HOST_CACHE, "--hostiocache", OPTION_ON_OFF, false, "on | off", "Through the host's cache"},
    {BOOTABLE, "--bootable", OPTION_ON_OFF, false, "on | off", "The firmware looks at it"},
    {RENAME, "--rename", OPTION_TEXT, false, "new-name", "Another name"},
    {REMOVE, "--remove", OPTION_NONE, false, NULL, "Remove it and what is attached to it"},
    {0},
};

struct ctl {
    const char *machine, *name, *add, *chip, *rename;
    guint32 ports;
    bool has_ports, has_cache, cache, has_bootable, bootable, remove;
};

static int parse_ctl(struct cmd *c, struct ctl *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case NAME: n->name = v.text; break;
        case ADD: n->add = v.text; break;
        case CONTROLLER: n->chip = v.text; break;
        case PORTS: n->has_ports = true, n->ports = (guint32)v.number; break;
        case HOST_CACHE: n->has_cache = true, n->cache = v.on; break;
        case BOOTABLE: n->has_bootable = true, n->bootable = v.on; break;
        case RENAME: n->rename = v.text; break;
        case REMOVE: n->remove = true; break;
        case CMD_WORD:
            if (n->machine != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            n->machine = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    if (n->machine == NULL)
        return cmd_syntax(c, "Not enough parameters");
    return n->name != NULL ? RC_OK : cmd_syntax(c, "Storage controller name not specified");
}

static const char *bus_of(const char *word)
{
    static const char *const buses[][2] = {
        {"ide", "IDE"}, {"sata", "SATA"}, {"scsi", "SCSI"},         {"floppy", "Floppy"},         {"sas", "SAS"},
        {"usb", "USB"}, {"pcie", "PCIe"}, {"virtio", "VirtioSCSI"}, {"virtio-scsi", "VirtioSCSI"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(buses); k++)
        if (g_ascii_strcasecmp(word, buses[k][0]) == 0)
            return buses[k][1];
    return NULL;
}

static const char *chip_of(const char *word)
{
    if (g_ascii_strcasecmp(word, "VirtIO") == 0 || g_ascii_strcasecmp(word, "virtio-scsi") == 0)
        return "VirtioSCSI";
    if (g_ascii_strcasecmp(word, "virtio-blk") == 0)
        return "VirtioBlk";
    return api_enum_canonical("StorageControllerType", word);
}

static bool change_ctl(struct cmd *c, const struct ctl *n, const char *bus)
{
    const char *copy = c->session_machine;
    g_autofree char *object = cmd_controller(c, n->name);
    char *made = NULL;

    if (bus != NULL && !TRY(c, imachine_add_storage_controller(c->client, copy, n->name, bus, &made, &error)))
        return false;
    g_free(made);
    if (n->chip != NULL &&
        !cmd_set(c, object, "IStorageController", "ControllerType", g_variant_new_string(chip_of(n->chip))))
        return false;
    if (n->has_ports && !cmd_set(c, object, "IStorageController", "PortCount", g_variant_new_uint32(n->ports)))
        return false;
    if (n->has_cache && !cmd_set(c, object, "IStorageController", "UseHostIOCache", g_variant_new_boolean(n->cache)))
        return false;
    if (n->has_bootable && !cmd_set(c, object, "IStorageController", "Bootable", g_variant_new_boolean(n->bootable)))
        return false;
    if (n->rename != NULL && !cmd_set(c, object, "IStorageController", "Name", g_variant_new_string(n->rename)))
        return false;
    return !n->remove || TRY(c, imachine_remove_storage_controller(c->client, copy, n->name, &error));
}

static int storagectl(struct cmd *c)
{
    struct ctl n = {0};
    int rc = parse_ctl(c, &n);
    const char *bus = n.add != NULL ? bus_of(n.add) : NULL;

    if (rc != RC_OK)
        return rc;
    if (n.add != NULL && bus == NULL)
        return cmd_syntax(c, "Invalid --add argument: '%s'", n.add);
    if (n.chip != NULL && chip_of(n.chip) == NULL)
        return cmd_error("Invalid --type argument '%s'", n.chip);
    g_autofree char *machine = cmd_find_machine(c, n.machine);
    if (machine == NULL || !cmd_lock(c, machine))
        return RC_FAILURE;
    return change_ctl(c, &n, bus) && cmd_save(c) ? RC_OK : RC_FAILURE;
}

const struct command storagectl_command = {
    "storagectl", "Manage a storage controller",
    (const char *const[]){"<uuid | vmname> <--name=controller-name> <--add= floppy | ide | pcie | sas | sata | scsi | "
                          "usb | virtio> [--controller=chipset] [--bootable= on | off] [--hostiocache= on | off] "
                          "[--portcount=count]",
                          "<uuid | vmname> <--name=controller-name> <--remove>",
                          "<uuid | vmname> <--name=controller-name> <--rename=new-controller-name>", NULL},
    ctl_options, storagectl};

/* ---- storageattach ---- */

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
    A_SETPARENT
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
    {0},
};

struct attach {
    const char *machine, *ctl, *type, *medium, *mtype, *group, *comment;
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
        case CMD_ERROR: return RC_SYNTAX;
        default: g_variant_dict_insert(&n->flags, flag_name(id), "b", v.on); break;
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
    if (g_str_has_prefix(where, "host:") && access(where + strlen("host:"), R_OK) != 0) {
        cmd_error("Host drive '%s' cannot be used: %s", where + strlen("host:"), g_strerror(errno));
        return NULL;
    }
    if (g_str_has_prefix(where, "host:") || g_ascii_strcasecmp(where, "iscsi") == 0) {
        cmd_error("Media of the kind '%s' are not available", where);
        return NULL;
    }
    return cmd_open_medium(c, where, drive, n->fresh);
}

static bool put(struct cmd *c, const struct attach *n, GVariant *there, const char *drive)
{
    const char *copy = c->session_machine;
    g_autofree char *medium = medium_object(c, n, drive);

    if (medium == NULL)
        return false;
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
                          "[--medium= none | emptydrive | additions | uuid | filename] "
                          "[--mtype= normal | writethrough | immutable | shareable | readonly | multiattach] "
                          "[--nonrotational= on | off] [--passthrough= on | off] [--port=number] [--setuuid=uuid] "
                          "[--tempeject= on | off] [--type= dvddrive | fdd | hdd]",
                          NULL},
    attach_options, storageattach};

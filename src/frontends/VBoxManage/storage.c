/*
 * storage.c - storagectl.
 */
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

/*
 * legacy.c - the layouts of 1.2 to 1.6, brought into that of 1.7; see layout.h.
 *
 * 1.3 cleaned up the spelling and numbered IDE channels; 1.4 made one element of all kinds of media; 1.5 renamed the
 * guest types; 1.7 made storage controllers of disk attachments. Steps are tables where words change, functions where
 * shapes do.
 */
#include "main/settings/layout.h"

#include <string.h>

/* ---- words ---- */

static const struct {
    const char *element, *attr; /* attr NULL = the element itself */
    const char *to;
} renamed[] = {
    {"Uart", NULL, "UART"},
    {"Lpt", NULL, "LPT"},
    {"DiskRegistry", NULL, "MediaRegistry"},
    {"DiffHardDisk", NULL, "HardDisk"},
    {"Image", "src", "location"},
    {"DeviceFilter", "vendorid", "vendorId"},
    {"DeviceFilter", "productid", "productId"},
    {"DeviceFilter", "serialnumber", "serialNumber"},
    {"Guest", "MemoryBalloonSize", "memoryBalloonSize"},
    {"Guest", "StatisticsUpdateInterval", "statisticsUpdateInterval"},
    {"Display", "MonitorCount", "monitorCount"},
    {"Display", "Accelerate3D", "accelerate3D"},
    {"SystemProperties", "defaultVDIFolder", "defaultHardDiskFolder"},
};

static const struct {
    const char *element, *attr, *from, *to;
} values[] = {
    {"AudioAdapter", "driver", "dsound", "DirectSound"},
    {"Machine", "OSType", "unknown", "Other"},
    {"Machine", "OSType", "dos", "DOS"},
    {"Machine", "OSType", "win31", "Windows31"},
    {"Machine", "OSType", "win95", "Windows95"},
    {"Machine", "OSType", "win98", "Windows98"},
    {"Machine", "OSType", "winme", "WindowsMe"},
    {"Machine", "OSType", "winnt4", "WindowsNT4"},
    {"Machine", "OSType", "win2k", "Windows2000"},
    {"Machine", "OSType", "winxp", "WindowsXP"},
    {"Machine", "OSType", "win2k3", "Windows2003"},
    {"Machine", "OSType", "winvista", "WindowsVista"},
    {"Machine", "OSType", "win2k8", "Windows2008"},
    {"Machine", "OSType", "os2warp3", "OS2Warp3"},
    {"Machine", "OSType", "os2warp4", "OS2Warp4"},
    {"Machine", "OSType", "os2warp45", "OS2Warp45"},
    {"Machine", "OSType", "ecs", "OS2eCS"},
    {"Machine", "OSType", "linux22", "Linux22"},
    {"Machine", "OSType", "linux24", "Linux24"},
    {"Machine", "OSType", "linux26", "Linux26"},
    {"Machine", "OSType", "archlinux", "ArchLinux"},
    {"Machine", "OSType", "debian", "Debian"},
    {"Machine", "OSType", "opensuse", "OpenSUSE"},
    {"Machine", "OSType", "fedoracore", "Fedora"},
    {"Machine", "OSType", "gentoo", "Gentoo"},
    {"Machine", "OSType", "mandriva", "Mandriva"},
    {"Machine", "OSType", "redhat", "RedHat"},
    {"Machine", "OSType", "ubuntu", "Ubuntu"},
    {"Machine", "OSType", "xandros", "Xandros"},
    {"Machine", "OSType", "freebsd", "FreeBSD"},
    {"Machine", "OSType", "openbsd", "OpenBSD"},
    {"Machine", "OSType", "netbsd", "NetBSD"},
    {"Machine", "OSType", "netware", "Netware"},
    {"Machine", "OSType", "solaris", "Solaris"},
    {"Machine", "OSType", "opensolaris", "OpenSolaris"},
    {"Machine", "OSType", "l4", "L4"},
};

static void rename_in(struct xml_doc *doc, struct xml_node *n)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(renamed); k++) {
        if (strcmp(n->name, renamed[k].element) != 0)
            continue;
        if (renamed[k].attr == NULL) {
            xml_rename(doc, n, renamed[k].to);
            continue;
        }
        const char *value = xml_get(n, renamed[k].attr);
        if (value != NULL) {
            xml_set(doc, n, renamed[k].to, value);
            xml_drop(n, renamed[k].attr);
        }
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(values); k++)
        if (strcmp(n->name, values[k].element) == 0 && g_strcmp0(xml_get(n, values[k].attr), values[k].from) == 0)
            xml_set(doc, n, values[k].attr, values[k].to);
}

/* ---- media ---- */

/* What kind of disk a HardDisk is was a child element of it; now it is the HardDisk's format. */
static const struct {
    const char *element, *location, *format;
} disk_kinds[] = {{"VirtualDiskImage", "filePath", "VDI"}, {"VMDKImage", "filePath", "VMDK"},
                  {"VHDImage", "filePath", "VHD"},         {"CustomHardDisk", "location", NULL},
                  {"PhysicalVolume", "path", "RAW"},       {"HostVolume", "path", "RAW"}};

static void property(struct xml_doc *doc, struct xml_node *disk, const char *name, const char *value)
{
    if (value == NULL)
        return;
    struct xml_node *p = xml_add(doc, disk, "Property");
    xml_set(doc, p, "name", name);
    xml_set(doc, p, "value", value);
}

static void iscsi_up(struct xml_doc *doc, struct xml_node *disk, struct xml_node *iscsi)
{
    static const struct {
        const char *attr, *property;
    } parts[] = {{"server", "TargetAddress"},
                 {"target", "TargetName"},
                 {"lun", "LUN"},
                 {"userName", "InitiatorUsername"},
                 {"password", "InitiatorSecret"}};
    const char *server = xml_get(iscsi, "server"), *target = xml_get(iscsi, "target");
    g_autofree char *location = g_strdup_printf("%s/%s", server != NULL ? server : "", target != NULL ? target : "");

    xml_set(doc, disk, "location", location);
    xml_set(doc, disk, "format", "iSCSI");
    for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++)
        property(doc, disk, parts[k].property, xml_get(iscsi, parts[k].attr));
    xml_unlink(iscsi);
}

static void disk_up(struct xml_doc *doc, struct xml_node *disk)
{
    struct xml_node *iscsi = xml_child(disk, "ISCSIHardDisk");

    for (unsigned k = 0; k < G_N_ELEMENTS(disk_kinds); k++) {
        struct xml_node *kind = xml_child(disk, disk_kinds[k].element);
        const char *location = xml_get(kind, disk_kinds[k].location);
        if (location == NULL)
            continue;
        const char *format = disk_kinds[k].format != NULL ? disk_kinds[k].format : xml_get(kind, "format");
        xml_set(doc, disk, "location", location);
        if (format != NULL)
            xml_set(doc, disk, "format", format);
        xml_unlink(kind);
    }
    if (iscsi != NULL)
        iscsi_up(doc, disk, iscsi);
}

/* ---- attachments ---- */

static const char *number_of(const char *value, const char *zero, const char *one)
{
    if (g_strcmp0(value, zero) == 0)
        return "0";
    return g_strcmp0(value, one) == 0 ? "1" : value;
}

static void attachment_up(struct xml_doc *doc, struct xml_node *state, struct xml_node *old)
{
    const char *bus = xml_get(old, "bus"), *disk = xml_get(old, "hardDisk");
    bool sata = bus != NULL && g_ascii_strcasecmp(bus, "SATA") == 0;
    const char *channel = bus != NULL && g_ascii_strncasecmp(bus, "ide", 3) == 0 && bus[3] != '\0'
                              ? number_of(bus, "ide0", "ide1")
                              : xml_get(old, "channel");
    const char *device = number_of(xml_get(old, "device"), "master", "slave");
    struct xml_node *c = sata ? layout_controller(doc, state, "SATA Controller", layout_sata, "30")
                              : layout_controller(doc, state, "IDE Controller", layout_ide, "2");
    struct xml_node *a = xml_add(doc, c, "AttachedDevice");

    xml_set(doc, a, "type", "HardDisk");
    xml_set(doc, a, "port", channel != NULL ? channel : "0");
    xml_set(doc, a, "device", device != NULL ? device : "0");
    a->line = old->line;
    struct xml_node *image = xml_add(doc, a, "Image");
    if (disk != NULL)
        xml_set(doc, image, "uuid", disk);
}

static void controllers_up(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *bios = xml_child(hw, "BIOS");
    struct xml_node *ide = xml_child(bios, "IDEController"), *sata = xml_child(hw, "SATAController");
    struct xml_node *list = xml_child(state, "HardDiskAttachments");
    struct xml_node *c = layout_controller(doc, state, "IDE Controller", layout_ide, "2");

    xml_set(doc, c, "type", xml_get(ide, "type") != NULL ? xml_get(ide, "type") : "PIIX3");
    if (ide != NULL)
        xml_unlink(ide);
    if (g_strcmp0(xml_get(sata, "enabled"), "true") == 0) {
        const char *ports = xml_get(sata, "PortCount");
        layout_controller(doc, state, "SATA Controller", layout_sata, ports != NULL ? ports : "30");
    }
    if (sata != NULL)
        xml_unlink(sata);
    for (struct xml_node *a = xml_child(list, "HardDiskAttachment"); a != NULL; a = xml_again(a))
        attachment_up(doc, state, a);
    if (list != NULL)
        xml_unlink(list);
}

/* Some early files had Machine/Snapshots/Snapshot. */
static void lift_snapshots(struct xml_node *machine)
{
    struct xml_node *list = xml_child(machine, "Snapshots"), *first = xml_child(list, "Snapshot");

    if (first == NULL)
        return;
    xml_unlink(first);
    xml_append(machine, first);
    if (list->first == NULL)
        xml_unlink(list);
}

/* ---- the whole ---- */

/* The host-only network of 2.2 came with a server of its own. */
static void add_dhcp_server(struct xml_doc *doc, struct xml_node *global)
{
    static const struct xml_attr server[] = {{"networkName", "HostInterfaceNetworking-vboxnet0"},
                                             {"IPAddress", "192.168.56.100"},
                                             {"networkMask", "255.255.255.0"},
                                             {"lowerIP", "192.168.56.101"},
                                             {"upperIP", "192.168.56.254"},
                                             {"enabled", "1"}};
    struct xml_node *list = xml_need(doc, xml_need(doc, global, "NetserviceRegistry"), "DHCPServers");

    if (xml_child(list, "DHCPServer") != NULL)
        return;
    struct xml_node *s = xml_add(doc, list, "DHCPServer");
    for (unsigned k = 0; k < G_N_ELEMENTS(server); k++)
        xml_set(doc, s, server[k].name, server[k].value);
}

/* Document order, without recursion; what a step adds behind @n is visited too. */
static struct xml_node *walk(const struct xml_node *top, struct xml_node *n)
{
    if (n->first != NULL)
        return n->first;
    while (n != top && n->next == NULL)
        n = n->parent;
    return n != top ? n->next : NULL;
}

void legacy_up(struct xml_doc *doc, struct xml_node *top, unsigned version)
{
    if (version >= 7)
        return;
    for (struct xml_node *n = top; n != NULL; n = walk(top, n)) {
        rename_in(doc, n);
        if (strcmp(n->name, "HardDisk") == 0)
            disk_up(doc, n);
    }
    if (strcmp(top->name, "Global") == 0) {
        add_dhcp_server(doc, top);
        return;
    }
    lift_snapshots(top);
    for (struct xml_node *state = top; state != NULL; state = layout_next(top, state))
        controllers_up(doc, state);
}

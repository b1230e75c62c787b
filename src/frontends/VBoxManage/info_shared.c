/*
 * info_shared.c - showvminfo's lines about what a machine shares with others: USB and PCI devices, bandwidth, folders;
 * and about its guest.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

/* ---- USB ---- */

static void show_controllers(const struct info *i)
{
    static const char *const kinds[][3] = {
        {"OHCI", "usb", "OHCI USB"}, {"EHCI", "ehci", "EHCI USB"}, {"XHCI", "xhci", "xHCI USB"}};
    g_autoptr(GVariant) list = field_list(i, "USBControllers");

    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        bool there = false;
        for (gsize n = 0; n < g_variant_n_children(list); n++) {
            g_autoptr(GVariant) c = g_variant_get_child_value(list, n);
            there |= strcmp(dict_str(c, "Type"), kinds[k][0]) == 0;
        }
        info_bool(i, kinds[k][1], kinds[k][2], there);
    }
}

static void show_filter(const struct info *i, GVariant *f, unsigned number)
{
    static const struct {
        const char *property, *label;
    } rows[] = {{"Name", "  Name"},         {"VendorId", "  VendorId"},         {"ProductId", "  ProductId"},
                {"Revision", "  Revision"}, {"Manufacturer", "  Manufacturer"}, {"Product", "  Product"},
                {"Remote", "  Remote"},     {"SerialNumber", "  Serial Number"}};
    guint32 masked = (guint32)dict_int(f, "MaskedInterfaces");
    char key[48];

    if (!i->machine_readable)
        printf("%-28s %u\n", "Index:", number);
    g_snprintf(key, sizeof key, "USBFilterActive%u", number + 1);
    info_either(i, key, "  Active", dict_bool(f, "Active"), "yes", "no");
    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        g_snprintf(key, sizeof key, "USBFilter%s%u", rows[n].property, number + 1);
        info_text(i, key, rows[n].label, dict_str(f, rows[n].property));
    }
    if (!i->machine_readable && masked != 0)
        printf("%-28s %#010x\n", "Masked Interfaces:", masked);
}

static void show_filters(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "USBDeviceFilters");
    gsize count = g_variant_n_children(list);

    if (!i->machine_readable && count > 0)
        printf("USB Device Filters:\n");
    else if (!i->machine_readable)
        info_text(i, "", "USB Device Filters", "<none>");
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        show_filter(i, f, (unsigned)k);
    }
}

/* Devices reach no machine yet, from this host or from afar. */
void info_usb(const struct info *i)
{
    show_controllers(i);
    show_filters(i);
    if (i->running && !i->machine_readable) {
        info_text(i, "", "Available remote USB devices", "<none>");
        info_text(i, "", "Currently attached USB devices", "<none>");
    }
}

/* ---- PCI, bandwidth, folders ---- */

static void pci_text(guint32 address, char ret[16])
{
    g_snprintf(ret, 16, "%02x:%02x.%x", address >> 8 & 0xff, address >> 3 & 0x1f, address & 7);
}

static void show_pci(const struct info *i)
{
    g_autoptr(GVariant) list = field_value(i, "HostPCIDevices", G_VARIANT_TYPE("a(uus)"));
    gsize count = list != NULL ? g_variant_n_children(list) : 0;

    if (count > 0 && !i->machine_readable)
        printf("\nAttached physical PCI devices:\n\n");
    for (gsize k = 0; k < count; k++) {
        char on_host[16], in_guest[16];
        guint32 host, guest;
        const char *name;
        g_variant_get_child(list, k, "(uu&s)", &host, &guest, &name);
        pci_text(host, on_host);
        pci_text(guest, in_guest);
        if (i->machine_readable)
            printf("AttachedHostPCI=%s,%s\n", on_host, in_guest);
        else
            printf("   Host device %s at %s attached as %s\n", name, on_host, in_guest);
    }
    if (count > 0 && !i->machine_readable)
        printf("\n");
}

static void show_bandwidth(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "BandwidthGroups");
    gsize count = g_variant_n_children(list);

    if (!i->machine_readable)
        printf("%-28s %s\n", "Bandwidth groups:", count == 0 ? "<none>" : "");
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) g = g_variant_get_child_value(list, k);
        bandwidth_print(g, (unsigned)k, i->machine_readable);
    }
}

static void show_folder(const struct info *i, GVariant *f, unsigned number)
{
    bool transient = dict_bool(f, "Transient");

    if (i->machine_readable) {
        const char *kind = transient ? "Transient" : "Machine";
        g_autofree char *name = g_strdup_printf("SharedFolderName%sMapping%u", kind, number);
        g_autofree char *path = g_strdup_printf("SharedFolderPath%sMapping%u", kind, number);
        info_text(i, name, "", dict_str(f, "Name"));
        info_text(i, path, "", dict_str(f, "HostPath"));
        return;
    }
    printf("Name: '%s', Host path: '%s' (%s mapping), %s%s", dict_str(f, "Name"), dict_str(f, "HostPath"),
           transient ? "transient" : "machine", dict_bool(f, "Writable") ? "writable" : "readonly",
           dict_bool(f, "AutoMount") ? ", auto-mount" : "");
    if (*dict_str(f, "AutoMountPoint") != '\0')
        printf(", mount-point: '%s'", dict_str(f, "AutoMountPoint"));
    printf("\n");
}

static void show_folders(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "SharedFolders");
    gsize count = g_variant_n_children(list);
    unsigned numbers[2] = {0};

    if (!i->machine_readable)
        printf("%-28s %s\n", "Shared folders:", count == 0 ? "<none>" : "\n");
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        show_folder(i, f, ++numbers[dict_bool(f, "Transient")]);
    }
    if (!i->machine_readable && count > 0)
        printf("\n");
}

void info_shared(const struct info *i)
{
    show_pci(i);
    show_bandwidth(i);
    show_folders(i);
}

/* ---- guest ---- */

/* What the guest's additions would tell: there are none yet. */
void info_guest(const struct info *i)
{
    if (!i->machine_readable)
        printf("* Guest:\n");
    info_number(i, "GuestMemoryBalloon", "Configured memory balloon", field_int(i, "MemoryBalloonSize"), "MB");
    if (i->running)
        info_number(i, "GuestAdditionsRunLevel", "Additions run level", 0, "");
    if (i->running && !i->machine_readable)
        info_text(i, "", "Guest Facilities", "<none>");
    if (!i->machine_readable)
        printf("\n");
}

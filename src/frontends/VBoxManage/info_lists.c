/*
 * info_lists.c - the second half of showvminfo: storage, lines, input, sound, sharing, snapshots.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

/* ---- storage ---- */

static void show_controllers(const struct info *i, GVariant *list)
{
    static const struct {
        const char *key, *property;
    } rows[] = {{"name", "Name"},
                {"type", "ControllerType"},
                {"instance", "Instance"},
                {"maxportcount", "MaxPortCount"},
                {"portcount", "PortCount"}};

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) c = g_variant_get_child_value(list, k);
        for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
            g_autofree char *key = g_strdup_printf("storagecontroller%s%u", rows[n].key, (unsigned)k);
            g_autofree char *text = n < 2 ? g_strdup(dict_str(c, rows[n].property))
                                          : g_strdup_printf("%d", (int)dict_int(c, rows[n].property));
            info_text(i, key, "", text);
        }
        g_autofree char *key = g_strdup_printf("storagecontrollerbootable%u", (unsigned)k);
        info_bool(i, key, "", dict_bool(c, "Bootable"));
    }
}

static GVariant *attached_at(GVariant *list, const char *controller, int port, int device)
{
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        GVariant *a = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(a, "Controller"), controller) == 0 && dict_int(a, "Port") == port &&
            dict_int(a, "Device") == device)
            return a;
        g_variant_unref(a);
    }
    return NULL;
}

static void place_text(const struct info *i, const char *name, const char *what, int port, int device, const char *text)
{
    g_autofree char *key = g_strdup_printf("\"%s%s%s-%d-%d\"", name, *what != '\0' ? "-" : "", what, port, device);

    info_text(i, key, "", text);
}

static const char *on_off(bool on)
{
    return on ? "on" : "off";
}

static void show_place(const struct info *i, const char *name, GVariant *a, int port, int device)
{
    if (a == NULL) {
        place_text(i, name, "", port, device, "none");
        return;
    }
    bool drive = strcmp(dict_str(a, "Type"), "HardDisk") != 0;
    if (*dict_str(a, "Location") == '\0') {
        place_text(i, name, "", port, device, "emptydrive");
        if (strcmp(dict_str(a, "Type"), "DVD") == 0)
            place_text(i, name, "IsEjected", port, device, on_off(dict_bool(a, "IsEjected")));
        return;
    }
    place_text(i, name, "", port, device, dict_str(a, "Location"));
    place_text(i, name, "ImageUUID", port, device, dict_str(a, "Medium"));
    if (dict_bool(a, "HostDrive"))
        place_text(i, name, "dvdpassthrough", port, device, on_off(dict_bool(a, "Passthrough")));
    if (drive && strcmp(dict_str(a, "Type"), "DVD") == 0) {
        place_text(i, name, "tempeject", port, device, on_off(dict_bool(a, "TemporaryEject")));
        place_text(i, name, "IsEjected", port, device, on_off(dict_bool(a, "IsEjected")));
    }
    if (drive)
        return;
    place_text(i, name, "hot-pluggable", port, device, on_off(dict_bool(a, "HotPluggable")));
    place_text(i, name, "nonrotational", port, device, on_off(dict_bool(a, "NonRotational")));
    place_text(i, name, "discard", port, device, on_off(dict_bool(a, "Discard")));
}

static void show_places(const struct info *i, GVariant *controllers, GVariant *attachments)
{
    for (gsize k = 0; k < g_variant_n_children(controllers); k++) {
        g_autoptr(GVariant) c = g_variant_get_child_value(controllers, k);
        for (int port = 0; port < dict_int(c, "PortCount"); port++)
            for (int device = 0; device < dict_int(c, "MaxDevicesPerPortCount"); device++) {
                g_autoptr(GVariant) a = attached_at(attachments, dict_str(c, "Name"), port, device);
                show_place(i, dict_str(c, "Name"), a, port, device);
            }
    }
}

static void show_attachment(GVariant *a)
{
    static const char *const flags[][2] = {{"Passthrough", "passthrough enabled"},
                                           {"TemporaryEject", "temp eject"},
                                           {"HotPluggable", "hot-pluggable"},
                                           {"NonRotational", "non-rotational"},
                                           {"Discard", "discards unused blocks"}};
    int port = (int)dict_int(a, "Port"), device = (int)dict_int(a, "Device");

    if (*dict_str(a, "Location") == '\0') {
        printf("  Port %d, Unit %d: Empty\n", port, device);
        return;
    }
    printf("  Port %d, Unit %d: UUID: %s", port, device, dict_str(a, "Medium"));
    for (unsigned k = 0; k < G_N_ELEMENTS(flags); k++)
        if (dict_bool(a, flags[k][0]))
            printf(", %s", flags[k][1]);
    printf("\n    Location: \"%s\"\n", dict_str(a, "Location"));
}

static void show_storage_human(GVariant *controllers, GVariant *attachments)
{
    printf("Storage Controllers:%s\n", g_variant_n_children(controllers) == 0 ? "         <none>" : "");
    for (gsize k = 0; k < g_variant_n_children(controllers); k++) {
        g_autoptr(GVariant) c = g_variant_get_child_value(controllers, k);
        printf("#%u: '%s', Type: %s, Instance: %d, Ports: %d (max %d), %s\n", (unsigned)k, dict_str(c, "Name"),
               dict_str(c, "ControllerType"), (int)dict_int(c, "Instance"), (int)dict_int(c, "PortCount"),
               (int)dict_int(c, "MaxPortCount"), dict_bool(c, "Bootable") ? "Bootable" : "Not bootable");
        for (gsize n = 0; n < g_variant_n_children(attachments); n++) {
            g_autoptr(GVariant) a = g_variant_get_child_value(attachments, n);
            if (strcmp(dict_str(a, "Controller"), dict_str(c, "Name")) == 0)
                show_attachment(a);
        }
    }
}

static void show_storage(const struct info *i)
{
    g_autoptr(GVariant) controllers = field_list(i, "StorageControllers");
    g_autoptr(GVariant) attachments = field_list(i, "MediumAttachments");

    if (!i->machine_readable) {
        show_storage_human(controllers, attachments);
        return;
    }
    show_controllers(i, controllers);
    show_places(i, controllers, attachments);
}

/* ---- input, lines ---- */

static const char *const input[][3] = {
    {"None", "none", "None"},
    {"PS2Mouse", "ps2mouse", "PS/2 Mouse"},
    {"USBMouse", "usbmouse", "USB Mouse"},
    {"USBTablet", "usbtablet", "USB Tablet"},
    {"ComboMouse", "combomouse", "USB Tablet and PS/2 Mouse"},
    {"USBMultiTouch", "usbmultitouch", "USB Multi-Touch"},
    {"USBMultiTouchScreenPlusPad", "usbmtscreenpluspad", "USB Multi-Touch Screen and Pad"},
    {"PS2Keyboard", "ps2kbd", "PS/2 Keyboard"},
    {"USBKeyboard", "usbkbd", "USB Keyboard"},
    {"ComboKeyboard", "combokbd", "USB and PS/2 Keyboard"},
};

static void show_input(const struct info *i, const char *key, const char *label, const char *property)
{
    const char *api = field_str(i, property);

    for (unsigned k = 0; k < G_N_ELEMENTS(input); k++)
        if (strcmp(input[k][0], api) == 0)
            info_text(i, key, label, input[k][i->machine_readable ? 1 : 2]);
}

static char *uart_mode(GVariant *p, bool machine_readable)
{
    const char *mode = dict_str(p, "HostMode"), *path = dict_str(p, "Path");
    bool server = dict_bool(p, "Server");

    if (strcmp(mode, "HostPipe") == 0)
        return machine_readable ? g_strdup_printf("%s,%s", server ? "server" : "client", path)
                                : g_strdup_printf("attached to pipe (%s) '%s'", server ? "server" : "client", path);
    if (strcmp(mode, "TCP") == 0)
        return machine_readable ? g_strdup_printf("%s,%s", server ? "tcpserver" : "tcpclient", path)
                                : g_strdup_printf("attached to TCP (%s) '%s'", server ? "server" : "client", path);
    if (strcmp(mode, "RawFile") == 0)
        return machine_readable ? g_strdup_printf("file,%s", path)
                                : g_strdup_printf("attached to raw file '%s'\n", path);
    if (strcmp(mode, "HostDevice") == 0)
        return machine_readable ? g_strdup(path) : g_strdup_printf("attached to device '%s'", path);
    return g_strdup("disconnected");
}

static void show_serial(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "SerialPorts");

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) p = g_variant_get_child_value(list, k);
        g_autofree char *key = g_strdup_printf("uart%u", (unsigned)k + 1);
        g_autofree char *label = g_strdup_printf("UART %u", (unsigned)k + 1);
        g_autofree char *mode = uart_mode(p, i->machine_readable);
        const char *chip = dict_str(p, "UartType");
        unsigned base = (unsigned)dict_int(p, "IOBase"), irq = (unsigned)dict_int(p, "IRQ");
        if (!dict_bool(p, "Enabled")) {
            info_text(i, key, label, i->machine_readable ? "off" : "disabled");
        } else if (i->machine_readable) {
            printf("%s=\"0x%04x,%u\"\nuartmode%u=\"%s\"\nuarttype%u=\"%s\"\n", key, base, irq, (unsigned)k + 1, mode,
                   (unsigned)k + 1, *chip == 'U' ? chip + 1 : chip);
        } else {
            g_autofree char *text =
                g_strdup_printf("I/O base: 0x%04x, IRQ: %u, %s, %s", base, irq, mode, *chip == 'U' ? chip + 1 : chip);
            info_text(i, key, label, text);
        }
    }
}

static void show_parallel(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "ParallelPorts");

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) p = g_variant_get_child_value(list, k);
        g_autofree char *key = g_strdup_printf("lpt%u", (unsigned)k + 1);
        g_autofree char *label = g_strdup_printf("LPT %u", (unsigned)k + 1);
        unsigned base = (unsigned)dict_int(p, "IOBase"), irq = (unsigned)dict_int(p, "IRQ");
        if (!dict_bool(p, "Enabled")) {
            info_text(i, key, label, i->machine_readable ? "off" : "disabled");
        } else if (i->machine_readable) {
            printf("%s=\"0x%04x,%u\"\nlptmode%u=\"%s\"\n", key, base, irq, (unsigned)k + 1, dict_str(p, "Path"));
        } else {
            g_autofree char *text =
                g_strdup_printf("I/O base: 0x%04x, IRQ: %u, attached to device '%s'", base, irq, dict_str(p, "Path"));
            info_text(i, key, label, text);
        }
    }
}

/* ---- sound, sharing, remote display, USB ---- */

static void show_audio(const struct info *i)
{
    bool enabled = field_bool(i, "AudioEnabled");

    if (i->machine_readable) {
        g_autofree char *driver = g_ascii_strdown(field_str(i, "AudioDriver"), -1);
        info_text(i, "audio", "", enabled ? driver : "none");
    } else if (enabled) {
        g_autofree char *text =
            g_strdup_printf("enabled (Driver: %s, Controller: %s, Codec: %s)", field_str(i, "AudioDriver"),
                            field_str(i, "AudioController"), field_str(i, "AudioCodec"));
        info_text(i, "audio", "Audio", text);
    } else {
        info_text(i, "audio", "Audio", "disabled");
    }
    info_bool(i, "audio_out", "Audio playback", field_bool(i, "AudioEnabledOut"));
    info_bool(i, "audio_in", "Audio capture", field_bool(i, "AudioEnabledIn"));
}

static void show_sharing(const struct info *i, const char *key, const char *label, const char *property)
{
    const char *mode = field_str(i, property);
    g_autofree char *low = g_ascii_strdown(mode, -1);
    bool disabled = strcmp(low, "disabled") == 0;

    info_text(i, key, label, i->machine_readable || disabled ? low : mode);
}

static const char *vrde_property(const struct info *i, const char *key)
{
    g_autoptr(GVariant) dict = field_value(i, "VRDEProperties", G_VARIANT_TYPE("a{ss}"));
    const char *val = "";

    if (dict != NULL)
        g_variant_lookup(dict, key, "&s", &val);
    return val;
}

static void show_vrde(const struct info *i)
{
    const char *ports = vrde_property(i, "TCP/Ports"), *address = vrde_property(i, "TCP/Address");
    g_autofree char *auth = g_ascii_strdown(field_str(i, "VRDEAuthType"), -1);

    if (!field_bool(i, "VRDEEnabled")) {
        info_text(i, "vrde", "VRDE", i->machine_readable ? "off" : "disabled");
        return;
    }
    if (!i->machine_readable) {
        printf("%-28s enabled (Address %s, Ports %s, MultiConn: %s, ReuseSingleConn: %s, Authentication type: %s)\n",
               "VRDE:", *address != '\0' ? address : "0.0.0.0", *ports != '\0' ? ports : "3389",
               on_off(field_bool(i, "VRDEAllowMultiConnection")), on_off(field_bool(i, "VRDEReuseSingleConnection")),
               auth);
        return;
    }
    printf("vrde=\"on\"\nvrdeport=-1\n");
    info_text(i, "vrdeports", "", *ports != '\0' ? ports : "3389");
    info_text(i, "vrdeaddress", "", *address != '\0' ? address : "0.0.0.0");
    info_text(i, "vrdeauthtype", "", auth);
    info_bool(i, "vrdemulticon", "", field_bool(i, "VRDEAllowMultiConnection"));
    info_bool(i, "vrdereusecon", "", field_bool(i, "VRDEReuseSingleConnection"));
    const char *channel = vrde_property(i, "VideoChannel/Enabled");
    info_bool(i, "vrdevideochannel", "", g_ascii_strcasecmp(channel, "true") == 0 || strcmp(channel, "1") == 0);
}

static void show_usb(const struct info *i)
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

static void show_usb_filters(const struct info *i)
{
    static const char *const rows[] = {"Name",         "VendorId", "ProductId", "Revision",
                                       "Manufacturer", "Product",  "Remote",    "SerialNumber"};
    g_autoptr(GVariant) list = field_list(i, "USBDeviceFilters");
    gsize count = g_variant_n_children(list);

    if (!i->machine_readable) {
        printf("\nUSB Device Filters:%s\n", count == 0 ? "          <none>" : "\n");
        if (count > 0)
            usb_filters_print(list, false);
        return;
    }
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        printf("USBFilterActive%u=\"%s\"\n", (unsigned)k + 1, on_off(dict_bool(f, "Active")));
        for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
            g_autofree char *key = g_strdup_printf("USBFilter%s%u", rows[n], (unsigned)k + 1);
            info_text(i, key, "", dict_str(f, rows[n]));
        }
    }
}

static void show_bandwidth(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "BandwidthGroups");
    gsize count = g_variant_n_children(list);

    if (!i->machine_readable)
        printf("\nBandwidth groups:            %s\n", count == 0 ? "<none>" : "");
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
        printf("\nShared folders:%s\n", count == 0 ? "              <none>" : "\n");
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        show_folder(i, f, ++numbers[dict_bool(f, "Transient")]);
    }
}

static void show_session(const struct info *i)
{
    if (*field_str(i, "SessionName") != '\0')
        info_text(i, "SessionName", "Session name", field_str(i, "SessionName"));
}

static void show_description(const struct info *i)
{
    const char *text = field_str(i, "Description");

    if (*text == '\0')
        return;
    if (i->machine_readable)
        info_text(i, "description", "", text);
    else
        printf("\nDescription:\n%s\n", text);
}

static void show_guest(const struct info *i)
{
    if (!i->machine_readable)
        printf("\nGuest:\n\n");
    info_number(i, "GuestMemoryBalloon", "Configured memory balloon", field_int(i, "MemoryBalloonSize"), "MB");
}

void info_lists(const struct info *i)
{
    show_storage(i);
    info_network(i);
    show_input(i, "hidpointing", "Pointing Device", "PointingHIDType");
    show_input(i, "hidkeyboard", "Keyboard Device", "KeyboardHIDType");
    show_serial(i);
    show_parallel(i);
    show_audio(i);
    show_sharing(i, "clipboard", "Clipboard Mode", "ClipboardMode");
    if (!i->machine_readable || field_bool(i, "ClipboardFileTransfersEnabled"))
        info_bool(i, "clipboard_file_transfers", "Clipboard file transfers",
                  field_bool(i, "ClipboardFileTransfersEnabled"));
    show_sharing(i, "draganddrop", "Drag and drop Mode", "DnDMode");
    show_session(i);
    show_vrde(i);
    show_usb(i);
    show_usb_filters(i);
    show_bandwidth(i);
    show_folders(i);
    show_description(i);
    show_snapshots(i->machine, i->machine_readable, false);
    show_guest(i);
}

/*
 * info_lists.c - the second half of showvminfo: lines, input, sound; what stands in other files is called in its place.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

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
                                : g_strdup_printf("attached to tcp (%s) '%s'", server ? "server" : "client", path);
    if (strcmp(mode, "RawFile") == 0)
        return machine_readable ? g_strdup_printf("file,%s", path) : g_strdup_printf("attached to raw file '%s'", path);
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

/* ---- sound, sharing ---- */

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
        printf("Description:\n%s\n", text);
}

void info_lists(const struct info *i)
{
    info_storage(i);
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
    info_video_mode(i);
    info_vrde(i);
    info_usb(i);
    info_shared(i);
    info_vrde_clients(i);
    info_recording(i);
    show_description(i);
    show_snapshots(i->machine, i->machine_readable, false);
    info_guest(i);
}

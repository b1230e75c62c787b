/*
 * settings.h - one machine's settings as plain values, and how they are read from a .vbox file.
 *
 * The structure holds what the file says after validation, nothing of XML. Strings are owned by the structure.
 * Format: VirtualBox machine settings, 1.7 and later layouts (doc/settings.md); elements for hardware this program
 * does not have are accepted and ignored, contradictory or impossible values are refused with file and line.
 */
#ifndef MAIN_SETTINGS_SETTINGS_H
#define MAIN_SETTINGS_SETTINGS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_ERROR (g_quark_from_static_string("settings"))
enum settings_error { SETTINGS_ERROR_FILE, SETTINGS_ERROR_XML, SETTINGS_ERROR_VALUE };

enum settings_uart_mode { UART_DISCONNECTED, UART_RAW_FILE, UART_HOST_PIPE, UART_HOST_DEVICE, UART_TCP };
struct settings_uart {
    bool enabled;
    uint32_t io_base, irq;
    enum settings_uart_mode mode;
    char *path;
    bool server;
    char *type; /* 16450, 16550A, 16750 */
};
struct settings_lpt {
    bool enabled;
    uint32_t io_base, irq;
    char *path;
};

enum settings_device { DEVICE_NONE, DEVICE_FLOPPY, DEVICE_DVD, DEVICE_HARD_DISK, DEVICE_NETWORK };
struct settings_attachment {
    enum settings_device kind;
    uint32_t port, device;
    char *image_uuid; /* lower case with braces; NULL = empty drive */
    char *host_drive;
    unsigned line;
};
struct settings_controller {
    char *name, *type;   /* type as VirtualBox spells it: PIIX4, AHCI, I82078 ... */
    GArray *attachments; /* struct settings_attachment */
    unsigned line;
};
struct settings_medium {
    enum settings_device kind;
    char *uuid, *location; /* location made absolute */
    char *format;          /* VDI, RAW ... */
    char *parent_uuid;     /* differencing images */
    char *type;            /* Normal, Immutable ... */
};

struct settings {
    char *file, *folder; /* absolute */
    char *uuid, *name, *os_type;
    char *state_file; /* as written: relative to the folder; NULL = not saved */
    uint32_t cpus, ram_mib, vram_mib;
    bool pae, long_mode, long_mode_set, hpet, acpi, ioapic, x2apic, rtc_utc, efi, triple_fault_reset;
    char *cpu_profile;
    int64_t time_offset_ms;
    enum settings_device boot_order[4];
    char *display_controller;
    struct settings_uart uart[4];
    struct settings_lpt lpt[2];
    GArray *controllers; /* struct settings_controller */
    GArray *media;       /* struct settings_medium */
    GHashTable *extra_data;
};

/** Reads and validates @path; changes nothing. NULL with @error "Error in 'FILE' (line N) -- ..." . */
struct settings *settings_load(const char *path, GError **error);
void settings_free(struct settings *s);
const struct settings_medium *settings_find_medium(const struct settings *s, const char *uuid);

#endif

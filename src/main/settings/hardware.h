/*
 * hardware.h - a machine's hardware settings as plain values: processor, firmware, display, remote display, USB, audio,
 * lines, shared folders and the rest. Network adapters and storage have headers of their own.
 *
 * Strings are owned, NULL means the file says nothing. Lists are GPtrArrays whose elements are of the struct named
 * beside them, allocated with g_new0 and freed by the list: make them with settings_new_*() of machine.h's list table
 * or simply g_new0() and fill every field. `kept` is what the file had at this place that this program does not know;
 * leave it.
 */
#ifndef MAIN_SETTINGS_HARDWARE_H
#define MAIN_SETTINGS_HARDWARE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "main/settings/enums.h"
#include "main/settings/network.h"
#include "main/settings/storage.h"

struct kept; /* opaque */

struct settings_property { /* extra data, VRDE properties, driver properties */
    char *name, *value;
    struct kept *kept;
};

struct settings_cpu_id { /* CPU plugged in; only with hot plugging */
    uint32_t id;
    struct kept *kept;
};
struct settings_cpuid_leaf {
    uint32_t leaf, subleaf, eax, ebx, ecx, edx;
    struct kept *kept;
};
struct settings_cpu {
    uint32_t count;         /* 1..64 */
    uint32_t execution_cap; /* percent, 1..100 */
    uint32_t portability_level;
    char *profile; /* NULL = host */
    bool hotplug;
    GPtrArray *plugged; /* settings_cpu_id */
    GPtrArray *leaves;  /* settings_cpuid_leaf */
    bool hw_virt, nested_paging, vpid, unrestricted, large_pages, hw_virt_force, native_api, nested_hw_virt;
    bool vmsave_vmload;
    bool pae, apic, x2apic, triple_fault_reset, hpet, synthetic;
    enum settings_long_mode long_mode; /* LEGACY = the guest OS type decides */
    bool ibpb_exit, ibpb_entry, spec_ctrl, spec_ctrl_by_host;
    bool l1d_flush_sched, l1d_flush_entry, mds_clear_sched, mds_clear_entry;
};

struct settings_firmware {
    enum settings_firmware_type type;
    bool acpi, ioapic;
    enum settings_apic_mode apic_mode;
    bool logo_fade_in, logo_fade_out;
    uint32_t logo_time_ms;
    char *logo_image;
    enum settings_boot_menu boot_menu;
    int64_t time_offset_ms;
    bool pxe_debug, smbios_uuid_le, auto_serial;
    char *nvram_path, *nvram_key_id, *nvram_key_store;
};

struct settings_vrde {
    bool enabled;
    enum settings_auth auth;
    uint32_t auth_timeout_ms;
    bool multi_connection, reuse_connection;
    char *auth_library, *ext_pack;
    GPtrArray
        *properties; /* settings_property: TCP/Ports, TCP/Address, VideoChannel/Enabled, VideoChannel/Quality ... */
};

struct settings_usb_controller {
    char *name;
    enum settings_usb_type type;
    struct kept *kept;
};
/* Empty string or NULL in a match field = anything. */
struct settings_usb_filter {
    char *name;
    bool active;
    char *vendor_id, *product_id, *revision, *manufacturer, *product, *serial_number, *port;
    char *remote;                       /* machine filters: yes, no, NULL = any */
    uint32_t masked_interfaces;         /* machine filters */
    enum settings_filter_action action; /* global filters; FILTER_NONE in a machine's */
    struct kept *kept;
};

struct settings_uart { /* defaults by slot: 3f8/4, 2f8/3, 3e8/4, 2e8/3 */
    bool enabled;
    uint32_t io_base, irq;
    enum settings_uart_mode mode;
    char *path;
    bool server;
    enum settings_uart_type type;
    struct kept *kept;
};
struct settings_lpt { /* defaults by slot: 378/7, 278/5 */
    bool enabled;
    uint32_t io_base, irq;
    char *path;
    struct kept *kept;
};

struct settings_audio {
    enum settings_audio_controller controller;
    enum settings_audio_codec codec; /* CODEC_NONE = the controller's own */
    enum settings_audio_driver driver;
    bool use_default; /* driver: whatever the host has */
    bool enabled, in, out;
    GPtrArray *properties; /* settings_property */
};

struct settings_shared_folder {
    char *name, *host_path;
    bool writable, auto_mount;
    char *auto_mount_point;
    enum settings_symlinks symlinks;
    struct kept *kept;
};
struct settings_bandwidth_group {
    char *name;
    enum settings_bandwidth type;
    uint64_t max_bytes_per_s; /* 0 = no limit */
    struct kept *kept;
};
struct settings_pci_device {
    uint32_t host, guest; /* bus << 8 | device << 3 | function */
    char *name;
    struct kept *kept;
};
struct settings_guest_property {
    char *name, *value;
    uint64_t timestamp_ns;
    char *flags;
    struct kept *kept;
};

struct settings_screen { /* what is recorded of one guest screen */
    uint32_t id;
    bool enabled;
    char *features; /* "video audio" */
    uint32_t max_time_s, max_size_mib;
    char *options;
    uint32_t destination; /* 0 = file */
    char *file;
    char *video_codec, *video_deadline, *video_rate_control, *video_scaling;
    uint32_t width, height, rate_kbps, fps;
    char *audio_codec, *audio_deadline, *audio_rate_control;
    uint32_t audio_hz, audio_bits, audio_channels;
    struct kept *kept;
};
struct settings_recording {
    bool enabled;
    GPtrArray *screens; /* settings_screen */
};

#define SETTINGS_UARTS    4
#define SETTINGS_LPTS     2
#define SETTINGS_ADAPTERS 36

struct settings_hardware {
    char *version; /* NULL = "2" */
    char *uuid;    /* what the guest sees; NULL = the machine's */
    enum settings_arch arch;
    enum settings_chipset chipset;
    enum settings_iommu iommu;
    enum settings_clock clock;
    uint32_t ram_mib;
    bool page_fusion;
    struct settings_cpu cpu;
    enum settings_pointing pointing;
    enum settings_keyboard keyboard;
    enum settings_paravirt paravirt;
    char *paravirt_debug;
    enum settings_device boot_order[4];
    enum settings_graphics graphics;
    uint32_t vram_mib, monitors;
    bool accelerate_3d, accelerate_2d;
    struct settings_vrde vrde;
    struct settings_firmware firmware;
    enum settings_tpm tpm;
    char *tpm_location;
    GPtrArray *usb_controllers; /* settings_usb_controller */
    GPtrArray *usb_filters;     /* settings_usb_filter */
    struct settings_adapter adapter[SETTINGS_ADAPTERS];
    struct settings_uart uart[SETTINGS_UARTS];
    struct settings_lpt lpt[SETTINGS_LPTS];
    struct settings_audio audio;
    GPtrArray *shared_folders; /* settings_shared_folder */
    enum settings_sharing clipboard, drag_and_drop;
    bool clipboard_files;
    bool io_cache;
    uint32_t io_cache_mib;
    GPtrArray *bandwidth_groups; /* settings_bandwidth_group */
    GPtrArray *pci_devices;      /* settings_pci_device: of the host, given to the guest */
    bool card_reader;
    char *frontend; /* NULL = gui */
    uint32_t balloon_mib;
    GPtrArray *guest_properties; /* settings_guest_property */
    GPtrArray *controllers;      /* settings_controller */
};

#endif

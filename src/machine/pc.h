/*
 * pc.h - the standard PC: i440FX and PIIX3, from plain values to a configuration tree.
 *
 * Which devices there are, at which ports, lines and slots, is a table in pc.c; nothing else in the program knows it.
 */
#ifndef MACHINE_PC_H
#define MACHINE_PC_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct cfgm_node;

enum pc_boot { PC_BOOT_NONE, PC_BOOT_FLOPPY, PC_BOOT_DVD, PC_BOOT_DISK, PC_BOOT_NET };
enum pc_drive { PC_DRIVE_NONE, PC_DRIVE_DISK, PC_DRIVE_DVD };

/* Storage controllers, one of each at most. */
enum pc_storage {
    PC_IDE,
    PC_FLOPPY,
    PC_AHCI,
    PC_VIRTIO_SCSI,
    PC_VIRTIO_BLK,
    PC_NVME,
    PC_LSILOGIC,
    PC_LSILOGIC_SAS,
    PC_BUSLOGIC,
    PC_STORAGES
};
#define PC_STORAGE_PORTS 256
struct pc_storage_settings {
    bool exists;
    uint32_t ports;
    char drives[PC_STORAGE_PORTS + 1]; /* a letter per port: the device's Drives key; not for IDE and floppy */
};

struct pc_settings {
    const char *name, *uuid; /* uuid without braces */
    uint32_t cpus, ram_mib, vram_mib;
    const char *cpu_profile; /* NULL = host */
    unsigned raw_mode;       /* user code native: 0 off, 1 where it pays, 2 wherever possible */
    bool pae, long_mode, hpet, acpi, ioapic, efi, rtc_utc, triple_fault_reset;
    int64_t time_offset_ms;
    const char *nvram_path; /* efi: where the machine's variables live */
    enum pc_boot boot_order[4];
    struct {
        bool enabled;
        uint16_t io_base;
        uint8_t irq;
        const char *type;
    } uart[4];
    struct {
        bool enabled;
        uint16_t io_base;
        uint8_t irq;
    } lpt[2];
    const char *ide_type; /* PIIX3, PIIX4, ICH6 */
    enum pc_drive ide[4]; /* primary master, slave, secondary master, slave */
    bool floppy[2];
    struct pc_storage_settings storage[PC_STORAGES];
};

/** pc_build() - the machine's tree; free with cfgm_free() or give it to vm_new(). */
struct cfgm_node *pc_build(const struct pc_settings *s);

#endif

/*
 * acpi_layout.h - ACPI tables as they lie in memory. Numbers are little-endian; so is every host this runs on.
 *
 * Source: ACPI specification 2.0c: 5.2.5 (RSDP), 5.2.6 (header), 5.2.8 (FADT), 5.2.9 (FACS), 5.2.10.4 (MADT); IA-PC
 * HPET specification 1.0a, 3.2.4; QEMU documentation of the table loader (struct loader_entry).
 */
#ifndef DEVICES_FIRMWARE_ACPI_LAYOUT_H
#define DEVICES_FIRMWARE_ACPI_LAYOUT_H

#include <stdint.h>

#define PACKED __attribute__((packed))

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} PACKED;

struct acpi_address { /* generic address structure */
    uint8_t space, bits, bit_offset, access;
    uint64_t address;
} PACKED;

struct acpi_rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} PACKED;

struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs, dsdt;
    uint8_t reserved1, pm_profile;
    uint16_t sci_irq;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_timer, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_timer_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_arch;
    uint8_t reserved2;
    uint32_t flags;
    struct acpi_address reset_reg;
    uint8_t reset_value, reserved3[3];
    uint64_t x_facs, x_dsdt;
    struct acpi_address x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_timer, x_gpe0, x_gpe1;
} PACKED;

struct acpi_facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint64_t x_waking_vector;
    uint8_t version, reserved[31];
} PACKED;

struct acpi_madt {
    struct acpi_header header;
    uint32_t lapic_gpa, flags;
} PACKED;
struct acpi_madt_lapic {
    uint8_t type, length, processor, apic_id;
    uint32_t flags;
} PACKED;
struct acpi_madt_ioapic {
    uint8_t type, length, id, reserved;
    uint32_t gpa, gsi_base;
} PACKED;
struct acpi_madt_override {
    uint8_t type, length, bus, source;
    uint32_t gsi;
    uint16_t flags;
} PACKED;
struct acpi_madt_nmi {
    uint8_t type, length, processor;
    uint16_t flags;
    uint8_t lint;
} PACKED;

struct acpi_hpet {
    struct acpi_header header;
    uint32_t block_id;
    struct acpi_address address;
    uint8_t number;
    uint16_t min_tick;
    uint8_t page_protection;
} PACKED;

enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum { LOADER_ZONE_HIGH = 1, LOADER_ZONE_FSEG = 2, LOADER_NAME_BYTES = 56 };
struct loader_entry {
    uint32_t command;
    union {
        struct {
            char file[LOADER_NAME_BYTES];
            uint32_t align;
            uint8_t zone;
        } PACKED alloc;
        struct {
            char dest[LOADER_NAME_BYTES], src[LOADER_NAME_BYTES];
            uint32_t offset;
            uint8_t size;
        } PACKED pointer;
        struct {
            char file[LOADER_NAME_BYTES];
            uint32_t offset, start, length;
        } PACKED checksum;
        uint8_t pad[124];
    };
} PACKED;

_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");
_Static_assert(sizeof(struct acpi_fadt) == 244, "ACPI 2.0 FADT");
_Static_assert(sizeof(struct acpi_facs) == 64, "ACPI 5.2.9");
_Static_assert(sizeof(struct acpi_hpet) == 56, "HPET 3.2.4");
_Static_assert(sizeof(struct loader_entry) == 128, "table loader");

#endif

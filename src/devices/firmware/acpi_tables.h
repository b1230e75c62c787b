/*
 * acpi_tables.h - the machine's ACPI tables, with the script by which firmware places and links them.
 */
#ifndef DEVICES_FIRMWARE_ACPI_TABLES_H
#define DEVICES_FIRMWARE_ACPI_TABLES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { ACPI_MAX_CPUS = 32 };

struct acpi_machine {
    unsigned cpus;
    uint64_t low_ram_bytes; /* RAM below 4 GiB: the PCI window begins behind it */
    bool ioapic, hpet, floppy;
    uint8_t uarts;     /* bit n: COM(n+1) */
    uint8_t parallels; /* bit n: LPT(n+1) */
};
struct acpi_blobs {
    GByteArray *tables; /* etc/acpi/tables */
    GByteArray *rsdp;   /* etc/acpi/rsdp */
    GByteArray *loader; /* etc/table-loader */
};

void acpi_build(const struct acpi_machine *machine, struct acpi_blobs *ret);
void acpi_blobs_fini(struct acpi_blobs *blobs);
/** acpi_set_pm_base() - puts the power management ports into the FADT of tables acpi_build() made. */
void acpi_set_pm_base(uint8_t *tables, size_t bytes, uint16_t base);

#endif

/*
 * smbios.h - the machine's SMBIOS tables.
 */
#ifndef DEVICES_FIRMWARE_SMBIOS_H
#define DEVICES_FIRMWARE_SMBIOS_H

#include <glib.h>
#include <stdint.h>

enum smbios_string {
    SMBIOS_BIOS_VENDOR,
    SMBIOS_BIOS_VERSION,
    SMBIOS_BIOS_DATE,
    SMBIOS_SYSTEM_VENDOR,
    SMBIOS_SYSTEM_PRODUCT,
    SMBIOS_SYSTEM_VERSION,
    SMBIOS_SYSTEM_SERIAL,
    SMBIOS_SYSTEM_FAMILY,
    SMBIOS_SYSTEM_SKU,
    SMBIOS_BOARD_VENDOR,
    SMBIOS_BOARD_PRODUCT,
    SMBIOS_BOARD_VERSION,
    SMBIOS_BOARD_SERIAL,
    SMBIOS_CHASSIS_VENDOR,
    SMBIOS_CHASSIS_VERSION,
    SMBIOS_CHASSIS_SERIAL,
    SMBIOS_OEM_VERSION,
    SMBIOS_OEM_REVISION,
    SMBIOS_STRINGS,
};
/** Configuration keys of the strings, by enum smbios_string. */
extern const char *const smbios_string_keys[SMBIOS_STRINGS];

struct smbios_machine {
    unsigned cpus;
    uint64_t ram_bytes;
    uint8_t uuid[16]; /* as the tables have it */
    const char *strings[SMBIOS_STRINGS];
};
/** smbios_build() - the structures, and the entry point firmware fixes up and places. */
void smbios_build(const struct smbios_machine *machine, GByteArray **ret_tables, GByteArray **ret_anchor);

#endif

/*
 * fw_items.h - the list of items a firmware configuration device offers: numbers with bytes, some of them named files.
 */
#ifndef DEVICES_FIRMWARE_FW_ITEMS_H
#define DEVICES_FIRMWARE_FW_ITEMS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum fw_key {
    FW_SIGNATURE = 0x00,
    FW_ID = 0x01,
    FW_UUID = 0x02,
    FW_RAM_SIZE = 0x03,
    FW_NOGRAPHIC = 0x04,
    FW_NB_CPUS = 0x05,
    FW_NUMA = 0x0d,
    FW_BOOT_MENU = 0x0e,
    FW_MAX_CPUS = 0x0f,
    FW_FILE_DIR = 0x19,
    FW_FILE_FIRST = 0x20,
    FW_ACPI_TABLES = 0x8000,
    FW_SMBIOS = 0x8001,
    FW_IRQ0_OVERRIDE = 0x8002,
    FW_E820 = 0x8003,
    FW_HPET = 0x8004,
};
enum { FW_NAME_BYTES = 56 };

struct fw_item {
    uint16_t key;
    char name[FW_NAME_BYTES]; /* empty: not a file */
    GByteArray *bytes;
};
struct fw_items {
    GArray *list; /* struct fw_item */
};

void fw_items_init(struct fw_items *items);
void fw_items_fini(struct fw_items *items);
void fw_items_add(struct fw_items *items, uint16_t key, const void *bytes, size_t size);
/** fw_items_add_le() - a little-endian number of @size bytes. */
void fw_items_add_le(struct fw_items *items, uint16_t key, uint64_t val, unsigned size);
/** fw_items_add_file() - under the next free number. */
void fw_items_add_file(struct fw_items *items, const char *name, const void *bytes, size_t size);
/** fw_items_seal() - makes the directory; nothing is added after it. */
void fw_items_seal(struct fw_items *items);
/** fw_items_find() - NULL when there is none. */
struct fw_item *fw_items_find(struct fw_items *items, uint16_t key);
struct fw_item *fw_items_find_file(struct fw_items *items, const char *name);

#endif

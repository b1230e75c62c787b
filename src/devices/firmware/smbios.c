/*
 * smbios.c - the machine's SMBIOS 2.5 tables.
 *
 * Source: DMTF DSP0134 (SMBIOS) 2.5: 2.1.1 (entry point), 3.3.x (structures, offsets in decimal or hex as there).
 * A structure is its fixed part, then its strings, then an empty one; strings are numbered from 1 in order of use.
 * Firmware sets the table address and the sums of the entry point.
 */
#include "devices/firmware/smbios.h"

#include <string.h>

const char *const smbios_string_keys[SMBIOS_STRINGS] = {
    [SMBIOS_BIOS_VENDOR] = "DmiBIOSVendor",         [SMBIOS_BIOS_VERSION] = "DmiBIOSVersion",
    [SMBIOS_BIOS_DATE] = "DmiBIOSReleaseDate",      [SMBIOS_SYSTEM_VENDOR] = "DmiSystemVendor",
    [SMBIOS_SYSTEM_PRODUCT] = "DmiSystemProduct",   [SMBIOS_SYSTEM_VERSION] = "DmiSystemVersion",
    [SMBIOS_SYSTEM_SERIAL] = "DmiSystemSerial",     [SMBIOS_SYSTEM_FAMILY] = "DmiSystemFamily",
    [SMBIOS_SYSTEM_SKU] = "DmiSystemSKU",           [SMBIOS_BOARD_VENDOR] = "DmiBoardVendor",
    [SMBIOS_BOARD_PRODUCT] = "DmiBoardProduct",     [SMBIOS_BOARD_VERSION] = "DmiBoardVersion",
    [SMBIOS_BOARD_SERIAL] = "DmiBoardSerial",       [SMBIOS_CHASSIS_VENDOR] = "DmiChassisVendor",
    [SMBIOS_CHASSIS_VERSION] = "DmiChassisVersion", [SMBIOS_CHASSIS_SERIAL] = "DmiChassisSerial",
    [SMBIOS_OEM_VERSION] = "DmiOEMVBoxVer",         [SMBIOS_OEM_REVISION] = "DmiOEMVBoxRev",
};

enum { ENTRY_BYTES = 31, STRING_MAX = 64 };
enum {
    HANDLE_BIOS = 0x0000,
    HANDLE_SYSTEM = 0x0001,
    HANDLE_BOARD = 0x0008,
    HANDLE_CHASSIS = 0x0003,
    HANDLE_CPU = 0x0400,
    HANDLE_MEMORY = 0x1000,
    HANDLE_MODULE = 0x1100,
    HANDLE_MAPPED = 0x1300,
    HANDLE_BOOT = 0x2000,
    HANDLE_OEM = 0x0b00,
    HANDLE_END = 0x7f00
};

struct writer {
    GByteArray *out;
    unsigned count, largest;
    size_t start;
    uint8_t fixed[128]; /* the structure being made */
    unsigned bytes;
    GByteArray *strings;
    uint8_t last_string;
};

static void begin(struct writer *w, uint8_t type, unsigned bytes, uint16_t handle)
{
    memset(w->fixed, 0, sizeof(w->fixed));
    w->bytes = bytes;
    w->start = w->out->len;
    w->last_string = 0;
    g_byte_array_set_size(w->strings, 0);
    w->fixed[0] = type;
    w->fixed[1] = (uint8_t)bytes;
    memcpy(w->fixed + 2, &handle, sizeof(handle));
}

static void put(struct writer *w, unsigned off, uint64_t val, unsigned size)
{
    memcpy(w->fixed + off, &val, size);
}

/* Puts a string number at @off; empty strings are number 0. Control characters do not get into the tables. */
static void put_string(struct writer *w, unsigned off, const char *s)
{
    const size_t length = s ? strnlen(s, STRING_MAX) : 0;

    if (!length)
        return;
    for (size_t i = 0; i < length; i++) {
        const uint8_t c = (uint8_t)(s[i] >= ' ' && s[i] < 0x7f ? s[i] : '.');

        g_byte_array_append(w->strings, &c, 1);
    }
    g_byte_array_append(w->strings, (const guint8 *)"", 1);
    if (off)
        w->fixed[off] = ++w->last_string;
}

static void end(struct writer *w)
{
    const unsigned terminator = w->strings->len ? 1 : 2;
    unsigned size;

    g_byte_array_append(w->out, w->fixed, w->bytes);
    g_byte_array_append(w->out, w->strings->data, w->strings->len);
    g_byte_array_append(w->out, (const guint8 *)"\0", terminator);
    size = (unsigned)(w->out->len - w->start);
    w->largest = MAX(w->largest, size);
    w->count++;
}

static void add_bios(struct writer *w, const struct smbios_machine *m) /* 3.3.1 */
{
    begin(w, 0, 0x18, HANDLE_BIOS);
    put_string(w, 0x04, m->strings[SMBIOS_BIOS_VENDOR]);
    put_string(w, 0x05, m->strings[SMBIOS_BIOS_VERSION]);
    put(w, 0x06, 0xe000, 2);
    put_string(w, 0x08, m->strings[SMBIOS_BIOS_DATE]);
    put(w, 0x09, 1, 1);          /* 128 KiB */
    put(w, 0x0a, 0x48018090, 8); /* ISA, PCI, boot from CD, selectable boot, keyboard, video services */
    put(w, 0x12, 0x01, 1);       /* ACPI */
    put(w, 0x13, 0x04, 1);       /* targeted content */
    put(w, 0x14, 0xffffffff, 4); /* releases: unsupported */
    end(w);
}

static void add_system(struct writer *w, const struct smbios_machine *m) /* 3.3.2 */
{
    begin(w, 1, 0x1b, HANDLE_SYSTEM);
    put_string(w, 0x04, m->strings[SMBIOS_SYSTEM_VENDOR]);
    put_string(w, 0x05, m->strings[SMBIOS_SYSTEM_PRODUCT]);
    put_string(w, 0x06, m->strings[SMBIOS_SYSTEM_VERSION]);
    put_string(w, 0x07, m->strings[SMBIOS_SYSTEM_SERIAL]);
    memcpy(w->fixed + 0x08, m->uuid, sizeof(m->uuid));
    put(w, 0x18, 6, 1); /* power switch */
    put_string(w, 0x19, m->strings[SMBIOS_SYSTEM_SKU]);
    put_string(w, 0x1a, m->strings[SMBIOS_SYSTEM_FAMILY]);
    end(w);
}

static void add_board(struct writer *w, const struct smbios_machine *m) /* 3.3.3 */
{
    begin(w, 2, 0x0f, HANDLE_BOARD);
    put_string(w, 0x04, m->strings[SMBIOS_BOARD_VENDOR]);
    put_string(w, 0x05, m->strings[SMBIOS_BOARD_PRODUCT]);
    put_string(w, 0x06, m->strings[SMBIOS_BOARD_VERSION]);
    put_string(w, 0x07, m->strings[SMBIOS_BOARD_SERIAL]);
    put(w, 0x09, 1, 1); /* hosting board */
    put(w, 0x0b, HANDLE_CHASSIS, 2);
    put(w, 0x0d, 0x0a, 1); /* motherboard */
    end(w);
}

static void add_chassis(struct writer *w, const struct smbios_machine *m) /* 3.3.4 */
{
    begin(w, 3, 0x15, HANDLE_CHASSIS);
    put_string(w, 0x04, m->strings[SMBIOS_CHASSIS_VENDOR]);
    put(w, 0x05, 1, 1); /* other */
    put_string(w, 0x06, m->strings[SMBIOS_CHASSIS_VERSION]);
    put_string(w, 0x07, m->strings[SMBIOS_CHASSIS_SERIAL]);
    put(w, 0x09, 0x03030303, 4); /* states: safe; security: none */
    end(w);
}

static void add_cpu(struct writer *w, unsigned n) /* 3.3.5 */
{
    char socket[16];

    g_snprintf(socket, sizeof(socket), "CPU%u", n);
    begin(w, 4, 0x28, (uint16_t)(HANDLE_CPU + n));
    put_string(w, 0x04, socket);
    put(w, 0x05, 3, 1);    /* central processor */
    put(w, 0x06, 1, 1);    /* family: other */
    put(w, 0x18, 0x41, 1); /* populated, enabled */
    put(w, 0x19, 1, 1);
    put(w, 0x1a, 0xffffffffffff, 6); /* no cache handles */
    put(w, 0x23, 0x010101, 3);       /* cores, enabled, threads */
    put(w, 0x28 - 2, 1, 2);          /* family 2: other */
    end(w);
}

static void add_memory(struct writer *w, const struct smbios_machine *m) /* 3.3.17, 3.3.18, 3.3.20 */
{
    const uint64_t kib = m->ram_bytes >> 10;
    const uint64_t mib = m->ram_bytes >> 20;

    begin(w, 16, 0x0f, HANDLE_MEMORY);
    put(w, 0x04, 0x01, 1); /* location: other */
    put(w, 0x05, 0x03, 1); /* system memory */
    put(w, 0x06, 0x03, 1); /* no correction */
    put(w, 0x07, MIN(kib, UINT64_C(0x80000000)), 4);
    put(w, 0x0b, 0xfffe, 2); /* no error handle */
    put(w, 0x0d, 1, 2);
    end(w);
    begin(w, 17, 0x1b, HANDLE_MODULE);
    put(w, 0x04, HANDLE_MEMORY, 2);
    put(w, 0x06, 0xfffe, 2);
    put(w, 0x08, 0xffffffff, 4); /* widths unknown */
    put(w, 0x0c, MIN(mib, UINT64_C(0x7ffe)), 2);
    put(w, 0x0e, 0x09, 1); /* DIMM */
    put_string(w, 0x10, "DIMM 0");
    put(w, 0x12, 0x07, 1);   /* RAM */
    put(w, 0x13, 0x0002, 2); /* other */
    end(w);
    begin(w, 19, 0x0f, HANDLE_MAPPED);
    put(w, 0x08, kib - 1, 4);
    put(w, 0x0c, HANDLE_MEMORY, 2);
    put(w, 0x0e, 1, 1);
    end(w);
}

static void add_rest(struct writer *w, const struct smbios_machine *m)
{
    begin(w, 11, 0x05, HANDLE_OEM); /* 3.3.12 */
    put(w, 0x04, 2, 1);
    put_string(w, 0, m->strings[SMBIOS_OEM_VERSION]);
    put_string(w, 0, m->strings[SMBIOS_OEM_REVISION]);
    end(w);
    begin(w, 32, 0x0b, HANDLE_BOOT); /* 3.3.33 */
    end(w);
    begin(w, 127, 0x04, HANDLE_END); /* 3.3.41 */
    end(w);
}

static GByteArray *make_anchor(const struct writer *w) /* 2.1.1 */
{
    uint8_t e[ENTRY_BYTES] = "_SM_";
    const uint16_t largest = (uint16_t)w->largest, bytes = (uint16_t)w->out->len, count = (uint16_t)w->count;

    e[0x05] = ENTRY_BYTES;
    e[0x06] = 2;
    e[0x07] = 5;
    memcpy(e + 0x08, &largest, 2);
    memcpy(e + 0x10, "_DMI_", 5);
    memcpy(e + 0x16, &bytes, 2);
    memcpy(e + 0x1c, &count, 2);
    e[0x1e] = 0x25;
    return g_byte_array_append(g_byte_array_new(), e, sizeof(e));
}

void smbios_build(const struct smbios_machine *m, GByteArray **ret_tables, GByteArray **ret_anchor)
{
    g_autoptr(GByteArray) strings = g_byte_array_new();
    struct writer w = {.out = g_byte_array_new(), .strings = strings};

    add_bios(&w, m);
    add_system(&w, m);
    add_board(&w, m);
    add_chassis(&w, m);
    for (unsigned n = 0; n < m->cpus; n++)
        add_cpu(&w, n);
    add_memory(&w, m);
    add_rest(&w, m);
    *ret_anchor = make_anchor(&w);
    *ret_tables = w.out;
}

/*
 * vhd_header.c - footer and dynamic header of a VHD.
 *
 * Source: Microsoft "Virtual Hard Disk Image Format Specification" 1.0.
 * The size is the footer's "current size". Readers that go by the geometry take the size of some creators' images
 * only; "win " is among them, so that is what is written. UUIDs have three little-endian fields, as in VirtualBox.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vhd_int.h"

#define FOOTER_COOKIE  "conectix"
#define HEADER_COOKIE  "cxsparse"
#define VERSION        0x00010000u
#define FEATURES       2u /* reserved, always set */
#define MIN_BLOCK      4096u
#define MAX_BLOCK      (64u << 20)
#define LOCATOR_W2RU   0x57327275u
#define AT_CHECKSUM    64
#define AT_H_CHECKSUM  36
#define AT_H_PARENT    40
#define AT_PARENT_NAME 64
#define AT_LOCATORS    576

static uint32_t checksum(const uint8_t *p, size_t bytes, size_t at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < bytes; i++)
        sum += i >= at && i < at + 4 ? 0 : p[i];
    return ~sum;
}

bool vhd_footer_valid(const uint8_t raw[VHD_FOOTER_BYTES])
{
    return memcmp(raw, FOOTER_COOKIE, 8) == 0 &&
           be32(raw + AT_CHECKSUM) == checksum(raw, VHD_FOOTER_BYTES, AT_CHECKSUM);
}

static bool refuse(const char *path, GError **error, const char *why)
{
    return vd_refuse(path, VERR_VD_VHD_INVALID_HEADER, error, "%s", why);
}

bool vhd_footer_parse(const char *path, const uint8_t raw[VHD_FOOTER_BYTES], struct vhd_footer *ret, GError **error)
{
    struct vhd_footer f = {
        .type = be32(raw + 60), .header_at = be64(raw + 16), .size_bytes = be64(raw + 48), .timestamp = be32(raw + 24)};

    if (!vhd_footer_valid(raw))
        return refuse(path, error, "it is not in VHD format, or its footer is damaged");
    if (be32(raw + 12) >> 16 != VERSION >> 16)
        return refuse(path, error, "its version is not 1");
    if (f.type < VHD_FIXED || f.type > VHD_DIFF)
        return refuse(path, error, "it is neither fixed, dynamic nor differencing");
    if (f.size_bytes == 0 || f.size_bytes % 512 || f.size_bytes > INT64_MAX)
        return refuse(path, error, "the disk size is zero, odd or too large");
    vd_uuid_swap(f.uuid, raw + 68);
    *ret = f;
    return true;
}

/* The specification's algorithm ("CHS Calculation"). */
static void put_geometry(uint8_t *p, uint64_t size_bytes)
{
    uint64_t sectors = MIN(size_bytes / 512, 65535ull * 16 * 255), per_track, heads, cylinders_heads;

    if (sectors >= 65535ull * 16 * 63) {
        per_track = 255;
        heads = 16;
        cylinders_heads = sectors / per_track;
    } else {
        per_track = 17;
        cylinders_heads = sectors / per_track;
        heads = MAX((cylinders_heads + 1023) / 1024, 4);
        if (cylinders_heads >= heads * 1024 || heads > 16) {
            per_track = 31;
            heads = 16;
            cylinders_heads = sectors / per_track;
        }
        if (cylinders_heads >= heads * 1024) {
            per_track = 63;
            heads = 16;
            cylinders_heads = sectors / per_track;
        }
    }
    put_be16(p, (uint16_t)(cylinders_heads / heads));
    p[2] = (uint8_t)heads;
    p[3] = (uint8_t)per_track;
}

void vhd_footer_build(const struct vhd_footer *f, uint8_t raw[VHD_FOOTER_BYTES])
{
    memset(raw, 0, VHD_FOOTER_BYTES);
    memcpy(raw, FOOTER_COOKIE, 8);
    put_be32(raw + 8, FEATURES);
    put_be32(raw + 12, VERSION);
    put_be64(raw + 16, f->header_at);
    put_be32(raw + 24, f->timestamp);
    memcpy(raw + 28, "win ", 4);
    put_be32(raw + 32, 0x00060001);
    memcpy(raw + 36, "Wi2k", 4);
    put_be64(raw + 40, f->size_bytes);
    put_be64(raw + 48, f->size_bytes);
    put_geometry(raw + 56, f->size_bytes);
    put_be32(raw + 60, f->type);
    vd_uuid_swap(raw + 68, f->uuid);
    put_be32(raw + AT_CHECKSUM, checksum(raw, VHD_FOOTER_BYTES, AT_CHECKSUM));
}

static const char *header_fault(const struct vhd_header *h, uint64_t size_bytes, uint64_t file_bytes)
{
    if (!power_of_two(h->block_bytes) || h->block_bytes < MIN_BLOCK || h->block_bytes > MAX_BLOCK)
        return "the block size is not a power of two between 4 KiB and 64 MiB";
    if (h->entries == 0 || h->entries > VHD_MAX_ENTRIES)
        return "the number of blocks is zero or too large";
    if ((uint64_t)h->entries * h->block_bytes < size_bytes)
        return "there are too few blocks for the size of the disk";
    if (h->bat_at % 512 || h->bat_at > file_bytes || 4ull * h->entries > file_bytes - h->bat_at)
        return "the block table lies beyond the end of the file";
    return NULL;
}

static char *utf16_name(const uint8_t *raw)
{
    gunichar2 units[VHD_NAME_UNITS];

    for (unsigned i = 0; i < VHD_NAME_UNITS; i++)
        units[i] = be16(raw + 2 * i);
    return units[0] ? g_utf16_to_utf8(units, VHD_NAME_UNITS, NULL, NULL, NULL) : NULL;
}

bool vhd_header_parse(const char *path, const uint8_t raw[VHD_HEADER_BYTES], uint64_t size_bytes, uint64_t file_bytes,
                      struct vhd_header *ret, GError **error)
{
    struct vhd_header h = {.bat_at = be64(raw + 16), .entries = be32(raw + 28), .block_bytes = be32(raw + 32)};
    const char *fault;

    if (memcmp(raw, HEADER_COOKIE, 8) != 0 ||
        be32(raw + AT_H_CHECKSUM) != checksum(raw, VHD_HEADER_BYTES, AT_H_CHECKSUM))
        return refuse(path, error, "its dynamic header is damaged");
    fault = header_fault(&h, size_bytes, file_bytes);
    if (fault)
        return refuse(path, error, fault);
    vd_uuid_swap(h.parent, raw + AT_H_PARENT);
    h.parent_name = utf16_name(raw + AT_PARENT_NAME);
    *ret = h;
    return true;
}

static void put_name(uint8_t *to, const char *name)
{
    glong n = 0;
    g_autofree gunichar2 *units = g_utf8_to_utf16(name, -1, NULL, &n, NULL);

    for (glong i = 0; units && i < MIN(n, VHD_NAME_UNITS - 1); i++)
        put_be16(to + 2 * i, units[i]);
}

void vhd_header_build(const struct vhd_header *h, uint8_t raw[VHD_HEADER_BYTES])
{
    memset(raw, 0, VHD_HEADER_BYTES);
    memcpy(raw, HEADER_COOKIE, 8);
    put_be64(raw + 8, UINT64_MAX);
    put_be64(raw + 16, h->bat_at);
    put_be32(raw + 24, VERSION);
    put_be32(raw + 28, h->entries);
    put_be32(raw + 32, h->block_bytes);
    vd_uuid_swap(raw + AT_H_PARENT, h->parent);
    if (h->parent_name)
        put_name(raw + AT_PARENT_NAME, h->parent_name);
    if (h->locator_at) {
        put_be32(raw + AT_LOCATORS, LOCATOR_W2RU);
        put_be32(raw + AT_LOCATORS + 4, 512);
        put_be32(raw + AT_LOCATORS + 8, h->locator_bytes);
        put_be64(raw + AT_LOCATORS + 16, h->locator_at);
    }
    put_be32(raw + AT_H_CHECKSUM, checksum(raw, VHD_HEADER_BYTES, AT_H_CHECKSUM));
}

void vhd_header_reparent(uint8_t raw[VHD_HEADER_BYTES], const uint8_t parent[VD_UUID_BYTES])
{
    vd_uuid_swap(raw + AT_H_PARENT, parent);
    put_be32(raw + AT_H_CHECKSUM, checksum(raw, VHD_HEADER_BYTES, AT_H_CHECKSUM));
}

void vhd_header_repoint(uint8_t raw[VHD_HEADER_BYTES], uint64_t bat_at, uint32_t entries)
{
    put_be64(raw + 16, bat_at);
    put_be32(raw + 28, entries);
    put_be32(raw + AT_H_CHECKSUM, checksum(raw, VHD_HEADER_BYTES, AT_H_CHECKSUM));
}

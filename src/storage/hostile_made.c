/*
 * hostile_made.c - for hostile_test.c: small good images of the formats that are only read; each shows its first block.
 *
 * Where their numbers lie is in the formats' own files (fmt/).
 */
#include <string.h>
#include <zlib.h>

#include "storage/bytes.h"
#include "storage/hostile.h"

#define KIB64 (64u << 10)

static GByteArray *zeros(guint bytes)
{
    GByteArray *a = g_byte_array_new();

    g_byte_array_set_size(a, bytes);
    memset(a->data, 0, bytes);
    return a;
}

/* Version 2, clusters of 4 KiB: header, first-level table, second-level table, one cluster; 2 MiB. */
GByteArray *hostile_qcow2(void)
{
    GByteArray *a = zeros(16384);

    put_be32(a->data, 0x514649fb);
    put_be32(a->data + 4, 2);
    put_be32(a->data + 20, 12);
    put_be64(a->data + 24, 2u << 20);
    put_be32(a->data + 36, 1);
    put_be64(a->data + 40, 4096);
    put_be64(a->data + 4096, 8192);
    put_be64(a->data + 8192, 12288);
    return a;
}

/* As above: clusters and tables of 4 KiB. */
GByteArray *hostile_qed(void)
{
    GByteArray *a = zeros(16384);

    memcpy(a->data, "QED", 4);
    put_le32(a->data + 4, 4096);
    put_le32(a->data + 8, 1);
    put_le32(a->data + 12, 1);
    put_le64(a->data + 40, 4096);
    put_le64(a->data + 48, 2u << 20);
    put_le64(a->data + 4096, 8192);
    put_le64(a->data + 8192, 12288);
    return a;
}

/* 512 blocks of 4 KiB; the first is the file's second. */
GByteArray *hostile_parallels(void)
{
    GByteArray *a = zeros(8192);

    memcpy(a->data, "WithouFreSpacExt", 16);
    put_le32(a->data + 16, 2);
    put_le32(a->data + 28, 8);
    put_le32(a->data + 32, 512);
    put_le64(a->data + 36, 4096);
    put_le32(a->data + 64, 1);
    return a;
}

/* ---- VHDX ---- */

static const uint8_t guids[5][16] = {
    {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08}, /* block table */
    {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e}, /* metadata */
    {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b}, /* parameters */
    {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8}, /* size */
    {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f}, /* sector size */
};

static void crc32c_at(uint8_t *p, size_t bytes)
{
    uint32_t crc = ~0u;

    put_le32(p + 4, 0);
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    put_le32(p + 4, ~crc);
}

void hostile_vhdx_sums(uint8_t *image)
{
    crc32c_at(image + KIB64, 4096);
    crc32c_at(image + 3 * KIB64, KIB64);
}

static void vhdx_item(uint8_t *table, unsigned n, const uint8_t guid[16], uint32_t at, uint32_t bytes)
{
    memcpy(table + 32 + 32 * n, guid, 16);
    put_le32(table + 32 + 32 * n + 16, at);
    put_le32(table + 32 + 32 * n + 20, bytes);
}

static void vhdx_region(uint8_t *table, unsigned n, const uint8_t guid[16], uint64_t at, uint32_t bytes)
{
    memcpy(table + 16 + 32 * n, guid, 16);
    put_le64(table + 16 + 32 * n + 16, at);
    put_le32(table + 16 + 32 * n + 24, bytes);
}

/* Header at 64 KiB, regions at 192; block table at 256 KiB, metadata at 320; three blocks of 1 MiB, the first at 1 MiB.
 */
GByteArray *hostile_vhdx(void)
{
    GByteArray *a = zeros((1u << 20) + 4096);
    uint8_t *metadata = a->data + 5 * KIB64;

    memcpy(a->data, "vhdxfile", 8);
    memcpy(a->data + KIB64, "head", 4);
    put_le16(a->data + KIB64 + 66, 1);
    memcpy(a->data + 3 * KIB64, "regi", 4);
    put_le32(a->data + 3 * KIB64 + 8, 2);
    vhdx_region(a->data + 3 * KIB64, 0, guids[0], 4 * KIB64, KIB64);
    vhdx_region(a->data + 3 * KIB64, 1, guids[1], 5 * KIB64, 2 * KIB64);
    put_le64(a->data + 4 * KIB64, 1u << 20 | 6);
    memcpy(metadata, "metadata", 8);
    put_le16(metadata + 10, 3);
    vhdx_item(metadata, 0, guids[2], KIB64, 8);
    vhdx_item(metadata, 1, guids[3], KIB64 + 8, 8);
    vhdx_item(metadata, 2, guids[4], KIB64 + 16, 4);
    put_le32(metadata + KIB64, 1u << 20);
    put_le64(metadata + KIB64 + 8, 3u << 20);
    put_le32(metadata + KIB64 + 16, 512);
    hostile_vhdx_sums(a->data);
    return a;
}

/* ---- DMG: chunks, property list, trailer ---- */

#define ZLIB      0x80000005u
#define BOMB_MIB  64u
#define BOMB_ROOM (128u << 10)

/* One chunk of @sectors, of @bytes at the file's begin, where zeros are packed: @unpacked of them. */
static GByteArray *dmg(uint32_t type, uint64_t sectors, uint64_t at, uint64_t bytes, size_t unpacked)
{
    GByteArray *a = zeros(BOMB_ROOM);
    g_autofree uint8_t *plain = g_malloc0(unpacked);
    uint8_t table[244] = {0}, trailer[512] = {0};
    g_autofree char *base64 = NULL, *xml = NULL;
    uLongf packed = BOMB_ROOM;

    g_assert_cmpint(compress2(a->data, &packed, plain, unpacked, 9), ==, Z_OK);
    memcpy(table, "mish", 4);
    put_be32(table + 4, 1);
    put_be32(table + 200, 1);
    put_be32(table + 204, type);
    put_be64(table + 220, sectors);
    put_be64(table + 228, at);
    put_be64(table + 236, bytes ? bytes : packed);
    base64 = g_base64_encode(table, sizeof(table));
    xml = g_strdup_printf("<plist><dict><key>blkx</key><array><data>%s</data></array></dict></plist>", base64);
    memcpy(trailer, "koly", 4);
    put_be64(trailer + 0xd8, a->len);
    put_be64(trailer + 0xe0, strlen(xml));
    g_byte_array_append(a, (const guint8 *)xml, (guint)strlen(xml));
    g_byte_array_append(a, trailer, sizeof(trailer));
    return a;
}

GByteArray *hostile_dmg(void)
{
    return dmg(ZLIB, 128, 0, 0, 128 * 512);
}

GByteArray *hostile_dmg_bomb(void)
{
    return dmg(ZLIB, 128, 0, 0, BOMB_MIB << 20);
}

GByteArray *hostile_dmg_beyond(void)
{
    return dmg(1, 128, 1u << 30, 128 * 512, 1);
}

GByteArray *hostile_dmg_wraps(void)
{
    return dmg(1, UINT64_C(1) << 63, 0, 128 * 512, 1);
}

GByteArray *hostile_dmg_huge(void)
{
    return dmg(ZLIB, UINT64_C(1) << 40, 0, 0, 1);
}

/* ---- VMDK descriptors that no C string can be ---- */

#define FLAT                                                                                                           \
    "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"                                             \
    "createType=\"monolithicFlat\"\n"
#define MANY_EXTENTS 1000000u

GByteArray *hostile_nul(void)
{
    static const char text[] = FLAT "RW 8 FLAT \"good\0/../../etc/passwd\" 0\n";

    return g_byte_array_append(g_byte_array_new(), (const guint8 *)text, sizeof(text) - 1);
}

GByteArray *hostile_many_extents(void)
{
    static const char line[] = "RW 8 ZERO\n";
    GByteArray *a = g_byte_array_append(g_byte_array_new(), (const guint8 *)FLAT, sizeof(FLAT) - 1);

    for (unsigned i = 0; i < MANY_EXTENTS; i++)
        g_byte_array_append(a, (const guint8 *)line, sizeof(line) - 1);
    return a;
}

/* hostile_rows.c - the table of hostile images; offsets are of the formats' layouts (doc/storage.md, fmt/). */
#include "storage/hostile.h"

#include <fcntl.h>
#include <zlib.h>

#include "storage/bytes.h"

#define STREAM_GRAIN 65536u       /* where a stream's first grain is */
#define BOMB_BYTES   (400u << 10) /* a grain has 64 KiB */

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
#define FLAT HEAD "createType=\"monolithicFlat\"\n"

const struct hostile_base hostile_bases[] = {
    {.name = "vdi", .format = "VDI", .block_bytes = 65536},
    {.name = "vmdk", .format = "VMDK"},
    {.name = "stream", .format = "VMDK", .layout = VD_STREAM},
    {.name = "vhd", .format = "VHD", .block_bytes = 65536},
    {.name = "vhd-fixed", .format = "VHD", .fixed = true},
    {.name = "system file", .format = "VMDK", .text = FLAT "RW 8 FLAT \"/etc/passwd\" 0\n"},
    {.name = "up", .format = "VMDK", .text = FLAT "RW 8 FLAT \"../secret\" 0\n"},
    {.name = "below", .format = "VMDK", .text = FLAT "RW 8 FLAT \"sub/secret\" 0\n"},
    {.name = "backslash", .format = "VMDK", .text = FLAT "RW 8 FLAT \"..\\secret\" 0\n"},
    {.name = "dot", .format = "VMDK", .text = FLAT "RW 8 FLAT \".\" 0\n"},
    {.name = "no name", .format = "VMDK", .text = FLAT "RW 8 FLAT\n"},
    {.name = "second is evil", .format = "VMDK", .text = FLAT "RW 8 FLAT \"good\" 0\nRW 8 FLAT \"/etc/shadow\" 0\n"},
    {.name = "sparse elsewhere", .format = "VMDK", .text = FLAT "RW 8 SPARSE \"/dev/sda\"\n"},
    {.name = "device", .format = "VMDK", .text = HEAD "createType=\"fullDevice\"\nRW 8 FLAT \"sda\" 0\n"},
    {.name = "no size", .format = "VMDK", .text = FLAT "RW 0 FLAT \"good\" 0\n"},
    {.name = "size 2^64", .format = "VMDK", .text = FLAT "RW 18446744073709551616 FLAT \"good\" 0\n"},
    {.name = "negative", .format = "VMDK", .text = FLAT "RW -8 FLAT \"good\" 0\n"},
    {.name = "sum too large",
     .format = "VMDK",
     .text = FLAT "RW 18014398509481983 ZERO\nRW 18014398509481983 ZERO\nRW 18014398509481983 ZERO\n"},
    {.name = "offset 2^63", .format = "VMDK", .text = FLAT "RW 8 FLAT \"good\" 9223372036854775807\n"},
    {.name = "strange kind", .format = "VMDK", .text = FLAT "RW 8 VMFSRDM \"good\"\n"},
    {.name = "no extent", .format = "VMDK", .text = FLAT},
    {.name = "no type", .format = "VMDK", .text = HEAD "RW 8 ZERO\n"},
    {.name = "NUL", .format = "VMDK", .make = hostile_nul, .bad = true},
    {.name = "10^6 extents", .format = "VMDK", .make = hostile_many_extents, .bad = true},
    {.name = "qcow2", .format = "QCOW2", .make = hostile_qcow2},
    {.name = "qed", .format = "QED", .make = hostile_qed},
    {.name = "parallels", .format = "Parallels", .make = hostile_parallels},
    {.name = "vhdx", .format = "VHDX", .make = hostile_vhdx},
    {.name = "dmg", .format = "DMG", .make = hostile_dmg},
    {.name = "dmg bomb", .format = "DMG", .make = hostile_dmg_bomb, .bad = true},
    {.name = "dmg beyond", .format = "DMG", .make = hostile_dmg_beyond, .bad = true},
    {.name = "dmg wraps", .format = "DMG", .make = hostile_dmg_wraps, .bad = true},
    {.name = "dmg huge", .format = "DMG", .make = hostile_dmg_huge, .bad = true},
};
const size_t hostile_base_count = G_N_ELEMENTS(hostile_bases);

/* Checksum of @bytes at @at, kept at @at + @sum_at: the ones' complement of the sum of the others. */
static void fix_sum(struct fio_crash *disk, const char *path, uint64_t at, size_t bytes, size_t sum_at)
{
    const struct fio *io = fio_crash_io(disk);
    g_autofree uint8_t *raw = g_malloc0(bytes);
    uint32_t sum = 0;
    int fd = -1;

    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &fd), ==, 0);
    g_assert_cmpint(fio_read_some(io, fd, raw, bytes, at), ==, 0);
    for (size_t i = 0; i < bytes; i++)
        sum += i >= sum_at && i < sum_at + 4 ? 0 : raw[i];
    put_be32(raw, ~sum);
    g_assert_cmpint(fio_write(io, fd, raw, 4, at + sum_at), ==, 0);
    fio_close(io, fd);
}

static void fix_vhd(struct fio_crash *disk, const char *path)
{
    g_autoptr(GBytes) all = fio_crash_bytes(disk, path);

    fix_sum(disk, path, 512, 1024, 36);
    fix_sum(disk, path, g_bytes_get_size(all) - 512, 512, 64);
}

/* The first grain of a stream becomes one that unpacks to many times its size. */
static void put_bomb(struct fio_crash *disk, const char *path)
{
    const struct fio *io = fio_crash_io(disk);
    g_autofree uint8_t *zeros = g_malloc0(BOMB_BYTES);
    uint8_t raw[500];
    uLongf packed = sizeof(raw);
    int fd = -1;

    g_assert_cmpint(compress2(raw, &packed, zeros, BOMB_BYTES, 9), ==, Z_OK);
    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &fd), ==, 0);
    g_assert_cmpint(fio_write(io, fd, raw, packed, STREAM_GRAIN + 12), ==, 0);
    put_le32(raw, (uint32_t)packed);
    g_assert_cmpint(fio_write(io, fd, raw, 4, STREAM_GRAIN + 8), ==, 0);
    fio_close(io, fd);
}

static void fix_vhdx(struct fio_crash *disk, const char *path)
{
    const struct fio *io = fio_crash_io(disk);
    g_autoptr(GBytes) all = fio_crash_bytes(disk, path);
    gsize bytes = g_bytes_get_size(all);
    g_autofree uint8_t *image = g_memdup2(g_bytes_get_data(all, NULL), bytes);
    int fd = -1;

    hostile_vhdx_sums(image);
    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &fd), ==, 0);
    g_assert_cmpint(fio_write(io, fd, image, bytes, 0), ==, 0);
    fio_close(io, fd);
}

#define REFUSED(what, base, ...)                                                                                       \
    {                                                                                                                  \
        what, base, HOSTILE_REFUSED, {__VA_ARGS__}, NULL                                                               \
    }
#define FAILS(what, base, ...)                                                                                         \
    {                                                                                                                  \
        what, base, HOSTILE_READ_FAILS, {__VA_ARGS__}, NULL                                                            \
    }

const struct hostile_row hostile_rows[] = {
    /* VDI: map at 64 KiB, data at 128 KiB, 48 blocks, blocks 16-31 in slots 0-15 */
    {"two blocks, one slot", "vdi", HOSTILE_READ_ONLY, {{65536, 4, 5}, {65540, 4, 5}}, NULL},
    FAILS("slot out of the file", "vdi", {65536, 4, 0x00ffffff}),
    FAILS("slot wraps around", "vdi", {65536, 4, 0xfffffffd}),
    REFUSED("cBlocks 2^32-1", "vdi", {0x180, 4, 0xffffffff}),
    REFUSED("cBlocks 0", "vdi", {0x180, 4, 0}),
    REFUSED("block size 0", "vdi", {0x178, 4, 0}),
    REFUSED("block size 3", "vdi", {0x178, 4, 3}),
    REFUSED("block size 2^31", "vdi", {0x178, 4, 0x80000000}),
    REFUSED("size 2^63", "vdi", {0x170, 8, 1ull << 63}),
    REFUSED("size 2^64-512", "vdi", {0x170, 8, UINT64_MAX - 511}),
    REFUSED("data over the map", "vdi", {0x158, 4, 65536}),
    REFUSED("map over the header", "vdi", {0x154, 4, 0}),
    REFUSED("map beyond the end", "vdi", {0x154, 4, 0xfffffe00}),
    REFUSED("child of nobody", "vdi", {0x4c, 4, 4}),
    /* VMDK, monolithicSparse: 3 MiB, one grain table */
    REFUSED("VMDK version 9", "vmdk", {4, 4, 9}),
    REFUSED("unknown flags", "vmdk", {8, 4, 0x80000003}),
    REFUSED("capacity 2^63", "vmdk", {12, 8, 1ull << 63}),
    REFUSED("capacity 0", "vmdk", {12, 8, 0}),
    REFUSED("capacity 2^54", "vmdk", {12, 8, 1ull << 54}),
    REFUSED("grain 0", "vmdk", {20, 8, 0}),
    REFUSED("grain 3", "vmdk", {20, 8, 3}),
    REFUSED("grain 2^31", "vmdk", {20, 8, 1ull << 31}),
    REFUSED("grain table of 0", "vmdk", {44, 4, 0}),
    REFUSED("grain table of 2^31", "vmdk", {44, 4, 1u << 31}),
    REFUSED("directory beyond the end", "vmdk", {56, 8, 1ull << 40}),
    REFUSED("directory at 2^63", "vmdk", {56, 8, 1ull << 63}),
    REFUSED("descriptor 2^40 long", "vmdk", {36, 8, 1ull << 40}),
    REFUSED("descriptor nowhere", "vmdk", {28, 8, 0}),
    REFUSED("line ends converted", "vmdk", {73, 4, 0x0a0a200d}),
    REFUSED("compressed without markers", "vmdk", {8, 4, 0x10003}),
    REFUSED("directory at the end, no footer", "vmdk", {56, 8, UINT64_MAX}),
    REFUSED("table beyond the end", "vmdk", {13312, 4, 0x7fffffff}),
    /* grain tables: the primary one follows its directory */
    FAILS("grain inside the metadata", "vmdk", {13824, 4, 1}, {13828, 4, 5}, {13832, 4, 2}),
    /* streams: footer 1024 bytes before the end */
    REFUSED("footer of another disk", "stream", {-1024 + 12, 8, 77}),
    REFUSED("footer without directory", "stream", {-1024 + 56, 8, UINT64_MAX}),
    REFUSED("stream's directory beyond the end", "stream", {-1024 + 56, 8, 1ull << 50}),
    FAILS("grain marker of another grain", "stream", {65536, 8, 5}),
    FAILS("grain of 2^32-1 bytes", "stream", {65536 + 8, 4, 0xffffffff}),
    FAILS("grain is no zlib stream", "stream", {65536 + 12, 8, 0xffffffffffffffff}),
    {"grain is a bomb", "stream", HOSTILE_READ_FAILS, {{0}}, put_bomb},
    /* VHD: footer, header at 512, table at 2048, 48 blocks, footer. The checksums of patched parts no longer fit. */
    REFUSED("VHD header damaged", "vhd", {512 + 28, 4, 0xffffffff, true}),
    REFUSED("VHD: both footers damaged", "vhd", {60, 4, 9, true}, {-512 + 60, 4, 9, true}),
    REFUSED("VHD, fixed: footer damaged", "vhd-fixed", {-512 + 48, 8, 1ull << 62, true}),
    FAILS("VHD: block far beyond the end", "vhd", {2048, 4, 0x7fffffff, true}),
    {"VHD: two blocks in one place", "vhd", HOSTILE_READ_ONLY, {{2048, 4, 8, true}, {2052, 4, 9, true}}, NULL},
    {"VHD: no blocks", "vhd", HOSTILE_REFUSED, {{512 + 28, 4, 0, true}}, fix_vhd},
    {"VHD: too few blocks", "vhd", HOSTILE_REFUSED, {{512 + 28, 4, 47, true}}, fix_vhd},
    {"VHD: 2^32-1 blocks", "vhd", HOSTILE_REFUSED, {{512 + 28, 4, 0xffffffff, true}}, fix_vhd},
    {"VHD: block size 0", "vhd", HOSTILE_REFUSED, {{512 + 32, 4, 0, true}}, fix_vhd},
    {"VHD: block size 3", "vhd", HOSTILE_REFUSED, {{512 + 32, 4, 3, true}}, fix_vhd},
    {"VHD: block size 2^31", "vhd", HOSTILE_REFUSED, {{512 + 32, 4, 1u << 31, true}}, fix_vhd},
    {"VHD: table beyond the end", "vhd", HOSTILE_REFUSED, {{512 + 16, 8, 1ull << 40, true}}, fix_vhd},
    {"VHD: table at 2^64-512", "vhd", HOSTILE_REFUSED, {{512 + 16, 8, UINT64_MAX - 511, true}}, fix_vhd},
    {"VHD: header beyond the end", "vhd", HOSTILE_REFUSED, {{-512 + 16, 8, 1ull << 62, true}}, fix_vhd},
    {"VHD: size 2^63", "vhd", HOSTILE_REFUSED, {{-512 + 48, 8, 1ull << 63, true}}, fix_vhd},
    {"VHD: size 513", "vhd", HOSTILE_REFUSED, {{-512 + 48, 8, 513, true}}, fix_vhd},
    {"VHD: type 7", "vhd", HOSTILE_REFUSED, {{-512 + 60, 4, 7, true}}, fix_vhd},
    {"VHD: child of nobody", "vhd", HOSTILE_REFUSED, {{-512 + 60, 4, 4, true}}, fix_vhd},
    {"VHD, fixed: larger than its file", "vhd-fixed", HOSTILE_REFUSED, {{-512 + 48, 8, 1ull << 40, true}}, fix_vhd},
    /* descriptors */
    REFUSED("extent: a system file", "system file"),
    REFUSED("extent: ../", "up"),
    REFUSED("extent: sub/", "below"),
    REFUSED("extent: ..\\", "backslash"),
    REFUSED("extent: .", "dot"),
    REFUSED("extent: no name", "no name"),
    REFUSED("extent: the second is evil", "second is evil"),
    REFUSED("extent: sparse device", "sparse elsewhere"),
    REFUSED("extent: device type", "device"),
    REFUSED("extent: no size", "no size"),
    REFUSED("extent: size 2^64", "size 2^64"),
    REFUSED("extent: negative size", "negative"),
    REFUSED("extents: sum too large", "sum too large"),
    REFUSED("extent: offset 2^63", "offset 2^63"),
    REFUSED("extent: strange kind", "strange kind"),
    REFUSED("descriptor without extent", "no extent"),
    REFUSED("descriptor without type", "no type"),
    REFUSED("extent: a NUL in its name", "NUL"),
    REFUSED("extents: 10^6 of them", "10^6 extents"),
    /* QCOW2: tables at 4096 and 8192 */
    REFUSED("QCOW2: version 9", "qcow2", {4, 4, 9, true}),
    REFUSED("QCOW2: clusters of 1 byte", "qcow2", {20, 4, 0, true}),
    REFUSED("QCOW2: clusters of 2^63 bytes", "qcow2", {20, 4, 63, true}),
    REFUSED("QCOW2: size 0", "qcow2", {24, 8, 0, true}),
    REFUSED("QCOW2: size 2^63", "qcow2", {24, 8, 1ull << 63, true}),
    REFUSED("QCOW2: larger than its table", "qcow2", {24, 8, 1ull << 40, true}),
    REFUSED("QCOW2: no table", "qcow2", {36, 4, 0, true}),
    REFUSED("QCOW2: table of 2^32-1 entries", "qcow2", {36, 4, 0xffffffff, true}),
    REFUSED("QCOW2: table beyond the end", "qcow2", {40, 8, 1ull << 40, true}),
    REFUSED("QCOW2: table at 2^64-8", "qcow2", {40, 8, UINT64_MAX - 7, true}),
    REFUSED("QCOW2: name of 2^32-1 bytes", "qcow2", {8, 8, 512, true}, {16, 4, 0xffffffff, true}),
    {"QCOW2: child of a system file",
     "qcow2",
     HOSTILE_ALONE,
     {{8, 8, 512, true}, {16, 4, 11, true}, {512, 8, 0x2f6574632f706173, true}},
     NULL},
    FAILS("QCOW2: second table beyond the end", "qcow2", {4096, 8, 1ull << 50, true}),
    FAILS("QCOW2: second table askew", "qcow2", {4096, 8, 512, true}),
    FAILS("QCOW2: cluster beyond the end", "qcow2", {8192, 8, 1ull << 50, true}),
    FAILS("QCOW2: packed cluster beyond the end", "qcow2", {8192, 8, 1ull << 62 | 1ull << 50, true}),
    FAILS("QCOW2: packed cluster is no stream", "qcow2", {8192, 8, 1ull << 62 | 12288, true}, {12288, 8, UINT64_MAX}),
    /* QED: as QCOW2, little-endian */
    REFUSED("QED: clusters of 0 bytes", "qed", {4, 4, 0}),
    REFUSED("QED: clusters of 3 bytes", "qed", {4, 4, 3}),
    REFUSED("QED: clusters of 2^31 bytes", "qed", {4, 4, 1u << 31}),
    REFUSED("QED: tables of 0 clusters", "qed", {8, 4, 0}),
    REFUSED("QED: tables of 2^32-1 clusters", "qed", {8, 4, 0xffffffff}),
    REFUSED("QED: unknown features", "qed", {16, 8, 1ull << 63}),
    {"QED: child of a system file", "qed", HOSTILE_ALONE, {{16, 8, 1}, {56, 8, 11ull << 32 | 512}}, NULL},
    REFUSED("QED: table beyond the end", "qed", {40, 8, 1ull << 40}),
    REFUSED("QED: table at 2^64-512", "qed", {40, 8, UINT64_MAX - 511}),
    REFUSED("QED: size 0", "qed", {48, 8, 0}),
    REFUSED("QED: size 2^63", "qed", {48, 8, 1ull << 63}),
    FAILS("QED: second table beyond the end", "qed", {4096, 8, 1ull << 50}),
    FAILS("QED: cluster beyond the end", "qed", {8192, 8, 1ull << 50}),
    FAILS("QED: cluster askew", "qed", {8192, 8, 12289}),
    /* Parallels: the table at 64 */
    REFUSED("Parallels: version 9", "parallels", {16, 4, 9}),
    REFUSED("Parallels: blocks of 0 bytes", "parallels", {28, 4, 0}),
    REFUSED("Parallels: blocks of 2^32-1 sectors", "parallels", {28, 4, 0xffffffff}),
    REFUSED("Parallels: no table", "parallels", {32, 4, 0}),
    REFUSED("Parallels: table of 2^32-1 entries", "parallels", {32, 4, 0xffffffff}),
    REFUSED("Parallels: table beyond the end", "parallels", {32, 4, 4096}),
    REFUSED("Parallels: 2^63 sectors", "parallels", {36, 8, 1ull << 63}),
    FAILS("Parallels: block beyond the end", "parallels", {64, 4, 0x7fffffff}),
    /* VHDX: regions at 192 KiB, block table at 256, metadata at 320, its items at 384 */
    REFUSED("VHDX: header damaged", "vhdx", {65536 + 66, 2, 1}, {65536 + 80, 1, 1}),
    {"VHDX: version 9", "vhdx", HOSTILE_REFUSED, {{65536 + 66, 2, 9}}, fix_vhdx},
    {"VHDX: log to replay", "vhdx", HOSTILE_REFUSED, {{65536 + 48, 8, 1}}, fix_vhdx},
    {"VHDX: 2^32-1 regions", "vhdx", HOSTILE_REFUSED, {{196608 + 8, 4, 0xffffffff}}, fix_vhdx},
    {"VHDX: region beyond the end", "vhdx", HOSTILE_REFUSED, {{196608 + 32, 8, 1ull << 40}}, fix_vhdx},
    {"VHDX: region at 2^64-1 MiB", "vhdx", HOSTILE_REFUSED, {{196608 + 32, 8, UINT64_MAX << 20}}, fix_vhdx},
    {"VHDX: no block table", "vhdx", HOSTILE_REFUSED, {{196608 + 40, 4, 0}}, fix_vhdx},
    REFUSED("VHDX: 65,535 items", "vhdx", {327680 + 10, 2, 0xffff}),
    REFUSED("VHDX: item beyond its region", "vhdx", {327680 + 32 + 16, 4, 0xfffffff0}),
    REFUSED("VHDX: blocks of 0 bytes", "vhdx", {393216, 4, 0}),
    REFUSED("VHDX: blocks of 2^31 bytes", "vhdx", {393216, 4, 1u << 31}),
    REFUSED("VHDX: child of nobody", "vhdx", {393216 + 4, 4, 2}),
    REFUSED("VHDX: size 0", "vhdx", {393216 + 8, 8, 0}),
    REFUSED("VHDX: size 2^63", "vhdx", {393216 + 8, 8, 1ull << 63}),
    REFUSED("VHDX: sectors of 1 byte", "vhdx", {393216 + 16, 4, 1}),
    FAILS("VHDX: block beyond the end", "vhdx", {262144, 8, 1ull << 50 | 6}),
    FAILS("VHDX: block over the header", "vhdx", {262144, 8, 6}),
    FAILS("VHDX: block of no kind", "vhdx", {262144, 8, 1u << 20 | 5}),
    /* DMG: the trailer ends the file */
    REFUSED("DMG: no trailer", "dmg", {-512, 4, 0}),
    REFUSED("DMG: no property list", "dmg", {-512 + 0xe0, 8, 0, true}),
    REFUSED("DMG: property list of 2^63 bytes", "dmg", {-512 + 0xe0, 8, 1ull << 63, true}),
    REFUSED("DMG: property list beyond the end", "dmg", {-512 + 0xd8, 8, 1ull << 40, true}),
    REFUSED("DMG: chunk beyond the end", "dmg beyond"),
    REFUSED("DMG: chunk of 2^63 sectors", "dmg wraps"),
    REFUSED("DMG: packed chunk of 2^40 sectors", "dmg huge"),
    FAILS("DMG: chunk is a bomb", "dmg bomb"),
    FAILS("DMG: chunk is no zlib stream", "dmg", {0, 8, UINT64_MAX}),
};
const size_t hostile_row_count = G_N_ELEMENTS(hostile_rows);

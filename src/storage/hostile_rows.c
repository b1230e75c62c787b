/* hostile_rows.c - the table of hostile images; offsets are of the formats' layouts (doc/storage.md, fmt/). */
#include "storage/hostile.h"

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
#define FLAT HEAD "createType=\"monolithicFlat\"\n"

const struct hostile_base hostile_bases[] = {
    {.name = "vdi", .format = "VDI", .block_bytes = 65536},
    {.name = "vmdk", .format = "VMDK"},
    {.name = "stream", .format = "VMDK", .layout = VD_STREAM},
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
};
const size_t hostile_base_count = G_N_ELEMENTS(hostile_bases);

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
};
const size_t hostile_row_count = G_N_ELEMENTS(hostile_rows);

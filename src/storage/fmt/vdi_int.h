/* vdi_int.h - the VDI header as numbers, and the open image's state. Only for fmt/vdi*.c. */
#ifndef STORAGE_FMT_VDI_INT_H
#define STORAGE_FMT_VDI_INT_H

#include "storage/format.h"

enum vdi_type { VDI_DYNAMIC = 1, VDI_FIXED = 2, VDI_UNDO = 3, VDI_DIFF = 4 };

#define VDI_FREE           0xffffffffu /* never written: zeros, or the parent's */
#define VDI_ZERO           0xfffffffeu /* zeros whatever the parent has */
#define VDI_HEADER_BYTES   1024        /* more than any header */
#define VDI_SIGNATURE      0xbeda107fu
#define VDI_BLOCK_BYTES    (1u << 20) /* of images we make */
#define VDI_AT_BLOCKS_USED 0x184
#define VDI_AT_UUID_MODIFY 0x198

struct vdi_header {
    bool old; /* version 0.1 */
    enum vdi_type type;
    uint64_t map_at, data_at; /* file offsets, bytes */
    uint64_t disk_bytes;
    uint32_t block_bytes, extra_bytes;
    uint32_t blocks, blocks_used;
    uint8_t uuid_create[VD_UUID_BYTES],
        uuid_modify[VD_UUID_BYTES]; /* as in the file: first three fields little-endian */
};

/** vdi_header_parse() - checks every field; @path is for the error text. */
bool vdi_header_parse(const uint8_t raw[VDI_HEADER_BYTES], uint64_t file_bytes, const char *path,
                      struct vdi_header *ret, GError **error);
/** vdi_header_init() - the header of a new image of @disk_bytes; false when it would have too many blocks. */
bool vdi_header_init(struct vdi_header *h, uint64_t disk_bytes, bool fixed);
void vdi_header_build(const struct vdi_header *h, uint8_t raw[VDI_HEADER_BYTES]);
/** vdi_uuid_swap() - between the file's byte order and RFC 4122's; its own inverse. */
void vdi_uuid_swap(uint8_t to[VD_UUID_BYTES], const uint8_t from[VD_UUID_BYTES]);
/** vdi_uuid_random() - a version 4 UUID in RFC 4122 order. */
void vdi_uuid_random(uint8_t ret[VD_UUID_BYTES]);

#endif

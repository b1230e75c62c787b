/* file_int.h - what stands in a saved-state file, byte for byte. */
#ifndef VMM_SSM_FILE_INT_H
#define VMM_SSM_FILE_INT_H

#include <assert.h>

#include "vmm/ssm/file.h"

#define SSM_FORMAT        2u
#define SSM_UNIT_MAX      (512u << 20) /* payload of one unit */
#define SSM_UNITS_MAX     (1u << 22)
#define SSM_DIGEST_BYTES  32u
#define SSM_FILE_MAGIC    "\x7fRingbox SavedState V1\n"
#define SSM_UNIT_MAGIC    "\nUnit\n\0"
#define SSM_TRAILER_MAGIC "\nTheEnd"

struct ssm_header {
    char magic[32];
    uint32_t format;
    uint32_t flags; /* 0 */
    uint8_t config[SSM_DIGEST_BYTES];
    uint32_t reserved;
    uint32_t crc; /* of the bytes before */
};
struct ssm_unit_header {
    char magic[8];
    char name[64]; /* zero-padded, at least one zero */
    uint32_t instance, version;
    uint32_t size; /* of the payload; its CRC32C follows it */
    uint32_t crc;
};
struct ssm_trailer {
    char magic[8];
    uint32_t units;
    uint32_t reserved;
    uint8_t digest[SSM_DIGEST_BYTES];
};
static_assert(sizeof(struct ssm_header) == 80 && sizeof(struct ssm_unit_header) == 88 &&
                  sizeof(struct ssm_trailer) == 48,
              "no padding");

#endif

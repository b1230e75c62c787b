/*
 * file.h - the saved-state file: named, versioned units.
 *
 * Layout, numbers little-endian (file_int.h has the structures):
 *     header   magic, format, SHA-256 of the machine's configuration, CRC32C
 *     unit ... magic, name, instance, version, payload size, CRC32C of all that; payload; CRC32C of the payload
 *     trailer  magic, number of units, SHA-256 of everything before
 * Memory is a sequence of units of up to 1 MiB each; what is all zeros is left out, the rest compressed when that pays.
 *
 * Writing: to a file beside, synced, then renamed over: the path has the old state or the new one, never half of it.
 * Reading: digest and structure of the whole file are verified before the first unit is handed out. That proves the
 * file is as it was written, not that it was written by a friend: every reader still checks what it reads.
 */
#ifndef VMM_SSM_FILE_H
#define VMM_SSM_FILE_H

#include "rt/fio.h"
#include "vmm/ssm/ssm.h"

/* ---- writing ---- */

struct ssm_out;
/** ssm_out_new() - begins the new state of @path; @config_sha256: 64 hex digits (cfgm_digest). */
struct ssm_out *ssm_out_new(const struct fio *io, const char *path, const char *config_sha256, GError **error);
bool ssm_out_unit(struct ssm_out *out, const char *name, uint32_t instance, uint32_t version, const void *bytes,
                  size_t size, GError **error);
/** ssm_out_memory() - @bytes (whole 4 KiB pages) as units called @name. */
bool ssm_out_memory(struct ssm_out *out, const char *name, const void *memory, uint64_t bytes, GError **error);
/** ssm_out_commit() - makes it the state at the path, durably; frees @out in any case. */
bool ssm_out_commit(struct ssm_out *out, GError **error);
/** ssm_out_abandon() - removes what was written and frees @out; NULL is fine. */
void ssm_out_abandon(struct ssm_out *out);

/* ---- reading ---- */

struct ssm_in;
/** One unit; @bytes is good until the next ssm_in_next(). */
struct ssm_unit {
    char name[64];
    uint32_t instance, version;
    const uint8_t *bytes;
    size_t size;
};

/** ssm_in_open() - opens and verifies; refuses a state made for another configuration (NULL: do not compare). */
struct ssm_in *ssm_in_open(const struct fio *io, const char *path, const char *config_sha256, GError **error);
void ssm_in_close(struct ssm_in *in);
enum ssm_next { SSM_NEXT_ERROR, SSM_NEXT_UNIT, SSM_NEXT_END };
enum ssm_next ssm_in_next(struct ssm_in *in, struct ssm_unit *ret, GError **error);

/** Where the units of one memory go; starts with next_page 0. @base must be zeroed: pages left out are not touched. */
struct ssm_memory {
    uint8_t *base;
    uint64_t bytes;
    uint64_t next_page;
};
/** ssm_memory_unit() - takes one unit written by ssm_out_memory(); they come in ascending order. */
bool ssm_memory_unit(struct ssm_memory *m, const struct ssm_unit *unit, GError **error);

/** ssm_crc32c() - Castagnoli's CRC, begun with 0, continued with the last result. */
uint32_t ssm_crc32c(uint32_t crc, const void *p, size_t bytes);

#endif

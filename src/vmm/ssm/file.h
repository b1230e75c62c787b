/*
 * file.h - the saved-state file: named, versioned units.
 *
 * Layout, numbers little-endian (file_int.h has the structures):
 *     header   magic, format, SHA-256 of the machine's configuration, CRC32C
 *     unit ... magic, name, instance, version, payload size, CRC32C of all that; payload; CRC32C of the payload
 *     trailer  magic, number of units, SHA-256 of everything before but the payloads, which their CRCs stand for
 * Memory is a sequence of units, one per MiB that is not all zeros (memory.h).
 *
 * Writing: to a file beside, synced, then renamed over: the path has the old state or the new one, never half of it.
 * Reading: the structure and the digest, which stands for every CRC, are verified before the first unit is handed out,
 * each unit when it is, and all payloads by ssm_in_verify(): a machine runs only when that has said yes. That proves
 * the file is as it was written, not that it was written by a friend: every reader still checks what it reads.
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
/** ssm_out_written() - the unit that @w has; SSM_NO_MEMORY if it could not take all. */
bool ssm_out_written(struct ssm_out *out, const char *name, uint32_t instance, uint32_t version,
                     const struct ssm_writer *w, GError **error);
/** ssm_out_commit() - makes it the state at the path, durably; frees @out in any case. */
bool ssm_out_commit(struct ssm_out *out, GError **error);
/** ssm_out_abandon() - removes what was written and frees @out; NULL is fine. */
void ssm_out_abandon(struct ssm_out *out);

/* ---- reading ---- */

struct ssm_in;
/** One unit; @bytes is NULL before ssm_in_read(). */
struct ssm_unit {
    char name[64];
    uint32_t instance, version;
    const uint8_t *bytes;
    size_t size;
    uint64_t at; /* where the payload is in the file */
};

/**
 * ssm_in_begin() - opens; threads begin to verify payloads. Refuses a state made for another configuration (NULL: do
 * not compare).
 */
struct ssm_in *ssm_in_begin(const struct fio *io, const char *path, const char *config_sha256, GError **error);
/** ssm_in_verify() - until all payloads are verified; once. */
bool ssm_in_verify(struct ssm_in *in, GError **error);
/** ssm_in_open() - both. */
struct ssm_in *ssm_in_open(const struct fio *io, const char *path, const char *config_sha256, GError **error);
void ssm_in_close(struct ssm_in *in);
enum ssm_next { SSM_NEXT_ERROR, SSM_NEXT_UNIT, SSM_NEXT_END };
/** ssm_in_next() - the next unit's header. */
enum ssm_next ssm_in_next(struct ssm_in *in, struct ssm_unit *ret, GError **error);
/** ssm_in_read() - its payload: @unit->bytes is good until the next one is read. */
bool ssm_in_read(struct ssm_in *in, struct ssm_unit *unit, GError **error);
/** ssm_in_read_at() - any unit's payload into @to, which has room for @size and the CRC behind it (4 bytes). Any
 * thread.
 */
bool ssm_in_read_at(struct ssm_in *in, uint64_t at, void *to, uint32_t size, GError **error);

/** ssm_crc32c() - Castagnoli's CRC, begun with 0, continued with the last result. */
uint32_t ssm_crc32c(uint32_t crc, const void *p, size_t bytes);

#endif

/*
 * ssm.h - one unit of a saved state, in memory: what field.h's tables are written with and read from.
 *
 * A writer that finds no memory sticks to that, and ssm_out_written() tells: a machine that cannot be saved runs on. A
 * reader sticks to its first failure: everything read after it is zero, and ssm_reader_finish() tells what was wrong.
 * The bytes read are hostile: nothing in them is trusted.
 */
#ifndef VMM_SSM_SSM_H
#define VMM_SSM_SSM_H

#include <glib.h>

#include "vmm/ssm/field.h"

#define SSM_ERROR (g_quark_from_static_string("ssm"))
enum ssm_error { SSM_CORRUPT, SSM_IMPOSSIBLE, SSM_VERSION, SSM_MISMATCH, SSM_IO, SSM_NO_MEMORY };

struct ssm_writer {
    uint8_t *data; /* grows by g_try_realloc() */
    size_t len, room;
    bool starved; /* there was no memory for something: what is there is not all */
};
void ssm_writer_init(struct ssm_writer *w);
void ssm_writer_fini(struct ssm_writer *w);

struct ssm_reader {
    const uint8_t *at, *end;
    char *why; /* first failure */
};
/** ssm_reader_init() - reads @bytes at @p, which must outlive the reader. */
void ssm_reader_init(struct ssm_reader *r, const void *p, size_t bytes);
bool ssm_reader_ok(const struct ssm_reader *r);
size_t ssm_reader_left(const struct ssm_reader *r);
/** ssm_reader_finish() - false with @error when reading failed or bytes are left; frees what the reader holds. */
bool ssm_reader_finish(struct ssm_reader *r, const char *unit, GError **error);

/** ssm_put_state() - fields, then the extra part. */
void ssm_put_state(struct ssm_writer *w, const struct ssm_desc *desc, const void *state);
/** ssm_get_state() - the same back, then check(); @version is the unit's. Members not in the data keep their value. */
void ssm_get_state(struct ssm_reader *r, const struct ssm_desc *desc, void *state, uint32_t version);
/** ssm_version_ok() - whether @version lies between desc's oldest and current. */
bool ssm_version_ok(const struct ssm_desc *desc, uint32_t version, const char *unit, GError **error);

/** ssm_dump_fields() - "name = value" lines for info handlers, sub-structures as "name.sub", elements as "name[i]". */
void ssm_dump_fields(GString *out, const struct ssm_field *fields, const void *state);

#endif

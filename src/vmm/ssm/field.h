/*
 * field.h - saved-state field tables: what a unit keeps, as data.
 *
 * A table names each member of a state structure once. Saving, loading, "info" dumps, save-load-save tests and load
 * fuzzing are all driven by it. Numbers are little-endian on disk, in table order, without padding.
 */
#ifndef VMM_SSM_FIELD_H
#define VMM_SSM_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ssm_kind { SSM_KIND_END, SSM_KIND_UINT, SSM_KIND_BOOL, SSM_KIND_BYTES, SSM_KIND_STRUCT };

struct ssm_field {
    const char *name;
    enum ssm_kind kind;
    uint32_t offset;             /* in the structure */
    uint32_t size;               /* of one element, bytes */
    uint32_t count;              /* elements */
    uint32_t since;              /* first unit version that has it; older states keep the reset value */
    const struct ssm_field *sub; /* SSM_KIND_STRUCT: fields of one element */
};

#define SSM_FIELD_(type, m, k, elem, n, v, s)                                                                          \
    {                                                                                                                  \
        .name = #m, .kind = k, .offset = offsetof(type, m), .size = elem, .count = n, .since = v, .sub = s             \
    }
#define SSM_SIZEOF_(type, m) ((uint32_t)sizeof(((type *)0)->m))
/* SSM_CHECKED_: compile-time proof that the member has the size the macro's name promises */
#define SSM_CHECKED_(type, m, n) (SSM_SIZEOF_(type, m) + 0 * sizeof(char[SSM_SIZEOF_(type, m) == (n) ? 1 : -1]))

#define SSM_U8(type, m)   SSM_FIELD_(type, m, SSM_KIND_UINT, SSM_CHECKED_(type, m, 1), 1, 0, NULL)
#define SSM_U16(type, m)  SSM_FIELD_(type, m, SSM_KIND_UINT, SSM_CHECKED_(type, m, 2), 1, 0, NULL)
#define SSM_U32(type, m)  SSM_FIELD_(type, m, SSM_KIND_UINT, SSM_CHECKED_(type, m, 4), 1, 0, NULL)
#define SSM_U64(type, m)  SSM_FIELD_(type, m, SSM_KIND_UINT, SSM_CHECKED_(type, m, 8), 1, 0, NULL)
#define SSM_BOOL(type, m) SSM_FIELD_(type, m, SSM_KIND_BOOL, SSM_CHECKED_(type, m, 1), 1, 0, NULL)
#define SSM_U8S(type, m)  SSM_FIELD_(type, m, SSM_KIND_BYTES, 1, SSM_SIZEOF_(type, m), 0, NULL)
#define SSM_UINTS(type, m)                                                                                             \
    SSM_FIELD_(type, m, SSM_KIND_UINT, sizeof(((type *)0)->m[0]), SSM_SIZEOF_(type, m) / sizeof(((type *)0)->m[0]), 0, \
               NULL)
#define SSM_STRUCT(type, m, f) SSM_FIELD_(type, m, SSM_KIND_STRUCT, SSM_SIZEOF_(type, m), 1, 0, f)
#define SSM_STRUCTS(type, m, f)                                                                                        \
    SSM_FIELD_(type, m, SSM_KIND_STRUCT, sizeof(((type *)0)->m[0]), SSM_SIZEOF_(type, m) / sizeof(((type *)0)->m[0]),  \
               0, f)
#define SSM_END                                                                                                        \
    {                                                                                                                  \
        .kind = SSM_KIND_END                                                                                           \
    }

struct ssm_writer;
struct ssm_reader;

/** One unit's description. Callbacks get the state structure; all of them are optional but fields. */
struct ssm_desc {
    uint32_t version;               /* written now */
    uint32_t oldest;                /* oldest version still read */
    const struct ssm_field *fields; /* NULL = nothing but the extra part */
    bool (*check)(void *state);     /* after load: false refuses a state no guest could have made */
    /* Bulk data outside the structure (VRAM, FIFOs); errors stick to the writer or reader. */
    void (*save_extra)(const void *state, struct ssm_writer *w);
    void (*load_extra)(void *state, struct ssm_reader *r, uint32_t version);
};

void ssm_put_u8(struct ssm_writer *w, uint8_t v);
void ssm_put_u32(struct ssm_writer *w, uint32_t v);
void ssm_put_u64(struct ssm_writer *w, uint64_t v);
void ssm_put_bytes(struct ssm_writer *w, const void *p, size_t bytes);
/** ssm_put_pages() - the pages of [p, +bytes) that are not all zeros; @bytes is a multiple of SSM_PAGE_BYTES. */
#define SSM_PAGE_BYTES 4096u
void ssm_put_pages(struct ssm_writer *w, const void *p, size_t bytes);
uint8_t ssm_get_u8(struct ssm_reader *r);
uint32_t ssm_get_u32(struct ssm_reader *r);
uint64_t ssm_get_u64(struct ssm_reader *r);
/** ssm_get_bytes() - exactly @bytes; a short unit zeroes @p and fails the reader. */
void ssm_get_bytes(struct ssm_reader *r, void *p, size_t bytes);
/** ssm_get_pages() - what ssm_put_pages() wrote, zeros between. */
void ssm_get_pages(struct ssm_reader *r, void *p, size_t bytes);
/** ssm_get_fail() - the data is impossible; @why names the field. The load is refused. */
void ssm_get_fail(struct ssm_reader *r, const char *why);

#endif

/*
 * field.c - saves, loads and prints structures by their field tables.
 *
 * Sizes of numbers are those of the members; the host is little-endian as the file is.
 * Left out: nothing is converted; a member that changes its size gets a new name and a new "since".
 */
#include "vmm/ssm/field.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/ssm/ssm.h"

#define WRITER_STEP_BYTES 256u

static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "numbers are copied as they are");

/* ---- writer ---- */

void ssm_writer_init(struct ssm_writer *w)
{
    *w = (struct ssm_writer){.data = NULL};
}

void ssm_writer_fini(struct ssm_writer *w)
{
    g_free(w->data);
    ssm_writer_init(w);
}

/* Room for @bytes more; false: there is none, now and ever after. */
static bool reserve(struct ssm_writer *w, size_t bytes)
{
    if (!w->starved && bytes > w->room - w->len) {
        const size_t room = MAX(w->len + bytes, w->room + w->room / 2 + WRITER_STEP_BYTES);
        uint8_t *more = g_try_realloc(w->data, room);

        w->starved = !more;
        w->data = more ? more : w->data;
        w->room = more ? room : w->room;
    }
    return !w->starved;
}

void ssm_put_bytes(struct ssm_writer *w, const void *p, size_t bytes)
{
    if (bytes == 0 || !reserve(w, bytes))
        return;
    memcpy(w->data + w->len, p, bytes);
    w->len += bytes;
}

static bool is_zeros(const uint8_t *page, size_t bytes)
{
    return page[0] == 0 && !memcmp(page, page + 1, bytes - 1);
}

void ssm_put_pages(struct ssm_writer *w, const void *p, size_t bytes)
{
    const uint8_t *page = p;
    const size_t map = w->len, pages = bytes / SSM_PAGE_BYTES;

    if (pages == 0 || !reserve(w, (pages + 7) / 8))
        return;
    memset(w->data + map, 0, (pages + 7) / 8);
    w->len += (pages + 7) / 8;
    for (size_t n = 0; n < pages; n++, page += SSM_PAGE_BYTES) {
        if (is_zeros(page, SSM_PAGE_BYTES))
            continue;
        w->data[map + n / 8] |= (uint8_t)(1u << n % 8);
        ssm_put_bytes(w, page, SSM_PAGE_BYTES);
    }
}

void ssm_put_u8(struct ssm_writer *w, uint8_t v)
{
    ssm_put_bytes(w, &v, sizeof(v));
}

void ssm_put_u32(struct ssm_writer *w, uint32_t v)
{
    ssm_put_bytes(w, &v, sizeof(v));
}

void ssm_put_u64(struct ssm_writer *w, uint64_t v)
{
    ssm_put_bytes(w, &v, sizeof(v));
}

static void put_fields(struct ssm_writer *w, const struct ssm_field *f, const uint8_t *base)
{
    for (; f->kind != SSM_KIND_END; f++) {
        if (f->kind != SSM_KIND_STRUCT) {
            ssm_put_bytes(w, base + f->offset, (size_t)f->size * f->count);
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++)
            put_fields(w, f->sub, base + f->offset + (size_t)i * f->size);
    }
}

void ssm_put_state(struct ssm_writer *w, const struct ssm_desc *desc, const void *state)
{
    if (desc->fields)
        put_fields(w, desc->fields, state);
    if (desc->save_extra)
        desc->save_extra(state, w);
}

/* ---- reader ---- */

void ssm_reader_init(struct ssm_reader *r, const void *p, size_t bytes)
{
    r->at = p;
    r->end = r->at + bytes;
    r->why = NULL;
}

bool ssm_reader_ok(const struct ssm_reader *r)
{
    return !r->why;
}

size_t ssm_reader_left(const struct ssm_reader *r)
{
    return r->why ? 0 : (size_t)(r->end - r->at);
}

void ssm_get_fail(struct ssm_reader *r, const char *why)
{
    if (!r->why)
        r->why = g_strdup(why);
}

void ssm_get_bytes(struct ssm_reader *r, void *p, size_t bytes)
{
    if (ssm_reader_left(r) < bytes) {
        ssm_get_fail(r, "the data ends too early");
        memset(p, 0, bytes);
        return;
    }
    memcpy(p, r->at, bytes);
    r->at += bytes;
}

/* Memory of a file is given back: zeros that nobody has looked at take none. */
static void make_zeros(uint8_t *p, size_t bytes)
{
    if (bytes != 0 && madvise(p, bytes, MADV_REMOVE) != 0)
        memset(p, 0, bytes);
}

void ssm_get_pages(struct ssm_reader *r, void *p, size_t bytes)
{
    const size_t pages = bytes / SSM_PAGE_BYTES;
    g_autofree uint8_t *map = g_malloc0((pages + 7) / 8);
    uint8_t *zeros = p, *page = p; /* [zeros, page) is to be zero */

    ssm_get_bytes(r, map, (pages + 7) / 8);
    for (size_t n = 0; n < pages; n++, page += SSM_PAGE_BYTES) {
        if (!(map[n / 8] & 1u << n % 8))
            continue;
        make_zeros(zeros, (size_t)(page - zeros));
        ssm_get_bytes(r, page, SSM_PAGE_BYTES);
        zeros = page + SSM_PAGE_BYTES;
    }
    make_zeros(zeros, (size_t)(page - zeros));
}

uint8_t ssm_get_u8(struct ssm_reader *r)
{
    uint8_t v;

    ssm_get_bytes(r, &v, sizeof(v));
    return v;
}

uint32_t ssm_get_u32(struct ssm_reader *r)
{
    uint32_t v;

    ssm_get_bytes(r, &v, sizeof(v));
    return v;
}

uint64_t ssm_get_u64(struct ssm_reader *r)
{
    uint64_t v;

    ssm_get_bytes(r, &v, sizeof(v));
    return v;
}

/* A bool of any other value than 0 and 1 is undefined in C: it never reaches the structure. */
static void get_bools(struct ssm_reader *r, const struct ssm_field *f, uint8_t *p)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const uint8_t v = ssm_get_u8(r);

        if (v > 1) {
            g_autofree char *why = g_strdup_printf("%s is %u, neither true nor false", f->name, v);
            ssm_get_fail(r, why);
        }
        p[i] = v == 1;
    }
}

static void get_fields(struct ssm_reader *r, const struct ssm_field *f, uint8_t *base, uint32_t version)
{
    for (; f->kind != SSM_KIND_END; f++) {
        uint8_t *p = base + f->offset;

        if (f->since > version)
            continue;
        if (f->kind == SSM_KIND_BOOL)
            get_bools(r, f, p);
        else if (f->kind != SSM_KIND_STRUCT)
            ssm_get_bytes(r, p, (size_t)f->size * f->count);
        else
            for (uint32_t i = 0; i < f->count; i++)
                get_fields(r, f->sub, p + (size_t)i * f->size, version);
    }
}

void ssm_get_state(struct ssm_reader *r, const struct ssm_desc *desc, void *state, uint32_t version)
{
    if (desc->fields)
        get_fields(r, desc->fields, state, version);
    if (desc->load_extra)
        desc->load_extra(state, r, version);
    if (desc->check && ssm_reader_ok(r) && !desc->check(state))
        ssm_get_fail(r, "no guest could have brought the hardware into this state");
}

bool ssm_reader_finish(struct ssm_reader *r, const char *unit, GError **error)
{
    g_autofree char *why = g_steal_pointer(&r->why);

    if (why)
        g_set_error(error, SSM_ERROR, SSM_IMPOSSIBLE, "Saved state unit \"%s\": %s", unit, why);
    else if (r->at != r->end)
        g_set_error(error, SSM_ERROR, SSM_IMPOSSIBLE, "Saved state unit \"%s\": %zu bytes too many", unit,
                    (size_t)(r->end - r->at));
    return !why && r->at == r->end;
}

bool ssm_version_ok(const struct ssm_desc *desc, uint32_t version, const char *unit, GError **error)
{
    if (version >= desc->oldest && version <= desc->version)
        return true;
    g_set_error(error, SSM_ERROR, SSM_VERSION,
                "Saved state unit \"%s\" has version %u; this program reads versions %u to %u", unit, version,
                desc->oldest, desc->version);
    return false;
}

/* ---- info ---- */

static uint64_t element(const struct ssm_field *f, const uint8_t *p)
{
    uint64_t v = 0;

    memcpy(&v, p, MIN(f->size, sizeof(v)));
    return v;
}

static void dump_plain(GString *out, const struct ssm_field *f, const uint8_t *p)
{
    const uint32_t shown = MIN(f->count, 64u);

    for (uint32_t i = 0; i < shown; i++)
        g_string_append_printf(out, "%s%0*" PRIx64, i ? " " : "", (int)f->size * 2,
                               element(f, p + (size_t)i * f->size));
    g_string_append(out, shown < f->count ? " ...\n" : "\n");
}

static void dump_fields(GString *out, const char *prefix, const struct ssm_field *f, const uint8_t *base)
{
    for (; f->kind != SSM_KIND_END; f++) {
        if (f->kind != SSM_KIND_STRUCT) {
            g_string_append_printf(out, "%s%s = ", prefix, f->name);
            dump_plain(out, f, base + f->offset);
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++) {
            g_autofree char *sub = f->count > 1 ? g_strdup_printf("%s%s[%u].", prefix, f->name, i)
                                                : g_strdup_printf("%s%s.", prefix, f->name);
            dump_fields(out, sub, f->sub, base + f->offset + (size_t)i * f->size);
        }
    }
}

void ssm_dump_fields(GString *out, const struct ssm_field *fields, const void *state)
{
    if (fields)
        dump_fields(out, "", fields, state);
}

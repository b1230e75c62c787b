/*
 * ssm_test.c - field tables, the saved-state file, and what hostile files get.
 *
 * CRC32C vectors: RFC 3720, B.4.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "vmm/ssm/file_int.h"

#define CONFIG       "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CONFIG2      "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define MEMORY_PAGES 1024u

/* ---- field tables ---- */

struct inner {
    uint16_t a;
    bool b;
};
struct outer {
    uint8_t u8;
    uint32_t words[3];
    struct inner parts[2];
    uint64_t late;
};
static const struct ssm_field inner_fields[] = {SSM_U16(struct inner, a), SSM_BOOL(struct inner, b), SSM_END};
static const struct ssm_field outer_fields[] = {
    SSM_U8(struct outer, u8),
    SSM_UINTS(struct outer, words),
    SSM_STRUCTS(struct outer, parts, inner_fields),
    {.name = "late", .kind = SSM_KIND_UINT, .offset = offsetof(struct outer, late), .size = 8, .count = 1, .since = 2},
    SSM_END};
static const struct ssm_desc outer_desc = {.version = 2, .oldest = 1, .fields = outer_fields};

static void test_fields(void)
{
    const struct outer one = {1, {2, 3, 4}, {{5, true}, {6, false}}, 7};
    struct outer two = {0};
    struct ssm_writer w;
    struct ssm_reader r;
    g_autoptr(GString) text = g_string_new(NULL);

    ssm_writer_init(&w);
    ssm_put_state(&w, &outer_desc, &one);
    g_assert_cmpuint(w.bytes->len, ==, 1 + 12 + 6 + 8);
    ssm_reader_init(&r, w.bytes->data, w.bytes->len);
    ssm_get_state(&r, &outer_desc, &two, 2);
    g_assert_true(ssm_reader_finish(&r, "outer", NULL));
    ssm_dump_fields(text, outer_fields, &two);
    g_assert_cmpstr(text->str, ==,
                    "u8 = 01\nwords = 00000002 00000003 00000004\nparts[0].a = 0005\nparts[0].b = 01\n"
                    "parts[1].a = 0006\nparts[1].b = 00\nlate = 0000000000000007\n");
    two.late = 99; /* version 1 did not have it: the reset value stays */
    ssm_reader_init(&r, w.bytes->data, w.bytes->len - 8);
    ssm_get_state(&r, &outer_desc, &two, 1);
    g_assert_true(ssm_reader_finish(&r, "outer", NULL));
    g_assert_cmpuint(two.late, ==, 99);
    ssm_writer_fini(&w);
}

static void test_crc(void)
{
    uint8_t bytes[32];

    memset(bytes, 0, sizeof(bytes));
    g_assert_cmphex(ssm_crc32c(0, bytes, 32), ==, 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    g_assert_cmphex(ssm_crc32c(0, bytes, 32), ==, 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    g_assert_cmphex(ssm_crc32c(0, bytes, 32), ==, 0x46dd794e);
    g_assert_cmphex(ssm_crc32c(ssm_crc32c(0, bytes, 13), bytes + 13, 19), ==, 0x46dd794e);
}

/* ---- files, in memory ---- */

static uint8_t *memory_new(void)
{
    uint8_t *m = g_malloc0(MEMORY_PAGES * SSM_PAGE_BYTES);

    memset(m + 3 * SSM_PAGE_BYTES, 0x11, 5 * SSM_PAGE_BYTES); /* packs well */
    for (unsigned i = 0; i < 300 * SSM_PAGE_BYTES; i++)
        m[700 * SSM_PAGE_BYTES + i] = (uint8_t)g_test_rand_int(); /* does not */
    m[MEMORY_PAGES * SSM_PAGE_BYTES - 1] = 1;
    return m;
}

static bool write_state(const struct fio *io, const char *config, const uint8_t *memory, uint8_t mark, GError **error)
{
    struct ssm_out *out = ssm_out_new(io, "/state.sav", config, error);
    const uint8_t unit[3] = {mark, 2, 3};

    if (!out)
        return false;
    if (ssm_out_unit(out, "first", 0, 7, unit, sizeof(unit), error) &&
        ssm_out_unit(out, "empty", 1, 1, NULL, 0, error) &&
        (!memory || ssm_out_memory(out, "ram", memory, (uint64_t)MEMORY_PAGES * SSM_PAGE_BYTES, error)) &&
        ssm_out_unit(out, "last", 0xffffffff, 0, "x", 1, error))
        return ssm_out_commit(out, error);
    ssm_out_abandon(out);
    return false;
}

/* Reads all; the mark of the first unit (0: there is none), or -1 with @error. */
static int read_state(const struct fio *io, const char *config, uint8_t *memory, GError **error)
{
    struct ssm_in *in = ssm_in_open(io, "/state.sav", config, error);
    struct ssm_memory m = {.base = memory, .bytes = memory ? (uint64_t)MEMORY_PAGES * SSM_PAGE_BYTES : 0};
    struct ssm_unit u;
    enum ssm_next next = SSM_NEXT_ERROR;
    int mark = 0;

    while (in && (next = ssm_in_next(in, &u, error)) == SSM_NEXT_UNIT) {
        if (!strcmp(u.name, "first") && u.size)
            mark = u.bytes[0];
        else if (!strcmp(u.name, "ram") && !ssm_memory_unit(&m, &u, error))
            break;
    }
    if (!in || next != SSM_NEXT_END)
        mark = -1;
    ssm_in_close(in);
    return mark;
}

static void test_round_trip(void)
{
    struct fio_crash *disk = fio_crash_new();
    g_autofree uint8_t *memory = memory_new(), *back = g_malloc0(MEMORY_PAGES * SSM_PAGE_BYTES);
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GError) error = NULL;

    write_state(fio_crash_io(disk), CONFIG, memory, 0x42, &error);
    g_assert_no_error(error);
    g_assert_cmpint(read_state(fio_crash_io(disk), CONFIG, back, &error), ==, 0x42);
    g_assert_no_error(error);
    g_assert_cmpmem(memory, MEMORY_PAGES * SSM_PAGE_BYTES, back, MEMORY_PAGES * SSM_PAGE_BYTES);
    file = fio_crash_bytes(disk, "/state.sav");
    g_assert_cmpuint(g_bytes_get_size(file), <, 310 * SSM_PAGE_BYTES); /* zero pages are not in it */
    g_assert_cmpint(read_state(fio_crash_io(disk), CONFIG2, back, &error), ==, -1);
    g_assert_error(error, SSM_ERROR, SSM_MISMATCH);
    fio_crash_free(disk);
}

/* Power fails, or the disk is full, at every call: the old state or the new one is there. */
static void test_faults(void)
{
    for (unsigned at = 1;; at++) {
        struct fio_crash *disk = fio_crash_new();
        struct fio_fault fault;
        g_autoptr(GError) error = NULL;
        bool ok;

        g_assert_true(write_state(fio_crash_io(disk), CONFIG, NULL, 1, NULL));
        fio_fault_init(&fault, fio_crash_io(disk));
        fault.fail_at = at;
        fault.err = ENOSPC;
        fault.short_write = at % 2;
        fault.for_ever = at % 3 == 0;
        ok = write_state(&fault.io, CONFIG, NULL, 2, &error);
        g_assert_true(ok == !error);
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct fio_crash *after = fio_crash_replay(disk, seed);
            const int mark = read_state(fio_crash_io(after), CONFIG, NULL, NULL);

            g_assert_true(mark == 2 || (mark == 1 && !ok));
            fio_crash_free(after);
        }
        fio_crash_free(disk);
        if (!fault.hit)
            return;
    }
}

/* ---- hostile files ---- */

static void put_file(const struct fio *io, const uint8_t *bytes, size_t size)
{
    g_assert_true(fio_atomic_replace(io, "/state.sav", bytes, size, 0, NULL));
}

static GBytes *small_file(struct fio_crash *disk)
{
    g_autofree uint8_t *memory = g_malloc0(MEMORY_PAGES * SSM_PAGE_BYTES);

    memory[5 * SSM_PAGE_BYTES] = 1;
    g_assert_true(write_state(fio_crash_io(disk), CONFIG, memory, 1, NULL));
    return fio_crash_bytes(disk, "/state.sav");
}

static int read_bytes(const uint8_t *bytes, size_t size, uint8_t *memory)
{
    struct fio_crash *disk = fio_crash_new();
    g_autoptr(GError) error = NULL;
    int mark;

    put_file(fio_crash_io(disk), bytes, size);
    mark = read_state(fio_crash_io(disk), CONFIG, memory, &error);
    g_assert_true((mark == -1) == (error != NULL));
    fio_crash_free(disk);
    return mark;
}

/* Every single bit flip and every cut is found. */
static void test_every_flip(void)
{
    struct fio_crash *disk = fio_crash_new();
    g_autoptr(GBytes) file = small_file(disk);
    gsize size;
    const uint8_t *good = g_bytes_get_data(file, &size);
    g_autofree uint8_t *bad = g_memdup2(good, size);

    for (gsize i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bad[i] ^= (uint8_t)(1u << bit);
            g_assert_cmpint(read_bytes(bad, size, NULL), ==, -1);
            bad[i] ^= (uint8_t)(1u << bit);
        }
    for (gsize cut = 0; cut < size; cut++)
        g_assert_cmpint(read_bytes(good, cut, NULL), ==, -1);
    fio_crash_free(disk);
}

/* Makes all checksums right again, so that the contents themselves are what is tested. */
static void fix(uint8_t *bytes, gsize size)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    const gsize end = size - sizeof(struct ssm_trailer);
    struct ssm_header *h = (void *)bytes;
    gsize digest = SSM_DIGEST_BYTES;

    h->crc = ssm_crc32c(0, h, offsetof(struct ssm_header, crc));
    for (gsize at = sizeof(*h); at + sizeof(struct ssm_unit_header) <= end;) {
        struct ssm_unit_header u;
        uint32_t crc;

        memcpy(&u, bytes + at, sizeof(u));
        u.crc = ssm_crc32c(0, &u, offsetof(struct ssm_unit_header, crc));
        memcpy(bytes + at, &u, sizeof(u));
        if (u.size > end - at - sizeof(u) || end - at - sizeof(u) - u.size < 4)
            break;
        crc = ssm_crc32c(0, bytes + at + sizeof(u), u.size);
        memcpy(bytes + at + sizeof(u) + u.size, &crc, sizeof(crc));
        at += sizeof(u) + u.size + sizeof(crc);
    }
    g_checksum_update(sum, bytes, (gssize)(size - SSM_DIGEST_BYTES));
    g_checksum_get_digest(sum, bytes + size - SSM_DIGEST_BYTES, &digest);
}

static void test_fixed_hostile(void)
{
    struct fio_crash *disk = fio_crash_new();
    g_autoptr(GBytes) file = small_file(disk);
    gsize size;
    const uint8_t *good = g_bytes_get_data(file, &size);
    g_autofree uint8_t *memory = g_malloc0(MEMORY_PAGES * SSM_PAGE_BYTES);
    unsigned taken = 0;

    for (unsigned i = 0; i < 20000; i++) {
        g_autofree uint8_t *bad = g_memdup2(good, size);
        const unsigned edits = 1 + (guint32)g_test_rand_int() % 4;

        for (unsigned k = 0; k < edits; k++)
            bad[(guint32)g_test_rand_int() % size] = (uint8_t)g_test_rand_int();
        fix(bad, size);
        taken += read_bytes(bad, size, memory) >= 0;
    }
    g_test_message("%u of 20000 taken", taken);
    fio_crash_free(disk);
}

/* Memory units that lie about themselves. */
static void test_memory_units(void)
{
    static const struct {
        struct ssm_memory_head head;
        size_t payload;
    } cases[] = {
        {{.first_page = MEMORY_PAGES, .pages = 1}, SSM_PAGE_BYTES},
        {{.first_page = MEMORY_PAGES - 1, .pages = 2}, 2 * SSM_PAGE_BYTES},
        {{.first_page = UINT64_MAX, .pages = 2}, 2 * SSM_PAGE_BYTES},
        {{.first_page = 0, .pages = 0}, 0},
        {{.first_page = 0, .pages = SSM_MEMORY_PAGES + 1}, 4096},
        {{.first_page = 0, .pages = 1}, SSM_PAGE_BYTES - 1},
        {{.first_page = 0, .pages = 1, .coding = SSM_MEMORY_ZLIB}, SSM_PAGE_BYTES},
        {{.first_page = 0, .pages = 1, .coding = 2}, SSM_PAGE_BYTES},
        {{.first_page = 1, .pages = 1}, SSM_PAGE_BYTES}, /* going back: next_page is 2 */
    };
    g_autofree uint8_t *memory = g_malloc0(MEMORY_PAGES * SSM_PAGE_BYTES), *payload = g_malloc0(1u << 20);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ssm_memory m = {.base = memory,
                               .bytes = (uint64_t)MEMORY_PAGES * SSM_PAGE_BYTES,
                               .next_page = i + 1 == G_N_ELEMENTS(cases) ? 2 : 0};
        const struct ssm_unit u = {
            .name = "ram", .version = 1, .bytes = payload, .size = sizeof(cases[i].head) + cases[i].payload};

        memcpy(payload, &cases[i].head, sizeof(cases[i].head));
        g_assert_false(ssm_memory_unit(&m, &u, NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ssm/fields", test_fields);
    g_test_add_func("/ssm/crc32c", test_crc);
    g_test_add_func("/ssm/round-trip", test_round_trip);
    g_test_add_func("/ssm/faults", test_faults);
    g_test_add_func("/ssm/every-flip", test_every_flip);
    g_test_add_func("/ssm/fixed-hostile", test_fixed_hostile);
    g_test_add_func("/ssm/memory-units", test_memory_units);
    return g_test_run();
}

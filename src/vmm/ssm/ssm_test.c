/*
 * ssm_test.c - field tables, the saved-state file, and what hostile files get.
 *
 * CRC32C vectors: RFC 3720, B.4.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rt/fio_shim.h"
#include "rt/gmem.h"
#include "vmm/ssm/file_int.h"
#include "vmm/ssm/pack.h"

#define CONFIG       "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CONFIG2      "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PAGE         4096u
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
    g_assert_cmpuint(w.len, ==, 1 + 12 + 6 + 8);
    ssm_reader_init(&r, w.data, w.len);
    ssm_get_state(&r, &outer_desc, &two, 2);
    g_assert_true(ssm_reader_finish(&r, "outer", NULL));
    ssm_dump_fields(text, outer_fields, &two);
    g_assert_cmpstr(text->str, ==,
                    "u8 = 01\nwords = 00000002 00000003 00000004\nparts[0].a = 0005\nparts[0].b = 01\n"
                    "parts[1].a = 0006\nparts[1].b = 00\nlate = 0000000000000007\n");
    two.late = 99; /* version 1 did not have it: the reset value stays */
    ssm_reader_init(&r, w.data, w.len - 8);
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

/* Many bytes go another way than few: the sum of all is that of small pieces, wherever it begins and ends. */
static void test_crc_long(void)
{
    const size_t size = 200000;
    g_autofree uint8_t *bytes = g_malloc(size);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)g_test_rand_int();
    for (size_t from = 0; from < 8; from++)
        for (size_t to = size - 24500 * from; to > size - 24500 * from - 20; to--) {
            uint32_t crc = 0;

            for (size_t at = from; at < to; at += 1000)
                crc = ssm_crc32c(crc, bytes + at, MIN(1000, to - at));
            g_assert_cmphex(ssm_crc32c(0, bytes + from, to - from), ==, crc);
        }
}

/* ---- files, in memory ---- */

static uint8_t *memory_new(void)
{
    uint8_t *m = g_malloc0(MEMORY_PAGES * PAGE);

    memset(m + 3 * PAGE, 0x11, 5 * PAGE); /* packs well */
    for (unsigned i = 0; i < 300 * PAGE; i++)
        m[700 * PAGE + i] = (uint8_t)g_test_rand_int(); /* does not */
    m[MEMORY_PAGES * PAGE - 1] = 1;
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
        (!memory || ssm_out_memory(out, "ram", memory, (uint64_t)MEMORY_PAGES * PAGE, -1, error)) &&
        ssm_out_unit(out, "last", 0xffffffff, 0, "x", 1, error))
        return ssm_out_commit(out, error);
    ssm_out_abandon(out);
    return false;
}

/* What the threads that fill said. */
static void filled(void *user, const char *why)
{
    *(char **)user = g_strdup(why ? why : "");
}

/* Units up to the end; the mark of the first, -1 = refused. */
static int read_units(struct ssm_in *in, struct ssm_fill *fill, GError **error)
{
    struct ssm_unit u;
    enum ssm_next next;
    int mark = 0;

    while ((next = ssm_in_next(in, &u, error)) == SSM_NEXT_UNIT) {
        if (fill && !strcmp(u.name, "ram")) {
            if (!ssm_fill_unit(fill, &u, error))
                return -1;
        } else if (!ssm_in_read(in, &u, error)) {
            return -1;
        } else if (!strcmp(u.name, "first") && u.size) {
            mark = u.bytes[0];
        }
    }
    return next == SSM_NEXT_END ? mark : -1;
}

/* Reads all; the mark of the first unit (0: there is none), or -1 with @error. */
static int read_state(const struct fio *io, const char *config, uint8_t *memory, GError **error)
{
    struct ssm_in *in = ssm_in_open(io, "/state.sav", config, error);
    struct ssm_fill *fill = memory ? ssm_fill_new(memory, (uint64_t)MEMORY_PAGES * PAGE) : NULL;
    int mark = in ? read_units(in, fill, error) : -1;

    if (fill && mark >= 0) {
        g_autofree char *why = NULL;

        ssm_fill_start(fill, in, filled, &why);
        ssm_fill_wait(fill);
        ssm_fill_free(fill);
        if (!*why)
            return mark;
        g_set_error_literal(error, SSM_ERROR, SSM_CORRUPT, why);
        return -1;
    }
    ssm_in_close(in);
    ssm_fill_free(fill);
    return mark;
}

static void test_round_trip(void)
{
    struct fio_crash *disk = fio_crash_new();
    g_autofree uint8_t *memory = memory_new(), *back = g_malloc0(MEMORY_PAGES * PAGE);
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GError) error = NULL;

    write_state(fio_crash_io(disk), CONFIG, memory, 0x42, &error);
    g_assert_no_error(error);
    g_assert_cmpint(read_state(fio_crash_io(disk), CONFIG, back, &error), ==, 0x42);
    g_assert_no_error(error);
    g_assert_cmpmem(memory, MEMORY_PAGES * PAGE, back, MEMORY_PAGES * PAGE);
    file = fio_crash_bytes(disk, "/state.sav");
    g_assert_cmpuint(g_bytes_get_size(file), <, 310 * PAGE); /* zero pages are not in it */
    g_assert_cmpint(read_state(fio_crash_io(disk), CONFIG2, back, &error), ==, -1);
    g_assert_error(error, SSM_ERROR, SSM_MISMATCH);
    fio_crash_free(disk);
}

/* B3: the next state is written with call @at failing; power fails then. Returns whether there was such a call. */
static bool write_failing(unsigned at, int err, unsigned kind, const uint8_t *memory, uint64_t cuts)
{
    struct fio_crash *disk = fio_crash_new();
    g_autofree uint8_t *back = memory ? g_malloc(MEMORY_PAGES * PAGE) : NULL;
    g_autoptr(GBytes) unfinished = NULL;
    struct fio_fault fault;
    g_autoptr(GError) error = NULL;
    bool ok;

    g_assert_true(write_state(fio_crash_io(disk), CONFIG, memory, 1, NULL));
    fio_fault_init(&fault, fio_crash_io(disk));
    fault.fail_at = at;
    fault.err = err;
    fault.for_ever = kind == 1; /* like a kill */
    fault.short_write = kind == 2;
    ok = write_state(&fault.io, CONFIG, memory, 2, &error);
    g_assert_true(ok == !error);
    unfinished = fio_crash_bytes(disk, "/state.sav.new");
    g_assert_true(!unfinished || fault.for_ever);
    for (uint64_t seed = 0; seed < cuts; seed++) {
        struct fio_crash *after = fio_crash_replay(disk, seed);
        const int mark = read_state(fio_crash_io(after), CONFIG, back, NULL);

        g_assert_true(mark == 2 || (mark == 1 && !ok));
        fio_crash_free(after);
    }
    fio_crash_free(disk);
    return fault.hit;
}

/* The disk is full or broken at every call, once or for ever: the old state or the new one is there, nothing beside. */
static void test_faults(gconstpointer with_memory)
{
    static const int errs[] = {ENOSPC, EIO, EFBIG, EINTR};
    const uint64_t cuts = with_memory ? 2 : 8;
    g_autofree uint8_t *memory = with_memory ? memory_new() : NULL;
    unsigned calls = 0;

    for (unsigned which = 0; which < 3 * G_N_ELEMENTS(errs); which++) {
        unsigned at = 1;

        if (with_memory && which % 5 && !g_test_slow())
            continue;
        while (write_failing(at, errs[which / 3], which % 3, memory, cuts))
            at++;
        calls += at;
    }
    g_test_message("%u failing calls, %u states a power cut leaves there", calls, calls * (unsigned)cuts);
}

/* ---- hostile files ---- */

static void put_file(const struct fio *io, const uint8_t *bytes, size_t size)
{
    g_assert_true(fio_atomic_replace(io, "/state.sav", bytes, size, 0, NULL));
}

static GBytes *small_file(struct fio_crash *disk)
{
    g_autofree uint8_t *memory = g_malloc0(MEMORY_PAGES * PAGE);

    memory[5 * PAGE] = 1;
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
    g_test_message("%zu bits, %zu cuts", 8 * size, size);
    fio_crash_free(disk);
}

/* B1, a state of more than 1 MiB: bits anywhere, edits of some bytes, the end missing; with -m slow 100,000 and 20,000.
 */
static void test_random_damage(void)
{
    const unsigned flips = g_test_slow() ? 100000 : 400, edits = g_test_slow() ? 20000 : 100;
    struct fio_crash *disk = fio_crash_new();
    g_autofree uint8_t *memory = memory_new(), *bad = NULL;
    g_autoptr(GBytes) file = NULL;
    const uint8_t *good;
    gsize size, cuts = 0;

    g_assert_true(write_state(fio_crash_io(disk), CONFIG, memory, 1, NULL));
    file = fio_crash_bytes(disk, "/state.sav");
    good = g_bytes_get_data(file, &size);
    g_assert_cmpuint(size, >, 1u << 20);
    bad = g_memdup2(good, size);
    for (unsigned i = 0; i < flips + edits; i++) {
        const gsize at = (guint32)g_test_rand_int() % (size - 16),
                    bytes = i < flips ? 1 : 2 + (guint32)g_test_rand_int() % 15;

        for (gsize n = 0; n < bytes; n++)
            bad[at + n] ^= (uint8_t)(i < flips ? 1u << (i % 8) : 1 + (guint32)g_test_rand_int() % 255);
        g_assert_cmpint(read_bytes(bad, size, NULL), ==, -1);
        memcpy(bad + at, good + at, bytes);
    }
    for (gsize cut = 0; cut < size; cut += PAGE, cuts++)
        g_assert_cmpint(read_bytes(good, cut, NULL), ==, -1);
    g_assert_cmpint(read_bytes(bad, size, NULL), ==, 1);
    g_test_message("%u flips, %u edits, %zu cuts", flips, edits, cuts);
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
    g_checksum_update(sum, bytes, sizeof(*h));
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
        g_checksum_update(sum, (const guchar *)&u, sizeof(u));
        g_checksum_update(sum, (const guchar *)&crc, sizeof(crc));
        at += sizeof(u) + u.size + sizeof(crc);
    }
    g_checksum_update(sum, bytes + end, offsetof(struct ssm_trailer, digest));
    g_checksum_get_digest(sum, bytes + size - SSM_DIGEST_BYTES, &digest);
}

static void test_fixed_hostile(void)
{
    struct fio_crash *disk = fio_crash_new();
    g_autoptr(GBytes) file = small_file(disk);
    gsize size;
    const uint8_t *good = g_bytes_get_data(file, &size);
    g_autofree uint8_t *memory = g_malloc0(MEMORY_PAGES * PAGE);
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

/* Memory units that lie about where they belong. */
static void test_memory_units(void)
{
    static const struct ssm_unit cases[] = {
        {.version = PACK_VERSION, .instance = 4, .size = 100},                /* behind the end */
        {.version = PACK_VERSION, .instance = UINT32_MAX, .size = 100},       /* far behind */
        {.version = PACK_VERSION, .instance = 1, .size = 100},                /* going back */
        {.version = PACK_VERSION, .instance = 3, .size = PACK_MAX_BYTES + 1}, /* larger than any */
        {.version = PACK_VERSION, .instance = 3, .size = sizeof(struct pack_head)},
        {.version = PACK_VERSION + 1, .instance = 3, .size = 100},
    };
    const struct ssm_unit good = {.version = PACK_VERSION, .instance = 1, .size = 100};
    g_autofree uint8_t *memory = g_malloc0(MEMORY_PAGES * PAGE);
    struct ssm_fill *fill = ssm_fill_new(memory, MEMORY_PAGES * PAGE);

    g_assert_true(ssm_fill_unit(fill, &good, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_false(ssm_fill_unit(fill, &cases[i], NULL));
    ssm_fill_free(fill);
}

/* ---- chunks ---- */

/* Pages by a letter each: zeros, packs well, does not. */
static uint8_t *chunk_new(const char *pages)
{
    uint8_t *chunk = g_malloc0(SSM_CHUNK_BYTES);

    for (unsigned n = 0; n < PACK_CHUNK_PAGES; n++)
        for (unsigned i = 0; i < PAGE; i++)
            if (pages[n % strlen(pages)] != '0')
                chunk[n * PAGE + i] = pages[n % strlen(pages)] == 'r' ? (uint8_t)g_test_rand_int() : 0x5a;
    return chunk;
}

static void test_pack(void)
{
    static const struct {
        const char *pages;
        size_t most; /* pages that the result may take */
    } shapes[] = {{"w", 2},    {"r", 257},  {"0w", 2},   {"0r", 129},  {"rrrrrrrrw", 257},
                  {"w000", 2}, {"00r", 87}, {"rw", 132}, {"rrww", 132}};
    g_autofree uint8_t *packed = g_malloc(PACK_MAX_BYTES);
    struct packer *p = packer_new();
    uint64_t all[PACK_CHUNK_PAGES / 64], none[PACK_CHUNK_PAGES / 64] = {0};

    memset(all, 0xff, sizeof(all));
    for (unsigned i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autofree uint8_t *chunk = chunk_new(shapes[i].pages), *back = g_malloc0(SSM_CHUNK_BYTES);
        const size_t size = pack_chunk(p, chunk, all, packed);

        g_assert_cmpuint(size, <=, shapes[i].most * PAGE);
        g_assert_true(unpack_chunk(p, packed, size, back));
        g_assert_cmpmem(chunk, SSM_CHUNK_BYTES, back, SSM_CHUNK_BYTES);
        g_assert_false(unpack_chunk(p, packed, size - 1, back));
        g_assert_cmpuint(pack_chunk(p, chunk, none, packed), ==, 0);
    }
    packer_free(p);
}

/* A packed chunk with a byte changed gives some pages or none, and never more than a chunk. */
static void test_unpack_hostile(void)
{
    g_autofree uint8_t *chunk = chunk_new("0w0r"), *packed = g_malloc(PACK_MAX_BYTES);
    g_autofree uint8_t *to = g_malloc(SSM_CHUNK_BYTES + PAGE);
    struct packer *p = packer_new();
    uint64_t all[PACK_CHUNK_PAGES / 64];
    size_t size;

    memset(all, 0xff, sizeof(all));
    size = pack_chunk(p, chunk, all, packed);
    memset(to + SSM_CHUNK_BYTES, 0xee, PAGE);
    for (unsigned i = 0; i < 3000; i++) {
        g_autofree uint8_t *bad = g_memdup2(packed, size);

        bad[(guint32)g_test_rand_int() % (i % 2 ? size : 64)] ^= (uint8_t)(1 + g_test_rand_int() % 255);
        unpack_chunk(p, bad, size, to);
    }
    for (unsigned i = 0; i < PAGE; i++)
        g_assert_cmphex(to[SSM_CHUNK_BYTES + i], ==, 0xee);
    packer_free(p);
}

/* What is needed is there at once, in any order and from several threads, also while all the rest is on its way. */
struct needer {
    struct ssm_fill *fill;
    const uint8_t *want, *have;
};

static gpointer needing_thread(gpointer user)
{
    const struct needer *n = user;

    for (unsigned i = 0; i < 400; i++) {
        const uint64_t page = (guint32)g_random_int() % MEMORY_PAGES;

        ssm_fill_need(n->fill, page * PAGE);
        g_assert_cmpmem(n->want + page * PAGE, PAGE, n->have + page * PAGE, PAGE);
    }
    return NULL;
}

static void test_need(void)
{
    struct fio_crash *disk = fio_crash_new();
    g_autofree uint8_t *memory = memory_new();

    g_assert_true(write_state(fio_crash_io(disk), CONFIG, memory, 1, NULL));
    for (unsigned round = 0; round < 20; round++) {
        g_autofree uint8_t *back = g_malloc0(MEMORY_PAGES * PAGE);
        g_autofree char *why = NULL;
        struct ssm_in *in = ssm_in_open(fio_crash_io(disk), "/state.sav", CONFIG, NULL);
        struct needer n = {ssm_fill_new(back, MEMORY_PAGES * PAGE), memory, back};
        GThread *thread[3];

        g_assert_cmpint(read_units(in, n.fill, NULL), ==, 1);
        ssm_fill_start(n.fill, in, filled, &why);
        if (round % 2)
            ssm_fill_rest(n.fill);
        for (unsigned i = 0; i < G_N_ELEMENTS(thread); i++)
            thread[i] = g_thread_new("needs", needing_thread, &n);
        for (unsigned i = 0; i < G_N_ELEMENTS(thread); i++)
            g_thread_join(thread[i]);
        ssm_fill_wait(n.fill);
        ssm_fill_free(n.fill);
        g_assert_cmpstr(why, ==, "");
        g_assert_cmpmem(memory, MEMORY_PAGES * PAGE, back, MEMORY_PAGES * PAGE);
    }
    fio_crash_free(disk);
}

/* Many chunks, some quick and some slow to pack: each arrives in its place. */
static void test_order(void)
{
    static const char *const shapes[] = {"r", "0", "w", "0000000r", "rw"};
    const uint64_t bytes = 80 * SSM_CHUNK_BYTES;
    g_autofree uint8_t *memory = g_malloc0(bytes), *back = g_malloc0(bytes);

    for (unsigned i = 0; i < 80; i++) {
        g_autofree uint8_t *chunk = chunk_new(shapes[i * 7 / 3 % G_N_ELEMENTS(shapes)]);

        memcpy(memory + i * SSM_CHUNK_BYTES, chunk, SSM_CHUNK_BYTES);
        memcpy(memory + i * SSM_CHUNK_BYTES, &i, sizeof(i));
    }
    for (unsigned round = 0; round < 5; round++) {
        struct fio_crash *disk = fio_crash_new();
        struct ssm_out *out = ssm_out_new(fio_crash_io(disk), "/state.sav", CONFIG, NULL);
        struct ssm_fill *fill = ssm_fill_new(back, bytes);
        g_autofree char *why = NULL;
        struct ssm_in *in;

        g_assert_true(ssm_out_memory(out, "ram", memory, bytes, -1, NULL));
        g_assert_true(ssm_out_commit(out, NULL));
        in = ssm_in_open(fio_crash_io(disk), "/state.sav", CONFIG, NULL);
        g_assert_cmpint(read_units(in, fill, NULL), ==, 0);
        ssm_fill_start(fill, in, filled, &why);
        ssm_fill_wait(fill);
        ssm_fill_free(fill);
        g_assert_cmpmem(memory, bytes, back, bytes);
        memset(back, 0, bytes);
        fio_crash_free(disk);
    }
}

/* Pages the memory's file has no room for are neither saved nor made. */
static void test_holes(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct ssm_out *out = ssm_out_new(fio_crash_io(disk), "/state.sav", CONFIG, NULL);
    g_autofree uint8_t *back = g_malloc0(MEMORY_PAGES * PAGE);
    struct gmem g = {0};
    struct stat st;

    g_assert_true(gmem_init(&g, "test", MEMORY_PAGES * PAGE, NULL));
    g.hva[5 * PAGE] = 1;
    g.hva[700 * PAGE + 1] = 2;
    g.hva[MEMORY_PAGES * PAGE - 1] = 3;
    g_assert_true(ssm_out_memory(out, "ram", g.hva, g.size_bytes, g.fd, NULL));
    g_assert_true(ssm_out_commit(out, NULL));
    g_assert_cmpint(fstat(g.fd, &st), ==, 0);
    g_assert_cmpint(st.st_blocks * 512, ==, 3 * PAGE);
    g_assert_cmpint(read_state(fio_crash_io(disk), CONFIG, back, NULL), ==, 0);
    g_assert_cmpmem(g.hva, g.size_bytes, back, MEMORY_PAGES * PAGE);
    gmem_fini(&g);
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ssm/fields", test_fields);
    g_test_add_func("/ssm/crc32c", test_crc);
    g_test_add_func("/ssm/crc32c/long", test_crc_long);
    g_test_add_func("/ssm/round-trip", test_round_trip);
    g_test_add_data_func("/ssm/faults", NULL, test_faults);
    g_test_add_data_func("/ssm/faults/memory", GINT_TO_POINTER(1), test_faults);
    g_test_add_func("/ssm/every-flip", test_every_flip);
    g_test_add_func("/ssm/random-damage", test_random_damage);
    g_test_add_func("/ssm/fixed-hostile", test_fixed_hostile);
    g_test_add_func("/ssm/memory-units", test_memory_units);
    g_test_add_func("/ssm/pack", test_pack);
    g_test_add_func("/ssm/unpack-hostile", test_unpack_hostile);
    g_test_add_func("/ssm/need", test_need);
    g_test_add_func("/ssm/holes", test_holes);
    g_test_add_func("/ssm/order", test_order);
    return g_test_run();
}

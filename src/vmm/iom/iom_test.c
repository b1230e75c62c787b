/*
 * iom_test.c - the dispatcher: size rules, overlaps, moves, string I/O, and vCPUs that collide with a move.
 */
#include "vmm/iom/iom.h"

#include <string.h>

struct owner {
    uint8_t id;
    uint16_t off[16];
    unsigned size[16], calls;
    uint32_t val;
};

static uint32_t note_read(void *user, uint16_t off, unsigned size)
{
    struct owner *o = user;

    if (o->calls < G_N_ELEMENTS(o->off)) {
        o->off[o->calls] = off;
        o->size[o->calls] = size;
    }
    o->calls++;
    return 0x01010101u * o->id + off;
}

static void note_write(void *user, uint16_t off, uint32_t val, unsigned size)
{
    note_read(user, off, size);
    ((struct owner *)user)->val = val;
}

static size_t block_read(void *user, uint16_t off, void *buf, unsigned size, size_t count)
{
    (void)off;
    memset(buf, ((struct owner *)user)->id, count * size);
    return count + 1; /* says more than was asked for: cut */
}

static const struct iom_port_ops ops = {.read = note_read, .write = note_write, .read_block = block_read};
static const struct iom_port_ops write_only = {.write = note_write};

static iom_range add(struct iom *iom, struct owner *o, const struct iom_port_ops *how, uint16_t count, uint8_t min,
                     uint8_t max)
{
    const struct iom_port_desc d = {
        .name = "test", .count = count, .min_size = min, .max_size = max, .ops = how, .user = o};
    iom_range r;

    g_assert_true(iom_port_add(iom, &d, &r, NULL));
    return r;
}

static void test_sizes(void)
{
    struct iom *iom = iom_new();
    struct owner wide = {.id = 1}, narrow = {.id = 2}, words = {.id = 3};

    iom_port_map(iom, add(iom, &wide, &ops, 4, 1, 4), 0x10);
    iom_port_map(iom, add(iom, &narrow, &ops, 4, 1, 1), 0x14);
    iom_port_map(iom, add(iom, &words, &ops, 4, 2, 2), 0x18);
    g_assert_cmphex(iom_port_read(iom, 0x10, 4), ==, 0x01010101);
    g_assert_cmpuint(wide.calls, ==, 1);
    g_assert_cmphex(iom_port_read(iom, 0x14, 4), ==, 0x05040302);
    g_assert_cmpuint(narrow.calls, ==, 4);
    g_assert_cmphex(iom_port_read(iom, 0x12, 4), ==, 0x03020103); /* half in one, half in the other, bytewise there */
    g_assert_cmphex(iom_port_read(iom, 0x18, 1), ==, 0xff);       /* narrower than the range takes */
    g_assert_cmphex(iom_port_read(iom, 0x18, 4), ==, 0x03050303);
    iom_port_write(iom, 0x18, 0xabcd, 1);
    g_assert_cmpuint(words.val, ==, 0);
    iom_port_write(iom, 0x1a, 0x12345678, 4); /* the upper half leaves the range and is lost */
    g_assert_cmphex(words.val, ==, 0x5678);
    g_assert_cmphex(iom_port_read(iom, 0xffff, 4), ==, 0xffffffff);
    iom_free(iom);
}

static void test_overlap(void)
{
    struct iom *iom = iom_new();
    struct owner below = {.id = 1}, above = {.id = 2};
    const iom_range b = add(iom, &below, &ops, 8, 1, 4), a = add(iom, &above, &write_only, 2, 1, 4);
    uint16_t base, count;

    iom_port_map(iom, b, 0x100);
    iom_port_map(iom, a, 0x102);
    g_assert_cmphex(iom_port_read(iom, 0x101, 1), ==, 2);
    g_assert_cmphex(iom_port_read(iom, 0x102, 1), ==, 0xff);
    iom_port_map(iom, a, 0x106); /* moves */
    g_assert_cmphex(iom_port_read(iom, 0x102, 1), ==, 3);
    g_assert_true(iom_port_where(iom, a, &base, &count));
    g_assert_cmphex(base, ==, 0x106);
    iom_port_unmap(iom, a);
    g_assert_cmphex(iom_port_read(iom, 0x106, 1), ==, 7);
    iom_port_map(iom, a, 0xffff); /* half of it does not exist */
    g_assert_cmphex(iom_port_read(iom, 0xffff, 2), ==, 0xffff);
    g_assert_cmphex(iom_port_read(iom, 0, 1), ==, 0xff);
    iom_free(iom);
}

static void test_string(void)
{
    struct iom *iom = iom_new();
    struct owner o = {.id = 0x5a};
    uint8_t buf[8] = {0};

    iom_port_map(iom, add(iom, &o, &ops, 8, 1, 2), 0x1f0);
    g_assert_cmpuint(iom_port_read_block(iom, 0x1f0, buf, 2, 4), ==, 4);
    g_assert_cmpint(buf[7], ==, 0x5a);
    g_assert_cmpuint(iom_port_read_block(iom, 0x1f0, buf, 4, 2), ==, 0); /* would be split: one by one */
    g_assert_cmpuint(iom_port_write_block(iom, 0x1f0, buf, 2, 4), ==, 0);
    g_assert_cmpuint(iom_port_read_block(iom, 0x2f0, buf, 2, 4), ==, 0);
    iom_free(iom);
}

static void test_refused(void)
{
    static const struct iom_port_desc bad[] = {{.name = "x", .count = 0, .min_size = 1, .max_size = 1, .ops = &ops},
                                               {.name = "x", .count = 1, .min_size = 2, .max_size = 1, .ops = &ops},
                                               {.name = "x", .count = 1, .min_size = 1, .max_size = 3, .ops = &ops}};
    struct iom *iom = iom_new();
    const struct iom_mmio_desc mmio = {.name = "x", .size_bytes = 0, .min_size = 1, .max_size = 8};
    struct owner o = {0};
    iom_range r;
    unsigned n = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(iom_port_add(iom, &bad[i], &r, NULL));
    g_assert_null(iom_mmio_add(iom, &mmio, NULL));
    while (n < 10000) {
        const struct iom_port_desc d = {.name = "x", .count = 1, .min_size = 1, .max_size = 1, .ops = &ops, .user = &o};

        if (!iom_port_add(iom, &d, &r, NULL))
            break;
        n++;
    }
    g_assert_cmpuint(n, <, 10000); /* there is an end */
    iom_free(iom);
}

/* ---- memory-mapped ---- */

static uint64_t mmio_read(void *user, uint64_t off, unsigned size)
{
    note_read(user, (uint16_t)off, size);
    return 0x1111111111111111u * (off & 15);
}

static void test_mmio(void)
{
    struct iom *iom = iom_new();
    struct owner o = {0};
    const struct iom_mmio_desc d = {
        .name = "m", .size_bytes = 0x18, .min_size = 4, .max_size = 4, .read = mmio_read, .user = &o};
    struct iom_mmio *m = iom_mmio_add(iom, &d, NULL);

    g_assert_cmphex(iom_mmio_ops.read(m, 8, 8), ==, 0xcccccccc88888888);
    g_assert_cmpuint(o.calls, ==, 2);
    g_assert_cmphex(iom_mmio_ops.read(m, 8, 2), ==, 0xffff);
    g_assert_cmphex(iom_mmio_ops.read(m, 6, 4), ==, 0xffffffff); /* unaligned halves are too narrow */
    g_assert_cmphex(iom_mmio_ops.read(m, 0x14, 8), ==, 0xffffffff44444444);
    g_assert_cmphex(iom_mmio_ops.read(m, 0x1000, 4), ==, 0xffffffff);
    iom_mmio_ops.write(m, 8, 1, 4); /* no handler */
    iom_free(iom);
}

/* ---- threads ---- */

static gpointer mover(gpointer data)
{
    struct iom *iom = data;

    for (unsigned i = 0; i < 3000; i++)
        iom_port_map(iom, (iom_range){1}, (uint16_t)(0x100 + (i & 7)));
    return NULL;
}

static void test_move_while_read(void)
{
    struct iom *iom = iom_new();
    struct owner o = {.id = 0};
    GThread *t;

    add(iom, &o, &ops, 8, 1, 1);
    t = g_thread_new("mover", mover, iom);
    for (unsigned i = 0; i < 100000; i++) {
        const uint32_t v = iom_port_read(iom, (uint16_t)(0x100 + (i & 15)), 1);

        g_assert_true(v < 8 || v == 0xff); /* an offset inside the range, or nobody */
    }
    g_thread_join(t);
    iom_free(iom);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iom/sizes", test_sizes);
    g_test_add_func("/iom/overlap", test_overlap);
    g_test_add_func("/iom/string", test_string);
    g_test_add_func("/iom/refused", test_refused);
    g_test_add_func("/iom/mmio", test_mmio);
    g_test_add_func("/iom/move-while-read", test_move_while_read);
    return g_test_run();
}

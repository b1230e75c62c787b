/* cache_test.c - the cache beside a disk in memory: whatever happens, what it shows is what the disk shows. */
#include "drivers/block/cache.h"

#include <glib.h>
#include <string.h>

#define DISK_BYTES (64u << 20) /* four times what is kept */
#define MOST       (128u << 10)

static bool read_at(struct block_cache *c, uint64_t off, uint8_t *buf, size_t bytes)
{
    const struct iovec iov[] = {{buf, bytes / 2}, {buf + bytes / 2, bytes - bytes / 2}};

    return block_cache_read(c, off, iov, 2);
}

static void test_model(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autofree uint8_t *disk = g_malloc0(DISK_BYTES), *buf = g_malloc(MOST);
    struct block_cache *c = block_cache_new();
    unsigned hits = 0;

    for (unsigned i = 0; i < 60000; i++) {
        const uint64_t area = g_rand_int_range(rand, 0, 4) ? 4u << 20 : DISK_BYTES;
        const size_t bytes = 512u * (size_t)g_rand_int_range(rand, 1, g_rand_int_range(rand, 0, 20) ? 32 : MOST / 512);
        const uint64_t off = 512u * (uint64_t)g_rand_int_range(rand, 0, (gint32)((area - bytes) / 512));

        switch (g_rand_int_range(rand, 0, 8)) {
        case 0: /* a write that fails leaves anything behind */
            block_cache_drop(c, off, bytes);
            memset(disk + off, (int)i, bytes / 512 / 2 * 512);
            break;
        case 1:
        case 2:
            block_cache_drop(c, off, bytes);
            for (size_t k = 0; k < bytes; k += 4)
                memcpy(disk + off + k, &i, 4);
            block_cache_put(c, off, disk + off, bytes);
            break;
        default:
            if (read_at(c, off, buf, bytes)) {
                g_assert_cmpint(memcmp(buf, disk + off, bytes), ==, 0);
                hits++;
            } else {
                block_cache_put(c, off, disk + off, bytes);
            }
        }
    }
    g_assert_cmpuint(hits, >, 1000);
    g_assert_cmpuint(block_cache_hits(c), ==, hits);
    block_cache_drop_all(c);
    g_assert_false(read_at(c, 0, buf, 4096));
    block_cache_free(c);
}

/* What is asked for again and again stays when four times as much passes through; streams pass by. */
static void test_choice(void)
{
    g_autofree uint8_t *buf = g_malloc0(MOST);
    struct block_cache *c = block_cache_new();

    for (uint64_t at = 0; at < DISK_BYTES; at += CACHE_PAGE) {
        if (at % (1u << 20) == 0 && at)
            g_assert_true(read_at(c, 0, buf, CACHE_PAGE));
        block_cache_put(c, at, buf, CACHE_PAGE);
    }
    g_assert_false(read_at(c, DISK_BYTES / 2, buf, CACHE_PAGE));
    g_assert_true(read_at(c, DISK_BYTES - CACHE_PAGE, buf, CACHE_PAGE));
    block_cache_put(c, UINT64_C(1) << 40, buf, MOST);
    g_assert_false(read_at(c, UINT64_C(1) << 40, buf, CACHE_PAGE));
    block_cache_drop(c, 1, CACHE_PAGE); /* touches two */
    g_assert_false(read_at(c, 0, buf, CACHE_PAGE));
    block_cache_free(c);
}

/* Parts of pages are not kept, and no cache keeps nothing. */
static void test_edges(void)
{
    g_autofree uint8_t *buf = g_malloc0(3 * CACHE_PAGE);
    struct block_cache *c = block_cache_new();

    block_cache_put(c, 512, buf, 2 * CACHE_PAGE);
    g_assert_false(read_at(c, 512, buf, 512));
    g_assert_true(read_at(c, CACHE_PAGE + 512, buf, 1024));
    g_assert_false(read_at(c, CACHE_PAGE, buf, CACHE_PAGE + 512));
    g_assert_false(read_at(c, CACHE_PAGE, buf, 0));
    g_assert_false(read_at(c, UINT64_MAX - 511, buf, 1024)); /* no disk is that large */
    block_cache_drop(c, CACHE_PAGE, 0);
    g_assert_true(read_at(c, CACHE_PAGE, buf, CACHE_PAGE));
    block_cache_free(c);
    block_cache_put(NULL, 0, buf, CACHE_PAGE);
    g_assert_false(read_at(NULL, 0, buf, CACHE_PAGE));
    block_cache_drop_all(NULL);
    block_cache_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cache/model", test_model);
    g_test_add_func("/cache/choice", test_choice);
    g_test_add_func("/cache/edges", test_edges);
    return g_test_run();
}

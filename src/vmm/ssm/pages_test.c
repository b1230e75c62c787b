/*
 * pages_test.c - memory of a device in its unit: pages of zeros are left out, and zero again wherever it is loaded.
 */
#include <string.h>
#include <sys/mman.h>

#include "vmm/ssm/ssm.h"

#define PAGES 19u
#define BYTES ((size_t)PAGES * SSM_PAGE_BYTES)

static uint8_t *memory(int flags)
{
    uint8_t *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

    g_assert_true(p != MAP_FAILED);
    return p;
}

/* @present: bit n: page n holds something. */
static void fill(uint8_t *p, uint32_t present)
{
    memset(p, 0, BYTES);
    for (unsigned n = 0; n < PAGES; n++)
        if (present & 1u << n)
            p[n * SSM_PAGE_BYTES + (n % 2 ? SSM_PAGE_BYTES - 1 : 0)] = (uint8_t)(n + 1);
}

static const uint32_t cases[] = {0, 1, 1u << 18, 0x7ffff, 0x55555, 0x2aaaa, 0x00ff0, 0x40001};

/* Into memory that was full of something else, of the process alone and of a file. */
static void test_pages(gconstpointer flags)
{
    uint8_t *from = memory(MAP_PRIVATE), *to = memory(GPOINTER_TO_INT(flags));

    for (unsigned k = 0; k < G_N_ELEMENTS(cases); k++) {
        const unsigned present = (unsigned)__builtin_popcount(cases[k]);
        struct ssm_writer w;
        struct ssm_reader r;

        fill(from, cases[k]);
        memset(to, 0xee, BYTES);
        ssm_writer_init(&w);
        ssm_put_pages(&w, from, BYTES);
        g_assert_cmpuint(w.len, ==, (PAGES + 7) / 8 + present * SSM_PAGE_BYTES);
        ssm_reader_init(&r, w.data, w.len);
        ssm_get_pages(&r, to, BYTES);
        g_assert_true(ssm_reader_finish(&r, "pages", NULL));
        g_assert_cmpmem(to, BYTES, from, BYTES);
        ssm_writer_fini(&w);
    }
    munmap(from, BYTES);
    munmap(to, BYTES);
}

/* Cut anywhere: refused, and what there is no data for is zero. */
static void test_cut(void)
{
    static const size_t lengths[] = {0, 1, 2, 3, 3 + SSM_PAGE_BYTES - 1, 3 + SSM_PAGE_BYTES};
    uint8_t *from = memory(MAP_PRIVATE), *to = memory(MAP_PRIVATE);
    struct ssm_writer w;

    fill(from, 0x3);
    ssm_writer_init(&w);
    ssm_put_pages(&w, from, BYTES);
    for (unsigned k = 0; k < G_N_ELEMENTS(lengths); k++) {
        struct ssm_reader r;

        memset(to, 0xee, BYTES);
        ssm_reader_init(&r, w.data, lengths[k]);
        ssm_get_pages(&r, to, BYTES);
        g_assert_false(ssm_reader_finish(&r, "pages", NULL));
        for (size_t n = SSM_PAGE_BYTES; n < BYTES; n++)
            g_assert_cmpuint(to[n], ==, 0);
    }
    ssm_writer_fini(&w);
    munmap(from, BYTES);
    munmap(to, BYTES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ssm/pages/private", GINT_TO_POINTER(MAP_PRIVATE), test_pages);
    g_test_add_data_func("/ssm/pages/shared", GINT_TO_POINTER(MAP_SHARED), test_pages);
    g_test_add_func("/ssm/pages/cut", test_cut);
    return g_test_run();
}

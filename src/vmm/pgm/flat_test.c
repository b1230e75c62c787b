/*
 * flat_test.c - memory of the sparse tables: what address spaces that are gone have touched is given back.
 *
 * The oracle is the host's kernel: mincore() says which pages exist.
 */
#include <sys/mman.h>

#include "vmm/pgm/flat.h"

#define SPACES         400u
#define PAGES_EACH     16u
#define TABLE_PAGE_GLA (UINT64_C(512) << PGM_PAGE_SHIFT) /* what a page of a table covers */
#define SETS           2u
#define WORD           UINT64_C(0x1234567890)

/* Each address space lies somewhere else, no two in the same page of a table. */
static uint64_t gla_of(unsigned space, unsigned page)
{
    return (UINT64_C(0x5500) + (uint64_t)space * 7) * (TABLE_PAGE_GLA * 512) + page * TABLE_PAGE_GLA;
}

static bool exists(const struct flat_set *s, uint64_t gla)
{
    uintptr_t at = (uintptr_t)&s->table[FLAT_X][flat_x_index(gla)] & ~(uintptr_t)(PGM_PAGE_BYTES - 1);
    unsigned char there;

    g_assert_cmpint(mincore((void *)at, PGM_PAGE_BYTES, &there), ==, 0);
    return there & 1;
}

static unsigned count_existing(const struct flat *f)
{
    unsigned count = 0;

    for (unsigned n = 0; n < f->sets; n++)
        for (unsigned space = 0; space < SPACES; space++)
            for (unsigned page = 0; page < PAGES_EACH; page++)
                count += exists(&f->set[n], gla_of(space, page));
    return count;
}

/* Returns the set of the last address space. */
static struct flat_set *run_spaces(struct flat *f, struct pgm_mmu *m)
{
    struct flat_set *s = NULL;

    for (unsigned space = 0; space < SPACES; space++) {
        m->gen = space + 1;
        s = flat_select(f, m, PGM_IDX_USER, 0);
        for (unsigned page = 0; page < PAGES_EACH; page++) {
            g_assert_cmphex(flat_x(s, gla_of(space, page)), ==, 0);
            flat_set_x(f, s, m, gla_of(space, page), WORD);
        }
    }
    return s;
}

static void test_address_spaces(void)
{
    g_autofree struct pgm_mmu *m = g_new0(struct pgm_mmu, 1);
    struct flat *f = flat_new(SETS, NULL);

    struct flat_set *s = run_spaces(f, m);
    g_assert_cmpuint(count_existing(f), <=, SETS * (FLAT_PAGES_KEPT + PAGES_EACH));
    for (unsigned page = 0; page < PAGES_EACH; page++) /* the last one's are all there */
        g_assert_cmphex(flat_x(s, gla_of(SPACES - 1, page)), ==, WORD);
    flat_free(f);
}

static void test_all(void)
{
    g_autofree struct pgm_mmu *m = g_new0(struct pgm_mmu, 1);
    struct flat *f = flat_new(SETS, NULL);

    run_spaces(f, m);
    flat_kill_all(f);
    g_assert_cmpuint(count_existing(f), ==, 0);
    flat_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/flat/address-spaces", test_address_spaces);
    g_test_add_func("/flat/all", test_all);
    return g_test_run();
}

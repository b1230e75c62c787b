/*
 * patm_test.c - marks, their terms, and what happens when there are too many.
 */
#include "vmm/patm/patm.h"

#include <glib.h>

#define KEY 7u
#define GPA UINT64_C(0x1234)

struct told {
    unsigned count;
    struct patm_site last;
};

static void tell(void *user, const struct patm_site *site)
{
    struct told *t = user;

    *t = (struct told){t->count + 1, *site};
}

/* Looks at every site. Return: how many were told. */
static unsigned expire(struct patm *p, uint64_t now, struct told *t)
{
    t->count = 0;
    for (unsigned n = 0; n < PATM_SITES / 1024; n++)
        patm_expire(p, now, 100, tell, t);
    return t->count;
}

/* Each catch after a term doubles the next one, up to a limit. */
static void test_terms(void)
{
    struct patm *p = g_new0(struct patm, 1);
    struct told t = {0};
    uint64_t now = 5;

    for (unsigned n = 0; n < PATM_TERMS_MAX + 5; n++) {
        const uint64_t term = PATM_TERM_NS << MIN(n, PATM_TERMS_MAX);
        g_assert_false(patm_marked(p, PATM_MISALIGNED, GPA, KEY));
        g_assert_true(patm_catch(p, PATM_MISALIGNED, GPA, KEY, now));
        g_assert_false(patm_catch(p, PATM_MISALIGNED, GPA, KEY, now + 1)); /* on its way already */
        g_assert_true(patm_marked(p, PATM_MISALIGNED, GPA, KEY));
        g_assert_cmpuint(expire(p, now + term - 1, &t), ==, 0);
        g_assert_true(patm_marked(p, PATM_MISALIGNED, GPA, KEY));
        g_assert_cmpuint(expire(p, now + term, &t), ==, 1);
        g_assert_cmphex(t.last.gpa, ==, GPA);
        g_assert_cmpuint(t.last.key, ==, KEY);
        now += term;
    }
    g_assert_cmpuint(p->stat_marked[PATM_MISALIGNED], ==, PATM_TERMS_MAX + 5);
    g_assert_cmpuint(p->stat_expired, ==, PATM_TERMS_MAX + 5);
    g_free(p);
}

/* A device's site is marked when it was caught some times, and more times after it was released. */
static void test_release(void)
{
    struct patm *p = g_new0(struct patm, 1);
    unsigned before = 1;

    for (unsigned round = 0; round < 3; round++) {
        unsigned n = 1;
        while (!patm_catch(p, PATM_DEVICE, GPA, KEY, 0))
            n++;
        g_assert_cmpuint(n, >, before);
        g_assert_cmpuint(n, <, 20);
        before = n;
        g_assert_true(patm_marked(p, PATM_DEVICE, GPA, KEY));
        patm_release(p, PATM_DEVICE, GPA, KEY);
        g_assert_false(patm_marked(p, PATM_DEVICE, GPA, KEY));
    }
    patm_release(p, PATM_DEVICE, GPA + 1, KEY); /* nobody knows it */
    g_assert_cmpuint(p->used, ==, 1);
    g_free(p);
}

/* The same address as another kind of code, or caught at something else, is another site. */
static void test_keys(void)
{
    struct patm *p = g_new0(struct patm, 1);

    patm_catch(p, PATM_MISALIGNED, 0x1000, 1, 0);
    g_assert_true(patm_marked(p, PATM_MISALIGNED, 0x1000, 1));
    g_assert_false(patm_marked(p, PATM_MISALIGNED, 0x1000, 2));
    g_assert_false(patm_marked(p, PATM_MISALIGNED, 0x1001, 1));
    g_assert_false(patm_marked(p, PATM_DEVICE, 0x1000, 1));
    g_free(p);
}

/* More sites than there is room for: the last ones are known. */
static void test_full(void)
{
    struct patm *p = g_new0(struct patm, 1);
    struct told t = {0};
    unsigned told = 0, count;

    for (uint64_t n = 0; n < 3 * PATM_SITES; n++) {
        patm_catch(p, PATM_MISALIGNED, n * 0x11, 0, 0);
        g_assert_true(patm_marked(p, PATM_MISALIGNED, n * 0x11, 0));
    }
    g_assert_cmpuint(p->stat_forgotten, >=, 3);
    g_assert_cmpuint(p->used, <, PATM_SITES);
    while ((count = expire(p, PATM_TERM_NS, &t)) != 0)
        told += count;
    g_assert_cmpuint(told, ==, p->used);
    g_free(p);
}

static void test_budget(void)
{
    struct patm *p = g_new0(struct patm, 1);
    const uint64_t second = 1000000000;

    patm_faults(p, second, 1000); /* from before anybody looked */
    g_assert_cmpuint(p->stat_faults_worst, ==, 0);
    patm_faults(p, second + second / 2, 5000);
    g_assert_cmpuint(p->stat_faults_worst, ==, 0);
    patm_faults(p, 3 * second, 2000);
    g_assert_cmpuint(p->stat_faults_rate, ==, 500);
    g_assert_cmpuint(p->stat_over_budget, ==, 0);
    patm_faults(p, 4 * second, 2501);
    g_assert_cmpuint(p->stat_over_budget, ==, 1);
    patm_faults(p, 5 * second, 2501);
    g_assert_cmpuint(p->stat_faults_rate, ==, 0);
    g_assert_cmpuint(p->stat_faults_worst, ==, 501);
    g_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/patm/terms", test_terms);
    g_test_add_func("/patm/release", test_release);
    g_test_add_func("/patm/keys", test_keys);
    g_test_add_func("/patm/full", test_full);
    g_test_add_func("/patm/budget", test_budget);
    return g_test_run();
}

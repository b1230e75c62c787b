/* stam_test.c - globs, the two shapes of output (compared with lines of real logs), reset and removal. */
#include "vmm/stam/stam.h"

#include <string.h>

static void test_match(void)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        {NULL, "/a", true},
        {"", "/a", true},
        {"*", "/a/b", true},
        {"/a", "/a", true},
        {"/a", "/ab", false},
        {"/a*", "/ab/c", true},
        {"*/b", "/a/b", true},
        {"*/b", "/a/bc", false},
        {"/?/b", "/a/b", true},
        {"/?/b", "/aa/b", false},
        {"/x|/a/*", "/a/b", true},
        {"/x|/y", "/a/b", false},
        {"/x|", "/a", false},
        {"|/a", "/a", true},
        {"/Devices/*/Reads|/TM/*", "/Devices/IDE0/Unit0/Reads", true},
        {"a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(stam_match(cases[i].pattern, cases[i].path), ==, cases[i].match);
}

static void test_dump(void)
{
    struct stam *s = stam_new();
    g_autoptr(GString) out = g_string_new(NULL);
    uint64_t reads = 12586;
    struct stam_profile p = {0};
    bool on = true;

    g_assert_true(stam_add(s, "/CPUM/MSR-Totals/Reads", STAM_COUNTER, &reads, "times", "RDMSR"));
    g_assert_true(stam_add(s, "/Devices/8237A/DmaRun", STAM_PROFILE, &p, "ticks", NULL));
    g_assert_true(stam_add(s, "/TM/On", STAM_BOOL, &on, "", NULL));
    g_assert_false(stam_add(s, "/TM/On", STAM_BOOL, &on, "", NULL));
    stam_dump(s, NULL, out);
    g_assert_cmpstr(out->str, ==,
                    "/CPUM/MSR-Totals/Reads              12586 times\n"
                    "/Devices/8237A/DmaRun                   0 ticks/call (           0 ticks,       0 times, max"
                    "         0, min      -1)\n"
                    "/TM/On                           true\n");
    for (int i = 0; i < 238; i++)
        stam_profile_add(&p, 1000);
    stam_profile_add(&p, 665);
    stam_profile_add(&p, 45108);
    g_string_truncate(out, 0);
    stam_dump(s, "/Devices/*|/nothing", out);
    g_assert_cmpstr(out->str, ==,
                    "/Devices/8237A/DmaRun                1182 ticks/call (      283773 ticks,     240 times, max"
                    "     45108, min     665)\n");
    stam_reset(s, "*");
    reads += 5;
    stam_profile_add(&p, 7);
    g_string_truncate(out, 0);
    stam_dump(s, "/[CD]*|/C*", out);
    g_assert_cmpstr(out->str, ==, "/CPUM/MSR-Totals/Reads                  5 times\n");
    g_assert_cmpuint(reads, ==, 12591);
    stam_remove(s, "/C*|/TM/*");
    g_string_truncate(out, 0);
    stam_dump(s, NULL, out);
    g_assert_nonnull(strstr(out->str, " 7 ticks/call (           7 ticks,       1 times"));
    g_assert_null(strstr(out->str, "CPUM"));
    stam_free(s);
    stam_free(NULL);
}

static void test_xml(void)
{
    struct stam *s = stam_new();
    g_autoptr(GString) out = g_string_new(NULL);
    uint64_t v = 3;
    struct stam_profile p = {0};

    stam_add(s, "/a<b>", STAM_COUNTER, &v, "times", "x & y");
    stam_add(s, "/p", STAM_PROFILE, &p, "ns", NULL);
    stam_add(s, "/u", STAM_U64, &v, "bytes", NULL);
    stam_profile_add(&p, 9);
    stam_xml(s, NULL, true, out);
    g_assert_cmpstr(
        out->str, ==,
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<Statistics>\n"
        "<Counter c=\"3\" unit=\"times\" name=\"/a&lt;b&gt;\" desc=\"x &amp; y\"/>\n"
        "<Profile cPeriods=\"1\" cTicks=\"9\" cTicksMin=\"9\" cTicksMax=\"9\" unit=\"ns/call\" name=\"/p\"/>\n"
        "<U64 val=\"3\" unit=\"bytes\" name=\"/u\"/>\n"
        "</Statistics>\n");
    stam_free(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stam/match", test_match);
    g_test_add_func("/stam/dump", test_dump);
    g_test_add_func("/stam/xml", test_xml);
    return g_test_run();
}

/*
 * zydis_known.c - every difference from Zydis that stays, with its reason.
 */
#include "zydis_match.h"

static const struct known {
    int mask; /* enum difference */
    int isa_ext;
    const char *reason;
} known[] = {
    {0, 0, NULL},
};

int zydis_explain(enum difference diff, const struct zydis_pair *pair)
{
    (void)diff;
    (void)pair;
    return -1;
}

const char *zydis_reason(int number)
{
    return known[number].reason;
}

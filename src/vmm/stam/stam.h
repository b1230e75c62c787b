/*
 * stam.h - statistics: a tree of counters that components own and STAM only reads.
 *
 * A value is registered under a path like "/Devices/IDE0/ATA0/Unit0/DMA" and stays where its owner increments it;
 * nothing is added to the path that counts. Queries take a glob: '*' any characters, also '/', '?' one, '|'
 * alternatives; NULL or
 * "" is everything. Output is in order of paths.
 *
 * Threads: any. Values are read while their owners write them: each number is whole, a group need not fit together.
 */
#ifndef VMM_STAM_STAM_H
#define VMM_STAM_STAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct stam;

/* Value: uint64_t, uint64_t, struct stam_profile, bool. */
enum stam_kind { STAM_COUNTER, STAM_U64, STAM_PROFILE, STAM_BOOL };

/** How long something took: updated by one thread at a time with stam_profile_add(). */
struct stam_profile {
    uint64_t count, total, max, min;
};

static inline void stam_profile_add(struct stam_profile *p, uint64_t ticks)
{
    p->total += ticks;
    if (ticks > p->max)
        p->max = ticks;
    if (ticks < p->min || p->count == 0)
        p->min = ticks;
    p->count++;
}

struct stam *stam_new(void);
void stam_free(struct stam *s);
/**
 * stam_add() - @unit "times", "bytes", "count", "pages"; of a profile "ticks" or "ns". @desc may be NULL.
 * @value stays the owner's and valid until it is removed. Return: false = the path is taken.
 */
bool stam_add(struct stam *s, const char *path, enum stam_kind kind, const void *value, const char *unit,
              const char *desc);
/** stam_addf() - the same with a path made by @fmt, of at most 127 bytes. */
bool stam_addf(struct stam *s, enum stam_kind kind, const void *value, const char *unit, const char *desc,
               const char *fmt, ...) G_GNUC_PRINTF(6, 7);
/** stam_remove() - everything that matches; when it returns the values are not read any more. */
void stam_remove(struct stam *s, const char *pattern);
/** stam_reset() - counters and profiles that match count from here on (minimum and maximum of profiles stay). */
void stam_reset(struct stam *s, const char *pattern);

/** stam_dump() - a line each, in the shape of VirtualBox's log. */
void stam_dump(struct stam *s, const char *pattern, GString *out);
/** stam_xml() - a <Statistics> element, as `debugvm statistics` prints it; @with_desc adds descriptions. */
void stam_xml(struct stam *s, const char *pattern, bool with_desc, GString *out);
bool stam_match(const char *pattern, const char *path);

#endif

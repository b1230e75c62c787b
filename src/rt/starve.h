/*
 * starve.h - for tests: allocation N of a child process fails, once or from then on.
 *
 * GLib ends the process when a small allocation fails: for what is on disks that is a kill like any other. What a guest
 * or a file decides the size of has to fail with an error: @min_bytes picks those. The calls of the C library are
 * replaced in the whole program, so a test with a sanitizer, which does the same, cannot use this.
 */
#ifndef RT_STARVE_H
#define RT_STARVE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct starve {
    unsigned fail_at; /* from 1 */
    size_t min_bytes; /* smaller ones are neither counted nor failed */
    bool for_ever;
};
enum starve_end {
    STARVE_DONE,    /* @fn returned true */
    STARVE_REFUSED, /* it returned false, with an error */
    STARVE_DIED,    /* GLib gave up */
};

/** starve_run() - @fn(@ctx) in a child. Any other end, or false without an error, ends the test. @ret_hit: one failed.
 */
enum starve_end starve_run(const struct starve *s, bool (*fn)(void *ctx, GError **error), void *ctx, bool *ret_hit);

#endif

/*
 * log.h - the release log: what happened, one line each, in VirtualBox's shape.
 *
 * A line is "HH:MM:SS.uuuuuu text", the time counted from the opening of the log. log_rel() always writes; LOG() writes
 * when its group's mask has the level, and costs one load otherwise. Both go to the process's default log and do
 * nothing without one, so components can log before there is a machine.
 * Neither allocates or calls GLib: they may stand in device and vCPU code. What a guest can cause again and again goes
 * through log_rate_ok() first.
 *
 *     log_rel("PIT: mode=%u", mode);
 *     LOG(PGM, 2, "a20 %d", on);
 */
#ifndef RT_LOG_H
#define RT_LOG_H

#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_group {
#define LOG_GROUP(name) LOG_##name,
#include "rt/log.def"
#undef LOG_GROUP
    LOG_GROUP_COUNT
};
enum { LOG_ENABLED = 1, LOG_FLOW = 2 }; /* mask bits; level n of 1-12 is bit n + 1 */

extern uint32_t log_masks[LOG_GROUP_COUNT];

struct log;
struct log_config {
    const char *path;   /* NULL = no file */
    unsigned history;   /* old files kept as path.1 ... path.n, 0-9 */
    uint64_t max_bytes; /* a longer file is rotated; 0 = 100 MB */
    bool to_stderr;
};

/** log_new() - rotates old files and opens a new one. */
struct log *log_new(const struct log_config *config, GError **error);
/** log_free() - accepts NULL; the default log must have been changed before. */
void log_free(struct log *log);
/** log_set_default() - where log_rel() and LOG() write. Return: the one before. */
struct log *log_set_default(struct log *log);
/** log_header() - the opening block: @product "VirtualBox VM 7.0.6 r155176", build date, host facts. */
void log_header(struct log *log, const char *product, const char *build_date, const char *package);

/** log_write() - one line or several (each gets the prefix). Longer than 2 KiB is cut. */
void log_write(struct log *log, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void log_write_v(struct log *log, const char *fmt, va_list args) G_GNUC_PRINTF(2, 0);
/** log_text() - text of any length, every line with the prefix: dumps. */
void log_text(struct log *log, const char *text);
void log_rel(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void log_rel_text(const char *text);
void log_group_write(enum log_group group, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#define LOG(group, level, ...)                                                                                         \
    do {                                                                                                               \
        if (__builtin_expect(log_masks[LOG_##group] & (1u << ((level) + 1)), 0))                                       \
            log_group_write(LOG_##group, __VA_ARGS__);                                                                 \
    } while (0)

/**
 * log_groups_set() - applies "+pgm.e.l2 -all +dev.e.f": + or - (none is +), a group or "all", then flags e (enabled,
 * level 1), f (flow), l or l1-l12, ~ or - before the whole clears. Unknown names refuse all.
 */
bool log_groups_set(const char *settings, GError **error);

/** log_groups_text() - the masks in that language, g_free; "" = all off. */
char *log_groups_text(void);
/**
 * log_flags_set(), log_destinations_set() - words of VBOX_RELEASE_LOG_FLAGS (enabled, disabled) and _DEST (file,
 * nofile, stderr, nostderr) for the default log; a word that is not known refuses all.
 */
bool log_flags_set(const char *settings, GError **error);
bool log_destinations_set(const char *settings, GError **error);
/** The same words as they are now; static. */
const char *log_flags_text(void);
const char *log_destinations_text(void);

/* ---- rate limit: a token bucket per place ---- */
struct log_rate {
    uint32_t burst;       /* lines at once; 0 = 10 */
    uint64_t interval_ns; /* one more line every; 0 = 1 s */
    uint64_t last_ns;
    uint32_t used;
    uint64_t suppressed; /* since the last line let through */
};
/**
 * log_rate_ok() - may a line go out at @now_ns? Not thread-safe: the owner's lock covers it.
 * @ret_suppressed: lines swallowed before this one (may be NULL).
 */
bool log_rate_ok(struct log_rate *rate, uint64_t now_ns, uint64_t *ret_suppressed);

#endif

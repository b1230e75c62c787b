/*
 * log.c - log files: prefix, rotation, the default log.
 *
 * Threads: any; a line is formatted on the caller's stack and written under the log's lock with one write(2), so lines
 * never mix and what was logged before a crash is in the file.
 * Invariant 1: a full disk or a vanished file never fails or stops the caller; the line is lost.
 * Invariant 2: the files together stay below (history + 1) * (max_bytes + one line).
 */
#include "rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rt/status.h"

#define NS_SEC            UINT64_C(1000000000)
#define LINE_BYTES        2048
#define PREFIX_BYTES      32
#define HISTORY_MAX       9u
#define DEFAULT_MAX_BYTES (UINT64_C(100) << 20)

struct log {
    GMutex lock;
    char *path;
    unsigned history;
    uint64_t max_bytes, written_bytes;
    uint64_t start_ns; /* CLOCK_MONOTONIC */
    int fd;            /* -1 = none */
    _Atomic bool quiet, to_file, to_stderr;
};

uint32_t log_masks[LOG_GROUP_COUNT];
static struct log *_Atomic default_log;

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_SEC + (uint64_t)ts.tv_nsec;
}

/* path.2 -> path.3, path.1 -> path.2, path -> path.1; missing ones do not matter. */
static void rotate(const struct log *log)
{
    for (unsigned i = log->history; i >= 1; i--) {
        g_autofree char *from = i > 1 ? g_strdup_printf("%s.%u", log->path, i - 1) : g_strdup(log->path);
        g_autofree char *to = g_strdup_printf("%s.%u", log->path, i);
        rename(from, to);
    }
}

static int open_file(const struct log *log)
{
    return open(log->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

struct log *log_new(const struct log_config *config, GError **error)
{
    struct log *log = g_new0(struct log, 1);

    g_mutex_init(&log->lock);
    log->path = g_strdup(config->path);
    log->history = MIN(config->history, HISTORY_MAX);
    log->max_bytes = config->max_bytes ? config->max_bytes : DEFAULT_MAX_BYTES;
    log->to_file = true;
    log->to_stderr = config->to_stderr;
    log->start_ns = now_ns();
    log->fd = -1;
    if (log->path != NULL) {
        rotate(log);
        log->fd = open_file(log);
        if (log->fd < 0) {
            int err = errno;
            g_set_error(error, STATUS_ERROR, status_from_errno(err),
                        "cannot create the log file '%s': %s; make its folder writable for this user", log->path,
                        g_strerror(err));
            log_free(log);
            return NULL;
        }
    }
    return log;
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    if (log->fd >= 0)
        close(log->fd);
    g_mutex_clear(&log->lock);
    g_free(log->path);
    g_free(log);
}

struct log *log_set_default(struct log *log)
{
    return atomic_exchange(&default_log, log);
}

/* Caller holds the lock. */
static void rotate_if_full(struct log *log, size_t more_bytes)
{
    int fd;

    if (log->written_bytes + more_bytes <= log->max_bytes || log->written_bytes == 0)
        return;
    rotate(log);
    fd = open_file(log);
    if (fd < 0) /* inv 1: the old file, under whatever name, goes on */
        return;
    close(log->fd);
    log->fd = fd;
    log->written_bytes = 0;
}

static void put(struct log *log, const char *line, size_t bytes)
{
    ssize_t n = 0;

    if (log->quiet)
        return;
    g_mutex_lock(&log->lock);
    if (log->fd >= 0 && log->to_file) {
        rotate_if_full(log, bytes);
        n = write(log->fd, line, bytes);
        log->written_bytes += n > 0 ? (uint64_t)n : 0;
    }
    if (log->to_stderr)
        n = write(STDERR_FILENO, line, bytes);
    g_mutex_unlock(&log->lock);
    (void)n; /* inv 1 */
}

static size_t prefix(const struct log *log, char *buf)
{
    uint64_t us = (now_ns() - log->start_ns) / 1000, s = us / 1000000;

    return (size_t)snprintf(buf, PREFIX_BYTES, "%02u:%02u:%02u.%06u ", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
                            (unsigned)(s % 60), (unsigned)(us % 1000000));
}

/* One line without its newline. Control characters could come from a guest and would reach a terminal. */
static void put_line(struct log *log, const char *text, size_t bytes)
{
    char buf[PREFIX_BYTES + LINE_BYTES + 1];
    size_t at = prefix(log, buf);

    bytes = MIN(bytes, LINE_BYTES);
    for (size_t i = 0; i < bytes; i++)
        buf[at + i] = ((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f ? '?' : text[i];
    at += bytes;
    buf[at++] = '\n';
    put(log, buf, at);
}

void log_text(struct log *log, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        put_line(log, text, len);
        text += len + (text[len] == '\n');
    }
}

void log_write_v(struct log *log, const char *fmt, va_list args)
{
    char buf[LINE_BYTES];

    if (log == NULL)
        return;
    vsnprintf(buf, sizeof(buf), fmt, args);
    if (buf[0] == '\0')
        put_line(log, "", 0);
    log_text(log, buf);
}

void log_write(struct log *log, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_write_v(log, fmt, args);
    va_end(args);
}

void log_rel(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_write_v(atomic_load(&default_log), fmt, args);
    va_end(args);
}

void log_rel_text(const char *text)
{
    struct log *log = atomic_load(&default_log);

    if (log)
        log_text(log, text);
}

/* ---- settings ---- */

struct setting_word {
    const char *word;
    size_t flag; /* offset */
    bool on;
};

static const struct setting_word flag_words[] = {{"enabled", offsetof(struct log, quiet), false},
                                                 {"disabled", offsetof(struct log, quiet), true}};
static const struct setting_word destination_words[] = {{"file", offsetof(struct log, to_file), true},
                                                        {"nofile", offsetof(struct log, to_file), false},
                                                        {"stderr", offsetof(struct log, to_stderr), true},
                                                        {"nostderr", offsetof(struct log, to_stderr), false}};

static const struct setting_word *find_word(const char *word, const struct setting_word *rows, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (g_ascii_strcasecmp(rows[k].word, word) == 0)
            return &rows[k];
    return NULL;
}

static bool set_words(const char *settings, const struct setting_word *rows, size_t count, const char *what,
                      GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(settings, " ,;\t", -1);
    struct log *log = atomic_load(&default_log);

    for (unsigned k = 0; words[k] != NULL; k++)
        if (*words[k] != '\0' && find_word(words[k], rows, count) == NULL) {
            g_set_error(error, STATUS_ERROR, VERR_INVALID_PARAMETER, "'%s' is no log %s here", words[k], what);
            return false;
        }
    for (unsigned k = 0; log != NULL && words[k] != NULL; k++) {
        const struct setting_word *row = find_word(words[k], rows, count);
        if (row != NULL)
            *(_Atomic bool *)(void *)((char *)log + row->flag) = row->on;
    }
    return true;
}

bool log_flags_set(const char *settings, GError **error)
{
    return set_words(settings, flag_words, G_N_ELEMENTS(flag_words), "flag; \"enabled\" and \"disabled\" are", error);
}

bool log_destinations_set(const char *settings, GError **error)
{
    return set_words(settings, destination_words, G_N_ELEMENTS(destination_words),
                     "destination; \"file\", \"nofile\", \"stderr\" and \"nostderr\" are", error);
}

const char *log_flags_text(void)
{
    const struct log *log = atomic_load(&default_log);

    return log == NULL || log->quiet ? "disabled" : "enabled";
}

const char *log_destinations_text(void)
{
    const struct log *log = atomic_load(&default_log);

    return log == NULL                      ? ""
           : log->to_file && log->to_stderr ? "file stderr"
           : log->to_file                   ? "file"
           : log->to_stderr                 ? "stderr"
                                            : "";
}

bool log_rate_ok(struct log_rate *rate, uint64_t now, uint64_t *ret_suppressed)
{
    uint64_t interval = rate->interval_ns ? rate->interval_ns : NS_SEC;
    uint64_t earned = now > rate->last_ns ? (now - rate->last_ns) / interval : 0;

    if (earned != 0) {
        rate->used = earned >= rate->used ? 0 : rate->used - (uint32_t)earned;
        rate->last_ns += earned * interval;
    }
    if (rate->used >= (rate->burst ? rate->burst : 10)) {
        rate->suppressed++;
        return false;
    }
    rate->used++;
    if (ret_suppressed)
        *ret_suppressed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}

/*
 * stam.c - the statistics registry and its two shapes of output.
 *
 * Resetting keeps what was there as a base to subtract: owners' memory is never written.
 */
#include "vmm/stam/stam.h"

#include <string.h>

struct sample {
    char *path, *unit, *desc;
    enum stam_kind kind;
    const void *value;
    uint64_t base_count, base_total;
};

struct stam {
    GMutex lock;
    GTree *samples; /* path -> struct sample */
};

typedef void (*sample_fn)(struct sample *sample, void *user);

static void sample_free(gpointer data)
{
    struct sample *v = data;

    g_free(v->path);
    g_free(v->unit);
    g_free(v->desc);
    g_free(v);
}

static gint compare(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    return strcmp(a, b);
}

struct stam *stam_new(void)
{
    struct stam *s = g_new0(struct stam, 1);

    g_mutex_init(&s->lock);
    s->samples = g_tree_new_full(compare, NULL, NULL, sample_free);
    return s;
}

void stam_free(struct stam *s)
{
    if (s == NULL)
        return;
    g_tree_destroy(s->samples);
    g_mutex_clear(&s->lock);
    g_free(s);
}

bool stam_add(struct stam *s, const char *path, enum stam_kind kind, const void *value, const char *unit,
              const char *desc)
{
    bool fresh;

    g_mutex_lock(&s->lock);
    fresh = g_tree_lookup(s->samples, path) == NULL;
    if (fresh) {
        struct sample *v = g_new0(struct sample, 1);
        *v = (struct sample){
            .path = g_strdup(path), .unit = g_strdup(unit), .desc = g_strdup(desc), .kind = kind, .value = value};
        g_tree_insert(s->samples, v->path, v);
    }
    g_mutex_unlock(&s->lock);
    return fresh;
}

bool stam_addf(struct stam *s, enum stam_kind kind, const void *value, const char *unit, const char *desc,
               const char *fmt, ...)
{
    char path[128];
    va_list args;

    va_start(args, fmt);
    g_vsnprintf(path, sizeof path, fmt, args);
    va_end(args);
    return stam_add(s, path, kind, value, unit, desc);
}

/* ---- queries ---- */

/* One alternative [p, end) against @s; the last star is the only one worth going back to. */
static bool match_one(const char *p, const char *end, const char *s)
{
    const char *star = NULL, *from = NULL;

    while (*s) {
        if (p < end && *p == '*') {
            star = p++;
            from = s;
        } else if (p < end && (*p == '?' || *p == *s)) {
            p++;
            s++;
        } else if (star) {
            p = star + 1;
            s = ++from;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

bool stam_match(const char *pattern, const char *path)
{
    if (pattern == NULL || *pattern == '\0')
        return true;
    for (;;) {
        size_t len = strcspn(pattern, "|");
        if (match_one(pattern, pattern + len, path))
            return true;
        if (pattern[len] == '\0')
            return false;
        pattern += len + 1;
    }
}

struct query {
    const char *pattern;
    sample_fn fn;
    void *user;
};

static gboolean visit(gpointer key, gpointer value, gpointer user)
{
    const struct query *q = user;

    if (stam_match(q->pattern, key))
        q->fn(value, q->user);
    return FALSE;
}

static void each(struct stam *s, const char *pattern, sample_fn fn, void *user)
{
    struct query q = {pattern, fn, user};

    g_mutex_lock(&s->lock);
    g_tree_foreach(s->samples, visit, &q);
    g_mutex_unlock(&s->lock);
}

static uint64_t load(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void collect(struct sample *v, void *user)
{
    g_ptr_array_add(user, v->path);
}

void stam_remove(struct stam *s, const char *pattern)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    struct query q = {pattern, collect, paths};

    g_mutex_lock(&s->lock);
    g_tree_foreach(s->samples, visit, &q);
    for (guint i = 0; i < paths->len; i++)
        g_tree_remove(s->samples, g_ptr_array_index(paths, i));
    g_mutex_unlock(&s->lock);
}

static void reset_one(struct sample *v, void *user)
{
    const struct stam_profile *p = v->value;

    (void)user;
    if (v->kind == STAM_COUNTER)
        v->base_count = load(v->value);
    if (v->kind == STAM_PROFILE) {
        v->base_count = load(&p->count);
        v->base_total = load(&p->total);
    }
}

void stam_reset(struct stam *s, const char *pattern)
{
    each(s, pattern, reset_one, NULL);
}

/* ---- output ---- */

struct profile_now {
    uint64_t count, total, max, mean;
    int64_t min; /* -1 = none yet */
};

static struct profile_now profile_read(const struct sample *v)
{
    const struct stam_profile *p = v->value;
    struct profile_now n = {
        .count = load(&p->count) - v->base_count, .total = load(&p->total) - v->base_total, .max = load(&p->max)};

    n.mean = n.count ? n.total / n.count : 0;
    n.min = load(&p->count) ? (int64_t)load(&p->min) : -1;
    return n;
}

static uint64_t plain_read(const struct sample *v)
{
    if (v->kind == STAM_BOOL)
        return *(const volatile bool *)v->value;
    return load(v->value) - v->base_count;
}

static void dump_one(struct sample *v, void *user)
{
    struct profile_now n;

    if (v->kind == STAM_BOOL) {
        g_string_append_printf(user, "%-32s %s\n", v->path, plain_read(v) ? "true" : "false");
        return;
    }
    if (v->kind != STAM_PROFILE) {
        g_string_append_printf(user, "%-32s %8" G_GUINT64_FORMAT " %s\n", v->path, plain_read(v), v->unit);
        return;
    }
    n = profile_read(v);
    g_string_append_printf(user,
                           "%-32s %8" G_GUINT64_FORMAT " %s/call (%12" G_GUINT64_FORMAT " %s, %7" G_GUINT64_FORMAT
                           " times, max %9" G_GUINT64_FORMAT ", min %7" G_GINT64_FORMAT ")\n",
                           v->path, n.mean, v->unit, n.total, v->unit, n.count, n.max, n.min);
}

void stam_dump(struct stam *s, const char *pattern, GString *out)
{
    each(s, pattern, dump_one, out);
}

struct xml {
    GString *out;
    bool with_desc;
};

static void xml_values(const struct sample *v, GString *out)
{
    static const char *const elements[] = {"Counter", "U64", "Profile", "Bool"};
    struct profile_now n;

    g_string_append_printf(out, "<%s ", elements[v->kind]);
    if (v->kind == STAM_COUNTER)
        g_string_append_printf(out, "c=\"%" G_GUINT64_FORMAT "\"", plain_read(v));
    else if (v->kind != STAM_PROFILE)
        g_string_append_printf(out, "val=\"%" G_GUINT64_FORMAT "\"", plain_read(v));
    if (v->kind != STAM_PROFILE)
        return;
    n = profile_read(v);
    g_string_append_printf(out,
                           "cPeriods=\"%" G_GUINT64_FORMAT "\" cTicks=\"%" G_GUINT64_FORMAT
                           "\" cTicksMin=\"%" G_GINT64_FORMAT "\" cTicksMax=\"%" G_GUINT64_FORMAT "\"",
                           n.count, n.total, n.min, n.max);
}

static void xml_one(struct sample *v, void *user)
{
    const struct xml *x = user;
    g_autofree char *name = g_markup_escape_text(v->path, -1), *unit = g_markup_escape_text(v->unit, -1);

    xml_values(v, x->out);
    g_string_append_printf(x->out, " unit=\"%s%s\" name=\"%s\"", unit, v->kind == STAM_PROFILE ? "/call" : "", name);
    if (x->with_desc && v->desc) {
        g_autofree char *desc = g_markup_escape_text(v->desc, -1);
        g_string_append_printf(x->out, " desc=\"%s\"", desc);
    }
    g_string_append(x->out, "/>\n");
}

void stam_xml(struct stam *s, const char *pattern, bool with_desc, GString *out)
{
    struct xml x = {out, with_desc};

    g_string_append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<Statistics>\n");
    each(s, pattern, xml_one, &x);
    g_string_append(out, "</Statistics>\n");
}

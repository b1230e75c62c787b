/*
 * metrics.c - IPerformanceCollector: what the host and the machines' processes use, by name.
 *
 * Source: proc(5): /proc/stat, /proc/meminfo, /proc/PID/stat and status; statvfs(3); /proc/net/dev. A metric is set up
 * with a period and a number of samples; samples are taken by a timer of the service, for every metric that is on.
 * Load is per thousand of a percent, as VirtualBox has it; the client divides.
 * Left out: metrics of the guest itself (they need its additions).
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "main/server/objects.h"

#define SAMPLES_MAX 1000u
#define PERIOD_MAX  3600u

enum base {
    HOST_USER,
    HOST_KERNEL,
    HOST_IDLE,
    HOST_MHZ,
    RAM_TOTAL,
    RAM_USED,
    RAM_FREE,
    FS_TOTAL,
    FS_USED,
    FS_FREE,
    VM_USER,
    VM_KERNEL,
    VM_RAM,
    VM_DISK
};
static const struct metric_row {
    const char *name, *unit, *description;
    bool host;
    gint64 max;
} rows[] = {
    [HOST_USER] = {"CPU/Load/User", "%", "Percentage of processor time spent in user mode.", true, 100000},
    [HOST_KERNEL] = {"CPU/Load/Kernel", "%", "Percentage of processor time spent in kernel mode.", true, 100000},
    [HOST_IDLE] = {"CPU/Load/Idle", "%", "Percentage of processor time spent idling.", true, 100000},
    [HOST_MHZ] = {"CPU/MHz", "MHz", "Average of current frequency of all processors.", true, G_MAXINT32},
    [RAM_TOTAL] = {"RAM/Usage/Total", "kB", "Total physical memory installed.", true, G_MAXINT32},
    [RAM_USED] = {"RAM/Usage/Used", "kB", "Physical memory currently occupied.", true, G_MAXINT32},
    [RAM_FREE] = {"RAM/Usage/Free", "kB", "Physical memory currently available to applications.", true, G_MAXINT32},
    [FS_TOTAL] = {"FS/{/}/Usage/Total", "MB", "Total space of the file system.", true, G_MAXINT32},
    [FS_USED] = {"FS/{/}/Usage/Used", "MB", "Space of the file system currently occupied.", true, G_MAXINT32},
    [FS_FREE] = {"FS/{/}/Usage/Free", "MB", "Space of the file system currently available to applications.", true,
                 G_MAXINT32},
    [VM_USER] = {"CPU/Load/User", "%", "Percentage of processor time spent in user mode by the VM process.", false,
                 100000},
    [VM_KERNEL] = {"CPU/Load/Kernel", "%", "Percentage of processor time spent in kernel mode by the VM process.",
                   false, 100000},
    [VM_RAM] = {"RAM/Usage/Used", "kB", "Size of resident portion of VM process in memory.", false, G_MAXINT32},
    [VM_DISK] = {"Disk/Usage/Used", "MB", "Actual size of all VM disks combined.", false, G_MAXINT32},
};

/* One metric of one object. */
struct metric {
    enum base base;
    char machine[API_UUID_SIZE]; /* "": the host */
    bool on;
    guint32 period_s, count;
    gint64 next_us;
    GArray *samples;               /* gint64, the oldest first */
    guint64 last_busy, last_total; /* of loads: ticks before */
};

struct metrics {
    struct service *service;
    GPtrArray *all; /* struct metric */
    guint timer;
};

static void metric_free(void *p)
{
    struct metric *m = p;

    g_array_unref(m->samples);
    g_free(m);
}

/* ---- readings ---- */

struct host_ticks {
    guint64 user, kernel, idle;
};

static bool host_ticks(struct host_ticks *ret)
{
    g_autofree char *text = NULL;
    unsigned long long user, nice, system, idle, wait, irq, softirq;

    if (!g_file_get_contents("/proc/stat", &text, NULL, NULL) ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &softirq) !=
            7)
        return false;
    *ret = (struct host_ticks){user + nice, system + irq + softirq, idle + wait};
    return true;
}

/* Ticks of a process in user and kernel mode, and its resident pages. */
static bool process_stat(int pid, guint64 *ret_user, guint64 *ret_kernel, guint64 *ret_pages)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
    unsigned long long user, kernel;
    long pages;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    const char *rest = strrchr(text, ')');
    if (rest == NULL || sscanf(rest,
                               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d "
                               "%*u %*u %ld",
                               &user, &kernel, &pages) != 3)
        return false;
    *ret_user = user;
    *ret_kernel = kernel;
    *ret_pages = (guint64)MAX(pages, 0);
    return true;
}

static gint64 meminfo_kb(const char *key)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
        return 0;
    const char *at = strstr(text, key);
    return at != NULL ? (gint64)g_ascii_strtoull(at + strlen(key), NULL, 10) : 0;
}

static gint64 mhz(void)
{
    g_autofree char *text = NULL;
    double sum = 0;
    unsigned n = 0;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return 0;
    for (const char *at = strstr(text, "cpu MHz"); at != NULL; at = strstr(at + 1, "cpu MHz")) {
        const char *colon = strchr(at, ':');
        sum += colon != NULL ? g_ascii_strtod(colon + 1, NULL) : 0;
        n++;
    }
    return n > 0 ? (gint64)(sum / n) : 0;
}

static gint64 disk_mb(const struct service *s, const char *id)
{
    guint64 bytes = 0;

    for (unsigned k = 0; k < s->media->len; k++) {
        struct medium *m = s->media->pdata[k];
        g_autoptr(GPtrArray) users = medium_users(m);
        for (unsigned n = 0; n < users->len; n++)
            if (strcmp(((const struct machine *)users->pdata[n])->id, id) == 0) {
                medium_refresh(m);
                bytes += m->size_bytes;
            }
    }
    return (gint64)(bytes >> 20);
}

/* The share of @busy in the time since the last reading, in thousandths of a percent. */
static gint64 share(struct metric *m, guint64 busy, guint64 total)
{
    guint64 busy_now = busy - MIN(m->last_busy, busy), total_now = total - MIN(m->last_total, total);
    bool first = m->last_total == 0;

    m->last_busy = busy;
    m->last_total = total;
    return first || total_now == 0 ? 0 : (gint64)(MIN(busy_now, total_now) * 100000 / total_now);
}

static gint64 read_host(struct metric *m)
{
    struct host_ticks t = {0};
    struct statvfs fs = {0};

    if (m->base <= HOST_IDLE) {
        host_ticks(&t);
        guint64 busy = m->base == HOST_USER ? t.user : m->base == HOST_KERNEL ? t.kernel : t.idle;
        return share(m, busy, t.user + t.kernel + t.idle);
    }
    if (m->base >= FS_TOTAL)
        statvfs("/", &fs);
    guint64 unit = fs.f_frsize;
    switch (m->base) {
    case HOST_MHZ: return mhz();
    case RAM_TOTAL: return meminfo_kb("MemTotal:");
    case RAM_USED: return meminfo_kb("MemTotal:") - meminfo_kb("MemAvailable:");
    case RAM_FREE: return meminfo_kb("MemAvailable:");
    case FS_TOTAL: return (gint64)(fs.f_blocks * unit >> 20);
    case FS_USED: return (gint64)((fs.f_blocks - fs.f_bfree) * unit >> 20);
    default: return (gint64)(fs.f_bavail * unit >> 20);
    }
}

static bool read_machine(const struct service *s, struct metric *m, gint64 *ret)
{
    const struct machine *machine = machine_find((struct service *)s, m->machine);
    guint64 user = 0, kernel = 0, pages = 0;

    if (machine == NULL)
        return false;
    if (m->base == VM_DISK) {
        *ret = disk_mb(s, m->machine);
        return true;
    }
    if (machine->vm == NULL || !process_stat(vmproc_pid(machine->vm), &user, &kernel, &pages))
        return false; /* nothing to measure */
    struct host_ticks t = {0};
    host_ticks(&t);
    if (m->base == VM_RAM)
        *ret = (gint64)(pages * (guint64)sysconf(_SC_PAGESIZE) / 1024);
    else
        *ret = share(m, m->base == VM_USER ? user : kernel, t.user + t.kernel + t.idle);
    return true;
}

static void sample(struct metrics *all, struct metric *m)
{
    gint64 val = 0;

    if (m->machine[0] == '\0')
        val = read_host(m);
    else if (!read_machine(all->service, m, &val))
        return;
    g_array_append_val(m->samples, val);
    if (m->samples->len > m->count)
        g_array_remove_range(m->samples, 0, m->samples->len - m->count);
}

static gboolean tick(void *user)
{
    struct metrics *all = user;
    gint64 now = g_get_monotonic_time();

    for (unsigned k = 0; k < all->all->len; k++) {
        struct metric *m = all->all->pdata[k];
        if (!m->on || now < m->next_us)
            continue;
        m->next_us = now + (gint64)m->period_s * G_USEC_PER_SEC;
        sample(all, m);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- which metrics ---- */

/* "RAM/Usage/Total", with wildcards, "CPU/Load/User:avg" (the aggregate is the reader's business), separated by commas.
 */
static bool name_matches(const char *name, const char *list)
{
    g_auto(GStrv) words = g_strsplit(list, ",", 64);

    for (unsigned k = 0; words[k] != NULL; k++) {
        words[k][strcspn(words[k], ":")] = '\0';
        if (*words[k] == '\0' || g_pattern_match_simple(words[k], name))
            return true;
    }
    return words[0] == NULL;
}

static struct metric *metric_of(struct metrics *all, enum base base, const char *machine, bool make)
{
    for (unsigned k = 0; k < all->all->len; k++) {
        struct metric *m = all->all->pdata[k];
        if (m->base == base && strcmp(m->machine, machine) == 0)
            return m;
    }
    if (!make)
        return NULL;
    struct metric *m = g_new0(struct metric, 1);
    m->base = base;
    g_strlcpy(m->machine, machine, sizeof m->machine);
    m->samples = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_ptr_array_add(all->all, m);
    return m;
}

typedef void (*metric_fn)(struct metrics *all, enum base base, const char *machine, void *user);

/* The objects' metrics with these names: "" is the host, no object at all means every one. */
static bool for_each(struct metrics *all, const char *const *objects, const char *names, metric_fn fn, void *user,
                     GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();

    for (unsigned k = 0; objects[k] != NULL; k++) {
        const struct machine *m = *objects[k] != '\0' ? machine_find_name(all->service, objects[k]) : NULL;
        if (*objects[k] != '\0' && m == NULL)
            return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a registered machine named '%s'",
                            objects[k]);
        g_ptr_array_add(ids, m != NULL ? (void *)m->id : (void *)"");
    }
    if (objects[0] == NULL) {
        g_ptr_array_add(ids, (void *)"");
        for (unsigned k = 0; k < all->service->machines->len; k++) {
            const struct machine *m = all->service->machines->pdata[k];
            if (m->registered)
                g_ptr_array_add(ids, (void *)m->id);
        }
    }
    for (unsigned k = 0; k < ids->len; k++)
        for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++)
            if (rows[n].host == (*(const char *)ids->pdata[k] == '\0') && name_matches(rows[n].name, names))
                fn(all, (enum base)n, ids->pdata[k], user);
    return true;
}

/* ---- methods ---- */

struct setup {
    guint32 period_s, count;
    bool on, keep; /* keep: period and count stay */
};

static void do_setup(struct metrics *all, enum base base, const char *machine, void *user)
{
    const struct setup *s = user;
    struct metric *m = metric_of(all, base, machine, !s->keep);

    if (m == NULL)
        return;
    m->on = s->on && (s->keep ? m->period_s > 0 : s->period_s > 0);
    if (s->keep)
        return;
    m->period_s = s->period_s;
    m->count = s->count;
    g_array_set_size(m->samples, 0);
    m->next_us = 0;
}

static void restart(struct metrics *all)
{
    bool any = false;

    for (unsigned k = 0; k < all->all->len; k++)
        any |= ((const struct metric *)all->all->pdata[k])->on;
    if (any && all->timer == 0)
        all->timer = g_timeout_add(500, tick, all);
    if (!any && all->timer != 0) {
        g_source_remove(all->timer);
        all->timer = 0;
    }
    if (any)
        tick(all);
}

static bool setup_metrics(struct bus_call *call, GVariant **ret, GError **error)
{
    struct metrics *all = ((struct service *)call->object)->metrics;
    g_autofree const char **objects = NULL;
    struct setup s = {.on = true};
    const char *names;

    (void)ret;
    g_variant_get(call->args, "(&s^a&suu)", &names, &objects, &s.period_s, &s.count);
    if (s.period_s > PERIOD_MAX || s.count == 0 || s.count > SAMPLES_MAX)
        return api_fail(error, E_INVALIDARG, "Invalid period of %u seconds or number of samples %u (at most %u and %u)",
                        s.period_s, s.count, PERIOD_MAX, SAMPLES_MAX);
    if (!for_each(all, objects, names, do_setup, &s, error))
        return false;
    restart(all);
    return true;
}

static bool switch_metrics(struct bus_call *call, bool on, GError **error)
{
    struct metrics *all = ((struct service *)call->object)->metrics;
    g_autofree const char **objects = NULL;
    struct setup s = {.on = on, .keep = true};
    const char *names;

    g_variant_get(call->args, "(&s^a&s)", &names, &objects);
    if (!for_each(all, objects, names, do_setup, &s, error))
        return false;
    restart(all);
    return true;
}

static bool enable(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return switch_metrics(call, true, error);
}

static bool disable(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return switch_metrics(call, false, error);
}

static void do_describe(struct metrics *all, enum base base, const char *machine, void *user)
{
    const struct metric *m = metric_of(all, base, machine, false);
    const struct metric_row *r = &rows[base];
    GVariantBuilder samples;
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Object", "s", machine);
    g_variant_dict_insert(&d, "Name", "s", r->name);
    g_variant_dict_insert(&d, "Unit", "s", r->unit);
    g_variant_dict_insert(&d, "Description", "s", r->description);
    g_variant_dict_insert(&d, "Scale", "u", strcmp(r->unit, "%") == 0 ? 1000u : 1u);
    g_variant_dict_insert(&d, "Minimum", "x", (gint64)0);
    g_variant_dict_insert(&d, "Maximum", "x", r->max);
    g_variant_dict_insert(&d, "Period", "u", m != NULL ? m->period_s : 0);
    g_variant_dict_insert(&d, "Count", "u", m != NULL ? m->count : 0);
    g_variant_dict_insert(&d, "Enabled", "b", (gboolean)(m != NULL && m->on));
    g_variant_builder_init(&samples, G_VARIANT_TYPE("ax"));
    for (unsigned k = 0; m != NULL && k < m->samples->len; k++)
        g_variant_builder_add(&samples, "x", g_array_index(m->samples, gint64, k));
    g_variant_dict_insert_value(&d, "Samples", g_variant_builder_end(&samples));
    g_variant_builder_add_value(user, g_variant_dict_end(&d));
}

static bool get_metrics(struct bus_call *call, GVariant **ret, GError **error)
{
    struct metrics *all = ((struct service *)call->object)->metrics;
    g_autofree const char **objects = NULL;
    const char *names;
    GVariantBuilder b;

    g_variant_get(call->args, "(&s^a&s)", &names, &objects);
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    if (!for_each(all, objects, names, do_describe, &b, error)) {
        g_variant_builder_clear(&b);
        return false;
    }
    *ret = g_variant_new("(aa{sv})", &b);
    return true;
}

/* ---- the object ---- */

struct metrics *metrics_new(struct service *s)
{
    struct metrics *all = g_new0(struct metrics, 1);

    all->service = s;
    all->all = g_ptr_array_new_with_free_func(metric_free);
    return all;
}

void metrics_free(struct metrics *all)
{
    if (all == NULL)
        return;
    if (all->timer != 0)
        g_source_remove(all->timer);
    g_ptr_array_unref(all->all);
    g_free(all);
}

bool metrics_active(const struct metrics *all)
{
    return all->timer != 0;
}

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    (void)peer;
    return root_find(user, node, "PerformanceCollector");
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    g_ptr_array_add(nodes, g_strdup("PerformanceCollector"));
}

static const struct bus_method methods[] = {{"SetupMetrics", setup_metrics},
                                            {"EnableMetrics", enable},
                                            {"DisableMetrics", disable},
                                            {"GetMetrics", get_metrics},
                                            {NULL, NULL}};
static const struct bus_interface interface = {.info = (GDBusInterfaceInfo *)&api_iperformance_collector_interface,
                                               .methods = methods};
const struct bus_class metrics_class = {
    .folder = API_ROOT, .interfaces = BUS_INTERFACES(&interface), .find = find, .list = list};

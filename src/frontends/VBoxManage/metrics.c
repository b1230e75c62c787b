/*
 * metrics.c - metrics: what the host and the machines' processes use.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/commands.h"

#define COLLECTOR API_ROOT "/PerformanceCollector"

enum { PERIOD = 1, SAMPLES, DETACH, LIST };
static const struct option options[] = {
    {PERIOD, "--period|-p|-period", OPTION_U32, false, "seconds", "Time between samples; default 1"},
    {SAMPLES, "--samples|-s|-samples", OPTION_U32, false, "count", "How many are kept; default 1"},
    {DETACH, "--detach|-d", OPTION_NONE, false, NULL, "Does not wait for the samples"},
    {LIST, "--list|-l|-list", OPTION_NONE, false, NULL, "Says which metrics were changed"},
    {0},
};

struct request {
    const char *object, *names; /* NULL: all */
    guint32 period_s, count;
    bool detach, list;
};

static int parse(struct cmd *c, struct request *r)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case CMD_ERROR: return RC_SYNTAX;
        case PERIOD: r->period_s = (guint32)v.number; break;
        case SAMPLES: r->count = (guint32)v.number; break;
        case DETACH: r->detach = true; break;
        case LIST: r->list = true; break;
        default:
            if (r->object != NULL && r->names != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            if (r->object == NULL)
                r->object = v.text;
            else
                r->names = v.text;
            break;
        }
    }
    if (r->period_s == 0 || r->count == 0)
        return cmd_syntax(c, "Invalid value '0' of --%s", r->period_s == 0 ? "period" : "samples");
    return RC_OK;
}

/* The API's objects: "" the host, none: all. */
static void objects_of(const struct request *r, const char *ret[2])
{
    bool all = r->object == NULL || strcmp(r->object, "*") == 0;

    ret[0] = all ? NULL : strcmp(r->object, "host") == 0 ? "" : r->object;
    ret[1] = NULL;
}

static bool object_known(struct cmd *c, const struct request *r)
{
    const char *objects[2];
    GError *error = NULL;
    char *machine = NULL;

    objects_of(r, objects);
    if (objects[0] == NULL || *objects[0] == '\0')
        return true;
    const bool known = ivirtual_box_find_machine(c->client, API_PATH, objects[0], &machine, &error);
    if (!known)
        cmd_error("Invalid machine name: '%s'", objects[0]);
    g_clear_error(&error);
    g_free(machine);
    return known;
}

static const char *names_of(const struct request *r)
{
    return r->names != NULL && strcmp(r->names, "*") != 0 ? r->names : "";
}

static GVariant *get(struct cmd *c, const struct request *r)
{
    const char *objects[2];
    GVariant *reply = NULL;

    objects_of(r, objects);
    return TRY(c, iperformance_collector_get_metrics(c->client, COLLECTOR, names_of(r), objects, &reply, &error))
               ? reply
               : NULL;
}

/* "host", or the machine's name; g_free */
static char *object_name(struct cmd *c, GVariant *metric)
{
    const char *id = dict_str(metric, "Object");
    GError *error = NULL;
    char *machine = NULL;

    if (*id == '\0')
        return g_strdup("host");
    if (ivirtual_box_find_machine(c->client, API_PATH, id, &machine, &error)) {
        g_autoptr(GVariant) name = client_get(c->client, machine, "IMachine", "Name", &error);
        g_free(machine);
        if (name != NULL)
            return g_variant_dup_string(name, NULL);
    }
    g_clear_error(&error);
    return g_strdup(id);
}

static char *with_unit(GVariant *metric, gint64 val)
{
    const gint64 scale = MAX(1, dict_int(metric, "Scale"));
    const char *unit = dict_str(metric, "Unit");

    return scale == 1
               ? g_strdup_printf("%" G_GINT64_FORMAT " %s", val, unit)
               : g_strdup_printf("%" G_GINT64_FORMAT ".%02d%s", val / scale, (int)(val * 100 / scale % 100), unit);
}

/* ---- values ---- */

struct aggregate {
    const char *suffix;
    double (*of)(GVariant *samples);
};

static double average(GVariant *samples)
{
    gsize n = g_variant_n_children(samples);
    double sum = 0;

    for (gsize k = 0; k < n; k++) {
        gint64 val;
        g_variant_get_child(samples, k, "x", &val);
        sum += (double)val;
    }
    return n > 0 ? sum / (double)n : 0;
}

static double extreme(GVariant *samples, bool greatest)
{
    double found = 0;

    for (gsize k = 0; k < g_variant_n_children(samples); k++) {
        gint64 val;
        g_variant_get_child(samples, k, "x", &val);
        if (k == 0 || ((double)val > found) == greatest)
            found = (double)val;
    }
    return found;
}

static double least(GVariant *samples)
{
    return extreme(samples, false);
}

static double greatest(GVariant *samples)
{
    return extreme(samples, true);
}

static const struct aggregate aggregates[] = {{":avg", average}, {":min", least}, {":max", greatest}};

static char *values(GVariant *metric, GVariant *samples)
{
    GString *text = g_string_new(NULL);

    for (gsize k = 0; k < g_variant_n_children(samples); k++) {
        gint64 val;
        g_variant_get_child(samples, k, "x", &val);
        g_autofree char *one = with_unit(metric, val);
        g_string_append_printf(text, "%s%s", k > 0 ? ", " : "", one);
    }
    return g_string_free(text, FALSE);
}

static int list_metrics(struct cmd *c, const struct request *r)
{
    g_autoptr(GVariant) list = get(c, r);

    if (list == NULL)
        return RC_FAILURE;
    if (as_json(c, list))
        return RC_OK;
    printf("Object          Metric                                   Unit    Minimum    Maximum     Period      Count "
           "Description\n"
           "--------------- ---------------------------------------- ---- ---------- ---------- ---------- ---------- "
           "-----------\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) m = g_variant_get_child_value(list, k);
        g_autofree char *object = object_name(c, m);
        for (unsigned n = 0; n <= G_N_ELEMENTS(aggregates); n++) {
            g_autofree char *name = g_strconcat(dict_str(m, "Name"), n > 0 ? aggregates[n - 1].suffix : "", NULL);
            printf("%-15s %-40s %-4s %10" G_GINT64_FORMAT " %10" G_GINT64_FORMAT " %10" G_GINT64_FORMAT
                   " %10" G_GINT64_FORMAT " %s\n",
                   object, name, dict_str(m, "Unit"), dict_int(m, "Minimum"),
                   dict_int(m, "Maximum") / MAX(1, dict_int(m, "Scale")), dict_int(m, "Period"), dict_int(m, "Count"),
                   dict_str(m, "Description"));
        }
    }
    return RC_OK;
}

static int query(struct cmd *c, const struct request *r)
{
    g_autoptr(GVariant) list = get(c, r);

    if (list == NULL)
        return RC_FAILURE;
    if (as_json(c, list))
        return RC_OK;
    printf("Object          Metric                                   Values\n"
           "--------------- ---------------------------------------- --------------------------------------------\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) m = g_variant_get_child_value(list, k);
        g_autoptr(GVariant) samples = g_variant_lookup_value(m, "Samples", G_VARIANT_TYPE("ax"));
        if (samples == NULL || g_variant_n_children(samples) == 0)
            continue;
        g_autofree char *object = object_name(c, m), *text = values(m, samples);
        printf("%-15s %-40s %s\n", object, dict_str(m, "Name"), text);
        for (unsigned n = 0; n < G_N_ELEMENTS(aggregates); n++) {
            g_autofree char *name = g_strconcat(dict_str(m, "Name"), aggregates[n].suffix, NULL);
            g_autofree char *one = with_unit(m, (gint64)aggregates[n].of(samples));
            printf("%-15s %-40s %s\n", object, name, one);
        }
    }
    return RC_OK;
}

/* ---- changes ---- */

/* Nothing that was meant: not done, and with --list that is said. */
static int print_affected(struct cmd *c, const struct request *r)
{
    g_autoptr(GVariant) list = get(c, r);

    if (list == NULL)
        return RC_FAILURE;
    if (g_variant_n_children(list) == 0)
        return r->list ? cmd_error("No metrics match the specified filter!") : RC_FAILURE;
    if (!r->list)
        return RC_OK;
    printf("The following metrics were modified:\n\nObject     Metric\n---------- --------------------\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) m = g_variant_get_child_value(list, k);
        g_autofree char *object = object_name(c, m);
        printf("%-10s %-20s\n", object, dict_str(m, "Name"));
    }
    printf("\n");
    return RC_OK;
}

static int setup(struct cmd *c, const struct request *r)
{
    const char *objects[2];

    objects_of(r, objects);
    return TRY(c, iperformance_collector_setup_metrics(c->client, COLLECTOR, names_of(r), objects, r->period_s,
                                                       r->count, &error))
               ? print_affected(c, r)
               : RC_FAILURE;
}

static int switch_on(struct cmd *c, const struct request *r, bool on)
{
    const char *objects[2];

    objects_of(r, objects);
    bool ok = on ? TRY(c, iperformance_collector_enable_metrics(c->client, COLLECTOR, names_of(r), objects, &error))
                 : TRY(c, iperformance_collector_disable_metrics(c->client, COLLECTOR, names_of(r), objects, &error));
    return ok ? print_affected(c, r) : RC_FAILURE;
}

/* Samples as they come, until the program is stopped; --detach: set up and gone. */
static int collect(struct cmd *c, const struct request *r)
{
    int rc = setup(c, r);

    if (rc != RC_OK || r->detach)
        return rc;
    printf("Time stamp   Object     Metric               Value\n");
    for (;;) {
        printf("------------ ---------- -------------------- --------------------\n");
        g_usleep((gulong)r->period_s * G_USEC_PER_SEC);
        g_autoptr(GVariant) list = get(c, r);
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *stamp = g_date_time_format(now, "%H:%M:%S");
        if (list == NULL)
            return RC_FAILURE;
        for (gsize k = 0; k < g_variant_n_children(list); k++) {
            g_autoptr(GVariant) m = g_variant_get_child_value(list, k);
            g_autoptr(GVariant) samples = g_variant_lookup_value(m, "Samples", G_VARIANT_TYPE("ax"));
            if (samples == NULL || g_variant_n_children(samples) == 0)
                continue;
            g_autofree char *object = object_name(c, m), *text = values(m, samples);
            printf("%s.%03d %-10s %-20s %s\n", stamp, g_date_time_get_microsecond(now) / 1000, object,
                   dict_str(m, "Name"), text);
        }
        if (fflush(stdout) != 0)
            return RC_FAILURE;
    }
}

static int metrics(struct cmd *c)
{
    struct request r = {.period_s = 1, .count = 1};
    const char *verb = cmd_word(c);
    static const char *const verbs[] = {"list", "setup", "query", "enable", "disable", "collect", NULL};

    if (verb == NULL)
        return cmd_syntax(c, "Subcommand missing");
    if (!g_strv_contains(verbs, verb))
        return cmd_syntax(c, "Invalid subcommand '%s'", verb);
    int rc = parse(c, &r);
    if (rc != RC_OK)
        return rc;
    if (cmd_client(c) == NULL || !object_known(c, &r))
        return RC_FAILURE;
    if (strcmp(verb, "list") == 0)
        return list_metrics(c, &r);
    if (strcmp(verb, "query") == 0)
        return query(c, &r);
    if (strcmp(verb, "setup") == 0)
        return setup(c, &r);
    if (strcmp(verb, "collect") == 0)
        return collect(c, &r);
    return switch_on(c, &r, strcmp(verb, "enable") == 0);
}

const struct command metrics_command = {
    "metrics", "Monitor system resource usage",
    (const char *const[]){
        "collect [--detach] [--list] [--period=seconds] [--samples=count] [* | host | vmname "
        "[metric-list]]",
        "disable [--list] [* | host | vmname [metric-list]]", "enable [--list] [* | host | vmname [metric-list]]",
        "list [* | host | vmname [metric-list]]", "query [* | host | vmname [metric-list]]",
        "setup [--list] [--period=seconds] [--samples=count] [* | host | vmname [metric-list]]", NULL},
    options, metrics};

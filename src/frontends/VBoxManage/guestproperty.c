/*
 * guestproperty.c - guestproperty: values shared with the guest.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum {
    VERBOSE = 1,
    FLAGS,
    TIMEOUT,
    FAIL,
    TIMESTAMP,
    NO_TIMESTAMP,
    NO_FLAGS,
    ABSOLUTE,
    RELATIVE,
    OLD_FORMAT,
    SORT,
    UNSORT,
    PATTERNS
};
static const struct option options[] = {
    {VERBOSE, "--verbose|-verbose", OPTION_NONE, false, NULL, "Timestamp and flags too"},
    {FLAGS, "--flags", OPTION_TEXT, false, "flags", "set: TRANSIENT, TRANSRESET, RDONLYGUEST, RDONLYHOST, READONLY"},
    {TIMEOUT, "--timeout", OPTION_U32, false, "msec", "Waits at most so long"},
    {FAIL, "--fail-on-timeout", OPTION_NONE, false, NULL, "And fails then"},
    {TIMESTAMP, "--timestamp|--ts|-t", OPTION_NONE, false, NULL, "When it was set (the default)"},
    {NO_TIMESTAMP, "--no-timestamp|--no-ts|-T", OPTION_NONE, false, NULL, "Leaves out when it was set"},
    {NO_FLAGS, "--no-flags|-F", OPTION_NONE, false, NULL, "Leaves out the flags"},
    {ABSOLUTE, "--absolute|--abs|-a", OPTION_NONE, false, NULL, "Date and time (the default)"},
    {RELATIVE, "--relative|--rel|-r", OPTION_NONE, false, NULL, "How long ago it was set"},
    {OLD_FORMAT, "--old-format|-o", OPTION_NONE, false, NULL, "As before version 7.0"},
    {SORT, "--sort|-s", OPTION_NONE, false, NULL, "By name (the default)"},
    {UNSORT, "--unsort|-u", OPTION_NONE, false, NULL, "As they are kept"},
    {PATTERNS, "--patterns|-p", OPTION_TEXT, false, "patterns", "Those alone; | between them"},
    {0},
};

struct query {
    const char *machine, *name, *value, *flags;
    GString *patterns;
    bool verbose, fail, no_timestamp, no_flags, relative, old_format;
    guint32 timeout_ms;
};

static void add_pattern(struct query *q, const char *text)
{
    g_string_append_printf(q->patterns, "%s%s", q->patterns->len > 0 ? "|" : "", text);
}

static int take_word(struct cmd *c, struct query *q, const char *word, const char *verb)
{
    if (q->machine == NULL) {
        q->machine = word;
    } else if (strcmp(verb, "enumerate") == 0 || strcmp(verb, "enum") == 0) {
        add_pattern(q, word);
    } else if (q->name == NULL) {
        q->name = word;
    } else if (q->value == NULL && strcmp(verb, "set") == 0) {
        q->value = word;
    } else {
        return cmd_syntax(c, "Invalid parameter '%s'", word);
    }
    return RC_OK;
}

static int parse(struct cmd *c, struct query *q, const char *verb)
{
    struct value v;
    int rc = RC_OK;

    for (int id; rc == RC_OK && (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case VERBOSE: q->verbose = true; break;
        case FLAGS: q->flags = v.text; break;
        case TIMEOUT: q->timeout_ms = (guint32)v.number; break;
        case FAIL: q->fail = true; break;
        case TIMESTAMP:
        case NO_TIMESTAMP: q->no_timestamp = id == NO_TIMESTAMP; break;
        case NO_FLAGS: q->no_flags = true; break;
        case ABSOLUTE:
        case RELATIVE: q->relative = id == RELATIVE; break;
        case SORT:
        case UNSORT: break; /* they are kept by name */
        case PATTERNS: add_pattern(q, v.text); break;
        case OLD_FORMAT: q->old_format = true; break;
        case CMD_WORD: rc = take_word(c, q, v.text, verb); break;
        default: return RC_SYNTAX;
        }
    }
    return rc;
}

static int get(struct cmd *c, const char *machine, const struct query *q)
{
    char *value = NULL, *flags = NULL;
    gint64 ns;

    if (!TRY(c, imachine_get_guest_property(c->client, machine, q->name, &value, &ns, &flags, &error)))
        return RC_FAILURE;
    if (*value == '\0')
        printf("No value set!\n");
    else
        printf("Value: %s\n", value);
    if (*value != '\0' && q->verbose)
        printf("Timestamp: %" G_GINT64_FORMAT "\nFlags: %s\n", ns, flags);
    g_free(value);
    g_free(flags);
    return RC_OK;
}

static int set(struct cmd *c, const char *machine, const struct query *q)
{
    const char *value = q->value != NULL ? q->value : "", *flags = q->flags != NULL ? q->flags : "";
    bool ok = *value != '\0' ? TRY(c, imachine_set_guest_property(c->client, machine, q->name, value, flags, &error))
                             : TRY(c, imachine_delete_guest_property(c->client, machine, q->name, &error));

    return ok ? RC_OK : RC_FAILURE;
}

/* ---- enumerate ---- */

#define A_WEEK_MS (7 * (gint64)G_TIME_SPAN_DAY / 1000)

/* A length of time as ISO 8601 has it: "P1W2DT3H4M5.678S"; what is zero in front is left out. */
static void append_duration(GString *text, gint64 ms)
{
    static const struct {
        gint64 ms;
        const char *unit;
    } parts[] = {{3600000, "H"}, {60000, "M"}};
    const gint64 weeks = ms / A_WEEK_MS, days = ms % A_WEEK_MS / 86400000;

    g_string_append_c(text, 'P');
    if (weeks > 0)
        g_string_append_printf(text, "%" G_GINT64_FORMAT "W", weeks);
    if (days > 0)
        g_string_append_printf(text, "%" G_GINT64_FORMAT "D", days);
    g_string_append_c(text, 'T');
    bool begun = weeks > 0 || days > 0;
    ms %= 86400000;
    for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++) {
        begun |= ms >= parts[k].ms;
        if (begun)
            g_string_append_printf(text, "%" G_GINT64_FORMAT "%s", ms / parts[k].ms, parts[k].unit);
        ms %= parts[k].ms;
    }
    g_string_append_printf(text, "%d.%03dS", (int)(ms / 1000), (int)(ms % 1000));
}

/* "@ 2026-01-02T03:04:05.678Z", or how long ago that was. */
static char *when(gint64 ns, bool relative)
{
    GString *text = g_string_new("@ ");

    if (relative) {
        append_duration(text, MAX(g_get_real_time() / 1000 - ns / 1000000, 0));
        return g_string_free(text, FALSE);
    }
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(ns / 1000000000);
    g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
    g_string_append_printf(text, "%s.%03dZ", seconds, (int)(ns / 1000000 % 1000));
    return g_string_free(text, FALSE);
}

static int print_all(GVariant *list, const struct query *q)
{
    const char *name, *value, *flags;
    int name_width = 1, value_width = 1;
    gint64 ns;

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_variant_get_child(list, k, "(&s&sx&s)", &name, &value, &ns, &flags);
        name_width = MAX(name_width, (int)g_utf8_strlen(name, -1));
        value_width = MAX(value_width, (int)g_utf8_strlen(value, -1));
    }
    name_width = MIN(name_width, 48);
    value_width = MIN(value_width, 28);
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_variant_get_child(list, k, "(&s&sx&s)", &name, &value, &ns, &flags);
        if (q->old_format) {
            printf("Name: %s, value: %s, timestamp: %" G_GINT64_FORMAT ", flags: %s\n", name, value, ns, flags);
            continue;
        }
        g_autofree char *time = q->no_timestamp ? g_strdup("") : when(ns, q->relative);
        const char *shown = q->no_flags ? "" : flags;
        const int name_chars = (int)g_utf8_strlen(name, -1), value_chars = (int)g_utf8_strlen(value, -1);
        const int padding = name_width + value_width + 1 - MAX(name_chars, name_width) - value_chars;
        printf("%s%*s = '%s'", name, MAX(name_width - name_chars, 0), "", value);
        if (!q->no_timestamp || *shown != '\0')
            printf("%*s%s%s%s", MAX(padding, 1), "", time, *shown != '\0' ? " " : "", shown);
        printf("\n");
    }
    return RC_OK;
}

static int enumerate(struct cmd *c, const char *machine, const struct query *q)
{
    GVariant *reply = NULL;

    if (!TRY(c, imachine_enumerate_guest_properties(c->client, machine, q->patterns->str, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    if (g_variant_n_children(list) == 0) {
        printf("No properties found.\n");
        return RC_OK;
    }
    return print_all(list, q);
}

/* ---- wait ---- */

struct waiting {
    char *id;
    GStrv patterns;
    bool heard;
};

static bool on_signal(void *user, const char *signal, GVariant *args)
{
    struct waiting *w = user;
    const char *id, *name, *value, *flags;
    gboolean deleted;

    if (strcmp(signal, "GuestPropertyChanged") != 0)
        return true;
    g_variant_get(args, "(&s&s&s&sb)", &id, &name, &value, &flags, &deleted);
    bool hit = false;
    for (unsigned k = 0; w->patterns[k] != NULL; k++)
        hit |= g_pattern_match_simple(w->patterns[k], name);
    if (!hit || strcmp(id, w->id) != 0)
        return true;
    if (deleted)
        printf("Property %s was deleted\n", name);
    else
        printf("Name: %s, value: %s, flags: %s\n", name, value, flags);
    w->heard = true;
    return false;
}

static int wait_for(struct cmd *c, const char *machine, const struct query *q)
{
    GError *error = NULL;
    g_autoptr(GVariant) id = client_get(c->client, machine, "IMachine", "Id", &error);

    if (id == NULL)
        return cmd_com_error(c, &error, "COMGETTER(Id)", __LINE__, __FILE__);
    g_auto(GStrv) patterns = g_strsplit(q->name, "|", -1);
    struct waiting w = {.id = g_variant_dup_string(id, NULL), .patterns = patterns};
    client_listen(c->client, on_signal, &w, q->timeout_ms);
    g_free(w.id);
    if (w.heard)
        return RC_OK;
    cmd_error("Time out or interruption while waiting for a notification.");
    return q->fail ? RC_SYNTAX : RC_OK;
}

static int guestproperty(struct cmd *c)
{
    static const struct {
        const char *verb;
        int (*run)(struct cmd *c, const char *machine, const struct query *q);
        bool needs_name;
    } verbs[] = {{"get", get, true},
                 {"set", set, true},
                 {"unset", set, true},
                 {"delete", set, true},
                 {"enumerate", enumerate, false},
                 {"enum", enumerate, false},
                 {"wait", wait_for, true}};
    const char *verb = cmd_word(c);
    struct query q = {.patterns = g_string_new(NULL)};
    int rc = RC_OK;
    unsigned k = 0;

    while (verb != NULL && k < G_N_ELEMENTS(verbs) && strcmp(verbs[k].verb, verb) != 0)
        k++;
    if (verb == NULL)
        rc = cmd_syntax(c, "No subcommand specified");
    else if (k == G_N_ELEMENTS(verbs))
        rc = cmd_syntax(c, "Unknown subcommand '%s'", verb);
    else
        rc = parse(c, &q, verb);
    if (rc == RC_OK && (q.machine == NULL || (verbs[k].needs_name && q.name == NULL)))
        rc = cmd_syntax(c, "Incorrect parameters");
    g_autofree char *machine = rc == RC_OK ? cmd_find_machine(c, q.machine) : NULL;
    if (rc == RC_OK)
        rc = machine != NULL ? verbs[k].run(c, machine, &q) : RC_FAILURE;
    g_string_free(q.patterns, TRUE);
    return rc;
}

const struct command guestproperty_command = {
    "guestproperty", "Manage virtual machine guest properties",
    (const char *const[]){"get <uuid | vmname> <property-name> [--verbose]",
                          "enumerate <uuid | vmname> [--no-timestamp] [--no-flags] [--absolute | --relative] "
                          "[--sort | --unsort] [--old-format] [--patterns=patterns] [patterns...]",
                          "set <uuid | vmname> <property-name> [property-value [--flags=flags]]",
                          "unset <uuid | vmname> <property-name>",
                          "wait <uuid | vmname> <patterns> [--timeout=msec] [--fail-on-timeout]", NULL},
    options, guestproperty};

/*
 * updatecheck.c - updatecheck, and list updates: what the user wants to hear of newer versions. It is kept; nobody is
 * asked for them.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/list.h"

#define HOST     API_ROOT "/Host"
#define AGENT    "IUpdateAgent"
#define A_DAY_S  86400u
#define DAYS_MAX (G_MAXUINT32 / A_DAY_S)

/* The API's name, the command line's, and what `updatecheck list` and `list updates` say of it. */
static const struct channel {
    const char *name, *word, *text, *list_text;
} channels[] = {
    {"Stable", "stable", "Stable - new minor and maintenance releases",
     "Stable: Maintenance and minor releases within the same major release"},
    {"All", "all", "All releases - new minor, maintenance, and major releases",
     "All releases: All stable releases, including major versions"},
    {"WithBetas", "withbetas", "With Betas - new minor, maintenance, major, and beta releases",
     "With Betas: All stable and major releases, including beta versions"},
    {"WithTesting", "withtesting", "With Testing - all of these, and testing releases",
     "With Testing: All stable, major and beta releases, including testing versions"},
};
static const struct channel no_channel = {"Invalid", "invalid", "Unset", "Unset"};

static const struct channel *channel_find(const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(channels); k++)
        if (strcmp(channels[k].name, name) == 0)
            return &channels[k];
    return &no_channel;
}

/* What the service knows, or NULL: said. */
static GVariant *ask(struct cmd *c)
{
    static const char *const names[] = {"Enabled",    "Channel",       "CheckFrequency",
                                        "CheckCount", "RepositoryURL", "LastCheckDate"};
    GVariantDict d;
    bool ok = cmd_client(c) != NULL;

    g_variant_dict_init(&d, NULL);
    for (unsigned k = 0; ok && k < G_N_ELEMENTS(names); k++) {
        GError *error = NULL;
        g_autoptr(GVariant) val = client_get(c->client, HOST, AGENT, names[k], &error);
        ok = val != NULL || cmd_com_error(c, &error, names[k], __LINE__, __FILE__) == RC_OK;
        if (ok)
            g_variant_dict_insert_value(&d, names[k], val);
    }
    GVariant *all = g_variant_ref_sink(g_variant_dict_end(&d));
    return ok ? all : (g_variant_unref(all), NULL);
}

/* "never", "every day", "every N days" */
static char *how_often(gint64 seconds)
{
    const gint64 days = seconds / A_DAY_S;

    return days == 0   ? g_strdup("never")
           : days == 1 ? g_strdup("every day")
                       : g_strdup_printf("every %" G_GINT64_FORMAT " days", days);
}

int list_updates(struct cmd *c, const struct listing *l)
{
    g_autoptr(GVariant) d = ask(c);

    (void)l;
    if (d == NULL)
        return RC_FAILURE;
    if (as_json(c, d))
        return RC_OK;
    g_autofree char *often = how_often(dict_int(d, "CheckFrequency"));
    printf("Enabled:                      %s\nCheck count:                  %" G_GINT64_FORMAT
           "\nCheck frequency:              %s\n",
           dict_bool(d, "Enabled") ? "yes" : "no", dict_int(d, "CheckCount"), often);
    printf("Channel:                         %s\nRepository:                      %s\n"
           "Last check date:                 %s\n",
           channel_find(dict_str(d, "Channel"))->list_text, dict_str(d, "RepositoryURL"), dict_str(d, "LastCheckDate"));
    return RC_OK;
}

/* ---- the command ---- */

enum { MACHINE_READABLE = 1, ENABLE, DISABLE, CHANNEL, FREQUENCY };
static const struct option options[] = {
    {MACHINE_READABLE, "--machine-readable|--machinereadable", OPTION_NONE, false, NULL, "perform, list"},
    {ENABLE, "--enable", OPTION_NONE, false, NULL, "modify: updates are looked for"},
    {DISABLE, "--disable", OPTION_NONE, false, NULL, "modify: they are not"},
    {CHANNEL, "--channel", OPTION_TEXT, false, "stable | withbetas | all", "modify: of this kind"},
    {FREQUENCY, "--frequency", OPTION_U32, false, "days", "modify: so often"},
    {0},
};

struct request {
    const char *verb, *channel; /* channel: the API's name */
    guint32 days;               /* 0: as it is */
    int enabled;                /* -1: as it is */
    bool machine_readable, changes;
};

static int show(struct cmd *c, const struct request *r)
{
    g_autoptr(GVariant) d = ask(c);

    if (d == NULL)
        return RC_FAILURE;
    const struct channel *channel = channel_find(dict_str(d, "Channel"));
    const gint64 often = dict_int(d, "CheckFrequency");
    if (c->json) {
        print_json(d);
    } else if (r->machine_readable) {
        printf("enabled=\"%s\"\ncount=\"%" G_GINT64_FORMAT "\"\nfrequency-days=\"%" G_GINT64_FORMAT
               "\"\nchannel=\"%s\"\nlast-check-date=\"%s\"\nrepo-url=\"%s\"\n",
               dict_bool(d, "Enabled") ? "on" : "off", dict_int(d, "CheckCount"), often / A_DAY_S, channel->word,
               dict_str(d, "LastCheckDate"), dict_str(d, "RepositoryURL"));
    } else {
        g_autofree char *text = how_often(often);
        *text = g_ascii_toupper(*text);
        printf("Enabled:                %s\nCount:                  %" G_GINT64_FORMAT "\nFrequency:              %s\n"
               "Channel:                %s\nLast Check Date:        %s\nRepository:             %s\n",
               dict_bool(d, "Enabled") ? "yes" : "no", dict_int(d, "CheckCount"), text, channel->text,
               dict_str(d, "LastCheckDate"), dict_str(d, "RepositoryURL"));
    }
    return RC_OK;
}

static int modify(struct cmd *c, const struct request *r)
{
    if (!r->changes)
        return cmd_syntax(c, "No change requested");
    bool ok = cmd_client(c) != NULL;
    if (ok && r->enabled >= 0)
        ok = cmd_set(c, HOST, AGENT, "Enabled", g_variant_new_boolean(r->enabled == 1));
    if (ok && r->channel != NULL)
        ok = cmd_set(c, HOST, AGENT, "Channel", g_variant_new_string(r->channel));
    if (ok && r->days > 0)
        ok = cmd_set(c, HOST, AGENT, "CheckFrequency", g_variant_new_uint32(r->days * A_DAY_S));
    return ok ? RC_OK : RC_FAILURE;
}

static int perform(struct cmd *c, const struct request *r)
{
    (void)c, (void)r;
    return cmd_error("There is no update service; the distribution's packages are updated with it");
}

static const struct verb {
    const char *name;
    bool changes; /* takes the options of modify, not --machine-readable */
    int (*run)(struct cmd *c, const struct request *r);
} verbs[] = {{"perform", false, perform}, {"list", false, show}, {"modify", true, modify}};

static int take(struct cmd *c, struct request *r, int id, const struct value *v)
{
    switch (id) {
    case MACHINE_READABLE: r->machine_readable = true; return RC_OK;
    case ENABLE: r->enabled = 1; break;
    case DISABLE: r->enabled = 0; break;
    case CHANNEL:
        for (unsigned k = 0; k < G_N_ELEMENTS(channels); k++)
            if (g_ascii_strcasecmp(channels[k].word, v->text) == 0)
                r->channel = channels[k].name;
        if (r->channel == NULL)
            return cmd_syntax(c, "Invalid channel specified: '%s'", v->text);
        break;
    case FREQUENCY:
        if (v->number == 0 || v->number > DAYS_MAX)
            return cmd_syntax(c, v->number == 0 ? "The update frequency cannot be zero"
                                                : "The update frequency is too large");
        r->days = (guint32)v->number;
        break;
    case CMD_WORD:
        if (r->verb != NULL)
            return cmd_syntax(c, "Invalid parameter '%s'", v->text);
        r->verb = v->text;
        return RC_OK;
    default: return RC_SYNTAX;
    }
    r->changes = true;
    return RC_OK;
}

static int update_check(struct cmd *c)
{
    struct request r = {.enabled = -1};
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        const int rc = take(c, &r, id, &v);
        if (rc != RC_OK)
            return rc;
    }
    if (r.verb == NULL)
        return cmd_syntax(c, "No subcommand specified");
    for (unsigned k = 0; k < G_N_ELEMENTS(verbs); k++) {
        if (strcmp(verbs[k].name, r.verb) != 0)
            continue;
        if (verbs[k].changes ? r.machine_readable : r.changes)
            return cmd_syntax(c, "'%s' does not have this option", r.verb);
        return verbs[k].run(c, &r);
    }
    return cmd_syntax(c, "Unknown subcommand '%s'", r.verb);
}

const struct command updatecheck_command = {
    "updatecheck", "Checks for a newer version",
    (const char *const[]){"<perform | list> [--machine-readable]",
                          "modify [--disable | --enable] [--channel=<stable | withbetas | all>] [--frequency=days]",
                          NULL},
    options, update_check};

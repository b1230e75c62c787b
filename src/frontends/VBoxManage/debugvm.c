/*
 * debugvm.c - debugvm: what the machine's debugger says and does.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum {
    CPU = 1,
    PATTERN,
    RESET,
    DESCRIPTIONS,
    FILENAME,
    COMPRESSION,
    LINES,
    RELEASE,
    DEBUG,
    INTERVAL,
    DURATION,
    HUMAN,
    SH_EXPORT,
    SH_EVAL,
    CMD_SET
};
static const struct option options[] = {
    {CPU, "--cpu", OPTION_U32, false, "id", "Which CPU"},
    {PATTERN, "--pattern", OPTION_TEXT, false, "pattern", "Names to show; * and ? match"},
    {RESET, "--reset", OPTION_NONE, false, NULL, "Statistics start at zero again"},
    {DESCRIPTIONS, "--descriptions", OPTION_NONE, false, NULL, "With descriptions"},
    {FILENAME, "--filename", OPTION_TEXT, false, "name", "Where it goes"},
    {COMPRESSION, "--compression", OPTION_TEXT, false, "name", "How it is packed"},
    {LINES, "--lines|-n", OPTION_U32, false, "count", "How many lines of the guest's log"},
    {RELEASE, "--release|-r", OPTION_NONE, false, NULL, "The release log"},
    {DEBUG, "--debug|-d", OPTION_NONE, false, NULL, "The debug log"},
    {INTERVAL, "--sample-interval-us", OPTION_U32, false, "microseconds", "Between samples"},
    {DURATION, "--sample-time-us", OPTION_U64, false, "microseconds", "Of all samples"},
    {HUMAN, "--human-readable", OPTION_NONE, false, NULL, "What show prints is for people; the default"},
    {SH_EXPORT, "--sh-export", OPTION_NONE, false, NULL, "... is for a shell, variables exported"},
    {SH_EVAL, "--sh-eval", OPTION_NONE, false, NULL, "... is for a shell's eval"},
    {CMD_SET, "--cmd-set", OPTION_NONE, false, NULL, "... is for Windows' command interpreter"},
    {0},
};

struct question {
    const char *machine, *verb, *pattern, *filename, *compression;
    guint32 cpu, lines, interval_us;
    int form; /* of show */
    guint64 duration_us;
    bool reset, descriptions;
    GPtrArray *words; /* behind the verb */
};

static int print_text(char *text)
{
    g_autofree char *owned = text;

    fputs(owned, stdout);
    if (*owned != '\0' && owned[strlen(owned) - 1] != '\n')
        putchar('\n');
    return RC_OK;
}

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

static char *joined(const struct question *q, unsigned from)
{
    GString *text = g_string_new(NULL);

    for (unsigned k = from; k < q->words->len; k++)
        g_string_append_printf(text, "%s%s", k > from ? " " : "", (const char *)q->words->pdata[k]);
    return g_string_free(text, FALSE);
}

static int info(struct cmd *c, const char *console, const char *name, const char *args)
{
    char *text = NULL;

    return TRY(c, imachine_debugger_info(c->client, console, name, args, &text, &error)) ? print_text(text)
                                                                                         : RC_FAILURE;
}

static int do_info(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *args = joined(q, 1);

    return q->words->len > 0 ? info(c, console, q->words->pdata[0], args) : cmd_syntax(c, "Must specify info item");
}

static int do_statistics(struct cmd *c, const char *console, const struct question *q)
{
    const char *pattern = q->pattern != NULL ? q->pattern : "";
    char *text = NULL;

    if (q->reset)
        return done(TRY(c, imachine_debugger_reset_stats(c->client, console, pattern, &error)));
    return TRY(c, imachine_debugger_get_stats(c->client, console, pattern, q->descriptions, &text, &error))
               ? print_text(text)
               : RC_FAILURE;
}

/* ---- registers ---- */

/* "cpu0.rax" and "RAX" are rax. */
static char *register_name(const char *word)
{
    const char *dot = strrchr(word, '.');

    return g_ascii_strdown(dot != NULL ? dot + 1 : word, -1);
}

/* "name=hex" words of the register dump as VirtualBox's lines "name = 0xhex"; none wanted, or "all": all of them. */
static int print_registers(const char *dump, const GPtrArray *wanted)
{
    g_autoptr(GRegex) regex = g_regex_new("\\b([a-z][a-z0-9]*)=([0-9a-f]+)\\b", 0, 0, NULL);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    for (unsigned k = 0; k < wanted->len; k++)
        g_hash_table_add(names, register_name(wanted->pdata[k]));
    const bool all = wanted->len == 0 || g_hash_table_remove(names, "all");

    for (g_regex_match(regex, dump, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *name = g_match_info_fetch(match, 1), *val = g_match_info_fetch(match, 2);
        const bool asked = g_hash_table_remove(names, name);
        if (all || asked)
            printf("%s = 0x%s\n", name, val);
    }
    GHashTableIter i;
    gpointer left;
    g_hash_table_iter_init(&i, names);
    return g_hash_table_iter_next(&i, &left, NULL) ? cmd_error("Register '%s' is not known", (char *)left) : RC_OK;
}

static int get_registers(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *cpu = g_strdup_printf("%u", q->cpu), *text = NULL;

    if (!TRY(c, imachine_debugger_info(c->client, console, "cpumguest", cpu, &text, &error)))
        return RC_FAILURE;
    return print_registers(text, q->words);
}

static int set_registers(struct cmd *c, const char *console, const struct question *q)
{
    if (q->words->len == 0)
        return cmd_syntax(c, "Must specify a register and its value");
    for (unsigned k = 0; k < q->words->len; k++) {
        g_auto(GStrv) pair = g_strsplit(q->words->pdata[k], "=", 2);
        if (pair[0] == NULL || pair[1] == NULL)
            return cmd_syntax(c, "setregisters: '%s' is not of the form register=value",
                              (const char *)q->words->pdata[k]);
        if (!TRY(c, imachine_debugger_set_register(c->client, console, q->cpu, pair[0], pair[1], &error)))
            return RC_FAILURE;
        if (q->words->len == 1)
            printf("Successfully set %s\n", pair[0]);
    }
    if (q->words->len > 1)
        printf("Successfully set %u registers\n", q->words->len);
    return RC_OK;
}

static int stack(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *cpu = g_strdup_printf("%u", q->cpu);

    return info(c, console, "stack", cpu);
}

/* ---- the guest's system, logs, dumps ---- */

static int detect_os(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *os = NULL;

    (void)q;
    if (!TRY(c, imachine_debugger_detect_os(c->client, console, &os, &error)))
        return RC_FAILURE;
    printf("Detected: %s\n", os);
    return RC_OK;
}

static int os_info(struct cmd *c, const char *console, const struct question *q)
{
    char *name = NULL, *version = NULL;

    (void)q;
    if (!TRY(c, imachine_debugger_query_os_info(c->client, console, &name, &version, &error)))
        return RC_FAILURE;
    printf("Name:    %s\nVersion: %s\n", name, version);
    g_free(name);
    g_free(version);
    return RC_OK;
}

static int os_dmesg(struct cmd *c, const char *console, const struct question *q)
{
    char *text = NULL;

    return TRY(c, imachine_debugger_query_os_kernel_log(c->client, console, q->lines, &text, &error)) ? print_text(text)
                                                                                                      : RC_FAILURE;
}

static int log_groups(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *text = joined(q, 0);

    return done(TRY(c, imachine_debugger_modify_log_groups(c->client, console, text, &error)));
}

static int log_destinations(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *text = joined(q, 0);

    return done(TRY(c, imachine_debugger_modify_log_destinations(c->client, console, text, &error)));
}

static int log_flags(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *text = joined(q, 0);

    return done(TRY(c, imachine_debugger_modify_log_flags(c->client, console, text, &error)));
}

static int dump_core(struct cmd *c, const char *console, const struct question *q)
{
    if (q->filename == NULL)
        return cmd_syntax(c, "The --filename is required");
    g_autofree char *path = cmd_absolute(q->filename);
    return done(TRY(c, imachine_debugger_dump_guest_core(c->client, console, path,
                                                         q->compression != NULL ? q->compression : "", &error)));
}

static int inject_nmi(struct cmd *c, const char *console, const struct question *q)
{
    (void)q;
    return done(TRY(c, imachine_debugger_inject_nmi(c->client, console, &error)));
}

static int guest_sample(struct cmd *c, const char *console, const struct question *q)
{
    if (q->filename == NULL)
        return cmd_syntax(c, "The --filename is required");
    g_autofree char *path = cmd_absolute(q->filename);
    return done(
        TRY(c, imachine_debugger_take_guest_sample(c->client, console, path, q->interval_us, q->duration_us, &error)));
}

/* ---- show ---- */

static void show_variable(const struct question *q, const char *name, const char *value)
{
    g_autofree char *word = g_shell_quote(value);

    switch (q->form) {
    case SH_EXPORT: printf("export %s=%s\n", name, word); break;
    case SH_EVAL: printf("%s=%s\n", name, word); break;
    case CMD_SET: printf("set %s=%s\n", name, value); break;
    default: printf("%27s=%s\n", name, value); break;
    }
}

/* There is one log, the release log; "log-settings" means every log. */
static int show(struct cmd *c, const char *console, const struct question *q)
{
    static const char *const known[] = {"log-settings",    "logrel-settings",  "log-rel-settings",
                                        "logdbg-settings", "log-dbg-settings", NULL};
    char *groups = NULL, *flags = NULL, *destinations = NULL;

    if (q->words->len == 0)
        return cmd_syntax(c, "Must specify what to show");
    for (unsigned k = 0; k < q->words->len; k++)
        if (!g_strv_contains(known, q->words->pdata[k]))
            return cmd_syntax(c, "Invalid parameter '%s'", (const char *)q->words->pdata[k]);
    if (!TRY(c, imachine_debugger_get_log_settings(c->client, console, &groups, &flags, &destinations, &error)))
        return RC_FAILURE;
    for (unsigned k = 0; k < q->words->len; k++) {
        if (strstr(q->words->pdata[k], "dbg") != NULL)
            continue;
        show_variable(q, "VBOX_RELEASE_LOG", groups);
        show_variable(q, "VBOX_RELEASE_LOG_FLAGS", flags);
        show_variable(q, "VBOX_RELEASE_LOG_DEST", destinations);
    }
    g_free(groups);
    g_free(flags);
    g_free(destinations);
    return RC_OK;
}

static const struct {
    const char *verb;
    int (*run)(struct cmd *c, const char *console, const struct question *q);
} verbs[] = {{"info", do_info},
             {"statistics", do_statistics},
             {"getregisters", get_registers},
             {"setregisters", set_registers},
             {"stack", stack},
             {"show", show},
             {"log", log_groups},
             {"logdest", log_destinations},
             {"logflags", log_flags},
             {"osdetect", detect_os},
             {"osinfo", os_info},
             {"osdmesg", os_dmesg},
             {"dumpvmcore", dump_core},
             {"dumpguestcore", dump_core},
             {"injectnmi", inject_nmi},
             {"guestsample", guest_sample}};

static int parse(struct cmd *c, struct question *q)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case CMD_ERROR: return RC_SYNTAX;
        case CPU: q->cpu = (guint32)v.number; break;
        case PATTERN: q->pattern = v.text; break;
        case RESET: q->reset = true; break;
        case DESCRIPTIONS: q->descriptions = true; break;
        case FILENAME: q->filename = v.text; break;
        case COMPRESSION: q->compression = v.text; break;
        case LINES: q->lines = (guint32)v.number; break;
        case INTERVAL: q->interval_us = (guint32)v.number; break;
        case DURATION: q->duration_us = v.number; break;
        case HUMAN:
        case SH_EXPORT:
        case SH_EVAL:
        case CMD_SET: q->form = id; break;
        case RELEASE:
        case DEBUG: break; /* there is one log */
        default:
            if (q->machine == NULL)
                q->machine = v.text;
            else if (q->verb == NULL)
                q->verb = v.text;
            else
                g_ptr_array_add(q->words, (void *)v.text);
            break;
        }
    }
    return q->verb != NULL ? RC_OK : cmd_syntax(c, "Not enough parameters");
}

/* Does the machine have that CPU? If not, says so: what shows text takes any number for a CPU. */
static bool has_cpu(struct cmd *c, const char *machine, guint32 cpu)
{
    GError *error = NULL;
    g_autoptr(GVariant) count = client_get(c->client, machine, "IMachine", "CPUCount", &error);

    if (count == NULL)
        return cmd_com_error(c, &error, "COMGETTER(CPUCount)", __LINE__, __FILE__) == RC_OK;
    return cpu < g_variant_get_uint32(count) ||
           cmd_error("There is no CPU %u; the machine has %u", cpu, g_variant_get_uint32(count)) == RC_OK;
}

static int debugvm(struct cmd *c)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    struct question q = {.words = words, .lines = 100, .interval_us = 10000, .duration_us = 1000000};
    char *console = NULL;
    int rc = parse(c, &q);
    unsigned k = 0;

    if (rc != RC_OK)
        return rc;
    while (k < G_N_ELEMENTS(verbs) && strcmp(verbs[k].verb, q.verb) != 0)
        k++;
    if (k == G_N_ELEMENTS(verbs))
        return cmd_syntax(c, "Invalid parameter '%s'", q.verb);
    g_autofree char *machine = cmd_find_machine(c, q.machine);
    if (machine == NULL || !cmd_console(c, machine, q.machine, &console))
        return RC_FAILURE;
    g_autofree char *object = console;
    const bool shows = verbs[k].run == get_registers || verbs[k].run == stack;
    return !shows || has_cpu(c, machine, q.cpu) ? verbs[k].run(c, object, &q) : RC_FAILURE;
}

const struct command debugvm_command = {
    "debugvm", "Introspection and guest debugging",
    (const char *const[]){
        "<uuid | vmname> dumpvmcore <--filename=name>", "<uuid | vmname> info <item> [args...]",
        "<uuid | vmname> injectnmi", "<uuid | vmname> log [--release | --debug] <group-settings...>",
        "<uuid | vmname> logdest [--release | --debug] <destinations...>",
        "<uuid | vmname> logflags [--release | --debug] <flags...>", "<uuid | vmname> osdetect",
        "<uuid | vmname> osinfo", "<uuid | vmname> osdmesg [--lines=lines]",
        "<uuid | vmname> getregisters [--cpu=id] [reg-set.reg-name...]",
        "<uuid | vmname> setregisters [--cpu=id] <reg-set.reg-name=value...>",
        "<uuid | vmname> show [--human-readable | --sh-export | --sh-eval | --cmd-set] <settings-item...>",
        "<uuid | vmname> stack [--cpu=id]", "<uuid | vmname> statistics [--reset] [--descriptions] [--pattern=pattern]",
        "<uuid | vmname> guestsample <--filename=filename> [--sample-interval-us=interval] "
        "[--sample-time-us=time]",
        NULL},
    options, debugvm};

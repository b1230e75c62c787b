/*
 * debugvm.c - debugvm: what the machine's debugger says.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { CPU = 1, PATTERN, RESET, DESCRIPTIONS, FILENAME };
static const struct option options[] = {
    {CPU, "--cpu", OPTION_U32, false, "id", "Which CPU"},
    {PATTERN, "--pattern", OPTION_TEXT, false, "pattern", "Names to show; * and ? match"},
    {0},
};

struct question {
    const char *machine, *verb, *pattern;
    guint32 cpu;
    GString *rest; /* words behind the verb */
};

static int print_text(char *text)
{
    g_autofree char *owned = text;

    fputs(owned, stdout);
    if (*owned != '\0' && owned[strlen(owned) - 1] != '\n')
        putchar('\n');
    return RC_OK;
}

static int info(struct cmd *c, const char *console, const char *name, const char *args)
{
    char *text = NULL;

    return TRY(c, imachine_debugger_info(c->client, console, name, args, &text, &error)) ? print_text(text)
                                                                                         : RC_FAILURE;
}

static int ask(struct cmd *c, const char *console, const struct question *q)
{
    g_autofree char *cpu = g_strdup_printf("%u", q->cpu);
    char *text = NULL;

    if (strcmp(q->verb, "info") == 0) {
        g_auto(GStrv) words = g_strsplit(q->rest->str, " ", 2);
        if (words[0] == NULL || *words[0] == '\0')
            return cmd_syntax(c, "Must specify info item");
        return info(c, console, words[0], words[1] != NULL ? words[1] : "");
    }
    if (strcmp(q->verb, "statistics") == 0)
        return TRY(c,
                   imachine_debugger_get_stats(c->client, console, q->pattern != NULL ? q->pattern : "", &text, &error))
                   ? print_text(text)
                   : RC_FAILURE;
    if (strcmp(q->verb, "getregisters") == 0)
        return info(c, console, "cpumguest", cpu);
    if (strcmp(q->verb, "stack") == 0)
        return info(c, console, "stack", cpu);
    return cmd_syntax(c, "Invalid parameter '%s'", q->verb);
}

static int parse(struct cmd *c, struct question *q)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == CPU)
            q->cpu = (guint32)v.number;
        else if (id == PATTERN)
            q->pattern = v.text;
        else if (q->machine == NULL)
            q->machine = v.text;
        else if (q->verb == NULL)
            q->verb = v.text;
        else
            g_string_append_printf(q->rest, "%s%s", q->rest->len > 0 ? " " : "", v.text);
    }
    return q->verb != NULL ? RC_OK : cmd_syntax(c, "Not enough parameters");
}

static int debugvm(struct cmd *c)
{
    g_autoptr(GString) rest = g_string_new(NULL);
    struct question q = {.rest = rest};
    char *console = NULL;
    int rc = parse(c, &q);

    if (rc != RC_OK)
        return rc;
    g_autofree char *machine = cmd_find_machine(c, q.machine);
    if (machine == NULL || !cmd_console(c, machine, q.machine, &console))
        return RC_FAILURE;
    g_autofree char *object = console;
    return ask(c, object, &q);
}

const struct command debugvm_command = {
    "debugvm", "Introspection and guest debugging",
    (const char *const[]){"<uuid | vmname> info <item> [args...]", "<uuid | vmname> statistics [--pattern=pattern]",
                          "<uuid | vmname> getregisters [--cpu=id]", "<uuid | vmname> stack [--cpu=id]", NULL},
    options, debugvm};

/*
 * parse.c - arguments of a command, read by its option table.
 *
 * Both `--opt value` and `--opt=value`; `-opt` for `--opt` as in old versions; an indexed option has its number at the
 * end of the name, or as `--opt:number`. `--` ends the options. Options and words may stand in any order.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/manage.h"

const char *const cmd_help_words[] = {"--help", "-h", "-?", "-help", NULL};

bool parse_on_off(const char *text, bool *ret)
{
    static const char *const on[] = {"on", "enable", "enabled", "yes", "true", "1", NULL};
    static const char *const off[] = {"off", "disable", "disabled", "no", "false", "0", NULL};
    g_autofree char *low = g_ascii_strdown(text, -1);

    *ret = g_strv_contains(on, low);
    return *ret || g_strv_contains(off, low);
}

/* Length of @name's match at the start of @arg (dashes aside), 0: none. */
static size_t match_one(const char *name, size_t size, const char *arg, bool indexed, unsigned *ret_index)
{
    const char *a = arg + strspn(arg, "-");
    const char *n = name + strspn(name, "-");
    size_t len = size - (size_t)(n - name), dashes = (size_t)(a - arg);

    if (dashes == 0 || dashes > 2 || strncmp(a, n, len) != 0 || (len == 1 && dashes == 2))
        return 0;
    const char *rest = a + len;
    if (indexed) {
        const char *digits = rest + (*rest == ':' || *rest == '-');
        char *end;
        unsigned long number = strtoul(digits, &end, 10);
        if (end == digits || !g_ascii_isdigit(*digits) || number > 256)
            return 0;
        *ret_index = (unsigned)number;
        rest = end;
    }
    return *rest == '\0' || *rest == '=' ? (size_t)(rest - arg) : 0;
}

static size_t match_names(const struct option *o, const char *arg, unsigned *ret_index)
{
    for (const char *name = o->names; *name != '\0';) {
        size_t size = strcspn(name, "|");
        size_t match = match_one(name, size, arg, o->indexed, ret_index);
        if (match > 0)
            return match;
        name += size + (name[size] == '|');
    }
    return 0;
}

static int convert(struct cmd *c, const struct option *o, struct value *v)
{
    char *end = NULL;

    if (o->kind == OPTION_ON_OFF && !parse_on_off(v->text, &v->on)) {
        cmd_syntax(c, "Invalid value '%s' for option '%s': on or off", v->text, v->name);
        return CMD_ERROR;
    }
    if (o->kind == OPTION_U32 || o->kind == OPTION_U64) {
        v->number = g_ascii_strtoull(v->text, &end, 0);
        bool bad =
            *v->text == '\0' || *end != '\0' || *v->text == '-' || (o->kind == OPTION_U32 && v->number > G_MAXUINT32);
        if (bad) {
            cmd_syntax(c, "Invalid value '%s' for option '%s': a number", v->text, v->name);
            return CMD_ERROR;
        }
    }
    return o->id;
}

static int option(struct cmd *c, const char *arg, struct value *v)
{
    for (const struct option *o = c->command->options; o != NULL && o->names != NULL; o++) {
        size_t match = match_names(o, arg, &v->index);
        if (match == 0)
            continue;
        v->name = arg;
        if (o->kind == OPTION_NONE)
            return arg[match] == '\0' ? o->id : (cmd_syntax(c, "Option '%s' has no value", arg), CMD_ERROR);
        if (arg[match] == '=') {
            v->text = arg + match + 1;
        } else if (c->at < c->argc) {
            v->text = c->argv[c->at++];
        } else {
            cmd_syntax(c, "Missing argument to '%s'", arg);
            return CMD_ERROR;
        }
        return convert(c, o, v);
    }
    if (g_strv_contains(cmd_help_words, arg)) {
        usage_print(c->command, stdout);
        c->helped = true;
        return CMD_ERROR;
    }
    cmd_syntax(c, "Unknown option: %s", arg);
    return CMD_ERROR;
}

int cmd_next(struct cmd *c, struct value *v)
{
    *v = (struct value){0};
    if (c->at >= c->argc)
        return CMD_END;
    const char *arg = c->argv[c->at++];
    if (!c->words_only && strcmp(arg, "--") == 0) {
        c->words_only = true;
        return cmd_next(c, v);
    }
    if (!c->words_only && strcmp(arg, "--json") == 0) {
        c->json = true;
        return cmd_next(c, v);
    }
    if (!c->words_only && arg[0] == '-' && arg[1] != '\0')
        return option(c, arg, v);
    v->text = arg;
    return CMD_WORD;
}

const char *cmd_word(struct cmd *c)
{
    if (c->at >= c->argc)
        return NULL;
    return c->argv[c->at++];
}

int cmd_syntax(struct cmd *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    fprintf(stderr, "VBoxManage: error: %s\n\n", text);
    usage_print(c->usage != NULL ? c->usage : c->command, stderr);
    fprintf(stderr, "VBoxManage: error: %s\n", text);
    return RC_SYNTAX;
}

int cmd_api_words(struct cmd *c, const char *what, const char *text, const struct api_word *known, GPtrArray *ret)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    for (unsigned k = 0; words[k] != NULL; k++) {
        const struct api_word *w = known;
        while (w->word != NULL && g_ascii_strcasecmp(w->word, words[k]) != 0)
            w++;
        if (w->word == NULL)
            return cmd_syntax(c, "Invalid %s options '%s'", what, text);
        g_ptr_array_add(ret, (void *)(uintptr_t)w->name);
    }
    return RC_OK;
}

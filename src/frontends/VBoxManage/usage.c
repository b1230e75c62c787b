/*
 * usage.c - help, manual page and shell completion, all made from the command tables.
 */
#include <string.h>

#include "frontends/VBoxManage/manage.h"

static char *first_name(const char *names)
{
    return g_strndup(names, strcspn(names, "|"));
}

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = commands; *c != NULL; c++) {
        g_auto(GStrv) names = g_strsplit((*c)->names, "|", -1);
        if (g_strv_contains((const char *const *)names, name))
            return *c;
    }
    return NULL;
}

static void print_synopsis(const struct command *command, const char *indent, FILE *out)
{
    g_autofree char *name = first_name(command->names);

    for (const char *const *line = command->synopsis; *line != NULL; line++)
        fprintf(out, "%sVBoxManage %s%s%s\n", indent, name, **line != '\0' ? " " : "", *line);
}

void usage_print(const struct command *command, FILE *out)
{
    fprintf(out, "Usage - %s:\n\n", command->brief);
    print_synopsis(command, "  ", out);
    fprintf(out, "\n");
    bool any = false;
    for (const struct option *o = command->options; o != NULL && o->names != NULL; o++) {
        g_autofree char *name = first_name(o->names);
        g_autofree char *left = g_strconcat(name, o->indexed ? "<N>" : "", o->arg != NULL ? "=" : "", o->arg, NULL);
        if (o->help == NULL)
            continue;
        fprintf(out, "  %-36s %s\n", left, o->help);
        any = true;
    }
    if (any)
        fprintf(out, "\n");
}

void usage_all(FILE *out)
{
    fprintf(out, "Usage - Command line interface of the virtual machine service:\n\n"
                 "  VBoxManage [-V | --version] [--dump-build-type] [-q | --nologo] [--settingspw=<password>]\n"
                 "             [--settingspwfile=<pw-file>] [@<response-file>] [<subcommand>]\n"
                 "  VBoxManage help [<subcommand>]\n"
                 "  VBoxManage commands\n\n");
    for (const struct command *const *c = commands; *c != NULL; c++)
        print_synopsis(*c, "  ", out);
}

/* ---- manual page ---- */

static void man_text(const char *text, FILE *out)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '-')
            fputs("\\-", out);
        else if (*p == '\\')
            fputs("\\e", out);
        else
            fputc(*p, out);
    }
}

static void man_command(const struct command *command, FILE *out)
{
    g_autofree char *name = first_name(command->names);

    fprintf(out, ".SS %s\n%s.\n.PP\n.nf\n", name, command->brief);
    for (const char *const *line = command->synopsis; *line != NULL; line++) {
        fprintf(out, "VBoxManage %s ", name);
        man_text(*line, out);
        fputc('\n', out);
    }
    fprintf(out, ".fi\n");
    for (const struct option *o = command->options; o != NULL && o->names != NULL; o++) {
        g_auto(GStrv) names = g_strsplit(o->names, "|", -1);
        fprintf(out, ".TP\n");
        for (unsigned k = 0; names[k] != NULL; k++) {
            fputs(k > 0 ? ", \\fB" : "\\fB", out);
            man_text(names[k], out);
            fprintf(out, "%s\\fR", o->indexed ? "\\fIN\\fB" : "");
        }
        if (o->arg != NULL)
            fprintf(out, " \\fI%s\\fR", o->arg);
        fprintf(out, "\n%s\n", o->help != NULL ? o->help : "");
    }
}

void usage_man(FILE *out)
{
    fprintf(out,
            ".TH VBOXMANAGE 1\n.SH NAME\nVBoxManage \\- command line of the virtual machine service\n.SH SYNOPSIS\n"
            ".B VBoxManage\n[\\-\\-version] [\\-\\-nologo] [@\\fIresponse file\\fR] \\fIsubcommand\\fR ...\n"
            ".SH DESCRIPTION\nCreates, changes, starts and controls virtual machines. A machine is named by its name, "
            "its UUID or "
            "the path of its settings file, a medium by its UUID or file.\nEvery list and show command also has "
            "\\fB\\-\\-json\\fR.\n.SH COMMANDS\n");
    for (const struct command *const *c = commands; *c != NULL; c++)
        man_command(*c, out);
    fprintf(out,
            ".SH EXIT STATUS\n0: done. 1: failed. 2: wrong arguments. 3: the service could not be reached.\n"
            ".SH ENVIRONMENT\n.TP\n.B VBOX_USER_HOME\nThe configuration directory; default ~/.config/VirtualBox.\n");
}

/* ---- completion ---- */

/* Whether it stands for itself: "poweroff", not "<file>", "VDI" or "...". */
static bool is_literal(const char *word)
{
    return g_ascii_islower(*word) && word[strspn(word, "abcdefghijklmnopqrstuvwxyz-0123456789")] == '\0';
}

static void complete_word(const char *word, GHashTable *seen, FILE *out)
{
    if (is_literal(word) && g_hash_table_add(seen, g_strdup(word)))
        fprintf(out, "%s ", word);
}

/* What stands between brackets: alternatives are words for somebody to type, what is alone or an option is not. */
static void complete_group(const char *text, size_t size, GHashTable *seen, FILE *out)
{
    g_autofree char *inner = g_strndup(text, size);
    g_auto(GStrv) words = g_strsplit(inner, "|", -1);

    if (strstr(inner, "--") != NULL || g_str_has_prefix(inner, "uuid") || g_str_has_prefix(inner, "vmname") ||
        words[0] == NULL || words[1] == NULL)
        return;
    for (char **w = words; *w != NULL; w++)
        complete_word(g_strstrip(*w), seen, out);
}

/* Sub-commands and keywords, from one line of a synopsis. */
static void complete_line(const char *line, GHashTable *seen, FILE *out)
{
    g_auto(GStrv) parts = g_strsplit(line, "<N>", -1);
    g_autofree char *text = g_strjoinv("1", parts);

    for (const char *p = text; *p != '\0';) {
        const bool group = *p == '<' || *p == '[';
        const char *end = p;
        unsigned depth = 0;
        do {
            depth += *end == '<' || *end == '[';
            depth -= (*end == '>' || *end == ']') && depth > 0;
            end++;
        } while (*end != '\0' && (group ? depth > 0 : strchr(" <[", *end) == NULL));
        if (group) {
            complete_group(p + 1, (size_t)(end - p) - 2, seen, out);
        } else {
            g_autofree char *word = g_strndup(p, (size_t)(end - p));
            complete_word(word, seen, out);
        }
        p = end + strspn(end, " ");
    }
}

static void complete_command(const struct command *command, FILE *out)
{
    g_auto(GStrv) names = g_strsplit(command->names, "|", -1);
    g_autofree char *joined = g_strjoinv("|", names);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    fprintf(out, "    %s) words=\"", joined);
    for (const char *const *line = command->synopsis; *line != NULL; line++)
        complete_line(*line, seen, out);
    for (const struct option *o = command->options; o != NULL && o->names != NULL; o++) {
        g_autofree char *name = first_name(o->names);
        fprintf(out, "%s%s ", name, o->indexed ? "1" : "");
    }
    fprintf(out, "\" ;;\n");
}

void usage_completion(FILE *out)
{
    fprintf(out, "# bash completion for VBoxManage; made by `VBoxManage --dump-completion`\n_VBoxManage() {\n"
                 "  local cur=${COMP_WORDS[COMP_CWORD]} words=\n  if [ \"$COMP_CWORD\" = 1 ]; then\n    words=\"");
    for (const struct command *const *c = commands; *c != NULL; c++) {
        g_autofree char *name = first_name((*c)->names);
        fprintf(out, "%s ", name);
    }
    fprintf(out, "help commands\"\n  else\n    case ${COMP_WORDS[1]} in\n");
    for (const struct command *const *c = commands; *c != NULL; c++)
        complete_command(*c, out);
    fprintf(out, "    esac\n    case $cur in\n    -*) ;;\n"
                 "    *) words=\"$words $(VBoxManage list vms 2> /dev/null | sed -n 's/^\"\\(.*\\)\" {.*/\\1/p')\" ;;\n"
                 "    esac\n  fi\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
                 "complete -o default -F _VBoxManage VBoxManage vboxmanage\n");
}

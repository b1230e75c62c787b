/*
 * main.c - VBoxManage: global options, and which command it is.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/manage.h"

#define RESPONSE_MAX (1 << 20)

static bool is_one_of(const char *word, const char *const *list)
{
    return g_strv_contains(list, word);
}

/* "7.0.26r168464"; VBOX_REPORT_VERSION replaces it for scripts that insist on another. */
static const char *version(void)
{
    const char *other = g_getenv("VBOX_REPORT_VERSION");

    return other != NULL && *other != '\0' ? other : RB_VERSION;
}

static void print_logo(void)
{
    g_auto(GStrv) parts = g_strsplit(version(), "r", 2);

    printf(
        "Oracle VM VirtualBox compatible Command Line Management Interface Version %s\nRingbox, GPL-3.0-or-later\n\n",
        parts[0]);
}

/* Replaces @file among the arguments by its words. */
static char **expand(int *argc, char **argv)
{
    GPtrArray *all = g_ptr_array_new();
    bool done = false;

    for (int k = 0; k < *argc; k++) {
        g_autofree char *text = NULL;
        g_auto(GStrv) words = NULL;
        gsize size = 0;
        bool response = k > 0 && argv[k][0] == '@' && argv[k][1] != '\0' && !done &&
                        g_file_get_contents(argv[k] + 1, &text, &size, NULL) && size <= RESPONSE_MAX &&
                        g_shell_parse_argv(text, NULL, &words, NULL);
        if (!response) {
            g_ptr_array_add(all, g_strdup(argv[k]));
            continue;
        }
        done = true;
        for (unsigned n = 0; words[n] != NULL; n++)
            g_ptr_array_add(all, g_strdup(words[n]));
    }
    *argc = (int)all->len;
    g_ptr_array_add(all, NULL);
    return (char **)g_ptr_array_free(all, FALSE);
}

static int help(const char *topic)
{
    const struct command *command = topic != NULL ? command_find(topic) : NULL;

    if (topic != NULL && command == NULL)
        return cmd_error("Unknown command '%s'; \"VBoxManage commands\" lists all", topic), RC_SYNTAX;
    if (command != NULL)
        usage_print(command, stdout);
    else
        usage_all(stdout);
    return RC_OK;
}

static int list_commands(void)
{
    for (const struct command *const *c = commands; *c != NULL; c++)
        printf("%.*s\n", (int)strcspn((*c)->names, "|"), (*c)->names);
    return RC_OK;
}

static int run_command(const char *name, int argc, char **argv, bool details)
{
    const struct command *command = command_find(name);

    if (command == NULL) {
        usage_all(stderr);
        fprintf(stderr, "\nVBoxManage: error: Invalid command '%s'\n", name);
        return RC_SYNTAX;
    }
    struct cmd c = {.command = command, .argv = argv, .argc = argc, .details = details};
    if (argc > 0 && is_one_of(argv[0], cmd_help_words)) {
        usage_print(command, stdout);
        return RC_OK;
    }
    int rc = command->run(&c);
    cmd_unlock(&c);
    client_free(c.client);
    return c.helped ? RC_OK : rc;
}

struct global {
    bool details;
    int at; /* first argument that is no global option */
};

/* Global options before the subcommand. Return: -1 go on, otherwise the exit status. */
static int global_options(int argc, char **argv, struct global *g)
{
    static const char *const versions[] = {"--version", "-V", "-v", "-version", "-Version", NULL};
    static const char *const quiet[] = {"-q", "--nologo", "-nologo", NULL};
    static const char *const helps[] = {"help", "--help", "-?", "-h", "-help", NULL};
    static const char *const with_value[] = {"--settingspw", "--settingspwfile", NULL};

    for (g->at = 1; g->at < argc; g->at++) {
        const char *arg = argv[g->at];
        const char *next = g->at + 1 < argc ? argv[g->at + 1] : NULL;
        if (is_one_of(arg, versions))
            return puts(version()), RC_OK;
        if (is_one_of(arg, helps))
            return help(next);
        if (strcmp(arg, "commands") == 0)
            return list_commands();
        if (strcmp(arg, "--dump-build-type") == 0)
            return puts("release"), RC_OK;
        if (strcmp(arg, "--dumpopts") == 0 || strcmp(arg, "-dumpopts") == 0)
            return usage_all(stdout), RC_OK;
        if (strcmp(arg, "--dump-man") == 0)
            return usage_man(stdout), RC_OK;
        if (strcmp(arg, "--dump-completion") == 0)
            return usage_completion(stdout), RC_OK;
        if (strcmp(arg, "-d") == 0 || strcmp(arg, "--detailed-progress") == 0)
            g->details = true;
        else if (is_one_of(arg, with_value))
            g->at++;
        else if (!is_one_of(arg, quiet) && !g_str_has_prefix(arg, "--settingspw"))
            return -1;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct global g = {0};

    setlocale(LC_ALL, "C.UTF-8");
    char **all = expand(&argc, argv);
    int rc = global_options(argc, all, &g);
    if (rc < 0 && g.at >= argc) {
        print_logo();
        usage_all(stdout);
        rc = RC_OK;
    } else if (rc < 0) {
        rc = run_command(all[g.at], argc - g.at - 1, all + g.at + 1, g.details);
    }
    g_strfreev(all);
    if (fflush(stdout) != 0 && rc == RC_OK)
        rc = RC_FAILURE;
    return rc;
}

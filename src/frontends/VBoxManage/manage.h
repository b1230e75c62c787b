/*
 * manage.h - VBoxManage: commands as tables.
 *
 * A command is a row (struct command): names, options, synopsis, function. Help, usage errors, the manual page and the
 * shell completion are made from the rows. A command reads its arguments with cmd_next(), like getopt.
 *
 * Result codes of the program: 0 done, 1 failed, 2 wrong arguments.
 */
#ifndef FRONTENDS_VBOXMANAGE_MANAGE_H
#define FRONTENDS_VBOXMANAGE_MANAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/api.h"
#include "client/client.h"

enum { RC_OK = 0, RC_FAILURE = 1, RC_SYNTAX = 2, RC_INIT = 3 };

enum option_kind {
    OPTION_NONE, /* stands alone */
    OPTION_TEXT,
    OPTION_U32,
    OPTION_U64,
    OPTION_ON_OFF /* on, off, enable, disable, yes, no, true, false, 1, 0 */
};
struct option {
    int id;            /* > 0; what cmd_next() returns */
    const char *names; /* "--name|-n"; a single dash is understood for each */
    enum option_kind kind;
    bool indexed;    /* a number follows the name directly: --nic1 */
    const char *arg; /* in the synopsis */
    const char *help;
};

struct cmd;
struct command {
    const char *names;            /* "createmedium|createhd" */
    const char *brief;            /* "Create a new medium" */
    const char *const *synopsis;  /* without the command's name; end: NULL */
    const struct option *options; /* end: names NULL; may be NULL */
    int (*run)(struct cmd *c);
};

/* One argument. */
struct value {
    const char *text; /* option's argument or the word itself */
    guint64 number;
    bool on;
    unsigned index;   /* of indexed options */
    const char *name; /* as it was written */
};
#define CMD_END   0
#define CMD_WORD  (-1)
#define CMD_ERROR (-2) /* said already: return RC_SYNTAX */
/** Options that ask for a command's usage, wherever they stand; end NULL. */
extern const char *const cmd_help_words[];

struct cmd {
    const struct command *command;
    const struct command *usage; /* what a mistake prints; NULL: the command's */
    struct client *client;       /* cmd_client() */
    char **argv;
    int argc, at;
    bool words_only; /* after "--" */
    bool json, details;
    bool helped;           /* the usage was asked for and printed: the command ends well */
    char *session_machine; /* cmd_lock() */
};

extern const struct command *const commands[]; /* end: NULL */

/* ---- arguments: parse.c ---- */
int cmd_next(struct cmd *c, struct value *v);
/** The next argument if there is one, whatever it looks like. */
const char *cmd_word(struct cmd *c);
/** cmd_syntax() - usage and message to stderr. Return: RC_SYNTAX. */
int cmd_syntax(struct cmd *c, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/** A word of the command line and what the API calls it; the end: NULL. */
struct api_word {
    const char *word, *name;
};
/** cmd_api_words() - adds to @ret the API's names for the words of @text, "a,b"; they are "@what options". */
int cmd_api_words(struct cmd *c, const char *what, const char *text, const struct api_word *known, GPtrArray *ret);
bool parse_on_off(const char *text, bool *ret);

/* ---- usage.c ---- */
void usage_print(const struct command *command, FILE *out);
const struct command *command_find(const char *name);
void usage_all(FILE *out);
void usage_man(FILE *out);
void usage_completion(FILE *out);

/* ---- service: com.c ---- */
/** Connected, or NULL and said why. */
struct client *cmd_client(struct cmd *c);
/** "VBoxManage: error: ..." and RC_FAILURE */
int cmd_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/** The three lines about a failed call; frees *error. Return: RC_FAILURE. */
int cmd_com_error(struct cmd *c, GError **error, const char *call, int line, const char *file);
/** TRY(c, call) - a call with `&error`; false: it failed and that was said. */
#define TRY(c, call)                                                                                                   \
    ({                                                                                                                 \
        GError *error = NULL;                                                                                          \
        bool ok_ = (call);                                                                                             \
        if (!ok_)                                                                                                      \
            cmd_com_error((c), &error, #call, __LINE__, __FILE__);                                                     \
        ok_;                                                                                                           \
    })
/** The machine's object by name, id or settings file; g_free. NULL: said. */
char *cmd_find_machine(struct cmd *c, const char *name);
/** Locks for writing; c->session_machine is the copy to change. */
bool cmd_lock(struct cmd *c, const char *machine);
/** Beside whoever holds it; of a running machine what may change changes at once. */
bool cmd_lock_shared(struct cmd *c, const char *machine);
/** Saves and unlocks. */
bool cmd_save(struct cmd *c);
void cmd_unlock(struct cmd *c);
bool cmd_set(struct cmd *c, const char *object, const char *interface, const char *property, GVariant *val);
/** Object of a part of the session's machine: "adapter", 0. g_free */
char *cmd_slot(struct cmd *c, const char *kind, unsigned slot);
char *cmd_controller(struct cmd *c, const char *name);
/** Waits with 0%...10%...; on stderr. */
bool cmd_progress(struct cmd *c, const char *progress);
/** Everything about an object: a{sv}. */
GVariant *cmd_describe(struct cmd *c, const char *object, const char *interface);
/** The same of several objects: aa{sv}. */
GVariant *cmd_describe_all(struct cmd *c, const char *const *objects, const char *interface);
char *cmd_absolute(const char *path);
/** The first line of a file, or of standard input ("-", "stdin"), where @prompt asks a person; g_free. NULL: said. */
char *cmd_read_password(const char *file, const char *prompt);
/** A medium by id or file; g_free. */
char *cmd_open_medium(struct cmd *c, const char *location, const char *device_type, bool fresh_uuid);
/** Is the machine's process there? If not, says so. @ret_console: g_free */
/** A MachineState in which the machine has a process. */
bool state_online(const char *state);
bool cmd_console(struct cmd *c, const char *machine, const char *name, char **ret_console);

/* ---- dictionaries ---- */
const char *dict_str(GVariant *dict, const char *key);
bool dict_bool(GVariant *dict, const char *key);
gint64 dict_int(GVariant *dict, const char *key);
/** A number of any width; 0 for NULL and what is none. */
gint64 variant_int(GVariant *val);
/** An array; g_variant_unref. Empty if it is not there. */
GVariant *dict_list(GVariant *dict, const char *key);
void print_json(GVariant *val);
/** as_json() - prints it for --json; false: it is to be printed as text. */
bool as_json(const struct cmd *c, GVariant *val);

/* ---- machines as text: info.c ---- */
/** "Running" as showvminfo says it: "running". */
const char *state_word(const char *state, bool human);
int show_machine(struct cmd *c, const char *object, bool machine_readable);
int show_machine_info(struct cmd *c, GVariant *machine, bool machine_readable);
void snapshots_print(GVariant *machine, bool machine_readable, bool details);
void show_snapshots(GVariant *machine, bool machine_readable, bool details);

#endif

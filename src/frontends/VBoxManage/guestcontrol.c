/*
 * guestcontrol.c - guestcontrol: every sub-command is read to its end; then a session in the guest is asked for, which
 * fails as long as nothing there answers.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum {
    USERNAME = 1,
    PASSWORD,
    PASSWORD_FILE,
    DOMAIN,
    QUIET,
    VERBOSE,
    ARG0,
    EXE,
    CWD,
    ENVIRONMENT,
    TIMEOUT,
    ORPHANED,
    PROFILE,
    UNQUOTED,
    DOS2UNIX,
    UNIX2DOS,
    WAIT_OUT,
    NO_WAIT_OUT,
    WAIT_ERR,
    NO_WAIT_ERR,
    DEREFERENCE,
    RECURSIVE,
    TARGET,
    NO_REPLACE,
    UPDATE,
    MODE,
    PARENTS,
    FORCE,
    DIRECTORY,
    SECURE,
    TMPDIR,
    HUMAN,
    TOTAL,
    SESSION_ID,
    SESSION_NAME,
    ALL,
    SOURCE,
    WAIT_START,
    RUN_LEVEL,
    WAIT_READY,
    VERIFY,
    REBOOT,
    FILE_SYSTEM,
    FORMAT,
    TERSE,
    NO_PROFILE
};
static const struct option options[] = {
    {USERNAME, "--username|--user|-u", OPTION_TEXT, false, "username", "Who does it"},
    {PASSWORD, "--password", OPTION_TEXT, false, "password", "The user's"},
    {PASSWORD_FILE, "--passwordfile|-p", OPTION_TEXT, false, "password-file", "Holds it"},
    {DOMAIN, "--domain", OPTION_TEXT, false, "domainname", "Of Windows"},
    {QUIET, "--quiet|-q", OPTION_NONE, false, NULL, "Say less"},
    {VERBOSE, "--verbose|-v", OPTION_NONE, false, NULL, "Say more"},
    {ARG0, "--arg0", OPTION_TEXT, false, "argument 0", "run, start: what the program sees as its name"},
    {EXE, "--exe|-e|--image", OPTION_TEXT, false, "filename", "run, start: the program"},
    {CWD, "--cwd", OPTION_TEXT, false, "directory", "run, start: where it starts"},
    {ENVIRONMENT, "--putenv|-E", OPTION_TEXT, false, "NAME=[value]", "run, start: a variable"},
    {TIMEOUT, "--timeout|-t", OPTION_U32, false, "msec", "run, start, waitrunlevel: how long at most"},
    {ORPHANED, "--ignore-orphaned-processes", OPTION_NONE, false, NULL, "run, start: what it leaves may stay"},
    {PROFILE, "--profile", OPTION_NONE, false, NULL, "run, start: read the shell's profile"},
    {UNQUOTED, "--unquoted-args", OPTION_NONE, false, NULL, "run, start: arguments as they are"},
    {DOS2UNIX, "--dos2unix", OPTION_NONE, false, NULL, "run: line ends of the output"},
    {UNIX2DOS, "--unix2dos", OPTION_NONE, false, NULL, "run: line ends of the output"},
    {WAIT_OUT, "--wait-stdout", OPTION_NONE, false, NULL, "run: show the output"},
    {NO_WAIT_OUT, "--no-wait-stdout", OPTION_NONE, false, NULL, "run: do not"},
    {WAIT_ERR, "--wait-stderr", OPTION_NONE, false, NULL, "run: show the errors"},
    {NO_WAIT_ERR, "--no-wait-stderr", OPTION_NONE, false, NULL, "run: do not"},
    {DEREFERENCE, "--dereference|-L|--follow", OPTION_NONE, false, NULL, "copyfrom, copyto: what links lead to"},
    {RECURSIVE, "--recursive|-R", OPTION_NONE, false, NULL, "copyfrom, copyto, rmdir: folders with contents"},
    {TARGET, "--target-directory", OPTION_TEXT, false, "dir", "copyfrom, copyto: where to"},
    {NO_REPLACE, "--no-replace", OPTION_NONE, false, NULL, "copyfrom, copyto: what is there stays"},
    {UPDATE, "--update", OPTION_NONE, false, NULL, "copyfrom, copyto: only what is newer"},
    {MODE, "--mode", OPTION_TEXT, false, "mode", "mkdir, mktemp: permissions"},
    {PARENTS, "--parents|-P", OPTION_NONE, false, NULL, "mkdir: folders above it, too"},
    {FORCE, "--force|-f", OPTION_NONE, false, NULL, "rm: do not ask"},
    {DIRECTORY, "--directory", OPTION_NONE, false, NULL, "mktemp: a folder"},
    {SECURE, "--secure|-s", OPTION_NONE, false, NULL, "mktemp: nobody else may open it"},
    {TMPDIR, "--tmpdir", OPTION_TEXT, false, "directory-name", "mktemp: where"},
    {HUMAN, "--human-readable", OPTION_NONE, false, NULL, "fsinfo: sizes for people"},
    {TOTAL, "--total", OPTION_NONE, false, NULL, "fsinfo: the sum"},
    {SESSION_ID, "--session-id", OPTION_U32, false, "ID", "closeprocess, closesession: which"},
    {SESSION_NAME, "--session-name", OPTION_TEXT, false, "name", "closeprocess, closesession: which"},
    {ALL, "--all", OPTION_NONE, false, NULL, "closesession: all"},
    {SOURCE, "--source", OPTION_TEXT, false, "guest-additions.ISO", "updatega: the disc"},
    {WAIT_READY, "--wait-ready", OPTION_NONE, false, NULL, "updatega: until the new ones run"},
    {VERIFY, "--verify", OPTION_NONE, false, NULL, "updatega: and are of that version"},
    {REBOOT, "--reboot", OPTION_NONE, false, NULL, "updatega: the guest starts anew"},
    {FILE_SYSTEM, "--file-system|-F", OPTION_NONE, false, NULL, "stat: about the file system"},
    {FORMAT, "--format|-c", OPTION_TEXT, false, "format", "stat: what is printed"},
    {TERSE, "--terse", OPTION_NONE, false, NULL, "stat: in one line"},
    {NO_PROFILE, "--no-profile", OPTION_NONE, false, NULL, "run, start: do not (the default)"},
    {WAIT_START, "--wait-start", OPTION_NONE, false, NULL, "updatega: only until it starts"},
    {0},
};

#define IN(id)      (UINT64_C(1) << (id))
#define COMMON      (IN(QUIET) | IN(VERBOSE))
#define CREDENTIALS (COMMON | IN(USERNAME) | IN(PASSWORD) | IN(PASSWORD_FILE) | IN(DOMAIN))
#define PROCESS                                                                                                        \
    (CREDENTIALS | IN(ARG0) | IN(EXE) | IN(CWD) | IN(ENVIRONMENT) | IN(TIMEOUT) | IN(ORPHANED) | IN(PROFILE) |         \
     IN(NO_PROFILE) | IN(UNQUOTED))
#define OUTPUT  (IN(DOS2UNIX) | IN(UNIX2DOS) | IN(WAIT_OUT) | IN(NO_WAIT_OUT) | IN(WAIT_ERR) | IN(NO_WAIT_ERR))
#define COPY    (CREDENTIALS | IN(DEREFERENCE) | IN(RECURSIVE) | IN(TARGET) | IN(NO_REPLACE) | IN(UPDATE))
#define SESSION (COMMON | IN(SESSION_ID) | IN(SESSION_NAME))

static const struct verb {
    const char *names;
    unsigned least;      /* words */
    const char *missing; /* said when there are fewer */
    uint64_t options;
} verbs[] = {
    {"run|exec", 0, NULL, PROCESS | OUTPUT},
    {"start", 0, NULL, PROCESS},
    {"copyfrom", 1, "No sources specified!", COPY},
    {"copyto|cp", 1, "No sources specified!", COPY},
    {"mkdir|createdir|createdirectory|md", 1, "No directory to create specified!",
     CREDENTIALS | IN(MODE) | IN(PARENTS)},
    {"rmdir|removedir|removedirectory", 1, "No directory to remove specified!", CREDENTIALS | IN(RECURSIVE)},
    {"rm|removefile", 1, "No file to remove specified!", CREDENTIALS | IN(FORCE)},
    {"mv|move|ren|rename", 2, "No source or no destination specified!", CREDENTIALS},
    {"mktemp|createtemp|createtemporary", 1, "No template specified!",
     CREDENTIALS | IN(MODE) | IN(DIRECTORY) | IN(SECURE) | IN(TMPDIR)},
    {"mount", 0, NULL, CREDENTIALS},
    {"fsinfo|df", 1, "No path specified!", CREDENTIALS | IN(HUMAN) | IN(TOTAL)},
    {"stat", 1, "No element(s) to check specified!", CREDENTIALS | IN(FILE_SYSTEM) | IN(FORMAT) | IN(TERSE)},
    {"list", 1, "Missing list category!", COMMON},
    {"closeprocess", 1, "Missing process ID!", SESSION},
    {"closesession", 0, NULL, SESSION | IN(ALL)},
    {"updatega|updateadditions|updateguestadditions", 0, NULL,
     COMMON | IN(SOURCE) | IN(WAIT_START) | IN(WAIT_READY) | IN(VERIFY) | IN(REBOOT)},
    {"waitrunlevel|wait", 0, NULL, COMMON | IN(TIMEOUT)},
    {"watch", 0, NULL, COMMON},
};

struct request {
    const char *machine, *user, *password, *domain, *exe;
    char *from_file; /* the password */
    const char *category;
    unsigned words;
    const struct verb *verb;
};

static const struct verb *verb_find(const char *word)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(verbs); k++) {
        g_auto(GStrv) names = g_strsplit(verbs[k].names, "|", -1);
        if (g_strv_contains((const char *const *)names, word))
            return &verbs[k];
    }
    return NULL;
}

static int take(struct cmd *c, struct request *r, int id, const struct value *v)
{
    if (id == CMD_WORD) {
        if (r->words++ == 0)
            r->category = v->text;
        return RC_OK;
    }
    if (!(r->verb->options & IN(id)))
        return cmd_syntax(c, "Unknown option: %s", v->name);
    switch (id) {
    case USERNAME: r->user = v->text; break;
    case PASSWORD: r->password = v->text; break;
    case PASSWORD_FILE:
        g_free(r->from_file);
        r->password = r->from_file = cmd_read_password(v->text, "Enter password:");
        return r->password != NULL ? RC_OK : RC_FAILURE;
    case DOMAIN: r->domain = v->text; break;
    case EXE: r->exe = v->text; break;
    default: break;
    }
    return RC_OK;
}

static int check(struct cmd *c, const struct request *r)
{
    static const char *const categories[] = {"all", "sessions", "processes", "files", NULL};

    if (r->words < r->verb->least)
        return cmd_syntax(c, "%s", r->verb->missing);
    if ((r->verb->options & IN(EXE)) != 0 && r->exe == NULL && r->words == 0)
        return cmd_syntax(c, "No executable given!");
    if (strcmp(r->verb->names, "list") == 0 && !g_strv_contains(categories, r->category))
        return cmd_syntax(c, "Unknown list: '%s'", r->category);
    return RC_OK;
}

static int ask_guest(struct cmd *c, const struct request *r)
{
    g_autofree char *machine = cmd_find_machine(c, r->machine);
    GError *why = NULL;
    char node[API_UUID_SIZE];

    if (machine == NULL)
        return RC_FAILURE;
    g_autoptr(GVariant) state = client_get(c->client, machine, "IMachine", "State", &why);
    g_autoptr(GVariant) id = state != NULL ? client_get(c->client, machine, "IMachine", "Id", &why) : NULL;
    if (id == NULL)
        return cmd_com_error(c, &why, "COMGETTER(State)", __LINE__, __FILE__);
    if (strcmp(g_variant_get_string(state, NULL), "Running") != 0)
        return cmd_error("Machine \"%s\" is not running (currently %s)!", r->machine,
                         state_word(g_variant_get_string(state, NULL), true));
    api_node_from_uuid(g_variant_get_string(id, NULL), node);
    g_autofree char *guest = g_strconcat(API_ROOT "/console/", node, NULL);
    const char *user = r->user != NULL ? r->user : "", *password = r->password != NULL ? r->password : "";
    return TRY(c, iguest_create_session(c->client, guest, user, password, r->domain != NULL ? r->domain : "",
                                        "VBoxManage", &error))
               ? RC_OK
               : RC_FAILURE;
}

static int guestcontrol(struct cmd *c)
{
    struct request r = {.machine = cmd_word(c)};
    const char *verb = r.machine != NULL ? cmd_word(c) : NULL;
    int rc = RC_OK;
    struct value v;

    if (verb == NULL)
        return cmd_syntax(c, r.machine == NULL ? "No VM name or UUID specified!" : "No sub-command specified!");
    r.verb = verb_find(verb);
    if (r.verb == NULL)
        return cmd_syntax(c, "Unknown sub-command: '%s'", verb);
    for (int id; rc == RC_OK && (id = cmd_next(c, &v)) != CMD_END;)
        rc = id == CMD_ERROR ? RC_SYNTAX : take(c, &r, id, &v);
    if (rc == RC_OK)
        rc = check(c, &r);
    if (rc == RC_OK)
        rc = ask_guest(c, &r);
    g_free(r.from_file);
    return rc;
}

#define USER "[--username=username] [--password=password | --passwordfile=file] [--domain=name] "
const struct command guestcontrol_command = {
    "guestcontrol", "Control a virtual machine from the host system",
    (const char *const[]){
        "<uuid | vmname> run " USER "[--exe=filename] [options] -- [argument...]",
        "<uuid | vmname> start " USER "[--exe=filename] [options] -- [argument...]",
        "<uuid | vmname> copyfrom " USER "[options] <guest-source...> <host-destination>",
        "<uuid | vmname> copyto " USER "[options] <host-source...> <guest-destination>",
        "<uuid | vmname> mkdir " USER "[--parents] [--mode=mode] <guest-directory...>",
        "<uuid | vmname> rmdir " USER "[--recursive] <guest-directory...>",
        "<uuid | vmname> rm " USER "[--force] <guest-file...>", "<uuid | vmname> mv " USER "<source...> <destination>",
        "<uuid | vmname> mktemp " USER "[--directory] [--secure] [--mode=mode] [--tmpdir=directory] "
        "<template>",
        "<uuid | vmname> mount [--username=username] [--password=password | --passwordfile=file]",
        "<uuid | vmname> fsinfo " USER "[--human-readable] [--total] "
        "<path...>",
        "<uuid | vmname> stat " USER "<file...>", "<uuid | vmname> list <all | files | processes | sessions>",
        "<uuid | vmname> closeprocess [--session-id=ID | --session-name=name] <PID...>",
        "<uuid | vmname> closesession [--all | --session-id=ID | --session-name=name]",
        "<uuid | vmname> updatega [--source=guest-additions.ISO] [--wait-start] [-- argument...]",
        "<uuid | vmname> waitrunlevel [--timeout=msec] <system | userland | desktop>", "<uuid | vmname> watch", NULL},
    options, guestcontrol};

/*
 * main.c - VBoxHeadless: runs one machine without a window.
 *
 * Signals: SIGINT, SIGTERM, SIGHUP power the machine off; SIGUSR1 writes a screenshot; SIGUSR2 presses the power
 * button. Exit status: 0 the machine ran and was powered off (by guest or host); 1 it could not start or got stuck.
 */
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "frontends/VBoxHeadless/terminal.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime.h"
#include "rt/loop.h"

struct headless {
    struct loop *loop;
    struct console *console;
    struct runtime *runtime;
    struct terminal terminal;
    char *screenshot_path;
    bool paused, by_signal;
};

struct options {
    char *startvm, *vrde, *gdb, *screenshot, *state, *raw_mode, *comment;
    char **vrde_properties;
    char *runtime_socket; /* started by VBoxSVC: where it calls us, ... */
    int lockstep_trust;
    int runtime_lock, ready_fd; /* the lock that says we live, and where "ok" or the reason goes */
    gboolean serial_console, start_paused, lockstep, version;
};

static void screenshot(struct headless *h)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = console_screenshot(h->console, h->screenshot_path, &error);

    if (path == NULL)
        fprintf(stderr, "VBoxHeadless: error: %s\n", error->message);
    else
        fprintf(stderr, "Screenshot written to %s\n", path);
}

static void on_key(void *user, char key)
{
    struct headless *h = user;

    switch (key) {
    case 'q': console_power_off(h->console); break;
    case 'r': console_reset(h->console); break;
    case 's': screenshot(h); break;
    case 'p':
        h->paused = !h->paused;
        (h->paused ? console_pause : console_resume)(h->console);
        break;
    default: break;
    }
}

static void on_signal(void *user, int fd, unsigned events)
{
    struct headless *h = user;
    struct signalfd_siginfo info;

    (void)events;
    if (read(fd, &info, sizeof info) != sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGUSR1: screenshot(h); break;
    case SIGUSR2: console_power_button(h->console, false); break;
    default:
        h->by_signal = true;
        console_power_off(h->console);
        break;
    }
}

static void on_ended(void *user)
{
    struct headless *h = user;

    if (h->runtime != NULL && strcmp(console_state(h->console), "Stuck") == 0)
        return; /* stays for whoever wants to look at it, until it is powered off */
    loop_quit(h->loop);
}

static void on_state(void *user, const char *state)
{
    struct headless *h = user;
    struct runtime *runtime = g_atomic_pointer_get(&h->runtime);

    if (runtime != NULL)
        runtime_state(runtime, state, "");
}

static void on_runtime_error(void *user, const char *id, const char *text)
{
    struct headless *h = user;
    struct runtime *runtime = g_atomic_pointer_get(&h->runtime);

    if (runtime != NULL)
        runtime_error(runtime, id, text);
}

static void on_leds(void *user, unsigned leds)
{
    const struct headless *h = user;

    if (h->runtime != NULL)
        runtime_leds(h->runtime, leds);
}

/* The first and only line to whoever started us. */
static void say(int fd, const char *line)
{
    if (fd < 0)
        return;
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    if (write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "VBoxHeadless: warning: nobody waits for the start\n");
    close(fd);
}

static bool watch_signals(struct headless *h, GError **error)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread exists: all inherit it */
    signal(SIGPIPE, SIG_IGN);
    return loop_add(h->loop, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), LOOP_IN, on_signal, h, error) != NULL;
}

static int report_end(struct headless *h)
{
    const char *text;
    const char *name = console_name(h->console);

    switch (console_end(h->console, &text)) {
    case CONSOLE_STUCK: fprintf(stderr, "%s: Guru Meditation: %s. The log holds the details.\n", name, text); return 1;
    case CONSOLE_GUEST_OFF: fprintf(stderr, "%s: powered off by the guest (%s)\n", name, text); return 0;
    default: fprintf(stderr, "%s: %s\n", name, text); return 0;
    }
}

/* In good order: the machine was powered off, or never ran. */
static bool note_end(const struct options *o)
{
    return o->runtime_lock < 0 || write(o->runtime_lock, RUNTIME_END, strlen(RUNTIME_END)) > 0;
}

/* From here on an end that is not noted is a bad one. */
static bool note_begin(const struct options *o, GError **error)
{
    if (o->runtime_lock < 0 || ftruncate(o->runtime_lock, 0) == 0)
        return true;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "The machine's lock file cannot be written: %s", g_strerror(errno));
    return false;
}

static void start_runtime(struct headless *h, int listen_fd)
{
    struct runtime *runtime = runtime_new(listen_fd, h->console, h->loop);

    g_atomic_pointer_set(&h->runtime, runtime);
    runtime_state(runtime, console_state(h->console), ""); /* what changed meanwhile */
    runtime_leds(runtime, console_leds(h->console));
}

static int run(struct headless *h, const struct options *o, GError **error)
{
    struct console_options co = {.loop = h->loop,
                                 .serial_in = o->serial_console ? STDIN_FILENO : -1,
                                 .serial_out = o->serial_console ? STDOUT_FILENO : -1,
                                 .serial_user = &h->terminal,
                                 .serial_filter = terminal_filter,
                                 .gdb = o->gdb,
                                 .state_path = o->state,
                                 .screenshot_path = o->screenshot,
                                 .raw_mode = o->raw_mode,
                                 .start_paused = o->start_paused,
                                 .lockstep = o->lockstep,
                                 .lockstep_trust = o->lockstep_trust,
                                 .user = h,
                                 .ended = on_ended,
                                 .state_changed = on_state,
                                 .runtime_error = on_runtime_error,
                                 .leds_changed = on_leds};

    h->console = console_new(o->startvm, &co, error);
    if (h->console == NULL)
        return 1;
    int listen_fd = o->runtime_socket != NULL ? runtime_listen(o->runtime_socket, error) : -1;
    if (o->runtime_socket != NULL && listen_fd < 0) {
        console_free(h->console);
        return 1;
    }
    h->terminal.user = h;
    h->terminal.key = on_key;
    if (o->serial_console)
        terminal_start(&h->terminal);
    int rc = 1;
    if (note_begin(o, error) && console_power_on(h->console, error)) {
        if (listen_fd >= 0)
            start_runtime(h, listen_fd);
        say(o->ready_fd, "ok");
        rc = loop_run(h->loop);
        terminal_stop(&h->terminal);
        rc = rc != 0 ? 1 : report_end(h);
    }
    terminal_stop(&h->terminal);
    struct runtime *runtime = h->runtime;
    if (runtime != NULL)
        runtime_state(runtime, "PoweredOff", "");
    if (rc == 0 && !note_end(o))
        rc = 1;
    console_free(h->console); /* nothing tells the runtime any more */
    runtime_free(runtime);
    return rc;
}

static bool parse(int *argc, char ***argv, struct options *o, GError **error)
{
    const GOptionEntry entries[] = {
        {"startvm", 's', 0, G_OPTION_ARG_FILENAME, &o->startvm, "The machine's settings file (.vbox)", "FILE"},
        {"vrde", 'v', 0, G_OPTION_ARG_STRING, &o->vrde, "Remote display: off or config", "off|config"},
        {"vrdeproperty", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &o->vrde_properties,
         "Remote display property (stored settings are used)", "NAME=VALUE"},
        {"serial-console", 0, 0, G_OPTION_ARG_NONE, &o->serial_console,
         "Join the first serial port to this terminal; Ctrl-] q leaves", NULL},
        {"start-paused", 'p', 0, G_OPTION_ARG_NONE, &o->start_paused, "Start in the paused state", NULL},
        {"lockstep", 0, 0, G_OPTION_ARG_NONE, &o->lockstep,
         "Run everything in the interpreter and in the recompiler, stop where they differ (slow; one vCPU)", NULL},
        {"lockstep-trust", 0, 0, G_OPTION_ARG_INT, &o->lockstep_trust,
         "With --lockstep: code that ran N times is then compared now and then only (default: always)", "N"},
        {"gdb", 0, 0, G_OPTION_ARG_STRING, &o->gdb, "Let a debugger attach: HOST:PORT, :PORT or a socket's path",
         "ADDRESS"},
        {"screenshot", 0, 0, G_OPTION_ARG_FILENAME, &o->screenshot,
         "Where SIGUSR1 writes the screen (default: Logs/screenshot.png)", "FILE"},
        {"state", 0, 0, G_OPTION_ARG_FILENAME, &o->state, "Continue from this saved state", "FILE"},
        {"raw-mode", 0, 0, G_OPTION_ARG_STRING, &o->raw_mode,
         "Run the guest's programs natively in jailed processes: not, where it pays (the default), wherever possible",
         "off|on|always"},
        {"runtime-socket", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &o->runtime_socket, "Control socket",
         "FILE"},
        {"runtime-lock", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &o->runtime_lock, "Lock held while alive", "FD"},
        {"runtime-ready", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &o->ready_fd, "Told about the start", "FD"},
        {"comment", 0, 0, G_OPTION_ARG_STRING, &o->comment, "Ignored; makes the process easy to find", "TEXT"},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &o->version, "Print the version", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- run a virtual machine without a window");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context,
                                     "Example:\n  VBoxHeadless --startvm debian/debian.vbox --serial-console\n");
    if (!g_option_context_parse(context, argc, argv, error))
        return false;
    if (o->vrde != NULL && g_ascii_strcasecmp(o->vrde, "off") != 0 && g_ascii_strcasecmp(o->vrde, "config") != 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--vrde %s: the remote display is not available; use --vrde off", o->vrde);
        return false;
    }
    if (o->startvm == NULL && !o->version) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "--startvm FILE is missing; try --help");
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    struct headless h = {0};
    struct options o = {.runtime_lock = -1, .ready_fd = -1};
    int rc = 1;

    if (parse(&argc, &argv, &o, &error)) {
        if (o.version) {
            puts(RB_VERSION);
            return 0;
        }
        h.screenshot_path = o.screenshot;
        h.loop = loop_new(&error);
        if (h.loop != NULL && watch_signals(&h, &error))
            rc = run(&h, &o, &error);
        loop_free(h.loop);
    }
    if (error != NULL) {
        fprintf(stderr, "VBoxHeadless: error: %s\n", error->message);
        if (!note_end(&o))
            rc = 1;
        say(o.ready_fd, error->message);
    }
    g_free(o.runtime_socket);
    g_free(o.startvm);
    g_free(o.vrde);
    g_strfreev(o.vrde_properties);
    g_free(o.gdb);
    g_free(o.raw_mode);
    g_free(o.screenshot);
    g_free(o.state);
    g_free(o.comment);
    return rc;
}

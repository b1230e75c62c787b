/*
 * main.c - VBoxSVC: the service of one user and configuration directory.
 *
 * Clients start it (client/client.c); it ends by itself a few seconds after its last client and machine are gone.
 * --pidfile and --shutdown-delay as VirtualBox has them; --automate, --auto-shutdown and --daemonize are accepted: that
 * is how it always works.
 */
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/place.h"
#include "main/server/service.h"

#define LOCK_WAIT_MS 5000u /* the service before us may be on its way out */
#define IDLE_MS      5000

struct options {
    gboolean automate, auto_shutdown, daemonize, version;
    int shutdown_delay_ms, ready_fd;
    char *pidfile, *logfile;
};

static gboolean on_signal(void *user)
{
    service_stop(user);
    return G_SOURCE_CONTINUE;
}

static void say(int fd, const char *line)
{
    if (fd < 0)
        return;
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    if (write(fd, text, strlen(text)) < 0)
        g_warning("Nobody waits for the start");
    close(fd);
}

static bool parse(int *argc, char ***argv, struct options *o, GError **error)
{
    const GOptionEntry entries[] = {
        {"automate", 0, 0, G_OPTION_ARG_NONE, &o->automate, "Accepted", NULL},
        {"auto-shutdown", 0, 0, G_OPTION_ARG_NONE, &o->auto_shutdown, "Accepted", NULL},
        {"daemonize", 0, 0, G_OPTION_ARG_NONE, &o->daemonize, "Accepted", NULL},
        {"shutdown-delay", 0, 0, G_OPTION_ARG_INT, &o->shutdown_delay_ms, "How long to wait for a new client", "MS"},
        {"pidfile", 0, 0, G_OPTION_ARG_FILENAME, &o->pidfile, "Writes the process id there", "FILE"},
        {"logfile", 0, 0, G_OPTION_ARG_FILENAME, &o->logfile, "Messages go there", "FILE"},
        {"inherit-startup-pipe", 0, 0, G_OPTION_ARG_INT, &o->ready_fd, "Where \"ok\" or an error is written", "FD"},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &o->version, "Print the version", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("- the service behind VBoxManage and the other front ends");

    g_option_context_add_main_entries(context, entries, NULL);
    return g_option_context_parse(context, argc, argv, error);
}

static bool serve(const struct options *o, const struct place *place, GError **error)
{
    g_autofree char *vm_program = place_program("VBoxHeadless");
    g_autofree char *disk_program = place_program("VBoxRemoteDisk");
    int lock = place_lock(place->service_lock, LOCK_WAIT_MS, error);

    if (lock < 0)
        return false;
    const struct service_config config = {.home = place->home,
                                          .runtime = place->runtime,
                                          .socket_path = place->socket,
                                          .vm_program = vm_program,
                                          .disk_program = disk_program,
                                          .idle_ms = (unsigned)o->shutdown_delay_ms};
    struct service *s = service_new(&config, error);
    if (s != NULL) {
        g_unix_signal_add(SIGTERM, on_signal, s);
        g_unix_signal_add(SIGINT, on_signal, s);
        say(o->ready_fd, "ok");
        service_run(s);
        service_free(s);
    }
    place_unlock(place->service_lock, lock);
    return s != NULL;
}

int main(int argc, char **argv)
{
    struct options o = {.shutdown_delay_ms = IDLE_MS, .ready_fd = -1};
    struct place place = {0};
    g_autoptr(GError) error = NULL;

    signal(SIGPIPE, SIG_IGN);
    bool ok = parse(&argc, &argv, &o, &error);
    if (ok && o.version) {
        puts(RB_VERSION);
        return 0;
    }
    if (ok && o.ready_fd >= 0)
        fcntl(o.ready_fd, F_SETFD, FD_CLOEXEC);
    if (ok && o.logfile != NULL && freopen(o.logfile, "a", stderr) == NULL)
        return 1;
    ok = ok && place_find(&place, &error);
    if (ok && o.pidfile != NULL) {
        g_autofree char *pid = g_strdup_printf("%d\n", (int)getpid());
        ok = g_file_set_contents(o.pidfile, pid, -1, &error);
    }
    ok = ok && serve(&o, &place, &error);
    if (!ok) {
        say(o.ready_fd, error->message);
        fprintf(stderr, "VBoxSVC: error: %s\n", error->message);
    }
    place_fini(&place);
    return ok ? 0 : 1;
}

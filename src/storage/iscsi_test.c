/*
 * iscsi_test.c - a disk over iSCSI with CHAP, against the target others wrote: tgt. Registered only where tgtd exists.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/status.h"
#include "storage/remote_server.h"

static int run(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static int run(const char *fmt, ...)
{
    g_autofree char *cmd = NULL;
    int status = -1;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_spawn_command_line_sync(cmd, NULL, NULL, &status, NULL) ? status : -1;
}

/* A target with one disk and one user, made the way its administrator would. */
static bool start_target(struct server *s, unsigned port)
{
    g_autofree char *portal = g_strdup_printf("portal=127.0.0.1:%u", port);
    char *argv[] = {"tgtd", "-f", "--iscsi", portal, NULL};
    const char *const set_up[] = {
        "--op new --mode target --tid 1 -T iqn.2026-01.test:disk",
        "--op new --mode account --user alice --password secretsecret12",
        "--op bind --mode account --tid 1 --user alice",
        "--op bind --mode target --tid 1 -I ALL",
    };
    int rc = -1;

    server_start(s, argv);
    for (int i = 0; i < 100 && rc; i++) {
        g_usleep(50000);
        rc = run("tgtadm --lld iscsi %s", set_up[0]);
    }
    if (rc == 0)
        rc = run("tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b %s", s->image);
    for (size_t i = 1; rc == 0 && i < G_N_ELEMENTS(set_up); i++)
        rc = run("tgtadm --lld iscsi %s", set_up[i]);
    return rc == 0;
}

static void stop_target(struct server *s)
{
    g_autofree char *socket = g_strdup_printf("%s.0", s->socket), *lock = g_strdup_printf("%s.0.lock", s->socket);

    server_stop(s);
    g_unlink(socket);
    g_unlink(lock);
}

static void test_iscsi(void)
{
    g_autofree char *uri = NULL, *escaped = NULL, *wrong = NULL;
    unsigned port = 20000 + (unsigned)getpid() % 20000;
    g_autoptr(GError) error = NULL;
    struct server s;
    struct vd *vd;

    server_init(&s);
    g_setenv("TGT_IPC_SOCKET", s.socket, TRUE); /* tgtd and tgtadm meet in our folder: no root needed */
    g_assert_true(start_target(&s, port));
    uri = g_strdup_printf("iscsi://alice%%secretsecret12@127.0.0.1:%u/iqn.2026-01.test:disk/1", port);
    escaped = g_strdup_printf("iscsi://127.0.0.1:%u/iqn.2026-01.test:disk/1#user=al%%69ce&secret=secretsecret12"
                              "&initiator=iqn.2026-01.test:me",
                              port);
    wrong = g_strdup_printf("iscsi://alice%%wrongwrongwro@127.0.0.1:%u/iqn.2026-01.test:disk/1", port);
    g_assert_null(vd_open(fio_system(), "iSCSI", wrong, 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_OPEN_FAILED);
    g_assert_null(strstr(error->message, "wrongwrong"));
    g_clear_error(&error);
    vd = vd_open(fio_system(), "iSCSI", uri, 0, &error);
    g_assert_no_error(error);
    g_assert_null(strstr(vd_path(vd), "secretsecret"));
    server_play(&s, vd);
    vd_close(vd);
    vd = vd_open(fio_system(), "iSCSI", escaped, 0, &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_suffix(vd_path(vd), "/iqn.2026-01.test:disk/1"));
    vd_close(vd);
    stop_target(&s);
    server_fini(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iscsi/chap", test_iscsi);
    return g_test_run();
}

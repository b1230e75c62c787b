/* remote_server.c - see remote_server.h. */
#include "storage/remote_server.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "rt/status.h"
#include "storage/create.h"

void server_init(struct server *s)
{
    *s = (struct server){.dir = g_dir_make_tmp("vd-remote-XXXXXX", NULL)};
    s->image = g_build_filename(s->dir, "disk.raw", NULL);
    s->socket = g_build_filename(s->dir, "sock", NULL);
    g_assert_true(vd_create(
        fio_system(), &(struct vd_create){.format = "RAW", .path = s->image, .size_bytes = SERVER_DISK_BYTES}, NULL));
}

/* It goes with us, also when a test fails. */
static void in_child(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void server_start(struct server *s, char **argv)
{
    GError *error = NULL;

    g_spawn_async(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                  in_child, NULL, &s->pid, &error);
    g_assert_no_error(error);
}

void server_stop(struct server *s)
{
    if (s->pid) {
        kill(s->pid, SIGKILL); /* tgtd does not listen to less */
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

void server_fini(struct server *s)
{
    server_stop(s);
    g_unlink(s->image);
    g_unlink(s->socket);
    g_rmdir(s->dir);
    g_free(s->image);
    g_free(s->socket);
    g_free(s->dir);
}

void server_play(const struct server *s, struct vd *vd)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    g_autofree uint8_t *model = g_malloc0(SERVER_DISK_BYTES), *buf = g_malloc(SERVER_DISK_BYTES);
    g_autofree char *file = NULL;
    gsize bytes;

    g_assert_cmpuint(vd_size_bytes(vd), ==, SERVER_DISK_BYTES);
    for (unsigned i = 0; i < 25; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, SERVER_DISK_BYTES);
        size_t want = (size_t)g_rand_int_range(rand, 1, 3 << 20), n = MIN(want, SERVER_DISK_BYTES - at);

        memset(model + at, g_rand_int_range(rand, 0, 256), n);
        g_assert_cmpint(vd_write(vd, at, model + at, n), ==, 0);
        g_assert_cmpint(vd_read(vd, at / 2, buf, n), ==, 0);
        g_assert_cmpint(memcmp(buf, model + at / 2, n), ==, 0);
    }
    g_assert_cmpint(vd_discard(vd, 1 << 20, 1 << 20), ==, 0);
    g_assert_cmpint(vd_read(vd, 1 << 20, model + (1 << 20), 1 << 20), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    g_assert_true(g_file_get_contents(s->image, &file, &bytes, NULL));
    g_assert_cmpuint(bytes, ==, SERVER_DISK_BYTES);
    g_assert_cmpint(memcmp(file, model, SERVER_DISK_BYTES), ==, 0);
}

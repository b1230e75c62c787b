/*
 * powerloss_disk.c - powerloss_disk RAW FORMAT SOCKET: a disk whose host can lose power at any time and go on.
 *
 * The image of that format, with the contents of RAW, lies in the false file system of rt/fio_crash.c and is served by
 * NBD to whoever connects to SOCKET. For each line "SEED PATH" on standard input the disk as it would be found after a
 * power cut now - opened again, so recovered - is written to PATH, and "ok N" said, N being the operations that no sync
 * covers yet. The one served does not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/copy.h"
#include "storage/nbd_server.h"

#define IMAGE "/disk"

/* The file system, one call at a time: cuts come from another thread. */
static struct {
    struct fio io;
    const struct fio *below;
    struct fio_crash *disk;
    GMutex lock;
} host;

#define GUARDED(type, call)                                                                                            \
    {                                                                                                                  \
        type rc;                                                                                                       \
        (void)ctx;                                                                                                     \
        g_mutex_lock(&host.lock);                                                                                      \
        rc = host.below->call;                                                                                         \
        g_mutex_unlock(&host.lock);                                                                                    \
        return rc;                                                                                                     \
    }

static int64_t guarded_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
    GUARDED(int64_t, pread(host.below->ctx, fd, buf, bytes, off_bytes))

        static int64_t
    guarded_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
        GUARDED(int64_t, pwrite(host.below->ctx, fd, buf, bytes, off_bytes))

            static int guarded_truncate(void *ctx, int fd, uint64_t size_bytes)
                GUARDED(int, ftruncate(host.below->ctx, fd, size_bytes))

                    static int guarded_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
                        GUARDED(int, fallocate(host.below->ctx, fd, mode, off_bytes, bytes))

                            static int guarded_fdatasync(void *ctx, int fd) GUARDED(int, fdatasync(host.below->ctx, fd))

                                static int guarded_fsync(void *ctx, int fd) GUARDED(int, fsync(host.below->ctx, fd))

                                    static void fail(const char *what, const GError *error)
{
    fprintf(stderr, "powerloss_disk: %s: %s\n", what, error ? error->message : g_strerror(errno));
    exit(1);
}

static void begin(const char *raw_path, const char *format)
{
    struct vd *raw;
    g_autoptr(GError) error = NULL;

    host.disk = fio_crash_new();
    host.below = fio_crash_io(host.disk);
    host.io = *host.below;
    host.io.pread = guarded_pread;
    host.io.pwrite = guarded_pwrite;
    host.io.preadv_now = NULL;
    host.io.pwritev = NULL;
    host.io.ftruncate = guarded_truncate;
    host.io.fallocate = guarded_fallocate;
    host.io.fdatasync = guarded_fdatasync;
    host.io.fsync = guarded_fsync;
    raw = vd_open(fio_system(), "RAW", raw_path, VD_READ_ONLY, &error);
    const struct vd_create args = {.format = format, .path = IMAGE, .size_bytes = raw ? vd_size_bytes(raw) : 0};
    if (!raw || !vd_copy(raw, &host.io, &args, NULL, &error))
        fail(raw_path, error);
    vd_close(raw);
}

static void cut(const char *format, uint64_t seed, const char *path)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *found;
    size_t unsynced;
    struct vd *vd;
    int fd;

    g_mutex_lock(&host.lock);
    unsynced = fio_crash_unsynced(host.disk, IMAGE);
    found = fio_crash_replay(host.disk, seed);
    g_mutex_unlock(&host.lock);
    vd = vd_open(fio_crash_io(found), format, IMAGE, 0, &error);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (!vd || vd_read_only(vd) || fd < 0 || !vd_copy_out(vd, fd, &error))
        fail(path, error);
    close(fd);
    vd_close(vd);
    fio_crash_free(found);
    printf("ok %zu\n", unsynced);
    fflush(stdout);
}

static void *listen_for_cuts(void *format)
{
    char line[4200], *path;

    while (fgets(line, sizeof(line), stdin)) {
        const guint64 seed = g_ascii_strtoull(line, &path, 10);

        cut(format, seed, g_strstrip(path));
    }
    exit(0);
}

static int wait_for_client(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(s, 1) != 0)
        fail(path, NULL);
    printf("ready\n");
    fflush(stdout);
    return accept(s, NULL, NULL);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    struct vd *vd;
    int sock;

    if (argc != 4) {
        fprintf(stderr, "powerloss_disk RAW FORMAT SOCKET: see test/long/ext4-powerloss\n");
        return 2;
    }
    begin(argv[1], argv[2]);
    vd = vd_open(&host.io, argv[2], IMAGE, 0, &error);
    if (!vd)
        fail(argv[2], error);
    sock = wait_for_client(argv[3]);
    g_thread_unref(g_thread_new("cuts", listen_for_cuts, argv[2]));
    nbd_serve(vd, sock);
    pause(); /* the last cuts come when the machine has ended */
    return 0;
}

/* fio_test.c - transfers over a table that misbehaves, replacement over a power cut, locks, status names. */
#include "rt/fio.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/fio_direct.h"
#include "rt/fio_shim.h"
#include "rt/status.h"

static void test_status(void)
{
    g_assert_cmpstr(status_name(-152), ==, "VERR_DISK_FULL");
    g_assert_cmpstr(status_name(0), ==, "VINF_SUCCESS");
    g_assert_cmpstr(status_name(-99999), ==, "VERR_?");
    g_assert_cmpint(status_from_errno(-ENOSPC), ==, VERR_DISK_FULL);
    g_assert_cmpint(status_from_errno(EAGAIN), ==, VERR_TRY_AGAIN);
    g_assert_cmpint(status_from_errno(0), ==, 0);
    g_assert_cmpstr(status_text(VERR_SHARING_VIOLATION), ==, "In use by another process");
}

/* Interrupted and short transfers are continued, once and for ever; other errors are reported. */
static void test_transfers(void)
{
    static const struct {
        int err;
        bool for_ever, short_write;
        int expect;
    } cases[] = {
        {EINTR, false, false, 0},
        {EAGAIN, false, false, 0},
        {EINTR, true, false, VERR_INTERRUPTED},
        {ENOSPC, false, false, VERR_DISK_FULL},
        {EFBIG, true, false, VERR_FILE_TOO_BIG},
        {EIO, false, true, 0}, /* half was stored: the rest follows */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct fio_crash *disk = fio_crash_new();
        struct fio_fault f;
        uint8_t out[1000], in[1000];
        int fd = -1;

        memset(out, 0x5a, sizeof(out));
        fio_fault_init(&f, fio_crash_io(disk));
        g_assert_cmpint(fio_open(&f.io, "/a", O_RDWR | O_CREAT, 0600, &fd), ==, 0);
        f.fail_at = f.calls + 1;
        f.err = cases[i].err;
        f.for_ever = cases[i].for_ever;
        f.short_write = cases[i].short_write;
        g_assert_cmpint(fio_write(&f.io, fd, out, sizeof(out), 7), ==, cases[i].expect);
        f.fail_at = 0;
        if (cases[i].expect == 0) {
            g_assert_cmpint(fio_read(&f.io, fd, in, sizeof(in), 7), ==, 0);
            g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
            g_assert_cmpint(fio_read(&f.io, fd, in, sizeof(in), 8), ==, VERR_EOF);
            g_assert_cmpint(fio_read_some(&f.io, fd, in, sizeof(in), 8), ==, 0);
            g_assert_cmpint(in[999], ==, 0);
        }
        fio_close(&f.io, fd);
        fio_crash_free(disk);
    }
}

/* A sync that failed is reported as failed, not tried again. */
static void test_sync_error_is_final(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct fio_fault f;
    int fd = -1;

    fio_fault_init(&f, fio_crash_io(disk));
    g_assert_cmpint(fio_open(&f.io, "/a", O_RDWR | O_CREAT, 0600, &fd), ==, 0);
    f.fail_at = f.calls + 1;
    g_assert_cmpint(fio_sync(&f.io, fd), ==, VERR_DEV_IO_ERROR);
    g_assert_cmpuint(f.calls, ==, f.fail_at);
    fio_close(&f.io, fd);
    fio_crash_free(disk);
}

static void check_either(const struct fio_crash *disk, const char *path, const char *a, const char *b)
{
    g_autoptr(GBytes) now = fio_crash_bytes(disk, path);
    size_t size = 0;
    const char *p;

    g_assert_nonnull(now);
    p = g_bytes_get_data(now, &size);
    g_assert_true((size == strlen(a) && memcmp(p, a, size) == 0) || (size == strlen(b) && memcmp(p, b, size) == 0));
}

/* Every call fails once, and after every call the power goes: the file is old or new, never absent or mixed. */
static void test_replace(void)
{
    bool clean = false;

    for (unsigned n = 1; !clean; n++) {
        struct fio_crash *disk = fio_crash_new();
        struct fio_fault f;
        bool done;

        g_assert_cmpuint(n, <, 100);
        fio_fault_init(&f, fio_crash_io(disk));
        g_assert_true(fio_atomic_replace(&f.io, "/m.vbox", "old", 3, 0, NULL));
        f.calls = 0;
        f.fail_at = n;
        f.err = n % 2 ? ENOSPC : EIO;
        done = fio_atomic_replace(&f.io, "/m.vbox", "newer", 5, FIO_KEEP_PREVIOUS, NULL);
        clean = !f.hit;
        g_assert_true(done || !clean);
        check_either(disk, "/m.vbox", "old", "newer");
        if (clean)
            check_either(disk, "/m.vbox-prev", "old", "old");
        for (uint64_t seed = 0; seed < 40; seed++) {
            struct fio_crash *after = fio_crash_replay(disk, seed);

            check_either(after, "/m.vbox", done ? "newer" : "old", "newer");
            fio_crash_free(after);
        }
        fio_crash_free(disk);
    }
}

/* Un-synced sectors vanish one by one; synced ones stay. */
static void test_crash_model(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    uint8_t page[4096];
    unsigned torn = 0;
    int fd = -1;

    g_assert_cmpint(fio_open(io, "/d", O_RDWR | O_CREAT, 0600, &fd), ==, 0);
    memset(page, 1, sizeof(page));
    g_assert_cmpint(fio_write(io, fd, page, sizeof(page), 0), ==, 0);
    g_assert_cmpint(fio_sync(io, fd), ==, 0);
    g_assert_cmpint(io->dir_sync(io->ctx, "/"), ==, 0);
    memset(page, 2, sizeof(page));
    g_assert_cmpint(fio_write(io, fd, page, sizeof(page), 2048), ==, 0);
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fio_crash *after = fio_crash_replay(disk, seed);
        g_autoptr(GBytes) now = fio_crash_bytes(after, "/d");
        size_t size = 0;
        const uint8_t *p = g_bytes_get_data(now, &size);
        unsigned kept = 0;

        g_assert_cmpuint(size, >=, 4096);
        for (size_t i = 0; i < 2048; i++)
            g_assert_cmpuint(p[i], ==, 1);
        for (size_t i = 2048; i < size; i += 512)
            kept += p[i] == 2;
        torn += kept > 0 && kept < 8;
        g_assert_true(seed != 0 || kept == 0);
        g_assert_true(seed != 1 || kept == 8);
        fio_crash_free(after);
    }
    g_assert_cmpuint(torn, >, 10);
    fio_crash_free(disk);
}

/* A second holder of any kind is refused while one writes; readers go together. */
static void test_locks(void)
{
    const struct fio *io = fio_system();
    g_autofree char *path = g_strdup_printf("%s/fio-test-%d", g_get_tmp_dir(), getpid());
    int a = -1, b = -1;

    g_assert_cmpint(fio_open(io, path, O_RDWR | O_CREAT | O_EXCL, 0600, &a), ==, 0);
    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &b), ==, 0);
    g_assert_cmpint(fio_lock(io, a, FIO_LOCK_EXCLUSIVE), ==, 0);
    g_assert_cmpint(fio_lock(io, b, FIO_LOCK_EXCLUSIVE), ==, VERR_SHARING_VIOLATION);
    g_assert_cmpint(fio_lock(io, b, FIO_LOCK_SHARED), ==, VERR_SHARING_VIOLATION);
    fio_close(io, a);
    g_assert_cmpint(fio_lock(io, b, FIO_LOCK_SHARED), ==, 0);
    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &a), ==, 0);
    g_assert_cmpint(fio_lock(io, a, FIO_LOCK_SHARED), ==, 0);
    fio_close(io, a);
    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &a), ==, 0);
    g_assert_cmpint(fio_lock(io, a, FIO_LOCK_EXCLUSIVE), ==, VERR_SHARING_VIOLATION);
    fio_close(io, a);
    fio_close(io, b);
    g_unlink(path);
}

static void test_system_files(void)
{
    const struct fio *io = fio_system();
    g_autofree char *path = g_strdup_printf("%s/fio-test-%d", g_get_tmp_dir(), getpid());
    g_autofree char *prev = g_strdup_printf("%s-prev", path);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    g_assert_true(fio_atomic_replace(io, path, "one", 3, FIO_KEEP_PREVIOUS, NULL));
    g_assert_true(fio_atomic_replace(io, path, "two", 3, FIO_KEEP_PREVIOUS, NULL));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "two");
    g_clear_pointer(&text, g_free);
    g_assert_true(g_file_get_contents(prev, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "one");
    g_unlink(path);
    g_unlink(prev);
    g_assert_false(fio_atomic_replace(io, "/nonexistent/dir/file", "x", 1, 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_FILE_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "/nonexistent/dir/file"));
}

/* Past the host's cache or, for what the kernel refuses there, through it: the bytes are the same. */
static void test_direct(void)
{
    static const struct {
        size_t memory, bytes; /* how far the memory is from where the kernel wants it */
        uint64_t at;
    } rows[] = {{0, 8192, 0}, {24, 8192, 8192}, {0, 512, 16384 + 512}, {3, 100, 20000}, {0, 4, 24576}, {8, 3 << 20, 0}};
    g_autofree char *path = g_strdup("fio-direct-XXXXXX");
    uint8_t *memory = g_aligned_alloc(1, (3u << 20) + 4096, 4096);
    g_autofree uint8_t *got = g_malloc(3u << 20);
    const struct fio *io = fio_direct(), *plain = fio_system();
    const int seen = g_mkstemp(path);
    int fd;

    g_assert_cmpint(fio_open(io, path, O_RDWR, 0, &fd), ==, 0);
    g_assert_true((fcntl(fd, F_GETFL) & O_DIRECT) || fio_direct_refused() == 1);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t *from = memory + rows[i].memory;

        for (size_t k = 0; k < rows[i].bytes; k++)
            from[k] = (uint8_t)(k * 7 + i);
        g_assert_cmpint(fio_write(io, fd, from, rows[i].bytes, rows[i].at), ==, 0);
        g_assert_cmpint(fio_read(plain, seen, got, rows[i].bytes, rows[i].at), ==, 0);
        g_assert_cmpmem(got, rows[i].bytes, from, rows[i].bytes);
        memset(from, 0, rows[i].bytes);
        g_assert_cmpint(fio_read(io, fd, from, rows[i].bytes, rows[i].at), ==, 0);
        g_assert_cmpmem(got, rows[i].bytes, from, rows[i].bytes);
        g_assert_cmpint(fio_read_some(io, fd, from, 8192, (3u << 20) - 100), ==, 0); /* over the end */
    }
    g_assert_cmpint(fio_readv_now(io, fd, &(struct iovec){got, 4096}, 1, 0), ==, VERR_TRY_AGAIN);
    fio_close(io, fd);
    close(seen);
    unlink(path);
    g_aligned_free(memory);
}

/* Pieces of memory: whole, cut, written by one call or, where there is none for it, in one piece all the same. */
static void test_pieces(void)
{
    struct fio_crash *disk = fio_crash_new();
    char a[3] = "abc", b[5] = "defgh", got[8] = {0};
    const struct iovec iov[] = {{a, 3}, {NULL, 0}, {b, 5}}, in[] = {{got + 4, 4}, {got, 4}};
    struct iovec part[G_N_ELEMENTS(iov)];
    const struct fio *tables[] = {fio_system(), fio_crash_io(disk)};
    g_autofree char *path = g_strdup_printf("%s/fio-pieces-%d", g_get_tmp_dir(), (int)getpid());

    g_assert_cmpuint(fio_pieces_bytes(iov, 3), ==, 8);
    g_assert_cmpuint(fio_pieces_cut(iov, 3, 2, 4, part), ==, 2);
    g_assert_cmpmem(part[0].iov_base, part[0].iov_len, "c", 1);
    g_assert_cmpmem(part[1].iov_base, part[1].iov_len, "def", 3);
    g_assert_cmpuint(fio_pieces_cut(iov, 3, 8, 1, part), ==, 0);
    for (size_t k = 0; k < G_N_ELEMENTS(tables); k++) {
        int fd;

        g_assert_cmpint(fio_open(tables[k], path, O_RDWR | O_CREAT | O_EXCL, 0600, &fd), ==, 0);
        g_assert_cmpint(fio_writev(tables[k], fd, iov, 3, 100), ==, 0);
        g_assert_cmpint(fio_read(tables[k], fd, got, 8, 100), ==, 0);
        g_assert_cmpmem(got, 8, "abcdefgh", 8);
        g_assert_cmpint(fio_readv_now(tables[k], fd, in, 2, 100), ==, 0);
        g_assert_cmpmem(got, 8, "efghabcd", 8);
        g_assert_cmpint(fio_readv_now(tables[k], fd, in, 2, 104), ==, VERR_TRY_AGAIN); /* the file ends */
        fio_close(tables[k], fd);
        tables[k]->unlink(tables[k]->ctx, path);
    }
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fio/status", test_status);
    g_test_add_func("/fio/transfers", test_transfers);
    g_test_add_func("/fio/sync-error-is-final", test_sync_error_is_final);
    g_test_add_func("/fio/replace", test_replace);
    g_test_add_func("/fio/crash-model", test_crash_model);
    g_test_add_func("/fio/locks", test_locks);
    g_test_add_func("/fio/direct", test_direct);
    g_test_add_func("/fio/pieces", test_pieces);
    g_test_add_func("/fio/system-files", test_system_files);
    return g_test_run();
}

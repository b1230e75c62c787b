/*
 * recrypt_test.c - images are encrypted, get another key and are decrypted; killed, cut off and failed at every step.
 */
#include "storage/recrypt.h"

#include <errno.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/crypt_int.h"

#define SIZE   (1u << 20)
#define LEVELS 3
#define MARK   "WHAT NOBODY MAY READ ON THE HOST"

struct subject {
    const char *format;
    unsigned levels;
    bool fixed;
};
static const struct subject subjects[] = {
    {"VDI", LEVELS, false}, {"VDI", 1, true}, {"VHD", LEVELS, false}, {"VMDK", LEVELS, false}, {"RAW", 1, false},
};
static const char *const paths[LEVELS] = {"/m/base", "/m/child", "/m/last"};

/* A store whose password is quick to try. */
static char *quick_store(const char *password, enum vd_cipher cipher)
{
    struct disk_key key = {.cipher = cipher};

    for (unsigned k = 0; k < sizeof(key.key); k++)
        key.key[k] = (uint8_t)(3 * k + (unsigned char)password[0]);
    return keystore_seal(&key, password, 10, NULL);
}

static void links_of(const struct subject *s, struct vd_link ret[LEVELS])
{
    for (unsigned k = 0; k < s->levels; k++)
        ret[k] = (struct vd_link){s->format, paths[k]};
}

/* A chain with something in each image; @model gets what it shows. */
static void make(const struct fio *io, const struct subject *s, uint8_t *model)
{
    struct vd *parent = NULL;
    struct vd_link links[LEVELS];

    links_of(s, links);
    memset(model, 0, SIZE);
    for (unsigned k = 0; k < s->levels; k++) {
        const struct vd_create args = {
            .format = s->format, .path = paths[k], .size_bytes = SIZE, .fixed = s->fixed, .parent = parent};
        g_autoptr(GError) error = NULL;
        struct vd *vd;

        g_assert_true(vd_create(io, &args, &error));
        g_assert_no_error(error);
        vd_close(parent);
        vd = vd_open_chain(io, links, k + 1, 0, &error);
        g_assert_no_error(error);
        for (unsigned j = 0; j < 3; j++) {
            uint64_t at = (100000u * k + 200000u * j) % (SIZE - 8192);

            memset(model + at, (int)(16 * k + j + 1), 8192);
            memcpy(model + at, MARK, sizeof(MARK) - 1);
            g_assert_cmpint(vd_write(vd, at, model + at, 8192), ==, 0);
        }
        g_assert_cmpint(vd_flush(vd), ==, 0);
        vd_close(vd);
        parent = k + 1 < s->levels ? vd_open_chain(io, links, k + 1, VD_READ_ONLY, NULL) : NULL;
    }
}

/* The chain shows @model, with @lock; whether the mark can be found in a file. */
static bool check(struct fio_crash *disk, const struct subject *s, const struct vd_lock *lock, const uint8_t *model,
                  const char *when)
{
    g_autofree uint8_t *buf = g_malloc(SIZE);
    g_autoptr(GError) error = NULL;
    struct vd_link links[LEVELS];
    struct vd *vd;
    bool found = false;

    links_of(s, links);
    vd = vd_open_chain(fio_crash_io(disk), links, s->levels, 0, &error);
    g_assert_no_error(error);
    if (lock->store)
        g_assert_true(vd_unlock(vd, lock->store, lock->password, NULL));
    g_assert_cmpint(vd_read(vd, 0, buf, SIZE), ==, 0);
    if (memcmp(buf, model, SIZE) != 0)
        g_error("%s: the disk shows something else", when);
    vd_close(vd);
    for (unsigned k = 0; k < s->levels; k++) {
        g_autofree char *copy = g_strconcat(paths[k], ".recrypt", NULL);
        g_autoptr(GBytes) file = fio_crash_bytes(disk, paths[k]), left = fio_crash_bytes(disk, copy);

        found |= memmem(g_bytes_get_data(file, NULL), g_bytes_get_size(file), MARK, sizeof(MARK) - 1) != NULL;
        g_assert_null(left);
    }
    return found;
}

static void recrypt(const struct fio *io, const struct subject *s, const struct vd_lock *from, const struct vd_lock *to)
{
    g_autoptr(GError) error = NULL;
    struct vd_link links[LEVELS];
    struct vd_recrypt *r;

    links_of(s, links);
    r = vd_recrypt(io, links, s->levels, from, to, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(vd_recrypt_commit(r, &error));
    g_assert_no_error(error);
}

static void test_round(const void *subject)
{
    g_autofree char *store = quick_store("one", VD_AES_128), *next = quick_store("two", VD_AES_256);
    const struct vd_lock plain = {NULL, NULL}, one = {store, "one"}, two = {next, "two"};
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    g_autofree uint8_t *model = g_malloc(SIZE);

    make(io, subject, model);
    g_assert_true(check(disk, subject, &plain, model, "plain"));
    recrypt(io, subject, &plain, &one);
    g_assert_false(check(disk, subject, &one, model, "encrypted"));
    recrypt(io, subject, &one, &two);
    g_assert_false(check(disk, subject, &two, model, "another key"));
    recrypt(io, subject, &two, &plain);
    g_assert_true(check(disk, subject, &plain, model, "decrypted"));
    fio_crash_free(disk);
}

/* A power cut, and an end by kill (everything survives, seed 1), after each operation; then the notes decide. */
static void test_crashes(const void *subject)
{
    const struct subject *s = subject;
    g_autofree char *store = quick_store("pw", VD_AES_256);
    const struct vd_lock plain = {NULL, NULL}, locked = {store, "pw"};
    struct vd_link links[LEVELS];
    unsigned states = 0;

    links_of(s, links);
    for (unsigned at = 1;; at++) {
        g_autofree uint8_t *model = g_malloc(SIZE);
        struct fio_crash *disk = fio_crash_new();
        struct fio_fault fault;
        struct vd_recrypt *r;
        bool switched;

        make(fio_crash_io(disk), s, model);
        fio_fault_init(&fault, fio_crash_io(disk));
        fault.fail_at = at;
        fault.err = EIO;
        fault.for_ever = true; /* as good as dead from there on */
        r = vd_recrypt(&fault.io, links, s->levels, &plain, &locked, NULL, NULL);
        switched = r != NULL;
        if (r)
            vd_recrypt_commit(r, NULL);
        for (uint64_t seed = 0; seed < 4; seed++, states++) {
            struct fio_crash *after = fio_crash_replay(disk, seed);
            g_autofree char *when = g_strdup_printf("cut at %u, seed %u, switched %d", at, (unsigned)seed, switched);
            g_autoptr(GError) error = NULL;

            g_assert_true(vd_recrypt_finish(fio_crash_io(after), links, s->levels, switched, &error));
            g_assert_no_error(error);
            g_assert_true(vd_recrypt_finish(fio_crash_io(after), links, s->levels, switched, NULL));
            g_assert_cmpint(check(after, s, switched ? &locked : &plain, model, when), ==, !switched);
            fio_crash_free(after);
        }
        fio_crash_free(disk);
        if (!fault.hit)
            break;
    }
    g_test_message("%u states", states);
}

/* A failure undoes: the disk is what it was, and no copy is left. */
static void test_faults(const void *subject)
{
    const struct subject *s = subject;
    g_autofree char *store = quick_store("pw", VD_AES_256);
    const struct vd_lock plain = {NULL, NULL}, locked = {store, "pw"};
    struct vd_link links[LEVELS];

    links_of(s, links);
    for (unsigned at = 1;; at++) {
        g_autofree uint8_t *model = g_malloc(SIZE);
        struct fio_crash *disk = fio_crash_new();
        g_autoptr(GError) error = NULL;
        struct fio_fault fault;
        struct vd_recrypt *r;

        make(fio_crash_io(disk), s, model);
        fio_fault_init(&fault, fio_crash_io(disk));
        fault.fail_at = at;
        fault.err = ENOSPC;
        r = vd_recrypt(&fault.io, links, s->levels, &plain, &locked, NULL, &error);
        if (!r)
            g_assert_nonnull(error);
        vd_recrypt_abandon(r);
        if (fault.fail_at <= fault.calls && fault.hit && r)
            g_assert_true(vd_recrypt_finish(fio_crash_io(disk), links, s->levels, false, NULL)); /* unlink failed */
        g_assert_true(check(disk, s, &plain, model, "fault"));
        fio_crash_free(disk);
        if (!fault.hit)
            break;
    }
}

static int64_t little_room(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return 1000;
}

static int taken(void *ctx, int fd, enum fio_lock kind)
{
    (void)ctx, (void)fd;
    return kind == FIO_LOCK_EXCLUSIVE ? -EAGAIN : 0;
}

static bool stop_at_half(void *ctx, unsigned permille)
{
    (void)ctx;
    return permille < 500;
}

static void refused(const struct fio *io, const struct vd_link *links, size_t n, const struct vd_lock *from,
                    const struct vd_lock *to, const struct vd_progress *progress, int status)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_recrypt(io, links, n, from, to, progress, &error));
    g_assert_error(error, STATUS_ERROR, status);
}

static void test_refused(void)
{
    g_autofree char *store = quick_store("pw", VD_AES_256);
    const struct vd_lock plain = {NULL, NULL}, locked = {store, "pw"}, wrong = {store, "PW"};
    const struct vd_progress progress = {.report = stop_at_half};
    const struct subject *s = &subjects[0];
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    struct fio small = *io, busy = *io;
    g_autofree uint8_t *model = g_malloc(SIZE);
    const struct vd_create split = {
        .format = "VMDK", .path = "/m/split.vmdk", .size_bytes = SIZE, .layout = VD_SPLIT_2G};
    const struct vd_link split_link = {"VMDK", "/m/split.vmdk"};
    struct vd_link links[LEVELS];
    struct vd *user;

    links_of(s, links);
    make(io, s, model);
    small.room = little_room;
    refused(&small, links, LEVELS, &plain, &locked, NULL, VERR_DISK_FULL);
    refused(io, links, LEVELS, &plain, &wrong, NULL, VERR_VD_PASSWORD_INCORRECT);
    refused(io, links, LEVELS, &plain, &locked, &progress, VERR_CANCELLED);
    busy.lock = taken;
    refused(&busy, links, LEVELS, &plain, &locked, NULL, VERR_SHARING_VIOLATION);
    g_assert_true(vd_create(io, &split, NULL));
    user = vd_open(io, "VMDK", "/m/split.vmdk", 0, NULL);
    g_assert_cmpint(vd_write(user, 0, model, 65536), ==, 0);
    vd_close(user);
    refused(io, &split_link, 1, &plain, &locked, NULL, VERR_NOT_SUPPORTED);
    g_assert_true(check(disk, s, &plain, model, "refused"));
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const void *subject);
    } tests[] = {{"round", test_round}, {"crashes", test_crashes}, {"faults", test_faults}};

    g_test_init(&argc, &argv, NULL);
    for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++)
        for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
            g_autofree char *path = g_strdup_printf("/recrypt/%s-%u%s/%s", subjects[s].format, subjects[s].levels,
                                                    subjects[s].fixed ? "-fixed" : "", tests[t].name);

            g_test_add_data_func(path, &subjects[s], tests[t].run);
        }
    g_test_add_func("/recrypt/refused", test_refused);
    return g_test_run();
}

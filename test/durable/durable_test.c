/*
 * durable_test.c - what a guest was told is on stable storage is: random commands to every disk controller, down
 * through the block driver and an image to a file system that loses its power.
 *
 * Below the controller are the real block driver and a real image: a VDI, a child of one, a VHD, or a VMDK whose
 * sectors lie in three files. The files' table notes which file was written since its last good sync.
 *
 * - While a command that makes durable is with the medium, the guest does not see it ended.
 * - When it ended well, every file that was written has been synced with success since; cut the power then, and every
 *   sector shows what was made durable or something newer.
 * - Every other mix is that of a disk past the host's cache: writes end on other threads, reads come from cache.h.
 * - When a sync fails, the command ends with an error, and so does every such command from then on.
 *
 * With -m slow 10,000 mixes for each controller, not a sample.
 */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "drivers/block/block.h"
#include "rt/fio_shim.h"
#include "storage/chain.h"

#define SECTORS     192u /* of the disk's, that are written */
#define PER_FILE    64u  /* of the VMDK's three files */
#define SECTORS_MAX 24u
#define COMMANDS    12 /* of a mix, at most */
#define FILES       64u

enum image { VDI, VDI_CHILD, VHD, VMDK_FILES, IMAGES };

struct world {
    const struct durable_guest *guest;
    enum image image;
    struct fio_crash *disk;
    struct fio io; /* the crash's, with the notes below */
    bool dirty[FILES], sync_fails, sync_failed;
    struct vd *vd;
    struct pdm_block *block;
    GMutex lock;
    GCond changed;
    bool done;

    bool durable, cache_off; /* of the command under way; of the disk */
    uint64_t gen, written[SECTORS], flushed[SECTORS];
};

static struct {
    unsigned commands, durable, errors, cuts;
} counts;

/* ---- files ---- */

static bool *dirty(struct world *w, int fd)
{
    return &w->dirty[(unsigned)fd % FILES]; /* numbers go up from opening to opening, and these are few */
}

static int64_t noted_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    struct world *w = ctx;

    *dirty(w, fd) = true;
    return fio_crash_io(w->disk)->pwrite(w->disk, fd, buf, bytes, off_bytes);
}

static int noted_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    struct world *w = ctx;

    *dirty(w, fd) = true;
    return fio_crash_io(w->disk)->ftruncate(w->disk, fd, size_bytes);
}

static int noted_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    struct world *w = ctx;

    *dirty(w, fd) = true;
    return fio_crash_io(w->disk)->fallocate(w->disk, fd, mode, off_bytes, bytes);
}

static int noted_sync(void *ctx, int fd)
{
    struct world *w = ctx;
    int rc;

    if (w->sync_fails) {
        w->sync_failed = true;
        return -EIO;
    }
    rc = fio_crash_io(w->disk)->fdatasync(w->disk, fd);
    if (rc == 0)
        *dirty(w, fd) = false;
    return rc;
}

/* The rest goes through as it is. */
#define PASS(type, name, params, ...)                                                                                  \
    static type pass_##name params                                                                                     \
    {                                                                                                                  \
        const struct world *w = ctx;                                                                                   \
                                                                                                                       \
        return fio_crash_io(w->disk)->name(w->disk, __VA_ARGS__);                                                      \
    }
PASS(int, open, (void *ctx, const char *path, int flags, unsigned mode), path, flags, mode)
PASS(int, close, (void *ctx, int fd), fd)
PASS(int64_t, pread, (void *ctx, int fd, void *buf, size_t bytes, uint64_t off), fd, buf, bytes, off)
PASS(int, unlink, (void *ctx, const char *path), path)
PASS(int, dir_sync, (void *ctx, const char *dir), dir)
PASS(int, lock, (void *ctx, int fd, enum fio_lock kind), fd, kind)
PASS(int, stat, (void *ctx, int fd, struct fio_stat *ret), fd, ret)
PASS(int64_t, next_data, (void *ctx, int fd, uint64_t off), fd, off)
PASS(int64_t, next_hole, (void *ctx, int fd, uint64_t off), fd, off)
PASS(int64_t, room, (void *ctx, int fd), fd)

static void io_init(struct world *w)
{
    w->io = (struct fio){.ctx = w,
                         .open = pass_open,
                         .close = pass_close,
                         .pread = pass_pread,
                         .pwrite = noted_pwrite,
                         .ftruncate = noted_ftruncate,
                         .fallocate = noted_fallocate,
                         .fdatasync = noted_sync,
                         .fsync = noted_sync,
                         .unlink = pass_unlink,
                         .dir_sync = pass_dir_sync,
                         .lock = pass_lock,
                         .stat = pass_stat,
                         .next_data = pass_next_data,
                         .next_hole = pass_next_hole,
                         .room = pass_room};
}

/* ---- the image ---- */

static void put_file(struct world *w, const char *path, const void *bytes, size_t size, uint64_t length)
{
    int fd;

    g_assert_cmpint(fio_open(&w->io, path, O_RDWR | O_CREAT | O_EXCL, 0600, &fd), ==, 0);
    g_assert_cmpint(fio_write(&w->io, fd, bytes, size, 0), ==, 0);
    g_assert_cmpint(fio_truncate(&w->io, fd, length), ==, 0);
    g_assert_cmpint(fio_sync(&w->io, fd), ==, 0);
    fio_close(&w->io, fd);
}

/* Three files of 64 sectors; the rest of the disk is zeros. */
static void make_files(struct world *w, uint64_t sectors)
{
    g_autoptr(GString) text = g_string_new("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
                                           "createType=\"twoGbMaxExtentFlat\"\n");

    for (unsigned i = 0; i < SECTORS / PER_FILE; i++) {
        g_autofree char *path = g_strdup_printf("/d-f%u.vmdk", i);

        put_file(w, path, "", 0, PER_FILE * 512);
        g_string_append_printf(text, "RW %u FLAT \"%s\" 0\n", PER_FILE, path + 1);
    }
    g_string_append_printf(text, "RW %" G_GUINT64_FORMAT " ZERO\n", sectors - SECTORS);
    g_string_append(text, "ddb.uuid.image=\"11111111-2222-3333-4444-555555555555\"\n"
                          "ddb.uuid.modification=\"11111111-2222-3333-4444-555555555556\"\n");
    put_file(w, "/d", text->str, text->len, text->len);
}

static struct vd *image_open(const struct world *w, const struct fio *io)
{
    static const char *const formats[IMAGES] = {"VDI", "VDI", "VHD", "VMDK"};
    const struct vd_link links[] = {{formats[w->image], "/d"}, {formats[w->image], "/child"}};
    g_autoptr(GError) error = NULL;
    struct vd *vd = vd_open_chain(io, links, w->image == VDI_CHILD ? 2 : 1, 0, &error);

    g_assert_no_error(error);
    return vd;
}

static void image_make(struct world *w, uint64_t size_bytes)
{
    const enum image image = w->image;
    struct vd_create args = {
        .format = image == VHD ? "VHD" : "VDI", .path = "/d", .size_bytes = size_bytes, .block_bytes = 8192};

    if (image == VMDK_FILES)
        make_files(w, size_bytes / 512);
    else
        g_assert_true(vd_create(&w->io, &args, NULL));
    if (image == VDI_CHILD) {
        w->image = VDI;
        args.path = "/child";
        args.parent = image_open(w, &w->io);
        g_assert_true(vd_create(&w->io, &args, NULL));
        vd_close(args.parent);
        w->image = image;
    }
    g_assert_cmpint(fio_crash_io(w->disk)->dir_sync(w->disk, "/"), ==, 0);
    w->vd = image_open(w, &w->io);
}

/* ---- the medium ---- */

static void complete(void *ctx, struct pdm_block_req *req)
{
    struct world *w = ctx;

    (void)req;
    g_mutex_lock(&w->lock);
    w->done = true;
    g_cond_broadcast(&w->changed);
    g_mutex_unlock(&w->lock);
}

static int serve(void *ctx, const struct pdm_block_req *req)
{
    struct world *w = ctx;
    struct pdm_block_req below = {
        .op = req->op, .offset_bytes = req->offset_bytes, .buf = req->buf, .bytes = req->bytes};

    g_assert_false(w->durable && w->guest->over());
    w->done = false;
    w->block->submit(w->block, &below);
    g_mutex_lock(&w->lock);
    while (!w->done)
        g_cond_wait(&w->changed, &w->lock);
    g_mutex_unlock(&w->lock);
    g_assert_false(w->durable && w->guest->over());
    return below.status;
}

/* ---- commands ---- */

struct stamp {
    uint64_t sector, gen;
};

static void put_data(struct world *w, struct rig *r, unsigned sector, unsigned sectors)
{
    w->gen++;
    for (unsigned i = 0; i < sectors; i++) {
        const struct stamp s = {sector + i, w->gen};

        rig_mem_write(r, w->guest->data_gpa + 512 * i, &s, sizeof(s));
        w->written[sector + i] = w->gen;
    }
}

/* What a disk shows whose power fails now. */
static void cut_power(const struct world *w)
{
    struct fio_crash *after = fio_crash_replay(w->disk, 0);
    struct vd *vd = image_open(w, fio_crash_io(after));
    uint8_t bytes[SECTORS * 512];

    counts.cuts++;
    g_assert_cmpint(vd_read(vd, 0, bytes, sizeof(bytes)), ==, 0);
    for (unsigned i = 0; i < SECTORS; i++) {
        struct stamp s;

        memcpy(&s, bytes + 512 * i, sizeof(s));
        g_assert_cmpuint(s.gen, >=, w->flushed[i]);
        g_assert_cmpuint(s.gen, <=, w->written[i]);
        g_assert_true(s.gen == 0 || s.sector == i);
    }
    vd_close(vd);
    fio_crash_free(after);
}

static void check(struct world *w, const struct durable_command *c, bool well)
{
    counts.durable += w->durable;
    if (w->durable && w->sync_failed) {
        if (well)
            g_error("%s: %s ended well after a sync had failed", w->guest->name, c->name);
        counts.errors++;
    }
    if (!w->durable || !well)
        return;
    for (unsigned i = 0; i < FILES; i++)
        g_assert_false(w->dirty[i]);
    memcpy(w->flushed, w->written, sizeof(w->flushed));
    cut_power(w);
}

static bool run(struct world *w, struct rig *r, const struct durable_command *c, GRand *rand)
{
    const unsigned sector = (unsigned)g_rand_int_range(rand, 0, SECTORS - SECTORS_MAX + 1);
    const unsigned sectors = (unsigned)g_rand_int_range(rand, 1, SECTORS_MAX + 1);
    bool well;

    if (c->effects & DURABLE_WRITES)
        put_data(w, r, sector, sectors);
    w->durable = (c->effects & DURABLE_SYNCS) || ((c->effects & DURABLE_WRITES) && w->cache_off);
    counts.commands++;
    well = c->run(c, sector, sectors);
    if (well && (c->effects & (DURABLE_CACHE_OFF | DURABLE_CACHE_ON)))
        w->cache_off = c->effects & DURABLE_CACHE_OFF;
    check(w, c, well);
    w->durable = false;
    if (!well && w->guest->recover)
        w->guest->recover();
    return well;
}

static const struct durable_command *find(const struct durable_guest *guest, unsigned effect)
{
    for (const struct durable_command *c = guest->commands; c->name; c++)
        if (c->effects & effect)
            return c;
    g_assert_not_reached();
}

/* Some commands over a new image; in one of three mixes syncs fail from some command on. */
static void mix(const struct durable_guest *guest, struct rig *r, struct rig_media *m, struct aio *aio, guint32 number)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(number);
    struct world w = {.guest = guest, .image = number % IMAGES, .disk = fio_crash_new()};
    const struct block_up up = {
        .ctx = &w, .complete = complete, .aio = aio, .past_cache = number / IMAGES % 2}; /* late writes, a cache */
    const int fails_at = number % 3 ? -1 : g_rand_int_range(rand, 0, COMMANDS);
    const int length = g_rand_int_range(rand, 2, COMMANDS + 1);
    unsigned choice = 0;

    while (guest->commands[choice].name)
        choice++;
    io_init(&w);
    g_mutex_init(&w.lock);
    g_cond_init(&w.changed);
    image_make(&w, rig_media_block(m)->size_bytes);
    w.block = block_new(w.vd, &up, NULL);
    rig_media_serve(m, serve, &w);
    for (int i = 0; i < length; i++) {
        w.sync_fails |= i == fails_at;
        run(&w, r, &guest->commands[g_rand_int_range(rand, 0, (gint32)choice)], rand);
    }
    g_assert_true(run(&w, r, find(guest, DURABLE_CACHE_ON), rand) || w.sync_failed);
    block_free(w.block);
    vd_close(w.vd);
    fio_crash_free(w.disk);
    g_mutex_clear(&w.lock);
    g_cond_clear(&w.changed);
}

static void test_guest(gconstpointer arg)
{
    const struct durable_guest *guest = arg;
    const unsigned mixes = g_test_slow() ? 10000 : 500;
    struct aio *aio = aio_new(AIO_THREADS); /* a ring knows only the kernel's files */
    struct rig_media *m;
    struct rig *r = guest->begin(&m);

    memset(&counts, 0, sizeof(counts));
    for (guint32 number = 0; number < mixes; number++)
        mix(guest, r, m, aio, number);
    aio_free(aio);
    g_test_message("%u mixes, %u commands, %u that make durable (%u ended with an error), %u power cuts", mixes,
                   counts.commands, counts.durable, counts.errors, counts.cuts);
    g_assert_cmpuint(counts.errors, >, 0);
    rig_free(r);
}

uint32_t durable_cdb(struct rig *r, uint64_t data_gpa, const struct durable_command *c, unsigned sector,
                     unsigned sectors, uint8_t ret_cdb[DURABLE_CDB_BYTES])
{
    const uint8_t page[24] = {[4] = 8, 18, (uint8_t)c->flags}; /* SBC-3, 6.4.5 */
    uint8_t *b = memset(ret_cdb, 0, DURABLE_CDB_BYTES);

    b[0] = (uint8_t)c->code;
    if (c->code == 0x15) {
        b[1] = 0x10;
        b[4] = sizeof(page);
        rig_mem_write(r, data_gpa, page, sizeof(page));
        return sizeof(page);
    }
    if (!(c->effects & DURABLE_WRITES))
        return 0;
    b[1] = (uint8_t)c->flags;
    b[c->code == 0x8a ? 9 : 5] = (uint8_t)sector;
    b[c->code == 0x8a ? 13 : c->code == 0xaa ? 9 : 8] = (uint8_t)sectors;
    return sectors * 512;
}

int main(int argc, char **argv)
{
    static const struct durable_guest *const guests[] = {&durable_ide,        &durable_ahci,        &durable_nvme,
                                                         &durable_virtio_blk, &durable_virtio_scsi, &durable_lsilogic,
                                                         &durable_lsisas,     &durable_buslogic};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(guests); i++) {
        g_autofree char *path = g_strdup_printf("/durable/%s", guests[i]->name);

        g_test_add_data_func(path, guests[i], test_guest);
    }
    return g_test_run();
}

/*
 * block.c - the block driver: see block.h.
 *
 * The default serial number comes from the base image's UUID the way VirtualBox derives it: VB, first and last 32 bits;
 * so it stays the same when snapshots come and go.
 */
#include "drivers/block/block_int.h"

#include <sys/resource.h>

#include "rt/status.h"
#include "storage/chain.h"

#define RETRY_US    500000  /* how often a kept request is tried again without being asked */
#define FAIR_SHARE  4       /* requests between two steps of the background when the guest leaves no pause */
#define STALL_US    20000   /* a write that took longer was made to wait by the host ... */
#define BACK_OFF_US 1000000 /* ... and so may others for some time */

#define WRITE_FAILED                                                                                                   \
    "The host encountered an error while updating data. Make sure there is enough free space on the disk and that "    \
    "the "                                                                                                             \
    "disk is working properly. Operation can be resumed afterwards"

/*
 * Host troubles the user can end while the machine waits; names as VirtualBox's, texts near them. Its rule for other
 * errors is by direction and way: a write past the host's cache waits, one through it, and every read, is the guest's.
 */
static const struct trouble {
    int status;
    bool writes_past_cache; /* only those */
    bool named;             /* the medium and the status are told, too */
    const char *id, *text;
} troubles[] = {
    {VERR_DISK_FULL, false, false, "DrvVD_DISKFULL",
     "Host system reported disk full. VM execution is suspended. You can resume after freeing some space"},
    {VERR_FILE_TOO_BIG, false, false, "DrvVD_FILETOOBIG",
     "Host system reported that the file size limit of the host file system has been exceeded. VM execution is "
     "suspended. You need to move the file to a filesystem which allows bigger files"},
    {VERR_VD_DEK_MISSING, false, false, "DrvVD_DEKMISSING", "VD: The DEK for this disk is missing"},
    {VERR_BROKEN_PIPE, false, true, "DrvVD_ISCSIDOWN",
     "The target has stopped responding: the connection is lost. VM execution is suspended"},
    {VERR_STALE_FILE_HANDLE, false, true, "DrvVD_ISCSIDOWN",
     "The file became stale (often due to a restarted NFS server). VM execution is suspended. You can resume when it "
     "is "
     "available again"},
    {VERR_DEV_IO_ERROR, true, true, "BLKCACHE_IOERR", WRITE_FAILED},
    {VERR_DISK_IO_ERROR, true, true, "BLKCACHE_IOERR", WRITE_FAILED},
    {VERR_NO_MEMORY, true, true, "BLKCACHE_IOERR", WRITE_FAILED},
};

static void block_submit(struct pdm_block *pub, struct pdm_block_req *req)
{
    struct block *b = (struct block *)pub;

    req->priv = NULL;
    g_mutex_lock(&b->lock);
    if (b->tail)
        b->tail->priv = req;
    else
        b->head = req;
    b->tail = req;
    g_cond_broadcast(&b->changed);
    g_mutex_unlock(&b->lock);
}

/* How often this thread has slept in the kernel: a thread that others only pushed aside has not. */
static long sleeps(void)
{
    struct rusage u;

    return getrusage(RUSAGE_THREAD, &u) ? 0 : u.ru_nvcsw;
}

/* Into the host's cache, over what lies in a file already. The host may make writers wait for its disk: not twice. */
static int write_now(struct block *b, uint64_t off_bytes, const struct iovec *iov, unsigned n)
{
    const size_t bytes = fio_pieces_bytes(iov, n);
    const gint64 start_us = g_get_monotonic_time();
    const long slept = sleeps();
    struct vd_place p;
    int rc;

    if (b->up.past_cache || (off_bytes | bytes) % HOST_PAGE || start_us < b->write_now_us ||
        !vd_place(b->vd, off_bytes, bytes, &p) || p.at % HOST_PAGE) /* a part of a page is read first */
        return VERR_TRY_AGAIN;
    rc = vd_write_over(b->vd, off_bytes, iov, n);
    if (g_get_monotonic_time() - start_us > STALL_US && sleeps() != slept)
        b->write_now_us = start_us + BACK_OFF_US;
    return rc;
}

/*
 * On the caller's thread: only what is done with the host's memory, and only when nobody uses the disk or waits for it.
 * Handing it over to the driver's thread and back takes many times as long. What fails the driver's thread does again.
 */
static bool block_now(struct pdm_block *pub, struct pdm_block_req *req)
{
    struct block *b = (struct block *)pub;
    const struct iovec whole = {req->buf, req->bytes}, *iov = req->iov ? req->iov : &whole;
    const unsigned n = req->iov ? req->iov_count : 1;
    const bool write = req->op == PDM_BLOCK_WRITE;
    bool mine;

    if (req->op != PDM_BLOCK_READ && !write)
        return false;
    g_mutex_lock(&b->lock);
    mine = !b->head && !b->at_disk && !b->call && !b->stop && g_mutex_trylock(&b->use);
    g_mutex_unlock(&b->lock);
    if (!mine)
        return false;
    if (!b->vd)
        req->status = VERR_INVALID_STATE;
    else if (!write && block_cache_read(b->cache, req->offset_bytes, iov, n))
        req->status = 0;
    else
        req->status = write ? write_now(b, req->offset_bytes, iov, n) : vd_read_now(b->vd, req->offset_bytes, iov, n);
    track_note(b, req);
    g_mutex_unlock(&b->use);
    return req->status == 0;
}

/* ---- requests ---- */

static int transfer(struct block *b, const struct pdm_block_req *req)
{
    if (!b->vd)
        return VERR_INVALID_STATE;
    switch (req->op) {
    case PDM_BLOCK_READ: return vd_read(b->vd, req->offset_bytes, req->buf, req->bytes);
    case PDM_BLOCK_WRITE: return vd_write(b->vd, req->offset_bytes, req->buf, req->bytes);
    case PDM_BLOCK_FLUSH: return b->up.ignore_flush ? 0 : vd_flush(b->vd);
    case PDM_BLOCK_DISCARD: return vd_discard(b->vd, req->offset_bytes, req->bytes);
    case PDM_BLOCK_PACKET: break; /* for drives (optical.h) */
    }
    return VERR_INVALID_PARAMETER;
}

static int execute(struct block *b, const struct pdm_block_req *req)
{
    int rc;

    if (req->op == PDM_BLOCK_DISCARD || req->op == PDM_BLOCK_WRITE)
        block_cache_drop(b->cache, req->offset_bytes, req->bytes);
    g_mutex_lock(&b->use);
    rc = transfer(b, req);
    track_note(b, req);
    g_mutex_unlock(&b->use);
    if (rc == 0 && (req->op == PDM_BLOCK_READ || req->op == PDM_BLOCK_WRITE))
        block_cache_put(b->cache, req->offset_bytes, req->buf, req->bytes);
    return rc;
}

/* Carries out a waiting call. Lock held. Whether there was one. */
static bool take_call(struct block *b)
{
    struct block_wait *call = b->call;

    if (!call)
        return false;
    late_wait(b);
    g_mutex_unlock(&b->lock);
    g_mutex_lock(&b->use);
    call->fn(call->ctx);
    if (!call->looks)
        block_cache_drop_all(b->cache); /* it may be another disk now, or a locked one */
    g_mutex_unlock(&b->use);
    g_mutex_lock(&b->lock);
    b->call = NULL;
    call->done = true;
    g_cond_broadcast(&b->changed);
    return true;
}

/* NULL: it is the guest's. A failed flush has lost data already. */
static const struct trouble *trouble_of(const struct block *b, const struct pdm_block_req *req)
{
    const bool past_cache = req->op == PDM_BLOCK_WRITE && b->up.past_cache;

    for (size_t i = 0; i < G_N_ELEMENTS(troubles) && req->op != PDM_BLOCK_FLUSH; i++)
        if (troubles[i].status == req->status && (past_cache || !troubles[i].writes_past_cache))
            return &troubles[i];
    return NULL;
}

/* Whether the machine stops for it. */
static bool tell(const struct block *b, const struct trouble *t)
{
    g_autofree char *text = NULL;

    if (!t || !b->up.host_error)
        return false;
    if (t->named)
        text = g_strdup_printf("%s (medium \"%s\", %s)", t->text, b->vd ? vd_path(b->vd) : "", status_name(t->status));
    return b->up.host_error(b->up.ctx, t->id, text ? text : t->text);
}

enum wake { WAKE_STOP, WAKE_RESUMED, WAKE_TIME };

/* Until the driver stops, somebody says that it goes on or did something with the disk, or half a second is over. */
static enum wake sleep_a_while(struct block *b)
{
    gint64 end = g_get_monotonic_time() + RETRY_US;
    enum wake why;

    g_mutex_lock(&b->lock);
    while (!b->resume && !b->stop) {
        if (take_call(b))
            break; /* perhaps it was the help */
        if (!g_cond_wait_until(&b->changed, &b->lock, end))
            break;
    }
    why = b->stop ? WAKE_STOP : b->resume ? WAKE_RESUMED : WAKE_TIME;
    b->resume = false;
    g_mutex_unlock(&b->lock);
    return why;
}

/*
 * The machine is stopped until the request goes through: somebody resumes it, or there is room again. A request that
 * fails for another reason by then is the guest's.
 */
static void wait_for_host(struct block *b, struct pdm_block_req *req)
{
    const struct trouble *t = trouble_of(b, req);

    while (tell(b, t)) {
        enum wake why = WAKE_TIME;

        while (trouble_of(b, req) == t && why == WAKE_TIME) {
            why = sleep_a_while(b);
            if (why == WAKE_STOP)
                return;
            req->status = execute(b, req);
        }
        if (req->status == 0 && why == WAKE_TIME && b->up.host_well)
            b->up.host_well(b->up.ctx);
        t = trouble_of(b, req);
    }
}

static void work(struct block *b, struct pdm_block_req *req, bool again)
{
    b->since_step++;
    if (!again && late_start(b, req))
        return;
    req->status = execute(b, req);
    if (req->status)
        wait_for_host(b, req);
    g_mutex_lock(&b->lock);
    b->at_disk = false; /* what the guest answers with may be done at once */
    g_mutex_unlock(&b->lock);
    b->up.complete(b->up.ctx, req);
}

/* A step of the background if it is its turn. Lock held. Whether there was one. */
static bool take_step(struct block *b)
{
    enum block_more more;

    if (!b->step || b->stop || (b->head && b->since_step < FAIR_SHARE) || g_get_monotonic_time() < b->step_us)
        return false;
    late_wait(b);
    g_mutex_unlock(&b->lock);
    g_mutex_lock(&b->use);
    b->since_step = 0;
    more = b->step(b->step_ctx);
    if (more == BLOCK_DONE) {
        b->step = NULL;
        block_cache_drop_all(b->cache);
    }
    b->step_us = more == BLOCK_LATER ? g_get_monotonic_time() + RETRY_US : 0;
    g_mutex_unlock(&b->use);
    g_mutex_lock(&b->lock);
    return true;
}

/* The next request, or NULL when the driver stops and there is none. *@ret_again: it was tried already. */
static struct pdm_block_req *next(struct block *b, bool *ret_again)
{
    struct pdm_block_req *req, **from;

    g_mutex_lock(&b->lock);
    b->busy = b->at_disk = false;
    g_cond_broadcast(&b->changed);
    for (;;) {
        take_call(b);
        if (take_step(b))
            continue;
        if (b->head || b->again || (b->stop && !b->late))
            break;
        if (!b->call && b->step)
            g_cond_wait_until(&b->changed, &b->lock, b->step_us);
        else if (!b->call)
            g_cond_wait(&b->changed, &b->lock);
    }
    *ret_again = b->again != NULL;
    from = *ret_again ? &b->again : &b->head;
    req = *from;
    if (req) {
        *from = req->priv;
        b->busy = b->at_disk = true;
    }
    if (!b->head)
        b->tail = NULL;
    g_mutex_unlock(&b->lock);
    return req;
}

static void *worker(void *arg)
{
    struct block *b = arg;
    struct pdm_block_req *req;
    bool again;

    while ((req = next(b, &again)))
        work(b, req, again);
    return NULL;
}

static void name_medium(struct block *b)
{
    uint8_t uuid[VD_UUID_BYTES];
    struct vd *base = b->vd;
    uint32_t first, last;

    while (vd_parent(base))
        base = vd_parent(base);
    if (!vd_uuid(base, uuid))
        return;
    first = (uint32_t)uuid[0] << 24 | uuid[1] << 16 | uuid[2] << 8 | uuid[3];
    last = (uint32_t)uuid[15] << 24 | uuid[14] << 16 | uuid[13] << 8 | uuid[12];
    g_snprintf(b->pub.serial, sizeof(b->pub.serial), "VB%08x-%08x", first, last);
}

struct pdm_block *block_new(struct vd *vd, const struct block_up *up, GError **error)
{
    struct block *b = g_new0(struct block, 1);

    b->vd = vd;
    b->up = *up;
    b->pub = (struct pdm_block){.drv = b,
                                .size_bytes = vd_size_bytes(vd),
                                .sector_bytes = up->optical ? 2048 : 512,
                                .read_only = vd_read_only(vd),
                                .removable = up->removable,
                                .submit = block_submit,
                                .now = block_now};
    if (up->past_cache && !up->shared)
        b->cache = block_cache_new();
    name_medium(b);
    g_mutex_init(&b->use);
    g_mutex_init(&b->lock);
    g_cond_init(&b->changed);
    b->thread = g_thread_try_new("block", worker, b, error);
    if (!b->thread) {
        block_free(&b->pub);
        return NULL;
    }
    return &b->pub;
}

void block_free(struct pdm_block *pub)
{
    struct block *b = (struct block *)pub;

    if (!b)
        return;
    g_mutex_lock(&b->lock);
    b->stop = true;
    g_cond_broadcast(&b->changed);
    g_mutex_unlock(&b->lock);
    if (b->thread)
        g_thread_join(b->thread);
    g_mutex_clear(&b->use);
    g_mutex_clear(&b->lock);
    g_cond_clear(&b->changed);
    block_cache_free(b->cache);
    g_free(b->changes);
    g_free(b);
}

void block_resume(struct pdm_block *pub)
{
    struct block *b = (struct block *)pub;

    g_mutex_lock(&b->lock);
    b->resume = true;
    g_cond_broadcast(&b->changed);
    g_mutex_unlock(&b->lock);
}

static void call(struct block *b, struct block_wait *w)
{
    g_mutex_lock(&b->lock);
    while (b->call)
        g_cond_wait(&b->changed, &b->lock);
    b->call = w;
    g_cond_broadcast(&b->changed);
    while (!w->done)
        g_cond_wait(&b->changed, &b->lock);
    g_mutex_unlock(&b->lock);
}

void block_call(struct pdm_block *pub, void (*fn)(void *ctx), void *ctx)
{
    struct block_wait w = {.fn = fn, .ctx = ctx};

    call((struct block *)pub, &w);
}

void block_look(struct pdm_block *pub, void (*fn)(void *ctx), void *ctx)
{
    struct block_wait w = {.fn = fn, .ctx = ctx, .looks = true};

    call((struct block *)pub, &w);
}

void block_set_disk(struct pdm_block *pub, struct vd *vd)
{
    struct block *b = (struct block *)pub;

    b->vd = vd;
}

void block_background(struct pdm_block *pub, enum block_more (*step)(void *ctx), void *ctx)
{
    struct block *b = (struct block *)pub;

    b->step_us = 0;
    b->step = step;
    b->step_ctx = ctx;
}

bool block_idle(struct pdm_block *pub)
{
    struct block *b = (struct block *)pub;
    bool idle;

    g_mutex_lock(&b->lock);
    idle = !b->head && !b->again && !b->busy && !b->late;
    g_mutex_unlock(&b->lock);
    return idle;
}

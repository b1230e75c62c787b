/*
 * late.c - requests that wait for the disk while the block driver's queue goes on.
 *
 * Reads the host has not in memory; and, where its cache is not to be used, writes over what lies in a file already.
 * A write that failed is done again by the driver's thread, which knows what to do about it: nobody has heard of it
 * yet. Invariant 1: of two requests that meet, and one is a write, the second begins when the first is done. Invariant
 * 2: a late write covers whole pages of its file; with inv 1 no page is on its way both through the host's cache, like
 * the image's tables, and past it (fio_direct.c).
 */
#include "drivers/block/block_int.h"
#include "rt/status.h"

struct late {
    struct aio_op op;
    struct block *b;
    struct pdm_block_req *req; /* the device's again when it is done */
    uint64_t offset_bytes, bytes;
    struct late *next;
};

void late_wait(struct block *b)
{
    while (b->late)
        g_cond_wait(&b->changed, &b->lock);
}

static bool moves(const struct pdm_block_req *req)
{
    return req->op == PDM_BLOCK_READ || req->op == PDM_BLOCK_WRITE;
}

static bool met(const struct block *b, const struct pdm_block_req *req)
{
    for (const struct late *l = b->late; l; l = l->next)
        if ((l->op.write || req->op != PDM_BLOCK_READ) && l->offset_bytes < req->offset_bytes + req->bytes &&
            req->offset_bytes < l->offset_bytes + l->bytes)
            return true;
    return false;
}

/* Inv 1, and before what concerns all. Whether @req has to stand back once more: a write before it is to be done again.
 */
static bool wait_before(struct block *b, struct pdm_block_req *req)
{
    bool back;

    g_mutex_lock(&b->lock);
    if (moves(req))
        while (met(b, req))
            g_cond_wait(&b->changed, &b->lock);
    else
        late_wait(b);
    back = b->again != NULL;
    if (back) {
        req->priv = b->head;
        b->head = req;
        b->tail = b->tail ? b->tail : req;
    }
    g_mutex_unlock(&b->lock);
    return back;
}

static void unlink_late(struct block *b, const struct late *l)
{
    struct late **at = &b->late;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
}

static void late_done(struct aio_op *op)
{
    struct late *l = op->ctx;
    struct pdm_block_req *req = l->req;
    struct block *b = l->b;
    const bool again = op->write && op->status;

    track_note(b, req);
    if (!again) {
        req->status = op->status;
        if (op->status == 0)
            block_cache_put(b->cache, l->offset_bytes, op->buf, l->bytes);
        b->up.complete(b->up.ctx, req);
    }
    g_mutex_lock(&b->lock);
    unlink_late(b, l);
    if (again) {
        req->priv = b->again;
        b->again = req;
    }
    g_cond_broadcast(&b->changed);
    g_mutex_unlock(&b->lock);
    g_free(l);
}

/* The kernel's ring knows only files of the kernel's. */
static bool reaches(const struct block *b, const struct vd_place *p)
{
    return p->io->kernel || aio_kind_of(b->up.aio) == AIO_THREADS;
}

/* Where the file's bytes are, if the request may be late. */
static bool place(struct block *b, const struct pdm_block_req *req, struct vd_place *ret)
{
    if (req->op == PDM_BLOCK_READ)
        return vd_place(b->vd, req->offset_bytes, req->bytes, ret) && reaches(b, ret);
    return b->up.past_cache && req->op == PDM_BLOCK_WRITE &&
           vd_place_over(b->vd, req->offset_bytes, req->bytes, ret) == 0 && reaches(b, ret) &&
           (ret->at | req->bytes) % HOST_PAGE == 0; /* inv 2 */
}

bool late_start(struct block *b, struct pdm_block_req *req)
{
    const struct iovec whole = {req->buf, req->bytes};
    struct vd_place p = {};
    bool ready, placed;
    struct late *l;

    if (!b->up.aio)
        return false;
    if (wait_before(b, req))
        return true;
    if (!moves(req))
        return false;
    g_mutex_lock(&b->use);
    ready = b->vd && req->op == PDM_BLOCK_READ &&
            (block_cache_read(b->cache, req->offset_bytes, &whole, 1) ||
             vd_read_now(b->vd, req->offset_bytes, &whole, 1) == 0);
    placed = !ready && b->vd && place(b, req, &p);
    g_mutex_unlock(&b->use);
    if (ready) {
        req->status = 0;
        b->up.complete(b->up.ctx, req);
    }
    if (!placed)
        return ready;
    l = g_new(struct late, 1);
    *l = (struct late){.b = b, .req = req, .offset_bytes = req->offset_bytes, .bytes = req->bytes};
    l->op = (struct aio_op){.io = p.io,
                            .fd = p.fd,
                            .write = req->op == PDM_BLOCK_WRITE,
                            .buf = req->buf,
                            .bytes = req->bytes,
                            .off_bytes = p.at,
                            .done = late_done,
                            .ctx = l};
    if (l->op.write)
        block_cache_drop(b->cache, l->offset_bytes, l->bytes);
    g_mutex_lock(&b->lock);
    l->next = b->late;
    b->late = l;
    g_mutex_unlock(&b->lock);
    aio_start(b->up.aio, &l->op);
    return true;
}

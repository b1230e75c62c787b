/*
 * rig_drv.c - the rig's drivers: media in memory with faults and delays, and a character line.
 */
#include <string.h>

#include "rt/status.h"
#include "vmm/pdm/rig_int.h"

/* ---- media ---- */

static void media_submit(struct pdm_block *b, struct pdm_block_req *req)
{
    struct rig_media *m = b->drv;

    g_ptr_array_add(m->waiting, req);
}

static int media_do(struct rig_media *m, struct pdm_block_req *q);

/* Piece by piece. */
static int media_do_pieces(struct rig_media *m, const struct pdm_block_req *req)
{
    struct pdm_block_req part = *req;
    int status = 0;

    g_assert_cmpuint(req->iov_count, <=, PDM_BLOCK_PIECES);
    for (unsigned i = 0; status == 0 && i < req->iov_count; i++) {
        part.buf = req->iov[i].iov_base;
        part.bytes = req->iov[i].iov_len;
        status = media_do(m, &part);
        part.offset_bytes += part.bytes;
    }
    g_assert_cmpuint(part.offset_bytes - req->offset_bytes, ==, req->bytes);
    return status;
}

/* Every other transfer that could be done at once is: devices meet both ways. */
static bool media_now(struct pdm_block *b, struct pdm_block_req *req)
{
    struct rig_media *m = b->drv;

    if (req->op != PDM_BLOCK_READ && (req->op != PDM_BLOCK_WRITE || !req->iov || m->serve))
        return false;
    if (m->hold || m->waiting->len || m->fault.count || m->reads++ % 2)
        return false;
    req->status = req->iov ? media_do_pieces(m, req) : media_do(m, req);
    return true;
}

struct rig_media *rig_media_new(struct rig *r, uint64_t bytes, uint32_t sector_bytes)
{
    struct rig_media *m = g_new0(struct rig_media, 1);

    m->rig = r;
    m->bytes = g_malloc0(MAX(bytes, 1u));
    m->waiting = g_ptr_array_new();
    m->block = (struct pdm_block){
        .drv = m, .size_bytes = bytes, .sector_bytes = sector_bytes, .submit = media_submit, .now = media_now};
    g_ptr_array_add(r->media, m);
    return m;
}

void rig_media_free(void *p)
{
    struct rig_media *m = p;

    g_ptr_array_unref(m->waiting);
    g_free(m->bytes);
    g_free(m);
}

struct pdm_block *rig_media_block(struct rig_media *m)
{
    return &m->block;
}

uint8_t *rig_media_bytes(struct rig_media *m)
{
    return m->bytes;
}

void rig_media_fail(struct rig_media *m, int op, uint64_t off, uint64_t bytes, unsigned count, int status)
{
    m->fault = (struct rig_fault){.op = op, .off = off, .bytes = bytes, .count = count, .status = status};
}

void rig_media_hold(struct rig_media *m, bool hold)
{
    m->hold = hold;
}

unsigned rig_media_waiting(struct rig_media *m)
{
    return m->waiting->len;
}

uint64_t rig_media_flushes(struct rig_media *m)
{
    return m->flushes;
}

void rig_media_serve(struct rig_media *m, int (*serve)(void *ctx, const struct pdm_block_req *req), void *ctx)
{
    m->serve = serve;
    m->serve_ctx = ctx;
}

static bool hits_fault(struct rig_media *m, const struct pdm_block_req *q)
{
    const struct rig_fault *f = &m->fault;

    if (!f->count || (f->op >= 0 && (enum pdm_block_op)f->op != q->op))
        return false;
    return q->op == PDM_BLOCK_FLUSH || (q->offset_bytes < f->off + f->bytes && f->off < q->offset_bytes + q->bytes);
}

static int media_do(struct rig_media *m, struct pdm_block_req *q)
{
    const uint64_t size = m->block.size_bytes;

    if (hits_fault(m, q)) {
        m->fault.count--;
        return m->fault.status;
    }
    if (q->op == PDM_BLOCK_FLUSH)
        m->flushes++;
    if (m->serve)
        return m->serve(m->serve_ctx, q);
    if (q->op == PDM_BLOCK_FLUSH)
        return 0;
    /* A device that asks for what is not there is wrong: it knows the size. */
    g_assert_cmpuint(q->offset_bytes, <=, size);
    g_assert_cmpuint(q->bytes, <=, size - q->offset_bytes);
    if (q->op == PDM_BLOCK_READ) {
        memcpy(q->buf, m->bytes + q->offset_bytes, q->bytes);
        return 0;
    }
    g_assert_false(m->block.read_only);
    if (q->op == PDM_BLOCK_WRITE)
        memcpy(m->bytes + q->offset_bytes, q->buf, q->bytes);
    else
        memset(m->bytes + q->offset_bytes, 0, q->bytes);
    return 0;
}

unsigned rig_media_complete(struct rig_media *m, unsigned count)
{
    unsigned n = 0;

    while (n < count && m->waiting->len) {
        struct pdm_block_req *q = g_ptr_array_index(m->waiting, 0);

        g_ptr_array_remove_index(m->waiting, 0);
        q->status = media_do(m, q);
        pdm_block_done(&m->block, q);
        n++;
    }
    return n;
}

/* Completes what waits and is not held; whether there was any. */
bool rig_drivers_run(struct rig *r)
{
    bool any = false;

    for (unsigned i = 0; i < r->media->len; i++) {
        struct rig_media *m = g_ptr_array_index(r->media, i);

        if (!m->hold && rig_media_complete(m, m->waiting->len))
            any = true;
    }
    return any;
}

/* ---- characters ---- */

static size_t char_write(struct pdm_char *c, const void *buf, size_t bytes)
{
    struct rig_char *rc = c->drv;
    const size_t n = MIN(bytes, rc->room);

    g_byte_array_append(rc->sent, buf, (guint)n);
    if (rc->room != SIZE_MAX)
        rc->room -= n;
    return n;
}

static void char_accept(struct pdm_char *c)
{
    ((struct rig_char *)c->drv)->accepts++;
}

struct rig_char *rig_char_new(struct rig *r)
{
    struct rig_char *c = g_new0(struct rig_char, 1);

    c->chars = (struct pdm_char){.drv = c, .write = char_write, .accept = char_accept};
    c->sent = g_byte_array_new();
    c->room = SIZE_MAX;
    g_ptr_array_add(r->chars, c);
    return c;
}

void rig_char_free(void *p)
{
    struct rig_char *c = p;

    g_byte_array_unref(c->sent);
    g_free(c);
}

size_t rig_char_sent(struct rig_char *c, uint8_t *ret, size_t max)
{
    const size_t n = MIN(max, c->sent->len);

    if (n) {
        memcpy(ret, c->sent->data, n);
        g_byte_array_remove_range(c->sent, 0, (guint)n);
    }
    return n;
}

void rig_char_room(struct rig_char *c, size_t bytes)
{
    const bool more = bytes > c->room;

    c->room = bytes;
    if (more)
        pdm_char_writable(&c->chars);
}

size_t rig_char_push(struct rig_char *c, const void *buf, size_t bytes)
{
    return pdm_char_receive(&c->chars, buf, bytes);
}

unsigned rig_char_accepts(struct rig_char *c)
{
    return c->accepts;
}

/* ---- attaching; remembered, for a machine made anew from a saved state ---- */

void rig_attachment_free(void *p)
{
    g_free(((struct rig_attachment *)p)->device);
    g_free(p);
}

static struct rig_attachment *attachment(struct rig *r, const char *device, unsigned instance, unsigned lun)
{
    struct rig_attachment *a;

    for (unsigned i = 0; i < r->attached->len; i++) {
        a = g_ptr_array_index(r->attached, i);
        if (!strcmp(a->device, device) && a->instance == instance && a->lun == lun)
            return a;
    }
    a = g_new0(struct rig_attachment, 1);
    *a = (struct rig_attachment){.device = g_strdup(device), .instance = instance, .lun = lun};
    g_ptr_array_add(r->attached, a);
    return a;
}

static bool attach(struct rig *r, const struct rig_attachment *a, GError **error)
{
    if (!pdm_attach_block(r->pdm, a->device, a->instance, a->lun, a->media ? &a->media->block : NULL, error))
        return false;
    return !a->chars || pdm_attach_char(r->pdm, a->device, a->instance, a->lun, &a->chars->chars, error);
}

bool rig_drivers_attach(struct rig *r, GError **error)
{
    for (unsigned i = 0; i < r->attached->len; i++)
        if (!attach(r, g_ptr_array_index(r->attached, i), error))
            return false;
    return true;
}

void rig_media_attach(struct rig *r, const char *device, unsigned instance, unsigned lun, struct rig_media *m)
{
    struct rig_attachment *a = attachment(r, device, instance, lun);

    a->media = m;
    if (r->started)
        g_assert_true(pdm_attach_block(r->pdm, device, instance, lun, m ? &m->block : NULL, NULL));
}

void rig_char_attach(struct rig *r, const char *device, unsigned instance, unsigned lun, struct rig_char *c)
{
    struct rig_attachment *a = attachment(r, device, instance, lun);

    a->chars = c;
    if (r->started)
        g_assert_true(pdm_attach_char(r->pdm, device, instance, lun, c ? &c->chars : NULL, NULL));
}

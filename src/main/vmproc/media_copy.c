/*
 * media_copy.c - a machine that moves to another process takes its disks' contents along: see media.h.
 *
 * What meets what is decided at the target, by rows: a medium there is opened for writing, which locks it. A file that
 * somebody else has locked and that has the same UUID is the source's own: it is shared, and handed over
 * (media_move.c); whatever could be locked is the target's own, and becomes a copy.
 * Disks are read and written on their drivers' threads. A MiB is a word of the driver's bits (block_track()).
 * Invariant 1: media_meet() changes nothing, neither here nor in a file, unless it says yes.
 * Invariant 2: what comes with a copy is written where it differs only, so a differencing image gets no more.
 */
#include <assert.h>
#include <string.h>

#include "main/vmproc/media_int.h"
#include "rt/log.h"
#include "rt/status.h"
#include "storage/chain.h"

#define DISC_BYTES     (1u << 20) /* the beginning of an optical disc tells which it is */
#define SIZE_MAX_BYTES (UINT64_C(16) << 40)
#define MAP_BYTES      (64u << 20)
#define FLUSH_BYTES    (64u << 20)
#define PAGES          (MEDIA_CHUNK_BYTES / MEDIA_PAGE_BYTES)
#define BIT_PAGES      (BLOCK_TRACK_BYTES / MEDIA_PAGE_BYTES)
static_assert(64 * BLOCK_TRACK_BYTES == MEDIA_CHUNK_BYTES, "a word is a chunk");

/* ---- what there is ---- */

struct item_call {
    struct medium *m;
    struct media_item *item;
};

static void read_disc(void *ctx)
{
    struct item_call *c = ctx;
    const size_t bytes = MIN(vd_size_bytes(c->m->vd), DISC_BYTES);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree uint8_t *buf = g_malloc0(DISC_BYTES);
    gsize size = sizeof c->item->digest;

    (void)vd_read(c->m->vd, 0, buf, bytes); /* one that cannot be read is zeros */
    g_checksum_update(sum, buf, DISC_BYTES);
    g_checksum_get_digest(sum, c->item->digest, &size);
}

static void note_item(struct medium *m, struct media_item *ret)
{
    *ret = (struct media_item){.kind = (uint32_t)m->kind,
                               .instance = m->place.instance,
                               .lun = m->place.lun,
                               .size_bytes = m->block->size_bytes,
                               .images = (uint32_t)vd_depth(m->vd)};
    g_strlcpy(ret->device, m->place.device, sizeof ret->device);
    g_strlcpy(ret->serial, m->block->serial, sizeof ret->serial);
    ret->flags = ((m->flags & VD_READ_ONLY) || m->block->read_only ? MEDIA_ITEM_READ_ONLY : 0u) |
                 (m->flags & VD_SHAREABLE ? MEDIA_ITEM_SHAREABLE : 0u) |
                 (m->key_store != NULL ? MEDIA_ITEM_ENCRYPTED : 0u);
    vd_uuid(m->vd, ret->uuid);
    struct item_call c = {m, ret};
    if (m->kind == DEVICE_DVD)
        block_look(m->block, read_disc, &c);
}

GArray *media_items(struct media *all)
{
    GArray *items = g_array_sized_new(FALSE, TRUE, sizeof(struct media_item), all->list->len);

    for (unsigned n = 0; n < all->list->len; n++) {
        struct media_item item;
        note_item(all->list->pdata[n], &item);
        g_array_append_val(items, item);
    }
    return items;
}

/* ---- what meets what ---- */

static bool refuse(const struct media_item *item, GError **error, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
static bool refuse(const struct media_item *item, GError **error, const char *fmt, ...)
{
    char device[sizeof item->device + 1] = {0};
    va_list args;

    for (unsigned k = 0; k < sizeof item->device && g_ascii_isprint(item->device[k]); k++)
        device[k] = item->device[k];
    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_set_error(error, MEDIA_ERROR, 0, "the medium of %s %u, unit %u %s", device, item->instance, item->lun, text);
    return false;
}

static bool same_place(const struct media_item *a, const struct media_item *b)
{
    return memcmp(a->device, b->device, sizeof a->device) == 0 && a->instance == b->instance && a->lun == b->lun;
}

static struct medium *find_place(struct media *all, const struct media_item *theirs, struct media_item *ret_mine)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        note_item(all->list->pdata[n], ret_mine);
        if (same_place(ret_mine, theirs))
            return all->list->pdata[n];
    }
    return NULL;
}

/* The same contents, by what is known without reading it all. */
static bool same(const struct media_item *a, const struct media_item *b)
{
    return a->images == b->images && memcmp(a->uuid, b->uuid, sizeof a->uuid) == 0 &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

/* Whether the two fit, before any file is touched. */
static bool fits(const struct media_item *mine, const struct media_item *theirs, GError **error)
{
    if (mine->kind != theirs->kind || ((mine->flags ^ theirs->flags) & ~(uint32_t)MEDIA_ITEM_READ_ONLY))
        return refuse(theirs, error, "is of another kind at the other side");
    if ((mine->flags & ~theirs->flags) & MEDIA_ITEM_READ_ONLY)
        return refuse(theirs, error, "is read-only at the target");
    if (mine->size_bytes != theirs->size_bytes)
        return refuse(theirs, error,
                      "has %" G_GUINT64_FORMAT " bytes at the source, %" G_GUINT64_FORMAT " at the target; it is "
                      "copied into a disk of the same size only",
                      theirs->size_bytes, mine->size_bytes);
    if ((theirs->flags & (MEDIA_ITEM_READ_ONLY | MEDIA_ITEM_SHAREABLE)) && !same(mine, theirs))
        return refuse(theirs, error, "is not copied, being read-only or shareable, and another one at the target");
    return true;
}

static struct vd *open_own(struct medium *m, GError **error)
{
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));

    for (struct vd *vd = m->vd; vd != NULL; vd = vd_parent(vd)) {
        const struct vd_link link = {vd_format(vd), vd_path(vd)};
        g_array_prepend_val(links, link);
    }
    return vd_open_chain(media_files_of(m->kind, &m->place), (const struct vd_link *)(void *)links->data, links->len,
                         m->flags, error);
}

/* Locks it if it is to be copied: *@ret_own. */
static bool decide(struct medium *m, const struct media_item *mine, const struct media_item *theirs,
                   struct vd **ret_own, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (m->copied || (theirs->flags & (MEDIA_ITEM_READ_ONLY | MEDIA_ITEM_SHAREABLE)))
        return true;
    struct vd *own = open_own(m, &why);
    if (own == NULL) {
        if (g_error_matches(why, STATUS_ERROR, VERR_SHARING_VIOLATION) && same(mine, theirs))
            return true; /* the source has it */
        return refuse(theirs, error, "cannot be opened at the target: %s", why->message);
    }
    *ret_own = own;
    if (vd_read_only(own))
        return refuse(theirs, error, "cannot be written at the target");
    if (mine->flags & MEDIA_ITEM_ENCRYPTED)
        return refuse(theirs, error, "is encrypted: it moves only if both sides have the same file");
    if (mine->size_bytes > SIZE_MAX_BYTES || vd_size_bytes(own) != mine->size_bytes)
        return refuse(theirs, error, "is too large to be copied, or has another size now");
    return true;
}

struct own_call {
    struct medium *m;
    struct vd *own;
};

static void swap(void *ctx)
{
    struct own_call *c = ctx;

    block_set_disk(c->m->block, c->own);
    vd_close(c->m->vd);
    c->m->vd = c->own;
    c->m->copied = true;
}

/* What a guest was told of its disk stays true. */
static void keep_serial(struct medium *m, const struct media_item *theirs)
{
    char *to = m->block->serial;
    const size_t room = MIN(sizeof m->block->serial, sizeof theirs->serial);

    memset(to, 0, sizeof m->block->serial);
    for (size_t k = 0; k < room - 1 && g_ascii_isprint(theirs->serial[k]); k++)
        to[k] = theirs->serial[k];
}

bool media_meet(struct media *all, const struct media_item *theirs, unsigned count, uint8_t *ret_copied, GError **error)
{
    g_autofree struct vd **own = g_new0(struct vd *, count + 1);
    g_autofree struct medium **mine = g_new0(struct medium *, count + 1);
    bool ok = true;

    if (count != all->list->len) {
        g_set_error(error, MEDIA_ERROR, 0, "the machine has %u media at the source, %u at the target", count,
                    all->list->len);
        return false;
    }
    for (unsigned n = 0; ok && n < count; n++) {
        struct media_item item;
        mine[n] = find_place(all, &theirs[n], &item);
        ok = mine[n] != NULL ? fits(&item, &theirs[n], error) : refuse(&theirs[n], error, "is not there at the target");
        for (unsigned k = 0; ok && k < n; k++)
            ok = mine[k] != mine[n] || refuse(&theirs[n], error, "is named twice");
    }
    for (unsigned n = 0; ok && n < count; n++) {
        struct media_item item;
        note_item(mine[n], &item);
        ok = decide(mine[n], &item, &theirs[n], &own[n], error);
    }
    for (unsigned n = 0; n < count; n++) {
        struct own_call c = {mine[n], own[n]};
        if (!ok)
            vd_close(own[n]); /* inv 1 */
        else if (own[n] != NULL)
            block_call(mine[n]->block, swap, &c);
        if (ok && mine[n]->copied)
            keep_serial(mine[n], &theirs[n]);
        ret_copied[n] = ok && mine[n]->copied;
    }
    all->met = g_realloc_n(all->met, count + 1, sizeof *all->met);
    memcpy(all->met, mine, (count + 1) * sizeof *mine);
    return ok;
}

/* ---- the source ---- */

static void track(void *ctx)
{
    struct own_call *c = ctx;

    c->m->copied = block_track(c->m->block, c->own != NULL) && c->own != NULL;
}

bool media_copy_begin(struct media *all, const uint8_t *copied, unsigned count, GError **error)
{
    for (unsigned n = 0; n < count && n < all->list->len; n++) {
        struct medium *m = all->list->pdata[n];
        struct own_call c = {m, m->vd};

        if (!copied[n])
            continue;
        if (m->kind == DEVICE_DVD || (m->flags & (VD_READ_ONLY | VD_SHAREABLE)) || m->block->read_only ||
            m->key_store != NULL || m->block->size_bytes > SIZE_MAX_BYTES) {
            g_set_error(error, MEDIA_ERROR, 0, "The disk '%s' cannot be copied; both sides must have the same file",
                        vd_path(m->vd));
            return false;
        }
        block_call(m->block, track, &c);
        if (!m->copied) {
            g_set_error(error, MEDIA_ERROR, 0, "There is not enough memory to copy the disk '%s'", vd_path(m->vd));
            return false;
        }
    }
    return true;
}

void media_copy_end(struct media *all)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct own_call c = {all->list->pdata[n], NULL};
        if (c.m->copied)
            block_call(c.m->block, track, &c);
    }
}

unsigned media_count(struct media *all)
{
    return all->list->len;
}

uint64_t media_copy_chunks(struct media *all, unsigned n)
{
    const struct medium *m = all->list->pdata[n];

    return m->copied ? (m->block->size_bytes + MEDIA_CHUNK_BYTES - 1) / MEDIA_CHUNK_BYTES : 0;
}

uint64_t media_copy_changed_bytes(struct media *all)
{
    uint64_t bits = 0;

    for (unsigned n = 0; n < all->list->len; n++)
        if (((struct medium *)all->list->pdata[n])->copied)
            bits += block_tracked_count(((struct medium *)all->list->pdata[n])->block);
    return bits * BLOCK_TRACK_BYTES;
}

uint64_t media_copy_next(struct media *all, unsigned n, uint64_t chunk)
{
    const struct medium *m = all->list->pdata[n];

    return m->copied ? block_tracked_next(m->block, chunk) : UINT64_MAX;
}

struct read_call {
    struct medium *m;
    struct media_chunk *chunk;
    bool all;
    int status;
};

static size_t bytes_at(const struct medium *m, uint64_t at)
{
    return (size_t)MIN(MEDIA_CHUNK_BYTES, m->block->size_bytes - at);
}

/* A run of chunks that read zeros is told as such; how many. */
static uint64_t zero_run(struct read_call *c, uint64_t at)
{
    const uint64_t left = c->m->block->size_bytes - at, asked = MIN(left, MAP_BYTES);
    struct vd_extent e;

    c->status = vd_map(c->m->vd, at, asked, &e);
    if (c->status != 0 || e.kind != VD_ZERO)
        return 0;
    return e.bytes == left ? (left + MEDIA_CHUNK_BYTES - 1) / MEDIA_CHUNK_BYTES : e.bytes / MEDIA_CHUNK_BYTES;
}

/* The runs of pages whose bits are set. */
static int read_pages(struct medium *m, uint64_t at, const uint64_t *pages, uint8_t *buf)
{
    const size_t bytes = bytes_at(m, at);
    int rc = 0;

    memset(buf, 0, MEDIA_CHUNK_BYTES);
    for (unsigned first = 0, end; rc == 0 && first < PAGES; first = end + 1) {
        for (; first < PAGES && !(pages[first / 64] >> (first % 64) & 1); first++)
            ;
        for (end = first; end < PAGES && (pages[end / 64] >> (end % 64) & 1); end++)
            ;
        const size_t from = first * MEDIA_PAGE_BYTES, to = MIN(end * MEDIA_PAGE_BYTES, bytes);
        if (from < to)
            rc = vd_read(m->vd, at + from, buf + from, to - from);
    }
    return rc;
}

static void read_chunk(void *ctx)
{
    struct read_call *c = ctx;
    struct media_chunk *k = c->chunk;
    const uint64_t at = k->number * MEDIA_CHUNK_BYTES;
    const uint64_t bits = block_tracked(c->m->block, k->number) | (c->all ? UINT64_MAX : 0);

    memset(k->pages, 0, sizeof k->pages);
    k->zeros = c->all ? zero_run(c, at) : 0;
    for (uint64_t n = 1; n < k->zeros; n++)
        block_tracked(c->m->block, k->number + n);
    for (unsigned n = 0; n < PAGES; n++)
        k->pages[n / 64] |= (bits >> (n / BIT_PAGES) & 1) << (n % 64);
    if (c->status == 0 && k->zeros == 0 && bits != 0)
        c->status = read_pages(c->m, at, k->pages, k->bytes);
}

bool media_copy_read(struct media *all, unsigned n, bool everything, struct media_chunk *chunk, GError **error)
{
    struct read_call c = {.m = all->list->pdata[n], .chunk = chunk, .all = everything};

    block_look(c.m->block, read_chunk, &c);
    if (c.status != 0)
        fio_error(error, c.status, "Cannot read the disk '%s'", vd_path(c.m->vd));
    return c.status == 0;
}

/* ---- the target ---- */

struct write_call {
    struct medium *m;
    const struct media_chunk *chunk;
    uint8_t *have;
    int status;
};

/* inv 2: runs of pages that are told and differ. */
static int write_pages(struct medium *m, uint64_t at, const uint64_t *pages, const uint8_t *want, uint8_t *have)
{
    const size_t bytes = bytes_at(m, at);
    size_t run = 0, end = 0;
    int rc = vd_read(m->vd, at, have, bytes);

    for (size_t from = 0; rc == 0 && from < bytes; from += MEDIA_PAGE_BYTES) {
        const size_t n = from / MEDIA_PAGE_BYTES, size = MIN(MEDIA_PAGE_BYTES, bytes - from);
        const bool differs = (pages[n / 64] >> (n % 64) & 1) && memcmp(have + from, want + from, size) != 0;

        if (differs && end != from) {
            rc = run < end ? vd_write(m->vd, at + run, want + run, end - run) : 0;
            run = from;
        }
        end = differs ? from + size : end;
        m->unflushed_bytes += differs ? size : 0;
    }
    return rc == 0 && run < end ? vd_write(m->vd, at + run, want + run, end - run) : rc;
}

static int write_zeros(struct write_call *c, uint64_t at, uint64_t bytes)
{
    static const uint8_t zeros[MEDIA_CHUNK_BYTES];
    static const uint64_t every[PAGES / 64] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    int rc = 0;

    for (uint64_t end = at + bytes; rc == 0 && at < end;) {
        struct vd_extent e;

        rc = vd_map(c->m->vd, at, end - at, &e);
        const uint64_t whole = rc == 0 && e.kind == VD_ZERO ? e.bytes / MEDIA_CHUNK_BYTES * MEDIA_CHUNK_BYTES : 0;
        if (rc == 0 && whole == 0)
            rc = write_pages(c->m, at, every, zeros, c->have);
        at += whole != 0 ? whole : bytes_at(c->m, at);
    }
    return rc;
}

static void write_chunk(void *ctx)
{
    struct write_call *c = ctx;
    const struct media_chunk *k = c->chunk;
    const uint64_t at = k->number * MEDIA_CHUNK_BYTES, left = c->m->block->size_bytes - at;

    c->status = k->zeros != 0 ? write_zeros(c, at, MIN(left, k->zeros * MEDIA_CHUNK_BYTES))
                              : write_pages(c->m, at, k->pages, k->bytes, c->have);
    if (c->status == 0 && c->m->unflushed_bytes >= FLUSH_BYTES) { /* the last one is to find little */
        c->status = vd_flush(c->m->vd);
        c->m->unflushed_bytes = 0;
    }
}

bool media_copy_write(struct media *all, unsigned n, const struct media_chunk *chunk, GError **error)
{
    struct medium *m = all->met != NULL && n < all->list->len ? all->met[n] : NULL;
    const uint64_t chunks =
        m != NULL && m->copied ? (m->block->size_bytes + MEDIA_CHUNK_BYTES - 1) / MEDIA_CHUNK_BYTES : 0;

    if (chunk->number >= chunks || chunk->zeros > MIN(chunks - chunk->number, MEDIA_ZEROS_MAX)) {
        g_set_error(error, MEDIA_ERROR, 0, "A piece of a disk lies beyond the end");
        return false;
    }
    g_autofree uint8_t *have = g_malloc(MEDIA_CHUNK_BYTES);
    struct write_call c = {.m = m, .chunk = chunk, .have = have};
    block_call(m->block, write_chunk, &c);
    if (c.status != 0)
        fio_error(error, c.status, "Cannot write the disk '%s'", vd_path(m->vd));
    return c.status == 0;
}

static void flush(void *ctx)
{
    struct write_call *c = ctx;

    c->status = vd_flush(c->m->vd);
    c->m->unflushed_bytes = 0;
}

bool media_copy_flush(struct media *all, GError **error)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct write_call c = {.m = all->list->pdata[n]};

        if (c.m->copied)
            block_call(c.m->block, flush, &c);
        if (c.status != 0) {
            fio_error(error, c.status, "Cannot flush the disk '%s'", vd_path(c.m->vd));
            return false;
        }
    }
    return true;
}

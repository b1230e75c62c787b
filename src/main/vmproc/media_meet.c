/*
 * media_meet.c - two processes of a teleport compare their media: which disk is the same file, which has to be copied
 * (media_copy.c), what does not fit.
 *
 * A medium at the target is opened for writing, which locks it. A file that somebody else has locked and that has the
 * same UUID is the source's own: it is shared, and handed over (media_move.c); whatever could be locked is the target's
 * own, and becomes a copy.
 * Invariant 1: media_meet() changes nothing, neither here nor in a file, unless it says yes.
 */
#include <string.h>

#include "main/vmproc/media_int.h"
#include "rt/status.h"
#include "storage/chain.h"

#define DISC_BYTES (1u << 20) /* the beginning of an optical disc tells which it is */

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

unsigned media_count(struct media *all)
{
    return all->list->len;
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
    if (mine->size_bytes > MEDIA_COPY_MAX_BYTES || vd_size_bytes(own) != mine->size_bytes)
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

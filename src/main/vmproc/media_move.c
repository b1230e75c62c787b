/*
 * media_move.c - a machine's disks are closed by one process and opened by another, or again by the same.
 *
 * Who has an image open has it locked, so the two never have it at once. Optical discs are only read: both may. A disk
 * that is copied (media_copy.c) stays with the one who has it.
 */
#include "main/settings/medium_path.h"
#include "main/vmproc/media_int.h"
#include "rt/status.h"
#include "storage/chain.h"

struct move {
    struct medium *m;
    bool ok;
    GError **error;
};

static bool moves(const struct medium *m)
{
    return m->kind != DEVICE_DVD && !m->copied;
}

static bool on_network(const struct medium *m)
{
    struct vd *base = m->vd;

    while (base != NULL && vd_parent(base) != NULL)
        base = vd_parent(base);
    return base != NULL && settings_medium_remote(vd_format(base));
}

void media_links_free(struct medium *m)
{
    vd_drop_key(g_steal_pointer(&m->key));
    for (guint k = 0; m->links != NULL && k < m->links->len; k++)
        g_free((char *)g_array_index(m->links, struct vd_link, k).path);
    g_clear_pointer(&m->links, g_array_unref);
}

bool media_may_move(struct media *all, GError **error)
{
    if (media_has_drives(all)) {
        g_set_error(error, MEDIA_ERROR, 0, "The machine uses a drive of this host; take it away first");
        return false;
    }
    for (unsigned n = 0; n < all->list->len; n++) {
        const struct medium *m = all->list->pdata[n];
        const char *why = m->merge.merge != NULL || m->pushed ? "a snapshot of it is being made or deleted"
                          : m->given.open != NULL && moves(m) ? "it came while the machine ran"
                          : on_network(m)                     ? "what is on the network is not opened a second time"
                                                              : NULL;

        if (why != NULL) {
            g_set_error(error, MEDIA_ERROR, 0, "The disk '%s' cannot be opened by another process now: %s",
                        vd_path(m->vd), why);
            return false;
        }
    }
    return true;
}

bool media_has_locks(struct media *all)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        const struct medium *m = all->list->pdata[n];

        if (moves(m) && (m->flags & (VD_READ_ONLY | VD_SHAREABLE)) == 0)
            return true;
    }
    return false;
}

/* The chain as it is now: snapshots may have come and gone since it was opened. */
static void note_links(struct medium *m)
{
    m->links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));
    for (struct vd *vd = m->vd; vd != NULL; vd = vd_parent(vd)) {
        const struct vd_link link = {vd_format(vd), g_strdup(vd_path(vd))};
        g_array_prepend_val(m->links, link);
    }
}

/* On the disk's thread. */
static void release(void *ctx)
{
    struct move *v = ctx;
    struct medium *m = v->m;
    int rc = vd_read_only(m->vd) ? 0 : vd_flush(m->vd);

    v->ok = rc == 0;
    if (rc != 0) {
        fio_error(v->error, rc, "Cannot flush the disk '%s'", vd_path(m->vd));
        return;
    }
    note_links(m);
    m->key = vd_take_key(m->vd);
    block_set_disk(m->block, NULL);
    vd_close(g_steal_pointer(&m->vd));
}

static void take(void *ctx)
{
    struct move *v = ctx;
    struct medium *m = v->m;
    struct vd *vd = vd_open_chain(media_files_of(m->kind, &m->place), (const struct vd_link *)(void *)m->links->data,
                                  m->links->len, m->flags, v->error);

    if (vd != NULL && vd_size_bytes(vd) != m->block->size_bytes) {
        g_set_error(v->error, MEDIA_ERROR, 0, "The disk '%s' has another size now", vd_path(vd));
        vd_close(g_steal_pointer(&vd));
    }
    v->ok = vd != NULL;
    if (vd == NULL)
        return;
    if (m->key_store != NULL && m->key == NULL)
        vd_lock(vd);
    vd_give_key(vd, g_steal_pointer(&m->key));
    m->vd = vd;
    block_set_disk(m->block, vd);
    media_links_free(m);
}

bool media_release(struct media *all, GError **error)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct move v = {.m = all->list->pdata[n], .ok = true, .error = error};

        if (moves(v.m) && v.m->vd != NULL)
            block_call(v.m->block, release, &v);
        if (!v.ok)
            return false;
    }
    return true;
}

/* A disk that was only looked at is closed first. */
static void forget(void *ctx)
{
    struct medium *m = ((struct move *)ctx)->m;

    note_links(m);
    block_set_disk(m->block, NULL);
    vd_close(g_steal_pointer(&m->vd));
}

bool media_take(struct media *all, GError **error)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct move v = {.m = all->list->pdata[n], .ok = true, .error = error};

        if (moves(v.m) && v.m->vd != NULL && all->start == MEDIA_MOVES_IN)
            block_call(v.m->block, forget, &v);
        if (v.m->links != NULL)
            block_call(v.m->block, take, &v);
        if (!v.ok)
            return false;
    }
    if (all->start == MEDIA_MOVES_IN && !media_copy_flush(all, error))
        return false;
    all->start = MEDIA_CONTINUED;
    return true;
}

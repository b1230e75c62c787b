/*
 * vdi_slots.c - slots that no map entry names: found, reused, closed up, and given back to the host.
 *
 * A discarded block's slot is punched out of the file at once, so it takes no room on the host, and is used again after
 * the next sync, when no entry on the disk can name it any more and its old bytes are gone (clean). Where the host
 * cannot punch, and for what a crash left behind, the contents are unknown (stale): the next user writes all of it.
 *
 * vdi_pack() restores the plain order "the next free slot is the count", by which other programs work.
 * Source of the rules: doc/storage.md; vdi.c inv 1 to 3.
 */
#include "rt/status.h"
#include "storage/fmt/vdi_int.h"

#define CHUNK_BYTES (256u << 10)
#define FIRST_BYTES (4u << 10)

static uint32_t pop(GArray *a)
{
    uint32_t slot = g_array_index(a, uint32_t, a->len - 1);

    g_array_set_size(a, a->len - 1);
    return slot;
}

int vdi_take_slot(struct vd *vd, uint32_t *ret_slot, bool *ret_stale)
{
    struct vdi *v = vd->priv;

    if (v->clean->len + v->stale->len == 0 && v->used < v->h.blocks) {
        *ret_stale = vdi_slot_at(v, v->used) - v->h.extra_bytes < v->stale_end;
        *ret_slot = v->used++;
        return 0;
    }
    if (v->clean->len + v->stale->len == 0) { /* all are taken or pending */
        int rc = v->pending->len ? vdi_flush(vd) : VERR_VD_IMAGE_CORRUPTED;

        if (rc)
            return rc;
    }
    *ret_stale = v->clean->len == 0;
    *ret_slot = pop(v->clean->len ? v->clean : v->stale);
    return 0;
}

int vdi_free_slot(struct vd *vd, uint32_t slot)
{
    struct vdi *v = vd->priv;
    int rc = fio_punch(vd->io, vd->fd, vdi_slot_at(v, slot), v->h.block_bytes);

    if (rc == 0)
        g_array_append_val(v->pending, slot);
    if (rc != VERR_NOT_SUPPORTED)
        return rc;
    rc = vdi_flush(vd);
    if (rc == 0)
        g_array_append_val(v->stale, slot);
    return rc;
}

void vdi_after_sync(struct vdi *v)
{
    g_array_append_vals(v->clean, v->pending->data, v->pending->len);
    g_array_set_size(v->pending, 0);
}

/* ---- closing up ---- */

static int copy_slot(struct vd *vd, uint32_t from, uint32_t to, uint8_t *buf)
{
    struct vdi *v = vd->priv;
    int rc = 0;

    for (uint32_t done = 0; rc == 0 && done < v->h.block_bytes; done += CHUNK_BYTES) {
        uint32_t n = MIN(CHUNK_BYTES, v->h.block_bytes - done);

        rc = fio_read_some(vd->io, vd->fd, buf, n, vdi_slot_at(v, from) + done);
        if (rc == 0)
            rc = fio_write(vd->io, vd->fd, buf, n, vdi_slot_at(v, to) + done);
    }
    return rc;
}

/* A bit per slot below @used: an entry in memory names it. */
static uint8_t *named_slots(const struct vdi *v)
{
    uint8_t *named = g_try_malloc0(v->slots / 8 + 1);

    for (uint32_t b = 0; named && b < v->h.blocks; b++)
        if (v->map[b] < v->slots)
            named[v->map[b] / 8] |= (uint8_t)(1u << v->map[b] % 8);
    return named;
}

static bool is_named(const uint8_t *named, uint32_t slot)
{
    return named[slot / 8] & 1u << slot % 8;
}

static void count_named(const struct vdi *v, const uint8_t *named, uint32_t *ret_live, uint32_t *ret_moves)
{
    *ret_live = *ret_moves = 0;
    for (uint32_t s = 0; s < v->used; s++)
        *ret_live += is_named(named, s);
    for (uint32_t s = *ret_live; s < v->used; s++)
        *ret_moves += is_named(named, s);
}

/*
 * Copies every named slot from @live on into an unnamed one below; syncs; then maps the copies; syncs (inv 2).
 * No entry on the disk names the targets: the caller has flushed.
 */
static int move_down(struct vd *vd, const uint8_t *named, uint32_t live)
{
    struct vdi *v = vd->priv;
    g_autofree uint8_t *buf = g_try_malloc(CHUNK_BYTES);
    g_autofree uint32_t *moved_to = g_try_malloc_n(v->used - live, sizeof(uint32_t));
    uint32_t hole = 0;
    int rc = buf && moved_to ? 0 : VERR_NO_MEMORY;

    for (uint32_t s = live; rc == 0 && s < v->used; s++) {
        if (!is_named(named, s))
            continue;
        while (is_named(named, hole))
            hole++;
        moved_to[s - live] = hole;
        rc = copy_slot(vd, s, hole, buf);
        fio_hasten(vd->io, vd->fd, vdi_slot_at(v, hole++), v->h.block_bytes);
    }
    if (rc == 0)
        rc = vd_sync(vd);
    for (uint32_t b = 0; rc == 0 && b < v->h.blocks; b++) {
        if (!vdi_allocated(v->map[b]) || v->map[b] < live)
            continue;
        rc = vdi_put_entry(vd, b, moved_to[v->map[b] - live]);
        if (rc)
            vd_downgrade(vd, "a block map entry could not be written");
    }
    return rc ? rc : vdi_flush(vd);
}

static void forget_free(struct vdi *v)
{
    g_array_set_size(v->clean, 0);
    g_array_set_size(v->stale, 0);
    g_array_set_size(v->pending, 0);
}

static int cut_off(struct vd *vd)
{
    struct vdi *v = vd->priv;
    uint64_t end = vdi_slot_at(v, v->used) - v->h.extra_bytes;
    int rc = vdi_put_used(vd);

    v->stale_end = MAX(v->stale_end, v->file_end); /* the cut may not reach the disk before new data there */
    if (rc == 0 && v->file_end > end)
        rc = fio_truncate(vd->io, vd->fd, end);
    if (rc == 0)
        v->file_end = MIN(v->file_end, end);
    return rc;
}

int vdi_pack(struct vd *vd, uint32_t most)
{
    struct vdi *v = vd->priv;
    g_autofree uint8_t *named = NULL;
    uint32_t live, moves;
    int rc;

    if (v->clean->len + v->stale->len + v->pending->len == 0)
        return 0;
    named = named_slots(v);
    if (!named)
        return VERR_NO_MEMORY;
    count_named(v, named, &live, &moves);
    if (moves > most)
        return 0;
    rc = vdi_flush(vd);
    if (rc == 0 && moves)
        rc = move_down(vd, named, live);
    if (rc)
        return rc;
    forget_free(v);
    v->used = live;
    return cut_off(vd);
}

/* ---- survey ---- */

static void complain(struct vd *vd, struct vd_report *r, uint64_t *counter, const char *text, uint32_t block,
                     uint32_t slot)
{
    if (r)
        vd_report_add(r, counter, "block %u: slot %u %s", block, slot, text);
    else
        vd_downgrade(vd, "the map entry of block %u is damaged: slot %u %s", block, slot, text);
}

/* Marks named slots; returns the number of the highest plus one. */
static uint32_t mark(struct vd *vd, uint8_t *named, struct vd_report *r)
{
    struct vdi *v = vd->priv;
    uint32_t top = 0;

    for (uint32_t b = 0; b < v->h.blocks; b++) {
        uint32_t slot = v->map[b];

        if (!vdi_allocated(slot))
            continue;
        if (slot >= v->slots) {
            complain(vd, r, r ? &r->errors : NULL, "does not exist", b, slot);
            continue;
        }
        if (is_named(named, slot))
            complain(vd, r, r ? &r->errors : NULL, "belongs to another block, too", b, slot);
        else if (r && vdi_slot_at(v, slot) >= v->file_end)
            complain(vd, r, &r->errors, "lies beyond the end of the file", b, slot);
        named[slot / 8] |= (uint8_t)(1u << slot % 8);
        top = MAX(top, slot + 1);
    }
    return top;
}

/* Slots we keep for the next writes are not lost. */
static void mark_free(const GArray *slots, uint8_t *named)
{
    for (guint i = 0; i < slots->len; i++) {
        uint32_t slot = g_array_index(slots, uint32_t, i);

        named[slot / 8] |= (uint8_t)(1u << slot % 8);
    }
}

int vdi_survey(struct vd *vd, struct vd_report *report)
{
    struct vdi *v = vd->priv;
    g_autofree uint8_t *named = g_try_malloc0(v->slots / 8 + 1);
    uint32_t top;

    if (!named)
        return VERR_NO_MEMORY;
    top = mark(vd, named, report);
    if (report) {
        GArray *kept[] = {v->clean, v->stale, v->pending};

        for (size_t i = 0; !vd->read_only && i < G_N_ELEMENTS(kept); i++)
            mark_free(kept[i], named);
        for (uint32_t s = 0; s < MAX(top, v->h.blocks_used); s++)
            if (!is_named(named, s))
                vd_report_add(report, &report->leaks, "slot %u belongs to no block", s);
        return 0;
    }
    for (uint32_t s = 0; s < top; s++)
        if (!is_named(named, s))
            g_array_append_val(v->stale, s);
    v->used = top;
    v->stale_end = MAX(v->file_end, top ? vdi_slot_end(v, top - 1) : 0);
    return 0;
}

/* ---- compacting ---- */

/* Whether the block's slot holds nothing but zeros; data shows early, and little of it is read then. */
static int slot_is_zero(struct vd *vd, uint32_t slot, uint8_t *buf, bool *ret)
{
    struct vdi *v = vd->priv;

    *ret = true;
    for (uint32_t done = 0, n; *ret && done < v->h.block_bytes; done += n) {
        n = MIN(done == 0 ? FIRST_BYTES : CHUNK_BYTES, v->h.block_bytes - done);
        int rc = fio_read_some(vd->io, vd->fd, buf, n, vdi_slot_at(v, slot) + done);

        if (rc)
            return rc;
        *ret = vd_all_zero(buf, n);
    }
    return 0;
}

/* The slot goes to @freed and stays as it is: closing up fills it or cuts it off, which is cheaper than a hole. */
static int drop_zero_block(struct vd *vd, uint32_t block, uint8_t *buf, GArray *freed)
{
    struct vdi *v = vd->priv;
    uint32_t slot = v->map[block];
    bool zero = false;
    int rc = vdi_allocated(slot) ? slot_is_zero(vd, slot, buf, &zero) : 0;

    if (rc || !zero)
        return rc;
    rc = vdi_put_entry(vd, block, vd->diff ? VDI_ZERO : VDI_FREE);
    if (rc == 0)
        g_array_append_val(freed, slot);
    return rc;
}

/* No entry on the disk names the freed slots from now on. @keep: they are not filled now, and take no more room. */
static int settle_freed(struct vd *vd, const GArray *freed, bool keep)
{
    struct vdi *v = vd->priv;
    int rc = vdi_flush(vd);

    for (guint k = 0; rc == 0 && k < freed->len; k++) {
        uint32_t slot = g_array_index(freed, uint32_t, k);

        if (keep)
            rc = vdi_free_slot(vd, slot);
        else
            g_array_append_val(v->stale, slot);
    }
    return rc;
}

bool vdi_compact(struct vd *vd, const struct vd_progress *progress, GError **error)
{
    struct vdi *v = vd->priv;
    g_autoptr(GArray) freed = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autofree uint8_t *buf = g_try_malloc(CHUNK_BYTES);
    bool go = true;
    int rc = buf ? 0 : VERR_NO_MEMORY, settled;

    if (v->h.type == VDI_FIXED)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "a fixed image always has its full size");
    for (uint32_t b = 0; rc == 0 && go && b < v->h.blocks; b++) {
        rc = drop_zero_block(vd, b, buf, freed);
        go = vd_keep_going(progress, b, v->h.blocks);
    }
    settled = settle_freed(vd, freed, rc != 0 || !go);
    rc = rc ? rc : settled;
    if (rc == 0)
        rc = go ? vdi_pack(vd, UINT32_MAX) : VERR_CANCELLED;
    if (rc == 0)
        rc = vdi_flush(vd);
    if (rc)
        fio_error(error, rc, "Disk image '%s' is not compacted to the end; its contents are unchanged", vd->path);
    return rc == 0;
}

/* vd_util.c - small things every format needs: extents, UUIDs, refusals, reports. */
#include <string.h>
#include <sys/random.h>

#include "rt/status.h"
#include "storage/format.h"

#define REPORT_LINES 100

void vd_downgrade(struct vd *vd, const char *fmt, ...)
{
    va_list ap;

    if (vd->opened && vd->sync_failed == 0)
        vd->sync_failed = VERR_VD_IMAGE_READ_ONLY; /* what waits in memory will not reach the disk */
    vd->read_only = true;
    if (vd->ro_reason)
        return;
    va_start(ap, fmt);
    vd->ro_reason = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

bool vd_all_zero(const void *p, size_t bytes)
{
    const uint8_t *b = p;

    return bytes == 0 || (b[0] == 0 && memcmp(b, b + 1, bytes - 1) == 0);
}

void vd_uuid_random(uint8_t ret[VD_UUID_BYTES])
{
    if (getrandom(ret, VD_UUID_BYTES, 0) != VD_UUID_BYTES)
        for (unsigned i = 0; i < VD_UUID_BYTES; i++)
            ret[i] = (uint8_t)g_random_int();
    ret[6] = (ret[6] & 0x0f) | 0x40; /* RFC 4122 section 4.4 */
    ret[8] = (ret[8] & 0x3f) | 0x80;
}

void vd_uuid_swap(uint8_t to[VD_UUID_BYTES], const uint8_t from[VD_UUID_BYTES])
{
    static const uint8_t order[VD_UUID_BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t out[VD_UUID_BYTES];

    for (unsigned i = 0; i < VD_UUID_BYTES; i++)
        out[i] = from[order[i]];
    memcpy(to, out, sizeof(out));
}

bool vd_refuse(const char *path, int status, GError **error, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fio_error(error, status, "Disk image '%s': %s", path, why);
    return false;
}

void vd_report_add(struct vd_report *r, uint64_t *counter, const char *fmt, ...)
{
    va_list ap;

    ++*counter;
    if (r->errors + r->leaks > REPORT_LINES)
        return;
    va_start(ap, fmt);
    g_string_append_vprintf(r->text, fmt, ap);
    va_end(ap);
    g_string_append_c(r->text, '\n');
}

bool vd_keep_going(const struct vd_progress *progress, uint64_t done, uint64_t all)
{
    if (!progress || !progress->report)
        return true;
    return progress->report(progress->ctx, all ? (unsigned)((double)done * 1000 / (double)all) : 1000);
}

int vd_extent_data(struct vd_extent *ret, uint64_t bytes, int fd, uint64_t at)
{
    *ret = (struct vd_extent){.kind = VD_DATA, .bytes = bytes, .fd = fd, .at = at};
    return 0;
}

int vd_extent_plain(struct vd_extent *ret, uint64_t bytes, enum vd_extent_kind kind)
{
    *ret = (struct vd_extent){.kind = kind, .bytes = bytes, .fd = -1};
    return 0;
}

const char *image_uuid_fault(struct vd *vd, struct vd *parent)
{
    if (!parent->has_uuid || memcmp(vd->ids.parent, parent->ids.image, VD_UUID_BYTES) != 0)
        return "its parent has another UUID";
    if (!vd_all_zero(vd->ids.parent_modify, VD_UUID_BYTES) &&
        memcmp(vd->ids.parent_modify, parent->ids.modify, VD_UUID_BYTES) != 0)
        return "its parent was changed after it was made; its contents fit no longer";
    return NULL;
}

bool vd_always_quick(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    (void)vd, (void)off_bytes, (void)bytes;
    return true;
}

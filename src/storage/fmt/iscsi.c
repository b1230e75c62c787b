/*
 * iscsi.c - a logical unit of an iSCSI target as a medium: iscsi://[USER%PASSWORD@]HOST[:PORT]/TARGET/LUN (CHAP), or
 * iscsi://HOST[:PORT]/TARGET/LUN#user=U&secret=S&initiator=I, where each value may be left out and is escaped as in a
 * form, so that it may hold any character.
 *
 * libiscsi speaks the protocol (RFC 7143); here are the SCSI commands a disk needs (SBC-3): READ CAPACITY(16),
 * READ(16), WRITE(16), SYNCHRONIZE CACHE(16), UNMAP. The password is taken out of the image's name as soon as it was
 * used. Left out: discovery, digests, several paths, reconnecting: after a lost session every request fails.
 */
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <string.h>

#include "rt/status.h"
#include "storage/format.h"

#define INITIATOR   "iqn.2026-01.org.ringbox:initiator"
#define TIMEOUT_S   30
#define MAX_REQUEST (1u << 20)
#define MAX_BLOCK   4096u

struct iscsi_disk {
    struct iscsi_context *ctx;
    int lun;
    uint32_t block_bytes;
    bool can_unmap;
    uint8_t *bounce; /* a block */
};

/* Without an answer of the target's there is no session any more. */
static bool answered(const struct scsi_task *task)
{
    return task && task->status != (int)SCSI_STATUS_CANCELLED && task->status != (int)SCSI_STATUS_ERROR &&
           task->status != (int)SCSI_STATUS_TIMEOUT;
}

static int status_of(struct scsi_task *task)
{
    int rc = !answered(task) ? VERR_BROKEN_PIPE : task->status == SCSI_STATUS_GOOD ? 0 : VERR_DISK_IO_ERROR;

    if (task && task->status == SCSI_STATUS_CHECK_CONDITION && task->sense.key == SCSI_SENSE_DATA_PROTECTION)
        rc = VERR_WRITE_PROTECT;
    if (task)
        scsi_free_scsi_task(task);
    return rc;
}

/* user%password@ -> user%***@ in what people will see. */
static void hide_password(struct vd *vd)
{
    char *at = strrchr(vd->path, '@'), *percent = at ? memchr(vd->path, '%', (size_t)(at - vd->path)) : NULL;
    char *shown;

    if (!percent)
        return;
    shown = g_strdup_printf("%.*s%%***%s", (int)(percent - vd->path), vd->path, at);
    memset(vd->path, 0, strlen(vd->path));
    g_free(vd->path);
    vd->path = shown;
}

/* What follows '#', by name; it is taken out of the image's name at once. */
static GHashTable *take_options(struct vd *vd)
{
    char *mark = strchr(vd->path, '#');
    GHashTable *options = g_uri_parse_params(mark ? mark + 1 : "", -1, "&", G_URI_PARAMS_NONE, NULL);

    if (mark)
        memset(mark, 0, strlen(mark));
    return options;
}

static bool log_in(struct vd *vd, struct iscsi_disk *d, GError **error)
{
    g_autoptr(GHashTable) options = take_options(vd);
    const char *initiator = options ? g_hash_table_lookup(options, "initiator") : NULL;
    const char *user = options ? g_hash_table_lookup(options, "user") : NULL;
    const char *secret = options ? g_hash_table_lookup(options, "secret") : NULL;
    struct iscsi_url *url;
    bool ok = false;

    d->ctx = iscsi_create_context(initiator ? initiator : INITIATOR);
    url = d->ctx && options ? iscsi_parse_full_url(d->ctx, vd->path) : NULL;
    hide_password(vd);
    if (url && g_hash_table_contains(options, "internal")) {
        iscsi_destroy_url(url);
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error,
                         "there is no internal network for it; take the host's network");
    }
    if (!url)
        return vd_refuse(vd->path, VERR_INVALID_NAME, error,
                         "the address is iscsi://[USER%%PASSWORD@]HOST[:PORT]/TARGET/LUN");
    iscsi_set_timeout(d->ctx, TIMEOUT_S);
    iscsi_set_noautoreconnect(d->ctx, 1);
    iscsi_set_session_type(d->ctx, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(d->ctx, ISCSI_HEADER_DIGEST_NONE_CRC32C);
    if (url->user[0])
        iscsi_set_initiator_username_pwd(d->ctx, url->user, url->passwd);
    else if (user)
        iscsi_set_initiator_username_pwd(d->ctx, user, secret ? secret : "");
    d->lun = url->lun;
    if (iscsi_set_targetname(d->ctx, url->target) == 0 && iscsi_full_connect_sync(d->ctx, url->portal, url->lun) == 0)
        ok = true;
    else
        vd_refuse(vd->path, VERR_OPEN_FAILED, error, "no session with the target: %s", iscsi_get_error(d->ctx));
    iscsi_destroy_url(url);
    return ok;
}

static bool read_capacity(struct vd *vd, struct iscsi_disk *d, GError **error)
{
    struct scsi_task *task = iscsi_readcapacity16_sync(d->ctx, d->lun);
    struct scsi_readcapacity16 *c = task && task->status == SCSI_STATUS_GOOD ? scsi_datain_unmarshall(task) : NULL;
    uint64_t blocks = c ? c->returned_lba : 0;

    if (c) {
        d->block_bytes = c->block_length;
        d->can_unmap = c->lbpme;
    }
    if (task)
        scsi_free_scsi_task(task);
    if (!c)
        return vd_refuse(vd->path, VERR_DISK_IO_ERROR, error, "the target does not tell its capacity");
    if ((d->block_bytes != 512 && d->block_bytes != MAX_BLOCK) || blocks >= INT64_MAX / MAX_BLOCK)
        return vd_refuse(vd->path, VERR_VD_INVALID_SIZE, error, "blocks of %u bytes or its capacity are not supported",
                         d->block_bytes);
    vd->size_bytes = (blocks + 1) * d->block_bytes;
    return true;
}

static bool iscsi_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    struct iscsi_disk *d = g_new0(struct iscsi_disk, 1);

    (void)file_bytes;
    vd->priv = d;
    d->bounce = g_malloc(MAX_BLOCK);
    return log_in(vd, d, error) && read_capacity(vd, d, error);
}

static void iscsi_close(struct vd *vd)
{
    struct iscsi_disk *d = vd->priv;

    if (!d)
        return;
    if (d->ctx) {
        if (iscsi_is_logged_in(d->ctx))
            iscsi_logout_sync(d->ctx);
        iscsi_destroy_context(d->ctx);
    }
    g_free(d->bounce);
    g_clear_pointer(&vd->priv, g_free);
}

static int iscsi_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    (void)vd;
    (void)off_bytes;
    return vd_extent_plain(ret, bytes, VD_DATA);
}

/* Whole blocks, at most MAX_REQUEST. */
static int read_blocks(struct iscsi_disk *d, uint64_t at, uint8_t *buf, uint32_t bytes)
{
    struct scsi_task *task =
        iscsi_read16_sync(d->ctx, d->lun, at / d->block_bytes, bytes, (int)d->block_bytes, 0, 0, 0, 0, 0);

    bool enough = task && task->status == SCSI_STATUS_GOOD && task->datain.size >= (int)bytes;
    int rc;

    if (enough)
        memcpy(buf, task->datain.data, bytes);
    rc = status_of(task);
    return rc || enough ? rc : VERR_DISK_IO_ERROR;
}

static int write_blocks(struct iscsi_disk *d, uint64_t at, const uint8_t *buf, uint32_t bytes)
{
    return status_of(iscsi_write16_sync(d->ctx, d->lun, at / d->block_bytes, (unsigned char *)buf, bytes,
                                        (int)d->block_bytes, 0, 0, 0, 0, 0));
}

/* The next piece of a request: whole blocks, or part of one that has to go through the bounce buffer. */
static size_t piece(const struct iscsi_disk *d, uint64_t at, size_t bytes, bool *ret_part)
{
    uint64_t cut = at % d->block_bytes;

    *ret_part = cut || bytes < d->block_bytes;
    if (*ret_part)
        return (size_t)MIN(bytes, d->block_bytes - cut);
    return MIN(bytes / d->block_bytes * d->block_bytes, MAX_REQUEST);
}

static int iscsi_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    struct iscsi_disk *d = vd->priv;
    int rc = 0;

    while (rc == 0 && bytes) {
        uint64_t cut = off_bytes % d->block_bytes;
        bool part;
        size_t n = piece(d, off_bytes, bytes, &part);

        rc = part ? read_blocks(d, off_bytes - cut, d->bounce, d->block_bytes)
                  : read_blocks(d, off_bytes, buf, (uint32_t)n);
        if (rc == 0 && part)
            memcpy(buf, d->bounce + cut, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

static int iscsi_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    struct iscsi_disk *d = vd->priv;
    int rc = 0;

    while (rc == 0 && bytes) {
        uint64_t cut = off_bytes % d->block_bytes;
        bool part;
        size_t n = piece(d, off_bytes, bytes, &part);

        if (part) {
            rc = read_blocks(d, off_bytes - cut, d->bounce, d->block_bytes);
            memcpy(d->bounce + cut, buf, n);
            if (rc == 0)
                rc = write_blocks(d, off_bytes - cut, d->bounce, d->block_bytes);
        } else {
            rc = write_blocks(d, off_bytes, buf, (uint32_t)n);
        }
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

static int iscsi_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct iscsi_disk *d = vd->priv;
    uint64_t first = (off_bytes + d->block_bytes - 1) / d->block_bytes, end = (off_bytes + bytes) / d->block_bytes;
    int rc = 0;

    while (d->can_unmap && rc == 0 && first < end) {
        struct unmap_list range = {.lba = first, .num = (uint32_t)MIN(end - first, 1u << 20)};

        rc = status_of(iscsi_unmap_sync(d->ctx, d->lun, 0, 0, &range, 1));
        first += range.num;
    }
    return rc;
}

static int iscsi_flush(struct vd *vd)
{
    struct iscsi_disk *d = vd->priv;

    if (vd->sync_failed == 0)
        vd->sync_failed = status_of(iscsi_synchronizecache16_sync(d->ctx, d->lun, 0, 0, 0, 0));
    return vd->sync_failed;
}

const struct vd_format iscsi_format = {
    .remote = true,
    .open = iscsi_open,
    .close = iscsi_close,
    .map = iscsi_map,
    .read = iscsi_read,
    .write = iscsi_write,
    .discard = iscsi_discard,
    .flush = iscsi_flush,
};

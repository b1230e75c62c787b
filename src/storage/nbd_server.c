/*
 * nbd_server.c - see nbd_server.h; the protocol's numbers are in nbd_proto.h.
 *
 * Invariant 1: nothing is asked of the disk that lies outside it, and no request needs more memory than
 * NBD_MAX_REQUEST. What cannot be skipped, because its length may be a lie, ends the connection. Left out: FUA,
 * structured replies, more than one request at a time.
 */
#include "storage/nbd_server.h"

#include "rt/status.h"
#include "rt/stream.h"
#include "storage/bytes.h"
#include "storage/nbd_proto.h"

struct client {
    struct vd *vd;
    int sock;
    uint8_t *data; /* NBD_MAX_REQUEST */
};

struct request {
    uint16_t flags, command;
    uint64_t cookie, at;
    uint32_t bytes;
};

static bool take(const struct client *c, void *p, size_t bytes)
{
    return stream_receive(c->sock, p, bytes);
}

static bool give(const struct client *c, const void *p, size_t bytes)
{
    return stream_send(c->sock, p, bytes);
}

/* ---- handshake ---- */

static bool reply(const struct client *c, uint32_t option, uint32_t type, const void *p, uint32_t bytes)
{
    uint8_t raw[NBD_REPLY_BYTES];

    put_be64(raw, NBD_MAGIC_REPLY);
    put_be32(raw + 8, option);
    put_be32(raw + 12, type);
    put_be32(raw + 16, bytes);
    return give(c, raw, sizeof(raw)) && give(c, p, bytes);
}

static bool tell_size(const struct client *c)
{
    const unsigned flags =
        NBD_FLAG_THERE | NBD_FLAG_FLUSH | NBD_FLAG_TRIM | (vd_read_only(c->vd) ? NBD_FLAG_READ_ONLY : 0u);
    uint8_t raw[12] = {0};

    put_be64(raw + 2, vd_size_bytes(c->vd));
    put_be16(raw + 10, (uint16_t)flags);
    return reply(c, NBD_OPT_GO, NBD_REP_INFO, raw, sizeof(raw)) && reply(c, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
}

/* One option. *@ret_go: requests follow. */
static bool option(const struct client *c, bool *ret_go)
{
    uint8_t raw[NBD_OPTION_BYTES];
    uint32_t which, bytes;

    if (!take(c, raw, sizeof(raw)))
        return false;
    which = be32(raw + 8);
    bytes = be32(raw + 12);
    if (be64(raw) != NBD_MAGIC_OPTION || bytes > NBD_MAX_OPTION || !take(c, c->data, bytes))
        return false;
    *ret_go = which == NBD_OPT_GO;
    if (which == NBD_OPT_ABORT)
        reply(c, which, NBD_REP_ACK, NULL, 0);
    if (which == NBD_OPT_GO)
        return tell_size(c);
    return which != NBD_OPT_ABORT && reply(c, which, NBD_REP_UNSUPPORTED, NULL, 0);
}

static bool shake_hands(const struct client *c)
{
    uint8_t raw[18], flags[4];
    bool go = false;

    put_be64(raw, NBD_MAGIC_INIT);
    put_be64(raw + 8, NBD_MAGIC_OPTION);
    put_be16(raw + 16, NBD_HAS_FIXED | NBD_NO_ZEROES);
    if (!give(c, raw, sizeof(raw)) || !take(c, flags, sizeof(flags)) || !(be32(flags) & NBD_HAS_FIXED))
        return false;
    for (unsigned i = 0; i < NBD_MAX_OPTIONS && !go; i++)
        if (!option(c, &go))
            return false;
    return go;
}

/* ---- requests ---- */

static enum nbd_error error_of(int status)
{
    static const struct {
        int status;
        enum nbd_error error;
    } rows[] = {{VERR_DISK_FULL, NBD_ENOSPC},         {VERR_WRITE_PROTECT, NBD_EPERM},
                {VERR_VD_IMAGE_READ_ONLY, NBD_EPERM}, {VERR_NO_MEMORY, NBD_ENOMEM},
                {VERR_INVALID_PARAMETER, NBD_EINVAL}, {VERR_BROKEN_PIPE, NBD_ESHUTDOWN}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].status == status)
            return rows[i].error;
    return NBD_EIO;
}

/* Inv 1. */
static bool inside(const struct client *c, const struct request *r)
{
    const uint64_t size = vd_size_bytes(c->vd);
    const bool moves = r->command == NBD_CMD_READ || r->command == NBD_CMD_WRITE;

    return r->at <= size && r->bytes <= size - r->at && (!moves || r->bytes <= NBD_MAX_REQUEST);
}

static int execute(const struct client *c, const struct request *r)
{
    if (r->flags || !inside(c, r))
        return VERR_INVALID_PARAMETER;
    switch (r->command) {
    case NBD_CMD_READ: return vd_read(c->vd, r->at, c->data, r->bytes);
    case NBD_CMD_WRITE: return vd_write(c->vd, r->at, c->data, r->bytes);
    case NBD_CMD_FLUSH: return vd_flush(c->vd);
    case NBD_CMD_TRIM: return vd_discard(c->vd, r->at, r->bytes);
    default: return VERR_INVALID_PARAMETER;
    }
}

static bool answer(const struct client *c, const struct request *r, int status)
{
    uint8_t raw[NBD_ANSWER_BYTES];

    put_be32(raw, NBD_MAGIC_ANSWER);
    put_be32(raw + 4, status ? error_of(status) : 0u);
    put_be64(raw + 8, r->cookie);
    if (!give(c, raw, sizeof(raw)))
        return false;
    return status || r->command != NBD_CMD_READ || give(c, c->data, r->bytes);
}

/* False: it was the last one. *@ret_bye: because the client said so. */
static bool request(const struct client *c, bool *ret_bye)
{
    uint8_t raw[NBD_REQUEST_BYTES];
    struct request r;

    if (!take(c, raw, sizeof(raw)) || be32(raw) != NBD_MAGIC_REQUEST)
        return false;
    r = (struct request){be16(raw + 4), be16(raw + 6), be64(raw + 8), be64(raw + 16), be32(raw + 24)};
    *ret_bye = r.command == NBD_CMD_DISC;
    if (*ret_bye || (r.command == NBD_CMD_WRITE && (r.bytes > NBD_MAX_REQUEST || !take(c, c->data, r.bytes))))
        return false;
    return answer(c, &r, execute(c, &r));
}

bool nbd_serve(struct vd *vd, int sock)
{
    struct client c = {.vd = vd, .sock = sock, .data = g_malloc(NBD_MAX_REQUEST)};
    bool bye = false;

    if (shake_hands(&c))
        while (request(&c, &bye))
            ;
    g_free(c.data);
    return bye;
}

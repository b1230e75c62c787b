/*
 * nbd.c - a network block device as a medium: nbd://HOST[:PORT]/EXPORT and nbd+unix:///EXPORT?socket=PATH. And
 * nbd+socket:NAME, the connected socket that the file table opens under that name: the medium is called NAME then.
 *
 * Source: the NBD protocol document (NetworkBlockDevice/nbd, doc/proto.md): fixed newstyle handshake with NBD_OPT_GO,
 * simple replies, one request at a time. Left out: TLS, structured replies, reconnecting: what was written and not
 * flushed when a connection is lost may be gone, so after that every request fails, as after a failed flush (vd.h inv
 * 1). What the server sends is checked against what was asked; every wait has a bound.
 */
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "rt/status.h"
#include "rt/stream.h"
#include "storage/bytes.h"
#include "storage/format.h"
#include "storage/nbd_proto.h"

#define DEFAULT_PORT "10809"
#define TIMEOUT_S    30
#define GIVEN        "nbd+socket:"
#define GIVEN_S      60 /* who serves it may wait for somebody else, too */
struct nbd {
    int sock;
    uint16_t flags;
    uint64_t cookie;
    bool lost;
};

/* ---- the stream ---- */

static int send_all(struct nbd *n, const void *p, size_t bytes)
{
    return stream_send(n->sock, p, bytes) ? 0 : VERR_DISK_IO_ERROR;
}

static int recv_all(struct nbd *n, void *p, size_t bytes)
{
    return stream_receive(n->sock, p, bytes) ? 0 : VERR_DISK_IO_ERROR;
}

/* ---- connecting ---- */

static int connect_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int s;

    if (strlen(path) >= sizeof(a.sun_path))
        return -1;
    strcpy(a.sun_path, path); /* fits */
    s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof(a)) == 0)
        return s;
    if (s >= 0)
        close(s);
    return -1;
}

static int connect_tcp(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int s = -1;

    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    for (struct addrinfo *a = found; a && s < 0; a = a->ai_next) {
        s = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, a->ai_protocol);
        if (s >= 0 && connect(s, a->ai_addr, a->ai_addrlen)) {
            close(s);
            s = -1;
        }
    }
    freeaddrinfo(found);
    return s;
}

/* Takes the address apart and connects; *@ret_export is the name after the last slash. */
static int dial(const char *uri, char **ret_export)
{
    g_autoptr(GUri) u = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);
    g_autoptr(GHashTable) query = NULL;
    const char *path = u ? g_uri_get_path(u) : "", *socket_path = NULL;
    g_autofree char *port = NULL;

    if (!u)
        return -1;
    *ret_export = g_strdup(*path == '/' ? path + 1 : path);
    if (strcmp(g_uri_get_scheme(u), "nbd+unix") == 0) {
        if (g_uri_get_query(u))
            query = g_uri_parse_params(g_uri_get_query(u), -1, "&", G_URI_PARAMS_NONE, NULL);
        if (query)
            socket_path = g_hash_table_lookup(query, "socket");
        return socket_path ? connect_unix(socket_path) : -1;
    }
    if (strcmp(g_uri_get_scheme(u), "nbd") != 0 || !g_uri_get_host(u))
        return -1;
    port = g_uri_get_port(u) > 0 ? g_strdup_printf("%d", g_uri_get_port(u)) : g_strdup(DEFAULT_PORT);
    return connect_tcp(g_uri_get_host(u), port);
}

static int send_go(struct nbd *n, const char *export)
{
    size_t len = strlen(export);
    g_autofree uint8_t *raw = g_malloc0(16 + 4 + len + 2);

    if (len > 4096)
        return VERR_FILENAME_TOO_LONG;
    put_be64(raw, NBD_MAGIC_OPTION);
    put_be32(raw + 8, NBD_OPT_GO);
    put_be32(raw + 12, (uint32_t)(4 + len + 2));
    put_be32(raw + 16, (uint32_t)len);
    memcpy(raw + 20, export, len);
    return send_all(n, raw, 16 + 4 + len + 2);
}

/* One answer to the option; *@ret_done when it was the last. Sizes go to @vd. */
static int receive_reply(struct vd *vd, struct nbd *n, bool *ret_done)
{
    uint8_t raw[20];
    g_autofree uint8_t *data = NULL;
    uint32_t type, bytes;
    int rc = recv_all(n, raw, sizeof(raw));

    if (rc)
        return rc;
    type = be32(raw + 12);
    bytes = be32(raw + 16);
    if (be64(raw) != NBD_MAGIC_REPLY || be32(raw + 8) != NBD_OPT_GO || bytes > NBD_MAX_OPTION)
        return VERR_PARSE_ERROR;
    data = g_malloc(bytes + 1);
    rc = recv_all(n, data, bytes);
    if (rc)
        return rc;
    if (type & NBD_REP_ERROR)
        return VERR_NOT_FOUND;
    if (type == NBD_REP_INFO && bytes >= 12 && be16(data) == 0) {
        vd->size_bytes = be64(data + 2);
        n->flags = be16(data + 10);
    }
    *ret_done = type == NBD_REP_ACK;
    return 0;
}

static int shake_hands(struct vd *vd, struct nbd *n, const char *export)
{
    uint8_t raw[18], flags[4] = {};
    bool done = false;
    int rc = recv_all(n, raw, sizeof(raw));

    if (rc)
        return rc;
    if (be64(raw) != NBD_MAGIC_INIT || be64(raw + 8) != NBD_MAGIC_OPTION || !(be16(raw + 16) & NBD_HAS_FIXED))
        return VERR_PARSE_ERROR;
    put_be32(flags, be16(raw + 16) & (NBD_HAS_FIXED | NBD_NO_ZEROES));
    rc = send_all(n, flags, sizeof(flags));
    if (rc == 0)
        rc = send_go(n, export);
    for (unsigned i = 0; rc == 0 && !done; i++)
        rc = i < NBD_MAX_OPTIONS ? receive_reply(vd, n, &done) : VERR_PARSE_ERROR;
    if (rc == 0 && (vd->size_bytes == 0 || vd->size_bytes % VD_SECTOR_BYTES || vd->size_bytes > INT64_MAX))
        rc = VERR_VD_INVALID_SIZE;
    return rc;
}

/* What the caller has connected. */
static int take_given(struct vd *vd)
{
    const int s = vd->io->open(vd->io->ctx, vd->path, O_RDWR | O_CLOEXEC, 0);
    char *name = g_strdup(vd->path + strlen(GIVEN));

    g_free(vd->path);
    vd->path = name;
    return s;
}

static bool nbd_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    const bool given = g_str_has_prefix(vd->path, GIVEN);
    const struct timeval timeout = {.tv_sec = given ? GIVEN_S : TIMEOUT_S};
    struct nbd *n = g_new0(struct nbd, 1);
    g_autofree char *export = NULL;
    int rc;

    (void)file_bytes;
    vd->priv = n;
    n->sock = given ? take_given(vd) : dial(vd->path, &export);
    if (n->sock < 0)
        return vd_refuse(vd->path, VERR_OPEN_FAILED, error,
                         "no connection; the address is nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH");
    setsockopt(n->sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(n->sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    rc = shake_hands(vd, n, export ? export : "");
    if (rc == VERR_NOT_FOUND)
        return vd_refuse(vd->path, rc, error, "the server has no such export");
    if (rc) {
        fio_error(error, rc, "Cannot agree with the server of '%s'", vd->path);
        return false;
    }
    if (n->flags & NBD_FLAG_READ_ONLY)
        vd_downgrade(vd, "the server lets it be read only");
    return true;
}

/* ---- requests ---- */

static int status_of(uint32_t error)
{
    return error == NBD_ENOSPC      ? VERR_DISK_FULL
           : error == NBD_EPERM     ? VERR_WRITE_PROTECT
           : error == NBD_ENOMEM    ? VERR_NO_MEMORY
           : error == NBD_ESHUTDOWN ? VERR_BROKEN_PIPE
                                    : VERR_DISK_IO_ERROR;
}

/* @out goes with the request, @in comes with the answer. */
static int request(struct vd *vd, enum nbd_command cmd, uint64_t at, const void *out, void *in, uint32_t bytes)
{
    struct nbd *n = vd->priv;
    uint8_t raw[28], answer[16];
    int rc;

    if (n->lost)
        return VERR_BROKEN_PIPE;
    put_be32(raw, NBD_MAGIC_REQUEST);
    put_be16(raw + 4, 0);
    put_be16(raw + 6, (uint16_t)cmd);
    put_be64(raw + 8, ++n->cookie);
    put_be64(raw + 16, at);
    put_be32(raw + 24, bytes);
    rc = send_all(n, raw, sizeof(raw));
    if (rc == 0 && out)
        rc = send_all(n, out, bytes);
    if (rc == 0)
        rc = recv_all(n, answer, sizeof(answer));
    if (rc == 0 && (be32(answer) != NBD_MAGIC_ANSWER || be64(answer + 8) != n->cookie))
        rc = VERR_DISK_IO_ERROR;
    if (rc == 0 && be32(answer + 4))
        return status_of(be32(answer + 4)); /* the connection goes on */
    if (rc == 0 && in)
        rc = recv_all(n, in, bytes);
    n->lost |= rc != 0;
    return rc ? VERR_BROKEN_PIPE : 0;
}

static void nbd_close(struct vd *vd)
{
    struct nbd *n = vd->priv;
    uint8_t raw[28] = {};

    if (!n)
        return;
    if (n->sock >= 0 && !n->lost && vd->size_bytes) {
        put_be32(raw, NBD_MAGIC_REQUEST);
        put_be16(raw + 6, NBD_CMD_DISC);
        send_all(n, raw, sizeof(raw));
    }
    if (n->sock >= 0)
        close(n->sock);
    g_clear_pointer(&vd->priv, g_free);
}

static int nbd_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    (void)vd;
    (void)off_bytes;
    return vd_extent_plain(ret, bytes, VD_DATA);
}

static int nbd_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    int rc = 0;

    for (size_t done = 0; rc == 0 && done < bytes; done += NBD_MAX_REQUEST)
        rc =
            request(vd, NBD_CMD_READ, off_bytes + done, NULL, buf + done, (uint32_t)MIN(NBD_MAX_REQUEST, bytes - done));
    return rc;
}

static int nbd_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    int rc = 0;

    for (size_t done = 0; rc == 0 && done < bytes; done += NBD_MAX_REQUEST)
        rc = request(vd, NBD_CMD_WRITE, off_bytes + done, buf + done, NULL,
                     (uint32_t)MIN(NBD_MAX_REQUEST, bytes - done));
    return rc;
}

static int nbd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct nbd *n = vd->priv;
    int rc = 0;

    for (uint64_t done = 0; (n->flags & NBD_FLAG_TRIM) && rc == 0 && done < bytes; done += 1u << 30)
        rc = request(vd, NBD_CMD_TRIM, off_bytes + done, NULL, NULL, (uint32_t)MIN(1u << 30, bytes - done));
    return rc;
}

static int nbd_flush(struct vd *vd)
{
    struct nbd *n = vd->priv;

    if (vd->sync_failed == 0 && ((n->flags & NBD_FLAG_FLUSH) || n->lost))
        vd->sync_failed = request(vd, NBD_CMD_FLUSH, 0, NULL, NULL, 0);
    return vd->sync_failed;
}

const struct vd_format nbd_format = {
    .remote = true,
    .open = nbd_open,
    .close = nbd_close,
    .map = nbd_map,
    .read = nbd_read,
    .write = nbd_write,
    .discard = nbd_discard,
    .flush = nbd_flush,
};

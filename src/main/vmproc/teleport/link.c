/*
 * link.c - see link.h.
 *
 * Source: RFC 8446 (2.2, 4.2.11: external pre-shared keys, with (EC)DHE), RFC 8018 (PBKDF2).
 */
#include "main/vmproc/teleport/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "storage/bytes.h"

#define KEY_BYTES  32u
#define ITERATIONS 100000
#define IDENTITY   "ringbox-teleport"
#define SALT       "ringbox teleport 1"
#define HEAD_BYTES 8u
#define LINK_SAYS  "The other side says: "

struct link {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
    bool local;
    uint64_t sent_bytes;
    uint8_t key[KEY_BYTES];
};

/* ---- the key ---- */

static unsigned give_key(SSL *ssl, unsigned char *to, unsigned room)
{
    const struct link *l = SSL_get_app_data(ssl);

    if (room < KEY_BYTES)
        return 0;
    memcpy(to, l->key, KEY_BYTES);
    return KEY_BYTES;
}

static unsigned client_key(SSL *ssl, const char *hint, char *identity, unsigned identity_bytes, unsigned char *to,
                           unsigned room)
{
    (void)hint;
    g_strlcpy(identity, IDENTITY, identity_bytes);
    return give_key(ssl, to, room);
}

static unsigned server_key(SSL *ssl, const char *identity, unsigned char *to, unsigned room)
{
    return strcmp(identity, IDENTITY) == 0 ? give_key(ssl, to, room) : 0;
}

/* ---- making ---- */

static bool refuse(GError **error, enum link_code code, const char *text)
{
    g_set_error_literal(error, LINK_ERROR, (gint)code, text);
    return false;
}

/* Whether only the other process's end can have ended the connection, because there is nothing else on its way. */
static bool on_this_host(const struct link *l)
{
    struct sockaddr_storage a;
    socklen_t bytes = sizeof a;

    if (getpeername(l->fd, (struct sockaddr *)&a, &bytes) != 0)
        return false;
    return a.ss_family == AF_UNIX ||
           (a.ss_family == AF_INET && ntohl(((struct sockaddr_in *)(void *)&a)->sin_addr.s_addr) >> 24 == 127) ||
           (a.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)(void *)&a)->sin6_addr));
}

static bool failed(struct link *l, int rc, GError **error)
{
    const int why = SSL_get_error(l->ssl, rc), err = errno;
    const unsigned long code = ERR_peek_error();

    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN ||
        (why == SSL_ERROR_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) ||
        (why == SSL_ERROR_SYSCALL && (err == 0 || (l->local && (err == ECONNRESET || err == EPIPE)))))
        return refuse(error, LINK_CLOSED, "The other side has closed the connection");
    if (why == SSL_ERROR_SYSCALL || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return refuse(error, LINK_FAILED, err == EAGAIN ? "The other side does not answer" : g_strerror(err));
    return refuse(error, LINK_FAILED, "The connection is no teleport, or the passwords differ");
}

static bool set_up(struct link *l, bool server)
{
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); /* the process may open no files */
    l->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (l->ctx == NULL || SSL_CTX_set_min_proto_version(l->ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(l->ctx, "TLS_AES_128_GCM_SHA256") != 1)
        return false;
    SSL_CTX_set_options(l->ctx, SSL_OP_NO_TICKET);
    if (server)
        SSL_CTX_set_psk_server_callback(l->ctx, server_key);
    else
        SSL_CTX_set_psk_client_callback(l->ctx, client_key);
    l->ssl = SSL_new(l->ctx);
    return l->ssl != NULL && SSL_set_app_data(l->ssl, l) == 1 && SSL_set_fd(l->ssl, l->fd) == 1;
}

static void set_patience(int fd, unsigned seconds)
{
    const struct timeval limit = {.tv_sec = seconds};

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

void link_patience(struct link *l, unsigned patience_s)
{
    set_patience(l->fd, patience_s);
}

struct link *link_new(int fd, bool server, const char *password_hash, unsigned patience_s, GError **error)
{
    struct link *l = g_new0(struct link, 1);

    l->fd = fd;
    l->local = on_this_host(l);
    set_patience(fd, patience_s);
    PKCS5_PBKDF2_HMAC(password_hash, (int)strlen(password_hash), (const unsigned char *)SALT, strlen(SALT), ITERATIONS,
                      EVP_sha256(), KEY_BYTES, l->key);
    bool ok = set_up(l, server) || refuse(error, LINK_FAILED, "The TLS library cannot be used");
    if (ok) {
        const int rc = server ? SSL_accept(l->ssl) : SSL_connect(l->ssl);
        ok = rc == 1 || failed(l, rc, error);
    }
    OPENSSL_cleanse(l->key, sizeof l->key);
    if (ok)
        return l;
    link_free(l);
    return NULL;
}

void link_free(struct link *l)
{
    if (l == NULL)
        return;
    if (l->ssl != NULL && SSL_is_init_finished(l->ssl))
        SSL_shutdown(l->ssl);
    SSL_free(l->ssl);
    SSL_CTX_free(l->ctx);
    close(l->fd);
    OPENSSL_cleanse(l->key, sizeof l->key);
    g_free(l);
}

void link_stop(struct link *l)
{
    shutdown(l->fd, SHUT_RDWR);
}

gint64 teleport_cpu_us(void)
{
    struct timespec t;

    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? t.tv_sec * G_USEC_PER_SEC + t.tv_nsec / 1000 : 0;
}

uint64_t link_sent_bytes(const struct link *l)
{
    return l->sent_bytes;
}

/* ---- frames ---- */

static bool put(struct link *l, const void *p, size_t bytes, GError **error)
{
    size_t done = 0;

    if (bytes == 0)
        return true;
    errno = 0;
    const int rc = SSL_write_ex(l->ssl, p, bytes, &done); /* all of it, or a failure */
    l->sent_bytes += done;
    return rc == 1 || failed(l, rc, error);
}

static bool get(struct link *l, void *p, size_t bytes, GError **error)
{
    for (size_t at = 0, n = 0; at < bytes; at += n) {
        errno = 0;
        const int rc = SSL_read_ex(l->ssl, (uint8_t *)p + at, bytes - at, &n);
        if (rc != 1)
            return failed(l, rc, error);
    }
    return true;
}

/* The other side has given up, and perhaps has said why before it went. */
static bool hear_why(struct link *l, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (error == NULL || !g_error_matches(*error, LINK_ERROR, LINK_CLOSED))
        return false;
    g_autoptr(GBytes) bytes = link_expect(l, LINK_YES, &why);
    if (bytes == NULL && g_str_has_prefix(why->message, LINK_SAYS)) {
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&why));
    }
    return false;
}

bool link_send(struct link *l, enum link_type type, const void *head, size_t head_bytes, const void *body,
               size_t body_bytes, GError **error)
{
    uint8_t h[HEAD_BYTES];

    if (head_bytes + body_bytes > LINK_FRAME_MAX)
        return refuse(error, LINK_FAILED, "The machine's state is too large");
    put_le32(h, type);
    put_le32(h + 4, (uint32_t)(head_bytes + body_bytes));
    return (put(l, h, sizeof h, error) && put(l, head, head_bytes, error) && put(l, body, body_bytes, error)) ||
           hear_why(l, error);
}

bool link_receive(struct link *l, enum link_type *ret_type, GBytes **ret_bytes, GError **error)
{
    uint8_t h[HEAD_BYTES];

    if (!get(l, h, sizeof h, error))
        return false;
    const uint32_t type = le32(h), bytes = le32(h + 4);
    if (type < LINK_HELLO || type > LINK_SYNCED || bytes > (type == LINK_STATE ? LINK_FRAME_MAX : LINK_PIECE_MAX))
        return refuse(error, LINK_FAILED, "The other side does not keep to the protocol");
    g_autofree uint8_t *p = g_try_malloc(MAX(bytes, 1));
    if (p == NULL)
        return refuse(error, LINK_FAILED, "Not enough memory");
    if (!get(l, p, bytes, error))
        return false;
    *ret_type = (enum link_type)type;
    *ret_bytes = g_bytes_new_take(g_steal_pointer(&p), bytes);
    return true;
}

GBytes *link_expect(struct link *l, enum link_type type, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    enum link_type is;

    if (!link_receive(l, &is, &bytes, error))
        return NULL;
    if (is == type)
        return g_steal_pointer(&bytes);
    if (is == LINK_NO) {
        gsize size;
        const char *text = g_bytes_get_data(bytes, &size);
        g_set_error(error, LINK_ERROR, LINK_CLOSED, LINK_SAYS "%.*s", (int)MIN(size, 500), text);
    } else {
        refuse(error, LINK_FAILED, "The other side does not keep to the protocol");
    }
    return NULL;
}

/*
 * receive.c - the target of a teleport: see teleport.h.
 *
 * Everything that comes is checked: it is from somebody who knows the password, not from a friend. A connection that
 * does not get as far as YES costs nothing; one that fails later leaves a machine nobody can use, so the process ends.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "main/vmproc/media.h"
#include "main/vmproc/teleport/hello.h"
#include "main/vmproc/teleport/link.h"
#include "main/vmproc/teleport/teleport.h"
#include "rt/log.h"
#include "vmm/ssm/pack.h"
#include "vmm/vm/vm.h"

#define AGAIN_US 1000000 /* after a connection that was refused: passwords are not to be tried quickly */

struct teleport_in {
    struct teleport_in_config config;
    char *hash;
    int fd;
    GThread *thread;
    GMutex lock; /* of link and stop */
    struct link *link;
    bool stop;
    uint8_t *ram;
    uint64_t chunks;
    struct packer *packer;
    uint8_t *copy;
    gint64 loading_cpu_us; /* the process's own time when the devices' state came */
    bool run;              /* the guest is to go on; it was not paused */
};

static bool refuse(GError **error, const char *text)
{
    g_set_error_literal(error, LINK_ERROR, LINK_FAILED, text);
    return false;
}

/* ---- listening ---- */

static int listen_at(const char *address, const char *port, GError **error)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int fd = -1, rc = getaddrinfo(address, port, &hints, &list);

    for (const struct addrinfo *a = list; rc == 0 && a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (fd >= 0 && (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 4) != 0)) {
            close(fd);
            fd = -1;
        }
    }
    if (list != NULL)
        freeaddrinfo(list);
    if (fd < 0)
        g_set_error(error, LINK_ERROR, LINK_FAILED,
                    "Cannot wait for a machine at '%s', port %s; choose another one (modifyvm --teleporter-port)",
                    address != NULL ? address : "all addresses", port);
    return fd;
}

struct teleport_in *teleport_in_listen(const char *address, unsigned port, const char *password_hash, GError **error)
{
    const bool open = password_hash == NULL || *password_hash == '\0';
    g_autofree char *text = g_strdup_printf("%u", port);

    if (address != NULL && *address == '\0')
        address = NULL;
    const int fd = listen_at(open ? "127.0.0.1" : address, text, error);
    if (fd < 0)
        return NULL;
    if (open)
        log_rel("Teleport: there is no password (modifyvm --teleporter-password): only this host is listened to");
    struct teleport_in *in = g_new0(struct teleport_in, 1);
    in->fd = fd;
    in->hash = g_strdup(open ? "" : password_hash);
    g_mutex_init(&in->lock);
    return in;
}

/* ---- what comes ---- */

/* Whether what @p says is this machine; then @ret_copied has a byte for each of @ret_count media. */
static bool same_machine(struct teleport_in *in, const uint8_t *p, gsize size, uint8_t *ret_copied, unsigned *ret_count,
                         GError **error)
{
    static struct media_item list[TELEPORT_MEDIA_MAX];
    struct teleport_hello mine, theirs;

    teleport_hello_fill(&mine, in->config.vm);
    if (size < sizeof theirs)
        return refuse(error, "the other side does not keep to the protocol");
    memcpy(&theirs, p, sizeof theirs);
    if (memcmp(theirs.magic, mine.magic, sizeof mine.magic) != 0)
        return refuse(error, "the programs are of different versions");
    if (theirs.ram_bytes != mine.ram_bytes || memcmp(theirs.config, mine.config, sizeof mine.config) != 0)
        return refuse(error, "the machines' settings differ");
    size -= sizeof theirs;
    if (size % sizeof *list != 0 || size > sizeof list)
        return refuse(error, "the list of media is damaged");
    memcpy(list, p + sizeof theirs, size);
    *ret_count = (unsigned)(size / sizeof *list);
    return media_meet(in->config.media, list, *ret_count, ret_copied, error);
}

/* LINK_YES is said, or LINK_NO and why. */
static bool greeted(struct teleport_in *in, GError **error)
{
    g_autoptr(GBytes) bytes = link_expect(in->link, LINK_HELLO, error);
    uint8_t copied[TELEPORT_MEDIA_MAX];
    unsigned count = 0;
    gsize size;

    if (bytes == NULL)
        return false;
    const uint8_t *p = g_bytes_get_data(bytes, &size);
    if (!same_machine(in, p, size, copied, &count, error)) {
        link_send(in->link, LINK_NO, NULL, 0, (*error)->message, strlen((*error)->message), NULL);
        return false;
    }
    return link_send(in->link, LINK_YES, NULL, 0, copied, count, error);
}

static bool all_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PACK_PAGE_BYTES - 1) == 0;
}

/* A piece into @ret_head and in->copy, zeros where it has no pages. */
static bool unpack(struct teleport_in *in, GBytes *bytes, void *ret_head, size_t head_bytes)
{
    gsize size;
    const uint8_t *p = g_bytes_get_data(bytes, &size);

    if (size < head_bytes)
        return false;
    memcpy(ret_head, p, head_bytes);
    memset(in->copy, 0, SSM_CHUNK_BYTES);
    return size == head_bytes || unpack_chunk(in->packer, p + head_bytes, size - head_bytes, in->copy);
}

static bool take_memory(struct teleport_in *in, GBytes *bytes, GError **error)
{
    struct link_memory head;

    if (!unpack(in, bytes, &head, sizeof head))
        return refuse(error, "A piece of memory is damaged");
    if (head.chunk >= in->chunks)
        return refuse(error, "A piece of memory lies beyond the end");
    for (unsigned n = 0; n < PACK_CHUNK_PAGES; n++) {
        const uint8_t *from = in->copy + n * PACK_PAGE_BYTES;
        uint8_t *to = in->ram + head.chunk * SSM_CHUNK_BYTES + n * PACK_PAGE_BYTES;

        if ((head.pages[n / 64] >> (n % 64) & 1) && !(all_zero(from) && all_zero(to)))
            memcpy(to, from, PACK_PAGE_BYTES);
    }
    return true;
}

static bool take_disk(struct teleport_in *in, GBytes *bytes, GError **error)
{
    struct link_disk head;

    if (!unpack(in, bytes, &head, sizeof head))
        return refuse(error, "A piece of a disk is damaged");
    struct media_chunk chunk = {.number = head.chunk, .zeros = head.zeros, .bytes = in->copy};
    memcpy(chunk.pages, head.pages, sizeof chunk.pages);
    return media_copy_write(in->config.media, head.disk, &chunk, error);
}

static bool say_synced(struct teleport_in *in, GError **error)
{
    return media_copy_flush(in->config.media, error) && link_send(in->link, LINK_SYNCED, NULL, 0, NULL, 0, error);
}

static bool load(struct teleport_in *in, GBytes *bytes, GError **error)
{
    in->loading_cpu_us = teleport_cpu_us();
    return vm_load_rest(in->config.vm, bytes, error);
}

/* All up to LINK_FREE. */
static bool take_machine(struct teleport_in *in, GError **error)
{
    bool loaded = false;

    for (;;) {
        g_autoptr(GBytes) bytes = NULL;
        enum link_type type;
        bool ok;

        if (!link_receive(in->link, &type, &bytes, error))
            return false;
        if (type == LINK_FREE && loaded)
            return true;
        if (type == LINK_MEMORY && !loaded)
            ok = take_memory(in, bytes, error);
        else if (type == LINK_DISK && !loaded)
            ok = take_disk(in, bytes, error);
        else if (type == LINK_SYNC && !loaded)
            ok = say_synced(in, error);
        else if (type == LINK_STATE && !loaded)
            ok = loaded = load(in, bytes, error);
        else
            ok = refuse(error, "The other side does not keep to the protocol");
        if (!ok)
            return false;
    }
}

/* The disks are locked before LOADED is said; RUNNING is said before the guest runs. (teleport.h inv 1) */
static bool take_over(struct teleport_in *in, GError **error)
{
    if (!media_take(in->config.media, error) || !link_send(in->link, LINK_LOADED, NULL, 0, NULL, 0, error))
        return false;
    g_autoptr(GBytes) go = link_expect(in->link, LINK_GO, error);
    gsize size = 0;
    const uint8_t *run = go != NULL ? g_bytes_get_data(go, &size) : NULL;
    in->run = size == 1 && *run != 0;
    return go != NULL && link_send(in->link, LINK_RUNNING, NULL, 0, NULL, 0, error);
}

static bool receive(struct teleport_in *in, GError **error)
{
    if (take_machine(in, error) && take_over(in, error))
        return true;
    link_send(in->link, LINK_NO, NULL, 0, (*error)->message, strlen((*error)->message), NULL);
    return false;
}

/* ---- the thread ---- */

static void set_link(struct teleport_in *in, struct link *link)
{
    g_mutex_lock(&in->lock);
    in->link = link;
    if (in->stop && link != NULL)
        link_stop(link);
    g_mutex_unlock(&in->lock);
}

static bool stopped(struct teleport_in *in)
{
    g_mutex_lock(&in->lock);
    const bool stop = in->stop;
    g_mutex_unlock(&in->lock);
    return stop;
}

/* Until somebody has the password and the same machine; false: stopped. */
static bool wait_for_source(struct teleport_in *in)
{
    while (!stopped(in)) {
        g_autoptr(GError) error = NULL;
        const int fd = accept4(in->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            continue;
        set_link(in, link_new(fd, true, in->hash, TELEPORT_PATIENCE_S, &error));
        if (in->link != NULL && greeted(in, &error))
            return true;
        struct link *link = in->link;
        set_link(in, NULL);
        link_free(link);
        log_rel("Teleport: somebody was refused: %s", error->message);
        g_usleep(AGAIN_US);
    }
    return false;
}

static gpointer run(gpointer user)
{
    struct teleport_in *in = user;
    g_autoptr(GError) error = NULL;

    if (!wait_for_source(in))
        return NULL;
    if (receive(in, &error)) {
        log_rel("Teleport: the machine has arrived; loading took %.0f ms of processor time",
                (double)(teleport_cpu_us() - in->loading_cpu_us) / 1000);
        in->config.arrived(in->config.user, in->run);
    } else {
        log_rel("Teleport: the machine did not arrive: %s", error->message);
        in->config.failed(in->config.user);
    }
    struct link *link = in->link;
    set_link(in, NULL);
    link_free(link);
    return NULL;
}

void teleport_in_start(struct teleport_in *in, const struct teleport_in_config *config)
{
    uint64_t bytes;

    in->config = *config;
    in->ram = vm_ram(config->vm, &bytes);
    in->chunks = bytes / SSM_CHUNK_BYTES;
    in->packer = packer_new();
    in->copy = g_malloc(SSM_CHUNK_BYTES);
    in->thread = g_thread_new("teleport", run, in);
}

void teleport_in_free(struct teleport_in *in)
{
    if (in == NULL)
        return;
    g_mutex_lock(&in->lock);
    in->stop = true;
    shutdown(in->fd, SHUT_RDWR);
    if (in->link != NULL)
        link_stop(in->link);
    g_mutex_unlock(&in->lock);
    if (in->thread != NULL)
        g_thread_join(in->thread);
    close(in->fd);
    if (in->packer != NULL)
        packer_free(in->packer);
    g_mutex_clear(&in->lock);
    g_free(in->hash);
    g_free(in->copy);
    g_free(in);
}

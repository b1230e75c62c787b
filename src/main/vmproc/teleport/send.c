/*
 * send.c - the source of a teleport: see teleport.h.
 *
 * Disks that are copied go first, all of them (disks.h); from then on what the guest writes to them goes with memory.
 * Memory goes in rounds: first all of it, then what the guest has written meanwhile, until what is left can be sent in
 * half the pause that is allowed. A page is copied before it is packed: the guest may write it at any time, and then it
 * is sent again.
 */
#include <string.h>

#include "main/vmproc/media.h"
#include "main/vmproc/teleport/disks.h"
#include "main/vmproc/teleport/hello.h"
#include "main/vmproc/teleport/link.h"
#include "main/vmproc/teleport/teleport.h"
#include "rt/log.h"
#include "vmm/ssm/pack.h"
#include "vmm/vm/vm.h"

#define DISK_PATIENCE_S 120u /* of a target that flushes what came */
#define ROUNDS_MAX      30u
#define WORDS_PER_CHUNK (PACK_CHUNK_PAGES / 64)
#define TAKE_TRIES      100u /* tenths of a second in which a target that is gone has given its locks back */

struct teleport_out {
    struct teleport_out_config config;
    char *hash;
    GThread *thread;
    GMutex lock; /* of link, for who stops it */
    struct link *link;
    bool stop;
    uint8_t *ram;
    uint64_t chunks;
    uint64_t *bits; /* a bit per page: to be sent */
    struct packer *packer;
    uint8_t *copy, *packed;
    struct disks_out *disks; /* NULL: none is copied */
    unsigned rounds;
    uint64_t ram_done; /* chunks, the first time */
    int permille;      /* atomic */
    gint64 begun_us, disks_sent_us;
    gint64 stood_cpu_us;                  /* the process's own time by then */
    gint64 stood_us;                      /* when the guest was stopped, ... */
    gint64 saved_us, freed_us, loaded_us; /* ... its state was there, all was sent, all was taken */
    bool ran;                             /* ... and that it was */
    double pages_per_us;
};

/* ---- time ---- */

/* Once the guest stands still it goes through with it. */
static bool in_time(const struct teleport_out *o, GError **error)
{
    const gint64 allowed_us = (gint64)o->config.timeout_ms * 1000;

    if (allowed_us == 0 || o->stood_us != 0 || g_get_monotonic_time() - o->begun_us < allowed_us)
        return true;
    g_set_error(error, LINK_ERROR, LINK_FAILED, "The machine was not moved within %u ms; it goes on here",
                o->config.timeout_ms);
    return false;
}

/* Of the other side before the guest stands still. */
static unsigned patience_s(const struct teleport_out *o, unsigned usual_s)
{
    const unsigned allowed_s = o->config.timeout_ms / 1000 + 1;

    return o->config.timeout_ms != 0 ? MIN(allowed_s, usual_s) : usual_s;
}

static void note_progress(struct teleport_out *o)
{
    const uint64_t all = o->disks != NULL ? disks_out_bytes(o->disks) : 0;
    const uint64_t done = o->disks != NULL ? MIN(disks_out_done_bytes(o->disks), all) : 0;
    const double sum = (double)(done + o->ram_done * SSM_CHUNK_BYTES);

    g_atomic_int_set(&o->permille, (int)(999 * sum / (double)(all + o->chunks * SSM_CHUNK_BYTES)));
}

unsigned teleport_out_permille(const struct teleport_out *o)
{
    return (unsigned)g_atomic_int_get(&o->permille);
}

static bool disks_in_time(void *user, GError **error)
{
    note_progress(user);
    return in_time(user, error);
}

/* ---- memory ---- */

static uint64_t count_bits(const uint64_t *bits, uint64_t words)
{
    uint64_t n = 0;

    for (uint64_t k = 0; k < words; k++)
        n += (unsigned)__builtin_popcountll(bits[k]);
    return n;
}

static void copy_pages(struct teleport_out *o, uint64_t chunk, const uint64_t *pages)
{
    for (unsigned n = 0; n < PACK_CHUNK_PAGES; n++)
        if (pages[n / 64] >> (n % 64) & 1)
            memcpy(o->copy + n * PACK_PAGE_BYTES, o->ram + chunk * SSM_CHUNK_BYTES + n * PACK_PAGE_BYTES,
                   PACK_PAGE_BYTES);
}

static bool send_chunk(struct teleport_out *o, uint64_t chunk, const uint64_t *pages, bool first, GError **error)
{
    struct link_memory head = {.chunk = (uint32_t)chunk};

    if (count_bits(pages, WORDS_PER_CHUNK) == 0)
        return true;
    memcpy(head.pages, pages, sizeof head.pages);
    copy_pages(o, chunk, pages);
    const size_t bytes = pack_chunk(o->packer, o->copy, pages, o->packed);
    return (first && bytes == 0) || link_send(o->link, LINK_MEMORY, &head, sizeof head, o->packed, bytes, error);
}

/* What the guest has written since is in bits afterwards. */
static bool send_round(struct teleport_out *o, bool first, GError **error)
{
    const gint64 begun_us = g_get_monotonic_time();
    struct ssm_data data = {0};
    uint64_t pages = 0;

    for (uint64_t c = 0; c < o->chunks; c++) {
        uint64_t *bits = o->bits + c * WORDS_PER_CHUNK, now[WORDS_PER_CHUNK] = {0};

        if (first)
            ssm_chunk_present(vm_ram_fd(o->config.vm), c, &data, now);
        else
            memcpy(now, bits, sizeof now);
        pages += count_bits(now, WORDS_PER_CHUNK);
        if (!in_time(o, error) || !send_chunk(o, c, now, first, error))
            return false;
        o->ram_done += first;
        if (first)
            note_progress(o);
    }
    o->rounds++;
    if (pages > 0)
        o->pages_per_us = (double)pages / (double)MAX(g_get_monotonic_time() - begun_us, 1);
    return true;
}

/* What is to be sent yet: as bits of memory, and on disks. */
static double left_us(const struct teleport_out *o, unsigned pages)
{
    return (double)pages / MAX(o->pages_per_us, 1e-6) + (o->disks != NULL ? disks_out_left_us(o->disks) : 0);
}

static bool send_changed_disks(struct teleport_out *o, GError **error)
{
    return o->disks == NULL || disks_out_changed(o->disks, error);
}

static bool send_while_it_runs(struct teleport_out *o, GError **error)
{
    const double allowed_us = (double)o->config.max_pause_ms * 500;

    link_patience(o->link, patience_s(o, DISK_PATIENCE_S));
    if (o->disks != NULL && !disks_out_all(o->disks, error))
        return false;
    o->disks_sent_us = g_get_monotonic_time();
    vm_ram_written(o->config.vm, o->bits);
    for (bool first = true;; first = false) {
        if (!send_changed_disks(o, error) || !send_round(o, first, error))
            return false;
        const unsigned left = vm_ram_written(o->config.vm, o->bits);
        if (left_us(o, left) <= allowed_us || o->rounds >= ROUNDS_MAX)
            break;
    }
    link_patience(o->link, TELEPORT_PATIENCE_S);
    return true;
}

/* ---- the hand-over ---- */

/* Stops the guest and sends the rest. */
static bool send_rest(struct teleport_out *o, GError **error)
{
    const uint64_t words = o->chunks * WORDS_PER_CHUNK;
    g_autofree uint64_t *more = g_new0(uint64_t, words);

    o->ran = vm_state_get(o->config.vm) == VM_RUNNING;
    o->stood_us = g_get_monotonic_time();
    o->stood_cpu_us = teleport_cpu_us();
    g_autoptr(GBytes) state = vm_save_rest(o->config.vm, error);
    if (state == NULL)
        return false;
    vm_ram_written(o->config.vm, more);
    for (uint64_t k = 0; k < words; k++)
        o->bits[k] |= more[k];
    gsize bytes;
    const void *p = g_bytes_get_data(state, &bytes);
    o->saved_us = g_get_monotonic_time();
    const bool ok = send_changed_disks(o, error) && send_round(o, false, error) &&
                    link_send(o->link, LINK_STATE, NULL, 0, p, bytes, error) && media_release(o->config.media, error) &&
                    link_send(o->link, LINK_FREE, NULL, 0, NULL, 0, error);
    o->freed_us = g_get_monotonic_time();
    return ok;
}

static bool say_go(struct teleport_out *o, bool *ret_said, GError **error)
{
    const uint8_t run = o->ran;
    g_autoptr(GBytes) loaded = link_expect(o->link, LINK_LOADED, error);

    if (loaded == NULL)
        return false;
    *ret_said = true;
    o->loaded_us = g_get_monotonic_time();
    if (!link_send(o->link, LINK_GO, &run, 1, NULL, 0, error))
        return false;
    g_autoptr(GBytes) running = link_expect(o->link, LINK_RUNNING, error);
    return running != NULL;
}

/* Opens the disks again; who held them may need a moment to be gone. */
static bool take_back(struct teleport_out *o, GError **error)
{
    for (unsigned k = 0;; k++) {
        g_autoptr(GError) why = NULL;

        if (media_take(o->config.media, &why))
            return true;
        if (k >= TAKE_TRIES || o->stop) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        g_usleep(100000);
    }
}

/* teleport.h inv 2. @why: what went wrong; gets longer if the machine cannot go on. */
static void go_on_here(struct teleport_out *o, bool said_go, GError **why)
{
    const bool gone = g_error_matches(*why, LINK_ERROR, LINK_CLOSED);
    g_autoptr(GError) error = NULL;

    if (o->stood_us == 0)
        return; /* it still runs */
    if (said_go && !gone && !media_has_locks(o->config.media))
        g_prefix_error(why, "The machine stays paused: it may run at the other side, and has no disk whose lock would "
                            "tell. ");
    else if (!take_back(o, &error))
        g_prefix_error(why, "The machine stays paused: %s. ", error->message);
    else if (o->ran)
        vm_resume(o->config.vm);
}

/* ---- all of it ---- */

/* Which disks are copied says the target: it knows which files are there. */
static bool greet(struct teleport_out *o, GError **error)
{
    g_autoptr(GArray) list = media_items(o->config.media);
    struct teleport_hello hello;
    gsize count = 0;

    if (list->len > TELEPORT_MEDIA_MAX) {
        g_set_error(error, LINK_ERROR, LINK_FAILED, "The machine has more than %u media", TELEPORT_MEDIA_MAX);
        return false;
    }
    teleport_hello_fill(&hello, o->config.vm);
    if (!link_send(o->link, LINK_HELLO, &hello, sizeof hello, list->data, list->len * sizeof(struct media_item), error))
        return false;
    g_autoptr(GBytes) yes = link_expect(o->link, LINK_YES, error);
    const uint8_t *copied = yes != NULL ? g_bytes_get_data(yes, &count) : NULL;
    if (yes == NULL)
        return false;
    if (count != list->len) {
        g_set_error(error, LINK_ERROR, LINK_FAILED, "The other side does not keep to the protocol");
        return false;
    }
    if (count == 0 || memchr(copied, 1, count) == NULL)
        return true;
    o->disks = disks_out_new(o->config.media, o->link, copied, (unsigned)count, error);
    if (o->disks == NULL)
        return false;
    disks_out_watch(o->disks, disks_in_time, o);
    log_rel("Teleport: %" G_GUINT64_FORMAT " MiB of disks are copied", disks_out_bytes(o->disks) >> 20);
    return true;
}

static void log_done(const struct teleport_out *o)
{
    const double ms = 1000;

    if (o->disks != NULL)
        log_rel("Teleport: %" G_GUINT64_FORMAT " MiB of disks were copied in %.0f ms, %.1f MiB again",
                disks_out_bytes(o->disks) >> 20, (double)(o->disks_sent_us - o->begun_us) / ms,
                (double)(disks_out_done_bytes(o->disks) - disks_out_bytes(o->disks)) / (1 << 20));
    log_rel("Teleport: done in %u rounds, %" G_GUINT64_FORMAT
            " bytes; the machine stood still for %.0f ms: saving %.0f, "
            "sending %.0f, loading %.0f; processor time here %.0f",
            o->rounds, link_sent_bytes(o->link), (double)(g_get_monotonic_time() - o->stood_us) / ms,
            (double)(o->saved_us - o->stood_us) / ms, (double)(o->freed_us - o->saved_us) / ms,
            (double)(o->loaded_us - o->freed_us) / ms, (double)(teleport_cpu_us() - o->stood_cpu_us) / ms);
}

static bool move(struct teleport_out *o, GError **error)
{
    bool said_go = false;

    if (!media_may_move(o->config.media, error) || !greet(o, error) || !send_while_it_runs(o, error) ||
        !in_time(o, error))
        return false;
    if (send_rest(o, error) && say_go(o, &said_go, error)) {
        log_done(o);
        return true;
    }
    g_mutex_lock(&o->lock); /* nothing more is said: the target gives the disks back */
    struct link *link = g_steal_pointer(&o->link);
    g_mutex_unlock(&o->lock);
    link_free(link);
    go_on_here(o, said_go, error);
    return false;
}

static gpointer run(gpointer user)
{
    struct teleport_out *o = user;
    GError *error = NULL;
    struct link *link = link_new(o->config.fd, false, o->hash, patience_s(o, TELEPORT_PATIENCE_S), &error);

    g_mutex_lock(&o->lock);
    o->link = link;
    if (o->stop && link != NULL)
        link_stop(link);
    g_mutex_unlock(&o->lock);
    if (link == NULL || !move(o, &error)) {
        disks_out_free(g_steal_pointer(&o->disks));
        g_autoptr(GError) late = NULL;
        if (!in_time(o, &late)) { /* whatever it was that took so long */
            g_clear_error(&error);
            error = g_steal_pointer(&late);
        }
        log_rel("Teleport: failed: %s", error->message);
    }
    o->config.done(o->config.user, error);
    return NULL;
}

struct teleport_out *teleport_out_start(const struct teleport_out_config *config)
{
    struct teleport_out *o = g_new0(struct teleport_out, 1);
    uint64_t bytes;

    o->config = *config;
    o->begun_us = g_get_monotonic_time();
    o->hash = g_strdup(config->password_hash);
    g_mutex_init(&o->lock);
    o->ram = vm_ram(config->vm, &bytes);
    o->chunks = bytes / SSM_CHUNK_BYTES;
    o->bits = g_new0(uint64_t, o->chunks * WORDS_PER_CHUNK);
    o->packer = packer_new();
    o->copy = g_malloc(SSM_CHUNK_BYTES);
    o->packed = g_malloc(PACK_MAX_BYTES);
    o->thread = g_thread_new("teleport", run, o);
    return o;
}

void teleport_out_free(struct teleport_out *o)
{
    if (o == NULL)
        return;
    g_mutex_lock(&o->lock);
    o->stop = true;
    if (o->link != NULL)
        link_stop(o->link);
    g_mutex_unlock(&o->lock);
    g_thread_join(o->thread);
    disks_out_free(o->disks);
    link_free(o->link);
    packer_free(o->packer);
    g_mutex_clear(&o->lock);
    g_free(o->hash);
    g_free(o->bits);
    g_free(o->copy);
    g_free(o->packed);
    g_free(o);
}

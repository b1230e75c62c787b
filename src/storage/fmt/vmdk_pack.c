/*
 * vmdk_pack.c - see vmdk_pack.h. RFC 1950, by zlib.
 *
 * Grain n, counted from 0, goes through slot n % slots. Invariant 1: out <= taken <= queued <= out + slots; a slot is
 * the caller's until it is queued, its thread's until it is ready, then the caller's again. Threads begin as there is
 * something to do for them; without any the caller packs.
 */
#include "storage/fmt/vmdk_pack.h"

#include <sched.h>
#include <string.h>
#include <zlib.h>

#include "rt/status.h"
#include "storage/format.h"

#define LEVEL            3 /* a third of the time of zlib's default, for some percent of size */
#define THREADS_MAX      8u
#define SLOTS_PER_THREAD 4u

struct slot {
    struct vmdk_grain grain;
    uint8_t *plain, *whole; /* whole: head, packed, tail */
    bool ready;
};

struct vmdk_pack {
    size_t grain_bytes, head_bytes, packed_bytes;
    unsigned slots, threads_max, threads;
    struct slot slot[THREADS_MAX * SLOTS_PER_THREAD];
    GThread *thread[THREADS_MAX];
    uint64_t queued, out; /* the caller changes them */
    GMutex lock;          /* of the rest, and ready of each slot */
    GCond changed;
    uint64_t taken;
    bool stop;
};

static bool slot_new(struct slot *s, size_t plain_bytes, size_t whole_bytes, size_t head_bytes)
{
    s->plain = g_try_malloc0(plain_bytes);
    s->whole = g_try_malloc(whole_bytes);
    s->grain.packed = s->whole ? s->whole + head_bytes : NULL;
    return s->plain && s->whole;
}

/* Those the process may use: GLib counts the host's. */
static unsigned processors_here(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

struct vmdk_pack *vmdk_pack_new(size_t grain_bytes, size_t head_bytes, size_t tail_bytes)
{
    struct vmdk_pack *p = g_new0(struct vmdk_pack, 1);
    const unsigned processors = MIN(processors_here(), THREADS_MAX);
    const unsigned most = processors > 1 ? processors * SLOTS_PER_THREAD : 1;

    p->grain_bytes = grain_bytes;
    p->head_bytes = head_bytes;
    p->packed_bytes = compressBound(grain_bytes);
    p->threads_max = processors > 1 ? processors : 0;
    g_mutex_init(&p->lock);
    g_cond_init(&p->changed);
    while (p->slots < most &&
           slot_new(&p->slot[p->slots], grain_bytes, head_bytes + p->packed_bytes + tail_bytes, head_bytes))
        p->slots++; /* with little memory they are fewer */
    if (p->slots)
        return p;
    vmdk_pack_free(p);
    return NULL;
}

void vmdk_pack_free(struct vmdk_pack *p)
{
    if (!p)
        return;
    g_mutex_lock(&p->lock);
    p->stop = true;
    g_cond_broadcast(&p->changed);
    g_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        g_thread_join(p->thread[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(p->slot); i++) {
        g_free(p->slot[i].plain);
        g_free(p->slot[i].whole);
    }
    g_mutex_clear(&p->lock);
    g_cond_clear(&p->changed);
    g_free(p);
}

uint8_t *vmdk_pack_plain(struct vmdk_pack *p)
{
    return p->slot[p->queued % p->slots].plain;
}

static void pack(const struct vmdk_pack *p, struct slot *s)
{
    uLongf bytes = p->packed_bytes;

    s->grain.status = 0;
    s->grain.bytes = 0;
    if (vd_all_zero(s->plain, p->grain_bytes))
        return;
    if (compress2(s->grain.packed, &bytes, s->plain, p->grain_bytes, LEVEL) == Z_OK)
        s->grain.bytes = bytes;
    else
        s->grain.status = VERR_NO_MEMORY;
}

static gpointer packing_thread(gpointer user)
{
    struct vmdk_pack *p = user;

    g_mutex_lock(&p->lock);
    while (!p->stop) {
        struct slot *s;

        if (p->taken == p->queued) {
            g_cond_wait(&p->changed, &p->lock);
            continue;
        }
        s = &p->slot[p->taken++ % p->slots];
        g_mutex_unlock(&p->lock);
        pack(p, s);
        g_mutex_lock(&p->lock);
        s->ready = true;
        g_cond_broadcast(&p->changed);
    }
    g_mutex_unlock(&p->lock);
    return NULL;
}

void vmdk_pack_queue(struct vmdk_pack *p, uint64_t number)
{
    struct slot *s = &p->slot[p->queued % p->slots];

    s->grain.number = number;
    if (p->threads < p->threads_max) {
        p->thread[p->threads] = g_thread_try_new("pack", packing_thread, p, NULL);
        p->threads += p->thread[p->threads] != NULL;
    }
    if (p->threads == 0)
        pack(p, s);
    g_mutex_lock(&p->lock);
    s->ready = p->threads == 0;
    p->taken += p->threads == 0;
    p->queued++;
    g_cond_broadcast(&p->changed);
    g_mutex_unlock(&p->lock);
}

bool vmdk_pack_full(const struct vmdk_pack *p)
{
    return p->queued - p->out == p->slots;
}

struct vmdk_grain *vmdk_pack_take(struct vmdk_pack *p, bool wait)
{
    struct slot *s = &p->slot[p->out % p->slots];
    bool ready;

    if (p->out == p->queued)
        return NULL;
    g_mutex_lock(&p->lock);
    while (wait && !s->ready)
        g_cond_wait(&p->changed, &p->lock);
    ready = s->ready;
    g_mutex_unlock(&p->lock);
    return ready ? &s->grain : NULL;
}

void vmdk_pack_done(struct vmdk_pack *p)
{
    struct slot *s = &p->slot[p->out % p->slots];

    memset(s->plain, 0, p->grain_bytes);
    s->ready = false;
    p->out++;
}

/*
 * memory_fill.c - memory from a saved state, while the machine may already be running.
 *
 * A chunk is ABSENT, then BUSY with one thread, then PRESENT; chunks the file has no unit for are PRESENT from the
 * start. Who needs a BUSY chunk waits for it. A thread that fills from the start of memory takes a chunk like anybody.
 * Invariant 1: bytes of a chunk are written only by the thread that made it BUSY, before it is PRESENT.
 * Invariant 2: a chunk becomes PRESENT also when its unit is bad: nobody waits for ever. It reads zero then, or what
 *   came before the bad byte, and done() is told.
 */
#include <stdatomic.h>
#include <string.h>

#include "vmm/ssm/memory.h"
#include "vmm/ssm/pack.h"

#define THREADS_MAX 4u

enum chunk_state { ABSENT, BUSY, PRESENT };

struct chunk {
    uint64_t at; /* of the payload in the file */
    uint32_t size;
    _Atomic uint8_t state;
};
struct tools { /* one thread's */
    struct packer *packer;
    uint8_t *packed;
};
struct ssm_fill {
    struct ssm_in *in;
    uint8_t *base;
    uint32_t chunks, from; /* from: units of chunks below are not expected any more */
    struct chunk *chunk;
    _Atomic uint32_t next, left; /* for the threads; not yet PRESENT */
    _Atomic bool stop, told;
    void (*done)(void *user, const char *why);
    void *user;
    GThread *thread[THREADS_MAX];
    unsigned threads;
    GMutex lock; /* of the condition */
    GCond changed;
    GMutex guest_lock; /* of guest */
    struct tools guest;
};

static void tools_init(struct tools *t)
{
    t->packer = packer_new();
    t->packed = g_malloc(PACK_MAX_BYTES + sizeof(uint32_t));
}

static void tools_fini(struct tools *t)
{
    g_clear_pointer(&t->packer, packer_free);
    g_clear_pointer(&t->packed, g_free);
}

struct ssm_fill *ssm_fill_new(void *base, uint64_t bytes)
{
    struct ssm_fill *f = g_new0(struct ssm_fill, 1);

    f->base = base;
    f->chunks = (uint32_t)(bytes / SSM_CHUNK_BYTES);
    f->chunk = g_new0(struct chunk, f->chunks);
    for (uint32_t i = 0; i < f->chunks; i++)
        atomic_init(&f->chunk[i].state, PRESENT);
    g_mutex_init(&f->lock);
    g_cond_init(&f->changed);
    g_mutex_init(&f->guest_lock);
    tools_init(&f->guest);
    return f;
}

bool ssm_fill_unit(struct ssm_fill *f, const struct ssm_unit *unit, GError **error)
{
    const uint32_t n = unit->instance;

    if (unit->version != PACK_VERSION || n >= f->chunks || n < f->from || unit->size <= sizeof(struct pack_head) ||
        unit->size > PACK_MAX_BYTES) {
        g_set_error(error, SSM_ERROR, SSM_IMPOSSIBLE, "Saved state unit \"%s\" %u: pages that this memory has not",
                    unit->name, n);
        return false;
    }
    f->chunk[n].at = unit->at;
    f->chunk[n].size = (uint32_t)unit->size;
    atomic_store(&f->chunk[n].state, ABSENT);
    f->from = n + 1;
    atomic_fetch_add(&f->left, 1);
    return true;
}

static void tell(struct ssm_fill *f, const char *why)
{
    if (!atomic_exchange(&f->told, true))
        f->done(f->user, why);
}

/* The chunk is BUSY with us. */
static void fetch(struct ssm_fill *f, uint32_t n, struct tools *t)
{
    struct chunk *c = &f->chunk[n];
    g_autoptr(GError) error = NULL;

    if (!ssm_in_read_at(f->in, c->at, t->packed, c->size, &error))
        tell(f, error->message);
    else if (!unpack_chunk(t->packer, t->packed, c->size, f->base + n * SSM_CHUNK_BYTES))
        tell(f, "The saved state has memory that cannot be unpacked (VERR_SSM_INTEGRITY)");
    g_mutex_lock(&f->lock);
    atomic_store(&c->state, PRESENT); /* inv 2 */
    g_cond_broadcast(&f->changed);
    g_mutex_unlock(&f->lock);
    if (atomic_fetch_sub(&f->left, 1) == 1)
        tell(f, NULL);
}

static bool claim(struct ssm_fill *f, uint32_t n)
{
    uint8_t absent = ABSENT;

    return atomic_compare_exchange_strong(&f->chunk[n].state, &absent, BUSY); /* inv 1 */
}

static gpointer filling_thread(gpointer user)
{
    struct ssm_fill *f = user;
    struct tools t;
    uint32_t n;

    tools_init(&t);
    while (!atomic_load(&f->stop) && (n = atomic_fetch_add(&f->next, 1)) < f->chunks)
        if (claim(f, n))
            fetch(f, n, &t);
    tools_fini(&t);
    return NULL;
}

void ssm_fill_start(struct ssm_fill *f, struct ssm_in *in, void (*done)(void *user, const char *why), void *user)
{
    f->in = in;
    f->done = done;
    f->user = user;
    if (!atomic_load(&f->left))
        tell(f, NULL);
}

void ssm_fill_rest(struct ssm_fill *f)
{
    if (f->threads || !atomic_load(&f->left))
        return;
    f->threads = MIN(g_get_num_processors(), THREADS_MAX);
    for (unsigned i = 0; i < f->threads; i++)
        f->thread[i] = g_thread_new("fill", filling_thread, f);
}

static void wait_present(struct ssm_fill *f, uint32_t n)
{
    g_mutex_lock(&f->lock);
    while (atomic_load(&f->chunk[n].state) != PRESENT)
        g_cond_wait(&f->changed, &f->lock);
    g_mutex_unlock(&f->lock);
}

void ssm_fill_need(struct ssm_fill *f, uint64_t off)
{
    const uint32_t n = (uint32_t)(off / SSM_CHUNK_BYTES);

    if (n >= f->chunks || atomic_load_explicit(&f->chunk[n].state, memory_order_acquire) == PRESENT)
        return;
    if (claim(f, n)) {
        g_mutex_lock(&f->guest_lock);
        fetch(f, n, &f->guest);
        g_mutex_unlock(&f->guest_lock);
    } else {
        wait_present(f, n);
    }
}

void ssm_fill_wait(struct ssm_fill *f)
{
    ssm_fill_rest(f);
    for (uint32_t n = 0; n < f->chunks; n++)
        wait_present(f, n);
}

void ssm_fill_finish(struct ssm_fill *f)
{
    for (unsigned i = 0; i < f->threads; i++)
        g_thread_join(f->thread[i]);
    f->threads = 0;
    ssm_in_close(g_steal_pointer(&f->in));
    g_mutex_lock(&f->guest_lock); /* the last one to need it may still hold it */
    tools_fini(&f->guest);
    g_mutex_unlock(&f->guest_lock);
}

void ssm_fill_free(struct ssm_fill *f)
{
    if (!f)
        return;
    atomic_store(&f->stop, true);
    ssm_fill_finish(f);
    g_mutex_clear(&f->guest_lock);
    g_mutex_clear(&f->lock);
    g_cond_clear(&f->changed);
    g_free(f->chunk);
    g_free(f);
}

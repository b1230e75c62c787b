/*
 * memory_save.c - all processors pack chunks, the caller writes them in order.
 *
 * Packers take chunk after chunk; chunk n goes through slot n % slots.
 * Invariant 1: a chunk is packed only when the one that had its slot before is written (written + slots > n). The slot
 *   is its packer's until it is full, then the writer's.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/ssm/memory.h"
#include "vmm/ssm/pack.h"

#define THREADS_MAX      8u
#define SLOTS_PER_THREAD 4u

struct slot {
    bool full;
    size_t bytes; /* 0: nothing but zeros */
    uint8_t *packed;
};
struct save {
    const uint8_t *memory;
    uint64_t chunks;
    int fd;
    unsigned threads, slots;
    struct packing {
        struct save *s;
        struct packer *packer;
        GThread *thread;
    } packing[THREADS_MAX];
    struct slot slot[THREADS_MAX * SLOTS_PER_THREAD];
    GMutex lock; /* of the rest, and full of each slot */
    GCond changed;
    uint64_t next, written; /* chunk nobody has taken; chunks written */
    bool stop;
};

static void mark(uint64_t *bits, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        bits[n / 64] |= UINT64_C(1) << (n % 64);
}

/*
 * The next data at or behind @at; false: nothing is known. Finding its end takes the longer the longer it is, and it
 * may be all of memory: so that is not asked again in every chunk.
 */
static bool find_data(int fd, int64_t at, struct ssm_data *d)
{
    if (at < d->to) /* chunks ascend */
        return true;
    d->from = lseek(fd, at, SEEK_DATA);
    if (d->from < 0 && errno == ENXIO)
        d->from = INT64_MAX;
    if (d->from < 0)
        return false;
    d->to = d->from == INT64_MAX ? -1 : lseek(fd, d->from, SEEK_HOLE);
    if (d->to < 0)
        d->to = INT64_MAX;
    return true;
}

void ssm_chunk_present(int fd, uint64_t chunk, struct ssm_data *d, uint64_t *bits)
{
    const int64_t start = (int64_t)(chunk * SSM_CHUNK_BYTES), end = start + (int64_t)SSM_CHUNK_BYTES;

    if (fd < 0) {
        mark(bits, 0, PACK_CHUNK_PAGES);
        return;
    }
    for (int64_t at = start; at < end; at = MIN(d->to, end)) {
        if (!find_data(fd, at, d)) {
            mark(bits, (uint64_t)(at - start) / PACK_PAGE_BYTES, PACK_CHUNK_PAGES);
            return;
        }
        if (d->from >= end)
            return;
        mark(bits, (uint64_t)(MAX(d->from, start) - start) / PACK_PAGE_BYTES,
             ((uint64_t)(MIN(d->to, end) - start) + PACK_PAGE_BYTES - 1) / PACK_PAGE_BYTES);
    }
}

/* The next chunk, its slot free; false = there is nothing left to do. */
static bool take(struct save *s, uint64_t *ret_chunk)
{
    bool some;

    g_mutex_lock(&s->lock);
    some = !s->stop && s->next < s->chunks;
    if (some) {
        *ret_chunk = s->next++;
        while (!s->stop && s->written + s->slots <= *ret_chunk) /* inv 1 */
            g_cond_wait(&s->changed, &s->lock);
        some = !s->stop;
    }
    g_mutex_unlock(&s->lock);
    return some;
}

static void set_full(struct save *s, struct slot *slot, bool full)
{
    g_mutex_lock(&s->lock);
    slot->full = full;
    s->written += !full;
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
}

static gpointer packing_thread(gpointer user)
{
    const struct packing *p = user;
    struct save *s = p->s;
    struct ssm_data data = {0};
    uint64_t chunk;

    while (take(s, &chunk)) {
        struct slot *slot = &s->slot[chunk % s->slots];
        uint64_t bits[PACK_CHUNK_PAGES / 64] = {0};

        ssm_chunk_present(s->fd, chunk, &data, bits);
        slot->bytes = pack_chunk(p->packer, s->memory + chunk * SSM_CHUNK_BYTES, bits, slot->packed);
        set_full(s, slot, true);
    }
    return NULL;
}

static bool write_all(struct save *s, struct ssm_out *out, const char *name, GError **error)
{
    bool ok = true;

    for (uint64_t chunk = 0; chunk < s->chunks && ok; chunk++) {
        struct slot *slot = &s->slot[chunk % s->slots];

        g_mutex_lock(&s->lock);
        while (!slot->full)
            g_cond_wait(&s->changed, &s->lock);
        g_mutex_unlock(&s->lock);
        ok = !slot->bytes || ssm_out_unit(out, name, (uint32_t)chunk, PACK_VERSION, slot->packed, slot->bytes, error);
        set_full(s, slot, false);
    }
    return ok;
}

/* What it takes: the machine that is saved must not end because there is none. */
static bool get_memory(struct save *s, GError **error)
{
    bool ok = true;

    for (unsigned i = 0; i < s->slots && ok; i++)
        ok = (s->slot[i].packed = g_try_malloc(PACK_MAX_BYTES)) != NULL;
    for (unsigned i = 0; i < s->threads && ok; i++)
        ok = (s->packing[i].packer = packer_try_new()) != NULL;
    if (!ok)
        g_set_error(error, SSM_ERROR, SSM_IO,
                    "No memory to pack the machine's memory in; make some free and save again");
    return ok;
}

static bool pack_and_write(struct save *s, struct ssm_out *out, const char *name, GError **error)
{
    bool ok;

    for (unsigned i = 0; i < s->threads; i++) {
        s->packing[i].s = s;
        s->packing[i].thread = g_thread_new("pack", packing_thread, &s->packing[i]);
    }
    ok = write_all(s, out, name, error);
    g_mutex_lock(&s->lock);
    s->stop = true;
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->threads; i++)
        g_thread_join(s->packing[i].thread);
    return ok;
}

bool ssm_out_memory(struct ssm_out *out, const char *name, const void *memory, uint64_t bytes, int fd, GError **error)
{
    const unsigned threads = MIN(g_get_num_processors(), THREADS_MAX);
    struct save s = {.memory = memory,
                     .chunks = bytes / SSM_CHUNK_BYTES,
                     .fd = fd,
                     .threads = threads,
                     .slots = threads * SLOTS_PER_THREAD};
    bool ok;

    g_mutex_init(&s.lock);
    g_cond_init(&s.changed);
    ok = get_memory(&s, error) && pack_and_write(&s, out, name, error);
    for (unsigned i = 0; i < s.slots; i++)
        g_free(s.slot[i].packed);
    for (unsigned i = 0; i < s.threads; i++)
        packer_free(s.packing[i].packer);
    g_cond_clear(&s.changed);
    g_mutex_clear(&s.lock);
    return ok;
}

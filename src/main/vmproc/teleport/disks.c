/*
 * disks.c - see disks.h. Pieces are packed as memory is (vmm/ssm/pack.h); runs of zeros are told, not sent.
 */
#include "main/vmproc/teleport/disks.h"

#include <assert.h>

#include "main/vmproc/media.h"
#include "main/vmproc/teleport/link.h"
#include "rt/log.h"
#include "vmm/ssm/pack.h"

#define FIRST_BYTES_PER_US 50.0 /* a guess until there was something to measure */
#define MEASURE_BYTES      (1u << 20)
static_assert(MEDIA_CHUNK_BYTES == SSM_CHUNK_BYTES && MEDIA_PAGE_BYTES == PACK_PAGE_BYTES, "packed alike");

struct disks_out {
    struct media *media;
    struct link *link;
    unsigned count;
    struct packer *packer;
    uint8_t *copy, *packed;
    bool (*go_on)(void *user, GError **error);
    void *user;
    uint64_t bytes, done_bytes;
    unsigned told_percent;
    double bytes_per_us;
};

struct disks_out *disks_out_new(struct media *media, struct link *link, const uint8_t *copied, unsigned count,
                                GError **error)
{
    struct disks_out *d = g_new0(struct disks_out, 1);

    *d = (struct disks_out){.media = media, .link = link, .count = count, .bytes_per_us = FIRST_BYTES_PER_US};
    d->packer = packer_new();
    d->copy = g_malloc(MEDIA_CHUNK_BYTES);
    d->packed = g_malloc(PACK_MAX_BYTES);
    if (!media_copy_begin(media, copied, count, error)) {
        disks_out_free(d);
        return NULL;
    }
    for (unsigned n = 0; n < count; n++)
        d->bytes += media_copy_chunks(media, n) * MEDIA_CHUNK_BYTES;
    return d;
}

void disks_out_free(struct disks_out *d)
{
    if (d == NULL)
        return;
    media_copy_end(d->media);
    packer_free(d->packer);
    g_free(d->copy);
    g_free(d->packed);
    g_free(d);
}

void disks_out_watch(struct disks_out *d, bool (*go_on)(void *user, GError **error), void *user)
{
    d->go_on = go_on;
    d->user = user;
}

uint64_t disks_out_bytes(const struct disks_out *d)
{
    return d->bytes;
}

uint64_t disks_out_done_bytes(const struct disks_out *d)
{
    return __atomic_load_n(&d->done_bytes, __ATOMIC_RELAXED);
}

double disks_out_left_us(const struct disks_out *d)
{
    return (double)media_copy_changed_bytes(d->media) / d->bytes_per_us;
}

static unsigned told_pages(const struct media_chunk *chunk)
{
    unsigned n = 0;

    for (unsigned k = 0; k < G_N_ELEMENTS(chunk->pages); k++)
        n += (unsigned)__builtin_popcountll(chunk->pages[k]);
    return n;
}

/* *@ret_chunks: how many are done with it. */
static bool send_chunk(struct disks_out *d, unsigned disk, uint64_t number, bool all, uint64_t *ret_chunks,
                       uint64_t *bytes, GError **error)
{
    struct media_chunk chunk = {.number = number, .bytes = d->copy};

    if ((d->go_on != NULL && !d->go_on(d->user, error)) || !media_copy_read(d->media, disk, all, &chunk, error))
        return false;
    const struct link_disk head = {
        .disk = disk,
        .zeros = (uint32_t)chunk.zeros,
        .chunk = number,
        .pages = {chunk.pages[0], chunk.pages[1], chunk.pages[2], chunk.pages[3]},
    };
    *ret_chunks = MAX(chunk.zeros, 1);
    if (chunk.zeros == 0 && told_pages(&chunk) == 0)
        return true;
    const size_t packed = chunk.zeros == 0 ? pack_chunk(d->packer, d->copy, chunk.pages, d->packed) : 0;
    *bytes += chunk.zeros == 0 ? told_pages(&chunk) * (uint64_t)MEDIA_PAGE_BYTES : 0;
    return link_send(d->link, LINK_DISK, &head, sizeof head, d->packed, packed, error);
}

/* The target has all on its disks; only then it is known how fast it is. */
static bool sync_round(struct disks_out *d, gint64 begun_us, uint64_t bytes, GError **error)
{
    if (!link_send(d->link, LINK_SYNC, NULL, 0, NULL, 0, error))
        return false;
    g_autoptr(GBytes) synced = link_expect(d->link, LINK_SYNCED, error);
    if (bytes >= MEASURE_BYTES)
        d->bytes_per_us = (double)bytes / (double)MAX(g_get_monotonic_time() - begun_us, 1);
    return synced != NULL;
}

static void count(struct disks_out *d, uint64_t bytes)
{
    const uint64_t done = __atomic_add_fetch(&d->done_bytes, bytes, __ATOMIC_RELAXED);
    const unsigned percent = (unsigned)((double)MIN(done, d->bytes) * 100 / (double)d->bytes);

    if (percent < d->told_percent + 10)
        return;
    d->told_percent = percent / 10 * 10;
    log_rel("Teleport: disks: %u%% of %" G_GUINT64_FORMAT " MiB", d->told_percent, d->bytes >> 20);
}

bool disks_out_all(struct disks_out *d, GError **error)
{
    const gint64 begun_us = g_get_monotonic_time();
    uint64_t bytes = 0;

    for (unsigned n = 0; n < d->count; n++) {
        const uint64_t chunks = media_copy_chunks(d->media, n);

        for (uint64_t c = 0, done = 0; c < chunks; c += done) {
            if (!send_chunk(d, n, c, true, &done, &bytes, error))
                return false;
            count(d, done * MEDIA_CHUNK_BYTES);
        }
    }
    return d->bytes == 0 || sync_round(d, begun_us, bytes, error);
}

bool disks_out_changed(struct disks_out *d, GError **error)
{
    const gint64 begun_us = g_get_monotonic_time();
    uint64_t bytes = 0;

    for (unsigned n = 0; n < d->count; n++) {
        const uint64_t chunks = media_copy_chunks(d->media, n);

        for (uint64_t c = 0, done = 0; c < chunks; c += done) {
            c = media_copy_next(d->media, n, c);
            if (c < chunks && !send_chunk(d, n, c, false, &done, &bytes, error))
                return false;
            if (c >= chunks)
                break;
        }
    }
    __atomic_add_fetch(&d->done_bytes, bytes, __ATOMIC_RELAXED);
    return bytes == 0 || sync_round(d, begun_us, bytes, error);
}

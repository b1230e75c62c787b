/* cache.c - see cache.h. Slots are found through chains of their numbers, by a hash of the page's number. */
#include "drivers/block/cache.h"

#include <glib.h>
#include <string.h>

#define BUCKETS 4096u /* a power of two */
#define NONE    UINT32_MAX

struct slot {
    uint64_t page;
    uint32_t next; /* in its bucket */
    bool used, asked;
};

struct block_cache {
    GMutex lock;
    struct slot slots[CACHE_PAGES];
    uint32_t buckets[BUCKETS];
    uint32_t hand, used;
    uint64_t hits;
    uint8_t *pages; /* the host gives them when they are touched */
};

struct block_cache *block_cache_new(void)
{
    struct block_cache *c = g_new0(struct block_cache, 1);

    g_mutex_init(&c->lock);
    c->pages = g_malloc((size_t)CACHE_PAGES * CACHE_PAGE);
    memset(c->buckets, 0xff, sizeof(c->buckets));
    return c;
}

void block_cache_free(struct block_cache *c)
{
    if (!c)
        return;
    g_mutex_clear(&c->lock);
    g_free(c->pages);
    g_free(c);
}

static uint32_t *bucket_of(struct block_cache *c, uint64_t page)
{
    return &c->buckets[(page ^ page >> 12) % BUCKETS];
}

static uint32_t find(struct block_cache *c, uint64_t page)
{
    uint32_t i = *bucket_of(c, page);

    while (i != NONE && c->slots[i].page != page)
        i = c->slots[i].next;
    return i;
}

static void forget(struct block_cache *c, uint32_t slot)
{
    uint32_t *at = bucket_of(c, c->slots[slot].page);

    while (*at != slot)
        at = &c->slots[*at].next;
    *at = c->slots[slot].next;
    c->slots[slot].used = false;
    c->used--;
}

/* A free slot, or the next one that was not asked for since the hand passed it. */
static uint32_t give_way(struct block_cache *c)
{
    for (;; c->hand = (c->hand + 1) % CACHE_PAGES) {
        struct slot *s = &c->slots[c->hand];

        if (s->used && s->asked) {
            s->asked = false;
            continue;
        }
        if (s->used)
            forget(c, c->hand);
        return c->hand;
    }
}

static void keep(struct block_cache *c, uint64_t page, const uint8_t *bytes)
{
    uint32_t i = find(c, page);

    if (i == NONE) {
        uint32_t *bucket = bucket_of(c, page);

        i = give_way(c);
        c->slots[i] = (struct slot){.page = page, .next = *bucket, .used = true};
        *bucket = i;
        c->used++;
        c->hand = (i + 1) % CACHE_PAGES;
    }
    memcpy(c->pages + (size_t)i * CACHE_PAGE, bytes, CACHE_PAGE);
}

void block_cache_put(struct block_cache *c, uint64_t off_bytes, const void *buf, size_t bytes)
{
    const uint64_t first = (off_bytes + CACHE_PAGE - 1) / CACHE_PAGE, end = (off_bytes + bytes) / CACHE_PAGE;

    if (!c || bytes > CACHE_STREAM)
        return;
    g_mutex_lock(&c->lock);
    for (uint64_t page = first; page < end; page++)
        keep(c, page, (const uint8_t *)buf + (page * CACHE_PAGE - off_bytes));
    g_mutex_unlock(&c->lock);
}

static bool all_here(struct block_cache *c, uint64_t off_bytes, size_t bytes)
{
    for (uint64_t page = off_bytes / CACHE_PAGE; page * CACHE_PAGE < off_bytes + bytes; page++)
        if (find(c, page) == NONE)
            return false;
    return true;
}

static void copy_out(struct block_cache *c, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    while (bytes) {
        const uint32_t i = find(c, off_bytes / CACHE_PAGE);
        const size_t in_page = off_bytes % CACHE_PAGE, n = MIN(bytes, CACHE_PAGE - in_page);

        c->slots[i].asked = true;
        memcpy(buf, c->pages + (size_t)i * CACHE_PAGE + in_page, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
}

bool block_cache_read(struct block_cache *c, uint64_t off_bytes, const struct iovec *iov, unsigned n)
{
    size_t bytes = 0;
    bool here;

    for (unsigned i = 0; i < n; i++)
        bytes += iov[i].iov_len;
    if (!c || bytes == 0 || bytes > CACHE_STREAM || off_bytes > UINT64_MAX - bytes)
        return false;
    g_mutex_lock(&c->lock);
    here = all_here(c, off_bytes, bytes);
    for (unsigned i = 0; here && i < n; i++) {
        copy_out(c, off_bytes, iov[i].iov_base, iov[i].iov_len);
        off_bytes += iov[i].iov_len;
    }
    c->hits += here;
    g_mutex_unlock(&c->lock);
    return here;
}

void block_cache_drop(struct block_cache *c, uint64_t off_bytes, uint64_t bytes)
{
    const uint64_t first = off_bytes / CACHE_PAGE, last = (off_bytes + bytes - 1) / CACHE_PAGE;

    if (!c || bytes == 0)
        return;
    g_mutex_lock(&c->lock);
    if (last - first < CACHE_PAGES) {
        for (uint64_t page = first; c->used && page <= last; page++) {
            const uint32_t i = find(c, page);

            if (i != NONE)
                forget(c, i);
        }
    } else {
        for (uint32_t i = 0; i < CACHE_PAGES; i++)
            if (c->slots[i].used && c->slots[i].page >= first && c->slots[i].page <= last)
                forget(c, i);
    }
    g_mutex_unlock(&c->lock);
}

void block_cache_drop_all(struct block_cache *c)
{
    block_cache_drop(c, 0, UINT64_MAX);
}

uint64_t block_cache_hits(struct block_cache *c)
{
    uint64_t hits;

    if (!c)
        return 0;
    g_mutex_lock(&c->lock);
    hits = c->hits;
    g_mutex_unlock(&c->lock);
    return hits;
}

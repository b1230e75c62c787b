/*
 * tcache.c - see tcache.h. Open addressing by file offset; the victim is found by a clock hand that skips what was
 * used since it last came by, and what was changed.
 */
#include "storage/tcache.h"

#include <string.h>

#include "rt/status.h"

struct slot {
    uint64_t at; /* UINT64_MAX = empty */
    bool used, dirty;
    uint8_t *table;
};

struct tcache {
    const struct fio *io;
    int fd;
    uint32_t table_bytes;
    unsigned n, hand, dirty;
    struct slot *slots;
    GHashTable *index; /* &slot.at -> slot */
    struct slot *last; /* the answer to the last question */
};

struct tcache *tcache_new(const struct fio *io, int fd, uint32_t table_bytes, unsigned slots)
{
    struct tcache *t = g_new0(struct tcache, 1);

    t->io = io;
    t->fd = fd;
    t->table_bytes = table_bytes;
    t->n = slots;
    t->slots = g_new0(struct slot, slots);
    for (unsigned i = 0; i < slots; i++)
        t->slots[i].at = UINT64_MAX;
    t->index = g_hash_table_new(g_int64_hash, g_int64_equal);
    return t;
}

void tcache_free(struct tcache *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->n; i++)
        g_free(t->slots[i].table);
    g_hash_table_unref(t->index);
    g_free(t->slots);
    g_free(t);
}

static struct slot *victim(struct tcache *t)
{
    for (unsigned i = 0; i < 3 * t->n; i++) {
        struct slot *s = &t->slots[t->hand];

        t->hand = (t->hand + 1) % t->n;
        if (s->at == UINT64_MAX || (!s->used && !s->dirty))
            return s;
        s->used = false;
    }
    return NULL;
}

static int fetch(struct tcache *t, uint64_t at, bool read, uint8_t **ret)
{
    struct slot *s = t->last && t->last->at == at ? t->last : g_hash_table_lookup(t->index, &at);
    int rc = 0;

    if (!s) {
        s = victim(t);
        if (!s)
            return VERR_NO_MEMORY;
        if (s->at != UINT64_MAX)
            g_hash_table_remove(t->index, &s->at);
        s->at = UINT64_MAX;
        if (!s->table)
            s->table = g_try_malloc(t->table_bytes);
        if (!s->table)
            return VERR_NO_MEMORY;
        if (read)
            rc = fio_read_some(t->io, t->fd, s->table, t->table_bytes, at);
        if (rc)
            return rc;
        s->at = at;
        g_hash_table_insert(t->index, &s->at, s);
    }
    if (!read)
        memset(s->table, 0, t->table_bytes);
    s->used = true;
    t->last = s;
    *ret = s->table;
    return 0;
}

int tcache_get(struct tcache *t, uint64_t at, uint8_t **ret)
{
    return fetch(t, at, true, ret);
}

bool tcache_has(struct tcache *t, uint64_t at)
{
    return (t->last && t->last->at == at) || g_hash_table_contains(t->index, &at);
}

int tcache_new_table(struct tcache *t, uint64_t at, uint8_t **ret)
{
    return fetch(t, at, false, ret);
}

void tcache_dirty(struct tcache *t, uint64_t at)
{
    struct slot *s = g_hash_table_lookup(t->index, &at);

    if (!s->dirty)
        t->dirty++;
    s->dirty = true;
}

unsigned tcache_dirty_count(const struct tcache *t)
{
    return t->dirty;
}

int tcache_write(struct tcache *t, uint64_t (*copy_of)(void *ctx, uint64_t at), void *ctx)
{
    for (unsigned i = 0; i < t->n && t->dirty; i++) {
        struct slot *s = &t->slots[i];
        uint64_t copy = s->dirty && copy_of ? copy_of(ctx, s->at) : 0;
        int rc = 0;

        if (!s->dirty)
            continue;
        if (copy)
            rc = fio_write(t->io, t->fd, s->table, t->table_bytes, copy);
        if (rc == 0)
            rc = fio_write(t->io, t->fd, s->table, t->table_bytes, s->at);
        if (rc)
            return rc;
        s->dirty = false;
        t->dirty--;
    }
    return 0;
}

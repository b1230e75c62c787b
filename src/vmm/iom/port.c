/*
 * port.c - the 64 Ki ports: who owns each, and the dispatch.
 *
 * owner[port] is the index of the range that answers, 0 = nobody. Readers load it once per piece, without a lock.
 * Invariant 1: owner[port] is the range with the highest map order among those that cover the port.
 * Invariant 2: range[i] never changes once i was stored into owner[]; base is read only together with an owner that
 *   covers the port, and an offset outside the range (a racing move) counts as nobody.
 */
#include "vmm/iom/iom.h"

#include <string.h>

#include "vmm/iom/iom_int.h"

static bool size_ok(unsigned size)
{
    return size == 1 || size == 2 || size == 4;
}

bool iom_port_add(struct iom *iom, const struct iom_port_desc *desc, iom_range *ret, GError **error)
{
    struct iom_port *r;

    if (!desc->count || !size_ok(desc->min_size) || !size_ok(desc->max_size) || desc->min_size > desc->max_size) {
        g_set_error(error, IOM_ERROR, 0, "Port range \"%s\": a count of %u with access sizes %u to %u is impossible",
                    desc->name, desc->count, desc->min_size, desc->max_size);
        return false;
    }
    g_mutex_lock(&iom->lock);
    if (iom->port_count == IOM_PORT_RANGES) {
        g_mutex_unlock(&iom->lock);
        g_set_error(error, IOM_ERROR, 0, "Port range \"%s\": more than %u ranges", desc->name, IOM_PORT_RANGES - 1);
        return false;
    }
    r = g_new0(struct iom_port, 1);
    r->desc = *desc;
    r->desc.name = g_strdup(desc->name);
    iom->ports[iom->port_count] = r;
    ret->id = iom->port_count++;
    g_mutex_unlock(&iom->lock);
    return true;
}

static bool covers(const struct iom_port *r, unsigned port)
{
    const unsigned base = atomic_load_explicit(&r->base, memory_order_relaxed);

    return r->order && port >= base && port - base < r->desc.count;
}

/* Looks for the topmost range of each port again (inv 1); the lock is held. */
static void recompute(struct iom *iom, unsigned base, unsigned count)
{
    for (unsigned port = base; port < base + count && port <= 0xffff; port++) {
        unsigned best = 0;

        for (unsigned i = 1; i < iom->port_count; i++)
            if (covers(iom->ports[i], port) && (!best || iom->ports[i]->order > iom->ports[best]->order))
                best = i;
        atomic_store_explicit(&iom->owner[port], (uint16_t)best, memory_order_release);
    }
}

static void unmap_locked(struct iom *iom, struct iom_port *r)
{
    if (!r->order)
        return;
    r->order = 0;
    recompute(iom, r->base, r->desc.count);
}

void iom_port_map(struct iom *iom, iom_range range, uint16_t base)
{
    struct iom_port *r;

    g_mutex_lock(&iom->lock);
    if (range.id && range.id < iom->port_count) {
        r = iom->ports[range.id];
        unmap_locked(iom, r);
        atomic_store_explicit(&r->base, base, memory_order_relaxed);
        r->order = ++iom->map_order;
        recompute(iom, base, r->desc.count);
    }
    g_mutex_unlock(&iom->lock);
}

void iom_port_unmap(struct iom *iom, iom_range range)
{
    g_mutex_lock(&iom->lock);
    if (range.id && range.id < iom->port_count)
        unmap_locked(iom, iom->ports[range.id]);
    g_mutex_unlock(&iom->lock);
}

bool iom_port_where(struct iom *iom, iom_range range, uint16_t *ret_base, uint16_t *ret_count)
{
    bool mapped = false;

    g_mutex_lock(&iom->lock);
    if (range.id && range.id < iom->port_count && iom->ports[range.id]->order) {
        *ret_base = (uint16_t)iom->ports[range.id]->base;
        *ret_count = iom->ports[range.id]->desc.count;
        mapped = true;
    }
    g_mutex_unlock(&iom->lock);
    return mapped;
}

/* ---- dispatch ---- */

G_ALWAYS_INLINE static inline struct iom_port *find(struct iom *iom, unsigned port, uint16_t *ret_off)
{
    struct iom_port *r;
    unsigned id, off;

    if (port > 0xffff)
        return NULL;
    id = atomic_load_explicit(&iom->owner[port], memory_order_acquire);
    if (!id) {
        iom_count(&iom->unclaimed_ports);
        return NULL;
    }
    r = iom->ports[id];
    off = port - atomic_load_explicit(&r->base, memory_order_relaxed);
    if (off >= r->desc.count) /* inv 2 */
        return NULL;
    *ret_off = (uint16_t)off;
    return r;
}

/* How much of an access of @left bytes goes to @r in one piece. */
static unsigned piece(const struct iom_port *r, uint16_t off, unsigned left)
{
    unsigned size = left >= 4 ? 4 : left >= 2 ? 2 : 1;

    if (!r)
        return 1;
    while (size > r->desc.max_size || size > (unsigned)(r->desc.count - off))
        size >>= 1;
    return size;
}

uint32_t iom_port_read(struct iom *iom, uint16_t port, unsigned size)
{
    uint32_t val = 0;

    for (unsigned done = 0, n; done < size; done += n) {
        uint16_t off = 0;
        struct iom_port *r = find(iom, (unsigned)port + done, &off);
        uint32_t part = UINT32_MAX;

        n = piece(r, off, size - done);
        if (r) {
            iom_count(&r->reads);
            if (n >= r->desc.min_size && r->desc.ops->read)
                part = r->desc.ops->read(r->desc.user, off, n);
        }
        val |= (part & (uint32_t)((1ull << (8 * n)) - 1)) << (8 * done);
    }
    return val;
}

void iom_port_write(struct iom *iom, uint16_t port, uint32_t val, unsigned size)
{
    for (unsigned done = 0, n; done < size; done += n) {
        uint16_t off = 0;
        struct iom_port *r = find(iom, (unsigned)port + done, &off);

        n = piece(r, off, size - done);
        if (!r)
            continue;
        iom_count(&r->writes);
        if (n >= r->desc.min_size && r->desc.ops->write)
            r->desc.ops->write(r->desc.user, off, (val >> (8 * done)) & (uint32_t)((1ull << (8 * n)) - 1), n);
    }
}

/* The range when all of @size goes to it in one piece, for string I/O. */
static struct iom_port *find_whole(struct iom *iom, uint16_t port, unsigned size, uint16_t *ret_off)
{
    struct iom_port *r = find(iom, port, ret_off);

    return r && size >= r->desc.min_size && piece(r, *ret_off, size) == size ? r : NULL;
}

size_t iom_port_read_block(struct iom *iom, uint16_t port, void *buf, unsigned size, size_t count)
{
    uint16_t off;
    struct iom_port *r = find_whole(iom, port, size, &off);
    size_t moved;

    if (!r || !r->desc.ops->read_block)
        return 0;
    moved = r->desc.ops->read_block(r->desc.user, off, buf, size, count);
    iom_count(&r->reads);
    return MIN(moved, count);
}

size_t iom_port_write_block(struct iom *iom, uint16_t port, const void *buf, unsigned size, size_t count)
{
    uint16_t off;
    struct iom_port *r = find_whole(iom, port, size, &off);
    size_t moved;

    if (!r || !r->desc.ops->write_block)
        return 0;
    moved = r->desc.ops->write_block(r->desc.user, off, buf, size, count);
    iom_count(&r->writes);
    return MIN(moved, count);
}

/*
 * virtq.c - split virtqueues: see virtq.h.
 *
 * A ring's words are read once each. The order in which the guest's processors see the device's stores is the order of
 * the stores: element, then index (the host is x86, and the fence keeps the compiler and the store buffer honest).
 */
#include "devices/virtio/virtq.h"

#include <stdatomic.h>
#include <string.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1 };
#define DESC_BYTES 16u

const struct ssm_field virtq_fields[] = {
    SSM_U16(struct virtq, size),       SSM_U16(struct virtq, vector),
    SSM_BOOL(struct virtq, enabled),   SSM_U64(struct virtq, desc_gpa),
    SSM_U64(struct virtq, driver_gpa), SSM_U64(struct virtq, device_gpa),
    SSM_U16(struct virtq, next_avail), SSM_U16(struct virtq, used),
    SSM_UINTS(struct virtq, taken),    SSM_END,
};

bool virtq_check(const struct virtq *q)
{
    return q->size >= 1 && q->size <= VIRTQ_SIZE_MAX && (q->size & (q->size - 1)) == 0;
}

void virtq_reset(struct virtq *q, uint16_t size)
{
    *q = (struct virtq){.size = size, .vector = 0xffff};
}

void virtq_forget(struct virtq *q)
{
    memset(q->running, 0, sizeof(q->running));
}

static uint16_t get16(struct pdm_dev *dev, uint64_t gpa)
{
    uint16_t v;

    pdm_mem_read(dev, gpa, &v, sizeof(v));
    return v;
}

static void put16(struct pdm_dev *dev, uint64_t gpa, uint16_t v)
{
    pdm_mem_write(dev, gpa, &v, sizeof(v));
}

/* ---- chains ---- */

struct desc {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

static struct desc get_desc(struct pdm_dev *dev, uint64_t table_gpa, unsigned i)
{
    uint8_t raw[DESC_BYTES];
    struct desc d;

    pdm_mem_read(dev, table_gpa + DESC_BYTES * i, raw, sizeof(raw));
    memcpy(&d.gpa, raw, 8);
    memcpy(&d.bytes, raw + 8, 4);
    memcpy(&d.flags, raw + 12, 2);
    memcpy(&d.next, raw + 14, 2);
    return d;
}

/* [V 2.6.4.2]: what the device reads comes first. False = the guest's mistake. */
static bool add(struct virtq_chain *c, const struct desc *d)
{
    const bool in = d->flags & DESC_WRITE;

    if (c->out_count + c->in_count == VIRTQ_RUNS || (!in && c->in_count))
        return false;
    c->run[c->out_count + c->in_count] = (struct disk_run){d->gpa, d->bytes};
    if (in) {
        c->in_count++;
        c->in_bytes += d->bytes;
    } else {
        c->out_count++;
        c->out_bytes += d->bytes;
    }
    return true;
}

/* A table of @count descriptors from number @at on; [V 2.6.5.3] the table of an indirect one has no other in it. */
static bool walk(struct pdm_dev *dev, uint64_t table_gpa, unsigned count, unsigned at, bool inner,
                 struct virtq_chain *c)
{
    for (unsigned n = 0; n < count; n++) { /* a chain is not longer than its table */
        const struct desc d = get_desc(dev, table_gpa, at);

        if ((d.flags & DESC_INDIRECT) && (inner || (d.flags & DESC_NEXT) || d.bytes % DESC_BYTES || d.bytes == 0))
            return false;
        if (d.flags & DESC_INDIRECT)
            return walk(dev, d.gpa, d.bytes / DESC_BYTES, 0, true, c);
        if (!add(c, &d))
            return false;
        if (!(d.flags & DESC_NEXT))
            return true;
        if (d.next >= count) /* inv 1 */
            return false;
        at = d.next;
    }
    return false;
}

static bool is_set(const uint32_t *bits, unsigned n)
{
    return bits[n / 32] >> n % 32 & 1;
}

static bool waiting(const struct virtq *q, uint16_t *ret)
{
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX / 32; i++) {
        const uint32_t bits = q->taken[i] & ~q->running[i];

        if (bits) {
            *ret = (uint16_t)(32 * i + (unsigned)__builtin_ctz(bits));
            return true;
        }
    }
    return false;
}

/* The head of the next chain of the available ring: 1, 0 or -1. */
static int take(struct pdm_dev *dev, struct virtq *q, bool event_idx, uint16_t *ret)
{
    const uint16_t ready = (uint16_t)(get16(dev, q->driver_gpa + 2) - q->next_avail);

    if (ready > q->size)
        return -1;
    if (ready == 0)
        return 0;
    *ret = get16(dev, q->driver_gpa + 4 + 2u * (q->next_avail & (q->size - 1u)));
    if (*ret >= q->size || is_set(q->taken, *ret)) /* inv 1; the device has it still */
        return -1;
    q->next_avail++;
    if (event_idx)
        put16(dev, q->device_gpa + 4 + 8u * q->size, q->next_avail); /* avail_event */
    return 1;
}

int virtq_next(struct pdm_dev *dev, struct virtq *q, bool event_idx, struct virtq_chain *ret)
{
    uint16_t head = 0;

    if (!q->enabled)
        return 0;
    if (!waiting(q, &head)) {
        int rc = take(dev, q, event_idx, &head);

        if (rc == 0 && event_idx) { /* the guest may have added one before it saw avail_event */
            atomic_thread_fence(memory_order_seq_cst);
            rc = take(dev, q, event_idx, &head);
        }
        if (rc <= 0)
            return rc;
    } else if (head >= q->size) { /* a loaded state's */
        return -1;
    }
    ret->head = head;
    ret->out_count = ret->in_count = 0;
    ret->out_bytes = ret->in_bytes = 0;
    if (!walk(dev, q->desc_gpa, q->size, head, false, ret))
        return -1;
    q->taken[head / 32] |= 1u << head % 32;
    q->running[head / 32] |= 1u << head % 32; /* inv 2 */
    return 1;
}

void virtq_later(struct virtq *q, uint16_t head)
{
    q->running[head / 32] &= ~(1u << head % 32);
}

/* [V 2.6.7.2]: whether the index passed the one the guest waits for. */
static bool passed(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

bool virtq_done(struct pdm_dev *dev, struct virtq *q, bool event_idx, uint16_t head, uint32_t bytes)
{
    const uint32_t element[2] = {head, bytes};
    const uint16_t before = q->used;

    q->taken[head / 32] &= ~(1u << head % 32);
    q->running[head / 32] &= ~(1u << head % 32);
    pdm_mem_write(dev, q->device_gpa + 4 + 8u * (before & (q->size - 1u)), element, sizeof(element));
    atomic_thread_fence(memory_order_release);
    q->used++;
    put16(dev, q->device_gpa + 2, q->used);
    atomic_thread_fence(memory_order_seq_cst);
    if (event_idx)
        return passed(get16(dev, q->driver_gpa + 4 + 2u * q->size), q->used, before);
    return !(get16(dev, q->driver_gpa) & AVAIL_NO_INTERRUPT);
}

/* ---- bytes ---- */

size_t virtq_read(struct pdm_dev *dev, const struct virtq_chain *c, uint64_t off, void *buf, size_t bytes)
{
    return disk_runs_copy(dev, c->run, c->out_count, off, buf, bytes, false);
}

size_t virtq_write(struct pdm_dev *dev, const struct virtq_chain *c, uint64_t off, const void *buf, size_t bytes)
{
    return disk_runs_copy(dev, c->run + c->out_count, c->in_count, off, (void *)(uintptr_t)buf, bytes, true);
}

void virtq_slice(const struct virtq_chain *c, bool out, uint64_t off, uint64_t bytes, struct disk_io *io)
{
    const struct disk_run *r = c->run + (out ? 0 : c->out_count);

    for (unsigned i = 0; i < (out ? c->out_count : c->in_count) && bytes; i++) {
        const uint64_t skip = MIN(off, r[i].bytes), n = MIN(r[i].bytes - skip, bytes);

        off -= skip;
        bytes -= n;
        if (n)
            disk_io_run(io, r[i].gpa + skip, (uint32_t)n);
    }
}

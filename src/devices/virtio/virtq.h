/*
 * virtq.h - a split virtqueue: descriptor chains out of guest memory, checked and copied once.
 *
 * A chain's memory is gathered as pieces: first those the device reads, then those it writes. A chain stays "taken"
 * until it is given back; what was taken and is not running is handed out again (after loading a saved state, or when
 * the device could not begin).
 *
 * Source: Virtual I/O Device (VIRTIO) 1.1 [V], 2.6.
 * Invariant 1: no index from the guest is used before it was compared with the queue's size.
 * Invariant 2: running is a subset of taken.
 */
#ifndef DEVICES_VIRTIO_VIRTQ_H
#define DEVICES_VIRTIO_VIRTQ_H

#include "devices/storage/disk_io.h"

#define VIRTQ_SIZE_MAX 256u
#define VIRTQ_RUNS     DISK_IO_RUNS

struct virtq {
    /* registers */
    uint16_t size, vector;
    bool enabled;
    uint64_t desc_gpa, driver_gpa, device_gpa;
    /* position */
    uint16_t next_avail, used;
    uint32_t taken[VIRTQ_SIZE_MAX / 32];
    uint32_t running[VIRTQ_SIZE_MAX / 32]; /* not saved */
};

struct virtq_chain {
    uint16_t head;
    unsigned out_count, in_count; /* of run: the device reads the first out_count, writes the others */
    uint64_t out_bytes, in_bytes;
    struct disk_run run[VIRTQ_RUNS];
};

extern const struct ssm_field virtq_fields[];
bool virtq_check(const struct virtq *q);

void virtq_reset(struct virtq *q, uint16_t size);
/** virtq_forget() - nothing runs any more: what was taken is handed out again. */
void virtq_forget(struct virtq *q);
/** virtq_next() - the next chain. Return: 1 got one, 0 there is none, -1 the guest broke the queue. @event_idx:
 * [V 2.6.7] */
int virtq_next(struct pdm_dev *dev, struct virtq *q, bool event_idx, struct virtq_chain *ret);
/** virtq_later() - the chain could not be begun: it is handed out again. */
void virtq_later(struct virtq *q, uint16_t head);
/** virtq_done() - gives the chain back with @bytes written into it. Return: whether the guest wants to be interrupted.
 */
bool virtq_done(struct pdm_dev *dev, struct virtq *q, bool event_idx, uint16_t head, uint32_t bytes);

/** Bytes of the readable part, at @off; and into the writable part. Return: how many there were. */
size_t virtq_read(struct pdm_dev *dev, const struct virtq_chain *c, uint64_t off, void *buf, size_t bytes);
size_t virtq_write(struct pdm_dev *dev, const struct virtq_chain *c, uint64_t off, const void *buf, size_t bytes);
/** virtq_slice() - @bytes at @off of the readable (@out) or writable part as runs of @io. */
void virtq_slice(const struct virtq_chain *c, bool out, uint64_t off, uint64_t bytes, struct disk_io *io);

#endif

/*
 * nvme.h - an NVM Express controller: registers, queues, the admin command set. Memory, media and interrupts are the
 * owner's (pci_nvme.c), by struct nvme_host.
 *
 * Life of a command: taken from its submission queue into a slot (used) -> done at once, or the owner moves its data
 * (running, not saved) -> an entry in the completion queue, the slot is free. What is used and not running is begun
 * anew after loading.
 *
 * Invariant 1: a queue's head and tail are below its size; a submission queue's completion queue exists.
 * Invariant 2: a slot's command was copied once and is looked at only there.
 * Invariant 3: no command is taken while the slots or the completion queue have no room for its end.
 */
#ifndef DEVICES_STORAGE_NVME_H
#define DEVICES_STORAGE_NVME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/ssm/field.h"

#define NVME_QUEUES      17u /* 0: admin */
#define NVME_ENTRIES_MAX 1024u
#define NVME_SLOTS       64u
#define NVME_NAMESPACES  32u
#define NVME_EVENTS_MAX  4u
#define NVME_BAR_BYTES   0x4000u
#define NVME_PAGE_BYTES  4096u
#define NVME_LBA_BYTES   512u
#define NVME_MDTS        8u /* 2^8 pages: 1 MiB */

struct nvme_sq {
    bool exists;
    uint16_t size, head, tail, cq;
    uint64_t gpa;
};

struct nvme_cq {
    bool exists, interrupts, phase;
    uint16_t size, head, tail, vector, users; /* users: submission queues that end here */
    uint64_t gpa;
};

struct nvme_slot {
    bool used;
    bool running; /* not saved */
    uint8_t sq;
    uint8_t command[64];
};

struct nvme {
    /* wiring */
    const struct nvme_host *host;
    void *ctx;
    char serial[21];
    uint64_t sectors[NVME_NAMESPACES]; /* of namespace n + 1; 0 = none */
    bool read_only[NVME_NAMESPACES], discard[NVME_NAMESPACES];

    uint32_t intms, cc, csts, aqa;
    uint64_t asq, acq;
    struct nvme_sq sq[NVME_QUEUES];
    struct nvme_cq cq[NVME_QUEUES];
    struct nvme_slot slot[NVME_SLOTS];
    bool write_cache;
    uint32_t power_state, arbitration, temperature[2], error_recovery, coalescing, atomicity, async_config;
    uint16_t async_cid[NVME_EVENTS_MAX]; /* Asynchronous Event Requests that wait */
    uint32_t async_count;
    uint64_t read_units, written_units, reads, writes; /* for the SMART log */
};

/* What an I/O command wants of its namespace. */
enum nvme_op { NVME_READ, NVME_WRITE, NVME_FLUSH, NVME_ZERO, NVME_DISCARD };
struct nvme_io {
    enum nvme_op op;
    unsigned slot, nsid; /* nsid from 1 */
    bool durable;
    uint64_t offset_bytes, bytes;
    uint64_t prp[2];
};

struct nvme_host {
    void (*read)(void *ctx, uint64_t gpa, void *buf, size_t bytes);
    void (*write)(void *ctx, uint64_t gpa, const void *buf, size_t bytes);
    /** Moves the data; nvme_end() when done. False: not now, nvme_work() will be called again. */
    bool (*start)(void *ctx, const struct nvme_io *io);
    void (*interrupt)(void *ctx, unsigned vector);
    void (*drop)(void *ctx); /* the controller resets: forget everything that was started */
    void (*guest_error)(void *ctx, const char *what);
};

extern const struct ssm_field nvme_fields[];
bool nvme_check(struct nvme *n);
void nvme_reset(struct nvme *n);
uint64_t nvme_read(struct nvme *n, uint64_t off, unsigned size);
void nvme_write(struct nvme *n, uint64_t off, uint64_t val, unsigned size);
/** nvme_work() - takes what can be taken from the submission queues. */
void nvme_work(struct nvme *n);

/* Generic and command specific status (NVMe 1.2, 4.6.1): type << 8 | code. */
enum {
    NVME_OK = 0x000,
    NVME_INVALID_OPCODE = 0x001,
    NVME_INVALID_FIELD = 0x002,
    NVME_DATA_ERROR = 0x004,
    NVME_ABORTED = 0x007,
    NVME_INVALID_NAMESPACE = 0x00b,
    NVME_LBA_RANGE = 0x080,
    NVME_BAD_CQ = 0x100,
    NVME_BAD_QUEUE = 0x101,
    NVME_BAD_SIZE = 0x102,
    NVME_TOO_MANY_EVENTS = 0x105,
    NVME_BAD_VECTOR = 0x108,
    NVME_BAD_LOG_PAGE = 0x109,
    NVME_BAD_DELETE = 0x10c,
    NVME_READ_ONLY_RANGE = 0x182,
    NVME_WRITE_FAULT = 0x280,
    NVME_READ_FAULT = 0x281,
};
/** nvme_end() - a started command is done. */
void nvme_end(struct nvme *n, unsigned slot, unsigned status);
/** nvme_again() - it was given back unfinished: it is started anew by the next nvme_work(). */
void nvme_again(struct nvme *n, unsigned slot);
/** nvme_level() - whether the pin is to be active: interrupts that were not seen yet. */
bool nvme_level(const struct nvme *n);

#endif

/*
 * disk_io.h - data on its way between a medium and guest memory: what every bus-mastering controller needs.
 *
 * A controller has a pool of transfers. For a command it takes one, says what is to be moved and where in guest memory,
 * and starts it; the transfer goes in steps, straight between the medium and guest memory when the driver needs not
 * wait (DISK_IO_DIRECT at most), else through its own buffer (DISK_IO_STEP), and reports once when all is done:
 *
 *     struct disk_io *io = disk_io_get(pool);          // NULL: come back when another one is done
 *     io->op = PDM_BLOCK_READ; io->offset_bytes = ...; disk_io_run(io, gpa, bytes); ...
 *     rc = disk_io_start(dev, io, block);              // 0: done() comes or came; else it failed already
 *
 * Suspending: what is with the driver comes back, no further step is made; a transfer with steps to go reports
 * DISK_PARKED, and the controller starts its command anew after resuming or loading. Nothing of a transfer is saved.
 * Reset: disk_pool_drop() makes the controller hear nothing more of transfers under way; their buffers stay theirs
 * until the driver is done.
 * done() starts nothing; new work is begun from pump(), which follows it unless done() came inside start().
 * Locks: all under the device's lock.
 * Invariant 1: done() is called exactly once per started transfer that was not dropped; inside start() when the driver
 *              could do all of it at once.
 * Invariant 2: a write reaches the medium only with all of its step's bytes: a list too short writes nothing of it.
 * Invariant 3: guest memory outside the runs is never touched, and no longer when done() was called or the transfer was
 *              dropped.
 */
#ifndef DEVICES_STORAGE_DISK_IO_H
#define DEVICES_STORAGE_DISK_IO_H

#include "vmm/pdm/dev.h"

#define DISK_IO_STEP   (256u << 10)
#define DISK_IO_DIRECT (1024u << 10)
#define DISK_IO_RUNS   260u

enum disk_status {
    DISK_PARKED = 1, /* suspended before the end */
    DISK_SHORT = 2,  /* the guest's list of memory is shorter than the transfer */
    /* 0 or the medium's negative VERR_* otherwise */
};

/* A piece of guest memory. */
struct disk_run {
    uint64_t gpa;
    uint32_t bytes;
};

struct disk_pool;

struct disk_io {
    /* the controller's, set between get and start; zeroed by get */
    enum pdm_block_op op;
    uint64_t offset_bytes, bytes;
    bool durable; /* writes: done only when they are on stable storage */
    bool quiet;   /* reads: nothing goes to memory, the medium is only tried */
    bool zeros;   /* writes: of zeros, nothing comes from memory */
    /* Refills the runs when all were used, from the controller's list; none added = the list ends. May be NULL. */
    void (*more)(struct pdm_dev *dev, struct disk_io *io);
    void (*done)(struct pdm_dev *dev, struct disk_io *io, int status);
    unsigned unit, tag; /* whose it is */
    void *user;
    uint64_t list_gpa; /* more()'s: the guest's list, how long it is, what was used */
    uint32_t list_count, list_next;
    uint64_t moved; /* bytes done so far; after a failed read exact to the sector */

    /* disk_io.c's */
    struct disk_run runs[DISK_IO_RUNS];
    unsigned run_count, run;
    uint32_t run_off;
    struct disk_pool *pool;
    struct pdm_block *block;
    struct pdm_block_req req;
    size_t step_bytes;
    bool used, started, dropped, narrow; /* narrow: sector by sector to the one that cannot be read */
    bool direct;                         /* the step needed no buffer */
    uint8_t *buf;                        /* DISK_IO_STEP */
};

/* Counters are the controller's statistics. */
struct disk_pool {
    struct disk_io *ios;
    unsigned count, in_use;
    void (*pump)(struct pdm_dev *dev); /* a transfer is free again: the controller looks for work */
    bool suspended;
    uint64_t bytes_read, bytes_written, flushes;
};

void disk_pool_init(struct pdm_dev *dev, struct disk_pool *p, unsigned count, void (*pump)(struct pdm_dev *dev));
void disk_pool_fini(struct disk_pool *p);
/** disk_pool_suspend() - no new steps; disk_pool_resume(): again. The controller starts what was parked. */
void disk_pool_suspend(struct disk_pool *p);
void disk_pool_resume(struct disk_pool *p);
/** disk_pool_busy() - something is with a driver. */
bool disk_pool_busy(const struct disk_pool *p);
/** disk_pool_drop() - forgets the transfers of @unit; DISK_ALL: all. */
void disk_pool_drop(struct disk_pool *p, unsigned unit);
#define DISK_ALL UINT32_MAX

struct disk_io *disk_io_get(struct disk_pool *p);
/** disk_io_put() - gives back what was taken and not started. */
void disk_io_put(struct disk_pool *p, struct disk_io *io);
/** disk_io_run() - adds a piece of memory, also from more(); false = no room. */
bool disk_io_run(struct disk_io *io, uint64_t gpa, uint32_t bytes);
/**
 * disk_io_start() - @bytes of a READ or WRITE must not be 0; @block NULL fails.
 *
 * Return: 0, or why it failed at once (then it is given back and done() is not called).
 */
int disk_io_start(struct pdm_dev *dev, struct disk_pool *p, struct disk_io *io, struct pdm_block *block);

/** disk_io_move() - the next @bytes of the runs, in the list's order; returns how many there were. */
size_t disk_io_move(struct pdm_dev *dev, struct disk_io *io, void *buf, size_t bytes, bool to_guest);
/** disk_io_trim() - takes @bytes off the front of the runs; before they are used. */
void disk_io_trim(struct disk_io *io, uint64_t bytes);

/** disk_runs_copy() - @bytes at @off of the runs to or from @buf; returns how many there were. */
size_t disk_runs_copy(struct pdm_dev *dev, const struct disk_run *runs, unsigned count, uint64_t off, void *buf,
                      size_t bytes, bool to_guest);

/* What a chip asks of its adapter, whose device @dev is: memory, and a word about the guest's mistake. */
void disk_mem_read(void *dev, uint64_t gpa, void *buf, size_t bytes);
void disk_mem_write(void *dev, uint64_t gpa, const void *buf, size_t bytes);
void disk_guest_error(void *dev, const char *what);

#endif

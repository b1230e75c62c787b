/*
 * fio_shim.h - tables of file operations for tests: one that fails on demand, one that loses power on demand.
 */
#ifndef RT_FIO_SHIM_H
#define RT_FIO_SHIM_H

#include "rt/fio.h"

/**
 * Passes every call on to @below and counts it; call number @fail_at (from 1; 0 = none) returns -@err, once or from
 * then on for ever. With @short_write a failing pwrite first stores half of its bytes and says so. close never fails.
 */
struct fio_fault {
    struct fio io; /* give this to the code under test */
    const struct fio *below;
    unsigned calls, fail_at;
    int err; /* positive errno */
    bool for_ever, short_write, hit;
};
void fio_fault_init(struct fio_fault *f, const struct fio *below);

/**
 * A file system in memory that knows what a disk would still have after a power cut: what was synced, and any subset
 * of what was not, torn at 512-byte sectors. Names change in order and are durable after dir_sync or a file's fsync.
 */
struct fio_crash;
struct fio_crash *fio_crash_new(void);
void fio_crash_free(struct fio_crash *c);
const struct fio *fio_crash_io(struct fio_crash *c);
/**
 * fio_crash_replay() - the file system as found after a power cut now.
 *
 * @seed: chooses the surviving subset; 0 = nothing un-synced survives, 1 = everything does.
 * @c itself goes on unharmed, so one run gives many crash states.
 */
struct fio_crash *fio_crash_replay(const struct fio_crash *c, uint64_t seed);
/** fio_crash_bytes() - the current contents of @path, NULL when there is no such file. */
GBytes *fio_crash_bytes(const struct fio_crash *c, const char *path);
/** fio_crash_unsynced() - number of operations on @path a crash could lose. */
size_t fio_crash_unsynced(const struct fio_crash *c, const char *path);

#endif

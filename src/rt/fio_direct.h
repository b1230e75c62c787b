/*
 * fio_direct.h - a table of file operations that leaves the host's cache alone (O_DIRECT), for the data of disks whose
 * guest has a cache of its own. What the kernel cannot transfer that way goes through the cache.
 */
#ifndef RT_FIO_DIRECT_H
#define RT_FIO_DIRECT_H

#include "rt/fio.h"

/** fio_direct() - the table; its functions use no context. */
const struct fio *fio_direct(void);
/** fio_direct_set() - an open file's transfers leave the cache alone, or not; false: its file system cannot. */
bool fio_direct_set(int fd, bool direct);
/** fio_direct_refused() - how many of the files opened so far go through the cache for that reason. */
unsigned fio_direct_refused(void);

#endif

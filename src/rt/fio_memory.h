/*
 * fio_memory.h - one file in memory behind a table of file operations: what is written for a file goes elsewhere.
 *
 * Every name is the file. It grows as there is memory: -ENOMEM is an error like any other. Names, syncs and locks do
 * nothing; there are no holes and nothing to punch.
 */
#ifndef RT_FIO_MEMORY_H
#define RT_FIO_MEMORY_H

#include "rt/fio.h"

struct fio_memory {
    struct fio io; /* give this to who reads or writes */
    uint8_t *data;
    size_t size, room;
};
/** fio_memory_init() - @bytes may be NULL: an empty file. */
void fio_memory_init(struct fio_memory *m, const void *bytes, size_t size);
/** fio_memory_fini() - what the file has become; the table is not to be used any more. */
GBytes *fio_memory_fini(struct fio_memory *m);

#endif

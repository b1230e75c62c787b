/* hostile.h - for hostile_test.c: images and what is done to them; the rows are in hostile_rows.c. */
#ifndef STORAGE_HOSTILE_H
#define STORAGE_HOSTILE_H

#include "rt/fio_shim.h"
#include "storage/vd.h"

struct hostile_base {
    const char *name, *format;
    bool fixed;
    enum vd_layout layout;
    uint32_t block_bytes;
    const char *text;     /* instead: the file's text */
    const uint8_t *image; /* instead: the file */
    size_t image_bytes;
};

struct hostile_patch {
    int64_t at; /* negative: from the end of the file */
    unsigned bytes;
    uint64_t value;
    bool big; /* big-endian */
};

enum hostile_expect { HOSTILE_REFUSED, HOSTILE_READ_ONLY, HOSTILE_READ_FAILS };

struct hostile_row {
    const char *what, *base;
    enum hostile_expect expect;
    struct hostile_patch patches[4];
    void (*fix)(struct fio_crash *disk, const char *path); /* e.g. a checksum made right again */
};

extern const struct hostile_base hostile_bases[];
extern const size_t hostile_base_count;
extern const struct hostile_row hostile_rows[];
extern const size_t hostile_row_count;

#endif

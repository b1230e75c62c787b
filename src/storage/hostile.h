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
    const char *text;          /* instead: the file's text */
    GByteArray *(*make)(void); /* instead: the file */
    bool bad;                  /* without any change */
};

struct hostile_patch {
    int64_t at; /* negative: from the end of the file */
    unsigned bytes;
    uint64_t value;
    bool big; /* big-endian */
};

enum hostile_expect {
    HOSTILE_REFUSED,
    HOSTILE_READ_ONLY,
    HOSTILE_READ_FAILS,
    HOSTILE_ALONE /* it opens, nothing else does */
};

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

/* hostile_made.c */
GByteArray *hostile_qcow2(void);
GByteArray *hostile_qed(void);
GByteArray *hostile_parallels(void);
GByteArray *hostile_vhdx(void);
GByteArray *hostile_dmg(void);
GByteArray *hostile_dmg_bomb(void);   /* a chunk that unpacks to far more than it says */
GByteArray *hostile_dmg_beyond(void); /* a chunk beyond the file's end */
GByteArray *hostile_dmg_wraps(void);  /* a chunk of 2^63 sectors */
GByteArray *hostile_dmg_huge(void);   /* a packed chunk of 2^40 sectors */
GByteArray *hostile_nul(void);
GByteArray *hostile_many_extents(void);
/** hostile_vhdx_sums() - makes the checksums of hostile_vhdx() right again. */
void hostile_vhdx_sums(uint8_t *image);

#endif

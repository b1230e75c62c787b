/* block_rig.h - the device's side of the block driver's tests, and a file of the host for them. */
#ifndef DRIVERS_BLOCK_BLOCK_RIG_H
#define DRIVERS_BLOCK_BLOCK_RIG_H

#include "drivers/block/block.h"
#include "rt/fio_shim.h"

#define COUNT       200
#define IMAGE_BYTES (8u << 20)

struct world {
    struct fio_crash *disk;
    struct fio_fault fault;
    struct vd *vd;
    struct pdm_block *b;
    GMutex lock;
    GCond changed;
    unsigned done, steps, well;
    struct pdm_block_req *order[COUNT];
    int host_errors;
    const char *trouble, *says; /* what host_error hears; NULL: disk full */
    bool wait;                  /* host_error's answer */
    size_t unsynced_at_flush;
};

bool rig_host_error(void *ctx, const char *id, const char *text);
void rig_host_well(void *ctx);
/** rig_note() - a completion, for requests that no fio_crash is below. */
void rig_note(void *ctx, struct pdm_block_req *req);
void rig_wait_done(struct world *w, unsigned n);
/** rig_place_of() - how many requests were done before this one. */
unsigned rig_place_of(const struct world *w, const struct pdm_block_req *req);
/** rig_cold_image() - a file the host has not in memory, on a disk; blocks of 4 KiB begin with their number. Its name.
 */
char *rig_cold_image(void);

#endif

/*
 * ledger.h - for tests: a disk whose sectors say what was written there, and a ledger of what a crash may have changed.
 *
 * Sectors carry (sector number, generation). After a crash a sector must show a generation between the last flushed and
 * the last written one, or zeros where nothing was flushed or a discard came later; never another sector's number.
 */
#ifndef STORAGE_LEDGER_H
#define STORAGE_LEDGER_H

#include "storage/vd.h"

#define LEDGER_SECTORS 384u
#define LEDGER_BLOCK   8192u
#define LEDGER_BYTES   (LEDGER_SECTORS * 512u)

struct ledger {
    uint64_t gen;
    uint64_t written[LEDGER_SECTORS]; /* newest generation the guest wrote */
    uint64_t flushed[LEDGER_SECTORS]; /* newest one a good flush covered */
    bool discarded[LEDGER_SECTORS];   /* since that flush, or before it with nothing written after */
};

void ledger_write(struct ledger *l, struct vd *vd, GRand *rand);
void ledger_discard(struct ledger *l, struct vd *vd, GRand *rand);
void ledger_flush(struct ledger *l, struct vd *vd);
/** ledger_step() - one of these, at random. */
void ledger_step(struct ledger *l, struct vd *vd, GRand *rand);
/** ledger_check() - every sector of @vd, or the test fails; @what names the case. */
void ledger_check(const struct ledger *l, struct vd *vd, const char *what);

#endif

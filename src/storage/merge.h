/*
 * merge.h - images of a chain become part of another one, while the disk is in use.
 *
 *     struct vd_merge *m = vd_merge_start(disk, 2, 1, &error);     // image 2 into image 1, its parent
 *     do                                                           // between the guest's requests
 *         rc = vd_merge_step(m, 1 << 20, &done);
 *     while (rc == 0 && !done);
 *     // the caller notes the shorter chain as the disk's, durably
 *     ok = vd_merge_finish(m, &error);                             // disk goes on without image 2
 *
 * Images are counted from the base, 0. Forward (@to above @from) the target takes what it does not hold itself, and may
 * be the image the guest writes. Backward the target takes everything; then no other image may depend on what it showed
 * before. Images between are merged, too. Nothing is deleted here.
 *
 * Interrupted at any point, also by a power cut, the disk's contents are unchanged. Before the new chain was noted, the
 * old one opens and shows them; after that the new one does, or, while its link is not on the disk yet, only the old
 * one opens. Merging again from the start completes it. Threads: the disk's one caller; steps and guest requests take
 * turns.
 */
#ifndef STORAGE_MERGE_H
#define STORAGE_MERGE_H

#include "storage/chain.h"

struct vd_merge;

/** vd_merge_start() - refuses when the target's file system has no room for what may come. @disk is the last image. */
struct vd_merge *vd_merge_start(struct vd *disk, size_t from, size_t to, GError **error);
/** vd_merge_room_bytes() - by how much the target may grow. */
uint64_t vd_merge_room_bytes(const struct vd_merge *m);
/** vd_merge_step() - up to about @bytes of the disk. 0 or VERR_*; after an error it can be called again. */
int vd_merge_step(struct vd_merge *m, uint64_t bytes, bool *ret_done);
unsigned vd_merge_permille(const struct vd_merge *m);
/** vd_merge_finish() - only when done. The disk stays the same pointer. Failure leaves the old chain working; frees @m.
 */
bool vd_merge_finish(struct vd_merge *m, GError **error);
/** vd_merge_cancel() - the chain stays as it is; frees @m. NULL is fine. */
void vd_merge_cancel(struct vd_merge *m);
/** vd_merge_run() - all of it at once. */
bool vd_merge_run(struct vd *disk, size_t from, size_t to, const struct vd_progress *progress, GError **error);

#endif

/*
 * recrypt.h - encrypts the contents of images, decrypts them, or gives them another key: beside, then by renaming.
 *
 * @images are all that share a key: a base and everything that builds on it, in any order. The key store is not in them
 * but in the settings, so who keeps these makes the step from old to new; an interruption is ended by what they say:
 *
 *     note "copy" in the settings and save;
 *     r = vd_recrypt(io, images, n, &old, &new, &progress, &error);   // IMAGE.recrypt beside each; nothing changed yet
 *     new key store (or none) and note "switch" in the settings, and save:  this is the step
 *     vd_recrypt_commit(r, &error);                                   // the copies take the images' names
 *     drop the note and save;
 *
 *     when a note is found later: vd_recrypt_finish(io, images, n, note is "switch", &error), then drop it.
 *
 * To encrypt with a new key: new = {vd_keystore_new(...), its password}, old = {NULL}. Another password for the same
 * key needs none of this: vd_keystore_change().
 */
#ifndef STORAGE_RECRYPT_H
#define STORAGE_RECRYPT_H

#include "storage/chain.h"
#include "storage/crypt.h"

struct vd_lock {
    const char *store, *password; /* store NULL: plain text */
};

struct vd_recrypt;
/**
 * vd_recrypt() - makes the copies; on failure none is left. The images are locked for reading from here on. Refused
 * before the first byte: wrong password, an image in use, not enough room, images of several files or packed ones.
 */
struct vd_recrypt *vd_recrypt(const struct fio *io, const struct vd_link *images, size_t n, const struct vd_lock *from,
                              const struct vd_lock *to, const struct vd_progress *progress, GError **error);
/** vd_recrypt_commit() - frees @r in any case; after a failure vd_recrypt_finish(keep) goes on. */
bool vd_recrypt_commit(struct vd_recrypt *r, GError **error);
/** vd_recrypt_abandon() - removes the copies and frees @r; NULL is fine. */
void vd_recrypt_abandon(struct vd_recrypt *r);
/**
 * vd_recrypt_finish() - what an interruption left: @keep: copies that still exist take their images' names, otherwise
 * they go. May be done any number of times.
 */
bool vd_recrypt_finish(const struct fio *io, const struct vd_link *images, size_t n, bool keep, GError **error);

#endif

/*
 * snapshot_int.h - shared by the files about snapshots.
 *
 * An operation: settings and notes (pending.c) are saved, then files are made or merged on a thread or by the machine's
 * process, then one save makes the result the machine's, and only after that files go. So an interruption anywhere
 * leaves the state before with a note of what to undo, or the state after with a note of what to remove.
 */
#ifndef MAIN_SERVER_SNAPSHOT_SNAPSHOT_INT_H
#define MAIN_SERVER_SNAPSHOT_SNAPSHOT_INT_H

#include "main/server/machine/machine.h"

/* ---- snapshot.c ---- */
/** May it begin? Then the machine is busy, in @state. */
bool snapshot_begin(struct part *p, int state, GError **error);
/** The machine is itself again. */
void snapshot_end(struct machine *m);
const struct settings_snapshot *snapshot_by_id(const struct settings_machine *s, const char *id);
const char *snapshot_id(const struct settings_snapshot *s, char ret[API_UUID_SIZE]);
guint snapshot_child_count(const struct settings_machine *s, guint index);
/** Room in the snapshot folder: refuses with the numbers. */
bool snapshot_room(const struct settings_machine *s, uint64_t bytes, GError **error);

/* New differencing images on what @hardware has attached, as far as that must not change. */
struct new_image {
    char *parent, *id, *format, *path; /* ids without braces */
    char *parent_format, *parent_path;
    uint64_t bytes; /* it takes at first */
};
GPtrArray *new_images_plan(struct machine *m, const struct settings_hardware *hardware, GError **error);
uint64_t new_images_bytes(const GPtrArray *images);
void new_images_note(const GPtrArray *images, struct settings_machine *next);
/** On any thread: all or none. */
bool new_images_make(const GPtrArray *images, GError **error);
/** Every attachment of image @old has image @new from now on. */
void hardware_replace_image(struct settings_hardware *h, const char *old, const char *new);
/** They take the places of their parents in @next, whose notes about them go. */
void new_images_put(struct service *s, const GPtrArray *images, struct settings_machine *next);
/** They are known no more; their files go. */
void new_images_drop(struct service *s, const GPtrArray *images);

/* ---- snapshot_delete.c ---- */
/** Deletes or goes on deleting; the machine is busy already. @progress may be NULL. */
bool snapshot_delete_run(struct machine *m, const char *id, struct progress *progress, GError **error);

/* ---- snapshot_merge.c: images of chains merged, at rest or by the machine's process ---- */
struct merge {
    char *from, *to; /* ids of the images: what is merged into what */
    char *leaf;      /* the running machine's disk it belongs to; NULL: at rest */
    GArray *links;   /* at rest: the chain to open, base first */
    unsigned from_at, to_at;
    char *format, *file; /* of @from, to be removed */
};
void merge_free(void *merge);
/** @done(user, error taken) on the main thread when all have reached their ends; nothing is linked or removed yet. */
void merge_all(struct machine *m, GPtrArray *merges, struct progress *progress, void (*done)(void *user, GError *error),
               void *user);

#endif

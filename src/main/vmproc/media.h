/*
 * media.h - the machine's disks, discs and floppies: opens what the settings name and joins it to the controllers; new
 * last images for snapshots, and merging, while the machine runs.
 *
 * A hard disk is the chain that the media registry of the machine shows, base first. Threads: the loop's; what touches
 * an open disk is carried out on its driver's thread (block_call()).
 */
#ifndef MAIN_VMPROC_MEDIA_H
#define MAIN_VMPROC_MEDIA_H

#include "machine/pc.h"
#include "main/settings/machine.h"
#include "vmm/vm/vm.h"

struct media;
/**
 * media_open() - opens every attached medium and writes what is attached where into @pc. The error names file and
 * controller. MEDIA_FRESH: differencing images that say so are emptied first.
 */
enum media_start {
    MEDIA_FRESH,
    MEDIA_CONTINUED, /* from a saved state */
    MEDIA_MOVES_IN   /* another process still writes the disks; media_take() follows */
};
struct media *media_open(const struct settings_machine *s, struct pc_settings *pc, enum media_start start,
                         GError **error);
struct media_events {
    void (*host_error)(void *user, const char *id, const char *text); /* stops the machine (disk full) */
    void (*host_well)(void *user);                                    /* what was told is over */
};
/** Any thread calls @events. media_resume() tries again what waits. */
bool media_attach(struct media *m, struct pdm *pdm, const struct media_events *events, void *user, GError **error);
/* Another medium for a removable drive. */
struct media_change {
    const char *controller; /* its name in the settings */
    int port, device;
    const char *format, *path; /* path "": none */
    int fd;                    /* the open image; duplicated */
    bool force;                /* although the guest has locked the drive */
};
bool media_change(struct media *m, struct pdm *pdm, const struct media_change *change, GError **error);
/** Takes the media from the controllers and waits for what is on its way; before the machine goes. */
void media_detach(struct media *m, struct pdm *pdm);
void media_resume(struct media *m);
/**
 * media_key_add() - the password of the disks whose CRYPT/KeyId is @id; wrong: VERR_VD_PASSWORD_INCORRECT. A machine
 * that waits for it goes on by itself. @clear_on_suspend: it is needed again after media_suspend().
 */
bool media_key_add(struct media *m, const char *id, const char *password, bool clear_on_suspend, GError **error);
/** media_key_drop() - the disks are locked again; @id NULL: all. The machine stands still. */
bool media_key_drop(struct media *m, const char *id, GError **error);
void media_suspend(struct media *m);
/** Flushes and closes all. NULL is fine. */
void media_close(struct media *m);
/** media_has_drives() - whether optical drives of the host's are attached: they take SG_IO. */
bool media_has_drives(struct media *m);
/** media_files() - the images of all hard disks and floppies, for confine(); g_free() the array. */
const char **media_files(struct media *m);

/* ---- moving to another process (teleport/): the machine stands still ---- */

/** media_may_move() - whether all disks can be closed here and opened by another process. */
bool media_may_move(struct media *m, GError **error);
/* What is attached where, as one side tells the other. Text is padded with zeros. */
struct media_item {
    char device[24];
    uint32_t instance, lun;
    uint32_t kind, flags;
    uint64_t size_bytes;
    uint32_t images, reserved;
    uint8_t uuid[16];
    uint8_t digest[32]; /* of an optical disc's beginning */
    char serial[32];
};
enum { MEDIA_ITEM_READ_ONLY = 1, MEDIA_ITEM_SHAREABLE = 2, MEDIA_ITEM_ENCRYPTED = 4 };
/** media_items() - struct media_item, one for each medium; g_array_unref. */
GArray *media_items(struct media *m);
unsigned media_count(struct media *m);
/**
 * media_meet() - at the target, for what the source has: @ret_copied is 1 where the contents have to be copied, and
 * that disk is locked then; 0 where both have the same file. On failure all is as it was.
 */
bool media_meet(struct media *m, const struct media_item *theirs, unsigned count, uint8_t *ret_copied, GError **error);

#define MEDIA_CHUNK_BYTES (1u << 20)
#define MEDIA_PAGE_BYTES  4096u
#define MEDIA_ZEROS_MAX   64u
/* A MiB of a disk on its way. */
struct media_chunk {
    uint64_t number;
    uint64_t zeros;    /* not 0: so many chunks from here are zeros */
    uint64_t pages[4]; /* which of its 256 pages are told */
    uint8_t *bytes;    /* MEDIA_CHUNK_BYTES; pages not told are anything */
};
/** media_copy_begin() - at the source: what the guest changes from now on is noted, for the disks marked 1. */
bool media_copy_begin(struct media *m, const uint8_t *copied, unsigned count, GError **error);
void media_copy_end(struct media *m);
/** media_copy_chunks() - of the @n-th medium of media_items(); 0: it is not copied. */
uint64_t media_copy_chunks(struct media *m, unsigned n);
uint64_t media_copy_changed_bytes(struct media *m);
/** media_copy_next() - the first chunk from @chunk on that the guest has changed; UINT64_MAX: none. */
uint64_t media_copy_next(struct media *m, unsigned n, uint64_t chunk);
/** media_copy_read() - chunk->number's pages that have changed since they were read, or all; any thread. */
bool media_copy_read(struct media *m, unsigned n, bool everything, struct media_chunk *chunk, GError **error);
/** media_copy_write() - at the target; @n counts as in media_meet()'s list. @chunk is checked. */
bool media_copy_write(struct media *m, unsigned n, const struct media_chunk *chunk, GError **error);
bool media_copy_flush(struct media *m, GError **error);

/** media_has_locks() - whether a disk that both sides share is locked, so that its lock tells who has the machine. */
bool media_has_locks(struct media *m);
/** media_release() - flushes and closes disks and floppies that are not copied, so that the other process can lock
 * them. */
bool media_release(struct media *m, GError **error);
/**
 * media_take() - opens and locks them again: what media_release() closed, or what the other process has released.
 * Copies are flushed.
 */
bool media_take(struct media *m, GError **error);

/* ---- snapshots: the machine stands still ---- */

struct media_new {
    const char *image; /* UUID of the disk's last image now */
    const char *format, *path, *uuid;
};
/**
 * media_push() - makes the images and puts them on top of their disks; all or none. Until media_settle() the guest must
 * not run. @keep false: they are taken away again and their files removed.
 */
bool media_push(struct media *m, const struct media_new *images, unsigned count, GError **error);
void media_settle(struct media *m, bool keep);
/** media_pushed() - UUID ("{...}") of one of the new images, NULL when there is none; g_free. */
char *media_pushed(struct media *m);

/* ---- merging: the guest runs ---- */

/** media_merge() - in the chain that ends in @image, numbers from the base. The same again: goes on. */
bool media_merge(struct media *m, const char *image, unsigned from, unsigned to, GError **error);
/** media_merge_state() - how far all are. @ret_done: all have reached their ends. false: one failed, nothing is lost.
 */
bool media_merge_state(struct media *m, unsigned *ret_permille, bool *ret_done, GError **error);
/** media_merge_end() - @keep: the shorter chains are noted, so they are the disks now; otherwise the long ones stay. */
bool media_merge_end(struct media *m, bool keep, GError **error);

#endif

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
/** media_list() - what is attached where, to be compared with the other process's: both must be equal. g_free */
char *media_list(struct media *m);
/** media_has_locks() - whether a disk is locked against others, so that its lock tells who has the machine. */
bool media_has_locks(struct media *m);
/** media_release() - flushes and closes hard disks and floppies, so that the other process can lock them. */
bool media_release(struct media *m, GError **error);
/** media_take() - opens and locks them again: what media_release() closed, or what the other process has released. */
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

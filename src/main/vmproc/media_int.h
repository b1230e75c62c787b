/* media_int.h - shared by media.c (opening, attaching) and media_chain.c (snapshots and merging of a running machine).
 */
#ifndef MAIN_VMPROC_MEDIA_INT_H
#define MAIN_VMPROC_MEDIA_INT_H

#include "drivers/block/block.h"
#include "main/vmproc/media.h"
#include "main/vmproc/media_places.h"
#include "storage/crypt.h"
#include "storage/merge.h"

#define MEDIA_COPY_MAX_BYTES (UINT64_C(16) << 40)
#define MEDIA_ERROR          (g_quark_from_static_string("media"))

struct media_merge {
    struct vd_merge *merge; /* NULL: none goes on */
    unsigned from, to;
    bool done;
    bool waits;        /* for room on the host */
    int status;        /* the last step's */
    unsigned permille; /* atomic: read from the loop's thread */
};

struct medium {
    struct media *all;
    struct vd *vd;
    struct pdm_block *block;
    struct media_place place;
    enum settings_device kind;
    struct fio given; /* opens what came as a descriptor */
    int given_fd;
    bool discard, non_rotational;
    bool through_cache;       /* useHostIOCache="false", but the file system has no other way */
    char *key_store, *key_id; /* encrypted; NULL = it is not */
    unsigned flags;           /* how its last image was opened */
    GArray *links;            /* struct vd_link of a released disk, paths owned; NULL = it is open */
    struct vd_crypt *key;     /* of a released disk */
    bool clear_on_suspend;    /* the key is not kept while the machine is paused */
    bool copied;              /* its contents go to, or come from, another process (media_copy.c) */
    uint64_t unflushed_bytes; /* of the copy */
    bool pushed;              /* has a new last image that is not yet in the settings */
    struct media_merge merge;
};

struct media {
    GPtrArray *list;   /* struct medium */
    GPtrArray *drives; /* struct media_drive: of the host's (media_host.c) */
    const struct settings_machine *settings;
    struct aio *aio; /* of all disks: made before the process confines itself */
    enum media_start start;
    const struct media_events *events;
    void *user;
    struct medium **met; /* in the order of the source's list; media_meet() */
};

void media_links_free(struct medium *m);
/** The medium whose last image has this UUID ("{...}" or without braces). */
struct medium *media_find(struct media *all, const char *uuid, GError **error);
void media_uuid_bytes(const char *text, uint8_t ret[VD_UUID_BYTES]);

/** media_files_of() - the way to a medium's files: past the host's cache or through it. */
const struct fio *media_files_of(enum settings_device kind, const struct media_place *place);
/** media_plug() - makes the medium's driver and joins it to its unit. */
bool media_plug(struct medium *m, struct pdm *pdm, GError **error);
void media_unplug(struct medium *m, struct pdm *pdm);

/* ---- media_host.c: optical drives of the host's ---- */

void media_drive_free(void *drive);
bool media_drive_open(struct media *all, const struct settings_attachment *a, const struct media_place *place,
                      GError **error);
bool media_drives_attach(struct media *all, struct pdm *pdm, GError **error);
void media_drives_detach(struct media *all, struct pdm *pdm);

#endif

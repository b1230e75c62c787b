/*
 * storage.h - storage controllers, what is attached to them, and registered media.
 *
 * A media list holds trees: element 0 of a tree is the base (depth 0), a differencing image follows its parent directly
 * or after other descendants of it, with the parent's depth plus one. settings_tree_*() of tree.h walk and change such
 * lists.
 */
#ifndef MAIN_SETTINGS_STORAGE_H
#define MAIN_SETTINGS_STORAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "main/settings/enums.h"

struct kept;

struct settings_attachment {
    enum settings_device kind; /* DEVICE_HARD_DISK, DEVICE_DVD, DEVICE_FLOPPY */
    uint32_t port, device;
    char *image_uuid;                           /* "{...}", lower case; NULL = host drive or empty */
    char *host_drive;                           /* DVD, floppy */
    bool passthrough, temp_eject;               /* DVD */
    bool non_rotational, discard, hotpluggable; /* hard disk */
    char *bandwidth_group;
    unsigned line; /* of the file; 0 = not from a file */
    struct kept *kept;
};

struct settings_controller {
    char *name;
    enum settings_controller_type type;
    uint32_t port_count, instance;
    bool host_io_cache, bootable;
    uint32_t ide_emulation[4]; /* AHCI: ports that IDE emulation once showed; kept for the file's sake */
    GPtrArray *attachments;    /* settings_attachment */
    unsigned line;
    struct kept *kept;
};

struct settings_medium {
    uint32_t depth;                 /* 0 = base image; see the head */
    char *uuid;                     /* "{...}", lower case */
    char *location;                 /* as written: relative to the folder of the file, or absolute, or a URL */
    char *format;                   /* NULL = RAW (optical and floppy images) */
    enum settings_medium_type type; /* base images */
    bool auto_reset;                /* differencing images */
    char *description;
    GPtrArray *properties; /* settings_property: iSCSI target, encryption ... */
    unsigned line;
    struct kept *kept;
};

struct settings_media {
    GPtrArray *disks, *dvds, *floppies; /* settings_medium */
};

/**
 * settings_media_find() - the medium with @uuid ("{...}", lower case), or NULL.
 *
 * @ret_kind: what it is; may be NULL.
 */
struct settings_medium *settings_media_find(const struct settings_media *m, const char *uuid,
                                            enum settings_device *ret_kind);

#endif

/*
 * hostdisk.h - a disk of the host, or some of its partitions, as a VMDK: a descriptor that names it.
 *
 * Such a descriptor gives whoever opens it the host's disk. Nothing opens one without VD_RAW_DEVICES, which a machine
 * gets by extra data "VBoxInternal2/HostDisks" = 1, set by the person who owns it.
 */
#ifndef STORAGE_HOSTDISK_H
#define STORAGE_HOSTDISK_H

#include "storage/vd.h"

struct hostdisk {
    const char *path;           /* of the descriptor, which must not exist */
    const char *device;         /* what it stands for: a block device or a raw image */
    const unsigned *partitions; /* numbers of those the guest gets; NULL: the whole disk */
    unsigned count;
    bool relative;       /* partitions by their own device names */
    const uint8_t *uuid; /* of the image; NULL: a random one */
    const char *mbr;     /* NULL, or a file whose boot code takes the place of the disk's */
};

/**
 * hostdisk_create() - partitions the guest does not get read as zeros; the tables are copied into NAME-pt.vmdk, so the
 * guest changes its copy. All or nothing.
 */
bool hostdisk_create(const struct fio *io, const struct hostdisk *args, GError **error);

#endif

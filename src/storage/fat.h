/*
 * fat.h - an empty FAT file system on a disk or floppy.
 */
#ifndef STORAGE_FAT_H
#define STORAGE_FAT_H

#include "storage/vd.h"

/**
 * fat_format() - FAT12 or FAT16 over the whole of @vd, as DOS makes it; not above 2 GiB. @quick: what lies in the data
 * area stays there.
 */
bool fat_format(struct vd *vd, bool quick, GError **error);

#endif

/* create.h - the table of formats, for vd.c and create.c. */
#ifndef STORAGE_CREATE_H
#define STORAGE_CREATE_H

#include "storage/format.h"

struct format_row {
    const char *name;
    const struct vd_format *format;
};
const struct format_row *format_find(const char *name, GError **error);

#endif

/*
 * mkvdi.c - developer's tool: raw disk image -> dynamic VDI, sparse at both ends.
 *
 *     mkvdi disk.raw disk.vdi
 */
#include <stdio.h>

#include "storage/copy.h"

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 3) {
        fprintf(stderr, "usage: mkvdi RAW-FILE NEW-VDI-FILE\n");
        return 2;
    }
    if (!vd_convert_from_raw(fio_system(), argv[1], argv[2], &error)) {
        fprintf(stderr, "mkvdi: %s\n", error->message);
        return 1;
    }
    return 0;
}

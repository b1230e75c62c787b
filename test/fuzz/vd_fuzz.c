/*
 * vd_fuzz.c - libFuzzer target for every disk image format: the input is the file, opened as FORMAT (set when
 * compiling).
 *
 * The image is opened for reading, read, mapped and checked; then for writing, written to, discarded in, flushed, and
 * opened again. Files are in memory; no other file is there to be opened.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "storage/chain.h"

#define MAX_READ (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void examine(struct vd *vd)
{
    static uint8_t buf[64 << 10];
    uint64_t size = vd_size_bytes(vd), step = MAX(sizeof(buf), size / 16 / 512 * 512);
    struct vd_report report;

    for (uint64_t at = 0, n = 0; at < size && n < 20; at += step, n++)
        vd_read(vd, at, buf, (size_t)MIN(sizeof(buf), size - at));
    for (uint64_t at = 0, n = 0; at < size && n < 100; n++) {
        struct vd_extent e;

        if (vd_map(vd, at, MIN(size - at, MAX_READ), &e))
            break;
        if (e.bytes == 0)
            abort();
        at += e.bytes;
    }
    vd_check(vd, &report, NULL);
    g_string_free(report.text, TRUE);
}

static void change(struct vd *vd)
{
    static uint8_t buf[20000];
    uint64_t size = vd_size_bytes(vd);

    memset(buf, 0x5a, sizeof(buf));
    vd_write(vd, size / 2, buf, (size_t)MIN(sizeof(buf), size - size / 2));
    vd_discard(vd, 0, MIN(size, 4u << 20));
    vd_write(vd, 0, buf, (size_t)MIN(sizeof(buf), size));
    vd_flush(vd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const unsigned flags[] = {VD_READ_ONLY | VD_ALONE, VD_ALONE, VD_READ_ONLY | VD_ALONE};
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    int fd = -1;

    if (fio_open(io, "/image", O_RDWR | O_CREAT, 0600, &fd) == 0) {
        fio_write(io, fd, data, bytes, 0);
        fio_close(io, fd);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        struct vd *vd = vd_open(io, FORMAT, "/image", flags[i], NULL);

        if (vd && !(flags[i] & VD_READ_ONLY))
            change(vd);
        else if (vd)
            examine(vd);
        vd_close(vd);
    }
    fio_crash_free(disk);
    return 0;
}

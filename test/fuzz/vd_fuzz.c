/*
 * vd_fuzz.c - libFuzzer target for every disk image format: the input is the file, opened as FUZZED (set when
 * compiling). Checksums are made right first: they keep accidents out, not people.
 *
 * The image is opened for reading, read, mapped and checked; then for writing, written to, discarded in, flushed, and
 * opened again. Files are in memory; no other file is there to be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "storage/bytes.h"
#include "storage/chain.h"
#include "storage/hostile.h"

#define MAX_READ (1u << 20)
#define MAX_FILE (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The ones' complement of the sum of the other bytes, at @sum_at. */
static void sum_vhd(uint8_t *p, size_t bytes, size_t sum_at)
{
    uint32_t sum = 0;

    put_be32(p + sum_at, 0);
    for (size_t i = 0; i < bytes; i++)
        sum += p[i];
    put_be32(p + sum_at, ~sum);
}

static void mend(uint8_t *image, size_t bytes)
{
    if (strcmp(FUZZED, "VHDX") == 0 && bytes > 256u << 10)
        hostile_vhdx_sums(image);
    if (strcmp(FUZZED, "VHD") != 0 || bytes < 512)
        return;
    if (bytes > 2048) {
        sum_vhd(image, 512, 64);
        sum_vhd(image + 512, 1024, 36);
    }
    sum_vhd(image + bytes - 512, 512, 64);
}

/* Files lie in memory, holes and all: they stay small, as with a limit of the host's. */
static int64_t small_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    if (off_bytes > MAX_FILE || bytes > MAX_FILE - off_bytes)
        return -EFBIG;
    return fio_crash_io(ctx)->pwrite(ctx, fd, buf, bytes, off_bytes);
}

static int small_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    return size_bytes > MAX_FILE ? -EFBIG : fio_crash_io(ctx)->ftruncate(ctx, fd, size_bytes);
}

static int small_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    if (off_bytes > MAX_FILE || bytes > MAX_FILE - off_bytes)
        return -EFBIG;
    return fio_crash_io(ctx)->fallocate(ctx, fd, mode, off_bytes, bytes);
}

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
    struct fio small = *fio_crash_io(disk);
    const struct fio *io = &small;
    g_autofree uint8_t *image = g_memdup2(data, bytes);
    int fd = -1;

    small.pwrite = small_pwrite;
    small.pwritev = NULL;
    small.ftruncate = small_ftruncate;
    small.fallocate = small_fallocate;
    mend(image, bytes);
    if (fio_open(io, "/image", O_RDWR | O_CREAT, 0600, &fd) == 0) {
        fio_write(io, fd, image, bytes, 0);
        fio_close(io, fd);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        struct vd *vd = vd_open(io, FUZZED, "/image", flags[i], NULL);

        if (vd && !(flags[i] & VD_READ_ONLY))
            change(vd);
        else if (vd)
            examine(vd);
        vd_close(vd);
    }
    fio_crash_free(disk);
    return 0;
}

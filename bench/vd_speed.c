/*
 * vd_speed.c - measures the disk library: "vd_speed alloc|chain FOLDER [REPEATS]" prints medians and their ratio.
 *
 *     alloc   writing 256 MiB in pieces of 64 KiB into a new dynamic VDI / a new fixed one: processor time, and the
 * clock with the flush chain   4 KiB random reads through 20 images / of one flat image, both in the page cache
 *
 * Rounds of both alternate, so other load on the host meets both alike.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/chain.h"

#define SIZE        (256u << 20)
#define DEPTH       20
#define READS       40000
#define MAX_REPEATS 99

static double clock_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of this thread: what the library costs, without waiting. */
static double now_s(void)
{
    return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return v[n / 2];
}

static void must(bool ok, GError *error)
{
    if (ok)
        return;
    fprintf(stderr, "vd_speed: %s\n", error ? error->message : "a request failed");
    exit(1);
}

static void make(const char *path, struct vd *parent, bool fixed)
{
    const struct vd_create args = {.format = "VDI", .path = path, .size_bytes = SIZE, .parent = parent, .fixed = fixed};
    GError *error = NULL;
    bool ok;

    g_unlink(path);
    ok = vd_create(fio_system(), &args, &error);
    must(ok, error);
}

static double write_all(struct vd *vd)
{
    static uint8_t piece[64 << 10];
    double started = now_s();

    memset(piece, 0x5a, sizeof(piece));
    for (uint64_t at = 0; at < SIZE; at += sizeof(piece))
        must(vd_write(vd, at, piece, sizeof(piece)) == 0, NULL);
    return now_s() - started;
}

static double read_some(struct vd *vd, uint32_t seed)
{
    GRand *rand = g_rand_new_with_seed(seed);
    uint8_t buf[4096];
    double started = now_s();

    for (int i = 0; i < READS; i++)
        must(vd_read(vd, (uint64_t)(g_rand_int(rand) % (SIZE / 4096)) * 4096, buf, sizeof(buf)) == 0, NULL);
    g_rand_free(rand);
    return now_s() - started;
}

static void print(const char *what, double *a, double *b, int n)
{
    double x = median(a, n), y = median(b, n);

    printf("%s: %.3f s, %.3f s, ratio %.3f (medians of %d)\n", what, x, y, x / y, n);
}

/* One round: a new image, written from end to end; CPU time, and @ret_elapsed until all is on the disk. */
static double round_of(const char *path, bool fixed, double *ret_elapsed)
{
    GError *error = NULL;
    double s, started;
    struct vd *vd;

    make(path, NULL, fixed);
    vd = vd_open(fio_system(), "VDI", path, 0, &error);
    must(vd != NULL, error);
    started = clock_s(CLOCK_MONOTONIC);
    s = write_all(vd);
    must(vd_flush(vd) == 0, NULL);
    *ret_elapsed = clock_s(CLOCK_MONOTONIC) - started;
    vd_close(vd);
    g_unlink(path);
    return s;
}

static void run_alloc(const char *folder, int n)
{
    g_autofree char *path = g_build_filename(folder, "alloc.vdi", NULL);
    double dynamic[MAX_REPEATS], fixed[MAX_REPEATS], dynamic_clock[MAX_REPEATS], fixed_clock[MAX_REPEATS];

    for (int i = 0; i < n; i++) {
        dynamic[i] = round_of(path, false, &dynamic_clock[i]);
        fixed[i] = round_of(path, true, &fixed_clock[i]);
    }
    print("new blocks, preallocated", dynamic, fixed, n);
    print("the same by the clock, flushed", dynamic_clock, fixed_clock, n);
}

/* Blocks spread over all images: each level writes its share of the blocks. */
static void run_chain(const char *folder, int n)
{
    g_autofree char *flat_path = g_build_filename(folder, "flat.vdi", NULL);
    struct vd_link links[DEPTH];
    double deep[MAX_REPEATS], flat[MAX_REPEATS];
    GError *error = NULL;
    uint8_t *block = g_malloc(1 << 20);
    struct vd *vd, *one;

    memset(block, 0x77, 1 << 20);
    for (unsigned level = 0; level < DEPTH; level++) {
        struct vd *parent = level ? vd_open_chain(fio_system(), links, level, VD_READ_ONLY, &error) : NULL;

        links[level] = (struct vd_link){"VDI", g_strdup_printf("%s/level%u.vdi", folder, level)};
        make(links[level].path, parent, false);
        vd_close(parent);
        vd = vd_open_chain(fio_system(), links, level + 1, 0, &error);
        must(vd != NULL, error);
        for (uint64_t b = level; b < SIZE >> 20; b += DEPTH)
            must(vd_write(vd, b << 20, block, 1 << 20) == 0, NULL);
        must(vd_flush(vd) == 0, NULL);
        vd_close(vd);
    }
    make(flat_path, NULL, false);
    one = vd_open(fio_system(), "VDI", flat_path, 0, &error);
    must(one != NULL, error);
    for (uint64_t b = 0; b < SIZE >> 20; b++)
        must(vd_write(one, b << 20, block, 1 << 20) == 0, NULL);
    vd = vd_open_chain(fio_system(), links, DEPTH, 0, &error);
    must(vd != NULL, error);
    for (int i = 0; i < n; i++) {
        deep[i] = read_some(vd, (uint32_t)i);
        flat[i] = read_some(one, (uint32_t)i);
    }
    vd_close(vd);
    vd_close(one);
    for (unsigned level = 0; level < DEPTH; level++) {
        g_unlink(links[level].path);
        g_free((char *)links[level].path);
    }
    g_unlink(flat_path);
    g_free(block);
    print("20 images, flat image", deep, flat, n);
}

int main(int argc, char **argv)
{
    int n = argc > 3 ? CLAMP(atoi(argv[3]), 1, MAX_REPEATS) : 7;

    if (argc > 2 && strcmp(argv[1], "alloc") == 0)
        run_alloc(argv[2], n);
    else if (argc > 2 && strcmp(argv[1], "chain") == 0)
        run_chain(argv[2], n);
    else
        return fprintf(stderr, "usage: vd_speed alloc|chain FOLDER [REPEATS]\n"), 2;
    return 0;
}

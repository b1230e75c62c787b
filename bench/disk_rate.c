/*
 * disk_rate.c - how fast a guest's disk is: bench/disk.sh runs it in guests, as a static program.
 *
 *     disk_rate MIB SECONDS [FIGURE...]    the disk of that size under /sys/block; that long for each figure, or some
 *
 * O_DIRECT, so that the guest's cache has no part in it. "1 MiB" figures go through the disk in order, one request at a
 * time; "4 KiB" ones jump, with 1 and with 8 threads. "begin FIGURE" stands in front of each, "rate FIGURE RATE
 * REQUESTS" behind it: bench/disk.py asks then how much CPU time the machine's process has used.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 8

struct job {
    int fd;
    uint64_t bytes;
    size_t step;
    bool write, jumps;
    double seconds;
    unsigned seed;
    uint64_t done;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *work(void *arg)
{
    struct job *j = arg;
    const double end = now() + j->seconds;
    const uint64_t steps = j->bytes / j->step;
    uint64_t at = 0;
    void *buf;

    if (posix_memalign(&buf, 4096, j->step))
        exit(1);
    memset(buf, 0x5a, j->step);
    while (now() < end) {
        const uint64_t off = j->jumps ? (uint64_t)rand_r(&j->seed) % steps * j->step : at++ % steps * j->step;
        const ssize_t n = j->write ? pwrite(j->fd, buf, j->step, (off_t)off) : pread(j->fd, buf, j->step, (off_t)off);

        if (n != (ssize_t)j->step) {
            perror("disk_rate");
            exit(1);
        }
        j->done++;
    }
    free(buf);
    return NULL;
}

/* Requests per second; @ret_done: how many in all. */
static double rate(const struct job *like, unsigned threads, uint64_t *ret_done)
{
    struct job jobs[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    const double start = now();
    uint64_t done = 0;

    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = *like;
        jobs[i].seed = i + 1;
        pthread_create(&ids[i], NULL, work, &jobs[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        done += jobs[i].done;
    }
    *ret_done = done;
    return (double)done / (now() - start);
}

static int open_disk(uint64_t bytes)
{
    DIR *dir = opendir("/sys/block");
    struct dirent *e;
    int fd = -1;

    while (dir && fd < 0 && (e = readdir(dir))) {
        char path[300];
        unsigned long long sectors = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/sys/block/%s/size", e->d_name);
        f = fopen(path, "r");
        if (f && fscanf(f, "%llu", &sectors) == 1 && sectors * 512 == bytes) {
            snprintf(path, sizeof(path), "/dev/%s", e->d_name);
            fd = open(path, O_RDWR | O_DIRECT);
        }
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return fd;
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 3; i < argc; i++)
        if (!strcmp(argv[i], name))
            return true;
    return argc == 3;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t step;
        bool write, jumps;
        unsigned threads;
    } figures[] = {{"read-1M", 1 << 20, false, false, 1}, {"write-1M", 1 << 20, true, false, 1},
                   {"read-4k", 4096, false, true, 1},     {"write-4k", 4096, true, true, 1},
                   {"read-4k-8", 4096, false, true, 8},   {"write-4k-8", 4096, true, true, 8}};
    const uint64_t bytes = argc >= 3 ? strtoull(argv[1], NULL, 0) << 20 : 0;
    int fd = -1;

    for (unsigned tries = 0; argc >= 3 && fd < 0 && tries < 100; tries++) { /* disks are found in the background */
        fd = open_disk(bytes);
        usleep(100000);
    }
    if (fd < 0) {
        fprintf(stderr, "disk_rate: no such disk\n");
        return 1;
    }
    for (unsigned i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        if (!wanted(figures[i].name, argc, argv))
            continue;
        const struct job j = {.fd = fd,
                              .bytes = bytes,
                              .step = figures[i].step,
                              .write = figures[i].write,
                              .jumps = figures[i].jumps,
                              .seconds = atof(argv[2])};
        uint64_t done;
        double per_second;

        printf("begin %s\n", figures[i].name);
        fflush(stdout);
        per_second = rate(&j, figures[i].threads, &done);
        printf("rate %s %.1f %llu\n", figures[i].name,
               figures[i].step == 4096 ? per_second : per_second * (double)figures[i].step / 1e6,
               (unsigned long long)done);
        fflush(stdout);
    }
    return 0;
}

/*
 * busy.c - a guest's only program that keeps all of it busy and says so: processes for arithmetic, memory, children, a
 * pipe between two processors, sleep, a disk that is written and one that is read, each checking what it gets.
 *
 * "tick N" appears on standard output when every one of them has got on since the last tick (most often every 10 ms),
 * "wrong: WHAT" when one got what it should not have got, "waiting: WHO ..." for each second without a tick.
 * A saved state may come back while the disk has gone on, so what was read may be older or younger than what was
 * written; only what differs AGAIN_MAX times in a row is wrong.
 *
 * Usage: busy WRITTEN_DEVICE READ_DEVICE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_US     10000
#define AGAIN_MAX   3
#define BLOCK_BYTES 16384
#define BLOCKS      64 /* of the written device */
#define MAP_WORDS   (256 * 1024 / sizeof(uint64_t))

static const char *written_device, *read_device;

static void wrong(const char *what)
{
    printf("wrong: %s\n", what);
    fflush(stdout);
    exit(1);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        wrong("sched_setaffinity");
}

/* ---- one round of each; the number of the round is an argument ---- */

static void arithmetic(uint64_t round)
{
    static uint64_t whole_first;
    static double real_first;
    uint64_t whole = 1;
    volatile long double x87 = 1.0L;
    double real = 0;

    for (unsigned k = 1; k < 4000; k++) {
        whole = mix(whole + k);
        real += sqrt(k) * (double)(whole & 1023);
        x87 = x87 * 1.0000001L + 1.0L / k;
    }
    real += (double)x87;
    if (round == 1)
        whole_first = whole, real_first = real;
    else if (whole != whole_first || real != real_first)
        wrong("another sum");
}

/* Two threads on two processors map, fill, check and unmap: page faults, and translations taken from each other. */
static void *map_and_check(void *cpu)
{
    pin(*(int *)cpu);
    for (unsigned k = 0; k < 4; k++) {
        uint64_t *p = mmap(NULL, MAP_WORDS * sizeof *p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            wrong("mmap");
        for (size_t n = 0; n < MAP_WORDS; n += 32)
            p[n] = mix(n + k);
        for (size_t n = 0; n < MAP_WORDS; n += 16)
            if (p[n] != (n % 32 == 0 ? mix(n + k) : 0))
                wrong("memory changed");
        munmap(p, MAP_WORDS * sizeof *p);
    }
    return NULL;
}

static void memory(uint64_t round)
{
    static int cpu[2] = {0, 1};
    pthread_t other;

    (void)round;
    if (pthread_create(&other, NULL, map_and_check, &cpu[1]) != 0)
        wrong("pthread_create");
    map_and_check(&cpu[0]);
    pthread_join(other, NULL);
}

static void children(uint64_t round)
{
    int status, code = (int)(round & 127);
    pid_t child = fork();

    if (child == 0)
        _exit(code);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != code)
        wrong("a child's end");
}

static void pipes(uint64_t round)
{
    static int there[2], back[2];
    uint64_t got;

    if (round == 1) {
        if (pipe(there) != 0 || pipe(back) != 0)
            wrong("pipe");
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            pin(1);
            while (read(there[0], &got, sizeof got) == sizeof got && ++got != 0)
                if (write(back[1], &got, sizeof got) != sizeof got)
                    break;
            _exit(1);
        }
        pin(0);
    }
    if (write(there[1], &round, sizeof round) != sizeof round || read(back[0], &got, sizeof got) != sizeof got ||
        got != round + 1)
        wrong("a pipe's answer");
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleeps(uint64_t round)
{
    const uint64_t from_ns = now_ns(), sleep_ns = 100000 * (1 + round % 16);
    struct timespec t = {.tv_nsec = (long)sleep_ns};

    if (nanosleep(&t, NULL) != 0 || now_ns() < from_ns + sleep_ns)
        wrong("the clock");
}

static void *block(void)
{
    static void *p;

    if (p == NULL && posix_memalign(&p, 4096, BLOCK_BYTES) != 0)
        wrong("posix_memalign");
    return p;
}

static void writes(uint64_t round)
{
    static int fd;
    uint64_t *words = block();
    const off_t at = (off_t)(mix(round) % BLOCKS) * BLOCK_BYTES;

    if (round == 1 && (fd = open(written_device, O_RDWR | O_DIRECT)) < 0)
        wrong(written_device);
    for (unsigned again = 1;; again++) {
        bool same = true;
        for (size_t k = 0; k < BLOCK_BYTES / sizeof *words; k++)
            words[k] = mix(round + k);
        if (pwrite(fd, words, BLOCK_BYTES, at) != BLOCK_BYTES || (round % 4 == 0 && fdatasync(fd) != 0))
            wrong("a write");
        memset(words, 0, BLOCK_BYTES);
        if (pread(fd, words, BLOCK_BYTES, at) != BLOCK_BYTES)
            wrong("a read");
        for (size_t k = 0; k < BLOCK_BYTES / sizeof *words; k++)
            same = same && words[k] == mix(round + k);
        if (same)
            return;
        if (again == AGAIN_MAX)
            wrong("the disk forgot");
    }
}

static void reads(uint64_t round)
{
    static int fd;
    static uint64_t first;
    uint64_t *words = block(), sum = 0;

    if (round == 1 && (fd = open(read_device, O_RDONLY | O_DIRECT)) < 0)
        wrong(read_device);
    if (pread(fd, words, BLOCK_BYTES, 0) != BLOCK_BYTES)
        wrong("a read");
    for (size_t k = 0; k < BLOCK_BYTES / sizeof *words; k++)
        sum = mix(sum + words[k]);
    if (round == 1)
        first = sum;
    else if (sum != first)
        wrong("the disk changed");
}

static const struct worker {
    const char *name;
    void (*run)(uint64_t round);
} workers[] = {
    {"arithmetic", arithmetic}, {"memory", memory}, {"children", children}, {"pipes", pipes},
    {"sleeps", sleeps},         {"writes", writes}, {"reads", reads},
};
#define WORKERS (sizeof workers / sizeof workers[0])

static void work(const struct worker *w, volatile uint64_t *rounds)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        w->run(*rounds + 1);
        ++*rounds;
    }
}

/* Who has not got on since @last; says so if @say. */
static bool all_got_on(volatile uint64_t *rounds, const uint64_t *last, bool say)
{
    bool all = true;

    for (unsigned k = 0; k < WORKERS; k++)
        if (rounds[k] == last[k]) {
            all = false;
            if (say)
                printf("waiting: %s\n", workers[k].name);
        }
    fflush(stdout);
    return all;
}

int main(int argc, char **argv)
{
    volatile uint64_t *rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t last[WORKERS] = {0};

    if (argc != 3 || rounds == MAP_FAILED) {
        fprintf(stderr, "busy: usage: busy WRITTEN_DEVICE READ_DEVICE\n");
        return 1;
    }
    written_device = argv[1];
    read_device = argv[2];
    for (unsigned k = 0; k < WORKERS; k++)
        if (fork() == 0)
            work(&workers[k], &rounds[k]);
    for (uint64_t tick = 1;; tick++) {
        for (unsigned k = 1; usleep(TICK_US), !all_got_on(rounds, last, k % (1000000 / TICK_US) == 0); k++)
            if (waitpid(-1, NULL, WNOHANG) > 0)
                return 1; /* it said what was wrong */
        memcpy(last, (const void *)rounds, sizeof last);
        printf("tick %llu\n", (unsigned long long)tick);
        fflush(stdout);
    }
}

/*
 * vram_store.c - how fast the guest stores into a frame buffer, beside RAM, and while its pages are collected 60 times
 * a second as a display does.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "harness.h"

#define FILL_BYTES 0x40000u
#define FRAME_US   16667

/* Each fills FILL_BYTES from RSI on, R8 times. */
static const struct fill {
    const char *name, *code;
    size_t bytes;
    unsigned store_bytes;
} fills[] = {
    /* mov rdi,rsi; mov ecx,10000h; l: mov [rdi],eax; add rdi,4; dec ecx; jnz l; dec r8; jnz */
    {"mov", "\x48\x89\xf7\xb9\x00\x00\x01\x00\x89\x07\x48\x83\xc7\x04\xff\xc9\x75\xf6\x49\xff\xc8\x75\xe9", 23, 4},
    /* mov rdi,rsi; mov ecx,8000h; rep stosq; dec r8; jnz */
    {"rep stosq", "\x48\x89\xf7\xb9\x00\x80\x00\x00\xf3\x48\xab\x49\xff\xc8\x75\xf0", 16, 8},
};

struct bench {
    struct isa *t;
    pgm_range vram;
    bool collect;
    unsigned frames;
};

static double seconds(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void drop(void *user, uint64_t gpa)
{
    pgm_mmu_drop_writes(&((struct isa *)user)->c->mmu, gpa);
}

static double run(struct bench *b, const struct fill *f, uint64_t turns)
{
    struct cpum_ctx *x = &b->t->c->ctx;
    double start, frame;
    uint64_t bits[8];

    isa_mode(b->t, X86_MODE_64);
    x->gpr[X86_RSI] = b->t->data;
    x->gpr[X86_R8] = turns;
    isa_load(b->t, f->code, f->bytes);
    x->rip = b->t->code;
    start = seconds(CLOCK_THREAD_CPUTIME_ID);
    frame = seconds(CLOCK_MONOTONIC);
    while (iem_run(b->t->c, 100000) == IEM_EXIT_BUDGET) {
        if (b->collect && (seconds(CLOCK_MONOTONIC) - frame) * 1e6 >= FRAME_US) {
            b->frames += pgm_dirty_collect(b->t->pgm, b->vram, bits, 512) != 0;
            frame = seconds(CLOCK_MONOTONIC);
        }
    }
    return (double)turns * FILL_BYTES / f->store_bytes / (seconds(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
}

int main(int argc, char **argv)
{
    struct bench b = {.t = isa_new()};
    uint64_t turns = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 500;
    void *mem;

    printf("million stores/s    RAM  frame buffer  collected at 60 Hz\n");
    for (size_t n = 0; n < G_N_ELEMENTS(fills); n++) {
        double rate[3] = {run(&b, &fills[n], turns)};
        if (n == 0 && pgm_devram_add(b.t->pgm, "vram", 2 << 20, &mem, &b.vram, NULL))
            pgm_sync_callback(b.t->pgm, drop, b.t);
        pgm_map(b.t->pgm, b.vram, ISA_DATA);
        rate[1] = run(&b, &fills[n], turns);
        b.collect = true;
        rate[2] = run(&b, &fills[n], turns);
        b.collect = false;
        pgm_unmap(b.t->pgm, b.vram);
        printf("%-16s %6.1f  %12.1f  %18.1f\n", fills[n].name, rate[0], rate[1], rate[2]);
    }
    isa_free(b.t);
    return b.frames == 0;
}

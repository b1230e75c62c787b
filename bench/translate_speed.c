/*
 * translate_speed.c - how quickly the recompiler reads and translates code: guest instructions per second of CPU time,
 * the best of several rounds.
 *
 * The code is this program's own text, copied into a guest's memory and translated run after run, each of which begins
 * where the one before ended; nothing of it is executed. Usage: translate_speed [ROUNDS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"
#include "vmm/rem/segment.h"

#define TEXT_MAX (12u << 20)
#define FIRST    0x400000u /* guest memory behind what the harness uses */

extern const char __executable_start[], etext[];

static double cpu_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Bytes that are no instruction (tables between functions) are stepped over. */
static void translate_page(struct rem *r, uint64_t gpa)
{
    struct rem_page *page;
    uint64_t key;

    rem_page_room(r);
    if (!rem_key(r->c, gpa, &key))
        g_error("no code at %" PRIx64, gpa);
    page = rem_page_get(r, gpa, key);
    for (unsigned off = 0; off < CSAM_PAGE_BYTES;) {
        const struct rem_block *b;
        rem_arena_room(r);
        r->c->ctx.rip = gpa + off;
        b = rem_translate(r, page, off);
        off = b != NULL ? rem_end_of(b) : off + 1;
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)MAX(1, atoi(argv[1])) : 5;
    uint64_t bytes = MIN((uint64_t)(etext - __executable_start) & ~(uint64_t)(CSAM_PAGE_BYTES - 1), TEXT_MAX);
    const char *from = etext - bytes;
    struct isa *t = isa_new();
    const struct rem_stats *s;
    struct rem_stats before = {0};
    double best = 0;

    isa_recompile(t, 0);
    isa_mode(t, X86_MODE_64);
    if (t->c->rem == NULL)
        return 1;
    memcpy(t->ram + FIRST, from, bytes);
    s = rem_stats(t->c);
    for (unsigned n = 0; n < rounds; n++) {
        double start;
        rem_forget_all(t->c->rem);
        before = *s;
        start = cpu_seconds();
        for (uint64_t at = 0; at < bytes; at += CSAM_PAGE_BYTES)
            translate_page(t->c->rem, FIRST + at);
        best = MAX(best, (double)(s->insns - before.insns) / (cpu_seconds() - start));
    }
    printf("%" PRIu64 " blocks, %" PRIu64 " instructions, %.2f million/s, %.1f host bytes each\n",
           s->blocks - before.blocks, s->insns - before.insns, best / 1e6,
           (double)(s->host_bytes - before.host_bytes) / (double)(s->insns - before.insns));
    isa_free(t);
    return 0;
}

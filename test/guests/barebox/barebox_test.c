/*
 * barebox_test.c - runs barebox on one bare interpreter: RAM, a debug port, nothing else; each of its lines is a test.
 *
 * The payload is put where its boot sector would have loaded it and started in real mode. A CPU that stops, shuts down
 * or runs away is a failure.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { PAYLOAD = 0x10000, SECTOR = 512, BUDGET = 200000000 };
/* The bench: reading says that it is here, writing raises the NMI (2), an interrupt, or says that a shutdown follows.
 */
enum { BENCH = 0x502, BENCH_HERE = 0xba, BENCH_SHUTDOWN = 0xfe };

struct console {
    GString *text;
    struct isa *t;
    bool off;
    bool shutdown_wanted;
    unsigned shutdowns;
};
static struct console console;

static uint32_t port_read(void *user, unsigned cpu, uint16_t port, unsigned size)
{
    (void)user, (void)cpu, (void)size;
    return port == BENCH ? BENCH_HERE : ~0u;
}

static void bench(uint8_t val)
{
    if (val == BENCH_SHUTDOWN)
        console.shutdown_wanted = true;
    else if (val == 2)
        ff_set(&console.t->c->ff, FF_NMI);
    else {
        console.t->irq = val;
        ff_set(&console.t->c->ff, FF_INTR);
    }
}

static void triple_fault(void *user, unsigned cpu)
{
    (void)user, (void)cpu;
    console.shutdowns++;
}

static void port_write(void *user, unsigned cpu, uint16_t port, uint32_t val, unsigned size)
{
    (void)user, (void)cpu, (void)size;
    if (port == 0xe9)
        g_string_append_c(console.text, (char)val);
    else if (port == 0x501)
        console.off = true;
    else if (port == BENCH)
        bench((uint8_t)val);
}

static void reset(struct isa *t)
{
    struct cpum_ctx *x = &t->c->ctx;

    cpum_reset(t->c, true);
    x->seg[X86_CS].sel = PAYLOAD >> 4;
    x->seg[X86_CS].base = PAYLOAD;
    x->rip = 0;
    cpum_mode_update(t->c);
}

/* After a shutdown that was asked for: once, and the payload goes on from its start with its memory as it is. */
static bool restart(struct isa *t)
{
    if (!console.shutdown_wanted || console.shutdowns != 1 || t->c->ctx.activity != CPUM_SHUTDOWN)
        return false;
    console.shutdown_wanted = false;
    reset(t);
    return true;
}

static void start(struct isa *t, const char *image, struct cpum_outside *outside)
{
    g_autofree char *bytes = NULL;
    size_t size;

    g_assert_true(g_file_get_contents(image, &bytes, &size, NULL));
    g_assert_cmpuint(size, >, SECTOR);
    memcpy(t->ram + PAYLOAD, bytes + SECTOR, MIN(size - SECTOR, 0x18000));
    *outside = *t->c->outside;
    outside->port_read = port_read;
    outside->port_write = port_write;
    outside->triple_fault = triple_fault;
    t->c->outside = outside;
    reset(t);
}

int main(int argc, char **argv)
{
    struct cpum_outside outside;
    struct isa *t = isa_new();
    g_auto(GStrv) lines = NULL;
    unsigned n = 0, bad = 0;
    enum iem_exit why = IEM_EXIT_BUDGET;

    if (argc != 2)
        return 2;
    console.text = g_string_new(NULL);
    console.t = t;
    start(t, argv[1], &outside);
    while (!console.off && t->c->stat_insns < BUDGET && why == IEM_EXIT_BUDGET) {
        why = iem_run(t->c, 100000);
        if (why == IEM_EXIT_SHUTDOWN && restart(t))
            why = IEM_EXIT_BUDGET;
    }
    lines = g_strsplit(console.text->str, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        bool ok = g_str_has_prefix(lines[i], "ok ");

        if (!ok && !strstr(lines[i], "FAIL "))
            continue;
        bad += !ok;
        printf("%sok %u - %s\n", ok ? "" : "not ", ++n, lines[i]);
    }
    printf("%sok %u - finished%s\n1..%u\n", console.off ? "" : "not ", n + 1,
           why == IEM_EXIT_SHUTDOWN ? " (shutdown)" : "", n + 1);
    if (!console.off)
        printf("# stopped at %04x:%llx, reason %d\n", t->c->ctx.seg[X86_CS].sel, (unsigned long long)t->c->ctx.rip,
               why);
    g_string_free(console.text, TRUE);
    isa_free(t);
    return bad || !console.off;
}

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

struct console {
    GString *text;
    bool off;
};
static struct console console;

static uint32_t port_read(void *user, unsigned cpu, uint16_t port, unsigned size)
{
    (void)user, (void)cpu, (void)port, (void)size;
    return ~0u;
}

static void port_write(void *user, unsigned cpu, uint16_t port, uint32_t val, unsigned size)
{
    (void)user, (void)cpu, (void)size;
    if (port == 0xe9)
        g_string_append_c(console.text, (char)val);
    else if (port == 0x501)
        console.off = true;
}

static void start(struct isa *t, const char *image, struct cpum_outside *outside)
{
    struct cpum_ctx *x = &t->c->ctx;
    g_autofree char *bytes = NULL;
    size_t size;

    g_assert_true(g_file_get_contents(image, &bytes, &size, NULL));
    g_assert_cmpuint(size, >, SECTOR);
    memcpy(t->ram + PAYLOAD, bytes + SECTOR, MIN(size - SECTOR, 0x18000));
    *outside = *t->c->outside;
    outside->port_read = port_read;
    outside->port_write = port_write;
    t->c->outside = outside;
    cpum_reset(t->c, true);
    x->seg[X86_CS].sel = PAYLOAD >> 4;
    x->seg[X86_CS].base = PAYLOAD;
    x->rip = 0;
    cpum_mode_update(t->c);
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
    start(t, argv[1], &outside);
    while (!console.off && t->c->stat_insns < BUDGET && why == IEM_EXIT_BUDGET)
        why = iem_run(t->c, 100000);
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

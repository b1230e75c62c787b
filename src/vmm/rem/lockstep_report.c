/*
 * lockstep_report.c - a difference between the interpreter and translated code as text. Made once, by the vCPU's
 * thread, into room that is there already.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/rem/lockstep_int.h"

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static const char *const seg_names[X86_SREG_COUNT][2] = {{"es.base", "es"}, {"cs.base", "cs"}, {"ss.base", "ss"},
                                                         {"ds.base", "ds"}, {"fs.base", "fs"}, {"gs.base", "gs"}};

struct sheet {
    char *text;
    size_t size, used;
};

static void G_GNUC_PRINTF(2, 3) put(struct sheet *s, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(s->text + s->used, s->size - s->used, fmt, args);
    va_end(args);
    s->used = MIN(s->used + (size_t)MAX(n, 0), s->size - 1);
}

static void put_word(struct sheet *s, const char *name, uint64_t expect, uint64_t got)
{
    if (expect != got)
        put(s, "%s: interpreter %016" PRIx64 ", recompiler %016" PRIx64 "\n", name, expect, got);
}

static void put_bytes(struct sheet *s, const char *what, unsigned n, const uint8_t *a, const uint8_t *b, unsigned bytes)
{
    if (memcmp(a, b, bytes) == 0)
        return;
    put(s, "%s%u: interpreter ", what, n);
    for (unsigned k = bytes; k-- > 0;)
        put(s, "%02x", a[k]);
    put(s, ", recompiler ");
    for (unsigned k = bytes; k-- > 0;)
        put(s, "%02x", b[k]);
    put(s, "\n");
}

static void put_event(struct sheet *s, const char *who, bool raised, const struct trpm_event *e)
{
    if (raised)
        put(s, "%s vector %u error %x", who, e->vector, e->error);
    else
        put(s, "%s none", who);
}

static void put_fpu(struct sheet *s, const uint8_t *a, const uint8_t *b)
{
    put_bytes(s, "x87 control, status, tags", 0, a, b, 5);
    put_bytes(s, "mxcsr", 0, a + 24, b + 24, 4);
    for (unsigned n = 0; n < 8; n++)
        put_bytes(s, "st", n, a + 32 + 16 * n, b + 32 + 16 * n, 16);
    for (unsigned n = 0; n < 16; n++)
        put_bytes(s, "xmm", n, a + 160 + 16 * n, b + 160 + 16 * n, 16);
    for (unsigned n = 0; n < 16; n++)
        put_bytes(s, "ymm high ", n, a + 576 + 16 * n, b + 576 + 16 * n, 16);
}

static void put_memory(struct sheet *s, const struct lockstep_touch *t)
{
    unsigned from = 0, to = t->bytes;

    while (from < to && t->hva[from] == t->after[from])
        from++;
    if (from == to)
        return;
    while (t->hva[to - 1] == t->after[to - 1])
        to--;
    put(s, "memory at %016" PRIx64, t->gla + from);
    put_bytes(s, ", bytes ", to - from, t->after + from, t->hva + from, to - from);
}

static void put_differences(struct sheet *s, const struct rem_lockstep *ls)
{
    const struct cpum_ctx *a = &ls->expect, *b = &ls->got;

    put_word(s, "rip", a->rip, b->rip);
    for (unsigned n = 0; n < 16; n++)
        put_word(s, gpr_names[n], a->gpr[n], b->gpr[n]);
    put_word(s, "rflags", a->rflags & ~ls->undefined, b->rflags & ~ls->undefined);
    put_word(s, "cr2", a->cr2, b->cr2);
    for (unsigned n = 0; n < X86_SREG_COUNT; n++) {
        put_word(s, seg_names[n][0], a->seg[n].base, b->seg[n].base);
        put_word(s, seg_names[n][1], a->seg[n].sel, b->seg[n].sel);
    }
    put_word(s, "kernel_gs_base", a->kernel_gs_base, b->kernel_gs_base);
    put_fpu(s, a->fpu.area, b->fpu.area);
    for (unsigned n = 0; n < ls->touches; n++)
        put_memory(s, &ls->touch[n]);
    if (ls->raises || ls->got_raise) {
        put_event(s, "exception: interpreter", ls->raises, &ls->event);
        put_event(s, ", recompiler", ls->got_raise, &ls->got_event);
        put(s, "\n");
    }
}

void lockstep_report(struct rem *r, const struct trpm_event *event)
{
    struct rem_lockstep *ls = r->lockstep;
    struct sheet list = {ls->differences, sizeof ls->differences, 0}, line = {ls->text, sizeof ls->text, 0};

    ls->got = r->c->ctx;
    ls->got_raise = event != NULL;
    if (event != NULL)
        ls->got_event = *event;
    put_differences(&list, ls);
    put(&line, "recompiler and interpreter differ over the code at %" PRIx64 ": %.*s", ls->before.rip,
        (int)strcspn(ls->differences, "\n"), ls->differences);
}

const char *rem_difference(const struct vcpu *c)
{
    return c->rem != NULL && c->rem->lockstep != NULL && c->rem->lockstep->failed ? c->rem->lockstep->text : NULL;
}

static void put_state(GString *out, const char *who, const struct cpum_ctx *x)
{
    g_string_append_printf(out, "%s:\n", who);
    for (unsigned n = 0; n < 16; n++)
        g_string_append_printf(out, "%-3s=%016" PRIx64 "%c", gpr_names[n], x->gpr[n], n % 4 == 3 ? '\n' : ' ');
    g_string_append_printf(out, "rip=%016" PRIx64 " rflags=%08" PRIx64 " cr2=%016" PRIx64 "\n", x->rip, x->rflags,
                           x->cr2);
}

uint64_t rem_lockstep_info(const struct vcpu *c, GString *out)
{
    if (c->rem == NULL || c->rem->lockstep == NULL) {
        g_string_append(out, "The recompiler does not run in lockstep.\n");
        return 0;
    }
    const struct rem_lockstep *ls = c->rem->lockstep;
    if (!ls->failed) {
        g_string_append_printf(out, "%" PRIu64 " stretches of code verified, %" PRIu64 " not, no difference.\n",
                               c->rem->stats.verified, c->rem->stats.unverified);
        return 0;
    }
    g_string_append_printf(out, "%s\n%s", ls->text, ls->differences);
    put_state(out, "Before", &ls->before);
    put_state(out, "After, interpreter", &ls->expect);
    put_state(out, "After, recompiler", &ls->got);
    return ls->before.rip;
}

/*
 * guest_run.c - see guest_run.h.
 *
 * The guest is in long mode at CPL 3. Its user half is mapped like the host's: code and window, nothing else; tables,
 * stack and exception handlers lie in a supervisor mapping above. Behind the instruction stands HLT, which is #GP(0)
 * here: so an instruction that ends well ends in the handler as well as one that faults, and RIP in the frame tells
 * them apart. Handlers are HLT too, at CPL 0.
 */
#include "guest_run.h"

#include "vmm/iem/assist.h"

#include <string.h>

#include "vmm/iem/iem.h"
#include "vmm/raw/raw.h"

#define PML4      0xa000u
#define PDPT      0xb000u
#define PD        0xc000u
#define PT        0xd000u
#define PDPT_HIGH 0xe000u
#define PD_HIGH   0xf000u
#define HIGH      (1ull << 39) /* second entry of PML4: physical 0 */
#define GDT       0x1000u
#define IDT       0x2000u
#define TSS       0x9000u
#define TSS_IST1  36u
#define PRESENT   3u /* writable, supervisor */
#define USER      7u
#define PAGE_2M   0x80u
#define RUN_MAX   64u
#define FX_FOP    6u
#define FX_FIP    8u
#define FX_FDP    16u
#define FX_MXCSR  24u

enum { VECTOR_DF = 8, VECTOR_TS = 10, VECTOR_GP = 13, VECTOR_PF = 14, VECTOR_AC = 17 };

static enum iem_exit rem_run(struct vcpu *c, uint64_t max_insns)
{
    return iem_run(c, MAX(max_insns, 10 * IEM_FAST_BUDGET));
}

static const struct engine engines[] = {
    {.name = "iem", .run = iem_run},
    {.name = "rem", .run = rem_run, .recompile = true},
    {.name = "raw", .run = rem_run, .native = true},
};

const struct engine *engine_find(const char *name, const char **ret_names)
{
    static char names[64];

    names[0] = '\0';
    for (size_t n = 0; n < G_N_ELEMENTS(engines); n++) {
        if (strcmp(engines[n].name, name) == 0)
            return &engines[n];
        g_strlcat(names, n ? ", " : "", sizeof names);
        g_strlcat(names, engines[n].name, sizeof names);
    }
    *ret_names = names;
    return NULL;
}

static void put64(struct guest *g, uint64_t gpa, uint64_t val)
{
    memcpy(g->t->ram + gpa, &val, 8);
}

static void map(struct guest *g)
{
    memset(g->t->ram + PML4, 0, PD_HIGH + 0x1000 - PML4);
    put64(g, PML4, PDPT | USER);
    put64(g, PML4 + 8, PDPT_HIGH | PRESENT);
    put64(g, PDPT, PD | USER);
    put64(g, PD + 8 * (WORLD_CODE >> 21), PT | USER);
    put64(g, PT + 8 * (WORLD_CODE >> 12 & 511), WORLD_CODE | USER);
    for (uint32_t gpa = WORLD_WINDOW; gpa < WORLD_WINDOW_END; gpa += 0x1000)
        put64(g, PT + 8 * (gpa >> 12 & 511), gpa | USER);
    put64(g, PDPT_HIGH, PD_HIGH | PRESENT);
    put64(g, PD_HIGH, PAGE_2M | PRESENT);
}

/* Handlers and the stack they use, in the supervisor mapping. */
static void vectors(struct guest *g)
{
    const uint64_t stack = HIGH + ISA_STACK;

    for (uint64_t v = 0; v < 256; v++) {
        uint64_t at = HIGH + ISA_HANDLERS + 16 * v;

        put64(g, IDT + 16 * v, (at >> 16 & 0xffff) << 48 | 0xeeull << 40 | 1ull << 32 | 8ull << 16 | (at & 0xffff));
        put64(g, IDT + 16 * v + 8, at >> 32);
    }
    memcpy(g->t->ram + TSS + TSS_IST1, &stack, 8);
}

static struct cpum_seg segment(unsigned n)
{
    const struct world_segment_spec *s = &world_segments[n];

    if (n == WORLD_SEG_NULL)
        return (struct cpum_seg){.attr = CPUM_SEG_UNUSABLE};
    return (struct cpum_seg){.sel = s->sel, .attr = s->attr, .limit = s->limit, .base = s->base};
}

static void prepare(struct guest *g, unsigned number)
{
    struct cpum_ctx *x = &g->t->c->ctx;

    isa_mode(g->t, X86_MODE_64);
    map(g);
    vectors(g);
    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        x->seg[n] = segment(worlds[number].seg[n]);
    x->gdtr.base = HIGH + GDT;
    x->idtr.base = HIGH + IDT;
    x->tr.base = HIGH + TSS;
    x->cr3 = PML4;
    x->cr0 |= CPUM_CR0_AM;
    x->cpl = 3;
    g_assert_true(cpum_loaded(g->t->c));
    g->fresh[number] = *x;
}

void guest_init(struct guest *g, const struct engine *engine)
{
    g->t = isa_new();
    g->engine = engine;
    if (engine->recompile)
        isa_recompile(g->t, 0);
    if (engine->native) {
        g_autoptr(GError) error = NULL;

        isa_native(g->t, &error);
        g_assert_no_error(error);
    }
    g->window = g->t->ram + WORLD_WINDOW;
    for (unsigned n = 0; n < WORLDS; n++)
        prepare(g, n);
    pgm_mmu_flush(&g->t->c->mmu, true);
}

void guest_fini(struct guest *g)
{
    g_assert_true(!g->engine->native || raw_stats(g->t->c)->enters > 0);
    isa_free(g->t);
}

void guest_load(struct guest *g, const struct world *w, const uint8_t *insn, size_t bytes)
{
    static const uint8_t hlt = 0xf4;

    g->world = w;
    pgm_phys_write(g->t->pgm, WORLD_CODE, insn, bytes);
    pgm_phys_write(g->t->pgm, WORLD_CODE + bytes, &hlt, 1);
    pgm_phys_write(g->t->pgm, WORLD_CODE + WORLD_TAKEN, &hlt, 1);
}

static void set_fpu(struct cpum_ctx *x, const uint8_t *image)
{
    memcpy(x->fpu.area, image, WORLD_FPU_BYTES);
    memcpy(&x->fop, image + FX_FOP, 2);
    memcpy(&x->fip, image + FX_FIP, 8);
    memcpy(&x->fdp, image + FX_FDP, 8);
    memset(x->fpu.area + FX_FOP, 0, FX_MXCSR - FX_FOP);
}

static void get_fpu(const struct cpum_ctx *x, uint8_t *image)
{
    memcpy(image, x->fpu.area, WORLD_FPU_BYTES);
    memcpy(image + FX_FOP, &x->fop, 2);
    memcpy(image + FX_FIP, &x->fip, 8);
    memcpy(image + FX_FDP, &x->fdp, 8);
}

static bool has_error_code(unsigned vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) || vector == VECTOR_AC;
}

static uint64_t frame(const struct guest *g, unsigned n)
{
    uint64_t val;

    memcpy(&val, g->t->ram + (g->t->c->ctx.gpr[X86_RSP] - HIGH) + 8ull * n, 8);
    return val;
}

/* HLT was reached, behind the instruction or where it branched to. */
static bool is_end(const struct guest *g, size_t insn_bytes, const struct cpu_state *r)
{
    uint64_t at = r->rip - world_code_offset(g->world);

    return at == insn_bytes || at == WORLD_TAKEN;
}

bool guest_run(struct guest *g, struct cpu_state *r, size_t insn_bytes, struct cpu_fault *ret_fault)
{
    struct vcpu *c = g->t->c;
    struct cpum_ctx *x = &c->ctx;
    uint64_t at;
    unsigned n = 0, vector;

    *x = g->fresh[g->world - worlds];
    memcpy(x->gpr, r->gpr, sizeof x->gpr);
    x->rflags = r->flags;
    x->rip = world_code_offset(g->world);
    set_fpu(x, r->fpu);
    cpum_mode_update(c);
    if (g->engine->run(c, RUN_MAX) != IEM_EXIT_HALT)
        return false;
    at = x->rip - 1 - HIGH - ISA_HANDLERS;
    if (x->cpl != 0 || at >= 256u * 16 || at % 16 != 0)
        return false;
    vector = (unsigned)(at / 16);
    *ret_fault = (struct cpu_fault){.vector = (int)vector, .address = x->cr2};
    if (has_error_code(vector))
        ret_fault->error = frame(g, n++);
    memcpy(r->gpr, x->gpr, sizeof x->gpr);
    r->rip = frame(g, n);
    r->flags = frame(g, n + 2) & ~(uint64_t)CPUM_FL_RF;
    r->gpr[X86_RSP] = frame(g, n + 3);
    get_fpu(x, r->fpu);
    if (vector == VECTOR_GP && ret_fault->error == 0 && is_end(g, insn_bytes, r))
        ret_fault->vector = -1;
    return true;
}

/*
 * host.c - runs the instructions the host CPU executes for the guest: finds or makes their thunks, moves the memory
 * operand, keeps MXCSR and EFLAGS apart, raises #XM.
 *
 * SIMD exceptions: the host runs with every exception masked. If an exception the guest has unmasked came up, the
 * instruction's register results are taken back (SDM vol. 1 11.5.2: no result is stored) and #XM is raised; an unmasked
 * pre-computation exception (IE, DE, ZE) hides the post-computation ones of the same instruction.
 * Left out: an unmasked underflow without loss of precision is not reported (masked, the host reports tiny *and*
 * inexact).
 */
#include "vmm/iem/host_int.h"

#include <string.h>

#define INDEX_ENTRIES (1u << 18)
#define MXCSR_OFF     24u
#define MXCSR_FLAGS   0x3fu
#define MXCSR_MASKS   0x1f80u
#define MXCSR_PRE     0x07u /* IE, DE, ZE */
#define HOST_MXCSR    0x1f80u
#define ARITH         ((uint64_t)CPUM_FL_ARITH)

bool host_init(struct vcpu *c, GError **error)
{
    struct iem_thunks *t = g_aligned_alloc0(1, sizeof *t, 64);

    if (!codemem_init(&t->mem, HOST_BYTES, error)) {
        g_aligned_free(t);
        return false;
    }
    t->index = g_new0(uint32_t, INDEX_ENTRIES);
    t->index_entries = INDEX_ENTRIES;
    t->used = HOST_SLOTS * HOST_THUNK_MAX;
    c->iem->thunks = t;
    return true;
}

void host_fini(struct vcpu *c)
{
    struct iem_thunks *t = c->iem->thunks;

    if (t == NULL)
        return;
    codemem_fini(&t->mem);
    g_free(t->index);
    g_aligned_free(t);
    c->iem->thunks = NULL;
}

/* ---- finding and making ---- */

static uint32_t hash(const uint8_t *code, size_t n)
{
    uint32_t h = 2166136261u;

    for (size_t k = 0; k < n; k++)
        h = (h ^ code[k]) * 16777619u;
    return h;
}

static host_thunk *as_function(const struct iem_thunks *t, size_t off)
{
    return (host_thunk *)(uintptr_t)(t->mem.rx + off);
}

/* CPUID serialises: what was just written through the other mapping is what will be fetched. */
static void serialize(void)
{
    uint32_t a = 0, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

host_thunk *host_thunk_for(struct iem_thunks *t, const struct x86_insn *i)
{
    uint8_t code[HOST_THUNK_MAX];
    size_t n = host_emit(code, i);

    if (n == 0)
        return NULL;
    size_t at = hash(code, n) & (t->index_entries - 1);
    for (; t->index[at] != 0; at = (at + 1) & (t->index_entries - 1)) {
        const uint8_t *have = t->mem.rw + t->index[at] - 1;
        if (memcmp(have, code, n) == 0)
            return as_function(t, t->index[at] - 1);
    }
    if (t->used + HOST_THUNK_MAX > t->mem.size_bytes || t->index_used >= t->index_entries / 4 * 3) {
        size_t off = (size_t)(t->slot++ % HOST_SLOTS) * HOST_THUNK_MAX;
        memcpy(t->mem.rw + off, code, n);
        serialize(); /* the slot may have been executed before */
        return as_function(t, off);
    }
    size_t off = t->used;
    memcpy(t->mem.rw + off, code, n);
    t->index[at] = (uint32_t)off + 1;
    t->index_used++;
    t->used += (n + 15) & ~(size_t)15;
    return as_function(t, off);
}

bool iem_thunk_make(struct vcpu *c, struct iem_op *op)
{
    struct iem_thunks *t = c->iem->thunks;
    bool full = t->used + HOST_THUNK_MAX > t->mem.size_bytes;
    host_thunk *fn = host_thunk_for(t, &op->i);

    op->thunk = full ? NULL : (const void *)(uintptr_t)fn; /* NULL: made when it runs */
    return fn != NULL;
}

/* ---- running ---- */

static const struct x86_operand *memory_operand(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_MEM)
            return &i->op[n];
    return NULL;
}

static uint32_t *mxcsr_of(struct vcpu *c)
{
    return (uint32_t *)(void *)(c->ctx.fpu.area + MXCSR_OFF);
}

static uint32_t run_simd(struct vcpu *c, host_thunk *fn, uint32_t control)
{
    uint32_t after;
    const uint32_t host = HOST_MXCSR;

    __asm__ volatile("ldmxcsr %0" ::"m"(control));
    fn(&c->ctx, &c->iem->thunks->io);
    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(after) : "m"(host) : "memory");
    return after & MXCSR_FLAGS;
}

/* Everything a SIMD floating-point instruction can change in the context. */
struct undo {
    uint64_t gpr[16];
    struct cpum_fpu fpu;
};

static _Noreturn void simd_exception(struct vcpu *c, const struct undo *before, uint32_t raised, uint32_t unmasked)
{
    if (unmasked & MXCSR_PRE)
        raised &= MXCSR_PRE;
    memcpy(c->ctx.gpr, before->gpr, sizeof c->ctx.gpr);
    c->ctx.fpu = before->fpu;
    *mxcsr_of(c) |= raised;
    iem_raise(c, (c->ctx.cr4 & CPUM_CR4_OSXMMEXCPT) ? XCPT_XM : XCPT_UD);
}

static void run_mxcsr(struct vcpu *c, host_thunk *fn)
{
    uint32_t guest = *mxcsr_of(c);
    struct undo before;
    bool masked = (guest & MXCSR_MASKS) == MXCSR_MASKS;

    if (!masked) {
        memcpy(before.gpr, c->ctx.gpr, sizeof before.gpr);
        before.fpu = c->ctx.fpu;
    }
    uint32_t raised = run_simd(c, fn, (guest & ~MXCSR_FLAGS) | MXCSR_MASKS);
    uint32_t unmasked = raised & ~(guest >> 7) & MXCSR_FLAGS;
    if (unmasked != 0)
        simd_exception(c, &before, raised, unmasked);
    *mxcsr_of(c) = guest | raised;
}

static void run_fn(struct vcpu *c, const struct iem_op *op, host_thunk *fn)
{
    const struct x86_row *row = op->i.row;
    struct host_io *io = &c->iem->thunks->io;

    io->flags = (c->ctx.rflags & ARITH) | CPUM_FL_1;
    if (row->rules & X86_RULE_MXCSR)
        run_mxcsr(c, fn);
    else
        fn(&c->ctx, io);
    if (row->flags_written != 0)
        iem_set_arith(c, io->flags, (uint64_t)(row->flags_written | row->flags_undefined) & ARITH);
}

void iem_host_insn(struct vcpu *c, const struct iem_op *op)
{
    struct iem_thunks *t = c->iem->thunks;
    const struct x86_operand *m = memory_operand(&op->i);
    host_thunk *fn = (host_thunk *)(uintptr_t)op->thunk;

    if (fn == NULL)
        fn = host_thunk_for(t, &op->i);
    if (host_is_x87(&op->i))
        host_x87_begin(c, op);
    if (m == NULL) {
        run_fn(c, op, fn);
        return;
    }
    uint64_t off = iem_ea(c, &op->i);
    bool aligned = (op->i.row->rules & X86_RULE_ALIGN) != 0;
    if (m->flags & X86_OPF_READ)
        iem_rd_bytes(c, op->i.seg, off, t->io.memory, m->bytes, aligned);
    if (m->flags & X86_OPF_WRITE) {
        if (aligned && (iem_gla(c, op->i.seg, off, m->bytes, PGM_WRITE) & (m->bytes - 1u)) != 0)
            iem_gp0(c);
        iem_probe_write(c, op->i.seg, off, m->bytes); /* a store that faults must not have popped ST(0) */
    }
    run_fn(c, op, fn);
    if (m->flags & X86_OPF_WRITE)
        iem_wr_bytes(c, op->i.seg, off, t->io.memory, m->bytes, aligned);
}

/*
 * host.c - runs the instructions the host CPU executes for the guest: finds or makes their thunks, moves the memory
 * operand, keeps MXCSR and EFLAGS apart, raises #XM.
 *
 * SIMD exceptions: the host runs with every exception masked. If an exception the guest has unmasked came up, the
 * instruction's register results are taken back (SDM vol. 1 11.5.2: no result is stored) and #XM is raised; an unmasked
 * pre-computation exception (IE, DE, ZE) hides the post-computation ones of the same instruction.
 * Masked, the host reports underflow where a result is tiny *and* inexact; unmasked, being tiny is enough, and hides
 * inexact (measured). So tiny results are looked for.
 * Left out: inexact beside an unmasked overflow, or beside an unmasked underflow of another element; tiny products
 * within DPPS and DPPD, and what else these had met when #XM stops them.
 */
#include "vmm/iem/host_int.h"

#include <string.h>

#define INDEX_ENTRIES (1u << 18)
#define MXCSR_OFF     24u
#define MXCSR_FLAGS   0x3fu
#define MXCSR_MASKS   0x1f80u
#define MXCSR_PRE     0x07u /* IE, DE, ZE */
#define MXCSR_UE      0x10u
#define MXCSR_PE      0x20u
#define MXCSR_UM      0x800u
#define MXCSR_FZ      0x8000u
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

/* Operations whose result may be too small; all others give integers, or return or widen an operand. */
static bool may_underflow(const char *name)
{
    static const char *const stems[] = {"ADD",   "SUB",   "MUL", "DIV",      "HADD",     "HSUB",    "DPP",
                                        "FMADD", "FMSUB", "FNM", "CVTSD2SS", "CVTPD2PS", "CVTPS2PH"};

    name += name[0] == 'V';
    for (unsigned n = 0; n < sizeof stems / sizeof stems[0]; n++)
        if (strncmp(name, stems[n], strlen(stems[n])) == 0)
            return true;
    return false;
}

static unsigned lane_bytes(const struct x86_insn *i, const char *type)
{
    if (i->row->feature == X86_FEAT_F16C)
        return 2;
    return type[1] == 'S' ? 4 : 8;
}

/* A result that is denormal though exact. */
static bool tiny_result(const struct vcpu *c, const struct x86_insn *i)
{
    static const uint8_t mantissa_bits[9] = {[2] = 10, [4] = 23, [8] = 52};
    const char *name = x86_mnem_name((enum x86_mnem)i->mnem), *type = name + strlen(name) - 2;
    unsigned lane = lane_bytes(i, type), bytes = type[0] == 'S' ? lane : i->op[0].bytes;
    const uint8_t *area = c->ctx.fpu.area + 16u * i->op[0].reg, *low = area + 160, *high = area + 576;

    if (i->op[0].kind == X86_OP_MEM)
        low = c->iem->thunks->io.memory;
    if (!may_underflow(name))
        return false;
    for (unsigned at = 0; at < bytes; at += lane) {
        uint64_t v = 0;

        memcpy(&v, at < 16 ? low + at : high + at - 16, lane);
        v &= (1ull << (8 * lane - 1)) - 1;
        if (v != 0 && v >> mantissa_bits[lane] == 0)
            return true;
    }
    return false;
}

static uint32_t unmask_underflow(const struct vcpu *c, const struct x86_insn *i, uint32_t raised)
{
    if (tiny_result(c, i))
        raised |= MXCSR_UE;
    return raised & MXCSR_UE ? raised & ~MXCSR_PE : raised;
}

static void run_mxcsr(struct vcpu *c, const struct iem_op *op, host_thunk *fn)
{
    uint32_t guest = *mxcsr_of(c);
    struct undo before;
    bool masked = (guest & MXCSR_MASKS) == MXCSR_MASKS, mmx = !masked && host_is_x87(&op->i);

    if (!masked) {
        if (mmx)
            iem_fpu_sync(c); /* into what is kept */
        memcpy(before.gpr, c->ctx.gpr, sizeof before.gpr);
        before.fpu = c->ctx.fpu;
        if (mmx)
            host_x87_load(c);
    }
    bool trap_tiny = !(guest & MXCSR_UM);
    uint32_t off = MXCSR_FLAGS | (trap_tiny ? MXCSR_FZ : 0); /* flushing to zero is for masked underflow only */
    uint32_t raised = run_simd(c, fn, (guest & ~off) | MXCSR_MASKS);
    if (trap_tiny)
        raised = unmask_underflow(c, &op->i, raised);
    uint32_t unmasked = raised & ~(guest >> 7) & MXCSR_FLAGS;
    if (unmasked != 0 && mmx)
        iem_fpu_sync(c); /* nothing of it stays on the host */
    if (unmasked != 0)
        simd_exception(c, &before, raised, unmasked);
    *mxcsr_of(c) = guest | raised;
}

static void run_fn(struct vcpu *c, const struct iem_op *op, host_thunk *fn)
{
    const struct x86_row *row = op->i.row;
    struct host_io *io = &c->iem->thunks->io;

    io->flags = (c->ctx.rflags & ARITH) | CPUM_FL_1;
    if (host_is_x87(&op->i))
        host_x87_note(c, op);
    if (row->rules & X86_RULE_MXCSR)
        run_mxcsr(c, op, fn);
    else
        fn(&c->ctx, io);
    if (row->flags_written != 0)
        iem_set_arith(c, io->flags, (uint64_t)(row->flags_written | row->flags_undefined) & ARITH);
}

/* Runs an x87 store into a buffer that holds @pattern. False: an unmasked exception kept it from storing, perhaps. */
static bool try_store(struct vcpu *c, const struct iem_op *op, host_thunk *fn, uint8_t pattern)
{
    struct host_io *io = &c->iem->thunks->io;
    uint8_t before[sizeof io->memory];

    memset(before, pattern, sizeof before);
    memset(io->memory, pattern, sizeof io->memory);
    host_x87_load(c);
    run_fn(c, op, fn);
    return !host_x87_error() || memcmp(io->memory, before, sizeof before) != 0;
}

/* With an unmasked exception an x87 store may store nothing; then it does not touch memory at all. And one whose memory
 * faults must not have popped ST(0). So the operation is tried first, with two patterns to be sure, and taken back. */
static void store_x87(struct vcpu *c, const struct iem_op *op, host_thunk *fn)
{
    struct x87_state {
        struct cpum_fpu fpu;
        uint64_t fip, fdp;
        uint16_t fcs, fds, fop;
    } before, after;
    const struct x86_operand *m = memory_operand(&op->i);
    struct cpum_ctx *x = &c->ctx;
    bool stored;

    iem_fpu_sync(c);
    before = (struct x87_state){x->fpu, x->fip, x->fdp, x->fcs, x->fds, x->fop};
    stored = try_store(c, op, fn, 0x5a);
    iem_fpu_sync(c);
    if (!stored) {
        x->fpu = before.fpu;
        stored = try_store(c, op, fn, 0xa5);
        iem_fpu_sync(c);
    }
    if (!stored)
        return;
    after = (struct x87_state){x->fpu, x->fip, x->fdp, x->fcs, x->fds, x->fop};
    x->fpu = before.fpu;
    x->fip = before.fip, x->fdp = before.fdp;
    x->fcs = before.fcs, x->fds = before.fds, x->fop = before.fop;
    iem_wr_bytes(c, op->i.seg, iem_ea(c, &op->i), c->iem->thunks->io.memory, m->bytes, IEM_ALIGN_AC);
    x->fpu = after.fpu;
    x->fip = after.fip, x->fdp = after.fdp;
    x->fcs = after.fcs, x->fds = after.fds, x->fop = after.fop;
}

/* VCVTPH2PS and VCVTPS2PH have exceptions of type 11: no #AC (SDM vol. 2 table 2-26). */
static enum iem_align alignment_of(const struct x86_insn *i)
{
    if (i->row->rules & X86_RULE_ALIGN)
        return IEM_ALIGN_GP;
    return i->row->feature == X86_FEAT_F16C ? IEM_ALIGN_ANY : IEM_ALIGN_AC;
}

static void run_insn(struct vcpu *c, const struct iem_op *op)
{
    struct iem_thunks *t = c->iem->thunks;
    const struct x86_operand *m = memory_operand(&op->i);
    host_thunk *fn = (host_thunk *)(uintptr_t)op->thunk;

    if (fn == NULL)
        fn = host_thunk_for(t, &op->i);
    if (m == NULL) {
        run_fn(c, op, fn);
        return;
    }
    if (host_may_not_store(&op->i)) {
        store_x87(c, op, fn);
        return;
    }
    uint64_t off = iem_ea(c, &op->i);
    enum iem_align align = alignment_of(&op->i);
    if (m->flags & X86_OPF_READ)
        iem_rd_bytes(c, op->i.seg, off, t->io.memory, m->bytes, align);
    if ((m->flags & X86_OPF_WRITE) && !(op->i.row->rules & X86_RULE_MXCSR)) /* VCVTPS2PH raises its exceptions first */
        iem_probe_write(c, op->i.seg, off, m->bytes, align); /* a store that faults must not have popped ST(0) */
    run_fn(c, op, fn);
    if (m->flags & X86_OPF_WRITE)
        iem_wr_bytes(c, op->i.seg, off, t->io.memory, m->bytes, align);
}

void iem_host_insn(struct vcpu *c, const struct iem_op *op)
{
    bool x87 = host_is_x87(&op->i);

    if (x87)
        host_x87_begin(c, op);
    run_insn(c, op);
    if (x87)
        host_x87_end(c);
}

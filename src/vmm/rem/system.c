/*
 * system.c - instructions of the operating system that translated code does itself: the interrupt flag, PUSHF, SWAPGS,
 * reading control and segment registers, time stamps. None of them leaves translated code.
 *
 * EFLAGS but the arithmetic flags live in ctx.rflags. A bit is taken out by PEXT and PDEP with the same mask, which is
 * AND without flags.
 *
 * Invariant 1: STI's shadow: the instruction behind STI is in the same block, so nobody asks for force flags between
 *   the two. Where that cannot be (STI is the last of its run) the interpreter does it, and where an interrupt waits
 *   for STI: translated code runs on while it waits (cpum_quiet()).
 */
#include "vmm/rem/segment.h"

/* to &= mask */
static void and_mask(struct emit *e, unsigned reg, const uint64_t *mask)
{
    e_bits(e, false, reg, reg, mask);
    e_bits(e, true, reg, reg, mask);
}

static bool at_cpl0(const struct vcpu *c) /* real mode included */
{
    return !(c->mode.key & (CPUM_KEY_V86 | CPUM_KEY_CPL));
}

static bool emit_clear(struct rem_tr *t, const uint64_t *mask)
{
    struct emit *e = &t->e;

    e_load(e, S, &t->c->ctx.rflags);
    and_mask(e, S, mask);
    e_store(e, &t->c->ctx.rflags, S);
    return true;
}

static bool emit_sti(struct rem_tr *t)
{
    struct x86_place set = e_at(S, CPUM_FL_IF);
    struct emit *e = &t->e;

    if (t->k + 1 >= t->r->run.count) /* inv 1 */
        return false;
    e_load32(e, S, &t->c->ff.no_interrupt);
    rem_miss(t, STUB_SLOW);
    e_load(e, S, &t->c->ctx.rflags);
    and_mask(e, S, &t->r->hot.mask_not_if);
    e_lea(e, true, S, &set);
    e_store(e, &t->c->ctx.rflags, S);
    return true;
}

/* The image to push, into hot.tmp: arithmetic flags by LAHF and SETO, the others from the context. */
static bool emit_pushf(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place sum = e_at_index(S, T0, 1, 0);
    struct rem_hot *hot = &t->r->hot;
    struct emit *e = &t->e;

    if ((t->bits64 && i->opsize != 8) || (t->c->mode.key & CPUM_KEY_V86))
        return false;
    rem_islands(t, REM_FAR, true);
    e_store(e, &hot->tmp, X86_RAX);
    E_BYTES(e, 0x9f, 0x0f, 0x90, 0xc0); /* lahf; seto al */
    E_BYTES(e, 0x0f, 0xb6, 0xcc);       /* movzx ecx, ah */
    E_BYTES(e, 0x44, 0x0f, 0xb6, 0xf0); /* movzx r14d, al */
    e_bits(e, true, T0, T0, &hot->mask_of);
    e_lea(e, true, S, &sum);
    e_load(e, T0, &t->c->ctx.rflags);
    and_mask(e, T0, &hot->mask_image);
    e_lea(e, true, S, &sum);
    e_load(e, X86_RAX, &hot->tmp);
    e_store(e, &hot->tmp, S);
    rem_emit_push_from(t, &hot->tmp);
    return true;
}

static bool emit_swapgs(struct rem_tr *t)
{
    struct cpum_ctx *x = &t->c->ctx;
    struct emit *e = &t->e;

    if (!at_cpl0(t->c) || !t->bits64)
        return false;
    e_load(e, S, &x->seg[X86_GS].base);
    e_load(e, T0, &x->kernel_gs_base);
    e_store(e, &x->seg[X86_GS].base, T0);
    e_store(e, &x->kernel_gs_base, S);
    return true;
}

/* S into a guest register of 4 or 8 bytes. */
static void to_guest(struct rem_tr *t, unsigned guest, bool wide)
{
    unsigned reg = rem_host_reg(guest);
    struct emit *e = &t->e;

    if (!wide)
        e_mov(e, false, S, S);
    if (reg == X86_REG_NONE)
        e_store(e, &t->c->ctx.gpr[guest], S);
    else
        e_mov(e, true, reg, S);
}

static bool emit_read_cr(struct rem_tr *t, const struct x86_insn *i)
{
    const struct cpum_ctx *x = &t->c->ctx;
    const uint64_t *const cr[] = {&x->cr0, NULL, &x->cr2, &x->cr3, &x->cr4};
    unsigned n = i->op[1].reg;

    if (!at_cpl0(t->c) || i->op[1].kind != X86_OP_CR || n >= G_N_ELEMENTS(cr) || cr[n] == NULL)
        return false;
    e_load(&t->e, S, cr[n]);
    to_guest(t, i->op[0].reg, t->bits64);
    return true;
}

static bool emit_mov_sreg(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place sel;

    if (i->op[0].kind == X86_OP_SREG)
        return rem_emit_load_sreg(t, i);
    if (i->op[0].kind != X86_OP_GPR || i->op[1].kind != X86_OP_SREG || i->op[1].reg >= X86_SREG_COUNT)
        return false;
    unsigned to = rem_host_reg(i->op[0].reg);
    if (i->op[0].bytes == 2 && to == X86_REG_NONE)
        return false;
    sel = e_abs(&t->c->ctx.seg[i->op[1].reg].sel);
    e_mem(&t->e, false, 0x0fb7, S, &sel); /* movzx ecx, word */
    if (i->op[0].bytes == 2)
        rem_emit_from_s16(&t->e, to);
    else
        to_guest(t, i->op[0].reg, true);
    return true;
}

/* Guest TSC = host TSC - offset, if the machine's clock is of that kind. */
static bool emit_rdtsc(struct rem_tr *t, bool with_aux)
{
    const struct vcpu *c = t->c;
    struct x86_place less_one = e_at(S, -1), sum = e_at_index(S, X86_RAX, 1, 0), minus = e_at_index(S, T0, 1, 1);
    struct x86_place value = e_at(T0, 0);
    const _Atomic uint64_t *offset = c->outside->tsc_offset ? c->outside->tsc_offset(c->outside_user, c->id) : NULL;
    struct emit *e = &t->e;

    if (offset == NULL)
        return false;
    if (!at_cpl0(c)) { /* CR4.TSD: the interpreter */
        e_load(e, S, &c->ctx.cr4);
        e_bits(e, false, S, S, &t->r->hot.mask_tsd);
        e_lea(e, true, S, &less_one);
        rem_miss(t, STUB_SLOW);
    }
    rem_islands(t, 90, true);
    e_mov_imm(e, T0, (uintptr_t)offset);
    e_mem(e, true, 0x8b, T0, &value);
    E_BYTES(e, 0x0f, 0x31);                       /* rdtsc */
    E_BYTES(e, 0xc4, 0xe3, 0xfb, 0xf0, 0xca, 32); /* rorx rcx, rdx, 32 */
    e_lea(e, true, S, &sum);
    E_BYTES(e, 0x49, 0xf7, 0xd6); /* not r14 */
    e_lea(e, true, S, &minus);
    e_mov(e, false, X86_RAX, S);
    E_BYTES(e, 0xc4, 0xe3, 0xfb, 0xf0, 0xd1, 32); /* rorx rdx, rcx, 32 */
    e_mov(e, false, X86_RDX, X86_RDX);
    if (with_aux)
        e_load32(e, HOST_RCX, &c->ctx.tsc_aux);
    return true;
}

bool rem_emit_system(struct rem_tr *t, const struct x86_insn *i)
{
    if (!cpum_has(t->c, i->feature) || i->lock)
        return false;
    switch (i->mnem) {
    case X86_CLI: return at_cpl0(t->c) && emit_clear(t, &t->r->hot.mask_not_if);
    case X86_CLD: return emit_clear(t, &t->r->hot.mask_not_df);
    case X86_STI: return at_cpl0(t->c) && emit_sti(t);
    case X86_PUSHF: return emit_pushf(t, i);
    case X86_SWAPGS: return emit_swapgs(t);
    case X86_MOV_CR: return emit_read_cr(t, i);
    case X86_MOV_SREG: return emit_mov_sreg(t, i);
    case X86_PUSH_SREG: return rem_emit_push_sreg(t, i);
    case X86_POP_SREG: return rem_emit_pop_sreg(t, i);
    case X86_STAC:
    case X86_CLAC: return at_cpl0(t->c) && t->bits64 && rem_emit_set_ac(t, i->mnem == X86_STAC);
    case X86_IN:
    case X86_OUT: return rem_emit_port(t, i);
    case X86_RDTSC: return emit_rdtsc(t, false);
    case X86_RDTSCP: return emit_rdtsc(t, true);
    default: return rem_emit_string(t, i);
    }
}

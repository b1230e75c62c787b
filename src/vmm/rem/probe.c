/*
 * probe.c - guest memory: from a memory operand to [reg + S + disp] on the host.
 *
 * The page of the address indexes the set's table; what stands there is added to the address, 0 is a miss:
 *     pext rcx, reg, [mask]     mov rcx, [r15 + rcx * 8]  (stores: gs:[rcx * 8])     jrcxz miss     mov rax, [reg +
 * rcx] No flag changes. An access must not cross a page: the host traps on misaligned scalars (EFLAGS.AC), and an
 * instruction that was caught at it is translated differently from then on; of others the offset in the page is looked
 * at first.
 */
#include "vmm/rem/segment.h"

/* mov to, gs:[index * 8] */
static void load_w(struct emit *e, unsigned to, unsigned index)
{
    E_BYTES(e, 0x65, (uint8_t)(0x48u | (to >= 8 ? 4u : 0u) | (index >= 8 ? 2u : 0u)), 0x8b,
            (uint8_t)(4u | (to & 7u) << 3), (uint8_t)(0xc5u | (index & 7u) << 3), 0, 0, 0, 0);
}

/* S = bits of the address @a that @mask names */
static void bits_of(struct emit *e, struct rem_gla a, const struct x86_place *mask)
{
    struct x86_place sum = e_at(a.reg, a.disp);

    if (a.disp != 0)
        e_lea(e, true, S, &sum);
    e_pext_at(e, S, a.disp != 0 ? S : a.reg, mask);
}

/* rcx = 0 exactly if [a, +bytes) goes over the page's end: bit 12 of offset + bytes - 1, less one. */
void rem_emit_crossing_check(struct rem_tr *t, struct rem_gla a, unsigned bytes)
{
    struct x86_place last = e_at(S, (int32_t)bytes - 1), less_one = e_at(S, -1), off = e_at(RB, REM_MASK_OFF),
                     bit12 = e_at(RB, REM_MASK_4K);
    struct emit *e = &t->e;

    bits_of(e, a, &off);
    e_lea(e, true, S, &last);
    e_pext_at(e, S, S, &bit12);
    e_lea(e, true, S, &less_one);
    rem_miss(t, STUB_SLOW);
}

void rem_emit_entry(struct rem_tr *t, struct rem_gla a, bool write)
{
    struct x86_place entry = e_at_index(RB, S, 8, 0), page = e_at(RB, REM_MASK_PAGE);
    struct emit *e = &t->e;

    bits_of(e, a, &page);
    if (write)
        load_w(e, S, S);
    else
        e_mem(e, true, 0x8b, S, &entry);
}

void rem_emit_probe(struct rem_tr *t, struct rem_gla a, unsigned bytes, bool write)
{
    bool natural = bytes == 2 || bytes == 4 || bytes == 8;

    if (bytes > 1 && !natural)
        rem_emit_crossing_check(t, a, bytes);
    rem_emit_entry(t, a, write);
    rem_miss(t, STUB_SLOW);
}

/* ---- effective addresses ---- */

/* The host register with guest register @guest, brought to @scratch if it lives in the context. */
static unsigned component(struct emit *e, const struct vcpu *c, unsigned guest, unsigned scratch)
{
    unsigned reg = rem_host_reg(guest);

    if (reg != X86_REG_NONE)
        return reg;
    e_load(e, scratch, &c->ctx.gpr[guest]);
    return scratch;
}

/* Base, index and displacement into @to; @bytes: of the result. T0 and S may be lost. */
bool rem_emit_offset(struct rem_tr *t, const struct x86_insn *i, unsigned to, unsigned bytes)
{
    bool wide = i->addrsize == 8;
    struct x86_place m = {.base = X86_REG_NONE, .index = X86_REG_NONE, .scale = i->scale};
    int64_t disp = i->disp;
    struct emit *e = &t->e;

    if (i->base == X86_BASE_RIP) {
        disp += t->n->off + i->len;
        e_load(e, T0, &t->r->hot.pcbase);
        m.base = T0;
    } else if (i->base == X86_REG_NONE && i->index == X86_REG_NONE) {
        e_mov_imm(e, to, wide && bytes == 8 ? (uint64_t)disp : (uint32_t)disp);
        return true;
    }
    if (disp != (int32_t)disp)
        return false;
    m.disp = (int32_t)disp;
    if (i->base != X86_REG_NONE && i->base != X86_BASE_RIP)
        m.base = (uint8_t)component(e, t->c, i->base, T0);
    if (i->index != X86_REG_NONE)
        m.index = (uint8_t)component(e, t->c, i->index, S);
    e_lea(e, wide && bytes == 8, to, &m);
    return true;
}

/* Base and displacement alone, in 64-bit code: nothing is added up. False: another form. */
static bool base_alone(struct rem_tr *t, const struct x86_insn *i, struct rem_gla *ret)
{
    int64_t disp = i->disp + (i->base == X86_BASE_RIP ? t->n->off + i->len : 0);

    if (i->addrsize != 8 || i->base == X86_REG_NONE || i->index != X86_REG_NONE || disp != (int32_t)disp)
        return false;
    if (i->base == X86_BASE_RIP)
        e_load(&t->e, T0, &t->r->hot.pcbase);
    *ret = (struct rem_gla){.reg = i->base == X86_BASE_RIP ? (unsigned)T0 : component(&t->e, t->c, i->base, T0),
                            .disp = (int32_t)disp};
    return true;
}

bool rem_emit_gla(struct rem_tr *t, const struct x86_insn *i, struct rem_gla *ret)
{
    bool based = i->seg == X86_FS || i->seg == X86_GS;
    struct emit *e = &t->e;
    struct x86_place sum = e_at_index(T0, S, 1, 0);

    if (i->vsib)
        return false;
    *ret = rem_gla_in(T0);
    if (rem_is_segmented(t, i))
        return rem_emit_segmented_gla(t, i);
    if (!based && base_alone(t, i, ret))
        return true;
    if (i->addrsize == 8 && based && i->base == X86_REG_NONE && i->index == X86_REG_NONE &&
        i->disp == (int32_t)i->disp) {
        e_load(e, T0, &t->c->ctx.seg[i->seg].base);
        ret->disp = (int32_t)i->disp;
        return true;
    }
    if (!rem_emit_offset(t, i, T0, 8))
        return false;
    if (based) {
        e_load(e, S, &t->c->ctx.seg[i->seg].base);
        e_lea(e, true, T0, &sum);
    }
    return true;
}

bool rem_emit_lea(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned to = rem_host_reg(i->op[0].reg), bytes = i->op[0].bytes;

    if (i->addrsize == 2 || bytes == 2)
        return rem_emit_lea_narrow(t, i);
    if (i->op[0].reg >= X86_AH || !rem_emit_offset(t, i, to != X86_REG_NONE ? to : T0, bytes))
        return false;
    if (to == X86_REG_NONE)
        e_store(&t->e, &t->c->ctx.gpr[i->op[0].reg], T0);
    return true;
}

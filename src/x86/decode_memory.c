/*
 * decode_memory.c - ModRM, SIB and displacement.
 *
 * Source: SDM vol. 2 tables 2-1 (16-bit forms), 2-2 and 2-3 (32-bit forms), 2-7 (RIP-relative), section 2.3.12 (VSIB).
 * The default segment is SS where the base is rSP or rBP, in 64-bit mode too (it decides between #SS and #GP there).
 */
#include "x86/decode_int.h"

void x86_read_modrm(struct x86_dec *d)
{
    if (d->insn->has_modrm)
        return;
    d->insn->modrm = x86_next(d);
    d->insn->has_modrm = 1;
    d->mod = d->insn->modrm >> 6;
}

static void read_disp(struct x86_dec *d, unsigned bytes)
{
    if (bytes)
        d->insn->disp = x86_sign_extend(x86_next_le(d, bytes), bytes);
}

static void read_memory16(struct x86_dec *d)
{
    static const struct {
        uint8_t base, index, seg;
    } forms[8] = {
        {X86_RBX, X86_RSI, X86_DS},      {X86_RBX, X86_RDI, X86_DS},      {X86_RBP, X86_RSI, X86_SS},
        {X86_RBP, X86_RDI, X86_SS},      {X86_RSI, X86_REG_NONE, X86_DS}, {X86_RDI, X86_REG_NONE, X86_DS},
        {X86_RBP, X86_REG_NONE, X86_SS}, {X86_RBX, X86_REG_NONE, X86_DS},
    };
    struct x86_insn *insn = d->insn;
    unsigned rm = insn->modrm & 7;

    if (d->mod == 0 && rm == 6) {
        read_disp(d, 2);
        return;
    }
    insn->base = forms[rm].base;
    insn->index = forms[rm].index;
    insn->seg = forms[rm].seg;
    read_disp(d, d->mod); /* mod 1: a byte, mod 2: two */
}

/* Base, index and scale of a SIB byte; returns the raw base field. */
static unsigned read_sib(struct x86_dec *d, bool vsib)
{
    struct x86_insn *insn = d->insn;
    uint8_t sib = x86_next(d);
    uint8_t index = (uint8_t)((sib >> 3 & 7) | (insn->rex & 2) << 2);

    if (index != X86_RSP || vsib) {
        insn->index = index;
        insn->scale = (uint8_t)(1 << (sib >> 6));
    }
    return sib & 7;
}

static void read_memory32(struct x86_dec *d, bool vsib)
{
    static const uint8_t disp_bytes[4] = {0, 1, 4, 0};
    struct x86_insn *insn = d->insn;
    unsigned base = insn->modrm & 7;
    bool sib = base == 4;

    if (sib)
        base = read_sib(d, vsib);
    if (d->mod == 0 && base == 5) {
        if (!sib && insn->mode == X86_MODE_64)
            insn->base = X86_BASE_RIP;
        read_disp(d, 4);
        return;
    }
    insn->base = (uint8_t)(base | (insn->rex & 1) << 3);
    if (insn->base == X86_RSP || insn->base == X86_RBP)
        insn->seg = X86_SS;
    read_disp(d, disp_bytes[d->mod]);
}

void x86_read_memory(struct x86_dec *d, bool vsib)
{
    struct x86_insn *insn = d->insn;

    insn->seg = X86_DS;
    insn->scale = 1;
    if (vsib && (insn->addrsize == 2 || (insn->modrm & 7) != 4))
        x86_fail(d, X86_INVALID);
    if (insn->addrsize == 2)
        read_memory16(d);
    else
        read_memory32(d, vsib);
    if (insn->seg_override != X86_SREG_NONE)
        insn->seg = insn->seg_override;
}

/*
 * thunk.c - re-encodes one guest instruction for the host inside a small function; see host_int.h.
 *
 * Register plan: RDI = struct cpum_ctx, RSI = struct host_io. Vector registers keep their numbers. General registers
 * named by ModRM or VEX.vvvv move to R8-R10; implicit ones (RAX, RCX, RDX) keep theirs. All are caller-saved, so that a
 * thunk has no prologue. The memory operand becomes [RSI].
 * Sources: SDM vol. 2 chapter 2 (encodings), vol. 1 13.4 (XSAVE layout of the context's register area).
 */
#include <stddef.h>
#include <string.h>

#include "vmm/iem/host_int.h"
#include "x86/encode.h"

enum { HOST_CTX = X86_RDI, HOST_IO = X86_RSI };
#define XMM_OFF(n)  (offsetof(struct cpum_ctx, fpu.area) + 160u + 16u * (n))
#define YMMH_OFF(n) (offsetof(struct cpum_ctx, fpu.area) + 576u + 16u * (n))
#define GPR_OFF(n)  (offsetof(struct cpum_ctx, gpr) + 8u * (n))

/* What an instruction uses without naming it. */
static const struct {
    uint16_t mnem, loads, stores; /* bit per general register */
    bool stores_xmm0;
} implicit[] = {
    {X86_PCMPESTRI, 1 << X86_RAX | 1 << X86_RDX, 1 << X86_RCX, false},
    {X86_PCMPESTRM, 1 << X86_RAX | 1 << X86_RDX, 0, true},
    {X86_PCMPISTRI, 0, 1 << X86_RCX, false},
    {X86_PCMPISTRM, 0, 0, true},
    {X86_VPCMPESTRI, 1 << X86_RAX | 1 << X86_RDX, 1 << X86_RCX, false},
    {X86_VPCMPESTRM, 1 << X86_RAX | 1 << X86_RDX, 0, true},
    {X86_VPCMPISTRI, 0, 1 << X86_RCX, false},
    {X86_VPCMPISTRM, 0, 0, true},
    {X86_MULX, 1 << X86_RDX, 0, false},
};

struct emit {
    uint8_t *p;
    const struct x86_insn *i;
    uint8_t scratch[3]; /* guest register held by R8, R9, R10 */
    unsigned nscratch;
    uint16_t gpr_in, gpr_out; /* implicit ones, by number */
    uint16_t vec;             /* vector registers used at all */
    uint16_t vec_out;
};

static void put(struct emit *e, const void *bytes, size_t n)
{
    memcpy(e->p, bytes, n);
    e->p += n;
}

static void put8(struct emit *e, unsigned b)
{
    *e->p++ = (uint8_t)b;
}

static void put32(struct emit *e, uint32_t v)
{
    put(e, &v, 4);
}

/* op reg, [base + disp32] with REX.W; @opcode is one byte. */
static void mov64(struct emit *e, unsigned opcode, unsigned reg, unsigned base, size_t disp)
{
    put8(e, 0x48u | (reg >= 8 ? 4u : 0u));
    put8(e, opcode);
    put8(e, 0x80u | (reg & 7) << 3 | base);
    put32(e, (uint32_t)disp);
}

/* movups xmm, [RDI + disp32] (10h) or the store (11h). */
static void movups(struct emit *e, unsigned opcode, unsigned reg, size_t disp)
{
    if (reg >= 8)
        put8(e, 0x44);
    put8(e, 0x0f);
    put8(e, opcode);
    put8(e, 0x80u | (reg & 7) << 3 | HOST_CTX);
    put32(e, (uint32_t)disp);
}

/* vinsertf128 ymm, ymm, [RDI + disp32], 1 (load) or vextractf128 [RDI + disp32], ymm, 1 (store). */
static void ymm_high(struct emit *e, bool store, unsigned reg, size_t disp)
{
    put8(e, 0xc4);
    put8(e, (reg >= 8 ? 0x00u : 0x80u) | 0x40u | 0x20u | 3u);
    put8(e, (store ? 0x78u : (~reg & 15u) << 3) | 4u | 1u);
    put8(e, store ? 0x19 : 0x18);
    put8(e, 0x80u | (reg & 7) << 3 | HOST_CTX);
    put32(e, (uint32_t)disp);
    put8(e, 1);
}

/* Host register that stands for explicit guest register @guest. */
static unsigned scratch_of(struct emit *e, unsigned guest)
{
    for (unsigned k = 0; k < e->nscratch; k++)
        if (e->scratch[k] == guest)
            return 8 + k;
    if (e->nscratch < sizeof e->scratch)
        e->scratch[e->nscratch++] = (uint8_t)guest;
    return 8 + e->nscratch - 1;
}

static void plan(struct emit *e)
{
    const struct x86_insn *i = e->i;

    for (unsigned n = 0; n < i->nops; n++) {
        const struct x86_operand *o = &i->op[n];
        if (o->kind == X86_OP_VEC) {
            e->vec |= (uint16_t)(1u << o->reg);
            if (o->flags & X86_OPF_WRITE)
                e->vec_out |= (uint16_t)(1u << o->reg);
        } else if (o->kind == X86_OP_GPR && (o->flags & X86_OPF_IMPLICIT)) {
            e->gpr_in |= (uint16_t)(1u << (o->reg & 15));
            if (o->flags & X86_OPF_WRITE)
                e->gpr_out |= (uint16_t)(1u << (o->reg & 15));
        } else if (o->kind == X86_OP_GPR) {
            (void)scratch_of(e, o->reg);
        }
    }
    for (unsigned k = 0; k < sizeof implicit / sizeof implicit[0]; k++) {
        if (implicit[k].mnem != i->mnem)
            continue;
        e->gpr_in |= implicit[k].loads | implicit[k].stores;
        e->gpr_out |= implicit[k].stores;
        if (implicit[k].stores_xmm0) {
            e->vec |= 1;
            e->vec_out |= 1;
        }
    }
}

static void put_loads(struct emit *e)
{
    bool flags = e->i->row->flags_read != 0 || e->i->row->flags_written != 0;

    for (unsigned n = 0; n < 16; n++) {
        if ((e->vec >> n) & 1) {
            movups(e, 0x10, n, XMM_OFF(n));
            if (e->i->vex)
                ymm_high(e, false, n, YMMH_OFF(n));
        }
        if ((e->gpr_in >> n) & 1)
            mov64(e, 0x8b, n, HOST_CTX, GPR_OFF(n));
    }
    for (unsigned k = 0; k < e->nscratch; k++) {
        unsigned guest = e->scratch[k];
        /* a high-byte register is only ever a source here (CRC32): its byte moves to the low end */
        mov64(e, 0x8b, 8 + k, HOST_CTX, guest >= X86_AH ? GPR_OFF(guest - X86_AH) : GPR_OFF(guest));
        if (guest >= X86_AH) {
            static const uint8_t shr_r8_8[] = {0x49, 0xc1, 0xe8, 8};
            put(e, shr_r8_8, 2);
            put8(e, 0xe8u + k);
            put8(e, 8);
        }
    }
    if (flags) { /* push [RSI + flags]; popfq */
        put8(e, 0xff);
        put8(e, 0x80u | 6u << 3 | HOST_IO);
        put32(e, offsetof(struct host_io, flags));
        put8(e, 0x9d);
    }
}

static void put_stores(struct emit *e)
{
    if (e->i->row->flags_written != 0) { /* pushfq; pop [RSI + flags] */
        put8(e, 0x9c);
        put8(e, 0x8f);
        put8(e, 0x80u | HOST_IO);
        put32(e, offsetof(struct host_io, flags));
    }
    for (unsigned n = 0; n < 16; n++) {
        if ((e->vec_out >> n) & 1) {
            movups(e, 0x11, n, XMM_OFF(n));
            if (e->i->vex)
                ymm_high(e, true, n, YMMH_OFF(n));
        }
        if ((e->gpr_out >> n) & 1)
            mov64(e, 0x89, n, HOST_CTX, GPR_OFF(n));
    }
    for (unsigned n = 0; n < e->i->nops; n++) {
        const struct x86_operand *o = &e->i->op[n];
        if (o->kind == X86_OP_GPR && !(o->flags & X86_OPF_IMPLICIT) && (o->flags & X86_OPF_WRITE))
            mov64(e, 0x89, scratch_of(e, o->reg), HOST_CTX, GPR_OFF(o->reg));
    }
    if (e->i->vex) { /* no transition penalty for the C code that follows */
        static const uint8_t vzeroupper[] = {0xc5, 0xf8, 0x77};
        put(e, vzeroupper, sizeof vzeroupper);
    }
    put8(e, 0xc3);
}

enum field { FIELD_REG, FIELD_RM, FIELD_VVVV };

/* Forms that mix a general register with vector or MMX registers and have the general one in ModRM.rm. */
static bool gpr_in_rm(const struct x86_insn *i)
{
    if (i->map == 3) /* PEXTRB/W/D/Q, EXTRACTPS, PINSRB, PINSRD/Q */
        return (i->opcode & 0xfc) == 0x14 || i->opcode == 0x20 || i->opcode == 0x22;
    return i->map == 1 && (i->opcode == 0x6e || i->opcode == 0x7e || i->opcode == 0x2a || i->opcode == 0xc4);
}

static bool is_explicit_gpr(const struct x86_operand *o)
{
    return o->kind == X86_OP_GPR && !(o->flags & X86_OPF_IMPLICIT);
}

/* The host register for a field of the encoding that holds @number; vector, MMX and opcode-extension fields stay. */
static unsigned host_field(struct emit *e, enum field which, unsigned number)
{
    const struct x86_insn *i = e->i;
    bool mixed = false;

    if (i->map == 2 && i->opcode == 0xf3 && which == FIELD_REG)
        return number; /* BLSR, BLSMSK, BLSI: ModRM.reg is part of the opcode */
    for (unsigned n = 0; n < i->nops; n++)
        mixed |= i->op[n].kind == X86_OP_VEC || i->op[n].kind == X86_OP_MM;
    if (mixed && which != (gpr_in_rm(i) ? FIELD_RM : FIELD_REG))
        return number;
    for (unsigned n = i->nops; n-- > 0;) {
        const struct x86_operand *o = &i->op[n];
        bool high = is_explicit_gpr(o) && o->reg >= X86_AH;
        unsigned encoded = high ? o->reg - X86_AH + 4u : o->reg;
        if (is_explicit_gpr(o) && encoded == number && !(high && which == FIELD_REG))
            return scratch_of(e, o->reg);
    }
    return number;
}

static void put_vex(struct emit *e, unsigned reg, unsigned rm)
{
    const struct x86_insn *i = e->i;
    bool bmi = i->map == 2 && i->opcode >= 0xf2 && i->opcode <= 0xf7; /* those with a general register in vvvv */
    unsigned vvvv = bmi ? host_field(e, FIELD_VVVV, i->vvvv) : i->vvvv;
    unsigned pp = i->pp == 0x66 ? 1 : i->pp == 0xf3 ? 2 : i->pp == 0xf2 ? 3 : 0;

    put8(e, 0xc4);
    put8(e, (reg >= 8 ? 0u : 0x80u) | 0x40u | (rm >= 8 ? 0u : 0x20u) | i->map);
    put8(e, (x86_vex_w(i) ? 0x80u : 0u) | (~vvvv & 15u) << 3 | (i->vex == 32 ? 4u : 0u) | pp);
}

static void put_legacy(struct emit *e, unsigned reg, unsigned rm)
{
    static const uint8_t escape[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    const struct x86_insn *i = e->i;
    bool word = (is_explicit_gpr(&i->op[0]) && i->op[0].bytes == 2) || (i->mnem == X86_CRC32 && i->op[1].bytes == 2);

    if (word && i->pp != 0x66)
        put8(e, 0x66);
    if (i->pp != 0)
        put8(e, i->pp);
    put8(e, 0x40u | (i->rex & 8u) | (reg >= 8 ? 4u : 0u) | (rm >= 8 ? 1u : 0u));
    put(e, escape[i->map], i->map == 0 ? 0 : i->map == 1 ? 1 : 2);
}

static void put_insn(struct emit *e)
{
    const struct x86_insn *i = e->i;
    bool memory = i->has_modrm && (i->modrm >> 6) != 3;
    unsigned reg = 0, rm = 0;

    if (i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf) { /* x87 */
        put8(e, i->opcode);
        put8(e, memory ? (i->modrm & 0x38u) | HOST_IO : i->modrm);
        return;
    }
    if (i->has_modrm) {
        reg = host_field(e, FIELD_REG, ((i->modrm >> 3) & 7u) | (i->rex & 4u) << 1);
        rm = memory ? HOST_IO : host_field(e, FIELD_RM, (i->modrm & 7u) | (i->rex & 1u) << 3);
    }
    if (i->vex)
        put_vex(e, reg, rm);
    else
        put_legacy(e, reg, rm);
    put8(e, i->opcode);
    if (i->has_modrm)
        put8(e, (memory ? 0u : 0xc0u) | (reg & 7u) << 3 | (rm & 7u));
    for (unsigned n = 0; n < i->nops; n++) {
        if (i->op[n].kind == X86_OP_IMM)
            put8(e, (unsigned)i->imm[i->op[n].reg] & 0xffu);
        else if (n == 3 && i->op[n].kind == X86_OP_VEC) /* a register in the immediate's high half */
            put8(e, (unsigned)i->op[n].reg << 4);
    }
}

size_t host_emit(uint8_t *code, const struct x86_insn *i)
{
    struct emit e = {.p = code, .i = i};

    plan(&e);
    put_loads(&e);
    put_insn(&e);
    put_stores(&e);
    return (size_t)(e.p - code);
}

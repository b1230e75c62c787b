/*
 * trial.c - see trial.h.
 *
 * Where a register, implicit or not, leads to memory it is given a value that leads to the spot: host and guest share
 * the spot's surroundings only.
 * Left out: segment override FS in 64-bit code, where FS is the host's thread pointer (GS takes the same way); the trap
 * flag, which would trap in the host's own code.
 */
#include "trial.h"

#include <string.h>

#include "values.h"

#define SPOT_SMALL 512u
#define REP_MAX    9u

/* ---- code ---- */

static const uint8_t overrides[6] = {0x26, 0x2e, 0x36, 0x3e, 0x65, 0x64}; /* FS last */

static bool decode(struct trial *t)
{
    return x86_decode(t->code, X86_MAX_LEN, t->world->mode, &t->i) > 0 && t->i.row == t->form->row &&
           !(t->world->mode == X86_MODE_64 && t->i.seg_override == X86_FS);
}

static void fill_vex(struct trial *t, struct rng *r, uint8_t *vex)
{
    bool wide = t->world->mode == X86_MODE_64;

    vex[1] = (uint8_t)((vex[1] & 0x1f) | (wide ? rng_next(r) >> 20 & 0xe0 : 0xc0 | (rng_next(r) >> 20 & 0x20)));
    if (!rng_one_in(r, 3))
        vex[2] = (uint8_t)((vex[2] & 0x87) | (rng_next(r) >> 20 & 0x78));
}

/* C4 to the shorter C5, if what it says can be said so. Return: new length of prefixes and opcode. */
static unsigned shorten_vex(uint8_t *vex, unsigned len)
{
    if ((vex[1] & 0x7f) != 0x61 || (vex[2] & 0x80))
        return len;
    vex[0] = 0xc5;
    vex[1] = (uint8_t)((vex[1] & 0x80) | (vex[2] & 0x7f));
    vex[2] = vex[3];
    return len - 1;
}

static bool is_c5(const struct trial *t, const uint8_t *vex)
{
    return t->world->mode == X86_MODE_64 || vex[1] >= 0xc0;
}

static unsigned put_prefixes(struct trial *t, struct rng *r)
{
    const struct form *f = t->form;
    unsigned len = 0;

    if (rng_one_in(r, 4))
        t->code[len++] = overrides[rng_below(r, t->world->mode == X86_MODE_64 ? 5 : 6)];
    memcpy(t->code + len, f->bytes, f->len);
    if (f->rex_at)
        t->code[len + f->rex_at] |= rng_next(r) >> 50 & 7;
    len += f->len;
    if (f->bytes[f->vex_at] == 0xc4 && f->len >= f->vex_at + 4u) {
        uint8_t *vex = t->code + len - 4, before[4];

        fill_vex(t, r, vex);
        memcpy(before, vex, 4);
        if (rng_one_in(r, 2)) {
            unsigned shorter = shorten_vex(vex, len);

            if (shorter != len && is_c5(t, vex))
                return shorter;
            memcpy(vex, before, 4);
        }
    }
    return len;
}

/* Branches lead to WORLD_TAKEN. */
static bool aim_branch(struct trial *t)
{
    const struct x86_insn *i = &t->i;
    bool wide = i->map == 1 || i->opcode == 0xe8 || i->opcode == 0xe9;
    unsigned bytes = !wide ? 1 : i->mode == X86_MODE_64 ? 4 : i->opsize;
    int32_t rel = (int32_t)WORLD_TAKEN - i->len;

    for (unsigned n = 0; n < i->nops; n++) {
        if (i->op[n].kind != X86_OP_REL)
            continue;
        memcpy(t->code + i->len - bytes, &rel, bytes);
        return decode(t) && (int64_t)t->i.imm[0] == rel;
    }
    return true;
}

static const struct x86_operand *memory_operand(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_MEM)
            return &i->op[n];
    return NULL;
}

static uint64_t spot_offset(const struct trial *t, unsigned sreg)
{
    return t->spot - world_base(t->world, sreg);
}

/* RIP-relative and absolute operands: the displacement is in the code. */
static bool aim_code(struct trial *t, unsigned opcode_end)
{
    const struct x86_insn *i = &t->i;
    unsigned bytes = i->has_modrm ? (i->addrsize == 2 ? 2 : 4) : i->addrsize;
    unsigned at = opcode_end + i->has_modrm;
    uint64_t disp = spot_offset(t, i->seg);

    if (!memory_operand(i) || (i->base != X86_BASE_RIP && i->base != X86_REG_NONE) ||
        (i->index != X86_REG_NONE && !i->vsib))
        return true;
    if (i->has_modrm && i->addrsize != 2 && (i->modrm & 7) == 4)
        at++;
    if (i->base == X86_BASE_RIP)
        disp -= WORLD_CODE + i->len;
    memcpy(t->code + at, &disp, bytes);
    return decode(t);
}

bool trial_is_masked_store(const struct trial *t)
{
    return t->i.mnem == X86_MASKMOVQ || t->i.mnem == X86_MASKMOVDQU || t->i.mnem == X86_VMASKMOVDQU;
}

bool trial_is_masked(const struct trial *t)
{
    switch (t->i.mnem) {
    case X86_VMASKMOVPS:
    case X86_VMASKMOVPD:
    case X86_VPMASKMOVD:
    case X86_VPMASKMOVQ: return true;
    default: return trial_is_masked_store(t) || t->i.vsib;
    }
}

bool trial_is_image(const struct trial *t)
{
    switch (t->i.mnem) {
    case X86_FNSTENV:
    case X86_FLDENV:
    case X86_FNSAVE:
    case X86_FRSTOR:
    case X86_FXSAVE:
    case X86_FXRSTOR:
    case X86_XSAVE:
    case X86_XSAVEC:
    case X86_XSAVEOPT:
    case X86_XRSTOR: return true;
    default: return false;
    }
}

static void choose_spot(struct trial *t, struct rng *r)
{
    uint64_t jitter = rng_below(r, 64);
    bool image = trial_is_image(t);

    switch (rng_below(r, 32)) {
    case 0: t->spot = WORLD_WINDOW_END - jitter; break;
    case 1: t->spot = WORLD_WINDOW + jitter; break;
    case 2:
    case 3:
    case 4: t->spot = WORLD_WINDOW + WORLD_WINDOW_BYTES / 2 - 32 + jitter; break;
    default: t->spot = WORLD_WINDOW + 0x600 + rng_below(r, 0x200);
    }
    if (((t->i.row->rules & X86_RULE_ALIGN) || image) && !rng_one_in(r, 4))
        t->spot &= ~63ull;
    t->bytes = image ? SPOT_BYTES : SPOT_SMALL;
    t->start = t->spot - t->bytes / 2;
    t->start = MIN(MAX(t->start, WORLD_WINDOW), WORLD_WINDOW_END - t->bytes);
}

bool trial_code(struct trial *t, struct rng *r)
{
    const struct form *f = t->form;
    uint64_t random[2] = {rng_next(r), rng_next(r)};
    unsigned mod = f->memory ? rng_below(r, 3) : 3, rm = rng_below(r, 8), opcode_end;

    memcpy(t->code, random, sizeof t->code);
    opcode_end = put_prefixes(t, r);
    if (f->has_modrm)
        t->code[opcode_end] = (uint8_t)(mod << 6 | (f->modrm & 0x38) | (f->fixed_rm ? f->modrm & 7u : rm));
    if (!decode(t))
        return false;
    choose_spot(t, r);
    return aim_branch(t) && aim_code(t, opcode_end);
}

/* ---- registers ---- */

static uint64_t mask_of(unsigned bytes)
{
    return bytes == 8 ? UINT64_MAX : (1ull << 8 * bytes) - 1;
}

static void set_low(uint64_t *reg, uint64_t val, uint64_t mask)
{
    *reg = (*reg & ~mask) | (val & mask);
}

/* Gathers: small elements, so that each stays near the base. */
static void tame_index(struct trial *t, struct rng *r)
{
    unsigned reg = t->i.index;
    uint8_t v[32];

    for (unsigned n = 0; n < 32; n += 8) {
        int64_t wide = (int64_t)rng_below(r, 64) - 32;
        int32_t narrow[2] = {(int32_t)wide, (int32_t)rng_below(r, 64) - 32};

        if (t->i.mnem == X86_VGATHERQPS || t->i.mnem == X86_VGATHERQPD || t->i.mnem == X86_VPGATHERQD ||
            t->i.mnem == X86_VPGATHERQQ)
            memcpy(v + n, &wide, 8);
        else
            memcpy(v + n, narrow, 8);
    }
    memcpy(t->in.fpu + 160 + 16 * reg, v, 16);
    memcpy(t->in.fpu + 576 + 16 * reg, v + 16, 16);
}

/* Makes the memory operand's address the spot by choosing a register. */
static void aim(struct trial *t)
{
    const struct x86_insn *i = &t->i;
    uint64_t *g = t->in.gpr, mask = mask_of(i->addrsize);
    uint64_t rest = (spot_offset(t, i->seg) - (uint64_t)i->disp) & mask;

    if (i->base == X86_BASE_RIP)
        return;
    if (i->base == X86_REG_NONE) {
        if (i->index != X86_REG_NONE && !i->vsib)
            set_low(&g[i->index], rest / i->scale, mask);
    } else if (i->index == X86_REG_NONE || i->vsib) {
        set_low(&g[i->base], rest, mask);
    } else if (i->index == i->base) {
        set_low(&g[i->base], rest / (i->scale + 1u), mask);
    } else {
        set_low(&g[i->base], rest - g[i->index] * i->scale, mask);
    }
}

/* A bit offset in a register may reach far; keep it near the operand. */
static bool tame_bits(struct trial *t, struct rng *r)
{
    const struct x86_insn *i = &t->i;
    unsigned reg = i->op[1].reg;

    if (i->mnem < X86_BT || i->mnem > X86_BTC || i->op[0].kind != X86_OP_MEM || i->op[1].kind != X86_OP_GPR)
        return true;
    if (reg == i->base || reg == i->index)
        return false;
    t->in.gpr[reg] = (uint64_t)((int64_t)rng_below(r, 1024) - 512);
    return true;
}

static unsigned source_segment(const struct x86_insn *i)
{
    return i->seg_override != X86_SREG_NONE ? i->seg_override : X86_DS;
}

/* Registers that lead to memory without being named. */
static void aim_implicit(struct trial *t, struct rng *r)
{
    uint64_t *g = t->in.gpr, mask = mask_of(t->i.addrsize);
    unsigned mnem = t->i.mnem, src = source_segment(&t->i);

    if (t->i.row->rules & X86_RULE_REP) {
        set_low(&g[X86_RSI], spot_offset(t, src) - 16 + rng_below(r, 32), mask);
        set_low(&g[X86_RDI], spot_offset(t, X86_ES) - 16 + rng_below(r, 32), mask);
        if (t->i.rep)
            set_low(&g[X86_RCX], rng_below(r, REP_MAX), mask);
    } else if (mnem == X86_XLAT) {
        set_low(&g[X86_RBX], spot_offset(t, src) - (uint8_t)g[X86_RAX], mask);
    } else if (trial_is_masked_store(t)) {
        set_low(&g[X86_RDI], spot_offset(t, src), mask);
    } else if (mnem == X86_LEAVE || mnem == X86_ENTER) {
        g[X86_RBP] = spot_offset(t, X86_SS);
    }
}

static uint64_t branch_target(const struct trial *t)
{
    return world_code_offset(t->world) + WORLD_TAKEN;
}

/* Indirect near branches find WORLD_TAKEN in their operand, returns on the stack. */
static bool aim_indirect(struct trial *t)
{
    const struct x86_insn *i = &t->i;
    uint64_t target = branch_target(t), at = (t->spot & ~7ull) - t->start;

    if (i->row->flow == X86_FLOW_RET && at < t->bytes)
        memcpy(t->memory + at, &target, MIN(8, t->bytes - at));
    if (i->row->flow != X86_FLOW_JUMP && i->row->flow != X86_FLOW_CALL)
        return true;
    at = t->spot - t->start;
    if (i->op[0].kind == X86_OP_MEM && at < t->bytes)
        memcpy(t->memory + at, &target, MIN(8, t->bytes - at));
    if (i->op[0].kind == X86_OP_GPR)
        t->in.gpr[i->op[0].reg] = target;
    return i->op[0].kind != X86_OP_GPR || i->op[0].reg != X86_RSP; /* CALL would push onto the code */
}

/* ---- memory ---- */

/* What XRSTOR and FXRSTOR accept, most of the time. */
static void put_image(struct trial *t, struct rng *r)
{
    uint64_t at = t->spot - t->start, header[3] = {rng_next(r) & 7, 0, 0};
    uint8_t image[WORLD_FPU_BYTES] __attribute__((aligned(16)));

    if (at + sizeof image > t->bytes || (t->i.mnem != X86_FXRSTOR && t->i.mnem != X86_XRSTOR))
        return;
    value_fpu(r, image, true);
    switch (rng_below(r, 8)) {
    case 0: header[rng_below(r, 3)] = rng_next(r); break;
    case 1:
    case 2:
    case 3: header[1] = 1ull << 63 | (rng_next(r) & 7) | (rng_one_in(r, 4) ? 0 : header[0]); break;
    default: break;
    }
    memcpy(image + 512, header, sizeof header);
    memcpy(t->memory + at, image, sizeof image);
}

static void set_memory(struct trial *t, struct rng *r)
{
    const struct x86_operand *m = memory_operand(&t->i);
    uint64_t at = t->spot - t->start;

    if (rng_one_in(r, 2)) {
        value_vector(r, t->memory, t->bytes);
    } else {
        for (unsigned n = 0; n < t->bytes; n += 8) {
            uint64_t v = value_int(r);

            memcpy(t->memory + n, &v, 8);
        }
    }
    if (m && m->bytes >= 4 && at + 32 <= t->bytes) { /* aligned to the operand, whatever it is */
        uint8_t v[32];

        value_vector(r, v, sizeof v);
        if (m->bytes == 10)
            value_x87(r, v);
        memcpy(t->memory + at, v, sizeof v);
    }
    if ((t->i.mnem == X86_LDMXCSR || t->i.mnem == X86_VLDMXCSR) && at + 4 <= t->bytes && !rng_one_in(r, 8))
        memset(t->memory + at + 2, 0, 2);
    put_image(t, r);
    if (t->i.mnem == X86_POPF && (t->spot & ~7ull) - t->start + 2 <= t->bytes)
        t->memory[(t->spot & ~7ull) - t->start + 1] &= 0xfe; /* TF */
}

/* ---- everything ---- */

static bool uses_fpu(const struct x86_insn *i)
{
    if (i->vex || (i->row->rules & X86_RULE_X87) || (i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf))
        return true;
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_VEC || i->op[n].kind == X86_OP_MM)
            return true;
    return i->map != 0 && i->nops <= 1; /* EMMS, FXSAVE and the like */
}

bool trial_operands(struct trial *t, struct rng *r)
{
    uint64_t *g = t->in.gpr;
    bool wide = t->world->mode == X86_MODE_64;

    for (unsigned n = 0; n < 16; n++)
        g[n] = wide ? value_int(r) : (uint32_t)value_int(r);
    set_low(&g[X86_RSP], (spot_offset(t, X86_SS) & ~7ull), mask_of(wide ? 8 : 4));
    if (trial_is_image(t)) {
        g[X86_RAX] &= 7; /* XSAVE's components: those both have */
        g[X86_RDX] = 0;
    }
    if (uses_fpu(&t->i) || t->in.fpu[512] == 0)
        value_fpu(r, t->in.fpu, false);
    if (!tame_bits(t, r))
        return false;
    aim_implicit(t, r);
    if (t->i.vsib)
        tame_index(t, r);
    if (memory_operand(&t->i))
        aim(t);
    if (!wide)
        for (unsigned n = 0; n < 16; n++)
            g[n] = (uint32_t)g[n];
    if (trial_is_image(t) && ((g[X86_RAX] & ~7ull) || g[X86_RDX])) /* they are the address, too */
        return false;
    set_memory(t, r);
    t->in.flags = (rng_next(r) & (CPUM_FL_ARITH | CPUM_FL_DF | CPUM_FL_ID)) | CPUM_FL_1 | CPUM_FL_IF;
    if (rng_one_in(r, 16))
        t->in.flags |= CPUM_FL_AC;
    return aim_indirect(t);
}

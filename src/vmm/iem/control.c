/*
 * control.c - control and debug registers, descriptor-table registers, TLB and cache instructions.
 *
 * Sources: SDM vol. 2 by instruction; vol. 3 2.5, 17.2 (DR0-DR7, GD, DE), 4.10.4 (INVLPG, INVPCID); UMIP: 2.5.
 * Caches are not modelled: INVD, WBINVD, CLFLUSH only check.
 */
#include "vmm/iem/seg_int.h"

#define DR6_FIXED    0xffff0ff0u
#define DR6_WRITABLE 0xe00fu
#define DR6_BD       (1u << 13)
#define DR7_FIXED    0x400u
#define DR7_WRITABLE 0xffff23ffu
#define DR7_GD       (1u << 13)

static unsigned reg_bytes(const struct vcpu *c)
{
    return c->mode.code64 ? 8 : 4;
}

/* ---- MOV CRn ---- */

static uint64_t cr_read(struct vcpu *c, unsigned n)
{
    switch (n) {
    case 0: return c->ctx.cr0;
    case 2: return c->ctx.cr2;
    case 3: return c->ctx.cr3;
    case 4: return c->ctx.cr4;
    case 8: return c->outside->tpr_get(c->outside_user, c->id);
    default: iem_ud(c);
    }
}

static void cr_write(struct vcpu *c, unsigned n, uint64_t val)
{
    bool ok = true;

    switch (n) {
    case 0: ok = cpum_cr0_write(c, val); break;
    case 2: c->ctx.cr2 = val; break;
    case 3: ok = cpum_cr3_write(c, val); break;
    case 4: ok = cpum_cr4_write(c, val); break;
    case 8:
        if (val > 15)
            iem_gp0(c);
        c->outside->tpr_set(c->outside_user, c->id, (uint8_t)val);
        break;
    default: iem_ud(c);
    }
    if (!ok)
        iem_gp0(c);
    iem_mode_changed(c);
}

void iem_MOV_CR(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *dst = &op->i.op[0], *src = &op->i.op[1];

    if (dst->kind == X86_OP_CR)
        cr_write(c, dst->reg, iem_gpr(c, src->reg, reg_bytes(c)));
    else
        iem_set_gpr(c, dst->reg, cr_read(c, src->reg), reg_bytes(c));
}

void iem_CLTS(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.cr0 &= ~(uint64_t)CPUM_CR0_TS;
    iem_mode_changed(c);
}

static void umip(struct vcpu *c)
{
    if ((c->ctx.cr4 & CPUM_CR4_UMIP) && c->ctx.cpl > 0)
        iem_gp0(c);
}

void iem_SMSW(struct vcpu *c, const struct iem_op *op)
{
    umip(c);
    if (op->i.op[0].kind == X86_OP_MEM)
        iem_wr(c, op->i.seg, iem_ea(c, &op->i), (uint16_t)c->ctx.cr0, 2);
    else
        iem_set_gpr(c, op->i.op[0].reg, c->ctx.cr0, op->i.opsize);
}

/* PE, MP, EM, TS only; PE can be set, not cleared. */
void iem_LMSW(struct vcpu *c, const struct iem_op *op)
{
    uint64_t val = op->i.op[0].kind == X86_OP_MEM ? iem_rd16(c, op->i.seg, iem_ea(c, &op->i))
                                                  : (uint16_t)c->ctx.gpr[op->i.op[0].reg];

    cr_write(c, 0, (c->ctx.cr0 & ~0xeull) | (val & 0xf));
}

/* ---- MOV DRn ---- */

/* #UD for DR4/DR5 with CR4.DE comes first, then #DB for GD (17.2.2, 17.2.4). */
static unsigned dr_number(struct vcpu *c, unsigned n)
{
    if (n > 7 || ((n == 4 || n == 5) && (c->ctx.cr4 & CPUM_CR4_DE)))
        iem_ud(c);
    if (c->ctx.dr[7] & DR7_GD) {
        c->ctx.dr[6] |= DR6_BD;
        iem_raise(c, XCPT_DB);
    }
    return n == 4 || n == 5 ? n + 2 : n;
}

static void dr_write(struct vcpu *c, unsigned n, uint64_t val)
{
    if (n >= 6 && val >> 32)
        iem_gp0(c);
    if (n == 6)
        val = (val & DR6_WRITABLE) | DR6_FIXED;
    else if (n == 7)
        val = (val & DR7_WRITABLE) | DR7_FIXED;
    c->ctx.dr[n] = val;
    c->iem->end_block = true;
}

void iem_MOV_DR(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *dst = &op->i.op[0], *src = &op->i.op[1];

    if (dst->kind == X86_OP_DR)
        dr_write(c, dr_number(c, dst->reg), iem_gpr(c, src->reg, reg_bytes(c)));
    else
        iem_set_gpr(c, dst->reg, c->ctx.dr[dr_number(c, src->reg)], reg_bytes(c));
}

/* ---- GDTR, IDTR ---- */

static uint64_t next_ea(const struct iem_op *op, uint64_t ea, unsigned add)
{
    ea += add;
    return op->i.addrsize == 8 ? ea : op->i.addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
}

static void table_load(struct vcpu *c, const struct iem_op *op, struct cpum_table *t)
{
    uint64_t ea = iem_ea(c, &op->i), base;
    uint16_t limit = iem_rd16(c, op->i.seg, ea);

    base = iem_rd(c, op->i.seg, next_ea(op, ea, 2), reg_bytes(c));
    if (!c->mode.code64 && op->i.opsize == 2)
        base &= 0xffffff;
    if (!cpum_canonical(base))
        iem_gp0(c);
    *t = (struct cpum_table){.base = base, .limit = limit};
}

static void table_store(struct vcpu *c, const struct iem_op *op, const struct cpum_table *t)
{
    uint64_t ea = iem_ea(c, &op->i);

    umip(c);
    iem_probe_write(c, op->i.seg, ea, 2, IEM_ALIGN_AC);
    iem_wr(c, op->i.seg, next_ea(op, ea, 2), t->base, reg_bytes(c));
    iem_wr(c, op->i.seg, ea, t->limit, 2);
}

void iem_LGDT(struct vcpu *c, const struct iem_op *op)
{
    table_load(c, op, &c->ctx.gdtr);
}

void iem_LIDT(struct vcpu *c, const struct iem_op *op)
{
    table_load(c, op, &c->ctx.idtr);
}

void iem_SGDT(struct vcpu *c, const struct iem_op *op)
{
    table_store(c, op, &c->ctx.gdtr);
}

void iem_SIDT(struct vcpu *c, const struct iem_op *op)
{
    table_store(c, op, &c->ctx.idtr);
}

/* ---- TLB and caches ---- */

void iem_INVLPG(struct vcpu *c, const struct iem_op *op)
{
    uint64_t off = iem_ea(c, &op->i), base = c->ctx.seg[op->i.seg].base, gla;

    if (c->mode.code64)
        gla = op->i.seg < X86_FS ? off : off + base;
    else
        gla = (uint32_t)(off + base);
    if (cpum_canonical(gla))
        pgm_mmu_invlpg(&c->mmu, gla);
    c->iem->end_block = true;
}

void iem_INVPCID(struct vcpu *c, const struct iem_op *op)
{
    uint64_t type = iem_gpr(c, op->i.op[0].reg, reg_bytes(c)), ea = iem_ea(c, &op->i);
    uint64_t pcid = iem_rd64(c, op->i.seg, ea), gla = iem_rd64(c, op->i.seg, next_ea(op, ea, 8));
    bool pcide = c->ctx.cr4 & CPUM_CR4_PCIDE;

    if (type > 3 || pcid >> 12 || (type == 0 && !cpum_canonical(gla)) || (type < 2 && pcid && !pcide))
        iem_gp0(c);
    pgm_mmu_invpcid(&c->mmu, (unsigned)type, (uint16_t)pcid, gla);
    c->iem->end_block = true;
}

/* The rights of a load of one byte, without the load. */
static void check_line(struct vcpu *c, const struct iem_op *op)
{
    uint64_t gla = iem_gla(c, op->i.seg, iem_ea(c, &op->i), 1, PGM_READ);
    struct pgm_xlat x;

    if (pgm_mmu_xlat(&c->mmu, c->mode.idx, gla, PGM_READ, &x) != PGM_XLAT_OK)
        iem_raise_pf(c, gla, x.error_code);
}

void iem_CLFLUSH(struct vcpu *c, const struct iem_op *op)
{
    check_line(c, op);
}

void iem_CLFLUSHOPT(struct vcpu *c, const struct iem_op *op)
{
    check_line(c, op);
}

void iem_CLWB(struct vcpu *c, const struct iem_op *op)
{
    check_line(c, op);
}

void iem_INVD(struct vcpu *c, const struct iem_op *op)
{
    (void)c, (void)op;
}

void iem_WBINVD(struct vcpu *c, const struct iem_op *op)
{
    (void)c, (void)op;
}

/*
 * vec.c - the vector instructions that touch more than one memory element, or every register at once: masked moves,
 * gathers, VZEROALL. Each element is an access of its own, with its own faults but never #AC; what is masked off is
 * never touched.
 *
 * Sources: SDM vol. 2 MASKMOVQ, MASKMOVDQU, VMASKMOV, VPMASKMOV, VGATHERxPx, VPGATHERxx, VZEROALL, VZEROUPPER.
 * Invariant 1: a gather that faults has cleared the mask of, and loaded, every element before the faulting one, and has
 * widened the mask's sign bits to whole elements.
 */
#include <string.h>

#include "vmm/iem/host_int.h"

#define XMM_AT  160u
#define YMMH_AT 576u

static void get_vec(const struct vcpu *c, unsigned reg, uint8_t out[32])
{
    memcpy(out, c->ctx.fpu.area + XMM_AT + 16 * reg, 16);
    memcpy(out + 16, c->ctx.fpu.area + YMMH_AT + 16 * reg, 16);
}

/* VEX destinations are cleared above the vector length. */
static void set_vec(struct vcpu *c, unsigned reg, const uint8_t *v, unsigned bytes)
{
    uint8_t full[32] = {0};

    memcpy(full, v, bytes);
    memcpy(c->ctx.fpu.area + XMM_AT + 16 * reg, full, 16);
    memcpy(c->ctx.fpu.area + YMMH_AT + 16 * reg, full + 16, 16);
}

/* ---- byte masks: every selected byte to DS:rDI (segment override allowed) ---- */

/* #AC goes by the halves of 8 bytes that have anything to store. */
static void check_halves(struct vcpu *c, unsigned seg, uint64_t base, const uint8_t *mask, unsigned bytes,
                         uint64_t wrap)
{
    if (!c->mode.align_check)
        return;
    for (unsigned k = 0; k < bytes; k++)
        if (mask[k] & 0x80) {
            iem_probe_write(c, seg, (base + (k & 8u)) & wrap, 8, IEM_ALIGN_AC);
            k |= 7;
        }
}

static void store_bytes(struct vcpu *c, const struct iem_op *op, const uint8_t *val, const uint8_t *mask,
                        unsigned bytes)
{
    unsigned seg = op->i.seg_override != X86_SREG_NONE ? op->i.seg_override : X86_DS;
    uint64_t wrap = op->i.addrsize == 8 ? UINT64_MAX : op->i.addrsize == 4 ? UINT32_MAX : UINT16_MAX;
    uint64_t base = c->ctx.gpr[X86_RDI] & wrap;

    check_halves(c, seg, base, mask, bytes, wrap);
    for (unsigned k = 0; k < bytes; k++) /* nothing is stored if any selected byte would fault */
        if (mask[k] & 0x80)
            iem_probe_write(c, seg, (base + k) & wrap, 1, IEM_ALIGN_ANY);
    for (unsigned k = 0; k < bytes; k++)
        if (mask[k] & 0x80)
            iem_wr(c, seg, (base + k) & wrap, val[k], 1);
}

void iem_MASKMOVQ(struct vcpu *c, const struct iem_op *op)
{
    unsigned val = (op->i.modrm >> 3) & 7u, mask = op->i.modrm & 7u;

    host_x87_begin(c, op);
    host_mmx_enter(c);
    store_bytes(c, op, c->ctx.fpu.area + 32 + 16 * val, c->ctx.fpu.area + 32 + 16 * mask, 8);
}

static void maskmovdqu(struct vcpu *c, const struct iem_op *op)
{
    unsigned val = ((op->i.modrm >> 3) & 7u) | (op->i.rex & 4u) << 1, mask = (op->i.modrm & 7u) | (op->i.rex & 1u) << 3;

    store_bytes(c, op, c->ctx.fpu.area + XMM_AT + 16 * val, c->ctx.fpu.area + XMM_AT + 16 * mask, 16);
}

void iem_MASKMOVDQU(struct vcpu *c, const struct iem_op *op)
{
    maskmovdqu(c, op);
}

void iem_VMASKMOVDQU(struct vcpu *c, const struct iem_op *op)
{
    maskmovdqu(c, op);
}

/* ---- element masks ---- */

static bool selected(const uint8_t *mask, unsigned k, unsigned size)
{
    return (mask[k * size + size - 1] & 0x80) != 0;
}

static void masked_move(struct vcpu *c, const struct iem_op *op, unsigned size)
{
    unsigned bytes = op->i.vex, reg = ((op->i.modrm >> 3) & 7u) | (op->i.rex & 4u) << 1;
    bool store = op->i.op[0].kind == X86_OP_MEM;
    uint64_t off = iem_ea(c, &op->i);
    uint8_t mask[32], val[32] = {0};

    get_vec(c, op->i.vvvv, mask);
    if (store)
        get_vec(c, reg, val);
    for (unsigned k = 0; k < bytes / size; k++) {
        if (!selected(mask, k, size))
            continue;
        if (store) {
            iem_probe_write(c, op->i.seg, off + k * size, size, IEM_ALIGN_ANY);
        } else {
            iem_rd_bytes(c, op->i.seg, off + k * size, val + k * size, size, IEM_ALIGN_ANY);
        }
    }
    if (!store) {
        set_vec(c, reg, val, bytes);
        return;
    }
    for (unsigned k = 0; k < bytes / size; k++)
        if (selected(mask, k, size))
            iem_wr_bytes(c, op->i.seg, off + k * size, val + k * size, size, IEM_ALIGN_ANY);
}

void iem_VMASKMOVPS(struct vcpu *c, const struct iem_op *op)
{
    masked_move(c, op, 4);
}

void iem_VMASKMOVPD(struct vcpu *c, const struct iem_op *op)
{
    masked_move(c, op, 8);
}

void iem_VPMASKMOVD(struct vcpu *c, const struct iem_op *op)
{
    masked_move(c, op, 4);
}

void iem_VPMASKMOVQ(struct vcpu *c, const struct iem_op *op)
{
    masked_move(c, op, 8);
}

/* ---- gathers ---- */

static int64_t index_at(const uint8_t *index, unsigned k, unsigned size)
{
    int32_t narrow;
    int64_t wide;

    memcpy(&narrow, index + 4 * k, 4);
    if (size == 4)
        return narrow;
    memcpy(&wide, index + 8 * k, 8);
    return wide;
}

static void gather(struct vcpu *c, const struct iem_op *op, unsigned index_size, unsigned size)
{
    unsigned dest = ((op->i.modrm >> 3) & 7u) | (op->i.rex & 4u) << 1, mask_reg = op->i.vvvv;
    unsigned wide = MAX(index_size, size), count = op->i.vex / wide, bytes = count * size;
    uint64_t wrap = op->i.addrsize == 8 ? UINT64_MAX : UINT32_MAX;
    uint8_t index[32], mask[32], val[32];
    struct x86_insn base = op->i;

    if (dest == mask_reg || dest == op->i.index || mask_reg == op->i.index)
        iem_ud(c);
    base.index = X86_REG_NONE;
    uint64_t off = iem_ea(c, &base);
    get_vec(c, op->i.index, index);
    get_vec(c, mask_reg, mask);
    for (unsigned k = 0; k < op->i.vex / size; k++)
        memset(mask + k * size, selected(mask, k, size) ? 0xff : 0, size);
    set_vec(c, mask_reg, mask, op->i.vex);
    for (unsigned k = 0; k < count; k++) {
        get_vec(c, mask_reg, mask);
        if (selected(mask, k, size)) {
            uint64_t at = (off + (uint64_t)(index_at(index, k, index_size) * op->i.scale)) & wrap;
            get_vec(c, dest, val);
            iem_rd_bytes(c, op->i.seg, at, val + k * size, size,
                         IEM_ALIGN_ANY); /* a fault keeps what is done (inv 1) */
            set_vec(c, dest, val, op->i.vex);
        }
        memset(mask + k * size, 0, size);
        set_vec(c, mask_reg, mask, 32);
    }
    get_vec(c, dest, val);
    set_vec(c, dest, val, bytes < 16 ? 8 : bytes);
    memset(mask, 0, sizeof mask);
    set_vec(c, mask_reg, mask, 32);
}

void iem_VGATHERDPS(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 4, 4);
}

void iem_VGATHERDPD(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 4, 8);
}

void iem_VGATHERQPS(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 8, 4);
}

void iem_VGATHERQPD(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 8, 8);
}

void iem_VPGATHERDD(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 4, 4);
}

void iem_VPGATHERDQ(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 4, 8);
}

void iem_VPGATHERQD(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 8, 4);
}

void iem_VPGATHERQQ(struct vcpu *c, const struct iem_op *op)
{
    gather(c, op, 8, 8);
}

/* ---- all registers ---- */

static unsigned vector_registers(const struct iem_op *op)
{
    return op->i.mode == X86_MODE_64 ? 16 : 8;
}

void iem_VZEROUPPER(struct vcpu *c, const struct iem_op *op)
{
    memset(c->ctx.fpu.area + YMMH_AT, 0, 16u * vector_registers(op));
}

void iem_VZEROALL(struct vcpu *c, const struct iem_op *op)
{
    memset(c->ctx.fpu.area + XMM_AT, 0, 16u * vector_registers(op));
    memset(c->ctx.fpu.area + YMMH_AT, 0, 16u * vector_registers(op));
}

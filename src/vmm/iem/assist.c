/*
 * assist.c - see assist.h.
 */
#include "vmm/iem/assist.h"

#include "vmm/iem/host_int.h"

_Static_assert(sizeof(struct iem_op) <= IEM_OP_BYTES, "room for an op");

void iem_set_fast(struct vcpu *c, iem_fast_fn *fn, unsigned heat)
{
    c->iem->fast = fn;
    c->iem->hot_at = fn != NULL ? heat : UINT32_MAX;
}

void iem_set_native(struct vcpu *c, iem_fast_fn *fn, void (*home)(struct vcpu *c), unsigned heat)
{
    c->iem->native = fn;
    c->iem->native_home = home;
    if (c->iem->fast == NULL)
        c->iem->hot_at = fn != NULL ? heat : UINT32_MAX;
}

void iem_fpu_home(struct vcpu *c)
{
    iem_fpu_sync(c);
}

bool iem_op_make(struct vcpu *c, const uint8_t *bytes, unsigned size, void *room)
{
    struct iem_op *op = room;

    if (x86_decode(bytes, size, c->mode.code, &op->i) <= 0)
        return false;
    op->before = 0;
    op->end = op->i.len;
    iem_select(c, op);
    return true;
}

const struct x86_insn *iem_op_insn(const struct iem_op *op)
{
    return &op->i;
}

bool iem_op_run(struct vcpu *c, const struct iem_op *op)
{
    struct iem *iem = c->iem;

    iem->op = op;
    iem->end_block = IEM_GO_ON;
    iem->resumed = false;
    c->ctx.rip += op->i.len;
    op->fn(c, op);
    iem->op = &iem_no_op;
    if (!c->mode.code64)
        c->ctx.rip = (uint32_t)c->ctx.rip;
    return iem->end_block != IEM_GO_ON;
}

void iem_op_none(struct vcpu *c)
{
    c->iem->op = &iem_no_op;
}

bool iem_op_gla(const struct vcpu *c, const struct iem_op *op, uint64_t *ret_gla)
{
    const struct x86_insn *i = &op->i;
    uint64_t next = c->ctx.rip + i->len;

    switch (i->mnem) {
    case X86_PUSH:
    case X86_CALL: *ret_gla = c->ctx.gpr[X86_RSP] - i->opsize; break;
    case X86_POP:
    case X86_RET: *ret_gla = c->ctx.gpr[X86_RSP]; break;
    case X86_LEAVE: *ret_gla = c->ctx.gpr[X86_RBP]; break;
    default:
        for (unsigned n = 0;; n++) {
            if (n == i->nops)
                return false;
            if (i->op[n].kind == X86_OP_MEM)
                break;
        }
        *ret_gla = iem_ea(c, i) + (i->base == X86_BASE_RIP ? next - c->ctx.rip : 0) + c->ctx.seg[i->seg].base;
    }
    if (!c->mode.code64)
        *ret_gla = (uint32_t)*ret_gla;
    return true;
}

bool iem_x87_usable(const struct vcpu *c)
{
    return c->iem->thunks->x87_live && !(c->ctx.cr0 & (CPUM_CR0_EM | CPUM_CR0_TS));
}

/*
 * assist.c - see assist.h.
 */
#include "vmm/iem/assist.h"

#include "vmm/iem/host_int.h"
#include "vmm/iem/mem_int.h"

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

static bool has_memory(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_MEM)
            return true;
    return false;
}

static uint64_t base_of(const struct vcpu *c, unsigned seg)
{
    return c->mode.code64 && seg < X86_FS ? 0 : c->ctx.seg[seg].base;
}

static uint64_t memory_gla(const struct vcpu *c, const struct x86_insn *i)
{
    return iem_ea(c, i) + (i->base == X86_BASE_RIP ? i->len : 0) + base_of(c, i->seg);
}

static uint64_t stack_gla(const struct vcpu *c, uint64_t off)
{
    return iem_wrap(off, c->mode.stack_bytes) + base_of(c, X86_SS);
}

/* Of string instructions. */
static uint64_t source(const struct vcpu *c, const struct x86_insn *i)
{
    unsigned seg = i->seg_override == X86_SREG_NONE ? X86_DS : i->seg_override;

    return iem_wrap(c->ctx.gpr[X86_RSI], i->addrsize) + base_of(c, seg);
}

static uint64_t destination(const struct vcpu *c, const struct x86_insn *i)
{
    return iem_wrap(c->ctx.gpr[X86_RDI], i->addrsize) + base_of(c, X86_ES);
}

unsigned iem_op_glas(const struct vcpu *c, const struct iem_op *op, uint64_t ret_gla[IEM_OP_GLAS])
{
    const struct x86_insn *i = &op->i;
    const uint64_t *gpr = c->ctx.gpr;
    unsigned n = 0;

    switch (i->mnem) {
    case X86_PUSH:
    case X86_PUSHF:
    case X86_PUSH_SREG:
    case X86_CALL:
        ret_gla[n++] = stack_gla(c, gpr[X86_RSP] - i->opsize);
        if (i->op[0].kind == X86_OP_MEM)
            ret_gla[n++] = memory_gla(c, i);
        break;
    case X86_POP:
    case X86_POP_SREG:
    case X86_RET: ret_gla[n++] = stack_gla(c, gpr[X86_RSP]); break;
    case X86_LEAVE: ret_gla[n++] = stack_gla(c, gpr[X86_RBP]); break;
    case X86_STOS:
    case X86_SCAS: ret_gla[n++] = destination(c, i); break;
    case X86_LODS: ret_gla[n++] = source(c, i); break;
    case X86_MOVS:
    case X86_CMPS:
        ret_gla[n++] = source(c, i);
        ret_gla[n++] = destination(c, i);
        break;
    default:
        if (has_memory(i))
            ret_gla[n++] = memory_gla(c, i);
    }
    for (unsigned k = 0; k < n && !c->mode.code64; k++)
        ret_gla[k] = (uint32_t)ret_gla[k];
    return n;
}

bool iem_guard(struct vcpu *c, void (*fn)(void *user), void *user, struct trpm_event *ret_event)
{
    jmp_buf *below = c->iem->unwind, here;
    int how;

    c->iem->unwind = &here;
    how = setjmp(here);
    if (how == 0)
        fn(user);
    else
        *ret_event = c->trpm->raised;
    c->iem->unwind = below;
    c->iem->guarded = how;
    return how == 0;
}

void iem_pass_on(struct vcpu *c, const struct trpm_event *event)
{
    c->trpm->raised = *event;
    longjmp(*c->iem->unwind, c->iem->guarded);
}

static struct iem_touch touch(const struct vcpu *c, uint64_t gla, unsigned bytes, bool write)
{
    return (struct iem_touch){.gla = c->mode.code64 ? gla : (uint32_t)gla, .bytes = (uint16_t)bytes, .write = write};
}

int iem_op_touches(const struct vcpu *c, const struct iem_op *op, struct iem_touch ret[IEM_TOUCHES])
{
    const struct x86_insn *i = &op->i;
    uint64_t rsp = c->ctx.gpr[X86_RSP], rip = i->base == X86_BASE_RIP ? i->len : 0;
    int n = 0;

    if (i->vsib || (i->rep && (i->row->rules & X86_RULE_REP)))
        return -1;
    for (unsigned k = 0; k < i->nops; k++) {
        const struct x86_operand *o = &i->op[k];
        if (o->kind == X86_OP_SRC)
            ret[n++] = touch(c, source(c, i), o->bytes, false);
        if (o->kind == X86_OP_DST)
            ret[n++] = touch(c, destination(c, i), o->bytes, (o->flags & X86_OPF_WRITE) != 0);
        if (o->kind == X86_OP_MEM && (o->flags & (X86_OPF_READ | X86_OPF_WRITE)) && o->bytes == 0)
            return -1;
        if (o->kind == X86_OP_MEM && (o->flags & (X86_OPF_READ | X86_OPF_WRITE)))
            ret[n++] = touch(c, iem_ea(c, i) + rip + base_of(c, i->seg), o->bytes, (o->flags & X86_OPF_WRITE) != 0);
    }
    switch (i->mnem) {
    case X86_PUSH:
    case X86_PUSHF:
    case X86_PUSH_SREG:
    case X86_CALL: ret[n++] = touch(c, stack_gla(c, rsp - i->opsize), i->opsize, true); break;
    case X86_POP:
    case X86_POP_SREG:
    case X86_RET: ret[n++] = touch(c, stack_gla(c, rsp), i->opsize, false); break;
    case X86_LEAVE: ret[n++] = touch(c, stack_gla(c, c->ctx.gpr[X86_RBP]), i->opsize, false); break;
    default: break;
    }
    return n;
}

bool iem_x87_park(struct vcpu *c)
{
    bool live = c->iem->thunks->x87_live;

    iem_fpu_sync(c);
    return live;
}

void iem_x87_unpark(struct vcpu *c)
{
    host_x87_load(c);
}

bool iem_x87_usable(const struct vcpu *c)
{
    return c->iem->thunks->x87_live && !(c->ctx.cr0 & (CPUM_CR0_EM | CPUM_CR0_TS)) && !c->ctx.ferr;
}

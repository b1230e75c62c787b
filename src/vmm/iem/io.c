/*
 * io.c - IN, OUT, INS, OUTS and the permission to use a port.
 *
 * A REP form moves a bounded number of elements per execution and then runs again from its own address with what is
 * left, so that interrupts get in between as on a processor. Where source or destination is plain RAM and the device
 * takes blocks, a whole run up to the end of the page goes at once.
 *
 * Sources: SDM vol. 1 chapter 19 (I/O permission bit map), vol. 2 by instruction.
 * Invariant 1: INS proves its store before it reads the port; OUTS reads memory before it writes the port.
 */
#include "vmm/iem/mem_int.h"
#include "vmm/iem/seg_int.h"

enum { TSS_IO_BASE = 102, REP_BUDGET = 64 };

/* ---- permission ---- */

static bool bitmap_allows(struct vcpu *c, unsigned port, unsigned bytes)
{
    const struct cpum_seg *tr = &c->ctx.tr;
    uint32_t off;
    unsigned bits;

    if (!(tr->attr & 8) || tr->limit < TSS_IO_BASE + 1) /* a 16-bit TSS has no bitmap */
        return false;
    off = (uint32_t)iem_sys_rd(c, tr->base + TSS_IO_BASE, 2) + port / 8;
    if (off + 1 > tr->limit) /* two bytes are always read */
        return false;
    bits = (unsigned)iem_sys_rd(c, tr->base + off, 2) >> (port % 8);
    return !(bits & ((1u << bytes) - 1));
}

static inline void check_port(struct vcpu *c, unsigned port, unsigned bytes)
{
    unsigned iopl = (unsigned)(c->ctx.rflags >> 12) & 3;

    if (c->mode.pe && (c->mode.v86 || c->ctx.cpl > iopl) && !bitmap_allows(c, port, bytes))
        iem_gp0(c);
}

/* ---- one access ---- */

static uint32_t port_read(struct vcpu *c, uint16_t port, unsigned bytes)
{
    uint32_t val = c->outside->port_read(c->outside_user, c->id, port, bytes);

    c->iem->end_block = true; /* the device may have asked for something */
    if (c->ctx.dr[7] & 0xff)
        iem_watch_io(c, port, bytes);
    return val;
}

static void port_write(struct vcpu *c, uint16_t port, uint32_t val, unsigned bytes)
{
    c->outside->port_write(c->outside_user, c->id, port, val, bytes);
    c->iem->end_block = true;
    if (c->ctx.dr[7] & 0xff)
        iem_watch_io(c, port, bytes);
}

static uint16_t port_operand(const struct vcpu *c, const struct iem_op *op, unsigned n)
{
    const struct x86_operand *o = &op->i.op[n];

    return o->kind == X86_OP_IMM ? (uint8_t)op->i.imm[o->reg] : (uint16_t)c->ctx.gpr[X86_RDX];
}

void iem_IN(struct vcpu *c, const struct iem_op *op)
{
    uint16_t port = port_operand(c, op, 1);
    unsigned bytes = op->i.op[0].bytes;

    check_port(c, port, bytes);
    iem_set_gpr(c, X86_RAX, port_read(c, port, bytes), bytes);
}

void iem_OUT(struct vcpu *c, const struct iem_op *op)
{
    uint16_t port = port_operand(c, op, 0);
    unsigned bytes = op->i.op[1].bytes;

    check_port(c, port, bytes);
    port_write(c, port, (uint32_t)iem_gpr(c, X86_RAX, bytes), bytes);
}

/* ---- strings ---- */

struct run {
    uint16_t port;
    unsigned bytes, seg, pointer; /* element size, segment, X86_RSI or X86_RDI */
    unsigned addrsize;
    bool in;
};

static uint64_t run_offset(const struct vcpu *c, const struct run *r)
{
    return iem_wrap(c->ctx.gpr[r->pointer], r->addrsize);
}

static void advance(struct vcpu *c, const struct run *r, uint64_t elements)
{
    uint64_t bytes = elements * r->bytes;

    iem_set_gpr(c, r->pointer,
                c->ctx.gpr[r->pointer] + (c->ctx.rflags & CPUM_FL_DF ? (uint64_t) - (int64_t)bytes : bytes),
                r->addrsize);
}

static void one_element(struct vcpu *c, const struct run *r)
{
    uint64_t off = run_offset(c, r);

    if (r->in) {
        iem_probe_write(c, r->seg, off, r->bytes, IEM_ALIGN_AC); /* inv 1 */
        iem_wr(c, r->seg, off, port_read(c, r->port, r->bytes), r->bytes);
    } else {
        port_write(c, r->port, (uint32_t)iem_rd(c, r->seg, off, r->bytes), r->bytes);
    }
    advance(c, r, 1);
}

/* Elements moved at once, 0 if it must go one by one. */
static uint64_t block(struct vcpu *c, const struct run *r, uint64_t count)
{
    const struct cpum_outside *out = c->outside;
    uint64_t off = run_offset(c, r), room, gla;
    uint8_t *p;

    if ((c->ctx.rflags & CPUM_FL_DF) || (c->ctx.dr[7] & 0xff) || c->mode.align_check ||
        !(r->in ? (void *)out->port_read_block : (void *)out->port_write_block))
        return 0;
    gla = iem_gla(c, r->seg, off, r->bytes, r->in ? PGM_WRITE : PGM_READ);
    room = (PGM_PAGE_BYTES - (gla & (PGM_PAGE_BYTES - 1))) / r->bytes;
    room = MIN(room, count);
    if (r->addrsize == 2)
        room = MIN(room, (0x10000 - off) / r->bytes);
    if (room < 2)
        return 0;
    iem_gla(c, r->seg, off, (unsigned)room * r->bytes, r->in ? PGM_WRITE : PGM_READ);
    p = pgm_mmu_fast(&c->mmu, c->mode.idx, gla, (unsigned)room * r->bytes, r->in ? PGM_WRITE : PGM_READ);
    if (!p)
        return 0;
    c->iem->end_block = true;
    return r->in ? out->port_read_block(c->outside_user, c->id, r->port, p, r->bytes, room)
                 : out->port_write_block(c->outside_user, c->id, r->port, p, r->bytes, room);
}

static void repeat(struct vcpu *c, const struct iem_op *op, const struct run *r)
{
    uint64_t count = iem_wrap(c->ctx.gpr[X86_RCX], r->addrsize), done;

    c->iem->mid_rep = false;
    if (!count)
        return;
    done = block(c, r, count);
    if (done) {
        advance(c, r, done);
        count -= done;
        iem_set_gpr(c, X86_RCX, count, r->addrsize);
    } else {
        for (unsigned n = 0; n < REP_BUDGET && count; n++) {
            one_element(c, r);
            iem_set_gpr(c, X86_RCX, --count, r->addrsize);
            if (c->ctx.pending_db)
                break;
        }
    }
    if (count)
        iem_rep_again(c, op);
}

static void string_io(struct vcpu *c, const struct iem_op *op, struct run *r)
{
    r->port = (uint16_t)c->ctx.gpr[X86_RDX];
    r->addrsize = op->i.addrsize;
    check_port(c, r->port, r->bytes);
    if (op->i.rep)
        repeat(c, op, r);
    else
        one_element(c, r);
}

void iem_INS(struct vcpu *c, const struct iem_op *op)
{
    struct run r = {.bytes = op->i.op[0].bytes, .seg = X86_ES, .pointer = X86_RDI, .in = true};

    string_io(c, op, &r);
}

void iem_OUTS(struct vcpu *c, const struct iem_op *op)
{
    struct run r = {.bytes = op->i.op[1].bytes,
                    .seg = op->i.seg_override == X86_SREG_NONE ? X86_DS : op->i.seg_override,
                    .pointer = X86_RSI};

    string_io(c, op, &r);
}

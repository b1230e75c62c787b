/*
 * string.c - MOVS, CMPS, STOS, LODS, SCAS, with REP.
 *
 * One iteration is complete before the next begins: registers are current at every fault, and the instruction is
 * restarted with what is left. REP MOVS and REP STOS upwards on plain RAM go a page run at a time; everything else
 * goes one element at a time. After each step a raised force flag ends the instruction early: rip goes back to it.
 *
 * Sources: SDM vol. 2 by instruction and REP; vol. 1 7.3.9.
 * Invariant 1: at least one iteration is done per dispatch, so interrupts cannot starve a string instruction.
 * Invariant 2: a bulk run never crosses a page on either side; where it reads what it has written it goes one element
 *   at a time, as REP MOVS does.
 * Invariant 3: a fault in the middle of REP CMPS or SCAS finds the flags of before the instruction (SDM vol. 2, REP).
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

#define PAGE_MASK ((uint64_t)PGM_PAGE_BYTES - 1)

static inline unsigned source_seg(const struct iem_op *op)
{
    return op->i.seg_override == X86_SREG_NONE ? X86_DS : op->i.seg_override;
}

static inline uint64_t index_of(const struct vcpu *c, const struct iem_op *op, unsigned reg)
{
    return iem_wrap(c->ctx.gpr[reg], op->i.addrsize);
}

static inline void advance(struct vcpu *c, const struct iem_op *op, unsigned reg, int64_t bytes)
{
    iem_set_gpr(c, reg, c->ctx.gpr[reg] + (uint64_t)bytes, op->i.addrsize);
}

static inline int64_t step(const struct vcpu *c, unsigned bytes)
{
    return c->ctx.rflags & CPUM_FL_DF ? -(int64_t)bytes : (int64_t)bytes;
}

/* ---- one element ---- */

typedef void element_fn(struct vcpu *c, const struct iem_op *op, unsigned bytes);

IEM_INLINE void movs_one(struct vcpu *c, const struct iem_op *op, unsigned bytes)
{
    uint64_t val = iem_rd_inl(c, source_seg(op), index_of(c, op, X86_RSI), bytes);

    iem_wr_inl(c, X86_ES, index_of(c, op, X86_RDI), val, bytes);
    advance(c, op, X86_RSI, step(c, bytes));
    advance(c, op, X86_RDI, step(c, bytes));
}

IEM_INLINE void stos_one(struct vcpu *c, const struct iem_op *op, unsigned bytes)
{
    iem_wr_inl(c, X86_ES, index_of(c, op, X86_RDI), c->ctx.gpr[X86_RAX], bytes);
    advance(c, op, X86_RDI, step(c, bytes));
}

IEM_INLINE void lods_one(struct vcpu *c, const struct iem_op *op, unsigned bytes)
{
    iem_set_gpr(c, X86_RAX, iem_rd_inl(c, source_seg(op), index_of(c, op, X86_RSI), bytes), bytes);
    advance(c, op, X86_RSI, step(c, bytes));
}

/* When both operands fault, AMD's CPUs report ES:rDI; no manual says. */
IEM_INLINE void cmps_one(struct vcpu *c, const struct iem_op *op, unsigned bytes)
{
    uint64_t b = iem_rd_inl(c, X86_ES, index_of(c, op, X86_RDI), bytes);
    uint64_t a = iem_rd_inl(c, source_seg(op), index_of(c, op, X86_RSI), bytes);

    iem_alu_cmp(a, b, bytes, &c->ctx.rflags);
    advance(c, op, X86_RSI, step(c, bytes));
    advance(c, op, X86_RDI, step(c, bytes));
}

IEM_INLINE void scas_one(struct vcpu *c, const struct iem_op *op, unsigned bytes)
{
    uint64_t b = iem_rd_inl(c, X86_ES, index_of(c, op, X86_RDI), bytes);

    iem_alu_cmp(iem_gpr(c, X86_RAX, bytes), b, bytes, &c->ctx.rflags);
    advance(c, op, X86_RDI, step(c, bytes));
}

/* ---- bulk runs: return the number of elements done, 0 = do it one by one ---- */

/* Elements from @off to the end of its page, at most @count. */
static uint64_t page_run(uint64_t off, uint64_t base, uint64_t count, unsigned bytes)
{
    return MIN(count, (PGM_PAGE_BYTES - ((off + base) & PAGE_MASK)) / bytes);
}

static bool bulk_ok(const struct vcpu *c, const struct iem_op *op)
{
    return !(c->ctx.rflags & (CPUM_FL_DF | CPUM_FL_TF)) && (c->mode.code64 || c->mode.flat) && op->i.addrsize >= 4;
}

/* Where a run of @bytes inside a page is on the host; NULL: not RAM, a fault, or somebody watches. The two runs of a
 * copy may want the same place in the TLB, so what is not there is translated for this one time. */
static uint8_t *run_at(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum pgm_access acc)
{
    uint8_t *p = iem_direct(c, seg, off, bytes, acc);
    struct pgm_xlat x;
    uint64_t gla;

    if (p || c->mode.align_check || (c->ctx.dr[7] & 0xff))
        return p;
    gla = iem_gla(c, seg, off, bytes, acc);
    return pgm_mmu_xlat(&c->mmu, c->mode.idx, gla, acc, &x) == PGM_XLAT_OK ? x.hva : NULL;
}

static uint64_t movs_bulk(struct vcpu *c, const struct iem_op *op, uint64_t count, unsigned bytes)
{
    uint64_t si = index_of(c, op, X86_RSI), di = index_of(c, op, X86_RDI), n;
    unsigned seg = source_seg(op);
    uint8_t *src, *dst;

    if (!bulk_ok(c, op))
        return 0;
    n = page_run(si, seg >= X86_FS ? c->ctx.seg[seg].base : 0, page_run(di, 0, count, bytes), bytes);
    if (n < 2)
        return 0;
    src = run_at(c, seg, si, (unsigned)(n * bytes), PGM_READ);
    dst = src ? run_at(c, X86_ES, di, (unsigned)(n * bytes), PGM_WRITE) : NULL;
    if (!dst)
        return 0;
    if (dst > src && dst < src + n * bytes) /* inv 2 */
        for (uint64_t k = 0; k < n; k++)
            iem_host_store(dst + k * bytes, iem_host_load(src + k * bytes, bytes), bytes);
    else
        memmove(dst, src, n * bytes);
    advance(c, op, X86_RSI, (int64_t)(n * bytes));
    advance(c, op, X86_RDI, (int64_t)(n * bytes));
    return n;
}

static void fill(uint8_t *dst, uint64_t val, uint64_t n, unsigned bytes)
{
    if (bytes == 1) {
        memset(dst, (int)(val & 0xff), n);
        return;
    }
    for (uint64_t k = 0; k < n; k++)
        iem_host_store(dst + k * bytes, val, bytes);
}

static uint64_t stos_bulk(struct vcpu *c, const struct iem_op *op, uint64_t count, unsigned bytes)
{
    uint64_t di = index_of(c, op, X86_RDI), n;
    uint8_t *dst;

    if (!bulk_ok(c, op))
        return 0;
    n = page_run(di, 0, count, bytes);
    dst = n < 2 ? NULL : run_at(c, X86_ES, di, (unsigned)(n * bytes), PGM_WRITE);
    if (!dst)
        return 0;
    fill(dst, c->ctx.gpr[X86_RAX], n, bytes);
    advance(c, op, X86_RDI, (int64_t)(n * bytes));
    return n;
}

/* ---- REP ---- */

typedef uint64_t bulk_fn(struct vcpu *c, const struct iem_op *op, uint64_t count, unsigned bytes);

/* REP F3 goes on while ZF, F2 while not, for the comparing instructions. */
static inline bool goes_on(const struct vcpu *c, const struct iem_op *op, bool compares)
{
    return !compares || ((c->ctx.rflags & CPUM_FL_ZF) != 0) == (op->i.rep == 0xf3);
}

/* With 32-bit addresses Intel's CPUs clear the registers' upper halves first, even if there is nothing to do. */
static void narrow(struct vcpu *c, const struct iem_op *op)
{
    if (op->i.addrsize != 4 || cpum_is_amd(c))
        return;
    advance(c, op, X86_RCX, 0);
    if (op->i.mnem == X86_MOVS)
        advance(c, op, X86_RSI, 0);
    if (op->i.mnem == X86_MOVS || op->i.mnem == X86_STOS)
        advance(c, op, X86_RDI, 0);
}

IEM_INLINE void repeat(struct vcpu *c, const struct iem_op *op, unsigned bytes, element_fn *one, bulk_fn *bulk,
                       bool compares)
{
    uint64_t count, done, flags = c->ctx.rflags;

    if (!op->i.rep) {
        one(c, op, bytes);
        return;
    }
    c->iem->mid_rep = false;
    count = index_of(c, op, X86_RCX);
    narrow(c, op);
    while (count) {
        done = bulk ? bulk(c, op, count, bytes) : 0;
        if (compares)
            c->ctx.rflags = flags; /* inv 3 */
        if (!done) {
            one(c, op, bytes);
            done = 1;
        }
        count -= done;
        iem_set_gpr(c, X86_RCX, count, op->i.addrsize);
        if (!goes_on(c, op, compares))
            return;
        if (count && (cpum_wanted(c) || (c->ctx.rflags & CPUM_FL_TF))) {
            iem_rep_again(c, op);
            return;
        }
    }
}

/* Constant widths, so that the element functions fold. */
#define STRING(NAME, n, one, bulk, compares)                                                                           \
    void iem_##NAME(struct vcpu *c, const struct iem_op *op)                                                           \
    {                                                                                                                  \
        switch (op->i.op[n].bytes) {                                                                                   \
        case 1: repeat(c, op, 1, one, bulk, compares); break;                                                          \
        case 2: repeat(c, op, 2, one, bulk, compares); break;                                                          \
        case 4: repeat(c, op, 4, one, bulk, compares); break;                                                          \
        default: repeat(c, op, 8, one, bulk, compares); break;                                                         \
        }                                                                                                              \
    }

STRING(MOVS, 0, movs_one, movs_bulk, false)
STRING(STOS, 0, stos_one, stos_bulk, false)
STRING(LODS, 1, lods_one, NULL, false)
STRING(CMPS, 0, cmps_one, NULL, true)
STRING(SCAS, 1, scas_one, NULL, true)

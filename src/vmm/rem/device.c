/*
 * device.c - port instructions, and instructions that were caught at a device's registers: straight to the device,
 * without the interpreter; STAC and CLAC likewise.
 *
 * Translated code leaves what is to be done in hot.access, and the linear address in hot.tmp; everything else is in the
 * context by then (entry.c). If the page is no device's after all, or anything else is unusual, the interpreter runs
 * the instruction (slow.c), and a site that often reaches memory loses its mark (adapt.c). In lockstep nothing of this
 * is used.
 *
 * Stores that were caught changing code go this way too: what they change is looked at here, without leaving.
 *
 * What a device's handler can change under translated code it says by a force flag, as to every other thread: then
 * translated code is left behind the instruction.
 */
#include "vmm/rem/segment.h"

/* hot.access; never 0. */
enum access_kind {
    ACCESS_IN = 1,
    ACCESS_OUT,
    ACCESS_LOAD,
    ACCESS_SIGNED,
    ACCESS_STORE,
    ACCESS_CONSTANT,
    ACCESS_CLAC,
    ACCESS_STAC
};
#define ACCESS(kind, bytes, reg, to) ((uint32_t)(kind) | (bytes) << 4 | (uint32_t)(reg) << 8 | (uint32_t)(to) << 16)
#define PORT_IN_DX                   0x100u /* in the place of a port number */
#define HIGH_BYTE                    16u    /* registers from here on: AH CH DH BH */

static unsigned reg_number(unsigned reg)
{
    return reg >= X86_AH ? HIGH_BYTE + reg - X86_AH : reg;
}

/* ---- run ---- */

static uint64_t ones(unsigned bytes)
{
    return bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static void set_reg(struct vcpu *c, unsigned reg, uint64_t v, unsigned bytes)
{
    uint64_t *to = &c->ctx.gpr[reg & 15];

    if (reg >= HIGH_BYTE)
        *to = (*to & ~UINT64_C(0xff00)) | (v & 0xff) << 8;
    else
        *to = bytes >= 4 ? v & ones(bytes) : (*to & ~ones(bytes)) | (v & ones(bytes));
}

static uint64_t get_reg(const struct vcpu *c, unsigned reg)
{
    return reg >= HIGH_BYTE ? c->ctx.gpr[reg & 15] >> 8 : c->ctx.gpr[reg];
}

static void port(struct rem *r, uint32_t what)
{
    struct vcpu *c = r->c;
    unsigned bytes = what >> 4 & 15, number = what >> 8 & 0x1ff;

    if (number == PORT_IN_DX)
        number = (uint16_t)c->ctx.gpr[X86_RDX];
    if ((what & 15) == ACCESS_IN)
        set_reg(c, X86_RAX, c->outside->port_read(c->outside_user, c->id, (uint16_t)number, bytes), bytes);
    else
        c->outside->port_write(c->outside_user, c->id, (uint16_t)number, (uint32_t)(c->ctx.gpr[X86_RAX] & ones(bytes)),
                               bytes);
    r->hot.x87_ok = iem_x87_usable(c); /* IGNNE# */
    r->stats.ports++;
}

/* A store to a page with watched code: true, done. */
static bool store_code(struct rem *r, uint64_t gla, uint64_t v, unsigned bytes)
{
    struct vcpu *c = r->c;
    uint64_t gpa;

    if (!pgm_mmu_watched(&c->mmu, c->mode.idx, gla, &gpa))
        return false;
    pgm_phys_write_n(c->mmu.pgm, gpa, v, bytes);
    rem_follow_code(r);
    cpum_quiet(c);
    r->stats.code_stores++;
    return true;
}

/* False: no device there. */
static bool memory(struct rem *r, uint32_t what)
{
    struct pgm_device *d = &r->device[(r->hot.site ^ r->hot.site >> REM_SITES_BITS) % REM_DEVICES];
    unsigned kind = what & 15, bytes = what >> 4 & 15, reg = what >> 8 & 31, to = what >> 16 & 15;
    bool write = kind == ACCESS_STORE || kind == ACCESS_CONSTANT;
    uint64_t gla = r->hot.tmp, off = gla & (PGM_PAGE_BYTES - 1), v;
    struct vcpu *c = r->c;

    if (off + bytes > PGM_PAGE_BYTES)
        return false;
    v = kind == ACCESS_STORE ? get_reg(c, reg) : (uint64_t)(int64_t)(int32_t)(uint32_t)r->hot.tmp2;
    if (!pgm_mmu_device(&c->mmu, c->mode.idx, gla, write ? PGM_WRITE : PGM_READ, d))
        return write && store_code(r, gla, v & ones(bytes), bytes);
    r->stats.device_accesses++;
    if (write) {
        d->ops->write(d->user, d->off + off, v & ones(bytes), bytes);
        return true;
    }
    v = d->ops->read(d->user, d->off + off, bytes) & ones(bytes);
    if (kind == ACCESS_SIGNED)
        v = (uint64_t)((int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes));
    set_reg(c, reg, v, to);
    return true;
}

/*
 * STAC, CLAC: the set of tables of the other right to users' pages, if it is at hand. Both sets are of the same address
 * space and know the same code, so that pairs stay (pairs.c inv 2).
 */
static bool set_ac(struct rem *r, bool on)
{
    struct vcpu *c = r->c;
    const enum pgm_index idx = on || !(c->ctx.cr4 & CPUM_CR4_SMAP) ? PGM_IDX_KERNEL_AC : PGM_IDX_KERNEL;
    struct flat_set *s = r->last[idx];
    const uint64_t word = rem_x_of(r->set, r->hot.pcbase);

    if (idx != c->mode.idx) {
        if (s == NULL || s->gen != c->mmu.gen || r->set->gen != c->mmu.gen || s->idx != idx || s->key != c->mode.key ||
            word == 0)
            return false;
        if (flat_x(s, r->hot.pcbase) != word)
            flat_set_x(r->flat, s, &c->mmu, r->hot.pcbase, word);
        c->mode.idx = idx;
        c->mode.tlb = c->mmu.tlb[idx];
        rem_exchange_set(r, s);
    }
    c->ctx.rflags = on ? c->ctx.rflags | CPUM_FL_AC : c->ctx.rflags & ~(uint64_t)CPUM_FL_AC;
    return true;
}

/* Something wants the vCPU: out, behind the instruction. */
static uint64_t leave_behind(struct rem *r, const struct rem_site *s)
{
    struct vcpu *c = r->c;

    rem_note_flags(r);
    c->ctx.rip = rem_rip(r, s->off + s->len);
    r->care = true;
    r->hot.vec_reload = 0;
    return 0;
}

bool rem_device(struct rem *r, uint64_t *ret_host)
{
    const struct rem_site site = rem_site_get(r, r->hot.site), *s = &site;
    const uint32_t what = r->hot.access;
    struct vcpu *c = r->c;

    r->hot.access = 0;
    if (c->ctx.dr[7] & 0xff) /* breakpoints */
        return false;
    if ((what & 15) <= ACCESS_OUT)
        port(r, what);
    else if ((what & 15) >= ACCESS_CLAC ? !set_ac(r, (what & 15) == ACCESS_STAC) : !memory(r, what))
        return false;
    if (atomic_load_explicit(&c->ff.quiet, memory_order_relaxed) == 0 || rem_block_of(r, s)->stale) {
        *ret_host = leave_behind(r, s);
        return true;
    }
    if (r->pairs_epoch != r->flat->x_epoch)
        rem_pairs_forget(r);
    *ret_host = (uint64_t)(uintptr_t)(r->code.rx + s->next);
    return true;
}

/* ---- translate ---- */

static bool emit(struct rem_tr *t, uint32_t what)
{
    e_store_imm32(&t->e, &t->r->hot.access, what);
    rem_emit_opaque(t);
    return true;
}

/* No bitmap to look at: CPL 0, or real mode. */
static bool ports_allowed(const struct vcpu *c)
{
    uint32_t key = c->mode.key & (CPUM_KEY_PE | CPUM_KEY_V86 | CPUM_KEY_CPL);

    return !(key & CPUM_KEY_PE) || key == CPUM_KEY_PE;
}

bool rem_emit_port(struct rem_tr *t, const struct x86_insn *i)
{
    bool in = i->mnem == X86_IN;
    const struct x86_operand *p = &i->op[in ? 1 : 0], *a = &i->op[in ? 0 : 1];
    unsigned number = p->kind == X86_OP_IMM ? (uint8_t)i->imm[p->reg] : PORT_IN_DX;

    return t->r->lockstep == NULL && ports_allowed(t->c) &&
           emit(t, (uint32_t)(in ? ACCESS_IN : ACCESS_OUT) | (uint32_t)a->bytes << 4 | number << 8);
}

/* CPL 0, 64-bit code. */
bool rem_emit_set_ac(struct rem_tr *t, bool on)
{
    return t->r->lockstep == NULL && emit(t, on ? ACCESS_STAC : ACCESS_CLAC);
}

static bool emit_at(struct rem_tr *t, const struct x86_insn *i, uint32_t what)
{
    struct rem_gla a;

    if (!rem_emit_gla(t, i, &a))
        return false;
    struct x86_place sum = e_at(a.reg, a.disp);
    rem_made(t, t->site)->flags |= REM_S_DEVICE;
    if (a.disp != 0)
        e_lea(&t->e, true, T0, &sum);
    e_store(&t->e, &t->r->hot.tmp, a.disp != 0 ? (unsigned)T0 : a.reg);
    return emit(t, what);
}

static bool emit_store(struct rem_tr *t, const struct x86_insn *i, unsigned bytes)
{
    const struct x86_operand *from = &i->op[1];

    if (from->kind == X86_OP_GPR)
        return emit_at(t, i, ACCESS(ACCESS_STORE, bytes, reg_number(from->reg), 0));
    if (from->kind != X86_OP_IMM)
        return false;
    e_store_imm32(&t->e, &t->r->hot.tmp2, (uint32_t)i->imm[from->reg]);
    return emit_at(t, i, ACCESS(ACCESS_CONSTANT, bytes, 0, 0));
}

bool rem_emit_device(struct rem_tr *t, const struct x86_insn *i)
{
    bool store = i->nops == 2 && i->op[0].kind == X86_OP_MEM, load = i->nops == 2 && i->op[1].kind == X86_OP_MEM;
    unsigned bytes = load ? i->op[1].bytes : i->op[0].bytes;

    if (t->r->lockstep != NULL || i->lock || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8))
        return false;
    if (i->mnem == X86_MOV && store)
        return emit_store(t, i, bytes);
    if (!load || i->op[0].kind != X86_OP_GPR)
        return false;
    switch (i->mnem) {
    case X86_MOV:
    case X86_MOVZX: return emit_at(t, i, ACCESS(ACCESS_LOAD, bytes, reg_number(i->op[0].reg), i->op[0].bytes));
    case X86_MOVSX:
    case X86_MOVSXD: return emit_at(t, i, ACCESS(ACCESS_SIGNED, bytes, reg_number(i->op[0].reg), i->op[0].bytes));
    default: return false;
    }
}

/*
 * string.c - MOVS, STOS and LODS where they can go on the host's own: forwards, 64-bit addresses, inside a page.
 *
 * The host's string instructions run on host addresses, which are a constant away from the guest's; the pointers are
 * moved there and back. REP: all conditions (direction, at most a page of elements, none over the end of the page,
 * alignment) are summed up and must be 0 - the host traps on a misaligned element in the middle, when registers have
 * changed. Whatever does not meet them the interpreter runs, page by page or element by element (iem/string.c); so does
 * a count of 0 at the beginning of a page.
 *
 * Sources: SDM vol. 2 by instruction and REP.
 * Invariant 1: nothing changes before both pages are known to be there.
 */
#include "vmm/rem/rem_int.h"

/* T0 += the bits of @from that are in @mask, brought together; S is lost. */
static void add_bits(struct emit *e, unsigned from, const uint64_t *mask)
{
    struct x86_place sum = e_at_index(T0, S, 1, 0);

    e_bits(e, false, S, from, mask);
    e_lea(e, true, T0, &sum);
}

/* T0 += not 0 if [pointer, + RCX * bytes) goes over the page's end or the pointer is misaligned. hot.tmp is lost. */
static void add_run(struct rem_tr *t, unsigned pointer, unsigned bytes)
{
    struct x86_place last = e_at_index(S, HOST_RCX, bytes, -1), sum = e_at_index(T0, S, 1, 0);
    struct rem_hot *hot = &t->r->hot;
    struct emit *e = &t->e;

    e_bits(e, false, S, pointer, &hot->mask_in_page);
    e_lea(e, true, S, &last);
    e_bits(e, false, S, S, &hot->mask_high);
    e_lea(e, true, T0, &sum);
    if (bytes > 1)
        add_bits(e, pointer, &hot->mask_align[bytes / 4]);
}

static void add_direction(struct rem_tr *t)
{
    e_load(&t->e, S, &t->c->ctx.rflags);
    add_bits(&t->e, S, &t->r->hot.mask_df);
}

/* On if T0 is 0, else the interpreter. */
static void unless_zero_miss(struct rem_tr *t)
{
    struct emit *e = &t->e;
    uint8_t *ok;

    rem_islands(t, 32, true);
    e_mov(e, true, S, T0);
    ok = e_jrcxz(e);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_SLOW, .from = e_jmp(e), .site = t->site});
    e_here8(e, ok);
}

/* pointer += T0, or -= T0 with T0 inverted. */
static void move_there(struct emit *e, unsigned pointer)
{
    struct x86_place sum = e_at_index(pointer, T0, 1, 0);

    e_lea(e, true, pointer, &sum);
}

static void move_back(struct emit *e, unsigned pointer)
{
    struct x86_place sum = e_at_index(pointer, T0, 1, 1);

    E_BYTES(e, 0x49, 0xf7, 0xd6); /* not r14 */
    e_lea(e, true, pointer, &sum);
}

static void string_insn(struct emit *e, bool rep, unsigned opcode, unsigned bytes)
{
    if (bytes == 2)
        e8(e, 0x66);
    if (rep)
        e8(e, 0xf3);
    if (bytes == 8)
        e8(e, 0x48);
    e8(e, opcode | (bytes > 1));
}

static void emit_rep(struct rem_tr *t, bool movs, unsigned bytes)
{
    struct rem_hot *hot = &t->r->hot;
    struct emit *e = &t->e;

    rem_islands(t, REM_FAR, true);
    e_bits(e, false, T0, HOST_RCX, &hot->mask_high);
    add_direction(t);
    add_run(t, X86_RDI, bytes);
    if (movs)
        add_run(t, X86_RSI, bytes);
    unless_zero_miss(t);
    rem_emit_probe(t, rem_gla_in(X86_RDI), 1, true);
    if (movs) {
        e_store(e, &hot->tmp, S);
        rem_emit_probe(t, rem_gla_in(X86_RSI), 1, false);
        rem_islands(t, REM_FAR, true);
        e_mov(e, true, T0, S);
        move_there(e, X86_RSI);
        e_store(e, &hot->tmp2, T0);
        e_load(e, T0, &hot->tmp);
    } else {
        e_mov(e, true, T0, S);
    }
    move_there(e, X86_RDI);
    e_mov(e, true, S, HOST_RCX);
    string_insn(e, true, movs ? 0xa4 : 0xaa, bytes);
    e_mov(e, true, HOST_RCX, S);
    move_back(e, X86_RDI);
    if (movs) {
        e_load(e, T0, &hot->tmp2);
        move_back(e, X86_RSI);
    }
}

static void step_over(struct emit *e, unsigned pointer, unsigned bytes)
{
    struct x86_place next = e_at(pointer, (int32_t)bytes);

    e_lea(e, true, pointer, &next);
}

/* mov of @bytes between @reg and the guest memory a probe of @pointer has found. */
static void move_element(struct emit *e, bool store, unsigned reg, unsigned pointer, unsigned bytes)
{
    struct x86_place at = e_at_index(pointer, S, 1, 0);

    if (bytes == 2)
        e8(e, 0x66);
    e_mem(e, bytes == 8, (store ? 0x88u : 0x8au) | (bytes > 1), reg, &at);
}

static void emit_one(struct rem_tr *t, const struct x86_insn *i, unsigned bytes)
{
    bool loads = i->mnem != X86_STOS, stores = i->mnem != X86_LODS;
    unsigned reg = i->mnem == X86_MOVS ? T0 : X86_RAX;
    struct emit *e = &t->e;

    e_mov_imm(e, T0, 0);
    add_direction(t);
    unless_zero_miss(t);
    if (loads) {
        rem_emit_probe(t, rem_gla_in(X86_RSI), bytes, false);
        move_element(e, false, reg, X86_RSI, bytes);
    }
    if (stores) {
        rem_emit_probe(t, rem_gla_in(X86_RDI), bytes, true);
        move_element(e, true, reg, X86_RDI, bytes);
        step_over(e, X86_RDI, bytes);
    }
    if (loads)
        step_over(e, X86_RSI, bytes);
}

bool rem_emit_string(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned bytes = i->op[i->mnem == X86_LODS ? 1 : 0].bytes;

    if (i->mnem != X86_MOVS && i->mnem != X86_STOS && i->mnem != X86_LODS)
        return false;
    if (!t->bits64 || i->addrsize != 8 || i->seg_override == X86_FS || i->seg_override == X86_GS)
        return false;
    if (i->rep && i->mnem == X86_LODS)
        return false;
    if (i->rep)
        emit_rep(t, i->mnem == X86_MOVS, bytes);
    else
        emit_one(t, i, bytes);
    return true;
}

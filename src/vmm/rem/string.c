/*
 * string.c - string instructions that go forwards: one element in every mode; REP MOVS and REP STOS, on flat memory and
 * inside a page, on the host's own.
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
#include "vmm/rem/segment.h"

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

static void back_to_guest(struct rem_tr *t, unsigned pointer)
{
    struct x86_place sum = e_at_index(pointer, T0, 1, 1);

    E_BYTES(&t->e, 0x49, 0xf7, 0xd6);       /* not r14 */
    e_lea(&t->e, t->bits64, pointer, &sum); /* a 32-bit pointer wraps at 4 GiB */
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
    back_to_guest(t, X86_RDI);
    if (movs) {
        e_load(e, T0, &hot->tmp2);
        back_to_guest(t, X86_RSI);
    }
}

/* ---- one element ---- */

/* The pointer moves behind the element; S is lost. */
static void step_over(struct rem_tr *t, const struct x86_insn *i, unsigned pointer, unsigned bytes)
{
    struct x86_place next = e_at(pointer, (int32_t)bytes);

    e_lea(&t->e, i->addrsize == 8, i->addrsize == 2 ? S : pointer, &next);
    if (i->addrsize == 2)
        rem_emit_from_s16(&t->e, pointer);
}

/* mov or cmp of @bytes between @reg and memory; the instruction's first operand is @reg but for a store. */
enum { LOAD = 0x8a, STORE = 0x88, COMPARE = 0x3a };
static void element(struct emit *e, unsigned opcode, unsigned reg, const struct x86_place *at, unsigned bytes)
{
    if (bytes == 2)
        e8(e, 0x66);
    e_mem(e, bytes == 8, opcode | (bytes > 1), reg, at);
}

/*
 * Afterwards [return + S] is the element at @pointer. The pointer itself is the linear address where that needs no look
 * at a segment (a 32-bit pointer's upper half leads to no entry); else the address is in T0.
 */
static unsigned reach_element(struct rem_tr *t, const struct x86_insn *i, unsigned pointer, unsigned bytes, bool write)
{
    unsigned seg = pointer == X86_RDI ? X86_ES : i->seg_override == X86_SREG_NONE ? X86_DS : i->seg_override;
    bool checked = t->segmented || (!t->bits64 && seg >= X86_FS), plain = !checked && i->addrsize != 2;

    if (!plain)
        e_mov(&t->e, false, T0, pointer);
    if (i->addrsize == 2)
        rem_emit_cut_t0(&t->e);
    if (checked)
        rem_emit_in_segment(t, seg, bytes, write ? REM_ROOM_WRITE : REM_ROOM_READ);
    rem_emit_probe(t, rem_gla_in(plain ? pointer : T0), bytes, write);
    return plain ? pointer : T0;
}

/* From RSI to RDI, or compares them. The first element waits in hot.tmp, if it must, for the second's address. */
static void emit_two(struct rem_tr *t, const struct x86_insn *i, unsigned bytes)
{
    bool write = i->mnem == X86_MOVS;
    unsigned opcode = write ? STORE : COMPARE, from, to;
    struct rem_hot *hot = &t->r->hot;
    struct x86_place at, end = e_at(T0, 0), both = e_at_index(T0, S, 1, 0);
    struct emit *e = &t->e;

    from = reach_element(t, i, X86_RSI, bytes, false);
    at = e_at_index(from, S, 1, 0);
    element(e, LOAD, T0, &at, bytes);
    if (from == T0)
        e_store(e, &hot->tmp, T0);
    to = reach_element(t, i, X86_RDI, bytes, write);
    at = e_at_index(to, S, 1, 0);
    if (to == T0) {
        e_lea(e, true, T0, &both);
        e_load(e, S, &hot->tmp);
        element(e, opcode, S, &end, bytes);
    } else {
        element(e, opcode, T0, &at, bytes);
    }
    step_over(t, i, X86_RDI, bytes);
    step_over(t, i, X86_RSI, bytes);
}

static void emit_one(struct rem_tr *t, const struct x86_insn *i, unsigned bytes)
{
    static const struct {
        uint16_t mnem;
        uint8_t pointer, opcode;
    } forms[] = {{X86_LODS, X86_RSI, LOAD}, {X86_STOS, X86_RDI, STORE}, {X86_SCAS, X86_RDI, COMPARE}};

    e_mov_imm(&t->e, T0, 0);
    add_direction(t);
    unless_zero_miss(t);
    for (unsigned n = 0; n < G_N_ELEMENTS(forms); n++)
        if (forms[n].mnem == i->mnem) {
            unsigned reg = reach_element(t, i, forms[n].pointer, bytes, forms[n].opcode == STORE);
            struct x86_place at = e_at_index(reg, S, 1, 0);
            element(&t->e, forms[n].opcode, X86_RAX, &at, bytes);
            step_over(t, i, forms[n].pointer, bytes);
            return;
        }
    emit_two(t, i, bytes);
}

/* True: REP can go on the host's own: a flat 32- or 64-bit pointer. */
static bool rep_is_flat(const struct rem_tr *t, const struct x86_insn *i)
{
    return (i->mnem == X86_MOVS || i->mnem == X86_STOS) && !t->segmented && i->addrsize != 2 &&
           (t->bits64 || i->seg_override < X86_FS || i->seg_override == X86_SREG_NONE);
}

bool rem_emit_string(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned bytes;

    switch (i->mnem) {
    case X86_LODS: bytes = i->op[1].bytes; break;
    case X86_MOVS:
    case X86_STOS:
    case X86_SCAS:
    case X86_CMPS: bytes = i->op[i->mnem == X86_SCAS ? 1 : 0].bytes; break;
    default: return false;
    }
    if (t->bits64 && (i->addrsize != 8 || i->seg_override == X86_FS || i->seg_override == X86_GS))
        return false;
    if (i->rep && !rep_is_flat(t, i))
        return false;
    if (i->rep)
        emit_rep(t, i->mnem == X86_MOVS, bytes);
    else
        emit_one(t, i, bytes);
    return true;
}

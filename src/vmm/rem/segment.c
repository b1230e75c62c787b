/*
 * segment.c - segments outside 64-bit mode: linear addresses with base and limit, and 16-bit effective addresses.
 *
 * Of each segment translated code needs its base, which is in the context, and its room: a number that, added to the
 * offset of an access's last byte, is negative exactly if the segment allows the access. A segment that may not be
 * read (written) at all, and an expand-down one, has no room: the interpreter looks, and faults. So type, presence and
 * limit are one check without flags:
 *     mov rcx, [room]     lea rcx, [offset + rcx + bytes - 1]     pext rcx, rcx, [bit 63]     jrcxz miss
 *
 * Code of CS: what is translated for a page also depends on which bytes of the page CS covers (rem_key()), so jumps
 * inside these bytes need no check. Pages that CS covers in part have an X entry only while that CS is loaded; any
 * other page's entries serve every CS. In 16-bit code only what lies below 64 KiB is translated, and a CS that wraps
 * around at 4 GiB is left to the interpreter.
 *
 * Rooms are worked out whenever C code has run that may have loaded a segment register (rem_follow_segments()).
 *
 * Sources: SDM vol. 3 5.3 (limits), 5.5 (types), 20.1.1 (real mode); vol. 1 3.7.5.
 */
#include "vmm/rem/segment.h"

#define LIMIT_4G  0xffffffffu
#define LIMIT_64K 0xffffu
#define PAGE_MASK ((uint64_t)CSAM_PAGE_BYTES - 1)
#define NO_ROOM   0u
#define ALL_ROOM  (UINT64_C(1) << 63)

/* ---- in C ---- */

static bool has_types(const struct vcpu *c)
{
    return c->mode.pe && !c->mode.v86;
}

static bool type_allows(const struct cpum_seg *s, bool write)
{
    if ((s->attr & CPUM_SEG_UNUSABLE) || !(s->attr & CPUM_SEG_P))
        return false;
    if (s->attr & CPUM_SEG_CODE)
        return !write && (s->attr & CPUM_SEG_WR);
    return !write || (s->attr & CPUM_SEG_WR);
}

static uint64_t room_of(uint32_t limit)
{
    return limit == LIMIT_4G ? ALL_ROOM : 0 - ((uint64_t)limit + 1);
}

static uint64_t room(const struct vcpu *c, const struct cpum_seg *s, bool write)
{
    bool expands_down = !(s->attr & CPUM_SEG_CODE) && (s->attr & CPUM_SEG_DC);

    if (expands_down || (s->attr & CPUM_SEG_UNUSABLE) || (has_types(c) && !type_allows(s, write)))
        return NO_ROOM;
    return room_of(s->limit);
}

struct rem_code_segment rem_code_segment(const struct vcpu *c)
{
    const struct cpum_seg *s = &c->ctx.seg[X86_CS];

    if (!rem_segmented(c))
        return (struct rem_code_segment){0, LIMIT_4G};
    return (struct rem_code_segment){(uint32_t)s->base,
                                     c->mode.code == X86_MODE_16 ? MIN(s->limit, LIMIT_64K) : s->limit};
}

bool rem_key(const struct vcpu *c, uint64_t gla, uint64_t *ret_key)
{
    const struct rem_code_segment s = rem_code_segment(c);
    uint64_t end = (uint64_t)s.base + s.limit, page = gla & ~PAGE_MASK, first = 0, last = PAGE_MASK;

    if (s.limit != LIMIT_4G) {
        if (end > LIMIT_4G || gla < s.base || gla > end)
            return false;
        first = page < s.base ? s.base - page : 0;
        last = MIN(end - page, PAGE_MASK);
    }
    *ret_key = c->mode.key | first << 32 | last << 48;
    return true;
}

void rem_follow_segments(struct rem *r)
{
    const uint32_t matters = CPUM_KEY_PE | CPUM_KEY_V86 | CPUM_KEY_CODE;
    const struct vcpu *c = r->c;

    if (c->mode.code64 || (r->seg_key == (c->mode.key & matters) && memcmp(r->seg, c->ctx.seg, sizeof r->seg) == 0))
        return;
    memcpy(r->seg, c->ctx.seg, sizeof r->seg);
    r->seg_key = c->mode.key & matters;
    r->hot.minus_cs = 0 - r->seg[X86_CS].base;
    r->hot.code_room = room_of(rem_code_segment(c).limit);
    for (unsigned n = 0; n < X86_SREG_COUNT; n++) {
        r->hot.room[REM_ROOM_READ][n] = room(c, &r->seg[n], false);
        r->hot.room[REM_ROOM_WRITE][n] = room(c, &r->seg[n], true);
    }
}

static void drop_x(struct rem *r, uint64_t gla)
{
    uint64_t *word = &r->set->table[FLAT_X][flat_x_index(gla)];

    r->flat->x_epoch += *word != 0;
    *word = 0;
}

/* X entries of pages at the edges of a code segment are for that one alone. */
static void drop_edges(struct rem *r, const struct rem_code_segment *s)
{
    uint32_t end = s->base + s->limit;

    if (s->base & PAGE_MASK)
        drop_x(r, s->base);
    if (~end & PAGE_MASK)
        drop_x(r, end);
}

void rem_follow_code_segment(struct rem *r)
{
    struct rem_code_segment *was = &r->code_segment[r->set - r->flat->set], now = rem_code_segment(r->c);

    if (was->base == now.base && was->limit == now.limit)
        return;
    drop_edges(r, was);
    drop_edges(r, &now);
    *was = now;
    rem_pairs_forget(r); /* they know RIP only */
}

/* ---- translated ---- */

void rem_emit_cut_t0(struct emit *e) /* movzx r14d, r14w */
{
    E_BYTES(e, 0x45, 0x0f, 0xb7, 0xf6);
}

void rem_emit_from_s16(struct emit *e, unsigned reg) /* mov reg, cx */
{
    E_BYTES(e, 0x66, (uint8_t)(0x40u | (reg >= 8 ? 1u : 0u)), 0x89, (uint8_t)(0xc8u | (reg & 7u)));
}

/* A miss unless T0 + @bytes - 1 has room. */
static void emit_room(struct rem_tr *t, unsigned bytes, const uint64_t *room)
{
    struct x86_place last = e_at_index(T0, S, 1, (int32_t)bytes - 1), sign = e_at(RB, REM_MASK_SIGN);
    struct emit *e = &t->e;

    e_load(e, S, room);
    e_lea(e, true, S, &last);
    e_pext_at(e, S, S, &sign);
    rem_miss(t, STUB_SLOW);
}

void rem_emit_in_code(struct rem_tr *t)
{
    emit_room(t, 1, &t->r->hot.code_room);
}

void rem_emit_in_segment(struct rem_tr *t, unsigned seg, unsigned bytes, enum rem_room kind)
{
    struct x86_place sum = e_at_index(T0, S, 1, 0);
    struct emit *e = &t->e;

    emit_room(t, bytes, &t->r->hot.room[kind][seg]);
    e_load(e, S, &t->c->ctx.seg[seg].base);
    e_lea(e, false, T0, &sum);
}

static bool has_segment(const struct rem_tr *t, const struct x86_insn *i)
{
    return t->segmented || i->seg == X86_FS || i->seg == X86_GS;
}

bool rem_is_segmented(const struct rem_tr *t, const struct x86_insn *i)
{
    return !t->bits64 && (i->addrsize == 2 || has_segment(t, i));
}

bool rem_emit_segmented_gla(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *m = rem_memory_of(i);

    if (m == NULL || !rem_emit_offset(t, i, T0, 4))
        return false;
    if (i->addrsize == 2)
        rem_emit_cut_t0(&t->e);
    if (has_segment(t, i))
        rem_emit_in_segment(t, i->seg, m->bytes, m->flags & X86_OPF_WRITE ? REM_ROOM_WRITE : REM_ROOM_READ);
    return true;
}

/* mov reg, r14 in 2 or 4 bytes */
static void from_t0(struct emit *e, unsigned reg, unsigned bytes)
{
    if (bytes == 2) {
        E_BYTES(e, 0x66, (uint8_t)(0x44u | (reg >= 8 ? 1u : 0u)), 0x89, (uint8_t)(0xf0u | (reg & 7u)));
        return;
    }
    e_mov(e, false, reg, T0);
}

bool rem_emit_lea_narrow(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned to = rem_host_reg(i->op[0].reg), bytes = i->op[0].bytes;

    if (to == X86_REG_NONE || bytes > 4 || !rem_emit_offset(t, i, T0, 4))
        return false;
    if (i->addrsize == 2)
        rem_emit_cut_t0(&t->e);
    from_t0(&t->e, to, bytes);
    return true;
}

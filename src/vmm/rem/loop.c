/*
 * loop.c - LOOP, LOOPE, LOOPNE, JCXZ, with JRCXZ on a copy of the counter: no flag changes but is tested where it is.
 *
 * Left out (interpreter): targets in another page.
 * Source: SDM vol. 2 LOOP/LOOPcc, Jcc.
 */
#include "vmm/rem/segment.h"

/* S = the counter + @by, in its width. */
static void count(struct rem_tr *t, unsigned bytes, int32_t by)
{
    struct x86_place c = e_at(HOST_RCX, by);

    e_lea(&t->e, bytes == 8, S, &c);
    if (bytes == 2)
        E_BYTES(&t->e, 0x0f, 0xb7, 0xc9); /* movzx ecx, cx */
}

static void set_counter(struct rem_tr *t, unsigned bytes)
{
    if (bytes == 2)
        rem_emit_from_s16(&t->e, HOST_RCX);
    else
        e_mov(&t->e, bytes == 8, HOST_RCX, S);
}

static void jcxz(struct rem_tr *t, unsigned bytes, int64_t target)
{
    uint8_t *zero, *over;

    count(t, bytes, 0);
    zero = e_jrcxz(&t->e);
    over = e_jmp(&t->e);
    e_here8(&t->e, zero);
    rem_emit_jump(t, NULL, target);
    e_here(&t->e, over);
}

static void loop(struct rem_tr *t, const struct x86_insn *i, int64_t target)
{
    uint8_t *zero, *other = NULL;

    count(t, i->addrsize, -1);
    set_counter(t, i->addrsize);
    zero = e_jrcxz(&t->e);
    if (i->mnem != X86_LOOP)
        other = e_jcc(&t->e, i->mnem == X86_LOOPE ? E_CC_NE : E_CC_E);
    rem_emit_jump(t, NULL, target);
    e_here8(&t->e, zero);
    if (other != NULL)
        e_here(&t->e, other);
}

bool rem_emit_loop(struct rem_tr *t, const struct x86_insn *i)
{
    int64_t target = (int64_t)t->n->off + i->len + (int64_t)i->imm[0];

    if (target < t->first || target > t->last)
        return false;
    if (i->mnem == X86_JCXZ)
        jcxz(t, i->addrsize, target);
    else
        loop(t, i, target);
    return true;
}

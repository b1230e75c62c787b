/*
 * segment.h - what is not flat: code, data and stack outside 64-bit mode with bases, limits and 16-bit offsets.
 */
#ifndef VMM_REM_SEGMENT_H
#define VMM_REM_SEGMENT_H

#include "vmm/rem/translate_int.h"

/* ---- in C: segment.c ---- */

/** Not 64-bit code, and not flat 32-bit code on a flat 32-bit stack. */
static inline bool rem_segmented(const struct vcpu *c)
{
    return !c->mode.code64 && !(c->mode.code == X86_MODE_32 && c->mode.flat && c->mode.stack_bytes == 4);
}
/** Linear address of @rip. */
static inline uint64_t rem_gla_of(const struct vcpu *c, uint64_t rip)
{
    return c->mode.code64 ? rip : (uint32_t)(c->ctx.seg[X86_CS].base + rip);
}
/** RIP and linear address of a place in the running page. */
static inline uint64_t rem_rip(const struct rem *r, unsigned off)
{
    return r->c->mode.code64 ? r->hot.pcbase + off : (uint32_t)(r->hot.pcbase + off);
}
struct rem_code_segment rem_code_segment(const struct vcpu *c);
/**
 * rem_key() - what code of the page at @gla is translated for: mode.key, and which bytes of the page CS covers.
 * False: none, or CS is one for the interpreter.
 */
bool rem_key(const struct vcpu *c, uint64_t gla, uint64_t *ret_key);
static inline unsigned rem_key_first(uint64_t key) /* byte of the page in CS */
{
    return (unsigned)(key >> 32 & 0xffff);
}
static inline unsigned rem_key_last(uint64_t key)
{
    return (unsigned)(key >> 48);
}
/** Rooms for the segments there are now; whenever translated code goes on after one may have been loaded. */
void rem_follow_segments(struct rem *r);
/** The same for X of the present set, and pairs, when CS may be another one. */
void rem_follow_code_segment(struct rem *r);

/* ---- the translator: segment.c ---- */

/** The operand's address is more than a flat 32- or 64-bit one: rem_emit_segmented_gla() leaves it in T0. */
bool rem_is_segmented(const struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_segmented_gla(struct rem_tr *t, const struct x86_insn *i);
/** T0: from an offset to the linear address, if [T0, +bytes) is in the segment; else the instruction misses. */
void rem_emit_in_segment(struct rem_tr *t, unsigned seg, unsigned bytes, enum rem_room kind);
/** 16-bit values: T0 = its low half; a register = low half of RCX. */
void rem_emit_cut_t0(struct emit *e);
void rem_emit_from_s16(struct emit *e, unsigned reg);
/** A miss if T0 is beyond CS's limit. S is lost. */
void rem_emit_in_code(struct rem_tr *t);
/** LEA with 16-bit addresses or into 16 bits. */
bool rem_emit_lea_narrow(struct rem_tr *t, const struct x86_insn *i);

/* ---- segment_stack.c: the same on other stacks, and in other widths, than the kind of code's own ---- */
static inline bool rem_odd_stack(const struct rem_tr *t, unsigned bytes)
{
    return t->segmented || bytes != (t->bits64 ? 8 : 4);
}
/** SP += @by. */
void rem_emit_move_sp(struct rem_tr *t, int32_t by, unsigned scratch);
/** T0 = linear address of @bytes at SP + @by; a miss if the stack segment has no room there. */
void rem_emit_stack_gla(struct rem_tr *t, int32_t by, unsigned bytes, enum rem_room kind);
void rem_emit_odd_push_from(struct rem_tr *t, const void *from);
bool rem_emit_odd_push(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_odd_pop(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_odd_leave(struct rem_tr *t, const struct x86_insn *i);
/* ---- segment_load.c ---- */
bool rem_emit_load_sreg(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_pop_sreg(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_push_sreg(struct rem_tr *t, const struct x86_insn *i);

/** mov of 2, 4 or 8 bytes. */
void rem_emit_move(struct emit *e, bool store, unsigned bytes, unsigned reg, const struct x86_place *m);

#endif

/*
 * translate_int.h - what the files of the translator share: a run becomes one block of host code.
 *
 * translate.c goes over the run, kind.c says what an instruction is, insn.c, jump.c, call.c, loop.c, stack.c, string.c
 * and system.c emit it; probe.c, access.c and group.c find memory on the host; stubs.c are the ways out.
 */
#ifndef VMM_REM_TRANSLATE_INT_H
#define VMM_REM_TRANSLATE_INT_H

#include "vmm/rem/rem_int.h"

enum rem_kind {
    REM_OPAQUE, /* the interpreter runs it */
    REM_DATA,
    REM_NOTHING,
    REM_LEA,
    REM_JCC,
    REM_LOOP,
    REM_JMP,
    REM_CALL,
    REM_RET,
    REM_JMP_TO, /* indirect */
    REM_CALL_TO,
    REM_PUSH,
    REM_POP,
    REM_LEAVE,
};
/** Its registers include the vector registers or MXCSR. */
bool rem_uses_vectors(const struct x86_insn *i);
enum rem_kind rem_kind_of(const struct vcpu *c, const struct x86_insn *i);
static inline const struct x86_operand *rem_memory_of(const struct x86_insn *i) /* NULL: none */
{
    return i->memory != X86_NO_MEMORY ? &i->op[i->memory] : NULL;
}

/** Of an instruction: traits.c. */
enum {
    REM_T_VECTOR = 1 << 0,
    REM_T_X87 = 1 << 1,
    REM_T_PLAIN = 1 << 2,      /* registers alone; cannot fault */
    REM_T_MOVED = 1 << 3,      /* names a register that has another number on the host, or none: */
    REM_T_IN_CONTEXT = 1 << 4, /* none */
    REM_T_HIGH_BYTE = 1 << 5,
    REM_T_RCX = 1 << 6, /* as data: wants the guest's RCX in RCX; and it is taken back from there */
    REM_T_RCX_BACK = 1 << 7,
    REM_T_CONSTANT = 1 << 8, /* has an immediate */
    REM_T_VERBATIM = 1 << 9, /* the guest's own bytes do on the host */
};
uint16_t rem_traits_of(const struct x86_insn *i, enum rem_kind kind, bool bits64);

/** Accesses that one probe serves (access.c). Instructions are numbered in the run. */
#define REM_GROUPS_MAX 8u
#define REM_NO_GROUP   0xffu
struct rem_group {
    int64_t lo; /* in the terms of access.c: only differences mean something */
    uint32_t span;
    uint8_t leader, last;
    bool write, leader_writes, fixed;
};
struct rem_groups {
    unsigned count, run; /* groups, instructions */
    struct rem_group group[REM_GROUPS_MAX];
    uint8_t of[CSAM_RUN_MAX];                         /* group of each instruction, or REM_NO_GROUP */
    int32_t at[CSAM_RUN_MAX];                         /* its access, from the group's lo */
    uint8_t since[CSAM_RUN_MAX], until[CSAM_RUN_MAX]; /* stretch it is in; REM_NO_GROUP: none */
    bool leads[CSAM_RUN_MAX];
};

/** Code out of line, at the end of the block. */
struct rem_stub {
    enum { STUB_SLOW, STUB_FPU, STUB_LINK, STUB_ACROSS, STUB_TO_T0, STUB_EXPECT, STUB_COPY } kind;
    uint8_t *from; /* end of the jump that leads here */
    uint32_t site, link;
    uint16_t off;
    int64_t target; /* of STUB_ACROSS; for STUB_TO_T0, what RSP moves by */
    bool drop;      /* STUB_TO_T0: take a pair away */
    uint8_t k;      /* the instruction's number */
};
/** A JRCXZ that still needs a jump to its stub in reach. */
struct rem_miss {
    uint8_t *from;
    uint32_t site;
    uint8_t k;    /* the instruction's number */
    uint8_t kind; /* STUB_SLOW, STUB_FPU or STUB_COPY */
};
#define REM_STUBS_MAX  (CSAM_RUN_MAX * 10)
#define REM_MISSES_MAX 24u
#define REM_SLOTS_MAX  256u
#define REM_SCRATCH    2u
#define REM_FAR        127u /* for rem_islands(): beyond the reach of JRCXZ */

/** One run being translated. */
struct rem_tr {
    struct rem *r;
    struct vcpu *c;
    struct emit e;
    struct rem_page *page;
    const uint8_t *code;         /* guest code of the run */
    const struct csam_insn *n;   /* being translated ... */
    unsigned k;                  /* ... its number in the run (rem_at()) */
    uint32_t block;              /* number */
    uint32_t site;               /* of n; or REM_NO_SITE */
    uint32_t first_site;         /* of the first instruction: which of the block's */
    uint32_t host, polled, body; /* entries of the block */
    bool bits64, segmented, x87_seen, failed;
    uint16_t first, last;      /* bytes of the page in CS */
    bool vec;                  /* vector registers are the guest's: the entry has seen to it */
    bool returning;            /* behind a call: nothing is known of vector registers */
    bool no_groups;            /* none is used, or not here */
    bool copies;               /* of stretches were made */
    unsigned in_t0;            /* group whose place T0 is; REM_NO_GROUP */
    unsigned in_slot;          /* groups whose place is kept: bits */
    uint8_t held[REM_SCRATCH]; /* guest registers of the context that S, T0 are copies of; X86_REG_NONE */
    unsigned stubs, misses, slots, slots_used;
    /* long, and never looked at beyond their counts: not cleared for every block */
    struct rem_stub stub[REM_STUBS_MAX];
    struct rem_miss miss[REM_MISSES_MAX];
    struct rem_groups groups;
    uint8_t *copy[CSAM_RUN_MAX], *after[CSAM_RUN_MAX]; /* of instructions in stretches: copy; behind the original */
    uint8_t kind[CSAM_RUN_MAX];                        /* enum rem_kind of each instruction of the run */
    uint16_t traits[CSAM_RUN_MAX];                     /* REM_T_* */
    uint8_t *slot[REM_SLOTS_MAX];                      /* room for jumps to stubs, in reach of what comes behind */
};

#define REM_NO_SITE UINT32_MAX

/** Instruction @k is the present one. */
static inline void rem_at(struct rem_tr *t, unsigned k)
{
    t->k = k;
    t->n = &t->r->run.insn[k];
}
/** Of the present instruction. */
static inline enum rem_kind rem_kind(const struct rem_tr *t)
{
    return (enum rem_kind)t->kind[t->k];
}
static inline bool rem_is(const struct rem_tr *t, unsigned traits) /* any of them */
{
    return t->traits[t->k] & traits;
}
static inline unsigned rem_host_reg(unsigned guest) /* X86_REG_NONE: in the context */
{
    return guest == X86_RSP ? HOST_RSP : guest == X86_RCX ? HOST_RCX : guest >= X86_R12 ? X86_REG_NONE : guest;
}
static inline uint32_t rem_off(const struct rem *r, const uint8_t *rw)
{
    return (uint32_t)(rw - r->code.rw);
}
/** A site of the block that is being made. */
static inline struct rem_site *rem_made(const struct rem_tr *t, uint32_t site)
{
    return &t->r->made[site % REM_BLOCK_SITES];
}
/** Behind what the site is for; its slow path; the stub of the link, whose jump is in front of it: is at @at. */
static inline void rem_goes_on_at(struct rem_tr *t, uint32_t site, const uint8_t *at)
{
    rem_made(t, site)->next = rem_off(t->r, at);
}
static inline void rem_slow_at(struct rem_tr *t, uint32_t site, const uint8_t *at)
{
    rem_made(t, site)->slow = rem_off(t->r, at);
}
static inline void rem_stub_at(struct rem_tr *t, uint32_t link, const uint8_t *at)
{
    struct rem_link *l = &t->r->link[link];

    l->stub = (rem_off(t->r, at) % REM_ARENA_BYTES - (uint32_t)l->rel + 1) & 0xffff;
}
/** PATM says that the site at @off of the page, or the present instruction, has another form. */
static inline bool rem_marked_at(const struct rem_tr *t, enum patm_kind kind, unsigned off)
{
    return t->page->caught && patm_marked(t->r->patm, kind, t->page->gpa + off, t->page->key);
}
static inline bool rem_marked(const struct rem_tr *t, enum patm_kind kind)
{
    return rem_marked_at(t, kind, t->n->off);
}
static inline bool rem_misaligned_at(const struct rem_tr *t, unsigned off)
{
    return rem_marked_at(t, PATM_MISALIGNED, off) || rem_marked_at(t, PATM_ODD, off);
}
void rem_stub_add(struct rem_tr *t, struct rem_stub s);
/** Emits jrcxz to the present site's slow path (STUB_SLOW, STUB_FPU) or the present instruction's copy (STUB_COPY). */
void rem_miss(struct rem_tr *t, unsigned stub);
/** In front of the block: room for stubs that its first misses can reach; nobody may run into it. */
void rem_first_slots(struct rem_tr *t);
void rem_emit_stub(struct rem_tr *t, const struct rem_stub *s);
/** Calls the interpreter for a site (| REM_SITE_FPU). */
void rem_emit_slow_stub(struct rem_tr *t, uint32_t site);
/** Before @upcoming bytes: brings pending misses in reach of their stubs, jumping over them if @over. */
void rem_islands(struct rem_tr *t, unsigned upcoming, bool over);
/** Emits instruction @k of the run. */
void rem_emit_insn(struct rem_tr *t, unsigned k);
/** Opens another site for the present instruction from here on; flags REM_S_*. */
void rem_site_open(struct rem_tr *t, unsigned flags);
/** A way out of translated code by link_at or across_at. */
void rem_emit_out(struct rem_tr *t, uint32_t trampoline, uint32_t link, unsigned off);
/** Code that runs the present instruction in the interpreter and goes on behind it. */
void rem_emit_opaque(struct rem_tr *t);

/* system.c, string.c: as below */
bool rem_emit_system(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_string(struct rem_tr *t, const struct x86_insn *i);

/* probe.c */
/** [reg + disp] is a linear address. */
struct rem_gla {
    unsigned reg;
    int32_t disp;
};
/**
 * Emits the linear address of the memory operand. @ret's register is T0, or a guest register nothing may change before
 * the access. Return: false if it is not a form for us.
 */
bool rem_emit_gla(struct rem_tr *t, const struct x86_insn *i, struct rem_gla *ret);
/** Emits the check of @bytes at @a; afterwards rem_place(a) is the host's memory. */
void rem_emit_probe(struct rem_tr *t, struct rem_gla a, unsigned bytes, bool write);
/** Emits a miss if [a, +bytes) goes over the end of its page. */
void rem_emit_crossing_check(struct rem_tr *t, struct rem_gla a, unsigned bytes);
/** S = entry of the table for the page of @a. */
void rem_emit_entry(struct rem_tr *t, struct rem_gla a, bool write);
static inline struct x86_place rem_place(struct rem_gla a)
{
    return e_at_index(a.reg, S, 1, a.disp);
}
static inline struct rem_gla rem_gla_in(unsigned reg)
{
    return (struct rem_gla){.reg = reg, .disp = 0};
}

/* access.c */
void rem_find_groups(struct rem_tr *t);

/* group.c */
/** The present instruction leads a group: emits its probe. */
void rem_emit_group(struct rem_tr *t);
/** The present instruction's access is in a group: emits what makes @ret its place on the host. False: it is not. */
bool rem_in_group(struct rem_tr *t, struct x86_place *ret);
/** What the present instruction has left of T0. */
void rem_group_passed(struct rem_tr *t);
/** Tells the sites of the present instruction, from @first on, of its stretch. */
void rem_group_sites(struct rem_tr *t, uint32_t first);
/** Stretches that need one get a copy without groups. */
void rem_emit_copies(struct rem_tr *t);

/** Emits the offset in the segment, not yet cut to its size, of @bytes into @to. False: not a form for us. */
bool rem_emit_offset(struct rem_tr *t, const struct x86_insn *i, unsigned to, unsigned bytes);

/* insn.c, jump.c, stack.c: false = nothing was emitted, let the interpreter do it */
bool rem_emit_data(struct rem_tr *t, const struct x86_insn *i);
/** Scratch registers hold nothing (rem_tr.held). */
void rem_forget_held(struct rem_tr *t);

/* misaligned.c, misaligned_vector.c */
bool rem_emit_misaligned(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_misaligned_vector(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *m);
/** Linear address, check and host address of the memory operand, which ends up in T0. */
bool rem_emit_reach(struct rem_tr *t, const struct x86_insn *i, unsigned bytes, bool write);
/** S = @bytes at T0 + @from, what is above them being undefined; and back to T0 + @to, S being lost. */
void rem_emit_load_bytes(struct emit *e, unsigned from, unsigned bytes);
void rem_emit_store_bytes(struct rem_tr *t, unsigned to, unsigned bytes);
/** The low half of vector register @reg and 8 bytes at T0, as two quarters; a load makes the upper half 0. */
void rem_emit_low_halves(struct rem_tr *t, unsigned reg, bool store);
/** The instruction itself, with @at in place of its memory. */
void rem_emit_there(struct rem_tr *t, const struct x86_insn *i, const struct x86_place *at);
static inline bool rem_wants_gpr(const struct rem_tr *t, const struct x86_insn *i) /* one that may not be at home */
{
    return (i->kinds & 1u << X86_OP_GPR) || rem_is(t, REM_T_RCX | REM_T_RCX_BACK);
}

bool rem_emit_lea(struct rem_tr *t, const struct x86_insn *i);
/** From NULL: emit the jump itself. False: the target is not in CS. */
bool rem_emit_jump(struct rem_tr *t, uint8_t *from, int64_t target_off);
/** Behind the present instruction, without a jump of the guest's. */
void rem_emit_go_on(struct rem_tr *t, int64_t off);
/** Emits the question whether the next linear page is @second. */
void rem_emit_second_page(struct rem_tr *t, const struct rem_page *second);
void rem_emit_across(struct rem_tr *t, int64_t target_off); /* to another page */
void rem_emit_to_t0(struct rem_tr *t, int32_t pop, bool drop_pair);
bool rem_emit_jcc(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_loop(struct rem_tr *t, const struct x86_insn *i); /* loop.c; JCXZ too */
bool rem_emit_call(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_ret(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_jump_to(struct rem_tr *t, const struct x86_insn *i, bool call);
/** Emits the probe of what a push or pop of @bytes reaches. Return: the place on the host; S or T0 is part of it. */
struct x86_place rem_emit_push_place(struct rem_tr *t, unsigned bytes);
struct x86_place rem_emit_pop_place(struct rem_tr *t, unsigned reg, unsigned bytes);
/** The same place without S, which is free afterwards; T0 may be lost. */
struct x86_place rem_emit_without_s(struct rem_tr *t, struct x86_place at);
void rem_emit_push_from(struct rem_tr *t, const void *from);
bool rem_emit_push(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_pop(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_leave(struct rem_tr *t, const struct x86_insn *i);

#endif

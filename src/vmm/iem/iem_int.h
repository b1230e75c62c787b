/*
 * iem_int.h - what the files of the interpreter share.
 *
 * Theory: code is decoded once into blocks of iem_op, keyed by physical page, offset and mode; each op has two
 * functions. op->fn(c, op) executes the instruction alone, with every check; ctx.rip already points behind it, a fault
 * puts it back. op->step is what runs inside a block (step_int.h): for the commonest forms a specialised handler that
 * does the plain case and leaves everything else to op->fn. A handler either completes, or changes nothing and leaves
 * through iem_raise() (a longjmp to the run loop), which delivers the exception. Stores are the last thing a handler
 * does, REP instructions per iteration excepted.
 *
 * Invariant 1: no state change before the last possible fault of an instruction (or iteration).
 * Invariant 2: every guest memory access goes through this header's iem_* accessors.
 * Invariant 3: a block is entered only if its page's code generation is the one it was decoded under; a store of this
 *   vCPU into a watched page ends the running block after the storing instruction.
 * Thread: everything belongs to the vCPU's own thread. Nothing here allocates, locks or calls GLib on the executing
 * path.
 */
#ifndef VMM_IEM_IEM_INT_H
#define VMM_IEM_IEM_INT_H

#include <setjmp.h>

#include "vmm/iem/assist.h"
#include "vmm/iem/iem.h"
#include "vmm/trpm/trpm.h"
#include "x86/insn.h"

struct iem_op;
typedef void iem_fn(struct vcpu *c, const struct iem_op *op);

struct iem_block;
/** What a block's steps hand back: the block to run next, already known to be good, or NULL: look at CS:RIP. */
struct iem_next {
    struct iem_block *block;
    uint64_t fl; /* raw flags, flags_int.h */
};
typedef struct iem_next iem_step_fn(struct vcpu *c, const struct iem_op *op, uint64_t fl);

/** One decoded instruction, ready to run. Up to .i: what steps need, in one cache line. */
struct iem_op {
    iem_step_fn *step; /* in a block; never NULL there */
    iem_fn *fn;        /* alone; never NULL */
    union {
        const void *thunk;      /* X86_BY_HOST: host code made by thunk.c */
        struct iem_block *link; /* jumps within the page: where they lead to, once known */
    };
    uint64_t imm; /* immediate; of jumps: target relative to the block's first byte */
    int32_t disp; /* RIP-relative: from the block's first byte; of conditional instructions: iem_raw_test_of() */
    uint8_t dst, src, base, index, scale; /* registers as step_int.h numbers them */
    uint8_t before;                       /* instructions of the block in front of this one */
    uint16_t end;                         /* where the next one begins, from the block's first byte */
    uint8_t hot;                          /* number of .step among the commonest, 0: none of them */
    uint16_t segbase;                     /* what to add to an address: offset in struct vcpu */
    struct x86_insn i;
};

/* Exception vectors, SDM table 6-1. */
enum {
    XCPT_DE,
    XCPT_DB,
    XCPT_NMI,
    XCPT_BP,
    XCPT_OF,
    XCPT_BR,
    XCPT_UD,
    XCPT_NM,
    XCPT_DF,
    XCPT_TS = 10,
    XCPT_NP,
    XCPT_SS,
    XCPT_GP,
    XCPT_PF,
    XCPT_MF = 16,
    XCPT_AC,
    XCPT_MC,
    XCPT_XM
};

/** Why a handler was left by longjmp. */
enum iem_unwind { IEM_UNWIND_EVENT = 1, IEM_UNWIND_FREEZE };
/** After a jump only force flags need be looked at before the next block; after anything else, everything. */
enum iem_end { IEM_GO_ON = false, IEM_END = true, IEM_END_JUMP };
/** Front table of the decode cache: where a linear address was last found. */
struct iem_jump {
    uint64_t gla;
    struct iem_block *block; /* never NULL */
};
struct iem {
    jmp_buf *unwind;         /* armed by the run loop, or by iem_guard() above it */
    int guarded;             /* how what iem_guard() called was left last: IEM_UNWIND_* */
    const struct iem_op *op; /* running now: a fault takes its length back from rip; &iem_no_op between instructions */
    uint8_t end_block;       /* enum iem_end; handlers just set it to true */
    uint8_t unlinked;        /* the block just left by its op of this number, which may be linked; or IEM_NO_LINK */
    uint8_t bounce[64] __attribute__((aligned(64)));
    struct iem_cache *cache;     /* decoded blocks, cache.c */
    struct iem_jump *jump;       /* IEM_JUMPS of them, part of the cache */
    struct iem_thunks *thunks;   /* host code, thunk.c */
    uint64_t until;              /* stat_insns at which iem_run() returns */
    uint64_t breaks[IEM_BREAKS]; /* debugger breakpoints, linear */
    unsigned nbreaks;
    bool stepping;              /* iem_step() */
    bool mid_rep;               /* a REP left with iterations to go, at ctx.rip (iem_rep_again) */
    bool resumed;               /* the first instruction after a return ignores debugger breakpoints */
    iem_fast_fn *native, *fast; /* assist.h: asked, in this order, for blocks that ran hot_at times */
    void (*native_home)(struct vcpu *c);
    uint32_t hot_at;
};
#define IEM_NO_LINK 0xffu
/** Stands for "no instruction": length 0, nothing of a block in front of it. */
extern const struct iem_op iem_no_op;

/** Between two iterations of a REP: whatever wants to may happen now, then the instruction runs again. */
static inline void iem_rep_again(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.rip -= op->i.len;
    c->iem->end_block = IEM_END;
    c->iem->mid_rep = true;
}

/* ---- leaving a handler (xcpt.c) ---- */
_Noreturn void iem_raise(struct vcpu *c, unsigned vector);                       /* fault without error code */
_Noreturn void iem_raise_error(struct vcpu *c, unsigned vector, uint32_t error); /* fault with error code */
_Noreturn void iem_raise_pf(struct vcpu *c, uint64_t gla, uint32_t error);       /* sets CR2 */
/** Not now: the instruction begins anew after the next interrupt. */
_Noreturn void iem_freeze(struct vcpu *c);
_Noreturn void iem_raise_trap(struct vcpu *c, unsigned vector,
                              enum trpm_kind kind); /* rip stays behind the instruction */
static inline _Noreturn void iem_gp0(struct vcpu *c)
{
    iem_raise_error(c, XCPT_GP, 0);
}
static inline _Noreturn void iem_ud(struct vcpu *c)
{
    iem_raise(c, XCPT_UD);
}
/** Pushes the frame and enters the handler for c->c->trpm->raised; double and triple faults are settled inside
 * (xcpt.c). */
void iem_deliver(struct vcpu *c, const struct trpm_event *e);

/* ---- memory (mem.c); offsets are effective addresses, the segment's rules are applied here ---- */
/** Effective address of op's memory operand (offset in segment, wrapped to the address size). */
uint64_t iem_ea(const struct vcpu *c, const struct x86_insn *i);
/** Linear address after segment checks (#GP/#SS, canonical), for an access of @bytes. */
uint64_t iem_gla(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum pgm_access acc);
uint8_t iem_rd8(struct vcpu *c, unsigned seg, uint64_t off);
uint16_t iem_rd16(struct vcpu *c, unsigned seg, uint64_t off);
uint32_t iem_rd32(struct vcpu *c, unsigned seg, uint64_t off);
uint64_t iem_rd64(struct vcpu *c, unsigned seg, uint64_t off);
uint64_t iem_rd(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes); /* 1, 2, 4, 8 */
void iem_wr(struct vcpu *c, unsigned seg, uint64_t off, uint64_t val, unsigned bytes);
/** What an unaligned operand means: #AC if EFLAGS.AC and CPL 3 ask for it, always #GP(0), nothing. */
enum iem_align { IEM_ALIGN_AC, IEM_ALIGN_GP, IEM_ALIGN_ANY };
void iem_rd_bytes(struct vcpu *c, unsigned seg, uint64_t off, void *buf, unsigned bytes, enum iem_align align);
void iem_wr_bytes(struct vcpu *c, unsigned seg, uint64_t off, const void *buf, unsigned bytes, enum iem_align align);
/** Proves a later write of @bytes cannot fault (FXSAVE, CMPXCHG16B, PUSHA ...). */
void iem_probe_write(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum iem_align align);
/* By linear address, implicit supervisor accesses to descriptor tables, TSS, IDT. */
uint64_t iem_sys_rd(struct vcpu *c, uint64_t gla, unsigned bytes);
void iem_sys_wr(struct vcpu *c, uint64_t gla, uint64_t val, unsigned bytes);

/**
 * Read-modify-write: iem_map() gives a pointer to the operand (guest RAM itself, or a bounce buffer already filled);
 * after the change iem_commit() finishes it. On RAM a LOCKed operation uses host atomics on the pointer directly.
 */
struct iem_map {
    void *p;
    uint64_t gla;
    uint64_t gpa; /* of a watched page written in place: reported by iem_commit() */
    uint8_t bytes;
    bool direct; /* p is guest RAM: the change is already visible */
    bool watched;
    uint8_t bounce[16];
};
void iem_map(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, struct iem_map *ret);
void iem_commit(struct vcpu *c, struct iem_map *m);

/* ---- stack (stack.c): width by CS/SS/mode; push/pop of @bytes with the current stack size ---- */
void iem_push(struct vcpu *c, uint64_t val, unsigned bytes);
uint64_t iem_pop(struct vcpu *c, unsigned bytes);
/** Uncommitted variants: work on *sp, the caller stores RSP when nothing can fault any more. */
void iem_push_at(struct vcpu *c, uint64_t *sp, uint64_t val, unsigned bytes);
uint64_t iem_pop_at(struct vcpu *c, uint64_t *sp, unsigned bytes);
void iem_set_rsp(struct vcpu *c, uint64_t sp); /* keeps the upper part for 16-bit stacks */

/* ---- control flow ---- */
/** Near jump: limit or canonical check (#GP(0) with rip restored), width by operand size. */
void iem_jump(struct vcpu *c, uint64_t target, unsigned opsize);
/** Far transfers, interrupts, IRET, task switch: far.c, task.c. */
void iem_far_jump(struct vcpu *c, uint16_t sel, uint64_t off, unsigned opsize);
void iem_far_call(struct vcpu *c, uint16_t sel, uint64_t off, unsigned opsize);
enum iem_task_cause { IEM_TASK_JUMP, IEM_TASK_CALL, IEM_TASK_INT, IEM_TASK_IRET };
void iem_task_switch(struct vcpu *c, uint16_t tss_sel, enum iem_task_cause cause, bool has_error, uint32_t error);

/* ---- segments (seg.c) ---- */
/** MOV/POP to a segment register with all checks, in real, V86 and protected mode. */
void iem_load_sreg(struct vcpu *c, unsigned sreg, uint16_t sel);
/** After any change of a segment, CPL, CR0/4, EFER, EFLAGS.VM/AC: recompute c->mode; ends the block. */
void iem_mode_changed(struct vcpu *c);

/* ---- debug registers (dbreak.c) ---- */
/** Notes data breakpoints hit by an access; the #DB trap follows the instruction. */
void iem_watch_data(struct vcpu *c, uint64_t gla, unsigned bytes, enum pgm_access acc);
void iem_watch_io(struct vcpu *c, uint16_t port, unsigned bytes);
/** DR6 bits of the code breakpoints that match @gla. */
unsigned iem_watch_code(const struct vcpu *c, uint64_t gla);

/* ---- flags ---- */
static inline void iem_set_arith(struct vcpu *c, uint64_t fl, uint64_t mask)
{
    c->ctx.rflags = (c->ctx.rflags & ~mask) | (fl & mask);
}

/* ---- registers by size; 32-bit writes clear the upper half ---- */
static inline uint64_t iem_gpr(const struct vcpu *c, unsigned reg, unsigned bytes)
{
    if (reg >= X86_AH)
        return (c->ctx.gpr[reg - X86_AH] >> 8) & 0xff;
    switch (bytes) {
    case 1: return (uint8_t)c->ctx.gpr[reg];
    case 2: return (uint16_t)c->ctx.gpr[reg];
    case 4: return (uint32_t)c->ctx.gpr[reg];
    default: return c->ctx.gpr[reg];
    }
}
static inline void iem_set_gpr(struct vcpu *c, unsigned reg, uint64_t val, unsigned bytes)
{
    if (reg >= X86_AH) {
        uint64_t *r = &c->ctx.gpr[reg - X86_AH];
        *r = (*r & ~0xff00ull) | (val & 0xff) << 8;
        return;
    }
    switch (bytes) {
    case 1: c->ctx.gpr[reg] = (c->ctx.gpr[reg] & ~0xffull) | (uint8_t)val; break;
    case 2: c->ctx.gpr[reg] = (c->ctx.gpr[reg] & ~0xffffull) | (uint16_t)val; break;
    case 4: c->ctx.gpr[reg] = (uint32_t)val; break;
    default: c->ctx.gpr[reg] = val; break;
    }
}
/** Any operand's value / store to any operand (GPR, SREG, MEM, IMM), by its own size. */
uint64_t iem_operand(struct vcpu *c, const struct iem_op *op, unsigned n);
void iem_set_operand(struct vcpu *c, const struct iem_op *op, unsigned n, uint64_t val);

/* ---- dispatch: one handler per mnemonic with engine C, declared from the table (dispatch.c) ---- */
#define M(name, engine) iem_fn iem_##name;
#include "x86/mnem.def"
#undef M
/** Chooses op->fn and op->step for a decoded instruction with its .end; CPUID feature and rules are checked here. */
void iem_select(struct vcpu *c, struct iem_op *op);
/** Makes the host thunk for an X86_BY_HOST instruction; false = this host cannot (then #UD). thunk.c */
bool iem_thunk_make(struct vcpu *c, struct iem_op *op);
/** Brings x87 and MMX registers, which may live in the host's FPU, back into ctx.fpu.area. Before anybody looks there.
 */
void iem_fpu_sync(struct vcpu *c);
/** Of an FXSAVE area whose control and status words were just loaded: what the CPU makes of them. */
void iem_fpu_summary(uint8_t *area);
iem_fn iem_host_insn; /* runs op->thunk with operands, MXCSR/x87 rules and #NM/#MF/#XM checks */

#endif

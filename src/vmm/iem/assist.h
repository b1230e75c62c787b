/*
 * assist.h - the interpreter as a helper of another engine: single instructions run for it, and its place in the loop.
 *
 * The interpreter's run loop stays the master: it delivers events and exceptions. A second engine registers itself and
 * is asked, in front of a block that has become hot, to run instead; it comes back with the vCPU between two
 * instructions. What that engine does not translate it has executed here, one instruction at a time.
 */
#ifndef VMM_IEM_ASSIST_H
#define VMM_IEM_ASSIST_H

#include "vmm/iem/iem.h"
#include "vmm/trpm/trpm.h"

/** The other engine does not count: with less than this left of iem_run()'s budget it is not asked. */
#define IEM_FAST_BUDGET 100000u

/** What a second engine did when it was asked. */
enum iem_fast_result {
    IEM_FAST_COLD, /* nothing: interpret this block, and many times before asking again */
    IEM_FAST_BUSY, /* nothing: interpret this block, a force flag is up */
    IEM_FAST_JUMP, /* ran up to a jump: only force flags need a look */
    IEM_FAST_CARE, /* ran; anything may want care */
};
/** @gpa: physical address of the next instruction, whose page may be executed. */
typedef enum iem_fast_result iem_fast_fn(struct vcpu *c, uint64_t gpa);
/** From the @heat -th execution of a block on @fn is asked; NULL: never. */
void iem_set_fast(struct vcpu *c, iem_fast_fn *fn, unsigned heat);

/**
 * iem_set_native() - an engine that is asked before the other: it runs code without translating it, and the vCPU's
 * registers are with it meanwhile. @home(c): an instruction it had executed here (iem_op_run) ended with an exception;
 * before that is delivered it brings back what it still holds. @heat counts if no other engine has set it. NULL: never.
 */
void iem_set_native(struct vcpu *c, iem_fast_fn *fn, void (*home)(struct vcpu *c), unsigned heat);
/** All x87 and MMX registers are in the context afterwards. */
void iem_fpu_home(struct vcpu *c);

/** One decoded instruction, ready to run; opaque. */
struct iem_op;
#define IEM_OP_BYTES 192u
/** iem_op_make() - into @room (IEM_OP_BYTES, aligned to 64). Return: false if the bytes are no instruction. */
bool iem_op_make(struct vcpu *c, const uint8_t *bytes, unsigned size, void *room);
const struct x86_insn *iem_op_insn(const struct iem_op *op);
/**
 * iem_op_run() - executes @op at ctx.rip with everything that belongs to it. An exception does not return: it goes to
 * the run loop, which must be below on the stack.
 * Return: true if the run loop has to look before the next instruction.
 */
bool iem_op_run(struct vcpu *c, const struct iem_op *op);
/** Between instructions: nothing wants the run loop (events, traps, breakpoints), the other engine may go on. */
bool iem_op_quiet(struct vcpu *c);
/** Between instructions of the other engine: nothing is being executed. */
void iem_op_none(struct vcpu *c);
#define IEM_OP_GLAS 2u
/** Linear addresses of the memory operands before the instruction runs. Return: how many, of those that are simple. */
unsigned iem_op_glas(const struct vcpu *c, const struct iem_op *op, uint64_t ret_gla[IEM_OP_GLAS]);
/** The host's FPU holds the guest's x87 registers, CR0 lets the guest use them, and FERR# is not asserted. */
bool iem_x87_usable(const struct vcpu *c);

/* ---- for comparing two engines ---- */

/**
 * iem_guard() - calls @fn. Return: false if an exception left it (iem_op_run() below @fn raised it): @ret_event says
 * which; it is not delivered, and everything is ready for iem_pass_on().
 */
bool iem_guard(struct vcpu *c, void (*fn)(void *user), void *user, struct trpm_event *ret_event);
/** The exception iem_guard() caught goes on to the run loop. */
_Noreturn void iem_pass_on(struct vcpu *c, const struct trpm_event *event);

/** Memory that an instruction is about to touch. */
struct iem_touch {
    uint64_t gla;
    uint16_t bytes;
    bool write;
};
#define IEM_TOUCHES 2u
/** iem_op_touches() - Return: how many are in @ret, in the order of the accesses; -1: cannot be told beforehand. */
int iem_op_touches(const struct vcpu *c, const struct iem_op *op, struct iem_touch ret[IEM_TOUCHES]);

/** The guest's x87 registers to the context, if the host has them. Return: it had; then iem_x87_unpark(). */
bool iem_x87_park(struct vcpu *c);
void iem_x87_unpark(struct vcpu *c);

#endif

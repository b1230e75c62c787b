/*
 * host_int.h - what thunk.c (makes host code), host.c (runs it) and x87.c share.
 *
 * A thunk is a function of the host: it loads the registers the instruction names out of the vCPU's context into the
 * same-numbered host registers, executes the instruction with its memory operand replaced by a buffer, and stores what
 * the instruction wrote. x87 and MMX registers are not loaded: they live in the host's FPU while iem_fpu.live is set.
 *
 * Invariant 1: no thunk touches memory but the context and its struct host_io.
 * Invariant 2: the host's MXCSR has every exception masked, and the host's x87 unit never executes a waiting
 *              instruction while its error-summary bit is set: host code never traps.
 */
#ifndef VMM_IEM_HOST_INT_H
#define VMM_IEM_HOST_INT_H

#include "rt/codemem.h"
#include "vmm/iem/iem_int.h"

/** Passed in RSI. */
struct host_io {
    uint8_t memory[64] __attribute__((aligned(64))); /* the memory operand */
    uint64_t flags;                                  /* arithmetic EFLAGS, in and out */
};
typedef void host_thunk(struct cpum_ctx *ctx, struct host_io *io);

#define HOST_THUNK_MAX 512u /* bytes of one thunk */
#define HOST_SLOTS     64u  /* thunks made anew at each execution once the memory is full */
#define HOST_BYTES     (64u << 20)

struct iem_thunks {
    struct codemem mem;
    size_t used;
    unsigned slot;
    uint32_t *index; /* open hash table of offsets + 1 */
    size_t index_entries, index_used;
    struct host_io io;
    bool x87_live;  /* the host's FPU holds the guest's x87/MMX registers */
    bool fop_maybe; /* fop becomes FOP if the x87 instruction that just ran raised an unmasked exception */
    uint16_t fop;
    uint8_t ignored; /* exceptions that stay pending over the x87 instruction that runs, CR0.NE = 0 with IGNNE# */
};

bool host_init(struct vcpu *c, GError **error);
void host_fini(struct vcpu *c);
/** The thunk for @i, made or found; with the memory full, one good for this execution only. NULL: cannot be encoded. */
host_thunk *host_thunk_for(struct iem_thunks *t, const struct x86_insn *i);
/** Emits into @code (HOST_THUNK_MAX bytes). Return: length, 0 if the instruction cannot be re-encoded. */
size_t host_emit(uint8_t *code, const struct x86_insn *i);

/* x87.c */
bool host_is_x87(const struct x86_insn *i);
/** Before an x87 or MMX instruction: brings the registers in, raises a pending #MF if it is a waiting one. */
void host_x87_begin(struct vcpu *c, const struct iem_op *op);
/** After it. */
void host_x87_end(struct vcpu *c);
/** When it cannot fault any more: its pointers (FIP, FDP, FOP). */
void host_x87_note(struct vcpu *c, const struct iem_op *op);
/** What every MMX instruction begins with, in the context's area: TOP = 0, all registers in use. */
void host_mmx_enter(struct vcpu *c);
/** Brings the registers in. */
void host_x87_load(struct vcpu *c);
/** The host's x87 unit has an unmasked exception pending. */
bool host_x87_error(void);
/** FST, FIST, FBSTP and the like: with an unmasked exception they store nothing. */
bool host_may_not_store(const struct x86_insn *i);

#endif

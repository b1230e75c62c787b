/*
 * seg_int.h - descriptors, gates and frames: what exceptions, far transfers, task switches and IRET share.
 *
 * Thread: the vCPU's own. Everything here raises instead of returning an error, unless it says so.
 */
#ifndef VMM_IEM_SEG_INT_H
#define VMM_IEM_SEG_INT_H

#include "vmm/iem/iem_int.h"
#include "vmm/selm/selm.h"

/* ---- tables (seg.c) ---- */
/** 1 while an event that is not a software interrupt is being delivered: bit EXT of error codes. */
uint32_t iem_ext(const struct vcpu *c);
uint32_t iem_sel_error(const struct vcpu *c, uint16_t sel);
_Noreturn void iem_raise_sel(struct vcpu *c, unsigned vector, uint16_t sel);
/** The descriptor; beyond the limit: @vector with the selector as error code. */
uint64_t iem_desc_get(struct vcpu *c, uint16_t sel, unsigned vector);
/** Upper half of a long-mode system descriptor. */
uint64_t iem_desc_get_high(struct vcpu *c, uint16_t sel, unsigned vector);
/** Sets the accessed bit in memory and in *@d if it is clear. */
void iem_desc_accessed(struct vcpu *c, uint16_t sel, uint64_t *d);
/** LDTR and TR without the instruction's own checks (task switch). */
struct cpum_seg iem_seg_make_sys(struct vcpu *c, uint16_t sel, uint64_t d, unsigned vector);
void iem_tss_busy(struct vcpu *c, uint16_t sel, bool busy);

/* ---- code and stack segments for a transfer (seg.c): checked, accessed, not yet loaded ---- */
/** CS of RETF and IRET: #GP/#NP by SDM vol. 2; the new CPL is sel's RPL. */
uint64_t iem_check_return_cs(struct vcpu *c, uint16_t sel);
/** SS for @cpl; @vector for what is wrong with it (#TS for inner stacks, #GP for returns); not present is #SS. */
uint64_t iem_check_ss(struct vcpu *c, uint16_t sel, unsigned cpl, unsigned vector);
/** New rip against limit or canonical form; #GP(EXT). */
void iem_check_target(struct vcpu *c, uint64_t cs_desc, uint64_t off);
/** Loads CS from a checked descriptor with RPL = @cpl, sets CPL. */
void iem_load_cs(struct vcpu *c, uint16_t sel, uint64_t d, unsigned cpl);
/** After a return to outer privilege: data segments the new CPL may not have become null. */
void iem_drop_segs(struct vcpu *c);

/* ---- frames on a stack that is not the current one yet (frame.c) ---- */
struct iem_frame {
    struct cpum_seg ss;
    uint64_t sp;
    uint8_t width; /* of the stack pointer: 2, 4, 8 */
    uint8_t cpl;
    uint32_t error; /* #SS error code if it does not fit */
};
/** The current stack. */
void iem_frame_here(struct vcpu *c, struct iem_frame *ret);
/** The stack for @cpl from the TSS, with the checks of SDM vol. 2 CALL/INT (#TS, #SS); long mode: RSPn, SS null. */
void iem_frame_inner(struct vcpu *c, struct iem_frame *ret, unsigned cpl);
/** Long mode: stack IST @ist (1-7) for @cpl. */
void iem_frame_ist(struct vcpu *c, struct iem_frame *ret, unsigned ist, unsigned cpl);
void iem_frame_push(struct vcpu *c, struct iem_frame *f, uint64_t val, unsigned bytes);
/** Makes it the current stack; CPL is set by the caller. */
void iem_frame_load(struct vcpu *c, const struct iem_frame *f);

/** Access by linear address with the rights of @cpl (mem.c). */
uint64_t iem_cpl_rd(struct vcpu *c, unsigned cpl, uint64_t gla, unsigned bytes);
void iem_cpl_wr(struct vcpu *c, unsigned cpl, uint64_t gla, uint64_t val, unsigned bytes);

#endif

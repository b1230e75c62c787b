/*
 * seg_int.h - descriptors, gates and frames: what exceptions, far transfers, task switches and IRET share.
 *
 * Thread: the vCPU's own. Everything here raises instead of returning an error, unless it says so.
 */
#ifndef VMM_IEM_SEG_INT_H
#define VMM_IEM_SEG_INT_H

#include "vmm/iem/iem_int.h"

/* System descriptor types, SDM table 3-2 (bit 4, S, is 0). Long mode: 2, 9, b, c, e, f only, 16 bytes each. */
enum {
    SEG_T_TSS16 = 1,
    SEG_T_LDT = 2,
    SEG_T_TSS16_BUSY = 3,
    SEG_T_CALL16 = 4,
    SEG_T_TASK = 5,
    SEG_T_INT16 = 6,
    SEG_T_TRAP16 = 7,
    SEG_T_TSS32 = 9,
    SEG_T_TSS32_BUSY = 0xb,
    SEG_T_CALL32 = 0xc,
    SEG_T_INT32 = 0xe,
    SEG_T_TRAP32 = 0xf,
    SEG_T_MASK = 0x1f, /* S and type */
    SEG_TSS_BUSY = 2,
};
#define SEG_RPL   3u
#define SEG_TI    4u
#define SEG_INDEX 0xfff8u

/* ---- a descriptor's eight bytes ---- */
static inline uint32_t desc_attr(uint64_t d)
{
    return (uint32_t)(d >> 40) & 0xf0ff;
}
static inline uint32_t desc_limit(uint64_t d)
{
    uint32_t limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));

    return desc_attr(d) & CPUM_SEG_G ? limit << 12 | 0xfff : limit;
}
static inline uint32_t desc_base(uint64_t d)
{
    return (uint32_t)((d >> 16 & 0xffffff) | (d >> 32 & 0xff000000));
}
static inline unsigned desc_dpl(uint64_t d)
{
    return (unsigned)(d >> 45) & 3;
}
static inline unsigned desc_type(uint64_t d)
{
    return (unsigned)(d >> 40) & SEG_T_MASK;
}
static inline bool desc_present(uint64_t d)
{
    return d >> 47 & 1;
}
static inline bool desc_is_code(uint64_t d)
{
    return (desc_attr(d) & (CPUM_SEG_S | CPUM_SEG_CODE)) == (CPUM_SEG_S | CPUM_SEG_CODE);
}
static inline bool desc_is_conforming(uint64_t d)
{
    return desc_is_code(d) && (desc_attr(d) & CPUM_SEG_DC);
}
static inline bool desc_is_writable(uint64_t d) /* data, writable */
{
    return (desc_attr(d) & (CPUM_SEG_S | CPUM_SEG_CODE | CPUM_SEG_WR)) == (CPUM_SEG_S | CPUM_SEG_WR);
}

/** A call, interrupt, trap or task gate. */
struct iem_gate {
    uint16_t sel;
    uint64_t off;
    uint8_t type; /* SEG_T_* */
    uint8_t dpl, ist, params;
    bool present;
};
void iem_gate_decode(struct iem_gate *ret, uint64_t lo, uint64_t hi, bool wide);

/* ---- tables (seg.c) ---- */
/** 1 while an event that is not a software interrupt is being delivered: bit EXT of error codes. */
uint32_t iem_ext(const struct vcpu *c);
uint32_t iem_sel_error(const struct vcpu *c, uint16_t sel);
_Noreturn void iem_raise_sel(struct vcpu *c, unsigned vector, uint16_t sel);
static inline bool iem_sel_null(uint16_t sel)
{
    return !(sel & ~SEG_RPL);
}
/** Linear address of the descriptor, or false if @sel lies beyond its table's limit (or the LDT is unusable). */
bool iem_desc_gla(const struct vcpu *c, uint16_t sel, unsigned bytes, uint64_t *ret);
/** The descriptor; beyond the limit: @vector with the selector as error code. */
uint64_t iem_desc_get(struct vcpu *c, uint16_t sel, unsigned vector);
/** Upper half of a long-mode system descriptor. */
uint64_t iem_desc_get_high(struct vcpu *c, uint16_t sel, unsigned vector);
/** Sets the accessed bit in memory and in *@d if it is clear. */
void iem_desc_accessed(struct vcpu *c, uint16_t sel, uint64_t *d);
struct cpum_seg iem_seg_make(uint16_t sel, uint64_t d);
struct cpum_seg iem_seg_null(uint16_t sel);
/** V86: base and limit follow from the selector. */
struct cpum_seg iem_seg_v86(uint16_t sel);
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

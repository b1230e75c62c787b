/*
 * selm.h - selectors, descriptors and gates: what their bits mean, where they lie, and the tables as text.
 *
 * Nothing here raises an exception; whoever executes turns "no" into the right one.
 * Sources: SDM vol. 3 3.4 (selectors, descriptors), 5.8.3 and 6.11, 6.14.1 (gates), 7.2 (TSS).
 */
#ifndef VMM_SELM_SELM_H
#define VMM_SELM_SELM_H

#include "vmm/cpum/cpum.h"

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

static inline bool selm_null(uint16_t sel)
{
    return !(sel & ~SEG_RPL);
}

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

/* ---- what follows from it ---- */

/** A call, interrupt, trap or task gate. */
struct selm_gate {
    uint16_t sel;
    uint64_t off;
    uint8_t type; /* SEG_T_* */
    uint8_t dpl, ist, params;
    bool present;
};
/** @wide: a gate of long mode, 16 bytes. */
void selm_gate_decode(struct selm_gate *ret, uint64_t lo, uint64_t hi, bool wide);
/** The register's hidden part as a load makes it; long mode's upper half of a base is not in @d. */
struct cpum_seg selm_seg(uint16_t sel, uint64_t d);
struct cpum_seg selm_seg_null(uint16_t sel);
/** V86: base and limit follow from the selector. */
struct cpum_seg selm_seg_v86(uint16_t sel);
/** Linear address of the descriptor, or false if @sel lies beyond its table's limit (or the LDT is unusable). */
bool selm_desc_gla(const struct vcpu *c, uint16_t sel, unsigned bytes, uint64_t *ret);

/* ---- as text: one line per entry that is not empty. Reads guest memory without side effects. ---- */
void selm_info_gdt(struct vcpu *c, GString *out);
void selm_info_ldt(struct vcpu *c, GString *out);
void selm_info_idt(struct vcpu *c, GString *out);
void selm_info_tss(struct vcpu *c, GString *out);

#endif

/*
 * selm.c - see selm.h.
 */
#include "vmm/selm/selm.h"

enum { ATTR_V86 = 0xf3 /* present, DPL 3, data, writable, accessed */ };

void selm_gate_decode(struct selm_gate *ret, uint64_t lo, uint64_t hi, bool wide)
{
    *ret = (struct selm_gate){.sel = (uint16_t)(lo >> 16),
                              .off = (lo & 0xffff) | (lo >> 32 & 0xffff0000),
                              .type = (uint8_t)desc_type(lo),
                              .dpl = (uint8_t)desc_dpl(lo),
                              .ist = wide ? lo >> 32 & 7 : 0,
                              .params = wide ? 0 : lo >> 32 & 0x1f,
                              .present = desc_present(lo)};
    if (wide)
        ret->off |= hi << 32;
    else if (!(ret->type & 8)) /* 16-bit gate: the upper half of the offset does not exist */
        ret->off &= 0xffff;
}

struct cpum_seg selm_seg(uint16_t sel, uint64_t d)
{
    return (struct cpum_seg){.sel = sel, .attr = desc_attr(d), .limit = desc_limit(d), .base = desc_base(d)};
}

struct cpum_seg selm_seg_null(uint16_t sel)
{
    return (struct cpum_seg){.sel = sel, .attr = CPUM_SEG_UNUSABLE};
}

struct cpum_seg selm_seg_v86(uint16_t sel)
{
    return (struct cpum_seg){.sel = sel, .attr = ATTR_V86, .limit = 0xffff, .base = (uint64_t)sel << 4};
}

bool selm_desc_gla(const struct vcpu *c, uint16_t sel, unsigned bytes, uint64_t *ret)
{
    const struct cpum_ctx *x = &c->ctx;
    uint32_t off = sel & SEG_INDEX;

    if (sel & SEG_TI) {
        if ((x->ldtr.attr & CPUM_SEG_UNUSABLE) || off + bytes - 1 > x->ldtr.limit)
            return false;
        *ret = x->ldtr.base + off;
        return true;
    }
    *ret = x->gdtr.base + off;
    return off + bytes - 1 <= x->gdtr.limit;
}

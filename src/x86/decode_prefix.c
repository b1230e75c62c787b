/*
 * decode_prefix.c - everything before the opcode: legacy prefixes, REX, VEX, escapes.
 *
 * Source: SDM vol. 2 sections 2.1.1 (legacy), 2.2.1 (REX), 2.3 (VEX).
 * Rules: of prefixes of one group the last wins, F2 and F3 are one group; REX counts only directly before the opcode;
 * in 64-bit mode ES, CS, SS, DS overrides are read and ignored. VEX after 66, F2, F3, LOCK or REX is #UD. Outside
 * 64-bit mode c4 and c5 are LES and LDS unless the next byte has mod = 3.
 */
#include "x86/decode_int.h"

static void set_segment(struct x86_dec *d, uint8_t seg)
{
    if (d->insn.mode != X86_MODE_64 || seg >= X86_FS)
        d->insn.seg_override = seg;
}

/* One legacy prefix; false if @byte is none. */
static bool take_prefix(struct x86_dec *d, uint8_t byte)
{
    switch (byte) {
    case 0x26: set_segment(d, X86_ES); return true;
    case 0x2e: set_segment(d, X86_CS); return true;
    case 0x36: set_segment(d, X86_SS); return true;
    case 0x3e: set_segment(d, X86_DS); return true;
    case 0x64: set_segment(d, X86_FS); return true;
    case 0x65: set_segment(d, X86_GS); return true;
    case 0x66: d->prefix66 = true; return true;
    case 0x67: d->prefix67 = true; return true;
    case 0xf0: d->insn.lock = 1; return true;
    case 0xf2:
    case 0xf3: d->insn.rep = byte; return true;
    default: return false;
    }
}

/* VEX.RXB are stored inverted; outside 64-bit mode they select nothing (R and X are then the mod field, 3). */
static void read_vex(struct x86_dec *d)
{
    static const uint8_t mandatory[4] = {0, 0x66, 0xf3, 0xf2};
    struct x86_insn *insn = &d->insn;
    uint8_t rxb, last;

    if (d->prefix66 || insn->rep || insn->lock || insn->rex)
        x86_fail(d, X86_INVALID);
    if (d->vex_raw == 0xc5) {
        last = x86_next(d);
        rxb = (uint8_t)((last & 0x80) | 0x61);
        last &= 0x7f; /* there is no W */
    } else {
        rxb = x86_next(d);
        last = x86_next(d);
    }
    insn->map = rxb & 0x1f;
    insn->rex = (uint8_t)(0x40 | (last >> 4 & 8) | (~rxb >> 5 & 7)); /* same order: W R X B */
    d->vvvv_raw = last >> 3 & 15;
    insn->vvvv = 15 - d->vvvv_raw;
    if (insn->mode != X86_MODE_64) {
        insn->rex &= 0x48;
        insn->vvvv &= 7;
    }
    d->vex_l = last >> 2 & 1;
    insn->vex = d->vex_l ? 32 : 16;
    insn->pp = mandatory[last & 3];
    if (insn->map < X86_MAP_two || insn->map > X86_MAP_0f3a)
        x86_fail(d, X86_INVALID);
    insn->opcode = x86_next(d);
}

static bool is_vex(struct x86_dec *d, uint8_t byte)
{
    if (byte != 0xc4 && byte != 0xc5)
        return false;
    if (d->insn.mode == X86_MODE_64)
        return true;
    if (d->pos >= d->size || d->pos >= X86_MAX_LEN) {
        x86_next(d); /* notes what is missing */
        return false;
    }
    return d->bytes[d->pos] >= 0xc0;
}

static void read_escapes(struct x86_dec *d, uint8_t byte)
{
    struct x86_insn *insn = &d->insn;

    if (byte == 0x0f) {
        byte = x86_next(d);
        insn->map = X86_MAP_two;
        if (byte == 0x38 || byte == 0x3a) {
            insn->map = byte == 0x38 ? X86_MAP_0f38 : X86_MAP_0f3a;
            byte = x86_next(d);
        }
    }
    insn->opcode = byte;
}

void x86_read_prefixes(struct x86_dec *d)
{
    bool wide = d->insn.mode == X86_MODE_64;
    uint8_t byte = x86_next(d);

    for (;;) {
        if (take_prefix(d, byte))
            d->insn.rex = 0;
        else if (wide && (byte & 0xf0) == 0x40)
            d->insn.rex = byte;
        else
            break;
        byte = x86_next(d);
        if (d->status)
            return;
    }
    if (is_vex(d, byte)) {
        d->vex_raw = byte;
        read_vex(d);
    } else {
        read_escapes(d, byte);
    }
}

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
    if (d->insn->mode != X86_MODE_64 || seg >= X86_FS)
        d->insn->seg_override = seg;
}

static void take_prefix(struct x86_dec *d, uint8_t byte)
{
    switch (byte) {
    case 0x26: set_segment(d, X86_ES); return;
    case 0x2e: set_segment(d, X86_CS); return;
    case 0x36: set_segment(d, X86_SS); return;
    case 0x3e: set_segment(d, X86_DS); return;
    case 0x64: set_segment(d, X86_FS); return;
    case 0x65: set_segment(d, X86_GS); return;
    case 0x66: d->prefix66 = true; return;
    case 0x67: d->prefix67 = true; return;
    case 0xf0: d->insn->lock = 1; return;
    case 0xf2:
    case 0xf3: d->insn->rep = byte; return;
    default: return;
    }
}

/* VEX.RXB are stored inverted; outside 64-bit mode they select nothing (R and X are then the mod field, 3). */
static void read_vex(struct x86_dec *d)
{
    static const uint8_t mandatory[4] = {0, 0x66, 0xf3, 0xf2};
    struct x86_insn *insn = d->insn;
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

/* c4 and c5 outside 64-bit mode: VEX only if what would be ModRM has mod = 3. */
static bool is_vex(struct x86_dec *d)
{
    if (d->insn->mode == X86_MODE_64)
        return true;
    if (d->pos >= d->limit) {
        x86_next(d); /* notes what is missing */
        return false;
    }
    return d->bytes[d->pos] >= 0xc0;
}

static void read_escaped(struct x86_dec *d)
{
    struct x86_insn *insn = d->insn;
    uint8_t byte = x86_next(d);

    insn->map = X86_MAP_two;
    if (byte == 0x38 || byte == 0x3a) {
        insn->map = byte == 0x38 ? X86_MAP_0f38 : X86_MAP_0f3a;
        byte = x86_next(d);
    }
    insn->opcode = byte;
}

enum byte_class { PLAIN, PREFIX, REX, ESCAPE, VEX };

static const uint8_t byte_classes[256] = {
    [0x0f] = ESCAPE,          [0x26] = PREFIX, [0x2e] = PREFIX, [0x36] = PREFIX, [0x3e] = PREFIX, [0x40 ... 0x4f] = REX,
    [0x64 ... 0x67] = PREFIX, [0xc4] = VEX,    [0xc5] = VEX,    [0xf0] = PREFIX, [0xf2] = PREFIX, [0xf3] = PREFIX};

void x86_read_prefixes(struct x86_dec *d)
{
    bool wide = d->insn->mode == X86_MODE_64;
    uint8_t byte = x86_next(d);
    uint8_t class = byte_classes[byte];

    while (class == PREFIX || (class == REX && wide)) {
        d->insn->rex = class == REX ? byte : 0;
        if (class == PREFIX)
            take_prefix(d, byte);
        byte = x86_next(d);
        class = byte_classes[byte];
    }
    d->insn->opcode = byte;
    if (class == ESCAPE) {
        read_escaped(d);
    } else if (class == VEX && is_vex(d)) {
        d->vex_raw = byte;
        read_vex(d);
    }
}

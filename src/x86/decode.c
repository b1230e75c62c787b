/*
 * decode.c - from bytes to struct x86_insn: prefixes, walk of the maps, ModRM, operands, legality.
 *
 * Source: SDM vol. 2 chapter 2 and appendix A. Intel's behaviour in 64-bit mode where AMD differs (near branches ignore
 * 66). What is known and left out stands at the head of each map.
 * No globals but constant tables; safe from any thread.
 * Order of failures: an opcode no map knows is X86_INVALID as soon as its last byte is read; what else is wrong with an
 * instruction is found only after its last byte, so a missing page or too many bytes win over it.
 */
#include "x86/decode_int.h"

/* The plane of mandatory prefixes: F2 and F3 before 66. */
static unsigned plane_of(const struct x86_dec *d)
{
    if (d->insn->rep)
        return d->insn->rep == 0xf3 ? X86_PLANE_F3 : X86_PLANE_F2;
    return d->prefix66 ? X86_PLANE_66 : X86_PLANE_NP;
}

static unsigned vex_plane_of(const struct x86_dec *d)
{
    switch (d->insn->pp) {
    case 0x66: return X86_PLANE_66;
    case 0xf3: return X86_PLANE_F3;
    case 0xf2: return X86_PLANE_F2;
    default: return X86_PLANE_NP;
    }
}

static unsigned slot_of(struct x86_dec *d, unsigned group)
{
    switch (x86_group_selector[group]) {
    case X86_SEL_REG: x86_read_modrm(d); return (d->insn->modrm >> 3 & 7) + (d->mod == 3 ? 8 : 0);
    case X86_SEL_RM: x86_read_modrm(d); return d->insn->modrm & 7;
    case X86_SEL_MOD: x86_read_modrm(d); return d->mod == 3;
    case X86_SEL_W: return d->insn->rex >> 3 & 1;
    case X86_SEL_L: return d->vex_l;
    case X86_SEL_B: return d->insn->rex & 1;
    default: return d->insn->mode == X86_MODE_64;
    }
}

/* The mandatory prefix has chosen the row; it is then neither REP nor operand size. */
static void consume_prefix(struct x86_dec *d)
{
    if (d->insn->rep) {
        d->insn->pp = d->insn->rep;
        d->insn->rep = 0;
    } else {
        d->insn->pp = 0x66;
        d->prefix66 = false;
    }
}

/* Walks the maps to the row; @opnd becomes its operand letters. NULL: no such instruction, or bytes are missing. */
static const struct x86_row *find_row(struct x86_dec *d, const uint8_t **opnd)
{
    const struct x86_insn *insn = d->insn;
    const uint8_t *inherited = NULL;
    const struct x86_row *row;
    unsigned entry;

    if (d->vex_raw)
        entry = x86_vex_index[X86_VEX_INDEX(insn->map, vex_plane_of(d), insn->rex >> 3 & 1, insn->opcode)];
    else
        entry = x86_index[X86_INDEX(insn->map, plane_of(d), insn->opcode)];
    if (entry & X86_ENTRY_CONSUMES)
        consume_prefix(d);
    while (entry & X86_ENTRY_GROUP) {
        const struct x86_ref *ref = &x86_refs[entry & X86_ENTRY_NUMBER];

        if (ref->opnd[0])
            inherited = ref->opnd;
        entry = x86_group_slots[ref->group][slot_of(d, ref->group)];
    }
    if (d->status)
        return NULL;
    row = &x86_rows[entry & X86_ENTRY_NUMBER];
    *opnd = inherited && !row->opnd[0] ? inherited : row->opnd;
    if ((entry & X86_ENTRY_NUMBER) == 0)
        x86_fail(d, X86_INVALID);
    return d->status ? NULL : row;
}

static uint8_t operand_size(const struct x86_dec *d, uint32_t rules)
{
    if (d->insn->mode == X86_MODE_64) {
        if ((rules & X86_RULE_FORCE64) || (d->insn->rex & 8))
            return 8;
        if (d->prefix66)
            return 2;
        return rules & X86_RULE_DEF64 ? 8 : 4;
    }
    return (d->insn->mode == X86_MODE_32) != d->prefix66 ? 4 : 2;
}

static uint8_t address_size(const struct x86_dec *d)
{
    if (d->insn->mode == X86_MODE_64)
        return d->prefix67 ? 4 : 8;
    return (d->insn->mode == X86_MODE_32) != d->prefix67 ? 4 : 2;
}

/* ModRM and what follows it, if any operand is encoded there */
static void read_form(struct x86_dec *d, const struct x86_row *row)
{
    bool vsib = row->rules & X86_RULE_DISTINCT;

    if (row->rules & X86_RULE_MODRM)
        x86_read_modrm(d);
    if (!d->insn->has_modrm || d->status)
        return;
    if (row->rules & X86_RULE_MOD3)
        d->mod = 3;
    if (d->mod != 3)
        x86_read_memory(d, vsib);
}

/* #UD reasons that need the whole instruction */
static bool is_legal(const struct x86_dec *d, const struct x86_row *row)
{
    const struct x86_insn *insn = d->insn;
    uint32_t rules = row->rules;
    bool wide = insn->mode == X86_MODE_64;

    if (wide ? rules & X86_RULE_NO64 : rules & X86_RULE_ONLY64)
        return false;
    if (insn->lock && !((rules & X86_RULE_LOCK) && insn->op[0].kind == X86_OP_MEM))
        return false;
    if ((rules & X86_RULE_NP) && (insn->rep || d->prefix66))
        return false;
    if (!d->vex_raw)
        return true;
    if ((rules & X86_RULE_L0 && d->vex_l) || (rules & X86_RULE_L1 && !d->vex_l))
        return false;
    if (rules & X86_RULE_DISTINCT)
        return insn->op[0].reg != insn->op[2].reg && insn->op[0].reg != insn->index && insn->op[2].reg != insn->index;
    return d->vvvv_used || d->vvvv_raw == 15;
}

static void read_instruction(struct x86_dec *d)
{
    const struct x86_row *row;
    const uint8_t *opnd;

    x86_read_prefixes(d);
    if (d->status)
        return;
    d->insn->addrsize = address_size(d);
    row = find_row(d, &opnd);
    if (!row)
        return;
    d->insn->row = row;
    d->insn->mnem = row->mnem;
    d->insn->feature = row->rules & X86_RULE_Y2 && d->vex_l ? X86_FEAT_AVX2 : row->feature;
    d->insn->cond = d->insn->opcode & 15;
    d->insn->opsize = operand_size(d, row->rules);
    read_form(d, row);
    x86_read_operands(d, opnd, row->access);
    if (d->status == 0 && !is_legal(d, row))
        d->status = X86_INVALID;
}

int x86_decode(const uint8_t *bytes, size_t size, enum x86_mode mode, struct x86_insn *ret)
{
    static const struct x86_insn blank = {.seg_override = X86_SREG_NONE,
                                          .base = X86_REG_NONE,
                                          .index = X86_REG_NONE,
                                          .seg = X86_DS,
                                          .memory = X86_NO_MEMORY};
    struct x86_dec d = {.insn = ret, .bytes = bytes, .size = size, .limit = size < X86_MAX_LEN ? size : X86_MAX_LEN};

    *ret = blank;
    ret->mode = (uint8_t)mode;
    read_instruction(&d);
    if (d.status)
        return d.status == DEC_SHORT ? X86_NEED_MORE : d.status;
    ret->len = d.pos;
    return d.pos;
}

void x86_insn_older(struct x86_insn *insn)
{
    unsigned entry = x86_index[X86_INDEX(insn->map, X86_PLANE_NP, insn->opcode)];

    insn->row = &x86_rows[entry & X86_ENTRY_NUMBER];
    insn->mnem = insn->row->mnem;
    insn->feature = insn->row->feature;
    insn->rep = insn->pp;
    insn->pp = 0;
    for (unsigned i = 0; i < insn->nops; i++)
        insn->op[i].flags = (uint8_t)((insn->op[i].flags & X86_OPF_IMPLICIT) | (insn->row->access >> (2 * i) & 3));
}

/*
 * scan.c - see scan.h.
 */
#include "vmm/csam/scan.h"

static bool plain(const struct x86_insn *i)
{
    return i->row->flow == X86_FLOW_NEXT && !(i->row->rules & X86_RULE_SERIAL);
}

bool csam_scan(const uint8_t *code, unsigned off, unsigned end, enum x86_mode mode, struct csam_run *ret)
{
    unsigned pos = off;

    ret->count = 0;
    ret->from = (uint16_t)off;
    while (ret->count < CSAM_RUN_MAX && pos < end) {
        struct csam_insn *n = &ret->insn[ret->count];
        if (x86_decode(code + (pos - off), end - pos, mode, &n->i) <= 0)
            break;
        n->off = (uint16_t)pos;
        ret->count++;
        pos += n->i.len;
        if (n->i.row->flow != X86_FLOW_COND && !plain(&n->i))
            break;
    }
    ret->to = (uint16_t)pos;
    return ret->count != 0;
}

/*
 * names.c - what is known about a mnemonic as such: its name and who executes it. Made from mnem.def.
 */
#include "x86/insn.h"

static const struct {
    const char *name;
    enum x86_engine engine;
} mnems[X86_MNEM_COUNT] = {
#define M(id, by) [X86_##id] = {#id, X86_BY_##by},
#include "x86/mnem.def"
#undef M
};

const char *x86_mnem_name(enum x86_mnem mnem)
{
    return mnem < X86_MNEM_COUNT ? mnems[mnem].name : "?";
}

enum x86_engine x86_mnem_engine(enum x86_mnem mnem)
{
    return mnem < X86_MNEM_COUNT ? mnems[mnem].engine : X86_BY_C;
}

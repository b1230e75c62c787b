/*
 * disasm.c - guest code as text, by Zydis: logs and the debugger only, never the executing path.
 */
#include <Zydis/Zydis.h>
#include <inttypes.h>

#include "vmm/dbgf/dbgf.h"
#include "vmm/iem/iem.h"

static void decoder_for(const struct vcpu *c, ZydisDecoder *d)
{
    if (c->mode.code == X86_MODE_64)
        ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (c->mode.code == X86_MODE_32)
        ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(d, c->mode.pe && !c->mode.v86 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_REAL_16,
                         ZYDIS_STACK_WIDTH_16);
}

/* As many of @bytes from @gla as are mapped. */
static size_t read_code(struct vcpu *c, uint64_t gla, uint8_t *buf, size_t bytes)
{
    size_t n = 0;

    while (n < bytes && iem_debug_read(c, gla + n, buf + n, 1))
        n++;
    return n;
}

void dbgf_disasm(struct vcpu *c, uint64_t gla, unsigned count, GString *out)
{
    uint64_t here = c->ctx.seg[X86_CS].base + c->ctx.rip;
    ZydisDecoder decoder;
    ZydisFormatter formatter;

    decoder_for(c, &decoder);
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    for (unsigned k = 0; k < count; k++) {
        uint8_t code[X86_MAX_LEN];
        char text[128] = "(bad)";
        ZydisDecodedInstruction insn = {.length = 1};
        ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
        size_t have = read_code(c, gla, code, sizeof code);
        if (have == 0) {
            g_string_append_printf(out, "%c %016" PRIx64 "  (not mapped)\n", gla == here ? '>' : ' ', gla);
            return;
        }
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, have, &insn, ops)))
            ZydisFormatterFormatInstruction(&formatter, &insn, ops, insn.operand_count_visible, text, sizeof text, gla,
                                            NULL);
        g_string_append_printf(out, "%c %016" PRIx64 "  ", gla == here ? '>' : ' ', gla);
        for (unsigned b = 0; b < 10; b++)
            g_string_append_printf(out, b < insn.length ? "%02x" : "  ", code[b]);
        g_string_append_printf(out, " %s\n", text);
        gla += insn.length;
    }
}

/*
 * regs.c - a vCPU's registers and stack as text.
 */
#include <inttypes.h>

#include "vmm/dbgf/dbgf.h"
#include "vmm/iem/iem.h"

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
/* the order VirtualBox prints them in */
static const uint8_t gpr_order[16] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_R8,  X86_R9,
                                      X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15, X86_RSP, X86_RBP};
static const char *const seg_names[X86_SREG_COUNT] = {"es", "cs", "ss", "ds", "fs", "gs"};

static void put_flags(uint64_t fl, GString *out)
{
    static const struct {
        uint32_t bit;
        const char *set, *clear;
    } names[] = {{CPUM_FL_OF, "ov", "nv"}, {CPUM_FL_DF, "dn", "up"}, {CPUM_FL_IF, "ei", "di"},
                 {CPUM_FL_TF, "tf", NULL}, {CPUM_FL_SF, "ng", "pl"}, {CPUM_FL_ZF, "zr", "nz"},
                 {CPUM_FL_AF, "ac", "na"}, {CPUM_FL_PF, "pe", "po"}, {CPUM_FL_CF, "cy", "nc"},
                 {CPUM_FL_VM, "vm", NULL}, {CPUM_FL_RF, "rf", NULL}, {CPUM_FL_NT, "nt", NULL}};

    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        const char *word = (fl & names[k].bit) != 0 ? names[k].set : names[k].clear;
        if (word != NULL)
            g_string_append_printf(out, "%s ", word);
    }
}

static void put_seg(const char *name, const struct cpum_seg *s, GString *out)
{
    g_string_append_printf(out, "%s={%04x base=%016" PRIx64 " limit=%08x flags=%08x}\n", name, s->sel, s->base,
                           s->limit, s->attr);
}

void dbgf_regs(struct vcpu *c, GString *out)
{
    const struct cpum_ctx *x = &c->ctx;

    for (unsigned k = 0; k < 16; k++)
        g_string_append_printf(out, "%s=%016" PRIx64 "%c", gpr_names[gpr_order[k]], x->gpr[gpr_order[k]],
                               k % 4 == 3 ? '\n' : ' ');
    g_string_append_printf(out, "rip=%016" PRIx64 " iopl=%u ", x->rip, (unsigned)((x->rflags >> 12) & 3));
    put_flags(x->rflags, out);
    g_string_append_printf(out, "rflags=%08" PRIx64 " cpl=%u activity=%u\n", x->rflags, x->cpl, x->activity);
    for (unsigned k = 0; k < X86_SREG_COUNT; k++)
        put_seg(seg_names[k], &x->seg[k], out);
    put_seg("ldtr", &x->ldtr, out);
    put_seg("tr", &x->tr, out);
    g_string_append_printf(out, "gdtr=%016" PRIx64 ":%04x  idtr=%016" PRIx64 ":%04x\n", x->gdtr.base, x->gdtr.limit,
                           x->idtr.base, x->idtr.limit);
    g_string_append_printf(out,
                           "cr0=%08" PRIx64 " cr2=%016" PRIx64 " cr3=%016" PRIx64 " cr4=%08" PRIx64 " efer=%08" PRIx64
                           " xcr0=%" PRIx64 "\n",
                           x->cr0, x->cr2, x->cr3, x->cr4, x->efer, x->xcr0);
    g_string_append_printf(out,
                           "dr0=%016" PRIx64 " dr1=%016" PRIx64 " dr2=%016" PRIx64 " dr3=%016" PRIx64 " dr6=%08" PRIx64
                           " dr7=%08" PRIx64 "\n",
                           x->dr[0], x->dr[1], x->dr[2], x->dr[3], x->dr[6], x->dr[7]);
    g_string_append_printf(out,
                           "instructions=%" PRIu64 " blocks=%" PRIu64 " exceptions=%" PRIu64 " interrupts=%" PRIu64
                           " force flags=%08x\n",
                           c->stat_insns, c->stat_blocks, c->stat_xcpts, c->stat_irqs, ff_get(&c->ff));
}

void dbgf_stack(struct vcpu *c, unsigned words, GString *out)
{
    unsigned width = c->mode.code64 ? 8 : c->mode.stack_bytes;
    uint64_t sp = c->ctx.gpr[X86_RSP] & (width == 8 ? UINT64_MAX : width == 4 ? UINT32_MAX : UINT16_MAX);

    for (unsigned k = 0; k < words; k++) {
        uint64_t val = 0;
        uint64_t gla = c->ctx.seg[X86_SS].base + sp + (uint64_t)k * width;
        if (!iem_debug_read(c, gla, &val, width))
            break;
        g_string_append_printf(out, "%s%0*" PRIx64 "%s", k % 4 == 0 ? "  " : " ", (int)(2 * width), val,
                               k % 4 == 3 ? "\n" : "");
    }
    g_string_append_c(out, '\n');
}

/*
 * info.c - the vCPUs' info handlers by name, VirtualBox's where it has one. The argument is a vCPU's number, default 0.
 * They may be asked while the machine runs: what they read may then be in motion.
 */
#include "vmm/info/info.h"

#include <stdlib.h>

#include "vmm/dbgf/dbgf.h"

static struct vcpu *named(void *user, const char *args)
{
    const struct dbgf_machine *m = user;

    return m->cpu(m->user, (unsigned)strtoul(args, NULL, 0));
}

static void info_regs(void *user, const char *args, GString *out)
{
    dbgf_regs(named(user, args), out);
}

static void info_code(void *user, const char *args, GString *out)
{
    struct vcpu *c = named(user, args);
    uint64_t here = c->ctx.rip + (c->mode.code64 ? 0 : c->ctx.seg[X86_CS].base);

    dbgf_disasm(c, c->mode.code64 ? here : here & UINT32_MAX, 12, out);
}

static void info_stack(void *user, const char *args, GString *out)
{
    dbgf_stack(named(user, args), 32, out);
}

static void info_history(void *user, const char *args, GString *out)
{
    dbgf_history(named(user, args), out);
}

static void info_cpuid(void *user, const char *args, GString *out)
{
    cpum_info_cpuid(named(user, args), out);
}

/* The words of VirtualBox's "mode" handler. */
static void info_mode(void *user, const char *args, GString *out)
{
    const struct vcpu *c = named(user, args);
    const char *paging = !c->mode.paging               ? "none"
                         : c->ctx.efer & CPUM_EFER_LMA ? "AMD64"
                         : c->ctx.cr4 & CPUM_CR4_PAE   ? "PAE"
                                                       : "32-bit";

    g_string_append_printf(out, "Guest paging mode:  %s\nCode:               %u-bit%s\n", paging,
                           c->mode.code == X86_MODE_64   ? 64
                           : c->mode.code == X86_MODE_32 ? 32
                                                         : 16,
                           !c->mode.pe   ? ", real mode"
                           : c->mode.v86 ? ", V86"
                                         : "");
}

void dbgf_register(const struct dbgf_machine *m, struct info *info)
{
    static const struct {
        const char *name, *text;
        info_fn fn;
    } rows[] = {
        {"cpumguest", "[cpu]  registers", info_regs},
        {"cpumguestinstr", "[cpu]  instructions at the program counter", info_code},
        {"stack", "[cpu]  top of the stack", info_stack},
        {"exithistory", "[cpu]  last exceptions, interrupts, halts and exits", info_history},
        {"cpuid", "[cpu]  what CPUID says", info_cpuid},
        {"mode", "[cpu]  paging and code mode", info_mode},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        info_add(info, rows[i].name, rows[i].text, rows[i].fn, (void *)(uintptr_t)m);
}

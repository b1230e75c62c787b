/*
 * info.c - the vCPUs' info handlers by name, VirtualBox's where it has one. The argument is a vCPU's number, default 0.
 * They may be asked while the machine runs: what they read may then be in motion.
 */
#include "vmm/info/info.h"

#include <stdlib.h>

#include "vmm/dbgf/dbgf.h"
#include "vmm/selm/selm.h"
#include "vmm/trpm/trpm.h"

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

static void info_gdt(void *user, const char *args, GString *out)
{
    selm_info_gdt(named(user, args), out);
}

static void info_ldt(void *user, const char *args, GString *out)
{
    selm_info_ldt(named(user, args), out);
}

static void info_idt(void *user, const char *args, GString *out)
{
    selm_info_idt(named(user, args), out);
}

static void info_tss(void *user, const char *args, GString *out)
{
    selm_info_tss(named(user, args), out);
}

static void info_event(void *user, const char *args, GString *out)
{
    trpm_info(named(user, args), out);
}

/* "CPU VECTOR [ERROR-CODE]": an NMI, an exception or an interrupt by the vector's number. */
static void inject(void *user, const char *args, GString *out)
{
    const struct dbgf_machine *m = user;
    g_auto(GStrv) words = g_strsplit(args, " ", 4);
    unsigned count = g_strv_length(words);
    uint64_t cpu = 0, vector = 0, error = 0;

    if (count < 2 || count > 3 || !g_ascii_string_to_unsigned(words[0], 10, 0, m->cpus - 1, &cpu, NULL) ||
        !g_ascii_string_to_unsigned(words[1], 16, 0, 255, &vector, NULL) ||
        (count == 3 && !g_ascii_string_to_unsigned(words[2], 16, 0, UINT32_MAX, &error, NULL))) {
        g_string_append(out, "inject needs a vCPU, a vector and perhaps an error code (hexadecimal): inject 0 20\n");
        return;
    }
    const struct trpm_event e = {.vector = (uint8_t)vector,
                                 .kind = vector == 2   ? TRPM_NMI
                                         : vector < 32 ? TRPM_FAULT
                                                       : TRPM_IRQ,
                                 .has_error = count == 3,
                                 .error = (uint32_t)error};
    if (!trpm_inject(m->cpu(m->user, (unsigned)cpu), &e))
        g_string_append(out, "an injected event is waiting already\n");
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
        {"gdt", "[cpu]  global descriptor table", info_gdt},
        {"ldt", "[cpu]  local descriptor table", info_ldt},
        {"idt", "[cpu]  interrupt descriptor table", info_idt},
        {"tss", "[cpu]  stacks of the task state segment", info_tss},
        {"trpmevent", "[cpu]  events on their way to the guest", info_event},
        {"inject", "cpu vector [error]  raise an event, numbers hexadecimal", inject},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        info_add(info, rows[i].name, rows[i].text, rows[i].fn, (void *)(uintptr_t)m);
}

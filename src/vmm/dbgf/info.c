/*
 * info.c - the vCPUs' info handlers by name, VirtualBox's where it has one. The argument is a vCPU's number, default 0.
 * They may be asked while the machine runs: what they read may then be in motion.
 */
#include "vmm/info/info.h"

#include "vmm/dbgf/dbgf.h"
#include "vmm/selm/selm.h"
#include "vmm/trpm/trpm.h"

struct vcpu *dbgf_named(const struct dbgf_machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit_set(args, " \t", 2);
    guint64 cpu = 0;

    if (words[0] == NULL || !g_ascii_isdigit(*words[0]))
        return m->cpu(m->user, 0);
    if (g_ascii_string_to_unsigned(words[0], 10, 0, m->cpus - 1, &cpu, NULL))
        return m->cpu(m->user, (unsigned)cpu);
    g_string_append_printf(out, "There is no CPU %s; the machine has %u.\n", words[0], m->cpus);
    return NULL;
}

static void show_code(struct vcpu *c, GString *out)
{
    uint64_t here = c->ctx.rip + (c->mode.code64 ? 0 : c->ctx.seg[X86_CS].base);

    dbgf_disasm(c, c->mode.code64 ? here : here & UINT32_MAX, 12, out);
}

static void show_stack(struct vcpu *c, GString *out)
{
    dbgf_stack(c, 32, out);
}

/* The words of VirtualBox's "mode" handler. */
static void show_mode(struct vcpu *c, GString *out)
{
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

#define OF_CPU(name, show)                                                                                             \
    static void name(void *user, const char *args, GString *out)                                                       \
    {                                                                                                                  \
        struct vcpu *c = dbgf_named(user, args, out);                                                                  \
                                                                                                                       \
        if (c != NULL)                                                                                                 \
            show(c, out);                                                                                              \
    }
OF_CPU(info_regs, dbgf_regs)
OF_CPU(info_code, show_code)
OF_CPU(info_stack, show_stack)
OF_CPU(info_history, dbgf_history)
OF_CPU(info_cpuid, cpum_info_cpuid)
OF_CPU(info_mode, show_mode)
OF_CPU(info_gdt, selm_info_gdt)
OF_CPU(info_ldt, selm_info_ldt)
OF_CPU(info_idt, selm_info_idt)
OF_CPU(info_tss, selm_info_tss)
OF_CPU(info_event, trpm_info)

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

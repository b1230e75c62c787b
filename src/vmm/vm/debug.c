/*
 * debug.c - questions a person asks a machine: "info", "stats", "regs" ... ; answers are text.
 *
 * The table is the help. Handlers may run while the machine runs: they read, and what they read may be in motion.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/iom/iom.h"
#include "vmm/vm/vm_int.h"

static struct vcpu *named_cpu(struct vm *vm, const char *args)
{
    return vm_cpu(vm, (unsigned)strtoul(args, NULL, 0));
}

static void info_cpu(struct vm *vm, const char *args, GString *out)
{
    dbgf_regs(named_cpu(vm, args), out);
}

static void info_code(struct vm *vm, const char *args, GString *out)
{
    struct vcpu *c = named_cpu(vm, args);

    dbgf_disasm(c, c->ctx.rip + (c->mode.code64 ? 0 : c->ctx.seg[X86_CS].base), 12, out);
}

static void info_stack(struct vm *vm, const char *args, GString *out)
{
    dbgf_stack(named_cpu(vm, args), 32, out);
}

static void info_phys(struct vm *vm, const char *args, GString *out)
{
    (void)args;
    pgm_info(vm->pgm, out);
}

static void info_ports(struct vm *vm, const char *args, GString *out)
{
    (void)args;
    iom_info_ports(pdm_iom(vm->pdm), out);
}

static void info_mmio(struct vm *vm, const char *args, GString *out)
{
    (void)args;
    iom_info_mmio(pdm_iom(vm->pdm), out);
}

static void info_pci(struct vm *vm, const char *args, GString *out)
{
    (void)args;
    pdm_info_pci(vm->pdm, out);
}

static void info_irq(struct vm *vm, const char *args, GString *out)
{
    (void)args;
    pdm_info_irq(vm->pdm, out);
}

static void dump_line(void *user, const char *text)
{
    g_string_append_printf(user, "%s\n", text);
}

static void info_cfgm(struct vm *vm, const char *args, GString *out)
{
    struct cfgm_node *node = *args != '\0' ? cfgm_child(vm->root, args) : vm->root;

    if (node != NULL)
        cfgm_dump(node, dump_line, out);
    else
        g_string_append_printf(out, "No such node: %s\n", args);
}

struct stats {
    GString *out;
    GPatternSpec *pattern;
};

static void one_stat(void *user, const char *path, const uint64_t *counter, const char *unit)
{
    struct stats *s = user;

    if (g_pattern_spec_match_string(s->pattern, path))
        g_string_append_printf(s->out, "%-32s %8" G_GUINT64_FORMAT " %s\n", path, *counter, unit);
}

static void info_stats(struct vm *vm, const char *args, GString *out)
{
    struct stats s = {.out = out, .pattern = g_pattern_spec_new(*args != '\0' ? args : "*")};

    for (unsigned k = 0; k < vm->cpus; k++) {
        const struct vcpu *c = vm->cpu[k];
        const struct {
            const char *name;
            const uint64_t *counter;
        } rows[] = {{"Instructions", &c->stat_insns}, {"Blocks", &c->stat_blocks},
                    {"Exceptions", &c->stat_xcpts},   {"Interrupts", &c->stat_irqs},
                    {"TlbWalks", &c->mmu.stat_walks}, {"TlbFlushes", &c->mmu.stat_flushes}};
        for (unsigned r = 0; r < G_N_ELEMENTS(rows); r++) {
            g_autofree char *path = g_strdup_printf("/IEM/CPU%u/%s", k, rows[r].name);
            one_stat(&s, path, rows[r].counter, "times");
        }
    }
    pdm_stats(vm->pdm, one_stat, &s);
    g_pattern_spec_free(s.pattern);
}

static const struct {
    const char *name;
    void (*handler)(struct vm *vm, const char *args, GString *out);
    const char *help;
} handlers[] = {
    {"cpumguest", info_cpu, "[cpu]  registers"},
    {"cpumguestinstr", info_code, "[cpu]  instructions at the program counter"},
    {"stack", info_stack, "[cpu]  top of the stack"},
    {"phys", info_phys, "the physical memory map"},
    {"ioport", info_ports, "port ranges with counters"},
    {"mmio", info_mmio, "memory-mapped ranges with counters"},
    {"pci", info_pci, "PCI functions"},
    {"irqroute", info_irq, "interrupt lines"},
    {"cfgm", info_cfgm, "[path]  the configuration tree"},
    {"stats", info_stats, "[pattern]  counters"},
};

static void help(GString *out)
{
    g_string_append(out, "info NAME [ARGUMENTS], where NAME is a device (pit, vga, piix3ide0 ...) or one of\n");
    for (unsigned k = 0; k < G_N_ELEMENTS(handlers); k++)
        g_string_append_printf(out, "  %-16s %s\n", handlers[k].name, handlers[k].help);
}

char *vm_debug_command(struct vm *vm, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 3);
    GString *out = g_string_new(NULL);
    bool info = g_strcmp0(words[0], "info") == 0;
    const char *name = info ? words[1] : words[0];
    const char *args = name == NULL                ? ""
                       : info && words[2] != NULL  ? words[2]
                       : !info && words[1] != NULL ? words[1]
                                                   : "";

    if (name == NULL || strcmp(name, "help") == 0) {
        help(out);
        return g_string_free(out, FALSE);
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(handlers); k++) {
        if (strcmp(name, handlers[k].name) == 0) {
            handlers[k].handler(vm, args, out);
            return g_string_free(out, FALSE);
        }
    }
    g_autofree char *answer = info || vm->host.command == NULL ? NULL : vm->host.command(vm->host.user, line);
    if (answer != NULL)
        g_string_append(out, answer);
    else if (!pdm_info(vm->pdm, name, args, out))
        g_string_append_printf(out, "There is no '%s'; try \"info help\".\n", name);
    return g_string_free(out, FALSE);
}

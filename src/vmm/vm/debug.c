/*
 * debug.c - words and numbers about a machine: the two registries, the questions people ask, what the log keeps at the
 * end.
 *
 * Every component and device registers its info handlers and counters by name (info.h, stam.h); a question is a name
 * and arguments. Handlers may run while the machine runs: they read, and what they read may be in motion.
 */
#include <string.h>

#include "rt/log.h"
#include "vmm/em/em.h"
#include "vmm/vm/vm_int.h"

/* ---- the registries ---- */

static void dump_line(void *user, const char *text)
{
    g_string_append_printf(user, "%s\n", text);
}

static void info_cfgm(void *user, const char *args, GString *out)
{
    struct vm *vm = user;
    struct cfgm_node *node = *args != '\0' ? cfgm_child(vm->root, args) : vm->root;

    if (node != NULL)
        cfgm_dump(node, dump_line, out);
    else
        g_string_append_printf(out, "No such node: %s\n", args);
}

static void info_stats(void *user, const char *args, GString *out)
{
    struct vm *vm = user;

    stam_dump(vm->stam, args, out);
}

void vm_register_all(struct vm *vm)
{
    tm_register(vm->tm, vm->stam, vm->info);
    pgm_register(vm->pgm, vm->stam, vm->info);
    pdm_register(vm->pdm, vm->stam, vm->info);
    for (unsigned k = 0; k < vm->cpus; k++)
        em_register(vm->cpu[k], vm->stam);
    dbgf_register(&vm->debuggee, vm->info);
    vm_engines_register(vm);
    info_add(vm->info, "cfgm", "[path]  the configuration tree", info_cfgm, vm);
    info_add(vm->info, "stats", "[pattern]  counters", info_stats, vm);
}

/* ---- questions ---- */

/* "statistics [--reset] [--descriptions] [--pattern GLOB]", as VBoxManage debugvm has it. */
static void statistics(struct vm *vm, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 8);
    const char *pattern = NULL;
    bool reset = false, descriptions = false;

    for (char **w = words; *w != NULL; w++) {
        reset |= strcmp(*w, "--reset") == 0;
        descriptions |= strcmp(*w, "--descriptions") == 0;
        if (strcmp(*w, "--pattern") == 0 && w[1] != NULL)
            pattern = *++w;
    }
    if (reset)
        stam_reset(vm->stam, pattern);
    else
        stam_xml(vm->stam, pattern, descriptions, out);
}

static bool answer(struct vm *vm, const char *line, GString *out)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 2);
    const char *args = words[0] != NULL && words[1] != NULL ? words[1] : "";

    if (words[0] == NULL || strcmp(words[0], "help") == 0)
        return info_run(vm->info, "help", out);
    if (strcmp(words[0], "info") == 0)
        return info_run(vm->info, *args != '\0' ? args : "help", out);
    if (strcmp(words[0], "statistics") == 0) {
        statistics(vm, args, out);
        return true;
    }
    if (vm->host.command != NULL) {
        g_autofree char *text = vm->host.command(vm->host.user, line);
        if (text != NULL)
            g_string_append(out, text);
        if (text != NULL)
            return true;
    }
    return info_run(vm->info, line, out);
}

char *vm_debug_command(struct vm *vm, const char *line)
{
    GString *out = g_string_new(NULL);

    if (!answer(vm, line, out))
        g_string_append_printf(out, "There is no '%s'; try \"info help\".\n", line);
    return g_string_free(out, FALSE);
}

/* ---- the end ---- */

static void run_handler(struct vm *vm, const char *name, unsigned cpu, GString *out)
{
    g_autofree char *line = g_strdup_printf("%s %u", name, cpu);

    g_string_append_printf(out, "!!\n!! {%s}\n", line);
    info_run(vm->info, line, out);
}

void vm_guru_report(struct vm *vm, unsigned cpu, const char *why, GString *out)
{
    static const char rule[] = "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!\n";
    static const char *const handlers[] = {"cpumguest", "cpumguestinstr", "stack", "exithistory",
                                           "mode",      "lockstep",       "cpuid"};

    g_string_append_printf(out, "%s!!\n!!  VCPU%u: Guru Meditation: %s\n", rule, cpu, why);
    for (size_t k = 0; k < G_N_ELEMENTS(handlers); k++)
        run_handler(vm, handlers[k], cpu, out);
    for (unsigned k = 0; k < vm->cpus; k++) {
        if (k == cpu)
            continue;
        run_handler(vm, "cpumguest", k, out);
        run_handler(vm, "cpumguestinstr", k, out);
    }
    run_handler(vm, "activetimers", cpu, out);
    g_string_append(out, rule);
}

void vm_log_end(struct vm *vm)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (unsigned k = 0; k < vm->cpus; k++) {
        g_string_append_printf(out, "****************** Guest state at power off for VCpu %u ******************\n", k);
        dbgf_regs(vm->cpu[k], out);
        dbgf_history(vm->cpu[k], out);
    }
    g_string_append(out, "************************* Statistics *************************\n");
    stam_dump(vm->stam, NULL, out);
    g_string_append(out, "********************* End of statistics **********************\n");
    log_rel_text(out->str);
}

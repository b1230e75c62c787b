/*
 * look.c - what a debugger does with a machine that stands still: registers, a core file, the guest's system.
 */
#include "vmm/dbgf/core.h"
#include "vmm/dbgf/linux.h"
#include "vmm/trpm/trpm.h"
#include "vmm/vm/vm_int.h"

struct setting {
    unsigned cpu;
    const char *name, *value;
};

static void set_register(struct vm *vm, void *user, GError **error)
{
    const struct setting *s = user;

    dbgf_set_register(vm->cpu[s->cpu], s->name, s->value, error);
}

bool vm_set_register(struct vm *vm, unsigned cpu, const char *name, const char *value, GError **error)
{
    struct setting s = {cpu, name, value};

    if (cpu < vm->cpus)
        return vm_look(vm, set_register, &s, error);
    g_set_error(error, VM_ERROR, 0, "There is no CPU %u; the machine has %u", cpu, vm->cpus);
    return false;
}

static void dump_core(struct vm *vm, void *user, GError **error)
{
    dbgf_core_write(&vm->debuggee, vm->pgm, *(const int *)user, error);
}

bool vm_dump_core(struct vm *vm, int fd, GError **error)
{
    return vm_look(vm, dump_core, &fd, error);
}

bool vm_inject_nmi(struct vm *vm)
{
    const struct trpm_event nmi = {.vector = 2, .kind = TRPM_NMI};

    return trpm_inject(vm->cpu[0], &nmi);
}

struct os {
    unsigned most_lines; /* of the log */
    bool found, want_log;
    char *version, *log;
};

static void look_for_os(struct vm *vm, void *user, GError **error)
{
    struct dbgf_linux *l = dbgf_linux_find(vm->pgm);
    struct os *os = user;

    (void)error;
    os->found = l != NULL;
    if (l != NULL)
        os->version = dbgf_linux_version(l);
    if (l != NULL && os->want_log)
        os->log = dbgf_linux_log(l, os->most_lines);
    dbgf_linux_free(l);
}

const char *vm_detect_os(struct vm *vm, char **ret_version, GError **error)
{
    struct os os = {0};

    if (!vm_look(vm, look_for_os, &os, error) || !os.found)
        return NULL;
    *ret_version = os.version;
    return "Linux";
}

char *vm_os_log(struct vm *vm, unsigned most_lines, GError **error)
{
    struct os os = {.most_lines = most_lines, .want_log = true};

    vm_look(vm, look_for_os, &os, error);
    g_free(os.version);
    return os.log;
}

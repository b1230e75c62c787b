/*
 * engine.c - the machine's engines by its configuration: node EM of the tree, which says how the machine runs and not
 * what it is. So it is read once and taken out: a saved state does not depend on it.
 */
#include <string.h>

#include "rt/log.h"
#include "vmm/rem/rem.h"
#include "vmm/vm/vm_int.h"

static const struct cfgm_key em_keys[] = {
    {.name = "RecompilerHeat", .type = CFGM_INTEGER, .min = 0, .max = 1000000},
    {.name = "Lockstep", .type = CFGM_INTEGER, .min = 0, .max = 1},
    {.name = "LockstepTrust", .type = CFGM_INTEGER, .min = 0, .max = 1000000}, /* rem_set_lockstep() */
    {.name = NULL},
};
static const char *const em_children[] = {NULL};

static void log_line(void *user, const char *text)
{
    (void)user;
    log_rel("%s", text);
}

static bool recompiler_new(struct vm *vm, struct cfgm_node *em, GError **error)
{
    uint32_t heat = (uint32_t)cfgm_integer(em, "RecompilerHeat", REM_HEAT_DEFAULT);

    for (unsigned k = 0; k < vm->cpus && heat != 0; k++) {
        if (!rem_init(vm->cpu[k], vm->cpus, error))
            return false;
        rem_set_threshold(vm->cpu[k], heat);
    }
    return true;
}

static bool lockstep(struct vm *vm, uint32_t trust, GError **error)
{
    if (vm->cpus != 1) {
        g_set_error(error, VM_ERROR, 0, "EM/Lockstep needs a machine with one vCPU, and this one has %u", vm->cpus);
        return false;
    }
    if (vm->cpu[0]->rem == NULL) {
        g_set_error(error, VM_ERROR, 0, "EM/Lockstep needs the recompiler, and EM/RecompilerHeat is 0");
        return false;
    }
    if (cfgm_integer(vm->root, "RawMode", 0) != 0) {
        g_set_error(error, VM_ERROR, 0, "EM/Lockstep compares the recompiler: raw mode must be off");
        return false;
    }
    log_rel("EM: interpreter and recompiler run in lockstep");
    return rem_set_lockstep(vm->cpu[0], trust, error);
}

bool vm_engines_new(struct vm *vm, GError **error)
{
    struct cfgm_node *em = cfgm_child(vm->root, "EM");
    bool wants_lockstep = cfgm_integer(em, "Lockstep", 0) != 0, ok;
    uint32_t trust = (uint32_t)cfgm_integer(em, "LockstepTrust", 0);
    GError *why = NULL;

    if (!cfgm_validate(em, em_keys, em_children, error))
        return false;
    ok = recompiler_new(vm, em, &why);
    if (!ok && !wants_lockstep) {
        log_rel("REM: off, the interpreter runs everything: %s", why->message);
        g_clear_error(&why);
        ok = true;
    }
    if (em != NULL) {
        cfgm_dump(em, log_line, NULL);
        cfgm_free(em);
    }
    if (!ok)
        g_propagate_error(error, why);
    return ok && (!wants_lockstep || lockstep(vm, trust, error));
}

/* ---- questions ---- */

static void info_lockstep(void *user, const char *args, GString *out)
{
    struct vcpu *c = vm_cpu(user, (unsigned)g_ascii_strtoull(args, NULL, 0));
    uint64_t rip = rem_lockstep_info(c, out);

    if (rip != 0) {
        g_string_append(out, "The code:\n");
        dbgf_disasm(c, rip + (c->mode.code64 ? 0 : c->ctx.seg[X86_CS].base), 16, out);
    }
}

void vm_engines_register(struct vm *vm)
{
    info_add(vm->info, "lockstep", "[cpu]  what interpreter and recompiler disagree on", info_lockstep, vm);
}

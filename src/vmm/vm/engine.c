/*
 * engine.c - the machine's engines by its configuration: node EM of the tree, which says how the machine runs and not
 * what it is. So it is read once and taken out: a saved state does not depend on it.
 */
#include <string.h>
#include <unistd.h>

#include "rt/log.h"
#include "vmm/rem/rem.h"
#include "vmm/vm/vm_int.h"

static const struct cfgm_key em_keys[] = {
    {.name = "RecompilerHeat", .type = CFGM_INTEGER, .min = 0, .max = 1000000},
    {.name = "CodeCacheMiB", .type = CFGM_INTEGER, .min = 4, .max = 256}, /* of each vCPU */
    {.name = "Lockstep", .type = CFGM_INTEGER, .min = 0, .max = 1},
    {.name = "LockstepTrust", .type = CFGM_INTEGER, .min = 0, .max = 1000000}, /* rem_set_lockstep() */
    {.name = "Profile", .type = CFGM_INTEGER, .min = 0, .max = 1}, /* counts runs of blocks and time: info rem */
    {.name = "PerfMap", .type = CFGM_INTEGER, .min = 0, .max = 1}, /* /tmp/perf-PID.map */
    {.name = NULL},
};
static const char *const em_children[] = {NULL};

static void log_line(void *user, const char *text)
{
    (void)user;
    log_rel("%s", text);
}

/* The file is made before the process is confined, and written to by its descriptor. */
static bool perf_map(struct vm *vm, GError **error)
{
    if (!rem_perf_map_open(&vm->perf_map, error))
        return false;
    log_rel("EM: names of translated code go to /tmp/perf-%d.map", (int)getpid());
    for (unsigned k = 0; k < vm->cpus; k++)
        rem_set_perf_map(vm->cpu[k], vm->perf_map);
    return true;
}

static bool profile(struct vm *vm, GError **error)
{
    for (unsigned k = 0; k < vm->cpus; k++)
        if (vm->cpu[k]->rem != NULL && !rem_set_profile(vm->cpu[k], error))
            return false;
    return true;
}

static bool recompiler_new(struct vm *vm, struct cfgm_node *em, GError **error)
{
    uint32_t heat = (uint32_t)cfgm_integer(em, "RecompilerHeat", REM_HEAT_DEFAULT);
    uint32_t cache = (uint32_t)cfgm_integer(em, "CodeCacheMiB", 0);

    for (unsigned k = 0; k < vm->cpus && heat != 0; k++) {
        if (!rem_init(vm->cpu[k], vm->cpus, error))
            return false;
        rem_set_threshold(vm->cpu[k], heat);
        if (cache != 0)
            rem_set_arenas(vm->cpu[k], cache / 2);
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
    bool wants_profile = cfgm_integer(em, "Profile", 0) != 0, wants_map = cfgm_integer(em, "PerfMap", 0) != 0;
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
    return ok && (!wants_lockstep || lockstep(vm, trust, error)) && (!wants_profile || profile(vm, error)) &&
           (!wants_map || perf_map(vm, error));
}

/* ---- questions ---- */

static struct vcpu *named(void *user, const char *args, GString *out)
{
    return dbgf_named(&((struct vm *)user)->debuggee, args, out);
}

static void info_rem(void *user, const char *args, GString *out)
{
    struct vcpu *c = named(user, args, out);

    if (c != NULL)
        rem_info(c, out);
}

static void info_csam(void *user, const char *args, GString *out)
{
    struct vcpu *c = named(user, args, out);

    if (c != NULL)
        rem_info_code(c, out);
}

static void info_memory(void *user, const char *args, GString *out)
{
    struct vcpu *c = named(user, args, out);

    if (c != NULL)
        rem_info_memory(c, out);
}

static void info_lockstep(void *user, const char *args, GString *out)
{
    struct vcpu *c = named(user, args, out);
    uint64_t rip = c != NULL ? rem_lockstep_info(c, out) : 0;

    if (rip != 0) {
        g_string_append(out, "The code:\n");
        dbgf_disasm(c, rip + (c->mode.code64 ? 0 : c->ctx.seg[X86_CS].base), 16, out);
    }
}

void vm_engines_register(struct vm *vm)
{
    info_add(vm->info, "rem", "[cpu]  translated code: numbers, the hottest blocks", info_rem, vm);
    info_add(vm->info, "csam", "[cpu]  pages with translated code", info_csam, vm);
    info_add(vm->info, "memory",
             "[cpu]  what translated and decoded code is kept by, and how much of the host's memory that is",
             info_memory, vm);
    info_add(vm->info, "lockstep", "[cpu]  what interpreter and recompiler disagree on", info_lockstep, vm);
}

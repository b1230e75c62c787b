/*
 * vm.c - makes a machine out of its configuration tree, and takes it apart again.
 *
 * Order of making: memory, clock, devices' framework, processors; then (vm_construct) the devices themselves and the
 * threads. Taking apart is the reverse. Everything is undone if a step fails.
 */
#include "vmm/vm/vm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt/log.h"
#include "vmm/em/em.h"
#include "vmm/iem/iem.h"
#include "vmm/raw/raw.h"
#include "vmm/rem/rem.h"
#include "vmm/ssm/memory.h"
#include "vmm/vm/vm_int.h"

#define RAM_HOLE_GPA UINT64_C(0xe0000000) /* low RAM ends here at most: PCI, APIC and firmware live above */

static const struct cfgm_key root_keys[] = {
    {.name = "Name", .type = CFGM_STRING, .required = true},
    {.name = "UUID", .type = CFGM_STRING},
    {.name = "NumCPUs", .type = CFGM_INTEGER, .min = 1, .max = VM_MAX_CPUS, .required = true},
    {.name = "RamSize", .type = CFGM_INTEGER, .min = UINT64_C(4) << 20, .max = UINT64_C(2) << 40, .required = true},
    {.name = "RamHoleGpa", .type = CFGM_INTEGER, .min = UINT64_C(16) << 20, .max = RAM_HOLE_GPA},
    {.name = "UTCOffset", .type = CFGM_INTEGER},
    {.name = "CpuProfile", .type = CFGM_STRING},
    {.name = "EnablePAE", .type = CFGM_INTEGER, .min = 0, .max = 1},
    {.name = "EnableLongMode", .type = CFGM_INTEGER, .min = 0, .max = 1},
    {.name = "RawMode", .type = CFGM_INTEGER, .min = 0, .max = 2}, /* off, when it pays, whenever possible */
    {.name = "TripleFaultReset", .type = CFGM_INTEGER, .min = 0, .max = 1},
    {.name = NULL},
};
static const char *const root_children[] = {"Devices", "EM", NULL};

static void sync_pages(void *user, uint64_t gpa)
{
    struct vm *vm = user;
    struct vcpu *self = vm_current();

    /* The others drop all writes: watches are set far too seldom to pay for a page-exact protocol. */
    if (self != NULL)
        pgm_mmu_drop_writes(&self->mmu, gpa);
    em_sync(vm->cpu, vm->cpus, self);
}

/* The physical map changed: nobody waits, each vCPU follows before its next block. */
static void flush_pages(void *user)
{
    struct vm *vm = user;

    for (unsigned k = 0; k < vm->cpus; k++)
        em_post(vm->cpu[k], FF_TLB_SYNC);
}

/* Code somebody has translated was written, by the thread that is here: every vCPU leaves its translations and looks.
 */
static void code_changed(void *user, uint64_t gpa)
{
    struct vm *vm = user;

    for (unsigned k = 0; k < vm->cpus; k++) {
        rem_code_changed(vm->cpu[k], gpa);
        raw_code_changed(vm->cpu[k]);
        ff_set(&vm->cpu[k]->ff, FF_CODE);
        raw_kick(vm->cpu[k]);
    }
}

static bool cpu_new(struct vm *vm, unsigned id, GError **error)
{
    struct vcpu *c = cpum_vcpu_new();

    if (c == NULL) {
        g_set_error(error, VM_ERROR, 0, "Not enough memory for vCPU %u", id);
        return false;
    }
    vm->cpu[id] = c;
    c->id = id;
    c->vm = vm;
    c->tm = vm->tm;
    c->profile = vm->profile;
    c->outside = &vm_outside;
    c->outside_user = vm;
    pgm_mmu_init(&c->mmu, vm->pgm, cpum_profile_phys_bits(vm->profile));
    cpum_reset(c, id == 0);
    cpum_mode_update(c);
    return iem_init(c, error);
}

static bool make(struct vm *vm, GError **error)
{
    struct cfgm_node *root = vm->root;

    if (!cfgm_validate(root, root_keys, root_children, error))
        return false;
    vm->name = g_strdup(cfgm_string(root, "Name", "?"));
    vm->triple_fault_reset = cfgm_integer(root, "TripleFaultReset", 0) != 0;
    unsigned cpus = (unsigned)cfgm_integer(root, "NumCPUs", 1);
    vm->pgm = pgm_new(cfgm_integer(root, "RamSize", 0), cfgm_integer(root, "RamHoleGpa", RAM_HOLE_GPA), error);
    if (vm->pgm == NULL)
        return false;
    vm->tm = tm_new(cpus, (int64_t)cfgm_integer(root, "UTCOffset", 0), error);
    if (vm->tm == NULL)
        return false;
    vm->profile =
        cpum_profile_new(cfgm_string(root, "CpuProfile", NULL), cpus, cfgm_integer(root, "EnableLongMode", 1) != 0,
                         cfgm_integer(root, "EnablePAE", 1) != 0, error);
    if (vm->profile == NULL)
        return false;
    cpum_profile_tsc_hz(vm->profile, tm_tsc_hz(vm->tm));
    for (unsigned k = 0; k < cpus; k++) {
        if (!cpu_new(vm, k, error))
            return false;
        vm->cpus = k + 1;
    }
    if (!vm_engines_new(vm, error))
        return false;
    pgm_sync_callback(vm->pgm, sync_pages, vm);
    pgm_changed_callback(vm->pgm, code_changed, vm);
    pgm_flush_callback(vm->pgm, flush_pages, vm);
    vm->pdm = vm_pdm_new(vm);
    return vm->pdm != NULL;
}

struct vm *vm_new(struct cfgm_node *root, const struct vm_host *host, GError **error)
{
    struct vm *vm = g_new0(struct vm, 1);

    vm->root = root;
    vm->host = *host;
    vm->state = VM_CREATING;
    vm->stam = stam_new();
    vm->info = info_new();
    if (!make(vm, error)) {
        vm_free(vm);
        return NULL;
    }
    return vm;
}

static struct vcpu *gdb_cpu(void *user, unsigned id)
{
    return vm_cpu(user, id);
}

static void gdb_halt(void *user)
{
    vm_pause(user, true);
}

static void gdb_resume(void *user)
{
    vm_resume(user);
}

static void gdb_step(void *user, unsigned cpu)
{
    struct vcpu *c = vm_cpu(user, cpu);

    vm_set_current(c);
    iem_step(c);
    vm_set_current(NULL);
}

static char *gdb_monitor(void *user, const char *command)
{
    return vm_debug_command(user, command);
}

static void log_line(void *user, const char *text)
{
    (void)user;
    log_rel("%s", text);
}

bool vm_construct(struct vm *vm, GError **error)
{
    cfgm_dump(vm->root, log_line, NULL);
    if (!pdm_construct(vm->pdm, vm->root, error))
        return false;
    vm->debuggee = (struct dbgf_machine){.user = vm,
                                         .cpus = vm->cpus,
                                         .cpu = gdb_cpu,
                                         .halt = gdb_halt,
                                         .resume = gdb_resume,
                                         .step = gdb_step,
                                         .monitor = gdb_monitor};
    vm_register_all(vm);
    if (vm->host.gdb != NULL) {
        vm->gdb = gdb_new(vm->host.gdb, &vm->debuggee, error);
        if (vm->gdb == NULL)
            return false;
    }
    vm->constructed = true;
    vm_run_start(vm);
    for (unsigned k = 0; k < vm->cpus; k++) /* made by its thread */
        raw_register(vm->cpu[k], vm->stam);
    vm_set_state(vm, VM_CREATED);
    return true;
}

void vm_free(struct vm *vm)
{
    if (vm == NULL)
        return;
    if (vm->gdb != NULL)
        gdb_free(vm->gdb);
    vm->gdb = NULL;
    vm_run_stop(vm);
    stam_free(vm->stam); /* before what they read */
    info_free(vm->info);
    pdm_free(vm->pdm);
    for (unsigned k = 0; k < VM_MAX_CPUS; k++) {
        if (vm->cpu[k] != NULL) {
            raw_fini(vm->cpu[k]);
            rem_fini(vm->cpu[k]);
            iem_fini(vm->cpu[k]);
        }
        cpum_vcpu_free(vm->cpu[k]);
    }
    if (vm->perf_map != 0)
        close(vm->perf_map);
    cpum_profile_free(vm->profile);
    tm_free(vm->tm);
    ssm_fill_free(vm->fill);
    pgm_free(vm->pgm);
    if (vm->requests != NULL)
        g_async_queue_unref(vm->requests); /* who fills may have asked for something up to here */
    cfgm_free(vm->root);
    g_free(vm->name);
    g_free(vm->end_text);
    g_free(vm->fill_why);
    g_free(vm);
}

unsigned vm_jails(const struct vm *vm, pid_t *ret_threads, unsigned max)
{
    unsigned count = 0;

    for (unsigned k = 0; k < vm->cpus; k++)
        count += raw_threads(vm->cpu[k], ret_threads + count, max - count);
    return count;
}

struct pdm *vm_pdm(struct vm *vm)
{
    return vm->pdm;
}

struct vcpu *vm_cpu(struct vm *vm, unsigned id)
{
    return vm->cpu[id < vm->cpus ? id : 0];
}

unsigned vm_cpu_count(const struct vm *vm)
{
    return vm->cpus;
}

enum vm_end vm_end_get(struct vm *vm)
{
    g_mutex_lock(&vm->state_lock);
    enum vm_end end = vm->end;
    g_mutex_unlock(&vm->state_lock);
    return end;
}

const char *vm_end_text(struct vm *vm)
{
    g_mutex_lock(&vm->state_lock);
    const char *text = vm->end_text; /* set once */
    g_mutex_unlock(&vm->state_lock);
    return text != NULL ? text : "";
}

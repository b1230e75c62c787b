/*
 * gate.c - a thread for each vCPU, and the gate behind which they run.
 *
 *   wait at the gate -> em_run() -> why did it come back? -> ask the control thread (run.c) if needed -> gate
 *
 * A device that asks for reset or power-off (on a vCPU thread, holding its lock) only closes the gate and queues.
 */
#include <time.h>

#include "rt/log.h"
#include "vmm/em/em.h"
#include "vmm/raw/raw.h"
#include "vmm/vm/vm_int.h"

/* ---- the gate ---- */

void vm_close_gate(struct vm *vm)
{
    g_mutex_lock(&vm->gate_lock);
    vm->gate_open = false;
    g_mutex_unlock(&vm->gate_lock);
    for (unsigned k = 0; k < vm->cpus; k++)
        em_post(vm->cpu[k], FF_REQUEST);
}

static void wait_parked(struct vm *vm)
{
    g_mutex_lock(&vm->gate_lock);
    while (vm->parked < vm->cpus)
        g_cond_wait(&vm->parked_cond, &vm->gate_lock);
    g_mutex_unlock(&vm->gate_lock);
}

void vm_stop_cpus(struct vm *vm)
{
    vm_close_gate(vm);
    wait_parked(vm);
}

void vm_start_cpus(struct vm *vm)
{
    g_mutex_lock(&vm->gate_lock);
    vm->gate_open = true;
    g_cond_broadcast(&vm->gate_cond);
    g_mutex_unlock(&vm->gate_lock);
}

/* ---- the threads ---- */

static uint64_t thread_time_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Returns false when the machine ends. */
static bool pass_gate(struct vm *vm, struct vcpu *c)
{
    g_mutex_lock(&vm->gate_lock);
    vm->spent_ns[c->id] = thread_time_ns();
    vm->parked++;
    g_cond_signal(&vm->parked_cond);
    while (!vm->gate_open && !vm->quit)
        g_cond_wait(&vm->gate_cond, &vm->gate_lock);
    vm->parked--;
    ff_clear(&c->ff, FF_REQUEST);
    bool go = !vm->quit;
    g_mutex_unlock(&vm->gate_lock);
    return go;
}

/* Here, because the jails belong to this thread. Without them the machine runs all the same. */
static void raw_mode_new(struct vm *vm, struct vcpu *c)
{
    const uint64_t want = cfgm_integer(vm->root, "RawMode", 0);
    g_autoptr(GError) error = NULL;

    if (want == 0)
        return;
    if (!raw_init(c, want == 2 ? RAW_WHENEVER_POSSIBLE : RAW_WHEN_IT_PAYS, &error))
        log_rel("RAW: CPU%u: off: %s", c->id, error->message);
    else
        log_rel("RAW: CPU%u: user code runs natively where it pays; in and out take %u ns%s%s", c->id,
                (unsigned)raw_cost_ns(c), raw_missing(c)[0] != '\0' ? "; missing: " : "", raw_missing(c));
}

static gpointer cpu_thread(gpointer user)
{
    struct vcpu *c = user;
    struct vm *vm = c->vm;

    vm_set_current(c);
    raw_mode_new(vm, c);
    while (pass_gate(vm, c)) {
        switch (em_run(c)) {
        case EM_EXIT_REQUEST: break;
        case EM_EXIT_SHUTDOWN:
            vm_close_gate(vm);
            vm_ask(vm, REQ_TRIPLE_FAULT, c->id, true, "triple fault");
            break;
        case EM_EXIT_BREAK:
            vm_close_gate(vm);
            vm_ask(vm, REQ_BREAK, c->id, true, NULL);
            break;
        case EM_EXIT_FATAL:
            pdm_abandon(); /* or powering off would wait for them for ever */
            vm_close_gate(vm);
            vm_ask(vm, REQ_GURU, c->id, false, em_fatal_text(c));
            break;
        }
    }
    return NULL;
}

void vm_cpus_start(struct vm *vm)
{
    em_rescue_init();
    for (unsigned k = 0; k < vm->cpus; k++) {
        g_autofree char *name = g_strdup_printf("EMT-%u", k);
        vm->emt[k] = g_thread_new(name, cpu_thread, vm->cpu[k]);
    }
    wait_parked(vm); /* what they make for themselves is made: the process may be confined */
}

void vm_cpus_end(struct vm *vm)
{
    g_mutex_lock(&vm->gate_lock);
    vm->quit = true;
    g_cond_broadcast(&vm->gate_cond);
    g_mutex_unlock(&vm->gate_lock);
    for (unsigned k = 0; k < vm->cpus; k++)
        em_post(vm->cpu[k], FF_REQUEST);
    for (unsigned k = 0; k < vm->cpus; k++)
        g_thread_join(vm->emt[k]);
}

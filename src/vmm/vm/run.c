/*
 * run.c - the control thread: it takes a request, closes the gate behind which the vCPUs run (gate.c), waits for all to
 * park, acts, and opens the gate.
 */
#include "rt/log.h"
#include "vmm/em/em.h"
#include "vmm/iem/iem.h"
#include "vmm/raw/raw.h"
#include "vmm/rem/rem.h"
#include "vmm/ssm/memory.h"
#include "vmm/vm/vm_int.h"

/* ---- state ---- */

void vm_set_state(struct vm *vm, enum vm_state to)
{
    g_mutex_lock(&vm->state_lock);
    enum vm_state from = vm->state;
    bool allowed = vm_state_allowed(from, to);
    if (allowed)
        vm->state = to;
    g_cond_broadcast(&vm->state_cond);
    g_mutex_unlock(&vm->state_lock);
    if (!allowed) {
        log_rel("VM: no change from '%s' to '%s'", vm_state_name(from), vm_state_name(to));
        return;
    }
    log_rel("Changing the VM state from '%s' to '%s'", vm_state_name(from), vm_state_name(to));
    if (vm->host.state_changed != NULL)
        vm->host.state_changed(vm->host.user, to);
}

enum vm_state vm_state_get(struct vm *vm)
{
    g_mutex_lock(&vm->state_lock);
    enum vm_state state = vm->state;
    g_mutex_unlock(&vm->state_lock);
    return state;
}

static void set_end(struct vm *vm, enum vm_end end, const char *text)
{
    g_mutex_lock(&vm->state_lock);
    if (vm->end == VM_END_NONE) {
        vm->end = end;
        vm->end_text = g_strdup(text);
    }
    g_mutex_unlock(&vm->state_lock);
}

/* ---- requests ---- */

static void free_request(void *p)
{
    struct vm_request *r = p;

    g_free(r->text);
    g_free(r);
}

static uint64_t ask(struct vm *vm, struct vm_request request)
{
    struct vm_request *r = g_memdup2(&request, sizeof request);

    r->text = g_strdup(r->text);
    g_mutex_lock(&vm->state_lock);
    uint64_t number = r->number = ++vm->asked;
    g_async_queue_push(vm->requests, r);
    g_mutex_unlock(&vm->state_lock);
    return number;
}

uint64_t vm_ask(struct vm *vm, enum vm_request_kind kind, unsigned cpu, bool by_guest, const char *text)
{
    return ask(vm,
               (struct vm_request){.kind = kind, .cpu = cpu, .by_guest = by_guest, .text = (char *)(uintptr_t)text});
}

void vm_wait(struct vm *vm, uint64_t number)
{
    g_mutex_lock(&vm->state_lock);
    while (vm->done < number)
        g_cond_wait(&vm->state_cond, &vm->state_lock);
    g_mutex_unlock(&vm->state_lock);
}

static void do_pause(struct vm *vm)
{
    if (vm_state_get(vm) != VM_RUNNING)
        return;
    vm_set_state(vm, VM_SUSPENDING);
    vm_stop_cpus(vm);
    tm_pause(vm->tm);
    pdm_suspend(vm->pdm);
    vm_set_state(vm, VM_SUSPENDED);
}

static void do_reset(struct vm *vm, const char *why)
{
    enum vm_state before = vm_state_get(vm);

    if (before != VM_RUNNING && before != VM_SUSPENDED)
        return;
    log_rel("VM: reset: %s", why);
    vm_set_state(vm, VM_RESETTING);
    vm_stop_cpus(vm);
    for (unsigned k = 0; k < vm->cpus; k++) {
        cpum_reset(vm->cpu[k], k == 0);
        cpum_mode_update(vm->cpu[k]);
        pgm_mmu_flush(&vm->cpu[k]->mmu, true);
        iem_flush(vm->cpu[k]);
        rem_flush(vm->cpu[k]);
        raw_flush(vm->cpu[k]);
        ff_clear(&vm->cpu[k]->ff, ~(uint32_t)FF_REQUEST);
    }
    pgm_reset(vm->pgm);
    pdm_reset(vm->pdm);
    vm_set_state(vm, before);
    if (before == VM_RUNNING)
        vm_start_cpus(vm);
}

/* The interpreter's speed over the machine's life; nobody counts what other engines run. All vCPUs are parked. */
static void log_speed(struct vm *vm)
{
    for (unsigned k = 0; k < vm->cpus; k++) {
        double insns = (double)vm->cpu[k]->stat_insns / 1e6, seconds = (double)vm->spent_ns[k] / 1e9;
        if (vm->cpu[k]->rem == NULL)
            log_rel("EM: CPU%u: %.0f million guest instructions in %.2f s of host CPU time: %.1f million/s", k, insns,
                    seconds, seconds > 0 ? insns / seconds : 0.0);
        else
            log_rel("EM: CPU%u: %.2f s of host CPU time, %.0f million guest instructions in the interpreter", k,
                    seconds, insns);
    }
}

static void do_power_off(struct vm *vm, const struct vm_request *r)
{
    enum vm_state before = vm_state_get(vm);

    if (before != VM_RUNNING && before != VM_SUSPENDED && before != VM_GURU_MEDITATION)
        return;
    set_end(vm, r->by_guest ? VM_END_GUEST_OFF : VM_END_HOST_OFF, r->text);
    vm_set_state(vm, VM_POWERING_OFF);
    vm_stop_cpus(vm);
    tm_pause(vm->tm);
    log_speed(vm);
    pdm_power_off(vm->pdm);
    vm_log_end(vm);
    vm_set_state(vm, VM_OFF);
}

static void do_guru(struct vm *vm, unsigned cpu, const char *why)
{
    g_autoptr(GString) report = g_string_new(NULL);

    if (vm_state_get(vm) != VM_RUNNING)
        return;
    vm_stop_cpus(vm);
    tm_pause(vm->tm);
    vm_guru_report(vm, cpu, why, report);
    log_rel_text(report->str);
    set_end(vm, VM_END_GURU, why);
    vm_set_state(vm, VM_GURU_MEDITATION);
}

static void do_resume(struct vm *vm)
{
    if (vm_state_get(vm) != VM_SUSPENDED)
        return;
    vm_set_state(vm, VM_RESUMING);
    pdm_resume(vm->pdm);
    tm_resume(vm->tm);
    vm_set_state(vm, VM_RUNNING);
    if (vm->fill_why != NULL) {
        do_guru(vm, 0, vm->fill_why);
        return;
    }
    vm_start_cpus(vm);
    if (vm->fill != NULL)
        ssm_fill_rest(vm->fill); /* last: it would only be in the way of what runs */
}

/* RAM of a saved state is all there, or (@why) never will be. */
static void do_filled(struct vm *vm, const char *why)
{
    if (why == NULL) {
        vm_filled(vm);
        return;
    }
    vm->fill_why = g_strdup(why); /* a machine that is suspended learns of it when it goes on */
    do_guru(vm, 0, why);
}

static void do_break(struct vm *vm, unsigned cpu)
{
    do_pause(vm);
    if (vm->gdb != NULL)
        gdb_stopped(vm->gdb, cpu);
}

static void save(struct vm *vm, const struct vm_request *r)
{
    if (r->kind == REQ_SAVE)
        vm_save_now(vm, r->text, r->error);
    else
        *r->state = vm_save_rest_now(vm, r->error);
}

static void do_save(struct vm *vm, const struct vm_request *r)
{
    do_pause(vm);
    if (vm_state_get(vm) != VM_SUSPENDED) {
        g_set_error(r->error, VM_ERROR, 0, "A machine that is %s cannot be saved", vm_state_name(vm_state_get(vm)));
        return;
    }
    vm_set_state(vm, VM_SAVING);
    save(vm, r);
    vm_set_state(vm, VM_SUSPENDED);
}

static void do_load(struct vm *vm, const struct vm_request *r)
{
    if (vm_state_get(vm) != VM_CREATED) {
        g_set_error(r->error, VM_ERROR, 0, "Only a machine that has not run yet can take over a saved state");
        return;
    }
    vm_set_state(vm, VM_LOADING);
    bool ok = r->kind == REQ_LOAD ? vm_load_now(vm, r->text, r->error) : vm_load_rest_now(vm, *r->state, r->error);
    if (ok)
        pdm_suspend(vm->pdm); /* as every suspended machine: resume undoes it */
    vm_set_state(vm, ok ? VM_SUSPENDED : VM_LOAD_FAILURE);
}

/* Nobody sees that the machine stood still for it: its state stays. */
static void do_look(struct vm *vm, const struct vm_request *r)
{
    const enum vm_state state = vm_state_get(vm);

    if (state != VM_RUNNING && state != VM_SUSPENDED && state != VM_GURU_MEDITATION) {
        g_set_error(r->error, VM_ERROR, 0, "A machine that is %s cannot be looked into", vm_state_name(state));
        return;
    }
    if (state == VM_RUNNING) {
        vm_stop_cpus(vm);
        tm_pause(vm->tm);
    }
    r->look(vm, r->user, r->error);
    if (state == VM_RUNNING) {
        tm_resume(vm->tm);
        vm_start_cpus(vm);
    }
}

static void carry_out(struct vm *vm, const struct vm_request *r)
{
    switch (r->kind) {
    case REQ_POWER_ON:
        if (vm_state_get(vm) != VM_CREATED)
            break;
        vm_set_state(vm, VM_POWERING_ON);
        tm_resume(vm->tm);
        vm_set_state(vm, VM_RUNNING);
        vm_start_cpus(vm);
        break;
    case REQ_PAUSE: do_pause(vm); break;
    case REQ_RESUME: do_resume(vm); break;
    case REQ_RESET: do_reset(vm, r->text); break;
    case REQ_POWER_OFF: do_power_off(vm, r); break;
    case REQ_TRIPLE_FAULT:
        if (vm->triple_fault_reset)
            do_reset(vm, r->text);
        else
            do_guru(vm, r->cpu, r->text);
        break;
    case REQ_GURU: do_guru(vm, r->cpu, r->text); break;
    case REQ_BREAK: do_break(vm, r->cpu); break;
    case REQ_SAVE:
    case REQ_SAVE_REST: do_save(vm, r); break;
    case REQ_LOAD:
    case REQ_LOAD_REST: do_load(vm, r); break;
    case REQ_LOOK: do_look(vm, r); break;
    case REQ_FILLED: do_filled(vm, r->text); break;
    case REQ_QUIT: break;
    }
}

static gpointer control_thread(gpointer user)
{
    struct vm *vm = user;
    bool quit = false;

    while (!quit) {
        struct vm_request *r = g_async_queue_pop(vm->requests);
        quit = r->kind == REQ_QUIT;
        carry_out(vm, r);
        g_mutex_lock(&vm->state_lock);
        vm->done = r->number;
        g_cond_broadcast(&vm->state_cond);
        g_mutex_unlock(&vm->state_lock);
        free_request(r);
    }
    return NULL;
}

bool vm_run_start(struct vm *vm)
{
    vm->requests = g_async_queue_new_full(free_request);
    vm->control = g_thread_new("control", control_thread, vm);
    vm_cpus_start(vm);
    return true;
}

void vm_run_stop(struct vm *vm)
{
    if (vm->control == NULL)
        return;
    vm_wait(vm, vm_ask(vm, REQ_POWER_OFF, 0, false, "powered off"));
    vm_ask(vm, REQ_QUIT, 0, false, NULL);
    g_thread_join(vm->control);
    vm_cpus_end(vm);
    vm->control = NULL;
}

void vm_power_on(struct vm *vm)
{
    vm_wait(vm, vm_ask(vm, REQ_POWER_ON, 0, false, NULL));
}

void vm_pause(struct vm *vm, bool wait)
{
    uint64_t number = vm_ask(vm, REQ_PAUSE, 0, false, NULL);

    if (wait)
        vm_wait(vm, number);
}

void vm_resume(struct vm *vm)
{
    vm_ask(vm, REQ_RESUME, 0, false, NULL);
}

void vm_settle(struct vm *vm)
{
    g_mutex_lock(&vm->state_lock);
    uint64_t number = vm->asked;
    g_mutex_unlock(&vm->state_lock);
    vm_wait(vm, number);
}

void vm_reset(struct vm *vm)
{
    vm_ask(vm, REQ_RESET, 0, false, "asked by the user");
}

void vm_power_off(struct vm *vm)
{
    vm_ask(vm, REQ_POWER_OFF, 0, false, "powered off by the user");
}

static bool ask_file(struct vm *vm, enum vm_request_kind kind, const char *path, GBytes **state, GError **error)
{
    GError *why = NULL;

    vm_wait(vm,
            ask(vm, (struct vm_request){.kind = kind, .text = (char *)(uintptr_t)path, .state = state, .error = &why}));
    if (why == NULL)
        return true;
    g_propagate_error(error, why);
    return false;
}

bool vm_look(struct vm *vm, void (*look)(struct vm *vm, void *user, GError **error), void *user, GError **error)
{
    GError *why = NULL;

    vm_wait(vm, ask(vm, (struct vm_request){.kind = REQ_LOOK, .look = look, .user = user, .error = &why}));
    if (why != NULL)
        g_propagate_error(error, why);
    return why == NULL;
}

bool vm_save(struct vm *vm, const char *path, GError **error)
{
    return ask_file(vm, REQ_SAVE, path, NULL, error);
}

bool vm_load(struct vm *vm, const char *path, GError **error)
{
    return ask_file(vm, REQ_LOAD, path, NULL, error);
}

GBytes *vm_save_rest(struct vm *vm, GError **error)
{
    GBytes *state = NULL;

    ask_file(vm, REQ_SAVE_REST, NULL, &state, error);
    return state;
}

bool vm_load_rest(struct vm *vm, GBytes *state, GError **error)
{
    return ask_file(vm, REQ_LOAD_REST, NULL, &state, error);
}

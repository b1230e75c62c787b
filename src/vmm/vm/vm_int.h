/*
 * vm_int.h - the machine's insides, for this folder: vm.c builds, gate.c and run.c run it, outside.c joins CPUs and
 * devices.
 *
 * Invariant 1: vCPU threads execute only while gate_open; whoever changes what they use closes it and waits until all
 *              are parked (vm_stop_cpus).
 * Invariant 2: state changes only on the control thread (and in vm_new/vm_free before and after it lives).
 */
#ifndef VMM_VM_VM_INT_H
#define VMM_VM_VM_INT_H

#include "vmm/dbgf/dbgf.h"
#include "vmm/info/info.h"
#include "vmm/pgm/pgm.h"
#include "vmm/stam/stam.h"
#include "vmm/tm/tm.h"
#include "vmm/vm/vm.h"

#define VM_MAX_CPUS 32u
#define VM_ERROR    (g_quark_from_static_string("vm"))

enum vm_request_kind {
    REQ_POWER_ON,
    REQ_PAUSE,
    REQ_RESUME,
    REQ_RESET,
    REQ_POWER_OFF,
    REQ_TRIPLE_FAULT,
    REQ_GURU,
    REQ_BREAK,
    REQ_SAVE,
    REQ_LOAD,
    REQ_SAVE_REST, /* all but RAM, to and from memory */
    REQ_LOAD_REST,
    REQ_LOOK,   /* a debugger's function, while nothing executes */
    REQ_FILLED, /* RAM of a saved state is all there */
    REQ_QUIT
};
struct vm_request {
    enum vm_request_kind kind;
    unsigned cpu;
    char *text;     /* why, or a path */
    GError **error; /* of SAVE, LOAD and LOOK; the asker waits */
    GBytes **state; /* of SAVE_REST and LOAD_REST */
    void (*look)(struct vm *vm, void *user, GError **error);
    void *user; /* look's */
    bool by_guest;
    uint64_t number;
};

struct vm {
    struct cfgm_node *root;
    struct vm_host host;
    char *name;
    bool triple_fault_reset, constructed;

    struct pgm *pgm;
    struct ssm_fill *fill; /* RAM from a saved state; NULL = there was none */
    char *fill_why;        /* it cannot be read */
    struct tm_machine *tm;
    struct pdm *pdm;
    struct cpum_profile *profile;
    struct vcpu *cpu[VM_MAX_CPUS];
    unsigned cpus;

    GThread *emt[VM_MAX_CPUS], *control;
    GMutex gate_lock;
    GCond gate_cond, parked_cond;
    bool gate_open, quit;
    unsigned parked;
    uint64_t spent_ns[VM_MAX_CPUS]; /* host time of each vCPU's thread up to when it parked */

    GAsyncQueue *requests; /* struct vm_request */
    GMutex state_lock;     /* state, end, end_text, request numbers */
    GCond state_cond;
    enum vm_state state;
    enum vm_end end;
    char *end_text;
    uint64_t asked, done;

    struct dbgf_machine debuggee;
    struct gdb *gdb;
    struct stam *stam;
    struct info *info;
    int perf_map; /* 0 = none */
};

/* gate.c */
/** The vCPUs' threads; they have parked when this returns. */
void vm_cpus_start(struct vm *vm);
void vm_cpus_end(struct vm *vm);
/** From a vCPU or device thread: no vCPU starts another instruction stretch until the request just asked is done. */
void vm_close_gate(struct vm *vm);
/** Closes the gate and waits until all have parked. */
void vm_stop_cpus(struct vm *vm);
void vm_start_cpus(struct vm *vm);

/* run.c */
bool vm_run_start(struct vm *vm);
void vm_run_stop(struct vm *vm);
void vm_set_state(struct vm *vm, enum vm_state to);
uint64_t vm_ask(struct vm *vm, enum vm_request_kind kind, unsigned cpu, bool by_guest, const char *text);
void vm_wait(struct vm *vm, uint64_t number);
/** vm_look() - @look on the control thread while no vCPU executes; false: it or the machine's state refused. */
bool vm_look(struct vm *vm, void (*look)(struct vm *vm, void *user, GError **error), void *user, GError **error);

/* engine.c */
bool vm_engines_new(struct vm *vm, GError **error);
void vm_engines_register(struct vm *vm);

/* debug.c */
void vm_register_all(struct vm *vm);
/** The report of a machine that cannot go on: vCPU @cpu is why. vCPUs are parked. */
void vm_guru_report(struct vm *vm, unsigned cpu, const char *why, GString *out);
void vm_log_end(struct vm *vm);

/* save.c: on the control thread */
bool vm_save_now(struct vm *vm, const char *path, GError **error);
bool vm_load_now(struct vm *vm, const char *path, GError **error);
GBytes *vm_save_rest_now(struct vm *vm, GError **error);
bool vm_load_rest_now(struct vm *vm, GBytes *state, GError **error);
void vm_filled(struct vm *vm);

/* host.c, outside.c */
extern const struct cpum_outside vm_outside;
struct pdm *vm_pdm_new(struct vm *vm);
void vm_set_current(struct vcpu *c); /* which vCPU this thread is; NULL = none */
struct vcpu *vm_current(void);

#endif

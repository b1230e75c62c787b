/*
 * vm.h - the virtual machine: builds itself from a configuration tree, runs its vCPU threads, changes state.
 *
 * Threads: one per vCPU, one control thread that carries out requests (pause, reset, power off) in order, TM's timer
 * thread, the drivers' own. Every function here may be called from any thread but a vCPU's, unless it says otherwise.
 * State machine: vm_state.def lists the allowed changes; every change is logged "Changing the VM state from 'A' to
 * 'B'".
 */
#ifndef VMM_VM_VM_H
#define VMM_VM_VM_H

#include <glib.h>
#include <sys/types.h>

#include "vmm/cfgm/cfgm.h"
#include "vmm/cpum/cpum.h"
#include "vmm/pdm/pdm.h"

struct vm;

enum vm_state {
#define VM_STATE(name) VM_##name,
#define VM_CHANGE(from, to)
#include "vmm/vm/vm_state.def"
    VM_STATE_COUNT
};
const char *vm_state_name(enum vm_state state);
bool vm_state_allowed(enum vm_state from, enum vm_state to);

/** Why the machine is off. */
enum vm_end { VM_END_NONE, VM_END_GUEST_OFF, VM_END_HOST_OFF, VM_END_GURU };

struct vm_host {
    void *user;
    const char *gdb; /* address of the debugger's socket, NULL = none; used in vm_construct() */
    const struct pdm_devreg *(*device_find)(void *user, const char *name);
    /* On the control thread, after every change. */
    void (*state_changed)(void *user, enum vm_state state);
    /* Debugger commands the machine does not know ("screenshot" ...): an answer, g_free, or NULL. May be NULL. */
    char *(*command)(void *user, const char *line);
};

/**
 * vm_new() - @root is taken over. Root keys: Name, UUID, NumCPUs, RamSize, RamHoleSize, UTCOffset, CpuProfile,
 * EnablePAE, EnableLongMode, TripleFaultReset, RawMode; Devices/ goes to PDM, EM/ to
 * engine.c. Unknown keys refuse.
 */
struct vm *vm_new(struct cfgm_node *root, const struct vm_host *host, GError **error);
/** Drivers are attached between these two. */
bool vm_construct(struct vm *vm, GError **error);
void vm_free(struct vm *vm); /* powers off first */

/** vm_jails() - the processes and threads made by vm_construct() for raw mode, at most @max; for the sandbox. */
unsigned vm_jails(const struct vm *vm, pid_t *ret_threads, unsigned max);
struct pdm *vm_pdm(struct vm *vm);
struct vcpu *vm_cpu(struct vm *vm, unsigned id);
unsigned vm_cpu_count(const struct vm *vm);
enum vm_state vm_state_get(struct vm *vm);
enum vm_end vm_end_get(struct vm *vm);
const char *vm_end_text(struct vm *vm); /* one line saying how it ended */

/* Requests; carried out in order on the control thread. wait: until done. */
void vm_power_on(struct vm *vm);
void vm_pause(struct vm *vm, bool wait);
void vm_resume(struct vm *vm);
void vm_reset(struct vm *vm);
void vm_power_off(struct vm *vm);
/** vm_settle() - until every request made so far was carried out. */
void vm_settle(struct vm *vm);
/** vm_save() - a running machine is paused first and stays so. The file at @path is the old one or the whole new one.
 */
bool vm_save(struct vm *vm, const char *path, GError **error);
/** vm_load() - instead of vm_power_on(), after vm_construct(): the machine is then SUSPENDED. A refused state changes
 * nothing on disk. */
bool vm_load(struct vm *vm, const char *path, GError **error);

/* ---- moving to another process while it runs (main/vmproc/teleport.c) ---- */

/** vm_ram() - all RAM as one block; a suspended or not yet started machine's may be written. */
uint8_t *vm_ram(struct vm *vm, uint64_t *ret_bytes);
int vm_ram_fd(struct vm *vm);
/** vm_digest() - of the configuration: only machines with equal ones take each other's states. g_free */
char *vm_digest(struct vm *vm);
/** vm_ram_written() - which pages of 4 KiB were written since last asked, bit n % 64 of word n / 64. Return: how many.
 * All of RAM is there when this returns, also of a machine that came from a saved state. */
unsigned vm_ram_written(struct vm *vm, uint64_t *ret_bits);
/** vm_save_rest() - all but RAM as a saved state in memory; the machine is paused first and stays so. */
GBytes *vm_save_rest(struct vm *vm, GError **error);
/** vm_load_rest() - instead of vm_power_on(): RAM is there already, the rest is in @state. SUSPENDED then. */
bool vm_load_rest(struct vm *vm, GBytes *state, GError **error);

/* A debugger's; the machine's state does not change, it stands still for as long as they take. */
/** "rax", "cpu0.cr3" ...; a value in C's notation. */
bool vm_set_register(struct vm *vm, unsigned cpu, const char *name, const char *value, GError **error);
/** An ELF core of all vCPUs and RAM into @fd. */
bool vm_dump_core(struct vm *vm, int fd, GError **error);
/** false: another injected event is still waiting. */
bool vm_inject_nmi(struct vm *vm);
/** What system the guest runs; NULL and no error: none that is known. @ret_version: g_free. Static. */
const char *vm_detect_os(struct vm *vm, char **ret_version, GError **error);
/** Its kernel's log; NULL and no error: no system, or no log, that is known. g_free */
char *vm_os_log(struct vm *vm, unsigned most_lines, GError **error);

/**
 * vm_debug_command() - "info NAME ARGS" (doc/stam.md lists names), "stats GLOB", "statistics --pattern GLOB" (XML),
 * "help": the debugger's and VBoxManage debugvm's answers. g_free.
 */
char *vm_debug_command(struct vm *vm, const char *line);

#endif

/* runtime_int.h - shared by runtime.c and the files with its commands. */
#ifndef MAIN_VMPROC_RUNTIME_INT_H
#define MAIN_VMPROC_RUNTIME_INT_H

#include <gio/gio.h>
#include <stdbool.h>

struct bus;
struct bus_call;
struct bus_peer;
struct console;
struct loop;

/* Keys that clients pressed and did not release: make codes of set 1, from 128 on those with the prefix E0. */
struct runtime_keys {
    bool prefixed; /* the last code was E0 */
    bool down[256];
};

struct runtime {
    GMainContext *context;
    GMainLoop *main;
    GThread *thread;
    struct bus *bus;
    struct console *console;
    struct loop *loop;
    GDBusMethodInvocation *now; /* the command that runs; the loop's thread */
    bool kept;                  /* it is answered later */
    struct runtime_keys keys;   /* the loop's thread */
    char *node, *path;
    GMutex lock;
    const char *state; /* a MachineState's name; under the lock */
    int leds;          /* atomic: console_leds() */
    gint64 started_ns;
    char *saved; /* the state that was written, not yet known to be kept; under the lock */
    /* who asked last for a snapshot, and for the state to be saved; the bus's thread */
    struct bus_peer *snapshot_peer, *save_peer;
};

/* A command, on the loop's thread: the answer's tuple or NULL; a failure is in @error. */
typedef GVariant *(*command_fn)(struct runtime *r, GVariant *args, GError **error);

/* runtime.c */
struct console *runtime_console(struct runtime *r);
/** runtime_set_saved() - the state that was written, NULL: none. Any thread. */
void runtime_set_saved(struct runtime *r, const char *path);

/* runtime_calls.c */
/** runtime_call() - any method of any object; on the bus's thread. */
bool runtime_call(struct bus_call *call, GVariant **ret, GError **error);
/** runtime_fd() - the file descriptor that came with the command, the caller's to close; -1: none. */
int runtime_fd(struct runtime *r);
/** runtime_keep() - the command is answered later, by runtime_answer(); what it returns is ignored. */
GDBusMethodInvocation *runtime_keep(struct runtime *r);
void runtime_answer(struct runtime *r, GDBusMethodInvocation *i, GVariant *ret, GError *error);

/* runtime_machine.c */
/** Whether the machine is Running or Paused. */
bool runtime_must_live(struct runtime *r, GError **error);
GVariant *machine_pause(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_resume(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_reset(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_power_down(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_save_state(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_save_end(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_power_button(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_sleep_button(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_guest_session(struct runtime *r, GVariant *args, GError **error);
GVariant *machine_usb_devices(struct runtime *r, GVariant *args, GError **error);

/* runtime_debug.c */
GVariant *debug_info(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_stats(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_reset_stats(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_command(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_set_register(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_inject_nmi(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_dump_core(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_detect_os(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_os_info(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_os_log(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_log_groups(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_log_flags(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_log_destinations(struct runtime *r, GVariant *args, GError **error);
GVariant *debug_log_settings(struct runtime *r, GVariant *args, GError **error);

/* runtime_teleport.c */
GVariant *teleport_machine(struct runtime *r, GVariant *args, GError **error);
GVariant *teleport_state(struct runtime *r, GVariant *args, GError **error);

/* runtime_storage.c */
GVariant *storage_snapshot(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_snapshot_end(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_merge(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_merge_state(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_merge_end(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_change_medium(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_add_password(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_remove_password(struct runtime *r, GVariant *args, GError **error);
GVariant *storage_clear_passwords(struct runtime *r, GVariant *args, GError **error);

/* runtime_user.c */
GVariant *input_scancodes(struct runtime *r, GVariant *args, GError **error);
GVariant *input_cad(struct runtime *r, GVariant *args, GError **error);
GVariant *input_scancode(struct runtime *r, GVariant *args, GError **error);
GVariant *input_release(struct runtime *r, GVariant *args, GError **error);
GVariant *input_mouse(struct runtime *r, GVariant *args, GError **error);
GVariant *input_tablet(struct runtime *r, GVariant *args, GError **error);
GVariant *input_mouse_capabilities(struct runtime *r, GVariant *args, GError **error);
GVariant *screen_resolution(struct runtime *r, GVariant *args, GError **error);
GVariant *screen_shot(struct runtime *r, GVariant *args, GError **error);
GVariant *screen_text(struct runtime *r, GVariant *args, GError **error);

#endif

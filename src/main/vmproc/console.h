/*
 * console.h - a running machine inside its process: settings file in, virtual machine with disks, lines and screen out.
 *
 * This is the VM process's half of VirtualBox's console object. All calls on the loop's thread.
 */
#ifndef MAIN_VMPROC_CONSOLE_H
#define MAIN_VMPROC_CONSOLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct console;
struct media;
struct vm;
struct media_new;
struct media_change;

struct console_options {
    struct loop *loop;
    int serial_in, serial_out; /* joins the first UART to these descriptors; -1 = as the settings say */
    /* sees terminal input first; returns how many of the bytes at the front the guest gets. NULL = all */
    void *serial_user;
    size_t (*serial_filter)(void *user, const char *bytes, size_t size, char *ret_bytes);
    const char *gdb;             /* address of the debugger's socket, or NULL */
    const char *state_path;      /* start from this saved state, or NULL */
    const char *screenshot_path; /* where screenshots may be written beside the machine's folder, or NULL */
    const char *raw_mode;        /* "off", "on", "always", or NULL: what the machine's extra data says */
    bool start_paused;
    bool lockstep;      /* interpreter and recompiler run everything, and are compared; ... */
    int lockstep_trust; /* ... not so often a block that ran so many times; 0 = always */
    void *user;
    void (*ended)(void *user);                            /* the machine is off or stuck: console_end() says how */
    void (*state_changed)(void *user, const char *state); /* MachineState's name; any thread; may be NULL */
    /* the machine stops because the host cannot go on: "DrvVD_DISKFULL" and a text; any thread; may be NULL */
    void (*runtime_error)(void *user, const char *id, const char *text);
    void (*leds_changed)(void *user, unsigned leds); /* console_leds() is another; may be NULL */
};

/** console_new() - reads the settings, opens the media, builds the machine. Nothing runs yet; nothing was changed. */
struct console *console_new(const char *settings_path, const struct console_options *options, GError **error);
/** From the beginning, or from the saved state of the options or of the settings. Confines the process (confine.h). */
bool console_power_on(struct console *c, GError **error);
/** console_free() - powers off what still runs, flushes and closes the media. NULL is fine. */
void console_free(struct console *c);

const char *console_name(const struct console *c);
const char *console_uuid(const struct console *c);
/** console_state() - the machine's state as a MachineState's name. */
const char *console_state(struct console *c);
void console_pause(struct console *c);
void console_resume(struct console *c);
void console_reset(struct console *c);
void console_power_off(struct console *c);
/** @sleep: the sleep button. false: the machine has no such button. */
bool console_power_button(struct console *c, bool sleep);
/** console_save() - the state goes to @path; the machine is paused then. false: it is as it was. */
bool console_save(struct console *c, const char *path, GError **error);
/** console_save_end() - @keep: the state is the machine's, which is off now; false: nothing has happened. */
void console_save_end(struct console *c, bool keep);
/** console_save_orphaned() - who asked for it is gone: the settings file says whether the state is the machine's. */
void console_save_orphaned(struct console *c);
/**
 * console_snapshot() - stops the machine, saves its state to @path and puts new images on its disks; until
 * console_snapshot_end() it stands still, then it runs again if it ran before. @keep false: nothing has happened.
 */
bool console_snapshot(struct console *c, const char *path, const struct media_new *images, unsigned count,
                      GError **error);
void console_snapshot_end(struct console *c, bool keep);
/** console_snapshot_orphaned() - who asked for it is gone: the settings file says whether it was taken. */
void console_snapshot_orphaned(struct console *c);
/* Where to; @moved, on the loop's thread: NULL: the machine is gone and this process ends; else why it is still here.
 */
struct console_teleport {
    int fd; /* connected; taken over */
    const char *password_hash;
    unsigned max_pause_ms, timeout_ms; /* 0: it may take any time */
    void *user;
    void (*moved)(void *user, GError *error);
};
/** console_teleport() - the machine goes to another process while it runs. false: @fd stays the caller's. */
bool console_teleport(struct console *c, const struct console_teleport *t, GError **error);
/** console_teleport_permille() - how far it is; 0: it does not move. */
unsigned console_teleport_permille(struct console *c);
/** console_move_rests() - whether the machine is not on its way: its disks may change. */
bool console_move_rests(struct console *c, GError **error);
/** console_change_medium() - another medium for a removable drive, or none. */
bool console_change_medium(struct console *c, const struct media_change *change, GError **error);
struct media *console_media(struct console *c);
struct vm *console_vm(struct console *c);
/** console_key() - one byte of PC set 1; false: the keyboard's buffer is full, or there is none. */
bool console_key(struct console *c, uint8_t code);
/** console_leds() - which of the keyboard's lamps the guest has lit: 1 Scroll Lock, 2 Num Lock, 4 Caps Lock. */
unsigned console_leds(struct console *c);
/** console_mouse() - right and down positive; @buttons: 1 left, 2 right, 4 middle. false: there is none. */
bool console_mouse(struct console *c, int dx, int dy, int dz, unsigned buttons);
/** console_debug() - a line for the debugger's monitor: its answer; g_free. */
char *console_debug(struct console *c, const char *line);
bool console_screen_size(struct console *c, unsigned *ret_width, unsigned *ret_height);
/** The screen as a PNG file; @path NULL: "screenshot.png" in the log folder. Return: the path, or NULL. g_free. */
char *console_screenshot(struct console *c, const char *path, GError **error);
/** console_picture() - the same in memory; g_free. */
void *console_picture(struct console *c, size_t *ret_bytes, GError **error);
/** The screen's text in a text mode, or NULL. g_free. */
char *console_screen_text(struct console *c);

enum console_end { CONSOLE_RUNNING, CONSOLE_GUEST_OFF, CONSOLE_HOST_OFF, CONSOLE_STUCK };
enum console_end console_end(struct console *c, const char **ret_text);

#endif

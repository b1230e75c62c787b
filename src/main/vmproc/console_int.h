/* console_int.h - the console's insides: console.c builds and runs the machine, console_save.c saves it,
 * console_board.c says what it is made of, console_screen.c what it shows, console_teleport.c moves it. */
#ifndef MAIN_VMPROC_CONSOLE_INT_H
#define MAIN_VMPROC_CONSOLE_INT_H

#include "main/settings/machine.h"
#include "main/vmproc/console.h"
#include "main/vmproc/lines.h"
#include "main/vmproc/media.h"
#include "main/vmproc/teleport/teleport.h"
#include "rt/log.h"
#include "vmm/vm/vm.h"

#define CONSOLE_ERROR (g_quark_from_static_string("console"))

/* Where a machine that moves is; decides what its state is called. */
enum move_phase {
    MOVE_NONE,
    MOVE_COMING, /* waits for it, or it is on its way here */
    MOVE_GOING,
    MOVE_GONE
};

struct console {
    struct console_options options;
    struct settings_machine *settings;
    struct media *media;
    struct lines *lines;
    struct vm *vm;
    struct log *log, *log_before;
    char *log_folder, *nvram_path, *snapshot_folder;
    int leds;           /* atomic: the keyboard's lamps, enum pdm_led; ... */
    int leds_posted;    /* atomic: ... and the loop is to tell of them */
    int host_paused;    /* atomic: stopped for the host's sake, goes on by itself */
    bool snapshot_open; /* between console_snapshot() and console_snapshot_end() */
    bool resume_after;  /* of either */
    char *saved_path;   /* between console_save() and console_save_end() */
    int move;           /* atomic; enum move_phase */
    struct teleport_in *in;
    struct teleport_out *out;
    GError *move_error; /* why it did not go; from its thread to the loop's */
    bool run_on;        /* what arrived is to run */
    void (*moved)(void *user, GError *error);
    void *moved_user;
};

/** console_tell_state() - whoever listens hears console_state(). */
void console_tell_state(struct console *c);

/* console_board.c */
/** What the file may ask for and this machine has not is an error. */
bool console_board_possible(const struct settings_machine *m, GError **error);
/** The board of the machine; an error if options or extra data ask for what does not exist. */
struct pc_settings;
bool console_board(const struct console *c, struct pc_settings *ret, GError **error);

/* console_teleport.c */
/** What @state, the machine's own word, is called while it moves. */
const char *console_move_word(struct console *c, const char *state);
/** Whether the settings say that the machine comes from elsewhere. */
bool console_moves_in(const struct console *c);
bool console_move_listen(struct console *c, GError **error);
void console_move_wait(struct console *c);
/** The machine is not waited for any more. */
void console_move_cancel(struct console *c);
void console_move_fini(struct console *c);

#endif

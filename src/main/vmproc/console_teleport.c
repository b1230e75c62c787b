/*
 * console_teleport.c - a running machine goes to another process, or comes from one: teleport/ does it, on a thread.
 */
#include <string.h>

#include "main/vmproc/console_int.h"
#include "rt/loop.h"

static enum move_phase phase(struct console *c)
{
    return (enum move_phase)g_atomic_int_get(&c->move);
}

const char *console_move_word(struct console *c, const char *state)
{
    switch (phase(c)) {
    case MOVE_COMING: return "TeleportingIn";
    case MOVE_GOING:
        return strcmp(state, "Running") == 0                                  ? "Teleporting"
               : strcmp(state, "Paused") == 0 || strcmp(state, "Saving") == 0 ? "TeleportingPausedVM"
                                                                              : state;
    case MOVE_GONE: return "Teleported";
    case MOVE_NONE: break;
    }
    return state;
}

static void set_phase(struct console *c, enum move_phase next)
{
    g_atomic_int_set(&c->move, (int)next);
    console_tell_state(c);
}

bool console_move_rests(struct console *c, GError **error)
{
    if (phase(c) == MOVE_NONE)
        return true;
    g_set_error(error, CONSOLE_ERROR, 0, "The machine '%s' is being teleported; its disks stay as they are meanwhile",
                c->settings->name);
    return false;
}

/* ---- coming ---- */

bool console_moves_in(const struct console *c)
{
    return c->settings->teleporter.enabled && c->options.state_path == NULL && c->settings->state_file == NULL;
}

bool console_move_listen(struct console *c, GError **error)
{
    const struct settings_teleporter *t = &c->settings->teleporter;

    c->in = teleport_in_listen(t->address, t->port, t->password, error);
    g_atomic_int_set(&c->move, c->in != NULL ? MOVE_COMING : MOVE_NONE);
    return c->in != NULL;
}

static void go_on(void *user)
{
    struct console *c = user;

    set_phase(c, MOVE_NONE);
    if (c->run_on && !c->options.start_paused)
        console_resume(c);
}

static void arrived(void *user, bool run)
{
    struct console *c = user;

    c->run_on = run;
    loop_post(c->options.loop, go_on, c);
}

static void give_up(void *user)
{
    struct console *c = user;

    c->options.ended(c->options.user);
}

static void failed(void *user)
{
    struct console *c = user;

    loop_post(c->options.loop, give_up, c);
}

void console_move_wait(struct console *c)
{
    teleport_in_start(c->in, &(struct teleport_in_config){
                                 .vm = c->vm, .media = c->media, .user = c, .arrived = arrived, .failed = failed});
    console_tell_state(c);
}

void console_move_cancel(struct console *c)
{
    if (phase(c) == MOVE_COMING)
        failed(c);
}

/* ---- going ---- */

static void went(void *user)
{
    struct console *c = user;
    GError *error = g_steal_pointer(&c->move_error);
    const bool gone = error == NULL;

    teleport_out_free(g_steal_pointer(&c->out));
    set_phase(c, gone ? MOVE_GONE : MOVE_NONE);
    c->moved(c->moved_user, error);
    if (gone)
        console_power_off(c);
}

static void sent(void *user, GError *error)
{
    struct console *c = user;

    c->move_error = error;
    loop_post(c->options.loop, went, c);
}

bool console_teleport(struct console *c, const struct console_teleport *t, GError **error)
{
    if (phase(c) != MOVE_NONE || c->snapshot_open) {
        g_set_error(error, CONSOLE_ERROR, 0, "The machine '%s' is being teleported, or a snapshot of it is taken",
                    c->settings->name);
        return false;
    }
    c->moved = t->moved;
    c->moved_user = t->user;
    set_phase(c, MOVE_GOING);
    c->out = teleport_out_start(&(struct teleport_out_config){.vm = c->vm,
                                                              .media = c->media,
                                                              .fd = t->fd,
                                                              .password_hash = t->password_hash,
                                                              .max_pause_ms = t->max_pause_ms,
                                                              .timeout_ms = t->timeout_ms,
                                                              .user = c,
                                                              .done = sent});
    return true;
}

unsigned console_teleport_permille(struct console *c)
{
    return c->out != NULL ? teleport_out_permille(c->out) : 0;
}

void console_move_fini(struct console *c)
{
    teleport_in_free(g_steal_pointer(&c->in));
    teleport_out_free(g_steal_pointer(&c->out));
    g_clear_error(&c->move_error);
}

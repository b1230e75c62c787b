/*
 * runtime.h - the VM process's control socket: the console's objects on the bus (main/bus/), for VBoxSVC and whoever
 * else has the same uid.
 *
 * The bus has a thread and a main context of its own. Calls are carried out on the loop's thread, one after the other;
 * what waits for the machine (saving its state) keeps the next call waiting.
 */
#ifndef MAIN_VMPROC_RUNTIME_H
#define MAIN_VMPROC_RUNTIME_H

#include <glib.h>
#include <stdbool.h>

struct console;
struct loop;
struct runtime;

/* What a process writes into its lock file when the machine ended in good order; seen by a service that comes later. */
#define RUNTIME_END "off\n"

/** runtime_listen() - before the process is confined: afterwards no socket can be made. Return: descriptor or -1. */
int runtime_listen(const char *path, GError **error);
/**
 * runtime_new() - after the process was confined: the threads made here are, too. (GLib's own threads block all
 * signals, so one that existed before could not be confined.)
 */
struct runtime *runtime_new(int listen_fd, struct console *console, struct loop *loop);
/** runtime_state() - tells every peer the console's state: a MachineState's name. Any thread. */
void runtime_state(struct runtime *r, const char *state, const char *detail);
/** runtime_error() - tells every peer why the machine stops: "DrvVD_DISKFULL" and a text. Any thread. */
void runtime_error(struct runtime *r, const char *id, const char *text);
/** runtime_leds() - tells every peer which of the keyboard's lamps are lit (console_leds()). Any thread. */
void runtime_leds(struct runtime *r, unsigned leds);
/** runtime_free() - what was told is on its way before the socket closes. Accepts NULL. */
void runtime_free(struct runtime *r);

#endif

/*
 * vmproc.h - machines' processes, as the rest of the service knows them.
 */
#ifndef MAIN_SERVER_PROCESS_VMPROC_H
#define MAIN_SERVER_PROCESS_VMPROC_H

#include <gio/gio.h>
#include <stdbool.h>

struct machine;
struct progress;
struct service;
struct vmproc;

/** Starts the machine's process; @progress ends when it runs. */
bool vmproc_launch(struct machine *m, struct progress *progress, const char *frontend, const char *const *environment,
                   GError **error);
/** Finds VM processes that outlived an earlier service. */
void vmproc_adopt_all(struct service *s);
void vmproc_free(struct vmproc *vm);
typedef void (*vmproc_reply_fn)(void *user, GVariant *ret, GError *error); /* both taken by the callee */
/**
 * vmproc_call_now() - a call with a file descriptor (-1: none) that must have its answer before anything else happens;
 * at most five seconds.
 */
bool vmproc_call_now(struct vmproc *vm, const char *method, GVariant *args, int fd, GError **error);
/** Calls the process; @reply may be NULL. */
void vmproc_call(struct vmproc *vm, const char *interface, const char *method, GVariant *args, vmproc_reply_fn reply,
                 void *user);
/** The same with a descriptor (-1: none), which stays the caller's. */
void vmproc_call_fd(struct vmproc *vm, const char *interface, const char *method, GVariant *args, int fd,
                    vmproc_reply_fn reply, void *user);
/** @end is told when the process is gone and the machine's state final. */
void vmproc_when_gone(struct vmproc *vm, void (*fn)(void *user), void *user);
void vmproc_expect_saved(struct vmproc *vm);
int vmproc_pid(const struct vmproc *vm);
/* What the process calls the lamps of its keyboard (IInternalSessionControl). */
enum vmproc_led { VMPROC_LED_SCROLL = 1, VMPROC_LED_NUM = 2, VMPROC_LED_CAPS = 4 };
/** Those the guest has lit. */
unsigned vmproc_leds(const struct vmproc *vm);

#endif

/*
 * client.h - a connection to VBoxSVC, which it starts if nobody has: calls, properties, waiting.
 *
 *     struct client *c = client_connect(&error);
 *     char *machine;
 *     if (ivirtual_box_find_machine(c, API_PATH, "debian", &machine, &error)) ...
 *     client_free(c);
 *
 * client/api.h, generated from main/api/, has a function for each method. Errors have domain API_ERROR.
 * Threads: one.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <gio/gio.h>
#include <stdbool.h>

#include "main/api/api.h"

#define CLIENT_SESSION API_ROOT "/session/self"

struct client;

struct client *client_connect(GError **error);
/** client_free() - everything this connection held is given back. NULL is fine. */
void client_free(struct client *c);

/** client_call() - @interface without prefix; @args floating or NULL. Return: the answer's tuple. */
GVariant *client_call(struct client *c, const char *path, const char *interface, const char *method, GVariant *args,
                      const char *reply_type, GError **error);
/** client_patience() - calls fail that have no answer after @ms; 0: they wait for ever, as at the beginning. */
void client_patience(struct client *c, unsigned ms);
/** client_get() - one property, or NULL. */
GVariant *client_get(struct client *c, const char *path, const char *interface, const char *property, GError **error);
bool client_set(struct client *c, const char *path, const char *interface, const char *property, GVariant *val,
                GError **error);
/** client_last_interface() - the interface of the last call, for messages: "IMachine". */
const char *client_last_interface(const struct client *c);

/** Waits for an IProgress. @changed may be NULL. Its failure is @error. SIGINT cancels one that can be canceled. */
bool client_wait(struct client *c, const char *progress, void (*changed)(void *user, unsigned percent), void *user,
                 GError **error);
/** client_listen() - @fn for each signal of IVirtualBox; client_run() gets them until @fn returns false or timeout. */
typedef bool (*client_signal_fn)(void *user, const char *name, GVariant *args);
bool client_listen(struct client *c, client_signal_fn fn, void *user, unsigned timeout_ms);

#endif

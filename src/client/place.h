/*
 * place.h - where one user's service lives: configuration directory, runtime directory, socket and locks.
 *
 * The runtime directory belongs to one configuration directory: $XDG_RUNTIME_DIR/ringbox/HASH, or .run in the
 * configuration directory where there is no runtime directory. Whoever has another VBOX_USER_HOME has another service.
 */
#ifndef CLIENT_PLACE_H
#define CLIENT_PLACE_H

#include <glib.h>
#include <stdbool.h>

struct place {
    char *home;    /* configuration directory, exists */
    char *runtime; /* exists, mode 0700 */
    char *socket;
    char *service_lock; /* held by the service as long as it is the one */
    char *start_lock;   /* held by the client that starts it */
};

/** place_find() - makes the directories. */
bool place_find(struct place *p, GError **error);
void place_fini(struct place *p);
/** place_lock() - an exclusive lock on @path, waiting up to @wait_ms. Return: its descriptor, or -1 with @error. */
int place_lock(const char *path, unsigned wait_ms, GError **error);
/** place_unlock() - removes the file and lets go. */
void place_unlock(const char *path, int fd);
/** place_program() - path of another program of ours: beside the running one. g_free */
char *place_program(const char *name);

#endif

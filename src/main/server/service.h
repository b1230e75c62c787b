/*
 * service.h - VBoxSVC's body: one user's machines, media and settings behind a private socket.
 *
 * service_run() returns when nobody needs the service any more: no client and no running machine for idle_ms.
 * The caller holds the lock that makes it the only service of its configuration directory (client/place.h).
 */
#ifndef MAIN_SERVER_SERVICE_H
#define MAIN_SERVER_SERVICE_H

#include <glib.h>
#include <stdbool.h>

struct service;
struct service_config {
    const char *home;         /* configuration directory: VirtualBox.xml */
    const char *runtime;      /* directory of sockets and locks, 0700 */
    const char *socket_path;  /* in it */
    const char *vm_program;   /* VBoxHeadless */
    const char *disk_program; /* VBoxRemoteDisk */
    unsigned idle_ms;
};

struct service *service_new(const struct service_config *config, GError **error);
/** Until idle or service_stop(). */
void service_run(struct service *s);
void service_stop(struct service *s);
void service_free(struct service *s);

#endif

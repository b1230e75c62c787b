/*
 * bus_int.h - shared by the files of this folder.
 */
#ifndef MAIN_BUS_BUS_INT_H
#define MAIN_BUS_BUS_INT_H

#include "main/bus/bus.h"

#define BUS_PEERS_MAX 2048u
#define NEWCOMERS_MAX 512u /* connected, not authenticated yet */

struct bus {
    struct bus_config config;
    GMainContext *context;
    GSource *accept;
    char *guid;
    GPtrArray *peers;     /* struct bus_peer */
    GPtrArray *newcomers; /* struct newcomer, not owned */
    guint64 next_name;
};

struct bus_peer {
    struct bus *bus;
    GDBusConnection *connection;
    char *name;
    int pid;
    bool gone;
    GSource *dropping; /* frees it when no caller uses it any more */
};

/* names.c: what a message bus would answer. */
bool names_register(struct bus_peer *peer, GError **error);
/* object.c */
bool objects_register(struct bus_peer *peer, GError **error);

#endif

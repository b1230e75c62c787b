/*
 * bus.h - a private D-Bus service: one socket, peers of the same user, objects found by path and answered by table.
 *
 * There is no message bus. Every peer has its own connection; ordinary D-Bus tools work all the same, because the
 * socket answers Hello, ListNames, Ping and introspection (names.c). Both VBoxSVC and a VM process use it.
 *
 * Objects are not registered one by one: a class covers a folder of paths and finds its objects when they are asked
 * for. A method is a row and a function, a property a row; object.c does the rest.
 *
 * Threads: everything runs in the main context the bus was made in.
 * Invariant 1: a peer has the same uid as this process; others are refused before they can call anything.
 * Invariant 2: when a peer is gone, peer_gone runs once, and no call of that peer is carried out after it.
 */
#ifndef MAIN_BUS_BUS_H
#define MAIN_BUS_BUS_H

#include <gio/gio.h>
#include <stdbool.h>

struct bus;
struct bus_peer;

/* One call being answered. */
struct bus_call {
    struct bus *bus;
    struct bus_peer *peer;
    void *user; /* of the bus: the service */
    void *object;
    const char *node; /* last element of the object's path */
    GVariant *args;
    GDBusMethodInvocation *invocation;
    bool later; /* the method keeps invocation and answers it itself */
};

/* true with *ret (NULL: no results, or later), or false with @error (API_ERROR). */
typedef bool (*bus_method_fn)(struct bus_call *call, GVariant **ret, GError **error);
struct bus_method {
    const char *name;
    bus_method_fn run;
};

struct bus_property;
typedef GVariant *(*bus_get_fn)(const struct bus_call *call, const struct bus_property *row);
typedef bool (*bus_set_fn)(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error);
struct bus_property {
    const char *name;
    bus_get_fn get;
    bus_set_fn set;   /* NULL: read only */
    const void *data; /* the functions' own: where the value is kept, its limits */
};

struct bus_interface {
    GDBusInterfaceInfo *info;         /* generated from main/api/NAME.xml */
    const struct bus_method *methods; /* end: name NULL; each of the interface's must be there */
    const struct bus_property *properties;
    /* instead of the tables: every call of the interface goes here */
    bus_method_fn any;
};

#define BUS_INTERFACES(...) ((const struct bus_interface *const[]){__VA_ARGS__, NULL})
struct bus_class {
    const char *folder;                            /* "/org/virtualbox/machine" */
    const struct bus_interface *const *interfaces; /* BUS_INTERFACES(&one, &other) */
    /* the object at folder/node for this peer, or NULL */
    void *(*find)(void *user, struct bus_peer *peer, const char *node);
    /* names of the nodes for introspection; NULL: not listed */
    void (*list)(void *user, GPtrArray *nodes);
};

struct bus_config {
    int listen_fd;                          /* from bus_listen(); closed with the bus */
    const struct bus_class *const *classes; /* end: NULL */
    void *user;
    void (*peer_come)(void *user, struct bus_peer *peer);
    void (*peer_gone)(void *user, struct bus_peer *peer);
};

/**
 * bus_listen() - binds @path, removing what is there; the caller holds the lock that makes this safe. Return: the
 *   descriptor, or -1. Needs no thread, so it can come long before bus_new().
 */
int bus_listen(const char *path, GError **error);
struct bus *bus_new(const struct bus_config *config);
/** bus_free() - closes the peers, after what was sent to them. The socket's file stays. Accepts NULL. */
void bus_free(struct bus *bus);
unsigned bus_peer_count(const struct bus *bus);
/** bus_peer_name() - ":1.7"; stable while the peer is there. */
const char *bus_peer_name(const struct bus_peer *peer);
int bus_peer_pid(const struct bus_peer *peer);
/** bus_emit() - a signal to one peer, or to all (@peer NULL). @args: floating, a tuple. */
void bus_emit(struct bus *bus, struct bus_peer *peer, const char *path, const char *interface, const char *name,
              GVariant *args);

/**
 * bus_describe() - what the readable properties of @object say, as a{sv} entries added to @dict. @prefix: stands in
 * front of the keys that do not begin with it; "" for none.
 */
void bus_describe(struct bus *bus, const struct bus_interface *interface, void *object, const char *prefix,
                  GVariantDict *dict);
/** bus_check() - NULL, or the first method or property of @class that has no row (or row that is none). g_free. */
char *bus_check(const struct bus_class *class);
/** bus_answer() - for calls kept with `later`: @ret floating or NULL, or @error (taken). */
void bus_answer(GDBusMethodInvocation *invocation, GVariant *ret, GError *error);

#endif

/*
 * kept.h - named items of the global settings as objects: found by path, made, removed, listed by one set of functions.
 *
 * An item's object path is FOLDER/NAME with the name escaped (api_node_escape). Every change is saved at once and told
 * to all clients by the signal NetworkChanged.
 */
#ifndef MAIN_SERVER_KEPT_H
#define MAIN_SERVER_KEPT_H

#include "main/server/objects.h"

struct kept_kind {
    const char *folder; /* "/org/virtualbox/natnetwork" */
    const char *signal; /* "NATNetwork": kind in NetworkChanged */
    const char *what;   /* "NAT network": for messages */
    size_t list_offset; /* GPtrArray in struct settings_global */
    size_t name_offset; /* char * in the item */
    void *(*make)(void);
    void (*init)(void *item); /* after the name is set; may be NULL */
};

GPtrArray *kept_list(struct service *s, const struct kept_kind *k);
/** The item of that name, or NULL. */
void *kept_named(struct service *s, const struct kept_kind *k, const char *name);
/** For bus_class.find: the part of the item at @node. */
struct part *kept_find(struct service *s, const struct kept_kind *k, const char *node);
void kept_nodes(struct service *s, const struct kept_kind *k, GPtrArray *nodes);
void kept_tell(struct service *s, const struct kept_kind *k, const char *name, bool exists);

/* IVirtualBox's methods of a kind */
bool kept_create(struct bus_call *call, const struct kept_kind *k, GVariant **ret, GError **error); /* (s) -> (o) */
bool kept_remove(struct bus_call *call, const struct kept_kind *k, GError **error);                 /* (o) */
bool kept_lookup(struct bus_call *call, const struct kept_kind *k, GVariant **ret, GError **error); /* (s) -> (o) */
bool kept_all(struct bus_call *call, const struct kept_kind *k, GVariant **ret);                    /* () -> (ao) */

/* A kind's class on the bus: its items have @interface_. */
#define KEPT_CLASS(class_, kind_, folder_, interface_)                                                                 \
    static void *find_##class_(void *user, struct bus_peer *peer, const char *node)                                    \
    {                                                                                                                  \
        (void)peer;                                                                                                    \
        return kept_find(user, &(kind_), node);                                                                        \
    }                                                                                                                  \
    static void list_##class_(void *user, GPtrArray *nodes)                                                            \
    {                                                                                                                  \
        kept_nodes(user, &(kind_), nodes);                                                                             \
    }                                                                                                                  \
    const struct bus_class class_ = {                                                                                  \
        .folder = (folder_), .interfaces = BUS_INTERFACES(interface_), .find = find_##class_, .list = list_##class_}

extern const struct kept_kind nat_network_kind, dhcp_kind, host_only_kind;

#endif

/*
 * cfgm.h - the configuration tree: what the machine is made of.
 *
 * Nodes hold children and typed values. The machine's builder writes the tree once; each component validates its own
 * node against a table of keys before it reads it, so that a misspelt key refuses the machine instead of being lost.
 * Children and values are kept in byte order of their names: iteration and the log's dump are deterministic.
 *
 * Threads: none; the tree is written before the machine starts and only read afterwards.
 */
#ifndef VMM_CFGM_CFGM_H
#define VMM_CFGM_CFGM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct cfgm_node;
enum cfgm_type { CFGM_INTEGER, CFGM_STRING, CFGM_BYTES };

#define CFGM_ERROR (g_quark_from_static_string("cfgm"))
enum cfgm_error { CFGM_UNKNOWN_KEY, CFGM_WRONG_TYPE, CFGM_OUT_OF_RANGE, CFGM_MISSING, CFGM_UNKNOWN_NODE };

/** cfgm_new() - an empty root. */
struct cfgm_node *cfgm_new(void);
/** cfgm_free() - the node with all below it; takes it out of its parent. */
void cfgm_free(struct cfgm_node *node);

/** cfgm_insert() - the node at @path ("A/B/C", relative to @node), made if it is not there. */
struct cfgm_node *cfgm_insert(struct cfgm_node *node, const char *path);
/** cfgm_child() - the node at @path, or NULL. @node may be NULL. */
struct cfgm_node *cfgm_child(struct cfgm_node *node, const char *path);
struct cfgm_node *cfgm_first(struct cfgm_node *node);
struct cfgm_node *cfgm_next(struct cfgm_node *node);
const char *cfgm_name(const struct cfgm_node *node);
/** cfgm_path() - "/Devices/serial/0/Config/"; g_free. */
char *cfgm_path(const struct cfgm_node *node);

/* Setting replaces an older value of the same name, whatever its type was. */
void cfgm_set_integer(struct cfgm_node *node, const char *key, uint64_t val);
void cfgm_set_string(struct cfgm_node *node, const char *key, const char *val);
void cfgm_set_bytes(struct cfgm_node *node, const char *key, const void *val, size_t bytes);

/* Getting: the value, or the default when @node is NULL, the key is not there or has another type. */
bool cfgm_has(const struct cfgm_node *node, const char *key);
uint64_t cfgm_integer(const struct cfgm_node *node, const char *key, uint64_t def);
const char *cfgm_string(const struct cfgm_node *node, const char *key, const char *def);
/** cfgm_bytes() - NULL and 0 when there are none. */
const uint8_t *cfgm_bytes(const struct cfgm_node *node, const char *key, size_t *ret_bytes);

/** One row of a node's schema; a table ends with a row without name. */
struct cfgm_key {
    const char *name; /* a trailing * stands for any ending */
    enum cfgm_type type;
    uint64_t min, max; /* integers; both 0 = any */
    bool required;
};
/**
 * cfgm_validate() - every value of @node has a row, its type and range; every required one is there.
 *
 * @children: NULL-terminated names allowed for children (a trailing * stands for any ending); NULL = any.
 * The error names the full path of the key and what is allowed. A NULL @node is an empty one.
 */
bool cfgm_validate(const struct cfgm_node *node, const struct cfgm_key *keys, const char *const *children,
                   GError **error);

/** cfgm_dump() - the tree from @node down in the shape of VirtualBox's log, one call of @line per line; the lines of
 * asterisks round it are the log's. */
void cfgm_dump(struct cfgm_node *node, void (*line)(void *user, const char *text), void *user);
/** cfgm_set_aside() - the value is no part of the digest: a state saved with it can be loaded with another. */
void cfgm_set_aside(struct cfgm_node *node, const char *key);
/** cfgm_digest() - SHA-256 over names and values from @node down, in hex; equal trees give equal digests. g_free. */
char *cfgm_digest(struct cfgm_node *node);

#endif

/* cfgm_int.h - the tree's insides, for this folder. */
#ifndef VMM_CFGM_CFGM_INT_H
#define VMM_CFGM_CFGM_INT_H

#include "vmm/cfgm/cfgm.h"

struct cfgm_value {
    char *name;
    enum cfgm_type type;
    bool aside; /* not digested */
    uint64_t integer;
    void *data; /* STRING: zero-terminated; BYTES */
    size_t bytes;
};

struct cfgm_node {
    char *name;
    struct cfgm_node *parent;
    GPtrArray *children; /* struct cfgm_node, by name */
    GPtrArray *values;   /* struct cfgm_value, by name */
};

const struct cfgm_value *cfgm_find(const struct cfgm_node *node, const char *key);

#endif

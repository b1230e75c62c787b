/*
 * registry.c - looks devices up by name.
 */
#include "devices/registry.h"

#include <string.h>

static const struct pdm_devreg *const all[] = {
#define DEVICE(symbol) &symbol,
#include "devices/registry.def"
#undef DEVICE
};

const struct pdm_devreg *devices_at(unsigned index)
{
    return index < G_N_ELEMENTS(all) ? all[index] : NULL;
}

const struct pdm_devreg *devices_find(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}

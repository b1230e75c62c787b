/*
 * registry.h - all devices by name; the rows are in registry.def.
 */
#ifndef DEVICES_REGISTRY_H
#define DEVICES_REGISTRY_H

#include "vmm/pdm/dev.h"

#define DEVICE(symbol) extern const struct pdm_devreg symbol;
#include "devices/registry.def"
#undef DEVICE

/** devices_find() - by CFGM device name; NULL when there is none. */
const struct pdm_devreg *devices_find(const char *name);
/** devices_at() - the @index'th, in no particular order; NULL behind the last. For tests over all devices. */
const struct pdm_devreg *devices_at(unsigned index);

#endif

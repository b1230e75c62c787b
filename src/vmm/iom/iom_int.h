/* iom_int.h - the dispatcher's tables, for this folder. */
#ifndef VMM_IOM_IOM_INT_H
#define VMM_IOM_IOM_INT_H

#include <stdatomic.h>

#include "vmm/iom/iom.h"

#define IOM_PORT_RANGES 512u /* index 0 stands for nobody */

struct iom_port {
    struct iom_port_desc desc;
    _Atomic uint32_t base;
    uint64_t order; /* when it was mapped; 0 = not mapped; under the lock */
    uint64_t reads, writes;
};

struct iom_mmio {
    struct iom_mmio_desc desc;
    uint64_t reads, writes;
};

struct iom {
    GMutex lock; /* maps, unmaps, additions */
    uint64_t map_order;
    unsigned port_count;
    struct iom_port *ports[IOM_PORT_RANGES];
    GPtrArray *mmios;
    uint64_t unclaimed_ports;
    _Atomic uint16_t owner[65536];
};

static inline void iom_count(uint64_t *counter)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

#endif

/*
 * iom.h - dispatch of port and memory-mapped accesses to who owns the address.
 *
 * A port range is made once, mapped and unmapped as the guest moves it; where ranges overlap the later mapped one
 * wins until it is unmapped. An MMIO region is a set of size rules round a handler; pgm knows where it lies.
 *
 * Size rules, ports: an access that leaves its range or is wider than the range's max_size is done in pieces,
 * ascending, each looked up anew. Narrower than min_size reads all ones and writes nothing. Ports above FFFFh do not
 * exist. Size rules, MMIO: pieces are aligned, at most max_size, ascending; below min_size and behind the end: all
 * ones.
 *
 * Threads: accesses from any thread, without a lock; map and unmap from any thread. Ranges live as long as the iom, a
 * removed one is only never found again. Counters may lose a few counts when vCPUs collide.
 */
#ifndef VMM_IOM_IOM_H
#define VMM_IOM_IOM_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/pgm/pgm.h"

#define IOM_ERROR (g_quark_from_static_string("iom"))

struct iom;
struct iom *iom_new(void);
void iom_free(struct iom *iom);

/* ---- ports ---- */

/** @off is port - base. Block calls (optional) return the elements moved, 0 = do it one by one. */
struct iom_port_ops {
    uint32_t (*read)(void *user, uint16_t off, unsigned size);
    void (*write)(void *user, uint16_t off, uint32_t val, unsigned size);
    size_t (*read_block)(void *user, uint16_t off, void *buf, unsigned size, size_t count);
    size_t (*write_block)(void *user, uint16_t off, const void *buf, unsigned size, size_t count);
};
struct iom_port_desc {
    const char *name; /* copied */
    uint16_t count;
    uint8_t min_size, max_size;
    const struct iom_port_ops *ops;
    void *user;
};
typedef struct {
    unsigned id; /* 0 = none */
} iom_range;

bool iom_port_add(struct iom *iom, const struct iom_port_desc *desc, iom_range *ret, GError **error);
/** iom_port_map() - at @base, on top of what is there; a mapped range moves. Ports above FFFFh are cut off. */
void iom_port_map(struct iom *iom, iom_range range, uint16_t base);
void iom_port_unmap(struct iom *iom, iom_range range);
/** iom_port_where() - where the range is mapped; false = nowhere. */
bool iom_port_where(struct iom *iom, iom_range range, uint16_t *ret_base, uint16_t *ret_count);

uint32_t iom_port_read(struct iom *iom, uint16_t port, unsigned size);
void iom_port_write(struct iom *iom, uint16_t port, uint32_t val, unsigned size);
size_t iom_port_read_block(struct iom *iom, uint16_t port, void *buf, unsigned size, size_t count);
size_t iom_port_write_block(struct iom *iom, uint16_t port, const void *buf, unsigned size, size_t count);

/* ---- memory-mapped regions ---- */

struct iom_mmio_desc {
    const char *name; /* copied */
    uint64_t size_bytes;
    uint8_t min_size, max_size;
    uint64_t (*read)(void *user, uint64_t off, unsigned size);
    void (*write)(void *user, uint64_t off, uint64_t val, unsigned size);
    void *user;
};
struct iom_mmio;
/** iom_mmio_add() - give the result to pgm as user of iom_mmio_ops. Lives as long as @iom. */
struct iom_mmio *iom_mmio_add(struct iom *iom, const struct iom_mmio_desc *desc, GError **error);
extern const struct pgm_mmio_ops iom_mmio_ops;

/* ---- words ---- */

void iom_info_ports(struct iom *iom, GString *out);
void iom_info_mmio(struct iom *iom, GString *out);
struct stam;
struct info;
/**
 * iom_register() - every range there is now into the machine's registries, which go before @iom does:
 * "/IOM/IoPorts/03f8-03ff/serial/Reads", a range that has no place yet by number: "/IOM/IoPorts/#17/bmdma/Reads".
 */
void iom_register(struct iom *iom, struct stam *stam, struct info *info);

#endif

/*
 * ahci.h - an AHCI host bus adapter: its registers, the ports, command lists and FISes. No bus, no host, no clock.
 *
 * The owner (pci_ahci.c) passes register accesses in and gives guest memory as two functions. After each call it runs
 * every port (ahci_run), and looks at three outputs per port:
 *   drive.io         a request of the drive for its medium, answered by ata_io_done(), then ahci_run()
 *   ahci_take()      a queued command, whose data the owner moves itself; answered by ahci_queued_done()
 *   ahci_irq()       the interrupt, as a level for all ports; events counts what would be messages
 *
 * Life of a command slot:
 *
 *   PxCI set --ahci_run--> drive (one at a time) --D2H or PIO Setup FIS--> PxCI clear
 *                      \-> queued (PxCI clear) --ahci_take--> running --Set Device Bits FIS--> PxSACT clear
 *
 * Invariant 1: slot is < 32, and busy only while a command of the list is with the drive.
 * Invariant 2: running is a subset of queued; queued bits leave only with their PxSACT bits.
 * Invariant 3: after an error (stopped) no command starts until PxCMD.ST was cleared.
 */
#ifndef DEVICES_STORAGE_AHCI_H
#define DEVICES_STORAGE_AHCI_H

#include "devices/storage/ata.h"

#define AHCI_PORTS_MAX  30u
#define AHCI_SLOTS      32u
#define AHCI_BAR_BYTES  0x1000u
#define AHCI_PORT_BYTES 0x80u

/** Guest memory as the HBA sees it. */
struct ahci_memory {
    void *ctx;
    void (*read)(void *ctx, uint64_t gpa, void *buf, size_t bytes);
    void (*write)(void *ctx, uint64_t gpa, const void *buf, size_t bytes);
};

struct ahci_port {
    struct ata drive;
    /* registers (AHCI 1.3.1, 3.3) */
    uint64_t clb, fb;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    /* the command with the drive */
    uint8_t slot;
    bool busy, stopped, fis_due;
    uint64_t table_gpa;
    uint16_t prds, prd; /* of its table: how many, the next one */
    uint32_t prd_off;   /* bytes used of it */
    uint32_t moved;     /* PRDBC */
    uint32_t queued;    /* queued commands accepted */
    uint32_t running;   /* those the owner has taken; not saved: it starts anew */
};

struct ahci {
    unsigned port_count; /* wiring */
    uint32_t ghc, is;
    uint64_t events; /* not saved */
    struct ahci_port port[AHCI_PORTS_MAX];
};

/* A queued command for the owner. */
struct ahci_queued {
    unsigned slot;
    uint8_t op; /* enum ata_io_op */
    bool durable;
    uint64_t offset_bytes, bytes;
    uint64_t prd_gpa;
    unsigned prds;
};

extern const struct ssm_field ahci_fields[];
bool ahci_check(const struct ahci *a);

/** ahci_reset() - power-on or GHC.HR: the drives that are there come up. */
void ahci_reset(struct ahci *a);
/** ahci_plug() - the drive of @port (its id and medium were set) appeared or went. */
void ahci_plug(struct ahci *a, unsigned port);

uint32_t ahci_read(struct ahci *a, uint32_t off);
/** ahci_write() - Return: a mask of ports whose queued commands are to be forgotten. */
uint32_t ahci_write(struct ahci *a, uint32_t off, uint32_t val);

/** ahci_run() - does what the port can do now: FISes, data, the next command. */
void ahci_run(struct ahci *a, unsigned port, const struct ahci_memory *mem);
/** ahci_take() - the next queued command that is not running yet; false = none. */
bool ahci_take(struct ahci *a, unsigned port, const struct ahci_memory *mem, struct ahci_queued *ret);
/** ahci_untake() - it could not be started, or was given back: take it again later. */
void ahci_untake(struct ahci *a, unsigned port, unsigned slot);
/** ahci_queued_done() - @status 0: done; AHCI_MEDIUM_READ: @lba could not be read; else it failed there. */
#define AHCI_MEDIUM_READ 1

void ahci_queued_done(struct ahci *a, unsigned port, unsigned slot, int status, uint64_t lba,
                      const struct ahci_memory *mem);
/** ahci_queued_short() - its table had less memory than it moves. */
void ahci_queued_short(struct ahci *a, unsigned port, unsigned slot);
/** ahci_prds() - the memory that @count descriptors from number @first on name; returns how many were read. */
struct ahci_prd {
    uint64_t gpa;
    uint32_t bytes;
};
unsigned ahci_prds(const struct ahci_memory *mem, uint64_t prd_gpa, unsigned first, unsigned count,
                   struct ahci_prd *ret);
/** ahci_irq() - the level of the interrupt. */
bool ahci_irq(const struct ahci *a);

#endif

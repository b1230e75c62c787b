/*
 * bt958.h - the MultiMaster firmware of a BusLogic BT-958: registers, commands, mailboxes.
 *
 * The guest puts addresses of command control blocks (CCBs) into outgoing mailboxes and says so. The chip takes them,
 * hands SCSI requests to its owner (pci_buslogic.c), writes how they ended into the CCB and puts it into the next
 * incoming mailbox. Mailboxes and CCBs have a form with 32-bit addresses and the AHA-154x's with 24 bits.
 *
 * Source: BusLogic MultiMaster Technical Reference Manual [BT]: 2 registers, 3 commands, 4 mailboxes and CCBs.
 * Invariant 1: a slot is used from when its mailbox was taken until its end is in results; running is a part of used.
 * Invariant 2: an end waits in results until the guest has emptied the incoming mailbox it goes to.
 */
#ifndef DEVICES_STORAGE_BT958_H
#define DEVICES_STORAGE_BT958_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/ssm/field.h"

#define BT_SLOTS     64u
#define BT_RESULTS   128u /* more than can end at once: slots, and aborts of one mailbox scan */
#define BT_TARGETS   16u
#define BT_INITIATOR 7u
#define BT_PARAMS    8u
#define BT_REPLY     256u

struct bt_slot {
    uint32_t ccb;
    bool used;
    bool running; /* not saved */
};

struct bt_result {
    uint32_t ccb;
    uint8_t adapter, status, code;
};

struct bt958 {
    /* wiring */
    const struct bt_host *host;
    void *ctx;

    uint8_t command, params[BT_PARAMS], params_want, params_have;
    uint8_t reply[BT_REPLY];
    uint16_t reply_bytes, reply_at;
    uint8_t interrupts, later; /* shown; that wait for the guest to clear those */
    bool in_command, invalid, diagnosing, interrupts_on, out_interrupt;
    bool strict, extended_lun, short_addresses;
    bool scanning; /* mailboxes are full, but no slot was free */
    uint8_t mailboxes, out_next, in_next;
    uint32_t mailbox_gpa;
    struct bt_slot slot[BT_SLOTS];
    struct bt_result results[BT_RESULTS];
    uint32_t results_first, results_count;
};

/* A CCB, copied. */
struct bt_request {
    unsigned slot;
    uint32_t ccb;
    uint8_t target, lun, sense_bytes;
    bool to_guest, data, list, residual, short_addresses;
    uint32_t data_bytes; /* of the list, or of the memory */
    uint32_t data_gpa, sense_gpa;
    uint8_t cdb[12], cdb_bytes;
};

struct bt_host {
    void (*read)(void *ctx, uint64_t gpa, void *buf, size_t bytes);
    void (*write)(void *ctx, uint64_t gpa, const void *buf, size_t bytes);
    bool (*start)(void *ctx, const struct bt_request *q); /* false: not now; bt_work() will be called again */
    void (*forget)(void *ctx, unsigned slot);             /* a running one, or BT_ALL; without a word */
    void (*reset_target)(void *ctx, unsigned target);     /* or BT_ALL */
    bool (*present)(void *ctx, unsigned target);
    void (*guest_error)(void *ctx, const char *what);
};
#define BT_ALL UINT32_MAX

/* Adapter status [BT 4] */
enum {
    BT_OK = 0x00,
    BT_NOBODY = 0x11,
    BT_OVERRUN = 0x12,
    BT_BAD_OPCODE = 0x16,
    BT_BAD_PARAMETER = 0x1a,
};

/* How a request ended. */
struct bt_end {
    uint8_t adapter, status;
    uint32_t left; /* of the guest's memory */
};

extern const struct ssm_field bt_fields[];
bool bt_check(struct bt958 *c);
void bt_reset(struct bt958 *c);
uint8_t bt_read(struct bt958 *c, uint32_t off);
void bt_write(struct bt958 *c, uint32_t off, uint8_t val);
/** bt_work() - begins what waits, delivers what ended. */
void bt_work(struct bt958 *c);
bool bt_level(const struct bt958 *c);
void bt_end(struct bt958 *c, const struct bt_request *q, const struct bt_end *e);
/** bt_again() - it was given back unfinished. */
void bt_again(struct bt958 *c, unsigned slot);

#endif

/*
 * lsi53c1030.h - the message unit of an LSI Logic Fusion-MPT controller: doorbell, queues, messages that are not SCSI.
 * The parallel 53C1030 and the SAS1068 have the same; they differ in what they say of themselves (lsi_sas.c).
 *
 * Requests are frames in guest memory. The chip takes their addresses, answers what is about itself at once and hands
 * SCSI requests to its owner (pci_lsilogic.c), frame by frame; replies go back through the reply post queue, as a
 * context or as the address of a frame the guest gave for it.
 *
 * Source: LSI Fusion-MPT Message Passing Interface 1.2 [MPI].
 * Invariant 1: positions of queues are below LSI_QUEUE; counts at most LSI_QUEUE.
 * Invariant 2: a slot is used from the moment its request was taken until its reply was posted; running is a part of
 * used.
 */
#ifndef DEVICES_STORAGE_LSI53C1030_H
#define DEVICES_STORAGE_LSI53C1030_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/ssm/field.h"

#define LSI_QUEUE       256u
#define LSI_SLOTS       64u
#define LSI_FRAME_BYTES 128u
#define LSI_HANDSHAKE   32u /* dwords of a message, 16-bit words of a reply */
#define LSI_TARGETS     16u
#define LSI_INITIATOR   7u /* parallel SCSI: the controller itself */
#define LSI_SAS_PHYS    8u

struct lsi_queue {
    uint32_t entry[LSI_QUEUE];
    uint32_t first, count;
};

struct lsi_slot {
    uint32_t frame;
    bool used;
    bool running; /* not saved */
};

struct lsi {
    /* wiring */
    const struct lsi_host *host;
    void *ctx;
    bool sas;

    uint8_t state; /* enum lsi_state */
    uint16_t fault;
    uint8_t who_init, sequence;
    bool diagnostic, doorbell_active, events_on;
    uint32_t status, mask; /* host interrupt status without the reply bit */
    uint32_t message[LSI_HANDSHAKE], reply[LSI_HANDSHAKE];
    uint8_t message_dwords, message_at, reply_words, reply_at;
    uint32_t frames_high, sense_high;
    uint16_t reply_bytes; /* of the guest's reply frames */
    uint8_t buses, devices;
    struct lsi_queue requests, free, post;
    struct lsi_slot slot[LSI_SLOTS];
    uint32_t port_page[2], device_page[LSI_TARGETS]; /* what the guest wrote into pages */
};

enum lsi_state { LSI_RESET, LSI_READY, LSI_OPERATIONAL, LSI_STATES };

/* A SCSI IO request, copied. */
struct lsi_scsi {
    unsigned slot;
    uint8_t target, bus, lun, cdb_bytes, sense_bytes;
    uint32_t context, data_bytes;
    bool to_guest, no_data;
    uint8_t cdb[16];
    uint64_t sense_gpa, sgl_gpa;
    uint8_t chain_dwords; /* from the beginning of the frame; 0 = no chain */
    uint64_t frame_gpa;
};

struct lsi_host {
    void (*read)(void *ctx, uint64_t gpa, void *buf, size_t bytes);
    void (*write)(void *ctx, uint64_t gpa, const void *buf, size_t bytes);
    /** False: not now; lsi_work() will be called again. */
    bool (*start)(void *ctx, const struct lsi_scsi *s);
    void (*terminate)(void *ctx, unsigned target); /* tasks of the target, or LSI_ALL: each comes back so */
    void (*forget)(void *ctx);                     /* all tasks, without a word */
    void (*reset_target)(void *ctx, unsigned target);
    void (*guest_error)(void *ctx, const char *what);
    bool (*present)(void *ctx, unsigned target);
};
#define LSI_ALL UINT32_MAX

/* IOCStatus [MPI] */
enum {
    LSI_OK = 0x00,
    LSI_INVALID_FUNCTION = 0x01,
    LSI_INVALID_SGL = 0x03,
    LSI_INVALID_FIELD = 0x07,
    LSI_INVALID_STATE = 0x08,
    LSI_BAD_ACTION = 0x20,
    LSI_BAD_TYPE = 0x21,
    LSI_BAD_PAGE = 0x22,
    LSI_INVALID_TARGET = 0x42,
    LSI_NOBODY = 0x43,
    LSI_OVERRUN = 0x44,
    LSI_UNDERRUN = 0x45,
    LSI_TERMINATED = 0x48,
};

/* How a SCSI request ended. */
struct lsi_end {
    uint16_t ioc_status;
    uint8_t scsi_status;
    uint32_t moved, sense_count;
};

extern const struct ssm_field lsi_fields[];
bool lsi_check(struct lsi *c);
void lsi_reset(struct lsi *c);
uint32_t lsi_read(struct lsi *c, uint32_t off);
void lsi_write(struct lsi *c, uint32_t off, uint32_t val);
void lsi_work(struct lsi *c);
bool lsi_level(const struct lsi *c);
/** lsi_end() - the request of a slot is done: a context if all went well, else a frame. */
void lsi_end(struct lsi *c, const struct lsi_scsi *s, const struct lsi_end *e);
/** lsi_again() - it was given back unfinished. */
void lsi_again(struct lsi *c, unsigned slot);

#endif

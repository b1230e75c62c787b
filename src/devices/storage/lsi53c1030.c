/*
 * lsi53c1030.c - registers and queues of the Fusion-MPT message unit: see lsi53c1030.h.
 *
 * Source: [MPI] chapter 2 (system interface registers, doorbell handshake, queues); LSI53C1030 technical manual,
 * section 4.3. Left out: the diagnostic memory window, high priority queue, fault codes other than lack of resources.
 */
#include "devices/storage/lsi_int.h"

enum {
    R_DOORBELL = 0x00,
    R_SEQUENCE = 0x04,
    R_DIAGNOSTIC = 0x08,
    R_STATUS = 0x30,
    R_MASK = 0x34,
    R_REQUESTS = 0x40,
    R_REPLIES = 0x44
};
enum { DB_UNIT_RESET = 0x40, DB_IO_UNIT_RESET = 0x41, DB_HANDSHAKE = 0x42 };
#define DB_ACTIVE      (1u << 27)
#define STATUS_DB      1u
#define STATUS_REPLY   8u
#define DIAG_WRITABLE  0x80u
#define DIAG_RESET     0x04u
#define QUEUE_EMPTY    0xffffffffu
#define ADDRESS_REPLY  0x80000000u
#define FAULT_RESOURCE 0x0006u

static const struct ssm_field queue_fields[] = {
    SSM_UINTS(struct lsi_queue, entry),
    SSM_U32(struct lsi_queue, first),
    SSM_U32(struct lsi_queue, count),
    SSM_END,
};

static const struct ssm_field slot_fields[] = {
    SSM_U32(struct lsi_slot, frame),
    SSM_BOOL(struct lsi_slot, used),
    SSM_END,
};

const struct ssm_field lsi_fields[] = {
    SSM_U8(struct lsi, state),
    SSM_U16(struct lsi, fault),
    SSM_U8(struct lsi, who_init),
    SSM_U8(struct lsi, sequence),
    SSM_BOOL(struct lsi, diagnostic),
    SSM_BOOL(struct lsi, doorbell_active),
    SSM_BOOL(struct lsi, events_on),
    SSM_U32(struct lsi, status),
    SSM_U32(struct lsi, mask),
    SSM_UINTS(struct lsi, message),
    SSM_UINTS(struct lsi, reply),
    SSM_U8(struct lsi, message_dwords),
    SSM_U8(struct lsi, message_at),
    SSM_U8(struct lsi, reply_words),
    SSM_U8(struct lsi, reply_at),
    SSM_U32(struct lsi, frames_high),
    SSM_U32(struct lsi, sense_high),
    SSM_U16(struct lsi, reply_bytes),
    SSM_U8(struct lsi, buses),
    SSM_U8(struct lsi, devices),
    SSM_STRUCT(struct lsi, requests, queue_fields),
    SSM_STRUCT(struct lsi, free, queue_fields),
    SSM_STRUCT(struct lsi, post, queue_fields),
    SSM_STRUCTS(struct lsi, slot, slot_fields),
    SSM_UINTS(struct lsi, port_page),
    SSM_UINTS(struct lsi, device_page),
    SSM_END,
};

bool lsi_check(struct lsi *c)
{
    const struct lsi_queue *queues[] = {&c->requests, &c->free, &c->post};
    bool ok = c->state < LSI_STATES && c->message_dwords <= LSI_HANDSHAKE && c->message_at <= c->message_dwords &&
              c->reply_words <= 2 * LSI_HANDSHAKE && c->reply_at <= c->reply_words;

    for (unsigned i = 0; i < 3; i++)
        ok &= queues[i]->first < LSI_QUEUE && queues[i]->count <= LSI_QUEUE; /* inv 1 */
    for (unsigned i = 0; i < LSI_SLOTS; i++)
        c->slot[i].running = false;
    return ok;
}

static bool push(struct lsi_queue *q, uint32_t val)
{
    if (q->count == LSI_QUEUE)
        return false;
    q->entry[(q->first + q->count++) % LSI_QUEUE] = val;
    return true;
}

static uint32_t pop(struct lsi_queue *q)
{
    uint32_t val;

    if (q->count == 0)
        return QUEUE_EMPTY;
    val = q->entry[q->first];
    q->first = (q->first + 1) % LSI_QUEUE;
    q->count--;
    return val;
}

/* ---- life ---- */

static void unit_reset(struct lsi *c)
{
    c->host->forget(c->ctx);
    c->state = LSI_READY;
    c->fault = 0;
    c->who_init = 0;
    c->doorbell_active = c->events_on = false;
    c->status = 0;
    c->message_dwords = c->message_at = c->reply_words = c->reply_at = 0;
    c->frames_high = c->sense_high = 0;
    c->reply_bytes = 0;
    c->requests = c->free = c->post = (struct lsi_queue){};
    memset(c->slot, 0, sizeof(c->slot));
}

void lsi_reset(struct lsi *c)
{
    unit_reset(c);
    c->mask = STATUS_DB | STATUS_REPLY;
    c->sequence = 0;
    c->diagnostic = false;
    c->devices = c->sas ? LSI_SAS_PHYS : LSI_TARGETS;
    c->buses = 1;
    memset(c->message, 0, sizeof(c->message));
    memset(c->reply, 0, sizeof(c->reply));
    memset(c->port_page, 0, sizeof(c->port_page));
    memset(c->device_page, 0, sizeof(c->device_page));
}

bool lsi_level(const struct lsi *c)
{
    const uint32_t status = (c->status & STATUS_DB) | (c->post.count ? STATUS_REPLY : 0);

    return (status & ~c->mask & (STATUS_DB | STATUS_REPLY)) != 0;
}

static void fail(struct lsi *c)
{
    c->host->guest_error(c->ctx, "there is no room for a reply; the controller is in a fault state until it is reset");
    c->fault = FAULT_RESOURCE;
}

/* ---- replies ---- */

static void post(struct lsi *c, uint32_t val)
{
    if (!push(&c->post, val))
        fail(c);
}

static void post_frame(struct lsi *c, const uint8_t *reply, unsigned bytes)
{
    const uint32_t frame = pop(&c->free);

    if (frame == QUEUE_EMPTY) {
        fail(c);
        return;
    }
    c->host->write(c->ctx, (uint64_t)c->frames_high << 32 | frame, reply,
                   bytes < c->reply_bytes ? bytes : c->reply_bytes);
    post(c, frame >> 1 | ADDRESS_REPLY);
}

void lsi_again(struct lsi *c, unsigned slot)
{
    c->slot[slot].running = false;
}

void lsi_end(struct lsi *c, const struct lsi_scsi *s, const struct lsi_end *e)
{
    uint8_t r[36] = {s->target, s->bus, sizeof(r) / 4, FN_SCSI_IO, s->cdb_bytes, s->sense_bytes};

    c->slot[s->slot].used = c->slot[s->slot].running = false;
    if (e->ioc_status == LSI_OK && e->scsi_status == 0 && !(s->context & ADDRESS_REPLY)) {
        post(c, s->context);
        return;
    }
    lsi_put32(r + 8, s->context);
    r[12] = e->scsi_status;
    r[13] = e->sense_count ? 1 : 0; /* autosense is valid */
    lsi_put16(r + 14, e->ioc_status);
    lsi_put32(r + 20, e->moved);
    lsi_put32(r + 24, e->sense_count);
    post_frame(c, r, sizeof(r));
}

/* ---- requests ---- */

static void parse(const struct lsi *c, const uint8_t *f, uint64_t frame_gpa, unsigned slot, struct lsi_scsi *s)
{
    const uint32_t direction = lsi_get32(f + 0x14) >> 24 & 3;

    *s = (struct lsi_scsi){.slot = slot,
                           .target = f[0],
                           .bus = f[1],
                           .lun = f[0x0d],
                           .cdb_bytes = f[4],
                           .sense_bytes = f[5],
                           .context = lsi_get32(f + 8),
                           .data_bytes = lsi_get32(f + 0x28),
                           .to_guest = direction == 2,
                           .no_data = direction != 1 && direction != 2,
                           .sense_gpa = (uint64_t)c->sense_high << 32 | lsi_get32(f + 0x2c),
                           .sgl_gpa = frame_gpa + 0x30,
                           .chain_dwords = f[2],
                           .frame_gpa = frame_gpa};
    memcpy(s->cdb, f + 0x18, sizeof(s->cdb));
}

/* Begins a slot's request; false = it has to wait. */
static bool begin(struct lsi *c, unsigned slot)
{
    struct lsi_slot *sl = &c->slot[slot];
    const uint64_t gpa = (uint64_t)c->frames_high << 32 | sl->frame;
    uint8_t f[LSI_FRAME_BYTES], r[LSI_REPLY_MAX] = {0};
    struct lsi_scsi s;

    c->host->read(c->ctx, gpa, f, sizeof(f));
    if (f[3] == FN_SCSI_IO) {
        parse(c, f, gpa, slot, &s);
        sl->running = true;
        if (c->host->start(c->ctx, &s))
            return true;
        sl->running = false;
        return false;
    }
    sl->used = false;
    post_frame(c, r, lsi_answer(c, f, gpa, r));
    return true;
}

void lsi_work(struct lsi *c)
{
    for (unsigned i = 0; i < LSI_SLOTS && c->state == LSI_OPERATIONAL; i++)
        if (c->slot[i].used && !c->slot[i].running && !begin(c, i))
            return;
    for (unsigned i = 0; i < LSI_SLOTS && c->state == LSI_OPERATIONAL && !c->fault && c->requests.count; i++) {
        if (c->slot[i].used)
            continue;
        c->slot[i] = (struct lsi_slot){.frame = pop(&c->requests) & ~3u, .used = true}; /* inv 2 */
        if (!begin(c, i))
            return;
        if (!c->slot[i].used) /* answered: the slot is free for the next one */
            i--;
    }
}

/* ---- the doorbell ---- */

static void handshake_done(struct lsi *c)
{
    uint8_t request[LSI_FRAME_BYTES] = {0}, reply[LSI_REPLY_MAX] = {0};

    memcpy(request, c->message, 4u * c->message_dwords);
    c->reply_words = (uint8_t)(lsi_answer(c, request, 0, reply) / 2);
    memcpy(c->reply, reply, sizeof(c->reply));
    c->reply_at = 0;
    c->status |= STATUS_DB;
}

static void write_doorbell(struct lsi *c, uint32_t val)
{
    if (c->doorbell_active && c->message_at < c->message_dwords) {
        c->message[c->message_at++] = val;
        if (c->message_at == c->message_dwords)
            handshake_done(c);
        return;
    }
    /* A function ends a handshake whose reply was not fetched: firmware leaves it so. */
    switch (val >> 24) {
    case DB_UNIT_RESET:
    case DB_IO_UNIT_RESET: unit_reset(c); break;
    case DB_HANDSHAKE:
        c->message_dwords = (uint8_t)(val >> 16 & 0xff);
        if (c->message_dwords == 0 || c->message_dwords > LSI_HANDSHAKE) {
            c->message_dwords = 0;
            c->host->guest_error(c->ctx, "a handshake of a length there is not");
            return;
        }
        c->message_at = c->reply_words = c->reply_at = 0;
        c->doorbell_active = true;
        c->status |= STATUS_DB;
        break;
    default: break;
    }
}

/* The low half is the reply's next word; it goes on when the guest clears the interrupt. */
static uint32_t read_doorbell(const struct lsi *c)
{
    static const uint8_t states[LSI_STATES] = {[LSI_RESET] = 0, [LSI_READY] = 1, [LSI_OPERATIONAL] = 2};
    uint32_t val = (uint32_t)(c->fault ? 4 : states[c->state]) << 28 | (c->doorbell_active ? DB_ACTIVE : 0) |
                   (uint32_t)(c->who_init & 7) << 24;

    if (c->fault)
        return val | c->fault;
    if (c->reply_at < c->reply_words)
        val |= c->reply[c->reply_at / 2] >> (c->reply_at % 2 * 16) & 0xffff;
    return val;
}

static void clear_status(struct lsi *c)
{
    c->status &= ~STATUS_DB;
    if (!c->doorbell_active || c->message_at < c->message_dwords)
        return;
    if (c->reply_at < c->reply_words)
        c->reply_at++;
    if (c->reply_at < c->reply_words)
        c->status |= STATUS_DB;
    else if (c->reply_words)
        c->reply_words = c->reply_at = 0, c->status |= STATUS_DB; /* one more: the handshake's end */
    else
        c->doorbell_active = false;
}

/* ---- registers ---- */

static void write_sequence(struct lsi *c, uint32_t val)
{
    static const uint8_t keys[] = {0x04, 0x0b, 0x02, 0x07, 0x0d};

    c->sequence = (val & 0x0f) == keys[c->sequence % 5] ? (uint8_t)(c->sequence + 1) : (val & 0x0f) == keys[0];
    c->diagnostic = c->sequence == 5;
    if (c->diagnostic)
        c->sequence = 0;
}

uint32_t lsi_read(struct lsi *c, uint32_t off)
{
    switch (off) {
    case R_DOORBELL: return read_doorbell(c);
    case R_DIAGNOSTIC: return c->diagnostic ? DIAG_WRITABLE : 0;
    case R_STATUS: return (c->status & STATUS_DB) | (c->post.count ? STATUS_REPLY : 0);
    case R_MASK: return c->mask;
    case R_REPLIES: return pop(&c->post);
    default: return 0;
    }
}

void lsi_write(struct lsi *c, uint32_t off, uint32_t val)
{
    switch (off) {
    case R_DOORBELL: write_doorbell(c, val); break;
    case R_SEQUENCE: write_sequence(c, val); break;
    case R_DIAGNOSTIC:
        if (c->diagnostic && (val & DIAG_RESET))
            lsi_reset(c);
        break;
    case R_STATUS: clear_status(c); break;
    case R_MASK: c->mask = val & (STATUS_DB | STATUS_REPLY); break;
    case R_REQUESTS:
        if (c->state != LSI_OPERATIONAL || !push(&c->requests, val))
            c->host->guest_error(c->ctx, "a request while the controller takes none");
        lsi_work(c);
        break;
    case R_REPLIES:
        if (!push(&c->free, val))
            c->host->guest_error(c->ctx, "more reply frames than there are credits");
        break;
    default: break;
    }
}

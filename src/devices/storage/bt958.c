/*
 * bt958.c - registers, mailboxes and CCBs of the BT-958: see bt958.h.
 *
 * Source: [BT] 2, 4. Left out: linked commands, tags (units keep no order of their own), the outgoing mailbox interrupt
 * per mailbox (one tells of all).
 */
#include "devices/storage/bt958_int.h"

enum { R_STATUS = 0, R_DATA = 1, R_INTERRUPT = 2, R_GEOMETRY = 3 };
enum { CTL_BUS_RESET = 0x10, CTL_INTERRUPT_RESET = 0x20, CTL_SOFT_RESET = 0x40, CTL_HARD_RESET = 0x80 };
enum { ST_INVALID = 0x01, ST_DATA_IN = 0x04, ST_READY = 0x10, ST_INIT = 0x20, ST_DIAGNOSING = 0x80 };
enum { INT_MAIL_IN = 0x01, INT_MAIL_OUT = 0x02, INT_COMMAND = 0x04, INT_ANY = 0x80 };
#define COMMAND_MAILBOX 0x02u
#define CCB_BYTES       40u

/* What is in a mailbox. */
enum { OUT_FREE = 0, OUT_START = 1, OUT_ABORT = 2 };
enum { IN_GOOD = 1, IN_ABORTED = 2, IN_NOT_FOUND = 3, IN_ERROR = 4, IN_INVALID = 5 };

static const struct ssm_field slot_fields[] = {
    SSM_U32(struct bt_slot, ccb),
    SSM_BOOL(struct bt_slot, used),
    SSM_END,
};

static const struct ssm_field result_fields[] = {
    SSM_U32(struct bt_result, ccb),
    SSM_U8(struct bt_result, adapter),
    SSM_U8(struct bt_result, status),
    SSM_U8(struct bt_result, code),
    SSM_END,
};

const struct ssm_field bt_fields[] = {
    SSM_U8(struct bt958, command),
    SSM_U8S(struct bt958, params),
    SSM_U8(struct bt958, params_want),
    SSM_U8(struct bt958, params_have),
    SSM_U8S(struct bt958, reply),
    SSM_U16(struct bt958, reply_bytes),
    SSM_U16(struct bt958, reply_at),
    SSM_U8(struct bt958, interrupts),
    SSM_U8(struct bt958, later),
    SSM_BOOL(struct bt958, in_command),
    SSM_BOOL(struct bt958, invalid),
    SSM_BOOL(struct bt958, diagnosing),
    SSM_BOOL(struct bt958, interrupts_on),
    SSM_BOOL(struct bt958, out_interrupt),
    SSM_BOOL(struct bt958, strict),
    SSM_BOOL(struct bt958, extended_lun),
    SSM_BOOL(struct bt958, short_addresses),
    SSM_BOOL(struct bt958, scanning),
    SSM_U8(struct bt958, mailboxes),
    SSM_U8(struct bt958, out_next),
    SSM_U8(struct bt958, in_next),
    SSM_U32(struct bt958, mailbox_gpa),
    SSM_STRUCTS(struct bt958, slot, slot_fields),
    SSM_STRUCTS(struct bt958, results, result_fields),
    SSM_U32(struct bt958, results_first),
    SSM_U32(struct bt958, results_count),
    SSM_END,
};

bool bt_check(struct bt958 *c)
{
    for (unsigned i = 0; i < BT_SLOTS; i++)
        c->slot[i].running = false;
    return c->params_want <= BT_PARAMS && c->params_have <= c->params_want && c->reply_bytes <= BT_REPLY &&
           c->reply_at <= c->reply_bytes && c->results_first < BT_RESULTS && c->results_count <= BT_RESULTS &&
           (c->mailboxes ? c->out_next < c->mailboxes && c->in_next < c->mailboxes : !c->scanning);
}

/* ---- interrupts ---- */

bool bt_level(const struct bt958 *c)
{
    return c->interrupts && c->interrupts_on;
}

/* A command's end shows at once; mail waits until the guest has cleared what it was told before. */
static void raise_interrupt(struct bt958 *c, uint8_t which)
{
    if (c->interrupts && which != INT_COMMAND)
        c->later |= which;
    else
        c->interrupts |= which | INT_ANY;
}

static void clear_interrupts(struct bt958 *c)
{
    c->interrupts = c->later ? c->later | INT_ANY : 0;
    c->later = 0;
}

/* ---- incoming mailboxes ---- */

static uint64_t mailbox_at(const struct bt958 *c, unsigned n)
{
    return (uint64_t)c->mailbox_gpa + n * (c->short_addresses ? 4u : 8u);
}

/* Puts ends into the mailboxes the guest has emptied (inv 2). */
static void deliver(struct bt958 *c)
{
    const size_t bytes = c->short_addresses ? 4 : 8, code_at = c->short_addresses ? 0 : 7;

    while (c->results_count && c->mailboxes) {
        const struct bt_result *r = &c->results[c->results_first];
        const uint64_t at = mailbox_at(c, c->mailboxes + c->in_next);
        uint8_t m[8];

        c->host->read(c->ctx, at, m, bytes);
        if (m[code_at])
            return;
        if (c->short_addresses) {
            for (unsigned i = 0; i < 3; i++)
                m[1 + i] = (uint8_t)(r->ccb >> (16 - 8 * i));
        } else {
            bt_put32(m, r->ccb);
            m[4] = r->adapter;
            m[5] = r->status;
        }
        m[code_at] = r->code;
        c->host->write(c->ctx, at, m, bytes);
        c->in_next = (uint8_t)((c->in_next + 1u) % c->mailboxes);
        c->results_first = (c->results_first + 1) % BT_RESULTS;
        c->results_count--;
        raise_interrupt(c, INT_MAIL_IN);
    }
}

static void add_result(struct bt958 *c, uint32_t ccb, uint8_t adapter, uint8_t status, uint8_t code)
{
    if (c->results_count < BT_RESULTS)
        c->results[(c->results_first + c->results_count++) % BT_RESULTS] =
            (struct bt_result){ccb, adapter, status, code};
    deliver(c);
}

void bt_again(struct bt958 *c, unsigned slot)
{
    c->slot[slot].running = false;
}

void bt_end(struct bt958 *c, const struct bt_request *q, const struct bt_end *e)
{
    const uint8_t status[2] = {e->adapter, e->status};
    const bool good = e->adapter == BT_OK && e->status == 0;
    uint8_t left[4];

    c->slot[q->slot].used = c->slot[q->slot].running = false;
    if (q->residual && q->short_addresses) {
        for (unsigned i = 0; i < 3; i++)
            left[i] = (uint8_t)(e->left >> (16 - 8 * i));
        c->host->write(c->ctx, (uint64_t)q->ccb + 4, left, 3);
    } else if (q->residual) {
        bt_put32(left, e->left);
        c->host->write(c->ctx, (uint64_t)q->ccb + 4, left, 4);
    }
    c->host->write(c->ctx, (uint64_t)q->ccb + 14, status, sizeof(status));
    add_result(c, q->ccb, e->adapter, e->status, good ? IN_GOOD : e->adapter == BT_BAD_OPCODE ? IN_INVALID : IN_ERROR);
}

/* ---- CCBs ---- */

/* Whether a command without a direction in its CCB takes data from the guest (SPC-3, SBC-3, MMC). */
static bool goes_out(uint8_t opcode)
{
    static const uint8_t out[] = {0x04, 0x07, 0x0a, 0x15, 0x1d, 0x2a, 0x2e, 0x3b, 0x3f, 0x41, 0x42,
                                  0x4c, 0x55, 0x5f, 0x8a, 0x8e, 0x93, 0xaa, 0xae, 0xa3, 0xbf};

    return memchr(out, opcode, sizeof(out)) != NULL;
}

static void parse(const struct bt958 *c, const uint8_t *p, struct bt_request *q)
{
    enum { UNCHECKED = 0, IN = 1, NONE = 3 };
    const unsigned direction = p[1] >> 3 & 3;

    q->short_addresses = c->short_addresses;
    q->target = c->short_addresses ? p[1] >> 5 : p[16];
    q->lun = c->short_addresses ? p[1] & 7 : p[17] & (c->extended_lun ? 0x3f : 0x07);
    q->cdb_bytes = p[2] < sizeof(q->cdb) ? p[2] : (uint8_t)sizeof(q->cdb);
    memcpy(q->cdb, p + 18, q->cdb_bytes);
    q->sense_bytes = p[3] == 0 ? 14 : p[3] == 1 ? 0 : p[3]; /* 0: as many as the AHA-154x gave; 1: none */
    q->data_bytes = c->short_addresses ? bt_get24(p + 4) : bt_get32(p + 4);
    q->data_gpa = c->short_addresses ? bt_get24(p + 7) : bt_get32(p + 8);
    q->sense_gpa = c->short_addresses ? q->ccb + 18 + q->cdb_bytes : bt_get32(p + 36);
    q->to_guest = direction == IN || (direction == UNCHECKED && !goes_out(q->cdb[0]));
    q->data = direction != NONE && q->data_bytes;
    q->list = p[0] == 2 || p[0] == 4;
    q->residual = p[0] == 3 || p[0] == 4;
}

/* Begins a slot's CCB; false = it has to wait. */
static bool begin(struct bt958 *c, unsigned slot)
{
    enum { INITIATOR = 0x00, INITIATOR_LAST = 0x04, TARGET = 0x01, DEVICE_RESET = 0x81 };
    struct bt_request q = {.slot = slot, .ccb = c->slot[slot].ccb};
    uint8_t p[CCB_BYTES];

    c->host->read(c->ctx, q.ccb, p, sizeof(p));
    parse(c, p, &q);
    c->slot[slot].running = true;
    if (p[0] == DEVICE_RESET) {
        for (unsigned i = 0; i < BT_SLOTS; i++) /* what the device had to do is gone: the guest knows it */
            if (i != slot && c->slot[i].running) {
                uint8_t other[CCB_BYTES];

                c->host->read(c->ctx, c->slot[i].ccb, other, sizeof(other));
                if ((c->short_addresses ? other[1] >> 5 : other[16]) != q.target)
                    continue;
                c->host->forget(c->ctx, i);
                c->slot[i] = (struct bt_slot){0};
            }
        c->host->reset_target(c->ctx, q.target);
        q.residual = false;
        bt_end(c, &q, &(struct bt_end){.adapter = c->host->present(c->ctx, q.target) ? BT_OK : BT_NOBODY});
        return true;
    }
    if (p[0] > INITIATOR_LAST || p[0] == TARGET) {
        q.residual = false;
        bt_end(c, &q, &(struct bt_end){.adapter = BT_BAD_OPCODE});
        return true;
    }
    if (c->host->start(c->ctx, &q))
        return true;
    c->slot[slot].running = false;
    return false;
}

/* ---- outgoing mailboxes ---- */

static void abort_ccb(struct bt958 *c, uint32_t ccb)
{
    for (unsigned i = 0; i < BT_SLOTS; i++) {
        if (!c->slot[i].used || c->slot[i].ccb != ccb)
            continue;
        if (c->slot[i].running)
            c->host->forget(c->ctx, i);
        c->slot[i] = (struct bt_slot){0};
        add_result(c, ccb, BT_OK, 0, IN_ABORTED);
        return;
    }
    add_result(c, ccb, BT_OK, 0, IN_NOT_FOUND);
}

static struct bt_slot *free_slot(struct bt958 *c)
{
    for (unsigned i = 0; i < BT_SLOTS; i++)
        if (!c->slot[i].used)
            return &c->slot[i];
    return NULL;
}

/* Takes what is in the outgoing mailboxes; scanning stays set when there is no room for more. */
static void scan(struct bt958 *c)
{
    const size_t bytes = c->short_addresses ? 4 : 8, action_at = c->short_addresses ? 0 : 7;
    bool took = false;

    c->scanning = false;
    for (unsigned n = 0, box = c->out_next; n < c->mailboxes; n++, box = (box + 1) % c->mailboxes) {
        const uint64_t at = mailbox_at(c, box);
        uint8_t m[8], none = OUT_FREE;
        uint32_t ccb;
        struct bt_slot *slot;

        c->host->read(c->ctx, at, m, bytes);
        if (m[action_at] == OUT_FREE && c->strict)
            break;
        if (m[action_at] != OUT_FREE) {
            slot = free_slot(c);
            c->scanning = !slot || c->results_count > BT_RESULTS - BT_SLOTS - 1;
            if (c->scanning)
                break;
            ccb = c->short_addresses ? bt_get24(m + 1) : bt_get32(m);
            c->host->write(c->ctx, at + action_at, &none, 1);
            c->out_next = (uint8_t)((box + 1) % c->mailboxes);
            took = true;
            if (m[action_at] == OUT_ABORT) {
                abort_ccb(c, ccb);
            } else {
                *slot = (struct bt_slot){.ccb = ccb, .used = true}; /* inv 1 */
                begin(c, (unsigned)(slot - c->slot));
            }
        }
    }
    if (took && c->out_interrupt)
        raise_interrupt(c, INT_MAIL_OUT);
}

void bt_work(struct bt958 *c)
{
    deliver(c);
    for (unsigned i = 0; i < BT_SLOTS; i++)
        if (c->slot[i].used && !c->slot[i].running && !begin(c, i))
            return;
    if (c->scanning)
        scan(c);
}

/* ---- life ---- */

static void stop(struct bt958 *c)
{
    c->host->forget(c->ctx, BT_ALL);
    memset(c->slot, 0, sizeof(c->slot));
    c->results_first = c->results_count = 0;
    c->scanning = false;
}

void bt_reset(struct bt958 *c)
{
    stop(c);
    c->command = c->params_want = c->params_have = 0;
    c->reply_bytes = c->reply_at = 0;
    c->interrupts = c->later = 0;
    c->in_command = c->invalid = c->diagnosing = c->out_interrupt = false;
    c->strict = c->extended_lun = c->short_addresses = false;
    c->interrupts_on = true;
    c->mailboxes = c->out_next = c->in_next = 0;
    c->mailbox_gpa = 0;
    memset(c->params, 0, sizeof(c->params));
    memset(c->reply, 0, sizeof(c->reply));
    memset(c->results, 0, sizeof(c->results));
}

/* ---- registers ---- */

static void command_done(struct bt958 *c)
{
    c->in_command = false;
    raise_interrupt(c, INT_COMMAND);
}

static void carry_out(struct bt958 *c)
{
    c->invalid = !bt_run(c);
    if (c->invalid)
        c->reply_bytes = 0;
    if (c->reply_bytes == 0)
        command_done(c);
}

static void write_command(struct bt958 *c, uint8_t val)
{
    if (c->in_command && c->params_have < c->params_want) {
        c->params[c->params_have++] = val;
        if (c->params_have == c->params_want)
            carry_out(c);
        return;
    }
    if (c->in_command) {
        c->host->guest_error(c->ctx, "a command while the reply to the last one is not read");
        return;
    }
    c->invalid = false;
    if (val == COMMAND_MAILBOX) {
        scan(c);
        return;
    }
    c->command = val;
    c->params_have = 0;
    c->in_command = true;
    if (!bt_params_of(val, &c->params_want)) {
        c->params_want = 0;
        c->reply_bytes = c->reply_at = 0;
        c->invalid = true;
        command_done(c);
    } else if (c->params_want == 0) {
        carry_out(c);
    }
}

static void write_control(struct bt958 *c, uint8_t val)
{
    if (val & (CTL_HARD_RESET | CTL_SOFT_RESET)) {
        bt_reset(c);
        c->diagnosing = true;
    }
    if (val & (CTL_HARD_RESET | CTL_BUS_RESET)) {
        stop(c);
        c->host->reset_target(c->ctx, BT_ALL);
    }
    if (val & CTL_INTERRUPT_RESET)
        clear_interrupts(c);
}

void bt_write(struct bt958 *c, uint32_t off, uint8_t val)
{
    switch (off) {
    case R_STATUS: write_control(c, val); break;
    case R_DATA: write_command(c, val); break;
    default: break;
    }
    deliver(c);
}

/* Diagnostics are over when the guest has seen that they run. */
static uint8_t read_status(struct bt958 *c)
{
    if (c->diagnosing) {
        c->diagnosing = false;
        return ST_DIAGNOSING;
    }
    return (uint8_t)((c->in_command ? 0 : ST_READY) | (c->mailboxes ? 0 : ST_INIT) | (c->invalid ? ST_INVALID : 0) |
                     (c->reply_at < c->reply_bytes ? ST_DATA_IN : 0));
}

static uint8_t read_data(struct bt958 *c)
{
    uint8_t val = 0;

    if (c->reply_at == c->reply_bytes)
        return 0;
    val = c->reply[c->reply_at++];
    if (c->reply_at == c->reply_bytes)
        command_done(c);
    return val;
}

uint8_t bt_read(struct bt958 *c, uint32_t off)
{
    switch (off) {
    case R_STATUS: return read_status(c);
    case R_DATA: return read_data(c);
    case R_INTERRUPT: return c->interrupts;
    case R_GEOMETRY: return 0x80; /* large disks have 255 heads */
    default: return 0;
    }
}

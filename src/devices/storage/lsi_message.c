/*
 * lsi_message.c - messages of the Fusion-MPT controller about itself, and its configuration pages: see lsi53c1030.h.
 *
 * Source: [MPI] 3 (IOC Init, IOC Facts, Port Facts, Port Enable, Event Notification, SCSI Task Management), 4
 * (configuration pages). Pages are as long as the specification says and zero where a value would say nothing to a
 * guest. Left out: firmware up- and download, RAID, target mode.
 */
#include "devices/storage/lsi_int.h"

#define EXTENDED     0x0f        /* page type */
#define CAP_PARALLEL 0x00040001u /* SCSI port page 0: IU off; the width and rates of Ultra320 say nothing here */

static unsigned head(const uint8_t *request, uint8_t *reply, unsigned bytes, uint16_t status)
{
    reply[2] = (uint8_t)(bytes / 4);
    reply[3] = request[3];
    reply[7] = request[7];
    memcpy(reply + 8, request + 8, 4); /* context */
    lsi_put16(reply + 14, status);
    return bytes;
}

/* ---- who is who ---- */

static unsigned ioc_init(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    const bool ok = c->state != LSI_RESET && !c->fault;

    (void)gpa;
    if (ok) {
        c->state = LSI_OPERATIONAL;
        c->who_init = q[0];
        c->devices = q[5];
        c->buses = q[6];
        c->reply_bytes = lsi_get16(q + 0x0c);
        c->frames_high = lsi_get32(q + 0x10);
        c->sense_high = lsi_get32(q + 0x14);
    }
    r[0] = q[0];
    r[4] = q[4];
    r[5] = c->devices;
    r[6] = c->buses;
    return head(q, r, 20, ok ? LSI_OK : LSI_INVALID_STATE);
}

static unsigned ioc_facts(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    (void)gpa;
    lsi_put16(r, 0x0102); /* MPI 1.2 */
    r[0x14] = 255;        /* chains of a list */
    r[0x15] = c->who_init;
    r[0x16] = 1;
    lsi_put16(r + 0x18, LSI_QUEUE);
    lsi_put16(r + 0x1a, LSI_FRAME_BYTES / 4);
    lsi_put16(r + 0x1e, c->sas ? 0x2102 : 0x0100); /* product: SCSI initiator, of which bus */
    lsi_put32(r + 0x20, c->frames_high);
    lsi_put16(r + 0x24, LSI_QUEUE / 2);
    r[0x26] = 1; /* ports */
    r[0x27] = c->events_on;
    lsi_put32(r + 0x28, c->sense_high);
    lsi_put16(r + 0x2c, c->reply_bytes);
    r[0x2e] = c->devices;
    r[0x2f] = c->buses;
    r[0x3b] = 1; /* firmware 1.0.0.0 */
    return head(q, r, 80, LSI_OK);
}

static unsigned port_facts(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    (void)c, (void)gpa;
    r[6] = q[6];
    if (q[6] == 0) {
        r[0x15] = c->sas ? 0x30 : 1; /* SAS, parallel SCSI */
        lsi_put16(r + 0x16, c->sas ? LSI_SAS_PHYS : LSI_TARGETS);
        lsi_put16(r + 0x18, c->sas ? LSI_SAS_PHYS : LSI_INITIATOR); /* SAS: a target there is not */
        lsi_put16(r + 0x1a, 0x0008);                                /* initiator */
    }
    return head(q, r, 40, LSI_OK);
}

static unsigned port_enable(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    (void)c, (void)gpa;
    r[6] = q[6];
    return head(q, r, 20, LSI_OK);
}

/* Event 0Ah: notification was turned on or off; nothing else is ever told. */
static unsigned events(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    (void)gpa;
    c->events_on = q[0] & 1;
    lsi_put16(r, 1);
    lsi_put32(r + 0x14, 0x0a);
    lsi_put32(r + 0x1c, c->events_on);
    return head(q, r, 32, LSI_OK);
}

/* Nothing is remembered of devices, so there is nothing to clear. */
static unsigned sas_control(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    (void)gpa;
    r[0] = q[0];
    return head(q, r, 20, c->sas ? LSI_OK : LSI_INVALID_FUNCTION);
}

/* ---- task management ---- */

static unsigned task(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    enum { ABORT_TASK = 1, ABORT_SET = 2, TARGET_RESET = 3, BUS_RESET = 4, UNIT_RESET = 5 };
    const uint32_t target = q[5] == BUS_RESET ? LSI_ALL : q[0];

    (void)gpa;
    r[0] = q[0];
    r[1] = q[1];
    r[5] = q[5];
    if (q[5] < ABORT_TASK || q[5] > UNIT_RESET)
        return head(q, r, 20, LSI_INVALID_FIELD);
    c->host->terminate(c->ctx, target); /* an aborted task's neighbours go, too: each comes back as terminated */
    if (q[5] >= TARGET_RESET)
        c->host->reset_target(c->ctx, target);
    return head(q, r, 24, LSI_OK);
}

/* ---- configuration pages ---- */

struct page {
    uint8_t type, number, version, dwords; /* type with the attribute bits of the header */
    uint32_t *(*stored)(struct lsi *c, uint32_t address);
    unsigned stored_at; /* the byte where what the guest wrote is shown */
    bool parallel;      /* SAS has it not */
    void (*fill)(const struct lsi *c, uint8_t *p);
};

static uint32_t *port_1(struct lsi *c, uint32_t address)
{
    (void)address;
    return &c->port_page[0];
}

static uint32_t *device_1(struct lsi *c, uint32_t address)
{
    return &c->device_page[address & (LSI_TARGETS - 1)];
}

static void fill_manufacturing(const struct lsi *c, uint8_t *p)
{
    memcpy(p + 4, c->sas ? "LSISAS1068" : "LSI53C1030", 10); /* chip name, 16 bytes */
    memcpy(p + 20, "A2", 2);
    memcpy(p + 28, "VBOX", 4); /* board name, 16 bytes */
}

static void fill_port_0(const struct lsi *c, uint8_t *p)
{
    (void)c;
    lsi_put32(p + 4, CAP_PARALLEL);
    lsi_put32(p + 8, 3); /* low voltage differential */
}

static void fill_port_1(const struct lsi *c, uint8_t *p)
{
    if (c->port_page[0] == 0)
        lsi_put32(p + 4, (1u << LSI_INITIATOR) << 16 | LSI_INITIATOR);
}

static const struct page pages[] = {
    {0x00, 0, 0, 4, .stored = NULL}, /* IO unit */
    {0x00, 1, 0, 2, .stored = NULL},
    {0x01, 0, 1, 7, .stored = NULL}, /* IOC */
    {0x01, 1, 1, 4, .stored = NULL},
    {0x01, 2, 1, 3, .stored = NULL},
    {0x01, 3, 0, 2, .stored = NULL},
    {0x01, 4, 0, 2, .stored = NULL},
    {0x01, 6, 0, 15, .stored = NULL},
    {0x23, 0, 1, 3, .fill = fill_port_0, .parallel = true}, /* SCSI port */
    {0x03, 1, 1, 4, port_1, 4, true, fill_port_1},
    {0x03, 2, 1, 19, .parallel = true},
    {0x24, 0, 1, 3, .parallel = true}, /* SCSI device */
    {0x04, 1, 1, 4, .stored = device_1, .stored_at = 4, .parallel = true},
    {0x04, 2, 1, 4, .parallel = true},
    {0x29, 0, 0, 19, .fill = fill_manufacturing}, /* manufacturing */
};

static const struct page *page_of(const struct lsi *c, const uint8_t *q)
{
    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if ((pages[i].type & 0x0f) == (q[0x17] & 0x0f) && pages[i].number == q[0x16] && !(c->sas && pages[i].parallel))
            return &pages[i];
    return NULL;
}

bool lsi_page_buffer(const uint8_t *q, uint64_t *ret_gpa, uint32_t *ret_bytes)
{
    const uint32_t flags = lsi_get32(q + 0x1c);

    *ret_bytes = flags & 0xffffff;
    *ret_gpa = lsi_get32(q + 0x20) | (flags >> 25 & 1 ? (uint64_t)lsi_get32(q + 0x24) << 32 : 0);
    return (flags >> 28 & 3) == 1;
}

static uint16_t move_page(struct lsi *c, const uint8_t *q, const struct page *page, bool write)
{
    uint8_t p[4 * 19] = {page->version, page->dwords, page->number, page->type};
    const uint32_t size = 4u * page->dwords, address = lsi_get32(q + 0x18);
    uint32_t bytes, *stored = page->stored ? page->stored(c, address) : NULL;
    uint64_t gpa;

    if (!lsi_page_buffer(q, &gpa, &bytes))
        return LSI_INVALID_SGL;
    bytes = bytes < size ? bytes : size;
    if (write) {
        if (!stored)
            return LSI_BAD_ACTION;
        c->host->read(c->ctx, gpa, p, bytes);
        if (bytes >= page->stored_at + 4)
            *stored = lsi_get32(p + page->stored_at);
        return LSI_OK;
    }
    if (stored)
        lsi_put32(p + page->stored_at, *stored);
    if (page->fill)
        page->fill(c, p);
    c->host->write(c->ctx, gpa, p, bytes);
    return LSI_OK;
}

static unsigned config(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r)
{
    enum { HEADER = 0, READ = 1, WRITE = 2, DEFAULTS = 3, WRITE_NVRAM = 4, READ_DEFAULT = 5, READ_NVRAM = 6 };
    const struct page *page = page_of(c, q);
    const bool read = q[0] == READ || q[0] == READ_DEFAULT || q[0] == READ_NVRAM;
    uint16_t status = LSI_OK;

    (void)gpa;
    r[0] = q[0];
    memcpy(r + 0x14, q + 0x14, 4);
    if ((q[0x17] & 0x0f) == EXTENDED)
        return head(q, r, 24, read || q[0] == HEADER ? lsi_sas_page(c, q, read, r) : LSI_BAD_ACTION);
    if (!page)
        status = LSI_BAD_PAGE;
    else if (read)
        status = move_page(c, q, page, false);
    else if (q[0] == WRITE || q[0] == WRITE_NVRAM)
        status = move_page(c, q, page, true);
    else if (q[0] > READ_NVRAM)
        status = LSI_BAD_ACTION;
    if (page) {
        r[0x14] = page->version;
        r[0x15] = page->dwords;
        r[0x16] = page->number;
        r[0x17] = page->type;
    }
    return head(q, r, 24, status);
}

static const struct {
    uint8_t function;
    unsigned (*run)(struct lsi *c, const uint8_t *q, uint64_t gpa, uint8_t *r);
} rows[] = {{FN_TASK, task},     {FN_INIT, ioc_init},          {FN_IOC_FACTS, ioc_facts},
            {FN_CONFIG, config}, {FN_PORT_FACTS, port_facts},  {FN_PORT_ENABLE, port_enable},
            {FN_EVENTS, events}, {FN_SAS_CONTROL, sas_control}};

unsigned lsi_answer(struct lsi *c, const uint8_t *request, uint64_t request_gpa, uint8_t reply[LSI_REPLY_MAX])
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].function == request[3])
            return rows[i].run(c, request, request_gpa, reply);
    return head(request, reply, 20, LSI_INVALID_FUNCTION);
}

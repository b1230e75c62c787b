/*
 * nvme_admin.c - the admin command set: queues, identify, log pages, features: see nvme.h.
 *
 * Source: NVM Express 1.2 [N], section 5. Left out: firmware download, namespace management, Format NVM, Abort (answers
 * that nothing was aborted, which is always allowed).
 */
#include "devices/storage/nvme_int.h"

#define KELVIN_35_C 308u

unsigned nvme_give(struct nvme *n, const uint8_t *command, const void *bytes, size_t size)
{
    const uint64_t first = nvme_qword(command, 6), second = nvme_qword(command, 8);
    const size_t room = NVME_PAGE_BYTES - (size_t)(first & (NVME_PAGE_BYTES - 1)), here = size < room ? size : room;

    if (first & 3)
        return NVME_INVALID_FIELD;
    n->host->write(n->ctx, first, bytes, here);
    if (size > here)
        n->host->write(n->ctx, second & ~UINT64_C(0xfff), (const uint8_t *)bytes + here, size - here);
    return NVME_OK;
}

static void put_text(uint8_t *to, size_t bytes, const char *text)
{
    const size_t len = strlen(text);

    memset(to, ' ', bytes);
    memcpy(to, text, len < bytes ? len : bytes);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

/* ---- queues [N 5.3, 5.4, 5.5, 5.6] ---- */

static unsigned create_cq(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint32_t id = nvme_dword(c, 10) & 0xffff, size = (nvme_dword(c, 10) >> 16) + 1, flags = nvme_dword(c, 11);

    (void)ret_result;
    if (id == 0 || id >= NVME_QUEUES || n->cq[id].exists)
        return NVME_BAD_QUEUE;
    if (size < 2 || size > NVME_ENTRIES_MAX)
        return NVME_BAD_SIZE;
    if (!(flags & 1) || (nvme_qword(c, 6) & 0xfff))
        return NVME_INVALID_FIELD;
    if (flags >> 16 >= NVME_QUEUES)
        return NVME_BAD_VECTOR;
    n->cq[id] = (struct nvme_cq){.exists = true,
                                 .interrupts = (flags & 2) != 0,
                                 .phase = true,
                                 .size = (uint16_t)size,
                                 .vector = (uint16_t)(flags >> 16),
                                 .gpa = nvme_qword(c, 6)};
    return NVME_OK;
}

static unsigned create_sq(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint32_t id = nvme_dword(c, 10) & 0xffff, size = (nvme_dword(c, 10) >> 16) + 1, cq = nvme_dword(c, 11) >> 16;

    (void)ret_result;
    if (id == 0 || id >= NVME_QUEUES || n->sq[id].exists)
        return NVME_BAD_QUEUE;
    if (cq == 0 || cq >= NVME_QUEUES || !n->cq[cq].exists)
        return NVME_BAD_CQ;
    if (size < 2 || size > NVME_ENTRIES_MAX)
        return NVME_BAD_SIZE;
    if (!(nvme_dword(c, 11) & 1) || (nvme_qword(c, 6) & 0xfff))
        return NVME_INVALID_FIELD;
    n->sq[id] = (struct nvme_sq){.exists = true, .size = (uint16_t)size, .cq = (uint16_t)cq, .gpa = nvme_qword(c, 6)};
    n->cq[cq].users++;
    return NVME_OK;
}

static bool sq_has_commands(const struct nvme *n, uint32_t id)
{
    for (unsigned i = 0; i < NVME_SLOTS; i++)
        if (n->slot[i].used && n->slot[i].sq == id)
            return true;
    return false;
}

/* Commands under way must have ended: a driver waits for them, and one that does not is told to. */
static unsigned delete_sq(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint32_t id = nvme_dword(c, 10) & 0xffff;

    (void)ret_result;
    if (id == 0 || id >= NVME_QUEUES || !n->sq[id].exists)
        return NVME_BAD_QUEUE;
    if (sq_has_commands(n, id))
        return NVME_BAD_DELETE;
    n->cq[n->sq[id].cq].users--;
    n->sq[id] = (struct nvme_sq){};
    return NVME_OK;
}

static unsigned delete_cq(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint32_t id = nvme_dword(c, 10) & 0xffff;

    (void)ret_result;
    if (id == 0 || id >= NVME_QUEUES || !n->cq[id].exists)
        return NVME_BAD_QUEUE;
    for (unsigned i = 0; i < NVME_QUEUES; i++)
        if (n->sq[i].exists && n->sq[i].cq == id)
            return NVME_BAD_DELETE;
    n->cq[id] = (struct nvme_cq){};
    return NVME_OK;
}

/* ---- identify [N 5.11] ---- */

static unsigned identify_controller(struct nvme *n, const uint8_t *c)
{
    uint8_t d[NVME_PAGE_BYTES] = {0};

    put16(d + 0, 0x80ee);
    put16(d + 2, 0x80ee);
    put_text(d + 4, 20, n->serial);
    put_text(d + 24, 40, "ORCL-VBOX-NVME-VER12");
    put_text(d + 64, 8, "1.0");
    d[72] = 6; /* arbitration burst */
    d[77] = NVME_MDTS;
    put32(d + 80, 0x00010200);
    d[258] = 3;                   /* aborts at once */
    d[259] = NVME_EVENTS_MAX - 1; /* event requests at once */
    d[260] = 0x02;                /* one firmware slot, read-only: bits 3:1 */
    put16(d + 266, 343);          /* warning and critical temperature, K */
    put16(d + 268, 373);
    d[512] = 0x66;
    d[513] = 0x44;
    put32(d + 516, NVME_NAMESPACES);
    put16(d + 520, 0x0c); /* Dataset Management, Write Zeroes */
    d[525] = 1;           /* volatile write cache */
    put16(d + 2048, 100); /* power state 0: 1 W */
    return nvme_give(n, c, d, sizeof(d));
}

static unsigned identify_namespace(struct nvme *n, const uint8_t *c)
{
    const uint32_t nsid = nvme_dword(c, 1);
    uint8_t d[NVME_PAGE_BYTES] = {0};

    if (nsid == 0 || nsid > NVME_NAMESPACES)
        return NVME_INVALID_NAMESPACE;
    if (n->sectors[nsid - 1]) { /* else inactive: all zeros */
        put64(d + 0, n->sectors[nsid - 1]);
        put64(d + 8, n->sectors[nsid - 1]);
        put64(d + 16, n->sectors[nsid - 1]);
        d[24] = n->discard[nsid - 1]; /* thin provisioned */
        d[130] = 9;                   /* format 0: 512-byte sectors */
    }
    return nvme_give(n, c, d, sizeof(d));
}

static unsigned identify_list(struct nvme *n, const uint8_t *c)
{
    uint8_t d[NVME_PAGE_BYTES] = {0};
    unsigned at = 0;

    if (nvme_dword(c, 1) >= 0xfffffffe)
        return NVME_INVALID_NAMESPACE;
    for (uint32_t nsid = 1; nsid <= NVME_NAMESPACES; nsid++)
        if (nsid > nvme_dword(c, 1) && n->sectors[nsid - 1])
            put32(d + 4 * at++, nsid);
    return nvme_give(n, c, d, sizeof(d));
}

static unsigned identify(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    (void)ret_result;
    switch (nvme_dword(c, 10) & 0xff) {
    case 0: return identify_namespace(n, c);
    case 1: return identify_controller(n, c);
    case 2: return identify_list(n, c);
    default: return NVME_INVALID_FIELD;
    }
}

/* ---- log pages [N 5.10] ---- */

static unsigned get_log(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint32_t bytes = ((nvme_dword(c, 10) >> 16 & 0xfff) + 1) * 4;
    uint8_t d[NVME_PAGE_BYTES] = {0};

    (void)ret_result;
    switch (nvme_dword(c, 10) & 0xff) {
    case 1: break; /* no errors are kept */
    case 2:
        put16(d + 1, KELVIN_35_C);
        d[3] = 100; /* spare, and its threshold */
        d[4] = 10;
        put64(d + 32, (n->read_units + 999) / 1000); /* thousands of 512 bytes */
        put64(d + 48, (n->written_units + 999) / 1000);
        put64(d + 64, n->reads);
        put64(d + 80, n->writes);
        break;
    case 3:
        d[0] = 1; /* the active firmware slot */
        put_text(d + 8, 8, "1.0");
        break;
    default: return NVME_BAD_LOG_PAGE;
    }
    return nvme_give(n, c, d, bytes < sizeof(d) ? bytes : sizeof(d));
}

/* ---- features [N 5.12, 5.9] ---- */

static uint32_t *feature_of(struct nvme *n, uint8_t id, uint32_t dword11)
{
    switch (id) {
    case 0x01: return &n->arbitration;
    case 0x02: return &n->power_state;
    case 0x04: return &n->temperature[dword11 >> 20 & 3 ? 1 : 0];
    case 0x05: return &n->error_recovery;
    case 0x08: return &n->coalescing;
    case 0x0a: return &n->atomicity;
    case 0x0b: return &n->async_config;
    default: return NULL;
    }
}

static unsigned set_features(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint8_t id = (uint8_t)nvme_dword(c, 10);
    const uint32_t val = nvme_dword(c, 11);
    uint32_t *feature = feature_of(n, id, val);

    if (id == 0x06) { /* turning the cache off: from now on each write is durable; what is cached the driver flushes */
        n->write_cache = val & 1;
    } else if (id == 0x07) { /* number of queues: what we have */
        *ret_result = (NVME_QUEUES - 2) << 16 | (NVME_QUEUES - 2);
    } else if (id == 0x09) {
        return (val & 0xffff) < NVME_QUEUES ? NVME_OK : NVME_INVALID_FIELD;
    } else if (!feature || (id == 0x02 && (val & 0x1f))) {
        return NVME_INVALID_FIELD;
    } else {
        *feature = val;
    }
    return NVME_OK;
}

static unsigned get_features(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    const uint8_t id = (uint8_t)nvme_dword(c, 10);
    const uint32_t *feature = feature_of(n, id, nvme_dword(c, 11));

    if (id == 0x06)
        *ret_result = n->write_cache;
    else if (id == 0x07)
        *ret_result = (NVME_QUEUES - 2) << 16 | (NVME_QUEUES - 2);
    else if (id == 0x09)
        *ret_result = nvme_dword(c, 11) & 0xffff;
    else if (!feature)
        return NVME_INVALID_FIELD;
    else
        *ret_result = *feature;
    return NVME_OK;
}

/* ---- the rest ---- */

static unsigned abort_command(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    (void)n, (void)c;
    *ret_result = 1; /* not aborted */
    return NVME_OK;
}

/* [N 5.2]: waits until there is something to tell; there never is. */
static unsigned async_event(struct nvme *n, const uint8_t *c, uint32_t *ret_result)
{
    (void)ret_result;
    if (n->async_count == NVME_EVENTS_MAX)
        return NVME_TOO_MANY_EVENTS;
    memcpy(&n->async_cid[n->async_count++], c + 2, sizeof(n->async_cid[0]));
    return NVME_LATER;
}

static const struct {
    uint8_t opcode;
    unsigned (*run)(struct nvme *n, const uint8_t *c, uint32_t *ret_result);
} rows[] = {{0x00, delete_sq}, {0x01, create_sq},     {0x02, get_log},      {0x04, delete_cq},    {0x05, create_cq},
            {0x06, identify},  {0x08, abort_command}, {0x09, set_features}, {0x0a, get_features}, {0x0c, async_event}};

unsigned nvme_admin(struct nvme *n, const uint8_t *command, uint32_t *ret_result)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].opcode == command[0])
            return command[1] & 0xc3 ? NVME_INVALID_FIELD : rows[i].run(n, command, ret_result);
    return NVME_INVALID_OPCODE;
}

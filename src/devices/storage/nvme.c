/*
 * nvme.c - registers, queues and I/O commands of an NVM Express controller: see nvme.h.
 *
 * Source: NVM Express 1.2 [N]: 3.1 (registers), 4.1 (queues), 4.6 (completion entries), 6 (NVM commands), 7.6
 * (initialisation, shutdown).
 * Left out: SGLs (PRPs only), fused commands, metadata, interrupt coalescing (accepted, not done), the memory buffer,
 * reservations, Compare. Arbitration is round robin, one command of each queue in turn.
 * Invariants: see nvme.h.
 */
#include "devices/storage/nvme_int.h"

enum {
    R_CAP = 0x00,
    R_VS = 0x08,
    R_INTMS = 0x0c,
    R_INTMC = 0x10,
    R_CC = 0x14,
    R_CSTS = 0x1c,
    R_AQA = 0x24,
    R_ASQ = 0x28,
    R_ACQ = 0x30,
    R_BELLS = 0x1000,
};
/* CAP [N 3.1.1]: queues are contiguous, 10 s to become ready, doorbells of 4 bytes, NVM commands, pages of 4 KiB */
#define CAP_BITS    ((uint64_t)(NVME_ENTRIES_MAX - 1) | 1u << 16 | 20u << 24 | UINT64_C(1) << 37)
#define VERSION_1_2 0x00010200u
#define CC_WRITABLE 0x00fffff1u
enum { CC_EN = 1, CSTS_RDY = 1, CSTS_CFS = 2, CSTS_SHUTDOWN_DONE = 2 << 2, CSTS_SHUTDOWN = 3 << 2 };

static const struct ssm_field sq_fields[] = {
    SSM_BOOL(struct nvme_sq, exists),
    SSM_U16(struct nvme_sq, size),
    SSM_U16(struct nvme_sq, head),
    SSM_U16(struct nvme_sq, tail),
    SSM_U16(struct nvme_sq, cq),
    SSM_U64(struct nvme_sq, gpa),
    SSM_END,
};

static const struct ssm_field cq_fields[] = {
    SSM_BOOL(struct nvme_cq, exists), SSM_BOOL(struct nvme_cq, interrupts),
    SSM_BOOL(struct nvme_cq, phase),  SSM_U16(struct nvme_cq, size),
    SSM_U16(struct nvme_cq, head),    SSM_U16(struct nvme_cq, tail),
    SSM_U16(struct nvme_cq, vector),  SSM_U16(struct nvme_cq, users),
    SSM_U64(struct nvme_cq, gpa),     SSM_END,
};

static const struct ssm_field slot_fields[] = {
    SSM_BOOL(struct nvme_slot, used),
    SSM_U8(struct nvme_slot, sq),
    SSM_U8S(struct nvme_slot, command),
    SSM_END,
};

const struct ssm_field nvme_fields[] = {
    SSM_U32(struct nvme, intms),
    SSM_U32(struct nvme, cc),
    SSM_U32(struct nvme, csts),
    SSM_U32(struct nvme, aqa),
    SSM_U64(struct nvme, asq),
    SSM_U64(struct nvme, acq),
    SSM_STRUCTS(struct nvme, sq, sq_fields),
    SSM_STRUCTS(struct nvme, cq, cq_fields),
    SSM_STRUCTS(struct nvme, slot, slot_fields),
    SSM_BOOL(struct nvme, write_cache),
    SSM_U32(struct nvme, power_state),
    SSM_U32(struct nvme, arbitration),
    SSM_UINTS(struct nvme, temperature),
    SSM_U32(struct nvme, error_recovery),
    SSM_U32(struct nvme, coalescing),
    SSM_U32(struct nvme, atomicity),
    SSM_U32(struct nvme, async_config),
    SSM_UINTS(struct nvme, async_cid),
    SSM_U32(struct nvme, async_count),
    SSM_U64(struct nvme, read_units),
    SSM_U64(struct nvme, written_units),
    SSM_U64(struct nvme, reads),
    SSM_U64(struct nvme, writes),
    SSM_END,
};

static bool queue_fits(bool exists, uint16_t size, uint16_t head, uint16_t tail)
{
    return !exists || (size >= 2 && size <= NVME_ENTRIES_MAX && head < size && tail < size);
}

bool nvme_check(struct nvme *n)
{
    bool ok = n->async_count <= NVME_EVENTS_MAX;

    for (unsigned i = 0; i < NVME_QUEUES; i++) { /* inv 1 */
        const struct nvme_sq *sq = &n->sq[i];
        const struct nvme_cq *cq = &n->cq[i];

        ok &= queue_fits(sq->exists, sq->size, sq->head, sq->tail) &&
              queue_fits(cq->exists, cq->size, cq->head, cq->tail) && cq->vector < NVME_QUEUES &&
              (!sq->exists || (sq->cq < NVME_QUEUES && n->cq[sq->cq].exists));
    }
    for (unsigned i = 0; i < NVME_SLOTS; i++) {
        n->slot[i].running = false;
        ok &= !n->slot[i].used || (n->slot[i].sq < NVME_QUEUES && n->sq[n->slot[i].sq].exists);
    }
    return ok;
}

/* ---- life ---- */

static void stop(struct nvme *n)
{
    n->host->drop(n->ctx);
    for (unsigned i = 0; i < NVME_QUEUES; i++) {
        n->sq[i] = (struct nvme_sq){};
        n->cq[i] = (struct nvme_cq){};
    }
    for (unsigned i = 0; i < NVME_SLOTS; i++)
        n->slot[i] = (struct nvme_slot){};
    n->csts = 0;
    n->intms = 0;
    n->async_count = 0;
}

void nvme_reset(struct nvme *n)
{
    stop(n);
    n->cc = n->aqa = 0;
    n->asq = n->acq = 0;
    n->write_cache = true;
    n->power_state = n->arbitration = n->error_recovery = n->coalescing = n->atomicity = n->async_config = 0;
    n->temperature[0] = 0x157; /* 70 C, in kelvin */
    n->temperature[1] = 0;
}

/* [N 7.6.1]: page size 4 KiB and entries of 64 and 16 bytes are all there is. */
static void enable(struct nvme *n)
{
    const uint32_t asq = (n->aqa & 0xfff) + 1, acq = (n->aqa >> 16 & 0xfff) + 1;

    if ((n->cc >> 7 & 0x0f) != 0 || (n->cc >> 4 & 7) != 0 || asq < 2 || acq < 2 || asq > NVME_ENTRIES_MAX ||
        acq > NVME_ENTRIES_MAX || (n->asq & 0xfff) || (n->acq & 0xfff)) {
        n->csts = CSTS_CFS;
        n->host->guest_error(n->ctx, "the controller was enabled with settings it does not have");
        return;
    }
    n->cq[0] = (struct nvme_cq){
        .exists = true, .interrupts = true, .phase = true, .size = (uint16_t)acq, .gpa = n->acq, .users = 1};
    n->sq[0] = (struct nvme_sq){.exists = true, .size = (uint16_t)asq, .gpa = n->asq};
    n->csts = CSTS_RDY;
}

static void write_cc(struct nvme *n, uint32_t val)
{
    const bool was = n->cc & CC_EN, is = val & CC_EN;

    n->cc = val & CC_WRITABLE;
    if (!was && is)
        enable(n);
    else if (was && !is)
        stop(n);         /* the admin queue's registers stay [N 7.3.2] */
    if (n->cc >> 14 & 3) /* shutdown: what was said to be written is; the driver flushes */
        n->csts = (n->csts & ~(uint32_t)CSTS_SHUTDOWN) | CSTS_SHUTDOWN_DONE;
    else
        n->csts &= ~(uint32_t)CSTS_SHUTDOWN;
}

/* ---- queues ---- */

bool nvme_level(const struct nvme *n)
{
    for (unsigned i = 0; i < NVME_QUEUES; i++)
        if (n->cq[i].exists && n->cq[i].interrupts && n->cq[i].head != n->cq[i].tail && !(n->intms & 1))
            return true;
    return false;
}

static uint16_t next(uint16_t at, uint16_t size)
{
    return (uint16_t)(at + 1 == size ? 0 : at + 1);
}

/* How many entries the completion queue can take besides those that commands under way will need. */
static bool cq_has_room(const struct nvme *n, unsigned cq)
{
    const struct nvme_cq *c = &n->cq[cq];
    unsigned used = (unsigned)(c->tail + c->size - c->head) % c->size;

    for (unsigned i = 0; i < NVME_SLOTS; i++)
        used += n->slot[i].used && n->sq[n->slot[i].sq].cq == cq;
    if (cq == 0)
        used += n->async_count;
    return used + 1 < c->size;
}

static void complete(struct nvme *n, unsigned sq, uint16_t cid, unsigned status, uint32_t result)
{
    const struct nvme_sq *s = &n->sq[sq];
    struct nvme_cq *c = &n->cq[s->cq];
    uint32_t entry[4];

    if (!c->exists || next(c->tail, c->size) == c->head)
        return; /* a loaded state's: the guest could not have brought this about (inv 3) */
    entry[0] = result;
    entry[1] = 0;
    entry[2] = s->head | (uint32_t)sq << 16;
    entry[3] = cid | (uint32_t)c->phase << 16 | (uint32_t)status << 17;
    if (status)
        entry[3] |= 1u << 31; /* do not retry */
    n->host->write(n->ctx, c->gpa + 16u * c->tail, entry, sizeof(entry));
    c->tail = next(c->tail, c->size);
    if (c->tail == 0)
        c->phase = !c->phase;
    if (c->interrupts)
        n->host->interrupt(n->ctx, c->vector);
}

void nvme_end(struct nvme *n, unsigned slot, unsigned status)
{
    struct nvme_slot *s = &n->slot[slot];
    uint16_t cid;

    if (!s->used)
        return;
    memcpy(&cid, s->command + 2, sizeof(cid));
    s->used = s->running = false;
    complete(n, s->sq, cid, status, 0);
}

void nvme_again(struct nvme *n, unsigned slot)
{
    n->slot[slot].running = false;
}

/* ---- I/O commands [N 6] ---- */

static unsigned range(const struct nvme *n, const uint8_t *c, struct nvme_io *io)
{
    const uint64_t lba = nvme_qword(c, 10), count = (nvme_dword(c, 12) & 0xffff) + 1, all = n->sectors[io->nsid - 1];

    if (lba > all || count > all - lba)
        return NVME_LBA_RANGE;
    io->offset_bytes = lba * NVME_LBA_BYTES;
    io->bytes = count * NVME_LBA_BYTES;
    io->durable = (io->op == NVME_WRITE || io->op == NVME_ZERO) && (!n->write_cache || (nvme_dword(c, 12) >> 30 & 1));
    if (io->op != NVME_READ && n->read_only[io->nsid - 1])
        return NVME_READ_ONLY_RANGE;
    if (io->op != NVME_ZERO && io->bytes > (uint64_t)NVME_PAGE_BYTES << NVME_MDTS)
        return NVME_INVALID_FIELD;
    return NVME_OK;
}

static unsigned parse(const struct nvme *n, const uint8_t *c, struct nvme_io *io)
{
    static const struct {
        uint8_t opcode;
        enum nvme_op op;
    } rows[] = {{0x00, NVME_FLUSH}, {0x01, NVME_WRITE}, {0x02, NVME_READ}, {0x08, NVME_ZERO}, {0x09, NVME_DISCARD}};
    const uint32_t nsid = nvme_dword(c, 1);
    unsigned i = 0;

    while (i < sizeof(rows) / sizeof(rows[0]) && rows[i].opcode != c[0])
        i++;
    if (i == sizeof(rows) / sizeof(rows[0]))
        return NVME_INVALID_OPCODE;
    io->op = rows[i].op;
    if (c[1] & 0xc3) /* fused, SGLs */
        return NVME_INVALID_FIELD;
    if (nsid == 0 || nsid > NVME_NAMESPACES || n->sectors[nsid - 1] == 0)
        return NVME_INVALID_NAMESPACE;
    io->nsid = nsid;
    io->prp[0] = nvme_qword(c, 6);
    io->prp[1] = nvme_qword(c, 8);
    if (io->op == NVME_FLUSH)
        return NVME_OK;
    if (io->op != NVME_DISCARD)
        return range(n, c, io);
    io->bytes = ((nvme_dword(c, 10) & 0xff) + 1) * 16; /* of ranges; the owner reads them */
    if (n->read_only[nsid - 1])
        return NVME_READ_ONLY_RANGE;
    return NVME_OK;
}

/* Begins a slot's command; false = it has to wait. */
static bool begin(struct nvme *n, unsigned slot)
{
    struct nvme_slot *s = &n->slot[slot];
    struct nvme_io io = {.slot = slot};
    const unsigned status = parse(n, s->command, &io);

    if (status) {
        nvme_end(n, slot, status);
        return true;
    }
    if (io.op == NVME_DISCARD && !(nvme_dword(s->command, 11) & 4)) { /* hints other than deallocate */
        nvme_end(n, slot, NVME_OK);
        return true;
    }
    s->running = true;
    if (!n->host->start(n->ctx, &io)) {
        s->running = false;
        return false;
    }
    n->reads += io.op == NVME_READ;
    n->writes += io.op == NVME_WRITE;
    n->read_units += io.op == NVME_READ ? io.bytes / NVME_LBA_BYTES : 0;
    n->written_units += io.op == NVME_WRITE ? io.bytes / NVME_LBA_BYTES : 0;
    return true;
}

static int free_slot(const struct nvme *n)
{
    for (unsigned i = 0; i < NVME_SLOTS; i++)
        if (!n->slot[i].used)
            return (int)i;
    return -1;
}

/* Takes one command of a queue; false = there is none, or no room. */
static bool take(struct nvme *n, unsigned q)
{
    struct nvme_sq *s = &n->sq[q];
    const int slot = free_slot(n);
    uint32_t result = 0;
    unsigned status;
    uint8_t command[64];
    uint16_t cid;

    if (!s->exists || s->head == s->tail || slot < 0 || !cq_has_room(n, s->cq)) /* inv 3 */
        return false;
    n->host->read(n->ctx, s->gpa + 64u * s->head, command, sizeof(command));
    s->head = next(s->head, s->size);
    if (q) {
        n->slot[slot] = (struct nvme_slot){.used = true, .sq = (uint8_t)q};
        memcpy(n->slot[slot].command, command, sizeof(command)); /* inv 2 */
        begin(n, (unsigned)slot);
        return true;
    }
    memcpy(&cid, command + 2, sizeof(cid));
    status = nvme_admin(n, command, &result);
    if (status != NVME_LATER)
        complete(n, 0, cid, status, result);
    return true;
}

void nvme_work(struct nvme *n)
{
    unsigned budget = NVME_QUEUES * NVME_ENTRIES_MAX;
    bool any = (n->csts & CSTS_RDY) != 0;

    for (unsigned i = 0; i < NVME_SLOTS && any; i++)
        if (n->slot[i].used && !n->slot[i].running && !begin(n, i))
            return;
    while (any && budget) {
        any = false;
        for (unsigned q = 0; q < NVME_QUEUES && budget; q++)
            if (take(n, q)) {
                any = true;
                budget--;
            }
    }
}

/* ---- registers ---- */

/* [N 3.1.16]: an impossible value is the driver's mistake, and ignored. */
static void ring(struct nvme *n, unsigned bell, uint32_t val)
{
    const unsigned q = bell / 2;

    if (q >= NVME_QUEUES || !(n->csts & CSTS_RDY))
        return;
    if (bell % 2 == 0 && n->sq[q].exists && val < n->sq[q].size)
        n->sq[q].tail = (uint16_t)val;
    else if (bell % 2 == 1 && n->cq[q].exists && val < n->cq[q].size)
        n->cq[q].head = (uint16_t)val;
    else
        n->host->guest_error(n->ctx, "a doorbell got a value it cannot have");
}

static uint64_t reg64(const struct nvme *n, uint64_t off)
{
    switch (off) {
    case R_CAP: return CAP_BITS;
    case R_VS: return VERSION_1_2 | (uint64_t)n->intms << 32;
    case R_INTMC: return n->intms | (uint64_t)n->cc << 32;
    case R_CSTS - 4: return (uint64_t)n->csts << 32;
    case R_AQA - 4: return (uint64_t)n->aqa << 32;
    case R_ASQ: return n->asq;
    case R_ACQ: return n->acq;
    default: return 0;
    }
}

uint64_t nvme_read(struct nvme *n, uint64_t off, unsigned size)
{
    const uint64_t val = reg64(n, off & ~UINT64_C(7));

    return size == 8 ? val : (uint32_t)(val >> 8 * (off & 4));
}

static void put_half(uint64_t *to, uint64_t off, uint32_t val)
{
    *to = off & 4 ? (uint32_t)*to | (uint64_t)val << 32 : (*to & ~UINT64_C(0xffffffff)) | val;
}

static void write32(struct nvme *n, uint64_t off, uint32_t val)
{
    switch (off) {
    case R_INTMS: n->intms |= val; break;
    case R_INTMC: n->intms &= ~val; break;
    case R_CC: write_cc(n, val); break;
    case R_AQA: n->aqa = val & 0x0fff0fff; break;
    case R_ASQ:
    case R_ASQ + 4: put_half(&n->asq, off, val); break;
    case R_ACQ:
    case R_ACQ + 4: put_half(&n->acq, off, val); break;
    default: break;
    }
}

void nvme_write(struct nvme *n, uint64_t off, uint64_t val, unsigned size)
{
    if (off >= R_BELLS) {
        ring(n, (unsigned)((off - R_BELLS) / 4), (uint32_t)val);
        nvme_work(n);
        return;
    }
    write32(n, off, (uint32_t)val);
    if (size == 8)
        write32(n, off + 4, (uint32_t)(val >> 32));
}

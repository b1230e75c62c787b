/*
 * scsi_disk.c - the commands of a SCSI disk: see scsi.h.
 *
 * Source: SPC-3 (T10/1416-D) for the primary commands, SBC-3 (T10/BSR INCITS 514) for those of disks; one row of
 * `rows` per command. Left out: protection information, persistent reservations (RESERVE and RELEASE answer, nothing is
 * reserved: there is one initiator), defect lists, formatting.
 * Invariants: see scsi.h.
 */
#include <string.h>

#include "devices/storage/scsi_int.h"

enum {
    F_MEDIUM = 0x01, /* needs one */
    F_WRITE = 0x02,
    F_QUIET = 0x04,        /* VERIFY: nothing moves */
    F_IN_ATTENTION = 0x08, /* also answers while unit attention waits */
};

struct row {
    uint8_t opcode, flags;
    enum scsi_next (*run)(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags);
};

const struct ssm_field scsi_unit_fields[] = {
    SSM_U8(struct scsi_unit, sense.key),     SSM_U8(struct scsi_unit, sense.asc),
    SSM_U8(struct scsi_unit, sense.ascq),    SSM_U8(struct scsi_unit, attention.key),
    SSM_U8(struct scsi_unit, attention.asc), SSM_U8(struct scsi_unit, attention.ascq),
    SSM_BOOL(struct scsi_unit, write_cache), SSM_BOOL(struct scsi_unit, locked),
    SSM_BOOL(struct scsi_unit, tray_open),   SSM_BOOL(struct scsi_unit, media_event),
    SSM_BOOL(struct scsi_unit, stopped),     SSM_END,
};

void scsi_unit_reset(struct scsi_unit *u)
{
    u->sense = (struct ata_sense){};
    u->attention = SCSI_RESET_HAPPENED;
    u->write_cache = true;
    u->locked = u->tray_open = u->media_event = u->stopped = false;
}

/* ---- how a command ends ---- */

enum scsi_next scsi_good(struct scsi_cmd *c)
{
    c->status = SCSI_GOOD;
    return SCSI_DONE;
}

enum scsi_next scsi_fail(struct scsi_unit *u, struct scsi_cmd *c, struct ata_sense sense)
{
    c->status = SCSI_CHECK_CONDITION;
    c->sense = sense;
    if (u)
        u->sense = sense;
    return SCSI_DONE;
}

enum scsi_next scsi_reply(struct scsi_cmd *c, uint32_t bytes, uint32_t limit_bytes)
{
    c->status = SCSI_GOOD;
    c->reply_bytes = bytes < limit_bytes ? bytes : limit_bytes; /* inv 2 */
    return SCSI_REPLY;
}

void scsi_sense(const struct ata_sense *s, uint8_t ret[SCSI_SENSE_BYTES])
{
    memset(ret, 0, SCSI_SENSE_BYTES);
    ret[0] = 0x70;
    ret[2] = s->key;
    ret[7] = SCSI_SENSE_BYTES - 8;
    ret[12] = s->asc;
    ret[13] = s->ascq;
}

unsigned scsi_cdb_bytes(uint8_t opcode)
{
    static const uint8_t by_group[8] = {6, 10, 10, 16, 16, 12, 16, 16};

    return by_group[opcode >> 5];
}

/* ---- reading and writing ---- */

/* Address and count where the command's group has them. */
static void get_range(const struct scsi_cmd *c, uint64_t *ret_lba, uint64_t *ret_count)
{
    const uint8_t *b = c->cdb;

    switch (scsi_cdb_bytes(b[0])) {
    case 6:
        *ret_lba = scsi_be32(b) & 0x1fffff;
        *ret_count = b[4] ? b[4] : 256;
        break;
    case 10:
        *ret_lba = scsi_be32(b + 2);
        *ret_count = scsi_be16(b + 7);
        break;
    case 12:
        *ret_lba = scsi_be32(b + 2);
        *ret_count = scsi_be32(b + 6);
        break;
    default:
        *ret_lba = scsi_be64(b + 2);
        *ret_count = scsi_be32(b + 10);
        break;
    }
}

static enum scsi_next transfer(struct scsi_unit *u, struct scsi_cmd *c, enum pdm_block_op op, uint64_t lba,
                               uint64_t count)
{
    if (lba > u->sectors || count > u->sectors - lba)
        return scsi_fail(u, c, SCSI_LBA_RANGE); /* inv 1 */
    if (count == 0)
        return scsi_good(c);
    c->op = op;
    c->offset_bytes = lba * SCSI_SECTOR_BYTES;
    c->bytes = count * SCSI_SECTOR_BYTES;
    return SCSI_TRANSFER;
}

/* SBC-3: bits 7-5 of byte 1 are protection information, bit 3 is FUA; 6-byte commands have an address there. */
static enum scsi_next cmd_transfer(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    const bool six = scsi_cdb_bytes(c->cdb[0]) == 6;
    uint64_t lba, count;

    if (!six && (c->cdb[1] & 0xe0))
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    get_range(c, &lba, &count);
    c->quiet = flags & F_QUIET;
    c->durable = (flags & F_WRITE) && (!u->write_cache || (!six && (c->cdb[1] & 0x08)));
    if ((flags & F_QUIET) && (c->cdb[1] & 0x06)) /* BYTCHK: compare with data */
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    return transfer(u, c, flags & F_WRITE ? PDM_BLOCK_WRITE : PDM_BLOCK_READ, lba, count);
}

static enum scsi_next cmd_flush(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    uint64_t lba, count;

    (void)flags;
    get_range(c, &lba, &count);
    if (lba > u->sectors || count > u->sectors - lba)
        return scsi_fail(u, c, SCSI_LBA_RANGE);
    c->op = PDM_BLOCK_FLUSH;
    c->bytes = 0;
    return SCSI_TRANSFER;
}

/* ---- giving back sectors ---- */

/* The next range of an UNMAP parameter list (SBC-3, 5.28). */
static enum scsi_next next_range(struct scsi_unit *u, struct scsi_cmd *c)
{
    while (c->range + 16 <= c->range_end) {
        const uint64_t lba = scsi_be64(c->params + c->range), count = scsi_be32(c->params + c->range + 8);

        c->range += 16;
        if (count)
            return transfer(u, c, PDM_BLOCK_DISCARD, lba, count);
    }
    return scsi_good(c);
}

static enum scsi_next cmd_unmap(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    const uint32_t bytes = scsi_be16(c->cdb + 7);

    (void)flags;
    if (!u->block->discard || (c->cdb[1] & 0x01))
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    if (bytes == 0)
        return scsi_good(c);
    if (bytes < 8 || bytes > SCSI_PARAMS_BYTES)
        return scsi_fail(u, c, SCSI_PARAM_LENGTH);
    c->params_bytes = bytes;
    return SCSI_PARAMS;
}

/* WRITE SAME with UNMAP discards; without, only zeros are written (that is what systems use it for). */
static enum scsi_next cmd_write_same(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)flags;
    if (c->cdb[1] & 0xe6)
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    if ((c->cdb[1] & 0x01) && c->cdb[0] == 0x93) { /* NDOB: no data, zeros */
        memset(c->params, 0, SCSI_SECTOR_BYTES);
        return scsi_disk_params(u, c, SCSI_SECTOR_BYTES);
    }
    c->params_bytes = SCSI_SECTOR_BYTES;
    return SCSI_PARAMS;
}

static enum scsi_next write_same(struct scsi_unit *u, struct scsi_cmd *c, uint32_t bytes)
{
    uint64_t lba, count;

    get_range(c, &lba, &count);
    if (bytes < SCSI_SECTOR_BYTES)
        return scsi_fail(u, c, SCSI_PARAM_LENGTH);
    for (unsigned i = 0; i < SCSI_SECTOR_BYTES; i++)
        if (c->params[i])
            return scsi_fail(u, c, SCSI_INVALID_FIELD);
    if (count == 0)
        count = lba < u->sectors ? u->sectors - lba : 0; /* to the end */
    c->zeros = true;
    c->durable = !u->write_cache;
    return transfer(u, c, PDM_BLOCK_WRITE, lba, count);
}

enum scsi_next scsi_disk_params(struct scsi_unit *u, struct scsi_cmd *c, uint32_t bytes)
{
    switch (c->cdb[0]) {
    case 0x15:
    case 0x55: return scsi_mode_params(u, c, bytes);
    case 0x42: {
        const uint32_t listed = bytes >= 8 ? scsi_be16(c->params + 2) : 0;

        if (bytes < 8)
            return scsi_fail(u, c, SCSI_PARAM_LENGTH);
        c->range = 8;
        c->range_end = 8 + (listed < bytes - 8 ? listed : bytes - 8);
        return next_range(u, c);
    }
    default: return write_same(u, c, bytes);
    }
}

enum scsi_next scsi_disk_moved(struct scsi_unit *u, struct scsi_cmd *c, int status, uint64_t lba)
{
    (void)lba;
    if (status)
        return scsi_fail(u, c, c->op == PDM_BLOCK_READ ? SCSI_READ_ERROR : SCSI_WRITE_ERROR);
    return c->op == PDM_BLOCK_DISCARD ? next_range(u, c) : scsi_good(c);
}

/* ---- the other commands ---- */

static enum scsi_next cmd_ok(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)u, (void)flags;
    return scsi_good(c);
}

static enum scsi_next cmd_request_sense(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    struct ata_sense s = u->sense;

    (void)flags;
    if (s.key == 0 && u->attention.key) {
        s = u->attention;
        u->attention = (struct ata_sense){};
    }
    u->sense = (struct ata_sense){};
    scsi_sense(&s, c->reply);
    return scsi_reply(c, SCSI_SENSE_BYTES, c->cdb[4]);
}

static enum scsi_next cmd_inquiry(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)flags;
    return scsi_inquiry(u, c);
}

static enum scsi_next cmd_mode_sense(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)flags;
    return scsi_mode_sense(u, c);
}

static enum scsi_next cmd_mode_select(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)flags;
    return scsi_mode_select(u, c);
}

static enum scsi_next cmd_capacity_10(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    const uint64_t last = u->sectors - 1;

    (void)flags;
    scsi_put32(c->reply, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
    scsi_put32(c->reply + 4, SCSI_SECTOR_BYTES);
    return scsi_reply(c, 8, 8);
}

/* SBC-3, 5.16: READ CAPACITY (16) is an action of SERVICE ACTION IN (16). */
static enum scsi_next cmd_service_in(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)flags;
    if ((c->cdb[1] & 0x1f) != 0x10)
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    scsi_put64(c->reply, u->sectors - 1);
    scsi_put32(c->reply + 8, SCSI_SECTOR_BYTES);
    if (u->block->discard)
        c->reply[14] = 0x80; /* LBPME: sectors can be given back; what they read then is not promised */
    return scsi_reply(c, 32, scsi_be32(c->cdb + 10));
}

static enum scsi_next cmd_start_stop(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)flags;
    u->stopped = !(c->cdb[4] & 0x01);
    if (!u->stopped)
        return scsi_good(c);
    c->op = PDM_BLOCK_FLUSH; /* SBC-3, 5.25: what is cached is written first */
    c->bytes = 0;
    return SCSI_TRANSFER;
}

static enum scsi_next report_luns(struct scsi_cmd *c, unsigned count)
{
    scsi_put32(c->reply, 8 * count);
    return scsi_reply(c, 8 + 8 * count, scsi_be32(c->cdb + 6));
}

static enum scsi_next cmd_report_luns(struct scsi_unit *u, struct scsi_cmd *c, unsigned flags)
{
    (void)u, (void)flags;
    return report_luns(c, 1);
}

enum scsi_next scsi_nobody(struct scsi_cmd *c)
{
    switch (c->cdb[0]) {
    case 0x12:
        memset(c->reply, 0, sizeof(c->reply));
        c->reply[0] = 0x7f; /* no such unit */
        c->reply[2] = 0x05;
        c->reply[3] = 0x02;
        c->reply[4] = 31;
        return scsi_reply(c, 36, scsi_be16(c->cdb + 3));
    case 0xa0: memset(c->reply, 0, sizeof(c->reply)); return report_luns(c, 1);
    default: return scsi_fail(NULL, c, (struct ata_sense){0x05, 0x25, 0x00});
    }
}

static const struct row rows[] = {
    {0x00, F_MEDIUM, cmd_ok}, /* TEST UNIT READY */
    {0x03, F_IN_ATTENTION, cmd_request_sense},
    {0x08, F_MEDIUM, cmd_transfer},
    {0x0a, F_MEDIUM | F_WRITE, cmd_transfer},
    {0x0b, F_MEDIUM, cmd_ok}, /* SEEK */
    {0x12, F_IN_ATTENTION, cmd_inquiry},
    {0x15, 0, cmd_mode_select},
    {0x16, 0, cmd_ok}, /* RESERVE */
    {0x17, 0, cmd_ok}, /* RELEASE */
    {0x1a, 0, cmd_mode_sense},
    {0x1b, F_MEDIUM, cmd_start_stop},
    {0x1d, 0, cmd_ok}, /* SEND DIAGNOSTIC: the self-test passed */
    {0x1e, 0, cmd_ok}, /* PREVENT ALLOW MEDIUM REMOVAL */
    {0x25, F_MEDIUM, cmd_capacity_10},
    {0x28, F_MEDIUM, cmd_transfer},
    {0x2a, F_MEDIUM | F_WRITE, cmd_transfer},
    {0x2b, F_MEDIUM, cmd_ok},                 /* SEEK */
    {0x2e, F_MEDIUM | F_WRITE, cmd_transfer}, /* WRITE AND VERIFY */
    {0x2f, F_MEDIUM | F_QUIET, cmd_transfer},
    {0x35, F_MEDIUM, cmd_flush},
    {0x41, F_MEDIUM | F_WRITE, cmd_write_same},
    {0x42, F_MEDIUM | F_WRITE, cmd_unmap},
    {0x55, 0, cmd_mode_select},
    {0x5a, 0, cmd_mode_sense},
    {0x88, F_MEDIUM, cmd_transfer},
    {0x8a, F_MEDIUM | F_WRITE, cmd_transfer},
    {0x8f, F_MEDIUM | F_QUIET, cmd_transfer},
    {0x91, F_MEDIUM, cmd_flush},
    {0x93, F_MEDIUM | F_WRITE, cmd_write_same},
    {0x9e, F_MEDIUM, cmd_service_in},
    {0xa0, F_IN_ATTENTION, cmd_report_luns},
    {0xa8, F_MEDIUM, cmd_transfer},
    {0xaa, F_MEDIUM | F_WRITE, cmd_transfer},
    {0xaf, F_MEDIUM | F_QUIET, cmd_transfer},
};

enum scsi_next scsi_disk_start(struct scsi_unit *u, struct scsi_cmd *c)
{
    const struct row *row = NULL;

    memset(c->reply, 0, sizeof(c->reply));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) && !row; i++)
        if (rows[i].opcode == c->cdb[0])
            row = &rows[i];
    if (!row)
        return scsi_fail(u, c, SCSI_INVALID_OPCODE);
    if (u->attention.key && !(row->flags & F_IN_ATTENTION)) {
        const struct ata_sense attention = u->attention;

        u->attention = (struct ata_sense){};
        return scsi_fail(u, c, attention);
    }
    if ((row->flags & F_MEDIUM) && (!u->block || !u->sectors))
        return scsi_fail(u, c, SCSI_NO_MEDIUM);
    if ((row->flags & F_WRITE) && u->block->read_only)
        return scsi_fail(u, c, SCSI_WRITE_PROTECT);
    return row->run(u, c, row->flags);
}

/*
 * i82078.c - the floppy disk controller's registers, phases and control commands.
 *
 * Source: Intel 82078 data sheet (order 290468), sections 2.1 (registers), 4 (phases), 5 and 6 (commands, status).
 * AT mode: SRA and SRB are not there, the interrupt and DREQ pins are gated by DOR bit 3.
 * Time: a step takes STEP_NS, a reset RESET_NS; data comes as fast as the medium answers. The disk turns whether the
 * motor bit is set or not.
 * Left out: SCAN, SAVE, RESTORE, OPTION, POWERDOWN MODE, RELATIVE SEEK, DRIVE SPECIFICATION (answered as invalid
 * commands, 80h, as on an 82077); gap lengths and write precompensation have no effect. In non-DMA mode the pin stays
 * up for the whole data phase.
 * Invariants: see i82078.h.
 */
#include "devices/storage/i82078_int.h"

#include <string.h>

#define STEP_NS      UINT64_C(1000000)
#define RESET_NS     UINT64_C(100000)
#define CONFIG_RESET 0x20 /* FIFO off, polling on */

const struct ssm_field fdc_drive_fields[] = {
    SSM_U8(struct fdc_drive, cylinder),
    SSM_BOOL(struct fdc_drive, changed),
    SSM_END,
};

const struct ssm_field i82078_fields[] = {
    SSM_STRUCTS(struct i82078, drive, fdc_drive_fields),
    SSM_U8(struct i82078, dor),
    SSM_U8(struct i82078, tdr),
    SSM_U8(struct i82078, rate),
    SSM_U8S(struct i82078, specify),
    SSM_U8(struct i82078, config),
    SSM_U8(struct i82078, pretrk),
    SSM_U8(struct i82078, perpendicular),
    SSM_U8(struct i82078, eot),
    SSM_BOOL(struct i82078, lock),
    SSM_U8(struct i82078, phase),
    SSM_U8S(struct i82078, fifo),
    SSM_U8(struct i82078, fifo_pos),
    SSM_U8(struct i82078, fifo_len),
    SSM_BOOL(struct i82078, pending),
    SSM_U8(struct i82078, sense_left),
    SSM_U8(struct i82078, seeking),
    SSM_U8(struct i82078, seek_done),
    SSM_U8S(struct i82078, seek_to),
    SSM_U8S(struct i82078, seek_st0),
    SSM_U64(struct i82078, event_ns),
    SSM_BOOL(struct i82078, resetting),
    SSM_U8(struct i82078, unit),
    SSM_U8(struct i82078, head),
    SSM_U8(struct i82078, sector),
    SSM_U8(struct i82078, st1),
    SSM_U8(struct i82078, st2),
    SSM_U32(struct i82078, buf_pos),
    SSM_U32(struct i82078, buf_len),
    SSM_U8(struct i82078, io.op),
    SSM_U8(struct i82078, io.drive),
    SSM_U64(struct i82078, io.offset_bytes),
    SSM_U32(struct i82078, io.bytes),
    SSM_U8S(struct i82078, buf),
    SSM_END,
};

bool i82078_check(const struct i82078 *c)
{
    return c->phase < FDC_PHASES && c->fifo_pos <= c->fifo_len && c->fifo_len <= FDC_FIFO_BYTES && /* inv 1 */
           c->buf_pos <= c->buf_len && c->buf_len <= FDC_BUF_BYTES &&                              /* inv 2 */
           (c->io.op != FDC_IO_NONE) == (c->phase == FDC_MEDIA) && c->io.op < FDC_IO_OPS &&        /* inv 3 */
           c->io.bytes <= FDC_BUF_BYTES && c->io.drive < FDC_DRIVES && c->unit < FDC_DRIVES && c->head <= 1 &&
           c->sense_left <= FDC_DRIVES && c->rate <= 3;
}

/* ---- media ---- */

/* The formats PCs use, by size; an image between two sizes is the larger format with its end missing. */
static struct fdc_format format_of(uint64_t size_bytes)
{
    enum { HD = 1 << 0, DD = 1 << 1 | 1 << 2, ED = 1 << 3 };
    static const struct fdc_format formats[] = {
        {40, 1, 8, DD},  {40, 1, 9, DD},  {40, 2, 8, DD},  {40, 2, 9, DD},  {80, 2, 9, DD},
        {80, 2, 15, HD}, {80, 2, 18, HD}, {80, 2, 21, HD}, {82, 2, 21, HD}, {80, 2, 36, ED},
    };

    for (unsigned i = 0; size_bytes && i < sizeof(formats) / sizeof(formats[0]); i++)
        if ((uint64_t)formats[i].cylinders * formats[i].heads * formats[i].sectors * FDC_SECTOR_BYTES >= size_bytes)
            return formats[i];
    return (struct fdc_format){};
}

void i82078_insert(struct i82078 *c, unsigned drive, uint64_t size_bytes, bool read_only, bool changed)
{
    struct fdc_drive *d = &c->drive[drive];

    d->size_bytes = size_bytes;
    d->format = format_of(size_bytes);
    d->read_only = read_only;
    d->changed |= changed;
}

/* ---- reset ---- */

static void to_command(struct i82078 *c)
{
    c->phase = FDC_COMMAND;
    c->fifo_pos = c->fifo_len = 0;
}

static void stop_all(struct i82078 *c)
{
    to_command(c);
    c->io = (struct fdc_io){.op = FDC_IO_NONE};
    c->buf_pos = c->buf_len = 0;
    c->pending = false;
    c->seeking = c->seek_done = 0;
    c->sense_left = 0;
    c->event_ns = FDC_NEVER;
    if (!c->lock) { /* 5.2.10: LOCK saves these over a software reset */
        c->config = CONFIG_RESET;
        c->pretrk = 0;
    }
    c->perpendicular &= 0x3c;
}

void i82078_reset(struct i82078 *c)
{
    c->lock = false;
    c->dor = c->tdr = 0;
    c->rate = 2;
    c->specify[0] = c->specify[1] = 0;
    c->perpendicular = c->eot = 0;
    c->resetting = false;
    c->unit = c->head = c->sector = c->st1 = c->st2 = 0;
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        c->drive[i].cylinder = 0;
        c->drive[i].changed = true;
    }
    stop_all(c);
}

static void start_reset(struct i82078 *c)
{
    stop_all(c);
    c->resetting = true;
    c->event_ns = c->now_ns + RESET_NS;
}

static void write_dor(struct i82078 *c, uint8_t val)
{
    bool was = c->dor & FDC_DOR_RUN;

    c->dor = val;
    if (!(val & FDC_DOR_RUN)) {
        stop_all(c);
        c->resetting = false;
    } else if (!was) {
        start_reset(c);
    }
}

/* ---- results ---- */

void fdc_result(struct i82078 *c, unsigned bytes, bool interrupt)
{
    c->phase = FDC_RESULT;
    c->fifo_pos = 0;
    c->fifo_len = (uint8_t)bytes;
    c->pending |= interrupt;
}

static void result_1(struct i82078 *c, uint8_t val)
{
    c->fifo[0] = val;
    fdc_result(c, 1, false);
}

/* ---- control commands ---- */

static void cmd_invalid(struct i82078 *c)
{
    result_1(c, ST0_INVALID);
}

static void cmd_specify(struct i82078 *c)
{
    memcpy(c->specify, c->fifo + 1, 2);
    to_command(c);
}

static void cmd_sense_drive(struct i82078 *c)
{
    const struct fdc_drive *d = &c->drive[c->fifo[1] & 3];

    result_1(c, (uint8_t)(0x28 | (c->fifo[1] & 7) | (d->read_only ? 0x40 : 0) |
                          (d->present && d->cylinder == 0 ? 0x10 : 0)));
}

/* 5.2.5: one call for each drive after a reset, one for each seek that ended; otherwise it is invalid. */
static void cmd_sense_interrupt(struct i82078 *c)
{
    unsigned unit = 0;

    if (c->sense_left) {
        unit = FDC_DRIVES - c->sense_left--;
        c->fifo[0] = (uint8_t)(ST0_READY_CHANGED | unit);
    } else if (c->seek_done) {
        while (!(c->seek_done & 1u << unit))
            unit++;
        c->seek_done &= (uint8_t) ~(1u << unit);
        c->fifo[0] = (uint8_t)(c->seek_st0[unit] | unit);
    } else {
        cmd_invalid(c);
        return;
    }
    c->pending = c->seek_done != 0;
    c->fifo[1] = c->drive[unit].cylinder;
    fdc_result(c, 2, false);
}

static void seek(struct i82078 *c, unsigned unit, uint8_t to, uint8_t st0, uint64_t steps)
{
    c->seeking |= (uint8_t)(1u << unit);
    c->seek_to[unit] = to;
    c->seek_st0[unit] = st0;
    c->event_ns = c->now_ns + STEP_NS * (steps + 1);
    to_command(c);
}

/* 5.2.4: an absent drive never shows track 0: equipment check. */
static void cmd_recalibrate(struct i82078 *c)
{
    unsigned unit = c->fifo[1] & 3;
    const struct fdc_drive *d = &c->drive[unit];

    if (d->present)
        seek(c, unit, 0, ST0_SEEK_END, d->cylinder);
    else
        seek(c, unit, 0, ST0_ABNORMAL | ST0_SEEK_END | ST0_CHECK, 79);
}

static void cmd_seek(struct i82078 *c)
{
    unsigned unit = c->fifo[1] & 3;
    uint8_t from = c->drive[unit].cylinder, to = c->fifo[2];

    seek(c, unit, to, (uint8_t)(ST0_SEEK_END | (c->fifo[1] & 4)), from < to ? to - from : from - to);
}

static void cmd_version(struct i82078 *c)
{
    result_1(c, 0x90);
}

static void cmd_part_id(struct i82078 *c)
{
    result_1(c, 0x01); /* 82078, 44-pin part */
}

static void cmd_dump(struct i82078 *c)
{
    uint8_t *f = c->fifo;

    for (unsigned i = 0; i < FDC_DRIVES; i++)
        f[i] = c->drive[i].cylinder;
    f[4] = c->specify[0];
    f[5] = c->specify[1];
    f[6] = c->eot;
    f[7] = (uint8_t)((c->lock ? 0x80 : 0) | (c->perpendicular & 0x3f));
    f[8] = c->config;
    f[9] = c->pretrk;
    fdc_result(c, 10, false);
}

static void cmd_configure(struct i82078 *c)
{
    c->config = c->fifo[2] & 0x7f;
    c->pretrk = c->fifo[3];
    to_command(c);
}

static void cmd_perpendicular(struct i82078 *c)
{
    uint8_t keep = c->fifo[1] & 0x80 ? 0 : 0x3c; /* OW: may the drive bits change? */

    c->perpendicular = (uint8_t)((c->perpendicular & keep) | (c->fifo[1] & 0x3f & ~keep));
    to_command(c);
}

static void cmd_lock(struct i82078 *c)
{
    c->lock = c->fifo[0] & 0x80;
    result_1(c, c->lock ? 0x10 : 0x00);
}

/* Command codes under their mask, and the bytes each takes including the code (data sheet, table 5-1). */
static const struct command {
    uint8_t mask, code, bytes;
    void (*run)(struct i82078 *c);
} commands[] = {
    {0x1f, 0x06, 9, fdc_read_data},    {0x3f, 0x05, 9, fdc_write_data},
    {0x1f, 0x0c, 9, fdc_read_deleted}, {0x3f, 0x09, 9, fdc_write_data}, /* deleted marks cannot be kept in an image */
    {0x9f, 0x02, 9, fdc_read_track},   {0x1f, 0x16, 9, fdc_verify},
    {0xbf, 0x0d, 6, fdc_format_track}, {0xbf, 0x0a, 2, fdc_read_id},
    {0xff, 0x03, 3, cmd_specify},      {0xff, 0x04, 2, cmd_sense_drive},
    {0xff, 0x07, 2, cmd_recalibrate},  {0xff, 0x08, 1, cmd_sense_interrupt},
    {0xff, 0x0e, 1, cmd_dump},         {0xff, 0x0f, 3, cmd_seek},
    {0xff, 0x10, 1, cmd_version},      {0xff, 0x12, 2, cmd_perpendicular},
    {0xff, 0x13, 4, cmd_configure},    {0x7f, 0x14, 1, cmd_lock},
    {0xff, 0x18, 1, cmd_part_id},      {0x00, 0x00, 1, cmd_invalid}, /* everything else */
};

static const struct command *find_command(uint8_t code)
{
    const struct command *row = commands;

    while ((code & row->mask) != row->code)
        row++;
    return row;
}

/* ---- registers ---- */

static uint8_t main_status(const struct i82078 *c)
{
    bool pio = c->specify[1] & 0x01;

    if (!(c->dor & FDC_DOR_RUN) || c->resetting)
        return 0;
    switch (c->phase) {
    case FDC_COMMAND: return (uint8_t)(FDC_RQM | (c->fifo_pos ? FDC_BUSY : 0) | c->seeking);
    case FDC_RESULT: return FDC_RQM | FDC_DIO | FDC_BUSY;
    case FDC_DATA_IN: return pio ? FDC_RQM | FDC_DIO | FDC_NONDMA | FDC_BUSY : FDC_BUSY;
    case FDC_DATA_OUT: return pio ? FDC_RQM | FDC_NONDMA | FDC_BUSY : FDC_BUSY;
    default: return FDC_BUSY;
    }
}

static uint8_t read_fifo(struct i82078 *c)
{
    uint8_t val = 0;

    if (c->phase == FDC_RESULT && c->fifo_pos < c->fifo_len) {
        c->pending = c->seek_done != 0; /* 4.3: reading the result takes the interrupt back */
        val = c->fifo[c->fifo_pos++];
        if (c->fifo_pos == c->fifo_len)
            to_command(c);
    } else if (c->phase == FDC_DATA_IN && (c->specify[1] & 0x01) && c->buf_pos < c->buf_len) {
        val = c->buf[c->buf_pos++];
        if (c->buf_pos == c->buf_len)
            fdc_buffer_done(c);
    }
    return val;
}

static void write_fifo(struct i82078 *c, uint8_t val)
{
    if (c->phase == FDC_DATA_OUT && (c->specify[1] & 0x01) && c->buf_pos < c->buf_len) {
        c->buf[c->buf_pos++] = val;
        if (c->buf_pos == c->buf_len)
            fdc_buffer_done(c);
        return;
    }
    if (c->phase != FDC_COMMAND || c->resetting || !(c->dor & FDC_DOR_RUN))
        return;
    if (c->fifo_pos == 0)
        c->fifo_len = find_command(val)->bytes;
    if (c->fifo_pos >= c->fifo_len || c->fifo_pos >= FDC_FIFO_BYTES) /* inv 1 */
        return;
    c->fifo[c->fifo_pos++] = val;
    if (c->fifo_pos == c->fifo_len)
        find_command(c->fifo[0])->run(c);
}

uint8_t i82078_read(struct i82078 *c, enum fdc_reg reg)
{
    switch (reg) {
    case FDC_DOR: return c->dor;
    case FDC_TDR: return c->tdr | 0xfc;
    case FDC_MSR: return main_status(c);
    case FDC_FIFO: return read_fifo(c);
    case FDC_DIR: return c->drive[c->dor & 3].present && c->drive[c->dor & 3].changed ? 0xff : 0x7f;
    default: return 0xff;
    }
}

void i82078_write(struct i82078 *c, enum fdc_reg reg, uint8_t val, uint64_t now_ns)
{
    c->now_ns = now_ns;
    switch (reg) {
    case FDC_DOR: write_dor(c, val); break;
    case FDC_TDR: c->tdr = val & 0x03; break;
    case FDC_MSR: /* data rate select register */
        c->rate = val & 0x03;
        if (val & 0x80)
            start_reset(c);
        break;
    case FDC_FIFO: write_fifo(c, val); break;
    case FDC_DIR: c->rate = val & 0x03; break; /* configuration control register */
    default: break;
    }
}

/* ---- outputs and time ---- */

bool i82078_pin(const struct i82078 *c)
{
    bool pio = c->specify[1] & 0x01 && (c->phase == FDC_DATA_IN || c->phase == FDC_DATA_OUT);

    return (c->dor & FDC_DOR_GATE) && (c->pending || pio);
}

bool i82078_dreq(const struct i82078 *c)
{
    return (c->dor & FDC_DOR_GATE) && !(c->specify[1] & 0x01) && (c->phase == FDC_DATA_IN || c->phase == FDC_DATA_OUT);
}

uint64_t i82078_next_ns(const struct i82078 *c)
{
    return c->event_ns;
}

static void end_seek(struct i82078 *c, unsigned unit)
{
    struct fdc_drive *d = &c->drive[unit];

    if (d->present && d->format.cylinders && d->cylinder != c->seek_to[unit])
        d->changed = false; /* a step pulse with a disk in clears DSKCHG */
    else if (d->present && d->format.cylinders && c->seek_to[unit] == 0)
        d->changed = false; /* RECALIBRATE at track 0 steps out and in again on the drives PCs have */
    d->cylinder = c->seek_to[unit];
    c->seek_done |= (uint8_t)(1u << unit);
}

void i82078_expire(struct i82078 *c, uint64_t now_ns)
{
    if (now_ns < c->event_ns)
        return;
    c->event_ns = FDC_NEVER;
    if (c->resetting) {
        c->resetting = false;
        if (!(c->config & 0x10)) { /* drive polling: the ready lines "changed" */
            c->sense_left = FDC_DRIVES;
            c->pending = true;
        }
        return;
    }
    for (unsigned i = 0; i < FDC_DRIVES; i++)
        if (c->seeking & 1u << i)
            end_seek(c, i);
    c->seeking = 0;
    c->pending |= c->seek_done != 0;
}

uint32_t i82078_dma(struct i82078 *c, uint8_t **ret)
{
    *ret = c->buf + c->buf_pos;
    return i82078_dreq(c) ? c->buf_len - c->buf_pos : 0;
}

/*
 * scsi_bus.c - tasks of SCSI units: see scsi_bus.h. DVD drives are in scsi_cd.c.
 */
#include "devices/storage/scsi_bus_int.h"

#include <string.h>

/* ---- tasks ---- */

struct scsi_task *scsi_task_get(struct scsi_bus *bus)
{
    struct disk_io *io = disk_io_get(&bus->pool);

    for (unsigned i = 0; io && i < SCSI_TASKS; i++) {
        struct scsi_task *t = &bus->task[i];

        if (t->used)
            continue;
        memset(t, 0, offsetof(struct scsi_task, cmd));
        memset(&t->cmd, 0, offsetof(struct scsi_cmd, reply));
        t->cmd.reply_bytes = t->cmd.params_bytes = 0;
        t->cmd.durable = t->cmd.quiet = t->cmd.zeros = false;
        t->cmd.range = t->cmd.range_end = 0;
        t->moved = 0;
        t->overrun = t->parked = t->nobody = false;
        t->next = NULL;
        t->io = io;
        t->used = true;
        return t;
    }
    return NULL; /* there are as many tasks as transfers, so there was no transfer */
}

void scsi_task_put(struct scsi_bus *bus, struct scsi_task *t)
{
    if (t->io)
        disk_io_put(&bus->pool, t->io);
    t->used = false;
}

void scsi_task_end(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t)
{
    bus->done(dev, t); /* inv 1 */
    scsi_task_put(bus, t);
}

static void carry_on(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t, enum scsi_next next);

/* A transfer's end. Its disk_io goes back by itself, so the task has none from here on. */
static void moved(struct pdm_dev *dev, struct disk_io *io, int status)
{
    struct scsi_task *t = io->user;
    struct scsi_bus *bus = t->bus;
    struct scsi_cmd *c = &t->cmd;

    if (c->op == PDM_BLOCK_READ && !c->quiet)
        t->moved = io->moved;
    else if (c->op == PDM_BLOCK_WRITE && !c->zeros)
        t->moved = io->moved;
    t->io = NULL;
    t->parked = status == DISK_PARKED;
    t->overrun = status == DISK_SHORT;
    if (t->parked || t->overrun) {
        scsi_task_end(dev, bus, t);
        return;
    }
    carry_on(dev, bus, t, scsi_disk_moved(&bus->unit[t->unit], c, status, io->offset_bytes + io->moved));
}

/* The next range of an UNMAP needs a transfer of its own: the last one is given back only after this. */
static bool need_io(struct scsi_bus *bus, struct scsi_task *t)
{
    if (!t->io)
        t->io = disk_io_get(&bus->pool);
    return t->io != NULL;
}

static void transfer(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t)
{
    struct scsi_cmd *c = &t->cmd;
    const bool read = c->op == PDM_BLOCK_READ && !c->quiet, write = c->op == PDM_BLOCK_WRITE && !c->zeros;
    struct disk_io *io;
    int status;

    if ((read || write) && (c->bytes > t->data_bytes || read != t->to_guest)) {
        t->overrun = true;
        scsi_task_end(dev, bus, t);
        return;
    }
    if (!need_io(bus, t)) { /* suspended, or all are in use: the command is run anew */
        t->parked = true;
        scsi_task_end(dev, bus, t);
        return;
    }
    io = t->io;
    io->op = c->op;
    io->offset_bytes = c->offset_bytes;
    io->bytes = c->bytes;
    io->durable = c->durable;
    io->quiet = c->quiet;
    io->zeros = c->zeros;
    io->unit = t->unit;
    io->user = t;
    io->done = moved;
    status = disk_io_start(dev, &bus->pool, io, bus->unit[t->unit].block);
    if (status)
        moved(dev, io, status); /* its fields stay until it is taken again */
}

static void reply(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t)
{
    const uint32_t n = (uint32_t)MIN(t->cmd.reply_bytes, t->data_bytes);

    if (t->to_guest)
        t->moved = disk_io_move(dev, t->io, t->cmd.reply, n, true);
    t->overrun = t->moved < t->cmd.reply_bytes;
    scsi_task_end(dev, bus, t);
}

static enum scsi_next parameters(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t)
{
    const uint32_t n = (uint32_t)MIN(t->cmd.params_bytes, t->data_bytes);

    t->moved = t->to_guest ? 0 : disk_io_move(dev, t->io, t->cmd.params, n, false);
    return scsi_disk_params(&bus->unit[t->unit], &t->cmd, (uint32_t)t->moved);
}

static void carry_on(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t, enum scsi_next next)
{
    if (next == SCSI_PARAMS)
        next = parameters(dev, bus, t);
    switch (next) {
    case SCSI_TRANSFER: transfer(dev, bus, t); break;
    case SCSI_REPLY: reply(dev, bus, t); break;
    default: scsi_task_end(dev, bus, t); break;
    }
}

void scsi_task_run(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t)
{
    struct scsi_unit *u = t->unit < bus->units ? &bus->unit[t->unit] : NULL;

    t->bus = bus;
    t->io->unit = t->unit;
    if (!u || u->kind == SCSI_NONE) {
        t->nobody = true;
        t->cmd.status = SCSI_CHECK_CONDITION;
        scsi_task_end(dev, bus, t);
    } else if (t->lun || (u->kind == SCSI_CD && t->cmd.cdb[0] == 0xa0)) {
        carry_on(dev, bus, t, scsi_nobody(&t->cmd));
    } else if (u->kind == SCSI_CD) {
        scsi_cd_run(dev, bus, t);
    } else {
        carry_on(dev, bus, t, scsi_disk_start(u, &t->cmd));
    }
}

void scsi_task_drop(struct scsi_bus *bus, struct scsi_task *t)
{
    if (t->unit < bus->units && bus->unit[t->unit].cd)
        scsi_cd_drop(bus, t);
    if (t->io && t->io->started)
        t->io->dropped = true; /* it gives itself back */
    else if (t->io)
        disk_io_put(&bus->pool, t->io);
    t->used = false;
}

void scsi_bus_drop(struct scsi_bus *bus, unsigned unit)
{
    for (unsigned i = 0; i < SCSI_TASKS; i++)
        if (bus->task[i].used && (unit == DISK_ALL || bus->task[i].unit == unit))
            scsi_task_drop(bus, &bus->task[i]);
}

/* ---- units ---- */

static void identify(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit)
{
    struct scsi_unit *u = &bus->unit[unit];
    const struct pdm_block *b = pdm_lun_block(dev, unit);

    if (b && *b->serial)
        g_strlcpy(u->serial, b->serial, sizeof(u->serial));
    else
        g_snprintf(u->serial, sizeof(u->serial), "VB00000000-%08x", unit + 1);
    g_strlcpy(u->product, u->kind == SCSI_CD ? "CD-ROM" : "HARDDISK", sizeof(u->product));
    u->wwn[0] = 0x50; /* NAA 5; the rest tells the disks of a machine apart */
    for (unsigned i = 0; i < 7; i++)
        u->wwn[1 + i] = (uint8_t)(g_str_hash(u->serial) >> (i % 4) * 8);
    u->wwn[7] = (uint8_t)unit;
}

static void connect(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit, bool changed)
{
    struct scsi_unit *u = &bus->unit[unit];
    struct pdm_block *b = pdm_lun_block(dev, unit);

    u->block = b;
    if (u->kind == SCSI_DISK)
        u->sectors = b ? b->size_bytes / SCSI_SECTOR_BYTES : 0;
    else if (u->kind == SCSI_CD)
        scsi_cd_connect(bus, unit, changed);
}

enum scsi_change scsi_bus_media_changed(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit)
{
    struct scsi_unit *u = unit < bus->units ? &bus->unit[unit] : NULL;

    if (!u || (u->kind == SCSI_NONE && !u->hotplug))
        return SCSI_SAME;
    if (u->kind == SCSI_CD) {
        connect(dev, bus, unit, true);
        return SCSI_OTHER_MEDIUM;
    }
    scsi_bus_drop(bus, unit);
    if (!u->hotplug) {
        u->block = pdm_lun_block(dev, unit); /* without a driver the disk's commands fail */
        return SCSI_SAME;
    }
    u->kind = pdm_lun_block(dev, unit) ? SCSI_DISK : SCSI_NONE;
    scsi_unit_reset(u);
    identify(dev, bus, unit);
    connect(dev, bus, unit, false);
    return u->kind == SCSI_DISK ? SCSI_CAME : SCSI_WENT;
}

static bool add_unit(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit, char letter, GError **error)
{
    struct scsi_unit *u = &bus->unit[unit];
    const bool there = pdm_lun_block(dev, unit) != NULL;

    if (!strchr("HhD-", letter) || (letter == 'H' && !there)) {
        g_set_error(error, PDM_ERROR, 0, "Drives: port %u is '%c'%s", unit, letter,
                    letter == 'H' ? ", a hard disk, but no medium is attached" : "; it can be H, h, D or -");
        return false;
    }
    u->hotplug = letter == 'h';
    u->kind = letter == 'D' ? SCSI_CD : letter != '-' && there ? SCSI_DISK : SCSI_NONE;
    if (u->kind == SCSI_CD)
        scsi_cd_new(bus, unit);
    identify(dev, bus, unit);
    return true;
}

bool scsi_bus_init(struct pdm_dev *dev, struct scsi_bus *bus, unsigned units, const char *letters,
                   const struct scsi_bus_ops *ops, GError **error)
{
    const size_t n = strlen(letters);

    bus->units = units;
    bus->done = ops->done;
    bus->drive = scsi_cd_drives(units);
    bus->task = g_new0(struct scsi_task, SCSI_TASKS);
    disk_pool_init(dev, &bus->pool, SCSI_TASKS, ops->pump);
    if (n > units) {
        g_set_error(error, PDM_ERROR, 0, "Drives names %zu ports, there are %u", n, units);
        return false;
    }
    for (unsigned i = 0; i < units; i++) {
        const struct pdm_block *b = pdm_lun_block(dev, i);
        const char found = !b ? '-' : b->sector_bytes == ATA_CD_BYTES ? 'D' : 'H';

        if (!add_unit(dev, bus, i, n == 0 ? found : i < n ? letters[i] : '-', error))
            return false;
    }
    return true;
}

void scsi_bus_fini(struct scsi_bus *bus)
{
    scsi_cd_free(bus);
    disk_pool_fini(&bus->pool);
    g_clear_pointer(&bus->task, g_free);
}

void scsi_bus_reset(struct pdm_dev *dev, struct scsi_bus *bus)
{
    scsi_bus_drop(bus, DISK_ALL);
    for (unsigned i = 0; i < bus->units; i++) {
        scsi_unit_reset(&bus->unit[i]);
        scsi_cd_reset(bus, i);
        connect(dev, bus, i, false);
    }
}

void scsi_bus_suspend(struct scsi_bus *bus)
{
    disk_pool_suspend(&bus->pool);
}

void scsi_bus_resume(struct scsi_bus *bus)
{
    disk_pool_resume(&bus->pool);
}

bool scsi_bus_busy(const struct scsi_bus *bus)
{
    return disk_pool_busy(&bus->pool) || scsi_cd_busy(bus);
}

void scsi_bus_loaded(struct scsi_bus *bus)
{
    scsi_bus_drop(bus, DISK_ALL);
    for (unsigned i = 0; i < bus->units; i++)
        scsi_cd_loaded(bus, i);
}

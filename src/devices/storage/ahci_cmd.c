/*
 * ahci_cmd.c - command lists and FISes of an AHCI port: see ahci.h.
 *
 * Source: AHCI 1.3.1: 4.2 (command list, command table, PRDs), 4.2.1 (received FISes), 5.3 (port state machine),
 * 6.2.2 (errors); Serial ATA 2.6, 10.3 (FISes), 13.6 (queued commands).
 * A command's header and FIS are read when it starts, a queued one's again when its data moves; each is checked where
 * it is used. Queued commands go to the owner as they are, all others to the drive one after the other. Invariants: see
 * ahci.h. Invariant 4: one call of ahci_run() starts each slot at most once.
 */
#include "devices/storage/ahci_int.h"

#include <string.h>

#define HEADER_BYTES  32u
#define CFIS_BYTES    20u
#define PRDT_OFF      0x80u
#define ACMD_OFF      0x40u
#define PACKET_BYTES  12u
#define RX_PIO_OFF    0x20u
#define RX_D2H_OFF    0x40u
#define RX_SDB_OFF    0x58u
#define FIS_INTERRUPT 0x40u

enum { FIS_H2D = 0x27, FIS_D2H = 0x34, FIS_PIO = 0x5f, FIS_SDB = 0xa1 };
enum { ATA_READ_FPDMA = 0x60, ATA_WRITE_FPDMA = 0x61 };

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const uint8_t *p)
{
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* ---- what the guest receives ---- */

static void receive_fis(const struct ahci_port *p, const struct ahci_memory *mem, unsigned off, const uint8_t *fis,
                        size_t bytes)
{
    if (p->cmd & CMD_FRE)
        mem->write(mem->ctx, p->fb + off, fis, bytes);
}

/* The drive's registers as D2H and PIO Setup FISes have them. */
static void put_registers(const struct ata *d, uint8_t *fis, uint8_t type, bool interrupt)
{
    memset(fis, 0, 20);
    fis[0] = type;
    fis[1] = interrupt ? FIS_INTERRUPT : 0;
    fis[2] = d->status;
    fis[3] = d->error;
    fis[4] = d->lba_low[0];
    fis[5] = d->lba_mid[0];
    fis[6] = d->lba_high[0];
    fis[7] = d->device;
    fis[8] = d->lba_low[1];
    fis[9] = d->lba_mid[1];
    fis[10] = d->lba_high[1];
    fis[12] = d->count[0];
    fis[13] = d->count[1];
}

static void send_d2h(struct ahci_port *p, const struct ahci_memory *mem, bool interrupt)
{
    uint8_t fis[20];

    put_registers(&p->drive, fis, FIS_D2H, interrupt);
    receive_fis(p, mem, RX_D2H_OFF, fis, sizeof(fis));
}

static void send_pio_setup(struct ahci *a, unsigned port, const struct ahci_memory *mem, uint32_t bytes, bool in)
{
    struct ahci_port *p = &a->port[port];
    uint8_t fis[20];

    put_registers(&p->drive, fis, FIS_PIO, true);
    fis[1] = (uint8_t)(fis[1] | (in ? 0x20 : 0));
    fis[2] |= ATA_DRQ;
    fis[15] = p->drive.status; /* as it is after the data */
    fis[16] = (uint8_t)bytes;
    fis[17] = (uint8_t)(bytes >> 8);
    receive_fis(p, mem, RX_PIO_OFF, fis, sizeof(fis));
    ahci_event(a, port, IS_PS);
}

static void send_sdb(struct ahci *a, unsigned port, const struct ahci_memory *mem, uint32_t done)
{
    struct ahci_port *p = &a->port[port];
    uint8_t fis[8] = {FIS_SDB, FIS_INTERRUPT, p->drive.status & 0x77, p->drive.error};

    for (unsigned i = 0; i < 4; i++)
        fis[4 + i] = (uint8_t)(done >> 8 * i);
    receive_fis(p, mem, RX_SDB_OFF, fis, sizeof(fis));
    ahci_follow(p);
    ahci_event(a, port, IS_SDB);
}

/* ---- data ---- */

unsigned ahci_prds(const struct ahci_memory *mem, uint64_t prd_gpa, unsigned first, unsigned count,
                   struct ahci_prd *ret)
{
    uint8_t prd[16];

    for (unsigned i = 0; i < count; i++) {
        mem->read(mem->ctx, prd_gpa + 16 * (uint64_t)(first + i), prd, sizeof(prd));
        ret[i].gpa = le64(prd) & ~UINT64_C(1);
        ret[i].bytes = (le32(prd + 12) & 0x3fffff) + 1;
    }
    return count;
}

/* Moves @bytes between the drive's buffer and the table's memory; returns how many the table had room for. */
static uint32_t table_move(struct ahci_port *p, const struct ahci_memory *mem, uint8_t *buf, uint32_t bytes,
                           bool to_memory)
{
    uint32_t done = 0;

    while (done < bytes && p->prd < p->prds) {
        struct ahci_prd prd;
        uint32_t n;

        ahci_prds(mem, p->table_gpa + PRDT_OFF, p->prd, 1, &prd);
        if (p->prd_off >= prd.bytes) {
            p->prd++;
            p->prd_off = 0;
            continue;
        }
        n = prd.bytes - p->prd_off < bytes - done ? prd.bytes - p->prd_off : bytes - done;
        if (to_memory)
            mem->write(mem->ctx, prd.gpa + p->prd_off, buf + done, n);
        else
            mem->read(mem->ctx, prd.gpa + p->prd_off, buf + done, n);
        p->prd_off += n;
        done += n;
    }
    p->moved += done;
    return done;
}

/* The table is too short (6.2.2.2): the port stops, the drive waits for a reset. */
static void overflow(struct ahci *a, unsigned port)
{
    a->port[port].stopped = true;
    ahci_event(a, port, IS_OF);
}

static void move_dma(struct ahci *a, unsigned port, const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];
    uint8_t *buf = NULL;
    bool to_host = false;
    uint32_t want = ata_dma_want(&p->drive, &buf, &to_host);

    if (table_move(p, mem, buf, want, to_host) < want)
        overflow(a, port);
    else
        ata_dma_moved(&p->drive, want);
}

/* One DRQ block, in pieces. */
static void move_pio(struct ahci *a, unsigned port, const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];
    struct ata *d = &p->drive;
    const bool in = d->phase == ATA_DRQ_IN;
    uint32_t left = d->drq_end - d->buf_pos, all = left;

    d->intrq = false;
    while (left) {
        uint8_t piece[ATA_SECTOR_BYTES];
        uint32_t n = left < sizeof(piece) ? left : (uint32_t)sizeof(piece);

        if (in)
            memcpy(piece, d->buf + d->buf_pos, n);
        if (table_move(p, mem, piece, n, in) < n) {
            overflow(a, port);
            return;
        }
        if (in)
            ata_data_in(d, piece, n);
        else
            ata_data_out(d, piece, n);
        left -= n;
    }
    send_pio_setup(a, port, mem, all, in);
}

static void send_packet(struct ahci_port *p, const struct ahci_memory *mem)
{
    uint8_t packet[PACKET_BYTES];

    mem->read(mem->ctx, p->table_gpa + ACMD_OFF, packet, sizeof(packet));
    ata_data_out(&p->drive, packet, sizeof(packet));
}

/* ---- the command with the drive ---- */

/* 5.3.8.1: a PIO-in command has ended with its last block, all others with a D2H FIS. */
static void finish(struct ahci *a, unsigned port, const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];
    const bool failed = p->drive.status & ATA_ERR;
    const bool quiet = !p->drive.intrq;
    uint8_t count[4];

    for (unsigned i = 0; i < sizeof(count); i++)
        count[i] = (uint8_t)(p->moved >> 8 * i);
    mem->write(mem->ctx, p->clb + HEADER_BYTES * p->slot + 4, count, sizeof(count));
    p->busy = false;
    p->drive.intrq = false;
    ahci_follow(p);
    if (!failed)
        p->ci &= ~(1u << p->slot);
    p->stopped |= failed; /* inv 3 */
    if (quiet && !failed)
        return;
    send_d2h(p, mem, true);
    ahci_event(a, port, IS_DHR | (failed ? (uint32_t)IS_TFE : 0));
}

/* As far as the drive comes without its medium. A buffer has 128 blocks at most, and few buffers come without it. */
static void work(struct ahci *a, unsigned port, const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];

    for (unsigned i = 0; i < 2 * ATA_BUF_BYTES / ATA_SECTOR_BYTES && p->busy && !p->stopped; i++) {
        switch (p->drive.phase) {
        case ATA_IDLE: finish(a, port, mem); return;
        case ATA_PACKET: send_packet(p, mem); break;
        case ATA_DMA_IN:
        case ATA_DMA_OUT: move_dma(a, port, mem); break;
        case ATA_DRQ_IN:
        case ATA_DRQ_OUT: move_pio(a, port, mem); break;
        default: ahci_follow(p); return;
        }
    }
}

static void load_registers(struct ata *d, const uint8_t *fis)
{
    d->feature[0] = fis[3];
    d->lba_low[0] = fis[4];
    d->lba_mid[0] = fis[5];
    d->lba_high[0] = fis[6];
    d->device = fis[7] & (ATA_LBA | 0x0f);
    d->lba_low[1] = fis[8];
    d->lba_mid[1] = fis[9];
    d->lba_high[1] = fis[10];
    d->feature[1] = fis[11];
    d->count[0] = fis[12];
    d->count[1] = fis[13];
}

/* A FIS without a command: software reset (10.4.1). */
static void control(struct ahci_port *p, const struct ahci_memory *mem, uint8_t val)
{
    const bool was = p->drive.control & ATA_SRST;

    ata_write_control(&p->drive, val);
    ahci_follow(p);
    p->tfd &= ~(uint32_t)ATA_BSY; /* the header's C bit: BSY is clear when the FIS was taken */
    if (was && !(val & ATA_SRST))
        send_d2h(p, mem, false);
}

static bool is_queued(const struct ahci_port *p, const uint8_t *fis)
{
    return p->drive.id.kind == ATA_KIND_DISK && (fis[2] == ATA_READ_FPDMA || fis[2] == ATA_WRITE_FPDMA);
}

static void start(struct ahci *a, unsigned port, unsigned slot, const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];
    uint8_t header[HEADER_BYTES], fis[CFIS_BYTES];

    mem->read(mem->ctx, p->clb + HEADER_BYTES * slot, header, sizeof(header));
    p->slot = (uint8_t)slot;
    p->table_gpa = le64(header + 8) & ~UINT64_C(0x7f);
    p->prds = (uint16_t)(header[2] | header[3] << 8);
    p->prd = 0;
    p->prd_off = p->moved = 0;
    mem->read(mem->ctx, p->table_gpa, fis, sizeof(fis));
    if (fis[0] != FIS_H2D || !(fis[1] & 0x80)) {
        p->ci &= ~(1u << slot);
        if (fis[0] == FIS_H2D)
            control(p, mem, fis[15]);
        return;
    }
    if (is_queued(p, fis)) {
        p->ci &= ~(1u << slot);
        p->sact |= 1u << slot;
        p->queued |= 1u << slot; /* inv 2 */
        ahci_follow(p);
        return;
    }
    load_registers(&p->drive, fis);
    p->busy = true; /* inv 1 */
    p->drive.intrq = false;
    ata_write(&p->drive, ATA_COMMAND, fis[2]);
    ahci_follow(p);
}

void ahci_run(struct ahci *a, unsigned port, const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];
    uint32_t todo = p->ci;

    if (p->fis_due && (p->cmd & CMD_FRE)) {
        p->fis_due = false;
        send_d2h(p, mem, false);
    }
    if (!ahci_present(p) || !(p->cmd & CMD_ST))
        return;
    work(a, port, mem);
    for (unsigned i = 1; i <= AHCI_SLOTS && !p->busy && !p->stopped; i++) { /* inv 4 */
        const unsigned slot = (p->slot + 1u) % AHCI_SLOTS;

        p->slot = (uint8_t)slot;
        if (!(todo & p->ci & 1u << slot))
            continue;
        start(a, port, slot, mem);
        work(a, port, mem);
    }
}

/* ---- queued commands ---- */

static void queued_failed(struct ahci *a, unsigned port, unsigned slot, uint8_t error, uint64_t lba,
                          const struct ahci_memory *mem)
{
    struct ata *d = &a->port[port].drive;

    d->failed_tag = (uint8_t)slot;
    d->failed_error = error;
    d->failed_lba = lba;
    d->status = ATA_DRDY | ATA_DSC | ATA_ERR;
    d->error = error;
    a->port[port].stopped = true;
    send_sdb(a, port, mem, 0);
    ahci_event(a, port, IS_TFE);
}

/* Reads the command again: what the guest changed since only harms itself. False = not one that can be done. */
static bool fetch_queued(const struct ahci_port *p, unsigned slot, const struct ahci_memory *mem,
                         struct ahci_queued *ret, uint64_t *ret_lba)
{
    uint8_t header[HEADER_BYTES], fis[CFIS_BYTES];
    uint64_t table_gpa, sectors;

    mem->read(mem->ctx, p->clb + HEADER_BYTES * slot, header, sizeof(header));
    table_gpa = le64(header + 8) & ~UINT64_C(0x7f);
    mem->read(mem->ctx, table_gpa, fis, sizeof(fis));
    sectors = (uint64_t)fis[11] << 8 | fis[3];
    sectors = sectors ? sectors : 65536;
    *ret_lba = le32(fis + 4) & 0xffffff;
    *ret_lba |= (uint64_t)fis[8] << 24 | (uint64_t)fis[9] << 32 | (uint64_t)fis[10] << 40;
    *ret = (struct ahci_queued){.slot = slot,
                                .op = fis[2] == ATA_WRITE_FPDMA ? ATA_IO_WRITE : ATA_IO_READ,
                                .durable = fis[2] == ATA_WRITE_FPDMA && ((fis[7] & 0x80) || !p->drive.write_cache),
                                .offset_bytes = *ret_lba * ATA_SECTOR_BYTES,
                                .bytes = sectors * ATA_SECTOR_BYTES,
                                .prd_gpa = table_gpa + PRDT_OFF,
                                .prds = (unsigned)(header[2] | header[3] << 8)};
    return is_queued(p, fis) && *ret_lba < p->drive.sectors && sectors <= p->drive.sectors - *ret_lba &&
           (ret->op == ATA_IO_READ || !p->drive.read_only);
}

bool ahci_take(struct ahci *a, unsigned port, const struct ahci_memory *mem, struct ahci_queued *ret)
{
    struct ahci_port *p = &a->port[port];
    const uint32_t todo = p->queued & ~p->running;
    uint64_t lba;

    if (!todo || p->stopped || !ahci_present(p))
        return false;
    ret->slot = (unsigned)__builtin_ctz(todo);
    if (!fetch_queued(p, ret->slot, mem, ret, &lba)) {
        queued_failed(a, port, ret->slot, ATA_IDNF | ATA_ABRT, lba, mem);
        return false;
    }
    p->running |= 1u << ret->slot;
    return true;
}

void ahci_untake(struct ahci *a, unsigned port, unsigned slot)
{
    a->port[port].running &= ~(1u << slot);
}

void ahci_queued_short(struct ahci *a, unsigned port, unsigned slot)
{
    ahci_untake(a, port, slot);
    overflow(a, port);
}

void ahci_queued_done(struct ahci *a, unsigned port, unsigned slot, int status, uint64_t lba,
                      const struct ahci_memory *mem)
{
    struct ahci_port *p = &a->port[port];
    const uint32_t bit = 1u << slot;

    p->running &= ~bit;
    if (p->stopped || !(p->queued & bit)) /* after an error the guest sends the others again */
        return;
    if (status) {
        queued_failed(a, port, slot, status == AHCI_MEDIUM_READ ? ATA_UNC : ATA_ABRT, lba, mem);
        return;
    }
    p->queued &= ~bit;
    p->sact &= ~bit;
    send_sdb(a, port, mem, bit);
}

/*
 * ahci.c - the registers of an AHCI host bus adapter: see ahci.h.
 *
 * Source: Serial ATA AHCI 1.3.1: 3.1 (generic host control), 3.3 (port registers), 10.1 (initialisation), 10.4 (reset),
 * 5.5 (error handling).
 * Left out: port multipliers, command completion coalescing, enclosure management, power states of the link, mechanical
 * presence switches. The HBA is AHCI only (CAP.SAM): GHC.AE is always one.
 * Invariants: see ahci.h.
 */
#include "devices/storage/ahci_int.h"

#include <string.h>

enum { REG_CAP = 0x00, REG_GHC = 0x04, REG_IS = 0x08, REG_PI = 0x0c, REG_VS = 0x10, REG_PORTS = 0x100 };
enum {
    PX_CLB = 0x00,
    PX_CLBU = 0x04,
    PX_FB = 0x08,
    PX_FBU = 0x0c,
    PX_IS = 0x10,
    PX_IE = 0x14,
    PX_CMD = 0x18,
    PX_TFD = 0x20,
    PX_SIG = 0x24,
    PX_SSTS = 0x28,
    PX_SCTL = 0x2c,
    PX_SERR = 0x30,
    PX_SACT = 0x34,
    PX_CI = 0x38,
};
enum { GHC_HR = 1u << 0, GHC_IE = 1u << 1, GHC_AE = 1u << 31 };

/* 64-bit addresses, queued commands, 6 Gb/s, AHCI only, command list override, partial and slumber, 32 slots */
#define CAP_BITS     (1u << 31 | 1u << 30 | 3u << 20 | 1u << 24 | 1u << 18 | 3u << 13 | 31u << 8)
#define VERSION_1_3  0x00010300u
#define SSTS_UP      0x133u /* device there, 6 Gb/s, active */
#define SIG_DISK     0x00000101u
#define SIG_ATAPI    0xeb140101u
#define IS_KNOWN     0xfdc000afu
#define IS_FROM_SERR (IS_PC | IS_PRC)
#define SERR_KNOWN   0x07ff0f03u

static const struct ssm_field port_fields[] = {
    SSM_STRUCT(struct ahci_port, drive, ata_fields),
    SSM_U64(struct ahci_port, clb),
    SSM_U64(struct ahci_port, fb),
    SSM_U32(struct ahci_port, is),
    SSM_U32(struct ahci_port, ie),
    SSM_U32(struct ahci_port, cmd),
    SSM_U32(struct ahci_port, tfd),
    SSM_U32(struct ahci_port, sig),
    SSM_U32(struct ahci_port, ssts),
    SSM_U32(struct ahci_port, sctl),
    SSM_U32(struct ahci_port, serr),
    SSM_U32(struct ahci_port, sact),
    SSM_U32(struct ahci_port, ci),
    SSM_U8(struct ahci_port, slot),
    SSM_BOOL(struct ahci_port, busy),
    SSM_BOOL(struct ahci_port, stopped),
    SSM_BOOL(struct ahci_port, fis_due),
    SSM_U64(struct ahci_port, table_gpa),
    SSM_U16(struct ahci_port, prds),
    SSM_U16(struct ahci_port, prd),
    SSM_U32(struct ahci_port, prd_off),
    SSM_U32(struct ahci_port, moved),
    SSM_U32(struct ahci_port, queued),
    SSM_END,
};

const struct ssm_field ahci_fields[] = {
    SSM_U32(struct ahci, ghc),
    SSM_U32(struct ahci, is),
    SSM_STRUCTS(struct ahci, port, port_fields),
    SSM_END,
};

bool ahci_check(const struct ahci *a)
{
    for (unsigned i = 0; i < AHCI_PORTS_MAX; i++) {
        const struct ahci_port *p = &a->port[i];

        if (!ata_check(&p->drive) || p->slot >= AHCI_SLOTS || (p->queued & ~p->sact) || /* inv 1, 2 */
            (i >= a->port_count && (p->busy || p->ci || p->queued)))
            return false;
    }
    return true;
}

/* ---- interrupts (10.7) ---- */

/* Bits of PxIS that show PxSERR are not kept: they go when the error is cleared. */
static uint32_t port_is(const struct ahci_port *p)
{
    return p->is | (p->serr & SERR_X ? (uint32_t)IS_PC : 0) | (p->serr & SERR_N ? (uint32_t)IS_PRC : 0);
}

static void raise(struct ahci *a, unsigned port)
{
    if (!(port_is(&a->port[port]) & a->port[port].ie))
        return;
    a->is |= 1u << port;
    a->events++;
}

void ahci_event(struct ahci *a, unsigned port, uint32_t bits)
{
    a->port[port].is |= bits;
    raise(a, port);
}

bool ahci_irq(const struct ahci *a)
{
    return (a->ghc & GHC_IE) && a->is;
}

/* ---- reset and hot-plug ---- */

void ahci_follow(struct ahci_port *p)
{
    p->tfd = (uint32_t)p->drive.error << 8 | ata_status(&p->drive);
}

/* The drive resets and says what it is (10.4.2). Its FIS goes out when the guest receives FISes. */
static void link_up(struct ahci_port *p)
{
    ata_reset(&p->drive, true);
    if (!ahci_present(p)) {
        p->ssts = 0;
        p->sig = UINT32_MAX;
        p->tfd = 0x7f;
        p->fis_due = false;
        return;
    }
    p->ssts = SSTS_UP;
    p->sig = p->drive.id.kind == ATA_KIND_CDROM ? SIG_ATAPI : SIG_DISK;
    p->serr |= SERR_X;
    p->fis_due = true;
    ahci_follow(p);
}

static void forget_commands(struct ahci_port *p)
{
    p->sact = p->ci = p->queued = p->running = 0;
    p->busy = p->stopped = false;
    p->slot = 0;
    p->prd = p->prds = 0;
    p->prd_off = p->moved = 0;
}

static void port_reset(struct ahci_port *p)
{
    forget_commands(p);
    p->clb = p->fb = 0;
    p->is = p->ie = 0;
    p->sctl = p->serr = 0;
    p->cmd = CMD_SUD | CMD_POD | CMD_HPCP;
    link_up(p);
    p->serr = 0;
}

void ahci_reset(struct ahci *a)
{
    a->ghc = GHC_AE;
    a->is = 0;
    for (unsigned i = 0; i < AHCI_PORTS_MAX; i++)
        port_reset(&a->port[i]);
}

void ahci_plug(struct ahci *a, unsigned port)
{
    struct ahci_port *p = &a->port[port];

    forget_commands(p);
    p->cmd &= ~(uint32_t)(CMD_CR | CMD_CCS);
    link_up(p);
    p->serr |= SERR_N | SERR_X;
    raise(a, port);
}

/* ---- ports ---- */

static uint32_t cmd_read(const struct ahci_port *p)
{
    return p->cmd | (p->cmd & CMD_FRE ? (uint32_t)CMD_FR : 0) | (p->cmd & CMD_ST ? (uint32_t)CMD_CR : 0) |
           ((uint32_t)p->slot << 8 & CMD_CCS);
}

static uint32_t port_read(const struct ahci_port *p, uint32_t off)
{
    switch (off) {
    case PX_CLB: return (uint32_t)p->clb;
    case PX_CLBU: return (uint32_t)(p->clb >> 32);
    case PX_FB: return (uint32_t)p->fb;
    case PX_FBU: return (uint32_t)(p->fb >> 32);
    case PX_IS: return port_is(p);
    case PX_IE: return p->ie;
    case PX_CMD: return cmd_read(p);
    case PX_TFD: return p->tfd;
    case PX_SIG: return p->sig;
    case PX_SSTS: return p->ssts;
    case PX_SCTL: return p->sctl;
    case PX_SERR: return p->serr;
    case PX_SACT: return p->sact;
    case PX_CI: return p->ci;
    default: return 0;
    }
}

/* 3.3.7: clearing ST stops the list; the drive may still be at work, until it is reset. CLO makes it idle. */
static bool write_cmd(struct ahci_port *p, uint32_t val)
{
    bool stop = (p->cmd & CMD_ST) && !(val & CMD_ST);

    if ((val & CMD_CLO) && !(p->cmd & CMD_ST) && ahci_present(p)) {
        uint8_t error = p->drive.error;

        ata_reset(&p->drive, false);
        p->drive.error = error;
        p->busy = false;
        ahci_follow(p);
    }
    p->cmd = (p->cmd & ~(uint32_t)CMD_WRITABLE) | (val & CMD_WRITABLE);
    if (stop) {
        p->sact = p->ci = p->queued = p->running = 0;
        p->stopped = p->busy = false;
        p->slot = 0;
    }
    return stop;
}

/* 10.4.2: DET 1 holds the link in reset, leaving it brings the drive up again. */
static bool write_sctl(struct ahci_port *p, uint32_t val)
{
    bool was = (p->sctl & 0x0f) == 1, is = (val & 0x0f) == 1;

    p->sctl = val & 0xfff;
    if (!was && is) {
        forget_commands(p);
        if (ahci_present(p))
            ata_reset(&p->drive, true);
        p->ssts = 0;
        p->tfd = 0x7f;
        return true;
    }
    if (was && !is)
        link_up(p);
    if ((val & 0x0f) == 4) { /* off line */
        p->ssts = 4;
        p->tfd = 0x7f;
    }
    return false;
}

/* Return: the queued commands are to be forgotten. */
static bool port_write(struct ahci *a, unsigned port, uint32_t off, uint32_t val)
{
    struct ahci_port *p = &a->port[port];

    switch (off) {
    case PX_CLB: p->clb = (p->clb & ~UINT64_C(0xffffffff)) | (val & ~0x3ffu); break;
    case PX_CLBU: p->clb = (uint32_t)p->clb | (uint64_t)val << 32; break;
    case PX_FB: p->fb = (p->fb & ~UINT64_C(0xffffffff)) | (val & ~0xffu); break;
    case PX_FBU: p->fb = (uint32_t)p->fb | (uint64_t)val << 32; break;
    case PX_IS: p->is &= ~(val & ~(uint32_t)IS_FROM_SERR); break;
    case PX_IE:
        p->ie = val & IS_KNOWN;
        raise(a, port);
        break;
    case PX_CMD: return write_cmd(p, val);
    case PX_SCTL: return write_sctl(p, val);
    case PX_SERR: p->serr &= ~(val & SERR_KNOWN); break;
    case PX_SACT: /* 3.3.13, 3.3.14: only while the list runs */
        if (p->cmd & CMD_ST)
            p->sact |= val;
        break;
    case PX_CI:
        if (p->cmd & CMD_ST)
            p->ci |= val;
        break;
    default: break;
    }
    return false;
}

/* ---- the HBA ---- */

uint32_t ahci_read(struct ahci *a, uint32_t off)
{
    const uint32_t port = (off - REG_PORTS) / AHCI_PORT_BYTES;

    if (off >= REG_PORTS)
        return port < a->port_count ? port_read(&a->port[port], (off - REG_PORTS) % AHCI_PORT_BYTES) : 0;
    switch (off) {
    case REG_CAP: return CAP_BITS | (a->port_count - 1);
    case REG_GHC: return a->ghc;
    case REG_IS: return a->is;
    case REG_PI: return (1u << a->port_count) - 1;
    case REG_VS: return VERSION_1_3;
    default: return 0;
    }
}

static uint32_t all_ports(const struct ahci *a)
{
    return (1u << a->port_count) - 1;
}

uint32_t ahci_write(struct ahci *a, uint32_t off, uint32_t val)
{
    const uint32_t port = (off - REG_PORTS) / AHCI_PORT_BYTES;

    if (off >= REG_PORTS) {
        if (port >= a->port_count || !port_write(a, port, (off - REG_PORTS) % AHCI_PORT_BYTES, val))
            return 0;
        return 1u << port;
    }
    if (off == REG_GHC && (val & GHC_HR)) {
        ahci_reset(a);
        return all_ports(a);
    }
    if (off == REG_GHC) {
        a->ghc = GHC_AE | (val & GHC_IE);
        a->events += ahci_irq(a);
    }
    if (off == REG_IS) { /* 10.7.1.1: a port whose PxIS is not clear yet sets its bit again */
        a->is &= ~val;
        for (unsigned i = 0; i < a->port_count; i++)
            if (val >> i & 1)
                raise(a, i);
    }
    return 0;
}

/*
 * pci_ahci_test.c - drives on the AHCI controller, as a guest's driver sees registers and memory.
 *
 * Clauses are of Serial ATA AHCI 1.3.1 unless another document is named.
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg pci_ahci_device;

#define HOST_IO_ERROR (-250) /* any failure the driver reports */

#define DISK_SECTORS 4000u
#define BAR          0xe0000000u
#define LIST_GPA     0x10000u
#define FIS_GPA      0x11000u
#define TABLE_GPA(n) (0x20000u + (n)*0x1000u)
#define DATA_GPA     0x200000u
#define SLOT         13u

enum {
    PX_CLB = 0x00,
    PX_FB = 0x08,
    PX_IS = 0x10,
    PX_IE = 0x14,
    PX_CMD = 0x18,
    PX_TFD = 0x20,
    PX_SIG = 0x24,
    PX_SSTS = 0x28,
    PX_SCTL = 0x2c,
    PX_SERR = 0x30,
    PX_SACT = 0x34,
    PX_CI = 0x38
};
enum { IS_DHR = 1, IS_PS = 2, IS_SDB = 8, IS_PC = 0x40, IS_PRC = 1 << 22, IS_OF = 1 << 24, IS_TFE = 1 << 30 };

struct bench {
    struct rig *r;
    struct rig_media *disk, *disc;
    uint8_t *bytes;
};

static uint32_t get(struct bench *b, uint32_t off)
{
    return (uint32_t)rig_mmio_read(b->r, BAR + off, 4);
}

static void set(struct bench *b, uint32_t off, uint32_t val)
{
    rig_mmio_write(b->r, BAR + off, val, 4);
}

static uint32_t pget(struct bench *b, unsigned port, uint32_t off)
{
    return get(b, 0x100 + 0x80 * port + off);
}

static void pset(struct bench *b, unsigned port, uint32_t off, uint32_t val)
{
    set(b, 0x100 + 0x80 * port + off, val);
}

static void start_port(struct bench *b, unsigned port)
{
    pset(b, port, PX_CLB, LIST_GPA + 0x400 * port);
    pset(b, port, PX_FB, FIS_GPA + 0x100 * port);
    pset(b, port, PX_SERR, UINT32_MAX);
    pset(b, port, PX_IS, UINT32_MAX);
    pset(b, port, PX_IE, 0xffffffff);
    pset(b, port, PX_CMD, 0x11);
}

/* Port 0: a disk that may go, 1: a DVD drive, 2: nothing, 3: room for a disk that comes. */
static struct bench bench_new(void)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &pci_ahci_device, "PortCount=4;Drives=hD-h");
    b.disk = rig_media_new(b.r, DISK_SECTORS * 512, 512);
    b.bytes = rig_media_bytes(b.disk);
    for (unsigned i = 0; i < DISK_SECTORS * 512; i++)
        b.bytes[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_block(b.disk)->discard = true;
    b.disc = rig_media_new(b.r, 100 * 2048, 2048);
    rig_media_block(b.disc)->read_only = rig_media_block(b.disc)->removable = true;
    memset(rig_media_bytes(b.disc) + 2048 * 16, 0xcd, 2048);
    rig_media_attach(b.r, "ahci", 0, 0, b.disk);
    rig_media_attach(b.r, "ahci", 0, 1, b.disc);
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, SLOT, 0, 0x24, BAR, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x04, 0x06, 2);
    start_port(&b, 0);
    start_port(&b, 1);
    set(&b, 0x04, 0x80000002);
    return b;
}

/* A command in a slot: register FIS, one PRD per 4 KiB; @flags go to the header (40h write, 20h ATAPI). */
static void put_command(struct bench *b, unsigned port, unsigned slot, const uint8_t *fis, unsigned flags,
                        uint32_t bytes, uint32_t data_gpa)
{
    const uint32_t prds = (bytes + 4095) / 4096;
    uint32_t header[8] = {5 | flags | prds << 16, 0xffffffff, TABLE_GPA(slot + 32 * port)};

    rig_mem_write(b->r, LIST_GPA + 0x400 * port + 32 * slot, header, sizeof(header));
    rig_mem_write(b->r, TABLE_GPA(slot + 32 * port), fis, 20);
    for (uint32_t i = 0; i < prds; i++) {
        const uint32_t n = MIN(bytes - 4096 * i, 4096u), prd[4] = {data_gpa + 4096 * i, 0, 0, n - 1};

        rig_mem_write(b->r, TABLE_GPA(slot + 32 * port) + 0x80 + 16 * i, prd, sizeof(prd));
    }
}

static void ata_fis(uint8_t *fis, uint8_t command, uint64_t lba, unsigned count)
{
    memset(fis, 0, 20);
    fis[0] = 0x27;
    fis[1] = 0x80;
    fis[2] = command;
    fis[7] = 0x40;
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(lba >> 8 * i);
        fis[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
    }
    fis[12] = (uint8_t)count;
    fis[13] = (uint8_t)(count >> 8);
}

static void queued_fis(uint8_t *fis, uint8_t command, uint64_t lba, unsigned count, unsigned slot)
{
    ata_fis(fis, command, lba, slot << 3);
    fis[3] = (uint8_t)count;
    fis[11] = (uint8_t)(count >> 8);
}

static void settle(struct bench *b, unsigned port)
{
    for (unsigned i = 0; i < 1000 && (pget(b, port, PX_CI) | pget(b, port, PX_SACT)); i++)
        rig_step_ns(b->r, 1000);
}

/* One command on slot 0; returns PxIS, cleared. */
static uint32_t run(struct bench *b, unsigned port, const uint8_t *fis, unsigned flags, uint32_t bytes)
{
    uint32_t is;

    put_command(b, port, 0, fis, flags, bytes, DATA_GPA);
    pset(b, port, PX_CI, 1);
    for (unsigned i = 0; i < 200 && !(is = pget(b, port, PX_IS)); i++)
        rig_step_ns(b->r, 1000);
    settle(b, port);
    is = pget(b, port, PX_IS);
    pset(b, port, PX_IS, is);
    set(b, 0x08, UINT32_MAX);
    return is;
}

static void restart(struct bench *b, unsigned port)
{
    pset(b, port, PX_CMD, 0x10);
    pset(b, port, PX_IS, UINT32_MAX);
    pset(b, port, PX_CMD, 0x11);
}

static void check_memory(struct bench *b, const uint8_t *want, size_t bytes, uint32_t gpa)
{
    g_autofree uint8_t *got = g_malloc(bytes);

    rig_mem_read(b->r, gpa, got, bytes);
    g_assert_cmpmem(got, bytes, want, bytes);
}

/* 3.1, 3.3 and 10.1.2: what is there after reset. */
static void test_registers(void)
{
    struct bench b = bench_new();

    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x08, 4), ==, 0x01060102); /* 2.1.5: class code 010601h */
    g_assert_cmphex(get(&b, 0x00) & 0x1f, ==, 3);                         /* CAP.NP */
    g_assert_cmphex(get(&b, 0x00) >> 8 & 0x1f, ==, 31);                   /* CAP.NCS */
    g_assert_cmphex(get(&b, 0x00) & 1u << 30, !=, 0);                     /* CAP.SNCQ */
    g_assert_cmphex(get(&b, 0x0c), ==, 0x0f);                             /* PI */
    g_assert_cmphex(get(&b, 0x10), ==, 0x00010300);
    g_assert_cmphex(pget(&b, 0, PX_SSTS), ==, 0x133);
    g_assert_cmphex(pget(&b, 0, PX_SIG), ==, 0x00000101);
    g_assert_cmphex(pget(&b, 0, PX_TFD) & 0xff, ==, 0x50);
    g_assert_cmphex(pget(&b, 1, PX_SIG), ==, 0xeb140101);
    g_assert_cmphex(pget(&b, 2, PX_SSTS), ==, 0);
    g_assert_cmphex(pget(&b, 2, PX_TFD), ==, 0x7f);
    g_assert_cmphex(get(&b, 0x100 + 4 * 0x80), ==, 0); /* no fifth port */
    rig_free(b.r);
}

/* IDENTIFY DEVICE by PIO: PIO Setup FIS, no D2H FIS; serial disks say so (SATA 2.6, 13.2.1). */
static void test_identify(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], id[512], received[256];
    uint32_t header[8];

    ata_fis(fis, 0xec, 0, 0);
    g_assert_cmphex(run(&b, 0, fis, 0, 512), ==, IS_PS);
    rig_mem_read(b.r, DATA_GPA, id, sizeof(id));
    g_assert_cmphex(id[75 * 2], ==, 31);
    g_assert_cmphex(id[76 * 2 + 1] & 1, ==, 1);          /* queued commands */
    g_assert_cmphex(id[93 * 2] | id[93 * 2 + 1], ==, 0); /* no cable */
    g_assert_cmphex(id[169 * 2], ==, 1);                 /* TRIM */
    rig_mem_read(b.r, FIS_GPA, received, sizeof(received));
    g_assert_cmphex(received[0x20], ==, 0x5f);
    g_assert_cmphex(received[0x20 + 15], ==, 0x50);
    g_assert_cmphex(received[0x20 + 17], ==, 2); /* 512 bytes */
    rig_mem_read(b.r, LIST_GPA, header, sizeof(header));
    g_assert_cmpuint(header[1], ==, 512); /* 4.2.2: PRDBC */
    rig_free(b.r);
}

/* READ and WRITE DMA EXT over several PRDs; the D2H FIS ends them. */
static void test_dma(void)
{
    struct bench b = bench_new();
    g_autofree uint8_t *data = g_malloc(300 * 512);
    uint8_t fis[20];

    ata_fis(fis, 0x25, 100, 300);
    g_assert_cmphex(run(&b, 0, fis, 0, 300 * 512), ==, IS_DHR);
    check_memory(&b, b.bytes + 100 * 512, 300 * 512, DATA_GPA);
    memset(data, 0x5a, 300 * 512);
    rig_mem_write(b.r, DATA_GPA, data, 300 * 512);
    ata_fis(fis, 0x35, 7, 300);
    g_assert_cmphex(run(&b, 0, fis, 0x40, 300 * 512), ==, IS_DHR);
    g_assert_cmpmem(b.bytes + 7 * 512, 300 * 512, data, 300 * 512);
    g_assert_cmphex(b.bytes[307 * 512], !=, 0x5a);
    ata_fis(fis, 0x25, DISK_SECTORS - 1, 2);
    g_assert_cmphex(run(&b, 0, fis, 0, 1024), ==, (uint32_t)(IS_DHR | IS_TFE)); /* 6.2.2.1 */
    g_assert_cmphex(pget(&b, 0, PX_TFD), ==, 0x1051);                           /* IDNF */
    g_assert_cmphex(pget(&b, 0, PX_CI), ==, 1);
    restart(&b, 0);
    g_assert_cmphex(pget(&b, 0, PX_CI), ==, 0);
    rig_free(b.r);
}

/* SATA 2.6, 13.6: 32 commands at once, done in any order; PxCI clears when they are queued, PxSACT when done. */
static void test_queued(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], received[256];

    rig_media_hold(b.disk, true);
    for (unsigned slot = 0; slot < 32; slot++) {
        queued_fis(fis, 0x60, slot * 100, 8, slot);
        put_command(&b, 0, slot, fis, 0, 4096, DATA_GPA + 4096 * slot);
    }
    pset(&b, 0, PX_SACT, UINT32_MAX);
    pset(&b, 0, PX_CI, UINT32_MAX);
    g_assert_cmphex(pget(&b, 0, PX_CI), ==, 0);
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, UINT32_MAX);
    g_assert_cmpuint(rig_media_waiting(b.disk), ==, 32);
    rig_media_complete(b.disk, 5);
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 0xffffffe0);
    g_assert_cmphex(pget(&b, 0, PX_IS), ==, IS_SDB);
    rig_mem_read(b.r, FIS_GPA, received, sizeof(received));
    g_assert_cmphex(received[0x58], ==, 0xa1);
    g_assert_cmphex(received[0x58 + 4], ==, 0x10); /* the fifth */
    rig_media_hold(b.disk, false);
    settle(&b, 0);
    for (unsigned slot = 0; slot < 32; slot++)
        check_memory(&b, b.bytes + slot * 100 * 512, 4096, DATA_GPA + 4096 * slot);
    rig_free(b.r);
}

/* Writes with FUA, and FLUSH CACHE EXT, end after the medium's flush. */
static void test_durable(void)
{
    struct bench b = bench_new();
    uint8_t fis[20];

    queued_fis(fis, 0x61, 50, 8, 0);
    put_command(&b, 0, 0, fis, 0x40, 4096, DATA_GPA);
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    settle(&b, 0);
    g_assert_cmpuint(rig_media_flushes(b.disk), ==, 0);
    fis[7] |= 0x80; /* FUA */
    put_command(&b, 0, 0, fis, 0x40, 4096, DATA_GPA);
    rig_media_hold(b.disk, true);
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    rig_media_complete(b.disk, 1); /* the write */
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 1);
    rig_media_complete(b.disk, 1); /* the flush */
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.disk), ==, 1);
    rig_media_hold(b.disk, false);
    pset(&b, 0, PX_IS, UINT32_MAX);
    ata_fis(fis, 0xea, 0, 0);
    g_assert_cmphex(run(&b, 0, fis, 0, 0), ==, IS_DHR);
    g_assert_cmpuint(rig_media_flushes(b.disk), ==, 2);
    rig_media_fail(b.disk, PDM_BLOCK_FLUSH, 0, UINT64_MAX, 1, HOST_IO_ERROR);
    g_assert_cmphex(run(&b, 0, fis, 0, 0) & IS_TFE, !=, 0);
    rig_free(b.r);
}

/* A queued read meets a bad sector: error in the Set Device Bits FIS, its address in log 10h (SATA 2.6, 13.7). */
static void test_queued_error(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], log[512], sum = 0;

    rig_media_fail(b.disk, PDM_BLOCK_READ, 205 * 512, 512, 100, HOST_IO_ERROR);
    queued_fis(fis, 0x60, 200, 16, 3);
    put_command(&b, 0, 3, fis, 0, 8192, DATA_GPA);
    pset(&b, 0, PX_SACT, 8);
    pset(&b, 0, PX_CI, 8);
    for (unsigned i = 0; i < 100; i++)
        rig_step_ns(b.r, 1000);
    g_assert_cmphex(pget(&b, 0, PX_IS), ==, (uint32_t)(IS_SDB | IS_TFE));
    g_assert_cmphex(pget(&b, 0, PX_TFD), ==, 0x4051);
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 8);
    check_memory(&b, b.bytes + 200 * 512, 5 * 512, DATA_GPA); /* all before the bad one */
    pset(&b, 0, PX_CI, 1);                                    /* nothing starts until the list was stopped (5.5.3) */
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(pget(&b, 0, PX_CI), ==, 1);
    restart(&b, 0);
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 0);
    ata_fis(fis, 0x2f, 0x10, 1);
    g_assert_cmphex(run(&b, 0, fis, 0, 512), ==, IS_PS);
    rig_mem_read(b.r, DATA_GPA, log, sizeof(log));
    g_assert_cmphex(log[0], ==, 3); /* the tag */
    g_assert_cmphex(log[3], ==, 0x40);
    g_assert_cmpuint(log[4], ==, 205);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + log[i]);
    g_assert_cmpuint(sum, ==, 0);
    rig_free(b.r);
}

/* 6.2.2.2 (overflow): the table has less memory than the command moves; nothing of a write reaches the disk. */
static void test_short_table(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], before[512];

    memcpy(before, b.bytes, 512);
    queued_fis(fis, 0x61, 0, 8, 0);
    put_command(&b, 0, 0, fis, 0x40, 2048, DATA_GPA);
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(pget(&b, 0, PX_IS), ==, IS_OF);
    g_assert_cmpmem(b.bytes, 512, before, 512);
    restart(&b, 0);
    ata_fis(fis, 0x25, 0, 8);
    put_command(&b, 0, 0, fis, 0, 512, DATA_GPA);
    pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(pget(&b, 0, PX_IS), ==, IS_OF);
    pset(&b, 0, PX_CMD, 0x10);
    g_assert_cmphex(pget(&b, 0, PX_TFD) & 0x80, !=, 0); /* the drive still waits */
    pset(&b, 0, PX_CMD, 0x18);                          /* 3.3.7: CLO */
    g_assert_cmphex(pget(&b, 0, PX_TFD) & 0x88, ==, 0);
    rig_free(b.r);
}

/* ACS-2, 7.10: DATA SET MANAGEMENT with TRIM; a bad range aborts. */
static void test_trim(void)
{
    struct bench b = bench_new();
    uint64_t ranges[64] = {UINT64_C(16) << 48 | 1000, 0, UINT64_C(8) << 48 | 2000};
    uint8_t fis[20];

    rig_mem_write(b.r, DATA_GPA, ranges, sizeof(ranges));
    ata_fis(fis, 0x06, 0, 1);
    fis[3] = 1;
    g_assert_cmphex(run(&b, 0, fis, 0x40, 512), ==, IS_DHR);
    for (unsigned i = 0; i < 16 * 512; i++)
        g_assert_cmphex(b.bytes[1000 * 512 + i], ==, 0);
    g_assert_cmphex(b.bytes[2007 * 512 + 5], ==, 0);
    g_assert_cmphex(b.bytes[1016 * 512 + 5], !=, 0);
    ranges[0] = UINT64_C(2) << 48 | (DISK_SECTORS - 1);
    rig_mem_write(b.r, DATA_GPA, ranges, sizeof(ranges));
    g_assert_cmphex(run(&b, 0, fis, 0x40, 512) & IS_TFE, !=, 0);
    rig_free(b.r);
}

static uint32_t packet(struct bench *b, const uint8_t *cdb, bool dma, uint32_t bytes)
{
    uint8_t fis[20];

    ata_fis(fis, 0xa0, 0, 0);
    fis[3] = dma;
    fis[5] = 0xfe;
    fis[6] = 0xff;
    put_command(b, 1, 0, fis, 0x20, bytes, DATA_GPA);
    rig_mem_write(b->r, TABLE_GPA(32) + 0x40, cdb, 12);
    pset(b, 1, PX_CI, 1);
    settle(b, 1);
    fis[0] = (uint8_t)pget(b, 1, PX_TFD);
    pset(b, 1, PX_IS, UINT32_MAX);
    if (fis[0] & 1)
        restart(b, 1);
    return fis[0];
}

/* PACKET (5.3.7): reading by DMA and by PIO, changing the disc, locking and ejecting. */
static void test_packet(void)
{
    static const uint8_t ready[12] = {0x00}, read[12] = {0x28, [5] = 16, [8] = 1}, sense[12] = {0x03, [4] = 18},
                         inquiry[12] = {0x12, [4] = 36}, eject[12] = {0x1b, [4] = 2}, lock[12] = {0x1e, [4] = 1},
                         unlock[12] = {0x1e};
    struct bench b = bench_new();
    uint8_t sector[2048], text[36];

    g_assert_cmphex(packet(&b, ready, false, 0) & 1, ==, 1); /* unit attention: power on */
    packet(&b, sense, false, 18);
    rig_mem_read(b.r, DATA_GPA, text, sizeof(text));
    g_assert_cmphex(text[12], ==, 0x29);
    for (int dma = 0; dma < 2; dma++) {
        g_assert_cmphex(packet(&b, read, dma, 2048) & 1, ==, 0);
        memset(sector, 0xcd, sizeof(sector));
        check_memory(&b, sector, sizeof(sector), DATA_GPA);
        rig_mem_write(b.r, DATA_GPA, text, sizeof(text));
    }
    packet(&b, inquiry, true, 36);
    rig_mem_read(b.r, DATA_GPA, text, sizeof(text));
    g_assert_cmphex(text[0], ==, 0x05);
    packet(&b, lock, false, 0);
    g_assert_cmphex(packet(&b, eject, false, 0) & 1, ==, 1);
    packet(&b, unlock, false, 0);
    g_assert_cmphex(packet(&b, eject, false, 0) & 1, ==, 0);
    g_assert_cmphex(packet(&b, ready, false, 0) & 1, ==, 1);
    rig_media_attach(b.r, "ahci", 0, 1, NULL);
    rig_media_attach(b.r, "ahci", 0, 1, b.disc);
    g_assert_cmphex(packet(&b, ready, false, 0) & 1, ==, 1); /* the medium may have changed */
    g_assert_cmphex(packet(&b, ready, false, 0) & 1, ==, 0);
    rig_free(b.r);
}

/* 10.4.2: a reset of the link; 10.4.1: of the device by its control register. */
static void test_reset(void)
{
    struct bench b = bench_new();
    uint8_t fis[20] = {0x27}, received[256];

    pset(&b, 0, PX_CMD, 0x10);
    pset(&b, 0, PX_SCTL, 0x301);
    g_assert_cmphex(pget(&b, 0, PX_SSTS), ==, 0);
    pset(&b, 0, PX_SCTL, 0x300);
    g_assert_cmphex(pget(&b, 0, PX_SSTS), ==, 0x133);
    g_assert_cmphex(pget(&b, 0, PX_SERR) & 1 << 26, !=, 0);
    pset(&b, 0, PX_SERR, UINT32_MAX);
    restart(&b, 0);
    fis[15] = 0x04;
    put_command(&b, 0, 0, fis, 0x500, 0, DATA_GPA);
    pset(&b, 0, PX_CI, 1);
    g_assert_cmphex(pget(&b, 0, PX_CI), ==, 0);
    fis[15] = 0;
    put_command(&b, 0, 0, fis, 0, 0, DATA_GPA);
    pset(&b, 0, PX_CI, 1);
    g_assert_cmphex(pget(&b, 0, PX_CI), ==, 0);
    rig_mem_read(b.r, FIS_GPA, received, sizeof(received));
    g_assert_cmphex(received[0x40], ==, 0x34);
    g_assert_cmphex(received[0x40 + 4] | received[0x40 + 12] << 8, ==, 0x0101);
    set(&b, 0x04, 0x80000001); /* 10.4.3: HBA reset */
    g_assert_cmphex(get(&b, 0x04), ==, 0x80000000);
    g_assert_cmphex(pget(&b, 0, PX_CLB), ==, 0);
    rig_free(b.r);
}

/* 7.3: a disk comes, one goes while it has commands. */
static void test_hot_plug(void)
{
    struct bench b = bench_new();
    uint8_t fis[20];

    start_port(&b, 3);
    rig_media_attach(b.r, "ahci", 0, 3, rig_media_new(b.r, 1u << 20, 512));
    g_assert_cmphex(pget(&b, 3, PX_IS), ==, (uint32_t)(IS_PC | IS_PRC));
    g_assert_cmphex(pget(&b, 3, PX_SSTS), ==, 0x133);
    pset(&b, 3, PX_SERR, UINT32_MAX);
    g_assert_cmphex(pget(&b, 3, PX_IS), ==, 0);
    ata_fis(fis, 0x25, 0, 8);
    g_assert_cmphex(run(&b, 3, fis, 0, 4096), ==, IS_DHR);

    rig_media_hold(b.disk, true);
    queued_fis(fis, 0x60, 0, 8, 0);
    put_command(&b, 0, 0, fis, 0, 4096, DATA_GPA);
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    rig_media_attach(b.r, "ahci", 0, 0, NULL);
    g_assert_cmphex(pget(&b, 0, PX_SSTS), ==, 0);
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 0);
    rig_media_complete(b.disk, 10); /* the old drive's answer is nobody's */
    g_assert_cmphex(pget(&b, 0, PX_IS) & IS_SDB, ==, 0);
    rig_free(b.r);
}

/* 10.7, and PCI 3.0, 6.8.1: as a line, and as messages. */
static void test_interrupts(void)
{
    struct bench b = bench_new();
    struct rig_message m[8];
    uint8_t fis[20];

    queued_fis(fis, 0x60, 0, 8, 0);
    put_command(&b, 0, 0, fis, 0, 4096, DATA_GPA);
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    settle(&b, 0);
    g_assert_cmphex(get(&b, 0x08), ==, 1);
    g_assert_true(rig_pirq(b.r, (SLOT + 3) % 4));
    set(&b, 0x08, 1);
    g_assert_cmphex(get(&b, 0x08), ==, 1); /* PxIS first */
    pset(&b, 0, PX_IS, UINT32_MAX);
    set(&b, 0x08, 1);
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x34, 1), ==, 0x80);
    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x80, 1), ==, 0x05);
    rig_cfg_write(b.r, SLOT, 0, 0x84, 0xfee01000, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x8c, 0x0041, 2);
    rig_cfg_write(b.r, SLOT, 0, 0x82, 0x0081, 2);
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    settle(&b, 0);
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    g_assert_cmpuint(rig_messages(b.r, m, 8), ==, 1);
    g_assert_cmphex(m[0].vector, ==, 0x41);
    g_assert_cmphex(m[0].dest, ==, 0x01);
    rig_free(b.r);
}

/* Saved with commands under way: the new machine does them again, and ends each once. */
static void test_saved(void)
{
    struct bench b = bench_new();
    g_autoptr(GError) error = NULL;
    uint8_t fis[20];

    rig_media_hold(b.disk, true);
    for (unsigned slot = 0; slot < 3; slot++) {
        queued_fis(fis, 0x60, slot * 1000, 600, slot);
        put_command(&b, 0, slot, fis, 0, 600 * 512, DATA_GPA + (slot << 20));
    }
    pset(&b, 0, PX_SACT, 7);
    pset(&b, 0, PX_CI, 7);
    g_assert_true(rig_save_load(b.r, &error));
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 7); /* one step was made of each, there are two */
    rig_media_hold(b.disk, false);
    settle(&b, 0);
    g_assert_cmphex(pget(&b, 0, PX_SACT), ==, 0);
    for (unsigned slot = 0; slot < 3; slot++)
        check_memory(&b, b.bytes + slot * 1000 * 512, 600 * 512, DATA_GPA + (slot << 20));
    rig_free(b.r);
}

/* A descriptor table in the registers' own page, lists at the end of memory, tables of 65535 entries: nothing hangs. */
static void test_hostile(void)
{
    struct bench b = bench_new();
    uint32_t header[8] = {5 | 0xffffu << 16, 0, BAR};
    uint8_t fis[20];

    rig_mem_write(b.r, LIST_GPA, header, sizeof(header));
    pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    restart(&b, 0);
    queued_fis(fis, 0x60, 0, 0, 0); /* 65536 sectors are more than there are */
    put_command(&b, 0, 0, fis, 0, 4096, DATA_GPA);
    header[2] = TABLE_GPA(0);
    rig_mem_write(b.r, LIST_GPA, header, sizeof(header));
    pset(&b, 0, PX_SACT, 1);
    pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(pget(&b, 0, PX_IS) & IS_TFE, !=, 0);
    pset(&b, 0, PX_CMD, 0);
    pset(&b, 0, PX_CLB, 0xfffffc00);
    pset(&b, 0, PX_CLB + 4, 0xffffffff);
    pset(&b, 0, PX_CMD, 0x11);
    pset(&b, 0, PX_CI, UINT32_MAX);
    rig_step_ns(b.r, 1000);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ahci/registers", test_registers);
    g_test_add_func("/ahci/identify", test_identify);
    g_test_add_func("/ahci/dma", test_dma);
    g_test_add_func("/ahci/queued", test_queued);
    g_test_add_func("/ahci/durable", test_durable);
    g_test_add_func("/ahci/queued-error", test_queued_error);
    g_test_add_func("/ahci/short-table", test_short_table);
    g_test_add_func("/ahci/trim", test_trim);
    g_test_add_func("/ahci/packet", test_packet);
    g_test_add_func("/ahci/reset", test_reset);
    g_test_add_func("/ahci/hot-plug", test_hot_plug);
    g_test_add_func("/ahci/interrupts", test_interrupts);
    g_test_add_func("/ahci/saved", test_saved);
    g_test_add_func("/ahci/hostile", test_hostile);
    return g_test_run();
}

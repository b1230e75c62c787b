/*
 * pci_ide_test.c - disks on the IDE function, register by register, as a guest's driver sees them.
 *
 * Clauses are of ATA/ATAPI-6 (T13/1410D) unless another document is named.
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg pci_ide_device;

#define HOST_IO_ERROR (-250) /* any failure the driver reports */

#define DISK_SECTORS 2000u
#define CMD          0x1f0
#define CTL          0x3f6
#define BM           0xc000
#define PRD_GPA      0x1000
#define DATA_GPA     0x100000

enum { BSY = 0x80, DRDY = 0x40, DRQ = 0x08, ERR = 0x01, IDLE = 0x50 };

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disk;
};

static void fill(uint8_t *p, unsigned sectors)
{
    for (unsigned i = 0; i < sectors * 512; i++)
        p[i] = (uint8_t)(i / 512 * 7 + i);
}

static struct bench bench_new(unsigned lun)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &pci_ide_device, "");
    b.m = rig_media_new(b.r, DISK_SECTORS * 512, 512);
    b.disk = rig_media_bytes(b.m);
    fill(b.disk, DISK_SECTORS);
    g_strlcpy(rig_media_block(b.m)->serial, "VB12345678-9abcdef0", 32);
    rig_media_attach(b.r, "piix3ide", 0, lun, b.m);
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, 1, 1, 0x20, BM | 1, 4);
    rig_cfg_write(b.r, 1, 1, 0x04, 0x05, 2);
    return b;
}

static void bench_free(struct bench *b)
{
    rig_free(b->r);
}

static uint8_t in(struct bench *b, uint16_t port)
{
    return (uint8_t)rig_in(b->r, port, 1);
}

static void out(struct bench *b, uint16_t port, unsigned val)
{
    rig_out(b->r, port, val, 1);
}

/* Waits as a driver does: the medium answers when time steps. Returns the status. */
static uint8_t settle(struct bench *b)
{
    for (unsigned i = 0; i < 10000 && (in(b, CTL) & BSY); i++)
        rig_step_ns(b->r, 1000);
    return in(b, CTL);
}

static void command28(struct bench *b, uint8_t cmd, uint32_t lba, unsigned count)
{
    out(b, CMD + 6, 0xe0 | (lba >> 24 & 0x0f));
    out(b, CMD + 2, count & 0xff);
    out(b, CMD + 3, lba & 0xff);
    out(b, CMD + 4, lba >> 8 & 0xff);
    out(b, CMD + 5, lba >> 16 & 0xff);
    out(b, CMD + 7, cmd);
}

static void command48(struct bench *b, uint8_t cmd, uint64_t lba, unsigned count)
{
    out(b, CMD + 6, 0x40);
    for (int hob = 1; hob >= 0; hob--) {
        out(b, CMD + 2, count >> 8 * hob & 0xff);
        out(b, CMD + 3, (unsigned)(lba >> 24 * hob) & 0xff);
        out(b, CMD + 4, (unsigned)(lba >> (24 * hob + 8)) & 0xff);
        out(b, CMD + 5, (unsigned)(lba >> (24 * hob + 16)) & 0xff);
    }
    out(b, CMD + 7, cmd);
}

static uint16_t word(const uint8_t *p, unsigned i)
{
    return (uint16_t)(p[2 * i] | p[2 * i + 1] << 8);
}

static void identify(struct bench *b, uint8_t *id)
{
    out(b, CMD + 6, 0xa0);
    out(b, CMD + 7, 0xec);
    g_assert_cmphex(settle(b), ==, IDLE | DRQ);
    rig_ins(b->r, CMD, id, 2, 256);
}

static void check_text(const uint8_t *id, unsigned first, unsigned words, const char *text)
{
    for (unsigned i = 0; i < words * 2; i++) {
        char c = (char)id[first * 2 + (i ^ 1)];

        g_assert_cmpint(c, ==, i < strlen(text) ? text[i] : ' ');
    }
}

/* 8.15: IDENTIFY DEVICE. */
static void test_identify(void)
{
    struct bench b = bench_new(0);
    uint8_t id[512], sum = 0;

    identify(&b, id);
    g_assert_cmphex(in(&b, CMD + 7), ==, IDLE);
    check_text(id, 10, 10, "VB12345678-9abcdef0");
    check_text(id, 23, 4, "1.0");
    check_text(id, 27, 20, "VBOX HARDDISK");
    g_assert_cmphex(word(id, 0), ==, 0x0040);
    g_assert_cmpuint(word(id, 1), ==, 1);
    g_assert_cmpuint(word(id, 3), ==, 16);
    g_assert_cmpuint(word(id, 6), ==, 63);
    g_assert_cmphex(word(id, 49) & 0x0300, ==, 0x0300);
    g_assert_cmpuint(word(id, 60), ==, DISK_SECTORS);
    g_assert_cmphex(word(id, 83) & 0xc000, ==, 0x4000);
    g_assert_cmpuint(word(id, 100), ==, DISK_SECTORS);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + id[i]);
    g_assert_cmphex(id[510], ==, 0xa5);
    g_assert_cmpuint(sum, ==, 0);
    bench_free(&b);
}

/* 9.5: one interrupt for each DRQ block, cleared by reading status; none after the last. */
static void test_pio_read(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512];

    rig_irq_edges(b.r, 14);
    command28(&b, 0x20, 5, 300 & 0xff);
    g_assert_cmphex(in(&b, CTL), ==, BSY | DRDY);
    for (unsigned i = 0; i < (300 & 0xff); i++) {
        g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
        g_assert_true(rig_irq(b.r, 14));
        g_assert_cmphex(in(&b, CMD + 7), ==, IDLE | DRQ);
        g_assert_false(rig_irq(b.r, 14));
        rig_ins(b.r, CMD, buf, i % 2 ? 4 : 2, i % 2 ? 128 : 256);
        g_assert_cmpmem(buf, 512, b.disk + (5 + i) * 512, 512);
    }
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_cmpuint(rig_irq_edges(b.r, 14), ==, 300 & 0xff);
    g_assert_cmphex(rig_in(b.r, CMD, 2), ==, 0xffff); /* no DRQ: nothing to read */
    bench_free(&b);
}

/* 8.27: a count of 0 is 256 sectors; 8.29: 48-bit, 0 is 65536: too many here. */
static void test_counts(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512];

    command28(&b, 0x20, 0, 0);
    for (unsigned i = 0; i < 256; i++) {
        g_assert_cmphex(settle(&b) & DRQ, ==, DRQ);
        rig_ins(b.r, CMD, buf, 2, 256);
    }
    g_assert_cmphex(settle(&b), ==, IDLE);
    command48(&b, 0x24, 0, 0);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x10);
    command48(&b, 0x24, DISK_SECTORS - 1, 1);
    g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
    rig_ins(b.r, CMD, buf, 2, 256);
    g_assert_cmpmem(buf, 512, b.disk + (DISK_SECTORS - 1) * 512, 512);
    command48(&b, 0x24, DISK_SECTORS - 1, 2);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    command48(&b, 0x24, UINT64_C(0xffffffffffff), 1);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    bench_free(&b);
}

/* 9.6: the first DRQ block comes without an interrupt; the last one ends with one, after the medium has it. */
static void test_pio_write(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512];

    rig_irq_edges(b.r, 14);
    command28(&b, 0x30, 100, 3);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
        g_assert_cmpuint(rig_irq_edges(b.r, 14), ==, i ? 1 : 0);
        in(&b, CMD + 7);
        memset(buf, 0x30 + (int)i, sizeof(buf));
        rig_outs(b.r, CMD, buf, 2, 256);
    }
    g_assert_cmphex(in(&b, CTL), ==, BSY | DRDY);
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_cmpuint(rig_irq_edges(b.r, 14), ==, 1);
    g_assert_cmphex(b.disk[100 * 512], ==, 0x30);
    g_assert_cmphex(b.disk[102 * 512 + 511], ==, 0x32);
    g_assert_cmphex(b.disk[103 * 512], ==, (uint8_t)(103 * 7));
    bench_free(&b);
}

/* 8.28, 8.39: READ MULTIPLE moves blocks of the set size, the last one shorter; aborted while none is set. */
static void test_multiple(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[16 * 512];

    command28(&b, 0xc4, 0, 20);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x04);
    command28(&b, 0xc6, 0, 3);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    command28(&b, 0xc6, 0, 16);
    g_assert_cmphex(settle(&b), ==, IDLE);
    in(&b, CMD + 7);
    rig_irq_edges(b.r, 14);
    command28(&b, 0xc4, 7, 20);
    g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
    in(&b, CMD + 7);
    rig_ins(b.r, CMD, buf, 2, 16 * 256);
    g_assert_cmpmem(buf, sizeof(buf), b.disk + 7 * 512, sizeof(buf));
    g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
    rig_ins(b.r, CMD, buf, 2, 4 * 256);
    g_assert_cmpmem(buf, 4 * 512, b.disk + 23 * 512, 4 * 512);
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_cmpuint(rig_irq_edges(b.r, 14), ==, 2);
    bench_free(&b);
}

/* ATA-3 6.2: with LBA off the registers name cylinder, head and sector; sectors count from 1. */
static void test_chs(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512];

    out(&b, CMD + 6, 0xa3); /* head 3 */
    out(&b, CMD + 2, 1);
    out(&b, CMD + 3, 5);
    out(&b, CMD + 4, 1); /* cylinder 1 */
    out(&b, CMD + 5, 0);
    out(&b, CMD + 7, 0x20);
    g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
    rig_ins(b.r, CMD, buf, 2, 256);
    g_assert_cmpmem(buf, 512, b.disk + ((1 * 16 + 3) * 63 + 4) * 512, 512);
    out(&b, CMD + 3, 0);
    out(&b, CMD + 7, 0x20);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x10);
    bench_free(&b);
}

static void put_prd(struct bench *b, unsigned i, uint32_t gpa, uint32_t bytes, bool last)
{
    const uint32_t prd[2] = {gpa, (bytes & 0xffff) | (last ? 0x80000000u : 0)};

    rig_mem_write(b->r, PRD_GPA + 8 * i, prd, 8);
}

/* SFF-8038i 3.0: scatter over regions; interrupt and active bits say how it ended. */
static void test_dma_read(void)
{
    struct bench b = bench_new(0);
    g_autofree uint8_t *buf = g_malloc(300 * 512);

    put_prd(&b, 0, DATA_GPA + 2, 1022, false);
    put_prd(&b, 1, DATA_GPA + 0x10000, 0, false); /* 64 KiB */
    put_prd(&b, 2, DATA_GPA + 0x20000, 300 * 512 - 1022 - 2 * 65536, false);
    put_prd(&b, 3, DATA_GPA + 0x40000, 0, true);
    rig_out(b.r, BM + 4, PRD_GPA, 4);
    out(&b, BM, 0x08);
    out(&b, BM + 2, 0x06);
    command48(&b, 0x25, 50, 300);
    settle(&b);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(in(&b, CTL) & BSY, ==, BSY); /* data waits for the bus master */
    out(&b, BM, 0x09);
    g_assert_cmphex(in(&b, BM + 2) & 0x05, ==, 0x01);
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_true(rig_irq(b.r, 14));
    g_assert_cmphex(in(&b, BM + 2) & 0x07, ==, 0x04);
    out(&b, BM, 0x00);
    out(&b, BM + 2, 0x04);
    g_assert_cmphex(in(&b, BM + 2) & 0x07, ==, 0x00);
    g_assert_cmphex(in(&b, CMD + 7), ==, IDLE);
    g_assert_false(rig_irq(b.r, 14));
    rig_mem_read(b.r, DATA_GPA + 2, buf, 1022);
    rig_mem_read(b.r, DATA_GPA + 0x10000, buf + 1022, 65536);
    rig_mem_read(b.r, DATA_GPA + 0x20000, buf + 1022 + 65536, 300 * 512 - 1022 - 2 * 65536);
    rig_mem_read(b.r, DATA_GPA + 0x40000, buf + 300 * 512 - 65536, 65536);
    g_assert_cmpint(memcmp(buf, b.disk + 50 * 512, 300 * 512), ==, 0);
    bench_free(&b);
}

static void test_dma_write(void)
{
    struct bench b = bench_new(0);
    g_autofree uint8_t *buf = g_malloc(200 * 512);

    for (unsigned i = 0; i < 200 * 512; i++)
        buf[i] = (uint8_t)(i * 13 >> 4);
    rig_mem_write(b.r, DATA_GPA, buf, 200 * 512);
    put_prd(&b, 0, DATA_GPA, 65536, false);
    put_prd(&b, 1, DATA_GPA + 65536, 65536, true); /* larger than needed */
    rig_out(b.r, BM + 4, PRD_GPA, 4);
    command28(&b, 0xca, 1000, 200);
    out(&b, BM, 0x01);
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_cmpint(memcmp(buf, b.disk + 1000 * 512, 200 * 512), ==, 0);
    g_assert_cmphex(in(&b, BM + 2) & 0x05, ==, 0x05); /* more regions than data: still active */
    bench_free(&b);
}

/* SFF-8038i: regions smaller than the data: active falls, no interrupt; the drive waits until it is reset. */
static void test_dma_short_table(void)
{
    struct bench b = bench_new(0);

    put_prd(&b, 0, DATA_GPA, 512, true);
    rig_out(b.r, BM + 4, PRD_GPA, 4);
    command28(&b, 0xc8, 0, 2);
    out(&b, BM, 0x09);
    for (unsigned i = 0; i < 100; i++)
        rig_step_ns(b.r, 1000);
    g_assert_cmphex(in(&b, BM + 2) & 0x05, ==, 0x00);
    g_assert_cmphex(in(&b, CTL) & BSY, ==, BSY);
    out(&b, CTL, 0x04);
    out(&b, CTL, 0x00);
    g_assert_cmphex(settle(&b), ==, IDLE);
    bench_free(&b);
}

/* 8.27.6: everything before the bad sector arrives, the registers name it, error is UNC. */
static void test_media_error(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512];

    rig_media_fail(b.m, PDM_BLOCK_READ, 13 * 512, 512, 1000, HOST_IO_ERROR);
    command28(&b, 0x20, 10, 20);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
        rig_ins(b.r, CMD, buf, 2, 256);
        g_assert_cmpmem(buf, 512, b.disk + (10 + i) * 512, 512);
    }
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x40);
    g_assert_cmphex(in(&b, CMD + 3), ==, 13);
    g_assert_true(rig_irq(b.r, 14));
    command28(&b, 0x40, 10, 20); /* READ VERIFY finds it, too */
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 3), ==, 13);
    command28(&b, 0x40, 20, 20);
    g_assert_cmphex(settle(&b), ==, IDLE);

    rig_media_fail(b.m, PDM_BLOCK_WRITE, 0, 512, 1, HOST_IO_ERROR);
    command28(&b, 0x30, 0, 1);
    settle(&b);
    rig_outs(b.r, CMD, buf, 2, 256);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x04);
    bench_free(&b);
}

/* A10: FLUSH CACHE (8.12), FLUSH CACHE EXT, FUA writes and writes with the cache off reach the disk before they end. */
static void test_flush(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512] = {1};
    uint64_t before = rig_media_flushes(b.m);

    command28(&b, 0xe7, 0, 0);
    g_assert_cmphex(settle(&b), ==, IDLE);
    command28(&b, 0xea, 0, 0);
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_cmpuint(rig_media_flushes(b.m) - before, ==, 2);

    command28(&b, 0xc6, 0, 1);
    command48(&b, 0xce, 4, 1); /* WRITE MULTIPLE FUA EXT */
    g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
    rig_media_hold(b.m, true);
    rig_outs(b.r, CMD, buf, 2, 256);
    g_assert_cmpuint(rig_media_complete(b.m, 1), ==, 1); /* the write */
    g_assert_cmphex(in(&b, CTL), ==, BSY | DRDY);
    g_assert_cmpuint(rig_media_complete(b.m, 1), ==, 1); /* the flush */
    g_assert_cmphex(in(&b, CTL), ==, IDLE);
    rig_media_hold(b.m, false);
    g_assert_cmpuint(rig_media_flushes(b.m) - before, ==, 3);

    out(&b, CMD + 1, 0x82); /* SET FEATURES: disable write cache, which flushes */
    command28(&b, 0xef, 0, 0);
    g_assert_cmphex(settle(&b), ==, IDLE);
    command28(&b, 0x30, 4, 1);
    settle(&b);
    rig_outs(b.r, CMD, buf, 2, 256);
    g_assert_cmphex(settle(&b), ==, IDLE);
    g_assert_cmpuint(rig_media_flushes(b.m) - before, ==, 5);

    rig_media_fail(b.m, PDM_BLOCK_FLUSH, 0, UINT64_MAX, 1, HOST_IO_ERROR);
    command28(&b, 0xe7, 0, 0);
    g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x04);
    bench_free(&b);
}

/* 9.2 and 9.12: SRST drops the command, then the signature is in the registers; an old answer does not come back. */
static void test_software_reset(void)
{
    struct bench b = bench_new(0);

    rig_media_hold(b.m, true);
    command28(&b, 0x20, 0, 1);
    g_assert_cmpuint(rig_media_waiting(b.m), ==, 1);
    out(&b, CTL, 0x04);
    g_assert_cmphex(in(&b, CTL), ==, BSY);
    out(&b, CTL, 0x00);
    g_assert_cmphex(in(&b, CTL), ==, IDLE);
    g_assert_cmphex(in(&b, CMD + 1), ==, 0x01);
    g_assert_cmphex(in(&b, CMD + 2), ==, 0x01);
    g_assert_cmphex(in(&b, CMD + 3), ==, 0x01);
    g_assert_cmphex(in(&b, CMD + 4), ==, 0x00);
    g_assert_cmphex(in(&b, CMD + 5), ==, 0x00);
    command28(&b, 0x20, 9, 1); /* waits behind the old request */
    rig_media_complete(b.m, 1);
    g_assert_cmphex(in(&b, CTL) & DRQ, ==, 0);
    g_assert_cmpuint(rig_media_complete(b.m, 1), ==, 1);
    g_assert_cmphex(in(&b, CTL), ==, IDLE | DRQ);
    g_assert_cmphex(rig_in(b.r, CMD, 2), ==, (uint32_t)(b.disk[9 * 512] | b.disk[9 * 512 + 1] << 8));
    bench_free(&b);
}

/* 7.8: nIEN keeps the line down, the condition stays; alternate status clears nothing. */
static void test_interrupt_enable(void)
{
    struct bench b = bench_new(0);

    out(&b, CTL, 0x02);
    command28(&b, 0xe1, 0, 0);
    g_assert_false(rig_irq(b.r, 14));
    out(&b, CTL, 0x00);
    g_assert_true(rig_irq(b.r, 14));
    in(&b, CTL);
    g_assert_true(rig_irq(b.r, 14));
    in(&b, CMD + 7);
    g_assert_false(rig_irq(b.r, 14));
    bench_free(&b);
}

/* 9.16.1: device 0 answers for a missing device 1; an empty channel floats. */
static void test_missing_devices(void)
{
    struct bench b = bench_new(0);

    out(&b, CMD + 6, 0xb0);
    g_assert_cmphex(in(&b, CMD + 7), ==, 0x00);
    out(&b, CMD + 7, 0xec);
    g_assert_cmphex(in(&b, CMD + 7), ==, 0x00);
    g_assert_cmphex(in(&b, CMD + 6) & 0x10, ==, 0x10);
    g_assert_cmphex(in(&b, 0x177), ==, 0x7f);
    g_assert_cmphex(in(&b, 0x376), ==, 0x7f);
    bench_free(&b);
}

/* Every opcode ends: with data, an interrupt or an abort; unknown ones abort (8.x). */
static void test_every_opcode(void)
{
    for (unsigned cmd = 0; cmd < 256; cmd++) {
        struct bench b = bench_new(0);

        command28(&b, (uint8_t)cmd, 3, 1);
        for (unsigned i = 0; i < 20; i++)
            rig_step_ns(b.r, 1000);
        /* done, or waiting for the guest: by DRQ, or busy until the bus master is started */
        g_assert_true((in(&b, CTL) & DRQ) || in(&b, CTL) == IDLE || in(&b, CTL) == (IDLE | ERR) ||
                      in(&b, CTL) == (BSY | DRDY));
        out(&b, CTL, 0x04);
        out(&b, CTL, 0x00);
        g_assert_cmphex(settle(&b), ==, IDLE);
        bench_free(&b);
    }
}

/* A read-only disk refuses every write and is never written. */
static void test_read_only(void)
{
    struct bench b = {.r = rig_empty()};
    static const uint8_t writes[] = {0x30, 0x31, 0x34, 0x35, 0x39, 0x3c, 0x3d, 0xc5, 0xca, 0xcb, 0xce};

    rig_add(b.r, &pci_ide_device, "Drive0=HardDisk;Type=PIIX3");
    b.m = rig_media_new(b.r, DISK_SECTORS * 512, 512);
    rig_media_block(b.m)->read_only = true;
    rig_media_attach(b.r, "piix3ide", 0, 0, b.m);
    g_assert_true(rig_start(b.r, NULL));
    g_assert_cmphex(rig_cfg_read(b.r, 1, 1, 0, 4), ==, 0x70108086);
    command28(&b, 0xc6, 0, 16);
    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
        command28(&b, writes[i], 1, 1);
        g_assert_cmphex(settle(&b), ==, IDLE | ERR);
    }
    bench_free(&b);
}

static void test_refused_configuration(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(rig_try(&pci_ide_device, "Drive0=HardDisk", &error));
    g_assert_nonnull(strstr(error->message, "no medium"));
    g_clear_error(&error);
    g_assert_null(rig_try(&pci_ide_device, "Type=PIIX5", &error));
    g_assert_nonnull(strstr(error->message, "PIIX5"));
    g_clear_error(&error);
    g_assert_null(rig_try(&pci_ide_device, "Drive2=Tape", &error));
    g_assert_nonnull(strstr(error->message, "Tape"));
}

/* 82371AB 4.1: identity; IDETIM can be written. */
static void test_pci(void)
{
    struct bench b = bench_new(0);

    g_assert_cmphex(rig_cfg_read(b.r, 1, 1, 0x00, 4), ==, 0x71118086);
    g_assert_cmphex(rig_cfg_read(b.r, 1, 1, 0x08, 4) >> 8, ==, 0x010180);
    g_assert_cmphex(rig_cfg_read(b.r, 1, 1, 0x40, 4), ==, 0x80008000);
    rig_cfg_write(b.r, 1, 1, 0x40, 0xa307, 2);
    g_assert_cmphex(rig_cfg_read(b.r, 1, 1, 0x40, 2), ==, 0xa307);
    bench_free(&b);
}

/* Saved in the middle of a PIO read and loaded: the rest arrives. */
static void test_save_load(void)
{
    struct bench b = bench_new(0);
    uint8_t buf[512];
    g_autoptr(GError) error = NULL;

    command28(&b, 0x20, 30, 4);
    settle(&b);
    rig_ins(b.r, CMD, buf, 2, 100);
    g_assert_true(rig_save_load(b.r, &error));
    g_assert_no_error(error);
    rig_ins(b.r, CMD, buf + 200, 2, 156);
    g_assert_cmpmem(buf, 512, b.disk + 30 * 512, 512);
    for (unsigned i = 1; i < 4; i++) {
        g_assert_cmphex(settle(&b), ==, IDLE | DRQ);
        rig_ins(b.r, CMD, buf, 2, 256);
        g_assert_cmpmem(buf, 512, b.disk + (30 + i) * 512, 512);
    }
    bench_free(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/pio-read", test_pio_read);
    g_test_add_func("/ide/counts", test_counts);
    g_test_add_func("/ide/pio-write", test_pio_write);
    g_test_add_func("/ide/multiple", test_multiple);
    g_test_add_func("/ide/chs", test_chs);
    g_test_add_func("/ide/dma-read", test_dma_read);
    g_test_add_func("/ide/dma-write", test_dma_write);
    g_test_add_func("/ide/dma-short-table", test_dma_short_table);
    g_test_add_func("/ide/media-error", test_media_error);
    g_test_add_func("/ide/flush", test_flush);
    g_test_add_func("/ide/software-reset", test_software_reset);
    g_test_add_func("/ide/interrupt-enable", test_interrupt_enable);
    g_test_add_func("/ide/missing-devices", test_missing_devices);
    g_test_add_func("/ide/every-opcode", test_every_opcode);
    g_test_add_func("/ide/read-only", test_read_only);
    g_test_add_func("/ide/refused-configuration", test_refused_configuration);
    g_test_add_func("/ide/pci", test_pci);
    g_test_add_func("/ide/save-load", test_save_load);
    return g_test_run();
}

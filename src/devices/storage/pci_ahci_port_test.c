/*
 * pci_ahci_port_test.c - ports of the AHCI controller: packets, resets, drives that come and go, interrupts, saved
 * states and hostile lists.
 *
 * Clauses are of Serial ATA AHCI 1.3.1 unless another document is named.
 */
#include <string.h>

#include "devices/storage/ahci_bench.h"

static uint32_t packet(struct bench *b, const uint8_t *cdb, bool dma, uint32_t bytes)
{
    uint8_t fis[20];

    bench_ata_fis(fis, 0xa0, 0, 0);
    fis[3] = dma;
    fis[5] = 0xfe;
    fis[6] = 0xff;
    bench_put_command(b, 1, 0, fis, 0x20, bytes, DATA_GPA);
    rig_mem_write(b->r, TABLE_GPA(32) + 0x40, cdb, 12);
    bench_pset(b, 1, PX_CI, 1);
    bench_settle(b, 1);
    fis[0] = (uint8_t)bench_pget(b, 1, PX_TFD);
    bench_pset(b, 1, PX_IS, UINT32_MAX);
    if (fis[0] & 1)
        bench_restart(b, 1);
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
        bench_check_memory(&b, sector, sizeof(sector), DATA_GPA);
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

    bench_pset(&b, 0, PX_CMD, 0x10);
    bench_pset(&b, 0, PX_SCTL, 0x301);
    g_assert_cmphex(bench_pget(&b, 0, PX_SSTS), ==, 0);
    bench_pset(&b, 0, PX_SCTL, 0x300);
    g_assert_cmphex(bench_pget(&b, 0, PX_SSTS), ==, 0x133);
    g_assert_cmphex(bench_pget(&b, 0, PX_SERR) & 1 << 26, !=, 0);
    bench_pset(&b, 0, PX_SERR, UINT32_MAX);
    bench_restart(&b, 0);
    fis[15] = 0x04;
    bench_put_command(&b, 0, 0, fis, 0x500, 0, DATA_GPA);
    bench_pset(&b, 0, PX_CI, 1);
    g_assert_cmphex(bench_pget(&b, 0, PX_CI), ==, 0);
    fis[15] = 0;
    bench_put_command(&b, 0, 0, fis, 0, 0, DATA_GPA);
    bench_pset(&b, 0, PX_CI, 1);
    g_assert_cmphex(bench_pget(&b, 0, PX_CI), ==, 0);
    rig_mem_read(b.r, FIS_GPA, received, sizeof(received));
    g_assert_cmphex(received[0x40], ==, 0x34);
    g_assert_cmphex(received[0x40 + 4] | received[0x40 + 12] << 8, ==, 0x0101);
    bench_set(&b, 0x04, 0x80000001); /* 10.4.3: HBA reset */
    g_assert_cmphex(bench_get(&b, 0x04), ==, 0x80000000);
    g_assert_cmphex(bench_pget(&b, 0, PX_CLB), ==, 0);
    rig_free(b.r);
}

/* 7.3: a disk comes, one goes while it has commands. */
static void test_hot_plug(void)
{
    struct bench b = bench_new();
    uint8_t fis[20];

    bench_start_port(&b, 3);
    rig_media_attach(b.r, "ahci", 0, 3, rig_media_new(b.r, 1u << 20, 512));
    g_assert_cmphex(bench_pget(&b, 3, PX_IS), ==, (uint32_t)(IS_PC | IS_PRC));
    g_assert_cmphex(bench_pget(&b, 3, PX_SSTS), ==, 0x133);
    bench_pset(&b, 3, PX_SERR, UINT32_MAX);
    g_assert_cmphex(bench_pget(&b, 3, PX_IS), ==, 0);
    bench_ata_fis(fis, 0x25, 0, 8);
    g_assert_cmphex(bench_run(&b, 3, fis, 0, 4096), ==, IS_DHR);

    rig_media_hold(b.disk, true);
    bench_queued_fis(fis, 0x60, 0, 8, 0);
    bench_put_command(&b, 0, 0, fis, 0, 4096, DATA_GPA);
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    rig_media_attach(b.r, "ahci", 0, 0, NULL);
    g_assert_cmphex(bench_pget(&b, 0, PX_SSTS), ==, 0);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 0);
    rig_media_complete(b.disk, 10); /* the old drive's answer is nobody's */
    g_assert_cmphex(bench_pget(&b, 0, PX_IS) & IS_SDB, ==, 0);
    rig_free(b.r);
}

/* 10.7, and PCI 3.0, 6.8.1: as a line, and as messages. */
static void test_interrupts(void)
{
    struct bench b = bench_new();
    struct rig_message m[8];
    uint8_t fis[20];

    bench_queued_fis(fis, 0x60, 0, 8, 0);
    bench_put_command(&b, 0, 0, fis, 0, 4096, DATA_GPA);
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    bench_settle(&b, 0);
    g_assert_cmphex(bench_get(&b, 0x08), ==, 1);
    g_assert_true(rig_pirq(b.r, (SLOT + 3) % 4));
    bench_set(&b, 0x08, 1);
    g_assert_cmphex(bench_get(&b, 0x08), ==, 1); /* PxIS first */
    bench_pset(&b, 0, PX_IS, UINT32_MAX);
    bench_set(&b, 0x08, 1);
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x34, 1), ==, 0x80);
    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x80, 1), ==, 0x05);
    rig_cfg_write(b.r, SLOT, 0, 0x84, 0xfee01000, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x8c, 0x0041, 2);
    rig_cfg_write(b.r, SLOT, 0, 0x82, 0x0081, 2);
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    bench_settle(&b, 0);
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
        bench_queued_fis(fis, 0x60, slot * 1000, 600, slot);
        bench_put_command(&b, 0, slot, fis, 0, 600 * 512, DATA_GPA + (slot << 20));
    }
    bench_pset(&b, 0, PX_SACT, 7);
    bench_pset(&b, 0, PX_CI, 7);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 7);
    g_assert_true(rig_save_load(b.r, &error)); /* one step was made of each, there are two */
    bench_settle(&b, 0);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 0);
    for (unsigned slot = 0; slot < 3; slot++)
        bench_check_memory(&b, b.bytes + slot * 1000 * 512, 600 * 512, DATA_GPA + (slot << 20));
    rig_free(b.r);
}

/* A descriptor table in the registers' own page, lists at the end of memory, tables of 65535 entries: nothing hangs. */
static void test_hostile(void)
{
    struct bench b = bench_new();
    uint32_t header[8] = {5 | 0xffffu << 16, 0, BAR};
    uint8_t fis[20];

    rig_mem_write(b.r, LIST_GPA, header, sizeof(header));
    bench_pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    bench_restart(&b, 0);
    bench_queued_fis(fis, 0x60, 0, 0, 0); /* 65536 sectors are more than there are */
    bench_put_command(&b, 0, 0, fis, 0, 4096, DATA_GPA);
    header[2] = TABLE_GPA(0);
    rig_mem_write(b.r, LIST_GPA, header, sizeof(header));
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(bench_pget(&b, 0, PX_IS) & IS_TFE, !=, 0);
    bench_pset(&b, 0, PX_CMD, 0);
    bench_pset(&b, 0, PX_CLB, 0xfffffc00);
    bench_pset(&b, 0, PX_CLB + 4, 0xffffffff);
    bench_pset(&b, 0, PX_CMD, 0x11);
    bench_pset(&b, 0, PX_CI, UINT32_MAX);
    rig_step_ns(b.r, 1000);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ahci/packet", test_packet);
    g_test_add_func("/ahci/reset", test_reset);
    g_test_add_func("/ahci/hot-plug", test_hot_plug);
    g_test_add_func("/ahci/interrupts", test_interrupts);
    g_test_add_func("/ahci/saved", test_saved);
    g_test_add_func("/ahci/hostile", test_hostile);
    return g_test_run();
}

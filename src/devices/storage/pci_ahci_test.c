/*
 * pci_ahci_test.c - disks on the AHCI controller: registers, commands one after the other and queued ones.
 *
 * Clauses are of Serial ATA AHCI 1.3.1 unless another document is named.
 */
#include <string.h>

#include "devices/storage/ahci_bench.h"

#define HOST_IO_ERROR (-250) /* any failure the driver reports */

/* 3.1, 3.3 and 10.1.2: what is there after reset. */
static void test_registers(void)
{
    struct bench b = bench_new();

    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x08, 4), ==, 0x01060102); /* 2.1.5: class code 010601h */
    g_assert_cmphex(bench_get(&b, 0x00) & 0x1f, ==, 3);                   /* CAP.NP */
    g_assert_cmphex(bench_get(&b, 0x00) >> 8 & 0x1f, ==, 31);             /* CAP.NCS */
    g_assert_cmphex(bench_get(&b, 0x00) & 1u << 30, !=, 0);               /* CAP.SNCQ */
    g_assert_cmphex(bench_get(&b, 0x0c), ==, 0x0f);                       /* PI */
    g_assert_cmphex(bench_get(&b, 0x10), ==, 0x00010300);
    g_assert_cmphex(bench_pget(&b, 0, PX_SSTS), ==, 0x133);
    g_assert_cmphex(bench_pget(&b, 0, PX_SIG), ==, 0x00000101);
    g_assert_cmphex(bench_pget(&b, 0, PX_TFD) & 0xff, ==, 0x50);
    g_assert_cmphex(bench_pget(&b, 1, PX_SIG), ==, 0xeb140101);
    g_assert_cmphex(bench_pget(&b, 2, PX_SSTS), ==, 0);
    g_assert_cmphex(bench_pget(&b, 2, PX_TFD), ==, 0x7f);
    g_assert_cmphex(bench_get(&b, 0x100 + 4 * 0x80), ==, 0); /* no fifth port */
    rig_free(b.r);
}

/* IDENTIFY DEVICE by PIO: PIO Setup FIS, no D2H FIS; serial disks say so (SATA 2.6, 13.2.1). */
static void test_identify(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], id[512], received[256];
    uint32_t header[8];

    bench_ata_fis(fis, 0xec, 0, 0);
    g_assert_cmphex(bench_run(&b, 0, fis, 0, 512), ==, IS_PS);
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

    bench_ata_fis(fis, 0x25, 100, 300);
    g_assert_cmphex(bench_run(&b, 0, fis, 0, 300 * 512), ==, IS_DHR);
    bench_check_memory(&b, b.bytes + 100 * 512, 300 * 512, DATA_GPA);
    memset(data, 0x5a, 300 * 512);
    rig_mem_write(b.r, DATA_GPA, data, 300 * 512);
    bench_ata_fis(fis, 0x35, 7, 300);
    g_assert_cmphex(bench_run(&b, 0, fis, 0x40, 300 * 512), ==, IS_DHR);
    g_assert_cmpmem(b.bytes + 7 * 512, 300 * 512, data, 300 * 512);
    g_assert_cmphex(b.bytes[307 * 512], !=, 0x5a);
    bench_ata_fis(fis, 0x25, DISK_SECTORS - 1, 2);
    g_assert_cmphex(bench_run(&b, 0, fis, 0, 1024), ==, (uint32_t)(IS_DHR | IS_TFE)); /* 6.2.2.1 */
    g_assert_cmphex(bench_pget(&b, 0, PX_TFD), ==, 0x1051);                           /* IDNF */
    g_assert_cmphex(bench_pget(&b, 0, PX_CI), ==, 1);
    bench_restart(&b, 0);
    g_assert_cmphex(bench_pget(&b, 0, PX_CI), ==, 0);
    rig_free(b.r);
}

/* SATA 2.6, 13.6: 32 commands at once, done in any order; PxCI clears when they are queued, PxSACT when done. */
static void test_queued(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], received[256];

    rig_media_hold(b.disk, true);
    for (unsigned slot = 0; slot < 32; slot++) {
        bench_queued_fis(fis, 0x60, slot * 100, 8, slot);
        bench_put_command(&b, 0, slot, fis, 0, 4096, DATA_GPA + 4096 * slot);
    }
    bench_pset(&b, 0, PX_SACT, UINT32_MAX);
    bench_pset(&b, 0, PX_CI, UINT32_MAX);
    g_assert_cmphex(bench_pget(&b, 0, PX_CI), ==, 0);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, UINT32_MAX);
    g_assert_cmpuint(rig_media_waiting(b.disk), ==, 32);
    rig_media_complete(b.disk, 5);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 0xffffffe0);
    g_assert_cmphex(bench_pget(&b, 0, PX_IS), ==, IS_SDB);
    rig_mem_read(b.r, FIS_GPA, received, sizeof(received));
    g_assert_cmphex(received[0x58], ==, 0xa1);
    g_assert_cmphex(received[0x58 + 4], ==, 0x10); /* the fifth */
    rig_media_hold(b.disk, false);
    bench_settle(&b, 0);
    for (unsigned slot = 0; slot < 32; slot++)
        bench_check_memory(&b, b.bytes + slot * 100 * 512, 4096, DATA_GPA + 4096 * slot);
    rig_free(b.r);
}

/* Writes with FUA, and FLUSH CACHE EXT, end after the medium's flush. */
static void test_durable(void)
{
    struct bench b = bench_new();
    uint8_t fis[20];

    bench_queued_fis(fis, 0x61, 50, 8, 0);
    bench_put_command(&b, 0, 0, fis, 0x40, 4096, DATA_GPA);
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    bench_settle(&b, 0);
    g_assert_cmpuint(rig_media_flushes(b.disk), ==, 0);
    fis[7] |= 0x80; /* FUA */
    bench_put_command(&b, 0, 0, fis, 0x40, 4096, DATA_GPA);
    rig_media_hold(b.disk, true);
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    rig_media_complete(b.disk, 1); /* the write */
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 1);
    rig_media_complete(b.disk, 1); /* the flush */
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.disk), ==, 1);
    rig_media_hold(b.disk, false);
    bench_pset(&b, 0, PX_IS, UINT32_MAX);
    bench_ata_fis(fis, 0xea, 0, 0);
    g_assert_cmphex(bench_run(&b, 0, fis, 0, 0), ==, IS_DHR);
    g_assert_cmpuint(rig_media_flushes(b.disk), ==, 2);
    rig_media_fail(b.disk, PDM_BLOCK_FLUSH, 0, UINT64_MAX, 1, HOST_IO_ERROR);
    g_assert_cmphex(bench_run(&b, 0, fis, 0, 0) & IS_TFE, !=, 0);
    rig_free(b.r);
}

/* A queued read meets a bad sector: error in the Set Device Bits FIS, its address in log 10h (SATA 2.6, 13.7). */
static void test_queued_error(void)
{
    struct bench b = bench_new();
    uint8_t fis[20], log[512], sum = 0;

    rig_media_fail(b.disk, PDM_BLOCK_READ, 205 * 512, 512, 100, HOST_IO_ERROR);
    bench_queued_fis(fis, 0x60, 200, 16, 3);
    bench_put_command(&b, 0, 3, fis, 0, 8192, DATA_GPA);
    bench_pset(&b, 0, PX_SACT, 8);
    bench_pset(&b, 0, PX_CI, 8);
    for (unsigned i = 0; i < 100; i++)
        rig_step_ns(b.r, 1000);
    g_assert_cmphex(bench_pget(&b, 0, PX_IS), ==, (uint32_t)(IS_SDB | IS_TFE));
    g_assert_cmphex(bench_pget(&b, 0, PX_TFD), ==, 0x4051);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 8);
    bench_check_memory(&b, b.bytes + 200 * 512, 5 * 512, DATA_GPA); /* all before the bad one */
    bench_pset(&b, 0, PX_CI, 1); /* nothing starts until the list was stopped (5.5.3) */
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(bench_pget(&b, 0, PX_CI), ==, 1);
    bench_restart(&b, 0);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 0);
    bench_ata_fis(fis, 0x2f, 0x10, 1);
    g_assert_cmphex(bench_run(&b, 0, fis, 0, 512), ==, IS_PS);
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
    bench_queued_fis(fis, 0x61, 0, 8, 0);
    bench_put_command(&b, 0, 0, fis, 0x40, 2048, DATA_GPA);
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(bench_pget(&b, 0, PX_IS), ==, IS_OF);
    g_assert_cmpmem(b.bytes, 512, before, 512);
    bench_restart(&b, 0);
    bench_ata_fis(fis, 0x25, 0, 8);
    bench_put_command(&b, 0, 0, fis, 0, 512, DATA_GPA);
    bench_pset(&b, 0, PX_CI, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmphex(bench_pget(&b, 0, PX_IS), ==, IS_OF);
    bench_pset(&b, 0, PX_CMD, 0x10);
    g_assert_cmphex(bench_pget(&b, 0, PX_TFD) & 0x80, !=, 0); /* the drive still waits */
    bench_pset(&b, 0, PX_CMD, 0x18);                          /* 3.3.7: CLO */
    g_assert_cmphex(bench_pget(&b, 0, PX_TFD) & 0x88, ==, 0);
    rig_free(b.r);
}

/* ACS-2, 7.10: DATA SET MANAGEMENT with TRIM; a bad range aborts. */
static void test_trim(void)
{
    struct bench b = bench_new();
    uint64_t ranges[64] = {UINT64_C(16) << 48 | 1000, 0, UINT64_C(8) << 48 | 2000};
    uint8_t fis[20];

    rig_mem_write(b.r, DATA_GPA, ranges, sizeof(ranges));
    bench_ata_fis(fis, 0x06, 0, 1);
    fis[3] = 1;
    g_assert_cmphex(bench_run(&b, 0, fis, 0x40, 512), ==, IS_DHR);
    for (unsigned i = 0; i < 16 * 512; i++)
        g_assert_cmphex(b.bytes[1000 * 512 + i], ==, 0);
    g_assert_cmphex(b.bytes[2007 * 512 + 5], ==, 0);
    g_assert_cmphex(b.bytes[1016 * 512 + 5], !=, 0);
    ranges[0] = UINT64_C(2) << 48 | (DISK_SECTORS - 1);
    rig_mem_write(b.r, DATA_GPA, ranges, sizeof(ranges));
    g_assert_cmphex(bench_run(&b, 0, fis, 0x40, 512) & IS_TFE, !=, 0);
    rig_free(b.r);
}

/* Whether a step goes straight between medium and memory or through a buffer, the bytes are the same. */
static void test_direct(void)
{
    const uint32_t sectors = 1500, bytes = sectors * 512;
    g_autofree uint8_t *data = g_malloc(bytes);
    struct bench b = bench_new();
    uint8_t fis[20];

    for (unsigned k = 0; k < 4; k++) { /* the rig does every other one at once */
        const uint64_t before = rig_mem_stored(b.r);

        memset(data, 0x30 + (int)k, bytes);
        rig_mem_write(b.r, DATA_GPA, data, bytes);
        for (unsigned read = 0; read < 2; read++) {
            bench_queued_fis(fis, read ? 0x60 : 0x61, 11 + k, sectors, 0);
            bench_put_command(&b, 0, 0, fis, read ? 0 : 0x40, bytes, read ? DATA_GPA + 0x200000 : DATA_GPA);
            bench_pset(&b, 0, PX_SACT, 1);
            bench_pset(&b, 0, PX_CI, 1);
            bench_settle(&b, 0);
        }
        g_assert_cmpmem(b.bytes + (11 + k) * 512, bytes, data, bytes);
        bench_check_memory(&b, data, bytes, DATA_GPA + 0x200000);
        g_assert_cmpuint(rig_mem_stored(b.r), >, before); /* tried, at least */
    }
    rig_free(b.r);
}

/* Memory that is none: its bytes are ones, and what lies before it in the list is written all the same. */
static void test_direct_beyond_memory(void)
{
    const uint32_t nowhere[4] = {0xd0000000, 0, 0, 4095};
    g_autofree uint8_t *ones = g_malloc(4096);
    struct bench b = bench_new();
    uint8_t fis[20];

    memset(ones, 0xff, 4096);
    bench_queued_fis(fis, 0x61, 0, 2048, 0);
    bench_put_command(&b, 0, 0, fis, 0x40, 1u << 20, DATA_GPA);
    rig_mem_write(b.r, TABLE_GPA(0) + 0x80 + 16 * 100, nowhere, sizeof(nowhere));
    bench_pset(&b, 0, PX_SACT, 1);
    bench_pset(&b, 0, PX_CI, 1);
    bench_settle(&b, 0);
    g_assert_cmphex(bench_pget(&b, 0, PX_SACT), ==, 0);
    bench_check_memory(&b, b.bytes, 100 * 4096, DATA_GPA);
    g_assert_cmpmem(b.bytes + 100 * 4096, 4096, ones, 4096);
    bench_check_memory(&b, b.bytes + 101 * 4096, 155 * 4096, DATA_GPA + 101 * 4096);
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
    g_test_add_func("/ahci/direct", test_direct);
    g_test_add_func("/ahci/direct-beyond-memory", test_direct_beyond_memory);
    return g_test_run();
}

/*
 * atapi_test.c - the CD-ROM drive on the secondary channel: packets, sense data, discs coming and going.
 *
 * Clauses: ATA/ATAPI-6 9.8 for the protocol, MMC-2 and SFF-8020i for the commands.
 */
#include <string.h>

#include "devices/storage/atapi_bench.h"

#define HOST_IO_ERROR (-250) /* any failure the driver reports */

/* 9.12: the signature; 8.15: IDENTIFY DEVICE aborts with it; 8.16: IDENTIFY PACKET DEVICE. */
static void test_signature(void)
{
    struct bench b = bench_new(false);
    uint8_t id[512];

    bench_out(&b, CTL, 0x04);
    bench_out(&b, CTL, 0x00);
    g_assert_cmphex(bench_in(&b, CTL), ==, 0x00);
    g_assert_cmphex(bench_in(&b, CMD + 4), ==, 0x14);
    g_assert_cmphex(bench_in(&b, CMD + 5), ==, 0xeb);
    bench_out(&b, CMD + 4, 0);
    bench_out(&b, CMD + 7, 0xec);
    g_assert_cmphex(bench_in(&b, CTL), ==, IDLE | ERR);
    g_assert_cmphex(bench_in(&b, CMD + 1), ==, 0x04);
    g_assert_cmphex(bench_in(&b, CMD + 4), ==, 0x14);
    g_assert_cmphex(bench_in(&b, CMD + 5), ==, 0xeb);
    bench_out(&b, CMD + 7, 0xa1);
    g_assert_cmphex(bench_settle(&b), ==, IDLE | DRQ);
    rig_ins(b.r, CMD, id, 2, 256);
    g_assert_cmphex(id[0] | id[1] << 8, ==, 0x85c0);
    g_assert_cmpmem(id + 54, 10, "BVXOC -DOR", 10);
    bench_out(&b, CMD + 7, 0x08); /* DEVICE RESET */
    g_assert_cmphex(bench_in(&b, CTL), ==, 0x00);
    g_assert_cmphex(bench_in(&b, CMD + 1), ==, 0x01);
    g_assert_cmphex(bench_in(&b, CMD + 5), ==, 0xeb);
    rig_free(b.r);
}

/* SFF-8020i 9.3: no DRQ block is larger than the byte count limit; odd limits lose one. */
static void test_read(void)
{
    static const unsigned limits[] = {2048, 0xffff, 0, 3001, 512};
    struct bench b = bench_new(true);
    g_autofree uint8_t *buf = g_malloc(70 * 2048);

    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        const uint8_t read10[12] = {0x28, 0, 0, 0, 0, 10, 0, 0, 70};
        const uint8_t read12[12] = {0xa8, 0, 0, 0, 0, 11, 0, 0, 0, 3};

        g_assert_cmphex(bench_packet(&b, read10, limits[i], false), ==, IDLE | DRQ);
        if (limits[i] && limits[i] < 0xffff)
            g_assert_cmpuint(bench_in(&b, CMD + 4) | (unsigned)bench_in(&b, CMD + 5) << 8, ==, limits[i] & ~1u);
        g_assert_cmpuint(bench_gather(&b, buf, 70 * 2048), ==, 70 * 2048);
        g_assert_cmpint(memcmp(buf, b.disc + 10 * 2048, 70 * 2048), ==, 0);
        bench_packet(&b, read12, limits[i], false);
        g_assert_cmpuint(bench_gather(&b, buf, 70 * 2048), ==, 3 * 2048);
        g_assert_cmpint(memcmp(buf, b.disc + 11 * 2048, 3 * 2048), ==, 0);
    }
    rig_free(b.r);
}

static void test_read_dma(void)
{
    static const uint8_t read10[12] = {0x28, 0, 0, 0, 0, 1, 0, 0, 60};
    struct bench b = bench_new(true);
    g_autofree uint8_t *buf = g_malloc(60 * 2048);
    const uint32_t prd[4] = {DATA_GPA, 0, DATA_GPA + 65536, 0x80000000u | (60 * 2048 - 65536)};

    rig_mem_write(b.r, PRD_GPA, prd, sizeof(prd));
    rig_out(b.r, BM + 4, PRD_GPA, 4);
    bench_out(&b, BM, 0x09);
    g_assert_cmphex(bench_packet(&b, read10, 0, true), ==, IDLE);
    g_assert_cmphex(bench_in(&b, BM + 2) & 0x05, ==, 0x04);
    g_assert_cmphex(bench_in(&b, CMD + 2) & 3, ==, 3);
    rig_mem_read(b.r, DATA_GPA, buf, 60 * 2048);
    g_assert_cmpint(memcmp(buf, b.disc + 2048, 60 * 2048), ==, 0);
    rig_free(b.r);
}

/* MMC-2 6.1.15: user data alone, the whole sector, nothing. */
static void test_read_cd(void)
{
    struct bench b = bench_new(true);
    uint8_t cdb[12] = {0xbe, 0, 0, 0, 0, 75, 0, 0, 2, 0xf8};
    uint8_t buf[2 * 2352];

    bench_packet(&b, cdb, 0, false);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 2 * 2352);
    g_assert_cmphex(buf[0], ==, 0x00);
    g_assert_cmphex(buf[1], ==, 0xff);
    g_assert_cmphex(buf[12], ==, 0x00); /* 00:03:00 in BCD: sector 75 and the two seconds before sector 0 */
    g_assert_cmphex(buf[13], ==, 0x03);
    g_assert_cmphex(buf[2352 + 14], ==, 0x01);
    g_assert_cmphex(buf[15], ==, 0x01);
    g_assert_cmpint(memcmp(buf + 16, b.disc + 75 * 2048, 2048), ==, 0);
    g_assert_cmpint(memcmp(buf + 2352 + 16, b.disc + 76 * 2048, 2048), ==, 0);
    cdb[9] = 0x10;
    bench_packet(&b, cdb, 0, false);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 2 * 2048);
    g_assert_cmpint(memcmp(buf, b.disc + 75 * 2048, 4096), ==, 0);
    cdb[9] = 0x00;
    bench_packet(&b, cdb, 0, false);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 0);
    rig_free(b.r);
}

/* Answers by first bytes: INQUIRY, READ CAPACITY, READ TOC in three formats, and what drivers ask on attaching. */
static void test_answers(void)
{
    static const struct {
        uint8_t cdb[12];
        unsigned bytes;
        uint8_t first[16];
        unsigned compare;
    } rows[] = {
        {{0x12, 0, 0, 0, 36}, 36, {0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0, 'V', 'B', 'O', 'X', ' ', ' ', ' ', ' '}, 16},
        {{0x12, 0, 0, 0, 5}, 5, {0x05, 0x80, 0x00, 0x21, 31}, 5},
        {{0x25}, 8, {0, 0, 0x01, 0x8f, 0, 0, 0x08, 0}, 8},
        {{0x43, 0, 0, 0, 0, 0, 0, 0, 100}, 20, {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0}, 16},
        {{0x43, 2, 0, 0, 0, 0, 0, 0, 12}, 12, {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0}, 12},
        {{0x43, 0, 1, 0, 0, 0, 0, 0, 100}, 12, {0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}, 12},
        {{0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40}, 12, {0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}, 12},
        {{0x43, 2, 2, 0, 0, 0, 0, 0, 100}, 48, {0, 46, 1, 1, 1, 0x14, 0, 0xa0, 0, 0, 0, 0, 1, 0, 0}, 15},
        {{0x46, 0, 0, 0, 0, 0, 0, 0, 8}, 8, {0, 0, 0, 0x4c, 0, 0, 0, 0x08}, 8},
        {{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, 8, {0, 6, 0x04, 0x10, 0, 0x02}, 6},
        {{0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8}, 4, {0, 2, 0x80, 0x10}, 4},
        {{0x51, 0, 0, 0, 0, 0, 0, 0, 34}, 34, {0, 32, 0x0e, 1, 1, 1, 1}, 7},
        {{0x52, 1, 0, 0, 0, 1, 0, 0, 36}, 36, {0, 34, 1, 1, 0, 0x04, 0x01}, 7},
        {{0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128}, 28, {0, 26, 0x01, 0, 0, 0, 0, 0, 0x2a, 18, 0x3b, 0}, 12},
        {{0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 8, {0, 0, 0, 0, 0, 1, 0, 0}, 8},
        {{0x00}, 0, {0}, 0},
    };
    struct bench b = bench_new(true);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t buf[256];

        bench_packet(&b, rows[i].cdb, 0, false);
        g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, rows[i].bytes);
        g_assert_cmphex(bench_in(&b, CTL), ==, IDLE);
        g_assert_cmpmem(buf, rows[i].compare, rows[i].first, rows[i].compare);
    }
    rig_free(b.r);
}

static void test_refusals(void)
{
    static const struct {
        uint8_t cdb[12], asc;
    } rows[] = {
        {{0xff}, 0x20},
        {{0x28, 0, 0, 0, 0x01, 0x90, 0, 0, 1}, 0x21},
        {{0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff}, 0x21},
        {{0xa8, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, 0x21},
        {{0xbe, 0, 0, 0, 0, 0, 0, 0, 1, 0x80}, 0x24},
        {{0x12, 1, 0x80, 0, 36}, 0x24},
        {{0x43, 0, 5, 0, 0, 0, 0, 0, 100}, 0x24},
        {{0x43, 0, 0, 0, 0, 0, 7, 0, 100}, 0x24},
        {{0x5a, 0, 0x11, 0, 0, 0, 0, 0, 100}, 0x24},
        {{0x5a, 0, 0xea, 0, 0, 0, 0, 0, 100}, 0x39},
        {{0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8}, 0x24},
    };
    struct bench b = bench_new(true);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        bench_packet(&b, rows[i].cdb, 0, false);
        bench_sense(&b, 0x05, rows[i].asc, 0x00);
    }
    rig_media_fail(b.m, PDM_BLOCK_READ, 5 * 2048, 2048, 1, HOST_IO_ERROR);
    bench_packet(&b, (const uint8_t[12]){0x28, 0, 0, 0, 0, 5, 0, 0, 1}, 0, false);
    bench_sense(&b, 0x03, 0x11, 0x00);
    rig_free(b.r);
}

/* MMC-2: no disc is NOT READY; a new one is announced once; the guest can lock and eject. */
static void test_media_change(void)
{
    static const uint8_t ready[12] = {0x00}, lock[12] = {0x1e, 0, 0, 0, 1}, unlock[12] = {0x1e};
    static const uint8_t eject[12] = {0x1b, 0, 0, 0, 2}, event[12] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
    struct bench b = bench_new(false);
    uint8_t buf[8];

    bench_packet(&b, ready, 0, false);
    bench_sense(&b, 0x02, 0x3a, 0x01);
    b.m = bench_disc(&b, 5);
    rig_media_attach(b.r, "piix3ide", 0, 2, b.m);
    bench_packet(&b, event, 0, false);
    g_assert_cmpuint(bench_gather(&b, buf, 8), ==, 8);
    g_assert_cmphex(buf[4], ==, 0x02); /* new media */
    g_assert_cmphex(buf[5], ==, 0x02); /* present */
    bench_packet(&b, ready, 0, false);
    bench_sense(&b, 0x06, 0x28, 0x00);
    g_assert_cmphex(bench_packet(&b, ready, 0, false), ==, IDLE);
    bench_packet(&b, lock, 0, false);
    bench_packet(&b, eject, 0, false);
    bench_sense(&b, 0x05, 0x53, 0x02);
    bench_packet(&b, unlock, 0, false);
    g_assert_cmphex(bench_packet(&b, eject, 0, false), ==, IDLE);
    bench_packet(&b, ready, 0, false);
    bench_sense(&b, 0x02, 0x3a, 0x02);
    rig_media_attach(b.r, "piix3ide", 0, 2, NULL);
    bench_packet(&b, ready, 0, false);
    bench_sense(&b, 0x02, 0x3a, 0x01);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/atapi/signature", test_signature);
    g_test_add_func("/atapi/read", test_read);
    g_test_add_func("/atapi/read-dma", test_read_dma);
    g_test_add_func("/atapi/read-cd", test_read_cd);
    g_test_add_func("/atapi/answers", test_answers);
    g_test_add_func("/atapi/refusals", test_refusals);
    g_test_add_func("/atapi/media-change", test_media_change);
    return g_test_run();
}

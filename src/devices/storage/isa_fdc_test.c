/*
 * isa_fdc_test.c - the floppy controller register by register: reset, seek, transfers by DMA and by PIO, refusals.
 *
 * Sections are of the Intel 82078 data sheet (order 290468).
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg isa_fdc_device;

#define HOST_IO_ERROR (-250) /* any failure the driver reports */

#define FLOPPY_BYTES 1474560u
#define DMA_IN       0x46 /* single, to memory, channel 2 */
#define DMA_OUT      0x4a

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disk;
};

static uint8_t in(struct bench *b, uint16_t port)
{
    return (uint8_t)rig_in(b->r, port, 1);
}

static void out(struct bench *b, uint16_t port, unsigned val)
{
    rig_out(b->r, port, val, 1);
}

static void send(struct bench *b, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(in(b, 0x3f4) & 0xc0, ==, 0x80);
        out(b, 0x3f5, bytes[i]);
    }
}
#define SEND(b, ...) send(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Waits for the interrupt, then reads the result and compares it. */
static void expect(struct bench *b, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(in(b, 0x3f4) & 0xc0, ==, 0xc0);
        g_assert_cmphex(in(b, 0x3f5), ==, bytes[i]);
    }
    g_assert_cmphex(in(b, 0x3f4) & 0xd0, ==, 0x80);
}
#define EXPECT(b, ...) expect(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void wait_irq(struct bench *b)
{
    for (unsigned i = 0; i < 200 && !rig_irq(b->r, 6); i++) {
        rig_step_ns(b->r, 1000000);
        rig_dma_run(b->r, 2);
    }
    g_assert_true(rig_irq(b->r, 6));
}

static void enable(struct bench *b)
{
    out(b, 0x3f2, 0x00);
    out(b, 0x3f2, 0x1c); /* motor 0, gate, run */
    wait_irq(b);
    for (uint8_t i = 0; i < 4; i++) {
        SEND(b, 0x08);
        EXPECT(b, 0xc0 | i, 0x00);
    }
    g_assert_false(rig_irq(b->r, 6));
    out(b, 0x3f7, 0x00); /* 500 kbit/s */
    SEND(b, 0x03, 0xaf, 0x02);
}

static struct bench bench_new(uint64_t bytes)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &isa_fdc_device, "Drive0=Floppy");
    if (bytes) {
        b.m = rig_media_new(b.r, bytes, 512);
        b.disk = rig_media_bytes(b.m);
        for (uint64_t i = 0; i < bytes; i++)
            b.disk[i] = (uint8_t)(i / 512 * 3 + i);
        rig_media_attach(b.r, "i82078", 0, 0, b.m);
    }
    g_assert_true(rig_start(b.r, NULL));
    enable(&b);
    return b;
}

/* 2.1.3, 5.2.5: after a reset four SENSE INTERRUPT STATUS, the fifth is invalid. */
static void test_reset(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);

    SEND(&b, 0x08);
    EXPECT(&b, 0x80);
    out(&b, 0x3f2, 0x18);
    g_assert_cmphex(in(&b, 0x3f4), ==, 0x00);
    out(&b, 0x3f5, 0x10);
    g_assert_cmphex(in(&b, 0x3f4), ==, 0x00);
    enable(&b);
    out(&b, 0x3f4, 0x80); /* DSR: software reset */
    wait_irq(&b);
    rig_free(b.r);
}

static void test_control_commands(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);

    SEND(&b, 0x10);
    EXPECT(&b, 0x90);
    SEND(&b, 0x13, 0x00, 0x57, 0x11);
    SEND(&b, 0x12, 0x84);
    SEND(&b, 0x94);
    EXPECT(&b, 0x10);
    SEND(&b, 0x0e);
    EXPECT(&b, 0, 0, 0, 0, 0xaf, 0x02, 0x00, 0x84, 0x57, 0x11);
    out(&b, 0x3f4, 0x80); /* locked: CONFIGURE survives, here with polling off: no interrupt */
    rig_step_ns(b.r, 10000000);
    g_assert_false(rig_irq(b.r, 6));
    SEND(&b, 0x14);
    EXPECT(&b, 0x00);
    SEND(&b, 0x04, 0x00);
    EXPECT(&b, 0x38);
    SEND(&b, 0x1f);
    EXPECT(&b, 0x80);
    rig_free(b.r);
}

/* 5.2.3, 5.2.4: seeks end with an interrupt; an absent drive never shows track 0. DSKCHG falls by a step. */
static void test_seek(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);

    g_assert_cmphex(in(&b, 0x3f7) & 0x80, ==, 0x80);
    SEND(&b, 0x0f, 0x00, 40);
    g_assert_cmphex(in(&b, 0x3f4), ==, 0x81);
    wait_irq(&b);
    SEND(&b, 0x08);
    EXPECT(&b, 0x20, 40);
    g_assert_cmphex(in(&b, 0x3f7) & 0x80, ==, 0x00);
    SEND(&b, 0x07, 0x00);
    wait_irq(&b);
    SEND(&b, 0x08);
    EXPECT(&b, 0x20, 0);
    SEND(&b, 0x07, 0x01);
    wait_irq(&b);
    SEND(&b, 0x08);
    EXPECT(&b, 0x71, 0);
    rig_media_attach(b.r, "i82078", 0, 0, NULL);
    g_assert_cmphex(in(&b, 0x3f7) & 0x80, ==, 0x80);
    rig_free(b.r);
}

/* 6.1.1: terminal count ends the command; the result names the sector after the last. */
static void test_read_dma(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);
    g_autofree uint8_t *buf = g_malloc(36 * 512);

    rig_dma_buffer(b.r, 2, buf, 3 * 512, DMA_IN);
    SEND(&b, 0xe6, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    EXPECT(&b, 0x00, 0, 0, 0, 0, 8, 2);
    g_assert_cmpmem(buf, 3 * 512, b.disk + 4 * 512, 3 * 512);
    g_assert_false(rig_irq(b.r, 6));

    rig_dma_buffer(b.r, 2, buf, 36 * 512, DMA_IN); /* MT: both sides */
    SEND(&b, 0xe6, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    EXPECT(&b, 0x04, 0, 0, 1, 0, 1, 2);
    g_assert_cmpint(memcmp(buf, b.disk, 36 * 512), ==, 0);

    rig_dma_buffer(b.r, 2, buf, 36 * 512, DMA_IN); /* no MT: ends at EOT without terminal count */
    SEND(&b, 0x46, 0x04, 0, 1, 17, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    EXPECT(&b, 0x44, 0x80, 0, 1, 1, 1, 2);
    g_assert_cmpint(memcmp(buf, b.disk + (18 + 16) * 512, 2 * 512), ==, 0);
    rig_free(b.r);
}

static void test_write_dma(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);
    uint8_t buf[700];

    memset(buf, 0xd7, sizeof(buf));
    SEND(&b, 0x0f, 0x00, 79);
    wait_irq(&b);
    SEND(&b, 0x08);
    EXPECT(&b, 0x20, 79);
    rig_dma_buffer(b.r, 2, buf, sizeof(buf), DMA_OUT);
    SEND(&b, 0xc5, 0x04, 79, 1, 17, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    EXPECT(&b, 0x04, 0, 0, 80, 0, 1, 2);
    g_assert_cmphex(b.disk[FLOPPY_BYTES - 1024], ==, 0xd7);
    g_assert_cmphex(b.disk[FLOPPY_BYTES - 1024 + 699], ==, 0xd7);
    g_assert_cmphex(b.disk[FLOPPY_BYTES - 1024 + 700], ==, 0x00); /* 6.1.2: the rest of the sector is zeros */
    rig_free(b.r);
}

/* 4.2.1: non-DMA mode, byte by byte through the FIFO; without terminal count it ends with "end of cylinder". */
static void test_pio(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);

    SEND(&b, 0x03, 0xaf, 0x03);
    SEND(&b, 0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    for (unsigned i = 0; i < 512; i++) {
        g_assert_cmphex(in(&b, 0x3f4), ==, 0xf0);
        g_assert_cmphex(in(&b, 0x3f5), ==, b.disk[17 * 512 + i]);
    }
    EXPECT(&b, 0x40, 0x80, 0, 1, 0, 1, 2);
    SEND(&b, 0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 512; i++) {
        g_assert_cmphex(in(&b, 0x3f4), ==, 0xb0);
        out(&b, 0x3f5, 0x11);
    }
    rig_step_ns(b.r, 1000000);
    EXPECT(&b, 0x40, 0x80, 0, 1, 0, 1, 2);
    g_assert_cmphex(b.disk[17 * 512 + 511], ==, 0x11);
    rig_free(b.r);
}

/* 6.1.6: FORMAT TRACK fills the track. 6.1.7: READ ID meets the sectors one after the other. */
static void test_format(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);
    uint8_t ids[18 * 4];

    for (unsigned i = 0; i < 18; i++)
        memcpy(ids + 4 * i, (const uint8_t[]){0, 1, (uint8_t)(i + 1), 2}, 4);
    rig_dma_buffer(b.r, 2, ids, sizeof(ids), DMA_OUT);
    SEND(&b, 0x4d, 0x04, 2, 18, 0x6c, 0xf6);
    wait_irq(&b);
    EXPECT(&b, 0x04, 0, 0, 0, 1, 1, 0xf6);
    g_assert_cmphex(b.disk[18 * 512], ==, 0xf6);
    g_assert_cmphex(b.disk[36 * 512 - 1], ==, 0xf6);
    g_assert_cmphex(b.disk[36 * 512], !=, 0xf6);
    for (uint8_t i = 1; i <= 3; i++) {
        SEND(&b, 0x4a, 0x04);
        g_assert_true(rig_irq(b.r, 6));
        EXPECT(&b, 0x04, 0, 0, 0, 1, i, 2);
    }
    rig_free(b.r);
}

static void test_errors(void)
{
    static const struct {
        uint8_t cmd[9], st0, st1, st2;
    } rows[] = {
        {{0x46, 0x00, 1, 0, 1, 2, 18, 0x1b, 0xff}, 0x40, 0x04, 0x10},  /* another cylinder */
        {{0x46, 0x00, 0, 1, 1, 2, 18, 0x1b, 0xff}, 0x40, 0x04, 0x00},  /* another side */
        {{0x46, 0x00, 0, 0, 19, 2, 18, 0x1b, 0xff}, 0x40, 0x04, 0x00}, /* no such sector */
        {{0x46, 0x00, 0, 0, 0, 2, 18, 0x1b, 0xff}, 0x40, 0x04, 0x00},
        {{0x46, 0x00, 0, 0, 1, 3, 18, 0x1b, 0xff}, 0x40, 0x04, 0x00}, /* sectors of 1024 bytes */
        {{0x46, 0x01, 0, 0, 1, 2, 18, 0x1b, 0xff}, 0x41, 0x01, 0x00}, /* no drive */
        {{0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff}, 0x40, 0x02, 0x00}, /* write protected */
    };
    struct bench b = bench_new(FLOPPY_BYTES);
    uint8_t buf[512];

    rig_media_block(b.m)->read_only = true;
    rig_media_attach(b.r, "i82078", 0, 0, NULL);
    rig_media_attach(b.r, "i82078", 0, 0, b.m);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        send(&b, rows[i].cmd, 9);
        wait_irq(&b);
        EXPECT(&b, rows[i].st0, rows[i].st1, rows[i].st2, rows[i].cmd[2], rows[i].cmd[3], rows[i].cmd[4],
               rows[i].cmd[5]);
    }
    rig_media_fail(b.m, PDM_BLOCK_READ, 0, 512, 1, HOST_IO_ERROR);
    rig_dma_buffer(b.r, 2, buf, 512, DMA_IN);
    SEND(&b, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    EXPECT(&b, 0x40, 0x20, 0x20, 0, 0, 1, 2);
    out(&b, 0x3f7, 0x02); /* 250 kbit/s: a high-density disk cannot be read */
    SEND(&b, 0x4a, 0x00);
    EXPECT(&b, 0x40, 0x01, 0, 0, 0, 1, 2);
    rig_free(b.r);
}

/* 5.1: VERIFY moves nothing; with EC it counts sectors itself. */
static void test_verify(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);

    SEND(&b, 0x56, 0x80, 0, 0, 1, 2, 18, 0x1b, 4);
    wait_irq(&b);
    EXPECT(&b, 0x00, 0, 0, 0, 0, 5, 2);
    rig_free(b.r);
}

/* The formats by image size: last sector of each side can be read, the next one not. */
static void test_formats(void)
{
    static const struct {
        uint64_t bytes;
        uint8_t rate, sectors;
    } rows[] = {{368640, 2, 9}, {737280, 2, 9}, {1228800, 0, 15}, {1474560, 0, 18}, {2949120, 3, 36}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct bench b = bench_new(rows[i].bytes);
        uint8_t buf[512];

        out(&b, 0x3f7, rows[i].rate);
        rig_dma_buffer(b.r, 2, buf, 512, DMA_IN);
        SEND(&b, 0x46, 0x04, 0, 1, rows[i].sectors, 2, 40, 0x1b, 0xff);
        wait_irq(&b);
        EXPECT(&b, 0x04, 0, 0, 0, 1, rows[i].sectors + 1, 2);
        g_assert_cmpmem(buf, 512, b.disk + (2 * rows[i].sectors - 1) * 512, 512);
        SEND(&b, 0x46, 0x04, 0, 1, rows[i].sectors + 1, 2, 41, 0x1b, 0xff);
        wait_irq(&b);
        EXPECT(&b, 0x44, 0x04, 0, 0, 1, rows[i].sectors + 1, 2);
        rig_free(b.r);
    }
}

/* A reset by DOR makes the chip listen again whatever it was doing. */
static void recover(struct bench *b)
{
    out(b, 0x3f2, 0x00);
    out(b, 0x3f2, 0x1c);
    rig_step_ns(b->r, 1000000);
    SEND(b, 0x10);
    EXPECT(b, 0x90);
}

/* VENOM and its kind: no sequence of bytes leaves the FIFO's bounds. */
static void test_fifo_abuse(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);

    for (unsigned i = 0; i < 20000; i++) {
        if (i % 7 == 3)
            in(&b, 0x3f5);
        else
            out(&b, 0x3f5, (unsigned)g_rand_int(rand) & 0xff);
        if (i % 50 == 0)
            rig_step_ns(b.r, 1000000);
        if (i % 1000 == 0)
            recover(&b);
    }
    recover(&b);
    for (unsigned cmd = 0; cmd < 256; cmd++) {
        out(&b, 0x3f5, cmd);
        for (unsigned i = 0; i < 600; i++)
            out(&b, 0x3f5, 0x01);
        recover(&b);
    }
    rig_free(b.r);
}

static void test_save_load(void)
{
    struct bench b = bench_new(FLOPPY_BYTES);
    g_autoptr(GError) error = NULL;

    SEND(&b, 0x03, 0xaf, 0x03);
    SEND(&b, 0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    wait_irq(&b);
    for (unsigned i = 0; i < 512; i++) {
        if (i == 200) {
            g_assert_true(rig_save_load(b.r, &error));
            g_assert_no_error(error);
        }
        g_assert_cmphex(in(&b, 0x3f5), ==, b.disk[17 * 512 + i]);
    }
    EXPECT(&b, 0x40, 0x80, 0, 1, 0, 1, 2);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fdc/reset", test_reset);
    g_test_add_func("/fdc/control-commands", test_control_commands);
    g_test_add_func("/fdc/seek", test_seek);
    g_test_add_func("/fdc/read-dma", test_read_dma);
    g_test_add_func("/fdc/write-dma", test_write_dma);
    g_test_add_func("/fdc/pio", test_pio);
    g_test_add_func("/fdc/format", test_format);
    g_test_add_func("/fdc/errors", test_errors);
    g_test_add_func("/fdc/verify", test_verify);
    g_test_add_func("/fdc/formats", test_formats);
    g_test_add_func("/fdc/fifo-abuse", test_fifo_abuse);
    g_test_add_func("/fdc/save-load", test_save_load);
    return g_test_run();
}

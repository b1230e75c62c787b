/* atapi_bench.c - see atapi_bench.h. Clauses: ATA/ATAPI-6 9.8. */
#include "devices/storage/atapi_bench.h"

extern const struct pdm_devreg pci_ide_device;

uint8_t bench_in(struct bench *b, uint16_t port)
{
    return (uint8_t)rig_in(b->r, port, 1);
}

void bench_out(struct bench *b, uint16_t port, unsigned val)
{
    rig_out(b->r, port, val, 1);
}

uint8_t bench_settle(struct bench *b)
{
    for (unsigned i = 0; i < 1000 && (bench_in(b, CTL) & BSY); i++)
        rig_step_ns(b->r, 1000);
    return bench_in(b, CTL);
}

struct rig_media *bench_disc(struct bench *b, uint8_t seed)
{
    struct rig_media *m = rig_media_new(b->r, SECTORS * 2048, 2048);
    uint8_t *p = rig_media_bytes(m);

    for (unsigned i = 0; i < SECTORS * 2048; i++)
        p[i] = (uint8_t)(seed + i / 2048 + i);
    rig_media_block(m)->read_only = true;
    rig_media_block(m)->removable = true;
    return m;
}

/* Sends a packet and stops where the drive wants something: data, or the end. */
uint8_t bench_packet(struct bench *b, const uint8_t cdb[12], unsigned limit, bool dma)
{
    bench_out(b, CMD + 6, 0xa0);
    bench_out(b, CMD + 1, dma);
    bench_out(b, CMD + 4, limit & 0xff);
    bench_out(b, CMD + 5, limit >> 8);
    bench_out(b, CMD + 7, 0xa0);
    g_assert_cmphex(bench_in(b, CTL) & (BSY | DRQ), ==, DRQ);
    g_assert_cmphex(bench_in(b, CMD + 2) & 3, ==, 1); /* C/D: the device wants the command */
    rig_outs(b->r, CMD, cdb, 2, 6);
    return bench_settle(b);
}

/* All data of a PIO packet command; the device says how much by its byte count. Returns the number of bytes. */
unsigned bench_gather(struct bench *b, uint8_t *to, unsigned room)
{
    unsigned got = 0;

    while (bench_settle(b) & DRQ) {
        unsigned n = bench_in(b, CMD + 4) | (unsigned)bench_in(b, CMD + 5) << 8;

        g_assert_cmphex(bench_in(b, CMD + 2) & 3, ==, 2); /* I/O: to the host */
        g_assert_true(rig_irq(b->r, 15));
        bench_in(b, CMD + 7);
        g_assert_cmpuint(got + n, <=, room);
        for (unsigned i = 0; i < n; i += 2) {
            uint32_t w = rig_in(b->r, CMD, 2);

            to[got + i] = (uint8_t)w;
            if (i + 1 < n)
                to[got + i + 1] = (uint8_t)(w >> 8);
        }
        got += n;
    }
    g_assert_cmphex(bench_in(b, CMD + 2) & 3, ==, 3); /* 9.8: I/O and C/D at the end */
    g_assert_true(rig_irq(b->r, 15));
    bench_in(b, CMD + 7);
    return got;
}

void bench_sense(struct bench *b, uint8_t key, uint8_t asc, uint8_t ascq)
{
    static const uint8_t cdb[12] = {0x03, 0, 0, 0, 18};
    uint8_t sense[18];

    g_assert_cmphex(bench_in(b, CTL), ==, IDLE | ERR);
    g_assert_cmphex(bench_in(b, CMD + 1), ==, key << 4 | 0x04);
    bench_packet(b, cdb, 18, false);
    g_assert_cmpuint(bench_gather(b, sense, sizeof(sense)), ==, 18);
    g_assert_cmphex(sense[0], ==, 0x70);
    g_assert_cmphex(sense[2], ==, key);
    g_assert_cmphex(sense[12], ==, asc);
    g_assert_cmphex(sense[13], ==, ascq);
}

struct bench bench_new(bool with_disc)
{
    static const uint8_t ready[12] = {0x00};
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &pci_ide_device, "Drive2=DVD");
    if (with_disc) {
        b.m = bench_disc(&b, 0);
        b.disc = rig_media_bytes(b.m);
        rig_media_attach(b.r, "piix3ide", 0, 2, b.m);
    }
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, 1, 1, 0x20, (BM & 0xfff0) | 1, 4);
    rig_cfg_write(b.r, 1, 1, 0x04, 0x05, 2);
    bench_packet(&b, ready, 0, false);
    bench_sense(&b, 0x06, 0x29, 0x00); /* power on */
    return b;
}

/*
 * atapi_host_test.c - a drive of the host's behind the IDE controller: which packets reach it, with which data, and
 * what comes back. The host's drive is a fake that keeps a record.
 */
#include <string.h>

#include "devices/storage/atapi_bench.h"

#define FAILED (-250) /* any failure the driver reports */

static struct fake {
    uint8_t cdb[12];  /* the last packet */
    unsigned packets; /* that came */
    bool no_disc, locked, open;
    uint8_t written[4096];
    size_t written_bytes;
} fake;

static int fail(struct pdm_block_packet *p, uint8_t key, uint8_t asc, uint8_t ascq)
{
    p->key = key;
    p->asc = asc;
    p->ascq = ascq;
    return FAILED;
}

static int answer(struct pdm_block_packet *p, const struct pdm_block_req *req)
{
    static const uint8_t toc[12] = {0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0};

    memcpy(fake.cdb, p->cdb, sizeof(fake.cdb));
    fake.packets++;
    switch (p->cdb[0]) {
    case 0x00: return fake.no_disc ? fail(p, 2, 0x3a, 1) : 0;
    case 0x1b: fake.open = (p->cdb[4] & 3) == 2; return fake.locked && fake.open ? fail(p, 5, 0x53, 2) : 0;
    case 0x1e: fake.locked = p->cdb[4] & 1; return 0;
    case 0x12: p->moved = (size_t)g_snprintf(req->buf, req->bytes, "\005.......FAKE"); return 0;
    case 0x2a:
        g_assert_true(p->to_drive);
        fake.written_bytes = MIN(req->bytes, sizeof(fake.written));
        memcpy(fake.written, req->buf, fake.written_bytes);
        p->moved = req->bytes;
        return 0;
    case 0x43:
        p->moved = MIN(sizeof(toc), req->bytes);
        memcpy(req->buf, toc, p->moved);
        return 0;
    case 0xbe: /* raw sectors of an audio disc */
        g_assert_cmpuint(req->bytes, >=, 2352);
        memset(req->buf, 0x77, 2352);
        p->moved = 2352;
        return 0;
    default: return fail(p, 5, 0x20, 0);
    }
}

static int serve(void *ctx, const struct pdm_block_req *req)
{
    (void)ctx;
    g_assert_nonnull(req->packet);
    if (req->op == PDM_BLOCK_PACKET)
        return answer(req->packet, req);
    g_assert_cmpint(req->op, ==, PDM_BLOCK_READ);
    if (fake.no_disc)
        return fail(req->packet, 2, 0x3a, 1);
    memset(req->buf, (int)(req->offset_bytes / 2048), req->bytes);
    return 0;
}

static struct bench host_bench(enum pdm_packets packets)
{
    struct bench b = bench_new(false);
    struct rig_media *m = rig_media_new(b.r, SECTORS * 2048, 2048);

    memset(&fake, 0, sizeof(fake));
    rig_media_block(m)->read_only = true;
    rig_media_block(m)->removable = true;
    rig_media_block(m)->packets = packets;
    rig_media_serve(m, serve, NULL);
    rig_media_attach(b.r, "piix3ide", 0, 2, m);
    bench_packet(&b, (const uint8_t[12]){0x00}, 0, false);
    bench_sense(&b, 0x06, 0x28, 0x00); /* the disc came */
    return b;
}

/* The disc's own commands, eject, lock: with the drive's answers and its sense. */
static void test_reading(void)
{
    struct bench b = host_bench(PDM_PACKETS_READING);
    uint8_t buf[2352];

    g_assert_cmphex(bench_packet(&b, (const uint8_t[12]){0x00}, 0, false), ==, IDLE);
    g_assert_cmphex(bench_packet(&b, (const uint8_t[12]){0x43, 0, 0, 0, 0, 0, 0, 0, 12}, 2048, false), ==, IDLE | DRQ);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 12);
    g_assert_cmphex(buf[5], ==, 0x14);
    bench_packet(&b, (const uint8_t[12]){0x28, 0, 0, 0, 0, 9, 0, 0, 1}, 2048, false);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 2048);
    g_assert_cmphex(buf[2047], ==, 9);
    bench_packet(&b, (const uint8_t[12]){0xbe, 0, 0, 0, 0, 9, 0, 0, 1, 0x10}, 0xfffe, false);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 2352);
    g_assert_cmphex(buf[2351], ==, 0x77);
    g_assert_cmphex(bench_packet(&b, (const uint8_t[12]){0x1e, 0, 0, 0, 1}, 0, false), ==, IDLE);
    g_assert_true(fake.locked);
    bench_packet(&b, (const uint8_t[12]){0x1b, 0, 0, 0, 2}, 0, false);
    bench_sense(&b, 0x05, 0x53, 0x02);
    g_assert_cmphex(bench_packet(&b, (const uint8_t[12]){0x1e}, 0, false), ==, IDLE);
    g_assert_cmphex(bench_packet(&b, (const uint8_t[12]){0x1b, 0, 0, 0, 2}, 0, false), ==, IDLE);
    g_assert_true(fake.open && !fake.locked);
    fake.no_disc = true;
    bench_packet(&b, (const uint8_t[12]){0x00}, 0, false);
    bench_sense(&b, 0x02, 0x3a, 0x01);
    bench_packet(&b, (const uint8_t[12]){0x28, 0, 0, 0, 0, 9, 0, 0, 1}, 2048, false);
    bench_sense(&b, 0x02, 0x3a, 0x01);
    rig_free(b.r);
}

/* What writes, or asks what the drive is, does not reach it. */
static void test_kept_back(void)
{
    static const uint8_t kept[][12] = {
        {0x04}, {0x15, 0, 0, 0, 4}, {0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, {0x55}, {0x5b}, {0xa1}, {0xaa}, {0x3b}, {0xff}};
    struct bench b = host_bench(PDM_PACKETS_READING);
    uint8_t buf[96];
    unsigned before;

    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        before = fake.packets;
        bench_packet(&b, kept[i], 2048, false);
        bench_sense(&b, 0x05, 0x20, 0x00);
        g_assert_cmpuint(fake.packets, ==, before);
    }
    bench_packet(&b, (const uint8_t[12]){0x12, 0, 0, 0, 96}, 2048, false);
    bench_gather(&b, buf, sizeof(buf));
    g_assert_cmpmem(buf + 8, 4, "VBOX", 4);
    rig_free(b.r);
}

/* With pass-through all of it does; too much data for one command, and unknown commands, do not. */
static void test_all(void)
{
    struct bench b = host_bench(PDM_PACKETS_ALL);
    uint8_t buf[96], sectors[4096];

    bench_packet(&b, (const uint8_t[12]){0x12, 0, 0, 0, 96}, 2048, false);
    g_assert_cmpuint(bench_gather(&b, buf, sizeof(buf)), ==, 12);
    g_assert_cmpmem(buf + 8, 4, "FAKE", 4);
    memset(sectors, 0x3c, sizeof(sectors));
    g_assert_cmphex(bench_packet(&b, (const uint8_t[12]){0x2a, 0, 0, 0, 0, 7, 0, 0, 2}, 2048, false), ==, IDLE | DRQ);
    rig_outs(b.r, CMD, sectors, 2, 1024);
    g_assert_cmphex(bench_settle(&b), ==, IDLE | DRQ);
    rig_outs(b.r, CMD, sectors, 2, 1024);
    g_assert_cmphex(bench_settle(&b), ==, IDLE);
    g_assert_cmpmem(fake.written, fake.written_bytes, sectors, sizeof(sectors));
    g_assert_cmphex(fake.cdb[5], ==, 7);
    bench_packet(&b, (const uint8_t[12]){0x2a, 0, 0, 0, 0, 7, 0, 0, 33}, 2048, false);
    bench_sense(&b, 0x05, 0x24, 0x00);
    bench_packet(&b, (const uint8_t[12]){0xff}, 2048, false);
    bench_sense(&b, 0x05, 0x20, 0x00);
    bench_packet(&b, (const uint8_t[12]){0xa1}, 2048, false); /* the drive's own refusal */
    bench_sense(&b, 0x05, 0x20, 0x00);
    g_assert_cmphex(fake.cdb[0], ==, 0xa1);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/atapi-host/reading", test_reading);
    g_test_add_func("/atapi-host/kept-back", test_kept_back);
    g_test_add_func("/atapi-host/all", test_all);
    return g_test_run();
}

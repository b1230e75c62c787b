/*
 * pci_nvme_test.c - namespaces on the NVMe controller, as a guest's driver sees registers and queues.
 *
 * Clauses are of NVM Express 1.2 unless another document is named.
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg pci_nvme_device;

#define HOST_IO_ERROR (-250) /* any failure the driver reports */
#define SECTORS       8192u
#define BAR           0xe0000000u
#define SLOT          14u
#define SQ_GPA(n)     (0x10000u + (n)*0x2000u)
#define CQ_GPA(n)     (0x11000u + (n)*0x2000u)
#define BUF_GPA       0x200000u
#define LIST_GPA      0x80000u
#define ENTRIES       16u

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disk;
    uint16_t tail[3], head[3];
    bool phase[3];
    uint32_t result;
};

static uint32_t get(struct bench *b, uint32_t off)
{
    return (uint32_t)rig_mmio_read(b->r, BAR + off, 4);
}

static void set(struct bench *b, uint32_t off, uint32_t val)
{
    rig_mmio_write(b->r, BAR + off, val, 4);
}

/* A command; dwords 10 to 12 are the arguments. */
struct command {
    uint8_t opcode;
    uint32_t nsid;
    uint64_t prp1, prp2;
    uint32_t d10, d11, d12;
};

static void put_command(struct bench *b, unsigned q, uint16_t cid, const struct command *c)
{
    uint32_t d[16] = {c->opcode | (uint32_t)cid << 16, c->nsid};

    memcpy(d + 6, &c->prp1, 8);
    memcpy(d + 8, &c->prp2, 8);
    d[10] = c->d10;
    d[11] = c->d11;
    d[12] = c->d12;
    rig_mem_write(b->r, SQ_GPA(q) + 64u * b->tail[q], d, sizeof(d));
    b->tail[q] = (uint16_t)((b->tail[q] + 1) % ENTRIES);
}

static void ring(struct bench *b, unsigned q)
{
    set(b, 0x1000 + 8 * q, b->tail[q]);
}

/* The next completion's status, -1 when none comes. */
static int reap(struct bench *b, unsigned q, uint16_t *ret_cid)
{
    uint32_t e[4];

    for (unsigned i = 0; i < 100; i++) {
        rig_mem_read(b->r, CQ_GPA(q) + 16u * b->head[q], e, sizeof(e));
        if ((e[3] >> 16 & 1) == b->phase[q]) {
            b->head[q] = (uint16_t)((b->head[q] + 1) % ENTRIES);
            b->phase[q] ^= b->head[q] == 0;
            set(b, 0x1004 + 8 * q, b->head[q]);
            *ret_cid = (uint16_t)e[3];
            b->result = e[0];
            return (int)(e[3] >> 17 & 0x7ff);
        }
        rig_step_ns(b->r, 1000);
    }
    return -1;
}

static int run(struct bench *b, unsigned q, const struct command *c)
{
    uint16_t cid;
    int status;

    put_command(b, q, 0x1234, c);
    ring(b, q);
    status = reap(b, q, &cid);
    g_assert_cmphex(cid, ==, 0x1234);
    return status;
}

/* 7.6.1: the controller is enabled, queue pair 1 made. */
static void enable(struct bench *b)
{
    const struct command cq = {.opcode = 0x05, .prp1 = CQ_GPA(1), .d10 = (ENTRIES - 1) << 16 | 1, .d11 = 1 << 16 | 3};
    const struct command sq = {.opcode = 0x01, .prp1 = SQ_GPA(1), .d10 = (ENTRIES - 1) << 16 | 1, .d11 = 1 << 16 | 1};

    memset(b->tail, 0, sizeof(b->tail));
    memset(b->head, 0, sizeof(b->head));
    memset(b->phase, true, sizeof(b->phase));
    set(b, 0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    set(b, 0x28, SQ_GPA(0));
    set(b, 0x30, CQ_GPA(0));
    set(b, 0x14, 0x00460001);
    g_assert_cmphex(get(b, 0x1c), ==, 1);
    g_assert_cmphex(run(b, 0, &cq), ==, 0);
    g_assert_cmphex(run(b, 0, &sq), ==, 0);
}

static struct bench bench_new(void)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &pci_nvme_device, "");
    b.m = rig_media_new(b.r, SECTORS * 512, 512);
    b.disk = rig_media_bytes(b.m);
    for (unsigned i = 0; i < SECTORS * 512; i++)
        b.disk[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_block(b.m)->discard = true;
    g_strlcpy(rig_media_block(b.m)->serial, "VB12345678-9abcdef0", 32);
    rig_media_attach(b.r, "nvme", 0, 0, b.m);
    rig_media_attach(b.r, "nvme", 0, 2, rig_media_new(b.r, 1u << 20, 512));
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, SLOT, 0, 0x10, BAR, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x04, 0x06, 2);
    return b;
}

/* 3.1: registers; 5.11: who the controller and its namespaces are. */
static void test_identify(void)
{
    struct bench b = bench_new();
    struct command c = {.opcode = 0x06, .prp1 = BUF_GPA, .d10 = 1};
    uint8_t d[4096];

    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0x08, 4), ==, 0x01080200);
    g_assert_cmphex(get(&b, 0x00) & 0x1ffff, ==, 0x103ff);
    g_assert_cmphex(get(&b, 0x04), ==, 0x20);
    g_assert_cmphex(get(&b, 0x08), ==, 0x00010200);
    enable(&b);
    g_assert_cmphex(run(&b, 0, &c), ==, 0);
    rig_mem_read(b.r, BUF_GPA, d, sizeof(d));
    g_assert_cmpmem(d + 4, 20, "VB12345678-9abcdef0 ", 20);
    g_assert_cmpmem(d + 24, 20, "ORCL-VBOX-NVME-VER12", 20);
    g_assert_cmphex(d[512] << 8 | d[513], ==, 0x6644);
    g_assert_cmphex(d[525], ==, 1);
    c.d10 = 0;
    c.nsid = 1;
    run(&b, 0, &c);
    rig_mem_read(b.r, BUF_GPA, d, sizeof(d));
    g_assert_cmpuint(d[0] | d[1] << 8, ==, SECTORS);
    g_assert_cmpuint(d[130], ==, 9);
    c.d10 = 2;
    c.nsid = 0;
    run(&b, 0, &c);
    rig_mem_read(b.r, BUF_GPA, d, sizeof(d));
    g_assert_cmpuint(d[0] | d[4] << 8 | d[8] << 16, ==, 0x0301); /* namespaces 1 and 3 */
    c.d10 = 9;
    g_assert_cmphex(run(&b, 0, &c), ==, 0x002);
    rig_free(b.r);
}

/* 6.9, 6.15 with 4.3: one page, two, a list. */
static void test_read_write(void)
{
    static const uint32_t sectors[] = {1, 8, 16, 17, 2048};
    struct bench b = bench_new();
    g_autofree uint8_t *got = g_malloc(1u << 20);
    uint64_t list[512];

    enable(&b);
    for (unsigned i = 0; i < 512; i++)
        list[i] = BUF_GPA + 4096u * (i + 1);
    rig_mem_write(b.r, LIST_GPA, list, sizeof(list));
    for (unsigned i = 0; i < G_N_ELEMENTS(sectors); i++) {
        const uint32_t n = sectors[i] * 512;
        struct command c = {.opcode = 0x02, .nsid = 1, .prp1 = BUF_GPA, .d10 = 100, .d12 = sectors[i] - 1};

        c.prp2 = n > 8192 ? LIST_GPA : BUF_GPA + 4096;
        g_assert_cmphex(run(&b, 1, &c), ==, 0);
        rig_mem_read(b.r, BUF_GPA, got, n);
        g_assert_cmpmem(got, n, b.disk + 100 * 512, n);
        memset(got, (int)i + 1, n);
        rig_mem_write(b.r, BUF_GPA, got, n);
        c.opcode = 0x01;
        c.d10 = 3000;
        g_assert_cmphex(run(&b, 1, &c), ==, 0);
        g_assert_cmpmem(got, n, b.disk + 3000 * 512, n);
    }
    rig_free(b.r);
}

/* 6.8, 6.15 (FUA), 6.7, 6.16; errors. */
static void test_durable(void)
{
    struct bench b = bench_new();
    const struct command flush = {.nsid = 1};
    struct command write = {.opcode = 0x01, .nsid = 1, .prp1 = BUF_GPA, .d10 = 5, .d12 = 1u << 30};
    struct command trim = {.opcode = 0x09, .nsid = 1, .prp1 = BUF_GPA, .d10 = 1, .d11 = 4};
    struct command zero = {.opcode = 0x08, .nsid = 1, .d10 = 300, .d12 = 7},
                   read = {.opcode = 0x02, .nsid = 1, .prp1 = BUF_GPA};
    const uint32_t ranges[8] = {0, 8, 100, 0, 0, 4, 200, 0};
    const uint8_t none[512] = {0};
    struct command off = {.opcode = 0x09, .d10 = 6};

    enable(&b);
    g_assert_cmphex(run(&b, 1, &flush), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 1);
    g_assert_cmphex(run(&b, 1, &write), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 2);
    write.d12 = 0;
    run(&b, 1, &write);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 2);
    g_assert_cmphex(run(&b, 0, &off), ==, 0); /* the write cache goes off */
    run(&b, 1, &write);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 3);
    rig_media_fail(b.m, PDM_BLOCK_FLUSH, 0, UINT64_MAX, 1, HOST_IO_ERROR);
    g_assert_cmphex(run(&b, 1, &write), ==, 0x280);
    rig_mem_write(b.r, BUF_GPA, ranges, sizeof(ranges));
    g_assert_cmphex(run(&b, 1, &trim), ==, 0);
    g_assert_cmpmem(b.disk + 107 * 512, 512, none, 512);
    g_assert_cmpmem(b.disk + 203 * 512, 512, none, 512);
    g_assert_cmphex(b.disk[204 * 512 + 1], !=, 0);
    g_assert_cmphex(run(&b, 1, &zero), ==, 0);
    g_assert_cmpmem(b.disk + 307 * 512, 512, none, 512);
    read.d10 = SECTORS;
    g_assert_cmphex(run(&b, 1, &read), ==, 0x080);
    read.nsid = 2;
    g_assert_cmphex(run(&b, 1, &read), ==, 0x00b);
    read = (struct command){.opcode = 0x02, .nsid = 1, .prp1 = BUF_GPA};
    rig_media_fail(b.m, PDM_BLOCK_READ, 0, 512, 10, HOST_IO_ERROR);
    g_assert_cmphex(run(&b, 1, &read), ==, 0x281);
    read.opcode = 0x77;
    g_assert_cmphex(run(&b, 1, &read), ==, 0x001);
    rig_free(b.r);
}

/* 5.3, 5.4, 5.5, 5.6: queues that cannot be; 5.10, 5.12: logs and features; 5.2: events wait. */
static void test_admin(void)
{
    static const struct {
        struct command c;
        int status;
    } cases[] = {
        {{.opcode = 0x05, .prp1 = CQ_GPA(2), .d10 = 0xf0000 | 1, .d11 = 3}, 0x101},  /* exists */
        {{.opcode = 0x05, .prp1 = CQ_GPA(2), .d10 = 0xf0000 | 99, .d11 = 3}, 0x101}, /* no such number */
        {{.opcode = 0x05, .prp1 = CQ_GPA(2), .d10 = 2, .d11 = 3}, 0x102},            /* one entry */
        {{.opcode = 0x05, .prp1 = CQ_GPA(2), .d10 = 0xffff0000 | 2, .d11 = 3}, 0x102},
        {{.opcode = 0x05, .prp1 = CQ_GPA(2), .d10 = 0xf0000 | 2, .d11 = 99 << 16 | 3}, 0x108},
        {{.opcode = 0x01, .prp1 = SQ_GPA(2), .d10 = 0xf0000 | 2, .d11 = 5 << 16 | 1}, 0x100},
        {{.opcode = 0x04, .d10 = 1}, 0x10c}, /* has a submission queue */
        {{.opcode = 0x00, .d10 = 2}, 0x101},
        {{.opcode = 0x02, .prp1 = BUF_GPA, .d10 = 0x7f0002}, 0},
        {{.opcode = 0x02, .prp1 = BUF_GPA, .d10 = 0x7f0077}, 0x109},
        {{.opcode = 0x0a, .d10 = 7}, 0},
        {{.opcode = 0x0a, .d10 = 0x55}, 0x002},
        {{.opcode = 0x7f}, 0x001},
        {{.opcode = 0x00, .d10 = 1}, 0},
        {{.opcode = 0x04, .d10 = 1}, 0},
    };
    struct bench b = bench_new();
    const struct command event = {.opcode = 0x0c};
    uint16_t cid;

    enable(&b);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmphex(run(&b, 0, &cases[i].c), ==, cases[i].status);
        if (cases[i].c.opcode == 0x0a && cases[i].status == 0)
            g_assert_cmphex(b.result, ==, 0x000f000f);
    }
    for (unsigned i = 0; i < 4; i++)
        put_command(&b, 0, 9, &event);
    ring(&b, 0);
    g_assert_cmpint(reap(&b, 0, &cid), ==, -1);
    g_assert_cmphex(run(&b, 0, &event), ==, 0x105);
    rig_free(b.r);
}

/* 7.5: the pin while entries were not seen; PCI 3.0 6.8.2: a message per vector. */
static void test_interrupts(void)
{
    struct bench b = bench_new();
    const struct command read = {.opcode = 0x02, .nsid = 1, .prp1 = BUF_GPA};
    struct rig_message m[4];
    uint16_t cid;

    enable(&b);
    put_command(&b, 1, 1, &read);
    ring(&b, 1);
    rig_step_ns(b.r, 1000);
    g_assert_true(rig_pirq(b.r, (SLOT + 3) % 4));
    set(&b, 0x0c, 1); /* masked */
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    set(&b, 0x10, 1);
    g_assert_true(rig_pirq(b.r, (SLOT + 3) % 4));
    g_assert_cmpint(reap(&b, 1, &cid), ==, 0);
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    set(&b, 0x2010, 0xfee03000);
    set(&b, 0x2018, 0x61);
    set(&b, 0x201c, 1);
    rig_cfg_write(b.r, SLOT, 0, 0x42, 0x8000, 2);
    put_command(&b, 1, 1, &read);
    ring(&b, 1);
    rig_step_ns(b.r, 1000);
    g_assert_cmpuint(rig_messages(b.r, m, 4), ==, 0);
    g_assert_cmphex(get(&b, 0x3000), ==, 2); /* pending */
    set(&b, 0x201c, 0);
    g_assert_cmpuint(rig_messages(b.r, m, 4), ==, 1);
    g_assert_cmphex(m[0].vector, ==, 0x61);
    rig_free(b.r);
}

/* A full completion queue holds commands back; a reset forgets them; saving keeps them. */
static void test_under_way(void)
{
    struct bench b = bench_new();
    const struct command read = {.opcode = 0x02, .nsid = 1, .prp1 = BUF_GPA, .d12 = 7, .prp2 = BUF_GPA + 4096};
    g_autoptr(GError) error = NULL;
    uint8_t got[4096];
    uint16_t cid;

    enable(&b);
    rig_media_hold(b.m, true);
    for (unsigned i = 0; i < ENTRIES - 1; i++)
        put_command(&b, 1, (uint16_t)i, &read);
    ring(&b, 1);
    g_assert_cmpuint(rig_media_waiting(b.m), ==, ENTRIES - 1);
    g_assert_true(rig_save_load(b.r, &error));
    for (unsigned i = 0; i < ENTRIES - 1; i++)
        g_assert_cmpint(reap(&b, 1, &cid), ==, 0);
    g_assert_cmpint(reap(&b, 1, &cid), ==, -1);
    rig_mem_read(b.r, BUF_GPA, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), b.disk, sizeof(got));
    rig_media_hold(b.m, true);
    put_command(&b, 1, 1, &read);
    ring(&b, 1);
    set(&b, 0x14, 0x00460000);
    g_assert_cmphex(get(&b, 0x1c), ==, 0);
    memset(got, 0, sizeof(got));
    rig_mem_write(b.r, BUF_GPA, got, sizeof(got));
    rig_media_complete(b.m, 5);
    rig_mem_read(b.r, BUF_GPA, got, sizeof(got));
    g_assert_cmphex(got[1], ==, 0); /* nothing came after the reset */
    rig_media_hold(b.m, false);
    rig_mem_write(b.r, CQ_GPA(0), (uint8_t[256]){0}, 256);
    rig_mem_write(b.r, CQ_GPA(1), (uint8_t[256]){0}, 256);
    enable(&b);
    g_assert_cmphex(run(&b, 1, &read), ==, 0);
    rig_free(b.r);
}

/* Lists in the registers' page, doorbells beyond the queue, settings there are not: nothing hangs or leaves its place.
 */
static void test_hostile(void)
{
    struct bench b = bench_new();
    struct command c = {.opcode = 0x02, .nsid = 1, .prp1 = BAR, .prp2 = BAR + 0xff8, .d12 = 2047};

    set(&b, 0x24, 0);
    set(&b, 0x14, 0x00460001);
    g_assert_cmphex(get(&b, 0x1c), ==, 2); /* fatal status */
    set(&b, 0x14, 0);
    enable(&b);
    set(&b, 0x1008, 9999);
    set(&b, 0x100c, ENTRIES);
    set(&b, 0x1ff8, 1);
    g_assert_cmpuint(rig_guest_errors(b.r), >=, 3);
    g_assert_cmphex(run(&b, 1, &c), ==, 0);
    c.prp1 = BUF_GPA;
    c.d12 = 4095; /* longer than MDTS */
    g_assert_cmphex(run(&b, 1, &c), ==, 0x002);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nvme/identify", test_identify);
    g_test_add_func("/nvme/read-write", test_read_write);
    g_test_add_func("/nvme/durable", test_durable);
    g_test_add_func("/nvme/admin", test_admin);
    g_test_add_func("/nvme/interrupts", test_interrupts);
    g_test_add_func("/nvme/under-way", test_under_way);
    g_test_add_func("/nvme/hostile", test_hostile);
    return g_test_run();
}

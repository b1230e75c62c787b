/*
 * pci_buslogic_test.c - the BusLogic controller, as a guest's driver sees registers, mailboxes and CCBs.
 *
 * Chapters are of the BusLogic MultiMaster Technical Reference Manual.
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg pci_buslogic_device;

#define SECTORS   4096u
#define PORTS     0xc000u
#define SLOT      21u
#define BOX_GPA   0x10000u
#define CCB_GPA   0x20000u
#define LIST_GPA  0x30000u
#define SENSE_GPA 0x40000u
#define BUF_GPA   0x200000u
#define BOXES     4u

enum { STATUS = 0, DATA = 1, INTERRUPT = 2 };

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disk;
    unsigned out, in; /* next mailboxes */
    bool short_addresses;
};

static uint8_t get(struct bench *b, uint16_t off)
{
    return (uint8_t)rig_in(b->r, PORTS + off, 1);
}

static void set(struct bench *b, uint16_t off, uint8_t val)
{
    rig_out(b->r, PORTS + off, val, 1);
}

/* 3: a command with its parameters; returns the bytes of the reply, -1 = refused. */
static int command(struct bench *b, uint8_t opcode, const uint8_t *params, unsigned count, uint8_t reply[256])
{
    int n = 0;

    g_assert_cmphex(get(b, STATUS) & 0x10, ==, 0x10);
    set(b, DATA, opcode);
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmphex(get(b, STATUS) & 0x1c, ==, 0); /* neither ready nor busy */
        set(b, DATA, params[i]);
    }
    while (get(b, STATUS) & 0x04) {
        g_assert_cmphex(get(b, INTERRUPT) & 0x04, ==, 0);
        reply[n++] = get(b, DATA);
    }
    g_assert_cmphex(get(b, INTERRUPT) & 0x84, ==, 0x84);
    g_assert_cmphex(get(b, STATUS) & 0x10, ==, 0x10);
    if (get(b, STATUS) & 1)
        n = -1;
    set(b, STATUS, 0x20);
    g_assert_cmphex(get(b, INTERRUPT) & 0x04, ==, 0);
    return n;
}

static struct bench bench_new(bool short_addresses)
{
    const uint8_t longer[5] = {BOXES, 0, BOX_GPA >> 8 & 0xff, BOX_GPA >> 16, 0};
    const uint8_t shorter[4] = {BOXES, BOX_GPA >> 16, BOX_GPA >> 8 & 0xff, 0};
    struct bench b = {.r = rig_empty(), .short_addresses = short_addresses};
    uint8_t reply[256];

    rig_add(b.r, &pci_buslogic_device, "Drives=H-D");
    b.m = rig_media_new(b.r, SECTORS * 512, 512);
    b.disk = rig_media_bytes(b.m);
    for (unsigned i = 0; i < SECTORS * 512; i++)
        b.disk[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_attach(b.r, "buslogic", 0, 0, b.m);
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, SLOT, 0, 0x10, PORTS, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x14, 0xe0000000, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x04, 0x07, 2);
    g_assert_cmphex(get(&b, STATUS), ==, 0x30); /* ready, wants mailboxes */
    set(&b, STATUS, 0x80);
    g_assert_cmphex(get(&b, STATUS), ==, 0x80); /* diagnostics */
    g_assert_cmphex(get(&b, STATUS), ==, 0x30);
    g_assert_cmpint(
        command(&b, short_addresses ? 0x01 : 0x81, short_addresses ? shorter : longer, short_addresses ? 4 : 5, reply),
        ==, 0);
    g_assert_cmphex(get(&b, STATUS), ==, 0x10);
    return b;
}

static void put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

static uint32_t ccb_at(unsigned n)
{
    return CCB_GPA + 0x100 * n;
}

static void put_ccb(struct bench *b, unsigned n, uint8_t opcode, uint8_t target, const uint8_t *cdb, uint8_t direction,
                    uint32_t bytes, uint32_t gpa)
{
    uint8_t p[64] = {opcode, (uint8_t)(direction << 3), 10, 18};

    if (b->short_addresses) {
        p[1] |= (uint8_t)(target << 5);
        put24(p + 4, bytes);
        put24(p + 7, gpa);
    } else {
        const uint32_t sense = SENSE_GPA;

        memcpy(p + 4, &bytes, 4);
        memcpy(p + 8, &gpa, 4);
        memcpy(p + 36, &sense, 4);
        p[16] = target;
    }
    memcpy(p + 18, cdb, 10);
    rig_mem_write(b->r, ccb_at(n), p, sizeof(p));
}

/* 4: into the next outgoing mailbox; action 1 start, 2 abort. */
static void mail(struct bench *b, unsigned n, uint8_t action)
{
    const uint32_t ccb = ccb_at(n), at = BOX_GPA + b->out * (b->short_addresses ? 4 : 8);
    uint8_t m[8] = {0};

    if (b->short_addresses) {
        put24(m + 1, ccb);
        m[0] = action;
        rig_mem_write(b->r, at, m, 4);
    } else {
        memcpy(m, &ccb, 4);
        m[7] = action;
        rig_mem_write(b->r, at, m, 8);
    }
    b->out = (b->out + 1) % BOXES;
    set(b, DATA, 0x02);
}

/* The next incoming mailbox: its CCB's number << 8 | completion code; 0 = empty. */
static unsigned reap(struct bench *b)
{
    const unsigned bytes = b->short_addresses ? 4 : 8, code_at = b->short_addresses ? 0 : 7;
    const uint32_t at = BOX_GPA + (BOXES + b->in) * bytes;
    uint8_t m[8] = {0}, empty = 0;
    uint32_t ccb = 0;

    for (unsigned i = 0; i < 200 && !m[code_at]; i++) {
        rig_step_ns(b->r, 1000);
        rig_mem_read(b->r, at, m, bytes);
    }
    if (!m[code_at])
        return 0;
    rig_mem_write(b->r, at + code_at, &empty, 1);
    b->in = (b->in + 1) % BOXES;
    if (b->short_addresses)
        ccb = (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];
    else
        memcpy(&ccb, m, 4);
    return (ccb - CCB_GPA) / 0x100 << 8 | m[code_at];
}

/* One request over one piece of memory. Returns code << 16 | adapter status << 8 | target status. */
static uint32_t run(struct bench *b, uint8_t opcode, uint8_t target, const uint8_t *cdb, uint8_t direction,
                    uint32_t bytes)
{
    uint8_t status[2];
    unsigned code;

    put_ccb(b, 1, opcode, target, cdb, direction, bytes, BUF_GPA);
    mail(b, 1, 1);
    code = reap(b);
    g_assert_cmphex(code >> 8, ==, 1);
    g_assert_cmphex(get(b, INTERRUPT) & 0x81, ==, 0x81);
    g_assert_true(rig_pirq(b->r, (SLOT + 3) % 4));
    set(b, STATUS, 0x20);
    g_assert_false(rig_pirq(b->r, (SLOT + 3) % 4));
    rig_mem_read(b->r, ccb_at(1) + 14, status, 2);
    return (code & 0xff) << 16 | (uint32_t)status[0] << 8 | status[1];
}

static const uint8_t ready[10] = {0}, capacity[10] = {0x25};

/* 3: what the adapter says of itself; unknown commands and wrong parameters are told. */
static void test_commands(void)
{
    static const struct {
        uint8_t opcode, params[2];
        unsigned count;
        int reply;
        uint8_t first;
    } rows[] = {
        {0x00, {0}, 0, 0, 0},         {0x04, {0}, 0, 4, 'A'},       {0x0a, {0}, 0, 8, 1},
        {0x0b, {0}, 0, 3, 0},         {0x0d, {34}, 1, 34, 3},       {0x1f, {0x5a}, 1, 1, 0x5a},
        {0x23, {0}, 0, 8, 0},         {0x24, {0}, 0, 2, 0x05},      {0x84, {0}, 0, 1, '7'},
        {0x85, {0}, 0, 1, 'B'},       {0x86, {0}, 0, 4, 6},         {0x8b, {5}, 1, 5, '9'},
        {0x8c, {16}, 1, 16, 0},       {0x8d, {14}, 1, 14, 'E'},     {0x8d, {200}, 1, 200, 'E'},
        {0x91, {64, 64}, 2, 64, 'F'}, {0x91, {200, 100}, 2, -1, 0}, {0x96, {7}, 1, -1, 0},
        {0xee, {0}, 0, -1, 0},        {0x8f, {1}, 1, 0, 0},
    };
    struct bench b = bench_new(false);
    const uint8_t none[5] = {0};
    uint8_t reply[256];

    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0, 4), ==, 0x1040104b);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpint(command(&b, rows[i].opcode, rows[i].params, rows[i].count, reply), ==, rows[i].reply);
        if (rows[i].reply > 0)
            g_assert_cmphex(reply[0], ==, rows[i].first);
    }
    g_assert_cmpint(command(&b, 0x81, none, 5, reply), ==, -1);
    set(&b, STATUS, 0x40); /* soft reset */
    get(&b, STATUS);
    g_assert_cmphex(get(&b, STATUS), ==, 0x30);
    rig_free(b.r);
}

/* 4: reading, writing, and how requests fail; with both forms of mailboxes. */
static void test_requests(gconstpointer form)
{
    struct bench b = bench_new(form != NULL);
    uint8_t read[10] = {0x28, [5] = 9, [8] = 8}, write[10] = {0x2a, [5] = 20, [8] = 1}, buf[4096], left[4];

    g_assert_cmphex(run(&b, 0, 0, ready, 3, 0), ==, 0x040002);
    rig_mem_read(b.r, b.short_addresses ? ccb_at(1) + 28 : SENSE_GPA, buf, 14);
    g_assert_cmphex(buf[2] << 8 | buf[12], ==, 0x0629);
    g_assert_cmphex(run(&b, 0, 0, ready, 3, 0), ==, 0x010000);
    g_assert_cmphex(run(&b, 0, 0, capacity, 1, 8), ==, 0x010000);
    g_assert_cmphex(run(&b, 0, 0, read, 0, 4096), ==, 0x010000); /* the command says which way */
    rig_mem_read(b.r, BUF_GPA, buf, 4096);
    g_assert_cmpmem(buf, 4096, b.disk + 9 * 512, 4096);
    rig_mem_write(b.r, BUF_GPA, "written", 8);
    g_assert_cmphex(run(&b, 0, 0, write, 0, 512), ==, 0x010000);
    g_assert_cmpstr((char *)b.disk + 20 * 512, ==, "written");
    g_assert_cmphex(run(&b, 3, 0, capacity, 1, 64), ==, 0x010000);
    rig_mem_read(b.r, ccb_at(1) + 4, left, 4);
    g_assert_cmpuint(b.short_addresses ? left[2] : left[0], ==, 56);
    g_assert_cmphex(run(&b, 0, 0, read, 1, 512), ==, 0x041200); /* overrun */
    g_assert_cmphex(run(&b, 0, 1, ready, 3, 0), ==, 0x041100);  /* nobody there */
    g_assert_cmphex(run(&b, 0, 7, ready, 3, 0), ==, 0x041100);  /* the adapter itself */
    g_assert_cmphex(run(&b, 0, 2, ready, 3, 0) & 0xff, ==, 2);  /* an empty DVD drive */
    g_assert_cmphex(run(&b, 1, 0, ready, 3, 0), ==, 0x051600);  /* target mode */
    g_assert_cmphex(run(&b, 2, 0, read, 1, 3), ==, 0x041a00);   /* no list */
    g_assert_cmphex(run(&b, 0x81, 0, ready, 3, 0), ==, 0x010000);
    g_assert_cmphex(run(&b, 0, 0, ready, 3, 0), ==, 0x040002); /* the reset is told */
    rig_free(b.r);
}

static void test_list(void)
{
    struct bench b = bench_new(false);
    const uint8_t read[10] = {0x28, [8] = 16};
    const uint32_t list[6] = {4096, BUF_GPA, 512, BUF_GPA + 4096, 3584, BUF_GPA + 4608};
    uint8_t buf[8192];

    run(&b, 0, 0, ready, 3, 0);
    rig_mem_write(b.r, LIST_GPA, list, sizeof(list));
    put_ccb(&b, 2, 2, 0, read, 1, sizeof(list), LIST_GPA);
    mail(&b, 2, 1);
    g_assert_cmphex(reap(&b), ==, 0x201);
    rig_mem_read(b.r, BUF_GPA, buf, sizeof(buf));
    g_assert_cmpmem(buf, sizeof(buf), b.disk, sizeof(buf));
    rig_free(b.r);
}

/* Full incoming mailboxes make ends wait; an abort, of what runs and of what does not. */
static void test_mailboxes(void)
{
    struct bench b = bench_new(false);
    const uint8_t read[10] = {0x28, [8] = 8}, round_robin = 1;
    uint8_t reply[256], before[64], after[64];

    run(&b, 0, 0, ready, 3, 0);
    command(&b, 0x8f, &round_robin, 1, reply);
    for (unsigned n = 0; n < 6; n++) { /* there are four */
        put_ccb(&b, n, 0, 0, ready, 3, 0, 0);
        mail(&b, n, 1);
    }
    for (unsigned n = 0; n < 6; n++) {
        g_assert_cmphex(reap(&b), ==, n << 8 | 1);
        set(&b, STATUS, 0x20);
    }
    rig_media_hold(b.m, true);
    rig_mem_read(b.r, BUF_GPA, before, sizeof(before));
    put_ccb(&b, 3, 0, 0, read, 1, 4096, BUF_GPA);
    mail(&b, 3, 1);
    mail(&b, 3, 2);
    g_assert_cmphex(reap(&b), ==, 0x302);
    mail(&b, 3, 2);
    g_assert_cmphex(reap(&b), ==, 0x303);
    rig_media_hold(b.m, false);
    rig_step_ns(b.r, 10000);
    rig_mem_read(b.r, BUF_GPA, after, sizeof(after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    g_assert_cmphex(reap(&b), ==, 0);
    rig_free(b.r);
}

/* Saved with a request under way and an end that waits. */
static void test_saved(void)
{
    struct bench b = bench_new(false);
    const uint8_t read[10] = {0x28, [7] = 4};
    g_autofree uint8_t *buf = g_malloc(1024 * 512);
    g_autoptr(GError) error = NULL;

    run(&b, 0, 0, ready, 3, 0);
    for (unsigned n = 2; n < 7; n++) {
        put_ccb(&b, n, 0, 0, ready, 3, 0, 0);
        mail(&b, n, 1);
    }
    rig_media_hold(b.m, true);
    put_ccb(&b, 1, 0, 0, read, 1, 1024 * 512, BUF_GPA);
    mail(&b, 1, 1);
    g_assert_true(rig_save_load(b.r, &error));
    for (unsigned n = 2; n < 7; n++) {
        g_assert_cmphex(reap(&b), ==, n << 8 | 1);
        set(&b, STATUS, 0x20);
    }
    g_assert_cmphex(reap(&b), ==, 0x101);
    rig_mem_read(b.r, BUF_GPA, buf, 1024 * 512);
    g_assert_cmpmem(buf, 1024 * 512, b.disk, 1024 * 512);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/buslogic/commands", test_commands);
    g_test_add_data_func("/buslogic/requests", NULL, test_requests);
    g_test_add_data_func("/buslogic/requests-24-bit", GINT_TO_POINTER(1), test_requests);
    g_test_add_func("/buslogic/list", test_list);
    g_test_add_func("/buslogic/mailboxes", test_mailboxes);
    g_test_add_func("/buslogic/saved", test_saved);
    return g_test_run();
}

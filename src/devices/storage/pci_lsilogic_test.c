/*
 * pci_lsilogic_test.c - the LSI Logic SCSI and SAS controllers, as a guest's driver sees registers and frames.
 *
 * Chapters are of LSI Fusion-MPT Message Passing Interface 1.2.
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg pci_lsilogic_device, pci_lsisas_device;

#define SECTORS     4096u
#define PORTS       0xc000u
#define SLOT        20u
#define SAS_SLOT    22u
#define FRAME_GPA   0x10000u
#define REPLY_GPA   0x20000u
#define SENSE_GPA   0x30000u
#define LIST_GPA    0x40000u
#define BUF_GPA     0x200000u
#define REPLY_BYTES 80u

enum { DOORBELL = 0x00, STATUS = 0x30, MASK = 0x34, REQUESTS = 0x40, REPLIES = 0x44 };

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disk;
};

static uint32_t get(struct bench *b, uint16_t off)
{
    return rig_in(b->r, PORTS + off, 4);
}

static void set(struct bench *b, uint16_t off, uint32_t val)
{
    rig_out(b->r, PORTS + off, val, 4);
}

/* 2.3: a message through the doorbell, word by word; returns the reply's length in words. */
static unsigned handshake(struct bench *b, const uint32_t *message, unsigned dwords, uint16_t *reply, unsigned room)
{
    unsigned n = 0;

    set(b, DOORBELL, 0x42u << 24 | dwords << 16);
    g_assert_cmphex(get(b, STATUS) & 1, ==, 1);
    g_assert_cmphex(get(b, DOORBELL) & 1u << 27, !=, 0);
    set(b, STATUS, 0);
    for (unsigned i = 0; i < dwords; i++)
        set(b, DOORBELL, message[i]);
    while ((get(b, STATUS) & 1) && n < room && (n < 2 || n < 2u * (reply[1] & 0xff))) {
        reply[n++] = (uint16_t)get(b, DOORBELL);
        set(b, STATUS, 0);
    }
    g_assert_cmphex(get(b, STATUS) & 1, ==, 1); /* the end is told, too */
    set(b, STATUS, 0);
    g_assert_cmphex(get(b, DOORBELL) & 1u << 27, ==, 0);
    return n;
}

static void ioc_init(struct bench *b)
{
    const uint32_t init[6] = {0x02000000 | 4, 0x00011000, 0xabcd, REPLY_BYTES, 0, 0};
    uint16_t reply[64];

    g_assert_cmphex(get(b, DOORBELL) >> 28, ==, 1); /* ready */
    g_assert_cmpuint(handshake(b, init, 6, reply, 64), ==, 10);
    g_assert_cmphex(reply[7], ==, 0);               /* IOCStatus */
    g_assert_cmphex(get(b, DOORBELL) >> 28, ==, 2); /* operational */
    for (unsigned i = 0; i < 8; i++)
        set(b, REPLIES, REPLY_GPA + 0x100 * i);
}

static struct bench bench_of(const struct pdm_devreg *reg)
{
    const unsigned slot = reg == &pci_lsisas_device ? SAS_SLOT : SLOT;
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, reg, "Drives=H-D");
    b.m = rig_media_new(b.r, SECTORS * 512, 512);
    b.disk = rig_media_bytes(b.m);
    for (unsigned i = 0; i < SECTORS * 512; i++)
        b.disk[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_attach(b.r, reg->name, 0, 0, b.m);
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, slot, 0, 0x10, PORTS, 4);
    rig_cfg_write(b.r, slot, 0, 0x14, 0xe0000000, 4);
    rig_cfg_write(b.r, slot, 0, 0x04, 0x07, 2);
    ioc_init(&b);
    return b;
}

static struct bench bench_new(void)
{
    return bench_of(&pci_lsilogic_device);
}

/* A SCSI IO request with the list given (in dwords); direction 1 out, 2 in. */
static void put_request(struct bench *b, unsigned n, uint8_t target, const uint8_t *cdb, unsigned cdb_bytes,
                        unsigned direction, uint32_t bytes, const uint32_t *list, unsigned dwords, uint8_t chain)
{
    uint32_t f[32] = {(uint32_t)chain << 16 | target, 18u << 8 | cdb_bytes, 0x1000 + n};

    f[5] = direction << 24;
    memcpy(f + 6, cdb, cdb_bytes);
    f[10] = bytes;
    f[11] = SENSE_GPA;
    memcpy(f + 12, list, 4 * dwords);
    rig_mem_write(b->r, FRAME_GPA + 0x84 * n, f, sizeof(f)); /* firmware aligns frames to 4 bytes only */
    set(b, REQUESTS, FRAME_GPA + 0x84 * n);
}

static uint32_t reap(struct bench *b)
{
    for (unsigned i = 0; i < 200 && !(get(b, STATUS) & 8); i++)
        rig_step_ns(b->r, 1000);
    return get(b, REPLIES);
}

/* One simple element of @bytes at BUF_GPA. Returns IOCStatus << 16 | SCSI status; 0 with a context reply. */
static uint32_t command(struct bench *b, uint8_t target, const uint8_t *cdb, unsigned cdb_bytes, unsigned direction,
                        uint32_t bytes)
{
    const uint32_t list[2] = {0xd1000000 | bytes, BUF_GPA};
    uint8_t r[REPLY_BYTES];
    uint32_t val;

    put_request(b, 0, target, cdb, cdb_bytes, direction, bytes, list, 2, 0);
    val = reap(b);
    if (val == 0x1000)
        return 0;
    g_assert_cmphex(val & 0x80000000, !=, 0);
    rig_mem_read(b->r, (uint64_t)val << 1 & 0xffffffff, r, sizeof(r));
    set(b, REPLIES, val << 1);
    g_assert_cmphex(r[8] | r[9] << 8, ==, 0x1000);
    return (uint32_t)(r[14] | r[15] << 8) << 16 | r[12];
}

static const uint8_t ready[6] = {0}, capacity[10] = {0x25};

/* 3: what the controller says about itself. */
static void test_facts(void)
{
    struct bench b = bench_new();
    const uint32_t facts[3] = {0x03000000, 0, 0x77}, port[3] = {0x05000000, 0, 0x78};
    uint16_t reply[64];

    g_assert_cmphex(rig_cfg_read(b.r, SLOT, 0, 0, 4), ==, 0x00301000);
    g_assert_cmpuint(handshake(&b, facts, 3, reply, 64), ==, 40);
    g_assert_cmphex(reply[0], ==, 0x0102);
    g_assert_cmphex(reply[4], ==, 0x77);
    g_assert_cmpuint(reply[0x1a / 2], ==, 32); /* frames of 128 bytes */
    g_assert_cmpuint(handshake(&b, port, 3, reply, 64), ==, 20);
    g_assert_cmphex(reply[0x14 / 2] >> 8, ==, 1);
    g_assert_cmpuint(reply[0x18 / 2], ==, 7);
    set(&b, DOORBELL, 0x42u << 24 | 3u << 16); /* a handshake whose reply nobody fetches */
    for (unsigned i = 0; i < 3; i++)
        set(&b, DOORBELL, facts[i]);
    set(&b, DOORBELL, 0x40000000);
    g_assert_cmphex(get(&b, DOORBELL) >> 24, ==, 0x10);
    g_assert_cmphex(get(&b, REPLIES), ==, UINT32_MAX);
    rig_free(b.r);
}

/* 2.4, 3: reading and writing; a context when all is well, a frame with sense data when not. */
static void test_requests(gconstpointer reg)
{
    struct bench b = bench_of(reg);
    uint8_t read[10] = {0x28, [5] = 9, [8] = 8}, write[10] = {0x2a, [5] = 20, [8] = 1}, buf[4096];

    g_assert_cmphex(command(&b, 0, ready, 6, 0, 0), ==, 0x02);
    rig_mem_read(b.r, SENSE_GPA, buf, 18);
    g_assert_cmphex(buf[2] << 8 | buf[12], ==, 0x0629);
    g_assert_cmphex(command(&b, 0, ready, 6, 0, 0), ==, 0);
    g_assert_cmphex(command(&b, 0, capacity, 10, 2, 8), ==, 0);
    g_assert_cmphex(command(&b, 0, read, 10, 2, 4096), ==, 0);
    rig_mem_read(b.r, BUF_GPA, buf, 4096);
    g_assert_cmpmem(buf, 4096, b.disk + 9 * 512, 4096);
    rig_mem_write(b.r, BUF_GPA, "written", 8);
    g_assert_cmphex(command(&b, 0, write, 10, 1, 512), ==, 0);
    g_assert_cmpstr((char *)b.disk + 20 * 512, ==, "written");
    g_assert_cmphex(command(&b, 0, capacity, 10, 2, 64), ==, 0x00450000); /* underrun */
    g_assert_cmphex(command(&b, 0, read, 10, 2, 512), ==, 0x00440000);    /* overrun */
    g_assert_cmphex(command(&b, 1, ready, 6, 0, 0), ==, 0x00430000);      /* nobody there */
    g_assert_cmphex(command(&b, 2, ready, 6, 0, 0) & 0xff, ==, 2);        /* an empty DVD drive */
    rig_free(b.r);
}

/* 2.4.3: a list that goes on in a chain, with elements of 64 bits. */
static void test_chain(void)
{
    struct bench b = bench_new();
    const uint8_t read[10] = {0x28, [8] = 16};
    const uint32_t head[6] = {0x10000000 | 4096, BUF_GPA, 0x90000000 | 512, BUF_GPA + 4096, 0x30000000 | 24, LIST_GPA};
    const uint32_t chain[5] = {0x12000000 | 512, BUF_GPA + 4608, 0, 0xd1000000 | 3072, BUF_GPA + 5120};
    uint8_t buf[8192];

    command(&b, 0, ready, 6, 0, 0);
    rig_mem_write(b.r, LIST_GPA, chain, sizeof(chain));
    put_request(&b, 1, 0, read, 10, 2, 8192, head, 6, 16);
    g_assert_cmphex(reap(&b), ==, 0x1001);
    rig_mem_read(b.r, BUF_GPA, buf, sizeof(buf));
    g_assert_cmpmem(buf, sizeof(buf), b.disk, sizeof(buf));
    rig_free(b.r);
}

/* Task management: what is aborted comes back as terminated, its memory is not touched; the line follows the queue. */
static void test_tasks(void)
{
    struct bench b = bench_new();
    const uint8_t read[10] = {0x28, [8] = 8};
    const uint32_t list[2] = {0xd1000000 | 4096, BUF_GPA}, reset[13] = {0x01000000, 0x0300, 0x99};
    uint8_t before[64], after[64], r[32];
    uint32_t val;

    command(&b, 0, ready, 6, 0, 0);
    set(&b, MASK, 0);
    rig_media_hold(b.m, true);
    rig_mem_read(b.r, BUF_GPA, before, sizeof(before));
    put_request(&b, 1, 0, read, 10, 2, 4096, list, 2, 0);
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    rig_mem_write(b.r, FRAME_GPA + 0x800, reset, sizeof(reset));
    set(&b, REQUESTS, FRAME_GPA + 0x800);
    g_assert_true(rig_pirq(b.r, (SLOT + 3) % 4));
    val = reap(&b);
    rig_mem_read(b.r, (uint64_t)val << 1 & 0xffffffff, r, sizeof(r));
    g_assert_cmphex(r[14], ==, 0x48);
    val = reap(&b);
    rig_mem_read(b.r, (uint64_t)val << 1 & 0xffffffff, r, sizeof(r));
    g_assert_cmphex(r[3] << 8 | r[14], ==, 0x0100);
    g_assert_false(rig_pirq(b.r, (SLOT + 3) % 4));
    rig_media_hold(b.m, false);
    rig_step_ns(b.r, 10000);
    rig_mem_read(b.r, BUF_GPA, after, sizeof(after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    rig_free(b.r);
}

/* 4: pages' headers and contents, and one the guest writes. */
static void test_pages(void)
{
    static const struct {
        uint8_t type, number;
        unsigned dwords;
    } pages[] = {{0x01, 2, 3}, {0x03, 0, 3}, {0x03, 2, 19}, {0x04, 1, 4}, {0x09, 0, 19}};
    struct bench b = bench_new();
    uint16_t reply[64];

    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        uint32_t q[9] = {
            0x04000000,       0,      1, 0, 0, (uint32_t)pages[i].number << 16 | (uint32_t)pages[i].type << 24, 0,
            0xd1000000 | 256, BUF_GPA};
        uint8_t page[4];

        handshake(&b, q, 9, reply, 64);
        g_assert_cmphex(reply[7], ==, 0);
        g_assert_cmpuint(reply[0x14 / 2] >> 8, ==, pages[i].dwords);
        q[0] |= 1;
        handshake(&b, q, 9, reply, 64);
        g_assert_cmphex(reply[7], ==, 0);
        rig_mem_read(b.r, BUF_GPA, page, sizeof(page));
        g_assert_cmpuint(page[1], ==, pages[i].dwords);
    }
    const uint32_t none[9] = {0x04000000, 0, 1, 0, 0, 0x0f630000};
    handshake(&b, none, 9, reply, 64);
    g_assert_cmphex(reply[7], ==, 0x22);
    rig_free(b.r);
}

/* 4: an extended page of the SAS controller into @page; returns IOCStatus. */
static uint16_t sas_page(struct bench *b, uint8_t type, uint8_t number, uint32_t address, uint8_t page[256])
{
    const uint32_t q[9] = {0x04000001, (uint32_t)type << 16, 1,      0, 0, (uint32_t)number << 16 | 0x0f000000,
                           address,    0xd1000000 | 256,     BUF_GPA};
    uint16_t reply[64];

    handshake(b, q, 9, reply, 64);
    rig_mem_read(b->r, BUF_GPA, page, 256);
    if (reply[7] == 0)
        g_assert_cmpmem(reply + 2, 3, page + 4, 3); /* the header is in the reply, too */
    return reply[7];
}

static unsigned at16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

/* What is on the phys, seen every way a driver looks: "H-D". */
static void test_sas(void)
{
    static const unsigned handles[] = {1, 2, 4};
    struct bench b = bench_of(&pci_lsisas_device);
    const uint32_t port[3] = {0x05000000, 0, 0x78}, scsi_port[9] = {0x04000000, 0, 1, 0, 0, 0x03000000};
    unsigned handle = 0xffff;
    uint16_t reply[64];
    uint8_t page[256];

    g_assert_cmphex(rig_cfg_read(b.r, SAS_SLOT, 0, 0, 4), ==, 0x00541000);
    g_assert_cmpuint(handshake(&b, port, 3, reply, 64), ==, 20);
    g_assert_cmphex(reply[0x14 / 2] >> 8, ==, 0x30);
    handshake(&b, scsi_port, 9, reply, 64);
    g_assert_cmphex(reply[7], ==, 0x22); /* pages of the parallel bus */

    g_assert_cmphex(sas_page(&b, 0x10, 0, 0, page), ==, 0);
    g_assert_cmpuint(at16(page + 4), ==, (0x10 + 8 * 16) / 4);
    g_assert_cmpuint(page[0x0c], ==, 8);
    for (unsigned i = 0; i < 8; i++) {
        const bool there = i == 0 || i == 2;
        const uint8_t *phy = page + 0x10 + 16 * i;
        uint8_t one[256];

        g_assert_cmpuint(at16(phy + 8), ==, there ? 2 + i : 0);
        g_assert_cmpuint(at16(phy + 10), ==, 1);
        g_assert_cmphex(sas_page(&b, 0x13, 0, i, one), ==, 0);
        g_assert_cmpuint(at16(one + 0x14), ==, there ? 2 + i : 0);
        g_assert_cmphex(sas_page(&b, 0x12, 0, 1u << 28 | i, one), ==, there ? 0 : 0x22); /* by bus and target */
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(handles); i++) { /* the next one after ... */
        g_assert_cmphex(sas_page(&b, 0x12, 0, handle, page), ==, 0);
        handle = at16(page + 0x18);
        g_assert_cmpuint(handle, ==, handles[i]);
        g_assert_cmphex(page[0x1d], ==, i ? 0x04 : 0x00); /* an SSP target */
        g_assert_cmphex(page[0x13], ==, 0x50);            /* SAS address: NAA 5 */
    }
    g_assert_cmphex(sas_page(&b, 0x12, 0, handle, page), ==, 0x22);
    g_assert_cmphex(sas_page(&b, 0x12, 0, 2u << 28 | 3, page), ==, 0x22);
    g_assert_cmphex(sas_page(&b, 0x12, 0, 0xf0000001, page), ==, 0x22);
    g_assert_cmphex(sas_page(&b, 0x13, 0, 8, page), ==, 0x22);
    g_assert_cmphex(sas_page(&b, 0x11, 0, 0, page), ==, 0x22); /* no expander */
    rig_free(b.r);
}

/* Saved with requests under way; hostile lists and queues. */
static void test_saved(void)
{
    struct bench b = bench_new();
    const uint8_t read[10] = {0x28, [7] = 4};
    const uint32_t list[2] = {0xd1000000 | 1024 * 512, BUF_GPA};
    g_autofree uint8_t *buf = g_malloc(1024 * 512);
    g_autoptr(GError) error = NULL;

    command(&b, 0, ready, 6, 0, 0);
    rig_media_hold(b.m, true);
    put_request(&b, 1, 0, read, 10, 2, 1024 * 512, list, 2, 0);
    g_assert_true(rig_save_load(b.r, &error));
    g_assert_cmphex(reap(&b), ==, 0x1001);
    rig_mem_read(b.r, BUF_GPA, buf, 1024 * 512);
    g_assert_cmpmem(buf, 1024 * 512, b.disk, 1024 * 512);
    g_assert_cmphex(reap(&b), ==, UINT32_MAX);
    rig_free(b.r);
}

static void test_hostile(void)
{
    struct bench b = bench_new();
    const uint8_t read[10] = {0x28, [8] = 8};
    const uint32_t loop[2] = {0x30000000 | 8, FRAME_GPA + 0x84 + 0x30}, odd[2] = {0x20000000 | 8, 0};
    uint8_t r[32];
    uint32_t val;

    command(&b, 0, ready, 6, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        put_request(&b, 1, 0, read, 10, 2, 4096, i ? odd : loop, 2, 0);
        val = reap(&b);
        rig_mem_read(b.r, (uint64_t)val << 1 & 0xffffffff, r, sizeof(r));
        g_assert_cmphex(r[14], ==, 0x03);
    }
    for (unsigned i = 0; i < 20; i++) /* no frames for the replies are left */
        put_request(&b, 1, 1, read, 10, 2, 4096, loop, 2, 0);
    rig_step_ns(b.r, 10000);
    g_assert_cmphex(get(&b, DOORBELL) >> 28, ==, 4); /* fault */
    set(&b, DOORBELL, 0x40000000);
    ioc_init(&b);
    set(&b, DOORBELL, 0x42ff0000); /* longer than any message */
    g_assert_cmphex(get(&b, DOORBELL) & 1u << 27, ==, 0);
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lsilogic/facts", test_facts);
    g_test_add_data_func("/lsilogic/requests", &pci_lsilogic_device, test_requests);
    g_test_add_data_func("/lsilogic/requests-sas", &pci_lsisas_device, test_requests);
    g_test_add_func("/lsilogic/sas", test_sas);
    g_test_add_func("/lsilogic/chain", test_chain);
    g_test_add_func("/lsilogic/tasks", test_tasks);
    g_test_add_func("/lsilogic/pages", test_pages);
    g_test_add_func("/lsilogic/saved", test_saved);
    g_test_add_func("/lsilogic/hostile", test_hostile);
    return g_test_run();
}

/*
 * virtio_test.c - virtio block device and SCSI host, as a guest's driver sees them.
 *
 * Clauses are of VIRTIO 1.1 unless another document is named. A queue lies at QUEUE_GPA(n): descriptors, then the
 * available ring at +1000h, the used ring at +2000h.
 */
#include <string.h>

#include "vmm/pdm/rig.h"

extern const struct pdm_devreg virtio_blk_device, virtio_scsi_device;

#define HOST_IO_ERROR (-250) /* any failure the driver reports */
#define SECTORS       4096u
#define BAR           0xe0000000u
#define TABLE         0xe1000000u
#define PORTS         0xc000u
#define QUEUE_GPA(n)  (0x10000u + (n)*0x4000u)
#define BUF_GPA       0x100000u
#define STATUS_GPA    0x80000u
#define ENTRIES       256u
#define VERSION_1     1u /* of the high half */
#define EVENT_IDX     (1u << 29)

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disk;
    unsigned slot;
    uint16_t avail[8], used[8];
};

struct piece {
    uint64_t gpa;
    uint32_t bytes;
    bool in;
};

static void put(struct bench *b, uint32_t off, uint32_t val, unsigned size)
{
    rig_mmio_write(b->r, BAR + off, val, size);
}

static uint32_t get(struct bench *b, uint32_t off, unsigned size)
{
    return (uint32_t)rig_mmio_read(b->r, BAR + off, size);
}

/* 3.1.1: as a driver initialises a device, with the features of @low. */
static void init(struct bench *b, uint32_t low, unsigned queues)
{
    put(b, 0x14, 0, 1);
    put(b, 0x14, 3, 1);
    put(b, 0x08, 0, 4);
    put(b, 0x0c, low, 4);
    put(b, 0x08, 1, 4);
    put(b, 0x0c, VERSION_1, 4);
    put(b, 0x14, 0x0b, 1);
    g_assert_cmphex(get(b, 0x14, 1), ==, 0x0b);
    for (unsigned q = 0; q < queues; q++) {
        put(b, 0x16, q, 2);
        g_assert_cmpuint(get(b, 0x18, 2), ==, ENTRIES);
        put(b, 0x20, QUEUE_GPA(q), 4);
        put(b, 0x28, QUEUE_GPA(q) + 0x1000, 4);
        put(b, 0x30, QUEUE_GPA(q) + 0x2000, 4);
        rig_mem_write(b->r, QUEUE_GPA(q) + 0x1000, "\0\0\0\0", 4);
        rig_mem_write(b->r, QUEUE_GPA(q) + 0x2000, "\0\0\0\0", 4);
        put(b, 0x1c, 1, 2);
    }
    put(b, 0x14, 0x0f, 1);
    memset(b->avail, 0, sizeof(b->avail));
    memset(b->used, 0, sizeof(b->used));
}

static void map(struct bench *b, const char *name)
{
    unsigned func;

    g_assert_true(rig_pci_where(b->r, name, 0, &b->slot, &func));
    rig_cfg_write(b->r, b->slot, 0, 0x20, BAR, 4);
    rig_cfg_write(b->r, b->slot, 0, 0x14, TABLE, 4);
    rig_cfg_write(b->r, b->slot, 0, 0x10, PORTS, 4);
    rig_cfg_write(b->r, b->slot, 0, 0x04, 0x07, 2);
}

static struct bench blk_new(void)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &virtio_blk_device, "");
    b.m = rig_media_new(b.r, SECTORS * 512, 512);
    b.disk = rig_media_bytes(b.m);
    for (unsigned i = 0; i < SECTORS * 512; i++)
        b.disk[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_block(b.m)->discard = true;
    g_strlcpy(rig_media_block(b.m)->serial, "VB12345678-9abcdef0", 32);
    rig_media_attach(b.r, "virtio-blk", 0, 0, b.m);
    g_assert_true(rig_start(b.r, NULL));
    map(&b, "virtio-blk");
    return b;
}

/* 2.6.13: makes a chain from descriptor @head on available and rings. */
static void submit(struct bench *b, unsigned q, uint16_t head, const struct piece *p, unsigned n)
{
    uint16_t index;

    for (unsigned i = 0; i < n; i++) {
        const uint16_t flags = (uint16_t)((i + 1 < n ? 1 : 0) | (p[i].in ? 2 : 0)), next = (uint16_t)(head + i + 1);
        const uint64_t d[2] = {p[i].gpa, p[i].bytes | (uint64_t)flags << 32 | (uint64_t)next << 48};

        rig_mem_write(b->r, QUEUE_GPA(q) + 16u * (head + i), d, sizeof(d));
    }
    rig_mem_write(b->r, QUEUE_GPA(q) + 0x1000 + 4 + 2u * (b->avail[q] % ENTRIES), &head, 2);
    index = ++b->avail[q];
    rig_mem_write(b->r, QUEUE_GPA(q) + 0x1002, &index, 2);
    put(b, 0x3000 + 4 * q, q, 2);
}

/* Whether a chain came back: its head and length. */
static bool reap(struct bench *b, unsigned q, uint32_t *ret_head, uint32_t *ret_bytes)
{
    uint16_t index = 0;
    uint32_t e[2];

    for (unsigned i = 0; i < 200; i++) {
        rig_mem_read(b->r, QUEUE_GPA(q) + 0x2002, &index, 2);
        if (index != b->used[q])
            break;
        rig_step_ns(b->r, 1000);
    }
    if (index == b->used[q])
        return false;
    rig_mem_read(b->r, QUEUE_GPA(q) + 0x2004 + 8u * (b->used[q]++ % ENTRIES), e, sizeof(e));
    *ret_head = e[0];
    *ret_bytes = e[1];
    return true;
}

/* A block request of one data piece (0 bytes: none); returns the status byte, or -1. */
static int request(struct bench *b, uint32_t type, uint64_t sector, uint32_t bytes, bool in)
{
    const uint64_t header[2] = {type, sector};
    struct piece p[3] = {{0x90000, 16, false}, {BUF_GPA, bytes, in}, {STATUS_GPA, 1, true}};
    uint32_t head, got;
    uint8_t status = 0xee;

    rig_mem_write(b->r, 0x90000, header, 16);
    rig_mem_write(b->r, STATUS_GPA, &status, 1);
    if (bytes == 0)
        p[1] = p[2];
    submit(b, 0, 8, p, bytes ? 3 : 2);
    if (!reap(b, 0, &head, &got))
        return -1;
    g_assert_cmpuint(head, ==, 8);
    rig_mem_read(b->r, STATUS_GPA, &status, 1);
    g_assert_cmpuint(got, ==, (in && status == 0 ? bytes : 0) + 1);
    return status;
}

/* 4.1.2, 4.1.4, 5.2.4: identity, capabilities, registers. */
static void test_registers(void)
{
    struct bench b = blk_new();
    uint8_t cap;
    unsigned types = 0;

    g_assert_cmphex(rig_cfg_read(b.r, b.slot, 0, 0, 4), ==, 0x10011af4);
    g_assert_cmphex(rig_cfg_read(b.r, b.slot, 0, 0x2e, 2), ==, 2);
    for (cap = (uint8_t)rig_cfg_read(b.r, b.slot, 0, 0x34, 1); cap;
         cap = (uint8_t)rig_cfg_read(b.r, b.slot, 0, cap + 1, 1))
        if (rig_cfg_read(b.r, b.slot, 0, cap, 1) == 9)
            types |= 1u << rig_cfg_read(b.r, b.slot, 0, cap + 3, 1);
    g_assert_cmphex(types, ==, 0x1e); /* common, notify, ISR, device */
    g_assert_cmpuint(get(&b, 0x2000, 4), ==, SECTORS);
    g_assert_cmpuint(get(&b, 0x2000 + 20, 4), ==, 512);
    g_assert_cmpuint(get(&b, 0x12, 2), ==, 4);
    put(&b, 0x14, 3, 1); /* 2.2.2: a feature that was not offered */
    put(&b, 0x08, 1, 4);
    put(&b, 0x0c, 0x80000001, 4);
    put(&b, 0x14, 0x0b, 1);
    g_assert_cmphex(get(&b, 0x14, 1), ==, 3);
    rig_free(b.r);
}

/* 5.2.6: reading, writing, identification, errors. */
static void test_requests(void)
{
    struct bench b = blk_new();
    g_autofree uint8_t *buf = g_malloc(600 * 512);
    char id[21] = {0};

    init(&b, 0, 4);
    g_assert_cmpint(request(&b, 0, 100, 600 * 512, true), ==, 0);
    rig_mem_read(b.r, BUF_GPA, buf, 600 * 512);
    g_assert_cmpmem(buf, 600 * 512, b.disk + 100 * 512, 600 * 512);
    memset(buf, 0x5a, 4096);
    rig_mem_write(b.r, BUF_GPA, buf, 4096);
    g_assert_cmpint(request(&b, 1, 7, 4096, false), ==, 0);
    g_assert_cmpmem(b.disk + 7 * 512, 4096, buf, 4096);
    g_assert_cmpint(request(&b, 8, 0, 20, true), ==, 0);
    rig_mem_read(b.r, BUF_GPA, id, 20);
    g_assert_cmpstr(id, ==, "VB12345678-9abcdef0");
    g_assert_cmpint(request(&b, 0, SECTORS - 1, 1024, true), ==, 1);
    g_assert_cmpint(request(&b, 0, 0, 511, true), ==, 1);
    g_assert_cmpint(request(&b, 99, 0, 512, true), ==, 2);
    rig_media_fail(b.m, PDM_BLOCK_READ, 0, 512, 100, HOST_IO_ERROR);
    g_assert_cmpint(request(&b, 0, 0, 512, true), ==, 1);
    rig_free(b.r);
}

/* 5.2.6.2: flush after writes; without write cache each write is flushed; discard, write zeroes. */
static void test_durable(void)
{
    struct bench b = blk_new();
    const uint64_t range[2] = {50, 8}, bad[2] = {SECTORS - 1, 8};

    init(&b, 1u << 9 | 1u << 11 | 1u << 13 | 1u << 14, 1);
    g_assert_cmpint(request(&b, 1, 0, 512, false), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 0);
    g_assert_cmpint(request(&b, 4, 0, 0, false), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 1);
    put(&b, 0x2000 + 32, 0, 1); /* writethrough */
    g_assert_cmpint(request(&b, 1, 0, 512, false), ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 2);
    rig_media_fail(b.m, PDM_BLOCK_FLUSH, 0, UINT64_MAX, 1, HOST_IO_ERROR);
    g_assert_cmpint(request(&b, 1, 0, 512, false), ==, 1);
    for (unsigned type = 11; type <= 13; type += 2) {
        memset(b.disk + 50 * 512, 1, 8 * 512);
        rig_mem_write(b.r, BUF_GPA, range, 16);
        g_assert_cmpint(request(&b, type, 0, 16, false), ==, 0);
        g_assert_cmphex(b.disk[57 * 512] | b.disk[50 * 512], ==, 0);
        rig_mem_write(b.r, BUF_GPA, bad, 16);
        g_assert_cmpint(request(&b, type, 0, 16, false), ==, 1);
    }
    rig_free(b.r);
}

/* 2.6.7: interrupts only where the guest asks for them; 4.1.5.1: by line and by message. */
static void test_interrupts(void)
{
    struct bench b = blk_new();
    struct rig_message m[4];
    uint16_t no = 1, event = 2;

    init(&b, EVENT_IDX, 1);
    rig_mem_write(b.r, QUEUE_GPA(0) + 0x1004 + 2 * ENTRIES, &event, 2); /* used_event: the third */
    for (unsigned i = 0; i < 3; i++) {
        g_assert_false(rig_pirq(b.r, (b.slot + 3) % 4));
        g_assert_cmpint(request(&b, 0, 0, 512, true), ==, 0);
    }
    g_assert_true(rig_pirq(b.r, (b.slot + 3) % 4));
    g_assert_cmphex(get(&b, 0x1000, 1), ==, 1); /* the ISR's reading clears it */
    g_assert_false(rig_pirq(b.r, (b.slot + 3) % 4));
    init(&b, 0, 1);
    rig_mem_write(b.r, QUEUE_GPA(0) + 0x1000, &no, 2);
    g_assert_cmpint(request(&b, 0, 0, 512, true), ==, 0);
    g_assert_false(rig_pirq(b.r, (b.slot + 3) % 4));
    rig_mem_write(b.r, QUEUE_GPA(0) + 0x1000, "\0\0", 2);
    rig_mmio_write(b.r, TABLE + 0x10, 0xfee02000, 4);
    rig_mmio_write(b.r, TABLE + 0x18, 0x51, 4);
    rig_mmio_write(b.r, TABLE + 0x1c, 0, 4);
    rig_cfg_write(b.r, b.slot, 0, 0x42, 0x8000, 2);
    put(&b, 0x16, 0, 2);
    put(&b, 0x1a, 1, 2);
    g_assert_cmpint(request(&b, 0, 0, 512, true), ==, 0);
    g_assert_cmpuint(rig_messages(b.r, m, 4), ==, 1);
    g_assert_cmphex(m[0].vector, ==, 0x51);
    g_assert_cmphex(m[0].dest, ==, 2);
    rig_free(b.r);
}

/* 4.1.4.8: the legacy ports, queue at a page. */
static void test_legacy(void)
{
    struct bench b = blk_new();
    const uint64_t header[2] = {0, 5};
    const struct piece p[3] = {{0x90000, 16, false}, {BUF_GPA, 512, true}, {STATUS_GPA, 1, true}};
    const uint16_t one = 1, head = 0;
    uint8_t buf[512];
    uint16_t used;

    rig_out(b.r, PORTS + 0x12, 0, 1);
    rig_out(b.r, PORTS + 0x12, 3, 1);
    rig_out(b.r, PORTS + 0x04, 0, 4);
    rig_out(b.r, PORTS + 0x0e, 0, 2);
    g_assert_cmpuint(rig_in(b.r, PORTS + 0x0c, 2), ==, ENTRIES);
    rig_out(b.r, PORTS + 0x08, 0x200000 >> 12, 4);
    rig_out(b.r, PORTS + 0x12, 7, 1);
    g_assert_cmpuint(rig_in(b.r, PORTS + 0x14, 4), ==, SECTORS);
    rig_mem_write(b.r, 0x90000, header, 16);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t d[2] = {p[i].gpa,
                               p[i].bytes | (uint64_t)((i < 2) | (p[i].in ? 2 : 0)) << 32 | (uint64_t)(i + 1) << 48};
        rig_mem_write(b.r, 0x200000 + 16 * i, d, sizeof(d));
    }
    rig_mem_write(b.r, 0x200000 + 16 * ENTRIES + 4, &head, 2);
    rig_mem_write(b.r, 0x200000 + 16 * ENTRIES + 2, &one, 2);
    rig_out(b.r, PORTS + 0x10, 0, 2);
    rig_step_ns(b.r, 10000);
    rig_mem_read(b.r, 0x202000 + 2, &used, 2);
    g_assert_cmpuint(used, ==, 1);
    rig_mem_read(b.r, BUF_GPA, buf, 512);
    g_assert_cmpmem(buf, 512, b.disk + 5 * 512, 512);
    g_assert_cmphex(rig_in(b.r, PORTS + 0x13, 1), ==, 1);
    rig_free(b.r);
}

/* Rings a driver must not make: loops, indexes beyond the queue, indirect in indirect, output after input. */
static void test_hostile(void)
{
    static const struct {
        const char *what;
        uint64_t d[3][2];
        uint16_t head, index;
    } cases[] = {
        {"loop", {{BUF_GPA, 512 | UINT64_C(1) << 32 | UINT64_C(0) << 48}}, 0, 1},
        {"next beyond", {{BUF_GPA, 512 | UINT64_C(1) << 32 | UINT64_C(300) << 48}}, 0, 1},
        {"head beyond", {{BUF_GPA, 512}}, 256, 1},
        {"index jump", {{BUF_GPA, 512}}, 0, 257},
        {"indirect of 5 bytes", {{BUF_GPA, 5 | UINT64_C(4) << 32}}, 0, 1},
        {"indirect and next", {{BUF_GPA, 16 | UINT64_C(5) << 32}}, 0, 1},
        {"indirect in itself", {{QUEUE_GPA(0), 16 | UINT64_C(4) << 32}}, 0, 1},
        {"output after input", {{BUF_GPA, 512 | UINT64_C(3) << 32 | UINT64_C(1) << 48}, {BUF_GPA, 16}}, 0, 1},
        {"no status byte", {{BUF_GPA, 16}}, 0, 1},
        {"no header", {{BUF_GPA, 16 | UINT64_C(2) << 32}}, 0, 1},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct bench b = blk_new();

        init(&b, 0, 1);
        rig_mem_write(b.r, QUEUE_GPA(0), cases[i].d, sizeof(cases[i].d));
        rig_mem_write(b.r, QUEUE_GPA(0) + 0x1004, &cases[i].head, 2);
        rig_mem_write(b.r, QUEUE_GPA(0) + 0x1002, &cases[i].index, 2);
        put(&b, 0x3000, 0, 2);
        rig_step_ns(b.r, 1000);
        g_test_message("%s", cases[i].what);
        g_assert_cmphex(get(&b, 0x14, 1), ==, 0x4f); /* 2.1.2: needs reset */
        init(&b, 0, 1);
        g_assert_cmpint(request(&b, 0, 0, 512, true), ==, 0);
        rig_free(b.r);
    }
}

/* Saved with requests under way: the new machine does them again, and gives each back once. */
static void test_saved(void)
{
    struct bench b = blk_new();
    g_autoptr(GError) error = NULL;
    const uint64_t header[2] = {0, 64};
    const struct piece p[3] = {{0x90000, 16, false}, {BUF_GPA, 1000 * 512, true}, {STATUS_GPA, 1, true}};
    g_autofree uint8_t *buf = g_malloc(1000 * 512);
    uint32_t head, bytes;

    init(&b, 0, 1);
    rig_media_hold(b.m, true);
    rig_mem_write(b.r, 0x90000, header, 16);
    submit(&b, 0, 40, p, 3);
    g_assert_true(rig_save_load(b.r, &error));
    g_assert_true(reap(&b, 0, &head, &bytes));
    g_assert_cmpuint(head, ==, 40);
    rig_mem_read(b.r, BUF_GPA, buf, 1000 * 512);
    g_assert_cmpmem(buf, 1000 * 512, b.disk + 64 * 512, 1000 * 512);
    g_assert_false(reap(&b, 0, &head, &bytes));
    rig_free(b.r);
}

/* ---- the SCSI host ---- */

static struct bench scsi_new(struct rig_media **ret_disc)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &virtio_scsi_device, "PortCount=4;Drives=HD-h");
    b.m = rig_media_new(b.r, SECTORS * 512, 512);
    b.disk = rig_media_bytes(b.m);
    for (unsigned i = 0; i < SECTORS * 512; i++)
        b.disk[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_block(b.m)->discard = true;
    *ret_disc = rig_media_new(b.r, 100 * 2048, 2048);
    memset(rig_media_bytes(*ret_disc) + 16 * 2048, 0xcd, 2048);
    rig_media_block(*ret_disc)->read_only = rig_media_block(*ret_disc)->removable = true;
    rig_media_attach(b.r, "virtio-scsi", 0, 0, b.m);
    rig_media_attach(b.r, "virtio-scsi", 0, 1, *ret_disc);
    g_assert_true(rig_start(b.r, NULL));
    map(&b, "virtio-scsi");
    init(&b, 6, 3); /* hot-plug, change */
    return b;
}

struct answer {
    uint32_t sense_bytes, residual;
    uint16_t qualifier;
    uint8_t status, response, sense[96];
};

static void put_request(struct bench *b, uint8_t target, uint8_t lun, const uint8_t *cdb, unsigned cdb_bytes)
{
    uint8_t r[51] = {1, target, 0x40, lun, [8] = 0x77};

    memcpy(r + 19, cdb, cdb_bytes);
    rig_mem_write(b->r, 0x90000, r, sizeof(r));
}

static struct answer command(struct bench *b, uint8_t target, const uint8_t *cdb, unsigned cdb_bytes, uint32_t bytes,
                             bool in)
{
    struct piece p[3] = {{0x90000, 51, false}, {BUF_GPA, bytes, false}, {STATUS_GPA, 108, true}};
    unsigned n = bytes ? 3 : 2;
    struct answer a;
    uint32_t head, got;

    put_request(b, target, 0, cdb, cdb_bytes);
    if (in || !bytes)
        p[1] = (struct piece){STATUS_GPA, 108, true};
    if (in)
        p[2] = (struct piece){BUF_GPA, bytes, true};
    submit(b, 2, 0, p, n);
    g_assert_true(reap(b, 2, &head, &got));
    rig_mem_read(b->r, STATUS_GPA, &a, sizeof(a));
    return a;
}

static const uint8_t ready[6] = {0}, inquiry[6] = {0x12, [4] = 36}, capacity[10] = {0x25}, sync_cache[10] = {0x35};

/* 5.6.6.1 with SPC-3 and SBC-3: attention, identity, capacity, reading, writing, sense data with errors. */
static void test_scsi_disk(void)
{
    struct rig_media *disc;
    struct bench b = scsi_new(&disc);
    uint8_t read[10] = {0x28, [5] = 9, [8] = 8}, write[10] = {0x2a, [5] = 20, [8] = 1}, buf[4096];
    struct answer a = command(&b, 0, ready, 6, 0, false);

    g_assert_cmphex(a.status, ==, 2);
    g_assert_cmphex(a.sense[2] << 16 | a.sense[12] << 8 | a.sense[13], ==, 0x062900);
    g_assert_cmphex(command(&b, 0, ready, 6, 0, false).status, ==, 0);
    a = command(&b, 0, inquiry, 6, 36, true);
    g_assert_cmphex(a.status | a.response, ==, 0);
    rig_mem_read(b.r, BUF_GPA, buf, 36);
    g_assert_cmpmem(buf + 8, 16, "VBOX    HARDDISK", 16);
    command(&b, 0, capacity, 10, 8, true);
    rig_mem_read(b.r, BUF_GPA, buf, 8);
    g_assert_cmpuint(buf[2] << 8 | buf[3], ==, SECTORS - 1);
    a = command(&b, 0, read, 10, 4096, true);
    g_assert_cmphex(a.status | a.response | a.residual, ==, 0);
    rig_mem_read(b.r, BUF_GPA, buf, 4096);
    g_assert_cmpmem(buf, 4096, b.disk + 9 * 512, 4096);
    g_assert_cmpuint(command(&b, 0, read, 10, 5000, true).residual, ==, 5000 - 4096);
    g_assert_cmphex(command(&b, 0, read, 10, 512, true).response, ==, 1); /* overrun */
    rig_mem_write(b.r, BUF_GPA, "written", 8);
    g_assert_cmphex(command(&b, 0, write, 10, 512, false).status, ==, 0);
    g_assert_cmpstr((char *)b.disk + 20 * 512, ==, "written");
    write[1] = 0x08; /* FUA */
    command(&b, 0, write, 10, 512, false);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 1);
    command(&b, 0, sync_cache, 10, 0, false);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 2);
    read[3] = 0xff;
    a = command(&b, 0, read, 10, 4096, true);
    g_assert_cmphex(a.sense[2] << 8 | a.sense[12], ==, 0x0521);
    g_assert_cmphex(command(&b, 2, ready, 6, 0, false).response, ==, 3); /* no such target */
    rig_free(b.r);
}

/* SBC-3 5.28 UNMAP, 5.40 WRITE SAME, SPC-3 6.7 MODE SELECT: the cache goes off. */
static void test_scsi_more(void)
{
    struct rig_media *disc;
    struct bench b = scsi_new(&disc);
    const uint8_t unmap[10] = {0x42, [8] = 40}, same[10] = {0x41, [5] = 5, [8] = 4}, select[6] = {0x15, 0x10, [4] = 24},
                  sense[6] = {0x1a, 0x08, 0x08, [4] = 24}, write[10] = {0x2a, [8] = 1};
    uint8_t list[40] = {0, 38, 0, 32, [15] = 100, [19] = 8, [31] = 200, [35] = 4}, page[24] = {[4] = 8, 18},
            zero[512] = {0};

    command(&b, 0, ready, 6, 0, false);
    rig_mem_write(b.r, BUF_GPA, list, sizeof(list));
    g_assert_cmphex(command(&b, 0, unmap, 10, 40, false).status, ==, 0);
    g_assert_cmpmem(b.disk + 107 * 512, 512, zero, 512);
    g_assert_cmpmem(b.disk + 203 * 512, 512, zero, 512);
    g_assert_cmphex(b.disk[204 * 512 + 1], !=, 0);
    rig_mem_write(b.r, BUF_GPA, zero, 512);
    g_assert_cmphex(command(&b, 0, same, 10, 512, false).status, ==, 0);
    g_assert_cmpmem(b.disk + 8 * 512, 512, zero, 512);
    rig_mem_write(b.r, BUF_GPA, page, sizeof(page)); /* WCE 0 */
    g_assert_cmphex(command(&b, 0, select, 6, 24, false).status, ==, 0);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 1);
    command(&b, 0, sense, 6, 24, true);
    rig_mem_read(b.r, BUF_GPA, page, sizeof(page));
    g_assert_cmphex(page[4] << 8 | page[6], ==, 0x0800);
    command(&b, 0, write, 10, 512, false);
    g_assert_cmpuint(rig_media_flushes(b.m), ==, 2);
    rig_free(b.r);
}

/* A DVD drive; another disc, and a disk that comes (5.6.6.3). */
static void test_scsi_media(void)
{
    struct rig_media *disc;
    struct bench b = scsi_new(&disc);
    const uint8_t read[10] = {0x28, [5] = 16, [8] = 1};
    const struct piece room = {0xa0000, 16, true};
    uint8_t sector[2048], want[2048];
    uint32_t head, bytes, event[4];

    memset(want, 0xcd, sizeof(want));
    command(&b, 1, ready, 6, 0, false);
    g_assert_cmphex(command(&b, 1, read, 10, 2048, true).status, ==, 0);
    rig_mem_read(b.r, BUF_GPA, sector, sizeof(sector));
    g_assert_cmpmem(sector, 2048, want, 2048);
    submit(&b, 1, 0, &room, 1);
    rig_media_attach(b.r, "virtio-scsi", 0, 1, NULL);
    g_assert_true(reap(&b, 1, &head, &bytes));
    rig_mem_read(b.r, 0xa0000, event, sizeof(event));
    g_assert_cmphex(event[0], ==, 3);
    g_assert_cmphex(command(&b, 1, ready, 6, 0, false).status, ==, 2);
    rig_media_attach(b.r, "virtio-scsi", 0, 3, rig_media_new(b.r, 1u << 20, 512));
    submit(&b, 1, 0, &room, 1); /* the change of the disc was told; then the disk */
    g_assert_true(reap(&b, 1, &head, &bytes));
    rig_mem_read(b.r, 0xa0000, event, sizeof(event));
    g_assert_cmphex(event[0] << 8 | event[3], ==, 0x0101);
    g_assert_cmphex(event[1] & 0xffff, ==, 0x0301);
    command(&b, 3, ready, 6, 0, false);
    g_assert_cmphex(command(&b, 3, ready, 6, 0, false).status, ==, 0);
    rig_free(b.r);
}

/* 5.6.6.2: an aborted command comes back, and its memory is not written any more. */
static void test_scsi_abort(void)
{
    struct rig_media *disc;
    struct bench b = scsi_new(&disc);
    const uint8_t read[10] = {0x28, [8] = 8};
    const struct piece p[3] = {{0x90000, 51, false}, {STATUS_GPA, 108, true}, {BUF_GPA, 4096, true}};
    const struct piece tmf[2] = {{0xb0000, 24, false}, {0xb0100, 1, true}};
    const uint8_t reset[24] = {[4] = 5, [8] = 1, 0, 0x40}; /* logical unit reset */
    uint8_t before[4096], after[4096], answer[12];
    uint32_t head, bytes;

    command(&b, 0, ready, 6, 0, false);
    rig_media_hold(b.m, true);
    put_request(&b, 0, 0, read, 10);
    submit(&b, 2, 0, p, 3);
    rig_mem_read(b.r, BUF_GPA, before, sizeof(before));
    rig_mem_write(b.r, 0xb0000, reset, sizeof(reset));
    submit(&b, 0, 0, tmf, 2);
    g_assert_true(reap(&b, 0, &head, &bytes));
    g_assert_true(reap(&b, 2, &head, &bytes));
    rig_mem_read(b.r, STATUS_GPA, answer, sizeof(answer));
    g_assert_cmphex(answer[11], ==, 2);
    rig_media_hold(b.m, false);
    rig_step_ns(b.r, 10000);
    rig_mem_read(b.r, BUF_GPA, after, sizeof(after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    g_assert_cmphex(command(&b, 0, ready, 6, 0, false).status, ==, 2); /* unit attention */
    rig_free(b.r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio/registers", test_registers);
    g_test_add_func("/virtio/requests", test_requests);
    g_test_add_func("/virtio/durable", test_durable);
    g_test_add_func("/virtio/interrupts", test_interrupts);
    g_test_add_func("/virtio/legacy", test_legacy);
    g_test_add_func("/virtio/hostile", test_hostile);
    g_test_add_func("/virtio/saved", test_saved);
    g_test_add_func("/virtio/scsi-disk", test_scsi_disk);
    g_test_add_func("/virtio/scsi-more", test_scsi_more);
    g_test_add_func("/virtio/scsi-media", test_scsi_media);
    g_test_add_func("/virtio/scsi-abort", test_scsi_abort);
    return g_test_run();
}

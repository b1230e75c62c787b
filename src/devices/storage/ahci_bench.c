/* ahci_bench.c - see ahci_bench.h. */
#include "devices/storage/ahci_bench.h"

#include <string.h>

extern const struct pdm_devreg pci_ahci_device;

uint32_t bench_get(struct bench *b, uint32_t off)
{
    return (uint32_t)rig_mmio_read(b->r, BAR + off, 4);
}

void bench_set(struct bench *b, uint32_t off, uint32_t val)
{
    rig_mmio_write(b->r, BAR + off, val, 4);
}

uint32_t bench_pget(struct bench *b, unsigned port, uint32_t off)
{
    return bench_get(b, 0x100 + 0x80 * port + off);
}

void bench_pset(struct bench *b, unsigned port, uint32_t off, uint32_t val)
{
    bench_set(b, 0x100 + 0x80 * port + off, val);
}

void bench_start_port(struct bench *b, unsigned port)
{
    bench_pset(b, port, PX_CLB, LIST_GPA + 0x400 * port);
    bench_pset(b, port, PX_FB, FIS_GPA + 0x100 * port);
    bench_pset(b, port, PX_SERR, UINT32_MAX);
    bench_pset(b, port, PX_IS, UINT32_MAX);
    bench_pset(b, port, PX_IE, 0xffffffff);
    bench_pset(b, port, PX_CMD, 0x11);
}

struct bench bench_new(void)
{
    struct bench b = {.r = rig_empty()};

    rig_add(b.r, &pci_ahci_device, "PortCount=4;Drives=hD-h");
    b.disk = rig_media_new(b.r, DISK_SECTORS * 512, 512);
    b.bytes = rig_media_bytes(b.disk);
    for (unsigned i = 0; i < DISK_SECTORS * 512; i++)
        b.bytes[i] = (uint8_t)(i / 512 * 7 + i);
    rig_media_block(b.disk)->discard = true;
    b.disc = rig_media_new(b.r, 100 * 2048, 2048);
    rig_media_block(b.disc)->read_only = rig_media_block(b.disc)->removable = true;
    memset(rig_media_bytes(b.disc) + 2048 * 16, 0xcd, 2048);
    rig_media_attach(b.r, "ahci", 0, 0, b.disk);
    rig_media_attach(b.r, "ahci", 0, 1, b.disc);
    g_assert_true(rig_start(b.r, NULL));
    rig_cfg_write(b.r, SLOT, 0, 0x24, BAR, 4);
    rig_cfg_write(b.r, SLOT, 0, 0x04, 0x06, 2);
    bench_start_port(&b, 0);
    bench_start_port(&b, 1);
    bench_set(&b, 0x04, 0x80000002);
    return b;
}

void bench_put_command(struct bench *b, unsigned port, unsigned slot, const uint8_t *fis, unsigned flags,
                       uint32_t bytes, uint32_t data_gpa)
{
    const uint32_t prds = (bytes + 4095) / 4096;
    uint32_t header[8] = {5 | flags | prds << 16, 0xffffffff, TABLE_GPA(slot + 32 * port)};

    rig_mem_write(b->r, LIST_GPA + 0x400 * port + 32 * slot, header, sizeof(header));
    rig_mem_write(b->r, TABLE_GPA(slot + 32 * port), fis, 20);
    for (uint32_t i = 0; i < prds; i++) {
        const uint32_t n = MIN(bytes - 4096 * i, 4096u), prd[4] = {data_gpa + 4096 * i, 0, 0, n - 1};

        rig_mem_write(b->r, TABLE_GPA(slot + 32 * port) + 0x80 + 16 * i, prd, sizeof(prd));
    }
}

void bench_ata_fis(uint8_t *fis, uint8_t command, uint64_t lba, unsigned count)
{
    memset(fis, 0, 20);
    fis[0] = 0x27;
    fis[1] = 0x80;
    fis[2] = command;
    fis[7] = 0x40;
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(lba >> 8 * i);
        fis[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
    }
    fis[12] = (uint8_t)count;
    fis[13] = (uint8_t)(count >> 8);
}

void bench_queued_fis(uint8_t *fis, uint8_t command, uint64_t lba, unsigned count, unsigned slot)
{
    bench_ata_fis(fis, command, lba, slot << 3);
    fis[3] = (uint8_t)count;
    fis[11] = (uint8_t)(count >> 8);
}

void bench_settle(struct bench *b, unsigned port)
{
    for (unsigned i = 0; i < 1000 && (bench_pget(b, port, PX_CI) | bench_pget(b, port, PX_SACT)); i++)
        rig_step_ns(b->r, 1000);
}

uint32_t bench_run(struct bench *b, unsigned port, const uint8_t *fis, unsigned flags, uint32_t bytes)
{
    uint32_t is;

    bench_put_command(b, port, 0, fis, flags, bytes, DATA_GPA);
    bench_pset(b, port, PX_CI, 1);
    for (unsigned i = 0; i < 200 && !(is = bench_pget(b, port, PX_IS)); i++)
        rig_step_ns(b->r, 1000);
    bench_settle(b, port);
    is = bench_pget(b, port, PX_IS);
    bench_pset(b, port, PX_IS, is);
    bench_set(b, 0x08, UINT32_MAX);
    return is;
}

void bench_restart(struct bench *b, unsigned port)
{
    bench_pset(b, port, PX_CMD, 0x10);
    bench_pset(b, port, PX_IS, UINT32_MAX);
    bench_pset(b, port, PX_CMD, 0x11);
}

void bench_check_memory(struct bench *b, const uint8_t *want, size_t bytes, uint32_t gpa)
{
    g_autofree uint8_t *got = g_malloc(bytes);

    rig_mem_read(b->r, gpa, got, bytes);
    g_assert_cmpmem(got, bytes, want, bytes);
}

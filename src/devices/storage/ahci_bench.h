/*
 * ahci_bench.h - an AHCI controller with drives in a rig, and what a guest's driver does with it: for pci_ahci_test.c
 * and pci_ahci_port_test.c.
 */
#ifndef DEVICES_STORAGE_AHCI_BENCH_H
#define DEVICES_STORAGE_AHCI_BENCH_H

#include "vmm/pdm/rig.h"

#define DISK_SECTORS 4000u
#define BAR          0xe0000000u
#define LIST_GPA     0x10000u
#define FIS_GPA      0x11000u
#define TABLE_GPA(n) (0x20000u + (n)*0x1000u)
#define DATA_GPA     0x200000u
#define SLOT         13u

enum {
    PX_CLB = 0x00,
    PX_FB = 0x08,
    PX_IS = 0x10,
    PX_IE = 0x14,
    PX_CMD = 0x18,
    PX_TFD = 0x20,
    PX_SIG = 0x24,
    PX_SSTS = 0x28,
    PX_SCTL = 0x2c,
    PX_SERR = 0x30,
    PX_SACT = 0x34,
    PX_CI = 0x38
};
enum { IS_DHR = 1, IS_PS = 2, IS_SDB = 8, IS_PC = 0x40, IS_PRC = 1 << 22, IS_OF = 1 << 24, IS_TFE = 1 << 30 };

/** A guest with the controller: port 0 a disk that may go, 1 a DVD drive, 2 nothing, 3 room for a disk that comes. */
struct bench {
    struct rig *r;
    struct rig_media *disk, *disc;
    uint8_t *bytes;
};

uint32_t bench_get(struct bench *b, uint32_t off);
void bench_set(struct bench *b, uint32_t off, uint32_t val);
uint32_t bench_pget(struct bench *b, unsigned port, uint32_t off);
void bench_pset(struct bench *b, unsigned port, uint32_t off, uint32_t val);
void bench_start_port(struct bench *b, unsigned port);
struct bench bench_new(void);
/** bench_put_command() - in a slot: register FIS, one PRD per 4 KiB; @flags go to the header (40h write, 20h ATAPI). */
void bench_put_command(struct bench *b, unsigned port, unsigned slot, const uint8_t *fis, unsigned flags,
                       uint32_t bytes, uint32_t data_gpa);
void bench_ata_fis(uint8_t *fis, uint8_t command, uint64_t lba, unsigned count);
void bench_queued_fis(uint8_t *fis, uint8_t command, uint64_t lba, unsigned count, unsigned slot);
void bench_settle(struct bench *b, unsigned port);
/** bench_run() - one command on slot 0; returns PxIS, cleared. */
uint32_t bench_run(struct bench *b, unsigned port, const uint8_t *fis, unsigned flags, uint32_t bytes);
void bench_restart(struct bench *b, unsigned port);
void bench_check_memory(struct bench *b, const uint8_t *want, size_t bytes, uint32_t gpa);

#endif

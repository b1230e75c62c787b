/* atapi_bench.h - for tests: the CD-ROM drive on the secondary channel of the IDE controller, as a guest's driver uses
 * it. */
#ifndef DEVICES_STORAGE_ATAPI_BENCH_H
#define DEVICES_STORAGE_ATAPI_BENCH_H

#include "vmm/pdm/rig.h"

#define SECTORS  400u
#define CMD      0x170
#define CTL      0x376
#define BM       0xc008
#define PRD_GPA  0x1000
#define DATA_GPA 0x100000

enum { BSY = 0x80, DRQ = 0x08, ERR = 0x01, IDLE = 0x50 };

struct bench {
    struct rig *r;
    struct rig_media *m;
    uint8_t *disc;
};

uint8_t bench_in(struct bench *b, uint16_t port);
void bench_out(struct bench *b, uint16_t port, unsigned val);
/** bench_settle() - waits until the drive is not busy; its status. */
uint8_t bench_settle(struct bench *b);
struct rig_media *bench_disc(struct bench *b, uint8_t seed);
/** bench_packet() - sends a packet and stops where the drive wants something: data, or the end. */
uint8_t bench_packet(struct bench *b, const uint8_t cdb[12], unsigned limit, bool dma);
/** bench_gather() - all data of a PIO packet command; the number of bytes. */
unsigned bench_gather(struct bench *b, uint8_t *to, unsigned room);
/** bench_sense() - the command just failed with this. */
void bench_sense(struct bench *b, uint8_t key, uint8_t asc, uint8_t ascq);
struct bench bench_new(bool with_disc);

#endif

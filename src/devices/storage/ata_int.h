/* ata_int.h - between ata.c (registers, data phases), ata_disk.c (ATA commands) and atapi*.c (packets). */
#ifndef DEVICES_STORAGE_ATA_INT_H
#define DEVICES_STORAGE_ATA_INT_H

#include "devices/storage/ata.h"

#define ATA_BUF_SECTORS  (ATA_BUF_BYTES / ATA_SECTOR_BYTES)
#define ATA_MULTIPLE_MAX 16

/* ---- ata.c: how a command ends, and how its data moves ---- */

/** The command is done: status, and INTRQ unless @quiet (after a PIO-in command's last data). */
void ata_complete(struct ata *d, bool quiet);
/** The command failed: @error goes to the error register. */
void ata_fail(struct ata *d, uint8_t error);
/** Puts the signature (ATA/ATAPI-6, 9.12) into the registers. */
void ata_signature(struct ata *d);
/** buf[0 .. @bytes) goes to the host, by DRQ blocks or DMA as the command says. */
void ata_send(struct ata *d, uint32_t bytes);
/** @bytes come from the host into buf; @announce: INTRQ with the first DRQ block. */
void ata_receive(struct ata *d, uint32_t bytes, bool announce);
void ata_request(struct ata *d, enum ata_io_op op, uint64_t offset_bytes, uint32_t bytes);

/* ---- ata_disk.c ---- */

void ata_disk_command(struct ata *d);
/** The buffer was sent or received in full. */
void ata_disk_buffer_done(struct ata *d);
void ata_disk_io_done(struct ata *d, uint8_t op, int status);
/** IDENTIFY DEVICE or IDENTIFY PACKET DEVICE data into buf. */
void ata_identify(struct ata *d);
/** The geometry the disk reports; INITIALIZE DEVICE PARAMETERS may set another one. */
void ata_default_geometry(const struct ata *d, uint16_t *ret_cylinders, uint8_t *ret_heads, uint8_t *ret_sectors);

/* ---- ata_sata.c ---- */

#define ATA_CMD_DSM  0x06
#define ATA_FLAG_DMA 0x02
void ata_cmd_dsm(struct ata *d, unsigned flags);
/** The next range of DATA SET MANAGEMENT, whose ranges are in buf. */
void ata_trim_next(struct ata *d);
void ata_cmd_read_log(struct ata *d, unsigned flags);

/* ---- commands both kinds have; flags 0 (ata_disk.c) ---- */

void ata_cmd_set_features(struct ata *d, unsigned flags);
void ata_cmd_diagnostic(struct ata *d, unsigned flags);
void ata_cmd_idle(struct ata *d, unsigned flags);
void ata_cmd_standby(struct ata *d, unsigned flags);
void ata_cmd_sleep(struct ata *d, unsigned flags);
void ata_cmd_check_power(struct ata *d, unsigned flags);

/* ---- atapi.c ---- */

void atapi_command(struct ata *d);
void atapi_packet(struct ata *d);
void atapi_buffer_done(struct ata *d);
void atapi_io_done(struct ata *d, uint8_t op, int status);
void atapi_reset(struct ata *d);
/** DRQ block of at most the byte count limit: sets interrupt reason and byte count. */
uint32_t atapi_block(struct ata *d, uint32_t left_bytes);
/** Interrupt reason at the end of a packet command. */
void atapi_end(struct ata *d);
/** The packet command ends with CHECK CONDITION. */
void atapi_check(struct ata *d, struct ata_sense sense);
/** buf[0 .. @bytes) is the answer, cut to the allocation length @limit_bytes. */
void atapi_reply(struct ata *d, uint32_t bytes, uint32_t limit_bytes);

static inline uint32_t atapi_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t atapi_be32(const uint8_t *p)
{
    return atapi_be16(p) << 16 | atapi_be16(p + 2);
}

static inline void atapi_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void atapi_put32(uint8_t *p, uint32_t v)
{
    atapi_put16(p, v >> 16);
    atapi_put16(p + 2, v);
}

#define ATAPI_NOT_READY_NO_MEDIUM(d) ((struct ata_sense){0x02, 0x3a, (d)->tray_open ? 0x02 : 0x01})
#define ATAPI_INVALID_FIELD          ((struct ata_sense){0x05, 0x24, 0x00})
#define ATAPI_LBA_OUT_OF_RANGE       ((struct ata_sense){0x05, 0x21, 0x00})

/* ---- atapi_host.c: a drive of the host's ---- */

/** Whether the command in packet goes to the drive itself; then it is on its way, or refused. */
bool atapi_host_packet(struct ata *d);
/** What the drive gets has come from the guest; false: there was nothing to come. */
bool atapi_host_buffer_done(struct ata *d);
void atapi_host_io_done(struct ata *d, int status);

/* ---- atapi_mmc.c: what a drive and a disc say about themselves ---- */

void atapi_inquiry(struct ata *d);
void atapi_mode_sense(struct ata *d);
void atapi_read_toc(struct ata *d);
void atapi_get_configuration(struct ata *d);
void atapi_event_status(struct ata *d);
void atapi_mechanism_status(struct ata *d);
void atapi_disc_information(struct ata *d);
void atapi_track_information(struct ata *d);
/** Minute, second, frame of a sector (MMC-2, table 335: 2 seconds ahead, 75 frames). */
void atapi_msf(uint8_t ret[3], uint32_t lba);

#endif

/* scsi_int.h - between scsi_disk.c (commands) and scsi_page.c (what a disk says about itself). */
#ifndef DEVICES_STORAGE_SCSI_INT_H
#define DEVICES_STORAGE_SCSI_INT_H

#include "devices/storage/scsi.h"

#define SCSI_INVALID_OPCODE ((struct ata_sense){0x05, 0x20, 0x00})
#define SCSI_INVALID_FIELD  ((struct ata_sense){0x05, 0x24, 0x00})
#define SCSI_INVALID_PARAM  ((struct ata_sense){0x05, 0x26, 0x00})
#define SCSI_PARAM_LENGTH   ((struct ata_sense){0x05, 0x1a, 0x00})
#define SCSI_LBA_RANGE      ((struct ata_sense){0x05, 0x21, 0x00})
#define SCSI_WRITE_PROTECT  ((struct ata_sense){0x07, 0x27, 0x00})
#define SCSI_NO_MEDIUM      ((struct ata_sense){0x02, 0x3a, 0x00})
#define SCSI_READ_ERROR     ((struct ata_sense){0x03, 0x11, 0x00})
#define SCSI_WRITE_ERROR    ((struct ata_sense){0x03, 0x0c, 0x00})
#define SCSI_RESET_HAPPENED ((struct ata_sense){0x06, 0x29, 0x00})

static inline uint32_t scsi_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t scsi_be32(const uint8_t *p)
{
    return scsi_be16(p) << 16 | scsi_be16(p + 2);
}

static inline uint64_t scsi_be64(const uint8_t *p)
{
    return (uint64_t)scsi_be32(p) << 32 | scsi_be32(p + 4);
}

static inline void scsi_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void scsi_put32(uint8_t *p, uint32_t v)
{
    scsi_put16(p, v >> 16);
    scsi_put16(p + 2, v);
}

static inline void scsi_put64(uint8_t *p, uint64_t v)
{
    scsi_put32(p, (uint32_t)(v >> 32));
    scsi_put32(p + 4, (uint32_t)v);
}

enum scsi_next scsi_good(struct scsi_cmd *c);
enum scsi_next scsi_fail(struct scsi_unit *u, struct scsi_cmd *c, struct ata_sense sense);
/** The first @bytes of reply, which was cleared, cut to the allocation length @limit_bytes. */
enum scsi_next scsi_reply(struct scsi_cmd *c, uint32_t bytes, uint32_t limit_bytes);

enum scsi_next scsi_inquiry(struct scsi_unit *u, struct scsi_cmd *c);
enum scsi_next scsi_mode_sense(struct scsi_unit *u, struct scsi_cmd *c);
enum scsi_next scsi_mode_select(struct scsi_unit *u, struct scsi_cmd *c);
enum scsi_next scsi_mode_params(struct scsi_unit *u, struct scsi_cmd *c, uint32_t bytes);

#endif

/* lsi_int.h - between lsi53c1030.c (registers, queues), lsi_message.c (messages) and lsi_sas.c (pages of SAS). */
#ifndef DEVICES_STORAGE_LSI_INT_H
#define DEVICES_STORAGE_LSI_INT_H

#include "devices/storage/lsi53c1030.h"

#include <string.h>

#define LSI_REPLY_MAX (4 * LSI_HANDSHAKE)

enum {
    FN_SCSI_IO = 0x00,
    FN_TASK = 0x01,
    FN_INIT = 0x02,
    FN_IOC_FACTS = 0x03,
    FN_CONFIG = 0x04,
    FN_PORT_FACTS = 0x05,
    FN_PORT_ENABLE = 0x06,
    FN_EVENTS = 0x07,
    FN_SAS_CONTROL = 0x1b,
};

static inline uint16_t lsi_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t lsi_get32(const uint8_t *p)
{
    return lsi_get16(p) | (uint32_t)lsi_get16(p + 2) << 16;
}

static inline void lsi_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void lsi_put32(uint8_t *p, uint32_t v)
{
    lsi_put16(p, v);
    lsi_put16(p + 2, v >> 16);
}

/**
 * lsi_answer() - a message that is not a SCSI request: its reply, cleared before. @request has LSI_FRAME_BYTES.
 * @request_gpa: where the frame is, 0 for a handshake. Return: the reply's length in bytes.
 */
unsigned lsi_answer(struct lsi *c, const uint8_t *request, uint64_t request_gpa, uint8_t reply[LSI_REPLY_MAX]);
/** lsi_page_buffer() - the memory of a configuration request: one simple element [MPI 2.4]; false = something else. */
bool lsi_page_buffer(const uint8_t *request, uint64_t *ret_gpa, uint32_t *ret_bytes);
/** lsi_sas_page() - the header, or header and contents, of an extended page. Return: IOCStatus. */
uint16_t lsi_sas_page(struct lsi *c, const uint8_t *request, bool read, uint8_t *reply);

#endif

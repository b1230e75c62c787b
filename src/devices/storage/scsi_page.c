/*
 * scsi_page.c - what a SCSI disk says about itself: INQUIRY, vital product data, mode pages.
 *
 * Source: SPC-3 (T10/1416-D) 6.4 INQUIRY, 7.6 vital product data, 7.4 mode parameters; SBC-3 6.4 (caching, read-write
 * error recovery), 6.5 (block limits, block device characteristics, logical block provisioning).
 */
#include <string.h>

#include "devices/storage/scsi_int.h"

#define UNMAP_RANGES ((SCSI_PARAMS_BYTES - 8) / 16)

static void put_text(uint8_t *to, unsigned bytes, const char *text)
{
    const size_t n = strlen(text);

    memset(to, ' ', bytes);
    memcpy(to, text, n < bytes ? n : bytes);
}

/* ---- vital product data ---- */

static unsigned vpd_serial(const struct scsi_unit *u, uint8_t *p)
{
    put_text(p, 20, u->serial);
    return 20;
}

/* A name of the unit's own, and the T10 vendor's. */
static unsigned vpd_identification(const struct scsi_unit *u, uint8_t *p)
{
    p[0] = 0x01; /* binary */
    p[1] = 0x03; /* NAA */
    p[3] = 8;
    memcpy(p + 4, u->wwn, 8);
    p[12] = 0x02; /* ASCII */
    p[13] = 0x01; /* T10 vendor */
    p[15] = 8 + 20;
    put_text(p + 16, 8, "VBOX");
    put_text(p + 24, 20, u->serial);
    return 44;
}

static unsigned vpd_limits(const struct scsi_unit *u, uint8_t *p)
{
    if (u->block && u->block->discard) {
        scsi_put32(p + 16, 0x400000); /* sectors of an UNMAP range: 2 GiB */
        scsi_put32(p + 20, UNMAP_RANGES);
        scsi_put32(p + 24, 8);
    }
    scsi_put64(p + 32, 0x400000); /* WRITE SAME */
    return 60;
}

static unsigned vpd_characteristics(const struct scsi_unit *u, uint8_t *p)
{
    scsi_put16(p, u->block && u->block->non_rotational ? 1 : 7200);
    return 60;
}

static unsigned vpd_provisioning(const struct scsi_unit *u, uint8_t *p)
{
    if (u->block && u->block->discard)
        p[1] = 0x80; /* UNMAP */
    return 4;
}

static const struct vpd {
    uint8_t code;
    unsigned (*put)(const struct scsi_unit *u, uint8_t *p);
} vpds[] = {{0x80, vpd_serial},
            {0x83, vpd_identification},
            {0xb0, vpd_limits},
            {0xb1, vpd_characteristics},
            {0xb2, vpd_provisioning}};
#define VPDS (sizeof(vpds) / sizeof(vpds[0]))

static enum scsi_next inquire_vpd(struct scsi_unit *u, struct scsi_cmd *c)
{
    uint8_t *r = c->reply;
    unsigned n = 0;

    r[1] = c->cdb[2];
    if (c->cdb[2] == 0) {
        for (unsigned i = 0; i < VPDS; i++)
            r[5 + i] = vpds[i].code;
        r[3] = VPDS + 1;
        return scsi_reply(c, 4 + r[3], scsi_be16(c->cdb + 3));
    }
    for (unsigned i = 0; i < VPDS && n == 0; i++)
        if (vpds[i].code == c->cdb[2])
            n = vpds[i].put(u, r + 4);
    if (n == 0)
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    scsi_put16(r + 2, n);
    return scsi_reply(c, 4 + n, scsi_be16(c->cdb + 3));
}

enum scsi_next scsi_inquiry(struct scsi_unit *u, struct scsi_cmd *c)
{
    uint8_t *r = c->reply;

    if (c->cdb[1] & 0x01)
        return inquire_vpd(u, c);
    if (c->cdb[2] || (c->cdb[1] & 0x02))
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    r[2] = 0x05; /* SPC-3 */
    r[3] = 0x02;
    r[4] = 31;
    r[7] = 0x02; /* command queueing */
    put_text(r + 8, 8, "VBOX");
    put_text(r + 16, 16, u->product);
    put_text(r + 32, 4, "1.0");
    return scsi_reply(c, 36, scsi_be16(c->cdb + 3));
}

/* ---- mode pages ---- */

static unsigned page_recovery(const struct scsi_unit *u, uint8_t *p)
{
    (void)u;
    p[0] = 0x01;
    p[1] = 10;
    p[2] = 0x80; /* write reallocation */
    return 12;
}

static unsigned page_caching(const struct scsi_unit *u, uint8_t *p)
{
    p[0] = 0x08;
    p[1] = 18;
    p[2] = u->write_cache ? 0x04 : 0;
    return 20;
}

static unsigned page_control(const struct scsi_unit *u, uint8_t *p)
{
    (void)u;
    p[0] = 0x0a;
    p[1] = 10;
    p[3] = 0x10; /* commands may be reordered */
    return 12;
}

static const struct mode_page {
    uint8_t code;
    unsigned (*put)(const struct scsi_unit *u, uint8_t *p);
} pages[] = {{0x01, page_recovery}, {0x08, page_caching}, {0x0a, page_control}};

static unsigned put_pages(const struct scsi_unit *u, uint8_t *to, uint8_t code, bool changeable)
{
    unsigned at = 0;

    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (code == 0x3f || code == pages[i].code) {
            const unsigned n = pages[i].put(u, to + at);

            if (changeable) {
                memset(to + at + 2, 0, n - 2);
                to[at + 2] = pages[i].code == 0x08 ? 0x04 : 0; /* WCE alone */
            }
            at += n;
        }
    return at;
}

enum scsi_next scsi_mode_sense(struct scsi_unit *u, struct scsi_cmd *c)
{
    const bool six = c->cdb[0] == 0x1a;
    const unsigned header = six ? 4 : 8;
    const uint8_t control = c->cdb[2] >> 6;
    const bool descriptor = !(c->cdb[1] & 0x08);
    unsigned at = header + (descriptor ? 8 : 0), n;

    if (control == 3)
        return scsi_fail(u, c, (struct ata_sense){0x05, 0x39, 0x00}); /* saving is not supported */
    n = put_pages(u, c->reply + at, c->cdb[2] & 0x3f, control == 1);
    if (n == 0)
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    if (descriptor) {
        scsi_put32(c->reply + header, u->sectors > UINT32_MAX ? UINT32_MAX : (uint32_t)u->sectors);
        scsi_put32(c->reply + header + 4, SCSI_SECTOR_BYTES);
    }
    at += n;
    c->reply[six ? 2 : 3] = (uint8_t)(0x10 | (u->block && u->block->read_only ? 0x80 : 0)); /* DPO and FUA */
    if (six) {
        c->reply[0] = (uint8_t)(at - 1);
        c->reply[3] = descriptor ? 8 : 0;
    } else {
        scsi_put16(c->reply, at - 2);
        c->reply[7] = descriptor ? 8 : 0;
    }
    return scsi_reply(c, at, six ? c->cdb[4] : scsi_be16(c->cdb + 7));
}

enum scsi_next scsi_mode_select(struct scsi_unit *u, struct scsi_cmd *c)
{
    const uint32_t bytes = c->cdb[0] == 0x15 ? c->cdb[4] : scsi_be16(c->cdb + 7);

    if (!(c->cdb[1] & 0x10) || (c->cdb[1] & 0x01))
        return scsi_fail(u, c, SCSI_INVALID_FIELD);
    if (bytes == 0)
        return scsi_good(c);
    if (bytes > SCSI_PARAMS_BYTES)
        return scsi_fail(u, c, SCSI_PARAM_LENGTH);
    c->params_bytes = bytes;
    return SCSI_PARAMS;
}

/* The caching page's WCE is the one thing that changes; turning it off flushes, also again after that failed. */
enum scsi_next scsi_mode_params(struct scsi_unit *u, struct scsi_cmd *c, uint32_t bytes)
{
    const uint8_t *p = c->params;
    const bool six = c->cdb[0] == 0x15;
    const uint32_t header = six ? 4 : 8;
    bool cache = u->write_cache;
    uint32_t at;

    if (bytes < header)
        return scsi_fail(u, c, SCSI_PARAM_LENGTH);
    at = header + (six ? p[3] : scsi_be16(p + 6));
    while (at + 2 <= bytes) {
        const uint32_t n = 2u + p[at + 1];

        if (n > bytes - at)
            return scsi_fail(u, c, SCSI_PARAM_LENGTH);
        if ((p[at] & 0x3f) == 0x08 && n >= 3)
            cache = p[at + 2] & 0x04;
        at += n;
    }
    u->write_cache = cache;
    if (cache)
        return scsi_good(c);
    c->op = PDM_BLOCK_FLUSH;
    c->bytes = 0;
    return SCSI_TRANSFER;
}

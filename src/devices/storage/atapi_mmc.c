/*
 * atapi_mmc.c - what an ATAPI drive and the disc in it say about themselves.
 *
 * Source: MMC-2 and MMC-3 (sections named at each command), SPC-2 7.3 INQUIRY. The disc is one data track in one
 * session, as a pressed CD-ROM; one too large for a CD is a DVD-ROM.
 * Every answer is built at the start of the buffer, cleared first, and cut to the allocation length.
 */
#include <string.h>

#include "devices/storage/ata_int.h"

#define CD_MAX_SECTORS  (80u * 60 * 75)
#define PROFILE_CD_ROM  0x0008
#define PROFILE_DVD_ROM 0x0010

static void put_text(uint8_t *to, unsigned bytes, const char *text)
{
    size_t n = strlen(text);

    memset(to, ' ', bytes);
    memcpy(to, text, n < bytes ? n : bytes);
}

void atapi_inquiry(struct ata *d)
{
    if (d->packet[1] & 0x03) { /* vital product data: none */
        atapi_check(d, ATAPI_INVALID_FIELD);
        return;
    }
    memset(d->buf, 0, 36);
    d->buf[0] = 0x05; /* CD-ROM device */
    d->buf[1] = 0x80; /* removable */
    d->buf[3] = 0x21; /* ATAPI, response format 1 (SFF-8020i, table 51) */
    d->buf[4] = 31;
    put_text(d->buf + 8, 8, "VBOX");
    put_text(d->buf + 16, 16, strncmp(d->id.model, "VBOX ", 5) == 0 ? d->id.model + 5 : d->id.model);
    put_text(d->buf + 32, 4, d->id.firmware);
    atapi_reply(d, 36, d->packet[4]);
}

/* ---- mode pages (MMC-2 5.5) ---- */

static unsigned page_recovery(struct ata *d, uint8_t *p)
{
    (void)d;
    p[0] = 0x01;
    p[1] = 6;
    p[3] = 5; /* retries */
    return 8;
}

static unsigned page_capabilities(struct ata *d, uint8_t *p)
{
    static const uint8_t speeds[2] = {176 * 16 >> 8, 176 * 16 & 0xff}; /* 16x, kB/s */

    p[0] = 0x2a;
    p[1] = 18;
    p[2] = 0x3b; /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
    p[4] = 0x70; /* mode 2 form 1 and 2, multisession */
    p[5] = 0x00;
    p[6] = (uint8_t)(0x29 | (d->locked ? 0x02 : 0)); /* tray, eject, lock */
    memcpy(p + 8, speeds, 2);
    atapi_put16(p + 10, 0x0100); /* volume levels */
    atapi_put16(p + 12, 512);    /* buffer, KiB */
    memcpy(p + 14, speeds, 2);
    return 20;
}

static unsigned page_power(struct ata *d, uint8_t *p)
{
    (void)d;
    p[0] = 0x1a;
    p[1] = 10;
    return 12;
}

static const struct mode_page {
    uint8_t code;
    unsigned (*put)(struct ata *d, uint8_t *p);
} mode_pages[] = {{0x01, page_recovery}, {0x1a, page_power}, {0x2a, page_capabilities}};

/* MODE SENSE (6) and (10); SFF-8020i has only the long one, some systems use the short one all the same. */
void atapi_mode_sense(struct ata *d)
{
    bool six = d->packet[0] == 0x1a;
    uint8_t page = d->packet[2] & 0x3f, control = d->packet[2] >> 6;
    unsigned header = six ? 4 : 8, at = header;

    if (control == 3) {
        atapi_check(d, (struct ata_sense){0x05, 0x39, 0x00}); /* saving parameters is not supported */
        return;
    }
    memset(d->buf, 0, 256);
    for (unsigned i = 0; i < sizeof(mode_pages) / sizeof(mode_pages[0]); i++)
        if (page == 0x3f || page == mode_pages[i].code) {
            unsigned n = mode_pages[i].put(d, d->buf + at);

            if (control == 1) /* changeable values: none is */
                memset(d->buf + at + 2, 0, n - 2);
            at += n;
        }
    if (at == header) {
        atapi_check(d, ATAPI_INVALID_FIELD);
        return;
    }
    if (six) {
        d->buf[0] = (uint8_t)(at - 1);
        d->buf[1] = d->sectors ? 0x01 : 0x70;
    } else {
        atapi_put16(d->buf, at - 2);
        d->buf[2] = d->sectors ? 0x01 : 0x70; /* 120 mm data disc; no disc */
    }
    atapi_reply(d, at, six ? d->packet[4] : atapi_be16(d->packet + 7));
}

/* ---- the disc ---- */

static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
    memset(p, 0, 4);
    if (msf)
        atapi_msf(p + 1, lba);
    else
        atapi_put32(p, lba);
}

/* One entry of format 2, the raw Q channel of the lead-in (MMC-2 table 237). */
static uint8_t *put_q(uint8_t *p, uint8_t point, const uint8_t pmsf[3])
{
    memset(p, 0, 11);
    p[0] = 1;    /* session */
    p[1] = 0x14; /* ADR 1, data track */
    p[3] = point;
    memcpy(p + 8, pmsf, 3);
    return p + 11;
}

static unsigned toc_tracks(struct ata *d, bool msf)
{
    uint8_t *p = d->buf + 4;

    if (d->packet[6] > 1 && d->packet[6] != 0xaa)
        return 0;
    d->buf[2] = d->buf[3] = 1;
    if (d->packet[6] <= 1) {
        p[1] = 0x14;
        p[2] = 1;
        put_address(p + 4, 0, msf);
        p += 8;
    }
    p[1] = 0x14;
    p[2] = 0xaa; /* lead-out */
    put_address(p + 4, (uint32_t)d->sectors, msf);
    return (unsigned)(p + 8 - d->buf);
}

static unsigned toc_session(struct ata *d, bool msf)
{
    d->buf[2] = d->buf[3] = 1;
    d->buf[5] = 0x14;
    d->buf[6] = 1;
    put_address(d->buf + 8, 0, msf);
    return 12;
}

static unsigned toc_raw(struct ata *d)
{
    static const uint8_t one[3] = {1, 0, 0};
    uint8_t msf[3], *p = d->buf + 4;

    d->buf[2] = d->buf[3] = 1;
    p = put_q(p, 0xa0, one); /* first track, disc type CD-ROM */
    p = put_q(p, 0xa1, one); /* last track */
    atapi_msf(msf, (uint32_t)d->sectors);
    p = put_q(p, 0xa2, msf);
    atapi_msf(msf, 0);
    p = put_q(p, 1, msf);
    return (unsigned)(p - d->buf);
}

/* MMC-2 6.1.24; SFF-8020i asked for the format in the top bits of byte 9. */
void atapi_read_toc(struct ata *d)
{
    bool msf = d->packet[1] & 0x02;
    unsigned format = d->packet[2] & 0x0f ? d->packet[2] & 0x0f : d->packet[9] >> 6;
    unsigned n = 0;

    memset(d->buf, 0, 64);
    if (format == 0)
        n = toc_tracks(d, msf);
    else if (format == 1)
        n = toc_session(d, msf);
    else if (format == 2)
        n = toc_raw(d);
    if (n == 0) {
        atapi_check(d, ATAPI_INVALID_FIELD);
        return;
    }
    atapi_put16(d->buf, n - 2);
    atapi_reply(d, n, atapi_be16(d->packet + 7));
}

static unsigned current_profile(const struct ata *d)
{
    return d->sectors == 0 ? 0 : d->sectors > CD_MAX_SECTORS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* Features (MMC-3 5.3): code, version and flags (bit 0 current, bit 1 persistent), data. */
static const struct feature {
    uint16_t code;
    uint8_t flags, bytes, data[8];
    uint16_t profile; /* current only with this profile; 0 = as flags say */
} features[] = {
    {0x0001, 0x03, 4, {0, 0, 0, 2}, 0},                  /* core: ATAPI */
    {0x0002, 0x03, 4, {0}, 0},                           /* morphing */
    {0x0003, 0x03, 4, {0x29}, 0},                        /* removable medium: tray, eject, lock */
    {0x0010, 0x00, 8, {0, 0, 8, 0, 0, 1, 0, 0}, 0xffff}, /* random readable, 2048 bytes; with any disc */
    {0x001d, 0x00, 0, {0}, PROFILE_CD_ROM},              /* multi-read */
    {0x001e, 0x00, 4, {0}, PROFILE_CD_ROM},              /* CD read */
    {0x001f, 0x00, 0, {0}, PROFILE_DVD_ROM},             /* DVD read */
    {0x0100, 0x03, 0, {0}, 0},                           /* power management */
    {0x0105, 0x03, 0, {0}, 0},                           /* time-out */
};

static bool feature_wanted(const struct ata *d, uint16_t code, bool current)
{
    uint32_t start = atapi_be16(d->packet + 2);

    switch (d->packet[1] & 0x03) {
    case 0: return code >= start;
    case 1: return code >= start && current;
    default: return code == start;
    }
}

static uint8_t *put_profiles(struct ata *d, uint8_t *p)
{
    static const uint16_t profiles[] = {PROFILE_DVD_ROM, PROFILE_CD_ROM};

    atapi_put16(p, 0);
    p[2] = 0x03;
    p[3] = 8;
    for (unsigned i = 0; i < 2; i++) {
        atapi_put16(p + 4 + 4 * i, profiles[i]);
        p[6 + 4 * i] = profiles[i] == current_profile(d);
    }
    return p + 12;
}

void atapi_get_configuration(struct ata *d)
{
    unsigned profile = current_profile(d);
    uint8_t *p = d->buf + 8;

    memset(d->buf, 0, 256);
    if (feature_wanted(d, 0, true))
        p = put_profiles(d, p);
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        const struct feature *f = &features[i];
        bool current = f->flags & 0x01 || (profile && (f->profile == profile || f->profile == 0xffff));

        if (!feature_wanted(d, f->code, current))
            continue;
        atapi_put16(p, f->code);
        p[2] = (uint8_t)(f->flags | current);
        p[3] = f->bytes;
        memcpy(p + 4, f->data, f->bytes);
        p += 4 + f->bytes;
    }
    atapi_put32(d->buf, (uint32_t)(p - d->buf - 4));
    atapi_put16(d->buf + 6, profile);
    atapi_reply(d, (uint32_t)(p - d->buf), atapi_be16(d->packet + 7));
}

/* MMC-3 6.6: polled only; the media class is the one class there is. */
void atapi_event_status(struct ata *d)
{
    bool media = d->packet[4] & 0x10;

    if (!(d->packet[1] & 0x01)) { /* asynchronous */
        atapi_check(d, ATAPI_INVALID_FIELD);
        return;
    }
    memset(d->buf, 0, 8);
    d->buf[3] = 0x10; /* supported classes */
    if (!media) {
        atapi_put16(d->buf, 2);
        d->buf[2] = 0x80; /* no event available */
        atapi_reply(d, 4, atapi_be16(d->packet + 7));
        return;
    }
    atapi_put16(d->buf, 6);
    d->buf[2] = 0x04;
    if (d->media_event)
        d->buf[4] = d->sectors ? 0x02 : 0x03; /* new media, media removal */
    d->buf[5] = (uint8_t)((d->sectors ? 0x02 : 0) | (d->tray_open ? 0x01 : 0));
    d->media_event = false;
    atapi_reply(d, 8, atapi_be16(d->packet + 7));
}

void atapi_mechanism_status(struct ata *d)
{
    memset(d->buf, 0, 8);
    d->buf[1] = d->tray_open ? 0x10 : 0; /* door open */
    d->buf[5] = 1;                       /* one slot */
    atapi_reply(d, 8, atapi_be16(d->packet + 8));
}

void atapi_disc_information(struct ata *d)
{
    memset(d->buf, 0, 34);
    atapi_put16(d->buf, 32);
    d->buf[2] = 0x0e; /* complete disc, last session complete */
    d->buf[3] = d->buf[4] = d->buf[5] = d->buf[6] = 1;
    d->buf[7] = 0x20; /* unrestricted use */
    memset(d->buf + 16, 0xff, 8);
    atapi_reply(d, 34, atapi_be16(d->packet + 7));
}

void atapi_track_information(struct ata *d)
{
    uint32_t what = atapi_be32(d->packet + 2);
    bool ok = (d->packet[1] & 0x03) == 0 ? what < d->sectors : what <= 1;

    if (!ok) {
        atapi_check(d, ATAPI_INVALID_FIELD);
        return;
    }
    memset(d->buf, 0, 36);
    atapi_put16(d->buf, 34);
    d->buf[2] = d->buf[3] = 1;
    d->buf[5] = 0x04; /* data track */
    d->buf[6] = 0x01; /* data mode 1 */
    atapi_put32(d->buf + 24, (uint32_t)d->sectors);
    atapi_reply(d, 36, atapi_be16(d->packet + 7));
}

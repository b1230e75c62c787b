/*
 * lsi_sas.c - the extended configuration pages of a Fusion-MPT SAS controller: what is on its phys.
 *
 * Each phy is a port of its own with at most one end device behind it. Handle 1 is the controller, 2 + N the device on
 * phy N, which is also target N on bus 0.
 * Source: [MPI] 4, extended pages: SAS IO unit, SAS device, SAS phy. Left out: expanders, enclosures, logs, writing
 * pages; values that say nothing to a guest are zero.
 */
#include "devices/storage/lsi_int.h"

#define HANDLE_CONTROLLER 1u
#define HANDLE_DEVICE     2u
#define HANDLE_FIRST      0xffffu /* "the next one" after it is the first */
#define ADDRESS_NAA5      0x50005242u
#define LINK_3G           0x09u
#define LINK_1G5_TO_3G    0x98u
#define INFO_END_DEVICE   0x001u
#define INFO_SSP_INIT     0x040u
#define INFO_SSP_TARGET   0x400u
#define DEVICE_IS_THERE   0x0003u /* present, mapped */
#define EXTENDED          0x0fu
#define PAGE_MAX          (0x14u + 16u * LSI_SAS_PHYS)

static bool there(const struct lsi *c, unsigned phy)
{
    return c->host->present(c->ctx, phy);
}

static unsigned device_on(const struct lsi *c, unsigned phy)
{
    return there(c, phy) ? HANDLE_DEVICE + phy : 0;
}

static void put_address(uint8_t *p, unsigned handle)
{
    lsi_put32(p, handle);
    lsi_put32(p + 4, ADDRESS_NAA5);
}

/* ---- pages: false = none for that address ---- */

static bool unit_0(const struct lsi *c, uint32_t address, uint8_t *p)
{
    (void)address;
    p[0x0c] = LSI_SAS_PHYS;
    for (unsigned i = 0; i < LSI_SAS_PHYS; i++) {
        uint8_t *phy = p + 0x10 + 16 * i;

        phy[0] = (uint8_t)i; /* port */
        phy[3] = there(c, i) ? LINK_3G : 0;
        lsi_put32(phy + 4, INFO_END_DEVICE | INFO_SSP_INIT);
        lsi_put16(phy + 8, device_on(c, i));
        lsi_put16(phy + 10, HANDLE_CONTROLLER);
    }
    return true;
}

static bool unit_1(const struct lsi *c, uint32_t address, uint8_t *p)
{
    (void)c, (void)address;
    p[0x10] = LSI_SAS_PHYS;
    for (unsigned i = 0; i < LSI_SAS_PHYS; i++) {
        p[0x14 + 12 * i] = (uint8_t)i;
        p[0x14 + 12 * i + 3] = LINK_1G5_TO_3G;
        lsi_put32(p + 0x14 + 12 * i + 4, INFO_END_DEVICE | INFO_SSP_INIT);
    }
    return true;
}

static bool unit_2(const struct lsi *c, uint32_t address, uint8_t *p)
{
    (void)c, (void)address;
    lsi_put16(p + 0x12, LSI_SAS_PHYS); /* mapped identifiers */
    return true;
}

static bool nothing(const struct lsi *c, uint32_t address, uint8_t *p)
{
    (void)c, (void)address, (void)p;
    return true;
}

static bool exists(const struct lsi *c, unsigned handle)
{
    return handle == HANDLE_CONTROLLER ||
           (handle >= HANDLE_DEVICE && handle < HANDLE_DEVICE + LSI_SAS_PHYS && there(c, handle - HANDLE_DEVICE));
}

/* The handle a device page's address means; 0 = none. */
static unsigned device_of(const struct lsi *c, uint32_t address)
{
    enum { NEXT_HANDLE = 0, BUS_TARGET = 1, HANDLE = 2 };
    const unsigned low = address & 0xffff;
    unsigned handle = low;

    switch (address >> 28) {
    case NEXT_HANDLE:
        handle = low == HANDLE_FIRST ? HANDLE_CONTROLLER : low + 1;
        while (handle < HANDLE_DEVICE + LSI_SAS_PHYS && !exists(c, handle))
            handle++;
        break;
    case BUS_TARGET: handle = low < LSI_SAS_PHYS ? HANDLE_DEVICE + low : 0; break;
    case HANDLE: break;
    default: return 0;
    }
    return exists(c, handle) ? handle : 0;
}

static bool device_0(const struct lsi *c, uint32_t address, uint8_t *p)
{
    const unsigned handle = device_of(c, address), phy = handle - HANDLE_DEVICE;

    put_address(p + 0x0c, handle);
    lsi_put16(p + 0x18, handle);
    if (handle == HANDLE_CONTROLLER) {
        lsi_put32(p + 0x1c, INFO_END_DEVICE | INFO_SSP_INIT);
        return true;
    }
    lsi_put16(p + 0x08, phy); /* slot */
    lsi_put16(p + 0x14, HANDLE_CONTROLLER);
    p[0x16] = p[0x1a] = p[0x22] = (uint8_t)phy; /* phy, target, port */
    lsi_put32(p + 0x1c, INFO_END_DEVICE | INFO_SSP_TARGET);
    lsi_put16(p + 0x20, DEVICE_IS_THERE);
    return handle != 0;
}

static bool device_1(const struct lsi *c, uint32_t address, uint8_t *p)
{
    const unsigned handle = device_of(c, address);

    put_address(p + 0x0c, handle);
    lsi_put16(p + 0x18, handle);
    if (handle >= HANDLE_DEVICE)
        p[0x1a] = (uint8_t)(handle - HANDLE_DEVICE);
    return handle != 0;
}

static bool device_2(const struct lsi *c, uint32_t address, uint8_t *p)
{
    const unsigned handle = device_of(c, address);

    put_address(p + 0x08, handle);
    return handle != 0;
}

static bool phy_0(const struct lsi *c, uint32_t address, uint8_t *p)
{
    const unsigned phy = address & 0xff;

    if (phy >= LSI_SAS_PHYS)
        return false;
    lsi_put16(p + 0x08, HANDLE_CONTROLLER);
    put_address(p + 0x0c, there(c, phy) ? HANDLE_DEVICE + phy : 0);
    lsi_put16(p + 0x14, device_on(c, phy));
    lsi_put32(p + 0x18, there(c, phy) ? INFO_END_DEVICE | INFO_SSP_TARGET : 0);
    p[0x1c] = p[0x1d] = LINK_1G5_TO_3G;
    p[0x20] = there(c, phy) ? LINK_3G : 0;
    return true;
}

static bool phy_1(const struct lsi *c, uint32_t address, uint8_t *p)
{
    (void)c, (void)p;
    return (address & 0xff) < LSI_SAS_PHYS;
}

static const struct {
    uint8_t type, number, version, bytes;
    bool (*fill)(const struct lsi *c, uint32_t address, uint8_t *p);
} pages[] = {
    {0x10, 0, 4, 0x10 + 16 * LSI_SAS_PHYS, unit_0}, /* SAS IO unit */
    {0x10, 1, 7, 0x14 + 12 * LSI_SAS_PHYS, unit_1},
    {0x10, 2, 6, 0x14, unit_2},
    {0x10, 3, 0, 0x2c, nothing},
    {0x12, 0, 5, 0x24, device_0}, /* SAS device */
    {0x12, 1, 0, 0x30, device_1},
    {0x12, 2, 1, 0x14, device_2},
    {0x13, 0, 1, 0x24, phy_0}, /* SAS phy */
    {0x13, 1, 0, 0x1c, phy_1},
};

uint16_t lsi_sas_page(struct lsi *c, const uint8_t *q, bool read, uint8_t *r)
{
    uint8_t p[PAGE_MAX] = {0};
    uint32_t bytes;
    uint64_t gpa;

    for (unsigned i = 0; c->sas && i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (pages[i].type != q[6] || pages[i].number != q[0x16])
            continue;
        p[0] = pages[i].version;
        p[2] = pages[i].number;
        p[3] = EXTENDED;
        lsi_put16(p + 4, pages[i].bytes / 4);
        p[6] = pages[i].type;
        memcpy(r + 4, p + 4, 3);
        memcpy(r + 0x14, p, 4);
        if (!read)
            return LSI_OK;
        if (!pages[i].fill(c, lsi_get32(q + 0x18), p))
            return LSI_BAD_PAGE;
        if (!lsi_page_buffer(q, &gpa, &bytes))
            return LSI_INVALID_SGL;
        c->host->write(c->ctx, gpa, p, bytes < pages[i].bytes ? bytes : pages[i].bytes);
        return LSI_OK;
    }
    return LSI_BAD_PAGE;
}

/*
 * rig_mem.c - the rig's physical memory: sparse RAM, ROM, device RAM and MMIO ranges.
 */
#include <string.h>

#include "vmm/pdm/rig_int.h"

#define FOUR_GIB (1ull << 32)

/* ---- ranges ---- */

static struct rig_range *range_new(struct rig *r, enum rig_kind kind, uint64_t size_bytes, pgm_range *ret)
{
    struct rig_range *range = g_new0(struct rig_range, 1);

    range->kind = kind;
    range->size_bytes = size_bytes;
    g_ptr_array_add(r->ranges, range);
    if (ret)
        ret->id = r->ranges->len - 1;
    return range;
}

static bool host_mmio_add(void *user, const char *name, uint64_t size_bytes, void *mmio_user, pgm_range *ret,
                          GError **error)
{
    (void)name;
    (void)error;
    range_new(user, RIG_MMIO, size_bytes, ret)->mmio_user = mmio_user;
    return true;
}

static bool host_ram_add(void *user, const char *name, uint64_t size_bytes, void **ret_hva, pgm_range *ret,
                         GError **error)
{
    struct rig_range *range = range_new(user, RIG_DEVRAM, size_bytes, ret);

    (void)name;
    (void)error;
    range->bytes = g_malloc0(size_bytes);
    range->dirty = g_new0(bool, size_bytes / PGM_PAGE_BYTES);
    *ret_hva = range->bytes;
    return true;
}

static void host_range_map(void *user, pgm_range range, uint64_t gpa)
{
    struct rig *r = user;
    struct rig_range *m = g_ptr_array_index(r->ranges, range.id);

    m->gpa = gpa;
    m->order = ++r->map_order;
}

static bool host_rom_add(void *user, const char *name, uint64_t gpa, const void *bytes, size_t size, GError **error)
{
    pgm_range id;
    struct rig_range *range = range_new(user, RIG_ROM, size, &id);

    (void)name;
    (void)error;
    range->bytes = g_memdup2(bytes, size);
    host_range_map(user, id, gpa);
    return true;
}

static void host_range_unmap(void *user, pgm_range range)
{
    ((struct rig_range *)g_ptr_array_index(((struct rig *)user)->ranges, range.id))->order = 0;
}

static unsigned host_dirty(void *user, pgm_range range, uint64_t *ret_bits, unsigned pages)
{
    struct rig_range *m = g_ptr_array_index(((struct rig *)user)->ranges, range.id);
    unsigned found = 0;

    memset(ret_bits, 0, (pages + 63) / 64 * sizeof *ret_bits);
    for (unsigned n = 0; m->kind == RIG_DEVRAM && n < pages && n < m->size_bytes / PGM_PAGE_BYTES; n++) {
        ret_bits[n / 64] |= (uint64_t)m->dirty[n] << (n % 64);
        found += m->dirty[n];
        m->dirty[n] = false;
    }
    return found;
}

void rig_ranges_clear(struct rig *r)
{
    for (unsigned i = 0; i < r->ranges->len; i++) {
        struct rig_range *range = g_ptr_array_index(r->ranges, i);

        g_free(range->bytes);
        g_free(range->dirty);
        g_free(range);
    }
    g_ptr_array_set_size(r->ranges, 0);
    memset(r->shadow, 0, sizeof(r->shadow));
}

/* ---- accesses ---- */

static struct rig_range *range_at(struct rig *r, uint64_t gpa)
{
    struct rig_range *best = NULL;

    for (unsigned i = 0; i < r->ranges->len; i++) {
        struct rig_range *range = g_ptr_array_index(r->ranges, i);

        if (range->order && gpa >= range->gpa && gpa - range->gpa < range->size_bytes &&
            (!best || range->order > best->order))
            best = range;
    }
    return best;
}

static uint8_t *ram_page(struct rig *r, uint64_t gpa)
{
    const int64_t page = (int64_t)(gpa / PGM_PAGE_BYTES);
    uint8_t *bytes;

    if (gpa >= r->low_bytes && (gpa < FOUR_GIB || gpa - FOUR_GIB >= r->high_bytes))
        return NULL;
    bytes = g_hash_table_lookup(r->pages, &page);
    if (!bytes) {
        bytes = g_malloc0(PGM_PAGE_BYTES);
        g_hash_table_insert(r->pages, g_memdup2(&page, sizeof(page)), bytes);
    }
    return bytes;
}

static void one_byte(struct rig *r, uint64_t gpa, uint8_t *p, bool write)
{
    struct rig_range *range = range_at(r, gpa);
    const uint64_t off = range ? gpa - range->gpa : 0;
    uint8_t *bytes = range ? range->bytes : NULL;

    if (range && range->kind == RIG_MMIO) {
        if (write)
            iom_mmio_ops.write(range->mmio_user, off, *p, 1);
        else
            *p = (uint8_t)iom_mmio_ops.read(range->mmio_user, off, 1);
        return;
    }
    bytes = range ? bytes + off : ram_page(r, gpa);
    if (bytes && !range)
        bytes += gpa % PGM_PAGE_BYTES;
    if (!write)
        *p = bytes ? *bytes : 0xff;
    else if (bytes && (!range || range->kind == RIG_DEVRAM))
        *bytes = *p;
    if (write && range && range->kind == RIG_DEVRAM)
        range->dirty[off / PGM_PAGE_BYTES] = true;
}

/* The MMIO range that takes all of the access, or NULL. */
static struct rig_range *mmio_whole(struct rig *r, uint64_t gpa, unsigned size)
{
    struct rig_range *range = range_at(r, gpa);

    return range && range->kind == RIG_MMIO && range->size_bytes - (gpa - range->gpa) >= size &&
                   range_at(r, gpa + size - 1) == range
               ? range
               : NULL;
}

uint64_t rig_mmio_read(struct rig *r, uint64_t gpa, unsigned size)
{
    const struct rig_range *range = mmio_whole(r, gpa, size);
    uint64_t val = 0;

    if (range)
        return iom_mmio_ops.read(range->mmio_user, gpa - range->gpa, size);
    for (unsigned i = 0; i < size; i++) {
        uint8_t b = 0;

        one_byte(r, gpa + i, &b, false);
        val |= (uint64_t)b << (8 * i);
    }
    return val;
}

void rig_mmio_write(struct rig *r, uint64_t gpa, uint64_t val, unsigned size)
{
    const struct rig_range *range = mmio_whole(r, gpa, size);

    if (range) {
        iom_mmio_ops.write(range->mmio_user, gpa - range->gpa, val, size);
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        uint8_t b = (uint8_t)(val >> (8 * i));

        one_byte(r, gpa + i, &b, true);
    }
}

/* Outside plain RAM: the biggest aligned accesses there are, as pgm does. */
static void move_pieces(struct rig *r, uint64_t gpa, uint8_t *buf, size_t bytes, bool write)
{
    while (bytes) {
        unsigned n = 8;
        uint64_t val = 0;

        while (n > bytes || gpa % n)
            n >>= 1;
        if (write) {
            memcpy(&val, buf, n);
            rig_mmio_write(r, gpa, val, n);
        } else {
            val = rig_mmio_read(r, gpa, n);
            memcpy(buf, &val, n);
        }
        gpa += n;
        buf += n;
        bytes -= n;
    }
}

static bool plain_ram(struct rig *r, uint64_t gpa, size_t bytes)
{
    return ram_page(r, gpa) && !range_at(r, gpa) && !range_at(r, gpa + bytes - 1);
}

static void move(struct rig *r, uint64_t gpa, uint8_t *buf, size_t bytes, bool write)
{
    while (bytes) {
        const size_t in_page = MIN(bytes, PGM_PAGE_BYTES - gpa % PGM_PAGE_BYTES);

        if (!plain_ram(r, gpa, in_page))
            move_pieces(r, gpa, buf, in_page, write);
        else if (write)
            memcpy(ram_page(r, gpa) + gpa % PGM_PAGE_BYTES, buf, in_page);
        else
            memcpy(buf, ram_page(r, gpa) + gpa % PGM_PAGE_BYTES, in_page);
        gpa += in_page;
        buf += in_page;
        bytes -= in_page;
    }
}

static void host_mem_read(void *user, uint64_t gpa, void *buf, size_t bytes)
{
    move(user, gpa, buf, bytes, false);
}

static void host_mem_write(void *user, uint64_t gpa, const void *buf, size_t bytes)
{
    move(user, gpa, (uint8_t *)(uintptr_t)buf, bytes, true);
}

void rig_mem_read(struct rig *r, uint64_t gpa, void *buf, size_t bytes)
{
    move(r, gpa, buf, bytes, false);
}

void rig_mem_write(struct rig *r, uint64_t gpa, const void *buf, size_t bytes)
{
    host_mem_write(r, gpa, buf, bytes);
}

static size_t host_mem_direct(void *user, uint64_t gpa, size_t bytes, bool write, void **ret_hva)
{
    const size_t n = MIN(bytes, PGM_PAGE_BYTES - gpa % PGM_PAGE_BYTES);

    (void)write;
    if (!plain_ram(user, gpa, n))
        return 0;
    *ret_hva = ram_page(user, gpa) + gpa % PGM_PAGE_BYTES;
    return n;
}

static void host_mem_stored(void *user, uint64_t gpa, size_t bytes)
{
    ((struct rig *)user)->stored_bytes += bytes;
    (void)gpa;
}

uint64_t rig_mem_stored(struct rig *r)
{
    return r->stored_bytes;
}

static void host_ram_sizes(void *user, uint64_t *ret_low_bytes, uint64_t *ret_high_bytes)
{
    const struct rig *r = user;

    *ret_low_bytes = r->low_bytes;
    *ret_high_bytes = r->high_bytes;
}

/* ---- chipset ---- */

static void host_shadow_set(void *user, uint64_t gpa, uint64_t size_bytes, unsigned shadow)
{
    struct rig *r = user;

    for (uint64_t page = gpa / PGM_PAGE_BYTES; page < (gpa + size_bytes) / PGM_PAGE_BYTES; page++)
        if (page < sizeof(r->shadow))
            r->shadow[page] = (uint8_t)shadow;
}

static void host_a20_set(void *user, bool enabled)
{
    ((struct rig *)user)->a20 = enabled;
}

static bool host_a20(void *user)
{
    return ((struct rig *)user)->a20;
}

bool rig_a20(struct rig *r)
{
    return r->a20;
}

unsigned rig_shadow(struct rig *r, uint64_t gpa)
{
    return gpa < sizeof(r->shadow) * PGM_PAGE_BYTES ? r->shadow[gpa / PGM_PAGE_BYTES] : 0;
}

const uint8_t *rig_rom(struct rig *r, uint64_t gpa, size_t *ret_bytes)
{
    const struct rig_range *range = range_at(r, gpa);

    if (!range || range->kind != RIG_ROM)
        return NULL;
    *ret_bytes = range->size_bytes - (gpa - range->gpa);
    return range->bytes + (gpa - range->gpa);
}

void rig_mem_host(struct pdm_host *host)
{
    host->mmio_add = host_mmio_add;
    host->ram_add = host_ram_add;
    host->rom_add = host_rom_add;
    host->range_map = host_range_map;
    host->range_unmap = host_range_unmap;
    host->dirty_collect = host_dirty;
    host->shadow_set = host_shadow_set;
    host->a20_set = host_a20_set;
    host->a20 = host_a20;
    host->mem_read = host_mem_read;
    host->mem_write = host_mem_write;
    host->mem_direct = host_mem_direct;
    host->mem_stored = host_mem_stored;
    host->ram_sizes = host_ram_sizes;
}

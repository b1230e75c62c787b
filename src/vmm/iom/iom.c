/*
 * iom.c - MMIO size rules, the dispatcher's life, and its statistics.
 */
#include "vmm/iom/iom.h"

#include <inttypes.h>

#include "vmm/info/info.h"
#include "vmm/iom/iom_int.h"
#include "vmm/stam/stam.h"

struct iom *iom_new(void)
{
    struct iom *iom = g_new0(struct iom, 1);

    g_mutex_init(&iom->lock);
    iom->port_count = 1; /* 0 is nobody */
    iom->mmios = g_ptr_array_new();
    return iom;
}

void iom_free(struct iom *iom)
{
    if (!iom)
        return;
    for (unsigned i = 1; i < iom->port_count; i++) {
        g_free((char *)iom->ports[i]->desc.name);
        g_free(iom->ports[i]);
    }
    for (unsigned i = 0; i < iom->mmios->len; i++) {
        struct iom_mmio *m = g_ptr_array_index(iom->mmios, i);

        g_free((char *)m->desc.name);
        g_free(m);
    }
    g_ptr_array_unref(iom->mmios);
    g_mutex_clear(&iom->lock);
    g_free(iom);
}

/* ---- memory-mapped regions ---- */

static bool power_of_two_to_8(unsigned size)
{
    return size && size <= 8 && !(size & (size - 1));
}

struct iom_mmio *iom_mmio_add(struct iom *iom, const struct iom_mmio_desc *desc, GError **error)
{
    struct iom_mmio *m;

    if (!desc->size_bytes || !power_of_two_to_8(desc->min_size) || !power_of_two_to_8(desc->max_size) ||
        desc->min_size > desc->max_size) {
        g_set_error(error, IOM_ERROR, 0,
                    "Memory-mapped range \"%s\": %" PRIu64 " bytes with access sizes %u to %u are impossible",
                    desc->name, desc->size_bytes, desc->min_size, desc->max_size);
        return NULL;
    }
    m = g_new0(struct iom_mmio, 1);
    m->desc = *desc;
    m->desc.name = g_strdup(desc->name);
    g_mutex_lock(&iom->lock);
    g_ptr_array_add(iom->mmios, m);
    g_mutex_unlock(&iom->lock);
    return m;
}

/* The biggest aligned piece of at most @left bytes at @off the region takes. */
static unsigned mmio_piece(const struct iom_mmio *m, uint64_t off, unsigned left)
{
    unsigned size = 8;

    while (size > left || size > m->desc.max_size || (off & (size - 1)))
        size >>= 1;
    return size;
}

static bool mmio_takes(const struct iom_mmio *m, uint64_t off, unsigned size)
{
    return size >= m->desc.min_size && off < m->desc.size_bytes && m->desc.size_bytes - off >= size;
}

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

static uint64_t mmio_read(void *user, uint64_t off, unsigned size)
{
    struct iom_mmio *m = user;
    uint64_t val = 0;

    iom_count(&m->reads);
    for (unsigned done = 0, n; done < size; done += n) {
        uint64_t part = UINT64_MAX;

        n = mmio_piece(m, off + done, size - done);
        if (m->desc.read && mmio_takes(m, off + done, n))
            part = m->desc.read(m->desc.user, off + done, n);
        val |= (part & ones(n)) << (8 * done);
    }
    return val;
}

static void mmio_write(void *user, uint64_t off, uint64_t val, unsigned size)
{
    struct iom_mmio *m = user;

    iom_count(&m->writes);
    for (unsigned done = 0, n; done < size; done += n) {
        n = mmio_piece(m, off + done, size - done);
        if (m->desc.write && mmio_takes(m, off + done, n))
            m->desc.write(m->desc.user, off + done, (val >> (8 * done)) & ones(n), n);
    }
}

const struct pgm_mmio_ops iom_mmio_ops = {.read = mmio_read, .write = mmio_write};

/* ---- words ---- */

void iom_info_ports(struct iom *iom, GString *out)
{
    g_string_append(out, "Ports      Name             Sizes        Reads       Writes\n");
    g_mutex_lock(&iom->lock);
    for (unsigned i = 1; i < iom->port_count; i++) {
        const struct iom_port *r = iom->ports[i];

        if (r->order)
            g_string_append_printf(out, "%04x-%04x  ", r->base, r->base + r->desc.count - 1u);
        else
            g_string_append(out, "unmapped   ");
        g_string_append_printf(out, "%-16s %u-%u   %12" PRIu64 " %12" PRIu64 "\n", r->desc.name, r->desc.min_size,
                               r->desc.max_size, r->reads, r->writes);
    }
    g_mutex_unlock(&iom->lock);
    g_string_append_printf(out, "unclaimed                   %12" PRIu64 "\n", iom->unclaimed_ports);
}

void iom_info_mmio(struct iom *iom, GString *out)
{
    g_string_append(out, "Name             Bytes            Sizes        Reads       Writes\n");
    g_mutex_lock(&iom->lock);
    for (unsigned i = 0; i < iom->mmios->len; i++) {
        const struct iom_mmio *m = g_ptr_array_index(iom->mmios, i);

        g_string_append_printf(out, "%-16s %016" PRIx64 " %u-%u   %12" PRIu64 " %12" PRIu64 "\n", m->desc.name,
                               m->desc.size_bytes, m->desc.min_size, m->desc.max_size, m->reads, m->writes);
    }
    g_mutex_unlock(&iom->lock);
}

/* ---- registries ---- */

static void info_ports(void *user, const char *args, GString *out)
{
    (void)args;
    iom_info_ports(user, out);
}

static void info_mmio(void *user, const char *args, GString *out)
{
    (void)args;
    iom_info_mmio(user, out);
}

static void add_pair(struct stam *stam, const char *where, const char *name, const uint64_t *reads,
                     const uint64_t *writes)
{
    stam_addf(stam, STAM_COUNTER, reads, "times", NULL, "%s/%s/Reads", where, name);
    stam_addf(stam, STAM_COUNTER, writes, "times", NULL, "%s/%s/Writes", where, name);
}

void iom_register(struct iom *iom, struct stam *stam, struct info *info)
{
    char where[32];

    for (unsigned i = 1; i < iom->port_count; i++) {
        const struct iom_port *r = iom->ports[i];

        if (r->order)
            g_snprintf(where, sizeof where, "/IOM/IoPorts/%04x-%04x", r->base, r->base + r->desc.count - 1u);
        else
            g_snprintf(where, sizeof where, "/IOM/IoPorts/#%u", i);
        add_pair(stam, where, r->desc.name, &r->reads, &r->writes);
    }
    for (unsigned i = 0; i < iom->mmios->len; i++) {
        const struct iom_mmio *m = g_ptr_array_index(iom->mmios, i);

        add_pair(stam, "/IOM/Mmio", m->desc.name, &m->reads, &m->writes);
    }
    stam_add(stam, "/IOM/IoPorts/Unclaimed", STAM_COUNTER, &iom->unclaimed_ports, "times", "Accesses nobody answered");
    info_add(info, "ioport", "port ranges with counters", info_ports, iom);
    info_add(info, "mmio", "memory-mapped ranges with counters", info_mmio, iom);
}

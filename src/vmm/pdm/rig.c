/*
 * rig.c - the fake machine: making it, accesses, recorders' queues, saving and loading.
 */
#include "vmm/pdm/rig.h"

#include <string.h>

#include "vmm/pdm/rig_int.h"

#define UTC_DEFAULT_NS 1577836800000000000 /* 2020-01-01T00:00:00Z */

/* ---- host table ---- */

static const struct pdm_devreg *host_device_find(void *user, const char *name)
{
    struct rig *r = user;

    if (!strcmp(name, RIG_RECORDER))
        return &rig_recorder;
    for (unsigned i = 0; i < r->regs->len; i++) {
        const struct pdm_devreg *reg = g_ptr_array_index(r->regs, i);

        if (!strcmp(reg->name, name))
            return reg;
    }
    return NULL;
}

static unsigned host_cpu_count(void *user)
{
    return ((struct rig *)user)->cpus;
}

static int host_cpu_current(void *user)
{
    return ((struct rig *)user)->cpu;
}

static void host_cpu_post(void *user, unsigned cpu, enum pdm_cpu_event event, unsigned arg)
{
    const struct rig_event e = {.cpu = cpu, .event = event, .arg = arg};

    g_array_append_val(((struct rig *)user)->events, e);
}

static void host_power(void *user, enum pdm_power what, const char *why)
{
    struct rig *r = user;

    g_array_append_val(r->powers, what);
    g_string_append_printf(r->log, "power request %d: %s\n", (int)what, why);
}

static void host_log(void *user, const char *line)
{
    g_string_append_printf(((struct rig *)user)->log, "%s\n", line);
}

/* ---- making ---- */

struct rig *rig_empty(void)
{
    struct rig *r = g_new0(struct rig, 1);

    r->host = (struct pdm_host){.user = r,
                                .device_find = host_device_find,
                                .cpu_count = host_cpu_count,
                                .cpu_current = host_cpu_current,
                                .cpu_post = host_cpu_post,
                                .power_request = host_power,
                                .log = host_log};
    rig_mem_host(&r->host);
    rig_time_host(&r->host);
    r->root = cfgm_new();
    cfgm_set_integer(cfgm_insert(r->root, "Devices/" RIG_RECORDER "/0"), "Priority", 0);
    r->regs = g_ptr_array_new();
    r->numbers = g_array_new(FALSE, FALSE, sizeof(unsigned));
    r->attached = g_ptr_array_new_with_free_func(rig_attachment_free);
    r->low_bytes = 64u << 20;
    r->pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    r->ranges = g_ptr_array_new();
    r->a20 = true;
    r->utc_ns = UTC_DEFAULT_NS;
    r->timers = g_ptr_array_new();
    r->cpus = 1;
    r->powers = g_array_new(FALSE, FALSE, sizeof(enum pdm_power));
    r->messages = g_array_new(FALSE, FALSE, sizeof(struct rig_message));
    r->events = g_array_new(FALSE, FALSE, sizeof(struct rig_event));
    r->eois = g_array_new(FALSE, FALSE, sizeof(uint8_t));
    r->log = g_string_new(NULL);
    r->media = g_ptr_array_new_with_free_func(rig_media_free);
    r->chars = g_ptr_array_new_with_free_func(rig_char_free);
    r->pdm = pdm_new(&r->host);
    return r;
}

void rig_free(struct rig *r)
{
    if (!r)
        return;
    pdm_free(r->pdm);
    rig_ranges_clear(r);
    cfgm_free(r->root);
    g_ptr_array_unref(r->regs);
    g_array_unref(r->numbers);
    g_ptr_array_unref(r->attached);
    g_hash_table_unref(r->pages);
    g_ptr_array_unref(r->ranges);
    g_ptr_array_unref(r->timers);
    g_array_unref(r->powers);
    g_array_unref(r->messages);
    g_array_unref(r->events);
    g_array_unref(r->eois);
    g_string_free(r->log, TRUE);
    g_ptr_array_unref(r->media);
    g_ptr_array_unref(r->chars);
    g_free(r);
}

static void set_bytes(struct cfgm_node *node, const char *key, const char *hex)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (; g_ascii_isxdigit(hex[0]) && g_ascii_isxdigit(hex[1]); hex += 2) {
        const uint8_t b = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        g_byte_array_append(bytes, &b, 1);
    }
    cfgm_set_bytes(node, key, bytes->data, bytes->len);
}

static void set_value(struct cfgm_node *node, const struct pdm_devreg *reg, const char *key, const char *val)
{
    const struct pdm_cfg_key *k = reg->config;
    char *end;
    const uint64_t number = g_ascii_strtoull(val, &end, 0);

    while (k && k->name && strcmp(k->name, key))
        k++;
    if (k && k->name && k->type == PDM_CFG_BYTES)
        set_bytes(node, key, val);
    else if (*end || !*val || (k && k->name && k->type == PDM_CFG_STR))
        cfgm_set_string(node, key, val);
    else
        cfgm_set_integer(node, key, number);
}

void rig_add(struct rig *r, const struct pdm_devreg *reg, const char *config)
{
    g_auto(GStrv) pairs = g_strsplit(config ? config : "", ";", -1);
    g_autofree char *path = NULL;
    struct cfgm_node *node;
    unsigned instance = 0;

    for (unsigned i = 0; i < r->regs->len; i++)
        instance += g_ptr_array_index(r->regs, i) == reg;
    g_ptr_array_add(r->regs, (gpointer)(uintptr_t)reg);
    g_array_append_val(r->numbers, instance);
    path = g_strdup_printf("Devices/%s/%u", reg->name, instance);
    node = cfgm_insert(r->root, path);
    for (char **p = pairs; *p; p++) {
        char *equals = strchr(*p, '=');

        if (!equals)
            continue;
        *equals = 0;
        if (g_str_has_prefix(*p, "PCI"))
            cfgm_set_integer(node, *p, g_ascii_strtoull(equals + 1, NULL, 0));
        else
            set_value(cfgm_insert(node, "Config"), reg, *p, equals + 1);
    }
}

void rig_set_cpus(struct rig *r, unsigned cpus)
{
    r->cpus = cpus;
}

void rig_set_ram(struct rig *r, uint64_t low_bytes, uint64_t high_bytes)
{
    r->low_bytes = low_bytes;
    r->high_bytes = high_bytes;
}

void rig_set_utc_ns(struct rig *r, int64_t utc_ns)
{
    r->utc_ns = utc_ns;
}

bool rig_start(struct rig *r, GError **error)
{
    r->started = rig_drivers_attach(r, error) && pdm_construct(r->pdm, r->root, error);
    return r->started;
}

struct rig *rig_try(const struct pdm_devreg *reg, const char *config, GError **error)
{
    struct rig *r = rig_empty();

    rig_add(r, reg, config);
    if (rig_start(r, error))
        return r;
    rig_free(r);
    return NULL;
}

struct rig *rig_new(const struct pdm_devreg *reg, const char *config)
{
    g_autoptr(GError) error = NULL;
    struct rig *r = rig_try(reg, config, &error);

    g_assert_no_error(error);
    g_assert_nonnull(r);
    return r;
}

struct pdm *rig_pdm(struct rig *r)
{
    return r->pdm;
}

struct pdm_dev *rig_dev_named(struct rig *r, const char *name, unsigned instance)
{
    return pdm_find(r->pdm, name, instance);
}

struct pdm_dev *rig_dev(struct rig *r)
{
    return rig_dev_named(r, ((const struct pdm_devreg *)g_ptr_array_index(r->regs, 0))->name, 0);
}

void *rig_state(struct rig *r)
{
    return pdm_state(rig_dev(r));
}

/* ---- ports and PCI ---- */

uint32_t rig_in(struct rig *r, uint16_t port, unsigned size)
{
    return iom_port_read(pdm_iom(r->pdm), port, size);
}

void rig_out(struct rig *r, uint16_t port, uint32_t val, unsigned size)
{
    iom_port_write(pdm_iom(r->pdm), port, val, size);
}

void rig_ins(struct rig *r, uint16_t port, void *buf, unsigned size, size_t count)
{
    uint8_t *p = buf;

    for (size_t done = 0; done < count;) {
        size_t n = iom_port_read_block(pdm_iom(r->pdm), port, p + done * size, size, count - done);

        if (!n) {
            const uint32_t val = rig_in(r, port, size);

            memcpy(p + done * size, &val, size);
            n = 1;
        }
        done += n;
    }
}

void rig_outs(struct rig *r, uint16_t port, const void *buf, unsigned size, size_t count)
{
    const uint8_t *p = buf;

    for (size_t done = 0; done < count;) {
        size_t n = iom_port_write_block(pdm_iom(r->pdm), port, p + done * size, size, count - done);

        if (!n) {
            uint32_t val = 0;

            memcpy(&val, p + done * size, size);
            rig_out(r, port, val, size);
            n = 1;
        }
        done += n;
    }
}

void rig_set_cpu(struct rig *r, int cpu)
{
    r->cpu = cpu;
}

static struct pdm_dev *recorder(struct rig *r)
{
    return pdm_find(r->pdm, RIG_RECORDER, 0);
}

uint32_t rig_cfg_read(struct rig *r, unsigned slot, unsigned func, uint8_t off, unsigned size)
{
    const uint32_t val = pdm_pci_bus_read(recorder(r), 0, (uint8_t)(slot << 3 | func), off, size);

    return size < 4 ? val & ((1u << (8 * size)) - 1) : val;
}

void rig_cfg_write(struct rig *r, unsigned slot, unsigned func, uint8_t off, uint32_t val, unsigned size)
{
    pdm_pci_bus_write(recorder(r), 0, (uint8_t)(slot << 3 | func), off, val, size);
}

bool rig_pci_where(struct rig *r, const char *name, unsigned instance, unsigned *ret_slot, unsigned *ret_func)
{
    const struct pdm_dev *dev = pdm_find(r->pdm, name, instance);

    if (!dev || !dev->pci)
        return false;
    *ret_slot = dev->pci->slot;
    *ret_func = dev->pci->func;
    return true;
}

bool rig_pirq(struct rig *r, unsigned pirq)
{
    return r->pdm->pirq_level[pirq];
}

/* ---- interrupts ---- */

bool rig_irq(struct rig *r, unsigned isa_irq)
{
    return r->pdm->isa_level[isa_irq];
}

unsigned rig_irq_edges(struct rig *r, unsigned isa_irq)
{
    const uint64_t rises = r->pdm->isa_rises[isa_irq];
    const uint64_t fresh = rises - r->rises_seen[isa_irq];

    r->rises_seen[isa_irq] = rises;
    return (unsigned)fresh;
}

void rig_irq_drive(struct rig *r, unsigned isa_irq, bool level)
{
    pdm_irq_set(recorder(r), r->lines[isa_irq], level);
}

int rig_acknowledge(struct rig *r, unsigned cpu)
{
    return pdm_interrupt_acknowledge(r->pdm, cpu);
}

/* Moves up to @max elements off the front of @queue. */
static unsigned take(GArray *queue, void *ret, unsigned max)
{
    const unsigned n = MIN(queue->len, max);

    if (n) {
        memcpy(ret, queue->data, (size_t)n * g_array_get_element_size(queue));
        g_array_remove_range(queue, 0, n);
    }
    return n;
}

unsigned rig_messages(struct rig *r, struct rig_message *ret, unsigned max)
{
    return take(r->messages, ret, max);
}

unsigned rig_events(struct rig *r, struct rig_event *ret, unsigned max)
{
    return take(r->events, ret, max);
}

unsigned rig_eois(struct rig *r, uint8_t *ret, unsigned max)
{
    return take(r->eois, ret, max);
}

unsigned rig_power(struct rig *r, enum pdm_power *ret, unsigned max)
{
    return take(r->powers, ret, max);
}

/* ---- the rest ---- */

unsigned rig_guest_errors(struct rig *r)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < r->pdm->devs->len; i++)
        n += ((struct pdm_dev *)g_ptr_array_index(r->pdm->devs, i))->guest_errors;
    return (unsigned)n;
}

const char *rig_log(struct rig *r)
{
    return r->log->str;
}

void rig_reset(struct rig *r)
{
    pdm_reset(r->pdm);
}

GByteArray *rig_save(struct rig *r, struct pdm_dev *dev)
{
    struct ssm_writer w;

    (void)r;
    ssm_writer_init(&w);
    pdm_save(dev, &w);
    return g_byte_array_new_take(w.data, w.len);
}

bool rig_load(struct rig *r, struct pdm_dev *dev, const void *bytes, size_t size, GError **error)
{
    const bool ok = pdm_load(dev, pdm_state_version(dev), bytes, size, error);

    if (ok)
        pdm_load_done(r->pdm);
    return ok;
}

static void quiesce(struct rig *r)
{
    pdm_suspend(r->pdm);
    for (unsigned i = 0; i < r->media->len; i++)
        ((struct rig_media *)g_ptr_array_index(r->media, i))->hold = false;
    while (rig_drivers_run(r))
        ;
    g_assert_false(pdm_busy(r->pdm));
}

bool rig_save_load(struct rig *r, GError **error)
{
    g_autoptr(GPtrArray) units = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    bool ok;

    quiesce(r);
    for (unsigned i = 0; i < r->pdm->devs->len; i++)
        g_ptr_array_add(units, rig_save(r, g_ptr_array_index(r->pdm->devs, i)));
    pdm_free(r->pdm);
    rig_ranges_clear(r);
    memset(r->rises_seen, 0, sizeof(r->rises_seen));
    r->pdm = pdm_new(&r->host);
    ok = rig_start(r, error);
    g_assert_true(ok);
    for (unsigned i = 0; ok && i < r->pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(r->pdm->devs, i);
        const GByteArray *unit = g_ptr_array_index(units, i);

        ok = pdm_load(dev, pdm_state_version(dev), unit->data, unit->len, error);
    }
    if (!ok)
        pdm_reset(r->pdm);
    else
        pdm_load_done(r->pdm);
    memcpy(r->rises_seen, r->pdm->isa_rises, sizeof(r->rises_seen)); /* levels restored are no edges */
    pdm_resume(r->pdm);
    return ok;
}

unsigned rig_spans(struct rig *r, struct rig_span *ret, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->pdm->ports->len && n < max; i++) {
        const struct pdm_ports *p = g_ptr_array_index(r->pdm->ports, i);
        uint16_t base, count;

        if (iom_port_where(r->pdm->iom, p->range, &base, &count))
            ret[n++] = (struct rig_span){.port = true, .base = base, .bytes = count};
    }
    for (unsigned i = 0; i < r->ranges->len && n < max; i++) {
        const struct rig_range *range = g_ptr_array_index(r->ranges, i);

        if (range->order)
            ret[n++] = (struct rig_span){.base = range->gpa, .bytes = range->size_bytes};
    }
    return n;
}

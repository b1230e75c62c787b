/*
 * virtio_pci.c - virtio over PCI: see virtio_pci.h.
 *
 * Source: VIRTIO 1.1 [V] 4.1 (PCI transport), 4.1.4.8 and 4.1.5.1.2 (legacy interface), 2.1 (status), 2.2 (features).
 * Left out: the configuration access capability (registers are always reachable in memory), queue reset.
 */
#include "devices/virtio/virtio_pci.h"

#include <string.h>

#define VENDOR          0x1af4
#define OFF_COMMON      0x0000u
#define OFF_ISR         0x1000u
#define OFF_DEVICE      0x2000u
#define OFF_NOTIFY      0x3000u
#define REGS_BYTES      0x4000u
#define NOTIFY_STEP     4u
#define MSIX_PBA        0x800u
#define NO_VECTOR       0xffffu
#define QUEUE_SIZE      VIRTQ_SIZE_MAX
#define LEGACY_PORTS    128u
#define LEGACY_FEATURES UINT64_C(0xffffffff)
#define ISR_QUEUE       0x01
#define ISR_CONFIG      0x02

/* Places of the capabilities in configuration space. */
enum { CAP_MSIX_AT = 0x40, CAP_COMMON_AT = 0x50, CAP_NOTIFY_AT = 0x60, CAP_ISR_AT = 0x74, CAP_DEVICE_AT = 0x84 };
enum { CAP_VENDOR = 0x09, CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_ISR = 3, CFG_DEVICE = 4 };

const struct ssm_field virtio_fields[] = {
    SSM_U64(struct virtio, accepted),
    SSM_U32(struct virtio, offered_select),
    SSM_U32(struct virtio, accepted_select),
    SSM_U16(struct virtio, queue_select),
    SSM_U16(struct virtio, config_vector),
    SSM_U8(struct virtio, status),
    SSM_U8(struct virtio, isr),
    SSM_U8(struct virtio, generation),
    SSM_STRUCTS(struct virtio, queue, virtq_fields),
    SSM_STRUCT(struct virtio, msix, pci_msix_fields),
    SSM_END,
};

bool virtio_check(struct virtio *v)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        virtq_forget(&v->queue[i]);
        if (!virtq_check(&v->queue[i]))
            return false;
    }
    return true; /* accepted may hold anything: it is compared with what was offered where it is used */
}

/* ---- interrupts ---- */

void virtio_pci_drive(struct pdm_dev *dev)
{
    struct virtio *v = pdm_state(dev);

    pdm_pci_irq_set(dev, v->isr && !pci_msix_enabled(dev, &v->msix));
}

static void interrupt(struct pdm_dev *dev, uint16_t vector, uint8_t isr)
{
    struct virtio *v = pdm_state(dev);

    if (pci_msix_enabled(dev, &v->msix)) {
        pci_msix_send(dev, &v->msix, vector); /* NO_VECTOR is beyond the table */
        return;
    }
    v->isr |= isr;
    virtio_pci_drive(dev);
}

void virtio_config_changed(struct pdm_dev *dev)
{
    struct virtio *v = pdm_state(dev);

    v->generation++;
    if (v->status & VIRTIO_DRIVER_OK)
        interrupt(dev, v->config_vector, ISR_CONFIG);
}

void virtio_broken(struct pdm_dev *dev, const char *what)
{
    struct virtio *v = pdm_state(dev);

    if (v->status & VIRTIO_NEEDS_RESET)
        return;
    pdm_guest_error(dev, "%s; the device stops until it is reset", what);
    v->status |= VIRTIO_NEEDS_RESET;
    virtio_config_changed(dev);
}

/* ---- queues ---- */

bool virtio_has(const struct virtio *v, uint64_t feature)
{
    return (v->accepted & v->offered & feature) != 0;
}

bool virtio_ready(const struct virtio *v)
{
    return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

bool virtio_next(struct pdm_dev *dev, unsigned queue, struct virtq_chain *ret)
{
    struct virtio *v = pdm_state(dev);
    int rc;

    if (!virtio_ready(v) || queue >= v->queues || !pdm_pci_bus_master(dev))
        return false;
    rc = virtq_next(dev, &v->queue[queue], virtio_has(v, VIRTIO_F_EVENT_IDX), ret);
    if (rc < 0)
        virtio_broken(dev, "a queue is not in order");
    return rc > 0;
}

void virtio_done(struct pdm_dev *dev, unsigned queue, uint16_t head, uint32_t bytes)
{
    struct virtio *v = pdm_state(dev);

    if (virtq_done(dev, &v->queue[queue], virtio_has(v, VIRTIO_F_EVENT_IDX), head, bytes))
        interrupt(dev, v->queue[queue].vector, ISR_QUEUE);
}

void virtio_work_all(struct pdm_dev *dev)
{
    struct virtio *v = pdm_state(dev);

    for (unsigned i = 0; i < v->queues && virtio_ready(v); i++)
        v->ops->work(dev, i);
}

static void notify(struct pdm_dev *dev, unsigned queue)
{
    struct virtio *v = pdm_state(dev);

    if (queue < v->queues && virtio_ready(v))
        v->ops->work(dev, queue);
}

/* ---- status and features ---- */

static void device_reset(struct pdm_dev *dev)
{
    struct virtio *v = pdm_state(dev);

    v->ops->reset(dev);
    v->accepted = 0;
    v->offered_select = v->accepted_select = 0;
    v->queue_select = 0;
    v->config_vector = NO_VECTOR;
    v->status = v->isr = v->generation = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        virtq_reset(&v->queue[i], QUEUE_SIZE);
    virtio_pci_drive(dev);
}

static void write_status(struct pdm_dev *dev, uint8_t val)
{
    struct virtio *v = pdm_state(dev);
    const bool was_ready = virtio_ready(v);

    if (val == 0) {
        device_reset(dev);
        return;
    }
    if ((val & VIRTIO_FEATURES_OK) && ((v->accepted & ~v->offered) || !(v->accepted & VIRTIO_F_VERSION_1)))
        val &= (uint8_t)~VIRTIO_FEATURES_OK; /* [V 2.2.2] */
    v->status = (uint8_t)((val & ~VIRTIO_NEEDS_RESET) | (v->status & VIRTIO_NEEDS_RESET));
    if (!was_ready && virtio_ready(v))
        virtio_work_all(dev);
}

static uint32_t half(uint64_t v, uint32_t select)
{
    return select == 0 ? (uint32_t)v : select == 1 ? (uint32_t)(v >> 32) : 0;
}

static void write_features(struct virtio *v, uint32_t val)
{
    if (v->status & VIRTIO_FEATURES_OK)
        return;
    if (v->accepted_select == 0)
        v->accepted = (v->accepted & ~LEGACY_FEATURES) | val;
    else if (v->accepted_select == 1)
        v->accepted = (uint32_t)v->accepted | (uint64_t)val << 32;
}

/* ---- common configuration [V 4.1.4.3] ---- */

enum {
    C_OFFER_SELECT = 0x00,
    C_OFFER = 0x04,
    C_ACCEPT_SELECT = 0x08,
    C_ACCEPT = 0x0c,
    C_CONFIG_VECTOR = 0x10,
    C_QUEUES = 0x12,
    C_STATUS = 0x14,
    C_GENERATION = 0x15,
    C_QUEUE_SELECT = 0x16,
    C_QUEUE_SIZE = 0x18,
    C_QUEUE_VECTOR = 0x1a,
    C_QUEUE_ENABLE = 0x1c,
    C_QUEUE_NOTIFY = 0x1e,
    C_DESC = 0x20,
    C_DRIVER = 0x28,
    C_DEVICE = 0x30,
};

static struct virtq *selected(struct virtio *v)
{
    return v->queue_select < v->queues ? &v->queue[v->queue_select] : NULL;
}

/* The ring address a dword at @off belongs to; NULL = none. */
static uint64_t *address(struct virtq *q, uint64_t off)
{
    uint64_t *const places[] = {&q->desc_gpa, &q->driver_gpa, &q->device_gpa};

    return off >= C_DESC && off < C_DEVICE + 8 && off % 4 == 0 ? places[(off - C_DESC) / 8] : NULL;
}

static uint32_t queue_read(struct virtio *v, uint64_t off)
{
    struct virtq *q = selected(v);
    const uint64_t *p;

    if (!q)
        return 0;
    switch (off) {
    case C_QUEUE_SIZE: return q->size;
    case C_QUEUE_VECTOR: return q->vector;
    case C_QUEUE_ENABLE: return q->enabled;
    case C_QUEUE_NOTIFY: return v->queue_select;
    default: p = address(q, off); return p ? (uint32_t)(*p >> 8 * (off & 4)) : 0;
    }
}

static uint32_t common_read(struct virtio *v, uint64_t off)
{
    switch (off) {
    case C_OFFER_SELECT: return v->offered_select;
    case C_OFFER: return half(v->offered, v->offered_select);
    case C_ACCEPT_SELECT: return v->accepted_select;
    case C_ACCEPT: return half(v->accepted, v->accepted_select);
    case C_CONFIG_VECTOR: return v->config_vector;
    case C_QUEUES: return v->queues;
    case C_STATUS: return v->status;
    case C_GENERATION: return v->generation;
    case C_QUEUE_SELECT: return v->queue_select;
    default: return off >= C_QUEUE_SIZE && off < C_DEVICE + 8 ? queue_read(v, off) : 0;
    }
}

static uint16_t vector_of(const struct virtio *v, uint32_t val)
{
    return val < v->msix.vectors ? (uint16_t)val : NO_VECTOR; /* [V 4.1.5.1.2] */
}

/* [V 4.1.4.3.2]: a queue's registers are fixed once it is enabled. */
static void queue_write(struct virtio *v, uint64_t off, uint32_t val)
{
    struct virtq *q = selected(v);
    uint64_t *p;

    if (!q || (q->enabled && off != C_QUEUE_VECTOR))
        return;
    switch (off) {
    case C_QUEUE_SIZE:
        if (val >= 1 && val <= QUEUE_SIZE && (val & (val - 1)) == 0)
            q->size = (uint16_t)val;
        break;
    case C_QUEUE_VECTOR: q->vector = vector_of(v, val); break;
    case C_QUEUE_ENABLE: q->enabled = val == 1; break;
    case C_QUEUE_NOTIFY: break;
    default:
        p = address(q, off);
        if (p)
            *p = off & 4 ? (uint32_t)*p | (uint64_t)val << 32 : (*p & ~UINT64_C(0xffffffff)) | val;
        break;
    }
}

static void common_write(struct pdm_dev *dev, uint64_t off, uint32_t val)
{
    struct virtio *v = pdm_state(dev);

    switch (off) {
    case C_OFFER_SELECT: v->offered_select = val; break;
    case C_ACCEPT_SELECT: v->accepted_select = val; break;
    case C_ACCEPT: write_features(v, val); break;
    case C_CONFIG_VECTOR: v->config_vector = vector_of(v, val); break;
    case C_STATUS: write_status(dev, (uint8_t)val); break;
    case C_QUEUE_SELECT: v->queue_select = (uint16_t)val; break;
    default:
        if (off >= C_QUEUE_SIZE && off < C_DEVICE + 8)
            queue_write(v, off, val);
        break;
    }
}

static uint32_t read_isr(struct pdm_dev *dev)
{
    struct virtio *v = pdm_state(dev);
    const uint8_t isr = v->isr;

    v->isr = 0;
    virtio_pci_drive(dev);
    return isr;
}

static uint32_t config_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct virtio *v = pdm_state(dev);
    uint8_t config[VIRTIO_CONFIG_MAX + 4] = {0};
    uint32_t val = 0;

    if (off >= v->config_bytes)
        return 0;
    v->ops->config(dev, config);
    memcpy(&val, config + off, size);
    return val;
}

static void config_write(struct pdm_dev *dev, uint64_t off, uint32_t val, unsigned size)
{
    struct virtio *v = pdm_state(dev);

    for (unsigned i = 0; i < size && off + i < v->config_bytes && v->ops->config_written; i++)
        v->ops->config_written(dev, (unsigned)off + i, (uint8_t)(val >> 8 * i));
}

static uint64_t regs_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    switch (off & ~0xfffull) {
    case OFF_COMMON: return common_read(pdm_state(dev), off);
    case OFF_ISR: return off == OFF_ISR ? read_isr(dev) : 0;
    case OFF_DEVICE: return config_read(dev, off - OFF_DEVICE, size);
    default: return 0;
    }
}

static void regs_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    switch (off & ~0xfffull) {
    case OFF_COMMON: common_write(dev, off, (uint32_t)val); break;
    case OFF_DEVICE: config_write(dev, off - OFF_DEVICE, (uint32_t)val, size); break;
    case OFF_NOTIFY: notify(dev, (unsigned)((off - OFF_NOTIFY) / NOTIFY_STEP)); break;
    default: break;
    }
}

/* ---- the table of MSI-X ---- */

static uint64_t msix_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    const struct virtio *v = pdm_state(dev);

    return off >= MSIX_PBA ? pci_msix_pending(&v->msix, off - MSIX_PBA) : pci_msix_read(&v->msix, off, size);
}

static void msix_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    if (off < MSIX_PBA)
        pci_msix_write(dev, &((struct virtio *)pdm_state(dev))->msix, off, val, size);
}

static void cfg_written(struct pdm_dev *dev, uint8_t off, unsigned size)
{
    (void)off, (void)size;
    pci_msix_configured(dev, &((struct virtio *)pdm_state(dev))->msix);
    virtio_pci_drive(dev);
}

/* ---- legacy ports [V 4.1.4.8] ---- */

enum {
    L_OFFER = 0x00,
    L_ACCEPT = 0x04,
    L_PAGE = 0x08,
    L_SIZE = 0x0c,
    L_SELECT = 0x0e,
    L_NOTIFY = 0x10,
    L_STATUS = 0x12,
    L_ISR = 0x13,
    L_CONFIG_VECTOR = 0x14,
    L_QUEUE_VECTOR = 0x16,
    L_CONFIG = 0x14,
    L_CONFIG_MSIX = 0x18,
};

static uint16_t legacy_config(struct pdm_dev *dev)
{
    return pci_msix_enabled(dev, &((struct virtio *)pdm_state(dev))->msix) ? L_CONFIG_MSIX : L_CONFIG;
}

static uint32_t legacy_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct virtio *v = pdm_state(dev);
    const struct virtq *q = selected(v);

    if (off >= legacy_config(dev))
        return config_read(dev, off - legacy_config(dev), size);
    switch (off) {
    case L_OFFER: return (uint32_t)v->offered;
    case L_ACCEPT: return (uint32_t)v->accepted;
    case L_PAGE: return q ? (uint32_t)(q->desc_gpa >> 12) : 0;
    case L_SIZE: return q ? q->size : 0;
    case L_SELECT: return v->queue_select;
    case L_STATUS: return v->status;
    case L_ISR: return read_isr(dev);
    case L_CONFIG_VECTOR: return v->config_vector;
    case L_QUEUE_VECTOR: return q ? q->vector : NO_VECTOR;
    default: return 0;
    }
}

/* [V 2.6.2]: descriptors, the available ring behind them, the used ring on the next page. */
static void legacy_place(struct virtq *q, uint32_t page)
{
    q->desc_gpa = (uint64_t)page << 12;
    q->driver_gpa = q->desc_gpa + 16u * q->size;
    q->device_gpa = (q->driver_gpa + 6 + 2u * q->size + 4095) & ~UINT64_C(4095);
    q->enabled = page != 0;
    if (!q->enabled)
        q->next_avail = q->used = 0;
}

static void legacy_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct virtio *v = pdm_state(dev);
    struct virtq *q = selected(v);

    if (off >= legacy_config(dev)) {
        config_write(dev, off - legacy_config(dev), val, size);
        return;
    }
    switch (off) {
    case L_ACCEPT: v->accepted = val & v->offered & LEGACY_FEATURES; break;
    case L_PAGE:
        if (q)
            legacy_place(q, val);
        break;
    case L_SELECT: v->queue_select = (uint16_t)val; break;
    case L_NOTIFY: notify(dev, val & 0xffff); break;
    case L_STATUS: write_status(dev, (uint8_t)(val & ~VIRTIO_FEATURES_OK)); break;
    case L_CONFIG_VECTOR: v->config_vector = vector_of(v, val & 0xffff); break;
    case L_QUEUE_VECTOR:
        if (q)
            q->vector = vector_of(v, val & 0xffff);
        break;
    default: break;
    }
}

/* ---- joining the bus ---- */

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

/* [V 4.1.4]: where in BAR 4 a structure is. */
static void put_cap(uint8_t *cfg, uint8_t at, uint8_t next, uint8_t type, uint32_t off, uint32_t bytes)
{
    memset(cfg + at, 0, 16);
    cfg[at] = CAP_VENDOR;
    cfg[at + 1] = next;
    cfg[at + 2] = type == CFG_NOTIFY ? 20 : 16;
    cfg[at + 3] = type;
    cfg[at + 4] = 4; /* BAR */
    put32(cfg + at + 8, off);
    put32(cfg + at + 12, bytes);
}

void virtio_pci_reset(struct pdm_dev *dev)
{
    struct virtio *v = pdm_state(dev);
    uint8_t *cfg = pdm_pci_config(dev);

    pci_msix_reset(dev, &v->msix, CAP_COMMON_AT, 1, 0, MSIX_PBA);
    put_cap(cfg, CAP_COMMON_AT, CAP_NOTIFY_AT, CFG_COMMON, OFF_COMMON, 0x38);
    put_cap(cfg, CAP_NOTIFY_AT, CAP_ISR_AT, CFG_NOTIFY, OFF_NOTIFY, NOTIFY_STEP * VIRTIO_QUEUES_MAX);
    put32(cfg + CAP_NOTIFY_AT + 16, NOTIFY_STEP);
    put_cap(cfg, CAP_ISR_AT, CAP_DEVICE_AT, CFG_ISR, OFF_ISR, 1);
    put_cap(cfg, CAP_DEVICE_AT, 0, CFG_DEVICE, OFF_DEVICE, v->config_bytes);
    device_reset(dev);
}

static bool add_ranges(struct pdm_dev *dev, GError **error)
{
    struct virtio *v = pdm_state(dev);
    const struct pdm_mmio regs = {.name = "virtio",
                                  .size_bytes = REGS_BYTES,
                                  .base_unmapped = true,
                                  .min_size = 1,
                                  .max_size = 4,
                                  .read = regs_read,
                                  .write = regs_write};
    const struct pdm_mmio table = {.name = "virtio-msix",
                                   .size_bytes = 0x1000,
                                   .base_unmapped = true,
                                   .min_size = 4,
                                   .max_size = 8,
                                   .read = msix_read,
                                   .write = msix_write};

    v->ports = (struct pdm_io){
        .name = "virtio-legacy", .min_size = 1, .max_size = 4, .read = legacy_read, .write = legacy_write};
    return pdm_mmio_add(dev, &regs, &v->bar_regs, error) && pdm_mmio_add(dev, &table, &v->bar_msix, error);
}

bool virtio_pci_construct(struct pdm_dev *dev, GError **error)
{
    struct virtio *v = pdm_state(dev);
    struct pdm_pci pci = {.vendor = VENDOR,
                          .device = (uint16_t)(0x1040 + v->type), /* [V 4.1.2] */
                          .subsys_vendor = VENDOR,
                          .subsys = (uint16_t)(0x1100),
                          .revision = 1,
                          .base_class = v->class_base,
                          .sub_class = v->class_sub,
                          .int_pin = 1,
                          .bus_default_slot = v->slot,
                          .bus_default_func = v->func,
                          .header_type = 0x80,
                          .cfg_written = cfg_written};

    if (!add_ranges(dev, error))
        return false;
    if (v->legacy) { /* [V 4.1.2.3]: known by its old number and revision 0; the subsystem says what it is */
        pci.device = v->type == 2 ? 0x1001 : 0x1004;
        pci.subsys = v->type;
        pci.revision = 0;
        pci.bars[0] = (struct pdm_pci_bar){.kind = PDM_BAR_IO, .size_bytes = LEGACY_PORTS, .io = &v->ports};
    }
    v->offered |= VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1;
    pci.bars[1] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = 0x1000, .region = v->bar_msix};
    pci.bars[4] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = REGS_BYTES, .region = v->bar_regs};
    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pci_cap_first(dev, CAP_MSIX_AT);
    pci_msix_init(dev, &v->msix, CAP_MSIX_AT, v->queues + 1);
    return true;
}

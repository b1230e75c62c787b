/*
 * virtio_pci.h - the PCI transport of virtio devices: modern registers in memory, legacy ones on ports.
 *
 * A device embeds struct virtio as the first member of its state, fills the wiring and calls virtio_pci_construct(); it
 * hears of the guest through struct virtio_ops. BAR 0: legacy ports (transitional devices only), BAR 1: MSI-X, BAR 4:
 * common configuration at 0, ISR at 1000h, device configuration at 2000h, notifications at 3000h.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_PCI_H
#define DEVICES_VIRTIO_VIRTIO_PCI_H

#include "devices/pci/pci_cap.h"
#include "devices/virtio/virtq.h"

#define VIRTIO_QUEUES_MAX 8u
#define VIRTIO_CONFIG_MAX 64u

/* Device status [V 2.1] */
enum { VIRTIO_DRIVER_OK = 0x04, VIRTIO_FEATURES_OK = 0x08, VIRTIO_NEEDS_RESET = 0x40 };
/* Features [V 6] */
#define VIRTIO_F_INDIRECT  (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)

struct virtio_ops {
    /** The guest rang for @queue, or the machine goes on: look at the queue. */
    void (*work)(struct pdm_dev *dev, unsigned queue);
    /** The device forgets what it has under way. */
    void (*reset)(struct pdm_dev *dev);
    /** The device's own registers, as bytes; filled anew before each read. */
    void (*config)(struct pdm_dev *dev, uint8_t config[VIRTIO_CONFIG_MAX]);
    /** One of them was written; may be NULL. */
    void (*config_written)(struct pdm_dev *dev, unsigned off, uint8_t val);
};

struct virtio {
    /* wiring, set before virtio_pci_construct() */
    const struct virtio_ops *ops;
    uint16_t type; /* [V 5]: 2 block, 8 SCSI */
    bool legacy;   /* transitional */
    uint8_t class_base, class_sub;
    uint8_t slot, func;
    unsigned queues;
    uint64_t offered;
    unsigned config_bytes;
    struct pdm_io ports; /* BAR 0 */
    pdm_region bar_msix, bar_regs;

    /* registers */
    uint64_t accepted;
    uint32_t offered_select, accepted_select;
    uint16_t queue_select, config_vector;
    uint8_t status, isr, generation;
    struct virtq queue[VIRTIO_QUEUES_MAX];
    struct pci_msix msix;
};

extern const struct ssm_field virtio_fields[];
bool virtio_check(struct virtio *v);

bool virtio_pci_construct(struct pdm_dev *dev, GError **error);
void virtio_pci_reset(struct pdm_dev *dev);
/** virtio_pci_drive() - the interrupt pin. */
void virtio_pci_drive(struct pdm_dev *dev);

bool virtio_ready(const struct virtio *v);
bool virtio_has(const struct virtio *v, uint64_t feature);
/** virtio_next() - the next chain of a queue: false = none; a broken queue is reported and stops the device. */
bool virtio_next(struct pdm_dev *dev, unsigned queue, struct virtq_chain *ret);
/** virtio_done() - gives a chain back and interrupts if the guest wants it. */
void virtio_done(struct pdm_dev *dev, unsigned queue, uint16_t head, uint32_t bytes);
/** virtio_broken() - the guest's mistake: the device needs a reset [V 2.1.2]. */
void virtio_broken(struct pdm_dev *dev, const char *what);
/** virtio_config_changed() - the device's registers changed by themselves. */
void virtio_config_changed(struct pdm_dev *dev);
/** virtio_work_all() - all queues, after resuming or when a transfer became free. */
void virtio_work_all(struct pdm_dev *dev);

#endif

/*
 * pdm_int.h - the insides of devices and of the busses between them, for this folder.
 *
 * Lock order: a device -> PCI interrupt lines -> interrupt router (a device) -> ISA interrupt lines -> PIC or IOAPIC
 * (devices). Nothing on that path calls a device that is not further right. All other calls into a device happen with
 * no device locked: bus accesses made by a device release its lock meanwhile (pdm_leave), DMA never enters a device.
 */
#ifndef VMM_PDM_PDM_INT_H
#define VMM_PDM_PDM_INT_H

#include <stdatomic.h>

#include "vmm/pdm/pdm.h"

#define PDM_ISA_LINES    16u
#define PDM_PIRQS        4u
#define PDM_DMA_CHANNELS 8u
#define PDM_PCI_SLOTS    32u

/* One interrupt source; the line is the or of its sources. */
struct pdm_source {
    unsigned line;
    bool level, alone;
};

struct pdm_lun {
    struct pdm *pdm;
    char *device; /* registered name */
    unsigned instance, lun;
    struct pdm_dev *dev;     /* NULL until constructed */
    struct pdm_block *block; /* what the device sees */
    struct pdm_char *chars;
};

struct pdm_ports {
    struct pdm_dev *dev;
    struct pdm_io io;
    iom_range range;
};

struct pdm_range {
    struct pdm_dev *dev;
    struct pdm_mmio mmio; /* MMIO only */
    pgm_range range;
    bool is_ram;
    uint64_t size_bytes;
    uint64_t mapped_gpa; /* PDM_NEVER = not mapped */
};

struct pdm_clock {
    struct pdm_dev *dev;
    void (*expired)(struct pdm_dev *dev);
    void *timer;
};

struct pdm_counter {
    struct pdm_dev *dev;
    const uint64_t *counter;
    char *stat;
    const char *unit;
};

/* A PCI function. cfg and the masks are the truth; what is mapped follows from cfg (pci_bar.c). */
struct pdm_pci_func {
    struct pdm_pci desc;
    uint8_t slot, func;
    uint8_t cfg[256];
    uint8_t writable[256];
    uint8_t clear_on_1[256];
    iom_range bar_ports[6];
    uint8_t bar_mapped[7]; /* by BAR, 6 = ROM */
    uint32_t bar_base[7];
    pgm_range rom_range;
    bool irq_level; /* what the device drives */
    bool irq_out;   /* what leaves after the INTx disable bit */
};

struct pdm_dev {
    struct pdm *pdm;
    const struct pdm_devreg *reg;
    unsigned instance;
    void *state;
    struct cfgm_node *node, *config;
    char *tag; /* name<instance>, for words */
    GMutex lock;
    _Atomic(void *) owner; /* thread that holds it */
    struct pdm_pci_func *pci;
    uint64_t guest_errors;
    bool constructed;
    bool loaded; /* its unit was read since pdm_load_begin() */
};

struct pdm {
    struct pdm_host host;
    struct iom *iom;
    GPtrArray *devs;     /* struct pdm_dev, construction order */
    GPtrArray *ports;    /* struct pdm_ports */
    GPtrArray *ranges;   /* struct pdm_range; index = pdm_region.id */
    GPtrArray *clocks;   /* struct pdm_clock; index = pdm_timer.id */
    GPtrArray *counters; /* struct pdm_counter */
    GPtrArray *luns;     /* struct pdm_lun */
    GPtrArray *blobs;    /* memory that lives as long as the machine */
    struct iom_port_ops port_ops;

    GMutex irq_lock; /* sources, isa_level */
    GArray *sources; /* struct pdm_source; index = pdm_irq.id */
    bool isa_level[PDM_ISA_LINES];
    uint64_t isa_rises[PDM_ISA_LINES]; /* low-to-high changes */
    bool quiet;                        /* reset, load: levels are collected and pushed at the end */
    struct pdm_dev *pic, *ioapic, *apic;
    const struct pdm_pic_ops *pic_ops;
    const struct pdm_ioapic_ops *ioapic_ops;
    const struct pdm_apic_ops *apic_ops;
    _Atomic bool pic_intr;
    struct pdm_dev *coprocessor; /* the bridge FERR# leads to */
    void (*ferr)(struct pdm_dev *dev, bool asserted);
    _Atomic bool ignne;

    GMutex pirq_lock; /* irq_out of functions, pirq_level */
    bool pirq_level[PDM_PIRQS];
    struct pdm_dev *router;
    void (*route)(struct pdm_dev *dev, unsigned pirq, bool level);
    struct pdm_dev *pci_at[PDM_PCI_SLOTS][8];

    GMutex files_lock; /* files, their state */
    GCond files_cond;
    GPtrArray *files; /* struct pdm_kept, file.c; index = pdm_file.id */
    GThread *files_thread;
    bool files_quit;

    unsigned leds; /* the keyboard's lamps; under its lock */
    void (*leds_changed)(void *user, unsigned leds);
    void *leds_user;

    struct pdm_dev *dmac;
    const struct pdm_dmac_ops *dmac_ops;
    struct pdm_dev *dma_dev[PDM_DMA_CHANNELS];
    struct pdm_dma dma[PDM_DMA_CHANNELS];
};

/* ---- locks (lock.c) ---- */
void pdm_lock(struct pdm_dev *dev);
void pdm_unlock(struct pdm_dev *dev);
bool pdm_holds(struct pdm_dev *dev);
/** pdm_enter() - for the interrupt path: locks unless this thread holds the lock already; tell pdm_exit() what it said.
 */
bool pdm_enter(struct pdm_dev *dev);
void pdm_exit(struct pdm_dev *dev, bool entered);
/** pdm_leave() - gives up the caller's own lock for a call into another device; pdm_return() takes it again. */
bool pdm_leave(struct pdm_dev *dev);
void pdm_return(struct pdm_dev *dev, bool left);
/** pdm_nested() - this thread holds some device's lock: DMA that reaches a device from here is refused. */
bool pdm_nested(void);

/* ---- parts ---- */
bool pdm_cfg_check(const struct pdm_devreg *reg, struct cfgm_node *config, GError **error);
void pdm_io_undo(struct pdm_dev *dev);
void pdm_files_init(struct pdm *pdm);
void pdm_files_fini(struct pdm *pdm);
void pdm_files_undo(struct pdm_dev *dev); /* waits for what is on its way */
void pdm_drive_all(struct pdm *pdm);
void pdm_irq_push(struct pdm *pdm);  /* irq.c: after quiet */
void pdm_pirq_push(struct pdm *pdm); /* pci.c */
void pdm_irq_forget(struct pdm *pdm);
void pdm_pci_undo(struct pdm_dev *dev);
void pdm_pci_reset(struct pdm_dev *dev);
void pdm_pci_save(struct pdm_dev *dev, struct ssm_writer *w);
void pdm_pci_load(struct pdm_dev *dev, struct ssm_reader *r);
void pdm_pci_remap(struct pdm_dev *dev); /* pci_bar.c: makes the maps follow cfg */
void pdm_pci_unmap_all(struct pdm_dev *dev);
bool pdm_pci_bars_init(struct pdm_dev *dev, GError **error);
void pdm_luns_bind(struct pdm_dev *dev);

/* medium.c */
#define PDM_MEDIUM_UNIT "medium" /* no device's name */
bool pdm_save_media(struct pdm *pdm, struct ssm_out *out, GError **error);
/** pdm_check_medium() - the unit's disk is the one that is attached now. */
bool pdm_check_medium(const struct pdm *pdm, const struct ssm_unit *unit, GError **error);
void pdm_ports_map(struct pdm_ports *p, uint16_t base);
iom_range pdm_io_make(struct pdm_dev *dev, const struct pdm_io *io, uint16_t count, GError **error);

#endif

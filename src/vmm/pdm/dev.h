/*
 * dev.h - all a device sees of the VM.
 *
 * A device is a pdm_devreg: a zeroed state structure, a configuration schema, callbacks. It is constructed once per
 * instance, claims its resources in construct() (undone by PDM when construct fails or the machine goes), and from
 * then on acts only in callbacks. Tests run devices on a fake machine behind this same header (vmm/pdm/rig.h).
 *
 * Locks: every callback of a device runs with that device's lock held, by PDM; the bus has released its own before.
 * A callback may call everything in this header. PDM never calls one device while holding another's lock, except
 * along the interrupt path device -> interrupt controller -> APIC, which never turns back.
 * Threads: callbacks come from vCPU threads, the timer thread, driver threads. None may block.
 * DMA (pdm_mem_*) from within a callback never enters a device: MMIO reads all ones there, writes vanish, the guest is
 * told. Reset in two steps: reset() touches local state only; then drive() sets pins and timers. Load does the same.
 * Time: the machine's virtual-synchronous clock in nanoseconds; it stands still while the machine is paused.
 */
#ifndef VMM_PDM_DEV_H
#define VMM_PDM_DEV_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/pdm/ifs.h"
#include "vmm/ssm/field.h"

struct pdm_dev;

/* ---- what a device is ---- */

enum pdm_cfg_type { PDM_CFG_U64, PDM_CFG_BOOL, PDM_CFG_STR, PDM_CFG_BYTES };
/** One key of a device's configuration; a key not listed, of the wrong type or out of range refuses the machine. */
struct pdm_cfg_key {
    const char *name;
    enum pdm_cfg_type type;
    uint64_t min, max;   /* PDM_CFG_U64 */
    uint64_t def;        /* U64, BOOL */
    const char *def_str; /* STR; NULL = empty string */
    bool required;
};
#define PDM_CFG_END                                                                                                    \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

struct pdm_devreg {
    const char *name; /* CFGM device name as VirtualBox spells it, e.g. "mc146818" */
    const char *desc;
    const char *info_name; /* what people ask for: "pit"; NULL = only by name */
    unsigned max_instances;
    size_t state_size;
    const struct pdm_cfg_key *config; /* NULL = no keys */
    const struct ssm_desc *state;     /* NULL = nothing to save */
    bool (*construct)(struct pdm_dev *dev, GError **error);
    void (*destruct)(struct pdm_dev *dev); /* frees what construct allocated itself; also after a failed construct */
    void (*reset)(struct pdm_dev *dev);    /* also called once after all devices are constructed, before power-on */
    void (*drive)(struct pdm_dev *dev);
    void (*suspend)(struct pdm_dev *dev); /* no more requests to drivers until resume; see pdm_dev_busy */
    void (*resume)(struct pdm_dev *dev);
    void (*power_off)(struct pdm_dev *dev);
    bool (*busy)(struct pdm_dev *dev); /* requests still in flight: state must not be saved yet */
    void (*media_changed)(struct pdm_dev *dev, unsigned lun);
    bool (*media_locked)(struct pdm_dev *dev, unsigned lun);           /* the guest does not want it to be changed */
    void (*info)(struct pdm_dev *dev, GString *out, const char *args); /* NULL = dump of the field table */
    const struct pdm_char_port *char_port;
    const struct pdm_display_port *display_port;
    const struct pdm_keyboard_port *keyboard_port;
    const struct pdm_mouse_port *mouse_port;
    void (*power_button)(struct pdm_dev *dev, bool sleep); /* ACPI controller only */
};

void *pdm_state(struct pdm_dev *dev);
unsigned pdm_instance(const struct pdm_dev *dev);

/* ---- configuration, by schema ---- */

uint64_t pdm_cfg_u64(struct pdm_dev *dev, const char *key);
bool pdm_cfg_bool(struct pdm_dev *dev, const char *key);
const char *pdm_cfg_str(struct pdm_dev *dev, const char *key); /* never NULL */
const uint8_t *pdm_cfg_bytes(struct pdm_dev *dev, const char *key, size_t *ret_bytes);

/* ---- port and memory-mapped I/O ---- */

/**
 * A range of ports. Offsets handed to callbacks are port - base + off_base. Accesses wider than max_size are split
 * into max_size ones, ascending; narrower than min_size read all ones and write nothing. read/write may be NULL
 * (reads all ones / ignored).
 */
struct pdm_io {
    const char *name;
    uint16_t base, count;
    uint16_t off_base;
    uint8_t min_size, max_size; /* 1, 2, 4 */
    uint32_t (*read)(struct pdm_dev *dev, uint16_t off, unsigned size);
    void (*write)(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size);
    /* REP INS/OUTS fast path, optional: moves up to @count elements, returns those moved (0 = use read/write). */
    size_t (*read_block)(struct pdm_dev *dev, uint16_t off, void *buf, unsigned size, size_t count);
    size_t (*write_block)(struct pdm_dev *dev, uint16_t off, const void *buf, unsigned size, size_t count);
};
/** Claims and maps the range; overlapping ranges: the later one wins until unmapped. */
bool pdm_io_add(struct pdm_dev *dev, const struct pdm_io *io, GError **error);
/** A range that a register other than a BAR moves: claimed unmapped (io->base is not used), then mapped, moved,
 * unmapped. */
typedef struct {
    unsigned id;
} pdm_io_range;
bool pdm_io_claim(struct pdm_dev *dev, const struct pdm_io *io, pdm_io_range *ret, GError **error);
void pdm_io_map(struct pdm_dev *dev, pdm_io_range range, uint16_t base);
void pdm_io_unmap(struct pdm_dev *dev, pdm_io_range range);

/** A memory-mapped range; same rules, sizes 1-8. Address 0 with @base_unmapped set: mapped later by a BAR or
 * pdm_mmio_map(). */
struct pdm_mmio {
    const char *name;
    uint64_t base_gpa, size_bytes;
    bool base_unmapped;
    uint8_t min_size, max_size; /* 1, 2, 4, 8 */
    uint64_t (*read)(struct pdm_dev *dev, uint64_t off, unsigned size);
    void (*write)(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size);
};
typedef struct {
    unsigned id;
} pdm_region;
bool pdm_mmio_add(struct pdm_dev *dev, const struct pdm_mmio *mmio, pdm_region *ret, GError **error);
void pdm_mmio_map(struct pdm_dev *dev, pdm_region region, uint64_t gpa);
void pdm_mmio_unmap(struct pdm_dev *dev, pdm_region region);

/**
 * Device memory the guest reads and writes like RAM (VRAM). @ret_hva: host mapping, zeroed, for the device's life.
 * Mapped by pdm_mmio_map() or a BAR.
 */
bool pdm_ram_add(struct pdm_dev *dev, const char *name, uint64_t size_bytes, pdm_region *ret, void **ret_hva,
                 GError **error);
/**
 * pdm_ram_dirty() - which of the first @pages 4 KiB pages the guest wrote since the last call: bits, 64 to a word.
 * What the device itself stores through @ret_hva does not count. Releases the device's lock meanwhile: its registers
 * may have changed on return. Return: how many pages.
 */
unsigned pdm_ram_dirty(struct pdm_dev *dev, pdm_region region, uint64_t *ret_bits, unsigned pages);

/** Read-only memory at a fixed address with the bytes given (copied). Writes are ignored (counted). */
bool pdm_rom_add(struct pdm_dev *dev, const char *name, uint64_t gpa, const void *bytes, size_t size, GError **error);

/** What reads and writes of [gpa, gpa+size) below 1 MiB reach: chipset shadowing (PAM) and SMRAM. 4 KiB granularity. */
enum pdm_shadow { PDM_SHADOW_ROM = 0, PDM_SHADOW_READ_RAM = 1, PDM_SHADOW_WRITE_RAM = 2 };
void pdm_shadow_set(struct pdm_dev *dev, uint64_t gpa, uint64_t size_bytes, unsigned shadow);
void pdm_a20_set(struct pdm_dev *dev, bool enabled);
bool pdm_a20(struct pdm_dev *dev);
/** pdm_keyboard_leds() - which lamps of the keyboard are lit (enum pdm_led); nothing happens if they were before. */
void pdm_keyboard_leds(struct pdm_dev *dev, unsigned leds);

/* ---- guest memory (DMA): goes to RAM, ROM or MMIO as the address says; never faults, unmapped reads all ones ---- */

void pdm_mem_read(struct pdm_dev *dev, uint64_t gpa, void *buf, size_t bytes);
void pdm_mem_write(struct pdm_dev *dev, uint64_t gpa, const void *buf, size_t bytes);
/**
 * pdm_mem_direct() - where guest RAM from @gpa on lies in the host's memory, for a driver to move data there or from
 * there (@write: to there; then pdm_mem_stored() follows, whether it came or not). Within the callback only: nothing
 * may be on its way to it when the guest goes on. How many of @bytes are in one piece; 0 = none, they are copied.
 */
size_t pdm_mem_direct(struct pdm_dev *dev, uint64_t gpa, size_t bytes, bool write, void **ret_hva);
void pdm_mem_stored(struct pdm_dev *dev, uint64_t gpa, size_t bytes);
/** RAM below 4 GiB (the low part) and above it, in bytes. */
void pdm_ram_sizes(struct pdm_dev *dev, uint64_t *ret_low_bytes, uint64_t *ret_high_bytes);

/* ---- interrupts ---- */

typedef struct {
    unsigned id;
} pdm_irq;
/** Claims one source on ISA interrupt line 0-15 but 2, the cascade. Line 0 is pin 2 of the IOAPIC, n is n. Lines are
 * wired-or over sources; the PIC and IOAPIC see the line. */
bool pdm_irq_claim(struct pdm_dev *dev, unsigned isa_irq, pdm_irq *ret, GError **error);
void pdm_irq_set(struct pdm_dev *dev, pdm_irq irq, bool level);
/** The coprocessor's error pins, of the bridge alone: told when FERR# of any processor changes; drives IGNNE#. */
void pdm_ferr_register(struct pdm_dev *dev, void (*ferr)(struct pdm_dev *dev, bool asserted));
void pdm_ignne_set(struct pdm_dev *dev, bool asserted);
/** pdm_irq_alone() - while set, the other sources of the line are wired off it (HPET legacy replacement). */
void pdm_irq_alone(struct pdm_dev *dev, pdm_irq irq, bool alone);

/* ---- 8237 DMA ---- */

/**
 * The controller moves bytes when the channel's DREQ is up, on its own task with the device lock held:
 * transfer() gets the channel's mode byte, position and size; it uses pdm_dma_read/write for the data and returns the
 * new position (position == size means terminal count).
 */
struct pdm_dma {
    unsigned channel; /* 0-3, 5-7 */
    uint32_t (*transfer)(struct pdm_dev *dev, unsigned channel, uint8_t mode, uint32_t pos, uint32_t size);
};
bool pdm_dma_claim(struct pdm_dev *dev, const struct pdm_dma *dma, GError **error);
void pdm_dma_dreq(struct pdm_dev *dev, unsigned channel, bool level);
void pdm_dma_read(struct pdm_dev *dev, unsigned channel, uint32_t pos, void *buf,
                  uint32_t bytes); /* memory -> device */
void pdm_dma_write(struct pdm_dev *dev, unsigned channel, uint32_t pos, const void *buf,
                   uint32_t bytes); /* device -> memory */

/* Only for the controller itself. Both are called with its lock held. */
struct pdm_dmac_ops {
    void (*dreq)(struct pdm_dev *dev, unsigned channel, bool level);
    /* Moves @bytes between @buf and the channel's memory at @pos; @to_memory: device -> memory. */
    void (*move)(struct pdm_dev *dev, unsigned channel, uint32_t pos, void *buf, uint32_t bytes, bool to_memory);
};
void pdm_dmac_register(struct pdm_dev *dev, const struct pdm_dmac_ops *ops);
/**
 * Calls transfer() of the device on @channel; returns its new position, @pos when nobody is there. The controller's
 * lock is released meanwhile: its registers may have changed on return.
 */
uint32_t pdm_dmac_transfer(struct pdm_dev *dev, unsigned channel, uint8_t mode, uint32_t pos, uint32_t size);

/* ---- timers ---- */

typedef struct {
    unsigned id;
} pdm_timer;
#define PDM_NEVER UINT64_MAX
uint64_t pdm_now_ns(struct pdm_dev *dev);
/** Wall clock, ns since 1970-01-01 UTC, with the machine's offset applied: for RTC set-up only. */
int64_t pdm_utc_ns(struct pdm_dev *dev);
bool pdm_timer_new(struct pdm_dev *dev, const char *name, void (*expired)(struct pdm_dev *dev), pdm_timer *ret,
                   GError **error);
/** Arms for @when_ns (past = as soon as possible); PDM_NEVER stops. One shot. */
void pdm_timer_at(struct pdm_dev *dev, pdm_timer timer, uint64_t when_ns);
/** Runs expired() soon on the timer thread under the device lock; several calls before it runs are one. */
bool pdm_task_new(struct pdm_dev *dev, const char *name, void (*run)(struct pdm_dev *dev), pdm_timer *ret,
                  GError **error);
void pdm_task_post(struct pdm_dev *dev, pdm_timer task);

/* ---- drivers below ---- */

/** NULL when nothing is attached (an empty drive, a disconnected port). */
struct pdm_block *pdm_lun_block(struct pdm_dev *dev, unsigned lun);
struct pdm_char *pdm_lun_char(struct pdm_dev *dev, unsigned lun);

/* ---- PCI functions ---- */

enum pdm_bar_kind { PDM_BAR_NONE, PDM_BAR_IO, PDM_BAR_MMIO, PDM_BAR_RAM };
struct pdm_pci_bar {
    enum pdm_bar_kind kind;
    uint32_t size_bytes; /* power of two */
    bool prefetchable;
    const struct pdm_io *io; /* PDM_BAR_IO: base and count are taken from the BAR; must outlive the device */
    pdm_region region;       /* MMIO, RAM: made by pdm_mmio_add(base_unmapped) or pdm_ram_add */
};
struct pdm_pci {
    uint16_t vendor, device, subsys_vendor, subsys;
    uint8_t revision, prog_if, sub_class, base_class;
    uint8_t header_type; /* 80h = multifunction */
    uint8_t int_pin;     /* 0 none, 1 INTA# ... */
    uint8_t bus_default_slot, bus_default_func;
    struct pdm_pci_bar bars[6];
    const uint8_t *rom;
    uint32_t rom_bytes; /* expansion ROM */
    /* Optional hooks for device-specific registers: called for offsets the standard header does not own. */
    void (*cfg_written)(struct pdm_dev *dev, uint8_t off, unsigned size);
};
/** Joins the bus at CFGM keys PCIDeviceNo/PCIFunctionNo (defaults above). Configuration space is saved by PDM. */
bool pdm_pci_register(struct pdm_dev *dev, const struct pdm_pci *pci, GError **error);
/**
 * The function's 256 bytes. Reset clears the writable bits of the standard header (0-3fh); what lies behind it the
 * device's own reset() sets. Bytes behind the header come from the saved state as they are: mask them on use.
 */
uint8_t *pdm_pci_config(struct pdm_dev *dev);
/** Marks bytes guest-writable outside the standard header (@mask bit = writable). */
void pdm_pci_writable(struct pdm_dev *dev, uint8_t off, const uint8_t *mask, size_t bytes);
void pdm_pci_irq_set(struct pdm_dev *dev, bool level);
bool pdm_pci_bus_master(struct pdm_dev *dev);
/**
 * pdm_msi_send() - a message-signalled interrupt: what a write of @data to @addr means to the local APICs. Another
 * address than theirs reaches nothing. devices/pci/pci_cap.h has the capabilities that say where to write.
 */
void pdm_msi_send(struct pdm_dev *dev, uint64_t addr, uint32_t data);

/* Only for host bridges and interrupt routers. */
uint32_t pdm_pci_bus_read(struct pdm_dev *bridge, uint8_t bus, uint8_t devfn, uint8_t off, unsigned size);
void pdm_pci_bus_write(struct pdm_dev *bridge, uint8_t bus, uint8_t devfn, uint8_t off, uint32_t val, unsigned size);
/** The router must not drive an INTx# pin of its own. @route(dev, pirq 0-3, level): slot s, pin p reach PIRQ (s + p -
 * 2) & 3 (PIIX wiring, pin 1 = INTA#, slot 1 pin 1 = PIRQA). */
void pdm_pci_router(struct pdm_dev *dev, void (*route)(struct pdm_dev *dev, unsigned pirq, bool level));

/* ---- interrupt controllers and CPUs (only intc devices use these) ---- */

struct pdm_pic_ops {
    void (*set_irq)(struct pdm_dev *dev, unsigned irq, bool level);
    int (*acknowledge)(struct pdm_dev *dev); /* vector, or -1 = no interrupt (spurious handled inside) */
};
struct pdm_ioapic_ops {
    void (*set_irq)(struct pdm_dev *dev, unsigned pin, bool level);
    void (*eoi)(struct pdm_dev *dev, uint8_t vector);
};
enum pdm_delivery {
    PDM_DELIVER_FIXED,
    PDM_DELIVER_LOWEST,
    PDM_DELIVER_SMI,
    PDM_DELIVER_NMI = 4,
    PDM_DELIVER_INIT,
    PDM_DELIVER_SIPI,
    PDM_DELIVER_EXTINT
};
/** The local APICs: one device for all vCPUs. Calls without the device lock; implementations use atomics (see lapic.c).
 */
struct pdm_apic_ops {
    void (*deliver)(struct pdm_dev *dev, uint8_t dest, bool logical, enum pdm_delivery mode, uint8_t vector,
                    bool level);
    int (*pending)(struct pdm_dev *dev, unsigned cpu);      /* vector that acknowledge() would give now, or -1 */
    int (*acknowledge)(struct pdm_dev *dev, unsigned cpu);  /* IRR -> ISR; -1 = spurious */
    bool (*accepts_pic)(struct pdm_dev *dev, unsigned cpu); /* LINT0 = ExtINT unmasked, or APIC disabled */
    uint8_t (*tpr_get)(struct pdm_dev *dev, unsigned cpu);
    void (*tpr_set)(struct pdm_dev *dev, unsigned cpu, uint8_t tpr);
    bool (*msr_read)(struct pdm_dev *dev, unsigned cpu, uint32_t msr,
                     uint64_t *ret); /* 1bh, 6e0h, 800h-8ffh; false = #GP */
    bool (*msr_write)(struct pdm_dev *dev, unsigned cpu, uint32_t msr, uint64_t val);
    void (*cpu_reset)(struct pdm_dev *dev, unsigned cpu, bool init_only);
};
void pdm_pic_register(struct pdm_dev *dev, const struct pdm_pic_ops *ops);
void pdm_ioapic_register(struct pdm_dev *dev, const struct pdm_ioapic_ops *ops);
void pdm_apic_register(struct pdm_dev *dev, const struct pdm_apic_ops *ops);
void pdm_pic_intr(struct pdm_dev *dev, bool level); /* PIC INTR output */
void pdm_apic_deliver(struct pdm_dev *dev, uint8_t dest, bool logical, enum pdm_delivery mode, uint8_t vector,
                      bool level);
void pdm_apic_eoi_broadcast(struct pdm_dev *dev, uint8_t vector); /* to the IOAPIC; call without holding LAPIC state */
enum pdm_cpu_event { PDM_CPU_INTR, PDM_CPU_NMI, PDM_CPU_INIT, PDM_CPU_SIPI, PDM_CPU_SMI };
/** Sets the vCPU's force flag and wakes it; for SIPI @arg is the vector. INTR only says "look again". */
void pdm_cpu_post(struct pdm_dev *dev, unsigned cpu, enum pdm_cpu_event event, unsigned arg);
unsigned pdm_cpu_count(struct pdm_dev *dev);
int pdm_cpu_current(struct pdm_dev *dev); /* vCPU whose thread this is, or -1; MMIO of local APICs needs it */
uint64_t pdm_cpu_tsc(struct pdm_dev *dev, unsigned cpu);
uint64_t pdm_tsc_hz(struct pdm_dev *dev);

/* ---- the machine ---- */

/**
 * A small file that belongs to the machine and holds what [@bytes, + @size) of the device holds, memory that lives as
 * long as the device. After pdm_file_changed() it is replaced, durably - old content or new - on a thread of PDM's, at
 * once, and again if more changed meanwhile; failures are logged. pdm_file_flush() waits for that: only in suspend,
 * power_off and reset. It releases the device's lock meanwhile.
 */
typedef struct {
    unsigned id;
} pdm_file;
void pdm_file_new(struct pdm_dev *dev, const char *path, const void *bytes, size_t size, pdm_file *ret);
void pdm_file_changed(struct pdm_dev *dev, pdm_file file);
void pdm_file_flush(struct pdm_dev *dev, pdm_file file);
enum pdm_power { PDM_POWER_OFF, PDM_POWER_RESET, PDM_POWER_SLEEP };
/** Asks for it; happens after the current instruction, on no lock of the caller's. @why goes to the log. */
void pdm_power_request(struct pdm_dev *dev, enum pdm_power what, const char *why);

/* ---- words ---- */

/** The guest did something the data sheet forbids: rate-limited log line, counted. */
void pdm_guest_error(struct pdm_dev *dev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void pdm_log(struct pdm_dev *dev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/** A u64 the device counts up; shown as /Devices/<name><instance>/<stat>. @unit: "bytes", "times", "count". */
void pdm_stat(struct pdm_dev *dev, const uint64_t *counter, const char *stat, const char *unit);
#define PDM_ERROR (g_quark_from_static_string("pdm"))

#endif

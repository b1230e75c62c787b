/*
 * pdm.h - devices and drivers, seen from the machine: life cycle, interrupts of the CPUs, drivers, input, saved state.
 *
 * Devices see dev.h, drivers ifs.h. PDM stands on a table of host functions (struct pdm_host): the virtual machine
 * fills it from pgm and tm (host_vm.h), the test rig with fakes (rig.h). All that lies between - size rules, locks,
 * PCI, interrupt wiring, schema checks, saved state - is one and the same code.
 *
 * Life: new, attach drivers, construct, [load], { suspend, resume, reset } ..., power_off, free.
 * Threads: interrupt and port entry points from any thread; life-cycle calls from one thread at a time, and reset,
 * suspend, save and load only while no vCPU executes.
 */
#ifndef VMM_PDM_PDM_H
#define VMM_PDM_PDM_H

#include "vmm/cfgm/cfgm.h"
#include "vmm/iom/iom.h"
#include "vmm/pdm/dev.h"
#include "vmm/pgm/pgm.h"
#include "vmm/ssm/file.h"
#include "vmm/ssm/ssm.h"

struct pdm;

/** What PDM stands on. Everything is required and callable from any thread; nothing calls back before it returns. */
struct pdm_host {
    void *user;
    const struct pdm_devreg *(*device_find)(void *user, const char *name);

    /* guest-physical memory; the meaning is pgm.h's */
    bool (*mmio_add)(void *user, const char *name, uint64_t size_bytes, void *mmio_user, pgm_range *ret,
                     GError **error);
    bool (*ram_add)(void *user, const char *name, uint64_t size_bytes, void **ret_hva, pgm_range *ret, GError **error);
    bool (*rom_add)(void *user, const char *name, uint64_t gpa, const void *bytes, size_t size, GError **error);
    void (*range_map)(void *user, pgm_range range, uint64_t gpa);
    void (*range_unmap)(void *user, pgm_range range);
    unsigned (*dirty_collect)(void *user, pgm_range range, uint64_t *ret_bits, unsigned pages);
    void (*shadow_set)(void *user, uint64_t gpa, uint64_t size_bytes, unsigned shadow);
    void (*a20_set)(void *user, bool enabled);
    bool (*a20)(void *user);
    void (*mem_read)(void *user, uint64_t gpa, void *buf, size_t bytes);
    void (*mem_write)(void *user, uint64_t gpa, const void *buf, size_t bytes);
    size_t (*mem_direct)(void *user, uint64_t gpa, size_t bytes, bool write, void **ret_hva);
    void (*mem_stored)(void *user, uint64_t gpa, size_t bytes);
    void (*ram_sizes)(void *user, uint64_t *ret_low_bytes, uint64_t *ret_high_bytes);

    /* time; @expired is called on the host's timer thread without any lock */
    uint64_t (*now_ns)(void *user);
    int64_t (*utc_ns)(void *user);
    void *(*timer_new)(void *user, const char *name, void (*expired)(void *arg), void *arg);
    void (*timer_free)(void *user, void *timer); /* returns when expired() does not run any more */
    void (*timer_at)(void *user, void *timer, uint64_t when_ns);
    uint64_t (*tsc)(void *user, unsigned cpu);
    uint64_t (*tsc_hz)(void *user);

    /* processors */
    unsigned (*cpu_count)(void *user);
    int (*cpu_current)(void *user);
    void (*cpu_post)(void *user, unsigned cpu, enum pdm_cpu_event event, unsigned arg);

    void (*power_request)(void *user, enum pdm_power what, const char *why);
    void (*log)(void *user, const char *line);
};

struct pdm *pdm_new(const struct pdm_host *host);
/** pdm_free() - destructs what was constructed. NULL is fine. */
void pdm_free(struct pdm *pdm);
struct iom *pdm_iom(struct pdm *pdm);

/**
 * pdm_construct() - makes every device of @root's Devices/<name>/<instance>/ and resets it.
 *
 * Instance nodes: Trusted, Priority (lower first, default 100), PCIBusNo, PCIDeviceNo, PCIFunctionNo, Config/ (the
 * device's schema), LUN#<n>/ (the drivers' business). Unknown keys refuse. On failure nothing is left.
 */
bool pdm_construct(struct pdm *pdm, struct cfgm_node *root, GError **error);

void pdm_reset(struct pdm *pdm);
void pdm_suspend(struct pdm *pdm);
/** pdm_busy() - a device still waits for its driver; state must not be saved yet. */
bool pdm_busy(struct pdm *pdm);
void pdm_resume(struct pdm *pdm);
void pdm_power_off(struct pdm *pdm);

/** pdm_abandon() - gives back the device locks of a thread that a host fault threw out of its callbacks. What the
 * devices were doing is lost: only for a machine that never runs again. */
void pdm_abandon(void);

struct pdm_dev *pdm_find(struct pdm *pdm, const char *name, unsigned instance);
/** pdm_each() - every device in construction order. */
void pdm_each(struct pdm *pdm, void (*each)(void *user, struct pdm_dev *dev), void *user);
const char *pdm_name(const struct pdm_dev *dev);
bool pdm_has_state(const struct pdm_dev *dev);

/* ---- saved state: one unit per device ---- */

uint32_t pdm_state_version(const struct pdm_dev *dev);
void pdm_save(struct pdm_dev *dev, struct ssm_writer *w);
/** pdm_load() - reads one device's unit; after the last one pdm_load_done() drives the outputs. */
bool pdm_load(struct pdm_dev *dev, uint32_t version, const void *bytes, size_t size, GError **error);
void pdm_load_done(struct pdm *pdm);

/** pdm_save_all() - every device's unit into a saved-state file. */
bool pdm_save_all(struct pdm *pdm, struct ssm_out *out, GError **error);
/** pdm_load_begin() .. pdm_load_unit() for each unit that is nobody else's .. pdm_load_end(), which misses none and
 * drives. */
void pdm_load_begin(struct pdm *pdm);
bool pdm_load_unit(struct pdm *pdm, const struct ssm_unit *unit, GError **error);
bool pdm_load_end(struct pdm *pdm, GError **error);

/* ---- processors ---- */

#define PDM_VECTOR_PIC 256 /* the PIC has one; acknowledge tells which */
/** pdm_interrupt_pending() - vector vCPU @cpu would take now, PDM_VECTOR_PIC, or -1. */
int pdm_interrupt_pending(struct pdm *pdm, unsigned cpu);
/** pdm_interrupt_acknowledge() - takes it; -1 = there is none after all. */
int pdm_interrupt_acknowledge(struct pdm *pdm, unsigned cpu);
/** pdm_ferr() - a vCPU's FERR# changes (one at a time uses it, SDM vol. 1 8.7.2); pdm_ignne() - IGNNE# is asserted. */
void pdm_ferr(struct pdm *pdm, bool asserted);
bool pdm_ignne(const struct pdm *pdm);
uint8_t pdm_tpr_get(struct pdm *pdm, unsigned cpu); /* the APIC's 8-bit TPR; 0 without an APIC */
void pdm_tpr_set(struct pdm *pdm, unsigned cpu, uint8_t tpr);
bool pdm_apic_msr_read(struct pdm *pdm, unsigned cpu, uint32_t msr, uint64_t *ret);
bool pdm_apic_msr_write(struct pdm *pdm, unsigned cpu, uint32_t msr, uint64_t val);
/** pdm_cpu_reset() - the local APIC of a vCPU that resets; @init_only: INIT, which keeps its id. */
void pdm_cpu_reset(struct pdm *pdm, unsigned cpu, bool init_only);

/* ---- drivers ---- */

/** Attaches (NULL: detaches) what is below LUN @lun; before construct or at run time. What drivers call is in ifs.h. */
bool pdm_attach_block(struct pdm *pdm, const char *device, unsigned instance, unsigned lun, struct pdm_block *b,
                      GError **error);
/** pdm_media_locked() - the guest has locked the drive. */
bool pdm_media_locked(struct pdm *pdm, const char *device, unsigned instance, unsigned lun);
bool pdm_attach_char(struct pdm *pdm, const char *device, unsigned instance, unsigned lun, struct pdm_char *c,
                     GError **error);

/* ---- people: every call finds the first device with the port and takes its lock; false = none, or not taken ---- */

bool pdm_keyboard_put(struct pdm *pdm, const uint8_t *codes, size_t count);
/** pdm_keyboard_watch() - before pdm_construct(): @fn hears of every change of the lamps (enum pdm_led; dark at the
 * beginning), on any thread, with the keyboard's lock held: it must not wait and not call back. */
void pdm_keyboard_watch(struct pdm *pdm, void (*fn)(void *user, unsigned leds), void *user);
bool pdm_mouse_move(struct pdm *pdm, int dx, int dy, int dz, unsigned buttons);
bool pdm_display_render(struct pdm *pdm, struct pdm_frame *f);
/** pdm_display_update() - one frame after the other into the same @f, which starts zeroed; one caller only. */
bool pdm_display_update(struct pdm *pdm, struct pdm_frame *f, struct pdm_band *ret_band);
char *pdm_display_text(struct pdm *pdm);
bool pdm_press_power_button(struct pdm *pdm, bool sleep);

/* ---- words ---- */

/** pdm_info() - a device's info text; false when @device ("name" or "name<instance>") is not there. */
bool pdm_info(struct pdm *pdm, const char *device, const char *args, GString *out);
void pdm_info_pci(struct pdm *pdm, GString *out);
void pdm_info_irq(struct pdm *pdm, GString *out);
struct stam;
struct info;
/**
 * pdm_register() - after pdm_construct(): counters, info handlers of the busses and of every device, under its tag
 * ("i82540") and, for instance 0, its plain names ("i8254", "pit"); iom's too. The registries go before @pdm does.
 */
void pdm_register(struct pdm *pdm, struct stam *stam, struct info *info);

#endif

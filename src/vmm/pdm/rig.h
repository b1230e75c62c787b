/*
 * rig.h - a fake machine for device tests: everything behind dev.h, with time that only steps.
 *
 * Devices, busses, size rules and locks are the real ones (pdm.h); the rig fakes what they stand on: guest memory
 * (sparse), the clock, processors, media. A device whose partner is not on the rig finds a recorder in its place: a PIC
 * and an IOAPIC that note levels, APICs that note messages, a DMA controller that moves a buffer of the test's.
 *
 *     struct rig *r = rig_new(&isa_rtc_device, "Irq=8");
 *     rig_out(r, 0x70, 0x0b, 1);
 *     rig_out(r, 0x71, 0x42, 1);
 *     rig_step_ns(r, 1000000000);
 *     g_assert_true(rig_irq(r, 8));
 *     rig_free(r);
 *
 * Threads: one. Nothing happens by itself: timers and tasks run in rig_step_ns(), media complete in submit order there
 * or in rig_media_complete().
 */
#ifndef VMM_PDM_RIG_H
#define VMM_PDM_RIG_H

#include "vmm/pdm/dev.h"
#include "vmm/pdm/pdm.h"

struct rig;

/* ---- making ---- */

/** rig_new() - one device, reset and running. @config: "Key=Value;Key=Value", types by the device's schema, bytes in
 * hex
 * ("MAC=080027aabbcc"); PCIDeviceNo and PCIFunctionNo are understood too. NULL = defaults. Failure ends the test. */
struct rig *rig_new(const struct pdm_devreg *reg, const char *config);
/** rig_try() - the same for tests of refusals: NULL with @error. */
struct rig *rig_try(const struct pdm_devreg *reg, const char *config, GError **error);
void rig_free(struct rig *r);

/* Several devices, or media present from the start: rig_empty(), rig_add() ..., rig_disk() ..., then rig_start(). */
struct rig *rig_empty(void);
/** The n'th rig_add() of the same device is its instance n. */
void rig_add(struct rig *r, const struct pdm_devreg *reg, const char *config);
void rig_set_cpus(struct rig *r, unsigned cpus);                          /* before start; default 1 */
void rig_set_ram(struct rig *r, uint64_t low_bytes, uint64_t high_bytes); /* before start; default 64 MiB, 0 */
bool rig_start(struct rig *r, GError **error);

struct pdm *rig_pdm(struct rig *r);
/** rig_dev() - the first device added, or by name. */
struct pdm_dev *rig_dev(struct rig *r);
struct pdm_dev *rig_dev_named(struct rig *r, const char *name, unsigned instance);
/** rig_state() - the first device's state structure. */
void *rig_state(struct rig *r);

/* ---- accesses as the guest makes them ---- */

uint32_t rig_in(struct rig *r, uint16_t port, unsigned size);
void rig_out(struct rig *r, uint16_t port, uint32_t val, unsigned size);
/** REP INS/OUTS: block callback first, then element by element. */
void rig_ins(struct rig *r, uint16_t port, void *buf, unsigned size, size_t count);
void rig_outs(struct rig *r, uint16_t port, const void *buf, unsigned size, size_t count);
/** One access of @size 1-8 to physical memory: MMIO as mapped, else RAM. */
uint64_t rig_mmio_read(struct rig *r, uint64_t gpa, unsigned size);
void rig_mmio_write(struct rig *r, uint64_t gpa, uint64_t val, unsigned size);
/** Plain RAM, for descriptors and buffers. */
void rig_mem_read(struct rig *r, uint64_t gpa, void *buf, size_t bytes);
void rig_mem_write(struct rig *r, uint64_t gpa, const void *buf, size_t bytes);
/** What drivers were reported to have stored directly. */
uint64_t rig_mem_stored(struct rig *r);

/** Accesses are made by this vCPU from now on (pdm_cpu_current); -1 = none. Starts as 0. */
void rig_set_cpu(struct rig *r, int cpu);

/* ---- PCI configuration space, as through a host bridge ---- */

uint32_t rig_cfg_read(struct rig *r, unsigned slot, unsigned func, uint8_t off, unsigned size);
void rig_cfg_write(struct rig *r, unsigned slot, unsigned func, uint8_t off, uint32_t val, unsigned size);
/** Slot and function of a device on the bus; false if it is not on it. */
bool rig_pci_where(struct rig *r, const char *name, unsigned instance, unsigned *ret_slot, unsigned *ret_func);
/** Level of PIRQ 0-3. */
bool rig_pirq(struct rig *r, unsigned pirq);

/* ---- time ---- */

uint64_t rig_now_ns(struct rig *r);
/** Advances, running each timer that falls due at its time, in order; 0 runs what is due now (tasks). */
void rig_step_ns(struct rig *r, uint64_t ns);
/** When the next timer is due; PDM_NEVER = none. */
uint64_t rig_next_timer_ns(struct rig *r);
/** Wall clock at time 0, ns since 1970 UTC; default 2020-01-01T00:00:00Z. Before start. */
void rig_set_utc_ns(struct rig *r, int64_t utc_ns);

/* ---- interrupts ---- */

bool rig_irq(struct rig *r, unsigned isa_irq);
/** Low-to-high changes of the line since the start or the last call. */
unsigned rig_irq_edges(struct rig *r, unsigned isa_irq);
/** Drives an ISA line from outside, as another device would. */
void rig_irq_drive(struct rig *r, unsigned isa_irq, bool level);

/* Messages to the APICs when no APIC device is on the rig, and events posted to vCPUs. */
struct rig_message {
    uint8_t dest, vector;
    bool logical, level;
    enum pdm_delivery mode;
};
unsigned rig_messages(struct rig *r, struct rig_message *ret, unsigned max); /* takes the oldest; returns how many */
struct rig_event {
    unsigned cpu;
    enum pdm_cpu_event event;
    unsigned arg;
};
unsigned rig_events(struct rig *r, struct rig_event *ret, unsigned max);
/** EOIs that reached the IOAPIC place when no IOAPIC is there. */
unsigned rig_eois(struct rig *r, uint8_t *ret, unsigned max);
/** As a vCPU's interrupt cycle would: vector or -1. */
int rig_acknowledge(struct rig *r, unsigned cpu);

/* ---- DMA: when no controller is on the rig, channels move this buffer ---- */

/** Sets what channel's memory is and its mode byte; the test keeps @buf alive. */
void rig_dma_buffer(struct rig *r, unsigned channel, void *buf, uint32_t bytes, uint8_t mode);
bool rig_dma_dreq(struct rig *r, unsigned channel);
/** Lets the controller serve the channel once if DREQ is up; returns the position reached. */
uint32_t rig_dma_run(struct rig *r, unsigned channel);

/* ---- media ---- */

struct rig_media;
/** rig_media_new() - in memory, zeroed; attach to a LUN before or after the start (media_changed). The rig frees it. */
struct rig_media *rig_media_new(struct rig *r, uint64_t bytes, uint32_t sector_bytes);
struct pdm_block *rig_media_block(struct rig_media *m); /* to set read_only, removable, serial, model */
uint8_t *rig_media_bytes(struct rig_media *m);
void rig_media_attach(struct rig *r, const char *device, unsigned instance, unsigned lun,
                      struct rig_media *m); /* NULL: eject */
/** The next @count requests of kind @op (-1: any) that touch [off, off+bytes) fail with @status. */
void rig_media_fail(struct rig_media *m, int op, uint64_t off, uint64_t bytes, unsigned count, int status);
/** Held: all requests wait for rig_media_complete(). Otherwise they complete in the next rig_step_ns(). */
void rig_media_hold(struct rig_media *m, bool hold);
/** Completes up to @count waiting requests; returns how many there were. */
unsigned rig_media_complete(struct rig_media *m, unsigned count);
unsigned rig_media_waiting(struct rig_media *m);
uint64_t rig_media_flushes(struct rig_media *m);
/** From now on @serve does what a request says and returns its status, instead of the bytes in memory. */
void rig_media_serve(struct rig_media *m, int (*serve)(void *ctx, const struct pdm_block_req *req), void *ctx);

/* ---- characters ---- */

struct rig_char;
struct rig_char *rig_char_new(struct rig *r);
void rig_char_attach(struct rig *r, const char *device, unsigned instance, unsigned lun, struct rig_char *c);
/** Bytes the guest sent since the last call; at most @max. */
size_t rig_char_sent(struct rig_char *c, uint8_t *ret, size_t max);
/** How many bytes the host side takes before it says it is full; default no limit. Raising it calls writable(). */
void rig_char_room(struct rig_char *c, size_t bytes);
/** Offers bytes to the guest; returns what the device took. */
size_t rig_char_push(struct rig_char *c, const void *buf, size_t bytes);
/** How often the device asked for more (accept). */
unsigned rig_char_accepts(struct rig_char *c);

/* ---- the rest of the machine ---- */

/** Power requests since the last call, oldest first. */
unsigned rig_power(struct rig *r, enum pdm_power *ret, unsigned max);
unsigned rig_guest_errors(struct rig *r);
/** The log so far, one line each. */
const char *rig_log(struct rig *r);
bool rig_a20(struct rig *r);
/** enum pdm_shadow of the 4 KiB page, as set last. */
unsigned rig_shadow(struct rig *r, uint64_t gpa);
/** Bytes of the ROM at @gpa, or NULL. */
const uint8_t *rig_rom(struct rig *r, uint64_t gpa, size_t *ret_bytes);
void rig_reset(struct rig *r);
/** Saves every device, makes them anew from the same configuration and media, loads. False: refused, with @error. */
bool rig_save_load(struct rig *r, GError **error);
/** One device's saved unit. */
GByteArray *rig_save(struct rig *r, struct pdm_dev *dev);
bool rig_load(struct rig *r, struct pdm_dev *dev, const void *bytes, size_t size, GError **error);

/** What a fuzzer may poke: every port range and memory range of the devices as mapped now. */
struct rig_span {
    bool port;
    uint64_t base, bytes;
};
unsigned rig_spans(struct rig *r, struct rig_span *ret, unsigned max);

#endif

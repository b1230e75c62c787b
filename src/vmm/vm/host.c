/*
 * host.c - what PDM stands on in a real machine: guest memory from PGM, time from TM, processors through EM.
 */
#include "rt/log.h"
#include "vmm/em/em.h"
#include "vmm/iom/iom.h"
#include "vmm/vm/vm_int.h"

static struct vm *vm_of(void *user)
{
    return user;
}

static const struct pdm_devreg *device_find(void *user, const char *name)
{
    struct vm *vm = user;

    return vm->host.device_find(vm->host.user, name);
}

/* ---- memory ---- */

static bool mmio_add(void *user, const char *name, uint64_t size_bytes, void *mmio_user, pgm_range *ret, GError **error)
{
    return pgm_mmio_add(vm_of(user)->pgm, name, size_bytes, &iom_mmio_ops, mmio_user, ret, error);
}

static bool ram_add(void *user, const char *name, uint64_t size_bytes, void **ret_hva, pgm_range *ret, GError **error)
{
    return pgm_devram_add(vm_of(user)->pgm, name, size_bytes, ret_hva, ret, error);
}

static bool rom_add(void *user, const char *name, uint64_t gpa, const void *bytes, size_t size, GError **error)
{
    return pgm_rom_add(vm_of(user)->pgm, name, gpa, bytes, size, error);
}

static void range_map(void *user, pgm_range range, uint64_t gpa)
{
    pgm_map(vm_of(user)->pgm, range, gpa);
}

static void range_unmap(void *user, pgm_range range)
{
    pgm_unmap(vm_of(user)->pgm, range);
}

static unsigned dirty_collect(void *user, pgm_range range, uint64_t *ret_bits, unsigned pages)
{
    return pgm_dirty_collect(vm_of(user)->pgm, range, ret_bits, pages);
}

static void shadow_set(void *user, uint64_t gpa, uint64_t size_bytes, unsigned shadow)
{
    pgm_shadow_set(vm_of(user)->pgm, gpa, size_bytes, shadow);
}

static void a20_set(void *user, bool enabled)
{
    pgm_a20_set(vm_of(user)->pgm, enabled);
}

static bool a20(void *user)
{
    return pgm_a20(vm_of(user)->pgm);
}

static void mem_read(void *user, uint64_t gpa, void *buf, size_t bytes)
{
    pgm_phys_read(vm_of(user)->pgm, gpa, buf, bytes);
}

static void mem_write(void *user, uint64_t gpa, const void *buf, size_t bytes)
{
    pgm_phys_write(vm_of(user)->pgm, gpa, buf, bytes);
}

static size_t mem_direct(void *user, uint64_t gpa, size_t bytes, bool write, void **ret_hva)
{
    return pgm_phys_direct(vm_of(user)->pgm, gpa, bytes, write, ret_hva);
}

static void mem_stored(void *user, uint64_t gpa, size_t bytes)
{
    pgm_phys_stored(vm_of(user)->pgm, gpa, bytes);
}

static void ram_sizes(void *user, uint64_t *ret_low_bytes, uint64_t *ret_high_bytes)
{
    *ret_low_bytes = pgm_ram_low_bytes(vm_of(user)->pgm);
    *ret_high_bytes = pgm_ram_high_bytes(vm_of(user)->pgm);
}

/* ---- time ---- */

static uint64_t now_ns(void *user)
{
    return tm_now_ns(vm_of(user)->tm, TM_VIRTUAL_SYNC);
}

static int64_t utc_ns(void *user)
{
    return tm_utc_ns(vm_of(user)->tm);
}

static void *timer_new(void *user, const char *name, void (*expired)(void *arg), void *arg)
{
    return tm_timer_new(vm_of(user)->tm, TM_VIRTUAL_SYNC, name, expired, arg);
}

static void timer_free(void *user, void *timer)
{
    (void)user;
    tm_timer_free(timer);
}

static void timer_at(void *user, void *timer, uint64_t when_ns)
{
    (void)user;
    tm_timer_at(timer, when_ns);
}

static uint64_t tsc(void *user, unsigned cpu)
{
    return tm_tsc(vm_of(user)->tm, cpu);
}

static uint64_t tsc_hz(void *user)
{
    return tm_tsc_hz(vm_of(user)->tm);
}

/* ---- processors ---- */

static unsigned cpu_count(void *user)
{
    return vm_of(user)->cpus;
}

static int cpu_current(void *user)
{
    const struct vcpu *c = vm_current();

    (void)user;
    return c != NULL ? (int)c->id : -1;
}

static void cpu_post(void *user, unsigned cpu, enum pdm_cpu_event event, unsigned arg)
{
    static const uint32_t flags[] = {[PDM_CPU_INTR] = FF_INTR,
                                     [PDM_CPU_NMI] = FF_NMI,
                                     [PDM_CPU_INIT] = FF_INIT,
                                     [PDM_CPU_SIPI] = FF_SIPI,
                                     [PDM_CPU_SMI] = FF_SMI};
    struct vm *vm = user;

    if (cpu >= vm->cpus)
        return;
    if (event == PDM_CPU_SIPI)
        vm->cpu[cpu]->ctx.sipi_vector = (uint8_t)arg; /* the vCPU waits for it: nobody else looks */
    em_post(vm->cpu[cpu], flags[event]);
}

/* ---- the machine ---- */

static void power_request(void *user, enum pdm_power what, const char *why)
{
    struct vm *vm = user;

    vm_close_gate(vm);
    /* there is no sleep state in the tables the firmware installs: a guest that asks for one is switched off */
    vm_ask(vm, what == PDM_POWER_RESET ? REQ_RESET : REQ_POWER_OFF, 0, true, why);
}

static void log_one(void *user, const char *line)
{
    (void)user;
    log_rel("%s", line);
}

struct pdm *vm_pdm_new(struct vm *vm)
{
    const struct pdm_host host = {
        .user = vm,
        .device_find = device_find,
        .mmio_add = mmio_add,
        .ram_add = ram_add,
        .rom_add = rom_add,
        .range_map = range_map,
        .range_unmap = range_unmap,
        .dirty_collect = dirty_collect,
        .shadow_set = shadow_set,
        .a20_set = a20_set,
        .a20 = a20,
        .mem_read = mem_read,
        .mem_direct = mem_direct,
        .mem_stored = mem_stored,
        .mem_write = mem_write,
        .ram_sizes = ram_sizes,
        .now_ns = now_ns,
        .utc_ns = utc_ns,
        .timer_new = timer_new,
        .timer_free = timer_free,
        .timer_at = timer_at,
        .tsc = tsc,
        .tsc_hz = tsc_hz,
        .cpu_count = cpu_count,
        .cpu_current = cpu_current,
        .cpu_post = cpu_post,
        .power_request = power_request,
        .log = log_one,
    };

    return pdm_new(&host);
}

/*
 * outside.c - what a vCPU sees beyond its registers: ports, interrupt controllers, clock; all of it is PDM's, IOM's,
 * TM's.
 */
#include "vmm/iom/iom.h"
#include "vmm/vm/vm_int.h"

/* Devices ask which vCPU's thread they are on (local APIC); the one thread-local of the machine. */
static _Thread_local struct vcpu *current;

void vm_set_current(struct vcpu *c)
{
    current = c;
}

struct vcpu *vm_current(void)
{
    return current;
}

static struct vm *vm_of(void *user)
{
    return user;
}

static struct iom *iom_of(void *user)
{
    return pdm_iom(vm_of(user)->pdm);
}

static uint32_t port_read(void *user, unsigned cpu, uint16_t port, unsigned size)
{
    (void)cpu;
    return iom_port_read(iom_of(user), port, size);
}

static void port_write(void *user, unsigned cpu, uint16_t port, uint32_t val, unsigned size)
{
    (void)cpu;
    iom_port_write(iom_of(user), port, val, size);
}

static size_t port_read_block(void *user, unsigned cpu, uint16_t port, void *buf, unsigned size, size_t count)
{
    (void)cpu;
    return iom_port_read_block(iom_of(user), port, buf, size, count);
}

static size_t port_write_block(void *user, unsigned cpu, uint16_t port, const void *buf, unsigned size, size_t count)
{
    (void)cpu;
    return iom_port_write_block(iom_of(user), port, buf, size, count);
}

static int interrupt_pending(void *user, unsigned cpu)
{
    return pdm_interrupt_pending(vm_of(user)->pdm, cpu);
}

static int interrupt_acknowledge(void *user, unsigned cpu)
{
    return pdm_interrupt_acknowledge(vm_of(user)->pdm, cpu);
}

static uint8_t tpr_get(void *user, unsigned cpu)
{
    return (uint8_t)(pdm_tpr_get(vm_of(user)->pdm, cpu) >> 4);
}

static void tpr_set(void *user, unsigned cpu, uint8_t cr8)
{
    pdm_tpr_set(vm_of(user)->pdm, cpu, (uint8_t)(cr8 << 4));
}

static bool apic_msr_read(void *user, unsigned cpu, uint32_t msr, uint64_t *ret)
{
    return pdm_apic_msr_read(vm_of(user)->pdm, cpu, msr, ret);
}

static bool apic_msr_write(void *user, unsigned cpu, uint32_t msr, uint64_t val)
{
    return pdm_apic_msr_write(vm_of(user)->pdm, cpu, msr, val);
}

static uint64_t tsc(void *user, unsigned cpu)
{
    struct vm *vm = user;

    return tm_tsc(vm->tm, cpu);
}

static const _Atomic uint64_t *tsc_offset(void *user, unsigned cpu)
{
    struct vm *vm = user;

    return tm_tsc_offset(vm->tm, cpu);
}

static void tsc_set(void *user, unsigned cpu, uint64_t val)
{
    struct vm *vm = user;

    tm_tsc_set(vm->tm, cpu, val);
}

static void triple_fault(void *user, unsigned cpu)
{
    (void)user; /* the vCPU's thread reports it when it leaves the engine: gate.c */
    (void)cpu;
}

static void ferr(void *user, unsigned cpu, bool asserted)
{
    (void)cpu;
    pdm_ferr(vm_of(user)->pdm, asserted);
}

static bool ignne(void *user)
{
    return pdm_ignne(vm_of(user)->pdm);
}

const struct cpum_outside vm_outside = {
    .port_read = port_read,
    .port_write = port_write,
    .port_read_block = port_read_block,
    .port_write_block = port_write_block,
    .interrupt_pending = interrupt_pending,
    .interrupt_acknowledge = interrupt_acknowledge,
    .tpr_get = tpr_get,
    .tpr_set = tpr_set,
    .apic_msr_read = apic_msr_read,
    .apic_msr_write = apic_msr_write,
    .tsc = tsc,
    .tsc_set = tsc_set,
    .tsc_offset = tsc_offset,
    .triple_fault = triple_fault,
    .ferr = ferr,
    .ignne = ignne,
};

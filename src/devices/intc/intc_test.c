/*
 * intc_test.c - the interrupt controllers on the rig: wiring of the 8259 pair, of the I/O APIC, and of local APICs.
 *
 * Sources: 82371SB (PIIX3) data sheet 4.5; 82093AA data sheet; Intel SDM volume 3A, chapter 11.
 */
#include <string.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LINT0 = 0x350,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0
};
#define PAGE   0xfee00000u
#define IOAPIC 0xfec00000u

static uint32_t get(struct rig *r, unsigned reg)
{
    return (uint32_t)rig_mmio_read(r, PAGE + reg, 4);
}

static void set(struct rig *r, unsigned reg, uint32_t val)
{
    rig_mmio_write(r, PAGE + reg, val, 4);
}

static struct rig *machine(unsigned cpus)
{
    struct rig *r = rig_empty();
    g_autoptr(GError) error = NULL;

    rig_set_cpus(r, cpus);
    rig_add(r, &isa_pic_device, NULL);
    rig_add(r, &mmio_ioapic_device, NULL);
    rig_add(r, &apic_device, NULL);
    g_assert_true(rig_start(r, &error));
    g_assert_no_error(error);
    for (int cpu = (int)cpus - 1; cpu >= 0; cpu--) {
        rig_set_cpu(r, cpu);
        set(r, SVR, 0x1ff);
    }
    return r;
}

static void pic_init(struct rig *r)
{
    static const uint8_t words[2][4] = {{0x11, 0x08, 0x04, 0x01}, {0x11, 0x70, 0x02, 0x01}};

    for (unsigned chip = 0; chip < 2; chip++)
        for (unsigned i = 0; i < 4; i++)
            rig_out(r, (uint16_t)((chip ? 0xa0 : 0x20) + (i > 0)), words[chip][i], 1);
}

/* PIIX3 4.5: the slave's interrupts come through IR2 with the slave's vector; both need an EOI. */
static void test_pic_cascade(void)
{
    struct rig *r = rig_new(&isa_pic_device, NULL);

    pic_init(r);
    rig_irq_drive(r, 12, true);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x74);
    rig_irq_drive(r, 10, true);
    rig_out(r, 0xa0, 0x20, 1);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_out(r, 0x20, 0x20, 1);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x72);
    rig_free(r);
}

/* PIIX3 4.5, ELCR: IRQ 0, 1, 2, 8 and 13 cannot be level triggered. */
static void test_elcr(void)
{
    struct rig *r = rig_new(&isa_pic_device, NULL);
    g_autoptr(GError) error = NULL;

    rig_out(r, 0x4d0, 0xff, 1);
    rig_out(r, 0x4d1, 0xff, 1);
    g_assert_cmphex(rig_in(r, 0x4d0, 1), ==, 0xf8);
    g_assert_cmphex(rig_in(r, 0x4d1, 1), ==, 0xde);
    g_assert_true(rig_save_load(r, &error));
    g_assert_cmphex(rig_in(r, 0x4d1, 1), ==, 0xde);
    rig_free(r);
}

static void redirect(struct rig *r, unsigned pin, uint64_t entry)
{
    for (unsigned i = 0; i < 2; i++) {
        rig_mmio_write(r, IOAPIC, 0x10 + pin * 2 + 1 - i, 4);
        rig_mmio_write(r, IOAPIC + 0x10, (uint32_t)(entry >> (i ? 0 : 32)), 4);
    }
}

/* 82093AA 3.2: 24 entries, version; masked at reset. */
static void test_ioapic_registers(void)
{
    struct rig *r = machine(1);

    rig_mmio_write(r, IOAPIC, 1, 4);
    g_assert_cmphex(rig_mmio_read(r, IOAPIC + 0x10, 4), ==, 0x170020);
    rig_mmio_write(r, IOAPIC, 0x10, 4);
    g_assert_cmphex(rig_mmio_read(r, IOAPIC + 0x10, 4), ==, 0x10000);
    rig_mmio_write(r, IOAPIC, 0, 4);
    rig_mmio_write(r, IOAPIC + 0x10, 0x0f000000, 4);
    g_assert_cmphex(rig_mmio_read(r, IOAPIC + 0x10, 4), ==, 0x0f000000);
    rig_free(r);
}

/* 82093AA 3.2.4: an edge sends once; an edge while masked is lost. */
static void test_ioapic_edge(void)
{
    struct rig *r = machine(1);

    rig_irq_drive(r, 4, true);
    redirect(r, 4, 0x34);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_irq_drive(r, 4, false);
    rig_irq_drive(r, 4, true);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x34);
    set(r, EOI, 0);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_free(r);
}

/* 82093AA 3.2.4, SDM 11.8.5: a level stays in service until EOI reaches the IOAPIC, which sends again while it is high.
 */
static void test_ioapic_level(void)
{
    struct rig *r = machine(1);

    redirect(r, 10, 0x8051);
    rig_irq_drive(r, 10, true);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x51);
    g_assert_cmphex(get(r, 0x180 + 0x20) >> 17 & 1, ==, 1);
    rig_mmio_write(r, IOAPIC, 0x10 + 20, 4);
    g_assert_cmphex(rig_mmio_read(r, IOAPIC + 0x10, 4), ==, 0xc051);
    set(r, EOI, 0);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x51);
    rig_irq_drive(r, 10, false);
    set(r, EOI, 0);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_free(r);
}

/* MP 1.4, 3.6.2: the timer's line is pin 2. */
static void test_ioapic_timer_pin(void)
{
    struct rig *r = machine(1);

    redirect(r, 2, 0x30);
    rig_irq_drive(r, 0, true);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x30);
    rig_free(r);
}

/* SDM 11.8.3.1: only a class above the processor priority is given; higher classes nest. */
static void test_priority(void)
{
    struct rig *r = machine(1);

    redirect(r, 3, 0x41);
    redirect(r, 4, 0x52);
    set(r, TPR, 0x50);
    rig_irq_drive(r, 3, true);
    rig_irq_drive(r, 4, true);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    set(r, TPR, 0x4f);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x52);
    g_assert_cmphex(get(r, PPR), ==, 0x50);
    set(r, TPR, 0);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    set(r, EOI, 0);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x41);
    rig_free(r);
}

static unsigned count_events(struct rig *r, enum pdm_cpu_event event, unsigned cpu, unsigned arg)
{
    struct rig_event e[64];
    const unsigned n = rig_events(r, e, 64);
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++)
        found += e[i].event == event && e[i].cpu == cpu && e[i].arg == arg;
    return found;
}

/* SDM 11.6.1: destinations, shorthands, INIT and start-up; 8.4.4: how processors are started. */
static void test_ipi(void)
{
    struct rig *r = machine(4);
    struct rig_event drop[64];

    while (rig_events(r, drop, 64))
        ;
    set(r, ICR_HIGH, 2 << 24);
    set(r, ICR, 0x41);
    g_assert_cmphex(rig_acknowledge(r, 2), ==, 0x41);
    g_assert_cmpint(rig_acknowledge(r, 1), ==, -1);
    set(r, ICR, 0xc0000 | 0x42);
    for (unsigned cpu = 1; cpu < 4; cpu++)
        g_assert_cmpint(rig_acknowledge(r, cpu), ==, cpu == 2 ? -1 : 0x42);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    set(r, ICR, 0x40000 | 0x55);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x55);
    while (rig_events(r, drop, 64))
        ;
    set(r, ICR_HIGH, 1 << 24);
    set(r, ICR, 0x4500);
    g_assert_cmpuint(count_events(r, PDM_CPU_INIT, 1, 0), ==, 1);
    set(r, ICR, 0x8500);
    g_assert_cmpuint(count_events(r, PDM_CPU_INIT, 1, 0), ==, 0);
    set(r, ICR, 0x4608);
    g_assert_cmpuint(count_events(r, PDM_CPU_SIPI, 1, 8), ==, 1);
    set(r, ICR, 0x400);
    g_assert_cmpuint(count_events(r, PDM_CPU_NMI, 1, 0), ==, 1);
    rig_free(r);
}

/* SDM 11.6.2.2: logical destinations, flat and cluster. */
static void test_logical(void)
{
    struct rig *r = machine(2);

    rig_set_cpu(r, 1);
    set(r, LDR, 0x02000000);
    rig_set_cpu(r, 0);
    set(r, LDR, 0x01000000);
    set(r, ICR_HIGH, 0x02000000);
    set(r, ICR, 0x861);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    g_assert_cmphex(rig_acknowledge(r, 1), ==, 0x61);
    rig_set_cpu(r, 1);
    set(r, DFR, 0x0fffffff);
    set(r, LDR, 0x31000000);
    set(r, EOI, 0);
    rig_set_cpu(r, 0);
    set(r, ICR_HIGH, 0x31000000);
    set(r, ICR, 0x862);
    g_assert_cmphex(rig_acknowledge(r, 1), ==, 0x62);
    rig_free(r);
}

/* SDM 11.6.2.4: lowest priority goes to one processor only, the one with the lower TPR. */
static void test_lowest(void)
{
    struct rig *r = machine(2);

    set(r, TPR, 0x80);
    set(r, ICR_HIGH, 0xff000000);
    set(r, ICR, 0x191);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    g_assert_cmphex(rig_acknowledge(r, 1), ==, 0x91);
    rig_free(r);
}

/* SDM 11.5.4: one-shot, periodic, divide; the current count runs down. */
static void test_timer(void)
{
    struct rig *r = machine(1);

    set(r, DIVIDE, 0x3);
    set(r, LVT_TIMER, 0x40);
    set(r, INITIAL, 1000);
    rig_step_ns(r, 8000);
    g_assert_cmpuint(get(r, CURRENT), ==, 500);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_step_ns(r, 8000);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x40);
    g_assert_cmpuint(get(r, CURRENT), ==, 0);
    set(r, EOI, 0);
    set(r, DIVIDE, 0xb);
    set(r, LVT_TIMER, 0x20041);
    set(r, INITIAL, 50000);
    for (unsigned i = 0; i < 3; i++) {
        rig_step_ns(r, 50000);
        g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x41);
        set(r, EOI, 0);
    }
    set(r, INITIAL, 0);
    rig_step_ns(r, 1000000);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_free(r);
}

/* SDM 11.5.4.1: the deadline is a TSC value, reads 0 once reached, and is ignored in other modes. */
static void test_deadline(void)
{
    struct rig *r = machine(1);
    uint64_t val = 1, tsc = pdm_cpu_tsc(rig_dev_named(r, "apic", 0), 0);
    const uint64_t ms = pdm_tsc_hz(rig_dev(r)) / 1000;

    g_assert_true(pdm_apic_msr_write(rig_pdm(r), 0, 0x6e0, tsc + ms));
    g_assert_true(pdm_apic_msr_read(rig_pdm(r), 0, 0x6e0, &val));
    g_assert_cmpuint(val, ==, 0);
    set(r, LVT_TIMER, 0x40070);
    g_assert_true(pdm_apic_msr_write(rig_pdm(r), 0, 0x6e0, tsc + ms));
    rig_step_ns(r, 990000);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_step_ns(r, 20000);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x70);
    g_assert_true(pdm_apic_msr_read(rig_pdm(r), 0, 0x6e0, &val));
    g_assert_cmpuint(val, ==, 0);
    rig_free(r);
}

/* SDM 11.12: x2APIC by MSR, the page is gone, states and reserved bits. */
static void test_x2apic(void)
{
    struct rig *r = machine(2);
    struct pdm *pdm = rig_pdm(r);
    uint64_t val;

    g_assert_false(pdm_apic_msr_read(pdm, 0, 0x802, &val));
    g_assert_true(pdm_apic_msr_read(pdm, 0, 0x1b, &val));
    g_assert_cmphex(val, ==, 0xfee00900);
    g_assert_true(pdm_apic_msr_write(pdm, 0, 0x1b, 0xfee00d00));
    g_assert_true(pdm_apic_msr_write(pdm, 1, 0x1b, 0xfee00c00));
    g_assert_true(pdm_apic_msr_read(pdm, 1, 0x802, &val));
    g_assert_cmphex(val, ==, 1);
    g_assert_true(pdm_apic_msr_read(pdm, 1, 0x80d, &val));
    g_assert_cmphex(val, ==, 2);
    g_assert_cmphex(get(r, VERSION), ==, 0xffffffff);
    g_assert_true(pdm_apic_msr_write(pdm, 0, 0x830, UINT64_C(0x100000043)));
    g_assert_cmphex(rig_acknowledge(r, 1), ==, 0x43);
    g_assert_false(pdm_apic_msr_write(pdm, 1, 0x80b, 1));
    g_assert_true(pdm_apic_msr_write(pdm, 1, 0x80b, 0));
    g_assert_true(pdm_apic_msr_write(pdm, 0, 0x83f, 0x45));
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x45);
    g_assert_false(pdm_apic_msr_write(pdm, 0, 0x80e, 0));
    g_assert_false(pdm_apic_msr_write(pdm, 0, 0x831, 0));
    g_assert_false(pdm_apic_msr_write(pdm, 0, 0x802, 0));
    g_assert_false(pdm_apic_msr_write(pdm, 0, 0x1b, 0xfee00900));
    g_assert_true(pdm_apic_msr_write(pdm, 0, 0x1b, 0xfee00000));
    g_assert_false(pdm_apic_msr_write(pdm, 0, 0x1b, 0xfee00c00));
    rig_free(r);
}

/* SDM 11.5.3: illegal vectors and registers gather and are latched by a write. */
static void test_errors(void)
{
    struct rig *r = machine(1);

    set(r, ICR, 0x40005);
    g_assert_cmphex(get(r, ESR), ==, 0);
    set(r, ESR, 0);
    g_assert_cmphex(get(r, ESR), ==, 0x20);
    get(r, 0x40);
    set(r, ESR, 0);
    g_assert_cmphex(get(r, ESR), ==, 0x80);
    rig_free(r);
}

/* SDM 11.4.7.2: software disable masks the LVT and stops delivery; LINT0 decides who hears the 8259. */
static void test_disable(void)
{
    struct rig *r = machine(1);

    pic_init(r);
    rig_irq_drive(r, 4, true);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x0c);
    set(r, SVR, 0xff);
    g_assert_cmphex(get(r, LINT0) & 0x10000, ==, 0x10000);
    set(r, ICR, 0x40055);
    set(r, SVR, 0x1ff);
    g_assert_cmpint(rig_acknowledge(r, 0), ==, -1);
    rig_free(r);
}

static void test_save(void)
{
    struct rig *r = machine(2);
    g_autoptr(GError) error = NULL;

    set(r, LVT_TIMER, 0x40);
    set(r, INITIAL, 100000);
    redirect(r, 10, 0x8051);
    rig_irq_drive(r, 10, true);
    set(r, DIVIDE, 0xb);
    rig_step_ns(r, 1000);
    g_assert_true(rig_save_load(r, &error));
    g_assert_no_error(error);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x51);
    set(r, EOI, 0);
    rig_step_ns(r, 200000);
    g_assert_cmphex(rig_acknowledge(r, 0), ==, 0x40);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pic/cascade", test_pic_cascade);
    g_test_add_func("/pic/elcr", test_elcr);
    g_test_add_func("/ioapic/registers", test_ioapic_registers);
    g_test_add_func("/ioapic/edge", test_ioapic_edge);
    g_test_add_func("/ioapic/level", test_ioapic_level);
    g_test_add_func("/ioapic/timer-pin", test_ioapic_timer_pin);
    g_test_add_func("/apic/priority", test_priority);
    g_test_add_func("/apic/ipi", test_ipi);
    g_test_add_func("/apic/logical", test_logical);
    g_test_add_func("/apic/lowest", test_lowest);
    g_test_add_func("/apic/timer", test_timer);
    g_test_add_func("/apic/deadline", test_deadline);
    g_test_add_func("/apic/x2apic", test_x2apic);
    g_test_add_func("/apic/errors", test_errors);
    g_test_add_func("/apic/disable", test_disable);
    g_test_add_func("/apic/save", test_save);
    return g_test_run();
}

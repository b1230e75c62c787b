/*
 * harness.c - see harness.h. ISA_ENGINE=rem in the environment lets the recompiler run everything it can;
 * ISA_ENGINE=lockstep compares it with the interpreter meanwhile.
 */
#include "harness.h"

#include "vmm/em/em.h"
#include "vmm/em/rescue.h"
#include "vmm/raw/raw.h"
#include "vmm/rem/rem.h"

#include <string.h>

#define FEWER_TABLES 16u /* as one of so many CPUs: what host_compare runs on the host meets them by chance */
#define GDT          0x1000u
#define IDT          0x2000u
#define PML4         0x4000u
#define PDPT         0x5000u
#define TSS          0x9000u
#define RUN_MAX      10000000u
#define PAGE_RWU     7u
#define PAGE_2M      0x80u

static uint32_t port_read(void *user, unsigned cpu, uint16_t port, unsigned size)
{
    (void)user, (void)cpu, (void)port, (void)size;
    return ~0u;
}

static void port_write(void *user, unsigned cpu, uint16_t port, uint32_t val, unsigned size)
{
    struct isa *t = user;

    (void)cpu, (void)size;
    if (port != ISA_IRQ_PORT)
        return;
    t->irq = (uint8_t)val;
    ff_set(&t->c->ff, FF_INTR);
}

static size_t read_block(void *user, unsigned cpu, uint16_t port, void *buf, unsigned size, size_t count)
{
    (void)user, (void)cpu, (void)port, (void)buf, (void)size, (void)count;
    return 0;
}

static size_t write_block(void *user, unsigned cpu, uint16_t port, const void *buf, unsigned size, size_t count)
{
    (void)user, (void)cpu, (void)port, (void)buf, (void)size, (void)count;
    return 0;
}

static int irq_pending(void *user, unsigned cpu)
{
    (void)cpu;
    return ((struct isa *)user)->irq;
}

static int irq_acknowledge(void *user, unsigned cpu)
{
    struct isa *t = user;
    int irq = t->irq;

    (void)cpu;
    t->irq = -1;
    return irq;
}

static uint8_t tpr_get(void *user, unsigned cpu)
{
    (void)user, (void)cpu;
    return 0;
}

static void tpr_set(void *user, unsigned cpu, uint8_t cr8)
{
    (void)user, (void)cpu, (void)cr8;
}

static bool apic_read(void *user, unsigned cpu, uint32_t msr, uint64_t *ret)
{
    (void)user, (void)cpu, (void)msr, (void)ret;
    return false;
}

static bool apic_write(void *user, unsigned cpu, uint32_t msr, uint64_t val)
{
    (void)user, (void)cpu, (void)msr, (void)val;
    return false;
}

static uint64_t tsc(void *user, unsigned cpu)
{
    struct isa *t = user;

    (void)cpu;
    return t->c->stat_insns;
}

static void tsc_set(void *user, unsigned cpu, uint64_t val)
{
    (void)user, (void)cpu, (void)val;
}

static void triple_fault(void *user, unsigned cpu)
{
    (void)user, (void)cpu;
}

static void ferr(void *user, unsigned cpu, bool asserted)
{
    struct isa *t = user;

    (void)cpu;
    t->ferr = asserted;
    if (!asserted)
        return;
    t->irq = ISA_FERR_VECTOR;
    ff_set(&t->c->ff, FF_INTR);
}

static bool ignne(void *user)
{
    return ((struct isa *)user)->ignne;
}

static const struct cpum_outside outside = {
    .port_read = port_read,
    .port_write = port_write,
    .port_read_block = read_block,
    .port_write_block = write_block,
    .interrupt_pending = irq_pending,
    .interrupt_acknowledge = irq_acknowledge,
    .tpr_get = tpr_get,
    .tpr_set = tpr_set,
    .apic_msr_read = apic_read,
    .apic_msr_write = apic_write,
    .tsc = tsc,
    .tsc_set = tsc_set,
    .triple_fault = triple_fault,
    .ferr = ferr,
    .ignne = ignne,
};

static void sync_writes(void *user, uint64_t gpa)
{
    struct isa *t = user;

    pgm_mmu_drop_writes(&t->c->mmu, gpa);
}

static void changed(void *user, uint64_t gpa)
{
    struct isa *t = user;

    rem_code_changed(t->c, gpa);
    raw_code_changed(t->c);
    ff_set(&t->c->ff, FF_CODE);
}

void isa_faults(void)
{
    em_rescue_init();
    rescue_arm(); /* makes the handler's stack */
    rescue_leave();
}

bool isa_native(struct isa *t, GError **error)
{
    return raw_init(t->c, RAW_WHENEVER_POSSIBLE, error);
}

void isa_recompile(struct isa *t, uint32_t heat)
{
    GError *error = NULL;

    rem_init(t->c, FEWER_TABLES, &error);
    g_assert_no_error(error);
    rem_set_threshold(t->c, heat);
}

void isa_lockstep(struct isa *t, uint32_t trust)
{
    isa_faults();
    isa_recompile(t, 0);
    g_assert_true(rem_set_lockstep(t->c, trust, NULL));
}

static bool is_engine(const char *name)
{
    return g_strcmp0(g_getenv("ISA_ENGINE"), name) == 0;
}

struct isa *isa_new(void)
{
    return isa_new_sized(ISA_RAM_BYTES);
}

struct isa *isa_new_sized(uint64_t ram_bytes)
{
    struct isa *t = g_new0(struct isa, 1);
    GError *error = NULL;
    uint64_t bytes;

    t->irq = -1;
    t->pgm = pgm_new(ram_bytes, 1ull << 31, &error);
    g_assert_no_error(error);
    t->ram = pgm_ram_hva(t->pgm, &bytes);
    t->profile = cpum_profile_new("host", 1, true, true, &error);
    g_assert_no_error(error);
    t->c = cpum_vcpu_new();
    g_assert_nonnull(t->c);
    t->c->profile = t->profile;
    t->c->outside = &outside;
    t->c->outside_user = t;
    pgm_mmu_init(&t->c->mmu, t->pgm, cpum_profile_phys_bits(t->profile));
    pgm_sync_callback(t->pgm, sync_writes, t);
    g_assert_true(iem_init(t->c, &error));
    pgm_changed_callback(t->pgm, changed, t);
    if (is_engine("rem")) {
        isa_faults();
        isa_recompile(t, 0);
    }
    if (is_engine("lockstep"))
        isa_lockstep(t, 0);
    return t;
}

void isa_free(struct isa *t)
{
    raw_fini(t->c);
    rem_fini(t->c);
    iem_fini(t->c);
    cpum_profile_free(t->profile);
    cpum_vcpu_free(t->c);
    pgm_free(t->pgm);
    g_free(t);
}

static void put64(struct isa *t, uint64_t gpa, uint64_t val)
{
    memcpy(t->ram + gpa, &val, 8);
}

static void put32(struct isa *t, uint64_t gpa, uint32_t val)
{
    memcpy(t->ram + gpa, &val, 4);
}

/* 1 GiB identity, the third 2 MiB in small pages. */
static void page_tables(struct isa *t)
{
    put64(t, PML4, PDPT | PAGE_RWU);
    put64(t, PDPT, ISA_PD | PAGE_RWU);
    for (uint64_t n = 0; n < 512; n++)
        put64(t, ISA_PD + 8 * n, n << 21 | PAGE_2M | PAGE_RWU);
    put64(t, ISA_PD + 8, ISA_PT | PAGE_RWU);
    for (uint64_t n = 0; n < 512; n++)
        put64(t, ISA_PT + 8 * n, (ISA_DATA + (n << 12)) | PAGE_RWU);
}

static void handlers(struct isa *t, enum x86_mode mode)
{
    memset(t->ram + ISA_HANDLERS, 0xf4, 256 * 16);
    for (unsigned v = 0; v < 256; v++) {
        uint32_t addr = ISA_HANDLERS + 16 * v;

        if (mode == X86_MODE_16) {
            put32(t, 4 * v, 0x10000000u | 16 * v); /* 1000:16*v */
        } else if (mode == X86_MODE_32) {
            put32(t, IDT + 8 * v, 0x180000u | (addr & 0xffff));
            put32(t, IDT + 8 * v + 4, (addr & 0xffff0000u) | 0xee00);
        } else {
            put32(t, IDT + 16 * v, 0x080000u | (addr & 0xffff));
            put32(t, IDT + 16 * v + 4, (addr & 0xffff0000u) | 0xee00);
            put64(t, IDT + 16 * v + 8, 0);
        }
    }
}

static void descriptors(struct isa *t)
{
    put64(t, GDT, 0);
    put64(t, GDT + 0x08, 0x00af9b000000ffffull); /* code 64 */
    put64(t, GDT + 0x10, 0x00cf93000000ffffull); /* data */
    put64(t, GDT + 0x18, 0x00cf9b000000ffffull); /* code 32 */
    put64(t, GDT + 0x20, 0x00cff3000000ffffull); /* data, DPL 3 */
    put64(t, GDT + 0x28, 0x00affb000000ffffull); /* code 64, DPL 3 */
    memset(t->ram + TSS, 0, 104);
    put64(t, TSS + 4, ISA_STACK + 0x8000); /* RSP0 */
    put32(t, TSS + 100, 104u << 16);
}

static void set_seg(struct cpum_seg *s, uint16_t sel, uint32_t attr, uint32_t limit, uint64_t base)
{
    *s = (struct cpum_seg){.sel = sel, .attr = attr, .limit = limit, .base = base};
}

static void real_segments(struct isa *t)
{
    struct cpum_seg *s = t->c->ctx.seg;

    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        set_seg(&s[n], 0x3000, 0x93, 0xffff, 0x30000);
    set_seg(&s[X86_CS], 0x2000, 0x9b, 0xffff, 0x20000);
    set_seg(&s[X86_SS], 0x4000, 0x93, 0xffff, 0x40000);
    t->c->ctx.idtr.limit = 0x3ff;
    t->c->ctx.idtr.base = 0;
    t->code = 0x100;
    t->data = 0x100;
    t->stack = 0xff00;
    t->code_gla = 0x20100;
    t->data_gla = 0x30100;
}

static void flat_segments(struct isa *t, enum x86_mode mode)
{
    struct cpum_ctx *x = &t->c->ctx;

    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        set_seg(&x->seg[n], 0x10, 0xc093, ~0u, 0);
    if (mode == X86_MODE_64)
        set_seg(&x->seg[X86_CS], 0x08, 0xa09b, ~0u, 0);
    else
        set_seg(&x->seg[X86_CS], 0x18, 0xc09b, ~0u, 0);
    set_seg(&x->tr, 0x30, 0x8b, 103, TSS);
    x->gdtr.base = GDT;
    x->gdtr.limit = 0x4f;
    x->idtr.base = IDT;
    x->idtr.limit = 0xfff;
    t->code = t->code_gla = ISA_CODE;
    t->data = t->data_gla = ISA_DATA;
    t->stack = ISA_STACK;
}

void isa_mode(struct isa *t, enum x86_mode mode)
{
    struct cpum_ctx *x = &t->c->ctx;

    atomic_store(&t->c->ff.bits, 0);
    cpum_reset(t->c, true);
    handlers(t, mode);
    if (mode == X86_MODE_16) {
        real_segments(t);
    } else {
        descriptors(t);
        page_tables(t);
        flat_segments(t, mode);
        x->cr0 = CPUM_CR0_PE | CPUM_CR0_ET | CPUM_CR0_NE | CPUM_CR0_MP;
        x->cr4 = CPUM_CR4_PAE | CPUM_CR4_OSFXSR | CPUM_CR4_OSXMMEXCPT | CPUM_CR4_OSXSAVE;
        x->xcr0 = 7;
    }
    if (mode == X86_MODE_64) {
        x->cr0 |= CPUM_CR0_PG | CPUM_CR0_WP;
        x->cr3 = PML4;
        x->efer = CPUM_EFER_LME | CPUM_EFER_LMA | CPUM_EFER_NXE | CPUM_EFER_SCE;
    }
    x->rflags = CPUM_FL_1;
    x->gpr[X86_RSP] = t->stack;
    g_assert_true(cpum_loaded(t->c));
    pgm_mmu_flush(&t->c->mmu, true);
}

void isa_user(struct isa *t)
{
    struct cpum_ctx *x = &t->c->ctx;

    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        set_seg(&x->seg[n], 0x23, 0xc0f3, ~0u, 0);
    set_seg(&x->seg[X86_CS], 0x2b, 0xa0fb, ~0u, 0);
    x->cpl = 3;
    cpum_mode_update(t->c);
}

void isa_load(struct isa *t, const void *code, size_t bytes)
{
    static const uint8_t hlt = 0xf4;

    pgm_phys_write(t->pgm, t->code_gla, code, bytes);
    pgm_phys_write(t->pgm, t->code_gla + bytes, &hlt, 1);
}

int isa_go(struct isa *t)
{
    struct cpum_ctx *x = &t->c->ctx;
    uint64_t gla;

    x->rip = t->code;
    x->activity = CPUM_RUNNING;
    enum iem_exit why = iem_run(t->c, RUN_MAX);
    if (rem_difference(t->c) != NULL)
        g_error("%s", rem_difference(t->c));
    if (why != IEM_EXIT_HALT)
        return ISA_LOST;
    gla = x->rip - 1 + x->seg[X86_CS].base;
    return gla >= ISA_HANDLERS && gla < ISA_HANDLERS + 256 * 16 ? (int)((gla - ISA_HANDLERS) / 16) : ISA_DONE;
}

int isa_run(struct isa *t, const void *code, size_t bytes)
{
    isa_load(t, code, bytes);
    return isa_go(t);
}

uint64_t isa_frame(const struct isa *t, unsigned n)
{
    uint64_t val;

    memcpy(&val, t->ram + t->c->ctx.gpr[X86_RSP] + 8 * (size_t)n, 8);
    return val;
}

/*
 * io_speed.c - what a guest pays for a port, a device register, a system call and the like, in loops set up by hand in
 * long mode and run by the recompiler: nanoseconds of CPU time per turn.
 *
 * `io_speed "in al, dx"` runs that loop alone. The device is a port range and a memory range in the real dispatcher
 * (vmm/iom), whose handlers return a constant.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "harness.h"
#include "vmm/em/em.h"
#include "vmm/iom/iom.h"

#define PORT     0x378u
#define MMIO_GPA 0xf0000000u
#define MMIO_GLA (ISA_DATA + 0x100000) /* its page table entry leads to MMIO_GPA */
#define TURNS    20000u
#define TRIES    200u /* short ones: the least of them had the processor for itself */

struct device {
    struct iom *iom;
    struct cpum_outside outside;
};

static uint32_t reg_read(void *user, uint16_t off, unsigned size)
{
    (void)user, (void)off, (void)size;
    return 0x55;
}

static void reg_write(void *user, uint16_t off, uint32_t val, unsigned size)
{
    (void)user, (void)off, (void)val, (void)size;
}

static uint64_t word_read(void *user, uint64_t off, unsigned size)
{
    (void)user, (void)size;
    return off;
}

static void word_write(void *user, uint64_t off, uint64_t val, unsigned size)
{
    (void)user, (void)off, (void)val, (void)size;
}

static struct device device;

static uint32_t port_read(void *user, unsigned cpu, uint16_t port, unsigned size)
{
    (void)user, (void)cpu;
    return iom_port_read(device.iom, port, size);
}

static void port_write(void *user, unsigned cpu, uint16_t port, uint32_t val, unsigned size)
{
    (void)user, (void)cpu;
    iom_port_write(device.iom, port, val, size);
}

static void device_add(struct isa *t)
{
    static const struct iom_port_ops ops = {.read = reg_read, .write = reg_write};
    const struct iom_port_desc ports = {.name = "trivial", .count = 8, .min_size = 1, .max_size = 4, .ops = &ops};
    const struct iom_mmio_desc words = {
        .name = "trivial", .size_bytes = 4096, .min_size = 4, .max_size = 8, .read = word_read, .write = word_write};
    GError *error = NULL;
    pgm_range id;
    iom_range range;

    device.iom = iom_new();
    if (!iom_port_add(device.iom, &ports, &range, &error) ||
        !pgm_mmio_add(t->pgm, "trivial", 4096, &iom_mmio_ops, iom_mmio_add(device.iom, &words, NULL), &id, &error))
        g_error("%s", error->message);
    iom_port_map(device.iom, range, PORT);
    pgm_map(t->pgm, id, MMIO_GPA);
    device.outside = *t->c->outside;
    device.outside.port_read = port_read;
    device.outside.port_write = port_write;
    t->c->outside = &device.outside;
}

/* Each loop is: the code, dec r8, jnz. RDX = PORT, RSI = MMIO_GLA, RDI = RAM. */
struct loop {
    const char *name, *code;
    size_t bytes;
};
#define LOOP(name, code)                                                                                               \
    {                                                                                                                  \
        name, code, sizeof(code) - 1                                                                                   \
    }
static const struct loop loops[] = {
    LOOP("empty", "\x90"),
    LOOP("in al, dx", "\xec"),
    LOOP("out dx, al", "\xee"),
    LOOP("mmio read 32", "\x8b\x06"),
    LOOP("mmio write 32", "\x89\x06"),
    LOOP("cli, sti", "\xfa\xfb\x90"),
    LOOP("pushf, pop", "\x9c\x58"),
    LOOP("mov rax, cr3", "\x0f\x20\xd8"),
    LOOP("stac, clac", "\x0f\x01\xcb\x0f\x01\xca"),
    LOOP("invlpg", "\x0f\x01\x3f"),
    LOOP("rep stosq, 64 bytes", "\xb9\x08\x00\x00\x00\xf3\x48\xab\x48\x83\xef\x40"),
    LOOP("rep movsb, 4096 bytes", "\x56\x57\x48\x8d\xb7\x00\x10\x00\x00\xb9\x00\x10\x00\x00\xf3\xa4\x5f\x5e"),
};

/* CPU time, so that a busy machine counts as little as can be. */
static double cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double turn_ns(struct isa *t, const struct loop *l)
{
    const uint64_t entry = MMIO_GPA | 0x13; /* present, writable, not cached */
    struct cpum_ctx *x = &t->c->ctx;
    uint8_t code[64];
    double start;

    isa_mode(t, X86_MODE_64);
    memcpy(t->ram + ISA_PT + 8 * ((MMIO_GLA - ISA_DATA) >> 12), &entry, 8);
    memcpy(code, l->code, l->bytes);
    memcpy(code + l->bytes, "\x49\xff\xc8\x0f\x85", 5);
    memcpy(code + l->bytes + 5, &(int32_t){-(int32_t)l->bytes - 9}, 4);
    x->gpr[X86_R8] = TURNS;
    x->gpr[X86_RDX] = PORT;
    x->gpr[X86_RSI] = MMIO_GLA;
    x->gpr[X86_RDI] = ISA_DATA;
    isa_load(t, code, l->bytes + 9);
    start = cpu_ns();
    x->rip = t->code;
    if (iem_run(t->c, UINT64_MAX / 2) != IEM_EXIT_HALT || x->gpr[X86_R8] != 0)
        printf("%s did not finish: rip %" PRIx64 "\n", l->name, x->rip);
    return (cpu_ns() - start) / TURNS;
}

int main(int argc, char **argv)
{
    struct isa *t = isa_new();
    double empty = 0;

    em_rescue_init();
    isa_recompile(t, 0);
    device_add(t);
    for (size_t n = 0; n < G_N_ELEMENTS(loops); n++) {
        double best = 1e9;

        if (argc > 1 && strcmp(loops[n].name, argv[1]) != 0)
            continue;
        for (unsigned tries = 0; tries < TRIES; tries++)
            best = MIN(best, turn_ns(t, &loops[n]));
        if (n == 0)
            empty = best;
        printf("%-24s %7.1f ns\n", loops[n].name, best - (n ? empty : 0));
    }
    isa_free(t);
    iom_free(device.iom);
    return 0;
}

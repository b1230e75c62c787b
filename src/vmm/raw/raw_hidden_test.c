/*
 * raw_hidden_test.c - code the judge does not see, inside an immediate and reached by an indirect jump, meets the VM
 * process: whatever state the jail comes back in, the vCPU goes on, memory that is not the program's stays what it was,
 * and the next program computes what it should.
 */
#include <string.h>

#include "harness.h"
#include "vmm/raw/raw.h"
#include "vmm/raw/raw_int.h"

#define HIDDEN         9u /* offset in the code */
#define TRIES          6000u
#define TICK_US        2000
#define HANDLERS_BYTES 0x1000u
#define VECTOR_GP      13
#define USER_CS32      0x23 /* of the host */

/* mov eax, code + HIDDEN; jmp rax; movabs rax, ... */
static const uint8_t before[HIDDEN] = {0xb8, HIDDEN, 0, ISA_CODE >> 16, 0, 0xff, 0xe0, 0x48, 0xb8};

static const uint8_t pieces[][8] = {
    {0x0f, 0x05},                               /* syscall */
    {0xcd, 0x80},                               /* int 80h */
    {0x0f, 0x34},                               /* sysenter */
    {0xcd, 0x04},                               /* int 4 */
    {0x9d, 0xf4},                               /* popf */
    {0x48, 0xcb},                               /* retf */
    {0x48, 0xcf},                               /* iret */
    {0x8e, 0xd9, 0x8e, 0xe9, 0x0f, 0x05},       /* mov ds, ecx; mov gs, ecx; syscall */
    {0x8e, 0xd1, 0xcc},                         /* mov ss, ecx; int3 */
    {0xf3, 0x48, 0x0f, 0xae, 0xd9, 0x0f, 0x05}, /* wrgsbase rcx; syscall */
    {0xf3, 0x48, 0x0f, 0xae, 0xd1, 0xf4},       /* wrfsbase rcx */
    {0x0f, 0x01, 0xef, 0x8b, 0x07},             /* wrpkru; mov eax, [rdi] */
    {0x0f, 0xae, 0x2f, 0x0f, 0x05},             /* xrstor [rdi]; syscall */
    {0x0f, 0xae, 0x17, 0xd9, 0x2f, 0x0f, 0x05}, /* ldmxcsr [rdi]; fldcw [rdi]; syscall */
    {0xdd, 0x27, 0x9b},                         /* frstor [rdi]; fwait */
    {0x48, 0x89, 0xcc, 0x50},                   /* mov rsp, rcx; push rax */
    {0xff, 0xe1},                               /* jmp rcx */
    {0xff, 0xd1},                               /* call rcx */
    {0x8b, 0x01},                               /* mov eax, [rcx] */
    {0x88, 0x01},                               /* mov [rcx], al */
    {0xeb, 0xfe},                               /* jmp $ */
    {0xf1, 0xcc, 0xf1},
    {0xcd, 0x03, 0x0f, 0x0b},
};

static struct isa *machine;
static gint done, calm; /* the ticker ends; the ticker lets the vCPU alone */

static gpointer tick(gpointer user)
{
    (void)user;
    while (!g_atomic_int_get(&done)) {
        g_usleep(TICK_US);
        if (g_atomic_int_get(&calm))
            continue;
        ff_set(&machine->c->ff, FF_REQUEST);
        raw_kick(machine->c);
    }
    return NULL;
}

static uint64_t random64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static uint64_t random_value(void)
{
    const uint64_t places[] = {0,
                               UINT64_MAX,
                               UINT64_C(0xffffffff81000000),
                               UINT64_C(0xffffffffff600000),
                               UINT64_C(0x800000000000),
                               JAIL_TOP - 4,
                               0x23,
                               0x2b,
                               0x33,
                               0x7b,
                               0x13f,
                               JAIL_TOP,
                               ISA_CODE + 1,
                               ISA_CODE + 0xffe};

    switch (g_test_rand_int_range(0, 5)) {
    case 0:
        return jail_stub(machine->c->raw->space[g_test_rand_int_range(0, RAW_SPACES)].jail) +
               (uint64_t)g_test_rand_int_range(0, JAIL_STUB_BYTES);
    case 1: return ISA_DATA + (uint64_t)g_test_rand_int_range(0, 0x10000);
    case 2: return random64();
    default: return places[g_test_rand_int_range(0, G_N_ELEMENTS(places))];
    }
}

static void user(struct isa *t)
{
    isa_mode(t, X86_MODE_64);
    isa_user(t);
    t->c->ctx.rflags = CPUM_FL_1 | CPUM_FL_IF;
}

static void load(struct isa *t)
{
    uint8_t code[HIDDEN + 8];

    memcpy(code, before, HIDDEN);
    memcpy(code + HIDDEN, pieces[g_test_rand_int_range(0, G_N_ELEMENTS(pieces))], 8);
    if (g_test_rand_int_range(0, 4) == 0)
        memcpy(code + HIDDEN, &(uint64_t){random64()}, 8);
    isa_load(t, code, sizeof code);
    for (unsigned n = 0; n < 16; n++)
        t->c->ctx.gpr[n] = random_value();
    if (g_test_rand_bit()) {
        const uint64_t frame[] = {ISA_CODE + HIDDEN, USER_CS32}; /* for RETF: AMD's have no SYSENTER that changes CS */
        t->c->ctx.gpr[X86_RSP] = ISA_STACK - 64;
        memcpy(t->ram + ISA_STACK - 64, frame, sizeof frame);
    }
    for (unsigned n = 0; n < 0x1000; n += 8)
        memcpy(t->ram + ISA_DATA + n, &(uint64_t){random_value()}, 8);
}

/* mov eax, 7; mul eax; mov [rdi], eax; cvtsi2ss xmm0, eax; addss xmm0, xmm0; cvttss2si ebx, xmm0 */
static int run_next(struct isa *t)
{
    user(t);
    ff_clear(&t->c->ff, FF_REQUEST);
    t->c->ctx.gpr[X86_RDI] = ISA_DATA;
    return ISA_RUN(t, 0xb8, 7, 0, 0, 0, 0xf7, 0xe0, 0x89, 0x07, 0xf3, 0x0f, 0x2a, 0xc0, 0xf3, 0x0f, 0x58, 0xc0, 0xf3,
                   0x0f, 0x2c, 0xd8);
}

static void check_next(struct isa *t)
{
    int how;

    g_atomic_int_set(&calm, 1);
    how = run_next(t);
    if (how == ISA_LOST) /* the ticker was just about to */
        how = run_next(t);
    g_atomic_int_set(&calm, 0);
    g_assert_cmpint(how, ==, VECTOR_GP);
    g_assert_cmpuint(t->c->ctx.gpr[X86_RAX], ==, 49);
    g_assert_cmpuint(t->c->ctx.gpr[X86_RBX], ==, 98);
    g_assert_cmpuint(t->ram[ISA_DATA], ==, 49);
}

static void test_hidden(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *handlers = NULL;
    GThread *ticker;

    machine = isa_new();
    isa_native(machine, &error);
    g_assert_no_error(error);
    user(machine);
    handlers = g_memdup2(machine->ram + ISA_HANDLERS, HANDLERS_BYTES);
    ticker = g_thread_new("tick", tick, NULL);
    for (unsigned n = 0; n < TRIES; n++) {
        user(machine);
        load(machine);
        isa_go(machine);
        g_assert_null(raw_lost(machine->c));
        if (n % 16 == 0)
            check_next(machine);
    }
    g_atomic_int_set(&done, 1);
    g_thread_join(ticker);
    g_assert_cmpmem(handlers, HANDLERS_BYTES, machine->ram + ISA_HANDLERS, HANDLERS_BYTES);
    g_assert_cmpuint(raw_stats(machine->c)->strange, >, 0);
    g_assert_cmpuint(raw_stats(machine->c)->syscalls, >, 0);
    g_test_message("%u tries, %u natively, %u strange", TRIES, (unsigned)raw_stats(machine->c)->enters,
                   (unsigned)raw_stats(machine->c)->strange);
    isa_free(machine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/raw/hidden", test_hidden);
    return g_test_run();
}

/*
 * adapt_test.c - sites with another form: devices' registers and ports beside the interpreter, the way out when a
 * device wants something, and the way back to the first form.
 */
#include "harness.h"

#include "vmm/rem/segment.h"

#define MMIO_GPA 0xf0000000u
#define MMIO_GLA (ISA_DATA + 0x100000) /* its page table entry can lead to MMIO_GPA */
#define LOG_MAX  64u
#define RUNS     12 /* enough to be caught, marked, and to run in the other form */

/* A device that remembers what it is asked. */
struct device {
    struct isa *t;
    struct access {
        uint64_t off, val;
        unsigned size;
        bool write;
    } log[LOG_MAX];
    unsigned count;
    uint32_t raise; /* force flag a write sets */
};

static void note(struct device *d, struct access a)
{
    d->log[d->count++ % LOG_MAX] = a;
}

static uint64_t word_read(void *user, uint64_t off, unsigned size)
{
    struct device *d = user;

    note(d, (struct access){off, 0, size, false});
    return UINT64_C(0x8182838485868788) * (off + 1); /* more than was asked for */
}

static void word_write(void *user, uint64_t off, uint64_t val, unsigned size)
{
    struct device *d = user;

    note(d, (struct access){off, val, size, true});
    if (d->raise != 0)
        ff_set(&d->t->c->ff, d->raise);
}

static void lead_to(struct isa *t, uint64_t gpa)
{
    const uint64_t entry = gpa | 0x13; /* present, writable, not cached */

    memcpy(t->ram + ISA_PT + 8 * ((MMIO_GLA - ISA_DATA) >> 12), &entry, 8);
    pgm_mmu_flush(&t->c->mmu, true);
}

static struct isa *fresh(struct device *d, bool translated)
{
    static const struct pgm_mmio_ops ops = {.read = word_read, .write = word_write};
    struct isa *t = isa_new();
    pgm_range id;

    isa_faults();
    if (translated)
        isa_recompile(t, 0);
    isa_mode(t, X86_MODE_64);
    *d = (struct device){.t = t};
    g_assert_true(pgm_mmio_add(t->pgm, "words", 4096, &ops, d, &id, NULL));
    pgm_map(t->pgm, id, MMIO_GPA);
    lead_to(t, MMIO_GPA);
    return t;
}

#define BYTES(...) {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
static const struct form {
    const char *name;
    uint8_t code[12];
    size_t bytes;
    bool direct; /* has a form of its own */
} forms[] = {
    {"mov eax, [rsi + 4]", BYTES(0x8b, 0x46, 0x04), true},
    {"mov rax, [rsi + 8]", BYTES(0x48, 0x8b, 0x46, 0x08), true},
    {"mov ax, [rsi + 2]", BYTES(0x66, 0x8b, 0x46, 0x02), true},
    {"mov al, [rsi + 1]", BYTES(0x8a, 0x46, 0x01), true},
    {"mov ah, [rsi + 1]", BYTES(0x8a, 0x66, 0x01), true},
    {"mov r12d, [rsi + 4]", BYTES(0x44, 0x8b, 0x66, 0x04), true},
    {"mov ecx, [rsi + 3]", BYTES(0x8b, 0x4e, 0x03), true},
    {"mov rax, [rsi + rdi * 8]", BYTES(0x48, 0x8b, 0x04, 0xfe), true},
    {"movzx eax, byte [rsi]", BYTES(0x0f, 0xb6, 0x06), true},
    {"movzx r9, word [rsi + 2]", BYTES(0x4c, 0x0f, 0xb7, 0x4e, 0x02), true},
    {"movsx rax, byte [rsi]", BYTES(0x48, 0x0f, 0xbe, 0x06), true},
    {"movsx eax, word [rsi + 2]", BYTES(0x0f, 0xbf, 0x46, 0x02), true},
    {"movsxd rax, dword [rsi + 4]", BYTES(0x48, 0x63, 0x46, 0x04), true},
    {"mov [rsi + 4], ebx", BYTES(0x89, 0x5e, 0x04), true},
    {"mov [rsi + 8], r13", BYTES(0x4c, 0x89, 0x6e, 0x08), true},
    {"mov [rsi + 8], rsp", BYTES(0x48, 0x89, 0x66, 0x08), true},
    {"mov [rsi], bh", BYTES(0x88, 0x3e), true},
    {"mov [rsi], bl", BYTES(0x88, 0x1e), true},
    {"mov word [rsi + 2], 8877h", BYTES(0x66, 0xc7, 0x46, 0x02, 0x77, 0x88), true},
    {"mov dword [rsi + 4], 80000001h", BYTES(0xc7, 0x46, 0x04, 0x01, 0x00, 0x00, 0x80), true},
    {"mov qword [rsi + 8], -2", BYTES(0x48, 0xc7, 0x46, 0x08, 0xfe, 0xff, 0xff, 0xff), true},
    {"mov [rsi + 0ffeh], ebx", BYTES(0x89, 0x9e, 0xfe, 0x0f, 0x00, 0x00), false}, /* two pages */
    {"and [rsi + 4], ebx", BYTES(0x21, 0x5e, 0x04), false},
    {"cmp [rsi + 4], ebx", BYTES(0x39, 0x5e, 0x04), false},
};

static void run_form(struct isa *t, struct device *d, const struct form *f)
{
    for (unsigned n = 0; n < 16; n++)
        t->c->ctx.gpr[n] = UINT64_C(0x1122334455667788) * (n + 1);
    t->c->ctx.gpr[X86_RSI] = MMIO_GLA;
    t->c->ctx.gpr[X86_RDI] = 2;
    t->c->ctx.gpr[X86_RSP] = t->stack;
    t->c->ctx.rflags = CPUM_FL_1 | CPUM_FL_CF | CPUM_FL_SF | CPUM_FL_PF;
    d->count = 0;
    isa_load(t, f->code, f->bytes);
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
}

static void test_form(gconstpointer data)
{
    static struct device plain, direct;
    const struct form *f = data;
    struct isa *a = fresh(&plain, false), *b = fresh(&direct, true);

    run_form(a, &plain, f);
    for (unsigned n = 0; n < RUNS; n++) {
        run_form(b, &direct, f);
        g_assert_cmpmem(a->c->ctx.gpr, sizeof a->c->ctx.gpr, b->c->ctx.gpr, sizeof b->c->ctx.gpr);
        g_assert_cmphex(a->c->ctx.rflags, ==, b->c->ctx.rflags);
        g_assert_cmphex(a->c->ctx.rip, ==, b->c->ctx.rip);
        g_assert_cmpuint(plain.count, ==, direct.count);
        for (unsigned k = 0; k < plain.count; k++) {
            g_assert_cmphex(plain.log[k].off, ==, direct.log[k].off);
            g_assert_cmphex(plain.log[k].val, ==, direct.log[k].val);
            g_assert_cmpuint(plain.log[k].size, ==, direct.log[k].size);
            g_assert_cmpint(plain.log[k].write, ==, direct.log[k].write);
        }
    }
    if (f->direct)
        g_assert_cmpuint(rem_stats(b->c)->device_accesses, >, RUNS / 3);
    isa_free(a);
    isa_free(b);
}

/* A device's site may reach memory, and a page that is not there; if it goes on doing so it gets its first form back,
 * and is caught again. */
static void test_strays(void)
{
    static const uint8_t code[] = {0x8b, 0x46, 0x04}; /* mov eax, [rsi + 4] */
    static struct device d;
    struct isa *t = fresh(&d, true);
    const struct rem_stats *s = rem_stats(t->c);
    uint64_t slow, accesses;

    isa_load(t, code, sizeof code);
    t->c->ctx.gpr[X86_RSI] = MMIO_GLA;
    for (unsigned n = 0; n < RUNS; n++)
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    accesses = s->device_accesses;
    g_assert_cmpuint(accesses, >, 0);
    t->c->ctx.gpr[X86_RSI] = ISA_DATA + 0x800;
    memcpy(t->ram + ISA_DATA + 0x804, "\x44\x33\x22\x11", 4);
    for (unsigned n = 0; n < RUNS; n++) {
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 0x11223344);
    }
    slow = s->slow;
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmpuint(s->slow - slow, <=, 1); /* HLT */
    g_assert_cmpuint(s->device_accesses, ==, accesses);
    t->c->ctx.gpr[X86_RSI] = MMIO_GLA;
    for (unsigned n = 0; n < 2 * RUNS; n++)
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmpuint(s->device_accesses, >, accesses);
    lead_to(t, 0x300000); /* RAM now */
    memcpy(t->ram + 0x300004, "\x88\x77\x66\x55", 4);
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 0x55667788);
    memset(t->ram + ISA_PT + 8 * ((MMIO_GLA - ISA_DATA) >> 12), 0, 8);
    pgm_mmu_flush(&t->c->mmu, true);
    g_assert_cmpint(isa_go(t), ==, 14);
    g_assert_cmphex(t->c->ctx.cr2, ==, MMIO_GLA + 4);
    isa_free(t);
}

/* A device that wants something gets it behind the instruction, not behind the block. */
static void test_raise(void)
{
    static const uint8_t code[] = {0x89, 0x1e, 0x31, 0xc0}; /* mov [rsi], ebx; xor eax, eax */
    static struct device d;
    struct isa *t = fresh(&d, true);

    isa_load(t, code, sizeof code);
    t->c->ctx.gpr[X86_RSI] = MMIO_GLA;
    for (unsigned n = 0; n < 2 * RUNS; n++) {
        d.raise = n & 1 ? FF_REQUEST : 0;
        t->c->ctx.gpr[X86_RAX] = 5;
        t->c->ctx.rip = t->code;
        t->c->ctx.activity = CPUM_RUNNING;
        g_assert_cmpint(iem_run(t->c, 1000000), ==, n & 1 ? IEM_EXIT_FF : IEM_EXIT_HALT);
        g_assert_cmphex(t->c->ctx.rip, ==, t->code + (n & 1 ? 2 : sizeof code + 1));
        g_assert_cmpuint(t->c->ctx.gpr[X86_RAX], ==, n & 1 ? 5 : 0);
        ff_clear(&t->c->ff, FF_REQUEST);
    }
    g_assert_cmpuint(rem_stats(t->c)->device_accesses, >, RUNS);
    isa_free(t);
}

/* IN and OUT of every width, by DX and by number, as the interpreter does them. */
static void test_ports(void)
{
    static const uint8_t code[] = {0xb8, 0xff, 0xff, 0xff, 0xff, 0xec, 0x66, 0xed,
                                   0xe4, 0x60, 0xe5, 0x61, 0xee, 0xe7, 0x80};
    static struct device d;
    struct isa *t = fresh(&d, true), *plain = fresh(&d, false);

    for (unsigned n = 0; n < RUNS; n++) {
        t->c->ctx.gpr[X86_RDX] = plain->c->ctx.gpr[X86_RDX] = 0x3f8;
        g_assert_cmpint(isa_run(plain, code, sizeof code), ==, ISA_DONE);
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, plain->c->ctx.gpr[X86_RAX]);
    }
    g_assert_cmpuint(rem_stats(t->c)->ports, >, 6 * (RUNS / 2));
    isa_free(t);
    isa_free(plain);
}

/* A misaligned instruction in two blocks: both get the form for it. */
static void test_two_blocks(void)
{
    static const uint8_t code[] = {0x90, 0x8b, 0x47, 0x01}; /* nop; mov eax, [rdi + 1] */
    static struct device d;
    struct isa *t = fresh(&d, true);
    uint64_t first = t->code;

    isa_load(t, code, sizeof code);
    t->c->ctx.gpr[X86_RDI] = ISA_DATA;
    for (unsigned n = 0; n < 2 * RUNS; n++) {
        t->code = first + (n & 1);
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    }
    g_assert_cmpuint(rem_stats(t->c)->faults, ==, 2);
    isa_free(t);
}

/* Vectors between misaligned places: no host traps on them for long, and the registers that may help keep what they
 * had. movups xmm3, [rdi + 1]; movups [rdi + 33], xmm3; movdqu xmm15, [rdi + 3]; movdqu [rdi + 67], xmm15; movups [rdi
 * + 101], xmm14; movq xmm14, [rdi + 5] */
static void test_vectors(void)
{
    static const uint8_t code[] = {0x0f, 0x10, 0x5f, 0x01, 0x0f, 0x11, 0x5f, 0x21, 0xf3, 0x44, 0x0f,
                                   0x6f, 0x7f, 0x03, 0xf3, 0x44, 0x0f, 0x7f, 0x7f, 0x43, 0x44, 0x0f,
                                   0x11, 0x77, 0x65, 0xf3, 0x44, 0x0f, 0x7e, 0x77, 0x05};
    static struct device d;
    struct isa *t = fresh(&d, true);
    uint8_t *data = t->ram + ISA_DATA;
    uint64_t slow = 0, low;

    isa_load(t, code, sizeof code);
    t->c->ctx.gpr[X86_RDI] = ISA_DATA;
    for (unsigned n = 0; n < RUNS; n++) {
        for (unsigned k = 0; k < 32; k++)
            data[k] = (uint8_t)(k * 7 + n);
        memset(data + 32, 0, 128);
        slow = rem_stats(t->c)->slow;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpmem(data + 33, 16, data + 1, 16);
        g_assert_cmpmem(data + 67, 16, data + 3, 16);
        if (n > 0) { /* xmm14 of the run before */
            memcpy(&low, data + 101, 8);
            g_assert_cmphex(low & 0xff, ==, 5 * 7 + n - 1);
            g_assert_cmpint(data[109], ==, 0);
        }
        g_assert_cmpint(data[32] | data[49] | data[66] | data[83] | data[100] | data[117], ==, 0);
    }
    g_assert_cmpuint(rem_stats(t->c)->slow, <=, slow + 2); /* HLT */
    isa_free(t);
}

/* stac; mov eax, [rsi]; clac; mov ebx, [rsi] of a user's page: the second one faults, each time. */
static void test_smap(void)
{
    static const uint8_t code[] = {0x0f, 0x01, 0xcb, 0x8b, 0x06, 0x0f, 0x01, 0xca, 0x8b, 0x1e};
    static struct device d;
    struct isa *t = fresh(&d, true);
    const uint64_t user = 0x300000 | 7;
    struct cpum_ctx *x = &t->c->ctx;

    memcpy(t->ram + ISA_PT + 8 * ((MMIO_GLA - ISA_DATA) >> 12), &user, 8);
    t->ram[ISA_PD] &= (uint8_t)~4u; /* code and stack are not */
    x->cr4 |= CPUM_CR4_SMAP;
    g_assert_true(pgm_mmu_mode(&t->c->mmu, x->cr0, x->cr3, x->cr4, x->efer));
    cpum_mode_update(t->c);
    memcpy(t->ram + 0x300000, "\x78\x56\x34\x12", 4);
    isa_load(t, code, sizeof code);
    for (unsigned n = 0; n < RUNS; n++) {
        x->gpr[X86_RSI] = MMIO_GLA;
        x->gpr[X86_RAX] = x->gpr[X86_RBX] = 0;
        g_assert_cmpint(isa_go(t), ==, 14);
        g_assert_cmphex(x->gpr[X86_RAX], ==, 0x12345678);
        g_assert_cmphex(x->gpr[X86_RBX], ==, 0);
        g_assert_cmphex(isa_frame(t, 1), ==, t->code + 8);
        x->rflags &= ~(uint64_t)CPUM_FL_AC;
        cpum_mode_update(t->c);
    }
    isa_free(t);
}

/* A site that is caught misaligned gets another form, later its first one back, and is caught again. */
static void test_misaligned_again(void)
{
    static const uint8_t code[] = {0x8b, 0x47, 0x01}; /* mov eax, [rdi + 1] */
    static struct device d;
    struct isa *t = fresh(&d, true);
    struct rem *r = t->c->rem;
    uint64_t key;

    g_assert_true(rem_key(t->c, t->code_gla, &key));
    memcpy(t->ram + ISA_DATA, "\x01\x02\x03\x04\x05", 5);
    isa_load(t, code, sizeof code);
    t->c->ctx.gpr[X86_RDI] = ISA_DATA;
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned n = 0; n < RUNS; n++) {
            t->c->ctx.gpr[X86_RAX] = 0;
            g_assert_cmpint(isa_go(t), ==, ISA_DONE);
            g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 0x05040302);
        }
        g_assert_cmpuint(r->patm->stat_caught[PATM_MISALIGNED], ==, round);
        g_assert_true(patm_marked(r->patm, PATM_MISALIGNED, t->code_gla, key));
        for (unsigned n = 0; n < r->patm->used; n++)
            r->patm->site[n].until = 0;
        for (unsigned n = 0; n < PATM_SITES / PATM_LOOKED_AT; n++) {
            r->relax_at = 0;
            rem_relax(r);
        }
        g_assert_cmpuint(r->patm->stat_expired, ==, round);
        g_assert_false(patm_marked(r->patm, PATM_MISALIGNED, t->code_gla, key));
    }
    isa_free(t);
}

/* ---- changed constants ---- */

static const struct change {
    const char *name;
    uint8_t code[12];
    size_t bytes, at; /* of the byte that changes */
    uint8_t to;
    bool constant; /* no new translation */
} changes[] = {
    {"mov eax, imm32", BYTES(0xb8, 1, 2, 3, 4), 3, 0x83, true},
    {"mov rax, imm64", BYTES(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8), 9, 0x88, true},
    {"mov rax, sign-extended imm32", BYTES(0x48, 0xc7, 0xc0, 1, 2, 3, 4), 6, 0x84, true},
    {"add ax, imm16", BYTES(0x66, 0x05, 1, 2), 3, 0x82, true},
    {"add eax, imm8", BYTES(0x83, 0xc0, 1), 2, 0xff, true},
    {"add r13d, imm8", BYTES(0x41, 0x83, 0xc5, 1), 3, 0xff, false}, /* goes through a scratch register */
    {"imul eax, ebx, imm32", BYTES(0x69, 0xc3, 1, 2, 3, 4), 2, 7, true},
    {"shl eax, imm8", BYTES(0xc1, 0xe0, 3), 2, 5, true},
    {"shl eax, 1 becomes shl ebx, 1", BYTES(0xd1, 0xe0), 1, 0xe3, false},
    {"add eax, imm8 becomes sub", BYTES(0x83, 0xc0, 1), 1, 0xe8, false},
    {"mov eax, imm32 becomes mov ebx", BYTES(0xb8, 1, 2, 3, 4), 0, 0xbb, false},
    {"lea eax, [rbx + disp8]", BYTES(0x8d, 0x43, 0x01), 2, 0x81, false},
    {"cmp eax, imm8; setz bl", BYTES(0x83, 0xf8, 0x88, 0x0f, 0x94, 0xc3), 2, 0x11, true},
    {"movs, pshufd imm8", BYTES(0x66, 0x0f, 0x70, 0xc0, 0x1b), 4, 0xe4, true},
};

static void start(struct isa *t)
{
    for (unsigned n = 0; n < 16; n++)
        t->c->ctx.gpr[n] = UINT64_C(0x1122334455667788) * (n + 1);
    t->c->ctx.gpr[X86_RSP] = t->stack;
    t->c->ctx.rflags = CPUM_FL_1;
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
}

static void test_change(gconstpointer data)
{
    static struct device d;
    const struct change *w = data;
    struct isa *a = fresh(&d, false), *b = fresh(&d, true);
    const struct rem_stats *s = rem_stats(b->c);
    uint64_t blocks, constants;

    isa_load(a, w->code, w->bytes);
    isa_load(b, w->code, w->bytes);
    for (unsigned n = 0; n < 6; n++) {
        const uint8_t byte = n & 1 ? w->to : w->code[w->at];
        pgm_phys_write(a->pgm, a->code_gla + w->at, &byte, 1);
        pgm_phys_write(b->pgm, b->code_gla + w->at, &byte, 1);
        blocks = s->blocks;
        constants = s->constants;
        for (unsigned k = 0; k < 3; k++) {
            start(a);
            start(b);
            g_assert_cmpmem(a->c->ctx.gpr, sizeof a->c->ctx.gpr, b->c->ctx.gpr, sizeof b->c->ctx.gpr);
            g_assert_cmphex(a->c->ctx.rflags & CPUM_FL_CF, ==, b->c->ctx.rflags & CPUM_FL_CF); /* IMUL */
        }
        if (n > 1 && w->constant) {
            g_assert_cmpuint(s->blocks, ==, blocks);
            g_assert_cmpuint(s->constants, ==, constants + 1);
        } else if (n > 1) {
            g_assert_cmpuint(s->constants, ==, constants);
        }
    }
    isa_free(a);
    isa_free(b);
}

/*
 * mov edi, 1000; l: mov [rip + 5], edi (at the constant of the next but one); nop; nop; nop; mov eax, 0; add ebx, eax;
 * dec edi; jnz l: each round changes its own block and runs what it wrote.
 */
static void test_own_block(void)
{
    static const uint8_t code[] = {0xbf, 0xe8, 0x03, 0x00, 0x00, 0x89, 0x3d, 0x04, 0x00, 0x00, 0x00, 0x90, 0x90,
                                   0x90, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x01, 0xc3, 0xff, 0xcf, 0x75, 0xec};
    static struct device d;
    struct isa *t = fresh(&d, true);
    const struct rem_stats *s = rem_stats(t->c);
    uint64_t invalidated = 0;

    isa_load(t, code, sizeof code);
    for (unsigned n = 0; n < 3; n++) {
        invalidated = s->invalidated;
        t->c->ctx.gpr[X86_RBX] = 0;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpuint(t->c->ctx.gpr[X86_RBX], ==, 1000 * 1001 / 2);
    }
    g_assert_cmpuint(s->constants, >, 900);
    g_assert_cmpuint(s->code_stores, >, 900);
    g_assert_cmpuint(s->invalidated, ==, invalidated);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t k = 0; k < G_N_ELEMENTS(forms); k++) {
        g_autofree char *path = g_strdup_printf("/adapt/device/%s", forms[k].name);
        g_test_add_data_func(path, &forms[k], test_form);
    }
    for (size_t k = 0; k < G_N_ELEMENTS(changes); k++) {
        g_autofree char *path = g_strdup_printf("/adapt/constant/%s", changes[k].name);
        g_test_add_data_func(path, &changes[k], test_change);
    }
    g_test_add_func("/adapt/own-block", test_own_block);
    g_test_add_func("/adapt/strays", test_strays);
    g_test_add_func("/adapt/raise", test_raise);
    g_test_add_func("/adapt/ports", test_ports);
    g_test_add_func("/adapt/two-blocks", test_two_blocks);
    g_test_add_func("/adapt/vectors", test_vectors);
    g_test_add_func("/adapt/smap", test_smap);
    g_test_add_func("/adapt/misaligned-again", test_misaligned_again);
    return g_test_run();
}

/*
 * segment_test.c - translated code outside 64-bit mode: wraps of IP and SP, bases that change, limits inside a block.
 *
 * Every block is translated when it first runs; every program runs several times, linked and unlinked.
 */
#include "harness.h"

#include "vmm/rem/rem_int.h"

#define RUNS 3

enum { VECTOR_SS = 12, VECTOR_GP };

static struct isa *fresh(enum x86_mode mode)
{
    struct isa *t = isa_new();

    isa_faults();
    isa_recompile(t, 0);
    isa_mode(t, mode);
    return t;
}

static void done(struct isa *t)
{
    g_assert_cmpuint(rem_stats(t->c)->blocks, >, 0);
    isa_free(t);
}

static uint64_t *reg(struct isa *t, unsigned n)
{
    return &t->c->ctx.gpr[n];
}

static void put16(struct isa *t, uint64_t gpa, uint16_t val)
{
    memcpy(t->ram + gpa, &val, 2);
}

static void put32(struct isa *t, uint64_t gpa, uint32_t val)
{
    memcpy(t->ram + gpa, &val, 4);
}

static uint16_t get16(const struct isa *t, uint64_t gpa)
{
    uint16_t val;

    memcpy(&val, t->ram + gpa, 2);
    return val;
}

/* Code in real mode begins at @sel:@ip. */
static void code_at(struct isa *t, uint16_t sel, uint16_t ip)
{
    struct cpum_seg *cs = &t->c->ctx.seg[X86_CS];

    cs->sel = sel;
    cs->base = (uint64_t)sel << 4;
    t->code = ip;
    t->code_gla = cs->base + ip;
}

/* Word @n of the frame of an exception in real mode: IP, CS, flags. */
static uint16_t frame16(const struct isa *t, unsigned n)
{
    return get16(t, t->c->ctx.seg[X86_SS].base + (uint16_t)(t->c->ctx.gpr[X86_RSP] + 2 * n));
}

/* mov eax, fs:[10h]; mov gs:[bx+20h], ax in flat 32-bit code: bases and limits may change between two runs. */
static void test_based(void)
{
    static const uint8_t code[] = {0x64, 0xa1, 0x10, 0x00, 0x00, 0x00, 0x65, 0x67, 0x66, 0x89, 0x47, 0x20};
    struct isa *t = fresh(X86_MODE_32);
    struct cpum_seg *fs = &t->c->ctx.seg[X86_FS], *gs = &t->c->ctx.seg[X86_GS];

    for (uint32_t n = 0; n < 4 * RUNS; n++) {
        fs->base = ISA_DATA + 0x1000 * n;
        gs->base = ISA_DATA + 0x100000 - 0x1000 * n;
        gs->limit = 0x121 + n;
        put32(t, fs->base + 0x10, 0x12345678 + n);
        put32(t, gs->base + 0x120, 0x9abcdef0);
        *reg(t, X86_RBX) = 0xabcd0100;
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmphex(*reg(t, X86_RAX), ==, 0x12345678 + n);
        g_assert_cmpmem(t->ram + gs->base + 0x120, 4, ((uint32_t[]){0x9abc5678 + n}), 4);
    }
    gs->limit = 0x120; /* the store's second byte is outside, and nothing is stored */
    put32(t, gs->base + 0x120, 0);
    g_assert_cmpint(isa_run(t, code, sizeof code), ==, VECTOR_GP);
    g_assert_cmpmem(t->ram + gs->base + 0x120, 4, "\0\0\0\0", 4);
    fs->base = UINT32_MAX - 0xf + ISA_DATA; /* the sum is of 32 bits */
    put32(t, ISA_DATA, 77);
    g_assert_cmpint(isa_run(t, code, 6), ==, ISA_DONE);
    g_assert_cmpuint(*reg(t, X86_RAX), ==, 77);
    done(t);
}

/*
 * 16-bit code stays in translated code: l: push cx; call f; pop cx; add [si], ax; dec cx; jnz l; jmp end; f: mov bx,
 * sp; mov ax, ss:[bx+2]; shl ax, 1; ret; end:
 */
static void test_loop(void)
{
    static const uint8_t code[] = {0x51, 0xe8, 0x08, 0x00, 0x59, 0x01, 0x04, 0x49, 0x75, 0xf6, 0xeb,
                                   0x09, 0x89, 0xe3, 0x36, 0x8b, 0x47, 0x02, 0xd1, 0xe0, 0xc3};
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned n = 0; n < RUNS; n++) {
        *reg(t, X86_RCX) = 0xabcd0000 + 1000;
        *reg(t, X86_RSI) = 0x12340000 + t->data;
        *reg(t, X86_RSP) = 0x77770000 + t->stack;
        put16(t, t->data_gla, 0);
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmphex(get16(t, t->data_gla), ==, (uint16_t)1001000);
        g_assert_cmphex(*reg(t, X86_RSP), ==, 0x77770000 + t->stack);
        g_assert_cmphex(*reg(t, X86_RCX), ==, 0xabcd0000);
    }
    g_assert_cmpuint(rem_stats(t->c)->refused[REM_REFUSED_MODE], ==, 0);
    g_assert_cmpuint(rem_stats(t->c)->slow, <, 50);
    done(t);
}

/* A jump over IP = ffffh leads to the segment's beginning, whether that begins a page or not. */
static void test_ip_wraps(void)
{
    static const uint16_t selectors[] = {0x2000, 0x2013, 0x20ff, 0x2100};
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned k = 0; k < 2 * G_N_ELEMENTS(selectors); k++) {
        uint16_t sel = selectors[k % G_N_ELEMENTS(selectors)];
        for (unsigned n = 0; n < RUNS; n++) {
            code_at(t, sel, 0xfff0);
            pgm_phys_write(t->pgm, t->c->ctx.seg[X86_CS].base + 0x0e, "\xb8\x22\x11\xeb\xdd\xf4", 6);
            /* at 0eh: mov ax, 1122h; jmp fff0h; at fff0h: inc bx; test bl, 1; jnz 0eh; hlt */
            *reg(t, X86_RAX) = *reg(t, X86_RBX) = 0;
            g_assert_cmpint(ISA_RUN(t, 0x43, 0xf6, 0xc3, 0x01, 0x75, 0x18), ==, ISA_DONE);
            g_assert_cmphex(*reg(t, X86_RAX), ==, 0x1122);
            g_assert_cmpuint(*reg(t, X86_RBX), ==, 2);
        }
    }
    done(t);
}

/* Code that runs over ffffh faults there, with everything before it done. */
static void test_ip_ends(void)
{
    static const uint16_t selectors[] = {0x2000, 0x2013};
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned k = 0; k < G_N_ELEMENTS(selectors); k++)
        for (unsigned n = 0; n < RUNS; n++) {
            isa_mode(t, X86_MODE_16);
            code_at(t, selectors[k], 0xfffe);
            *reg(t, X86_RBX) = 5;
            g_assert_cmpint(ISA_RUN(t, 0x43, 0x43, 0x43), ==, VECTOR_GP);
            g_assert_cmpuint(*reg(t, X86_RBX), ==, 7);
            g_assert_cmphex(frame16(t, 0), ==, 0); /* 10000h */
        }
    done(t);
}

/* The same bytes by two code segments: return addresses are each one's own, also where a call made by the other one
 * has left a pair. */
static void test_two_segments(void)
{
    static const uint8_t code[] = {0xe8, 0x02, 0x00, 0xeb, 0x04, 0x5b, 0x53, 0x40, 0xc3}; /* call f; f: pop push inc */
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned n = 0; n < 4 * RUNS; n++) {
        uint16_t shift = (uint16_t)(n % 4 * 3);
        code_at(t, (uint16_t)(0x2000 + shift), (uint16_t)(0x100 - 16 * shift));
        *reg(t, X86_RAX) = 0;
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 1);
        g_assert_cmphex(*reg(t, X86_RBX), ==, t->code + 3u);
        g_assert_cmphex(*reg(t, X86_RSP), ==, t->stack);
    }
    done(t);
}

/* 2000:100 calls 110h, which returns, or jumps to 2100:120: there RET finds 103h, which a pair is known for, in another
 * segment. */
static void test_return_elsewhere(void)
{
    static const uint8_t call[] = {0xe8, 0x0d, 0x00, 0xb8, 0x01, 0x00, 0xf4};                /* call; mov ax, 1 */
    static const uint8_t f[] = {0x85, 0xf6, 0x74, 0x05, 0xea, 0x20, 0x01, 0x00, 0x21, 0xc3}; /* if SI: jmp far */
    static const uint8_t there[] = {0xb8, 0x02, 0x00, 0xf4};                                 /* mov ax, 2 */
    struct isa *t = fresh(X86_MODE_16);

    pgm_phys_write(t->pgm, 0x20100, call, sizeof call);
    pgm_phys_write(t->pgm, 0x20110, f, sizeof f);
    pgm_phys_write(t->pgm, 0x21120, "\xc3", 1);
    pgm_phys_write(t->pgm, 0x21103, there, sizeof there);
    for (unsigned n = 0; n < 4 * RUNS; n++) {
        code_at(t, 0x2000, 0x100);
        *reg(t, X86_RSP) = t->stack;
        *reg(t, X86_RSI) = n % 2;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, n % 2 ? 2 : 1);
        g_assert_cmphex(t->c->ctx.rip, ==, 0x107);
    }
    done(t);
}

/* A page in the middle of one segment that is the last one of another: what the first has translated does not run over
 * the end of the second, to which a jump through a register leads. */
static void test_edge(void)
{
    struct isa *t = fresh(X86_MODE_16);
    uint8_t incs[32];

    memset(incs, 0x43, sizeof incs);
    for (unsigned n = 0; n < 2 * RUNS; n++) {
        code_at(t, 0x2000, 0x120);
        *reg(t, X86_RBX) = 0;
        *reg(t, X86_RSP) = t->stack;
        g_assert_cmpint(isa_run(t, incs, sizeof incs), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RBX), ==, 32);
        code_at(t, 0x1013, 0xfec0); /* 1fff0h; the segment ends at 2012fh */
        *reg(t, X86_RAX) = 0xfff0;
        *reg(t, X86_RBX) = 0;
        g_assert_cmpint(ISA_RUN(t, 0xff, 0xe0), ==, VECTOR_GP);
        g_assert_cmpuint(*reg(t, X86_RBX), ==, 16);
        g_assert_cmphex(frame16(t, 0), ==, 0); /* 10000h */
        g_assert_cmphex(frame16(t, 1), ==, 0x1013);
    }
    done(t);
}

/* push ax; pop bx at the segment's end: SP wraps, a word that does not fit is #SS, and nothing has changed. */
static void test_sp_wraps(void)
{
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned n = 0; n < RUNS; n++) {
        isa_mode(t, X86_MODE_16);
        *reg(t, X86_RSP) = 0x55550000;
        *reg(t, X86_RAX) = 0x1234 + n;
        *reg(t, X86_RBX) = 0;
        g_assert_cmpint(ISA_RUN(t, 0x50, 0x89, 0xe2, 0x5b), ==, ISA_DONE);
        g_assert_cmphex(*reg(t, X86_RBX), ==, 0x1234 + n);
        g_assert_cmphex((uint16_t)*reg(t, X86_RDX), ==, 0xfffe);
        g_assert_cmphex(*reg(t, X86_RSP), ==, 0x55550000);
        g_assert_cmphex(get16(t, 0x4fffe), ==, 0x1234 + n);
    }
    for (unsigned n = 0; n < RUNS; n++) {
        isa_mode(t, X86_MODE_16);
        *reg(t, X86_RSP) = 0xffff;
        *reg(t, X86_RBX) = 3;
        g_assert_cmpint(ISA_RUN(t, 0x43, 0x5b), ==, VECTOR_SS); /* inc bx; pop bx */
        g_assert_cmpuint(*reg(t, X86_RBX), ==, 4);
        g_assert_cmphex(frame16(t, 0), ==, t->code + 1);
    }
    done(t);
}

/* inc ax; mov [bx], ax; inc ax with BX = ffffh: the first is done, the store is not. */
static void test_limit(void)
{
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned n = 0; n < 2 * RUNS; n++) {
        isa_mode(t, X86_MODE_16);
        *reg(t, X86_RAX) = 7;
        *reg(t, X86_RBX) = n % 2 ? 0xffff : 0x1ffe;
        put16(t, 0x3ffff, 0xaaaa);
        g_assert_cmpint(ISA_RUN(t, 0x40, 0x89, 0x07, 0x40), ==, n % 2 ? VECTOR_GP : ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, n % 2 ? 8 : 9);
        g_assert_cmphex(get16(t, n % 2 ? 0x3ffff : 0x31ffe), ==, n % 2 ? 0xaaaa : 8);
        if (n % 2)
            g_assert_cmphex(frame16(t, 0), ==, t->code + 1);
    }
    done(t);
}

/* mov ds, dx; mov ax, [si]; inc dx; dec cx; jnz: walks by segment. */
static void test_base_changes(void)
{
    struct isa *t = fresh(X86_MODE_16);

    for (unsigned n = 0; n < 16; n++)
        put16(t, 0x30100 + 16 * n, (uint16_t)(1u << n));
    for (unsigned n = 0; n < RUNS; n++) {
        *reg(t, X86_RDX) = 0x3000;
        *reg(t, X86_RSI) = 0x100;
        *reg(t, X86_RCX) = 16;
        *reg(t, X86_RAX) = 0;
        g_assert_cmpint(ISA_RUN(t, 0x8e, 0xda, 0x03, 0x04, 0x42, 0x49, 0x75, 0xf8), ==, ISA_DONE);
        g_assert_cmphex(*reg(t, X86_RAX), ==, 0xffff);
        g_assert_cmphex(t->c->ctx.seg[X86_DS].base, ==, 0x300f0);
    }
    done(t);
}

/* push cs; pop es; push 12345678h (66h); pop fs (66h); mov gs, bx; push ds; push gs (66h); mov eax, es:[si]; loop back
 */
static void test_segment_loads(void)
{
    static const uint8_t code[] = {0x0e, 0x07, 0x66, 0x68, 0x78, 0x56, 0x34, 0x12, 0x66, 0x0f, 0xa1, 0x8e, 0xeb,
                                   0x1e, 0x66, 0x0f, 0xa8, 0x66, 0x26, 0x8b, 0x04, 0x83, 0xc4, 0x06, 0xe2, 0xe6};
    struct isa *t = fresh(X86_MODE_16);
    const struct cpum_seg *seg = t->c->ctx.seg;

    for (unsigned n = 0; n < RUNS; n++) {
        isa_mode(t, X86_MODE_16);
        *reg(t, X86_RBX) = 0x99990abc;
        *reg(t, X86_RCX) = 200;
        *reg(t, X86_RSI) = t->code;
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmphex(seg[X86_ES].sel, ==, 0x2000);
        g_assert_cmphex(seg[X86_ES].base, ==, 0x20000);
        g_assert_cmphex(seg[X86_FS].base, ==, 0x56780);
        g_assert_cmphex(seg[X86_GS].base, ==, 0xabc0);
        g_assert_cmphex(seg[X86_GS].limit, ==, 0xffff);
        g_assert_cmphex(*reg(t, X86_RAX), ==, 0x6866070e);
        g_assert_cmphex(*reg(t, X86_RSP), ==, t->stack);
        g_assert_cmphex(get16(t, 0x40000 + t->stack - 2), ==, 0x3000);
        g_assert_cmphex(get16(t, 0x40000 + t->stack - 6), ==, 0xabc);
        g_assert_cmphex(get16(t, 0x40000 + t->stack - 4), ==, 0x5678); /* PUSH GS writes two bytes only */
    }
    g_assert_cmpuint(rem_stats(t->c)->slow, <, 200);
    done(t);
}

static uint32_t get32(const struct isa *t, uint64_t gpa)
{
    uint32_t val;

    memcpy(&val, t->ram + gpa, 4);
    return val;
}

/* Ways over the end of a code segment of 32-bit code: EAX and the word on the stack are 2000h. */
static const struct over {
    const char *name;
    uint8_t code[8], bytes;
    uint16_t at;       /* in the segment */
    uint16_t faults;   /* EIP of the fault while the limit is 1fffh */
    int16_t moved;     /* what ESP has moved by when it does not fault */
    uint8_t increased; /* EBX, whether it faults or not */
} overs[] = {
    {"jmp", {0x43, 0xe9, 0xca, 0x0f, 0x00, 0x00}, 6, 0x1030, 0x1031, 0, 1},
    {"jnz", {0x43, 0x0f, 0x85, 0xc9, 0x0f, 0x00, 0x00}, 7, 0x1030, 0x1031, 0, 1},
    {"call", {0x43, 0xe8, 0xca, 0x0f, 0x00, 0x00}, 6, 0x1030, 0x1031, -4, 1},
    {"jmp eax", {0x43, 0xff, 0xe0}, 3, 0x1030, 0x1031, 0, 1},
    {"call eax", {0x43, 0xff, 0xd0}, 3, 0x1030, 0x1031, -4, 1},
    {"ret", {0x43, 0xc3}, 2, 0x1030, 0x1031, 4, 1},
    {"runs", {0x43, 0x43}, 2, 0x1ffe, 0x2000, 0, 2},
    {"runs, in two pages", {0x43, 0xbf, 0x00, 0x00, 0x00, 0x00}, 6, 0x1ffc, 0x1ffd, 0, 1},
};

/* The same bytes under limits of 1fffh and 2fffh, at a base that begins a page or does not. */
static void test_code_limit(const void *user)
{
    const struct over *o = user;
    struct isa *t = fresh(X86_MODE_32);
    struct cpum_seg *cs = &t->c->ctx.seg[X86_CS];

    for (unsigned n = 0; n < 8 * RUNS; n++) {
        bool inside = n / 2 % 2;
        isa_mode(t, X86_MODE_32);
        cs->base = ISA_CODE + (n / 4 % 2 ? 0x320 : 0);
        cs->limit = inside ? 0x2fff : 0x1fff;
        cs->attr &= ~(uint32_t)CPUM_SEG_G;
        t->code = o->at;
        t->code_gla = cs->base + o->at;
        memset(t->ram + cs->base, 0xf4, 0x3000);
        pgm_phys_write(t->pgm, cs->base, t->ram + cs->base, 0x3000); /* says that it has changed */
        *reg(t, X86_RAX) = 0x2000;
        *reg(t, X86_RBX) = 0;
        *reg(t, X86_RSP) -= 4;
        put32(t, t->stack - 4, 0x2000);
        g_assert_true(cpum_loaded(t->c));
        g_assert_cmpint(isa_run(t, o->code, o->bytes), ==, inside ? ISA_DONE : VECTOR_GP);
        g_assert_cmpuint(*reg(t, X86_RBX), ==, o->increased);
        if (inside) {
            g_assert_cmphex(*reg(t, X86_RSP), ==, t->stack - 4 + (uint64_t)(int64_t)o->moved);
        } else {
            g_assert_cmphex(*reg(t, X86_RSP), ==, t->stack - 4 - 16); /* error, EIP, CS, EFLAGS */
            g_assert_cmphex(get32(t, *reg(t, X86_RSP) + 4), ==, o->faults);
            g_assert_cmphex(get32(t, t->stack - 4), ==, 0x2000);
        }
    }
    done(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rem/segments/based", test_based);
    g_test_add_func("/rem/segments/loop", test_loop);
    g_test_add_func("/rem/segments/ip-wraps", test_ip_wraps);
    g_test_add_func("/rem/segments/ip-ends", test_ip_ends);
    g_test_add_func("/rem/segments/two-segments", test_two_segments);
    g_test_add_func("/rem/segments/return-elsewhere", test_return_elsewhere);
    g_test_add_func("/rem/segments/edge", test_edge);
    g_test_add_func("/rem/segments/sp-wraps", test_sp_wraps);
    g_test_add_func("/rem/segments/limit", test_limit);
    g_test_add_func("/rem/segments/base-changes", test_base_changes);
    g_test_add_func("/rem/segments/loads", test_segment_loads);
    for (unsigned n = 0; n < G_N_ELEMENTS(overs); n++) {
        g_autofree char *path = g_strdup_printf("/rem/segments/over/%s", overs[n].name);
        g_test_add_data_func(path, &overs[n], test_code_limit);
    }
    return g_test_run();
}

/*
 * group_test.c - accesses that share a probe: random runs of code whose memory operands lie close together, in the
 * interpreter alone and through the recompiler, have to end the same: registers, flags, memory, exceptions.
 *
 * Data pages are not next to each other in physical memory, one cannot be written and one is not there, so that a
 * group that reaches beyond its page shows. Each program runs often, from places near the pages' ends: first without,
 * then with the copy of its stretches.
 */
#include <inttypes.h>

#include "harness.h"

#include "vmm/rem/rem_int.h"

#define PROGRAMS   500u
#define RUNS       12u
#define INSNS      28u
#define INSN_BYTES 24u /* at most, with what comes beside it */
#define PAGES      4u
#define DATA_BYTES (PAGES * 4096u)
#define PTE_P      UINT64_C(1)
#define PTE_W      UINT64_C(2)

struct program {
    uint8_t byte[INSNS * INSN_BYTES];
    unsigned bytes;
};

static unsigned below(GRand *rng, unsigned n)
{
    return (unsigned)g_rand_int_range(rng, 0, (int)n);
}

static uint64_t number(GRand *rng)
{
    return (uint64_t)g_rand_int(rng) << 32 | g_rand_int(rng);
}

static const uint8_t bases[] = {X86_RBX, X86_RSI, X86_R8, X86_R12, X86_RDX, X86_RSP};

static void put(struct program *p, const uint8_t *bytes, unsigned count)
{
    memcpy(p->byte + p->bytes, bytes, count);
    p->bytes += count;
}
#define PUT(p, ...) put(p, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* REX.W @opcode with @reg and [@base + @disp] */
static void put_memory(struct program *p, unsigned prefix, bool two, unsigned opcode, unsigned reg, unsigned base,
                       int8_t disp)
{
    if (prefix != 0)
        PUT(p, (uint8_t)prefix);
    PUT(p, (uint8_t)((prefix != 0 ? 0x40 : 0x48) | (reg >= 8) << 2 | (base >= 8)));
    if (two)
        PUT(p, 0x0f);
    PUT(p, (uint8_t)opcode, (uint8_t)(0x40 | (reg & 7) << 3 | (base & 7)));
    if ((base & 7) == X86_RSP)
        PUT(p, 0x24);
    PUT(p, (uint8_t)disp);
}

static unsigned other_register(GRand *rng)
{
    static const uint8_t regs[] = {X86_RAX, X86_RCX, X86_RDI, X86_R11, X86_R9, X86_R13, X86_R15};

    return regs[below(rng, sizeof regs)];
}

static int8_t displacement(GRand *rng)
{
    int8_t disp = (int8_t)(below(rng, 12) * 8);

    return (int8_t)(below(rng, 16) == 0 ? disp + 3 : disp);
}

static void add_access(struct program *p, GRand *rng, unsigned base)
{
    static const uint8_t opcodes[] = {0x8b, 0x89, 0x03, 0x01, 0x39, 0x3b, 0x87, 0x13, 0x1b, 0x8b, 0x8b, 0x89};
    unsigned reg = other_register(rng);
    int8_t disp = displacement(rng);

    switch (below(rng, 8)) {
    case 0: put_memory(p, 0, true, 0x10, below(rng, 16), base, disp); break;        /* movups xmm, m */
    case 1: put_memory(p, 0, true, 0x11, below(rng, 16), base, disp); break;        /* movups m, xmm */
    case 2: put_memory(p, 0xf2, true, 0x58, below(rng, 4), base, disp & ~7); break; /* addsd xmm, m */
    case 3: put_memory(p, 0, true, 0xb6, reg, base, disp); break;                   /* movzx r, byte m */
    case 4: put_memory(p, 0, false, 0xff, below(rng, 2), base, disp); break;        /* inc or dec m */
    default: put_memory(p, 0, false, opcodes[below(rng, sizeof opcodes)], reg, base, disp); break;
    }
}

/* Some instructions on registers alone, in all widths, mostly on those that live in the context: what scratch registers
 * hold of them goes from one instruction to the next. */
static void add_plain(struct program *p, GRand *rng)
{
    static const uint8_t to[] = {X86_R13, X86_R14, X86_R15, X86_R9},
                         from[] = {X86_RCX, X86_R12, X86_R13, X86_R14, X86_R15};
    static const uint8_t opcodes[] = {0x01, 0x29, 0x31, 0x11, 0x39, 0x89, 0x87, 0x85, 0x03, 0x8b, 0x3b, 0xd3, 0xff};

    for (unsigned n = 1 + below(rng, 4); n > 0; n--) {
        unsigned rm = to[below(rng, sizeof to)], reg = from[below(rng, sizeof from)],
                 opcode = opcodes[below(rng, sizeof opcodes)];
        bool names_reg = opcode < 0xd0, back = opcode == 0x03 || opcode == 0x8b || opcode == 0x3b;
        if (back) {
            unsigned other = rm;
            rm = reg;
            reg = other;
        }
        if (!names_reg) /* rol, ror, shl by CL; inc, dec */
            reg = opcode == 0xd3 ? (unsigned[]){0, 1, 4}[below(rng, 3)] : below(rng, 2);
        if (below(rng, 4) == 0)
            PUT(p, 0x66);
        PUT(p, (uint8_t)((below(rng, 2) ? 0x48 : 0x40) | (reg >= 8) << 2 | (rm >= 8)),
            (uint8_t)(opcode - (below(rng, 5) == 0)), (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)));
    }
}

/* Something that is no access of a group: moves a base, overwrites it, jumps over the next instruction, pushes. */
static void add_other(struct program *p, GRand *rng, unsigned base)
{
    unsigned to = bases[below(rng, 4)];

    switch (below(rng, 13)) {
    case 0: PUT(p, (uint8_t)(0x48 | (base >= 8)), 0x83, (uint8_t)(0xc0 | (base & 7)), 8); break; /* add base, 8 */
    case 1: put_memory(p, 0, false, 0x8d, base, base, -8); break;                                /* lea */
    case 2: put_memory(p, 0, false, 0x8d, to, base, 16); break;                                  /* lea to */
    case 3:
        PUT(p, (uint8_t)(0x48 | (base >= 8) << 2 | (to >= 8)), 0x89, (uint8_t)(0xc0 | (base & 7) << 3 | (to & 7)));
        break;                                           /* mov to, base */
    case 4: PUT(p, 0x75, 0x03, 0x48, 0xff, 0xc0); break; /* jnz over inc rax */
    case 5: PUT(p, 0x48, 0x99); break;                   /* cqo: writes RDX without naming it */
    case 6: PUT(p, 0x57, 0x41, 0x55); break;             /* push rdi; push r13 */
    case 7: PUT(p, 0x41, 0x59, 0x41, 0x5f); break;       /* pop r9; pop r15 */
    case 8: PUT(p, 0x4c, 0x8d, 0x63, 0x10); break;       /* lea r12, [rbx + 16] */
    default: add_plain(p, rng); break;
    }
}

static struct program make(GRand *rng)
{
    struct program p = {.bytes = 0};
    unsigned base = bases[below(rng, sizeof bases)];

    for (unsigned n = 0; n < INSNS; n++) {
        if (below(rng, 5) == 0)
            base = bases[below(rng, sizeof bases)];
        if (below(rng, 4) == 0)
            add_other(&p, rng, base);
        else
            add_access(&p, rng, base);
    }
    return p;
}

/* Linear pages 0-3 of the data: physical 0, 2, 1 (read only), none. */
static void map_pages(struct isa *t)
{
    uint64_t *pte = (uint64_t *)(void *)(t->ram + ISA_PT);

    pte[1] = (pte[1] & 0xfff) | (ISA_DATA + 0x2000);
    pte[2] = ((pte[2] & 0xfff) | (ISA_DATA + 0x1000)) & ~PTE_W;
    pte[3] &= ~PTE_P;
    t->c->ctx.cr0 |= CPUM_CR0_WP;
    cpum_mode_update(t->c);
}

static void prepare(struct isa *t, uint32_t seed)
{
    GRand *rng = g_rand_new_with_seed(seed);
    struct cpum_ctx *x = &t->c->ctx;

    isa_mode(t, X86_MODE_64);
    map_pages(t);
    for (unsigned n = 0; n < 16; n++)
        x->gpr[n] = number(rng);
    for (unsigned n = 0; n < sizeof bases; n++)
        x->gpr[bases[n]] = ISA_DATA + below(rng, 3) * 0x1000 + 0xf00 + below(rng, 40) * 8;
    x->gpr[X86_RSP] = below(rng, 2) ? t->stack - 4096 + below(rng, 20) * 8 : x->gpr[X86_RSP];
    for (unsigned n = 0; n < DATA_BYTES; n += 8) {
        uint64_t v = number(rng);
        pgm_phys_write(t->pgm, ISA_DATA + n, &v, 8);
    }
    g_rand_free(rng);
}

static void same(struct isa *t, struct isa *o, unsigned program, int ended, int ended_there)
{
    struct cpum_ctx *a = &t->c->ctx, *b = &o->c->ctx;
    bool right = ended == ended_there && memcmp(a->gpr, b->gpr, sizeof a->gpr) == 0 && a->rip == b->rip &&
                 ((a->rflags ^ b->rflags) & CPUM_FL_ARITH) == 0 && a->cr2 == b->cr2 &&
                 memcmp(a->fpu.area + 160, b->fpu.area + 160, 256) == 0 && memcmp(t->ram, o->ram, 4096) == 0 &&
                 memcmp(t->ram + ISA_DATA, o->ram + ISA_DATA, DATA_BYTES) == 0 &&
                 memcmp(t->ram + ISA_STACK - 8192, o->ram + ISA_STACK - 8192, 8192) == 0;

    if (!right)
        g_error("program %u: ended %d, in the interpreter %d; rip %" PRIx64 " %" PRIx64, program, ended, ended_there,
                a->rip, b->rip);
}

/* What is kept of every site is read back as it can only be: in order, of instructions of the block, found by its code.
 */
static void check_sites(const struct rem *r)
{
    unsigned leaders = 0;

    for (uint32_t n = 0; n < r->filled[0].blocks; n++) {
        const struct rem_block *b = &r->block[n];
        uint32_t start = rem_leave_of(r, b);
        for (uint32_t id = rem_sites_of(r, b) - b->first; id < rem_sites_end(r, b) && !b->rest; id++) {
            struct rem_site s, found;
            rem_site_read(r, id, &s);
            g_assert_cmpuint(s.id, ==, id);
            g_assert_cmpuint(s.start, >=, start);
            g_assert_cmpuint(s.start, <, start + REM_BLOCK_ROOM);
            g_assert_cmpuint(s.off, >=, b->off);
            g_assert_cmpuint(s.off + s.len, <=, rem_end_of(b));
            g_assert_cmpuint(s.off + s.until, <, rem_end_of(b));
            g_assert_true(rem_site_at(r, s.start, &found));
            g_assert_cmpuint(found.start, ==, s.start);
            leaders += s.leads != REM_LEADS_NOT;
            start = s.start;
        }
    }
    g_assert_cmpuint(leaders, >, 10);
}

static void test_random(void)
{
    struct isa *t = isa_new(), *o = isa_new();
    GRand *rng = g_rand_new_with_seed(4711);

    isa_faults();
    isa_recompile(t, 0);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        struct program p = make(rng);
        for (unsigned run = 0; run < RUNS; run++) {
            uint32_t start = g_rand_int(rng);
            prepare(t, start);
            prepare(o, start);
            int ended = isa_run(t, p.byte, p.bytes), there = isa_run(o, p.byte, p.bytes);
            same(t, o, n, ended, there);
        }
    }
    check_sites(t->c->rem);
    const unsigned fewer = t->c->rem->checks_vectors ? 2 : 1; /* misaligned vectors are in none */
    g_assert_cmpuint(rem_stats(t->c)->groups, >, PROGRAMS / fewer);
    g_assert_cmpuint(rem_stats(t->c)->copies, >, PROGRAMS / 8 / fewer);
    isa_free(t);
    isa_free(o);
    g_rand_free(rng);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rem/groups", test_random);
    return g_test_run();
}

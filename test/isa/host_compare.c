/*
 * host_compare.c - every register and memory data instruction of the opcode maps, on the host CPU and in the
 * interpreter, with the same registers, flags and memory; then registers, flags, memory and faults are compared.
 *
 * The forms (prefixes, map, opcode, ModRM.reg, register or memory) are found by asking the decoder about all of them
 * and keeping what the table's rules say can run in user mode and depends on nothing but its operands. A case is a
 * form with random addressing, immediate and registers; VARIANTS sets of operands are tried on it. Flags the row calls
 * undefined are not compared. Faults must agree in vector, error code and CR2, and leave the same state behind.
 *
 * usage: host_compare [--count N] [--seed N] [--only MNEMONIC]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "host_run.h"

#define WINDOW       0x300000u
#define WINDOW_BYTES 0x2000u
#define GUARD_BYTES  0x80000u
#define SPOT_BYTES   512u /* what is compared around the operand */
#define VARIANTS     24u
#define FORMS_MAX    262144u
#define MISTAKES_MAX 10u
#define TSS_IST1     (0x9000u + 36)
#define IDT          0x2000u
#define KERNEL_HALF  (1ull << 47)
#define FLAGS_RANDOM (CPUM_FL_ARITH | CPUM_FL_DF)

enum { VECTOR_DF = 8, VECTOR_TS = 10, VECTOR_PF = 14, VECTOR_AC = 17 }; /* those with an error code: DF, TS to PF, AC */

/* Bytes in front of ModRM, and what of ModRM is fixed. */
struct form {
    uint8_t bytes[8];
    uint8_t len;
    uint8_t reg; /* ModRM.reg */
    bool memory; /* ModRM.mod != 3 */
    bool has_modrm;
    uint8_t rex_at; /* index of a REX byte in bytes, 0 = none */
    uint16_t mnem;
};

struct compare {
    struct isa *t;
    struct cpum_ctx fresh; /* long mode, CPL 3 */
    struct form *forms;
    unsigned nforms;
    uint64_t rng;
    uint64_t cases, faults;
    unsigned mistakes;
    uint64_t spot; /* where the memory operand is meant to be */
    uint8_t memory[SPOT_BYTES];
};

/* The current case. */
struct trial {
    uint8_t code[X86_MAX_LEN];
    struct x86_insn i;
    struct host_regs in, host;
    struct host_fault fault;
};

static uint64_t rnd(struct compare *k)
{
    k->rng ^= k->rng << 13;
    k->rng ^= k->rng >> 7;
    k->rng ^= k->rng << 17;
    return k->rng * 0x2545f4914f6cdd1dull;
}

static bool one_in(struct compare *k, unsigned n)
{
    return (rnd(k) >> 33) % n == 0;
}

/* ---- which instructions ---- */

/* The table's rules: user mode may run it, and only its operands matter. */
static bool is_data(const struct x86_insn *i)
{
    const uint32_t bad = X86_RULE_CPL0 | X86_RULE_IOPL | X86_RULE_SERIAL;

    if (i->row->flow != X86_FLOW_NEXT || (i->row->rules & bad))
        return false;
    if ((i->row->rules & X86_RULE_PROT) && !i->vex)
        return false;
    if (i->mnem >= X86_CLI || (i->mnem >= X86_LES && i->mnem <= X86_LGS))
        return false; /* mnem.def: the system section, then what is not integer; loads of segment registers */
    if (i->mnem == X86_MOVSXD && i->opsize == 2)
        return false; /* Intel reads 16 bits, AMD 32 */
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_SREG ||
            (i->op[n].kind == X86_OP_GPR && !(i->op[n].flags & (X86_OPF_READ | X86_OPF_WRITE))))
            return false; /* the second: reserved hints, #UD on some CPUs */
    return true;
}

static bool guest_has(struct compare *k, const struct x86_insn *i)
{
    return i->feature == X86_FEAT_NONE || (i->row->rules & X86_RULE_OLDER) || cpum_has(k->t->c, i->feature);
}

static void add_form(struct compare *k, const struct form *f)
{
    uint8_t bytes[X86_MAX_LEN + 1] = {0};
    struct x86_insn i;
    struct form *dst = &k->forms[k->nforms];

    memcpy(bytes, f->bytes, f->len);
    bytes[f->len] = (uint8_t)((f->memory ? 0x06 : 0xc1) | f->reg << 3);
    if (k->nforms == FORMS_MAX || x86_decode(bytes, X86_MAX_LEN, X86_MODE_64, &i) <= 0 || !is_data(&i) ||
        !guest_has(k, &i))
        return;
    *dst = *f;
    dst->has_modrm = i.has_modrm;
    dst->mnem = i.mnem;
    if (!i.has_modrm && (f->reg != 0 || f->memory))
        return; /* known already */
    k->nforms++;
}

static void add_opcode(struct compare *k, struct form f)
{
    for (unsigned n = 0; n < 16; n++) {
        f.reg = n & 7;
        f.memory = n >= 8;
        add_form(k, &f);
    }
}

/* Legacy encodings: [LOCK] [66] [F2/F3] [REX] [0F [38/3A]] opcode. */
static void add_legacy(struct compare *k, unsigned prefix, unsigned map, unsigned opcode)
{
    static const uint8_t reps[4] = {0, 0xf2, 0xf3, 0xf0};
    static const uint8_t escapes[4][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    struct form f = {};

    if (prefix & 1)
        f.bytes[f.len++] = 0x66;
    if (prefix & 2)
        f.bytes[f.len++] = 0x67;
    if (reps[prefix >> 2 & 3])
        f.bytes[f.len++] = reps[prefix >> 2 & 3];
    if (prefix & 0x30) {
        f.rex_at = f.len;
        f.bytes[f.len++] = prefix & 0x20 ? 0x48 : 0x40;
    }
    for (unsigned n = 0; n < 2; n++)
        if (escapes[map][n])
            f.bytes[f.len++] = escapes[map][n];
    f.bytes[f.len++] = (uint8_t)opcode;
    add_opcode(k, f);
}

/* VEX.LZ: BMI. */
static void add_vex(struct compare *k, unsigned w, unsigned pp, unsigned map, unsigned opcode)
{
    struct form f = {.bytes = {0xc4, (uint8_t)(0xe0 | map), (uint8_t)(w << 7 | pp), (uint8_t)opcode}, .len = 4};

    add_opcode(k, f);
}

static void find_forms(struct compare *k)
{
    k->forms = g_new0(struct form, FORMS_MAX);
    for (unsigned map = 0; map < 4; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned prefix = 0; prefix < 0x30; prefix++)
                add_legacy(k, prefix, map, opcode);
    for (unsigned n = 0; n < 8; n++)
        for (unsigned map = 2; map < 4; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                add_vex(k, n & 1, n >> 1, map, opcode);
}

/* ---- one case ---- */

static bool uses_memory(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_MEM)
            return true;
    return false;
}

/* Random ModRM, SIB, displacement and immediate; the REX and VEX register bits too. */
static bool make_code(struct compare *k, const struct form *f, struct trial *r)
{
    uint64_t fill[2] = {rnd(k), rnd(k)};
    unsigned mod = f->memory ? (unsigned)(rnd(k) >> 40) % 3 : 3;

    memcpy(r->code, fill, sizeof r->code);
    memcpy(r->code, f->bytes, f->len);
    if (f->rex_at)
        r->code[f->rex_at] |= rnd(k) >> 50 & 7;
    if (f->bytes[0] == 0xc4) {
        r->code[1] = (uint8_t)((r->code[1] & 0x1f) | (rnd(k) >> 20 & 0xe0));
        r->code[2] = (uint8_t)((r->code[2] & 0x87) | (rnd(k) >> 20 & 0x78));
    }
    if (f->has_modrm)
        r->code[f->len] = (uint8_t)(mod << 6 | f->reg << 3 | (rnd(k) >> 43 & 7));
    return x86_decode(r->code, X86_MAX_LEN, X86_MODE_64, &r->i) > 0 && r->i.mnem == f->mnem && is_data(&r->i) &&
           r->i.seg != X86_FS && r->i.seg != X86_GS && guest_has(k, &r->i);
}

static uint64_t random_value(struct compare *k)
{
    static const uint64_t corners[] = {0,
                                       1,
                                       2,
                                       0x7f,
                                       0x80,
                                       0xff,
                                       0x7fff,
                                       0x8000,
                                       0xffff,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0xffffffffffffffff,
                                       0xfffffffffffffffe};
    uint64_t v = rnd(k);

    switch (rnd(k) >> 61) {
    case 0:
    case 1: return corners[v >> 60];
    case 2: return v & 0xff;
    case 3: return (uint64_t)(int64_t)(int8_t)v;
    case 4: return v & 0xffffffff;
    default: return v;
    }
}

/* Makes the memory operand's address @want by choosing a register, or the displacement where no register is used. */
static bool aim(struct trial *r, uint64_t want)
{
    struct x86_insn *i = &r->i;
    uint64_t *g = r->in.gpr, rest = want - (uint64_t)i->disp;

    if (i->base == X86_BASE_RIP || (i->base == X86_REG_NONE && i->index == X86_REG_NONE))
        return false; /* settled in aim_code() */
    if (i->base == X86_REG_NONE) {
        g[i->index] = (uint32_t)rest / i->scale;
        return true;
    }
    if (i->index == i->base)
        g[i->base] = rest / (i->scale + 1u);
    else
        g[i->base] = rest - (i->index == X86_REG_NONE ? 0 : g[i->index] * i->scale);
    return true;
}

/* RIP-relative and absolute operands: the displacement is in the code. */
static bool aim_code(struct compare *k, struct trial *r)
{
    struct x86_insn *i = &r->i;
    int64_t disp = (int64_t)k->spot - (i->base == X86_BASE_RIP ? (int64_t)(ISA_CODE + i->len) : 0);
    int32_t d32 = (int32_t)disp;
    uint8_t *at;

    if (!uses_memory(i) || (i->base != X86_BASE_RIP && (i->base != X86_REG_NONE || i->index != X86_REG_NONE)))
        return true;
    for (at = r->code + 1; at + 4 <= r->code + i->len; at++) {
        uint64_t abs = (uint64_t)disp;
        int32_t old;

        memcpy(&old, at, 4);
        if (!i->has_modrm && at + 8 <= r->code + i->len && i->addrsize == 8 && memcmp(at, &i->disp, 8) == 0) {
            memcpy(at, &abs, 8);
            break;
        }
        if (old == (int32_t)i->disp) {
            memcpy(at, &d32, 4);
            break;
        }
    }
    return x86_decode(r->code, X86_MAX_LEN, X86_MODE_64, i) > 0 && i->disp == disp;
}

/* A bit offset in a register may reach far; keep it near the operand. */
static bool tame_bits(struct compare *k, struct trial *r)
{
    const struct x86_insn *i = &r->i;
    unsigned reg = i->op[1].reg;

    if (i->mnem < X86_BT || i->mnem > X86_BTC || i->op[0].kind != X86_OP_MEM || i->op[1].kind != X86_OP_GPR)
        return true;
    if (reg == i->base || reg == i->index)
        return false;
    r->in.gpr[reg] = (uint64_t)((int64_t)(rnd(k) % 1024) - 512);
    return true;
}

static void set_operands(struct compare *k, struct trial *r)
{
    uint64_t *g = r->in.gpr;
    const struct x86_insn *i = &r->i;

    for (unsigned n = 0; n < 16; n++)
        g[n] = random_value(k);
    g[X86_RSP] = k->spot & ~7ull;
    if (i->mnem == X86_LEAVE || i->mnem == X86_ENTER)
        g[X86_RBP] = k->spot;
    if (i->row->rules & X86_RULE_REP) {
        g[X86_RSI] = k->spot - 16 + (rnd(k) & 31);
        g[X86_RDI] = k->spot - 16 + (rnd(k) >> 20 & 31);
        if (i->rep)
            g[X86_RCX] = rnd(k) % 9;
    }
    if (i->mnem == X86_XLAT)
        g[X86_RBX] = k->spot - (uint8_t)g[X86_RAX];
    r->in.flags = (rnd(k) & FLAGS_RANDOM) | CPUM_FL_1 | CPUM_FL_IF;
}

/* ---- run and compare ---- */

static uint64_t spot_start(const struct compare *k)
{
    return MIN(k->spot - SPOT_BYTES / 2, WINDOW + WINDOW_BYTES - SPOT_BYTES);
}

static void report(struct compare *k, const struct trial *r, const char *what, uint64_t host, uint64_t ours)
{
    fprintf(stderr, "%s:", x86_mnem_name(r->i.mnem));
    for (unsigned n = 0; n < r->i.len; n++)
        fprintf(stderr, " %02x", r->code[n]);
    fprintf(stderr, ": %s: host %" PRIx64 ", here %" PRIx64 "\n ", what, host, ours);
    for (unsigned n = 0; n < 16; n++)
        fprintf(stderr, " %" PRIx64, r->in.gpr[n]);
    fprintf(stderr, " fl %" PRIx64 " spot %" PRIx64 "\n", r->in.flags, k->spot);
    k->mistakes++;
}

static bool has_error_code(int vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) || vector == VECTOR_AC;
}

/* The interpreter's side. After a fault the registers are taken from the exception frame. */
static void run_guest(struct compare *k, const struct trial *r, struct host_regs *ret, struct host_fault *ret_fault)
{
    struct cpum_ctx *x = &k->t->c->ctx;
    unsigned n = 0;

    memcpy(x->gpr, r->in.gpr, sizeof x->gpr);
    x->rflags = r->in.flags;
    x->rip = ISA_CODE;
    iem_step(k->t->c);
    memcpy(ret->gpr, x->gpr, sizeof x->gpr);
    ret->flags = x->rflags;
    ret->rip = x->rip;
    *ret_fault = (struct host_fault){.vector = -1};
    if (x->rip < ISA_HANDLERS || x->rip >= ISA_HANDLERS + 256 * 16)
        return;
    ret_fault->vector = (int)((x->rip - ISA_HANDLERS) / 16);
    if (has_error_code(ret_fault->vector))
        ret_fault->error = isa_frame(k->t, n++);
    ret_fault->address = x->cr2;
    ret->rip = isa_frame(k->t, n);
    ret->flags = isa_frame(k->t, n + 2) & ~(uint64_t)CPUM_FL_RF;
    ret->gpr[X86_RSP] = isa_frame(k->t, n + 3);
    *x = k->fresh;
    cpum_mode_update(k->t->c);
}

static void compare_fault(struct compare *k, const struct trial *r, const struct host_fault *ours)
{
    k->faults++;
    if (r->fault.error != ours->error &&
        r->fault.address < KERNEL_HALF) /* the host's kernel is mapped, the guest's not */
        report(k, r, "error code", r->fault.error, ours->error);
    if (ours->vector == VECTOR_PF && r->fault.address != ours->address)
        report(k, r, "CR2", r->fault.address, ours->address);
}

static void compare_state(struct compare *k, const struct trial *r, const struct host_regs *ours,
                          const struct host_fault *fault)
{
    const struct x86_row *row = r->i.row;
    uint64_t start = spot_start(k), mask = FLAGS_RANDOM & ~(uint64_t)row->flags_undefined;
    const uint8_t *hm = (const uint8_t *)(uintptr_t)start, *gm = k->t->ram + start;

    if (r->fault.vector != fault->vector) {
        report(k, r, "vector", (uint64_t)(int64_t)r->fault.vector, (uint64_t)(int64_t)fault->vector);
        return;
    }
    if (fault->vector >= 0)
        compare_fault(k, r, fault);
    for (unsigned n = 0; n < 16; n++)
        if (r->host.gpr[n] != ours->gpr[n]) {
            char name[8];

            snprintf(name, sizeof name, "r%u", n);
            report(k, r, name, r->host.gpr[n], ours->gpr[n]);
        }
    if ((r->host.flags ^ ours->flags) & mask)
        report(k, r, "flags", r->host.flags & mask, ours->flags & mask);
    for (unsigned n = 0; n < SPOT_BYTES; n++)
        if (hm[n] != gm[n]) {
            report(k, r, "memory", start + n, (uint64_t)hm[n] << 8 | gm[n]);
            break;
        }
}

static void run_case(struct compare *k, struct trial *r)
{
    uint64_t start = spot_start(k);
    struct host_regs ours;
    struct host_fault fault;

    memcpy((void *)(uintptr_t)start, k->memory, SPOT_BYTES);
    memcpy(k->t->ram + start, k->memory, SPOT_BYTES);
    r->host = r->in;
    host_run(&r->host, &r->fault);
    run_guest(k, r, &ours, &fault);
    compare_state(k, r, &ours, &fault);
    k->cases++;
}

/* Mostly well inside; sometimes over the boundary of two pages, now and then over the end. */
static void choose_spot(struct compare *k)
{
    uint64_t jitter = rnd(k) >> 59;

    if (one_in(k, 64))
        k->spot = WINDOW + WINDOW_BYTES - jitter;
    else if (one_in(k, 4))
        k->spot = WINDOW + WINDOW_BYTES / 2 - 16 + jitter;
    else
        k->spot = WINDOW + 1024 + (rnd(k) >> 40 & 0x3ff);
    for (unsigned n = 0; n < SPOT_BYTES; n += 8) {
        uint64_t v = random_value(k);

        memcpy(k->memory + n, &v, 8);
    }
}

static void run_form(struct compare *k, const struct form *f)
{
    unsigned mistakes = k->mistakes;
    struct trial r = {};

    choose_spot(k);
    if (!make_code(k, f, &r) || !aim_code(k, &r))
        return;
    host_run_load(r.code, r.i.len);
    isa_load(k->t, r.code, r.i.len);
    for (unsigned n = 0; n < VARIANTS && k->mistakes == mistakes; n++) {
        set_operands(k, &r);
        if (!tame_bits(k, &r))
            return;
        if (uses_memory(&r.i))
            aim(&r, k->spot);
        run_case(k, &r);
    }
}

/* ---- set-up ---- */

/* The guest's page tables are like the host's map: code and window, nothing around it. Faults use their own stack. */
static void prepare(struct compare *k)
{
    struct isa *t = k->t;
    uint64_t stack = ISA_STACK;

    isa_mode(t, X86_MODE_64);
    memset(t->ram + ISA_PD + 16, 0, 510 * 8);
    for (uint64_t n = 0; n < 512; n++) {
        uint64_t gpa = ISA_DATA + (n << 12);

        if (gpa < WINDOW || gpa >= WINDOW + WINDOW_BYTES)
            memset(t->ram + ISA_PT + 8 * n, 0, 8);
    }
    for (unsigned v = 0; v < 256; v++)
        t->ram[IDT + 16 * v + 4] = 1; /* IST1 */
    memcpy(t->ram + TSS_IST1, &stack, 8);
    isa_user(t);
    pgm_mmu_flush(&t->c->mmu, true);
    k->fresh = t->c->ctx;
}

int main(int argc, char **argv)
{
    gint64 count = 200000, seed = 1;
    g_autofree char *only = NULL;
    const GOptionEntry options[] = {{"count", 0, 0, G_OPTION_ARG_INT64, &count, "cases to run", "N"},
                                    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "start of the random numbers", "N"},
                                    {"only", 0, 0, G_OPTION_ARG_STRING, &only, "one mnemonic as in mnem.def", "NAME"},
                                    {}};
    g_autoptr(GOptionContext) context = g_option_context_new("- the interpreter against the host CPU");
    g_autoptr(GError) error = NULL;
    struct compare k = {};

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "host_compare: %s\n", error->message);
        return 1;
    }
    k.rng = (uint64_t)seed * 0x9e3779b97f4a7c15ull | 1;
    k.t = isa_new();
    if (!host_run_init(ISA_CODE, WINDOW, WINDOW_BYTES, GUARD_BYTES)) {
        fprintf(stderr, "host_compare: cannot map memory at %x and %x\n", ISA_CODE, WINDOW);
        return 1;
    }
    prepare(&k);
    find_forms(&k);
    while (k.cases < (uint64_t)count && k.mistakes < MISTAKES_MAX && k.nforms) {
        const struct form *f = &k.forms[(rnd(&k) >> 16) % k.nforms];

        if (!only || strcmp(x86_mnem_name(f->mnem), only) == 0)
            run_form(&k, f);
    }
    printf("host_compare: %" PRIu64 " cases over %u forms, %" PRIu64 " of them faults, %u differences\n", k.cases,
           k.nforms, k.faults, k.mistakes);
    isa_free(k.t);
    g_free(k.forms);
    return k.mistakes != 0;
}

/*
 * entry.c - the few pieces of host code through which C and translated code call each other, made once per vCPU.
 *
 *   enter   called from C with the block's address: saves the callee-saved registers, loads the guest's, jumps
 *   exit    jumped to by translated code that wants out (RIP is in the context): stores the guest's registers, returns
 *           to C
 *   slow    jumped to with hot.site set: stores them, calls rem_slow(), loads them again, goes on where that says
 *   slow_at, link_at, across_at
 *           called by stubs, with numbers behind the call: "slow" with that site; "exit" with that link, RIP being in
 *           the page, or T0 and more
 *   none    where the entry table of a page leads if there is no block: T0 is the target
 *
 * Vector registers are stored whenever they are the guest's; they are loaded only where translated code goes on in the
 * middle of a block (hot.vec_reload) - a block that wants them asks.
 */
#include "vmm/rem/translate_int.h"

#include <stddef.h>

#define XMM_OFF   160u
#define YMMH_OFF  576u
#define MXCSR_OFF 24u

static const uint8_t saved[] = {X86_RBX, X86_RBP, X86_R12, X86_R13, X86_R14, X86_R15};

static void push_pop(struct emit *e, bool push, unsigned reg)
{
    if (reg >= 8)
        e8(e, 0x41);
    e8(e, (push ? 0x50u : 0x58u) | (reg & 7u));
}

static void guest_registers(struct emit *e, const struct vcpu *c, bool load)
{
    for (unsigned g = 0; g < 16; g++) {
        unsigned reg = rem_host_reg(g);
        if (reg == X86_REG_NONE)
            continue;
        if (load)
            e_load(e, reg, &c->ctx.gpr[g]);
        else
            e_store(e, &c->ctx.gpr[g], reg);
    }
    if (load)
        e_load(e, RB, &c->rem->hot.rbase);
}

static void flags_from_memory(struct emit *e, const struct rem *r) /* push [flags]; popfq */
{
    struct x86_place m = e_abs(&r->hot.flags);

    e_mem(e, false, 0xff, 6, &m);
    e8(e, 0x9d);
}

static void flags_to_memory(struct emit *e, const struct rem *r) /* pushfq; pop [flags] */
{
    struct x86_place m = e_abs(&r->hot.flags);

    e8(e, 0x9c);
    e_mem(e, false, 0x8f, 0, &m);
}

/* movups xmm, [p] or back, with VEX where there is AVX: AMD's processors wait long at each change between the two kinds
 * while an upper half is in use. vinsertf128 ymm, ymm, [p], 1 or vextractf128 [p], ymm, 1. */
static void vector_low(struct emit *e, bool load, unsigned reg, const void *p)
{
    struct x86_place m = e_abs(p);

    uint8_t code[16] = {0xc5, (uint8_t)((reg >= 8 ? 0u : 0x80u) | 0x78u), load ? 0x10 : 0x11};

    if (__builtin_cpu_supports("avx"))
        e_bytes(e, code, (size_t)(x86_put_memory(code + 3, reg, &m) - code));
    else
        e_mem(e, false, load ? 0x0f10 : 0x0f11, reg, &m);
}

static void vector_high(struct emit *e, bool load, unsigned reg, const void *p)
{
    struct x86_place m = e_abs(p);
    uint8_t code[16], *q = code;

    *q++ = 0xc4;
    *q++ = (uint8_t)((reg >= 8 ? 0u : 0x80u) | 0x60u | 3u);
    *q++ = (uint8_t)((load ? (~reg & 15u) << 3 : 0x78u) | 4u | 1u);
    *q++ = load ? 0x18 : 0x19;
    q = x86_put_memory(q, reg, &m);
    *q++ = 1;
    e_bytes(e, code, (size_t)(q - code));
}

static void mxcsr(struct emit *e, bool load, const void *p)
{
    struct x86_place m = e_abs(p);

    e_mem(e, false, 0x0fae, load ? 2 : 3, &m);
}

static void vector_all(struct emit *e, bool load, const uint8_t *area, bool high)
{
    for (unsigned n = 0; n < 16; n++) {
        vector_low(e, load, n, area + XMM_OFF + 16 * n);
        if (high)
            vector_high(e, load, n, area + YMMH_OFF + 16 * n);
    }
}

/* vmovups ymm0, [p] or vorps ymm0, ymm0, [p] */
static void vector_or(struct emit *e, bool first, const void *p)
{
    struct x86_place m = e_abs(p);
    uint8_t code[16], *q = code;

    *q++ = 0xc5;
    *q++ = 0xfc;
    *q++ = first ? 0x10 : 0x56;
    q = x86_put_memory(q, 0, &m);
    e_bytes(e, code, (size_t)(q - code));
}

/* Not equal: some upper half is not 0. The processor then holds none that is in use. */
static void test_upper_halves(struct emit *e, const uint8_t *area)
{
    for (unsigned n = 0; n < 8; n++)
        vector_or(e, n == 0, area + YMMH_OFF + 32 * n);
    E_BYTES(e, 0xc4, 0xe2, 0x7d, 0x17, 0xc0); /* vptest ymm0, ymm0 */
    E_BYTES(e, 0xc5, 0xf8, 0x77);             /* vzeroupper */
}

/* Upper halves that are 0 are not loaded: once they have been written, each SSE instruction waits for what was in its
 * destination. */
static void load_vectors(struct emit *e, const uint8_t *area)
{
    uint8_t *upper, *done;

    if (!__builtin_cpu_supports("avx")) {
        vector_all(e, true, area, false);
        return;
    }
    test_upper_halves(e, area);
    upper = e_jcc(e, E_CC_NE);
    vector_all(e, true, area, false);
    done = e_jmp(e);
    e_here(e, upper);
    vector_all(e, true, area, true);
    e_here(e, done);
}

static void vector_registers(struct emit *e, struct rem *r, bool load)
{
    const uint8_t *area = r->c->ctx.fpu.area;
    bool avx = __builtin_cpu_supports("avx");

    if (load) {
        load_vectors(e, area);
        mxcsr(e, true, area + MXCSR_OFF);
        return;
    }
    vector_all(e, false, area, avx);
    if (avx)
        E_BYTES(e, 0xc5, 0xf8, 0x77); /* vzeroupper: no penalty for the C code that follows */
    mxcsr(e, false, area + MXCSR_OFF);
    mxcsr(e, true, &r->hot.host_mxcsr);
}

static void store_byte(struct emit *e, const uint8_t *p, unsigned v)
{
    struct x86_place m = e_abs(p);

    e_mem(e, false, 0xc6, 0, &m);
    e8(e, v);
}

/* Everything that is in registers goes to the context. RAX and flags are free afterwards. */
static void store_all(struct emit *e, struct rem *r, bool reload)
{
    uint8_t *not_live;

    guest_registers(e, r->c, false);
    flags_to_memory(e, r);
    E_BYTES(e, 0x6a, 2, 0x9d); /* push 2; popfq: AC off */
    e_cmp8_fl(e, &r->hot.vec_live, 0);
    not_live = e_jcc(e, E_CC_E);
    vector_registers(e, r, false);
    store_byte(e, &r->hot.vec_live, 0);
    if (reload)
        store_byte(e, &r->hot.vec_reload, 1);
    e_here(e, not_live);
}

static void emit_enter(struct emit *e, struct rem *r)
{
    struct x86_place target = e_abs(&r->hot.target);

    for (unsigned n = 0; n < sizeof saved; n++)
        push_pop(e, true, saved[n]);
    E_BYTES(e, 0x48, 0x83, 0xec, 8); /* sub rsp, 8: 16-byte aligned */
    e_store(e, &r->hot.target, X86_RDI);
    e_store(e, &r->hot.c_sp, X86_RSP);
    e_load(e, X86_RSP, &r->hot.pair_sp);
    flags_from_memory(e, r);
    guest_registers(e, r->c, true);
    e_mem(e, false, 0xff, 4, &target);
}

static void emit_leave(struct emit *e)
{
    E_BYTES(e, 0x48, 0x83, 0xc4, 8);
    for (unsigned n = sizeof saved; n-- > 0;)
        push_pop(e, false, saved[n]);
    e8(e, 0xc3);
}

static void emit_slow(struct emit *e, struct rem *r)
{
    struct x86_place call = e_abs(&r->hot.slow), target = e_abs(&r->hot.target);
    uint8_t *no_vector;

    store_all(e, r, true);
    e_store(e, &r->hot.pair_sp, X86_RSP);
    e_load(e, X86_RSP, &r->hot.c_sp);
    e_mov_imm(e, X86_RDI, (uintptr_t)r);
    e_mem(e, false, 0xff, 2, &call);
    E_BYTES(e, 0x48, 0x85, 0xc0); /* test rax, rax */
    e_aim(e_jcc(e, E_CC_E), r->code.rw + r->leave);
    e_store(e, &r->hot.target, X86_RAX);
    e_load(e, X86_RSP, &r->hot.pair_sp);
    e_cmp8_fl(e, &r->hot.vec_reload, 0);
    no_vector = e_jcc(e, E_CC_E);
    vector_registers(e, r, true);
    store_byte(e, &r->hot.vec_live, 1);
    store_byte(e, &r->hot.vec_reload, 0);
    e_here(e, no_vector);
    flags_from_memory(e, r);
    guest_registers(e, r->c, true);
    e_mem(e, false, 0xff, 4, &target);
}

static uint32_t here(const struct rem *r, const struct emit *e)
{
    return rem_off(r, e->p);
}

/* What is behind the call C code reads: here EFLAGS.AC forbids it. */
static void note_call(struct emit *e, struct rem *r)
{
    struct x86_place from = e_abs(&r->hot.from);

    e_mem(e, false, 0x8f, 0, &from); /* pop [from] */
}

/* RIP = T0, to which the offset behind the call is added later (rem_enter()). */
static void emit_out(struct emit *e, struct rem *r, bool in_page)
{
    note_call(e, r);
    if (in_page)
        e_load(e, T0, &r->hot.pcbase);
    e_store(e, &r->c->ctx.rip, T0);
    e_jmp_to(e, r->code.rw + r->exit);
}

void rem_trampolines(struct rem *r)
{
    struct emit e = {.p = r->code.rw + 64, .start = r->code.rw, .end = r->code.rw + 16384};

    r->enter = here(r, &e);
    emit_enter(&e, r);
    r->leave = here(r, &e);
    emit_leave(&e);
    r->exit = here(r, &e);
    store_all(&e, r, false);
    e_store(&e, &r->hot.pair_sp, X86_RSP);
    e_load(&e, X86_RSP, &r->hot.c_sp);
    e_jmp_to(&e, r->code.rw + r->leave);
    r->slow_at = here(r, &e);
    note_call(&e, r);
    r->slow = here(r, &e);
    emit_slow(&e, r);
    r->link_at = here(r, &e);
    emit_out(&e, r, true);
    r->across_at = here(r, &e);
    emit_out(&e, r, false);
    r->none = here(r, &e);
    e_store(&e, &r->c->ctx.rip, T0);
    e_store_imm32(&e, &r->hot.link, REM_INDIRECT);
    e_jmp_to(&e, r->code.rw + r->exit);
    r->code_first = (here(r, &e) + 63u) & ~63u;
}

/* IRET to the next instruction serialises as CPUID does (SDM vol. 3 8.3), and no hypervisor intercepts it. */
void rem_serialize(void)
{
    uint64_t tmp;

    __asm__ volatile(
        "mov %%ss, %k0\n\tpush %q0\n\tpush %%rsp\n\taddq $8, (%%rsp)\n\tpushfq\n\tmov %%cs, %k0\n\tpush %q0\n\t"
        "lea 1f(%%rip), %q0\n\tpush %q0\n\tiretq\n1:"
        : "=&r"(tmp)::"cc", "memory");
}

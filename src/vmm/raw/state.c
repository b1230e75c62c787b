/*
 * state.c - the states of a vCPU a jail can be in, and the way of the registers into it and back.
 *
 * General registers, flags and the bases of FS and GS are the guest's own. Selectors are the host's: 64-bit code cannot
 * tell without instructions the judge refuses, 32-bit code neither as long as each segment is what the host's selector
 * stands for. x87 and vector registers lie in the XSAVE area as the context keeps them; x87's pointers are kept apart,
 * and its selectors (FCS, FDS) are not carried: processors that are not old save them as 0.
 *
 * Sources: SDM vol. 1 13.4 (XSAVE area), vol. 3 3.4.5 (descriptors).
 */
#include <string.h>

#include "vmm/pgm/pgm.h"
#include "vmm/raw/raw_int.h"

#define XCR0_BASIC        UINT64_C(7)
#define XCR0_AVX          UINT64_C(4)
#define FX_FOP            6u /* FOP, FIP, FDP: 18 bytes */
#define XSTATE_BV         512u
#define XSAVE_UPPER       576u /* halves of YMM */
#define XSAVE_UPPER_BYTES 256u
#define FL_CARRIED        ((uint64_t)(CPUM_FL_ARITH | CPUM_FL_DF | CPUM_FL_TF | CPUM_FL_NT | CPUM_FL_AC))
#define FL_FORBIDDEN                                                                                                   \
    ((uint64_t)(CPUM_FL_TF | CPUM_FL_IOPL | CPUM_FL_NT | CPUM_FL_RF | CPUM_FL_VM | CPUM_FL_AC | CPUM_FL_VIF |          \
                CPUM_FL_VIP))

/* FS or GS of 32-bit code: null, or the whole of the address space from its base on. */
static bool segment_possible(const struct raw *r, const struct cpum_seg *s)
{
    const uint32_t wanted = CPUM_SEG_P | CPUM_SEG_S | CPUM_SEG_WR;

    if (s->attr & CPUM_SEG_UNUSABLE)
        return true;
    return r->based_selector != 0 && s->limit == UINT32_MAX &&
           (s->attr & (wanted | CPUM_SEG_CODE | CPUM_SEG_DC)) == wanted;
}

static bool segments_possible(const struct vcpu *c)
{
    const struct cpum_seg *fs = &c->ctx.seg[X86_FS], *gs = &c->ctx.seg[X86_GS];

    if (c->mode.code64)
        return fs->base < JAIL_TOP && gs->base < JAIL_TOP;
    return c->mode.flat && c->mode.code == X86_MODE_32 && c->mode.stack_bytes == 4 && segment_possible(c->raw, fs) &&
           segment_possible(c->raw, gs);
}

/* The vCPU is in a state in which the host CPU in ring 3 behaves as the guest's. */
bool raw_possible(const struct vcpu *c)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint32_t wanted = CPUM_KEY_SSE | CPUM_KEY_PE, excluded = CPUM_KEY_EM | CPUM_KEY_ALIGN | CPUM_KEY_V86;

    return x->cpl == 3 && c->mode.paging && (c->mode.key & (wanted | excluded)) == wanted && !(x->cr0 & CPUM_CR0_TS) &&
           (x->rflags & (FL_FORBIDDEN | CPUM_FL_IF)) == CPUM_FL_IF && x->rip < JAIL_TOP && segments_possible(c) &&
           pgm_a20(c->mmu.pgm);
}

/* ---- registers ---- */

static uint16_t based(const struct vcpu *c, enum x86_sreg n)
{
    return c->ctx.seg[n].attr & CPUM_SEG_UNUSABLE ? 0 : c->raw->based_selector;
}

/* The host's selectors that stand for the guest's. */
static void put_selectors(const struct vcpu *c, struct user_regs_struct *u)
{
    u->ss = JAIL_DATA;
    if (c->mode.code64) {
        u->cs = JAIL_CS64;
        u->ds = u->es = u->fs = u->gs = 0;
        return;
    }
    u->cs = JAIL_CS32;
    u->ds = u->es = JAIL_DATA;
    u->fs = based(c, X86_FS);
    u->gs = based(c, X86_GS);
}

bool raw_own_selectors(const struct vcpu *c, const struct user_regs_struct *u)
{
    struct user_regs_struct own;

    put_selectors(c, &own);
    return u->cs == own.cs && u->ss == own.ss &&
           (c->mode.code64 || (u->ds == own.ds && u->es == own.es && u->fs == own.fs && u->gs == own.gs));
}

void raw_put_registers(const struct vcpu *c, struct user_regs_struct *u)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint64_t *g = x->gpr;

    *u = (struct user_regs_struct){.rax = g[X86_RAX],
                                   .rcx = g[X86_RCX],
                                   .rdx = g[X86_RDX],
                                   .rbx = g[X86_RBX],
                                   .rsp = g[X86_RSP],
                                   .rbp = g[X86_RBP],
                                   .rsi = g[X86_RSI],
                                   .rdi = g[X86_RDI],
                                   .r8 = g[X86_R8],
                                   .r9 = g[X86_R9],
                                   .r10 = g[X86_R10],
                                   .r11 = g[X86_R11],
                                   .r12 = g[X86_R12],
                                   .r13 = g[X86_R13],
                                   .r14 = g[X86_R14],
                                   .r15 = g[X86_R15],
                                   .rip = x->rip,
                                   .eflags = (x->rflags & FL_CARRIED) | CPUM_FL_1 | CPUM_FL_IF,
                                   .fs_base = x->seg[X86_FS].base,
                                   .gs_base = x->seg[X86_GS].base};
    put_selectors(c, u);
}

void raw_take_registers(struct vcpu *c, const struct user_regs_struct *u)
{
    struct cpum_ctx *x = &c->ctx;
    const uint64_t g[16] = {[X86_RAX] = u->rax, [X86_RCX] = u->rcx, [X86_RDX] = u->rdx, [X86_RBX] = u->rbx,
                            [X86_RSP] = u->rsp, [X86_RBP] = u->rbp, [X86_RSI] = u->rsi, [X86_RDI] = u->rdi,
                            [X86_R8] = u->r8,   [X86_R9] = u->r9,   [X86_R10] = u->r10, [X86_R11] = u->r11,
                            [X86_R12] = u->r12, [X86_R13] = u->r13, [X86_R14] = u->r14, [X86_R15] = u->r15};

    memcpy(x->gpr, g, sizeof g);
    x->rip = u->rip;
    x->rflags = (x->rflags & ~FL_CARRIED) | (u->eflags & FL_CARRIED);
    if (c->mode.code64) {
        x->seg[X86_FS].base = u->fs_base;
        x->seg[X86_GS].base = u->gs_base;
    }
    if (x->rflags & (CPUM_FL_AC | CPUM_FL_TF | CPUM_FL_NT))
        cpum_mode_update(c);
}

/* Parts of the XSAVE area that the context keeps in the same place. */
static const struct {
    uint16_t at, bytes;
} vector_parts[] = {{0, 5}, {24, 4}, {32, 384}, {XSAVE_UPPER, XSAVE_UPPER_BYTES}};

/* x87 pointers, which the context keeps elsewhere. Older AMD processors save them with a pending exception only. */
static bool put_pointers(const struct vcpu *c, uint8_t *to)
{
    const struct cpum_ctx *x = &c->ctx;
    uint8_t now[18];

    memcpy(now, &x->fop, 2);
    memcpy(now + 2, &x->fip, 8);
    memcpy(now + 10, &x->fdp, 8);
    if (!c->raw->host.x87_pointers || memcmp(to + FX_FOP, now, sizeof now) == 0)
        return false;
    memcpy(to + FX_FOP, now, sizeof now);
    return true;
}

static void take_pointers(struct vcpu *c, const uint8_t *from)
{
    if (!c->raw->host.x87_pointers)
        return;
    memcpy(&c->ctx.fop, from + FX_FOP, 2);
    memcpy(&c->ctx.fip, from + FX_FOP + 2, 8);
    memcpy(&c->ctx.fdp, from + FX_FOP + 10, 8);
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/*
 * Return: the jail has something else. Components the jail's header lacks hold what they hold after a reset, and so
 * does its area. Upper halves that are zero are given as such a component: while the host thinks they are in use, each
 * instruction of SSE waits for its old destination.
 */
bool raw_put_vectors(const struct vcpu *c, struct jail *j)
{
    const bool upper = !all_zero(c->ctx.fpu.area + XSAVE_UPPER, XSAVE_UPPER_BYTES);
    const uint64_t components = upper ? XCR0_BASIC : XCR0_BASIC & ~XCR0_AVX;
    uint8_t *to = jail_xstate(j);
    bool differs = put_pointers(c, to);
    uint64_t has;

    memcpy(&has, to + XSTATE_BV, sizeof has);
    differs |= (has & ~components) != 0;

    for (unsigned n = 0; n < G_N_ELEMENTS(vector_parts); n++) {
        const unsigned at = vector_parts[n].at, bytes = vector_parts[n].bytes;

        if (memcmp(to + at, c->ctx.fpu.area + at, bytes) == 0)
            continue;
        memcpy(to + at, c->ctx.fpu.area + at, bytes);
        differs = true;
    }
    if (differs) {
        memset(to + XSTATE_BV, 0, 64);
        memcpy(to + XSTATE_BV, &components, sizeof components);
    }
    return differs;
}

void raw_take_vectors(struct vcpu *c, struct jail *j)
{
    const uint8_t *from = jail_xstate(j);

    for (unsigned n = 0; n < G_N_ELEMENTS(vector_parts); n++)
        memcpy(c->ctx.fpu.area + vector_parts[n].at, from + vector_parts[n].at, vector_parts[n].bytes);
    take_pointers(c, from);
}

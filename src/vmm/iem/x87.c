/*
 * x87.c - the guest's x87 and MMX registers in the host's own FPU, and the instructions that move their whole state.
 *
 * The first x87 or MMX instruction loads the guest's registers into the host FPU; they stay there (iem_thunks.x87_live)
 * until somebody wants to see them: iem_fpu_sync() brings them back into the context's area. The interpreter is
 * compiled without x87 code, so nothing disturbs them meanwhile. Guest exceptions need no emulation: the guest's own
 * control word is loaded, and an unmasked exception only sets the error-summary bit; it would trap at the next
 * *waiting* instruction, in front of which we raise #MF ourselves. The instruction and operand pointers the host
 * records are ours; the guest's are kept in the context.
 *
 * Sources: SDM vol. 1 8.1.8, 8.1.10 (images), 8.6, 8.7; vol. 2 FSAVE, FSTENV, FXSAVE.
 * With CR0.NE = 0 a pending error asserts FERR# at the next waiting instruction, as on the Pentium Pro, and the CPU
 * freezes there until an interrupt; with IGNNE# asserted it goes on, the error still pending (SDM vol. 1 8.7.2, app.
 * D).
 */
#include "vmm/iem/host_int.h"

#include <string.h>

#define FSW_ES    0x80u
#define FSW_FLAGS 0x3fu
#define FCW_BITS  0x1f3fu /* those that can be set; FCW_ONE always is */
#define FCW_ONE   0x40u
#define FCW_MASKS 0x3fu

bool host_is_x87(const struct x86_insn *i)
{
    if (i->map == 0)
        return i->opcode >= 0xd8 && i->opcode <= 0xdf;
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_MM)
            return true;
    return i->mnem == X86_EMMS;
}

static bool all_masked(void)
{
    uint16_t cw;

    __asm__ volatile("fnstcw %0" : "=m"(cw));
    return (cw & FCW_MASKS) == FCW_MASKS;
}

bool host_may_not_store(const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_FST:
    case X86_FSTP:
    case X86_FIST:
    case X86_FISTP:
    case X86_FISTTP:
    case X86_FBSTP: return !all_masked();
    default: return false;
    }
}

/* The legacy part of the context's area has FXSAVE's layout; XMM registers and MXCSR are left alone on the host. */
void host_x87_load(struct vcpu *c)
{
    struct iem_thunks *t = c->iem->thunks;
    uint8_t image[512] __attribute__((aligned(16))) = {0};
    const uint32_t mxcsr = 0x1f80;

    if (t->x87_live)
        return;
    memcpy(image, c->ctx.fpu.area, 8);
    memcpy(image + 24, &mxcsr, 4);
    memcpy(image + 32, c->ctx.fpu.area + 32, 128);
    __asm__ volatile("fxrstor64 %0" ::"m"(image)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13", "xmm14", "xmm15");
    t->x87_live = true;
}

static uint16_t status_word(void)
{
    uint16_t sw;

    __asm__ volatile("fnstsw %0" : "=a"(sw));
    return sw;
}

bool host_x87_error(void)
{
    return (status_word() & FSW_ES) != 0;
}

/* FOP is that of the last instruction with an unmasked exception (SDM vol. 1 8.1.9.1). */
static void settle_fop(struct vcpu *c, unsigned status)
{
    struct iem_thunks *t = c->iem->thunks;

    if (t->fop_maybe && (status & FSW_ES))
        c->ctx.fop = t->fop;
    t->fop_maybe = false;
}

void iem_fpu_sync(struct vcpu *c)
{
    struct iem_thunks *t = c->iem->thunks;
    uint8_t image[512] __attribute__((aligned(16)));

    if (t == NULL || !t->x87_live)
        return;
    __asm__ volatile("fxsave64 %0\n\tfninit" : "=m"(image));
    settle_fop(c, image[2]);
    memcpy(c->ctx.fpu.area, image, 5); /* FCW, FSW, abridged FTW */
    memcpy(c->ctx.fpu.area + 32, image + 32, 128);
    t->x87_live = false;
}

/* DB E0, E1, E4: FNENI, FNDISI, FNSETPM, which have no work any more. */
static bool is_idle(const struct x86_insn *i)
{
    return i->mnem == X86_FNOP && i->opcode == 0xdb;
}

static bool is_waiting(const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_FNOP: return !is_idle(i);
    case X86_FNINIT:
    case X86_FNCLEX:
    case X86_FNSTSW:
    case X86_FNSTCW:
    case X86_FNSTENV:
    case X86_FNSAVE: return false;
    default: return true;
    }
}

/* Control instructions leave the pointers of the last data instruction alone. */
static bool is_data(const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_FNINIT:
    case X86_FNCLEX:
    case X86_FNSTSW:
    case X86_FNSTCW:
    case X86_FLDCW:
    case X86_FLDENV:
    case X86_FNSTENV:
    case X86_FNSAVE:
    case X86_FRSTOR: return false;
    case X86_FNOP: return !is_idle(i);
    default: return i->map == 0;
    }
}

/* FERR# follows a pending error no further than to its end: it is asserted by the waiting instruction that meets it. */
static void ferr(struct vcpu *c, bool asserted)
{
    if (c->ctx.ferr == asserted)
        return;
    c->ctx.ferr = asserted;
    if (c->outside && c->outside->ferr)
        c->outside->ferr(c->outside_user, c->id, asserted);
}

/* The status word before the instruction, looked at. */
static unsigned settle(struct vcpu *c)
{
    unsigned status = status_word();

    settle_fop(c, status);
    if (!(status & FSW_ES))
        ferr(c, false);
    return status;
}

/* In front of a waiting instruction. Return: exceptions pending under IGNNE#. */
static unsigned raise_pending(struct vcpu *c)
{
    unsigned status = settle(c);

    if (!(status & FSW_ES))
        return 0;
    if (c->ctx.cr0 & CPUM_CR0_NE)
        iem_raise(c, XCPT_MF);
    ferr(c, true);
    if (!c->outside || !c->outside->ignne || !c->outside->ignne(c->outside_user))
        iem_freeze(c);
    return status & FSW_FLAGS;
}

/* The instruction runs in spite of an error: it must not trap on the host. */
static void disarm(struct vcpu *c, unsigned pending)
{
    c->iem->thunks->ignored = (uint8_t)pending;
    if (pending)
        __asm__ volatile("fnclex");
}

void host_x87_end(struct vcpu *c)
{
    struct iem_thunks *t = c->iem->thunks;

    if (!t->ignored)
        return;
    iem_fpu_sync(c);
    c->ctx.fpu.area[2] |= t->ignored;
    iem_fpu_summary(c->ctx.fpu.area);
    t->ignored = 0;
}

void host_x87_begin(struct vcpu *c, const struct iem_op *op)
{
    host_x87_load(c);
    if (is_waiting(&op->i))
        disarm(c, raise_pending(c));
    else
        (void)settle(c);
}

void host_x87_note(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_insn *i = &op->i;

    if (i->mnem == X86_FNINIT) {
        c->ctx.fip = c->ctx.fdp = 0;
        c->ctx.fcs = c->ctx.fds = c->ctx.fop = 0;
    } else if (is_data(i)) {
        bool memory = (i->modrm >> 6) != 3;
        c->ctx.fip = c->ctx.rip - i->len;
        c->ctx.fcs = c->ctx.seg[X86_CS].sel;
        c->iem->thunks->fop = (uint16_t)((i->opcode & 7u) << 8 | i->modrm);
        c->iem->thunks->fop_maybe = true;
        c->ctx.fdp = memory ? iem_ea(c, i) : c->ctx.fdp;
        c->ctx.fds = memory ? c->ctx.seg[i->seg].sel : c->ctx.fds;
    }
}

void iem_FWAIT(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if ((c->ctx.cr0 & (CPUM_CR0_MP | CPUM_CR0_TS)) == (CPUM_CR0_MP | CPUM_CR0_TS))
        iem_raise(c, XCPT_NM);
    host_x87_load(c);
    (void)raise_pending(c);
}

/* ---- environment images: 14 bytes with a 16-bit operand size, 28 otherwise; real-mode forms mix in FOP ---- */

#define FTW_OFF 4u
#define ST_OFF  32u

static bool real_form(const struct vcpu *c)
{
    return !c->mode.pe || c->mode.v86;
}

/* Full tag word from the abridged one and the registers (SDM vol. 1 8.1.7). */
static uint16_t full_tags(const uint8_t *area)
{
    unsigned top = (area[3] >> 3) & 7u;
    uint16_t tags = 0;

    for (unsigned phys = 0; phys < 8; phys++) {
        const uint8_t *st = area + ST_OFF + 16u * ((phys - top) & 7u);
        uint64_t mantissa;
        uint16_t exponent;
        unsigned tag = 3;
        memcpy(&mantissa, st, 8);
        memcpy(&exponent, st + 8, 2);
        exponent &= 0x7fff;
        if ((area[FTW_OFF] >> phys) & 1)
            tag = exponent == 0 && mantissa == 0 ? 1 : exponent == 0 || exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
        tags = (uint16_t)(tags | tag << (2 * phys));
    }
    return tags;
}

static uint8_t abridged_tags(uint16_t full)
{
    uint8_t tags = 0;

    for (unsigned phys = 0; phys < 8; phys++)
        if (((full >> (2 * phys)) & 3u) != 3)
            tags = (uint8_t)(tags | 1u << phys);
    return tags;
}

static unsigned put_env(struct vcpu *c, unsigned opsize, uint8_t *image)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint8_t *area = x->fpu.area;
    uint64_t ip = x->fip, dp = x->fdp;
    bool real = real_form(c);
    uint32_t words[7];

    if (real) {
        ip = (ip + ((uint64_t)x->fcs << 4)) & 0xffffffffu;
        dp = (dp + ((uint64_t)x->fds << 4)) & 0xffffffffu;
    }
    words[0] = (uint32_t)(area[0] | area[1] << 8);
    words[1] = (uint32_t)(area[2] | area[3] << 8);
    words[2] = full_tags(area);
    words[3] = (uint32_t)ip;
    words[4] = real ? (uint32_t)((ip >> 16) << 12) | x->fop : (uint32_t)(x->fcs | (uint32_t)x->fop << 16);
    words[5] = (uint32_t)dp;
    words[6] = real ? (uint32_t)((dp >> 16) << 12) : x->fds;
    if (opsize == 2) {
        words[4] = real ? (uint32_t)((ip >> 4) & 0xf000u) | x->fop : x->fcs;
        words[6] = real ? (uint32_t)((dp >> 4) & 0xf000u) : x->fds;
        for (unsigned k = 0; k < 7; k++)
            memcpy(image + 2 * k, &words[k], 2);
        return 14;
    }
    if (real) { /* low 16 bits, then the rest beside the opcode */
        words[3] &= 0xffffu;
        words[5] &= 0xffffu;
    }
    for (unsigned k = 0; k < 7; k++)
        words[k] |= k < 3 || (k == 6 && !real) ? 0xffff0000u : 0;
    memcpy(image, words, 28);
    return 28;
}

/* The area is in the order of ST(i), registers keep their place: another TOP means another order. */
static void set_top(uint8_t *area, unsigned top)
{
    unsigned shift = (top - (area[3] >> 3)) & 7u;
    uint8_t old[128];

    memcpy(old, area + ST_OFF, sizeof old);
    for (unsigned k = 0; k < 8; k++)
        memcpy(area + ST_OFF + 16 * k, old + 16 * ((k + shift) & 7u), 16);
    area[3] = (uint8_t)((area[3] & 0xc7) | top << 3);
}

void host_mmx_enter(struct vcpu *c)
{
    iem_fpu_sync(c);
    set_top(c->ctx.fpu.area, 0);
    c->ctx.fpu.area[FTW_OFF] = 0xff;
}

/* Reserved bits of FCW are not loaded; ES and B follow from the exceptions and their masks. */
void iem_fpu_summary(uint8_t *area)
{
    uint16_t control = (uint16_t)(((area[0] | area[1] << 8) & FCW_BITS) | FCW_ONE);
    bool error = area[2] & ~area[0] & FSW_FLAGS;

    memcpy(area, &control, 2);
    area[2] = (uint8_t)((area[2] & ~FSW_ES) | (error ? FSW_ES : 0));
    area[3] = (uint8_t)((area[3] & 0x7f) | (error ? 0x80 : 0)); /* B */
}

static void take_env(struct vcpu *c, unsigned opsize, const uint8_t *image)
{
    struct cpum_ctx *x = &c->ctx;
    uint32_t w[7] = {0};

    for (unsigned k = 0; k < 7; k++)
        memcpy(&w[k], image + k * (opsize == 2 ? 2u : 4u), opsize == 2 ? 2 : 4);
    set_top(x->fpu.area, w[1] >> 11 & 7);
    memcpy(x->fpu.area, &w[0], 2);
    memcpy(x->fpu.area + 2, &w[1], 2);
    iem_fpu_summary(x->fpu.area);
    x->fpu.area[FTW_OFF] = abridged_tags((uint16_t)w[2]);
    if (real_form(c)) {
        x->fop = (uint16_t)(w[4] & 0x7ff);
        x->fip = (w[3] & 0xffff) | (w[4] >> 12) << 16;
        x->fdp = (w[5] & 0xffff) | (w[6] >> 12) << 16;
        x->fcs = x->fds = 0;
        return;
    }
    x->fip = w[3];
    x->fcs = (uint16_t)w[4];
    x->fop = opsize == 2 ? 0 : (uint16_t)(w[4] >> 16 & 0x7ff);
    x->fdp = w[5];
    x->fds = (uint16_t)w[6];
}

static void init_area(struct vcpu *c)
{
    static const uint8_t fresh[5] = {0x7f, 0x03, 0, 0, 0};

    set_top(c->ctx.fpu.area, 0);
    memcpy(c->ctx.fpu.area, fresh, sizeof fresh);
    c->ctx.fip = c->ctx.fdp = 0;
    c->ctx.fcs = c->ctx.fds = c->ctx.fop = 0;
}

void iem_FNSTENV(struct vcpu *c, const struct iem_op *op)
{
    uint8_t image[28];

    iem_fpu_sync(c);
    unsigned n = put_env(c, op->i.opsize, image);
    iem_wr_bytes(c, op->i.seg, iem_ea(c, &op->i), image, n, IEM_ALIGN_AC);
    c->ctx.fpu.area[0] |= 0x3f; /* all exceptions masked afterwards */
    c->ctx.fpu.area[2] &= 0x7f;
    c->ctx.fpu.area[3] &= 0x7f;
}

void iem_FLDENV(struct vcpu *c, const struct iem_op *op)
{
    uint8_t image[28];

    host_x87_load(c);
    (void)raise_pending(c);
    iem_rd_bytes(c, op->i.seg, iem_ea(c, &op->i), image, op->i.opsize == 2 ? 14 : 28, IEM_ALIGN_AC);
    iem_fpu_sync(c);
    take_env(c, op->i.opsize, image);
}

void iem_FNSAVE(struct vcpu *c, const struct iem_op *op)
{
    uint8_t image[108];

    iem_fpu_sync(c);
    unsigned n = put_env(c, op->i.opsize, image);
    for (unsigned k = 0; k < 8; k++)
        memcpy(image + n + 10 * k, c->ctx.fpu.area + ST_OFF + 16 * k, 10);
    iem_wr_bytes(c, op->i.seg, iem_ea(c, &op->i), image, n + 80, IEM_ALIGN_AC);
    init_area(c);
}

void iem_FRSTOR(struct vcpu *c, const struct iem_op *op)
{
    uint8_t image[108];
    unsigned n = op->i.opsize == 2 ? 14 : 28;

    host_x87_load(c);
    (void)raise_pending(c);
    iem_rd_bytes(c, op->i.seg, iem_ea(c, &op->i), image, n + 80, IEM_ALIGN_AC);
    iem_fpu_sync(c);
    take_env(c, op->i.opsize, image);
    for (unsigned k = 0; k < 8; k++) {
        memset(c->ctx.fpu.area + ST_OFF + 16 * k, 0, 16);
        memcpy(c->ctx.fpu.area + ST_OFF + 16 * k, image + n + 10 * k, 10);
    }
}

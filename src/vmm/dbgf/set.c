/*
 * set.c - a stopped vCPU's registers are given values, by the processor's own rules.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/dbgf/dbgf.h"

#define SET_ERROR (g_quark_from_static_string("dbgf"))
#define SETTABLE                                                                                                       \
    (CPUM_FL_ARITH | CPUM_FL_TF | CPUM_FL_IF | CPUM_FL_DF | CPUM_FL_IOPL | CPUM_FL_NT | CPUM_FL_RF | CPUM_FL_AC |      \
     CPUM_FL_ID)

static bool set_cr2(struct vcpu *c, uint64_t val)
{
    c->ctx.cr2 = val;
    return true;
}

static bool set_rip(struct vcpu *c, uint64_t val)
{
    const bool fits = c->mode.code64 ? cpum_canonical(val) : val <= UINT32_MAX;

    if (fits)
        c->ctx.rip = val;
    return fits;
}

/* What decides over modes (VM) or other rules (VIF, VIP) stays. */
static bool set_flags(struct vcpu *c, uint64_t val)
{
    const uint64_t mask = SETTABLE & cpum_flags_exist(c);

    if ((val & ~(uint64_t)CPUM_FL_1) & ~mask & ~c->ctx.rflags)
        return false;
    c->ctx.rflags = (c->ctx.rflags & ~mask) | (val & mask);
    return true;
}

static const struct {
    const char *name;
    uint8_t gpr;
} gprs[] = {{"rax", X86_RAX}, {"rcx", X86_RCX}, {"rdx", X86_RDX}, {"rbx", X86_RBX}, {"rsp", X86_RSP}, {"rbp", X86_RBP},
            {"rsi", X86_RSI}, {"rdi", X86_RDI}, {"r8", X86_R8},   {"r9", X86_R9},   {"r10", X86_R10}, {"r11", X86_R11},
            {"r12", X86_R12}, {"r13", X86_R13}, {"r14", X86_R14}, {"r15", X86_R15}};
static const struct {
    const char *name;
    bool (*set)(struct vcpu *c, uint64_t val);
} others[] = {{"rip", set_rip},        {"rflags", set_flags},   {"cr0", cpum_cr0_write},   {"cr2", set_cr2},
              {"cr3", cpum_cr3_write}, {"cr4", cpum_cr4_write}, {"efer", cpum_efer_write}, {"xcr0", cpum_xcr0_write}};

static bool refuse(GError **error, const char *name, const char *value, const char *why)
{
    g_set_error(error, SET_ERROR, 0, "Register '%s' cannot become '%s': %s", name, value, why);
    return false;
}

bool dbgf_set_register(struct vcpu *c, const char *name, const char *value, GError **error)
{
    const char *dot = strrchr(name, '.'), *bare = dot != NULL ? dot + 1 : name;
    char *end;
    const uint64_t val = g_ascii_strtoull(value, &end, 0);

    if (!g_ascii_isdigit(*value) || *end != '\0')
        return refuse(error, name, value, "it is no number");
    for (size_t k = 0; k < G_N_ELEMENTS(gprs); k++)
        if (strcmp(gprs[k].name, bare) == 0) {
            c->ctx.gpr[gprs[k].gpr] = val;
            return true;
        }
    for (size_t k = 0; k < G_N_ELEMENTS(others); k++)
        if (strcmp(others[k].name, bare) == 0) {
            bool ok = others[k].set(c, val);
            cpum_mode_update(c);
            return ok || refuse(error, name, value, "the processor does not allow it");
        }
    return refuse(error, name, value,
                  "it is not known; general registers, rip, rflags, cr0, cr2, cr3, cr4, efer and xcr0 are");
}

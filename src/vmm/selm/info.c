/*
 * info.c - descriptor tables and the TSS as text.
 *
 * What is shown is what stands in memory; the hidden parts of the registers are "info cpumguest"'s.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/selm/selm.h"

enum { IDT_VECTORS = 256 };

/* Eight bytes by linear address; an unmapped page ends a listing. */
static bool read8(struct vcpu *c, uint64_t gla, uint64_t *ret)
{
    uint8_t bytes[8];

    for (unsigned n = 0; n < sizeof(bytes); n++) {
        uint64_t at = c->mode.long_mode ? gla + n : (uint32_t)(gla + n), gpa;

        if (!pgm_mmu_peek(&c->mmu, at, &gpa))
            return false;
        pgm_phys_read(c->mmu.pgm, (gpa & ~(uint64_t)(PGM_PAGE_BYTES - 1)) | (at & (PGM_PAGE_BYTES - 1)), &bytes[n], 1);
    }
    memcpy(ret, bytes, sizeof(bytes));
    return true;
}

static const char *system_name(unsigned type, bool wide)
{
    switch (type) {
    case SEG_T_LDT: return "LDT";
    case SEG_T_TSS16: return "TSS16";
    case SEG_T_TSS16_BUSY: return "TSS16 busy";
    case SEG_T_TSS32: return wide ? "TSS64" : "TSS32";
    case SEG_T_TSS32_BUSY: return wide ? "TSS64 busy" : "TSS32 busy";
    case SEG_T_CALL16: return "CallGate16";
    case SEG_T_CALL32: return wide ? "CallGate64" : "CallGate32";
    case SEG_T_TASK: return "TaskGate";
    case SEG_T_INT16: return "IntGate16";
    case SEG_T_TRAP16: return "TrapGate16";
    case SEG_T_INT32: return wide ? "IntGate64" : "IntGate32";
    case SEG_T_TRAP32: return wide ? "TrapGate64" : "TrapGate32";
    default: return "reserved";
    }
}

static bool is_gate(unsigned type)
{
    return type == SEG_T_TASK || (type & ~8u) == SEG_T_CALL16 || (type & ~9u) == SEG_T_INT16;
}

static void put_gate(const char *what, uint64_t lo, uint64_t hi, bool wide, GString *out)
{
    struct selm_gate g;

    selm_gate_decode(&g, lo, hi, wide);
    g_string_append_printf(out, "%s %-11s Sel=%04x Off=%016" PRIx64 " DPL=%u%s", what, system_name(g.type, wide), g.sel,
                           g.off, g.dpl, g.present ? "" : " not present");
    if (g.ist)
        g_string_append_printf(out, " IST=%u", g.ist);
    g_string_append_c(out, '\n');
}

static void put_segment(const char *what, uint64_t lo, uint64_t hi, bool wide, GString *out)
{
    uint32_t attr = desc_attr(lo);
    bool code = attr & CPUM_SEG_CODE, system = !(attr & CPUM_SEG_S);
    g_autofree char *kind =
        system ? g_strdup(system_name(desc_type(lo), wide))
               : g_strdup_printf("%s%s%s%s", code ? "Code" : "Data",
                                 attr & CPUM_SEG_L   ? "64"
                                 : attr & CPUM_SEG_D ? "32"
                                                     : "16",
                                 code ? (attr & CPUM_SEG_WR ? "ER" : "EO") : (attr & CPUM_SEG_WR ? "RW" : "RO"),
                                 attr & CPUM_SEG_ACCESSED ? "a" : "");
    uint64_t base = desc_base(lo) | (system && wide ? hi << 32 : 0);

    g_string_append_printf(out, "%s %-11s Bas=%016" PRIx64 " Lim=%08x DPL=%u%s%s\n", what, kind, base, desc_limit(lo),
                           desc_dpl(lo), attr & CPUM_SEG_DC ? (code ? " conforming" : " down") : "",
                           desc_present(lo) ? "" : " not present");
}

static void put_table(struct vcpu *c, uint64_t base, uint32_t limit, uint16_t ti, GString *out)
{
    bool wide = c->mode.long_mode;

    for (uint32_t off = 0; off + 7 <= limit && off < 0x10000; off += 8) {
        uint64_t lo, hi = 0;
        char what[8];

        if (!read8(c, base + off, &lo)) {
            g_string_append_printf(out, "%04x and on: not mapped\n", off | ti);
            return;
        }
        if (lo == 0)
            continue;
        g_snprintf(what, sizeof(what), "%04x", off | ti);
        if (wide && !(desc_attr(lo) & CPUM_SEG_S)) { /* 16 bytes */
            if (!read8(c, base + off + 8, &hi))
                hi = 0;
            off += 8;
        }
        if (is_gate(desc_type(lo)))
            put_gate(what, lo, hi, wide, out);
        else
            put_segment(what, lo, hi, wide, out);
    }
}

void selm_info_gdt(struct vcpu *c, GString *out)
{
    const struct cpum_table *t = &c->ctx.gdtr;

    g_string_append_printf(out, "Guest GDT (GCAddr=%016" PRIx64 " limit=%04x):\n", t->base, t->limit);
    put_table(c, t->base, t->limit, 0, out);
}

void selm_info_ldt(struct vcpu *c, GString *out)
{
    const struct cpum_seg *s = &c->ctx.ldtr;

    if ((s->attr & CPUM_SEG_UNUSABLE) || selm_null(s->sel)) {
        g_string_append_printf(out, "Guest LDT (Sel=%04x): none\n", s->sel);
        return;
    }
    g_string_append_printf(out, "Guest LDT (Sel=%04x GCAddr=%016" PRIx64 " limit=%08x):\n", s->sel, s->base, s->limit);
    put_table(c, s->base, s->limit, SEG_TI, out);
}

void selm_info_idt(struct vcpu *c, GString *out)
{
    const struct cpum_table *t = &c->ctx.idtr;
    bool wide = c->mode.long_mode;
    unsigned bytes = wide ? 16 : 8;

    g_string_append_printf(out, "Guest IDT (GCAddr=%016" PRIx64 " limit=%04x):\n", t->base, t->limit);
    for (unsigned v = 0; v < IDT_VECTORS && (v + 1) * bytes - 1 <= t->limit; v++) {
        uint64_t lo, hi = 0;
        char what[8];

        if (!read8(c, t->base + (uint64_t)v * bytes, &lo) || (wide && !read8(c, t->base + 16ull * v + 8, &hi))) {
            g_string_append_printf(out, "%02x and on: not mapped\n", v);
            return;
        }
        g_snprintf(what, sizeof(what), "%02x", v);
        if (lo)
            put_gate(what, lo, hi, wide, out);
    }
}

/* Stacks of a TSS: 32 bits: ESP0 SS0 ...; 64 bits: RSP0-2, then IST1-7. */
void selm_info_tss(struct vcpu *c, GString *out)
{
    const struct cpum_seg *s = &c->ctx.tr;
    bool wide = c->mode.long_mode;

    g_string_append_printf(out, "Guest TSS (Sel=%04x GCAddr=%016" PRIx64 " limit=%08x flags=%04x):\n", s->sel, s->base,
                           s->limit, s->attr);
    for (unsigned n = 0; n < (wide ? 10u : 3u); n++) {
        uint64_t val;

        if (n == 3)
            continue; /* reserved, between RSP2 and IST1 */
        if (!read8(c, s->base + 4 + 8ull * n, &val))
            return;
        if (!wide)
            g_string_append_printf(out, "ss:esp%u=%04x:%08x\n", n, (uint16_t)(val >> 32), (uint32_t)val);
        else
            g_string_append_printf(out, "%s%u=%016" PRIx64 "\n", n < 3 ? "rsp" : "ist", n < 3 ? n : n - 3, val);
    }
}

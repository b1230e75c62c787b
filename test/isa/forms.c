/*
 * forms.c - see forms.h.
 *
 * Excluded are exactly two kinds of rows: those that enter the operating system (flow INT), which would answer, and
 * those with the rule MACHINE, which read or change what two machines do not share. Privileged ones stay in: they
 * are #GP(0) at CPL 3 on both sides. A form the guest's CPUID lacks is left to the unit tests (#UD).
 */
#include "forms.h"

#include <string.h>

const char *form_excluded(const struct x86_row *row)
{
    if (row->flow == X86_FLOW_INT)
        return "enters the operating system";
    if ((row->rules & X86_RULE_MACHINE) && !(row->rules & X86_RULE_CPL0))
        return "depends on more than operands, registers and memory";
    return NULL;
}

static bool guest_has(const struct vcpu *c, const struct x86_insn *i)
{
    return i->feature == X86_FEAT_NONE || (i->row->rules & X86_RULE_OLDER) || cpum_has(c, i->feature);
}

struct finder {
    struct forms *out;
    const struct vcpu *c;
    struct form f;
};

/* The row the form leads to with this ModRM; NULL: none that can be compared. */
static const struct x86_row *row_of(const struct finder *d, uint8_t modrm, bool *ret_has_modrm)
{
    uint8_t bytes[X86_MAX_LEN] = {0};
    struct x86_insn i;

    memcpy(bytes, d->f.bytes, d->f.len);
    bytes[d->f.len] = modrm;
    if (x86_decode(bytes, X86_MAX_LEN, (enum x86_mode)d->f.mode, &i) <= 0 ||
        i.opcode != d->f.bytes[d->f.len - 1] /* a prefix, not an opcode */ || form_excluded(i.row) ||
        !guest_has(d->c, &i))
        return NULL;
    *ret_has_modrm = i.has_modrm;
    return i.row;
}

static void keep(struct finder *d, const struct x86_row *row, uint8_t modrm, bool has_modrm, bool fixed_rm)
{
    struct form f = d->f;

    f.row = row;
    f.modrm = modrm;
    f.has_modrm = has_modrm;
    f.memory = modrm < 0xc0;
    f.fixed_rm = fixed_rm;
    g_array_append_val(d->out->forms, f);
}

/* Register forms: ModRM.rm may choose too. */
static void add_register(struct finder *d, unsigned reg)
{
    const struct x86_row *rows[8];
    bool has_modrm = true, same = true;
    uint8_t base = (uint8_t)(0xc0 | reg << 3);

    for (unsigned rm = 0; rm < 2; rm++)
        rows[rm] = row_of(d, (uint8_t)(base | rm), &has_modrm);
    same = rows[0] == rows[1];
    if (same && rows[0])
        keep(d, rows[0], base, has_modrm, false);
    for (unsigned rm = 0; rm < 8 && !same; rm++) {
        rows[rm] = row_of(d, (uint8_t)(base | rm), &has_modrm);
        if (rows[rm])
            keep(d, rows[rm], (uint8_t)(base | rm), true, true);
    }
}

static void add_opcode(struct finder *d)
{
    bool has_modrm = true;

    for (unsigned reg = 0; reg < 8 && has_modrm; reg++) {
        /* rm 4 (SIB) and 6 serve every kind of memory operand */
        for (unsigned rm = 4; rm < 8; rm += 2) {
            const struct x86_row *row = row_of(d, (uint8_t)(reg << 3 | rm), &has_modrm);

            if (row && (has_modrm || reg == 0)) {
                keep(d, row, (uint8_t)(reg << 3), has_modrm, false);
                break;
            }
        }
        if (has_modrm)
            add_register(d, reg);
    }
}

/* [66] [67] [F2/F3/F0] [REX] [0F [38/3A]] opcode. */
static void add_legacy(struct finder *d, unsigned prefix, unsigned map, unsigned opcode)
{
    static const uint8_t reps[4] = {0, 0xf2, 0xf3, 0xf0}, rexes[4] = {0, 0x40, 0x48, 0x41};
    static const uint8_t escapes[4][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    struct form *f = &d->f;

    f->len = f->rex_at = f->vex_at = 0;
    if (prefix & 1)
        f->bytes[f->len++] = 0x66;
    if (prefix & 2)
        f->bytes[f->len++] = 0x67;
    if (reps[prefix >> 2 & 3])
        f->bytes[f->len++] = reps[prefix >> 2 & 3];
    if (rexes[prefix >> 4]) {
        f->rex_at = f->len;
        f->bytes[f->len++] = rexes[prefix >> 4];
    }
    for (unsigned n = 0; n < 2; n++)
        if (escapes[map][n])
            f->bytes[f->len++] = escapes[map][n];
    f->bytes[f->len++] = (uint8_t)opcode;
    add_opcode(d);
}

/* @fields: VEX.W, L, pp, and a 67 in front. */
static void add_vex(struct finder *d, unsigned fields, unsigned map, unsigned opcode)
{
    struct form *f = &d->f;
    unsigned known = d->out->forms->len;

    f->len = f->rex_at = 0;
    if (fields & 16)
        f->bytes[f->len++] = 0x67;
    f->vex_at = f->len;
    f->bytes[f->len++] = 0xc4;
    f->bytes[f->len++] = (uint8_t)(0xe0 | map);
    f->bytes[f->len++] = (uint8_t)((fields & 8) << 4 | 0x78 | (fields & 7));
    f->bytes[f->len++] = (uint8_t)opcode;
    add_opcode(d);
    if (d->out->forms->len != known)
        return;
    f->bytes[f->len - 2] &= 0x87; /* gathers: a mask register other than 0 */
    add_opcode(d);
}

static int by_row(gconstpointer a, gconstpointer b)
{
    const struct form *x = a, *y = b;

    if (x->mode != y->mode)
        return x->mode < y->mode ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void index_rows(struct forms *out)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(out->rows); n++)
        out->rows[n] = g_array_new(FALSE, TRUE, sizeof(struct form_row));
    g_array_sort(out->forms, by_row);
    for (uint32_t n = 0; n < out->forms->len; n++) {
        const struct form *f = form_at(out, n);
        GArray *rows = out->rows[f->mode];
        struct form_row *last = rows->len ? &g_array_index(rows, struct form_row, rows->len - 1) : NULL;

        if (last && last->row == f->row)
            last->count++;
        else
            g_array_append_vals(rows, &(struct form_row){.row = f->row, .first = n, .count = 1}, 1);
    }
}

void forms_find(struct forms *out, const struct vcpu *c)
{
    struct finder d = {.out = out, .c = c};

    out->forms = g_array_new(FALSE, FALSE, sizeof(struct form));
    for (unsigned mode = X86_MODE_16; mode <= X86_MODE_64; mode++) {
        d.f.mode = (uint8_t)mode;
        for (unsigned map = 0; map < 4; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned prefix = 0; prefix < (mode == X86_MODE_64 ? 64 : 16); prefix++)
                    add_legacy(&d, prefix, map, opcode);
        for (unsigned map = 1; map < 4; map++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned fields = 0; fields < 32; fields++)
                    add_vex(&d, fields, map, opcode);
    }
    index_rows(out);
}

void forms_free(struct forms *f)
{
    g_array_free(f->forms, TRUE);
    for (unsigned n = 0; n < G_N_ELEMENTS(f->rows); n++)
        g_array_free(f->rows[n], TRUE);
}

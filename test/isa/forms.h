/*
 * forms.h - every encoding of every instruction that can be compared: found by asking the decoder about all of them and
 * keeping what the rows of the instruction table allow.
 */
#ifndef TEST_ISA_FORMS_H
#define TEST_ISA_FORMS_H

#include <glib.h>

#include "vmm/cpum/cpum.h"

/** Bytes up to the opcode, and what of ModRM is fixed. */
struct form {
    const struct x86_row *row;
    uint8_t bytes[8];
    uint8_t len;
    uint8_t mode;  /* enum x86_mode */
    uint8_t modrm; /* reg, and rm where it chooses the row too */
    uint8_t has_modrm : 1;
    uint8_t memory    : 1;
    uint8_t fixed_rm  : 1;
    uint8_t rex_at; /* index of a REX byte in bytes, 0 = none */
    uint8_t vex_at; /* index of C4, 0 = none */
};

/** The forms of one row in one mode: forms[first .. first + count). */
struct form_row {
    const struct x86_row *row;
    uint32_t first, count;
    uint64_t cases;
};

struct forms {
    GArray *forms;   /* struct form */
    GArray *rows[3]; /* struct form_row, by enum x86_mode */
};

/** NULL: comparable. Else why a row cannot be compared with the host, as one phrase. */
const char *form_excluded(const struct x86_row *row);
void forms_find(struct forms *f, const struct vcpu *c);
void forms_free(struct forms *f);
static inline const struct form *form_at(const struct forms *f, uint32_t n)
{
    return &g_array_index(f->forms, struct form, n);
}

#endif

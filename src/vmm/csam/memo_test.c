/*
 * memo_test.c - what is remembered of a form is true of each instruction of that form: lengths and flow against the
 * decoder, and what somebody who looks at code may ask for.
 */
#include "vmm/csam/memo.h"

#include <glib.h>
#include <string.h>

/* What looking at an instruction may depend on. */
struct nature {
    uint16_t mnem;
    uint8_t feature, vex;
};

static struct nature nature_of(const struct x86_insn *i)
{
    return (struct nature){i->mnem, i->feature, i->vex};
}

/* @prefixes and an opcode; then ModRM, SIB and noise. */
static void write_insn(uint8_t *b, const uint8_t *prefixes, unsigned count, unsigned opcode, unsigned modrm)
{
    for (unsigned n = 0; n < X86_MAX_LEN; n++)
        b[n] = (uint8_t)g_test_rand_int();
    memcpy(b, prefixes, count);
    b[count] = (uint8_t)opcode;
    b[count + 1] = (uint8_t)modrm;
}

/* The memo's answer about @b, if it has one, is the decoder's. Return: it has one. */
static bool check(const struct csam_memo *m, const struct nature *natures, const uint8_t *b, unsigned at)
{
    struct csam_step step;
    struct x86_insn i;
    bool direct;

    if (!csam_memo_recall(m, b, &step))
        return false;
    g_assert_cmpint(x86_decode(b, X86_MAX_LEN, X86_MODE_64, &i), ==, step.bytes);
    direct = i.nops > 0 && i.op[0].kind == X86_OP_REL;
    g_assert_cmpint(direct, ==, step.direct);
    g_assert_cmpint(direct ? (int32_t)i.imm[0] : 0, ==, step.rel);
    g_assert_cmpint(step.ends, ==, i.row->flow == X86_FLOW_JUMP || i.row->flow == X86_FLOW_RET);
    g_assert_cmpint(i.row->flow, !=, X86_FLOW_INT);
    g_assert_cmpint(i.row->flow, !=, X86_FLOW_STOP);
    g_assert_cmpint(i.mnem, ==, natures[at].mnem);
    g_assert_cmpint(i.feature, ==, natures[at].feature);
    g_assert_cmpint(i.vex, ==, 0);
    return true;
}

/* An opcode with each ModRM: all that can be learnt is, then all of it is asked for. Return: answers. */
static unsigned try_opcode(struct csam_memo *m, const uint8_t *prefixes, unsigned count, unsigned opcode)
{
    struct nature natures[256] = {0}; /* by reg and whether mod is 3 */
    struct x86_insn i;
    uint8_t b[X86_MAX_LEN];
    unsigned answers = 0;

    memset(m, 0, sizeof *m);
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        write_insn(b, prefixes, count, opcode, modrm);
        if (x86_decode(b, sizeof b, X86_MODE_64, &i) <= 0)
            continue;
        csam_memo_learn(m, b, &i);
        natures[(modrm >> 3 & 7) * 2 + (modrm >> 6 == 3)] = nature_of(&i);
    }
    for (unsigned n = 0; n < 512; n++) {
        const unsigned modrm = n % 256;

        write_insn(b, prefixes, count, opcode, modrm);
        answers += check(m, natures, b, (modrm >> 3 & 7) * 2 + (modrm >> 6 == 3));
    }
    return answers;
}

/* The byte in the place of the opcode is one. */
static bool is_opcode(uint8_t byte)
{
    static const uint8_t others[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    return (byte & 0xf0) != 0x40 && memchr(others, byte, sizeof others) == NULL;
}

static void test_forms(void)
{
    static const uint8_t first[] = {0, 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x2e}, rex[] = {0, 0x45, 0x48};
    g_autofree struct csam_memo *m = g_new0(struct csam_memo, 1);
    unsigned answers = 0;

    for (unsigned n = 0; n < 2 * G_N_ELEMENTS(first) * G_N_ELEMENTS(rex); n++) {
        uint8_t prefixes[3];
        unsigned count = 0;

        if (first[n / 2 % G_N_ELEMENTS(first)] != 0)
            prefixes[count++] = first[n / 2 % G_N_ELEMENTS(first)];
        if (rex[n / 2 / G_N_ELEMENTS(first)] != 0)
            prefixes[count++] = rex[n / 2 / G_N_ELEMENTS(first)];
        if (n % 2)
            prefixes[count++] = 0x0f;
        for (unsigned opcode = 0; opcode < 256; opcode++)
            if (n % 2 || is_opcode((uint8_t)opcode))
                answers += try_opcode(m, prefixes, count, opcode);
    }
    g_assert_cmpuint(answers, >, 500000);
}

/* Two prefixes, in every order, before what is most common. */
static void test_prefixes(void)
{
    static const uint8_t all[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x48, 0x41};
    static const uint8_t opcodes[] = {0x01, 0x81, 0x69, 0xb8, 0xa1, 0xc3, 0xe8, 0xeb, 0x75, 0x90, 0xa5, 0x68};
    g_autofree struct csam_memo *m = g_new0(struct csam_memo, 1);

    for (unsigned n = 0; n < G_N_ELEMENTS(all) * G_N_ELEMENTS(all); n++) {
        const uint8_t prefixes[] = {all[n % G_N_ELEMENTS(all)], all[n / G_N_ELEMENTS(all)]};

        for (unsigned k = 0; k < G_N_ELEMENTS(opcodes); k++)
            try_opcode(m, prefixes, 2, opcodes[k]);
    }
}

/* What is refused for what it is has no form, or nobody would look at the next one. */
static void test_never(void)
{
    static const uint8_t rows[][4] = {{0x0f, 0x01, 0xd0} /* xgetbv */,
                                      {0x0f, 0x01, 0xe0} /* smsw */,
                                      {0x0f, 0xae, 0x20} /* xsave */,
                                      {0x0f, 0xc7, 0xf8} /* rdseed */,
                                      {0xf3, 0x0f, 0xc7, 0xf8},
                                      {0xcd, 0x80},
                                      {0xcd, 0x04},
                                      {0xc5, 0xf8, 0x77} /* vzeroupper */};
    g_autofree struct csam_memo *m = g_new0(struct csam_memo, 1);

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        uint8_t b[X86_MAX_LEN] = {0};
        struct csam_step step;
        struct x86_insn i;

        memcpy(b, rows[n], sizeof rows[n]);
        g_assert_cmpint(x86_decode(b, sizeof b, X86_MODE_64, &i), >, 0);
        csam_memo_learn(m, b, &i);
        g_assert_false(csam_memo_recall(m, b, &step));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/csam/memo/forms", test_forms);
    g_test_add_func("/csam/memo/prefixes", test_prefixes);
    g_test_add_func("/csam/memo/never", test_never);
    return g_test_run();
}

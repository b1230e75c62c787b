/*
 * decode_test.c - the decoder by itself: the tables are sane, every row is reached, the edges of the encoding.
 *
 * The comparison with an independent decoder, on many more strings, is test/isa/zydis_compare.c.
 * Sections are those of SDM vol. 2 unless another source is named.
 */
#include <glib.h>
#include <string.h>

#include "x86/tables_int.h"

#define PAD "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* One instruction as text: mnemonic, prefixes, operands; "!" invalid, "..." more bytes, "long" too long. */
static char *describe(const uint8_t *bytes, size_t size, enum x86_mode mode)
{
    static const char *const segs[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    struct x86_insn insn;
    int len = x86_decode(bytes, size, mode, &insn);
    GString *s = g_string_new("");

    if (len <= 0)
        return g_strdup(len == X86_NEED_MORE ? "..." : len == X86_TOO_LONG ? "long" : "!");
    g_string_append_printf(s, "%d %s%s%s", len, insn.lock ? "lock " : "",
                           insn.rep == 0xf3 ? "rep "
                           : insn.rep       ? "repne "
                                            : "",
                           x86_mnem_name(insn.mnem));
    for (unsigned i = 0; i < insn.nops; i++) {
        const struct x86_operand *op = &insn.op[i];

        g_string_append_printf(s, "%s", i ? ", " : " ");
        switch (op->kind) {
        case X86_OP_GPR: g_string_append_printf(s, "r%d.%d", op->reg, op->bytes); break;
        case X86_OP_SREG: g_string_append(s, segs[op->reg]); break;
        case X86_OP_CR: g_string_append_printf(s, "cr%d.%d", op->reg, op->bytes); break;
        case X86_OP_DR: g_string_append_printf(s, "dr%d.%d", op->reg, op->bytes); break;
        case X86_OP_ST: g_string_append_printf(s, "st%d", op->reg); break;
        case X86_OP_MM: g_string_append_printf(s, "mm%d", op->reg); break;
        case X86_OP_VEC: g_string_append_printf(s, "v%d.%d", op->reg, op->bytes); break;
        case X86_OP_IMM: g_string_append_printf(s, "%" G_GINT64_MODIFIER "x.%d", insn.imm[op->reg], op->bytes); break;
        case X86_OP_REL: g_string_append_printf(s, "%+d", (int)insn.imm[0]); break;
        case X86_OP_FAR: g_string_append_printf(s, "%x:%x", (int)insn.imm[1], (int)insn.imm[0]); break;
        case X86_OP_SRC: g_string_append_printf(s, "src.%d", op->bytes); break;
        case X86_OP_DST: g_string_append_printf(s, "dst.%d", op->bytes); break;
        default:
            g_string_append_printf(s, "%s:[", segs[insn.seg]);
            if (insn.base == X86_BASE_RIP)
                g_string_append(s, "rip");
            else if (insn.base != X86_REG_NONE)
                g_string_append_printf(s, "r%d", insn.base);
            if (insn.index != X86_REG_NONE)
                g_string_append_printf(s, "+%s%d*%d", insn.vsib ? "v" : "r", insn.index, insn.scale);
            g_string_append_printf(s, "%+" G_GINT64_FORMAT "].%d", insn.disp, op->bytes);
        }
    }
    return g_string_free(s, FALSE);
}

#define CASE(mode, bytes, text)                                                                                        \
    {                                                                                                                  \
        X86_MODE_##mode, bytes PAD, sizeof(bytes) - 1, text, #bytes                                                    \
    }

static const struct {
    enum x86_mode mode;
    const char *bytes;
    size_t size;
    const char *text;
    const char *name;
} cases[] = {
    /* 2.1.1: of one group of prefixes the last wins; any order */
    CASE(32, "\x2e\x64\x8b\x00", "4 MOV r0.4, fs:[r0+0].4"),
    CASE(32, "\x66\x67\x8b\x00", "4 MOV r0.2, ds:[r3+r6*1+0].2"),
    CASE(32, "\xf3\xf2\xa4", "3 repne MOVS dst.1, src.1"),
    CASE(16, "\xf0\x66\x01\x07", "4 lock ADD ds:[r3+0].4, r0.4"),
    /* 64-bit mode ignores ES, CS, SS, DS overrides; even after FS */
    CASE(64, "\x64\x2e\x8b\x00", "4 MOV r0.4, fs:[r0+0].4"),
    CASE(64, "\x3e\x8b\x45\x00", "4 MOV r0.4, ss:[r5+0].4"),
    /* 2.2.1: REX counts only directly before the opcode, and makes SPL of AH */
    CASE(64, "\x48\x66\x01\xc8", "4 ADD r0.2, r1.2"),
    CASE(64, "\x66\x48\x01\xc8", "4 ADD r0.8, r1.8"),
    CASE(64, "\x48\x4c\x01\xc8", "4 ADD r0.8, r9.8"),
    CASE(64, "\x88\xe0", "2 MOV r0.1, r16.1"),
    CASE(64, "\x40\x88\xe0", "3 MOV r0.1, r4.1"),
    CASE(32, "\x48\x01\xc8", "1 DEC r0.4"),
    /* mandatory prefixes: F2, F3 before 66, which is then the operand size */
    CASE(64, "\x66\xf3\x0f\x58\xc1", "5 ADDSS v0.4, v1.4"),
    CASE(64, "\x66\x0f\x58\xc1", "4 ADDPD v0.16, v1.16"),
    CASE(64, "\x66\xf2\x0f\x38\xf1\xc1", "6 CRC32 r0.4, r1.2"),
    CASE(64, "\x66\xf3\x0f\xb8\xc1", "5 POPCNT r0.2, r1.2"),
    CASE(64, "\x66\x0f\x38\xf0\x01", "5 MOVBE r0.2, ds:[r1+0].2"),
    CASE(64, "\xf3\x0f\x54\xc1", "!"),
    CASE(64, "\xf2\x0f\xbc\xc1", "4 repne BSF r0.4, r1.4"),
    CASE(64, "\xf3\x0f\xbc\xc1", "4 TZCNT r0.4, r1.4"),
    /* 90 is NOP, PAUSE or XCHG r8 */
    CASE(64, "\x90", "1 NOP"),
    CASE(64, "\xf3\x90", "2 PAUSE"),
    CASE(64, "\x49\x90", "2 XCHG r8.8, r0.8"),
    CASE(64, "\xf3\x41\x90", "3 XCHG r8.4, r0.4"),
    CASE(64, "\xf3\x0f\x1e\xfa", "4 rep NOP r2.4"),
    /* LOCK: a memory destination, and only some mnemonics (LOCK, vol. 2) */
    CASE(64, "\xf0\x01\xc8", "!"),
    CASE(64, "\xf0\x03\x08", "!"),
    CASE(64, "\xf0\x39\x08", "!"),
    CASE(64, "\xf0\x0f\xc7\x08", "4 lock CMPXCHG8B ds:[r0+0].8"),
    CASE(64, "\xf0\x48\x0f\xc7\x08", "5 lock CMPXCHG16B ds:[r0+0].16"),
    CASE(64, "\xf0\x0f\xba\x28\x01", "5 lock BTS ds:[r0+0].4, 1.1"),
    CASE(64, "\xf0\x0f\xba\x20\x01", "!"),
    CASE(64, "\xf0\x90", "!"),
    /* tables 2-1 to 2-3 and 2-7: addressing */
    CASE(16, "\x8b\x0e\x34\x12", "4 MOV r1.2, ds:[+4660].2"),
    CASE(16, "\x8b\x4e\xfe", "3 MOV r1.2, ss:[r5-2].2"),
    CASE(16, "\x8b\x82\x00\x80", "4 MOV r0.2, ss:[r5+r6*1-32768].2"),
    CASE(32, "\x8b\x05\x00\x00\x00\x80", "6 MOV r0.4, ds:[-2147483648].4"),
    CASE(32, "\x8b\x04\x24", "3 MOV r0.4, ss:[r4+0].4"),
    CASE(32, "\x8b\x04\x65\x01\x00\x00\x00", "7 MOV r0.4, ds:[+1].4"),
    CASE(64, "\x8b\x05\x10\x00\x00\x00", "6 MOV r0.4, ds:[rip+16].4"),
    CASE(64, "\x67\x8b\x05\x10\x00\x00\x00", "7 MOV r0.4, ds:[rip+16].4"),
    CASE(64, "\x8b\x04\x25\x10\x00\x00\x00", "7 MOV r0.4, ds:[+16].4"),
    CASE(64, "\x41\x8b\x04\x25\x10\x00\x00\x00", "8 MOV r0.4, ds:[+16].4"),
    CASE(64, "\x42\x8b\x04\x24", "4 MOV r0.4, ss:[r4+r12*1+0].4"),
    CASE(64, "\x41\x8b\x45\x00", "4 MOV r0.4, ds:[r13+0].4"),
    CASE(64, "\x41\x8b\x04\x24", "4 MOV r0.4, ds:[r12+0].4"),
    /* moffs, immediates, far pointers */
    CASE(64, "\xa1\x88\x77\x66\x55\x44\x33\x22\x11", "9 MOV r0.4, ds:[+1234605616436508552].4"),
    CASE(64, "\x67\xa0\x44\x33\x22\x81", "6 MOV r0.1, ds:[-2128465084].1"),
    CASE(64, "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x91", "10 MOV r0.8, 9122334455667788.8"),
    CASE(64, "\x48\xc7\xc0\xff\xff\xff\xff", "7 MOV r0.8, ffffffffffffffff.8"),
    CASE(32, "\x83\xc0\xff", "3 ADD r0.4, ffffffff.4"),
    CASE(32, "\xc1\xe0\xff", "3 SHL r0.4, ff.1"),
    CASE(64, "\x6a\x80", "2 PUSH ffffffffffffff80.8"),
    CASE(64, "\x66\x68\x00\x80", "4 PUSH 8000.2"),
    CASE(16, "\xc8\x34\x12\x05", "4 ENTER 1234.2, 5.1"),
    CASE(16, "\xea\x5b\xe0\x00\xf0", "5 JMPF f000:e05b"),
    CASE(32, "\x9a\x78\x56\x34\x12\x08\x00", "7 CALLF 8:12345678"),
    CASE(64, "\x48\xff\x28", "3 JMPF ds:[r0+0].10"),
    CASE(64, "\xff\xe8", "!"),
    CASE(64, "\xd1\xe0", "2 SHL r0.4, 1.1"),
    /* near branches in 64-bit mode ignore 66; elsewhere it is the offset's size */
    CASE(64, "\x66\xe8\x04\x00\x00\x00", "6 CALL +4"),
    CASE(32, "\x66\xe8\xfe\xff", "4 CALL -2"),
    CASE(32, "\x0f\x84\x00\x01\x00\x00", "6 Jcc +256"),
    /* modes: removed and new instructions (table A-2, superscripts i64, o64) */
    CASE(64, "\x06", "!"),
    CASE(64, "\x27", "!"),
    CASE(64, "\x82\xc0\x01", "!"),
    CASE(32, "\x82\xc0\x01", "3 ADD r0.1, 1.1"),
    CASE(64, "\xd6", "!"),
    CASE(16, "\xd6", "1 SALC"),
    CASE(32, "\x63\xc8", "2 ARPL r0.2, r1.2"),
    CASE(64, "\x48\x63\xc8", "3 MOVSXD r1.8, r0.4"),
    CASE(32, "\x0f\x01\xf8", "!"),
    CASE(32, "\xf3\x0f\xae\xc0", "!"),
    CASE(64, "\xf3\x48\x0f\xae\xc0", "5 RDFSBASE r0.8"),
    CASE(32, "\xf1", "1 INT1"),
    /* MOV CR, DR: mod is ignored; only some numbers exist */
    CASE(32, "\x0f\x20\x04", "3 MOV_CR r4.4, cr0.4"),
    CASE(64, "\x44\x0f\x20\xc0", "4 MOV_CR r0.8, cr8.8"),
    CASE(64, "\x0f\x20\xc8", "!"),
    CASE(64, "\x44\x0f\x21\xc0", "!"),
    CASE(64, "\x0f\x23\xf8", "3 MOV_DR dr7.8, r0.8"),
    CASE(64, "\x8e\xc8", "!"),
    CASE(64, "\x8e\xf0", "!"),
    CASE(64, "\x48\x8c\xd8", "3 MOV_SREG r0.8, ds"),
    CASE(64, "\x8c\x18", "2 MOV_SREG ds:[r0+0].2, ds"),
    /* 2.3: VEX; LES and LDS outside 64-bit mode unless mod = 3 */
    CASE(32, "\xc4\x00", "2 LES r0.4, ds:[r0+0].6"),
    CASE(16, "\xc5\x07", "2 LDS r0.2, ds:[r3+0].4"),
    CASE(32, "\xc5\xf8\x58\xc1", "4 VADDPS v0.16, v0.16, v1.16"),
    CASE(64, "\xc5\x7c\x58\xc1", "4 VADDPS v8.32, v0.32, v1.32"),
    CASE(64, "\xc4\xc1\x34\x58\xc1", "5 VADDPS v0.32, v9.32, v9.32"),
    CASE(64, "\x66\xc5\xf8\x58\xc1", "!"),
    CASE(64, "\xf3\xc5\xf8\x58\xc1", "!"),
    CASE(64, "\x48\xc5\xf8\x58\xc1", "!"),
    CASE(64, "\xf0\xc5\xf8\x58\x01", "!"),
    CASE(64, "\x64\xc5\xf8\x58\x01", "5 VADDPS v0.16, v0.16, fs:[r1+0].16"),
    CASE(64, "\xc5\xf0\x77", "!"),
    CASE(64, "\xc5\xfc\x77", "3 VZEROALL"),
    CASE(64, "\xc4\xe2\x78\xf2\xc1", "5 ANDN r0.4, r0.4, r1.4"),
    CASE(64, "\xc4\xe2\x7c\xf2\xc1", "!"),
    CASE(64, "\xc4\xe3\x71\x4a\xc2\x30", "6 VBLENDVPS v0.16, v1.16, v2.16, v3.16"),
    CASE(64, "\xc4\xe2\x69\x90\x04\x08", "6 VPGATHERDD v0.16, ds:[r0+v1*1+0].4, v2.16"),
    CASE(64, "\xc4\xe2\x69\x90\x0c\x08", "!"),
    CASE(64, "\xc4\xe2\x69\x90\x00", "!"),
    CASE(64, "\xc4\xe4\x71\x4a\xc2\x30", "!"),
    /* strings and ports name their operands */
    CASE(64, "\x48\xab", "2 STOS dst.8, r0.8"),
    CASE(64, "\x48\x6d", "2 INS dst.4, r2.2"),
    CASE(16, "\xe4\x60", "2 IN r0.1, 60.1"),
    CASE(64, "\xd8\xc1", "2 FADD st0, st1"),
    CASE(64, "\xdd\x30", "2 FNSAVE ds:[r0+0].108"),
    CASE(16, "\xd9\x37", "2 FNSTENV ds:[r3+0].14"),
    /* 2.3.11: fifteen bytes at most; what is missing is asked for */
    CASE(64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x01\xc8", "15 ADD r0.2, r1.2"),
    CASE(64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x01\xc8", "long"),
    CASE(64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66", "long"),
    CASE(64, "\x48", "..."),
    CASE(64, "\x0f", "..."),
    CASE(32, "\xc4", "..."),
    CASE(64, "\x81\xc0\x00\x00\x00", "..."),
    CASE(64, "\x8b\x04", "..."),
};

static void test_cases(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = describe((const uint8_t *)cases[i].bytes, cases[i].size, cases[i].mode);

        if (strcmp(text, cases[i].text) != 0)
            g_test_message("mode %d, %s", 16 << cases[i].mode, cases[i].name);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

/* Columns of one row that must agree with each other */
static void check_row(const struct x86_row *row)
{
    unsigned nops = 0;

    g_assert_cmpint(row->mnem, <, X86_MNEM_COUNT);
    g_assert_cmpint(row->feature, <, X86_FEAT_COUNT);
    while (nops < 4 && row->opnd[nops])
        nops++;
    for (unsigned i = nops; i < 4; i++)
        g_assert_cmpint(row->opnd[i], ==, 0);
    if (row->rules & X86_RULE_LOCK)
        g_assert_cmpint(row->access & X86_OPF_WRITE, !=, 0);
    g_assert_cmpint(row->flags_written & row->flags_undefined, ==, 0);
    g_assert_cmpint((row->rules & X86_RULE_NO64) && (row->rules & X86_RULE_ONLY64), ==, 0);
    g_assert_cmpint((row->rules & X86_RULE_L0) && (row->rules & X86_RULE_L1), ==, 0);
}

static void test_tables(void)
{
    bool reached[X86_MNEM_COUNT] = {false};

    for (size_t i = 1; i < x86_row_count; i++) {
        check_row(&x86_rows[i]);
        reached[x86_rows[i].mnem] = true;
    }
    for (unsigned m = 0; m < X86_MNEM_COUNT; m++) {
        if (!reached[m])
            g_test_message("no row for %s", x86_mnem_name((enum x86_mnem)m));
        g_assert_true(reached[m]);
        g_assert_true(x86_mnem_engine((enum x86_mnem)m) == X86_BY_C ||
                      x86_mnem_engine((enum x86_mnem)m) == X86_BY_HOST);
    }
    g_assert_cmpstr(x86_mnem_name(X86_ADD), ==, "ADD");
    g_assert_cmpstr(x86_mnem_name(X86_MNEM_COUNT), ==, "?");
}

/* Invariants 1 and 2 of insn.h: what is decoded depends on the instruction's own bytes alone. */
static void check_prefixes(const uint8_t *bytes, int len, enum x86_mode mode, const struct x86_insn *insn)
{
    struct x86_insn again;
    uint8_t copy[X86_MAX_LEN];

    memset(copy, 0xcc, sizeof(copy));
    memcpy(copy, bytes, (size_t)len);
    g_assert_cmpint(x86_decode(copy, (size_t)len, mode, &again), ==, len);
    g_assert_cmpmem(insn, sizeof(*insn), &again, sizeof(again));
    for (int n = 0; n < len; n++)
        g_assert_cmpint(x86_decode(copy, (size_t)n, mode, &again), ==, X86_NEED_MORE);
}

static void check_operands(const struct x86_insn *insn)
{
    g_assert_cmpint(insn->nops, <=, 4);
    g_assert_true(insn->opsize == 2 || insn->opsize == 4 || insn->opsize == 8);
    g_assert_true(insn->row->access >> (2 * insn->nops) == 0);
    for (unsigned i = 0; i < insn->nops; i++) {
        const struct x86_operand *op = &insn->op[i];

        g_assert_cmpint(op->kind, !=, X86_OP_NONE);
        g_assert_cmpint(op->flags & (X86_OPF_READ | X86_OPF_WRITE), ==, insn->row->access >> (2 * i) & 3);
        if (op->kind == X86_OP_GPR)
            g_assert_true(op->bytes == 1 ? op->reg <= X86_BH : op->bytes && op->reg < 16);
        else if (op->kind == X86_OP_IMM)
            g_assert_cmpint(op->reg, <, 2);
        else if (op->kind == X86_OP_MM || op->kind == X86_OP_ST)
            g_assert_cmpint(op->reg, <, 8);
    }
}

struct reach {
    enum x86_mode mode;
    uint64_t decoded;
    bool *rows;
};

/* Every ModRM byte after @head */
static void try_forms(struct reach *r, const uint8_t *head, unsigned n)
{
    uint8_t bytes[16] = {0};
    struct x86_insn insn;

    memcpy(bytes, head, n);
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        int len;

        bytes[n] = (uint8_t)modrm;
        bytes[n + 1] = 0x08; /* a SIB byte whose index fits gathers */
        len = x86_decode(bytes, sizeof(bytes), r->mode, &insn);
        if (len <= 0)
            continue;
        r->decoded++;
        r->rows[insn.row - x86_rows] = true;
        check_operands(&insn);
        if ((modrm & 0x3f) == 5u * (head[n - 1] & 7))
            check_prefixes(bytes, len, r->mode, &insn);
    }
}

static void try_legacy(struct reach *r)
{
    static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};
    static const char *const escapes[4] = {"", "\x0f", "\x0f\x38", "\x0f\x3a"};

    for (unsigned i = 0; i < 4 * 4 * 2 * 256; i++) {
        unsigned prefix = i & 3, map = i >> 2 & 3, rex = i >> 4 & 1, n = 0;
        uint8_t head[8];

        if (prefix)
            head[n++] = prefixes[prefix];
        if (rex && r->mode == X86_MODE_64)
            head[n++] = 0x49;
        memcpy(head + n, escapes[map], strlen(escapes[map]));
        n += (unsigned)strlen(escapes[map]);
        head[n++] = (uint8_t)(i >> 5);
        try_forms(r, head, n);
    }
}

static void try_vex(struct reach *r)
{
    for (unsigned i = 0; i < 3 * 4 * 2 * 2 * 2 * 256; i++) {
        unsigned opcode = i & 255, k = i >> 8, pp = k & 3, l = k >> 2 & 1, w = k >> 3 & 1, vvvv = k >> 4 & 1;
        uint8_t head[5] = {0x67, 0xc4, (uint8_t)(0xe0 | (1 + k / 32)),
                           (uint8_t)(w << 7 | (vvvv ? 13 : 15) << 3 | l << 2 | pp), (uint8_t)opcode};
        bool narrow = r->mode == X86_MODE_16; /* gathers need 32-bit addresses */

        try_forms(r, head + !narrow, 4 + narrow);
    }
}

static void test_rows(gconstpointer data)
{
    struct reach r = {.mode = (enum x86_mode)GPOINTER_TO_INT(data)};
    uint32_t forbidden = r.mode == X86_MODE_64 ? X86_RULE_NO64 : X86_RULE_ONLY64;

    r.rows = g_new0(bool, x86_row_count);
    try_legacy(&r);
    try_vex(&r);
    for (size_t i = 1; i < x86_row_count; i++) {
        const struct x86_row *row = &x86_rows[i];
        bool wide = row->mnem == X86_MOVQ || row->mnem == X86_PEXTRQ || row->mnem == X86_PINSRQ ||
                    row->mnem == X86_VMOVQ || row->mnem == X86_VPEXTRQ || row->mnem == X86_VPINSRQ ||
                    row->mnem == X86_CMPXCHG16B ||
                    row->mnem == X86_XCHG; /* chosen by REX or only there in 64-bit mode */
        bool narrow =
            row->mnem == X86_VMOVD || row->mnem == X86_VPEXTRD || row->mnem == X86_VPINSRD; /* W1 outside it */

        if (row->rules & forbidden)
            g_assert_false(r.rows[i]);
        else if (!r.rows[i] && !(r.mode == X86_MODE_64 ? narrow : wide)) {
            g_test_message("row %zu, %s, is never reached", i, x86_mnem_name((enum x86_mnem)row->mnem));
            g_test_fail();
        }
    }
    g_test_message("%" G_GUINT64_FORMAT " instructions", r.decoded);
    g_free(r.rows);
}

/* Without the CPUID bit LZCNT is BSR and TZCNT is BSF, with F3 ignored (LZCNT, TZCNT, vol. 2). */
static void test_older(void)
{
    static const struct {
        const char *bytes;
        enum x86_mnem now, older;
    } pairs[] = {{"\xf3\x0f\xbd\xc1", X86_LZCNT, X86_BSR}, {"\xf3\x0f\xbc\xc1", X86_TZCNT, X86_BSF}};
    struct x86_insn insn;

    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_assert_cmpint(x86_decode((const uint8_t *)pairs[i].bytes, 4, X86_MODE_64, &insn), ==, 4);
        g_assert_cmpint(insn.mnem, ==, pairs[i].now);
        g_assert_cmpint(insn.row->rules & X86_RULE_OLDER, !=, 0);
        g_assert_cmpint(insn.op[0].flags, ==, X86_OPF_WRITE);
        x86_insn_older(&insn);
        g_assert_cmpint(insn.mnem, ==, pairs[i].older);
        g_assert_cmpint(insn.row->mnem, ==, pairs[i].older);
        g_assert_cmpint(insn.feature, ==, X86_FEAT_NONE);
        g_assert_cmpint(insn.op[0].flags, ==, X86_OPF_READ | X86_OPF_WRITE);
        g_assert_cmpint(insn.rep, ==, 0xf3);
    }
}

/* AVX has 128-bit integer instructions, AVX2 widens them. */
static void test_feature(void)
{
    struct x86_insn insn;

    g_assert_cmpint(x86_decode((const uint8_t *)"\xc5\xf1\xfc\xc2", 4, X86_MODE_64, &insn), ==, 4);
    g_assert_cmpint(insn.feature, ==, X86_FEAT_AVX);
    g_assert_cmpint(x86_decode((const uint8_t *)"\xc5\xf5\xfc\xc2", 4, X86_MODE_64, &insn), ==, 4);
    g_assert_cmpint(insn.feature, ==, X86_FEAT_AVX2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86/tables", test_tables);
    g_test_add_func("/x86/cases", test_cases);
    g_test_add_data_func("/x86/rows/16", GINT_TO_POINTER(X86_MODE_16), test_rows);
    g_test_add_data_func("/x86/rows/32", GINT_TO_POINTER(X86_MODE_32), test_rows);
    g_test_add_data_func("/x86/rows/64", GINT_TO_POINTER(X86_MODE_64), test_rows);
    g_test_add_func("/x86/older", test_older);
    g_test_add_func("/x86/feature", test_feature);
    return g_test_run();
}

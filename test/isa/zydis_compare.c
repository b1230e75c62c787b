/*
 * zydis_compare.c - runs many byte strings through the decoder and through Zydis.
 *
 * usage: zydis_compare [--count N] [--seed N] [--quiet] [FILE.elf ...]
 *        zydis_compare --speed [FILE]
 * N random strings (a fifth uniform, the rest prefixes + an opcode of some map + random bytes) in each mode in turn,
 * then each executable segment of the ELF files, instruction by instruction, in the mode of its class. Exit status 1
 * and a line per kind of difference if there is one that zydis_known.c does not explain.
 */
#include "zydis_match.h"

#include <elf.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STRING_BYTES = 16, REPORT_MAX = 100, EXPLAINED_MAX = 256 };

struct run {
    ZydisDecoder decoders[3];
    uint64_t rng;
    uint64_t strings, valid, unexplained;
    uint64_t explained[EXPLAINED_MAX];
    GHashTable *seen; /* kinds of unexplained difference already shown */
};

static uint64_t next_random(struct run *r)
{
    r->rng ^= r->rng << 13;
    r->rng ^= r->rng >> 7;
    r->rng ^= r->rng << 17;
    return r->rng * 0x2545f4914f6cdd1dull;
}

static void report(struct run *r, const struct zydis_pair *p, enum difference diff)
{
    const char *theirs = ZYAN_SUCCESS(p->status) ? ZydisMnemonicGetString(p->z.mnemonic) : "-";
    const char *ours = p->len > 0 ? x86_mnem_name(p->insn.mnem) : "-";
    g_autofree char *key = g_strdup_printf("%d %s %s %s", diff, p->detail, ours, theirs);
    g_autoptr(GString) line = NULL;

    r->unexplained++;
    if (g_hash_table_contains(r->seen, key) || g_hash_table_size(r->seen) >= REPORT_MAX)
        return;
    line = g_string_new("");
    for (unsigned i = 0; i < (p->len > 0 ? (unsigned)p->len : 12); i++)
        g_string_append_printf(line, "%02x ", p->bytes[i]);
    printf("mode %d: %-40s ours %s (%d), zydis %s (%d) ext %s: %s differs\n", 16 << p->mode, line->str, ours, p->len,
           theirs, ZYAN_SUCCESS(p->status) ? p->z.length : -(int)ZYAN_STATUS_CODE(p->status),
           ZYAN_SUCCESS(p->status) ? ZydisISAExtGetString(p->z.meta.isa_ext) : "-", p->detail);
    g_hash_table_add(r->seen, g_steal_pointer(&key));
}

static int compare(struct run *r, const uint8_t *bytes, size_t size, enum x86_mode mode)
{
    struct zydis_pair p = {.bytes = bytes, .size = size, .mode = mode};
    enum difference diff = zydis_match(r->decoders, &p);

    r->strings++;
    r->valid += p.len > 0;
    if (diff) {
        int why = zydis_explain(diff, &p);

        if (why < 0)
            report(r, &p, diff);
        else
            r->explained[why]++;
    }
    return p.len;
}

/* Prefixes, perhaps REX or VEX, an escape, an opcode; what follows stays random. */
static void structure(struct run *r, uint8_t *s)
{
    static const uint8_t prefixes[16] = {0x66, 0x66, 0xf2, 0xf3, 0xf2, 0xf3, 0xf0, 0x67,
                                         0x66, 0x64, 0x2e, 0x3e, 0x26, 0x36, 0x65, 0xf3};
    uint64_t x = next_random(r);
    unsigned n = 0, count = (x & 3) == 3 ? x >> 2 & 3 : x & 1;

    for (; n < count; n++)
        s[n] = prefixes[x >> (4 + 4 * n) & 15];
    if (x & 1 << 20)
        s[n++] = (uint8_t)(0x40 | (x >> 24 & 15));
    switch (x >> 32 & 7) {
    case 0: break;
    case 1:
    case 2: s[n++] = 0x0f; break;
    case 3:
    case 4:
        s[n++] = 0x0f;
        s[n++] = x >> 35 & 1 ? 0x38 : 0x3a;
        break;
    case 5:
        s[n] = 0xc5;
        s[n + 1] = (uint8_t)(x >> 40 | 0xc0);
        n += 2;
        break;
    default:
        s[n] = 0xc4;
        s[n + 1] = (uint8_t)((x >> 40 & 0xe0) | (1 + (x >> 36 & 3)));
        s[n + 2] = (uint8_t)((x >> 48) | (x >> 37 & 1 ? 0x78 : 0));
        n += 3;
        break;
    }
}

static void run_random(struct run *r, uint64_t count)
{
    uint64_t words[4];
    uint8_t *string = (uint8_t *)words;

    for (uint64_t i = 0; i < count; i++) {
        for (unsigned k = 0; k < 3; k++)
            words[k] = next_random(r);
        if (i % 5)
            structure(r, string);
        compare(r, string, STRING_BYTES, (enum x86_mode)(i % 3));
    }
}

static void sweep(struct run *r, const uint8_t *code, size_t size, enum x86_mode mode)
{
    for (size_t at = 0; at + STRING_BYTES <= size;) {
        int len = compare(r, code + at, STRING_BYTES, mode);

        at += len > 0 ? (size_t)len : 1;
    }
}

static void run_elf64(struct run *r, const uint8_t *file, size_t size)
{
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file;

    for (unsigned i = 0; i < eh->e_phnum; i++) {
        const Elf64_Phdr *ph = (const Elf64_Phdr *)(file + eh->e_phoff) + i;

        if (eh->e_phoff + (i + 1) * sizeof(*ph) > size)
            return;
        if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && ph->p_offset < size)
            sweep(r, file + ph->p_offset, MIN(ph->p_filesz, size - ph->p_offset), X86_MODE_64);
    }
}

static void run_elf32(struct run *r, const uint8_t *file, size_t size)
{
    const Elf32_Ehdr *eh = (const Elf32_Ehdr *)file;

    for (unsigned i = 0; i < eh->e_phnum; i++) {
        const Elf32_Phdr *ph = (const Elf32_Phdr *)(file + eh->e_phoff) + i;

        if (eh->e_phoff + (i + 1) * sizeof(*ph) > size)
            return;
        if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && ph->p_offset < size)
            sweep(r, file + ph->p_offset, MIN(ph->p_filesz, size - ph->p_offset), X86_MODE_32);
    }
}

static bool run_file(struct run *r, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;

    if (!g_file_get_contents(path, &text, &size, &error)) {
        fprintf(stderr, "zydis_compare: %s\n", error->message);
        return false;
    }
    if (size < sizeof(Elf64_Ehdr) || memcmp(text, ELFMAG, SELFMAG) != 0) {
        fprintf(stderr, "zydis_compare: %s is no ELF file\n", path);
        return false;
    }
    if (text[EI_CLASS] == ELFCLASS64)
        run_elf64(r, (const uint8_t *)text, size);
    else
        run_elf32(r, (const uint8_t *)text, size);
    return true;
}

/* Fills @strings with @count instructions: from the code of @file if given, else random. */
static void speed_input(struct run *r, const char *file, uint8_t *strings, unsigned count)
{
    g_autofree char *text = NULL;
    gsize size = 0, at = 0x1000;
    struct x86_insn insn;

    if (file && g_file_get_contents(file, &text, &size, NULL))
        at = size / 2; /* the middle of a library is code */
    for (unsigned n = 0; n < count;) {
        uint8_t *string = strings + (size_t)n * STRING_BYTES;
        int len;

        if (at + STRING_BYTES <= size) {
            memcpy(string, text + at, STRING_BYTES);
        } else {
            uint64_t words[2] = {next_random(r), next_random(r)};

            memcpy(string, words, sizeof(words));
        }
        len = x86_decode(string, STRING_BYTES, X86_MODE_64, &insn);
        at += len > 0 ? (gsize)len : 1;
        n += len > 0;
    }
}

/* Nanoseconds per instruction, best of a few rounds, ours beside Zydis's. */
static void run_speed(struct run *r, const char *file)
{
    enum { COUNT = 50000, ROUNDS = 20 };
    g_autofree uint8_t *strings = g_malloc(COUNT * STRING_BYTES);
    struct x86_insn insn;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand zop[ZYDIS_MAX_OPERAND_COUNT];
    gint64 best[2] = {G_MAXINT64, G_MAXINT64};

    speed_input(r, file, strings, COUNT);
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        gint64 start = g_get_monotonic_time();

        for (unsigned n = 0; n < COUNT; n++) {
            const uint8_t *string = strings + (size_t)n * STRING_BYTES;

            if (round & 1)
                ZydisDecoderDecodeFull(&r->decoders[X86_MODE_64], string, STRING_BYTES, &z, zop);
            else
                x86_decode(string, STRING_BYTES, X86_MODE_64, &insn);
        }
        best[round & 1] = MIN(best[round & 1], g_get_monotonic_time() - start);
    }
    printf("%s: %.1f ns per instruction (Zydis %.1f ns)\n", file ? file : "random strings",
           (double)best[0] * 1000 / COUNT, (double)best[1] * 1000 / COUNT);
}

static void show_explained(const struct run *r)
{
    for (int i = 0; zydis_reason(i); i++)
        if (r->explained[i])
            printf("explained %10" PRIu64 "  %s\n", r->explained[i], zydis_reason(i));
}

int main(int argc, char **argv)
{
    gint64 count = 1000000, seed = 1;
    gboolean speed = FALSE, quiet = FALSE;
    g_auto(GStrv) files = NULL;
    const GOptionEntry options[] = {
        {"count", 0, 0, G_OPTION_ARG_INT64, &count, "random strings", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "of the random strings", "N"},
        {"speed", 0, 0, G_OPTION_ARG_NONE, &speed, "measure decoding and stop", NULL},
        {"quiet", 0, 0, G_OPTION_ARG_NONE, &quiet, "do not list the explained differences", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, NULL, "FILE"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("- compare the decoder with Zydis");
    g_autoptr(GError) error = NULL;
    struct run r = {0};

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "zydis_compare: %s\n", error->message);
        return 2;
    }
    zydis_init(r.decoders);
    r.rng = (uint64_t)seed * 0x9e3779b97f4a7c15ull | 1;
    if (speed) {
        run_speed(&r, files ? files[0] : NULL);
        return 0;
    }
    r.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    run_random(&r, (uint64_t)count);
    for (char **file = files; file && *file; file++)
        if (!run_file(&r, *file))
            return 2;
    if (!quiet)
        show_explained(&r);
    printf("%" PRIu64 " strings, %" PRIu64 " instructions, %" PRIu64 " unexplained differences\n", r.strings, r.valid,
           r.unexplained);
    g_hash_table_destroy(r.seen);
    return r.unexplained != 0;
}

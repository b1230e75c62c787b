/*
 * rem_speed.c - the CPU figures of hvbench beside themselves: natively in this process, and translated by the
 * recompiler in a guest whose memory is a copy of this process at the same addresses, so that both run the very same
 * code and data.
 *
 * Times are CPU times of this thread, the best of several rounds, checksums are compared, and the native run is
 * repeated beside each guest's run: what else the machine does matters little. Usage: rem_speed [-s SCALE] [-r ROUNDS]
 * [-v] [-d FILE] [FIGURE...]; -v counts, -d writes the generated code to FILE (as a sparse image of its mapping) and
 * prints where it was. The guest is a flat long mode at privilege 0 without interrupts; a system call returns its third
 * argument.
 */
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "harness.h"
#include "vmm/rem/rem.h"

#define RAM_BYTES   (384u << 20)
#define BUMP        (32u << 20) /* guest physical memory handed out from here on */
#define PML4        0x4000u
#define PAGE        4096u
#define PTE         3u
#define MAPS_MAX    256u
#define STACK_TOP   UINT64_C(0x7e0000000000)
#define STACK_BYTES (1u << 20)
#define HEAP_BYTES  (96u << 20)

/* ---- hvbench's surroundings: its main() and the library calls it shall not make; bench/meson.build renames them ----
 */

int hvbench_main(int argc, char **argv);
int kernel_clock(clockid_t id, struct timespec *ret);
int kernel_usage(int who, struct rusage *ret);
int kernel_line(const char *format, ...) G_GNUC_PRINTF(1, 2);
void *kernel_map(void *at, size_t bytes, int prot, int flags, int fd, off_t off);
int kernel_unmap(void *p, size_t bytes);

static volatile bool in_guest; /* set in the copy only */
static char line[256];
static uint8_t code_page[PAGE] __attribute__((aligned(4096)));

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int kernel_clock(clockid_t id, struct timespec *ret)
{
    uint64_t ns = in_guest ? __rdtsc() : cpu_ns();

    (void)id;
    ret->tv_sec = (time_t)(ns / 1000000000u);
    ret->tv_nsec = (long)(ns % 1000000000u);
    return 0;
}

int kernel_usage(int who, struct rusage *ret)
{
    (void)who;
    *ret = (struct rusage){0};
    return 0;
}

int kernel_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return n;
}

void *kernel_map(void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
    (void)at, (void)prot, (void)flags, (void)fd, (void)off;
    return bytes == PAGE ? code_page : MAP_FAILED;
}

int kernel_unmap(void *p, size_t bytes)
{
    (void)p, (void)bytes;
    return 0;
}

/* ---- the guest ---- */

struct map {
    uint64_t from, to;
};
static struct map maps[MAPS_MAX];
static unsigned map_count;
static uint64_t bump = BUMP;
static uint64_t out_gpa, flag_gpa; /* of line, in_guest */

static void find_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char text[512], prot[8];
    uint64_t from, to;

    g_assert_nonnull(f);
    while (fgets(text, sizeof text, f) != NULL) {
        if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, prot) != 3 || prot[0] != 'r' ||
            strstr(text, "[v") != NULL)
            continue;
        g_assert_cmpuint(map_count, <, MAPS_MAX);
        maps[map_count++] = (struct map){from, to};
    }
    fclose(f);
}

static uint64_t page_alloc(struct isa *t)
{
    uint64_t gpa = bump;

    bump += PAGE;
    g_assert_cmpuint(bump, <, RAM_BYTES);
    memset(t->ram + gpa, 0, PAGE);
    return gpa;
}

static uint64_t *entry_of(struct isa *t, uint64_t gla)
{
    uint64_t table = PML4;

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = (uint64_t *)(void *)(t->ram + table) + (gla >> shift & 511);
        if (*e == 0)
            *e = page_alloc(t) | PTE;
        table = *e & ~(uint64_t)(PAGE - 1);
    }
    return (uint64_t *)(void *)(t->ram + table) + (gla >> 12 & 511);
}

static uint64_t map_page(struct isa *t, uint64_t gla)
{
    uint64_t *e = entry_of(t, gla);

    if (*e == 0)
        *e = page_alloc(t) | PTE;
    return *e & ~(uint64_t)(PAGE - 1);
}

static void copy_process(struct isa *t)
{
    for (unsigned n = 0; n < map_count; n++)
        for (uint64_t gla = maps[n].from; gla < maps[n].to; gla += PAGE)
            memcpy(t->ram + map_page(t, gla), (const void *)(uintptr_t)gla, PAGE);
    for (uint64_t gla = STACK_TOP - STACK_BYTES; gla < STACK_TOP; gla += PAGE)
        map_page(t, gla);
    out_gpa = map_page(t, (uint64_t)(uintptr_t)line) + ((uintptr_t)line & (PAGE - 1));
    flag_gpa = map_page(t, (uint64_t)(uintptr_t)&in_guest) + ((uintptr_t)&in_guest & (PAGE - 1));
    t->ram[flag_gpa] = 1;
}

/* mov rax, rdx; push r11; popfq; jmp rcx */
static const uint8_t syscall_stub[] = {0x48, 0x89, 0xd0, 0x41, 0x53, 0x9d, 0xff, 0xe1};
#define STUB (ISA_CODE + 64u)

static uint64_t guest_tsc(void *user, unsigned cpu)
{
    (void)user, (void)cpu;
    return cpu_ns();
}

static struct isa *guest_new(void)
{
    static struct cpum_outside outside;
    struct isa *t = isa_new_sized(RAM_BYTES);
    struct cpum_ctx *x = &t->c->ctx;

    outside = *t->c->outside;
    outside.tsc = guest_tsc;
    t->c->outside = &outside;
    isa_mode(t, X86_MODE_64);
    isa_load(t, "", 0);
    memcpy(t->ram + STUB, syscall_stub, sizeof syscall_stub);
    copy_process(t);
    x->lstar = STUB;
    x->star = UINT64_C(8) << 32;
    memcpy(x->fpu.area, "\x7f\x03\0\0\0", 5); /* control, status and tag word as after FNINIT */
    syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &x->seg[X86_FS].base);
    pgm_mmu_flush(&t->c->mmu, true);
    return t;
}

static bool guest_run(struct isa *t, int argc, char **argv)
{
    struct cpum_ctx *x = &t->c->ctx;
    uint64_t back = t->code, top = STACK_TOP - 4096;

    memcpy(t->ram + map_page(t, top - 8) + PAGE - 8, &back, 8);
    x->gpr[X86_RSP] = top - 8;
    x->gpr[X86_RDI] = (uint64_t)argc;
    x->gpr[X86_RSI] = (uint64_t)(uintptr_t)argv;
    x->rip = (uint64_t)(uintptr_t)hvbench_main;
    x->activity = CPUM_RUNNING;
    if (iem_run(t->c, UINT64_MAX / 2) == IEM_EXIT_HALT && x->rip == t->code + 1)
        return true;
    printf("%s: lost at rip %" PRIx64 " cr2 %" PRIx64 "\n", argv[1], x->rip, x->cr2);
    return false;
}

/* ---- measuring ---- */

static char *arguments[3] = {(char *)"hvbench", NULL, NULL};
static char figure_name[32];

/* Seconds and checksum out of a line of hvbench. */
static double seconds(const char *text, char *ret_sum, size_t size)
{
    const char *s = strstr(text, "sec="), *c = strstr(text, "chk=");

    g_strlcpy(ret_sum, c != NULL ? c : "", size);
    return s != NULL ? g_ascii_strtod(s + 4, NULL) : NAN;
}

static double native_once(char *ret_sum, size_t size)
{
    hvbench_main(2, arguments);
    return seconds(line, ret_sum, size);
}

static double guest_once(struct isa *t, char *ret_sum, size_t size)
{
    if (!guest_run(t, 2, arguments))
        return NAN;
    return seconds((const char *)t->ram + out_gpa, ret_sum, size);
}

static double figure(struct isa *t, const char *name, unsigned rounds, bool verbose)
{
    double native = INFINITY, ours = INFINITY, first = 0;
    char sum[64], theirs[64];
    struct rem_stats before = *rem_stats(t->c);

    g_strlcpy(figure_name, name, sizeof figure_name);
    g_strlcpy((char *)t->ram + map_page(t, (uint64_t)(uintptr_t)figure_name) + ((uintptr_t)figure_name & (PAGE - 1)),
              name, sizeof figure_name);
    for (unsigned n = 0; n < rounds; n++) {
        double s = guest_once(t, theirs, sizeof theirs);
        if (n == 0)
            first = s;
        ours = MIN(ours, s);
        native = MIN(native, native_once(sum, sizeof sum));
    }
    printf("| %s | %.4f | %.4f | %.4f | %.2f | %s |\n", name, native, first, ours, ours / native,
           strcmp(sum, theirs) == 0 ? "same" : "DIFFERENT");
    if (verbose) {
        const struct rem_stats *s = rem_stats(t->c);
        printf("  blocks %" PRIu64 " insns %" PRIu64 " enters %" PRIu64 " slow %" PRIu64 " faults %" PRIu64
               " invalidated %" PRIu64 " opaque %" PRIu64 " refused %" PRIu64 "\n",
               s->blocks - before.blocks, s->insns - before.insns, s->enters - before.enters, s->slow - before.slow,
               s->faults - before.faults, s->invalidated - before.invalidated, s->opaque_insns - before.opaque_insns,
               s->refused - before.refused);
    }
    fflush(stdout);
    return strcmp(sum, theirs) == 0 ? ours / native : NAN;
}

static char *all[] = {(char *)"loop",   (char *)"sieve", (char *)"sha256", (char *)"lz",     (char *)"qsort",
                      (char *)"interp", (char *)"call",  (char *)"div",    (char *)"smc",    (char *)"nbody",
                      (char *)"matmul", (char *)"x87",   (char *)"libm",   (char *)"memcpy", (char *)"chase"};

/* The library must choose code the guest's processor has, and must not bind names lazily; the heap must never shrink.
 */
static void prepare(char **argv)
{
    void *p;

    if (g_getenv("HVB_SCALE") == NULL || g_getenv("LD_BIND_NOW") == NULL) {
        g_setenv("LD_BIND_NOW", "1", true);
        g_setenv("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ,-RTM", true);
        g_setenv("HVB_SCALE", "0.1", false);
        execv("/proc/self/exe", argv);
    }
    mallopt(M_MMAP_THRESHOLD, HEAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, 2 * HEAP_BYTES);
    mallopt(M_TOP_PAD, HEAP_BYTES);
    p = malloc(HEAP_BYTES / 2);
    g_assert_nonnull(p);
    memset(p, 1, HEAP_BYTES / 2);
    free(p);
    g_assert_cmpint(mprotect(code_page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), ==, 0);
}

/* The executable mapping of a memfd named "code", as codemem makes it. */
static void dump_code(const char *file)
{
    FILE *f = fopen("/proc/self/maps", "r"), *to = fopen(file, "w");
    char text[512];
    uint64_t from, end;

    while (f != NULL && to != NULL && fgets(text, sizeof text, f) != NULL)
        if (sscanf(text, "%" SCNx64 "-%" SCNx64 " r-x", &from, &end) == 2 && strstr(text, "memfd:code") != NULL &&
            strstr(text, "r-x") != NULL) {
            printf("code at %#" PRIx64 "\n", from);
            fwrite((const void *)(uintptr_t)from, 1, MIN(end - from, 4u << 20), to);
        }
    if (f != NULL)
        fclose(f);
    if (to != NULL)
        fclose(to);
}

int main(int argc, char **argv)
{
    const char *dump = NULL;
    unsigned rounds = 3, count = G_N_ELEMENTS(all), valid = 0;
    bool verbose = false;
    char **names = all;
    double logs = 0, worst = 0;
    char sum[64];
    int opt;

    prepare(argv);
    while ((opt = getopt(argc, argv, "s:r:d:v")) != -1) {
        if (opt == 's')
            g_setenv("HVB_SCALE", optarg, true);
        else if (opt == 'r')
            rounds = (unsigned)MAX(1, atoi(optarg));
        else if (opt == 'd')
            dump = optarg;
        else if (opt == 'v')
            verbose = true;
        else
            return 2;
    }
    if (optind < argc) {
        names = argv + optind;
        count = (unsigned)(argc - optind);
    }
    arguments[1] = figure_name;
    for (unsigned n = 0; n < count; n++) { /* what the library sets up at first use */
        g_strlcpy(figure_name, names[n], sizeof figure_name);
        native_once(sum, sizeof sum);
    }
    find_maps();
    struct isa *t = guest_new();
    isa_faults();
    isa_recompile(t, REM_HEAT_DEFAULT);
    printf("| figure | native, s | first run, s | best, s | ours / native | checksum |\n|---|---|---|---|---|---|\n");
    for (unsigned n = 0; n < count; n++) {
        double ratio = figure(t, names[n], rounds, verbose);
        if (isfinite(ratio)) {
            logs += log(ratio);
            worst = MAX(worst, ratio);
            valid++;
        }
    }
    printf("\n%u of %u figures; geometric mean %.2f, worst %.2f times native\n", valid, count,
           valid ? exp(logs / valid) : NAN, worst);
    if (dump != NULL)
        dump_code(dump);
    isa_free(t);
    return valid == count ? 0 : 1;
}

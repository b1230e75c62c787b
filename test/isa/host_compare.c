/*
 * host_compare.c - every data instruction of the opcode maps, on the host CPU and on an engine of ours, with the same
 * registers, flags and memory; then registers, flags, memory and faults are compared.
 *
 * A case is an encoding (forms.h) with random addressing in one of the WORLDS (64-bit, 32-bit and 16-bit code, flat and
 * with segment limits); VARIANTS sets of operands are tried on it. Rows of the instruction table are chosen evenly.
 * What is compared: general registers (their low halves outside 64-bit mode), x87, MMX and vector registers with FCW,
 * FSW, tags, x87 pointers and MXCSR, flags but those the row calls undefined, RIP, memory; and for a fault vector,
 * error code and CR2.
 *
 * usage: host_compare [--count N] [--seed N] [--mistakes N] [--engine NAME] [--only MNEMONIC] [--world NAME] [--list]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_run.h"
#include "host_quirks.h"
#include "host_run.h"
#include "trial.h"

#define VARIANTS    16u
#define KERNEL_HALF (1ull << 47)
#define FLAGS_ALL   0x3fffffu

enum { VECTOR_PF = 14 };

struct compare {
    struct guest guest;
    struct forms forms;
    struct rng rng;
    uint64_t cases, faults;
    unsigned mistakes;
    struct host_quirks quirks;
    const char *only;
    int only_world; /* -1: all */
};

/* ---- what is compared, in the order it is reported ---- */

struct outcome {
    struct cpu_state state;
    struct cpu_fault fault;
};

/* Parts of the register area. */
static const struct part {
    const char *name;
    uint16_t at, bytes, count, step;
} parts[] = {
    {"FCW", 0, 2, 1, 0},      {"FSW", 2, 2, 1, 0},
    {"FTW", 4, 1, 1, 0},      {"FOP", 6, 2, 1, 0},
    {"FIP", 8, 8, 1, 0},      {"FDP", 16, 8, 1, 0},
    {"MXCSR", 24, 4, 1, 0},   {"st", 32, 10, 8, 16},
    {"xmm", 160, 16, 16, 16}, {"ymm high half ", 576, 16, 16, 16},
};

static void print_bytes(const char *who, const uint8_t *p, unsigned bytes)
{
    fprintf(stderr, " %s ", who);
    while (bytes-- > 0)
        fprintf(stderr, "%02x", p[bytes]);
}

static void print_case(const struct trial *t)
{
    fprintf(stderr, "  %s code:", t->world->name);
    for (unsigned n = 0; n < t->i.len; n++)
        fprintf(stderr, " %02x", t->code[n]);
    fprintf(stderr, "; spot %" PRIx64 ", flags %" PRIx64 ", registers", t->spot, t->in.flags);
    for (unsigned n = 0; n < 16; n++)
        fprintf(stderr, " %" PRIx64, t->in.gpr[n]);
    fprintf(stderr, "\n  fpu control");
    print_bytes("", t->in.fpu, 28);
    for (unsigned n = 0; n < t->i.nops; n++) {
        const struct x86_operand *o = &t->i.op[n];

        if (o->kind == X86_OP_VEC)
            print_bytes("vec", t->in.fpu + 160 + 16 * o->reg, 16);
        else if (o->kind == X86_OP_ST || o->kind == X86_OP_MM)
            print_bytes("st", t->in.fpu + 32 + 16 * o->reg, 10);
        else if (o->kind == X86_OP_MEM && t->spot - t->start + 32 <= t->bytes)
            print_bytes("memory", t->memory + (t->spot - t->start), 32);
    }
    fprintf(stderr, "\n");
}

static void report(struct compare *k, const struct trial *t, const char *what, uint64_t host, uint64_t ours)
{
    fprintf(stderr, "%s: %s: host %" PRIx64 ", here %" PRIx64 "\n", x86_mnem_name((enum x86_mnem)t->i.mnem), what, host,
            ours);
    print_case(t);
    k->mistakes++;
}

/* Memory of this process at low addresses that the guest has not: AddressSanitizer's shadow from just below 2 GiB up,
 * and what the recompiler keeps between 1 and 4 GiB. What a case meets there by chance, as with a wild stack pointer,
 * does not fault on the host, or later. */
static bool is_of_process(const struct cpu_fault *ours)
{
    const uint64_t from = 0x40000000, to = 0x100000000;

    if (ours->vector != VECTOR_PF)
        return false;
#ifdef __SANITIZE_ADDRESS__
    if (ours->address >= 0x7fff8000)
        return true;
#endif
    return ours->address >= from && ours->address < to;
}

/* *ret_known: the faults differ as they may; there is no more to compare. */
static bool same_fault(struct compare *k, const struct trial *t, const struct outcome *host, const struct outcome *ours,
                       bool *ret_known)
{
    const struct cpu_fault *h = &host->fault, *o = &ours->fault;

    if (is_of_process(o) && (h->vector != o->vector || h->error != o->error || h->address != o->address)) {
        *ret_known = true;
        return true;
    }
    if (h->vector != o->vector) {
        if (host_may_fault(&k->quirks, t, h->vector, o->vector)) {
            *ret_known = true;
            return true;
        }
        report(k, t, "vector", (uint64_t)(int64_t)h->vector, (uint64_t)(int64_t)o->vector);
        return false;
    }
    if (h->vector < 0)
        return true;
    k->faults++;
    if (h->vector == o->vector && h->error != o->error &&
        h->address < KERNEL_HALF) { /* the host's kernel is mapped, the guest's not */
        report(k, t, "error code", h->error, o->error);
        return false;
    }
    if (h->vector == VECTOR_PF && !host_same_address(t, h->address, o->address)) {
        report(k, t, "CR2", h->address, o->address);
        return false;
    }
    return true;
}

static bool same_general(struct compare *k, const struct trial *t, const struct cpu_state *host,
                         const struct cpu_state *ours, int vector)
{
    bool wide = t->world->mode == X86_MODE_64;
    uint64_t mask = FLAGS_ALL & ~(uint64_t)t->i.row->flags_undefined;

    if (t->i.mnem == X86_POPA && vector >= 0) /* what was popped by then is there on this host */
        return true;
    for (unsigned n = 0; n < (wide ? 16 : 8); n++) {
        uint64_t differ = host->gpr[n] ^ ours->gpr[n];

        if (wide ? differ != 0 : (uint32_t)differ != 0) {
            char name[8];

            snprintf(name, sizeof name, "r%u", n);
            report(k, t, name, host->gpr[n], ours->gpr[n]);
            return false;
        }
    }
    if (host->rip != ours->rip) {
        report(k, t, "rip", host->rip, ours->rip);
        return false;
    }
    if (((host->flags ^ ours->flags) & mask) && !host_hides_flags(&k->quirks, t, vector)) {
        report(k, t, "flags", host->flags & mask, ours->flags & mask);
        return false;
    }
    return true;
}

static bool same_fpu(struct compare *k, const struct trial *t, const struct outcome *h, const struct outcome *o)
{
    const uint8_t *host = h->state.fpu, *ours = o->state.fpu;

    for (unsigned n = 0; n < G_N_ELEMENTS(parts); n++)
        for (unsigned m = 0; m < parts[n].count; m++) {
            unsigned at = parts[n].at + m * parts[n].step;

            if (memcmp(host + at, ours + at, parts[n].bytes) == 0 ||
                host_hides(&k->quirks, t, host, h->fault.vector, parts[n].at, parts[n].bytes))
                continue;
            fprintf(stderr, "%s: %s%u:", x86_mnem_name((enum x86_mnem)t->i.mnem), parts[n].name, m);
            print_bytes("before", t->in.fpu + at, parts[n].bytes);
            print_bytes("host", host + at, parts[n].bytes);
            print_bytes("here", ours + at, parts[n].bytes);
            fprintf(stderr, "\n");
            print_case(t);
            k->mistakes++;
            return false;
        }
    return true;
}

static bool same_memory(struct compare *k, const struct trial *t, uint64_t start, unsigned bytes)
{
    const uint8_t *host = (const uint8_t *)(uintptr_t)start, *ours = k->guest.window + (start - WORLD_WINDOW);

    if (memcmp(host, ours, bytes) == 0)
        return true;
    for (unsigned n = 0; n < bytes; n++)
        if (host[n] != ours[n] && !host_hides_memory(&k->quirks, t, start + n)) {
            fprintf(stderr, "at %" PRIx64 " ", start + n);
            report(k, t, "memory", host[n], ours[n]);
            return false;
        }
    memcpy(k->guest.window + (start - WORLD_WINDOW), host, bytes);
    return true;
}

/* ---- one case ---- */

static void run_case(struct compare *k, const struct trial *t)
{
    struct outcome host = {.state = t->in}, ours = {.state = t->in};

    bool known = false;

    memcpy((void *)(uintptr_t)t->start, t->memory, t->bytes);
    memcpy(k->guest.window + (t->start - WORLD_WINDOW), t->memory, t->bytes);
    host_run(&host.state, &host.fault);
    k->cases++;
    if (!guest_run(&k->guest, &ours.state, t->i.len, &ours.fault)) {
        report(k, t, "the engine did not come back", host.state.rip, k->guest.t->c->ctx.rip);
        return;
    }
    if (!same_fault(k, t, &host, &ours, &known))
        return;
    if (known || host_stores_in_parts(t, host.fault.vector)) {
        memcpy(k->guest.window, (const void *)(uintptr_t)WORLD_WINDOW, WORLD_WINDOW_BYTES);
        return;
    }
    if (same_general(k, t, &host.state, &ours.state, host.fault.vector) && same_fpu(k, t, &host, &ours))
        same_memory(k, t, t->start, t->bytes);
}

static uint64_t run_form(struct compare *k, const struct world *w, const struct form *f)
{
    struct trial t = {.world = w, .form = f};
    unsigned mistakes = k->mistakes;
    uint64_t before = k->cases;

    if (!trial_code(&t, &k->rng) || host_branches_otherwise(&k->quirks, &t))
        return 0;
    host_run_load(w, t.code, t.i.len);
    guest_load(&k->guest, w, t.code, t.i.len);
    for (unsigned n = 0; n < VARIANTS && k->mistakes == mistakes; n++)
        if (trial_operands(&t, &k->rng))
            run_case(k, &t);
    if (k->mistakes == mistakes)
        same_memory(k, &t, WORLD_WINDOW, WORLD_WINDOW_BYTES); /* stores that went elsewhere */
    if (k->mistakes != mistakes)
        memcpy(k->guest.window, (const void *)(uintptr_t)WORLD_WINDOW, WORLD_WINDOW_BYTES);
    return k->cases - before;
}

static void run_some(struct compare *k)
{
    unsigned number = k->only_world >= 0       ? (unsigned)k->only_world
                      : rng_one_in(&k->rng, 2) ? 0
                                               : rng_below(&k->rng, WORLDS);
    GArray *rows = k->forms.rows[worlds[number].mode];
    struct form_row *row = &g_array_index(rows, struct form_row, rng_below(&k->rng, rows->len));

    if (k->only && strcmp(x86_mnem_name((enum x86_mnem)row->row->mnem), k->only) != 0)
        return;
    row->cases += run_form(k, &worlds[number], form_at(&k->forms, row->first + rng_below(&k->rng, row->count)));
}

/* ---- coverage ---- */

static unsigned rows_run(const struct forms *f, bool list)
{
    static const char *const names[3] = {"16", "32", "64"};
    unsigned run = 0;

    for (unsigned mode = 0; mode < 3; mode++)
        for (unsigned n = 0; n < f->rows[mode]->len; n++) {
            const struct form_row *r = &g_array_index(f->rows[mode], struct form_row, n);

            run += r->cases != 0;
            if (list)
                printf("%s-bit %-12s %8u forms %10" PRIu64 " cases\n", names[mode],
                       x86_mnem_name((enum x86_mnem)r->row->mnem), r->count, r->cases);
        }
    return run;
}

static unsigned rows_known(const struct forms *f)
{
    return f->rows[0]->len + f->rows[1]->len + f->rows[2]->len;
}

static int world_number(const char *name)
{
    for (unsigned n = 0; n < WORLDS; n++)
        if (name && strcmp(worlds[n].name, name) == 0)
            return (int)n;
    return -1;
}

int main(int argc, char **argv)
{
    gint64 count = 200000, seed = 1, mistakes = 10;
    g_autofree char *only = NULL, *world = NULL, *engine = NULL;
    gboolean list = FALSE;
    const GOptionEntry options[] = {{"count", 0, 0, G_OPTION_ARG_INT64, &count, "cases to run", "N"},
                                    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "start of the random numbers", "N"},
                                    {"engine", 0, 0, G_OPTION_ARG_STRING, &engine, "who runs the guest (iem)", "NAME"},
                                    {"mistakes", 0, 0, G_OPTION_ARG_INT64, &mistakes, "differences to stop after", "N"},
                                    {"only", 0, 0, G_OPTION_ARG_STRING, &only, "one mnemonic as in mnem.def", "NAME"},
                                    {"world", 0, 0, G_OPTION_ARG_STRING, &world, "one kind of code", "NAME"},
                                    {"list", 0, 0, G_OPTION_ARG_NONE, &list, "list the rows and their cases", NULL},
                                    {}};
    g_autoptr(GOptionContext) context = g_option_context_new("- an engine against the host CPU");
    g_autoptr(GError) error = NULL;
    struct compare k = {};
    const struct engine *e;
    const char *problem;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "host_compare: %s\n", error->message);
        return 1;
    }
    e = engine_find(engine ? engine : "iem", &problem);
    if (!e) {
        fprintf(stderr, "host_compare: no engine \"%s\"; there are: %s\n", engine, problem);
        return 1;
    }
    problem = host_run_init();
    if (problem) {
        fprintf(stderr, "host_compare: this host lacks what it needs: %s\n", problem);
        return 1;
    }
    k.rng.state = (uint64_t)seed * 0x9e3779b97f4a7c15ull | 1;
    k.quirks = host_quirks();
    k.only = only;
    k.only_world = world_number(world);
    guest_init(&k.guest, e);
    forms_find(&k.forms, k.guest.t->c);
    while (k.cases < (uint64_t)count && k.mistakes < (uint64_t)mistakes)
        run_some(&k);
    printf("host_compare: %s: %" PRIu64 " cases over %u forms of %u rows (%u run), %" PRIu64
           " of them faults, %u differences\n",
           e->name, k.cases, k.forms.forms->len, rows_known(&k.forms), rows_run(&k.forms, list), k.faults, k.mistakes);
    forms_free(&k.forms);
    guest_fini(&k.guest);
    return k.mistakes != 0;
}

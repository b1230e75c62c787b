/*
 * device_generic_test.c - what every device of registry.def must stand, with no code of its own.
 *
 * identity: whatever the guest did, save - load into a new machine - save gives the same bytes.
 * access:   random port, memory and configuration accesses, DMA memory, media, input, time steps, resets.
 * board:    the same accesses with all devices on one machine: what they do to each other, and whose locks that takes.
 * load:     a saved unit with random bytes in it is refused, or the device lives with it.
 * Each operation must end within OP_CPU_NS of processor time and may not flood the log. Sanitizers see the rest.
 * --seconds N runs each case that long; --device NAME runs one device; --start N begins with other numbers (0: any).
 * The default run is the same each time as long as the host is as fast.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define OP_CPU_NS     400000000ull /* an operation on a busy host with sanitizers; free, they take microseconds */
#define LOG_BYTES_MAX (4u << 20)
#define SPANS_MAX     64u
#define RAM_BYTES     (16u << 20)

static double seconds_each = 0.2;
static const char *only;
static uint32_t start_number = 1;
static GRand *numbers; /* begun anew by each case */

struct fuzz {
    struct rig *r;
    const struct pdm_devreg *reg; /* NULL: all of them */
    struct rig_span spans[SPANS_MAX];
    unsigned span_count;
    struct rig_media *media[4];
    struct rig_char *chars;
    unsigned slot, func;
    bool pci;
    struct pdm_frame frame;
};

static uint32_t rnd(void)
{
    return g_rand_int(numbers);
}

/* Numbers as guests use them: small, powers of two and their neighbours, all ones, anything. */
static uint32_t val(void)
{
    const uint32_t v = rnd();

    switch (v >> 29) {
    case 0: return v & 3;
    case 1: return v & 0xff;
    case 2: return 1u << (v & 31);
    case 3: return (1u << (v & 31)) - 1;
    case 4: return v & 0xffff;
    default: return rnd();
    }
}

static unsigned size_of(unsigned log2_max)
{
    return 1u << (rnd() % (log2_max + 1));
}

/* ---- making ---- */

/* Required keys get their smallest value. */
static char *config_of(const struct pdm_devreg *reg)
{
    GString *s = g_string_new(NULL);

    for (const struct pdm_cfg_key *k = reg->config; k && k->name; k++)
        if (k->required && k->type == PDM_CFG_U64)
            g_string_append_printf(s, "%s=%" G_GUINT64_FORMAT ";", k->name, k->min);
        else if (k->required)
            g_string_append_printf(s, "%s=%s;", k->name, k->type == PDM_CFG_BYTES ? "00" : "0");
    return g_string_free(s, FALSE);
}

static struct rig_media *random_media(struct rig *r, unsigned lun)
{
    static const struct {
        uint64_t bytes;
        uint32_t sector_bytes;
        bool removable, read_only;
    } kinds[] = {{1474560, 512, true, false},
                 {4u << 20, 512, false, false},
                 {2u << 20, 2048, true, true},
                 {8192, 512, false, true}};
    const unsigned kind = (lun + rnd() % 2) % G_N_ELEMENTS(kinds);
    struct rig_media *m;

    if (rnd() % 4 == 0)
        return NULL;
    m = rig_media_new(r, kinds[kind].bytes, kinds[kind].sector_bytes);
    rig_media_block(m)->removable = kinds[kind].removable;
    rig_media_block(m)->read_only = kinds[kind].read_only;
    return m;
}

static void look_around(struct fuzz *f)
{
    f->span_count = rig_spans(f->r, f->spans, SPANS_MAX);
}

static void add(struct fuzz *f, const struct pdm_devreg *reg)
{
    g_autofree char *config = config_of(reg);

    rig_add(f->r, reg, config);
}

static void start(struct fuzz *f)
{
    g_autoptr(GError) error = NULL;

    rig_start(f->r, &error);
    g_assert_no_error(error);
    look_around(f);
}

static void begin_machine(struct fuzz *f, const struct pdm_devreg *reg)
{
    *f = (struct fuzz){.reg = reg, .r = rig_empty()};
    rig_set_ram(f->r, RAM_BYTES, 0);
    rig_set_cpus(f->r, 2);
}

static void make(struct fuzz *f, const struct pdm_devreg *reg)
{
    begin_machine(f, reg);
    add(f, reg);
    for (unsigned lun = 0; lun < G_N_ELEMENTS(f->media); lun++) {
        f->media[lun] = random_media(f->r, lun);
        if (f->media[lun])
            rig_media_attach(f->r, reg->name, 0, lun, f->media[lun]);
    }
    if (rnd() % 4) {
        f->chars = rig_char_new(f->r);
        rig_char_attach(f->r, reg->name, 0, 0, f->chars);
    }
    start(f);
    f->pci = rig_pci_where(f->r, reg->name, 0, &f->slot, &f->func);
}

static void make_board(struct fuzz *f)
{
    const struct pdm_devreg *reg;

    begin_machine(f, NULL);
    for (unsigned i = 0; (reg = devices_at(i)); i++)
        add(f, reg);
    for (unsigned lun = 0; lun < 2; lun++) {
        f->media[lun] = random_media(f->r, lun);
        if (f->media[lun])
            rig_media_attach(f->r, lun ? "piix3ide" : "i82078", 0, 0, f->media[lun]);
    }
    start(f);
    f->pci = true;
}

static void unmake(struct fuzz *f)
{
    pdm_frame_fini(&f->frame);
    rig_free(f->r);
}

/* ---- operations ---- */

static uint64_t somewhere(struct fuzz *f, bool port)
{
    const struct rig_span *s;

    for (unsigned tries = 0; tries < 4 && f->span_count; tries++) {
        s = &f->spans[rnd() % f->span_count];
        if (s->port == port)
            return s->base + (rnd() % 2 ? rnd() % MIN(s->bytes, 256) : rnd() % MIN(s->bytes, UINT32_MAX));
    }
    return port ? rnd() & 0xffff : rnd();
}

static void op_in(struct fuzz *f)
{
    rig_in(f->r, (uint16_t)somewhere(f, true), size_of(2));
}

static void op_out(struct fuzz *f)
{
    rig_out(f->r, (uint16_t)somewhere(f, true), val(), size_of(2));
}

static void op_string(struct fuzz *f)
{
    uint8_t buf[256];
    const unsigned size = size_of(2);
    const uint16_t port = (uint16_t)somewhere(f, true);

    memset(buf, (int)rnd(), sizeof(buf));
    if (rnd() % 2)
        rig_ins(f->r, port, buf, size, sizeof(buf) / size);
    else
        rig_outs(f->r, port, buf, size, sizeof(buf) / size);
}

static void op_mmio_read(struct fuzz *f)
{
    rig_mmio_read(f->r, somewhere(f, false), size_of(3));
}

static void op_mmio_write(struct fuzz *f)
{
    rig_mmio_write(f->r, somewhere(f, false), (uint64_t)val() << (rnd() & 32) | val(), size_of(3));
}

/* Half the time BARs and decoding are set as firmware would, else anything goes. */
static void op_config(struct fuzz *f)
{
    if (!f->pci)
        return;
    if (!f->reg) {
        f->slot = rnd() % 8;
        f->func = rnd() % 4;
    }
    if (rnd() % 2) {
        rig_cfg_write(f->r, f->slot, f->func, (uint8_t)rnd(), val(), size_of(2));
    } else {
        for (unsigned bar = 0; bar < 6; bar++)
            rig_cfg_write(f->r, f->slot, f->func, (uint8_t)(0x10 + 4 * bar),
                          rig_cfg_read(f->r, f->slot, f->func, (uint8_t)(0x10 + 4 * bar), 1) & 1
                              ? 0xc000 + 0x100 * bar
                              : 0xe0000000 + (bar << 24),
                          4);
        rig_cfg_write(f->r, f->slot, f->func, 4, 7, 2);
    }
    rig_cfg_read(f->r, f->slot, f->func, (uint8_t)rnd(), size_of(2));
    look_around(f);
}

static void op_step(struct fuzz *f)
{
    static const uint64_t spans_ns[] = {0, 1000, 100000, 2000000};

    rig_step_ns(f->r, rnd() % (spans_ns[rnd() % G_N_ELEMENTS(spans_ns)] + 1));
}

static void op_memory(struct fuzz *f)
{
    uint32_t words[8];

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = rnd() % 2 ? rnd() % RAM_BYTES : val();
    rig_mem_write(f->r, rnd() % (RAM_BYTES - sizeof(words)), words, sizeof(words));
}

static void op_driver(struct fuzz *f)
{
    struct rig_media *m = f->media[rnd() % G_N_ELEMENTS(f->media)];
    uint8_t bytes[32] = {0};

    if (m && rnd() % 8 == 0)
        rig_media_fail(m, -1, 0, UINT32_MAX, 1, -1);
    else if (m && rnd() % 4 == 0)
        rig_media_hold(m, rnd() % 2);
    else if (m)
        rig_media_complete(m, rnd() % 3);
    if (f->chars && rnd() % 2)
        rig_char_push(f->chars, bytes, rnd() % sizeof(bytes));
    else if (f->chars && rnd() % 2)
        rig_char_room(f->chars, rnd() % 64);
    if (f->chars)
        rig_char_sent(f->chars, bytes, sizeof(bytes));
}

static void op_media_change(struct fuzz *f)
{
    const unsigned lun = rnd() % G_N_ELEMENTS(f->media);

    if (!f->reg || !f->media[lun] || !rig_media_block(f->media[lun])->removable)
        return;
    rig_media_attach(f->r, f->reg->name, 0, lun, NULL);
    rig_step_ns(f->r, rnd() % 1000);
    rig_media_attach(f->r, f->reg->name, 0, lun, f->media[lun]);
}

static void op_people(struct fuzz *f)
{
    const uint8_t codes[4] = {(uint8_t)rnd(), 0xe0, (uint8_t)rnd(), (uint8_t)rnd()};
    struct pdm *pdm = rig_pdm(f->r);

    pdm_keyboard_put(pdm, codes, 1 + rnd() % 4);
    pdm_mouse_move(pdm, (int)val(), (int)val(), (int)(val() & 15) - 8, rnd() & 7);
    pdm_press_power_button(pdm, rnd() % 2);
    if (rnd() % 16 == 0) {
        pdm_display_render(pdm, &f->frame);
        g_free(pdm_display_text(pdm));
    }
}

static void op_lines(struct fuzz *f)
{
    const unsigned line = rnd() % 16;

    if (line != 2)
        rig_irq_drive(f->r, line, rnd() % 2);
    pdm_interrupt_pending(rig_pdm(f->r), rnd() % 2);
    rig_acknowledge(f->r, rnd() % 2);
    rig_set_cpu(f->r, (int)(rnd() % 2));
}

static void op_info(struct fuzz *f)
{
    g_autoptr(GString) out = g_string_new(NULL);

    pdm_info(rig_pdm(f->r), f->reg ? f->reg->name : devices_at(rnd() % 4)->name, "", out);
}

static void op_reset(struct fuzz *f)
{
    rig_reset(f->r);
    look_around(f);
}

static const struct op {
    void (*run)(struct fuzz *f);
    const char *name;
    unsigned weight;
} ops[] = {{op_in, "in", 250},
           {op_out, "out", 300},
           {op_string, "string I/O", 10},
           {op_mmio_read, "MMIO read", 120},
           {op_mmio_write, "MMIO write", 150},
           {op_config, "configuration", 30},
           {op_step, "step", 60},
           {op_memory, "memory", 20},
           {op_driver, "driver", 30},
           {op_media_change, "media change", 2},
           {op_people, "people", 5},
           {op_lines, "lines", 20},
           {op_info, "info", 1},
           {op_reset, "reset", 1}};

static const struct op *pick(void)
{
    unsigned total = 0, at;

    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++)
        total += ops[i].weight;
    at = rnd() % total;
    for (unsigned i = 0;; i++) {
        if (at < ops[i].weight)
            return &ops[i];
        at -= ops[i].weight;
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What the recorders collected must not grow for ever. */
static void forget_records(struct fuzz *f)
{
    struct rig_event events[64];
    struct rig_message messages[64];
    enum pdm_power powers[64];
    uint8_t eois[64];

    while (rig_events(f->r, events, 64) == 64)
        ;
    while (rig_messages(f->r, messages, 64) == 64)
        ;
    while (rig_power(f->r, powers, 64) == 64)
        ;
    while (rig_eois(f->r, eois, 64) == 64)
        ;
    g_assert_cmpuint(strlen(rig_log(f->r)), <, LOG_BYTES_MAX);
}

static void poke(struct fuzz *f, unsigned count)
{
    while (count--) {
        const struct op *op = pick();
        const uint64_t before_ns = cpu_ns();
        uint64_t took_ns;

        op->run(f);
        took_ns = cpu_ns() - before_ns;
        if (took_ns > OP_CPU_NS)
            g_error("%s: one %s took %" G_GUINT64_FORMAT " ms", f->reg ? f->reg->name : "board", op->name,
                    took_ns / 1000000);
    }
    forget_records(f);
    look_around(f);
}

/* ---- cases ---- */

static gint64 begin(void)
{
    if (numbers)
        g_rand_free(numbers);
    numbers = g_rand_new_with_seed(start_number);
    return g_get_monotonic_time();
}

static bool time_left(gint64 start_us)
{
    return (double)(g_get_monotonic_time() - start_us) < seconds_each * 1e6;
}

static void test_identity(gconstpointer data)
{
    const gint64 start_us = begin();

    do {
        struct fuzz f;
        g_autoptr(GByteArray) first = NULL, second = NULL;
        g_autoptr(GError) error = NULL;

        make(&f, data);
        poke(&f, rnd() % 300);
        rig_save_load(f.r, &error); /* also brings all requests to their end */
        g_assert_no_error(error);
        first = rig_save(f.r, rig_dev(f.r));
        rig_save_load(f.r, &error);
        g_assert_no_error(error);
        second = rig_save(f.r, rig_dev(f.r));
        g_assert_cmpmem(first->data, first->len, second->data, second->len);
        look_around(&f);
        poke(&f, 50);
        unmake(&f);
    } while (time_left(start_us));
}

static void test_access(gconstpointer data)
{
    const gint64 start_us = begin();

    do {
        struct fuzz f;

        make(&f, data);
        for (unsigned i = 0; i < 20 && time_left(start_us); i++)
            poke(&f, 500);
        unmake(&f);
    } while (time_left(start_us));
}

static void test_board(void)
{
    const gint64 start_us = begin();

    do {
        struct fuzz f;
        g_autoptr(GError) error = NULL;

        make_board(&f);
        for (unsigned i = 0; i < 20 && time_left(start_us); i++)
            poke(&f, 500);
        rig_save_load(f.r, &error);
        g_assert_no_error(error);
        poke(&f, 100);
        unmake(&f);
    } while (time_left(start_us));
}

static void spoil(GByteArray *unit)
{
    const unsigned edits = 1 + rnd() % 8;
    const unsigned head = MIN(unit->len, 1024u); /* registers come first, bulk data last */

    for (unsigned i = 0; i < edits && unit->len; i++)
        unit->data[rnd() % (rnd() % 4 ? head : unit->len)] = (uint8_t)(rnd() % 2 ? rnd() : 1u << (rnd() % 8));
    if (rnd() % 16 == 0)
        g_byte_array_set_size(unit, unit->len - rnd() % (unit->len + 1));
}

static void test_load(gconstpointer data)
{
    const gint64 start_us = begin();
    unsigned refused = 0, lived = 0;

    do {
        struct fuzz f;
        bool ok = true;

        make(&f, data);
        for (unsigned i = 0; i < 50 && ok && time_left(start_us); i++) {
            g_autoptr(GByteArray) unit = NULL;
            g_autoptr(GError) error = NULL;

            poke(&f, 20);
            pdm_suspend(rig_pdm(f.r));
            unit = rig_save(f.r, rig_dev(f.r));
            pdm_resume(rig_pdm(f.r));
            spoil(unit);
            ok = rig_load(f.r, rig_dev(f.r), unit->data, unit->len, &error);
            g_assert_true(ok == !error);
            look_around(&f);
            if (ok)
                poke(&f, 50);
            lived += ok;
            refused += !ok; /* as a machine that could not be restored: it goes, and never runs */
        }
        unmake(&f);
    } while (time_left(start_us));
    g_test_message("%u states refused, %u taken", refused, lived);
}

static void own_arguments(int *argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        if (i + 1 < *argc && !strcmp(argv[i], "--seconds"))
            seconds_each = strtod(argv[++i], NULL);
        else if (i + 1 < *argc && !strcmp(argv[i], "--device"))
            only = argv[++i];
        else if (i + 1 < *argc && !strcmp(argv[i], "--start"))
            start_number = (uint32_t)strtoul(argv[++i], NULL, 0);
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    if (!start_number)
        start_number = g_random_int();
    printf("# numbers start with %u\n", start_number);
}

int main(int argc, char **argv)
{
    const struct pdm_devreg *reg;
    int status;

    own_arguments(&argc, argv);
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; (reg = devices_at(i)); i++) {
        g_autofree char *identity = g_strdup_printf("/device/%s/identity", reg->name);
        g_autofree char *access = g_strdup_printf("/device/%s/access", reg->name);
        g_autofree char *load = g_strdup_printf("/device/%s/load", reg->name);

        if (only && strcmp(only, reg->name))
            continue;
        g_test_add_data_func(identity, reg, test_identity);
        g_test_add_data_func(access, reg, test_access);
        g_test_add_data_func(load, reg, test_load);
    }
    if (!only || !strcmp(only, "board"))
        g_test_add_func("/device/board/access", test_board);
    status = g_test_run();
    if (numbers)
        g_rand_free(numbers);
    return status;
}

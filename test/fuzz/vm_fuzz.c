/*
 * vm_fuzz.c - libFuzzer target for the units of a saved state that are no device's: clock, memory map, processor.
 *
 * The input edits a good unit, which is loaded as save.c does it; a processor that takes it executes some instructions,
 * wherever it then is.
 */
#include "vmm/vm/save.c"

#include "harness.h"

#define INSNS 300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct vm machine;
static struct isa *t;

static void end(void)
{
    isa_free(t);
    tm_free(machine.tm);
}

static void begin(void)
{
    t = isa_new();
    atexit(end);
    machine.cpus = 1;
    machine.cpu[0] = t->c;
    machine.pgm = t->pgm;
    machine.tm = tm_new_stepped(1);
}

static void put_good(struct ssm_writer *w, const char *name)
{
    if (strcmp(name, "tm") == 0) {
        ssm_put_u64(w, 12345);
        ssm_put_u64(w, 67890);
    } else if (strcmp(name, "pgm") == 0) {
        ssm_put_u8(w, 1);
    } else {
        ssm_put_state(w, &cpum_state, &t->c->ctx);
        ssm_put_u32(w, 0);
        trpm_save(t->c, w);
    }
}

/* Two bytes where, six what; the end may be cut off. */
static void edit(struct ssm_writer *w, const uint8_t *data, size_t bytes)
{
    for (; bytes >= 8; data += 8, bytes -= 8) {
        const guint at = (guint)(data[0] | data[1] << 8) % w->len;

        memcpy(w->data + at, data + 2, MIN(6, w->len - at));
    }
    if (bytes == 7)
        w->len = data[0] % (w->len + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const names[] = {"cpum", "cpum", "cpum", "cpum", "cpum", "cpum", "tm", "pgm"};
    static const enum x86_mode modes[] = {X86_MODE_16, X86_MODE_32, X86_MODE_64};
    struct loader l = {.vm = &machine};
    g_autoptr(GError) error = NULL;
    struct ssm_unit u = {.version = cpum_state.version};
    struct ssm_writer w;
    static bool ran;
    bool ok;

    if (bytes < 2)
        return 0;
    if (!t)
        begin();
    if (ran)
        memset(t->ram, 0, ISA_RAM_BYTES);
    isa_mode(t, modes[data[1] % G_N_ELEMENTS(modes)]);
    g_strlcpy(u.name, names[data[0] % G_N_ELEMENTS(names)], sizeof(u.name));
    ssm_writer_init(&w);
    put_good(&w, u.name);
    edit(&w, data + 2, bytes - 2);
    u.bytes = w.data;
    u.size = w.len;
    ok = u.name[0] == 'c'   ? load_cpum(&l, &u, &error)
         : u.name[0] == 't' ? load_tm(&l, &u, &error)
                            : load_pgm(&l, &u, &error);
    g_assert_true(ok == !error);
    ssm_writer_fini(&w);
    ran = ok;
    if (ok)
        iem_run(t->c, INSNS);
    return 0;
}

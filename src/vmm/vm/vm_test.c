/*
 * vm_test.c - the machine as a whole, with guests of a few bytes at the reset vector: its states, what it says about
 * itself, and how it ends when it cannot go on.
 */
#include <stdio.h>
#include <string.h>

#include "rt/log.h"
#include "vmm/vm/vm_int.h"

#define ROM_GPA   UINT64_C(0xffff0000)
#define ROM_BYTES 0x10000u
#define WAIT_MS   20000

/* A device whose port makes the host fault, with the device's lock held. */
static void crash_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    volatile uintptr_t nowhere = 8;

    (void)dev, (void)off, (void)size;
    *(volatile uint32_t *)nowhere = val;
}

static bool crash_construct(struct pdm_dev *dev, GError **error)
{
    const struct pdm_io io = {
        .name = "crash", .base = 0x80, .count = 1, .min_size = 1, .max_size = 1, .write = crash_write};

    return pdm_io_add(dev, &io, error);
}

static const struct pdm_devreg crash_device = {
    .name = "crash", .desc = "faults", .max_instances = 1, .state_size = 1, .construct = crash_construct};

static const struct pdm_devreg *find(void *user, const char *name)
{
    (void)user;
    return strcmp(name, crash_device.name) == 0 ? &crash_device : NULL;
}

/* Real mode; the ROM's own segment is CS, offset 20h holds six zero bytes. */
#define HALT   "\xf4\xeb\xfd"                 /* hlt; jmp */
#define SPIN   "\xeb\xfe"                     /* jmp $ */
#define TRIPLE "\x2e\x0f\x01\x1e\x20\x00\xcc" /* lidt cs:[20h]; int3 */
#define ONCE                                                                                                           \
    "\x31\xc0\x8e\xd8\x80\x3e\x00\x05\x01\x74\x0c" /* xor ax,ax; mov ds,ax; cmp byte [500h],1; je */                   \
    "\xc6\x06\x00\x05\x01" TRIPLE HALT             /* mov byte [500h],1; TRIPLE; HALT */
#define CRASH "\xe6\x80\xf4"                       /* out 80h,al */

struct rig {
    struct vm *vm;
    struct log *log, *before;
    char *folder, *path;
};

static void rig_start(struct rig *r, const char *code, size_t bytes, unsigned cpus, bool reset)
{
    const struct vm_host host = {.device_find = find};
    g_autofree uint8_t *rom = g_malloc0(ROM_BYTES);
    struct cfgm_node *root = cfgm_new();
    GError *error = NULL;

    r->folder = g_dir_make_tmp("vm_test-XXXXXX", &error);
    g_assert_no_error(error);
    r->path = g_build_filename(r->folder, "VBox.log", NULL);
    r->log = log_new(&(struct log_config){.path = r->path}, &error);
    g_assert_no_error(error);
    r->before = log_set_default(r->log);
    cfgm_set_string(root, "Name", "test");
    cfgm_set_integer(root, "NumCPUs", cpus);
    cfgm_set_integer(root, "RamSize", 4 << 20);
    cfgm_set_integer(root, "TripleFaultReset", reset);
    cfgm_insert(root, "Devices/crash/0");
    r->vm = vm_new(root, &host, &error);
    g_assert_no_error(error);
    memcpy(rom, code, bytes);
    memcpy(rom + 0xfff0, "\xe9\x0d\x00", 3); /* to offset 0 */
    g_assert_true(pgm_rom_add(r->vm->pgm, "test", ROM_GPA, rom, ROM_BYTES, &error));
    g_assert_true(vm_construct(r->vm, &error));
}
#define RIG_START(r, code, cpus, reset) rig_start(r, code, sizeof(code) - 1, cpus, reset)

static char *rig_end(struct rig *r)
{
    char *text;

    vm_free(r->vm);
    log_set_default(r->before);
    log_free(r->log);
    g_assert_true(g_file_get_contents(r->path, &text, NULL, NULL));
    g_assert_cmpint(remove(r->path), ==, 0);
    g_assert_cmpint(remove(r->folder), ==, 0);
    g_free(r->path);
    g_free(r->folder);
    return text;
}

static void wait_state(struct vm *vm, enum vm_state state)
{
    for (unsigned ms = 0; vm_state_get(vm) != state; ms++) {
        g_assert_cmpuint(ms, <, WAIT_MS);
        g_usleep(1000);
    }
}

static void wait_halted(struct vm *vm)
{
    for (unsigned ms = 0; __atomic_load_n(&vm->cpu[0]->ctx.activity, __ATOMIC_RELAXED) != CPUM_HALTED; ms++) {
        g_assert_cmpuint(ms, <, WAIT_MS);
        g_usleep(1000);
    }
}

static void contains(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strstr(text, *words) == NULL)
            g_error("no '%s' in:\n%s", *words, text);
}

/* ---- states ---- */

/* The table as a whole: where each state may go, in the order of vm_state.def. */
static void test_state_table(void)
{
    static const struct {
        enum vm_state from;
        const char *to;
    } rows[VM_STATE_COUNT] = {
        {VM_CREATING, "CREATED DESTROYING "},
        {VM_CREATED, "POWERING_ON LOADING DESTROYING "},
        {VM_POWERING_ON, "RUNNING "},
        {VM_RUNNING, "SUSPENDING RESETTING GURU_MEDITATION POWERING_OFF "},
        {VM_SUSPENDING, "SUSPENDED "},
        {VM_SUSPENDED, "RESUMING RESETTING SAVING POWERING_OFF "},
        {VM_RESUMING, "RUNNING "},
        {VM_RESETTING, "RUNNING SUSPENDED "},
        {VM_SAVING, "SUSPENDED "},
        {VM_LOADING, "SUSPENDED LOAD_FAILURE "},
        {VM_LOAD_FAILURE, "DESTROYING "},
        {VM_GURU_MEDITATION, "POWERING_OFF "},
        {VM_POWERING_OFF, "OFF "},
        {VM_OFF, "DESTROYING "},
        {VM_DESTROYING, ""},
    };

    for (unsigned from = 0; from < VM_STATE_COUNT; from++) {
        g_autoptr(GString) to = g_string_new(NULL);
        g_assert_cmpint(rows[from].from, ==, from);
        for (unsigned k = 0; k < VM_STATE_COUNT; k++)
            if (vm_state_allowed((enum vm_state)from, (enum vm_state)k))
                g_string_append_printf(to, "%s ", vm_state_name((enum vm_state)k));
        g_assert_cmpstr(to->str, ==, rows[from].to);
    }
    g_assert_false(vm_state_allowed(VM_STATE_COUNT, VM_OFF));
    g_assert_false(vm_state_allowed(VM_OFF, (enum vm_state) - 1));
    g_assert_cmpstr(vm_state_name(VM_STATE_COUNT), ==, "?");
}

/* Requests that do not fit the state change nothing; the others walk the table. */
static void test_requests(void)
{
    struct rig r;
    g_autoptr(GError) error = NULL;
    g_autofree char *state = NULL, *text = NULL;

    RIG_START(&r, SPIN, 2, false);
    state = g_build_filename(r.folder, "state", NULL);
    vm_resume(r.vm);
    vm_reset(r.vm);
    g_assert_false(vm_save(r.vm, state, &error)); /* waits for the others */
    g_assert_nonnull(strstr(error->message, "CREATED"));
    g_clear_error(&error);
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_CREATED);
    vm_power_on(r.vm);
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_RUNNING);
    g_assert_false(vm_load(r.vm, state, &error));
    g_clear_error(&error);
    vm_power_on(r.vm);
    vm_pause(r.vm, true);
    vm_pause(r.vm, true);
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_SUSPENDED);
    vm_reset(r.vm);
    g_assert_true(vm_save(r.vm, state, &error));
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_SUSPENDED);
    vm_resume(r.vm);
    vm_reset(r.vm);
    vm_power_off(r.vm);
    wait_state(r.vm, VM_OFF);
    vm_resume(r.vm);
    vm_power_off(r.vm);
    vm_pause(r.vm, true);
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_OFF);
    g_assert_cmpint(vm_end_get(r.vm), ==, VM_END_HOST_OFF);
    g_assert_cmpint(remove(state), ==, 0);
    text = rig_end(&r);
    g_assert_null(strstr(text, "no change from"));
    contains(text, (const char *[]){"from 'SUSPENDED' to 'RESETTING'", "from 'RESETTING' to 'SUSPENDED'",
                                    "from 'RUNNING' to 'RESETTING'", NULL});
}

/* ---- device RAM ---- */

#define CANVAS_GPA   0xa0000u
#define CANVAS_PAGES 16u
#define CANVAS_BYTES (CANVAS_PAGES * PGM_PAGE_BYTES)
#define CANVAS_FOUND 1500u /* pages */
#define CANVAS_S     120.0
#define FREEZE_EACH  20u

/* Copies the pages that were written. @frozen: nobody writes now, so the others must be as they were copied. */
static unsigned canvas_collect(struct vm *vm, pgm_range r, uint8_t *copy, const uint8_t *mem, bool frozen)
{
    uint64_t bits;
    unsigned found = pgm_dirty_collect(vm->pgm, r, &bits, CANVAS_PAGES);

    for (unsigned n = 0; n < CANVAS_PAGES; n++, copy += PGM_PAGE_BYTES, mem += PGM_PAGE_BYTES) {
        if (bits >> n & 1)
            memcpy(copy, mem, PGM_PAGE_BYTES);
        else if (frozen)
            g_assert_cmpmem(copy, PGM_PAGE_BYTES, mem, PGM_PAGE_BYTES);
    }
    return found;
}

/* A guest that stores all over a frame buffer, directly, and a display that collects: nothing is lost (pgm.h inv 3). */
static void test_canvas(void)
{
    /* mov ax,a000h; mov es,ax; again: imul eax,eax,1664525; add eax,1013904223; mov edi,eax; shr edi,16; and di,-4;
     * mov es:[di],eax; jmp again */
    static const char guest[] = "\xb8\x00\xa0\x8e\xc0"
                                "\x66\x69\xc0\x0d\x66\x19\x00\x66\x05\x5f\xf3\x6e\x3c"
                                "\x66\x89\xc7\x66\xc1\xef\x10\x83\xe7\xfc\x26\x66\x89\x05\xeb\xe3";
    g_autofree uint8_t *copy = g_malloc0(CANVAS_BYTES);
    unsigned found = 0;
    pgm_range range;
    struct rig r;
    void *mem;

    rig_start(&r, guest, sizeof guest - 1, 1, false);
    g_assert_true(pgm_devram_add(r.vm->pgm, "canvas", CANVAS_BYTES, &mem, &range, NULL));
    pgm_map(r.vm->pgm, range, CANVAS_GPA);
    vm_power_on(r.vm);
    g_test_timer_start();
    for (unsigned round = 0; found < CANVAS_FOUND; round++) {
        g_assert_cmpfloat(g_test_timer_elapsed(), <, CANVAS_S);
        found += canvas_collect(r.vm, range, copy, mem, false);
        g_usleep(100);
        if (round % FREEZE_EACH != 0)
            continue;
        vm_pause(r.vm, true);
        found += canvas_collect(r.vm, range, copy, mem, true);
        vm_resume(r.vm);
    }
    g_free(rig_end(&r));
}

/* ---- words and numbers ---- */

static char *ask(struct rig *r, const char *line)
{
    return vm_debug_command(r->vm, line);
}

static void test_words(void)
{
    static const struct {
        const char *line, *answer;
    } absent[] = {{"info cpumguest 2", "There is no CPU 2; the machine has 2.\n"},
                  {"info idt 4294967296", "There is no CPU 4294967296; the machine has 2.\n"},
                  {"info stack 1x", "There is no CPU 1x; the machine has 2.\n"},
                  {"info rem 7", "There is no CPU 7; the machine has 2.\n"},
                  {"info memory 9 all", "There is no CPU 9; the machine has 2.\n"}};
    struct rig r;
    g_autofree char *help = NULL, *regs = NULL, *none = NULL, *stats = NULL, *xml = NULL, *reset = NULL, *again = NULL,
                    *history = NULL, *log = NULL, *bare = NULL;

    RIG_START(&r, HALT, 2, false);
    vm_power_on(r.vm);
    wait_halted(r.vm);
    vm_pause(r.vm, true);
    help = ask(&r, "info help");
    contains(help, (const char *[]){"cpumguest ", "exithistory", "cfgm", "clocks", "activetimers", "phys", "ioport",
                                    "mmio", "pci", "irqroute", "crash", "crash0", "cpuid", "mode", "stats", NULL});
    regs = ask(&r, "info cpumguest 1");
    bare = ask(&r, "cpumguest 1");
    g_assert_cmpstr(regs, ==, bare);
    contains(regs, (const char *[]){"rip=", "cr0=60000010", NULL});
    for (unsigned k = 0; k < G_N_ELEMENTS(absent); k++) {
        g_autofree char *refused = ask(&r, absent[k].line);
        g_assert_cmpstr(refused, ==, absent[k].answer);
    }
    none = ask(&r, "info nosuch");
    contains(none, (const char *[]){"There is no 'info nosuch'", NULL});
    history = ask(&r, "info exithistory 0");
    contains(history, (const char *[]){"VCPU0: ", "f000:0000000000000001  halt", NULL});
    stats = ask(&r, "stats /IEM/CPU0/*|/PGM/Ram*|/IOM/*crash*");
    contains(stats, (const char *[]){"/IEM/CPU0/Instructions                  2 times", "/PGM/RamBytes",
                                     " 4194304 bytes", "/IOM/IoPorts/0080-0080/crash/Writes", NULL});
    g_assert_null(strstr(stats, "/TM/"));
    reset = ask(&r, "statistics --reset --pattern /IEM/*");
    g_assert_cmpstr(reset, ==, "");
    again = ask(&r, "stats /IEM/CPU0/Instructions");
    contains(again, (const char *[]){"        0 times", NULL});
    xml = ask(&r, "statistics --descriptions --pattern /EM/CPU?/*");
    contains(xml, (const char *[]){"<Statistics>", "<Counter c=\"", "name=\"/EM/CPU1/Requests\"", "desc=\"", NULL});
    log = rig_end(&r);
    contains(log, (const char *[]){"Guest state at power off for VCpu 1", "* Statistics *", "/PROF/CPU0/EM/Halted",
                                   "/TM/Timers/Fired", "/CPUM/CPU1/MsrReads", "/PDM/IsaLine15/Rises",
                                   "/Devices/crash0/GuestErrors", "/PGM/CPU0/Walks", NULL});
}

/* ---- the end ---- */

static void test_triple_fault(void)
{
    struct rig r;
    g_autofree char *log = NULL;

    RIG_START(&r, TRIPLE, 2, false);
    vm_power_on(r.vm);
    wait_state(r.vm, VM_GURU_MEDITATION);
    vm_resume(r.vm);
    vm_pause(r.vm, true); /* nothing but power off leads out */
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_GURU_MEDITATION);
    g_assert_cmpint(vm_end_get(r.vm), ==, VM_END_GURU);
    g_assert_cmpstr(vm_end_text(r.vm), ==, "triple fault");
    log = rig_end(&r);
    contains(log, (const char *[]){"!!  VCPU0: Guru Meditation: triple fault", "!! {cpumguest 0}",
                                   "> 00000000ffff0006  cc                   int3", "!! {exithistory 0}", "trap #BP 03",
                                   "fault #GP 0d error=1a", "fault #DF 08", "shutdown", "!! {cpuid 0}",
                                   "!! {cpumguest 1}", "'RUNNING' to 'GURU_MEDITATION'", NULL});
}

static void test_triple_fault_reset(void)
{
    struct rig r;
    g_autofree char *log = NULL;

    RIG_START(&r, ONCE, 1, true);
    vm_power_on(r.vm);
    wait_halted(r.vm);
    g_assert_cmpint(vm_state_get(r.vm), ==, VM_RUNNING);
    log = rig_end(&r);
    contains(log, (const char *[]){"VM: reset: triple fault", NULL});
    g_assert_null(strstr(log, "Guru"));
}

/* A bug of ours: the vCPU's thread comes back, the device's lock with it, and the machine still powers off. */
static void test_host_fault(void)
{
    struct rig r;
    g_autofree char *log = NULL;

    RIG_START(&r, CRASH, 2, false);
    vm_power_on(r.vm);
    wait_state(r.vm, VM_GURU_MEDITATION);
    g_assert_nonnull(strstr(vm_end_text(r.vm), "SIGSEGV at address 0x8"));
    log = rig_end(&r);
    contains(log, (const char *[]){"!!  VCPU0: Guru Meditation: SIGSEGV at address 0x8",
                                   "f000:0000000000000002  host fault", "from 'POWERING_OFF' to 'OFF'", NULL});
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/state-table", test_state_table);
    g_test_add_func("/vm/requests", test_requests);
    g_test_add_func("/vm/canvas", test_canvas);
    g_test_add_func("/vm/words", test_words);
    g_test_add_func("/vm/triple-fault", test_triple_fault);
    g_test_add_func("/vm/triple-fault-reset", test_triple_fault_reset);
    g_test_add_func("/vm/host-fault", test_host_fault);
    return g_test_run();
}

/*
 * console.c - see console.h: settings -> board -> machine, media, lines.
 */
#include "main/vmproc/console.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "devices/registry.h"
#include "drivers/display/png.h"
#include "machine/pc.h"
#include "main/vmproc/confine.h"
#include "main/vmproc/console_int.h"
#include "main/vmproc/extra.h"
#include "main/vmproc/unavailable.h"
#include "rt/loop.h"
#include "vmm/cfgm/cfgm.h"

#define MAX_CPUS     32
#define MAX_JAILS    256 /* processes and threads of raw mode */
#define RAW_MODE_KEY "VBoxInternal/RawMode"
#define LOCKSTEP_KEY "VBoxInternal/EM/Lockstep"

/* ---- settings to board ---- */

static void fill_ports(struct pc_settings *pc, const struct settings_hardware *s, bool terminal)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(s->uart); k++) {
        const struct settings_uart *u = &s->uart[k];
        pc->uart[k].enabled = u->enabled;
        pc->uart[k].io_base = (uint16_t)u->io_base;
        pc->uart[k].irq = (uint8_t)u->irq;
        pc->uart[k].type = settings_uart_type_names[u->type];
    }
    if (terminal && !pc->uart[0].enabled) {
        pc->uart[0].enabled = true;
        pc->uart[0].io_base = 0x3f8;
        pc->uart[0].irq = 4;
        pc->uart[0].type = "16550A";
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(s->lpt); k++) {
        pc->lpt[k].enabled = s->lpt[k].enabled;
        pc->lpt[k].io_base = (uint16_t)s->lpt[k].io_base;
        pc->lpt[k].irq = (uint8_t)s->lpt[k].irq;
    }
}

static void fill_board(struct pc_settings *pc, const struct console *c)
{
    static const enum pc_boot boot[] = {[DEVICE_NONE] = PC_BOOT_NONE,
                                        [DEVICE_FLOPPY] = PC_BOOT_FLOPPY,
                                        [DEVICE_DVD] = PC_BOOT_DVD,
                                        [DEVICE_HARD_DISK] = PC_BOOT_DISK,
                                        [DEVICE_NETWORK] = PC_BOOT_NET};
    const struct settings_hardware *s = &c->settings->hardware;

    *pc = (struct pc_settings){
        .name = c->settings->name,
        .uuid = c->settings->uuid,
        .cpus = s->cpu.count,
        .ram_mib = s->ram_mib,
        .vram_mib = s->vram_mib,
        .cpu_profile = s->cpu.profile,
        .pae = s->cpu.pae || s->cpu.long_mode != LONG_MODE_OFF, /* a 64-bit processor always has it */
        .long_mode = s->cpu.long_mode != LONG_MODE_OFF,
        .hpet = s->cpu.hpet,
        .acpi = s->firmware.acpi,
        .ioapic = s->firmware.ioapic || s->cpu.count > 1,
        .efi = s->firmware.type != FIRMWARE_BIOS,
        .rtc_utc = s->clock == CLOCK_UTC,
        .triple_fault_reset = s->cpu.triple_fault_reset,
        .time_offset_ms = s->firmware.time_offset_ms,
        .nvram_path = c->nvram_path,
        .ide_type = "PIIX4",
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(pc->boot_order); k++)
        pc->boot_order[k] = boot[s->boot_order[k]];
    fill_ports(pc, s, c->options.serial_in >= 0);
}

/* Lockstep compares the recompiler with the interpreter; what runs natively is neither. */
static bool wants_lockstep(const struct console *c)
{
    const char *word = settings_property_get(c->settings->extra_data, LOCKSTEP_KEY);

    return c->options.lockstep || (word != NULL && strcmp(word, "0") != 0);
}

/* Option, else extra data, else where it pays. */
static bool read_raw_mode(const struct console *c, unsigned *ret, GError **error)
{
    static const char *const words[] = {"off", "on", "always", "0", "1", "2"};
    const char *word = c->options.raw_mode;

    if (word == NULL)
        word = settings_property_get(c->settings->extra_data, RAW_MODE_KEY);
    if (word == NULL)
        word = wants_lockstep(c) ? "off" : "on";
    for (unsigned n = 0; n < G_N_ELEMENTS(words); n++)
        if (g_ascii_strcasecmp(word, words[n]) == 0) {
            *ret = n % 3;
            return true;
        }
    g_set_error(error, CONSOLE_ERROR, 0, "Raw mode '%s': use off, on or always (--raw-mode, or extra data %s)", word,
                RAW_MODE_KEY);
    return false;
}

/* What the file may ask for and this machine has not. */
static bool check_available(const struct settings_machine *m, GError **error)
{
    const struct settings_hardware *h = &m->hardware;
    const struct {
        bool wanted;
        const char *what;
    } missing[] = {
        {h->firmware.type == FIRMWARE_EFI32,
         "Firmware/@type is EFI32; only 64-bit EFI firmware is available. Use EFI64 or BIOS"},
        {h->chipset == CHIPSET_ICH9, "Chipset/@type is ICH9; this machine type is not available. Use PIIX3"},
        {h->chipset == CHIPSET_ARMV8 || h->arch != ARCH_X86, "The machine is no x86 PC"},
        {h->cpu.count > MAX_CPUS, "CPU/@count must be between 1 and 32 here"},
        {h->vram_mib == 0, "Display/@VRAMSize must be at least 1"},
    };

    for (unsigned k = 0; k < G_N_ELEMENTS(missing); k++) {
        if (missing[k].wanted) {
            g_set_error(error, CONSOLE_ERROR, 0, "Error in '%s' -- %s", m->file.path, missing[k].what);
            return false;
        }
    }
    return true;
}

/* ---- callbacks ---- */

/* VirtualBox's MachineState of each state of ours. */
static const char *const state_words[VM_STATE_COUNT] = {
    [VM_CREATING] = "Starting",     [VM_CREATED] = "Starting",   [VM_POWERING_ON] = "Starting",
    [VM_RUNNING] = "Running",       [VM_SUSPENDING] = "Running", [VM_SUSPENDED] = "Paused",
    [VM_RESUMING] = "Paused",       [VM_RESETTING] = "Running",  [VM_SAVING] = "Saving",
    [VM_LOADING] = "Restoring",     [VM_LOAD_FAILURE] = "Stuck", [VM_GURU_MEDITATION] = "Stuck",
    [VM_POWERING_OFF] = "Stopping", [VM_OFF] = "PoweredOff",     [VM_DESTROYING] = "PoweredOff",
};

static const struct pdm_devreg *find_device(void *user, const char *name)
{
    (void)user;
    return devices_find(name);
}

static void ended(void *user)
{
    struct console *c = user;

    c->options.ended(c->options.user);
}

static void state_changed(void *user, enum vm_state state)
{
    struct console *c = user;

    if (c->options.state_changed != NULL)
        c->options.state_changed(c->options.user, console_move_word(c, state_words[state]));
    if (state == VM_OFF || state == VM_GURU_MEDITATION)
        loop_post(c->options.loop, ended, c);
}

/* On a disk's thread. */
static void host_error(void *user, const char *id, const char *text)
{
    struct console *c = user;

    log_rel("Console: VM: Raising runtime error '%s': %s", id, text);
    g_printerr("%s: paused: %s: %s\n", c->settings->name, id, text);
    g_atomic_int_set(&c->host_paused, 1);
    vm_pause(c->vm, false);
    if (c->options.runtime_error != NULL)
        c->options.runtime_error(c->options.user, id, text);
}

static void go_on(void *user)
{
    struct console *c = user;

    vm_settle(c->vm); /* the pause is on its way */
    if (g_atomic_int_compare_and_exchange(&c->host_paused, 1, 0) && vm_state_get(c->vm) == VM_SUSPENDED)
        console_resume(c);
}

static void host_well(void *user)
{
    struct console *c = user;

    log_rel("Console: what stopped the machine is over; it goes on");
    loop_post(c->options.loop, go_on, c);
}

/* What the debugger's monitor can ask of the process: any thread, the machine may stand still. */
static char *command(void *user, const char *line)
{
    struct console *c = user;
    g_auto(GStrv) words = g_strsplit(line, " ", 2);
    g_autoptr(GError) error = NULL;

    if (g_strcmp0(words[0], "screenshot") == 0) {
        g_autofree char *path = console_screenshot(c, words[1], &error);
        return path != NULL ? g_strdup_printf("Screenshot written to %s\n", path)
                            : g_strdup_printf("%s\n", error->message);
    }
    if (g_strcmp0(words[0], "screentext") == 0) {
        char *text = console_screen_text(c);
        return text != NULL ? text : g_strdup("The screen is in a graphics mode.\n");
    }
    if (g_strcmp0(words[0], "reset") == 0) {
        console_reset(c);
        return g_strdup("The machine was reset.\n");
    }
    if (g_strcmp0(words[0], "savestate") == 0 && words[1] != NULL)
        return vm_save(c->vm, words[1], &error)
                   ? g_strdup_printf("State saved to %s; the machine is paused\n", words[1])
                   : g_strdup_printf("%s. A running machine writes below its own folder '%s'\n", error->message,
                                     c->settings->file.folder);
    return NULL;
}

/* ---- making ---- */

static bool open_log(struct console *c, GError **error)
{
    c->log_folder = g_build_filename(c->settings->file.folder, "Logs", NULL);
    if (g_mkdir_with_parents(c->log_folder, 0700) != 0) {
        g_set_error(error, CONSOLE_ERROR, 0,
                    "Could not create the log folder '%s': %s. Make the machine's folder writable", c->log_folder,
                    g_strerror(errno));
        return false;
    }
    g_autofree char *path = g_build_filename(c->log_folder, "VBox.log", NULL);
    const struct log_config config = {.path = path, .history = 3};
    c->log = log_new(&config, error);
    if (c->log == NULL)
        return false;
    c->log_before = log_set_default(c->log);
    log_header(c->log, "VirtualBox VM " RB_VERSION, __DATE__, "LINUX_64BITS_GENERIC (OSE)");
    return true;
}

/* How the machine runs: the extra data below VBoxInternal/EM/, then this start's options. */
static bool engine_options(const struct console *c, struct cfgm_node *root, GError **error)
{
    if (!extra_to_cfgm(c->settings->extra_data, root, error)) {
        g_prefix_error(error, "Error in '%s' -- ", c->settings->file.path);
        return false;
    }
    if (c->options.lockstep)
        cfgm_set_integer(cfgm_insert(root, "EM"), "Lockstep", 1);
    if (c->options.lockstep_trust != 0)
        cfgm_set_integer(cfgm_insert(root, "EM"), "LockstepTrust", (uint64_t)c->options.lockstep_trust);
    return true;
}

static bool make(struct console *c, GError **error)
{
    const struct vm_host host = {.user = c,
                                 .gdb = c->options.gdb,
                                 .device_find = find_device,
                                 .state_changed = state_changed,
                                 .command = command};
    static const struct media_events events = {.host_error = host_error, .host_well = host_well};
    g_autofree char *nvram = g_strdup_printf("%s.nvram", c->settings->name);
    bool fresh = c->options.state_path == NULL && c->settings->state_file == NULL;
    enum media_start start = console_moves_in(c) ? MEDIA_MOVES_IN : fresh ? MEDIA_FRESH : MEDIA_CONTINUED;
    struct cfgm_node *root;
    struct pc_settings pc;

    c->nvram_path = g_build_filename(c->settings->file.folder, nvram, NULL);
    fill_board(&pc, c);
    if (!read_raw_mode(c, &pc.raw_mode, error))
        return false;
    c->snapshot_folder = g_canonicalize_filename(
        c->settings->snapshot_folder != NULL ? c->settings->snapshot_folder : "Snapshots", c->settings->file.folder);
    c->media = media_open(c->settings, &pc, start, error);
    if (c->media == NULL || !open_log(c, error))
        return false;
    g_autofree char *unavailable = unavailable_text(c->settings);
    if (unavailable != NULL)
        log_rel("Console: not available on this machine: %s", unavailable);
    log_rel("Guest OS type: '%s'", c->settings->os_type != NULL ? c->settings->os_type : "Other");
    root = pc_build(&pc);
    if (!engine_options(c, root, error)) {
        cfgm_free(root);
        return false;
    }
    c->vm = vm_new(root, &host, error);
    if (c->vm == NULL || !media_attach(c->media, vm_pdm(c->vm), &events, c, error))
        return false;
    c->lines = lines_new(c->settings, &c->options, vm_pdm(c->vm), error);
    return c->lines != NULL && vm_construct(c->vm, error);
}

struct console *console_new(const char *settings_path, const struct console_options *options, GError **error)
{
    struct console *c = g_new0(struct console, 1);

    c->options = *options;
    c->settings = settings_machine_load(fio_system(), settings_path, error);
    if (c->settings == NULL || !check_available(c->settings, error) || !make(c, error)) {
        console_free(c);
        return NULL;
    }
    return c;
}

void console_free(struct console *c)
{
    if (c == NULL)
        return;
    console_move_fini(c);
    if (c->vm != NULL && c->media != NULL)
        media_detach(c->media, vm_pdm(c->vm)); /* a device's buffers are not to go before their requests */
    vm_free(c->vm);                            /* stops every thread that uses media and lines */
    lines_free(c->lines);
    media_close(c->media);
    if (c->log != NULL) {
        log_rel("TERMINATED");
        log_set_default(c->log_before);
        log_free(c->log);
    }
    settings_machine_free(c->settings);
    g_free(c->log_folder);
    g_free(c->nvram_path);
    g_free(c->snapshot_folder);
    g_free(c);
}

/* ---- running ---- */

bool console_power_on(struct console *c, GError **error)
{
    g_autofree char *state = c->settings->state_file != NULL
                                 ? g_canonicalize_filename(c->settings->state_file, c->settings->file.folder)
                                 : NULL;
    const char *path = c->options.state_path != NULL ? c->options.state_path : state;

    if (path != NULL && !vm_load(c->vm, path, error))
        return false;
    if (console_moves_in(c) && !console_move_listen(c, error))
        return false;
    lines_begin(c->lines);
    pid_t jails[MAX_JAILS];
    g_autofree const char **images = media_files(c->media);
    confine(&(struct confine){.machine_folder = c->settings->file.folder,
                              .log_folder = c->log_folder,
                              .snapshot_folder = c->snapshot_folder,
                              .screenshot = c->options.screenshot_path,
                              .images = images,
                              .jails = jails,
                              .jail_count = vm_jails(c->vm, jails, MAX_JAILS)});
    if (console_moves_in(c)) {
        console_move_wait(c);
        return true;
    }
    if (path == NULL)
        vm_power_on(c->vm);
    if (c->options.start_paused)
        vm_pause(c->vm, true);
    else if (path != NULL)
        vm_resume(c->vm);
    return true;
}

const char *console_name(const struct console *c)
{
    return c->settings->name;
}

void console_pause(struct console *c)
{
    g_atomic_int_set(&c->host_paused, 0);
    vm_pause(c->vm, true);
    media_suspend(c->media);
}

void console_resume(struct console *c)
{
    g_atomic_int_set(&c->host_paused, 0);
    media_resume(c->media);
    vm_resume(c->vm);
    vm_settle(c->vm);
}

void console_power_off(struct console *c)
{
    console_move_cancel(c);
    vm_power_off(c->vm);
}

const char *console_uuid(const struct console *c)
{
    return c->settings->uuid;
}

const char *console_state(struct console *c)
{
    return console_move_word(c, state_words[vm_state_get(c->vm)]);
}

void console_tell_state(struct console *c)
{
    if (c->options.state_changed != NULL)
        c->options.state_changed(c->options.user, console_state(c));
}

void console_reset(struct console *c)
{
    vm_reset(c->vm);
    vm_settle(c->vm);
}

bool console_power_button(struct console *c, bool sleep)
{
    return pdm_press_power_button(vm_pdm(c->vm), sleep);
}

bool console_save(struct console *c, const char *path, GError **error)
{
    return vm_save(c->vm, path, error);
}

/* ---- snapshots ---- */

bool console_snapshot(struct console *c, const char *path, const struct media_new *images, unsigned count,
                      GError **error)
{
    if (c->snapshot_open) {
        g_set_error(error, CONSOLE_ERROR, 0, "A snapshot of '%s' is being taken already", c->settings->name);
        return false;
    }
    c->resume_after = vm_state_get(c->vm) == VM_RUNNING;
    bool ok = vm_save(c->vm, path, error) && media_push(c->media, images, count, error);
    c->snapshot_open = ok;
    if (ok)
        return true;
    g_unlink(path);
    if (c->resume_after)
        console_resume(c);
    return false;
}

void console_snapshot_end(struct console *c, bool keep)
{
    if (!c->snapshot_open)
        return;
    c->snapshot_open = false;
    media_settle(c->media, keep);
    if (c->resume_after)
        console_resume(c);
}

static bool attached(const struct settings_machine *s, const char *image)
{
    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *one = s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < one->attachments->len; n++)
            if (g_strcmp0(((const struct settings_attachment *)one->attachments->pdata[n])->image_uuid, image) == 0)
                return true;
    }
    return false;
}

void console_snapshot_orphaned(struct console *c)
{
    if (!c->snapshot_open)
        return;
    g_autoptr(GError) error = NULL;
    struct settings_machine *now = settings_machine_load(fio_system(), c->settings->file.path, &error);
    g_autofree char *image = media_pushed(c->media);
    bool keep = now != NULL && image != NULL && attached(now, image);
    log_rel("Console: the service went away while a snapshot was taken; it is %s", keep ? "there" : "taken back");
    settings_machine_free(now);
    console_snapshot_end(c, keep);
}

bool console_change_medium(struct console *c, const struct media_change *change, GError **error)
{
    return media_change(c->media, vm_pdm(c->vm), change, error);
}

struct media *console_media(struct console *c)
{
    return c->media;
}

struct vm *console_vm(struct console *c)
{
    return c->vm;
}

bool console_key(struct console *c, uint8_t code)
{
    return pdm_keyboard_put(vm_pdm(c->vm), &code, 1);
}

bool console_mouse(struct console *c, int dx, int dy, int dz, unsigned buttons)
{
    return pdm_mouse_move(vm_pdm(c->vm), dx, dy, dz, buttons);
}

char *console_debug(struct console *c, const char *line)
{
    return vm_debug_command(c->vm, line);
}

bool console_screen_size(struct console *c, unsigned *ret_width, unsigned *ret_height)
{
    struct pdm_frame frame = {0};

    if (!pdm_display_render(vm_pdm(c->vm), &frame))
        return false;
    *ret_width = frame.width;
    *ret_height = frame.height;
    pdm_frame_fini(&frame);
    return true;
}

char *console_screenshot(struct console *c, const char *path, GError **error)
{
    g_autofree char *target = path != NULL ? g_strdup(path) : g_build_filename(c->log_folder, "screenshot.png", NULL);
    struct pdm_frame frame = {0};

    if (!pdm_display_render(vm_pdm(c->vm), &frame)) {
        g_set_error(error, CONSOLE_ERROR, 0, "The machine '%s' has no screen", c->settings->name);
        return NULL;
    }
    bool ok = png_write_frame(&frame, target, error);
    pdm_frame_fini(&frame);
    return ok ? g_steal_pointer(&target) : NULL;
}

void *console_picture(struct console *c, size_t *ret_bytes, GError **error)
{
    struct pdm_frame frame = {0};

    if (!pdm_display_render(vm_pdm(c->vm), &frame)) {
        g_set_error(error, CONSOLE_ERROR, 0, "The machine '%s' has no screen", c->settings->name);
        return NULL;
    }
    void *png = png_encode_frame(&frame, ret_bytes, error);
    pdm_frame_fini(&frame);
    return png;
}

char *console_screen_text(struct console *c)
{
    return pdm_display_text(vm_pdm(c->vm));
}

enum console_end console_end(struct console *c, const char **ret_text)
{
    static const enum console_end ends[] = {[VM_END_NONE] = CONSOLE_RUNNING,
                                            [VM_END_GUEST_OFF] = CONSOLE_GUEST_OFF,
                                            [VM_END_HOST_OFF] = CONSOLE_HOST_OFF,
                                            [VM_END_GURU] = CONSOLE_STUCK};

    *ret_text = vm_end_text(c->vm);
    return ends[vm_end_get(c->vm)];
}

/*
 * console.c - see console.h: settings -> board -> machine, media, lines.
 */
#include "main/vmproc/console.h"

#include <errno.h>
#include <string.h>

#include "devices/registry.h"
#include "machine/pc.h"
#include "main/vmproc/confine.h"
#include "main/vmproc/console_int.h"
#include "main/vmproc/extra.h"
#include "main/vmproc/unavailable.h"
#include "rt/loop.h"
#include "vmm/cfgm/cfgm.h"

#define MAX_JAILS 256 /* processes and threads of raw mode */

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

static void tell_leds(void *user)
{
    struct console *c = user;

    g_atomic_int_set(&c->leds_posted, 0);
    if (c->options.leds_changed != NULL)
        c->options.leds_changed(c->options.user, console_leds(c));
}

/* On a processor's thread: however fast the guest blinks, one post waits. */
static void leds_changed(void *user, unsigned leds)
{
    struct console *c = user;

    g_atomic_int_set(&c->leds, (int)leds);
    if (g_atomic_int_compare_and_exchange(&c->leds_posted, 0, 1) && !loop_post(c->options.loop, tell_leds, c))
        g_atomic_int_set(&c->leds_posted, 0);
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
    if (!console_board(c, &pc, error))
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
    pdm_keyboard_watch(vm_pdm(c->vm), leds_changed, c);
    c->lines = lines_new(c->settings, &c->options, vm_pdm(c->vm), error);
    return c->lines != NULL && vm_construct(c->vm, error);
}

struct console *console_new(const char *settings_path, const struct console_options *options, GError **error)
{
    struct console *c = g_new0(struct console, 1);

    c->options = *options;
    c->settings = settings_machine_load(fio_system(), settings_path, error);
    if (c->settings == NULL || !console_board_possible(c->settings, error) || !make(c, error)) {
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
    g_free(c->saved_path);
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
                              .scsi = media_has_drives(c->media),
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
    g_clear_pointer(&c->saved_path, g_free);
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

bool console_change_medium(struct console *c, const struct media_change *change, GError **error)
{
    return console_move_rests(c, error) && media_change(c->media, vm_pdm(c->vm), change, error);
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

unsigned console_leds(struct console *c)
{
    return (unsigned)g_atomic_int_get(&c->leds);
}

bool console_mouse(struct console *c, int dx, int dy, int dz, unsigned buttons)
{
    return pdm_mouse_move(vm_pdm(c->vm), dx, dy, dz, buttons);
}

char *console_debug(struct console *c, const char *line)
{
    return vm_debug_command(c->vm, line);
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

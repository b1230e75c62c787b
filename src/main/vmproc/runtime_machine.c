/*
 * runtime_machine.c - the console's commands about the machine as a whole: pausing, resetting, its buttons, its end,
 * saving its state. On the loop's thread.
 */
#include <string.h>

#include "main/api/api.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime_int.h"

/* ---- commands; on the loop's thread ---- */

static bool must_be(struct runtime *r, const char *state, GError **error)
{
    const char *is = console_state(r->console);

    return strcmp(is, state) == 0 ||
           api_fail(error, VBOX_E_INVALID_VM_STATE, "Invalid machine state: %s (must be %s)", is, state);
}

bool runtime_must_live(struct runtime *r, GError **error)
{
    const char *is = console_state(r->console);

    return strcmp(is, "Running") == 0 || strcmp(is, "Paused") == 0 ||
           api_fail(error, VBOX_E_INVALID_VM_STATE, "Invalid machine state: %s (must be Running or Paused)", is);
}

GVariant *machine_pause(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error))
        console_pause(r->console);
    return NULL;
}

GVariant *machine_resume(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Paused", error)) {
        console_resume(r->console);
        runtime_set_saved(r, NULL);
    }
    return NULL;
}

GVariant *machine_reset(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (runtime_must_live(r, error))
        console_reset(r->console);
    return NULL;
}

GVariant *machine_power_down(struct runtime *r, GVariant *args, GError **error)
{
    (void)args, (void)error;
    console_power_off(r->console);
    return NULL;
}

GVariant *machine_save_state(struct runtime *r, GVariant *args, GError **error)
{
    const char *path;

    g_variant_get(args, "(&s)", &path);
    if (!runtime_must_live(r, error))
        return NULL;
    if (console_save(r->console, path, error))
        runtime_set_saved(r, path);
    else
        api_wrap(error, VBOX_E_FILE_ERROR);
    return NULL;
}

GVariant *machine_save_end(struct runtime *r, GVariant *args, GError **error)
{
    gboolean keep;

    (void)error;
    g_variant_get(args, "(b)", &keep);
    console_save_end(r->console, keep);
    runtime_set_saved(r, NULL);
    return NULL;
}

GVariant *machine_power_button(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error) && !console_power_button(r->console, false))
        api_fail(error, VBOX_E_PDM_ERROR, "Controlled power off failed (the machine has no ACPI)");
    return NULL;
}

GVariant *machine_sleep_button(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error) && !console_power_button(r->console, true))
        api_fail(error, VBOX_E_PDM_ERROR, "Sending sleep button event failed (the machine has no ACPI)");
    return NULL;
}

/* Nothing in a guest has a way to this process yet. */
GVariant *machine_guest_session(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error))
        api_fail(error, VBOX_E_GSTCTL_GUEST_ERROR, "The guest execution service is not ready (yet)");
    return NULL;
}

/* Its USB controllers are not there yet: nothing is attached, nothing came over a remote display. */
GVariant *machine_usb_devices(struct runtime *r, GVariant *args, GError **error)
{
    (void)r, (void)args, (void)error;
    return g_variant_new("(aa{sv})", NULL);
}

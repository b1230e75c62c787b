/*
 * machine_run.c - IMachine's methods about running: start, save, power off, saved states.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/server/machine/machine.h"

static bool frontend_known(const char *name, GError **error)
{
    static const char *const names[] = {"headless", "gui", "sdl", "separate", "", NULL};

    return g_strv_contains(names, name) || api_fail(error, E_INVALIDARG, "Invalid frontend name: '%s'", name);
}

bool machine_launch(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    g_autofree const char **environment = NULL;
    const char *session, *frontend;

    g_variant_get(call->args, "(&o&s^a&s)", &session, &frontend, &environment);
    if (!frontend_known(frontend, error))
        return false;
    if (m->settings == NULL)
        return api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", m->path, m->access_error);
    if (!m->registered)
        return api_fail(error, E_UNEXPECTED, "The machine '%s' is not registered", machine_name(m));
    if (m->writer != NULL || m->vm != NULL || m->launching || m->busy)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "The machine '%s' is already locked by a session (or being locked or unlocked)",
                        machine_name(m));
    struct progress *progress = progress_new(p->service, call->peer, "Starting VM");
    if (!vmproc_launch(m, progress, "headless", environment, error)) {
        progress_end(progress, g_error_copy(*error));
        return false;
    }
    *ret = progress_reply(progress);
    return true;
}

static bool running_or_fail(const struct machine *m, GError **error)
{
    if (m->vm != NULL && !m->launching &&
        (m->state == MachineState_Running || m->state == MachineState_Paused || m->state == MachineState_Stuck))
        return true;
    if (m->vm != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is in the state %s", machine_name(m),
                        api_enum_name("MachineState", m->state));
    return api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not currently running.", machine_name(m));
}

/* ---- power off ---- */

static void ended(void *user)
{
    progress_end(user, NULL);
}

bool machine_power_down(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;

    bool busy = m->state == MachineState_DeletingSnapshotOnline || m->state == MachineState_DeletingSnapshotPaused ||
                m->state == MachineState_TeleportingIn || m->state == MachineState_Teleporting ||
                m->state == MachineState_TeleportingPausedVM;
    if (!busy && !running_or_fail(m, error))
        return false;
    struct progress *progress = progress_new(p->service, call->peer, "Powering off VM");
    machine_state_set(m, MachineState_Stopping);
    vmproc_when_gone(m->vm, ended, progress);
    vmproc_call(m->vm, API_PREFIX "IConsole", "PowerDown", NULL, NULL, NULL);
    *ret = progress_reply(progress);
    return true;
}

/* ---- save state ---- */

struct saving {
    struct machine *machine;
    struct progress *progress;
    char *path;
    GError *why; /* the state is not kept */
};

/* What a process has left that died while it saved; or the state, which nothing names. */
static void forget_state(const char *path)
{
    g_autofree char *unfinished = g_strconcat(path, ".new", NULL);

    g_unlink(unfinished);
    g_unlink(path);
}

static void saving_failed(struct saving *s, GError *error)
{
    struct machine *m = s->machine;

    m->saving = false;
    if (m->vm != NULL)
        machine_state_set(m, m->vm_state == MachineState_Running ? MachineState_Running : MachineState_Paused);
    forget_state(s->path);
    if (error == NULL)
        api_fail(&error, VBOX_E_VM_ERROR, "The machine '%s' ended while its state was saved", machine_name(m));
    progress_end(s->progress, error);
    g_free(s->path);
    g_free(s);
}

static void undone(void *user, GVariant *ret, GError *error)
{
    struct saving *s = user;

    g_clear_pointer(&ret, g_variant_unref);
    g_clear_error(&error);
    saving_failed(s, g_steal_pointer(&s->why));
}

static void state_written(void *user, GVariant *ret, GError *error)
{
    struct saving *s = user;
    struct machine *m = s->machine;

    g_clear_pointer(&ret, g_variant_unref);
    if (error != NULL || m->vm == NULL) {
        saving_failed(s, error);
        return;
    }
    g_free(m->settings->state_file);
    m->settings->state_file = machine_relative(m->settings, s->path);
    if (!machine_save(m, &s->why)) {
        g_clear_pointer(&m->settings->state_file, g_free);
        vmproc_call(m->vm, API_PREFIX "IInternalSessionControl", "EndSave", g_variant_new("(b)", FALSE), undone, s);
        return;
    }
    vmproc_expect_saved(m->vm);
    vmproc_when_gone(m->vm, ended, s->progress);
    vmproc_call(m->vm, API_PREFIX "IInternalSessionControl", "EndSave", g_variant_new("(b)", TRUE), NULL, NULL);
    g_free(s->path);
    g_free(s);
}

bool machine_save_state(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;

    if (!running_or_fail(m, error))
        return false;
    if (m->state == MachineState_Stuck)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Cannot save the state of the machine '%s': it is stuck",
                        machine_name(m));
    struct saving *s = g_new0(struct saving, 1);
    s->machine = m;
    s->path = machine_new_state_path(m->settings);
    s->progress = progress_new(p->service, call->peer, "Saving the execution state of the virtual machine");
    m->saving = true;
    machine_state_set(m, MachineState_Saving);
    vmproc_call(m->vm, API_PREFIX "IConsole", "SaveState", g_variant_new("(s)", s->path), state_written, s);
    *ret = progress_reply(s->progress);
    return true;
}

/* ---- saved states at rest ---- */

static bool at_rest(const struct machine *m, GError **error)
{
    if (m->busy)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is in the state %s", machine_name(m),
                        api_enum_name("MachineState", m->state));
    return m->vm == NULL ? true : api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is running", machine_name(m));
}

bool machine_discard_state(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    gboolean remove;

    (void)ret;
    g_variant_get(call->args, "(b)", &remove);
    if (!at_rest(m, error))
        return false;
    if (m->settings == NULL || m->settings->state_file == NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "Cannot discard the saved state: the machine is not in a saved state (machine state: %s)",
                        api_enum_name("MachineState", m->state));
    g_autofree char *path = g_canonicalize_filename(m->settings->state_file, m->settings->file.folder);
    g_autofree char *file = g_steal_pointer(&m->settings->state_file);
    m->settings->aborted = false;
    m->settings->last_state_change_s = g_get_real_time() / G_USEC_PER_SEC;
    if (!machine_save(m, error))
        return false;
    if (remove && !machine_uses_state(m->settings, file)) /* a snapshot may have the same */
        g_unlink(path);
    if (p->session != NULL && p->session->copy != NULL)
        g_clear_pointer(&p->session->copy->state_file, g_free);
    machine_state_set(m, machine_state_at_rest(m));
    return true;
}

bool machine_adopt_state(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    const char *path;

    (void)ret;
    g_variant_get(call->args, "(&s)", &path);
    if (!at_rest(m, error))
        return false;
    if (m->settings == NULL || m->settings->state_file != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "Cannot adopt the saved state: the machine is not in Powered Off or Aborted state "
                        "(machine state: %s)",
                        api_enum_name("MachineState", m->state));
    g_autofree char *full = g_canonicalize_filename(path, m->settings->file.folder);
    if (!g_file_test(full, G_FILE_TEST_IS_REGULAR))
        return api_fail(error, VBOX_E_FILE_ERROR, "Invalid saved state file path '%s' (VERR_FILE_NOT_FOUND)", path);
    m->settings->state_file = machine_relative(m->settings, full);
    m->settings->aborted = false;
    m->settings->last_state_change_s = g_get_real_time() / G_USEC_PER_SEC;
    if (!machine_save(m, error))
        return false;
    machine_state_set(m, machine_state_at_rest(m));
    return true;
}

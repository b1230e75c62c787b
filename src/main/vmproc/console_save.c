/*
 * console_save.c - the machine's state on disk: saved for good, or with a snapshot.
 *
 * Either is done in two steps: the process writes, whoever asked notes it in the settings file and says how it ends. If
 * that one goes away in between, the settings file says it.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "main/vmproc/console_int.h"

/* ---- saved for good ---- */

bool console_save(struct console *c, const char *path, GError **error)
{
    const bool runs = vm_state_get(c->vm) == VM_RUNNING;

    if (!vm_save(c->vm, path, error)) {
        if (runs)
            console_resume(c);
        return false;
    }
    c->resume_after = runs;
    g_free(c->saved_path);
    c->saved_path = g_strdup(path);
    return true;
}

void console_save_end(struct console *c, bool keep)
{
    if (c->saved_path == NULL)
        return;
    g_autofree char *path = g_steal_pointer(&c->saved_path);
    if (keep) {
        console_power_off(c);
        return;
    }
    g_unlink(path);
    if (c->resume_after)
        console_resume(c);
}

void console_save_orphaned(struct console *c)
{
    if (c->saved_path == NULL)
        return;
    g_autoptr(GError) error = NULL;
    struct settings_machine *now = settings_machine_load(fio_system(), c->settings->file.path, &error);
    g_autofree char *noted =
        now != NULL && now->state_file != NULL ? g_canonicalize_filename(now->state_file, now->file.folder) : NULL;
    const bool keep = g_strcmp0(noted, c->saved_path) == 0;
    log_rel("Console: the service went away while the state was saved; the machine %s", keep ? "ends" : "goes on");
    settings_machine_free(now);
    console_save_end(c, keep);
}

/* ---- snapshots ---- */

bool console_snapshot(struct console *c, const char *path, const struct media_new *images, unsigned count,
                      GError **error)
{
    if (c->snapshot_open) {
        g_set_error(error, CONSOLE_ERROR, 0, "A snapshot of '%s' is being taken already", c->settings->name);
        return false;
    }
    if (!console_move_rests(c, error))
        return false;
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

/*
 * machine_file.c - IMachine's methods about the settings file: saving, renaming, leaving the registry, deleting.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/server/machine/machine.h"
#include "main/settings/medium_path.h"
#include "rt/status.h"

/* ---- save ---- */

/* Folder and file follow the name: FOLDER/OLD/OLD.vbox becomes FOLDER/NEW/NEW.vbox, if they were called so. */
static char *path_after_rename(const struct machine *m, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(m->path);
    g_autofree char *base = g_path_get_dirname(folder);
    g_autofree char *folder_name = g_path_get_basename(folder);
    g_autofree char *wanted = service_settings_path(m->service, base, NULL, name);

    if (strcmp(folder_name, machine_name(m)) != 0 || !m->settings->name_sync) {
        g_autofree char *file = g_path_get_basename(wanted);
        return g_build_filename(folder, file, NULL);
    }
    return g_steal_pointer(&wanted);
}

/* Media below the old folder have moved with it. */
static void media_moved(struct service *s, const char *old_folder, const char *new_folder)
{
    g_autofree char *prefix = g_strconcat(old_folder, "/", NULL);

    for (unsigned k = 0; k < s->media->len; k++) {
        struct medium *one = s->media->pdata[k];
        if (!g_str_has_prefix(one->location, prefix))
            continue;
        char *moved = g_build_filename(new_folder, one->location + strlen(prefix), NULL);
        g_free(one->location);
        one->location = moved;
    }
}

static void replace_path(struct settings_file *file, const char *path)
{
    g_free(file->path);
    g_free(file->folder);
    file->path = g_strdup(path);
    file->folder = g_path_get_dirname(path);
}

static bool set_registry_path(struct machine *m, const char *path, GError **error)
{
    for (unsigned k = 0; k < m->service->global->machines->len; k++) {
        struct settings_machine_entry *e = m->service->global->machines->pdata[k];
        char id[API_UUID_SIZE];
        if (!api_uuid_parse(e->uuid, id) || strcmp(id, m->id) != 0)
            continue;
        g_free(e->path);
        e->path = g_strdup(path);
    }
    return service_save(m->service, error);
}

/* Carries out a changed name on disk; @copy's file then lies at the new place. */
static bool rename_files(struct machine *m, struct settings_machine *copy, GError **error)
{
    g_autofree char *path = path_after_rename(m, copy->name);
    g_autofree char *old_folder = g_path_get_dirname(m->path);
    g_autofree char *new_folder = g_path_get_dirname(path);

    if (strcmp(path, m->path) == 0)
        return true;
    if (strcmp(old_folder, new_folder) != 0) {
        if (g_file_test(new_folder, G_FILE_TEST_EXISTS))
            return api_fail(error, VBOX_E_FILE_ERROR,
                            "Could not rename the directory '%s' to '%s' to save the settings file "
                            "(VERR_ALREADY_EXISTS)",
                            old_folder, new_folder);
        if (g_rename(old_folder, new_folder) != 0)
            return api_fail(error, VBOX_E_FILE_ERROR,
                            "Could not rename the directory '%s' to '%s' to save the settings file (%s)", old_folder,
                            new_folder, status_name(status_from_errno(errno)));
        media_moved(m->service, old_folder, new_folder);
    }
    g_autofree char *old_file = g_path_get_basename(m->path);
    g_autofree char *at = g_build_filename(new_folder, old_file, NULL);
    g_autofree char *at_prev = g_strconcat(at, "-prev", NULL), *new_prev = g_strconcat(path, "-prev", NULL);
    if (g_rename(at, path) != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not rename the settings file '%s' to '%s' (%s)", at, path,
                        status_name(status_from_errno(errno)));
    g_rename(at_prev, new_prev);
    g_free(m->path);
    m->path = g_strdup(path);
    replace_path(&copy->file, path);
    return set_registry_path(m, path, error);
}

/* ---- move ---- */

/* FOLDER/NAME for a machine in a folder of its own. */
static char *place_in(const struct machine *m, const char *base, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(m->path);
    g_autofree char *name = g_path_get_basename(folder);
    g_autofree char *place = g_build_filename(base, name, NULL);

    if (!g_path_is_absolute(base))
        api_fail(error, VBOX_E_FILE_ERROR, "The folder '%s' is not absolute", base);
    else if (g_file_test(place, G_FILE_TEST_EXISTS))
        api_fail(error, VBOX_E_FILE_ERROR, "Could not move the machine '%s': '%s' exists (VERR_ALREADY_EXISTS)",
                 machine_name(m), place);
    else if (g_mkdir_with_parents(base, 0700) != 0)
        api_fail(error, VBOX_E_FILE_ERROR, "Could not create the folder '%s' (%s)", base,
                 status_name(status_from_errno(errno)));
    else
        return g_steal_pointer(&place);
    return NULL;
}

/* Snapshots' states are written relative to the folder, and so are media below it: they need no change. */
static bool move_folder(struct machine *m, const char *place, GError **error)
{
    g_autofree char *old = g_path_get_dirname(m->path), *file = g_path_get_basename(m->path);
    g_autofree char *path = g_build_filename(place, file, NULL);
    struct settings_machine *next = settings_machine_copy(m->settings);

    if (g_rename(old, place) != 0) {
        settings_machine_free(next);
        return api_fail(error, VBOX_E_FILE_ERROR,
                        "Could not move the folder '%s' to '%s' (%s); folders are moved within one file system", old,
                        place, status_name(status_from_errno(errno)));
    }
    media_moved(m->service, old, place);
    g_free(m->path);
    m->path = g_strdup(path);
    replace_path(&next->file, path);
    return set_registry_path(m, path, error) && machine_replace(m, next, error);
}

bool machine_move_to(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    const char *base, *type;

    g_variant_get(call->args, "(&s&s)", &base, &type);
    if (g_ascii_strcasecmp(type, "basic") != 0)
        return api_fail(error, E_INVALIDARG, "Invalid type of move '%s' (must be basic)", type);
    if (!part_change(p, PART_SAVED, error))
        return false;
    if (m->vm != NULL || p->session == NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "The machine '%s' cannot be moved now", machine_name(m));
    p->session->modified = false;
    g_autofree char *place = place_in(m, base, error);
    if (place == NULL || !move_folder(m, place, error))
        return false;
    struct progress *progress = progress_new(p->service, call->peer, "Moving machine");
    progress_end(progress, NULL);
    *ret = progress_reply(progress);
    return true;
}

static void replace_text(char **to, const char *from)
{
    g_free(*to);
    *to = g_strdup(from);
}

/*
 * What was saved without this session's lock since the copy was made: the file is another one, and run-time states.
 * (Extra data and media are written into the copies when they change.)
 */
static void catch_up(struct settings_machine *copy, const struct settings_machine *now)
{
    copy->file.version = now->file.version;
    copy->file.backed_up = now->file.backed_up;
    replace_text(&copy->file.version_text, now->file.version_text);
    replace_text(&copy->file.checksum, now->file.checksum);
    replace_text(&copy->file.attempted, now->file.attempted);
    replace_text(&copy->state_file, now->state_file);
    copy->aborted = now->aborted;
    copy->current_state_modified = now->current_snapshot != NULL || now->current_state_modified;
    copy->last_state_change_s = now->last_state_change_s;
}

static bool commit(struct machine *m, struct session *session, GError **error)
{
    struct settings_machine *copy = session->copy;

    catch_up(copy, m->settings);
    if (g_strcmp0(copy->name, m->settings->name) != 0 && !rename_files(m, copy, error))
        return false;
    if (!settings_machine_save(copy, error))
        return api_wrap(error, VBOX_E_FILE_ERROR);
    settings_machine_free(m->settings);
    m->settings = copy;
    session->copy = settings_machine_copy(copy);
    session->modified = false;
    medium_sweep(m->service, m->settings);
    service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
    return true;
}

bool machine_save_settings(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;

    (void)ret;
    if (p->session == NULL) {
        if (!part_change(p, PART_SAVED, error))
            return false;
        g_autofree char *folder = g_path_get_dirname(m->path);
        g_mkdir_with_parents(folder, 0700);
        return machine_save(m, error);
    }
    if (p->live)
        return true; /* saved already */
    if (p->session->type != SessionType_WriteLock)
        return api_fail(error, VBOX_E_INVALID_SESSION_STATE, "The session of '%s' is shared", machine_name(m));
    return !p->session->modified || commit(m, p->session, error);
}

bool machine_discard_settings(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret, (void)error;
    if (p->session != NULL) {
        settings_machine_free(p->session->copy);
        p->session->copy = settings_machine_copy(p->machine->settings);
        p->session->modified = false;
    }
    return true;
}

/* ---- unregister ---- */

/* Media of this machine's registry that nothing else uses: they are forgotten with it. */
static GPtrArray *own_media(struct machine *m)
{
    struct service *s = m->service;
    GPtrArray *own = g_ptr_array_new();
    char braced[40];

    for (unsigned k = 0; m->settings != NULL && k < s->media->len; k++) {
        struct medium *one = s->media->pdata[k];
        g_autoptr(GPtrArray) users = medium_users(one);
        bool other = false;
        medium_id_braced(one, braced);
        for (unsigned n = 0; n < users->len; n++)
            other |= users->pdata[n] != m;
        for (unsigned n = 0; n < s->machines->len; n++) { /* as what a linked clone builds on */
            const struct machine *two = s->machines->pdata[n];
            other |=
                two != m && two->settings != NULL && settings_media_find(&two->settings->media, braced, NULL) != NULL;
        }
        bool listed = settings_media_find(&m->settings->media, braced, NULL) != NULL;
        if (!other && (listed || medium_settings_uses(m->settings, braced)))
            g_ptr_array_add(own, one);
    }
    return own;
}

static bool drop_entry(struct machine *m, GError **error)
{
    GPtrArray *entries = m->service->global->machines;

    for (guint k = entries->len; k-- > 0;) {
        char id[API_UUID_SIZE];
        if (api_uuid_parse(((const struct settings_machine_entry *)entries->pdata[k])->uuid, id) &&
            strcmp(id, m->id) == 0)
            g_ptr_array_remove_index(entries, k);
    }
    return service_save(m->service, error);
}

bool machine_unregister(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    const char *mode;
    GVariantBuilder b;

    g_variant_get(call->args, "(&s)", &mode);
    if (api_enum_value("CleanupMode", mode) < 0)
        return api_fail(error, E_INVALIDARG, "Invalid CleanupMode: '%s'", mode);
    if (m->writer != NULL || m->vm != NULL || m->launching || m->busy)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Cannot unregister the machine '%s' while it is locked",
                        machine_name(m));
    bool all = g_ascii_strcasecmp(mode, "UnregisterOnly") != 0;
    if (!drop_entry(m, error))
        return false;
    g_autoptr(GPtrArray) own = own_media(m);
    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (unsigned k = 0; k < own->len; k++) {
        const struct medium *one = own->pdata[k];
        g_autofree char *path = medium_object_path(one);
        if (all && (one->kind == DEVICE_HARD_DISK || g_ascii_strcasecmp(mode, "Full") == 0))
            g_variant_builder_add(&b, "o", path);
    }
    m->registered = false;
    m->owner = call->peer;
    if (all && m->settings != NULL)
        for (unsigned k = 0; k < m->settings->hardware.controllers->len; k++)
            g_ptr_array_set_size(
                ((struct settings_controller *)m->settings->hardware.controllers->pdata[k])->attachments, 0);
    for (unsigned k = own->len; !all && k-- > 0;)
        medium_forget(own->pdata[k]);
    service_emit(m->service, "MachineRegistered", g_variant_new("(sb)", m->id, FALSE));
    *ret = g_variant_new("(ao)", &b);
    return true;
}

/* ---- delete ---- */

static void delete_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_unlink(path);
}

/* What this program writes into a machine's folder; anything else there stays, and so does the folder then. */
static void delete_folder(struct machine *m)
{
    g_autofree char *folder = g_path_get_dirname(m->path);
    g_autofree char *file = g_path_get_basename(m->path);
    g_autofree char *prev = g_strconcat(file, "-prev", NULL);
    g_autofree char *stem = g_strndup(file, (gsize)(strrchr(file, '.') != NULL ? strrchr(file, '.') - file : 0));
    g_autofree char *nvram = g_strconcat(stem, ".nvram", NULL);
    g_autofree char *logs = machine_log_folder(m);
    g_autoptr(GDir) dir = g_dir_open(logs, 0, NULL);

    for (const char *name = dir != NULL ? g_dir_read_name(dir) : NULL; name != NULL; name = g_dir_read_name(dir))
        if (g_str_has_prefix(name, "VBox") || g_str_has_suffix(name, ".png"))
            delete_file(logs, name);
    g_rmdir(logs);
    if (m->settings != NULL) {
        g_autofree char *snapshots = machine_snapshot_folder(m->settings);
        if (m->settings->state_file != NULL)
            delete_file(folder, m->settings->state_file);
        for (unsigned k = 0; k < m->settings->snapshots->len; k++) {
            const struct settings_snapshot *one = m->settings->snapshots->pdata[k];
            if (one->state_file != NULL)
                delete_file(folder, one->state_file);
        }
        g_rmdir(snapshots);
    }
    delete_file(folder, nvram);
    delete_file(folder, prev);
    delete_file(folder, file);
    g_rmdir(folder);
}

bool machine_delete_config(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    struct service *s = p->service;
    g_autofree const char **media = NULL;

    g_variant_get(call->args, "(^a&o)", &media);
    if (m->registered)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Cannot delete settings of a registered machine");
    GError *failed = NULL;
    for (unsigned k = 0; media[k] != NULL && failed == NULL; k++) {
        struct medium *one = medium_from_path(s, media[k]);
        if (one == NULL)
            continue;
        const bool file = one->kind == DEVICE_HARD_DISK && !settings_medium_remote(one->format);
        int rc = file ? fio_system()->unlink(fio_system()->ctx, one->location) : 0;
        if (rc != 0 && rc != -ENOENT)
            api_fail(&failed, VBOX_E_FILE_ERROR, "Could not delete the medium storage unit '%s' (%s)", one->location,
                     status_name(status_from_errno(rc)));
    }
    for (unsigned k = g_strv_length((char **)media); failed == NULL && k-- > 0;) { /* children before parents */
        struct medium *one = medium_from_path(s, media[k]);
        if (one != NULL && one->children->len == 0)
            medium_forget(one);
    }
    if (failed == NULL)
        delete_folder(m);
    struct progress *progress = progress_new(s, call->peer, "Deleting machine");
    progress_end(progress, failed);
    *ret = progress_reply(progress);
    return true;
}

/*
 * machine.c - the registry of machines: loading, finding, states, saving.
 *
 * A machine whose settings cannot be read stays registered and says why (inaccessible).
 */
#include <glib/gstdio.h>
#include <string.h>

#include "main/server/objects.h"

struct machine *machine_find(struct service *s, const char *id)
{
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *m = s->machines->pdata[k];
        if (strcmp(m->id, id) == 0)
            return m;
    }
    return NULL;
}

const char *machine_name(const struct machine *m)
{
    return m->settings != NULL ? m->settings->name : "";
}

struct machine *machine_at(struct service *s, const char *path)
{
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *m = s->machines->pdata[k];
        if (strcmp(m->path, path) == 0)
            return m;
    }
    return NULL;
}

struct machine *machine_find_name(struct service *s, const char *name_or_id)
{
    char id[API_UUID_SIZE];

    if (api_uuid_parse(name_or_id, id)) {
        struct machine *m = machine_find(s, id);
        return m != NULL && m->registered ? m : NULL;
    }
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *m = s->machines->pdata[k];
        if (m->registered && (strcmp(m->path, name_or_id) == 0 || strcmp(machine_name(m), name_or_id) == 0))
            return m;
    }
    return NULL;
}

char *machine_object_path(const struct machine *m)
{
    char node[API_UUID_SIZE];

    api_node_from_uuid(m->id, node);
    return g_strconcat(API_ROOT "/machine/", node, NULL);
}

int machine_state_at_rest(const struct machine *m)
{
    const struct settings_machine *s = m->settings;

    if (s == NULL)
        return MachineState_PoweredOff;
    if (s->aborted)
        return s->state_file != NULL ? MachineState_AbortedSaved : MachineState_Aborted;
    return s->state_file != NULL ? MachineState_Saved : MachineState_PoweredOff;
}

struct machine *machine_new(struct service *s, const char *path, struct settings_machine *settings, const char *id)
{
    struct machine *m = g_new0(struct machine, 1);

    m->service = s;
    m->path = g_strdup(path);
    m->settings = settings;
    g_strlcpy(m->id, id, sizeof m->id);
    m->transient_folders = g_ptr_array_new_with_free_func((GDestroyNotify)settings_shared_folder_free);
    m->state = machine_state_at_rest(m);
    if (settings != NULL)
        m->changed_ms = settings->last_state_change_s * 1000;
    if (m->changed_ms == 0)
        m->changed_ms = g_get_real_time() / 1000;
    g_ptr_array_add(s->machines, m);
    return m;
}

void machine_free(struct machine *m)
{
    if (m == NULL)
        return;
    vmproc_free(m->vm);
    settings_machine_free(m->settings);
    g_free(m->path);
    g_free(m->access_error);
    g_free(m->session_name);
    g_ptr_array_unref(m->transient_folders);
    g_free(m);
}

static void load_one(struct service *s, const struct settings_machine_entry *entry)
{
    g_autofree char *path = g_canonicalize_filename(entry->path, s->config.home);
    g_autoptr(GError) error = NULL;
    char id[API_UUID_SIZE], said[API_UUID_SIZE];

    if (!api_uuid_parse(entry->uuid, id) || machine_find(s, id) != NULL)
        return;
    struct settings_machine *settings = settings_machine_load(fio_system(), path, &error);
    if (settings != NULL && (!api_uuid_parse(settings->uuid, said) || strcmp(said, id) != 0)) {
        api_fail(&error, VBOX_E_XML_ERROR,
                 "Machine UUID {%s} in '%s' doesn't match its UUID {%s} in the registry file "
                 "'%s'",
                 said, path, id, s->global_path);
        settings_machine_free(settings);
        settings = NULL;
    }
    struct machine *m = machine_new(s, path, settings, id);
    m->registered = true;
    if (settings == NULL) {
        m->access_error = g_strdup(error->message);
        return;
    }
    medium_load(s, &settings->media, settings->file.folder);
}

void machine_load_all(struct service *s)
{
    for (unsigned k = 0; k < s->global->machines->len; k++)
        load_one(s, s->global->machines->pdata[k]);
}

void machine_drop_unregistered(struct service *s, struct bus_peer *owner)
{
    for (unsigned k = s->machines->len; k-- > 0;) {
        struct machine *m = s->machines->pdata[k];
        if (m->registered || m->owner != owner)
            continue;
        session_machine_gone(m);
        g_ptr_array_remove_index(s->machines, k);
    }
    medium_sweep(s, NULL);
}

void machine_state_set(struct machine *m, int state)
{
    if (m->state == state)
        return;
    m->state = state;
    m->changed_ms = g_get_real_time() / 1000;
    service_emit(m->service, "MachineStateChanged", g_variant_new("(ss)", m->id, api_enum_name("MachineState", state)));
}

bool machine_running(const struct machine *m)
{
    return m->vm != NULL;
}

char *machine_log_folder(const struct machine *m)
{
    g_autofree char *folder = g_path_get_dirname(m->path);

    return g_build_filename(folder, "Logs", NULL);
}

char *machine_snapshot_folder(const struct settings_machine *s)
{
    return g_canonicalize_filename(s->snapshot_folder != NULL ? s->snapshot_folder : "Snapshots", s->file.folder);
}

bool machine_save(struct machine *m, GError **error)
{
    if (!settings_machine_save(m->settings, error))
        return api_wrap(error, VBOX_E_FILE_ERROR);
    medium_sweep(m->service, m->settings);
    return true;
}

/* Copies that hold no changes of their own follow. */
static void refresh_copies(struct machine *m)
{
    for (unsigned k = 0; k < m->service->sessions->len; k++) {
        struct session *one = m->service->sessions->pdata[k];
        if (one->machine != m || one->copy == NULL || one->modified)
            continue;
        settings_machine_free(one->copy);
        one->copy = settings_machine_copy(m->settings);
    }
}

bool machine_replace(struct machine *m, struct settings_machine *next, GError **error)
{
    if (!settings_machine_save(next, error)) {
        settings_machine_free(next);
        return api_wrap(error, VBOX_E_FILE_ERROR);
    }
    settings_machine_free(m->settings);
    m->settings = next;
    refresh_copies(m);
    medium_sweep(m->service, m->settings);
    service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
    return true;
}

char *machine_relative(const struct settings_machine *s, const char *path)
{
    g_autofree char *prefix = g_strconcat(s->file.folder, "/", NULL);

    return g_strdup(g_str_has_prefix(path, prefix) ? path + strlen(prefix) : path);
}

char *machine_new_state_path(const struct settings_machine *s)
{
    g_autofree char *folder = machine_snapshot_folder(s);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%dT%H-%M-%S");
    g_autofree char *name = g_strdup_printf("%s-%06d000Z.sav", stamp, g_date_time_get_microsecond(now));

    g_mkdir_with_parents(folder, 0700);
    return g_build_filename(folder, name, NULL);
}

bool machine_uses_state(const struct settings_machine *s, const char *file)
{
    bool used = g_strcmp0(s->state_file, file) == 0;

    for (unsigned k = 0; !used && k < s->snapshots->len; k++)
        used = g_strcmp0(((const struct settings_snapshot *)s->snapshots->pdata[k])->state_file, file) == 0;
    return used;
}

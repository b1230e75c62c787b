/*
 * service.c - see service.h: the service's life, its clients, and what is told to all of them.
 */
#include <gio/gio.h>
#include <unistd.h>

#include "main/server/appliance/appliance.h"
#include "main/server/objects.h"

static const struct bus_class *const classes[] = {
    &virtualbox_class,     &host_class,        &properties_class,    &machine_class,
    &session_class,        &progress_class,    &console_class,       &medium_class,
    &controller_class,     &snapshot_class,    &adapter_class,       &serial_class,
    &parallel_class,       &nat_network_class, &dhcp_class,          &host_only_class,
    &appliance_class,      &metrics_class,     &extpack_class,       &attachment_class,
    &usb_controller_class, &usb_filter_class,  &shared_folder_class, &bandwidth_group_class,
    &netif_class,          &usb_device_class,  &guest_type_class,    NULL};

static bool needed(const struct service *s)
{
    for (unsigned k = 0; k < s->machines->len; k++) {
        const struct machine *m = s->machines->pdata[k];
        if (m->vm != NULL || m->launching || m->busy)
            return true;
    }
    for (unsigned k = 0; k < s->progresses->len; k++)
        if (!progress_ended(s->progresses->pdata[k]))
            return true;
    return bus_peer_count(s->bus) > 0;
}

static gboolean on_idle(void *user)
{
    struct service *s = user;

    s->idle_source = 0;
    if (!needed(s))
        g_main_loop_quit(s->loop);
    return G_SOURCE_REMOVE;
}

void service_idle_check(struct service *s)
{
    bool idle = s->bus != NULL && !needed(s);

    if (idle && s->idle_source == 0)
        s->idle_source = g_timeout_add(s->config.idle_ms, on_idle, s);
    if (!idle && s->idle_source != 0) {
        g_source_remove(s->idle_source);
        s->idle_source = 0;
    }
}

static void peer_come(void *user, struct bus_peer *peer)
{
    struct service *s = user;

    session_of(s, peer);
    service_idle_check(s);
}

static void peer_gone(void *user, struct bus_peer *peer)
{
    struct service *s = user;

    session_close(session_of(s, peer));
    progress_peer_gone(s, peer);
    events_peer_gone(s, peer);
    appliances_peer_gone(s, peer);
    machine_drop_unregistered(s, peer);
    service_idle_check(s);
}

bool service_save(struct service *s, GError **error)
{
    GError *reason = NULL;

    if (settings_global_save(s->global, &reason))
        return true;
    struct settings_global *before = settings_global_load(s->global->file.io, s->global_path, NULL);
    if (before != NULL) {
        settings_global_free(s->global);
        s->global = before;
    }
    g_propagate_error(error, reason);
    return api_wrap(error, VBOX_E_FILE_ERROR);
}

void service_emit(struct service *s, const char *name, GVariant *args)
{
    if (s->bus == NULL) {
        g_variant_unref(g_variant_ref_sink(args));
        return; /* on the way out nobody listens */
    }
    g_variant_ref_sink(args);
    events_add(s, name, args);
    bus_emit(s->bus, NULL, API_PATH, API_PREFIX "IVirtualBox", name, args);
    g_variant_unref(args);
}

struct service *service_new(const struct service_config *config, GError **error)
{
    struct service *s = g_new0(struct service, 1);

    s->config = *config;
    api_error_quark(); /* before the first error comes from a machine's process */
    s->loop = g_main_loop_new(NULL, FALSE);
    s->machines = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    s->media = g_ptr_array_new_with_free_func((GDestroyNotify)medium_free);
    s->media_by_id = medium_table_new();
    s->sessions = g_ptr_array_new();
    s->progresses = g_ptr_array_new_with_free_func((GDestroyNotify)progress_free);
    s->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)listener_free);
    s->metrics = metrics_new(s);
    s->appliances = g_ptr_array_new_with_free_func((GDestroyNotify)appliance_free);
    s->global_path = g_build_filename(config->home, "VirtualBox.xml", NULL);
    bool fresh = !g_file_test(s->global_path, G_FILE_TEST_EXISTS);
    s->global = fresh ? settings_global_new(fio_system(), s->global_path)
                      : settings_global_load(fio_system(), s->global_path, error);
    if (s->global == NULL || (fresh && !settings_global_save(s->global, error))) {
        service_free(s);
        return NULL;
    }
    medium_load(s, &s->global->media, config->home);
    machine_load_all(s);
    medium_recover_encryption(s);
    const struct bus_config bus = {.listen_fd = bus_listen(config->socket_path, error),
                                   .classes = classes,
                                   .user = s,
                                   .peer_come = peer_come,
                                   .peer_gone = peer_gone};
    if (bus.listen_fd < 0) {
        service_free(s);
        return NULL;
    }
    vmproc_adopt_all(s);
    s->bus = bus_new(&bus);
    for (unsigned k = 0; k < s->machines->len; k++)
        if (((const struct machine *)s->machines->pdata[k])->vm == NULL)
            pending_recover(s->machines->pdata[k]);
    service_idle_check(s);
    return s;
}

void service_run(struct service *s)
{
    g_main_loop_run(s->loop);
}

void service_stop(struct service *s)
{
    g_main_loop_quit(s->loop);
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    if (s->idle_source != 0)
        g_source_remove(s->idle_source);
    if (s->bus != NULL)
        unlink(s->config.socket_path); /* first: who comes now finds nothing and starts the next service */
    bus_free(s->bus);
    s->bus = NULL;
    while (s->sessions->len > 0)
        session_close(s->sessions->pdata[0]);
    g_ptr_array_unref(s->sessions);
    g_ptr_array_unref(s->progresses);
    g_ptr_array_unref(s->appliances);
    g_ptr_array_unref(s->listeners);
    metrics_free(s->metrics);
    g_ptr_array_unref(s->machines);
    g_hash_table_unref(s->media_by_id);
    g_ptr_array_unref(s->media);
    values_found(s, NULL);
    settings_global_free(s->global);
    g_free(s->global_path);
    g_main_loop_unref(s->loop);
    g_free(s);
}

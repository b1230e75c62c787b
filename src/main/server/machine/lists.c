/*
 * lists.c - IMachine's methods about its small lists: USB controllers, remote display properties, port forwarding,
 * shared folders, bandwidth groups.
 */
#include <assert.h>
#include <string.h>

#include "main/server/machine/machine.h"

static bool taken(const char *what, const char *name, GError **error)
{
    return api_fail(error, VBOX_E_OBJECT_IN_USE, "%s named '%s' already exists", what, name);
}

static bool missing(const char *what, const char *name, GError **error)
{
    return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a %s named '%s'", what, name);
}

bool list_add_usb(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *type;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &name, &type);
    int kind = field_api_to_word("USBControllerType", settings_usb_type_names, type);
    if (kind < 0)
        return api_fail(error, E_INVALIDARG, "Invalid USB controller type '%s'", type);
    if (!part_change(p, error))
        return false;
    if (LIST_FIND(p->s->hardware.usb_controllers, settings_usb_controller, name) != G_MAXUINT)
        return taken("USB controller", name, error);
    struct settings_usb_controller *c = settings_usb_controller_new();
    g_free(c->name);
    c->name = g_strdup(name);
    c->type = (enum settings_usb_type)kind;
    g_ptr_array_add(p->s->hardware.usb_controllers, c);
    return true;
}

/* Removes the item called by the call's only argument. */
static bool remove_named(struct bus_call *call, size_t list_offset, const char *what, GError **error)
{
    struct part *p = call->object;
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    if (!part_change(p, error))
        return false;
    GPtrArray *list = *(GPtrArray **)((char *)p->s + list_offset);
    guint n = LIST_FIND(list, settings_property, name); /* every item of these lists starts with its name */
    if (n == G_MAXUINT)
        return missing(what, name, error);
    g_ptr_array_remove_index(list, n);
    return true;
}

static_assert(offsetof(struct settings_usb_controller, name) == 0 &&
                  offsetof(struct settings_shared_folder, name) == 0 &&
                  offsetof(struct settings_bandwidth_group, name) == 0 && offsetof(struct settings_forward, name) == 0,
              "remove_named() looks at the first member");

bool list_remove_usb(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return remove_named(call, offsetof(struct settings_machine, hardware.usb_controllers), "USB controller", error);
}

bool list_rename_usb(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *other;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &name, &other);
    if (!part_change(p, error))
        return false;
    GPtrArray *list = p->s->hardware.usb_controllers;
    guint n = LIST_FIND(list, settings_usb_controller, name);
    if (n == G_MAXUINT)
        return missing("USB controller", name, error);
    if (*other == '\0' || LIST_FIND(list, settings_usb_controller, other) != G_MAXUINT)
        return taken("USB controller", other, error);
    struct settings_usb_controller *c = list->pdata[n];
    g_free(c->name);
    c->name = g_strdup(other);
    return true;
}

bool list_set_vrde(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *key, *val;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &key, &val);
    if (!part_change_live(p, error))
        return false;
    settings_property_set(p->s->hardware.vrde.properties, key, val);
    return part_changed(p, error);
}

/* ---- network ---- */

static struct settings_adapter *adapter_of(struct part *p, guint32 slot, GError **error)
{
    if (slot >= SETTINGS_ADAPTERS) {
        api_fail(error, E_INVALIDARG, "Invalid network adapter slot: %u (must be below %u)", slot, SETTINGS_ADAPTERS);
        return NULL;
    }
    return part_change_live(p, error) ? &p->s->hardware.adapter[slot] : NULL;
}

bool list_add_forward(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name, *protocol, *host_ip, *guest_ip;
    guint16 host_port, guest_port;
    guint32 slot;

    (void)ret;
    g_variant_get(call->args, "(u&s&s&sq&sq)", &slot, &name, &protocol, &host_ip, &host_port, &guest_ip, &guest_port);
    int proto = field_api_to_word("NATProtocol", settings_proto_names, protocol);
    if (proto < 0)
        return api_fail(error, E_INVALIDARG, "Invalid protocol '%s' (must be TCP or UDP)", protocol);
    struct settings_adapter *a = adapter_of(call->object, slot, error);
    if (a == NULL)
        return false;
    g_autofree char *made = g_strdup_printf("%s%u-%s-%u", field_word_to_api("NATProtocol", settings_proto_names[proto]),
                                            host_port, guest_ip, guest_port);
    if (*name == '\0')
        name = made;
    for (unsigned k = 0; k < a->nat.forwards->len; k++) {
        const struct settings_forward *f = a->nat.forwards->pdata[k];
        if (g_strcmp0(f->name, name) == 0)
            return api_fail(error, E_INVALIDARG, "A NAT rule of this name already exists");
        if ((int)f->proto == proto && f->host_port == host_port &&
            g_strcmp0(f->host_ip != NULL ? f->host_ip : "", host_ip) == 0)
            return api_fail(error, E_INVALIDARG, "A NAT rule for this host port and this host IP already exists");
    }
    struct settings_forward *f = settings_forward_new();
    g_free(f->name);
    f->name = g_strdup(name);
    f->proto = (enum settings_proto)proto;
    f->host_ip = *host_ip != '\0' ? g_strdup(host_ip) : NULL;
    f->host_port = host_port;
    f->guest_ip = *guest_ip != '\0' ? g_strdup(guest_ip) : NULL;
    f->guest_port = guest_port;
    g_ptr_array_add(a->nat.forwards, f);
    return part_changed(call->object, error);
}

bool list_remove_forward(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name;
    guint32 slot;

    (void)ret;
    g_variant_get(call->args, "(u&s)", &slot, &name);
    struct settings_adapter *a = adapter_of(call->object, slot, error);
    if (a == NULL)
        return false;
    guint n = LIST_FIND(a->nat.forwards, settings_forward, name);
    if (n == G_MAXUINT)
        return missing("NAT rule", name, error);
    g_ptr_array_remove_index(a->nat.forwards, n);
    return part_changed(call->object, error);
}

bool list_set_generic(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *key, *val;
    guint32 slot;

    (void)ret;
    g_variant_get(call->args, "(u&s&s)", &slot, &key, &val);
    struct settings_adapter *a = adapter_of(call->object, slot, error);
    if (a == NULL)
        return false;
    settings_property_set(a->generic_properties, key, val);
    return part_changed(call->object, error);
}

/* ---- shared folders, bandwidth ---- */

static bool add_folder(GPtrArray *list, GVariant *args, GError **error)
{
    const char *name, *path, *mount_point;
    gboolean writable, automount;

    g_variant_get(args, "(&s&sbb&s)", &name, &path, &writable, &automount, &mount_point);
    if (*name == '\0' || !g_path_is_absolute(path))
        return api_fail(error, E_INVALIDARG, "Shared folder path '%s' of '%s' is not absolute", path, name);
    if (LIST_FIND(list, settings_shared_folder, name) != G_MAXUINT)
        return taken("Shared folder", name, error);
    struct settings_shared_folder *f = settings_shared_folder_new();
    g_free(f->name);
    g_free(f->host_path);
    f->name = g_strdup(name);
    f->host_path = g_strdup(path);
    f->writable = writable;
    f->auto_mount = automount;
    f->auto_mount_point = *mount_point != '\0' ? g_strdup(mount_point) : NULL;
    g_ptr_array_add(list, f);
    return true;
}

bool list_add_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret;
    return part_change(p, error) && add_folder(p->s->hardware.shared_folders, call->args, error);
}

static bool must_run(const struct machine *m, GError **error)
{
    return (m->vm != NULL && !m->launching) ||
           api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not currently running.", machine_name(m));
}

bool list_add_transient_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = ((struct part *)call->object)->machine;

    (void)ret;
    if (!must_run(m, error) || !add_folder(m->transient_folders, call->args, error))
        return false;
    service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
    return true;
}

bool list_remove_transient_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = ((struct part *)call->object)->machine;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    if (!must_run(m, error))
        return false;
    guint n = LIST_FIND(m->transient_folders, settings_shared_folder, name);
    if (n == G_MAXUINT)
        return missing("shared folder", name, error);
    g_ptr_array_remove_index(m->transient_folders, n);
    service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
    return true;
}

bool list_remove_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return remove_named(call, offsetof(struct settings_machine, hardware.shared_folders), "shared folder", error);
}

bool list_add_bandwidth(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *type;
    gint64 limit;

    (void)ret;
    g_variant_get(call->args, "(&s&sx)", &name, &type, &limit);
    int kind = settings_enum_find(settings_bandwidth_names, type);
    if (kind < 0 || limit < 0 || *name == '\0')
        return api_fail(error, E_INVALIDARG, "Invalid bandwidth group '%s' of type '%s' with limit %" G_GINT64_FORMAT,
                        name, type, limit);
    if (!part_change(p, error))
        return false;
    if (LIST_FIND(p->s->hardware.bandwidth_groups, settings_bandwidth_group, name) != G_MAXUINT)
        return taken("Bandwidth group", name, error);
    struct settings_bandwidth_group *g = settings_bandwidth_group_new();
    g_free(g->name);
    g->name = g_strdup(name);
    g->type = (enum settings_bandwidth)kind;
    g->max_bytes_per_s = (uint64_t)limit;
    g_ptr_array_add(p->s->hardware.bandwidth_groups, g);
    return true;
}

bool list_set_bandwidth(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name;
    gint64 limit;

    (void)ret;
    g_variant_get(call->args, "(&sx)", &name, &limit);
    if (limit < 0)
        return api_fail(error, E_INVALIDARG, "Invalid bandwidth limit %" G_GINT64_FORMAT, limit);
    if (!part_change(p, error))
        return false;
    guint n = LIST_FIND(p->s->hardware.bandwidth_groups, settings_bandwidth_group, name);
    if (n == G_MAXUINT)
        return missing("bandwidth group", name, error);
    ((struct settings_bandwidth_group *)p->s->hardware.bandwidth_groups->pdata[n])->max_bytes_per_s = (uint64_t)limit;
    return true;
}

static bool bandwidth_used(const struct settings_machine *s, const char *name)
{
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++)
        if (g_strcmp0(s->hardware.adapter[k].bandwidth_group, name) == 0)
            return true;
    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *c = s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++)
            if (g_strcmp0(((const struct settings_attachment *)c->attachments->pdata[n])->bandwidth_group, name) == 0)
                return true;
    }
    return false;
}

bool list_remove_bandwidth(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    if (p->s != NULL && bandwidth_used(p->s, name))
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "The bandwidth group '%s' is still in use", name);
    return remove_named(call, offsetof(struct settings_machine, hardware.bandwidth_groups), "bandwidth group", error);
}

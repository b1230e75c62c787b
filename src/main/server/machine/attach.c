/*
 * attach.c - IMachine's methods about storage: controllers, and what is attached where.
 *
 * Invariant 1: a hard disk is attached to one machine at most, unless its type says it may be shared.
 * Invariant 2: a medium that a machine uses is in that machine's registry or in the global one.
 */
#include <string.h>

#include "main/server/machine/attach_int.h"
#include "main/server/machine/machine.h"

struct settings_attachment *attachment_find(const struct settings_controller *c, uint32_t port, uint32_t device)
{
    for (unsigned k = 0; k < c->attachments->len; k++) {
        struct settings_attachment *a = c->attachments->pdata[k];
        if (a->port == port && a->device == device)
            return a;
    }
    return NULL;
}

static struct settings_controller *controller_or_fail(const struct part *p, const char *name, GError **error)
{
    struct settings_controller *c = p->s != NULL ? controller_find(p->s, name) : NULL;

    if (c == NULL)
        api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a storage controller named '%s'", name);
    return c;
}

/* ---- controllers ---- */

static uint32_t free_instance(const struct settings_machine *s, const char *bus)
{
    uint32_t n = 0;

    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *c = s->hardware.controllers->pdata[k];
        if (strcmp(controller_rule_of(c->type)->bus, bus) == 0)
            n = MAX(n, c->instance + 1);
    }
    return n;
}

bool storage_add_controller(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *bus;

    g_variant_get(call->args, "(&s&s)", &name, &bus);
    const struct controller_rule *rule = controller_rule_for_bus(bus);
    if (rule == NULL)
        return api_fail(error, E_INVALIDARG, "Invalid storage bus '%s'", bus);
    if (*name == '\0' || strlen(name) > 255)
        return api_fail(error, E_INVALIDARG, "Invalid storage controller name '%s'", name);
    if (!part_change(p, 0, error))
        return false;
    if (controller_find(p->s, name) != NULL)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Storage controller named '%s' already exists", name);
    struct settings_controller *c = settings_controller_new();
    g_free(c->name);
    c->name = g_strdup(name);
    c->type = rule->type;
    c->port_count = rule->default_ports;
    c->instance = free_instance(p->s, rule->bus);
    c->host_io_cache = strcmp(rule->bus, "IDE") == 0 || strcmp(rule->bus, "Floppy") == 0;
    c->bootable = c->instance == 0;
    g_ptr_array_add(p->s->hardware.controllers, c);
    g_autofree char *rest = api_node_escape(name);
    g_autofree char *path = part_path(p, "controller", rest);
    *ret = g_variant_new("(o)", path);
    return true;
}

bool storage_remove_controller(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    struct settings_controller *c = controller_or_fail(p, name, error);
    if (c == NULL || !part_change(p, 0, error))
        return false;
    g_ptr_array_remove(p->s->hardware.controllers, c);
    return true;
}

bool storage_get_controllers(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (unsigned k = 0; p->s != NULL && k < p->s->hardware.controllers->len; k++) {
        const struct settings_controller *c = p->s->hardware.controllers->pdata[k];
        g_autofree char *rest = api_node_escape(c->name);
        g_autofree char *path = part_path(p, "controller", rest);
        g_variant_builder_add(&b, "o", path);
    }
    *ret = g_variant_new("(ao)", &b);
    return true;
}

/* ---- devices ---- */

static bool place_find(const struct part *p, const char *name, struct attach_place *at, GError **error)
{
    at->controller = controller_or_fail(p, name, error);
    if (at->controller == NULL)
        return false;
    const struct controller_rule *r = controller_rule_of(at->controller->type);
    if (at->port < 0 || (guint32)at->port >= at->controller->port_count || at->device < 0 ||
        (guint32)at->device >= r->devices)
        return api_fail(error, E_INVALIDARG,
                        "Invalid port/device: %d/%d (controller '%s' has ports 0 to %u with %u devices each)", at->port,
                        at->device, name, at->controller->port_count - 1, r->devices);
    at->attachment = attachment_find(at->controller, (uint32_t)at->port, (uint32_t)at->device);
    return true;
}

static bool place_taken(const struct part *p, const struct attach_place *at, GError **error)
{
    const char *braced = at->attachment->image_uuid;
    char id[API_UUID_SIZE];
    const struct medium *m =
        braced != NULL && api_uuid_parse(braced, id) ? medium_find(p->service, id, DEVICE_NONE) : NULL;
    g_autofree char *what = m != NULL ? g_strdup_printf("Medium '%s'", m->location) : g_strdup("Device");

    return api_fail(error, VBOX_E_OBJECT_IN_USE,
                    "%s is already attached to port %d, device %d of controller '%s' of this virtual machine", what,
                    at->port, at->device, at->controller->name);
}

/* inv 1 */
static bool may_attach(const struct part *p, const struct medium *m, GError **error)
{
    char braced[40];

    if (m->kind == DEVICE_HARD_DISK && medium_hardware_uses(&p->s->hardware, medium_id_braced(m, braced)))
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Medium '%s' is already attached to this virtual machine",
                        m->location);
    bool shared = m->kind != DEVICE_HARD_DISK || m->type == MEDIUM_SHAREABLE || m->type == MEDIUM_READONLY ||
                  medium_needs_diff(m);
    g_autoptr(GPtrArray) users = medium_users(m);
    for (unsigned k = 0; !shared && k < users->len; k++) {
        const struct machine *other = users->pdata[k];
        if (other != p->machine)
            return api_fail(error, VBOX_E_OBJECT_IN_USE,
                            "Hard disk '%s' cannot be attached: it is attached to the machine '%s' already",
                            m->location, machine_name(other));
    }
    return true;
}

static bool medium_of_kind(const struct part *p, const char *path, enum settings_device kind, struct medium **ret,
                           GError **error)
{
    *ret = medium_from_path(p->service, path);
    if (*ret == NULL && strcmp(path, "/") != 0)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no medium '%s'", path);
    if (*ret == NULL && kind == DEVICE_HARD_DISK)
        return api_fail(error, E_INVALIDARG, "A hard disk needs a medium");
    if (*ret != NULL && (*ret)->kind != kind)
        return api_fail(error, E_INVALIDARG, "The medium '%s' is not of the type %s", (*ret)->location,
                        settings_device_names[kind]);
    return true;
}

static void put_medium(struct part *p, struct settings_attachment *a, struct medium *m)
{
    char braced[40];

    g_free(a->image_uuid);
    a->image_uuid = m != NULL ? g_strdup(medium_id_braced(m, braced)) : NULL;
    g_clear_pointer(&a->host_drive, g_free);
    if (m != NULL)
        medium_register_in(m, p->s); /* inv 2 */
}

bool storage_attach(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *type, *path;
    struct attach_place at;
    struct medium *m;

    (void)ret;
    g_variant_get(call->args, "(&sii&s&o)", &name, &at.port, &at.device, &type, &path);
    int kind = settings_enum_find(settings_device_names, type);
    if (kind != DEVICE_HARD_DISK && kind != DEVICE_DVD && kind != DEVICE_FLOPPY)
        return api_fail(error, E_INVALIDARG, "Invalid device type '%s'", type);
    if (!place_find(p, name, &at, error))
        return false;
    if (at.attachment != NULL)
        return place_taken(p, &at, error);
    bool floppy_bus = at.controller->type == CONTROLLER_I82078;
    if (floppy_bus != (kind == DEVICE_FLOPPY))
        return api_fail(error, E_INVALIDARG, "A device of type %s cannot be attached to the controller '%s'", type,
                        name);
    bool plug = p->live && kind == DEVICE_HARD_DISK;
    if (!medium_of_kind(p, path, (enum settings_device)kind, &m, error) || (m != NULL && !may_attach(p, m, error)) ||
        (plug ? !attach_plug_live(call, &at, m, error) : !part_change(p, 0, error)))
        return false;
    if (call->later)
        return true;
    if (m != NULL && medium_needs_diff(m) && (m = medium_implicit_diff(m, p->s, error)) == NULL)
        return false;
    struct settings_attachment *a = settings_attachment_new();
    a->kind = (enum settings_device)kind;
    a->port = (uint32_t)at.port;
    a->device = (uint32_t)at.device;
    a->hotpluggable = plug;
    g_ptr_array_add(at.controller->attachments, a);
    put_medium(p, a, m);
    return !plug || part_changed(p, error);
}

bool storage_attach_host(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *drive;
    struct attach_place at;

    (void)ret;
    g_variant_get(call->args, "(&sii&s)", &name, &at.port, &at.device, &drive);
    if (!g_path_is_absolute(drive))
        return api_fail(error, E_INVALIDARG, "The host drive '%s' is no device file's path", drive);
    if (!place_find(p, name, &at, error))
        return false;
    if (at.attachment != NULL && at.attachment->kind != DEVICE_DVD)
        return place_taken(p, &at, error);
    if (at.controller->type == CONTROLLER_I82078)
        return api_fail(error, E_INVALIDARG, "A DVD drive cannot be attached to the controller '%s'", name);
    if (!part_change(p, 0, error))
        return false;
    if (at.attachment == NULL) {
        at.attachment = settings_attachment_new();
        at.attachment->kind = DEVICE_DVD;
        at.attachment->port = (uint32_t)at.port;
        at.attachment->device = (uint32_t)at.device;
        g_ptr_array_add(at.controller->attachments, at.attachment);
    }
    put_medium(p, at.attachment, NULL);
    at.attachment->host_drive = g_strdup(drive);
    return true;
}

static bool nothing_there(const struct attach_place *at, GError **error)
{
    return api_fail(error, VBOX_E_OBJECT_NOT_FOUND,
                    "No storage device attached to device slot %d on port %d of controller '%s'", at->device, at->port,
                    at->controller->name);
}

bool storage_detach(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name;
    struct attach_place at;

    (void)ret;
    g_variant_get(call->args, "(&sii)", &name, &at.port, &at.device);
    if (!place_find(p, name, &at, error))
        return false;
    if (at.attachment == NULL)
        return nothing_there(&at, error);
    bool unplug = p->live && at.attachment->kind == DEVICE_HARD_DISK;
    if (unplug ? !attach_plug_live(call, &at, NULL, error) : !part_change(p, 0, error))
        return false;
    g_ptr_array_remove(at.controller->attachments, at.attachment);
    if (unplug && !part_changed(p, error))
        return false;
    medium_sweep(p->service, NULL);
    return true;
}

bool storage_mount(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *path;
    struct attach_place at;
    struct medium *m;
    gboolean force;

    (void)ret;
    g_variant_get(call->args, "(&sii&ob)", &name, &at.port, &at.device, &path, &force);
    if (!place_find(p, name, &at, error))
        return false;
    if (at.attachment == NULL || at.attachment->kind == DEVICE_HARD_DISK)
        return nothing_there(&at, error);
    if (!medium_of_kind(p, path, at.attachment->kind, &m, error) || !part_change(p, PART_LIVE, error) ||
        (p->live && !attach_mount_live(p, &at, at.attachment->kind, m, force, error)))
        return false;
    put_medium(p, at.attachment, m);
    return part_changed(p, error);
}

bool storage_flags(struct bus_call *call, GVariant **ret, GError **error)
{
    static const struct {
        const char *name;
        size_t offset;
    } flags[] = {{"Passthrough", offsetof(struct settings_attachment, passthrough)},
                 {"TemporaryEject", offsetof(struct settings_attachment, temp_eject)},
                 {"NonRotational", offsetof(struct settings_attachment, non_rotational)},
                 {"Discard", offsetof(struct settings_attachment, discard)},
                 {"HotPluggable", offsetof(struct settings_attachment, hotpluggable)}};
    struct part *p = call->object;
    const char *name, *group;
    struct attach_place at;
    g_autoptr(GVariant) dict = NULL;
    gboolean on;

    (void)ret;
    g_variant_get(call->args, "(&sii@a{sv})", &name, &at.port, &at.device, &dict);
    if (!place_find(p, name, &at, error))
        return false;
    if (at.attachment == NULL)
        return nothing_there(&at, error);
    if (p->live && g_variant_n_children(dict) == 1 && g_variant_lookup(dict, "HotPluggable", "b", &on) &&
        at.attachment->hotpluggable == on)
        return true; /* as it is: a disk that came while the machine runs */
    if (!part_change(p, 0, error))
        return false;
    for (unsigned k = 0; k < G_N_ELEMENTS(flags); k++)
        if (g_variant_lookup(dict, flags[k].name, "b", &on))
            *(bool *)((char *)at.attachment + flags[k].offset) = on;
    if (g_variant_lookup(dict, "BandwidthGroup", "&s", &group)) {
        if (*group != '\0' && LIST_FIND(p->s->hardware.bandwidth_groups, settings_bandwidth_group, group) == G_MAXUINT)
            return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a bandwidth group named '%s'", group);
        g_free(at.attachment->bandwidth_group);
        at.attachment->bandwidth_group = *group != '\0' ? g_strdup(group) : NULL;
    }
    return true;
}

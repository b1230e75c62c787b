/*
 * controller.c - IStorageController: which chips exist on which bus, and how many ports each may have.
 *
 * Source: the limits are VirtualBox's ISystemProperties (getMaxPortCountForStorageBus and its siblings).
 */
#include <string.h>

#include "main/server/objects.h"

static const struct controller_rule rules[] = {
    {CONTROLLER_PIIX4, "IDE", 2, 2, 2, 2, true},
    {CONTROLLER_PIIX3, "IDE", 2, 2, 2, 2, false},
    {CONTROLLER_ICH6, "IDE", 2, 2, 2, 2, false},
    {CONTROLLER_AHCI, "SATA", 1, 30, 30, 1, true},
    {CONTROLLER_LSILOGIC, "SCSI", 16, 16, 16, 1, true},
    {CONTROLLER_BUSLOGIC, "SCSI", 16, 16, 16, 1, false},
    {CONTROLLER_LSILOGIC_SAS, "SAS", 1, 255, 8, 1, true},
    {CONTROLLER_I82078, "Floppy", 1, 1, 1, 2, true},
    {CONTROLLER_USB, "USB", 8, 8, 8, 1, true},
    {CONTROLLER_NVME, "PCIe", 1, 255, 1, 1, true},
    {CONTROLLER_VIRTIO_SCSI, "VirtioSCSI", 1, 256, 1, 1, true},
    {CONTROLLER_VIRTIO_BLK, "VirtioSCSI", 1, 8, 8, 1, false},
};

const struct controller_rule *controller_rule_of(enum settings_controller_type type)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(rules); k++)
        if (rules[k].type == type)
            return &rules[k];
    return &rules[0];
}

const struct controller_rule *controller_rule_for_bus(const char *bus)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(rules); k++)
        if (rules[k].first_of_bus && g_ascii_strcasecmp(rules[k].bus, bus) == 0)
            return &rules[k];
    return NULL;
}

struct settings_controller *controller_find(const struct settings_machine *s, const char *name)
{
    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        struct settings_controller *c = s->hardware.controllers->pdata[k];
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    const char *rest;
    struct part *p = part_find(user, peer, node, &rest);

    if (p == NULL || rest == NULL || p->s == NULL)
        return NULL;
    g_autofree char *name = api_node_unescape(rest);
    p->base = controller_find(p->s, name);
    return p->base != NULL ? p : NULL;
}

static const struct controller_rule *rule_of(const struct bus_call *call)
{
    const struct part *p = call->object;

    return controller_rule_of(((const struct settings_controller *)p->base)->type);
}

enum { IS_MIN, IS_MAX, IS_DEVICES };

static GVariant *get_limit(const struct bus_call *call, const struct bus_property *row)
{
    const struct controller_rule *r = rule_of(call);
    const uint32_t limits[] = {[IS_MIN] = r->min_ports, [IS_MAX] = r->max_ports, [IS_DEVICES] = r->devices};

    return g_variant_new_uint32(limits[GPOINTER_TO_INT(row->data)]);
}

static GVariant *get_bus(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_string(rule_of(call)->bus);
}

static bool set_name(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    const struct settings_controller *other = controller_find(p->s, g_variant_get_string(val, NULL));

    if (other != NULL && other != p->base)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Storage controller named '%s' already exists", other->name);
    if (*g_variant_get_string(val, NULL) == '\0')
        return api_fail(error, E_INVALIDARG, "A storage controller's name cannot be empty");
    return field_set(call, row, val, error);
}

static bool set_type(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const char *name = g_variant_get_string(val, NULL);
    int word = field_api_to_word("StorageControllerType", settings_controller_type_names, name);
    const struct controller_rule *before = rule_of(call);

    if (word < 0 || strcmp(controller_rule_of((enum settings_controller_type)word)->bus, before->bus) != 0)
        return api_fail(error, E_INVALIDARG, "Invalid controller type '%s' for a controller on the %s bus", name,
                        before->bus);
    return field_set(call, row, val, error);
}

static bool set_ports(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const struct part *p = call->object;
    const struct settings_controller *c = p->base;
    const struct controller_rule *r = rule_of(call);
    guint32 n = g_variant_get_uint32(val);

    if (n < r->min_ports || n > r->max_ports)
        return api_fail(error, E_INVALIDARG, "Invalid port count: %u (must be in range [%u, %u])", n, r->min_ports,
                        r->max_ports);
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *a = c->attachments->pdata[k];
        if (a->port >= n)
            return api_fail(error, E_INVALIDARG, "Port %u of controller '%s' is in use; detach its device first",
                            a->port, c->name);
    }
    return field_set(call, row, val, error);
}

#define C struct settings_controller
static const struct bus_property properties[] = {
    {"Name", field_get, set_name, &(const struct field){.kind = FIELD_STR, .offset = offsetof(C, name)}},
    {"Bus", get_bus, NULL, NULL},
    {"ControllerType", field_get, set_type,
     &(const struct field){.kind = FIELD_ENUM,
                           .offset = offsetof(C, type),
                           .words = settings_controller_type_names,
                           .type = "StorageControllerType"}},
    {"PortCount", field_get, set_ports, &(const struct field){.kind = FIELD_U32, .offset = offsetof(C, port_count)}},
    {"MinPortCount", get_limit, NULL, GINT_TO_POINTER(IS_MIN)},
    {"MaxPortCount", get_limit, NULL, GINT_TO_POINTER(IS_MAX)},
    {"MaxDevicesPerPortCount", get_limit, NULL, GINT_TO_POINTER(IS_DEVICES)},
    {"Instance", field_get, NULL, &(const struct field){.kind = FIELD_U32, .offset = offsetof(C, instance)}},
    FIELD_B("UseHostIOCache", C, host_io_cache),
    FIELD_B("Bootable", C, bootable),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface controller_interface = {.info = (GDBusInterfaceInfo *)&api_istorage_controller_interface,
                                                   .properties = properties};
const struct bus_class controller_class = {
    .folder = API_ROOT "/controller", .interfaces = BUS_INTERFACES(&controller_interface), .find = find};

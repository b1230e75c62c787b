/*
 * usb_controllers.c - IUSBController, and IMachine's methods about them.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define LIST offsetof(struct settings_machine, hardware.usb_controllers)
#define C    struct settings_usb_controller

bool list_add_usb(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *type;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &name, &type);
    int kind = field_api_to_word("USBControllerType", settings_usb_type_names, type);
    if (kind < 0)
        return api_fail(error, E_INVALIDARG, "Invalid USB controller type '%s'", type);
    if (!part_change(p, 0, error))
        return false;
    if (LIST_FIND(p->s->hardware.usb_controllers, settings_usb_controller, name) != G_MAXUINT)
        return list_taken("USB controller", name, error);
    struct settings_usb_controller *c = settings_usb_controller_new();
    g_free(c->name);
    c->name = g_strdup(name);
    c->type = (enum settings_usb_type)kind;
    g_ptr_array_add(p->s->hardware.usb_controllers, c);
    return true;
}

bool list_remove_usb(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return list_remove_named(call, LIST, 0, "USB controller", error);
}

bool list_rename_usb(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *other;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &name, &other);
    if (!part_change(p, 0, error))
        return false;
    GPtrArray *list = p->s->hardware.usb_controllers;
    guint n = LIST_FIND(list, settings_usb_controller, name);
    if (n == G_MAXUINT)
        return list_missing("USB controller", name, error);
    if (*other == '\0' || LIST_FIND(list, settings_usb_controller, other) != G_MAXUINT)
        return list_taken("USB controller", other, error);
    struct settings_usb_controller *c = list->pdata[n];
    g_free(c->name);
    c->name = g_strdup(other);
    return true;
}

/* ---- IUSBController ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    return list_item(user, peer, node, LIST);
}

static bool set_name(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const struct part *p = call->object;
    const char *name = g_variant_get_string(val, NULL);
    guint n = LIST_FIND(p->s->hardware.usb_controllers, settings_usb_controller, name);

    if (*name == '\0' || (n != G_MAXUINT && p->s->hardware.usb_controllers->pdata[n] != p->base))
        return list_taken("USB controller", name, error);
    return field_set(call, row, val, error);
}

static GVariant *get_standard(const struct bus_call *call, const struct bus_property *row)
{
    static const guint16 standards[] = {[USB_OHCI] = 0x0110, [USB_EHCI] = 0x0200, [USB_XHCI] = 0x0300};
    const struct part *p = call->object;

    (void)row;
    return g_variant_new_uint16(standards[((const C *)p->base)->type]);
}

static const struct bus_property properties[] = {
    {"Name", field_get, set_name, &(const struct field){.kind = FIELD_STR, .offset = offsetof(C, name)}},
    {"Type", field_get, NULL,
     &(const struct field){.kind = FIELD_ENUM,
                           .offset = offsetof(C, type),
                           .words = settings_usb_type_names,
                           .type = "USBControllerType"}},
    {"USBStandard", get_standard, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface usb_controller_interface = {.info = (GDBusInterfaceInfo *)&api_iusbcontroller_interface,
                                                       .properties = properties};
const struct bus_class usb_controller_class = {
    .folder = API_ROOT "/usbcontroller", .interfaces = BUS_INTERFACES(&usb_controller_interface), .find = find};

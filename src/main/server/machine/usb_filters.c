/*
 * usb_filters.c - IUSBDeviceFilters, IUSBDeviceFilter: which devices of the host a machine takes.
 */
#include <stdlib.h>

#include "main/server/host/host.h"
#include "main/server/machine/machine.h"

static GPtrArray *list_of(const struct part *p)
{
    return p->s->hardware.usb_filters;
}

static bool insert(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret;
    return part_change(p, PART_SAVED, error) && usb_filters_insert(list_of(p), call->args, false, error);
}

static bool modify(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret;
    return part_change(p, PART_SAVED, error) && usb_filters_modify(list_of(p), call->args, error);
}

static bool drop(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret;
    return part_change(p, PART_SAVED, error) && usb_filters_remove(list_of(p), call->args, error);
}

static bool get_all(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (unsigned k = 0; p->s != NULL && k < list_of(p)->len; k++) {
        g_autofree char *number = g_strdup_printf("%u", k);
        g_autofree char *path = part_path(p, "usbfilter", number);
        g_variant_builder_add(&b, "o", path);
    }
    *ret = g_variant_new("(ao)", &b);
    return true;
}

static const struct bus_method methods[] = {{"InsertDeviceFilter", insert},
                                            {"ModifyDeviceFilter", modify},
                                            {"RemoveDeviceFilter", drop},
                                            {"GetDeviceFilters", get_all},
                                            {NULL, NULL}};
const struct bus_interface usb_filters_interface = {.info = (GDBusInterfaceInfo *)&api_iusbdevice_filters_interface,
                                                    .methods = methods};

/* ---- IUSBDeviceFilter ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    const char *rest;
    char *end;
    struct part *p = part_find(user, peer, node, &rest);

    if (p == NULL || rest == NULL || p->s == NULL || !g_ascii_isdigit(*rest))
        return NULL;
    unsigned long n = strtoul(rest, &end, 10);
    if (*end != '\0' || n >= list_of(p)->len)
        return NULL;
    p->base = list_of(p)->pdata[n];
    return p;
}

static GVariant *get(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = call->object;
    g_autoptr(GVariant) values = g_variant_ref_sink(usb_filter_values(p->base, false));

    return g_variant_lookup_value(values, row->name, NULL);
}

static bool set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert_value(&d, row->name, val);
    g_autoptr(GVariant) values = g_variant_ref_sink(g_variant_dict_end(&d));
    if (!usb_filter_check(values, error) || !part_change(p, PART_SAVED, error))
        return false;
    usb_filter_apply(p->base, values);
    return true;
}

static const struct bus_property properties[] = {
    {"Name", get, set, NULL},      {"Active", get, set, NULL},           {"VendorId", get, set, NULL},
    {"ProductId", get, set, NULL}, {"Revision", get, set, NULL},         {"Manufacturer", get, set, NULL},
    {"Product", get, set, NULL},   {"SerialNumber", get, set, NULL},     {"Port", get, set, NULL},
    {"Remote", get, set, NULL},    {"MaskedInterfaces", get, set, NULL}, {NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {.info = (GDBusInterfaceInfo *)&api_iusbdevice_filter_interface,
                                               .properties = properties};
const struct bus_class usb_filter_class = {
    .folder = API_ROOT "/usbfilter", .interfaces = BUS_INTERFACES(&interface), .find = find};

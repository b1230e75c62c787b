/*
 * adapter.c - INetworkAdapter, ISerialPort, IParallelPort: numbered parts of a machine.
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/machine/machine.h"

static GVariant *get_slot(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_uint32(((const struct part *)call->object)->slot);
}

/* ---- network ---- */

#define A struct settings_adapter

char *adapter_new_mac(void)
{
    return g_strdup_printf("080027%06X", g_random_int() & 0xffffff);
}

static bool set_mac(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    struct settings_adapter *a = p->base;
    const char *text = g_variant_get_string(val, NULL);

    (void)row;
    for (unsigned k = 0; text[k] != '\0'; k++)
        if (!g_ascii_isxdigit(text[k]) || k >= 12)
            return api_fail(error, E_INVALIDARG, "Invalid MAC address format: '%s'. It must have 12 hexadecimal digits",
                            text);
    if (*text != '\0' && strlen(text) != 12)
        return api_fail(error, E_INVALIDARG, "Invalid MAC address format: '%s'. It must have 12 hexadecimal digits",
                        text);
    if (*text != '\0' && (g_ascii_xdigit_value(text[1]) & 1) != 0)
        return api_fail(error, E_INVALIDARG, "Invalid MAC address '%s': it is a multicast address", text);
    if (!part_change(p, 0, error))
        return false;
    g_free(a->mac);
    a->mac = *text != '\0' ? g_ascii_strup(text, -1) : adapter_new_mac();
    return true;
}

static bool set_enabled(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    struct settings_adapter *a = p->base;

    if (!field_set(call, row, val, error))
        return false;
    if (a->enabled && a->mac == NULL)
        a->mac = adapter_new_mac();
    return true;
}

static bool set_generic(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;

    (void)ret;
    return part_property_set(call, ((A *)p->base)->generic_properties, error);
}

static bool get_generic(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;

    (void)error;
    return part_property_get(call, ((const A *)p->base)->generic_properties, ret);
}

static const struct bus_method adapter_methods[] = {
    {"SetProperty", set_generic}, {"GetProperty", get_generic}, {NULL, NULL}};
static const struct bus_property adapter_properties[] = {
    {"Slot", get_slot, NULL, NULL},
    {"Enabled", field_get, set_enabled, &(const struct field){.kind = FIELD_BOOL, .offset = offsetof(A, enabled)}},
    FIELD_E("AdapterType", A, type, nic_type, "NetworkAdapterType"),
    {"MACAddress", field_get, set_mac, &(const struct field){.kind = FIELD_STR, .offset = offsetof(A, mac)}},
    FIELD_B("CableConnected", A, cable, .when = PART_ANY),
    FIELD_U("LineSpeed", A, speed_kbps, 0, 0, "", ""),
    FIELD_E("PromiscModePolicy", A, promisc, promisc, "NetworkAdapterPromiscModePolicy", .when = PART_ANY),
    FIELD_B("TraceEnabled", A, trace, .when = PART_ANY),
    FIELD_T("TraceFile", A, trace_file, NULL, .when = PART_ANY),
    FIELD_U("BootPriority", A, boot_priority, 0, 0, "", ""),
    FIELD_T("BandwidthGroup", A, bandwidth_group, NULL, .when = PART_SAVED),
    FIELD_E("AttachmentType", A, attachment, attach, "NetworkAttachmentType", .when = PART_ANY),
    FIELD_T("BridgedInterface", A, bridged_if, NULL, .when = PART_ANY),
    FIELD_T("HostOnlyInterface", A, host_only_if, NULL, .when = PART_ANY),
    FIELD_T("HostOnlyNetwork", A, host_only_network, NULL, .when = PART_ANY),
    FIELD_T("InternalNetwork", A, internal_network, "intnet", .when = PART_ANY),
    FIELD_T("NATNetwork", A, nat_network, NULL, .when = PART_ANY),
    FIELD_T("CloudNetwork", A, cloud_network, NULL, .when = PART_ANY),
    FIELD_T("GenericDriver", A, generic_driver, NULL, .when = PART_ANY),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface adapter_interface = {.info = (GDBusInterfaceInfo *)&api_inetwork_adapter_interface,
                                                .methods = adapter_methods,
                                                .properties = adapter_properties};

/* ---- lines ---- */

#define S struct settings_uart
static const struct bus_property serial_properties[] = {
    {"Slot", get_slot, NULL, NULL},
    FIELD_B("Enabled", S, enabled),
    FIELD_U("IOBase", S, io_base, 0, 0xffff, "I/O base", ""),
    FIELD_U("IRQ", S, irq, 0, 255, "IRQ", ""),
    FIELD_E("HostMode", S, mode, uart_mode, "PortMode", .when = PART_ANY),
    FIELD_B("Server", S, server, .when = PART_ANY),
    FIELD_T("Path", S, path, NULL, .when = PART_ANY),
    FIELD_E("UartType", S, type, uart_type, "UartType", .when = PART_SAVED),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface serial_interface = {.info = (GDBusInterfaceInfo *)&api_iserial_port_interface,
                                               .properties = serial_properties};

#define L struct settings_lpt
static const struct bus_property parallel_properties[] = {
    {"Slot", get_slot, NULL, NULL},
    FIELD_B("Enabled", L, enabled),
    FIELD_U("IOBase", L, io_base, 0, 0xffff, "I/O base", ""),
    FIELD_U("IRQ", L, irq, 0, 255, "IRQ", ""),
    FIELD_T("Path", L, path, NULL, .when = PART_ANY),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface parallel_interface = {.info = (GDBusInterfaceInfo *)&api_iparallel_port_interface,
                                                 .properties = parallel_properties};

/* ---- finding ---- */

static struct part *find_slot(struct service *s, struct bus_peer *peer, const char *node, unsigned count)
{
    const char *rest;
    struct part *p = part_find(s, peer, node, &rest);

    if (p == NULL || rest == NULL || p->s == NULL || !g_ascii_isdigit(*rest))
        return NULL;
    unsigned long slot = strtoul(rest, NULL, 10);
    p->slot = (unsigned)slot;
    return slot < count ? p : NULL;
}

static void *find_adapter(void *user, struct bus_peer *peer, const char *node)
{
    struct part *p = find_slot(user, peer, node, SETTINGS_ADAPTERS);

    if (p != NULL)
        p->base = &p->s->hardware.adapter[p->slot];
    return p;
}

static void *find_serial(void *user, struct bus_peer *peer, const char *node)
{
    struct part *p = find_slot(user, peer, node, SETTINGS_UARTS);

    if (p != NULL)
        p->base = &p->s->hardware.uart[p->slot];
    return p;
}

static void *find_parallel(void *user, struct bus_peer *peer, const char *node)
{
    struct part *p = find_slot(user, peer, node, SETTINGS_LPTS);

    if (p != NULL)
        p->base = &p->s->hardware.lpt[p->slot];
    return p;
}

const struct bus_class adapter_class = {.folder = API_ROOT "/adapter",
                                        .interfaces = BUS_INTERFACES(&adapter_interface, &nat_engine_interface),
                                        .find = find_adapter};
const struct bus_class serial_class = {
    .folder = API_ROOT "/serial", .interfaces = BUS_INTERFACES(&serial_interface), .find = find_serial};
const struct bus_class parallel_class = {
    .folder = API_ROOT "/parallel", .interfaces = BUS_INTERFACES(&parallel_interface), .find = find_parallel};

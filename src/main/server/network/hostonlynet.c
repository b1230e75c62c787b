/*
 * hostonlynet.c - IHostOnlyNetwork: networks between machines and this host, as they are kept.
 */
#include "main/server/kept.h"

#define N struct settings_host_only_network

static void *make(void)
{
    return settings_host_only_network_new();
}

static void init(void *item)
{
    N *n = item;

    g_free(n->id);
    n->id = g_uuid_string_random();
    n->enabled = true;
}

const struct kept_kind host_only_kind = {.folder = API_ROOT "/hostonlynetwork",
                                         .signal = "HostOnlyNetwork",
                                         .what = "host-only network",
                                         .list_offset = offsetof(struct settings_global, host_only_networks),
                                         .name_offset = offsetof(N, name),
                                         .make = make,
                                         .init = init};

static bool set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;

    if (!field_set(call, row, val, error))
        return false;
    kept_tell(p->service, &host_only_kind, ((const N *)p->base)->name, true);
    return true;
}

static bool is_uuid(const char *text)
{
    char id[API_UUID_SIZE];

    return api_uuid_parse(text, id);
}

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return root_describe(call, &interface, ret);
}

#define TEXT(name_, member, valid_, what_)                                                                             \
    {                                                                                                                  \
        .name = (name_), .get = field_get, .set = set, .data = &(const struct field)                                   \
        {                                                                                                              \
            .kind = FIELD_STR, .offset = offsetof(N, member), .valid = (valid_), .what = (what_)                       \
        }                                                                                                              \
    }
static const struct bus_property properties[] = {
    {"NetworkName", field_get, NULL, &(const struct field){.kind = FIELD_STR, .offset = offsetof(N, name)}},
    {"Enabled", field_get, set, &(const struct field){.kind = FIELD_BOOL, .offset = offsetof(N, enabled)}},
    TEXT("Id", id, is_uuid, "UUID"),
    TEXT("NetworkMask", mask, address_is_ipv4, "network mask"),
    TEXT("LowerIP", lower, address_is_ipv4, "address"),
    TEXT("UpperIP", upper, address_is_ipv4, "address"),
    {NULL, NULL, NULL, NULL},
};
static const struct bus_method methods[] = {{"Describe", describe}, {NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_ihost_only_network_interface, .methods = methods, .properties = properties};

KEPT_CLASS(host_only_class, host_only_kind, API_ROOT "/hostonlynetwork", &interface);

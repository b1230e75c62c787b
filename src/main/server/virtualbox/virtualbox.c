/*
 * virtualbox.c - IVirtualBox: the root object: its lists, global extra data and table of methods.
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    (void)peer;
    return root_find(user, node, "VirtualBox");
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    g_ptr_array_add(nodes, g_strdup("VirtualBox"));
}

/* ---- properties ---- */

static GVariant *get_version(const struct bus_call *call, const struct bus_property *row)
{
    g_auto(GStrv) parts = g_strsplit(RB_VERSION, "r", 2);

    (void)call, (void)row;
    return g_variant_new_string(parts[0]);
}

static GVariant *get_revision(const struct bus_call *call, const struct bus_property *row)
{
    const char *r = strchr(RB_VERSION, 'r');

    (void)call, (void)row;
    return g_variant_new_uint32(r != NULL ? (guint32)g_ascii_strtoull(r + 1, NULL, 10) : 0);
}

static GVariant *get_home(const struct bus_call *call, const struct bus_property *row)
{
    const struct service *s = call->object;

    (void)row;
    return g_variant_new_string(s->config.home);
}

static GVariant *get_file(const struct bus_call *call, const struct bus_property *row)
{
    const struct service *s = call->object;

    (void)row;
    return g_variant_new_string(s->global_path);
}

/* ---- machines ---- */

static GVariant *machine_list(struct service *s, bool running)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(oss)"));
    for (unsigned k = 0; k < s->machines->len; k++) {
        const struct machine *m = s->machines->pdata[k];
        if (!m->registered || (running && !machine_running(m)))
            continue;
        g_autofree char *path = machine_object_path(m);
        g_variant_builder_add(&b, "(oss)", path, m->id, machine_name(m));
    }
    return g_variant_new("(a(oss))", &b);
}

static bool get_machines(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    *ret = machine_list(call->object, false);
    return true;
}

static bool get_running(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    *ret = machine_list(call->object, true);
    return true;
}

static GVariant *machine_reply(const struct machine *m)
{
    g_autofree char *path = machine_object_path(m);

    return g_variant_new("(o)", path);
}

static bool find_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s)", &name);
    const struct machine *m = machine_find_name(call->object, name);
    if (m == NULL && api_uuid_parse(name, id))
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a registered machine with UUID {%s}", id);
    if (m == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a registered machine named '%s'", name);
    *ret = machine_reply(m);
    return true;
}

/* ---- the rest ---- */

static bool get_guest_types(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)call, (void)error;
    *ret = g_variant_new("(@aa{sv})", guest_types());
    return true;
}

static bool get_extra(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->object;
    const char *key;

    (void)error;
    g_variant_get(call->args, "(&s)", &key);
    const char *val = settings_property_get(s->global->extra_data, key);
    *ret = g_variant_new("(s)", val != NULL ? val : "");
    return true;
}

static bool set_extra(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *key, *val;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &key, &val);
    if (*key == '\0')
        return api_fail(error, E_INVALIDARG, "The key cannot be empty");
    settings_property_set(s->global->extra_data, key, val);
    if (!service_save(s, error))
        return false;
    service_emit(s, "ExtraDataChanged", g_variant_new("(sss)", "", key, val));
    return true;
}

static bool get_extra_keys(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < s->global->extra_data->len; k++)
        g_variant_builder_add(&b, "s", ((const struct settings_property *)s->global->extra_data->pdata[k])->name);
    *ret = g_variant_new("(as)", &b);
    return true;
}

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return root_describe(call, &interface, ret);
}

static const struct bus_method methods[] = {
    {"Describe", describe},
    {"GetMachines", get_machines},
    {"FindMachine", find_machine},
    {"CreateMachine", virtualbox_create_machine},
    {"OpenMachine", virtualbox_open_machine},
    {"RegisterMachine", virtualbox_register_machine},
    {"GetMedia", virtualbox_get_media},
    {"OpenMedium", virtualbox_open_medium},
    {"CreateMedium", virtualbox_create_medium},
    {"GetGuestOSTypes", get_guest_types},
    {"GetGuestOSType", virtualbox_get_guest_type},
    {"GetExtraData", get_extra},
    {"SetExtraData", set_extra},
    {"GetExtraDataKeys", get_extra_keys},
    {"GetRunningVMs", get_running},
    {"CreateNATNetwork", virtualbox_create_nat},
    {"RemoveNATNetwork", virtualbox_remove_nat},
    {"FindNATNetworkByName", virtualbox_find_nat},
    {"GetNATNetworks", virtualbox_all_nat},
    {"CreateDHCPServer", virtualbox_create_dhcp},
    {"RemoveDHCPServer", virtualbox_remove_dhcp},
    {"FindDHCPServerByNetworkName", virtualbox_find_dhcp},
    {"GetDHCPServers", virtualbox_all_dhcp},
    {"CreateHostOnlyNetwork", virtualbox_create_host_only},
    {"RemoveHostOnlyNetwork", virtualbox_remove_host_only},
    {"FindHostOnlyNetworkByName", virtualbox_find_host_only},
    {"GetHostOnlyNetworks", virtualbox_all_host_only},
    {"CreateAppliance", virtualbox_create_appliance},
    {"GetInternalNetworks", virtualbox_internal_networks},
    {NULL, NULL},
};
static const struct bus_property properties[] = {
    {"Version", get_version, NULL, NULL},
    {"Revision", get_revision, NULL, NULL},
    {"HomeFolder", get_home, NULL, NULL},
    {"SettingsFilePath", get_file, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_ivirtual_box_interface, .methods = methods, .properties = properties};
const struct bus_class virtualbox_class = {
    .folder = API_ROOT, .interfaces = BUS_INTERFACES(&interface, &event_source_interface), .find = find, .list = list};

/*
 * vrde.c - IVRDEServer: what a machine's remote display is to be.
 */
#include "main/server/machine/machine.h"

#define M          struct settings_machine
#define HW(member) hardware.member

static bool set(struct bus_call *call, GVariant **ret, GError **error)
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

static bool get(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    const char *key;

    (void)error;
    g_variant_get(call->args, "(&s)", &key);
    const char *val = p->s != NULL ? settings_property_get(p->s->hardware.vrde.properties, key) : NULL;
    *ret = g_variant_new("(s)", val != NULL ? val : "");
    return true;
}

static const struct bus_method methods[] = {{"SetVRDEProperty", set}, {"GetVRDEProperty", get}, {NULL, NULL}};
static const struct bus_property properties[] = {
    FIELD_B("Enabled", M, HW(vrde.enabled), .live = true),
    FIELD_E("AuthType", M, HW(vrde.auth), auth, "AuthType"),
    FIELD_B("AllowMultiConnection", M, HW(vrde.multi_connection)),
    FIELD_B("ReuseSingleConnection", M, HW(vrde.reuse_connection)),
    FIELD_T("AuthLibrary", M, HW(vrde.auth_library), NULL),
    FIELD_T("VRDEExtPack", M, HW(vrde.ext_pack), NULL),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface vrde_interface = {
    .info = (GDBusInterfaceInfo *)&api_ivrdeserver_interface, .methods = methods, .properties = properties};

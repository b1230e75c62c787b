/*
 * vrde.c - IVRDEServer: what a machine's remote display is to be.
 */
#include "main/server/machine/machine.h"

#define M          struct settings_machine
#define HW(member) hardware.member

static GPtrArray *list_of(const struct bus_call *call)
{
    const struct part *p = call->object;

    return p->s != NULL ? p->s->hardware.vrde.properties : NULL;
}

static bool set(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return part_property_set(call, list_of(call), error);
}

static bool get(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return part_property_get(call, list_of(call), ret);
}

static const struct bus_method methods[] = {{"SetVRDEProperty", set}, {"GetVRDEProperty", get}, {NULL, NULL}};
static const struct bus_property properties[] = {
    FIELD_B("Enabled", M, HW(vrde.enabled), .when = PART_ANY),
    FIELD_E("AuthType", M, HW(vrde.auth), auth, "AuthType", .when = PART_ANY),
    FIELD_B("AllowMultiConnection", M, HW(vrde.multi_connection), .when = PART_ANY),
    FIELD_B("ReuseSingleConnection", M, HW(vrde.reuse_connection), .when = PART_ANY),
    FIELD_T("AuthLibrary", M, HW(vrde.auth_library), NULL, .when = PART_ANY),
    FIELD_T("VRDEExtPack", M, HW(vrde.ext_pack), NULL, .when = PART_ANY),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface vrde_interface = {
    .info = (GDBusInterfaceInfo *)&api_ivrdeserver_interface, .methods = methods, .properties = properties};

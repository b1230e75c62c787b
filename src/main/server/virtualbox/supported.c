/*
 * supported.c - ISystemProperties: what machines can be given, from the API's enumerations and the controllers' rules.
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"

/* Words that stand for nothing, for something else, or for another host's systems. */
static const struct {
    const char *type; /* NULL: any */
    const char *name;
} left_out[] = {{NULL, "Invalid"},
                {"NetworkAttachmentType", "Null"},
                {"NetworkAdapterType", "Null"},
                {"USBControllerType", "Null"},
                {"StorageBus", "Null"},
                {"StorageControllerType", "Null"},
                {"ChipsetType", "Null"},
                {"AudioDriverType", "WinMM"},
                {"AudioDriverType", "DirectSound"},
                {"AudioDriverType", "WAS"},
                {"AudioDriverType", "CoreAudio"},
                {"AudioDriverType", "MMPM"},
                {"AudioDriverType", "SolAudio"}};

static bool is_left_out(const char *type, const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(left_out); k++)
        if ((left_out[k].type == NULL || strcmp(left_out[k].type, type) == 0) && strcmp(left_out[k].name, name) == 0)
            return true;
    return false;
}

GVariant *supported_get(const struct bus_call *call, const struct bus_property *row)
{
    const char *type = row->data, *name;
    GVariantBuilder b;

    (void)call;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned n = 0; (name = api_enum_nth(type, n)) != NULL; n++)
        if (!is_left_out(type, name))
            g_variant_builder_add(&b, "s", name);
    return g_variant_builder_end(&b);
}

/* ---- storage ---- */

/* The rule of the call's bus, its last argument. */
static const struct controller_rule *rule_of_call(struct bus_call *call, GError **error)
{
    const char *bus;

    g_variant_get_child(call->args, g_variant_n_children(call->args) - 1, "&s", &bus);
    const struct controller_rule *r = controller_rule_for_bus(bus);
    if (r == NULL)
        api_fail(error, E_INVALIDARG, "Invalid StorageBus: '%s'", bus);
    return r;
}

static bool answer_number(GVariant **ret, const struct controller_rule *r, guint32 number)
{
    if (r != NULL)
        *ret = g_variant_new("(u)", number);
    return r != NULL;
}

bool bus_max_devices(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct controller_rule *r = rule_of_call(call, error);

    return answer_number(ret, r, r != NULL ? r->devices : 0);
}

bool bus_min_ports(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct controller_rule *r = rule_of_call(call, error);

    return answer_number(ret, r, r != NULL ? r->min_ports : 0);
}

bool bus_max_ports(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct controller_rule *r = rule_of_call(call, error);

    return answer_number(ret, r, r != NULL ? r->max_ports : 0);
}

/* ICH9 boards have room for eight controllers of most kinds. */
bool bus_max_instances(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const single[] = {"IDE", "Floppy", "USB", NULL};
    const struct controller_rule *r = rule_of_call(call, error);
    const char *chipset;

    g_variant_get(call->args, "(&s&s)", &chipset, NULL);
    if (r != NULL && api_enum_value("ChipsetType", chipset) <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid ChipsetType: '%s'", chipset);
    const bool many = r != NULL && g_ascii_strcasecmp(chipset, "ICH9") == 0 && !g_strv_contains(single, r->bus);
    return answer_number(ret, r, many ? 8 : 1);
}

bool bus_devices(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const both[] = {"HardDisk", "DVD", NULL}, *const disk[] = {"HardDisk", NULL},
                             *const floppy[] = {"Floppy", NULL};
    const struct controller_rule *r = rule_of_call(call, error);

    if (r != NULL)
        *ret = g_variant_new("(^as)", strcmp(r->bus, "Floppy") == 0 ? floppy
                                      : strcmp(r->bus, "PCIe") == 0 ? disk
                                                                    : both);
    return r != NULL;
}

bool bus_controllers(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct controller_rule *r = rule_of_call(call, error);
    const char *name;
    GVariantBuilder b;

    if (r == NULL)
        return false;
    const char *usual = field_word_to_api("StorageControllerType", settings_controller_type_names[r->type]);
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    g_variant_builder_add(&b, "s", usual);
    for (unsigned n = 0; (name = api_enum_nth("StorageControllerType", n)) != NULL; n++) {
        const int type = field_api_to_word("StorageControllerType", settings_controller_type_names, name);
        if (type >= 0 && strcmp(name, usual) != 0 &&
            strcmp(controller_rule_of((enum settings_controller_type)type)->bus, r->bus) == 0)
            g_variant_builder_add(&b, "s", name);
    }
    *ret = g_variant_new("(as)", &b);
    return true;
}

/* The call's only argument; -1: said. */
static int type_of_call(struct bus_call *call, GError **error)
{
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    const int type = field_api_to_word("StorageControllerType", settings_controller_type_names, name);
    if (type < 0)
        api_fail(error, E_INVALIDARG, "Invalid StorageControllerType: '%s'", name);
    return type;
}

bool controller_bus(struct bus_call *call, GVariant **ret, GError **error)
{
    const int type = type_of_call(call, error);

    if (type >= 0)
        *ret = g_variant_new("(s)", controller_rule_of((enum settings_controller_type)type)->bus);
    return type >= 0;
}

static bool answer_buses(struct bus_call *call, const char *const *buses, GVariant **ret, GError **error)
{
    const int type = type_of_call(call, error);

    if (type >= 0)
        *ret =
            g_variant_new("(b)", g_strv_contains(buses, controller_rule_of((enum settings_controller_type)type)->bus));
    return type >= 0;
}

bool controller_io_cache(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const cached[] = {"IDE", "Floppy", NULL};

    return answer_buses(call, cached, ret, error);
}

bool controller_hotplug(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const plugged[] = {"SATA", "USB", NULL};

    return answer_buses(call, plugged, ret, error);
}

bool usb_max_instances(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *chipset, *type;

    g_variant_get(call->args, "(&s&s)", &chipset, &type);
    if (api_enum_value("ChipsetType", chipset) <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid ChipsetType: '%s'", chipset);
    if (api_enum_value("USBControllerType", type) <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid USBControllerType: '%s'", type);
    *ret = g_variant_new("(u)", 1);
    return true;
}

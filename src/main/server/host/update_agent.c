/*
 * update_agent.c - IUpdateAgent of the host: what the user wants to hear of newer versions, kept in VirtualBox.xml.
 *
 * Left out: looking for them. This program has no such server; a distribution's packages are updated with it.
 */
#include "main/server/host/host.h"

enum { UPDATE_ENABLED, UPDATE_CHANNEL, UPDATE_FREQUENCY, UPDATE_COUNT, UPDATE_URL, UPDATE_LAST };

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static GVariant *get(const struct bus_call *call, const struct bus_property *row)
{
    const struct settings_updates *u = &((const struct service *)call->object)->global->updates;
    const char *channel;

    switch (GPOINTER_TO_INT(row->data)) {
    case UPDATE_ENABLED: return g_variant_new_boolean(u->host_enabled);
    case UPDATE_CHANNEL:
        channel = api_enum_name("UpdateChannel", (int)u->channel);
        return g_variant_new_string(channel != NULL ? channel : "Invalid");
    case UPDATE_FREQUENCY: return g_variant_new_uint32(u->check_every_s);
    case UPDATE_COUNT: return g_variant_new_uint32(u->check_count);
    case UPDATE_URL: return g_variant_new_string(or_empty(u->url));
    default: return g_variant_new_string(or_empty(u->last_check));
    }
}

static bool set_channel(struct settings_updates *u, const char *name, GError **error)
{
    const int channel = api_enum_value("UpdateChannel", name);

    if (channel <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid UpdateChannel: '%s'", name);
    u->channel = (uint32_t)channel;
    return true;
}

static bool set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct service *s = call->object;
    struct settings_updates *u = &s->global->updates;

    switch (GPOINTER_TO_INT(row->data)) {
    case UPDATE_ENABLED: u->enabled = u->host_enabled = g_variant_get_boolean(val); break;
    case UPDATE_CHANNEL:
        if (!set_channel(u, g_variant_get_string(val, NULL), error))
            return false;
        break;
    case UPDATE_FREQUENCY:
        if (g_variant_get_uint32(val) == 0)
            return api_fail(error, E_INVALIDARG, "The update frequency cannot be zero");
        u->check_every_s = g_variant_get_uint32(val);
        break;
    default:
        g_free(u->url);
        u->url = *g_variant_get_string(val, NULL) != '\0' ? g_variant_dup_string(val, NULL) : NULL;
        break;
    }
    return service_save(s, error);
}

#define IS(what) GINT_TO_POINTER(what)
static const struct bus_property properties[] = {
    {"Enabled", get, set, IS(UPDATE_ENABLED)},
    {"Channel", get, set, IS(UPDATE_CHANNEL)},
    {"CheckFrequency", get, set, IS(UPDATE_FREQUENCY)},
    {"CheckCount", get, NULL, IS(UPDATE_COUNT)},
    {"RepositoryURL", get, set, IS(UPDATE_URL)},
    {"LastCheckDate", get, NULL, IS(UPDATE_LAST)},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface update_agent_interface = {.info = (GDBusInterfaceInfo *)&api_iupdate_agent_interface,
                                                     .properties = properties};

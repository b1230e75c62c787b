/*
 * medium_lists.c - what IMedium says of itself in lists: types it could have, its properties, the snapshots that use
 * it.
 */
#include <string.h>

#include "main/server/medium/medium_int.h"
#include "main/settings/medium_path.h"

/* Those that setting the property Type would take now. */
GVariant *medium_allowed_types(const struct bus_call *call, const struct bus_property *row)
{
    const struct medium *m = call->object;
    const int now = medium_base(m)->type;
    g_autoptr(GPtrArray) users = medium_users(m);
    GVariantBuilder b;

    (void)row;
    const bool fixed = m->kind != DEVICE_HARD_DISK || m->parent != NULL || m->children->len > 0;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (int k = 0; settings_medium_type_names[k] != NULL; k++)
        if (k == now || (!fixed && (users->len == 0 || k == MEDIUM_NORMAL || k == MEDIUM_WRITETHROUGH)))
            g_variant_builder_add(&b, "s", settings_medium_type_names[k]);
    return g_variant_builder_end(&b);
}

bool medium_get_snapshot_ids(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object;
    const char *machine;
    char braced[40], wanted[API_UUID_SIZE], id[API_UUID_SIZE];
    GVariantBuilder b;

    g_variant_get(call->args, "(&s)", &machine);
    if (!api_uuid_parse(machine, wanted))
        return api_fail(error, E_INVALIDARG, "'%s' is no machine's id", machine);
    medium_id_braced(m, braced);
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < m->service->machines->len; k++) {
        const struct machine *one = m->service->machines->pdata[k];
        if (one->settings == NULL || strcmp(one->id, wanted) != 0)
            continue;
        if (medium_hardware_uses(&one->settings->hardware, braced))
            g_variant_builder_add(&b, "s", one->id);
        for (unsigned n = 0; n < one->settings->snapshots->len; n++) {
            const struct settings_snapshot *s = one->settings->snapshots->pdata[n];
            if (medium_hardware_uses(&s->hardware, braced) && api_uuid_parse(s->uuid, id))
                g_variant_builder_add(&b, "s", id);
        }
    }
    *ret = g_variant_new("(as)", &b);
    return true;
}

bool medium_get_properties(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object;
    GVariantBuilder names, values;
    const char *wanted;

    (void)error;
    g_variant_get(call->args, "(&s)", &wanted);
    g_auto(GStrv) words = g_strsplit(wanted, ",", -1);
    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    g_variant_builder_init(&values, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < m->properties->len; k++) {
        const struct settings_property *one = m->properties->pdata[k];
        if (strcmp(one->name, ISCSI_SECRET) == 0 ||
            (*wanted != '\0' && !g_strv_contains((const char *const *)words, one->name)))
            continue;
        g_variant_builder_add(&names, "s", one->name);
        g_variant_builder_add(&values, "s", one->value != NULL ? one->value : "");
    }
    *ret = g_variant_new("(asas)", &names, &values);
    return true;
}

bool medium_set_properties(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;
    g_autofree const char **names = NULL, **values = NULL;

    (void)ret;
    g_variant_get(call->args, "(^a&s^a&s)", &names, &values);
    const guint count = g_strv_length((char **)names);
    if (count != g_strv_length((char **)values))
        return api_fail(error, E_INVALIDARG, "There are %u names, but %u values", count,
                        g_strv_length((char **)values));
    for (guint k = 0; k < count; k++)
        if (!medium_property_may_be(m, names[k], values[k], error))
            return false;
    for (guint k = 0; k < count; k++)
        settings_property_set(m->properties, names[k], values[k]);
    return medium_save_properties(m, error);
}

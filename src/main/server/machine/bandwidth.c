/*
 * bandwidth.c - IBandwidthControl, IBandwidthGroup: what disks and network adapters of a machine share.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define LIST offsetof(struct settings_machine, hardware.bandwidth_groups)
#define G    struct settings_bandwidth_group

static bool create(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *type;
    gint64 limit;

    (void)ret;
    g_variant_get(call->args, "(&s&sx)", &name, &type, &limit);
    int kind = settings_enum_find(settings_bandwidth_names, type);
    if (kind < 0 || limit < 0 || *name == '\0')
        return api_fail(error, E_INVALIDARG, "Invalid bandwidth group '%s' of type '%s' with limit %" G_GINT64_FORMAT,
                        name, type, limit);
    if (!part_change(p, PART_SAVED, error))
        return false;
    if (LIST_FIND(p->s->hardware.bandwidth_groups, settings_bandwidth_group, name) != G_MAXUINT)
        return list_taken("Bandwidth group", name, error);
    struct settings_bandwidth_group *g = settings_bandwidth_group_new();
    g_free(g->name);
    g->name = g_strdup(name);
    g->type = (enum settings_bandwidth)kind;
    g->max_bytes_per_s = (uint64_t)limit;
    g_ptr_array_add(p->s->hardware.bandwidth_groups, g);
    return true;
}

/* How many adapters and attachments are in the group. */
static unsigned users(const struct settings_machine *s, const char *name)
{
    unsigned count = 0;

    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++)
        if (g_strcmp0(s->hardware.adapter[k].bandwidth_group, name) == 0)
            count++;
    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *c = s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++)
            if (g_strcmp0(((const struct settings_attachment *)c->attachments->pdata[n])->bandwidth_group, name) == 0)
                count++;
    }
    return count;
}

static bool drop(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    if (p->s != NULL && users(p->s, name) > 0)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "The bandwidth group '%s' is still in use", name);
    return list_remove_named(call, LIST, PART_SAVED, "bandwidth group", error);
}

static char *group_path(const struct part *p, const G *g)
{
    g_autofree char *node = api_node_escape(g->name);

    return part_path(p, "bandwidthgroup", node);
}

static bool get(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    guint n = p->s != NULL ? LIST_FIND(p->s->hardware.bandwidth_groups, settings_bandwidth_group, name) : G_MAXUINT;
    if (n == G_MAXUINT)
        return list_missing("bandwidth group", name, error);
    g_autofree char *path = group_path(p, p->s->hardware.bandwidth_groups->pdata[n]);
    *ret = g_variant_new("(o)", path);
    return true;
}

static bool get_all(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (unsigned k = 0; p->s != NULL && k < p->s->hardware.bandwidth_groups->len; k++) {
        g_autofree char *path = group_path(p, p->s->hardware.bandwidth_groups->pdata[k]);
        g_variant_builder_add(&b, "o", path);
    }
    *ret = g_variant_new("(ao)", &b);
    return true;
}

static const struct bus_method methods[] = {{"CreateBandwidthGroup", create},
                                            {"DeleteBandwidthGroup", drop},
                                            {"GetBandwidthGroup", get},
                                            {"GetAllBandwidthGroups", get_all},
                                            {NULL, NULL}};
const struct bus_interface bandwidth_control_interface = {
    .info = (GDBusInterfaceInfo *)&api_ibandwidth_control_interface, .methods = methods};

/* ---- IBandwidthGroup ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    return list_item(user, peer, node, LIST);
}

static GVariant *get_users(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = call->object;

    (void)row;
    return g_variant_new_uint32(users(p->s, ((const G *)p->base)->name));
}

static bool set_limit(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    gint64 limit = g_variant_get_int64(val);

    if (limit < 0)
        return api_fail(error, E_INVALIDARG, "Invalid bandwidth limit %" G_GINT64_FORMAT, limit);
    return field_set(call, row, val, error);
}

static const struct bus_property properties[] = {
    {"Name", field_get, NULL, &(const struct field){.kind = FIELD_STR, .offset = offsetof(G, name)}},
    {"Type", field_get, NULL,
     &(const struct field){.kind = FIELD_ENUM,
                           .offset = offsetof(G, type),
                           .words = settings_bandwidth_names,
                           .type = "BandwidthGroupType"}},
    {"Reference", get_users, NULL, NULL},
    {"MaxBytesPerSec", field_get, set_limit,
     &(const struct field){.kind = FIELD_I64, .offset = offsetof(G, max_bytes_per_s)}},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface bandwidth_group_interface = {.info = (GDBusInterfaceInfo *)&api_ibandwidth_group_interface,
                                                        .properties = properties};
const struct bus_class bandwidth_group_class = {
    .folder = API_ROOT "/bandwidthgroup", .interfaces = BUS_INTERFACES(&bandwidth_group_interface), .find = find};

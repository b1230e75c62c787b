/*
 * appliance.c - IAppliance: the object, its descriptions and table of methods.
 */
#include "main/server/appliance/appliance.h"

#include <stdlib.h>
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"

#define APPLIANCES_MAX 64u

static void description_free(void *p)
{
    struct description *d = p;

    g_free(d->reference);
    g_free(d->original);
    g_free(d->value);
    g_free(d->extra);
    g_free(d);
}

GPtrArray *description_list_new(void)
{
    return g_ptr_array_new_with_free_func(description_free);
}

struct description *description_new(GPtrArray *system, const char *type, const char *reference, const char *original,
                                    const char *value, const char *extra)
{
    struct description *d = g_new0(struct description, 1);

    d->type = type;
    d->reference = g_strdup(reference);
    d->original = g_strdup(original);
    d->value = g_strdup(value);
    d->extra = g_strdup(extra);
    d->enabled = true;
    g_ptr_array_add(system, d);
    return d;
}

const struct description *description_find(const GPtrArray *system, const char *type)
{
    for (unsigned k = 0; k < system->len; k++) {
        const struct description *d = system->pdata[k];
        if (d->enabled && strcmp(d->type, type) == 0)
            return d;
    }
    return NULL;
}

const char *description_value(const GPtrArray *system, const char *type)
{
    const struct description *d = description_find(system, type);

    return d != NULL ? d->value : "";
}

/* ---- life ---- */

void appliance_free(struct appliance *a)
{
    ovf_free(a->ovf);
    g_free(a->path);
    g_free(a->manifest);
    g_ptr_array_unref(a->systems);
    g_ptr_array_unref(a->machines);
    g_ptr_array_unref(a->warnings);
    g_free(a);
}

void appliances_peer_gone(struct service *s, struct bus_peer *peer)
{
    for (unsigned k = s->appliances->len; k-- > 0;) {
        struct appliance *a = s->appliances->pdata[k];
        if (a->peer == peer)
            a->peer = NULL;
        if (a->peer == NULL && !a->busy)
            g_ptr_array_remove_index(s->appliances, k);
    }
}

bool virtualbox_create_appliance(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;

    if (s->appliances->len >= APPLIANCES_MAX)
        return api_fail(error, VBOX_E_MAXIMUM_REACHED, "There are %u appliances already", s->appliances->len);
    struct appliance *a = g_new0(struct appliance, 1);
    a->service = s;
    a->peer = call->peer;
    a->number = ++s->next_appliance;
    a->systems = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    a->machines = g_ptr_array_new_with_free_func(g_free);
    a->warnings = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(s->appliances, a);
    g_autofree char *path = g_strdup_printf(API_ROOT "/appliance/%u", a->number);
    *ret = g_variant_new("(o)", path);
    return true;
}

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    struct service *s = user;

    for (unsigned k = 0; k < s->appliances->len; k++) {
        struct appliance *a = s->appliances->pdata[k];
        if (a->peer == peer && a->number == strtoul(node, NULL, 10))
            return a;
    }
    return NULL;
}

/* ---- what it says ---- */

static GVariant *describe_system(const GPtrArray *system)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(sssssb)"));
    for (unsigned k = 0; k < system->len; k++) {
        const struct description *d = system->pdata[k];
        g_variant_builder_add(&b, "(sssssb)", d->type, d->reference, d->original, d->value, d->extra,
                              (gboolean)d->enabled);
    }
    return g_variant_builder_end(&b);
}

static bool get_descriptions(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct appliance *a = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa(sssssb)"));
    for (unsigned k = 0; k < a->systems->len; k++)
        g_variant_builder_add_value(&b, describe_system(a->systems->pdata[k]));
    *ret = g_variant_new("(aa(sssssb))", &b);
    return true;
}

static bool not_busy(const struct appliance *a, GError **error)
{
    return !a->busy || api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The appliance is busy");
}

static bool set_final_values(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;
    g_autofree const char **values = NULL, **extras = NULL;
    g_autoptr(GVariant) enabled = NULL;
    guint32 system;

    (void)ret;
    g_variant_get(call->args, "(u@ab^a&s^a&s)", &system, &enabled, &values, &extras);
    if (!not_busy(a, error))
        return false;
    if (system >= a->systems->len)
        return api_fail(error, E_INVALIDARG, "There is no virtual system %u", system);
    GPtrArray *list = a->systems->pdata[system];
    if (g_variant_n_children(enabled) != list->len || g_strv_length((char **)values) != list->len ||
        g_strv_length((char **)extras) != list->len)
        return api_fail(error, E_INVALIDARG, "The virtual system %u has %u descriptions", system, list->len);
    for (unsigned k = 0; k < list->len; k++) {
        struct description *d = list->pdata[k];
        gboolean on;
        g_variant_get_child(enabled, k, "b", &on);
        d->enabled = on;
        g_free(d->value);
        g_free(d->extra);
        d->value = g_strdup(values[k]);
        d->extra = g_strdup(extras[k]);
    }
    return true;
}

static bool add_description(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;
    const char *type, *value;
    guint32 system;

    (void)ret;
    g_variant_get(call->args, "(u&s&s)", &system, &type, &value);
    const char *known = api_enum_canonical("VirtualSystemDescriptionType", type);
    if (!not_busy(a, error))
        return false;
    if (system >= a->systems->len || known == NULL)
        return api_fail(error, E_INVALIDARG, "There is no virtual system %u, or no description type '%s'", system,
                        type);
    GPtrArray *list = a->systems->pdata[system];
    const struct description *there = description_find(list, known);
    if (there != NULL)
        ((struct description *)there)->enabled = false; /* the new one counts */
    description_new(list, known, "", value, value, "");
    return true;
}

static GVariant *get_path(const struct bus_call *call, const struct bus_property *row)
{
    const struct appliance *a = call->object;

    (void)row;
    return g_variant_new_string(a->path != NULL ? a->path : "");
}

/* capacity, file, format, as the descriptor says it */
static GVariant *get_disks(const struct bus_call *call, const struct bus_property *row)
{
    const struct appliance *a = call->object;
    GVariantBuilder b;

    (void)row;
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(sxxss)"));
    for (unsigned k = 0; a->ovf != NULL && k < a->ovf->disks->len; k++) {
        const struct ovf_disk *d = a->ovf->disks->pdata[k];
        g_variant_builder_add(&b, "(sxxss)", d->id, d->capacity_bytes, d->populated_bytes,
                              d->format != NULL ? d->format : "", d->file);
    }
    return g_variant_builder_end(&b);
}

static GVariant *get_texts(const struct bus_call *call, const struct bus_property *row)
{
    const struct appliance *a = call->object;
    const GPtrArray *list = row->data != NULL ? a->machines : a->warnings;

    return g_variant_new_strv((const char *const *)list->pdata, (gssize)list->len);
}

#define WHEN_IDLE(name, function)                                                                                      \
    static bool name(struct bus_call *call, GVariant **ret, GError **error)                                            \
    {                                                                                                                  \
        return not_busy(call->object, error) && function(call, ret, error);                                            \
    }
WHEN_IDLE(do_read, appliance_read)
WHEN_IDLE(do_interpret, appliance_interpret)
WHEN_IDLE(do_import, appliance_import)
WHEN_IDLE(do_add, appliance_add_machine)
WHEN_IDLE(do_write, appliance_write)

static const struct bus_method methods[] = {{"Read", do_read},
                                            {"Interpret", do_interpret},
                                            {"GetVirtualSystemDescriptions", get_descriptions},
                                            {"SetFinalValues", set_final_values},
                                            {"AddDescription", add_description},
                                            {"ImportMachines", do_import},
                                            {"AddMachine", do_add},
                                            {"Write", do_write},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {{"Path", get_path, NULL, NULL},
                                                 {"Disks", get_disks, NULL, NULL},
                                                 {"Warnings", get_texts, NULL, NULL},
                                                 {"Machines", get_texts, NULL, GINT_TO_POINTER(1)},
                                                 {NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_iappliance_interface, .methods = methods, .properties = properties};
const struct bus_class appliance_class = {
    .folder = API_ROOT "/appliance", .interfaces = BUS_INTERFACES(&interface), .find = find};

/*
 * attachments.c - IMediumAttachment: what is in which place of which storage controller.
 */
#include <string.h>

#include "main/server/machine/machine.h"

static void describe_medium(struct service *s, const struct settings_attachment *a, GVariantDict *d)
{
    char id[API_UUID_SIZE] = "";
    const struct medium *m =
        a->image_uuid != NULL && api_uuid_parse(a->image_uuid, id) ? medium_find(s, id, a->kind) : NULL;

    g_variant_dict_insert(d, "Medium", "s", id);
    g_variant_dict_insert(d, "Location", "s", m != NULL ? m->location : a->host_drive != NULL ? a->host_drive : "");
    g_variant_dict_insert(d, "HostDrive", "b", a->host_drive != NULL);
}

static GVariant *values(const struct part *p, const struct settings_controller *c, const struct settings_attachment *a)
{
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Machine", "s", p->machine->id);
    g_variant_dict_insert(&d, "Controller", "s", c->name);
    g_variant_dict_insert(&d, "Port", "i", (gint32)a->port);
    g_variant_dict_insert(&d, "Device", "i", (gint32)a->device);
    g_variant_dict_insert(&d, "Type", "s", settings_device_names[a->kind]);
    g_variant_dict_insert(&d, "Passthrough", "b", a->passthrough);
    g_variant_dict_insert(&d, "TemporaryEject", "b", a->temp_eject);
    g_variant_dict_insert(&d, "IsEjected", "b", FALSE);
    g_variant_dict_insert(&d, "NonRotational", "b", a->non_rotational);
    g_variant_dict_insert(&d, "Discard", "b", a->discard);
    g_variant_dict_insert(&d, "HotPluggable", "b", a->hotpluggable);
    g_variant_dict_insert(&d, "BandwidthGroup", "s", a->bandwidth_group != NULL ? a->bandwidth_group : "");
    describe_medium(p->service, a, &d);
    return g_variant_dict_end(&d);
}

GVariant *attachments_describe(const struct part *p)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < p->s->hardware.controllers->len; k++) {
        const struct settings_controller *c = p->s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            g_variant_builder_add_value(&list, values(p, c, a));
        }
    }
    return g_variant_builder_end(&list);
}

/* ---- IMediumAttachment: a node's rest is CONTROLLER:PORT:DEVICE, escaped ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    const char *rest;
    struct part *p = part_find(user, peer, node, &rest);

    if (p == NULL || rest == NULL || p->s == NULL)
        return NULL;
    g_autofree char *place = api_node_unescape(rest);
    for (unsigned k = 0; k < p->s->hardware.controllers->len; k++) {
        const struct settings_controller *c = p->s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            g_autofree char *is = g_strdup_printf("%s:%u:%u", c->name, a->port, a->device);
            if (strcmp(is, place) == 0)
                return values_found(p->service, g_variant_ref_sink(values(p, c, a)));
        }
    }
    return NULL;
}

static const struct bus_property properties[] = {
    VALUE("Controller"),     VALUE("Port"),           VALUE("Device"),        VALUE("Type"),
    VALUE("Medium"),         VALUE("Location"),       VALUE("HostDrive"),     VALUE("Passthrough"),
    VALUE("TemporaryEject"), VALUE("IsEjected"),      VALUE("NonRotational"), VALUE("Discard"),
    VALUE("HotPluggable"),   VALUE("BandwidthGroup"), VALUE("Machine"),       {NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {.info = (GDBusInterfaceInfo *)&api_imedium_attachment_interface,
                                               .properties = properties};
const struct bus_class attachment_class = {
    .folder = API_ROOT "/attachment", .interfaces = BUS_INTERFACES(&interface), .find = find};

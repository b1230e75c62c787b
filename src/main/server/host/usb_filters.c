/*
 * usb_filters.c - which USB devices go where: the ordered lists of a machine and of the host, for IMachine and IHost.
 *
 * A filter is a dictionary on the bus; what is not in it stays as it is. A position beyond the end means the end.
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/host/host.h"
#include "main/server/machine/machine.h"

#define F           struct settings_usb_filter
#define FILTERS_MAX 256u

static bool is_hex4(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");

    return g_str_has_prefix(text, "int:") || (n <= 4 && text[n] == '\0');
}

static bool is_hex(const char *text)
{
    return g_str_has_prefix(text, "int:") || text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

static bool is_remote(const char *text)
{
    return strcmp(text, "yes") == 0 || strcmp(text, "no") == 0;
}

static bool is_text(const char *text)
{
    return strlen(text) <= 255;
}

static const struct {
    const char *key, *what;
    size_t offset;
    bool (*valid)(const char *text);
} texts[] = {
    {"Name", "name", offsetof(F, name), is_text},
    {"VendorId", "vendor ID", offsetof(F, vendor_id), is_hex4},
    {"ProductId", "product ID", offsetof(F, product_id), is_hex4},
    {"Revision", "revision", offsetof(F, revision), is_hex4},
    {"Manufacturer", "manufacturer", offsetof(F, manufacturer), is_text},
    {"Product", "product", offsetof(F, product), is_text},
    {"SerialNumber", "serial number", offsetof(F, serial_number), is_text},
    {"Port", "port", offsetof(F, port), is_hex},
    {"Remote", "remote state", offsetof(F, remote), is_remote},
};

static char **text_at(F *f, unsigned k)
{
    return (char **)((char *)f + texts[k].offset);
}

GVariant *usb_filter_values(F *f, bool global)
{
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++)
        g_variant_dict_insert(&d, texts[k].key, "s", *text_at(f, k) != NULL ? *text_at(f, k) : "");
    g_variant_dict_insert(&d, "Active", "b", f->active);
    if (global)
        g_variant_dict_insert(&d, "Action", "s", f->action == FILTER_HOLD ? "Hold" : "Ignore");
    else
        g_variant_dict_insert(&d, "MaskedInterfaces", "u", f->masked_interfaces);
    return g_variant_dict_end(&d);
}

GVariant *usb_filters_describe(const GPtrArray *list, bool global)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < list->len; k++)
        g_variant_builder_add_value(&b, usb_filter_values(list->pdata[k], global));
    return g_variant_builder_end(&b);
}

bool usb_filter_check(GVariant *dict, GError **error)
{
    const char *text;

    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++)
        if (g_variant_lookup(dict, texts[k].key, "&s", &text) && *text != '\0' && !texts[k].valid(text))
            return api_fail(error, E_INVALIDARG, "Invalid %s '%s' of a USB filter", texts[k].what, text);
    if (g_variant_lookup(dict, "Action", "&s", &text) && strcmp(text, "Hold") != 0 && strcmp(text, "Ignore") != 0)
        return api_fail(error, E_INVALIDARG, "Invalid action '%s' of a USB filter (must be Ignore or Hold)", text);
    return true;
}

void usb_filter_apply(F *f, GVariant *dict)
{
    const char *text;
    gboolean active;
    guint32 masked;

    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++) {
        if (!g_variant_lookup(dict, texts[k].key, "&s", &text))
            continue;
        char **at = text_at(f, k);
        g_free(*at);
        *at = *text != '\0' || k == 0 ? g_strdup(text) : NULL;
    }
    if (g_variant_lookup(dict, "Active", "b", &active))
        f->active = active;
    if (g_variant_lookup(dict, "MaskedInterfaces", "u", &masked))
        f->masked_interfaces = masked;
    if (g_variant_lookup(dict, "Action", "&s", &text))
        f->action = strcmp(text, "Hold") == 0 ? FILTER_HOLD : FILTER_IGNORE;
}

bool usb_filters_insert(GPtrArray *list, GVariant *args, bool global, GError **error)
{
    g_autoptr(GVariant) dict = NULL;
    guint32 position;

    g_variant_get(args, "(u@a{sv})", &position, &dict);
    if (!usb_filter_check(dict, error))
        return false;
    if (list->len >= FILTERS_MAX)
        return api_fail(error, VBOX_E_MAXIMUM_REACHED, "There are %u USB filters already", list->len);
    F *f = settings_usb_filter_new();
    f->action = global ? FILTER_IGNORE : FILTER_NONE;
    usb_filter_apply(f, dict);
    g_ptr_array_insert(list, (int)MIN(position, list->len), f);
    return true;
}

bool usb_filters_modify(GPtrArray *list, GVariant *args, GError **error)
{
    g_autoptr(GVariant) dict = NULL;
    guint32 position;

    g_variant_get(args, "(u@a{sv})", &position, &dict);
    if (position >= list->len)
        return api_fail(error, E_INVALIDARG, "Invalid position of a USB filter: %u (there are %u)", position,
                        list->len);
    if (!usb_filter_check(dict, error))
        return false;
    usb_filter_apply(list->pdata[position], dict);
    return true;
}

bool usb_filters_remove(GPtrArray *list, GVariant *args, GError **error)
{
    guint32 position;

    g_variant_get(args, "(u)", &position);
    if (position >= list->len)
        return api_fail(error, E_INVALIDARG, "Invalid position of a USB filter: %u (there are %u)", position,
                        list->len);
    g_ptr_array_remove_index(list, position);
    return true;
}

/* ---- the host's; saved at once ---- */

static bool saved(struct service *s, GError **error)
{
    if (!service_save(s, error))
        return false;
    service_emit(s, "USBFiltersChanged", g_variant_new("()"));
    return true;
}

bool usb_filters_host_get(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->object;
    GVariant *list = usb_filters_describe(s->global->usb_filters, true);

    (void)error;
    *ret = g_variant_new_tuple(&list, 1);
    return true;
}

bool usb_filters_host_insert(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;

    (void)ret;
    return usb_filters_insert(s->global->usb_filters, call->args, true, error) && saved(s, error);
}

bool usb_filters_host_modify(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;

    (void)ret;
    return usb_filters_modify(s->global->usb_filters, call->args, error) && saved(s, error);
}

bool usb_filters_host_remove(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;

    (void)ret;
    return usb_filters_remove(s->global->usb_filters, call->args, error) && saved(s, error);
}

/* ---- sources ---- */

static guint source_named(const struct service *s, const char *name)
{
    return LIST_FIND(s->global->usb_sources, settings_usb_source, name);
}

bool usb_sources_add(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *backend, *name, *address;

    (void)ret;
    g_variant_get(call->args, "(&s&s&s)", &backend, &name, &address);
    if (strcmp(backend, "USBIP") != 0)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND,
                        "The USB device source backend '%s' is unknown (there is USBIP)", backend);
    if (*name == '\0' || *address == '\0')
        return api_fail(error, E_INVALIDARG, "A USB device source needs a name and an address");
    if (source_named(s, name) != G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "The USB device source '%s' exists already", name);
    struct settings_usb_source *source = settings_usb_source_new();
    g_free(source->name);
    g_free(source->backend);
    g_free(source->address);
    source->name = g_strdup(name);
    source->backend = g_strdup(backend);
    source->address = g_strdup(address);
    g_ptr_array_add(s->global->usb_sources, source);
    return service_save(s, error);
}

bool usb_sources_remove(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    guint n = source_named(s, name);
    if (n == G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "The USB device source '%s' could not be found", name);
    g_ptr_array_remove_index(s->global->usb_sources, n);
    return service_save(s, error);
}

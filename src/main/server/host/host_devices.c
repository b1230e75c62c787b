/*
 * host_devices.c - IHost's devices: cameras and USB devices.
 *
 * Source: sysfs (/sys/class/video4linux, /sys/bus/usb/devices).
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/host/host.h"

#define LIST_MAX 256u

/* A file of sysfs as one line without its end; "" if it cannot be read. */
char *sys_text(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    char *valid = g_utf8_make_valid(g_strstrip(text), -1);
    g_free(text);
    return valid;
}

guint64 sys_number(const char *folder, const char *name, int base)
{
    g_autofree char *text = sys_text(folder, name);

    return g_ascii_strtoull(text, NULL, base);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *sys_names(const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const char *name = dir != NULL ? g_dir_read_name(dir) : NULL; name != NULL && names->len < LIST_MAX;
         name = g_dir_read_name(dir))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_text);
    return names;
}

char *sys_id(const char *path)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

    return g_strdup_printf("%.8s-%.4s-5%.3s-8%.3s-%.12s", sum, sum + 8, sum + 12, sum + 15, sum + 18);
}

bool host_get_video_inputs(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char folder[] = "/sys/class/video4linux";
    g_autoptr(GPtrArray) names = sys_names(folder);
    GVariantBuilder b;

    (void)call, (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < names->len; k++) {
        g_autofree char *one = g_build_filename(folder, names->pdata[k], NULL);
        g_autofree char *name = sys_text(one, "name");
        g_autofree char *path = g_strconcat("/dev/", names->pdata[k], NULL);
        g_autofree char *alias = g_strdup_printf(".%u", k + 1);
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Alias", "s", alias);
        g_variant_dict_insert(&d, "Name", "s", name);
        g_variant_dict_insert(&d, "Path", "s", path);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    *ret = g_variant_new("(aa{sv})", &b);
    return true;
}

/* ---- USB ---- */

static GVariant *usb_device(const char *folder)
{
    static const char *const texts[][2] = {
        {"Manufacturer", "manufacturer"}, {"Product", "product"}, {"SerialNumber", "serial"}, {"Speed", "speed"}};
    static const char *const numbers[][2] = {
        {"VendorId", "idVendor"}, {"ProductId", "idProduct"}, {"Revision", "bcdDevice"}};
    g_autofree char *id = sys_id(folder), *version = sys_text(folder, "version"), *port = sys_text(folder, "devpath");
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Id", "s", id);
    g_variant_dict_insert(&d, "Address", "s", folder);
    g_variant_dict_insert(&d, "PortPath", "s", port);
    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++) {
        g_autofree char *text = sys_text(folder, texts[k][1]);
        g_variant_dict_insert(&d, texts[k][0], "s", text);
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(numbers); k++)
        g_variant_dict_insert(&d, numbers[k][0], "u", (guint32)sys_number(folder, numbers[k][1], 16));
    g_variant_dict_insert(&d, "Version", "u", (guint32)g_ascii_strtoull(version, NULL, 10));
    g_variant_dict_insert(&d, "Port", "u", (guint32)g_ascii_strtoull(port, NULL, 10));
    g_variant_dict_insert(&d, "State", "s", "Busy");
    return g_variant_dict_end(&d);
}

static GVariant *usb_devices(void)
{
    static const char folder[] = "/sys/bus/usb/devices";
    g_autoptr(GPtrArray) names = sys_names(folder);
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < names->len; k++) {
        const char *name = names->pdata[k];
        g_autofree char *one = g_build_filename(folder, name, NULL);
        if (strchr(name, ':') == NULL && !g_str_has_prefix(name, "usb")) /* no interfaces, no root hubs */
            g_variant_builder_add_value(&b, usb_device(one));
    }
    return g_variant_builder_end(&b);
}

bool host_get_usb_devices(struct bus_call *call, GVariant **ret, GError **error)
{
    GVariant *list = usb_devices();

    (void)call, (void)error;
    *ret = g_variant_new_tuple(&list, 1);
    return true;
}

/* The device whose @key is the call's argument. */
static bool find_usb_by(struct bus_call *call, const char *key, GVariant **ret, GError **error)
{
    const char *wanted;

    g_variant_get(call->args, "(&s)", &wanted);
    g_autoptr(GVariant) found = values_pick(usb_devices(), key, wanted);
    if (found == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a USB device with %s '%s'",
                        strcmp(key, "Id") == 0 ? "uuid" : "address", wanted);
    *ret = g_variant_new("(@a{sv})", found);
    return true;
}

bool host_find_usb_id(struct bus_call *call, GVariant **ret, GError **error)
{
    return find_usb_by(call, "Id", ret, error);
}

bool host_find_usb_address(struct bus_call *call, GVariant **ret, GError **error)
{
    return find_usb_by(call, "Address", ret, error);
}

static void *find_usb(void *user, struct bus_peer *peer, const char *node)
{
    char id[API_UUID_SIZE];

    (void)peer;
    return api_node_to_uuid(node, id) ? values_found(user, values_pick(usb_devices(), "Id", id)) : NULL;
}

static const struct bus_property usb_properties[] = {
    VALUE("Id"),      VALUE("VendorId"),     VALUE("ProductId"), VALUE("Revision"),       VALUE("Manufacturer"),
    VALUE("Product"), VALUE("SerialNumber"), VALUE("Address"),   VALUE("PortPath"),       VALUE("Port"),
    VALUE("Version"), VALUE("Speed"),        VALUE("State"),     {NULL, NULL, NULL, NULL}};
static const struct bus_interface usb_interface = {.info = (GDBusInterfaceInfo *)&api_ihost_usbdevice_interface,
                                                   .properties = usb_properties};
const struct bus_class usb_device_class = {
    .folder = API_ROOT "/hostusbdevice", .interfaces = BUS_INTERFACES(&usb_interface), .find = find_usb};

/*
 * info_storage.c - showvminfo's lines about storage controllers and what is attached to them.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

static void show_controllers(const struct info *i, GVariant *list)
{
    static const struct {
        const char *key, *property;
    } rows[] = {{"name", "Name"},
                {"type", "ControllerType"},
                {"instance", "Instance"},
                {"maxportcount", "MaxPortCount"},
                {"portcount", "PortCount"}};

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) c = g_variant_get_child_value(list, k);
        for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
            g_autofree char *key = g_strdup_printf("storagecontroller%s%u", rows[n].key, (unsigned)k);
            g_autofree char *text = n < 2 ? g_strdup(dict_str(c, rows[n].property))
                                          : g_strdup_printf("%d", (int)dict_int(c, rows[n].property));
            info_text(i, key, "", text);
        }
        g_autofree char *key = g_strdup_printf("storagecontrollerbootable%u", (unsigned)k);
        info_bool(i, key, "", dict_bool(c, "Bootable"));
    }
}

static GVariant *attached_at(GVariant *list, const char *controller, int port, int device)
{
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        GVariant *a = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(a, "Controller"), controller) == 0 && dict_int(a, "Port") == port &&
            dict_int(a, "Device") == device)
            return a;
        g_variant_unref(a);
    }
    return NULL;
}

static void place_text(const struct info *i, const char *name, const char *what, int port, int device, const char *text)
{
    g_autofree char *key = g_strdup_printf("\"%s%s%s-%d-%d\"", name, *what != '\0' ? "-" : "", what, port, device);

    info_text(i, key, "", text);
}

static void place_flag(const struct info *i, const char *name, GVariant *a, const char *property, const char *key,
                       int port, int device)
{
    place_text(i, name, key, port, device, on_off(dict_bool(a, property)));
}

static void show_place(const struct info *i, const char *name, GVariant *a, int port, int device)
{
    if (a == NULL) {
        place_text(i, name, "", port, device, "none");
        return;
    }
    bool dvd = strcmp(dict_str(a, "Type"), "DVD") == 0;
    if (*dict_str(a, "Location") == '\0') {
        place_text(i, name, "", port, device, "emptydrive");
        if (dvd)
            place_flag(i, name, a, "IsEjected", "IsEjected", port, device);
        return;
    }
    place_text(i, name, "", port, device, dict_str(a, "Location"));
    place_text(i, name, "ImageUUID", port, device, dict_str(a, "Medium"));
    if (dict_bool(a, "Passthrough"))
        place_text(i, name, "dvdpassthrough", port, device, "on");
    if (dvd) {
        place_flag(i, name, a, "TemporaryEject", "tempeject", port, device);
        place_flag(i, name, a, "IsEjected", "IsEjected", port, device);
    }
    if (g_ascii_strcasecmp(name, "SATA") == 0 || g_ascii_strcasecmp(name, "USB") == 0) /* by name: so it is */
        place_flag(i, name, a, "HotPluggable", "hot-pluggable", port, device);
    place_flag(i, name, a, "NonRotational", "nonrotational", port, device);
    place_flag(i, name, a, "Discard", "discard", port, device);
}

static void show_places(const struct info *i, GVariant *controllers, GVariant *attachments)
{
    for (gsize k = 0; k < g_variant_n_children(controllers); k++) {
        g_autoptr(GVariant) c = g_variant_get_child_value(controllers, k);
        for (int port = 0; port < dict_int(c, "PortCount"); port++)
            for (int device = 0; device < dict_int(c, "MaxDevicesPerPortCount"); device++) {
                g_autoptr(GVariant) a = attached_at(attachments, dict_str(c, "Name"), port, device);
                show_place(i, dict_str(c, "Name"), a, port, device);
            }
    }
}

static void show_attachment(GVariant *a)
{
    static const struct {
        const char *property, *text;
        bool empty; /* said of an empty drive, too */
    } flags[] = {{"Passthrough", "passthrough enabled", false},
                 {"TemporaryEject", "temp eject", true},
                 {"IsEjected", "ejected", true},
                 {"HotPluggable", "hot-pluggable", false},
                 {"NonRotational", "non-rotational (SSD)", false},
                 {"Discard", "discards unused blocks", false}};
    const bool empty = *dict_str(a, "Location") == '\0';

    printf("  Port %d, Unit %d: ", (int)dict_int(a, "Port"), (int)dict_int(a, "Device"));
    printf("%s%s", empty ? "Empty" : "UUID: ", empty ? "" : dict_str(a, "Medium"));
    for (unsigned k = 0; k < G_N_ELEMENTS(flags); k++)
        if (dict_bool(a, flags[k].property) && (!empty || flags[k].empty))
            printf(", %s", flags[k].text);
    printf("\n");
    if (!empty)
        printf("    Location: \"%s\"\n", dict_str(a, "Location"));
}

static void show_storage_human(GVariant *controllers, GVariant *attachments)
{
    printf("Storage Controllers:%s\n", g_variant_n_children(controllers) == 0 ? "         <none>" : "");
    for (gsize k = 0; k < g_variant_n_children(controllers); k++) {
        g_autoptr(GVariant) c = g_variant_get_child_value(controllers, k);
        printf("#%u: '%s', Type: %s, Instance: %d, Ports: %d (max %d), %s\n", (unsigned)k, dict_str(c, "Name"),
               dict_str(c, "ControllerType"), (int)dict_int(c, "Instance"), (int)dict_int(c, "PortCount"),
               (int)dict_int(c, "MaxPortCount"), dict_bool(c, "Bootable") ? "Bootable" : "Not bootable");
        for (gsize n = 0; n < g_variant_n_children(attachments); n++) {
            g_autoptr(GVariant) a = g_variant_get_child_value(attachments, n);
            if (strcmp(dict_str(a, "Controller"), dict_str(c, "Name")) == 0)
                show_attachment(a);
        }
    }
}

void info_storage(const struct info *i)
{
    g_autoptr(GVariant) controllers = field_list(i, "StorageControllers");
    g_autoptr(GVariant) attachments = field_list(i, "MediumAttachments");

    if (!i->machine_readable) {
        show_storage_human(controllers, attachments);
        return;
    }
    show_controllers(i, controllers);
    show_places(i, controllers, attachments);
}

/*
 * host_drives.c - IHost: disks, optical and floppy drives of this host.
 *
 * Source: sysfs (/sys/block). A disk this user may not read is known by its name and model alone, as VirtualBox has it.
 */
#include <string.h>
#include <unistd.h>

#include "main/server/host/host.h"

static const char *drive_type(const char *name)
{
    if (g_str_has_prefix(name, "sr"))
        return "DVD";
    if (g_str_has_prefix(name, "fd"))
        return "Floppy";
    static const char *const disks[] = {"sd", "hd", "vd", "xvd", "nvme", "mmcblk"};
    for (unsigned k = 0; k < G_N_ELEMENTS(disks); k++)
        if (g_str_has_prefix(name, disks[k]))
            return "HardDisk";
    return NULL;
}

/* Drives of the kind @wanted: "aa{sv}", floating. */
static GVariant *drives_of(const char *wanted)
{
    g_autoptr(GPtrArray) names = sys_names("/sys/block");
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < names->len; k++) {
        const char *name = names->pdata[k], *type = drive_type(name);
        g_autofree char *folder = g_build_filename("/sys/block", name, NULL);
        g_autofree char *path = g_strconcat("/dev/", name, NULL);
        if (type == NULL || strcmp(type, wanted) != 0)
            continue;
        g_autofree char *model = sys_text(folder, "device/model"), *id = sys_id(path);
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Id", "s", id);
        g_variant_dict_insert(&d, "Name", "s", path);
        g_variant_dict_insert(&d, "Model", "s", model);
        g_variant_dict_insert(&d, "Limited", "b", access(path, R_OK) != 0);
        g_variant_dict_insert(&d, "Size", "x", (gint64)sys_number(folder, "size", 10) * 512);
        g_variant_dict_insert(&d, "SectorSize", "u", (guint32)sys_number(folder, "queue/logical_block_size", 10));
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    return g_variant_builder_end(&b);
}

bool host_get_drives(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *wanted;

    (void)error;
    g_variant_get(call->args, "(&s)", &wanted);
    *ret = g_variant_new("(@aa{sv})", drives_of(wanted));
    return true;
}

/* @called: as the error has it. */
static bool find_drive(struct bus_call *call, const char *kind, const char *called, GVariant **ret, GError **error)
{
    const char *wanted;

    g_variant_get(call->args, "(&s)", &wanted);
    g_autoptr(GVariant) by_name = values_pick(drives_of(kind), "Name", wanted);
    g_autoptr(GVariant) found = by_name != NULL ? g_variant_ref(by_name) : values_pick(drives_of(kind), "Id", wanted);
    if (found == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "The host %s drive named '%s' could not be found", called,
                        wanted);
    *ret = g_variant_new("(@a{sv})", found);
    return true;
}

bool host_find_dvd(struct bus_call *call, GVariant **ret, GError **error)
{
    return find_drive(call, "DVD", "DVD", ret, error);
}

bool host_find_floppy(struct bus_call *call, GVariant **ret, GError **error)
{
    return find_drive(call, "Floppy", "floppy", ret, error);
}

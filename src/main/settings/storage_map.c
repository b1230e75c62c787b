/*
 * storage_map.c - tables of storage controllers, attachments and registered media.
 *
 * Versions: up to 1.8 DVD and floppy drives stood in Hardware (layout.c); a port is hot-pluggable up to 1.14 if, and
 * only if, its controller is AHCI.
 */
#include "main/settings/storage.h"

#include <string.h>

#include "main/settings/hardware.h"
#include "main/settings/map_rows.h"

#define T struct settings_property
const struct map_type map_property = {ITEM_TYPE(property), .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED),
                                                                          STR("value", value, .flags = ATTR_ALWAYS))};
#undef T

/* ---- attachments ---- */

#define T struct settings_attachment
static bool is_dvd(const void *s)
{
    return ((const T *)s)->kind == DEVICE_DVD;
}

static char *check_attachment(const void *item)
{
    const T *a = item;

    if (a->kind != DEVICE_HARD_DISK && a->kind != DEVICE_DVD && a->kind != DEVICE_FLOPPY)
        return g_strdup("AttachedDevice/@type must be one of: HardDisk, DVD, Floppy");
    if (a->kind == DEVICE_HARD_DISK && a->image_uuid == NULL)
        return g_strdup_printf("The hard disk at port %u, device %u is attached without an image", a->port, a->device);
    return NULL;
}

const struct map_type map_attachment = {
    ITEM_TYPE(attachment), .line = offsetof(T, line), .check = check_attachment,
    .attrs = ATTRS(BOOL("passthrough", passthrough, false, .when = is_dvd), BOOL("tempeject", temp_eject, false),
                   BOOL("nonrotational", non_rotational, false), BOOL("discard", discard, false),
                   ENUM("type", kind, device, DEVICE_NONE, .flags = ATTR_REQUIRED),
                   BOOL("hotpluggable", hotpluggable, false, .since = 15, .flags = ATTR_ALWAYS | ATTR_MOVED),
                   U32("port", port, 0, .flags = ATTR_REQUIRED, .max = 255),
                   U32("device", device, 0, .flags = ATTR_REQUIRED, .max = 1),
                   STR("bandwidthGroup", bandwidth_group, .since = 11)),
    .elems = ELEMS(ONE("Image", WITH_ATTRS(UUID("uuid", image_uuid))),
                   ONE("HostDrive", WITH_ATTRS(STR("src", host_drive))))};
#undef T

/* ---- controllers ---- */

#define T struct settings_controller
static bool is_ahci(const void *s)
{
    return ((const T *)s)->type == CONTROLLER_AHCI;
}

static void controller_loaded(void *item, unsigned version)
{
    static const uint32_t ports[] = {
        [CONTROLLER_PIIX3] = 2,        [CONTROLLER_PIIX4] = 2,       [CONTROLLER_ICH6] = 2,
        [CONTROLLER_AHCI] = 1,         [CONTROLLER_LSILOGIC] = 16,   [CONTROLLER_BUSLOGIC] = 16,
        [CONTROLLER_LSILOGIC_SAS] = 8, [CONTROLLER_I82078] = 1,      [CONTROLLER_USB] = 8,
        [CONTROLLER_NVME] = 1,         [CONTROLLER_VIRTIO_SCSI] = 1, [CONTROLLER_VIRTIO_BLK] = 1};
    T *c = item;

    if (c->port_count == 0)
        c->port_count = ports[c->type];
    for (guint k = 0; version < 15 && k < c->attachments->len; k++)
        ((struct settings_attachment *)c->attachments->pdata[k])->hotpluggable = is_ahci(c);
}

static char *check_controller(const void *item)
{
    const T *c = item;
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);

    for (guint k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *a = c->attachments->pdata[k];
        if (!g_hash_table_add(taken, GUINT_TO_POINTER(a->port << 8 | a->device)))
            return g_strdup_printf("Port %u, device %u of controller '%s' is already taken", a->port, a->device,
                                   c->name);
    }
    return NULL;
}

static unsigned controller_need(const void *item)
{
    static const unsigned since[] = {
        [CONTROLLER_USB] = 15, [CONTROLLER_NVME] = 16, [CONTROLLER_VIRTIO_SCSI] = 18, [CONTROLLER_VIRTIO_BLK] = 18};
    const T *c = item;
    unsigned need = c->type < G_N_ELEMENTS(since) ? since[c->type] : 0;

    for (guint k = 0; k < c->attachments->len; k++)
        if (((struct settings_attachment *)c->attachments->pdata[k])->hotpluggable != is_ahci(c))
            need = MAX(need, 15);
    if (!c->host_io_cache && c->attachments->len > 0)
        need = MAX(need, 10);
    return need;
}

const struct map_type map_controller = {
    ITEM_TYPE(controller),
    .line = offsetof(T, line),
    .loaded = controller_loaded,
    .check = check_controller,
    .need = controller_need,
    .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED),
                   ENUM("type", type, controller_type, CONTROLLER_PIIX3, .flags = ATTR_REQUIRED),
                   U32("PortCount", port_count, 0, .flags = ATTR_ALWAYS, .max = 256),
                   U32("Instance", instance, 0, .since = 9),
                   BOOL("useHostIOCache", host_io_cache, true, .since = 10, .flags = ATTR_ALWAYS | ATTR_MOVED),
                   BOOL("Bootable", bootable, true, .since = 11, .flags = ATTR_ALWAYS),
                   U32("IDE0MasterEmulationPort", ide_emulation[0], 0, .when = is_ahci),
                   U32("IDE0SlaveEmulationPort", ide_emulation[1], 1, .when = is_ahci),
                   U32("IDE1MasterEmulationPort", ide_emulation[2], 2, .when = is_ahci),
                   U32("IDE1SlaveEmulationPort", ide_emulation[3], 3, .when = is_ahci)),
    .elems = ELEMS(LIST("AttachedDevice", attachments, &map_attachment))};
#undef T

/* ---- media ---- */

#define T struct settings_medium
static bool is_base(const void *s)
{
    return ((const T *)s)->depth == 0;
}

static void disk_loaded(void *item, unsigned version)
{
    T *m = item;

    (void)version;
    if (m->format == NULL)
        m->format = g_strdup("VDI");
}

/* Optical and floppy images are media too: what only hard disks have keeps its default. */
const struct map_type map_medium = {
    ITEM_TYPE(medium),
    .line = offsetof(T, line),
    .loaded = disk_loaded,
    .nest = "HardDisk",
    .attrs = ATTRS(UUID("uuid", uuid, .flags = ATTR_REQUIRED), STR("location", location, .flags = ATTR_REQUIRED),
                   STR("format", format, .flags = ATTR_ALWAYS), BOOL("autoReset", auto_reset, false),
                   ENUM("type", type, medium_type, MEDIUM_NORMAL, .when = is_base)),
    .elems = ELEMS(ONE("Description", WITH_ATTRS(STR("", description))), LIST("Property", properties, &map_property))};

static const struct map_type map_image = {
    ITEM_TYPE(medium), .line = offsetof(T, line),
    .attrs = ATTRS(UUID("uuid", uuid, .flags = ATTR_REQUIRED), STR("location", location, .flags = ATTR_REQUIRED),
                   STR("format", format)),
    .elems = ELEMS(ONE("Description", WITH_ATTRS(STR("", description))), LIST("Property", properties, &map_property))};
#undef T

#define T struct settings_media
const struct map_type map_media = {.elems =
                                       ELEMS(ONE("HardDisks", WITH_ELEMS(TREE("HardDisk", disks, &map_medium))),
                                             ONE("DVDImages", WITH_ELEMS(LIST("Image", dvds, &map_image))),
                                             ONE("FloppyImages", WITH_ELEMS(LIST("Image", floppies, &map_image))))};
#undef T

struct settings_medium *settings_media_find(const struct settings_media *m, const char *uuid,
                                            enum settings_device *ret_kind)
{
    const struct {
        const GPtrArray *list;
        enum settings_device kind;
    } lists[] = {{m->disks, DEVICE_HARD_DISK}, {m->dvds, DEVICE_DVD}, {m->floppies, DEVICE_FLOPPY}};

    for (unsigned n = 0; n < G_N_ELEMENTS(lists); n++) {
        for (guint k = 0; k < lists[n].list->len; k++) {
            struct settings_medium *found = lists[n].list->pdata[k];
            if (strcmp(found->uuid, uuid) == 0) {
                if (ret_kind != NULL)
                    *ret_kind = lists[n].kind;
                return found;
            }
        }
    }
    return NULL;
}

/*
 * guest_types.c - IGuestOSType: the table of guest_types.def.
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"

static const struct guest_type types[] = {
#define TYPE(...) {__VA_ARGS__},
#include "main/server/virtualbox/guest_types.def"
#undef TYPE
};

const struct guest_type *guest_type_find(const char *id)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++)
        if (id != NULL && g_ascii_strcasecmp(types[k].id, id) == 0)
            return &types[k];
    return NULL;
}

const char *guest_type_description(const char *id)
{
    const struct guest_type *t = guest_type_find(id);

    return t != NULL ? t->description : id != NULL ? id : "";
}

bool guest_type_hint(const struct guest_type *t, const char *hint)
{
    g_auto(GStrv) words = g_strsplit(t->hints, " ", -1);

    return g_strv_contains((const char *const *)words, hint);
}

/* Properties that are a word among the hints. */
static const char *const hinted[][2] = {
    {"RecommendedIOAPIC", "X86_IOAPIC"},
    {"RecommendedVirtEx", "X86_HWVIRTEX"},
    {"RecommendedPAE", "X86_PAE"},
    {"RecommendedHPET", "X86_HPET"},
    {"RecommendedX2APIC", "X86_X2APIC"},
    {"RecommendedTFReset", "TFRESET"},
    {"RecommendedUSBTablet", "USBTABLET"},
    {"RecommendedUSBHID", "USBHID"},
    {"RecommendedUSB3", "USB3"},
    {"RecommendedFloppy", "FLOPPY"},
    {"RecommendedRTCUseUTC", "RTCUTC"},
    {"RecommendedSecureBoot", "EFI_SECUREBOOT"},
    {"RecommendedWDDMGraphics", "WDDM_GRAPHICS"},
};

static GVariant *values(const struct guest_type *t)
{
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Id", "s", t->id);
    g_variant_dict_insert(&d, "Description", "s", t->description);
    g_variant_dict_insert(&d, "FamilyId", "s", t->family);
    g_variant_dict_insert(&d, "FamilyDescription", "s", t->family_description);
    g_variant_dict_insert(&d, "Is64Bit", "b", t->is_64_bit);
    g_variant_dict_insert(&d, "RecommendedCPUCount", "u", t->cpus);
    g_variant_dict_insert(&d, "RecommendedRAM", "u", t->ram_mib);
    g_variant_dict_insert(&d, "RecommendedVRAM", "u", t->vram_mib);
    g_variant_dict_insert(&d, "RecommendedHDD", "t", (guint64)t->disk_gib << 30);
    g_variant_dict_insert(&d, "RecommendedGraphicsController", "s", t->graphics);
    g_variant_dict_insert(&d, "AdapterType", "s", t->adapter);
    g_variant_dict_insert(&d, "RecommendedDVDStorageController", "s", t->dvd_controller);
    g_variant_dict_insert(&d, "RecommendedHDStorageController", "s", t->disk_controller);
    g_variant_dict_insert(&d, "RecommendedChipset", "s", t->chipset);
    g_variant_dict_insert(&d, "RecommendedAudioController", "s", t->audio);
    g_variant_dict_insert(&d, "RecommendedFirmware", "s", guest_type_hint(t, "EFI") ? "EFI" : "BIOS");
    g_variant_dict_insert(&d, "RecommendedTpmType", "s", guest_type_hint(t, "TPM2") ? "v2_0" : "None");
    g_variant_dict_insert(&d, "RecommendedUSB", "b", !guest_type_hint(t, "NOUSB"));
    for (unsigned k = 0; k < G_N_ELEMENTS(hinted); k++)
        g_variant_dict_insert(&d, hinted[k][0], "b", guest_type_hint(t, hinted[k][1]));
    return g_variant_dict_end(&d);
}

GVariant *guest_types(void)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++)
        g_variant_builder_add_value(&b, values(&types[k]));
    return g_variant_builder_end(&b);
}

/* ---- IGuestOSType ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    g_autofree char *id = api_node_unescape(node);
    const struct guest_type *t = guest_type_find(id);

    (void)peer;
    return values_found(user, t != NULL ? g_variant_ref_sink(values(t)) : NULL);
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++)
        g_ptr_array_add(nodes, api_node_escape(types[k].id));
}

bool virtualbox_get_guest_type(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *id;

    g_variant_get(call->args, "(&s)", &id);
    const struct guest_type *t = guest_type_find(id);
    if (t == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "'%s' is not a valid Guest OS type", id);
    g_autofree char *node = api_node_escape(t->id);
    g_autofree char *path = g_strconcat(API_ROOT "/guestostype/", node, NULL);
    *ret = g_variant_new("(o)", path);
    return true;
}

static const struct bus_property properties[] = {VALUE("Id"),
                                                 VALUE("Description"),
                                                 VALUE("FamilyId"),
                                                 VALUE("FamilyDescription"),
                                                 VALUE("Is64Bit"),
                                                 VALUE("RecommendedCPUCount"),
                                                 VALUE("RecommendedRAM"),
                                                 VALUE("RecommendedVRAM"),
                                                 VALUE("RecommendedHDD"),
                                                 VALUE("RecommendedGraphicsController"),
                                                 VALUE("AdapterType"),
                                                 VALUE("RecommendedDVDStorageController"),
                                                 VALUE("RecommendedHDStorageController"),
                                                 VALUE("RecommendedChipset"),
                                                 VALUE("RecommendedAudioController"),
                                                 VALUE("RecommendedFirmware"),
                                                 VALUE("RecommendedTpmType"),
                                                 VALUE("RecommendedUSB"),
                                                 VALUE("RecommendedIOAPIC"),
                                                 VALUE("RecommendedVirtEx"),
                                                 VALUE("RecommendedPAE"),
                                                 VALUE("RecommendedHPET"),
                                                 VALUE("RecommendedX2APIC"),
                                                 VALUE("RecommendedTFReset"),
                                                 VALUE("RecommendedUSBTablet"),
                                                 VALUE("RecommendedUSBHID"),
                                                 VALUE("RecommendedUSB3"),
                                                 VALUE("RecommendedFloppy"),
                                                 VALUE("RecommendedRTCUseUTC"),
                                                 VALUE("RecommendedSecureBoot"),
                                                 VALUE("RecommendedWDDMGraphics"),
                                                 {NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {.info = (GDBusInterfaceInfo *)&api_iguest_ostype_interface,
                                               .properties = properties};
const struct bus_class guest_type_class = {
    .folder = API_ROOT "/guestostype", .interfaces = BUS_INTERFACES(&interface), .find = find, .list = list};

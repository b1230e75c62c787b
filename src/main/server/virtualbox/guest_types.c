/*
 * guest_types.c - IGuestOSType as values: the table of guest_types.def.
 */
#include <string.h>

#include "main/server/objects.h"

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

GVariant *guest_types(void)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++) {
        const struct guest_type *t = &types[k];
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
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    return g_variant_builder_end(&b);
}

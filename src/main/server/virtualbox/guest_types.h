/*
 * guest_types.h - the operating systems a machine can be made for, and what each does best with.
 */
#ifndef MAIN_SERVER_VIRTUALBOX_GUEST_TYPES_H
#define MAIN_SERVER_VIRTUALBOX_GUEST_TYPES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_type {
    const char *id, *description, *family, *family_description;
    bool is_64_bit;
    uint32_t cpus, ram_mib, vram_mib, disk_gib;
    const char *graphics, *adapter, *dvd_controller, *disk_controller, *chipset, *audio, *hints;
};
GVariant *guest_types(void);
/** NULL: no such type. Any case. */
const struct guest_type *guest_type_find(const char *id);
bool guest_type_hint(const struct guest_type *t, const char *hint);
const char *guest_type_description(const char *id);

#endif

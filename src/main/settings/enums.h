/*
 * enums.h - enumerations of the settings format, made from enums.def.
 *
 * enum settings_chipset has CHIPSET_PIIX3 ...; settings_chipset_names[CHIPSET_PIIX3] is the word the file has for it,
 * and the array ends with NULL. Words are read without regard to case, written as they stand here. An empty word stands
 * for an attribute that is absent.
 */
#ifndef MAIN_SETTINGS_ENUMS_H
#define MAIN_SETTINGS_ENUMS_H

#define SETTINGS_ENUM_VALUE(constant, word) constant,
#define SETTINGS_ENUM(name, list)                                                                                      \
    enum settings_##name{list(SETTINGS_ENUM_VALUE)};                                                                   \
    extern const char *const settings_##name##_names[];
#include "main/settings/enums.def"
#undef SETTINGS_ENUM
#undef SETTINGS_ENUM_VALUE

/** settings_enum_find() - index of @word in @names (case-insensitive), or -1. */
int settings_enum_find(const char *const *names, const char *word);

#endif

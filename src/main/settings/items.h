/*
 * items.h - making and freeing the elements of the model's lists.
 *
 * settings_property_new() and so on: a new element has the defaults of the newest version and empty lists of its own.
 *
 *     struct settings_controller *c = settings_controller_new();
 *     c->name = g_strdup("IDE");
 *     g_ptr_array_add(m->hardware.controllers, c);
 */
#ifndef MAIN_SETTINGS_ITEMS_H
#define MAIN_SETTINGS_ITEMS_H

#define ITEM(name)                                                                                                     \
    struct settings_##name;                                                                                            \
    struct settings_##name *settings_##name##_new(void);                                                               \
    void settings_##name##_free(struct settings_##name *item);
#include "main/settings/items.def"
#undef ITEM

#endif

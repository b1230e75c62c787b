/* items.c - see items.h. */
#include "main/settings/items.h"

#include "main/settings/map_rows.h"

#define ITEM(n)                                                                                                        \
    struct settings_##n *settings_##n##_new(void)                                                                      \
    {                                                                                                                  \
        return map_new(&map_##n);                                                                                      \
    }                                                                                                                  \
    void settings_##n##_free(struct settings_##n *item)                                                                \
    {                                                                                                                  \
        map_free(&map_##n, item);                                                                                      \
    }                                                                                                                  \
    void map_##n##_release(void *item)                                                                                 \
    {                                                                                                                  \
        map_free(&map_##n, item);                                                                                      \
    }
#include "main/settings/items.def"
#undef ITEM

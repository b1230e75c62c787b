/*
 * map_rows.h - short forms for the rows of map.h's tables. T is the structure a table is about:
 *
 *     #define T struct settings_adapter
 *     BOOL("cable", cable, true, .old_until = 15, .old_def = false),
 */
#ifndef MAIN_SETTINGS_MAP_ROWS_H
#define MAIN_SETTINGS_MAP_ROWS_H

#include "main/settings/map.h"

/* The offset of @field in T, if it has the size of @type: a table cannot name a field of the wrong kind. */
#define FIELD(field, type) (offsetof(T, field) + 0 * sizeof(char[sizeof(((T *)0)->field) == sizeof(type) ? 1 : -1]))

#define STR(n, f, ...)                                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = MAP_STR, .at = FIELD(f, char *), __VA_ARGS__                                                \
    }
#define UUID(n, f, ...)                                                                                                \
    {                                                                                                                  \
        .name = n, .kind = MAP_UUID, .at = FIELD(f, char *), __VA_ARGS__                                               \
    }
#define BOOL(n, f, d, ...)                                                                                             \
    {                                                                                                                  \
        .name = n, .kind = MAP_BOOL, .at = FIELD(f, bool), .def = d, __VA_ARGS__                                       \
    }
#define BIT(n, f, d, ...)                                                                                              \
    {                                                                                                                  \
        .name = n, .kind = MAP_BIT, .at = FIELD(f, bool), .def = d, __VA_ARGS__                                        \
    }
#define U32(n, f, d, ...)                                                                                              \
    {                                                                                                                  \
        .name = n, .kind = MAP_U32, .at = FIELD(f, uint32_t), .def = d, __VA_ARGS__                                    \
    }
#define HEX(n, f, d, ...)                                                                                              \
    {                                                                                                                  \
        .name = n, .kind = MAP_HEX, .at = FIELD(f, uint32_t), .def = d, __VA_ARGS__                                    \
    }
#define U64(n, f, ...)                                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = MAP_U64, .at = FIELD(f, uint64_t), __VA_ARGS__                                              \
    }
#define MIB(n, f, ...)                                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = MAP_MIB, .at = FIELD(f, uint64_t), __VA_ARGS__                                              \
    }
#define I64(n, f, ...)                                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = MAP_I64, .at = FIELD(f, int64_t), __VA_ARGS__                                               \
    }
#define TIME(n, f, ...)                                                                                                \
    {                                                                                                                  \
        .name = n, .kind = MAP_TIME, .at = FIELD(f, int64_t), __VA_ARGS__                                              \
    }
#define ENUM(n, f, e, d, ...)                                                                                          \
    {                                                                                                                  \
        .name = n, .kind = MAP_ENUM, .at = FIELD(f, enum settings_##e), .names = settings_##e##_names, .def = d,       \
        __VA_ARGS__                                                                                                    \
    }
#define ATTRS(...)                                                                                                     \
    (const struct map_attr[])                                                                                          \
    {                                                                                                                  \
        __VA_ARGS__,                                                                                                   \
        {                                                                                                              \
            .name = NULL                                                                                               \
        }                                                                                                              \
    }

/* An element that is a part of T: its attributes and children name T's fields themselves. */
#define ONE(n, t, ...)                                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = ELEM_ONE, .type = t, __VA_ARGS__                                                            \
    }
/* An element for the structure @f of T, which has a table of its own. */
#define PART(n, f, t, ...)                                                                                             \
    {                                                                                                                  \
        .name = n, .kind = ELEM_ONE, .at = offsetof(T, f), .type = t, __VA_ARGS__                                      \
    }
#define LIST(n, f, t, ...)                                                                                             \
    {                                                                                                                  \
        .name = n, .kind = ELEM_LIST, .at = FIELD(f, GPtrArray *), .type = t, __VA_ARGS__                              \
    }
#define TREE(n, f, t, ...)                                                                                             \
    {                                                                                                                  \
        .name = n, .kind = ELEM_TREE, .at = FIELD(f, GPtrArray *), .type = t, __VA_ARGS__                              \
    }
#define SLOTS(n, f, t, b, ...)                                                                                         \
    {                                                                                                                  \
        .name = n, .kind = ELEM_SLOTS, .at = offsetof(T, f), .type = t, .slot_base = b,                                \
        .slots = G_N_ELEMENTS(((T *)0)->f), __VA_ARGS__                                                                \
    }
#define CHOSEN(f, v) .chosen = true, .choice = offsetof(T, f), .choice_value = v
#define SPARE(f, v)  CHOSEN(f, v), .spare = true
#define ELEMS(...)                                                                                                     \
    (const struct map_elem[])                                                                                          \
    {                                                                                                                  \
        __VA_ARGS__,                                                                                                   \
        {                                                                                                              \
            .name = NULL                                                                                               \
        }                                                                                                              \
    }

/* Types without fields of their own. */
#define WITH_ATTRS(...) (&(const struct map_type){.attrs = ATTRS(__VA_ARGS__)})
#define WITH_ALL(...)   (&(const struct map_type){.flags = TYPE_ALL, .attrs = ATTRS(__VA_ARGS__)})
#define WITH_ELEMS(...) (&(const struct map_type){.elems = ELEMS(__VA_ARGS__)})
/* <name enabled="..."/>, which is how the format likes to say one bool. */
#define ENABLED(n, f, d, ...) ONE(n, WITH_ATTRS(BOOL("enabled", f, d)), __VA_ARGS__)

/* A list's element: defined as map_<n>, freed by map_<n>_release (items.c). */
#define ITEM_TYPE(n)                                                                                                   \
    .size = sizeof(struct settings_##n), .item = true, .kept = offsetof(struct settings_##n, kept),                    \
    .release = map_##n##_release

#define ITEM(n)                                                                                                        \
    extern const struct map_type map_##n;                                                                              \
    void map_##n##_release(void *item);
#include "main/settings/items.def"
#undef ITEM

extern const struct map_type map_debugging, map_autostart, map_recording, map_controllers;
extern const struct map_type map_hardware, map_media, map_machine, map_global, map_adapter, map_platform;

#endif

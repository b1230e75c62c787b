/*
 * map.h - tables that say how a structure of the model and an element of the file correspond.
 *
 * One table serves everything: reading (map_read.c), writing and the version a value needs (map_write.c), defaults,
 * copying, comparing, freeing and checking (map_item.c). A row names a version range only where the format changed:
 *
 *     {"IOBase",    MAP_HEX, AT(struct settings_uart, io_base), .def = 0x3f8, .until = 19, .flags = ATTR_ALWAYS},
 *     {"IOAddress", MAP_HEX, AT(struct settings_uart, io_base), .def = 0x3f8, .since = 20, .flags = ATTR_ALWAYS |
 * ATTR_MOVED},
 *
 * Rows stand in the order in which they are written. Reading accepts every row in every version. A field may have
 * several rows (it moved, or was renamed); the later one is marked MOVED, so that it alone never makes a file's version
 * rise.
 */
#ifndef MAIN_SETTINGS_MAP_H
#define MAIN_SETTINGS_MAP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "main/settings/shared.h"
#include "main/settings/xml.h"

struct kept;

enum map_kind {
    MAP_STR,  /* char *; absent and "" are the same */
    MAP_UUID, /* char *, "{lower case}" */
    MAP_BOOL, /* bool: true, false */
    MAP_BIT,  /* bool: 1, 0 */
    MAP_U32,  /* uint32_t, decimal */
    MAP_HEX,  /* uint32_t, 0x... */
    MAP_U64,  /* uint64_t */
    MAP_MIB,  /* uint64_t in bytes, MiB in the file */
    MAP_I64,  /* int64_t */
    MAP_TIME, /* int64_t, seconds since 1970; YYYY-MM-DDThh:mm:ssZ */
    MAP_ENUM, /* an enumeration of enums.h */
};

enum {
    ATTR_REQUIRED = 1, /* to be found when reading; always written */
    ATTR_ALWAYS = 2,   /* written even if it has its default value */
    ATTR_MOVED = 4,    /* an older row expresses the same field */
};

#define AT(type, field) offsetof(type, field)

struct map_attr {
    const char *name; /* "" = the element's text */
    enum map_kind kind;
    size_t at;
    unsigned flags;
    uint8_t since, until; /* versions that have it; 0 = no bound */
    int64_t def;          /* default, from version old_until + 1 on */
    int64_t old_def;      /* default up to old_until */
    uint8_t old_until;
    const char *def_text;        /* default of strings; NULL = absent */
    int64_t min, max;            /* numbers, if max != 0 */
    const char *const *names;    /* MAP_ENUM */
    bool (*when)(const void *s); /* written always when true, else if not default */
};

enum map_elem_kind {
    ELEM_ONE,   /* a part of the same structure (at = shift) */
    ELEM_LIST,  /* at = GPtrArray *; the element is one item */
    ELEM_SLOTS, /* at = array in the structure; an attribute says which one */
    ELEM_TREE,  /* at = GPtrArray * in the order of tree.h; items nest */
};
enum {
    ELEM_ALWAYS = 1,    /* ONE: written even if empty */
    ELEM_MOVED = 2,     /* an older row expresses the same */
    ELEM_ALL_SLOTS = 4, /* SLOTS: all are written or none; what is missing while the element is there is zero */
    ELEM_SORTED = 8,    /* LIST: written sorted by their first string */
    ELEM_REQUIRED = 16, /* ONE: to be found when reading */
    ELEM_SAME = 32,     /* other rows have all of its fields: no need to copy, compare or free them again */
};

struct map_type;
struct map_elem {
    const char *name;
    enum map_elem_kind kind;
    size_t at;
    const struct map_type *type;
    unsigned flags;
    uint8_t since, until;
    unsigned slots, slot_base; /* SLOTS: how many, the first one's number */
    /* ONE: one of several; written if the enumeration at @choice has the value (or, if spare, has not) */
    bool chosen, spare;
    size_t choice;
    int choice_value;
};

enum { TYPE_ALL = 1 /* if one attribute is written, all are */ };

struct map_type {
    size_t size;
    unsigned flags;
    const struct map_attr *attrs; /* ends with a NULL name; may be NULL */
    const struct map_elem *elems;
    const char *nest;            /* items of a TREE: the child that holds their children: either one of them itself, */
    const char *nested;          /* or an element around them, which have this name */
    bool item;                   /* has a place for what is unknown: */
    size_t kept;                 /* struct kept * */
    size_t line;                 /* 0 = none: unsigned, where the item stood */
    size_t shared;               /* 0 = none: struct map_shared; copies of a list have the same item */
    void (*release)(void *item); /* frees a list's element */
    const char *slot;            /* items of SLOTS: attribute that says which one */
    void (*slot_init)(void *item, unsigned slot);
    void (*loaded)(void *item, unsigned version); /* after reading: what older versions imply */
    /** NULL, or what is wrong with the item. */
    char *(*check)(const void *item);
    /** The version the item needs for a reason no row gives. */
    unsigned (*need)(const void *item);
};

/* ---- map_item.c: any structure with a map_type ---- */

/** Defaults of @version in a zeroed structure, and empty lists. */
void map_init(const struct map_type *t, void *s, unsigned version);
void *map_new(const struct map_type *t);
void map_clear(const struct map_type *t, void *s);
/** An item that others share is only let go. */
void map_free(const struct map_type *t, void *s);
/** A new item like @from. */
void *map_copy_item(const struct map_type *t, const void *from);
/** @to is zeroed or valid. */
void map_copy(const struct map_type *t, void *to, const void *from);
bool map_equal(const struct map_type *t, const void *a, const void *b);
/** NULL, or what would not be read back; @name: of the element. Free with g_free(). */
char *map_check(const struct map_type *t, const void *s, const char *name);
/** Scalars and strings back to the defaults of @version; lists and slots stay. */
void map_defaults(const struct map_type *t, void *s, unsigned version);

/* single attributes */
bool map_is_default(const struct map_attr *a, const void *s, unsigned version);
int64_t map_number(const struct map_attr *a, const void *s);
void map_set_number(const struct map_attr *a, void *s, int64_t value);
const char *map_string(const struct map_attr *a, const void *s); /* never NULL */
void map_set_string(const struct map_attr *a, void *s, const char *value);
char *map_check_attr(const struct map_attr *a, const void *s);
bool map_uuid_valid(const char *text);
/** Orders the elements of an ELEM_SORTED list. */
gint map_by_name(gconstpointer a, gconstpointer b);

/* ---- map_read.c ---- */

struct map_reader {
    struct xml_doc *doc;
    const char *path; /* for messages */
    unsigned version;
    GError **error;
};
/** Sets @s (initialised) from @n. */
bool map_read(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n);
/** "Error in 'FILE' (line N) -- ..." */
void map_fail(struct map_reader *r, const struct xml_node *n, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* ---- map_write.c ---- */

struct map_writer {
    struct xml_doc *doc;
    unsigned version;
    /** The text (xml_head()) of a shared item at @level, which it keeps; NULL: it is written out. May be NULL. */
    const char *(*head)(const struct map_writer *w, const struct map_type *t, const void *item, const char *name,
                        unsigned level);
};
/** Fills @n from @s. */
void map_write(struct map_writer *w, const struct map_type *t, const void *s, struct xml_node *n);
/** The lowest version from @version on that has a place for everything in @s. */
unsigned map_need(const struct map_type *t, const void *s, unsigned version);

/* ---- shared.c: items that copies of a model have together ---- */

/** NULL: items of its kind are not shared. */
struct map_shared *map_shared(const struct map_type *t, const void *item);
/** The item has a place in one more list. */
void map_share(struct map_shared *sh);
/** One less. Return: false, it was the last one. */
bool map_unshare(struct map_shared *sh);
/** @list[@index], which no other list has and about which nothing is remembered: good to be changed. */
void *map_own(const struct map_type *t, GPtrArray *list, guint index);
/** struct map_writer.head: the text is made where it is not remembered. */
const char *map_shared_head(const struct map_writer *w, const struct map_type *t, const void *item, const char *name,
                            unsigned level);

/* ---- kept.c: what no row knows ---- */

void kept_attr(struct kept **k, struct xml_doc *doc, const char *where, const struct xml_attr *a);
/** @behind, @nth: the known sibling before it. */
void kept_elem(struct kept **k, struct xml_doc *doc, const char *where, const struct xml_node *n, const char *behind,
               unsigned nth);
/** Whether anything was kept at @where or below ("" = the item itself). */
bool kept_below(const struct kept *k, const char *where);
/** Puts what was kept at @where into @n, whose known attributes and children are complete. */
void kept_write(const struct kept *k, struct xml_doc *doc, const char *where, struct xml_node *n);
/** The same for every place that @item (written from the whole structure) did not get: makes the elements for them. */
void kept_write_rest(const struct kept *k, struct xml_doc *doc, struct xml_node *item);
struct kept *kept_ref(struct kept *k);
void kept_unref(struct kept *k);
bool kept_equal(const struct kept *a, const struct kept *b);

#endif

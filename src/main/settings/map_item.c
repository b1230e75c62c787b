/*
 * map_item.c - what every structure with a table can do: have defaults, be copied, compared, freed and checked.
 *
 * Recursion follows the tables (ONE, LIST, SLOTS), whose depth is fixed; a TREE is a list here.
 * Invariant 1: all functions may meet a field twice, because a field that moved has two rows; ELEM_SAME only saves
 * time.
 */
#include <string.h>

#include "main/settings/map.h"
#include "main/settings/tree.h"

static void *field(const void *s, size_t at)
{
    return (char *)(uintptr_t)s + at;
}

static bool is_text(const struct map_attr *a)
{
    return a->kind == MAP_STR || a->kind == MAP_UUID;
}

static void **kept_of(const struct map_type *t, const void *s)
{
    return t->item ? field(s, t->kept) : NULL;
}

/* ---- values ---- */

static int64_t map_default(const struct map_attr *a, unsigned version)
{
    return version <= a->old_until ? a->old_def : a->def;
}

int64_t map_number(const struct map_attr *a, const void *s)
{
    const void *p = field(s, a->at);

    switch (a->kind) {
    case MAP_BOOL:
    case MAP_BIT: return *(const bool *)p;
    case MAP_U32:
    case MAP_HEX:
    case MAP_ENUM: return *(const uint32_t *)p;
    default: return *(const int64_t *)p;
    }
}

void map_set_number(const struct map_attr *a, void *s, int64_t value)
{
    void *p = field(s, a->at);

    switch (a->kind) {
    case MAP_BOOL:
    case MAP_BIT: *(bool *)p = value != 0; break;
    case MAP_U32:
    case MAP_HEX:
    case MAP_ENUM: *(uint32_t *)p = (uint32_t)value; break;
    default: *(int64_t *)p = value; break;
    }
}

const char *map_string(const struct map_attr *a, const void *s)
{
    const char *text = *(char **)field(s, a->at);

    return text != NULL ? text : "";
}

void map_set_string(const struct map_attr *a, void *s, const char *value)
{
    char **p = field(s, a->at);
    char *old = *p;

    *p = value != NULL && *value != '\0' ? g_strdup(value) : NULL;
    g_free(old);
}

bool map_is_default(const struct map_attr *a, const void *s, unsigned version)
{
    if (is_text(a))
        return strcmp(map_string(a, s), a->def_text != NULL ? a->def_text : "") == 0;
    return map_number(a, s) == map_default(a, version);
}

static void set_default(const struct map_attr *a, void *s, unsigned version)
{
    if (is_text(a))
        map_set_string(a, s, a->def_text);
    else
        map_set_number(a, s, map_default(a, version));
}

/* The elements of @t whose fields no other row has: one visit to each field is enough here (inv 1). */
static const struct map_elem *next_elem(const struct map_elem *e)
{
    while (e != NULL && e->name != NULL && (e->spare || (e->flags & ELEM_SAME)))
        e++;
    return e != NULL && e->name != NULL ? e : NULL;
}

/* ---- making ---- */

void map_defaults(const struct map_type *t, void *s, unsigned version)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        set_default(a, s, version);
    for (const struct map_elem *e = next_elem(t->elems); e != NULL; e = next_elem(e + 1))
        if (e->kind == ELEM_ONE) {
            map_defaults(e->type, field(s, e->at), version);
            if (e->chosen)
                *(int *)field(s, e->choice) = 0;
        }
}

static void init_elem(const struct map_elem *e, void *p, unsigned version)
{
    if (e->kind == ELEM_ONE) {
        map_init(e->type, p, version);
    } else if (e->kind == ELEM_SLOTS) {
        for (unsigned k = 0; k < e->slots; k++) {
            void *item = (char *)p + k * e->type->size;
            map_init(e->type, item, UINT8_MAX);
            if (e->type->slot_init != NULL)
                e->type->slot_init(item, k);
        }
    } else if (*(GPtrArray **)p == NULL) {
        *(GPtrArray **)p = g_ptr_array_new_with_free_func(e->type->release);
    }
}

void map_init(const struct map_type *t, void *s, unsigned version)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        set_default(a, s, version);
    for (const struct map_elem *e = next_elem(t->elems); e != NULL; e = next_elem(e + 1))
        init_elem(e, field(s, e->at), version);
}

void *map_new(const struct map_type *t)
{
    void *s = g_malloc0(t->size);

    map_init(t, s, UINT8_MAX);
    return s;
}

/* ---- freeing ---- */

void map_clear(const struct map_type *t, void *s)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        if (is_text(a))
            map_set_string(a, s, NULL);
    for (const struct map_elem *e = next_elem(t->elems); e != NULL; e = next_elem(e + 1)) {
        void *p = field(s, e->at);
        if (e->kind == ELEM_ONE)
            map_clear(e->type, p);
        else if (e->kind == ELEM_SLOTS)
            for (unsigned k = 0; k < e->slots; k++)
                map_clear(e->type, (char *)p + k * e->type->size);
        else
            g_clear_pointer((GPtrArray **)p, g_ptr_array_unref);
    }
    if (t->item) {
        void **kept = kept_of(t, s);
        kept_unref(*kept);
        *kept = NULL;
    }
}

void map_free(const struct map_type *t, void *s)
{
    struct map_shared *sh = s != NULL ? map_shared(t, s) : NULL;

    if (s == NULL || (sh != NULL && map_unshare(sh)))
        return;
    map_clear(t, s);
    g_free(s);
}

/* ---- copying ---- */

void *map_copy_item(const struct map_type *t, const void *from)
{
    void *item = map_new(t);

    map_copy(t, item, from);
    if (t->nest != NULL)
        *(uint32_t *)item = *(const uint32_t *)from; /* tree.h */
    return item;
}

static void copy_list(const struct map_elem *e, GPtrArray *to, const GPtrArray *from)
{
    g_ptr_array_set_size(to, 0);
    for (guint k = 0; k < from->len; k++) {
        struct map_shared *sh = map_shared(e->type, from->pdata[k]);
        if (sh != NULL)
            map_share(sh);
        g_ptr_array_add(to, sh != NULL ? from->pdata[k] : map_copy_item(e->type, from->pdata[k]));
    }
}

static void copy_elem(const struct map_elem *e, void *to, const void *from)
{
    void *p = field(to, e->at);
    const void *q = field(from, e->at);

    if (e->kind == ELEM_ONE) {
        map_copy(e->type, p, q);
        if (e->chosen)
            *(int *)field(to, e->choice) = *(const int *)field(from, e->choice);
    } else if (e->kind == ELEM_SLOTS) {
        for (unsigned k = 0; k < e->slots; k++)
            map_copy(e->type, (char *)p + k * e->type->size, (const char *)q + k * e->type->size);
    } else {
        GPtrArray **list = p;
        if (*list == NULL)
            *list = g_ptr_array_new_with_free_func(e->type->release);
        copy_list(e, *list, *(GPtrArray *const *)q);
    }
}

void map_copy(const struct map_type *t, void *to, const void *from)
{
    if (to == from)
        return;
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++) {
        if (is_text(a))
            map_set_string(a, to, map_string(a, from));
        else
            map_set_number(a, to, map_number(a, from));
    }
    for (const struct map_elem *e = next_elem(t->elems); e != NULL; e = next_elem(e + 1))
        copy_elem(e, to, from);
    if (t->line != 0)
        *(unsigned *)field(to, t->line) = *(const unsigned *)field(from, t->line);
    if (t->item) {
        void **kept = kept_of(t, to), *old = *kept;
        *kept = kept_ref(*kept_of(t, from));
        kept_unref(old);
    }
}

/* ---- comparing ---- */

static bool lists_equal(const struct map_elem *e, const GPtrArray *a, const GPtrArray *b)
{
    if (a->len != b->len)
        return false;
    for (guint k = 0; k < a->len; k++) {
        if (e->kind == ELEM_TREE && *(const uint32_t *)a->pdata[k] != *(const uint32_t *)b->pdata[k])
            return false;
        if (!map_equal(e->type, a->pdata[k], b->pdata[k]))
            return false;
    }
    return true;
}

static bool elems_equal(const struct map_elem *e, const void *a, const void *b)
{
    const void *p = field(a, e->at), *q = field(b, e->at);

    if (e->kind == ELEM_ONE)
        return map_equal(e->type, p, q) &&
               (!e->chosen || *(const int *)field(a, e->choice) == *(const int *)field(b, e->choice));
    if (e->kind != ELEM_SLOTS)
        return lists_equal(e, *(GPtrArray *const *)p, *(GPtrArray *const *)q);
    for (unsigned k = 0; k < e->slots; k++)
        if (!map_equal(e->type, (const char *)p + k * e->type->size, (const char *)q + k * e->type->size))
            return false;
    return true;
}

bool map_equal(const struct map_type *t, const void *a, const void *b)
{
    if (a == b)
        return true;
    for (const struct map_attr *x = t->attrs; x != NULL && x->name != NULL; x++)
        if (is_text(x) ? strcmp(map_string(x, a), map_string(x, b)) != 0 : map_number(x, a) != map_number(x, b))
            return false;
    for (const struct map_elem *e = next_elem(t->elems); e != NULL; e = next_elem(e + 1))
        if (!elems_equal(e, a, b))
            return false;
    return !t->item || kept_equal(*kept_of(t, a), *kept_of(t, b));
}

/* ---- checking: what was set by hand must be readable again ---- */

static unsigned names_count(const char *const *names)
{
    unsigned n = 0;

    while (names[n] != NULL)
        n++;
    return n;
}

static bool text_allowed(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

char *map_check_attr(const struct map_attr *a, const void *s)
{
    if (is_text(a)) {
        const char *text = map_string(a, s);
        if (!text_allowed(text))
            return g_strdup_printf("%s has characters that a settings file cannot hold", a->name);
        if (a->kind == MAP_UUID && *text != '\0' && !map_uuid_valid(text))
            return g_strdup_printf("%s is '%s', which is no valid UUID", a->name, text);
        return (a->flags & ATTR_REQUIRED) && a->kind == MAP_UUID && *text == '\0'
                   ? g_strdup_printf("%s is missing", a->name)
                   : NULL;
    }
    int64_t x = map_number(a, s);
    if (a->kind == MAP_ENUM && (x < 0 || x >= names_count(a->names)))
        return g_strdup_printf("%s is no value of its kind", a->name);
    if (a->max != 0 && (x < a->min || x > a->max))
        return g_strdup_printf("%s is %" G_GINT64_FORMAT "; it must be between %" G_GINT64_FORMAT
                               " and %" G_GINT64_FORMAT,
                               a->name, x, a->min, a->max);
    return NULL;
}

static char *check_elem(const struct map_elem *e, const void *s)
{
    const void *p = field(s, e->at);
    char *bad = NULL;

    if (e->kind == ELEM_ONE)
        return map_check(e->type, p, e->name);
    if (e->kind == ELEM_SLOTS) {
        for (unsigned k = 0; bad == NULL && k < e->slots; k++)
            bad = map_check(e->type, (const char *)p + k * e->type->size, e->name);
        return bad;
    }
    const GPtrArray *list = *(GPtrArray *const *)p;
    if (e->kind == ELEM_TREE && !settings_tree_valid(list))
        return g_strdup_printf("The tree of %s elements is broken", e->name);
    for (guint k = 0; bad == NULL && k < list->len; k++) {
        struct map_shared *sh = map_shared(e->type, list->pdata[k]);
        if (sh != NULL && sh->checked)
            continue;
        bad = map_check(e->type, list->pdata[k], e->name);
        if (sh != NULL)
            sh->checked = bad == NULL;
    }
    return bad;
}

char *map_check(const struct map_type *t, const void *s, const char *name)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++) {
        g_autofree char *bad = map_check_attr(a, s);
        if (bad != NULL)
            return g_strdup_printf("%s/@%s", name, bad);
    }
    for (const struct map_elem *e = next_elem(t->elems); e != NULL; e = next_elem(e + 1)) {
        char *bad = check_elem(e, s);
        if (bad != NULL)
            return bad;
    }
    return t->check != NULL ? t->check(s) : NULL;
}

bool map_uuid_valid(const char *text)
{
    if (strlen(text) != 38 || text[0] != '{' || text[37] != '}')
        return false;
    g_autofree char *bare = g_strndup(text + 1, 36);
    return g_uuid_string_is_valid(bare) && strspn(bare, "0-") != 36;
}

gint map_by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(**(char *const *const *)a, **(char *const *const *)b);
}

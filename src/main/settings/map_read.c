/*
 * map_read.c - from elements to structures, by the tables of map.h.
 *
 * Rows of every version are accepted in every version. What no row knows goes to kept.c. Trees are walked with a
 * cursor, not by recursion.
 */
#include <errno.h>
#include <string.h>

#include "main/settings/enums.h"
#include "main/settings/file.h"
#include "main/settings/map.h"

void map_fail(struct map_reader *r, const struct xml_node *n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(r->error, SETTINGS_ERROR, SETTINGS_ERROR_VALUE, "Error in '%s' (line %u) -- %s", r->path, n->line,
                text);
}

/* ---- one value: NULL = fine, else what is wrong with it ---- */

static char *read_bool(const struct map_attr *a, void *s, const char *v)
{
    static const char *const yes[] = {"true", "yes", "1", NULL}, *const no[] = {"false", "no", "0", NULL};

    if (settings_enum_find(yes, v) >= 0)
        map_set_number(a, s, true);
    else if (settings_enum_find(no, v) >= 0)
        map_set_number(a, s, false);
    else
        return g_strdup("it must be true or false");
    return NULL;
}

static char *read_number(const struct map_attr *a, void *s, const char *v)
{
    char *end;

    errno = 0;
    int64_t x = a->kind == MAP_U64 ? (int64_t)g_ascii_strtoull(v, &end, 0) : g_ascii_strtoll(v, &end, 0);
    if (errno != 0 || end == v || *end != '\0')
        return g_strdup("it must be a whole number");
    int64_t min = a->min, max = a->max;
    if (max == 0 && (a->kind == MAP_U32 || a->kind == MAP_HEX))
        max = UINT32_MAX;
    if (max == 0 && a->kind == MAP_MIB)
        max = INT64_MAX >> 20;
    if (max != 0 && (x < min || x > max))
        return g_strdup_printf("it must be between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT, min, max);
    map_set_number(a, s, a->kind == MAP_MIB ? x * (1 << 20) : x);
    return NULL;
}

static char *read_time(const struct map_attr *a, void *s, const char *v)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    bool shape = strlen(v) >= 19 && v[4] == '-' && v[7] == '-' && v[10] == 'T' && v[13] == ':' && v[16] == ':' &&
                 (v[19] == '\0' || strcmp(v + 19, "Z") == 0);
    g_autoptr(GDateTime) t = shape ? g_date_time_new_from_iso8601(v, utc) : NULL;

    if (t == NULL)
        return g_strdup("it must be a time like 2024-01-31T23:59:59Z");
    map_set_number(a, s, g_date_time_to_unix(t));
    return NULL;
}

static char *read_enum(const struct map_attr *a, void *s, const char *v)
{
    int k = settings_enum_find(a->names, v);

    if (k < 0) {
        g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)a->names);
        return g_strdup_printf("it must be one of: %s", all);
    }
    map_set_number(a, s, k);
    return NULL;
}

static char *read_uuid(const struct map_attr *a, void *s, const char *v)
{
    g_autofree char *lower = g_ascii_strdown(v, -1);
    g_autofree char *full = *lower == '{' ? g_strdup(lower) : g_strdup_printf("{%s}", lower);

    if (*v != '\0' && !map_uuid_valid(full))
        return g_strdup("it must be a UUID other than zero");
    map_set_string(a, s, *v != '\0' ? full : NULL);
    return NULL;
}

static char *read_string(const struct map_attr *a, void *s, const char *v)
{
    map_set_string(a, s, v);
    return NULL;
}

static bool read_value(struct map_reader *r, const struct map_attr *a, void *s, const struct xml_node *n, const char *v)
{
    static char *(*const readers[])(const struct map_attr *, void *, const char *) = {
        [MAP_STR] = read_string, [MAP_UUID] = read_uuid,  [MAP_BOOL] = read_bool,  [MAP_BIT] = read_bool,
        [MAP_U32] = read_number, [MAP_HEX] = read_number, [MAP_U64] = read_number, [MAP_MIB] = read_number,
        [MAP_I64] = read_number, [MAP_TIME] = read_time,  [MAP_ENUM] = read_enum};
    g_autofree char *bad = readers[a->kind](a, s, v);

    if (bad != NULL)
        map_fail(r, n, "%s/@%s is '%.64s'; %s", n->name, a->name, v, bad);
    return bad == NULL;
}

/* ---- elements ---- */

/* Where in the model an element's unknown parts go: the item it belongs to and the path inside it. */
struct home {
    struct kept **kept;
    const char *path;
};

static bool read_part(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n,
                      struct home home);

static const struct map_attr *find_attr(const struct map_type *t, const char *name)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        if (strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

static bool read_attrs(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n,
                       struct home home)
{
    for (unsigned k = 0; k < n->n_attrs; k++) {
        const struct map_attr *a = find_attr(t, n->attrs[k].name);
        if (t->slot != NULL && strcmp(t->slot, n->attrs[k].name) == 0)
            continue;
        if (a == NULL)
            kept_attr(home.kept, r->doc, home.path, &n->attrs[k]);
        else if (!read_value(r, a, s, n, n->attrs[k].value))
            return false;
    }
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++) {
        if (*a->name == '\0' && n->text != NULL)
            map_set_string(a, s, n->text);
        if ((a->flags & ATTR_REQUIRED) && xml_get(n, a->name) == NULL) {
            map_fail(r, n, "Required %s/@%s attribute is missing", n->name, a->name);
            return false;
        }
    }
    return true;
}

static bool read_item(struct map_reader *r, const struct map_type *t, void *item, const struct xml_node *n)
{
    void *kept = NULL;
    bool ok;

    if (t->line != 0)
        *(unsigned *)((char *)item + t->line) = n->line;
    if (t->item)
        memcpy(&kept, (char *)item + t->kept, sizeof kept);
    struct kept *own = kept;
    ok = read_part(r, t, item, n, (struct home){&own, ""});
    if (t->item)
        memcpy((char *)item + t->kept, &own, sizeof own);
    else
        kept_unref(own);
    if (ok && t->loaded != NULL)
        t->loaded(item, r->version);
    g_autofree char *bad = ok && t->check != NULL ? t->check(item) : NULL;
    if (bad != NULL)
        map_fail(r, n, "%s", bad);
    return ok && bad == NULL;
}

static void *item_new(struct map_reader *r, const struct map_type *t)
{
    void *item = g_malloc0(t->size);

    map_init(t, item, r->version);
    return item;
}

static bool read_slot(struct map_reader *r, const struct map_elem *e, void *s, const struct xml_node *n)
{
    const char *text = xml_get(n, e->type->slot);
    char *end = NULL;
    guint64 slot = text != NULL ? g_ascii_strtoull(text, &end, 10) : 0;

    if (text == NULL || end == text || *end != '\0' || slot < e->slot_base || slot >= e->slot_base + e->slots) {
        map_fail(r, n, "%s/@%s is '%.64s'; it must be between %u and %u", n->name, e->type->slot,
                 text != NULL ? text : "", e->slot_base, e->slot_base + e->slots - 1);
        return false;
    }
    void *item = (char *)s + e->at + (slot - e->slot_base) * e->type->size;
    map_defaults(e->type, item, r->version);
    return read_item(r, e->type, item, n);
}

/* A tree: the first child that nests, else the next sibling, else the parent's. */
static const struct xml_node *tree_next(const struct map_elem *e, const struct xml_node *top, const struct xml_node *n,
                                        uint32_t *depth)
{
    bool direct = strcmp(e->type->nest, e->name) == 0;
    const struct xml_node *next = xml_child(direct ? n : xml_child(n, e->type->nest), e->name);

    if (next != NULL) {
        ++*depth;
        return next;
    }
    while (n != top) {
        next = xml_again(n);
        if (next != NULL)
            return next;
        n = direct ? n->parent : n->parent->parent;
        --*depth;
    }
    return NULL;
}

static bool read_tree(struct map_reader *r, const struct map_elem *e, GPtrArray *list, const struct xml_node *top)
{
    uint32_t depth = 0;

    for (const struct xml_node *n = top; n != NULL; n = tree_next(e, top, n, &depth)) {
        void *item = item_new(r, e->type);
        g_ptr_array_add(list, item);
        *(uint32_t *)item = depth;
        if (!read_item(r, e->type, item, n))
            return false;
    }
    return true;
}

static bool read_elem(struct map_reader *r, const struct map_elem *e, void *s, const struct xml_node *n,
                      struct home home)
{
    g_autofree char *path = NULL;

    switch (e->kind) {
    case ELEM_ONE:
        path = *home.path != '\0' ? g_strdup_printf("%s/%s", home.path, e->name) : g_strdup(e->name);
        if (e->chosen && !e->spare)
            memcpy((char *)s + e->choice, &e->choice_value, sizeof e->choice_value);
        return read_part(r, e->type, (char *)s + e->at, n, (struct home){home.kept, path});
    case ELEM_SLOTS: return read_slot(r, e, s, n);
    case ELEM_TREE: return read_tree(r, e, *(GPtrArray **)(void *)((char *)s + e->at), n);
    case ELEM_LIST: break;
    }
    void *item = item_new(r, e->type);
    g_ptr_array_add(*(GPtrArray **)(void *)((char *)s + e->at), item);
    return read_item(r, e->type, item, n);
}

static const struct map_elem *find_elem(const struct map_type *t, const char *name)
{
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

/* Children of a tree's item that are the tree's own: read_tree follows them, here is what else they hold. */
static bool read_nest(struct map_reader *r, const struct map_type *t, const struct xml_node *n, struct home home)
{
    if (t->nest == NULL || strcmp(t->nest, n->name) != 0)
        return false;
    for (unsigned k = 0; t->nested != NULL && k < n->n_attrs; k++)
        kept_attr(home.kept, r->doc, t->nest, &n->attrs[k]);
    for (const struct xml_node *c = n->first; t->nested != NULL && c != NULL; c = c->next)
        if (strcmp(c->name, t->nested) != 0)
            kept_elem(home.kept, r->doc, t->nest, c, NULL, 0);
    return true;
}

static bool read_children(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n,
                          struct home home)
{
    const struct xml_node *known = NULL;
    g_autoptr(GHashTable) seen = NULL; /* known names and how often; made when it is needed */
    guint nth = 0;

    for (const struct xml_node *c = n->first; c != NULL; c = c->next) {
        const struct map_elem *e = find_elem(t, c->name);
        if (e == NULL && !read_nest(r, t, c, home)) {
            kept_elem(home.kept, r->doc, home.path, c, known != NULL ? known->name : NULL, nth);
            continue;
        }
        if (e != NULL && !read_elem(r, e, s, c, home))
            return false;
        if (seen == NULL)
            seen = g_hash_table_new(g_str_hash, g_str_equal);
        nth = GPOINTER_TO_UINT(g_hash_table_lookup(seen, c->name)) + 1;
        g_hash_table_insert(seen, (void *)(uintptr_t)c->name, GUINT_TO_POINTER(nth));
        known = c;
    }
    return true;
}

/* Before the children are read: slots that are all given or none, and elements that must be there. */
static bool prepare_children(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n)
{
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++) {
        bool there = xml_child(n, e->name) != NULL;
        if (there && e->kind == ELEM_SLOTS && (e->flags & ELEM_ALL_SLOTS))
            memset((char *)s + e->at, 0, e->slots * e->type->size);
        if (!there && (e->flags & ELEM_REQUIRED)) {
            map_fail(r, n, "Required %s/%s element is missing", n->name, e->name);
            return false;
        }
    }
    return true;
}

static void sort_lists(const struct map_type *t, void *s)
{
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++)
        if (e->kind == ELEM_LIST && (e->flags & ELEM_SORTED))
            g_ptr_array_sort(*(GPtrArray **)(void *)((char *)s + e->at), map_by_name);
}

static bool read_part(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n,
                      struct home home)
{
    if (!read_attrs(r, t, s, n, home) || !prepare_children(r, t, s, n) || !read_children(r, t, s, n, home))
        return false;
    sort_lists(t, s);
    return true;
}

bool map_read(struct map_reader *r, const struct map_type *t, void *s, const struct xml_node *n)
{
    return read_item(r, t, s, n);
}

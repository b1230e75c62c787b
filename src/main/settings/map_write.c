/*
 * map_write.c - from structures to elements, by the tables of map.h, and which version that takes.
 *
 * What has its default is left out, as VirtualBox does; an element that would be empty is left out too.
 */
#include <string.h>

#include "main/settings/map.h"

static const void *field(const void *s, size_t at)
{
    return (const char *)s + at;
}

static bool in_version(unsigned since, unsigned until, unsigned version)
{
    return version >= since && (until == 0 || version <= until);
}

/* ---- values ---- */

static char *time_text(int64_t time_s)
{
    g_autoptr(GDateTime) t = g_date_time_new_from_unix_utc(time_s);

    return t != NULL ? g_date_time_format(t, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("1970-01-01T00:00:00Z");
}

static char *value_text(const struct map_attr *a, const void *s)
{
    int64_t x = a->kind == MAP_STR || a->kind == MAP_UUID ? 0 : map_number(a, s);

    switch (a->kind) {
    case MAP_STR:
    case MAP_UUID: return g_strdup(map_string(a, s));
    case MAP_BOOL: return g_strdup(x ? "true" : "false");
    case MAP_BIT: return g_strdup(x ? "1" : "0");
    case MAP_HEX: return g_strdup_printf("0x%x", (unsigned)x);
    case MAP_U64: return g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)x);
    case MAP_MIB: return g_strdup_printf("%" G_GINT64_FORMAT, x >> 20);
    case MAP_TIME: return time_text(x);
    case MAP_ENUM: return g_strdup(a->names[x]);
    default: return g_strdup_printf("%" G_GINT64_FORMAT, x);
    }
}

static bool wanted(const struct map_attr *a, const void *s, unsigned version)
{
    if (a->when != NULL && a->when(s))
        return true;
    return (a->flags & (ATTR_ALWAYS | ATTR_REQUIRED)) || !map_is_default(a, s, version);
}

static void write_attrs(struct map_writer *w, const struct map_type *t, const void *s, struct xml_node *n)
{
    bool all = false;

    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        all |= (t->flags & TYPE_ALL) && in_version(a->since, a->until, w->version) && wanted(a, s, w->version);
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++) {
        if (!in_version(a->since, a->until, w->version) || !(all || wanted(a, s, w->version)))
            continue;
        g_autofree char *text = value_text(a, s);
        if (*a->name == '\0')
            xml_set_text(w->doc, n, text);
        else
            xml_set(w->doc, n, a->name, text);
    }
}

/* ---- elements ---- */

struct home {
    const struct kept *kept;
    const char *path;
};

static void write_part(struct map_writer *w, const struct map_type *t, const void *s, struct xml_node *n,
                       struct home home);

static void write_item(struct map_writer *w, const struct map_type *t, const void *s, struct xml_node *n)
{
    const struct kept *kept = t->item ? *(struct kept *const *)field(s, t->kept) : NULL;

    write_part(w, t, s, n, (struct home){kept, ""});
    kept_write_rest(kept, w->doc, n);
}

/* One of several ways is written where it is used, the others where they are remembered. */
static bool left_out(const struct map_elem *e, const void *s)
{
    return e->chosen && (*(const int *)field(s, e->choice) == e->choice_value) == e->spare;
}

static void write_one(struct map_writer *w, const struct map_elem *e, const void *s, struct xml_node *parent,
                      struct home home)
{
    if (left_out(e, s))
        return;
    g_autofree char *path = *home.path != '\0' ? g_strdup_printf("%s/%s", home.path, e->name) : g_strdup(e->name);
    struct xml_node *n = xml_add(w->doc, parent, e->name);
    write_part(w, e->type, field(s, e->at), n, (struct home){home.kept, path});
    bool always = (e->flags & ELEM_ALWAYS) || (e->chosen && !e->spare);
    if (!always && n->n_attrs == 0 && n->first == NULL && n->text == NULL && !kept_below(home.kept, path))
        xml_unlink(n);
}

static void write_list(struct map_writer *w, const struct map_elem *e, const GPtrArray *list, struct xml_node *parent)
{
    g_autoptr(GPtrArray) order = g_ptr_array_new();

    for (guint k = 0; k < list->len; k++)
        g_ptr_array_add(order, list->pdata[k]);
    if (e->flags & ELEM_SORTED)
        g_ptr_array_sort(order, map_by_name);
    for (guint k = 0; k < order->len; k++)
        write_item(w, e->type, order->pdata[k], xml_add(w->doc, parent, e->name));
}

static unsigned level_of(const struct xml_node *n)
{
    unsigned level = 0;

    for (; n->parent != NULL; n = n->parent)
        level++;
    return level;
}

/* The innermost element so far is found by walking up: no stack. */
static void write_tree(struct map_writer *w, const struct map_elem *e, const GPtrArray *list, struct xml_node *parent)
{
    bool direct = strcmp(e->type->nest, e->name) == 0;
    bool ready = w->head != NULL && e->type->shared != 0;
    unsigned level = level_of(parent) + 1;
    struct xml_node *last = NULL;
    uint32_t depth = 0;

    for (guint k = 0; k < list->len; k++) {
        uint32_t want = *(const uint32_t *)list->pdata[k];
        struct xml_node *up = parent;
        for (; last != NULL && depth >= want && depth > 0; depth--)
            last = direct ? last->parent : last->parent->parent;
        if (want > 0)
            up = direct ? last : xml_need(w->doc, last, e->type->nest);
        last = xml_add(w->doc, up, e->name);
        depth = want;
        if (ready)
            last->head = w->head(w, e->type, list->pdata[k], e->name, level + want * (direct ? 1 : 2));
        if (last->head == NULL)
            write_item(w, e->type, list->pdata[k], last);
    }
}

/* Which slots differ from what is read when they are absent; free with g_free(). */
static bool *changed_slots(const struct map_elem *e, const void *array)
{
    bool *changed = g_new(bool, e->slots);
    void *plain = map_new(e->type);

    for (unsigned k = 0; k < e->slots; k++) {
        if (e->type->slot_init != NULL)
            e->type->slot_init(plain, k);
        changed[k] = !map_equal(e->type, plain, (const char *)array + k * e->type->size);
    }
    map_free(e->type, plain);
    return changed;
}

static void write_slots(struct map_writer *w, const struct map_elem *e, const void *array, struct xml_node *parent)
{
    g_autofree bool *changed = changed_slots(e, array);
    bool all = false;

    for (unsigned k = 0; (e->flags & ELEM_ALL_SLOTS) && k < e->slots; k++)
        all |= changed[k];
    for (unsigned k = 0; k < e->slots; k++) {
        if (!all && !changed[k])
            continue;
        struct xml_node *n = xml_add(w->doc, parent, e->name);
        g_autofree char *slot = g_strdup_printf("%u", k + e->slot_base);
        xml_set(w->doc, n, e->type->slot, slot);
        write_item(w, e->type, (const char *)array + k * e->type->size, n);
    }
}

static void write_elem(struct map_writer *w, const struct map_elem *e, const void *s, struct xml_node *n,
                       struct home home)
{
    switch (e->kind) {
    case ELEM_ONE: write_one(w, e, s, n, home); break;
    case ELEM_LIST: write_list(w, e, *(GPtrArray *const *)field(s, e->at), n); break;
    case ELEM_SLOTS: write_slots(w, e, field(s, e->at), n); break;
    case ELEM_TREE: write_tree(w, e, *(GPtrArray *const *)field(s, e->at), n); break;
    }
}

static void write_part(struct map_writer *w, const struct map_type *t, const void *s, struct xml_node *n,
                       struct home home)
{
    write_attrs(w, t, s, n);
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++)
        if (in_version(e->since, e->until, w->version))
            write_elem(w, e, s, n, home);
    kept_write(home.kept, w->doc, home.path, n);
}

void map_write(struct map_writer *w, const struct map_type *t, const void *s, struct xml_node *n)
{
    write_item(w, t, s, n);
}

/* ---- versions ---- */

/* Whether anything in @s differs from what is read when the element is absent. */
static bool has_content(const struct map_type *t, const void *s, unsigned version)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        if (!map_is_default(a, s, version))
            return true;
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++) {
        const void *p = field(s, e->at);
        if (e->kind == ELEM_ONE && left_out(e, s))
            continue;
        if (e->kind == ELEM_ONE ? has_content(e->type, p, version)
                                : e->kind != ELEM_SLOTS && (*(GPtrArray *const *)p)->len > 0)
            return true;
    }
    return false;
}

static unsigned need_of_item(const struct map_type *t, const void *item, unsigned version)
{
    struct map_shared *sh = map_shared(t, item);

    if (sh == NULL)
        return map_need(t, item, version);
    if (sh->from != version) {
        sh->need = map_need(t, item, version);
        sh->from = version;
    }
    return sh->need;
}

static unsigned need_of_elem(const struct map_elem *e, const void *s, unsigned version)
{
    const void *p = field(s, e->at);
    unsigned need = version;

    if (e->kind == ELEM_ONE) {
        if (left_out(e, s) || (e->since > version && (e->flags & ELEM_MOVED)))
            return version;
        if (e->since > version && ((e->chosen && !e->spare) || has_content(e->type, p, version)))
            need = e->since;
        return map_need(e->type, p, need);
    }
    if (e->kind == ELEM_SLOTS) {
        g_autofree bool *changed = changed_slots(e, p);
        for (unsigned k = 0; k < e->slots; k++)
            if (changed[k])
                need = map_need(e->type, (const char *)p + k * e->type->size, need);
        return need;
    }
    const GPtrArray *list = *(GPtrArray *const *)p;
    if (e->since > version && list->len > 0)
        need = e->since;
    for (guint k = 0; k < list->len; k++)
        need = need_of_item(e->type, list->pdata[k], need);
    return need;
}

unsigned map_need(const struct map_type *t, const void *s, unsigned version)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        if (a->since > version && !(a->flags & ATTR_MOVED) && !map_is_default(a, s, version))
            version = a->since;
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++)
        version = need_of_elem(e, s, version);
    return t->need != NULL ? MAX(version, t->need(s)) : version;
}

/*
 * kept.c - attributes and elements that no table row knows, so that a file written by a later version, or by hand,
 * loses nothing when it is saved here.
 *
 * What was kept belongs to the nearest item of the model (a list element, a slot, the machine), with the path of the
 * element inside it ("Memory", "CPU/CpuIdTree") and, for elements, its place: behind the n-th known sibling of a name.
 * Elements are not copied: the document they were read into lives as long as somebody keeps something of it.
 * A struct kept is written once, while reading, then shared by copies of the model.
 */
#include <string.h>

#include "main/settings/map.h"

struct entry {
    char *where;
    const struct xml_attr *attr;
    const struct xml_node *elem;
    const char *behind; /* known sibling before it; NULL = none */
    unsigned nth;       /* which one of that name, from 1 */
};

struct kept {
    unsigned refs;
    struct xml_doc *doc;
    GArray *entries;
};

static void entry_clear(void *p)
{
    struct entry *e = p;

    g_free(e->where);
}

static struct entry *add(struct kept **k, struct xml_doc *doc, const char *where)
{
    if (*k == NULL) {
        *k = g_new0(struct kept, 1);
        (*k)->refs = 1;
        (*k)->doc = xml_ref(doc);
        (*k)->entries = g_array_new(FALSE, TRUE, sizeof(struct entry));
        g_array_set_clear_func((*k)->entries, entry_clear);
    }
    g_array_set_size((*k)->entries, (*k)->entries->len + 1);
    struct entry *e = &g_array_index((*k)->entries, struct entry, (*k)->entries->len - 1);
    e->where = g_strdup(where);
    return e;
}

void kept_attr(struct kept **k, struct xml_doc *doc, const char *where, const struct xml_attr *a)
{
    add(k, doc, where)->attr = a;
}

void kept_elem(struct kept **k, struct xml_doc *doc, const char *where, const struct xml_node *n, const char *behind,
               unsigned nth)
{
    struct entry *e = add(k, doc, where);

    e->elem = n;
    e->behind = behind;
    e->nth = nth;
}

struct kept *kept_ref(struct kept *k)
{
    if (k != NULL)
        g_atomic_int_inc(&k->refs);
    return k;
}

void kept_unref(struct kept *k)
{
    if (k == NULL || !g_atomic_int_dec_and_test(&k->refs))
        return;
    g_array_unref(k->entries);
    xml_unref(k->doc);
    g_free(k);
}

static bool below(const char *path, const char *where)
{
    size_t len = strlen(where);

    return len == 0 || (strncmp(path, where, len) == 0 && (path[len] == '\0' || path[len] == '/'));
}

bool kept_below(const struct kept *k, const char *where)
{
    for (guint i = 0; k != NULL && i < k->entries->len; i++)
        if (below(g_array_index(k->entries, struct entry, i).where, where))
            return true;
    return false;
}

/* Elements of one place, by the sibling they stand behind. */
static GHashTable *by_sibling(const struct kept *k, const char *where)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);

    for (guint i = 0; i < k->entries->len; i++) {
        const struct entry *e = &g_array_index(k->entries, struct entry, i);
        if (e->elem == NULL || strcmp(e->where, where) != 0)
            continue;
        g_autofree char *key = e->behind != NULL ? g_strdup_printf("%s %u", e->behind, e->nth) : g_strdup("");
        GPtrArray *list = g_hash_table_lookup(table, key);
        if (list == NULL) {
            list = g_ptr_array_new();
            g_hash_table_insert(table, g_strdup(key), list);
        }
        g_ptr_array_add(list, (void *)(uintptr_t)e->elem);
    }
    return table;
}

static struct xml_node *place(struct xml_doc *doc, struct xml_node *n, struct xml_node *behind, const GPtrArray *list)
{
    for (guint i = 0; list != NULL && i < list->len; i++) {
        struct xml_node *new = xml_alias(doc, list->pdata[i]);
        xml_insert(n, behind, new);
        behind = new;
    }
    return behind;
}

static void place_all(const struct kept *k, struct xml_doc *doc, const char *where, struct xml_node *n)
{
    g_autoptr(GHashTable) todo = by_sibling(k, where);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    if (g_hash_table_size(todo) == 0)
        return;
    struct xml_node *c = place(doc, n, NULL, g_hash_table_lookup(todo, ""));
    g_hash_table_remove(todo, "");
    for (c = c != NULL ? c->next : n->first; c != NULL; c = c->next) {
        guint nth = GPOINTER_TO_UINT(g_hash_table_lookup(seen, c->name)) + 1;
        g_hash_table_insert(seen, (void *)(uintptr_t)c->name, GUINT_TO_POINTER(nth));
        g_autofree char *key = g_strdup_printf("%s %u", c->name, nth);
        const GPtrArray *list = g_hash_table_lookup(todo, key);
        if (list != NULL) {
            c = place(doc, n, c, list);
            g_hash_table_remove(todo, key);
        }
    }
    /* their siblings are not written any more: at the end, in the order in which they were read */
    for (guint i = 0; i < k->entries->len && g_hash_table_size(todo) > 0; i++) {
        const struct entry *e = &g_array_index(k->entries, struct entry, i);
        g_autofree char *key = e->behind != NULL ? g_strdup_printf("%s %u", e->behind, e->nth) : g_strdup("");
        if (e->elem != NULL && strcmp(e->where, where) == 0 && g_hash_table_contains(todo, key))
            xml_append(n, xml_alias(doc, e->elem));
    }
}

void kept_write(const struct kept *k, struct xml_doc *doc, const char *where, struct xml_node *n)
{
    if (k == NULL)
        return;
    for (guint i = 0; i < k->entries->len; i++) {
        const struct entry *e = &g_array_index(k->entries, struct entry, i);
        if (e->attr != NULL && strcmp(e->where, where) == 0 && xml_get(n, e->attr->name) == NULL)
            xml_set(doc, n, e->attr->name, e->attr->value);
    }
    place_all(k, doc, where, n);
}

/* The element at @where inside @item, or NULL. */
static struct xml_node *find(struct xml_node *item, const char *where)
{
    g_auto(GStrv) parts = g_strsplit(where, "/", -1);

    for (unsigned i = 0; item != NULL && parts[i] != NULL; i++)
        item = xml_child(item, parts[i]);
    return item;
}

static struct xml_node *make(struct xml_doc *doc, struct xml_node *item, const char *where)
{
    g_auto(GStrv) parts = g_strsplit(where, "/", -1);

    for (unsigned i = 0; parts[i] != NULL; i++)
        item = xml_need(doc, item, parts[i]);
    return item;
}

void kept_write_rest(const struct kept *k, struct xml_doc *doc, struct xml_node *item)
{
    for (guint i = 0; k != NULL && i < k->entries->len; i++) {
        const char *where = g_array_index(k->entries, struct entry, i).where;
        if (*where != '\0' && find(item, where) == NULL)
            kept_write(k, doc, where, make(doc, item, where));
    }
}

static bool attrs_equal(const struct xml_node *a, const struct xml_node *b)
{
    if (strcmp(a->name, b->name) != 0 || g_strcmp0(a->text, b->text) != 0 || a->n_attrs != b->n_attrs)
        return false;
    for (unsigned i = 0; i < a->n_attrs; i++)
        if (strcmp(a->attrs[i].name, b->attrs[i].name) != 0 || strcmp(a->attrs[i].value, b->attrs[i].value) != 0)
            return false;
    return true;
}

/* Both trees are walked in step; no recursion. */
static bool trees_equal(const struct xml_node *top_a, const struct xml_node *top_b)
{
    const struct xml_node *a = top_a, *b = top_b;

    for (;;) {
        if (!attrs_equal(a, b) || (a->first == NULL) != (b->first == NULL))
            return false;
        if (a->first != NULL) {
            a = a->first;
            b = b->first;
            continue;
        }
        while (a != top_a && a->next == NULL) {
            if (b->next != NULL)
                return false;
            a = a->parent;
            b = b->parent;
        }
        if (a == top_a)
            return true;
        a = a->next;
        b = b->next;
        if (b == NULL)
            return false;
    }
}

static bool entry_equal(const struct entry *a, const struct entry *b)
{
    if (strcmp(a->where, b->where) != 0 || (a->attr == NULL) != (b->attr == NULL))
        return false;
    if (a->attr != NULL)
        return strcmp(a->attr->name, b->attr->name) == 0 && strcmp(a->attr->value, b->attr->value) == 0;
    return trees_equal(a->elem, b->elem);
}

bool kept_equal(const struct kept *a, const struct kept *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->entries->len != b->entries->len)
        return false;
    for (guint i = 0; i < a->entries->len; i++)
        if (!entry_equal(&g_array_index(a->entries, struct entry, i), &g_array_index(b->entries, struct entry, i)))
            return false;
    return true;
}

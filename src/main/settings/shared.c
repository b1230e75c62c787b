/*
 * shared.c - see shared.h.
 *
 * Locks: map_shared_lock for everything in a struct map_shared but the count. Invariant 1: an item that several lists
 * have is written to nowhere but there.
 */
#include "main/settings/layout.h"
#include "main/settings/map.h"

GMutex map_shared_lock;

static void *field(const void *s, size_t at)
{
    return (char *)(uintptr_t)s + at;
}

struct map_shared *map_shared(const struct map_type *t, const void *item)
{
    return t->shared != 0 ? field(item, t->shared) : NULL;
}

void map_share(struct map_shared *sh)
{
    g_atomic_int_inc(&sh->others);
}

bool map_unshare(struct map_shared *sh)
{
    if (g_atomic_int_add(&sh->others, -1) > 0)
        return true;
    g_free(sh->text);
    return false;
}

void *map_own(const struct map_type *t, GPtrArray *list, guint index)
{
    void *item = list->pdata[index];
    struct map_shared *sh = map_shared(t, item);

    if (g_atomic_int_get(&sh->others) > 0) {
        list->pdata[index] = map_copy_item(t, item);
        map_free(t, item);
    } else {
        g_free(sh->text);
        *sh = (struct map_shared){0};
    }
    return list->pdata[index];
}

/* What no row knows may have its place behind the items below this one: then it is not to be had without them. */
static bool stands_alone(const struct map_type *t, const void *item)
{
    return *(struct kept *const *)field(item, t->kept) == NULL;
}

const char *map_shared_head(const struct map_writer *w, const struct map_type *t, const void *item, const char *name,
                            unsigned level)
{
    struct map_shared *sh = map_shared(t, item);

    if (!stands_alone(t, item))
        return NULL;
    level = MIN(level, XML_MAX_INDENT);
    if (sh->text == NULL || sh->version != w->version || sh->level != level) {
        struct map_writer one = {.version = w->version, .doc = xml_new(name)};
        struct xml_node *top = xml_root(one.doc);
        map_write(&one, t, item, top);
        layout_state_down(one.doc, top, w->version);
        g_free(sh->text);
        sh->text = xml_head(top, level);
        sh->version = w->version;
        sh->level = level;
        xml_unref(one.doc);
    }
    return sh->text;
}

/*
 * medium_table.c - finding a medium by its id, however many there are.
 *
 * A key is a medium of which only kind and id are looked at. Of two with the same (a registry made by hand may say so)
 * the first one known is found, and after it the other.
 */
#include <string.h>

#include "main/server/medium/medium_int.h"

static guint key_hash(gconstpointer p)
{
    const struct medium *m = p;

    return g_str_hash(m->id) + (guint)m->kind;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    const struct medium *x = a, *y = b;

    return x->kind == y->kind && strcmp(x->id, y->id) == 0;
}

GHashTable *medium_table_new(void)
{
    return g_hash_table_new(key_hash, key_equal);
}

struct medium *medium_find(struct service *s, const char *id, enum settings_device kind)
{
    static const enum settings_device kinds[] = {DEVICE_HARD_DISK, DEVICE_DVD, DEVICE_FLOPPY};
    struct medium key = {.kind = kind}, *found = NULL;

    g_strlcpy(key.id, id, sizeof key.id);
    if (kind != DEVICE_NONE)
        return g_hash_table_lookup(s->media_by_id, &key);
    for (unsigned k = 0; found == NULL && k < G_N_ELEMENTS(kinds); k++) {
        key.kind = kinds[k];
        found = g_hash_table_lookup(s->media_by_id, &key);
    }
    return found;
}

void medium_table_add(struct service *s, struct medium *m)
{
    if (!g_hash_table_contains(s->media_by_id, m))
        g_hash_table_add(s->media_by_id, m);
}

void medium_table_drop(struct service *s, struct medium *m)
{
    if (g_hash_table_lookup(s->media_by_id, m) != m)
        return;
    g_hash_table_remove(s->media_by_id, m);
    for (unsigned k = 0; k < s->media->len; k++) {
        struct medium *one = s->media->pdata[k];
        if (one != m && key_equal(one, m)) {
            g_hash_table_add(s->media_by_id, one);
            return;
        }
    }
}

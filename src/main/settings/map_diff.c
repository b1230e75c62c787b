/* map_diff.c - see map_diff.h; tests only. */
#include "main/settings/map_diff.h"

char *map_difference(const struct map_type *t, const void *a, const void *b)
{
    for (const struct map_attr *x = t->attrs; x != NULL && x->name != NULL; x++) {
        struct map_type one = {.attrs = (const struct map_attr[]){*x, {.name = NULL}}};
        if (!map_equal(&one, a, b))
            return g_strdup_printf("@%s", x->name);
    }
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++) {
        struct map_type one = {.elems = (const struct map_elem[]){*e, {.name = NULL}}};
        const char *p = (const char *)a + e->at, *q = (const char *)b + e->at;
        g_autofree char *inner = NULL;
        if (map_equal(&one, a, b))
            continue;
        if (e->kind == ELEM_ONE)
            inner = map_difference(e->type, p, q);
        for (unsigned k = 0; e->kind == ELEM_SLOTS && inner == NULL && k < e->slots; k++)
            inner = map_difference(e->type, p + k * e->type->size, q + k * e->type->size);
        const GPtrArray *c = e->kind == ELEM_LIST || e->kind == ELEM_TREE ? *(GPtrArray *const *)(const void *)p : NULL;
        const GPtrArray *d = c != NULL ? *(GPtrArray *const *)(const void *)q : NULL;
        for (guint k = 0; c != NULL && inner == NULL && k < MIN(c->len, d->len); k++)
            inner = map_difference(e->type, c->pdata[k], d->pdata[k]);
        return g_strdup_printf("/%s%s", e->name, inner != NULL ? inner : "");
    }
    return NULL;
}

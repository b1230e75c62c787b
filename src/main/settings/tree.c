/* tree.c - see tree.h. Nothing here recurses: depth comes from files. */
#include "main/settings/tree.h"

#include <stdint.h>

static uint32_t *depth(const GPtrArray *list, guint index)
{
    return list->pdata[index];
}

guint settings_tree_parent(const GPtrArray *list, guint index)
{
    for (guint k = index; k-- > 0;)
        if (*depth(list, k) < *depth(list, index))
            return k;
    return SETTINGS_NO_PARENT;
}

guint settings_tree_end(const GPtrArray *list, guint index)
{
    guint k = index + 1;

    while (k<list->len && * depth(list, k)> * depth(list, index))
        k++;
    return k;
}

guint settings_tree_add(GPtrArray *list, guint parent, void *item)
{
    guint at = parent == SETTINGS_NO_PARENT ? list->len : settings_tree_end(list, parent);

    *(uint32_t *)item = parent == SETTINGS_NO_PARENT ? 0 : *depth(list, parent) + 1;
    g_ptr_array_insert(list, (gint)at, item);
    return at;
}

void settings_tree_remove(GPtrArray *list, guint index)
{
    guint end = settings_tree_end(list, index);

    for (guint k = index + 1; k < end; k++)
        --*depth(list, k);
    g_ptr_array_remove_index(list, index);
}

bool settings_tree_valid(const GPtrArray *list)
{
    for (guint k = 0; k < list->len; k++)
        if (*depth(list, k) > (k > 0 ? *depth(list, k - 1) + 1 : 0))
            return false;
    return true;
}

/*
 * tree.h - lists that hold trees in document order: snapshots and media.
 *
 * Every element starts with `uint32_t depth`. Invariant 1: the first has depth 0, each other at most its predecessor's
 * plus one. The parent of an element is the nearest one before it with a smaller depth.
 */
#ifndef MAIN_SETTINGS_TREE_H
#define MAIN_SETTINGS_TREE_H

#include <glib.h>
#include <stdbool.h>

#define SETTINGS_NO_PARENT G_MAXUINT

/** settings_tree_parent() - index of the parent of @list[@index], SETTINGS_NO_PARENT for a root. */
guint settings_tree_parent(const GPtrArray *list, guint index);
/** settings_tree_end() - index behind the last descendant of @list[@index]. */
guint settings_tree_end(const GPtrArray *list, guint index);
/** settings_tree_add() - puts @item (owned from now on) as last child under @parent; returns its index. */
guint settings_tree_add(GPtrArray *list, guint parent, void *item);
/** settings_tree_remove() - takes @list[@index] out and frees it; its children take its place. */
void settings_tree_remove(GPtrArray *list, guint index);
/** settings_tree_valid() - invariant 1. */
bool settings_tree_valid(const GPtrArray *list);

#endif

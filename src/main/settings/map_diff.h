/* map_diff.h - for the message of a failing test: where two models differ. */
#ifndef MAIN_SETTINGS_MAP_DIFF_H
#define MAIN_SETTINGS_MAP_DIFF_H

#include "main/settings/map.h"

/** NULL if no row differs, else its path: "/Hardware/Memory@RAMSize". Free with g_free(). */
char *map_difference(const struct map_type *t, const void *a, const void *b);

#endif

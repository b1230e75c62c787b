/* enums.c - the words of enums.def. */
#include "main/settings/enums.h"

#include <glib.h>

#define SETTINGS_ENUM_WORD(constant, word) [constant] = word,
#define SETTINGS_ENUM(name, list)          const char *const settings_##name##_names[] = {list(SETTINGS_ENUM_WORD) NULL};
#include "main/settings/enums.def"

int settings_enum_find(const char *const *names, const char *word)
{
    for (int k = 0; names[k] != NULL; k++)
        if (g_ascii_strcasecmp(names[k], word) == 0)
            return k;
    return -1;
}

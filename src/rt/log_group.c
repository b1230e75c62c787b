/*
 * log_group.c - log groups: names, masks, the settings language of VBOX_RELEASE_LOG.
 *
 * Threads: masks are plain words; a change made while others log is seen by them sooner or later.
 */
#include "rt/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rt/status.h"

static const char *const group_names[LOG_GROUP_COUNT] = {
#define LOG_GROUP(name) #name,
#include "rt/log.def"
#undef LOG_GROUP
};

#define LEVEL_MAX 12

void log_group_write(enum log_group group, const char *fmt, ...)
{
    char buf[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(buf, sizeof(buf), fmt, args);
    va_end(args);
    log_rel("%s: %s", group_names[group], buf);
}

/* A flag's mask bits; 0 = unknown. */
static uint32_t parse_flag(const char *flag)
{
    char *end = NULL;
    unsigned long level;

    if (!strcmp(flag, "e"))
        return LOG_ENABLED | 1u << 2;
    if (!strcmp(flag, "f"))
        return LOG_ENABLED | LOG_FLOW;
    if (flag[0] != 'l')
        return 0;
    level = flag[1] ? strtoul(flag + 1, &end, 10) : 1;
    if ((end && *end) || level < 1 || level > LEVEL_MAX)
        return 0;
    return LOG_ENABLED | ((2u << (level + 1)) - 4u); /* this level and those below */
}

static bool refuse(const char *what, GError **error)
{
    g_set_error(error, STATUS_ERROR, VERR_INVALID_PARAMETER,
                "log settings: '%s' is not understood; use e.g. \"+pgm.e.l2 -all\"", what);
    return false;
}

static bool apply(const char *item, uint32_t *masks, GError **error)
{
    bool clear = *item == '-' || *item == '~';
    g_auto(GStrv) parts = g_strsplit(item + (clear || *item == '+'), ".", 8);
    uint32_t bits = 0;
    bool known = false;

    for (unsigned i = 1; parts[0] && parts[i]; i++) {
        uint32_t flag = parse_flag(parts[i]);
        if (flag == 0)
            return refuse(item, error);
        bits |= flag;
    }
    if (bits == 0)
        bits = clear ? UINT32_MAX : LOG_ENABLED | 1u << 2;
    for (unsigned g = 0; parts[0] && g < LOG_GROUP_COUNT; g++)
        if (!g_ascii_strcasecmp(parts[0], "all") || !g_ascii_strcasecmp(parts[0], group_names[g])) {
            masks[g] = clear ? masks[g] & ~bits : masks[g] | bits;
            known = true;
        }
    return known || refuse(item, error);
}

bool log_groups_set(const char *settings, GError **error)
{
    uint32_t masks[LOG_GROUP_COUNT];
    g_auto(GStrv) items = g_strsplit_set(settings, " ,;\t", -1);

    memcpy(masks, log_masks, sizeof(masks));
    for (unsigned i = 0; items[i]; i++)
        if (*items[i] && !apply(items[i], masks, error))
            return false;
    memcpy(log_masks, masks, sizeof(masks));
    return true;
}

char *log_groups_text(void)
{
    GString *text = g_string_new(NULL);

    for (unsigned g = 0; g < LOG_GROUP_COUNT; g++) {
        if (log_masks[g] == 0)
            continue;
        g_autofree char *name = g_ascii_strdown(group_names[g], -1);
        g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", name);
        if (log_masks[g] & LOG_FLOW)
            g_string_append(text, ".f");
        for (unsigned level = 1; level <= LEVEL_MAX; level++)
            if ((log_masks[g] & 1u << (level + 1)) != 0 && (level == LEVEL_MAX || !(log_masks[g] & 1u << (level + 2))))
                g_string_append_printf(text, ".l%u", level);
    }
    return g_string_free(text, FALSE);
}

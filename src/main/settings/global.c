/* global.c - see global.h. */
#include "main/settings/global.h"

#include <string.h>

#include "main/settings/file_int.h"
#include "main/settings/items.h"
#include "main/settings/map_rows.h"

struct settings_global *settings_global_new(const struct fio *io, const char *path)
{
    struct settings_global *g = g_new0(struct settings_global, 1);
    struct settings_dhcp_server *s = settings_dhcp_server_new();

    file_init(&g->file, io, path);
    map_init(&map_global, g, SETTINGS_NEWEST);
    s->network = g_strdup("HostInterfaceNetworking-vboxnet0");
    s->address = g_strdup("192.168.56.100");
    s->mask = g_strdup("255.255.255.0");
    s->lower = g_strdup("192.168.56.101");
    s->upper = g_strdup("192.168.56.254");
    s->enabled = true;
    g_ptr_array_add(g->dhcp_servers, s);
    g->system.hard_disk_format = g_strdup("VDI");
    g->system.vrde_auth_library = g_strdup("VBoxAuth");
    g->system.web_auth_library = g_strdup("VBoxAuth");
    return g;
}

struct settings_global *settings_global_load(const struct fio *io, const char *path, GError **error)
{
    struct settings_global *g = g_new0(struct settings_global, 1);

    file_init(&g->file, io, path);
    if (!file_load(&g->file, SETTINGS_GLOBAL, g, error)) {
        settings_global_free(g);
        return NULL;
    }
    return g;
}

bool settings_global_save(struct settings_global *g, GError **error)
{
    return file_save(&g->file, SETTINGS_GLOBAL, g, error);
}

struct settings_global *settings_global_copy(const struct settings_global *g)
{
    struct settings_global *copy = g_new0(struct settings_global, 1);

    map_copy(&map_global, copy, g);
    file_copy(&copy->file, &g->file);
    return copy;
}

bool settings_global_equal(const struct settings_global *a, const struct settings_global *b)
{
    return map_equal(&map_global, a, b);
}

bool settings_global_check(const struct settings_global *g, GError **error)
{
    return file_check(&g->file, SETTINGS_GLOBAL, g, error);
}

char *settings_global_text(const struct settings_global *g)
{
    return settings_global_check(g, NULL) ? file_text(&g->file, SETTINGS_GLOBAL, g, NULL) : NULL;
}

void settings_global_free(struct settings_global *g)
{
    if (g == NULL)
        return;
    file_fini(&g->file);
    map_free(&map_global, g);
}

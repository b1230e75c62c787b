/* machine.c - see machine.h: a machine's life in memory; the work is done by
 * file.c and the tables. */
#include "main/settings/machine.h"

#include <string.h>

#include "main/settings/file_int.h"
#include "main/settings/items.h"
#include "main/settings/map_rows.h"
#include "main/settings/tree.h"

struct settings_machine *settings_machine_new(const struct fio *io, const char *path, const char *uuid,
                                              const char *name, const char *os_type)
{
    struct settings_machine *m = g_new0(struct settings_machine, 1);

    file_init(&m->file, io, path);
    map_init(&map_machine, m, SETTINGS_NEWEST);
    m->uuid = g_strdup(uuid);
    m->name = g_strdup(name);
    m->os_type = g_strdup(os_type);
    m->snapshot_folder = g_strdup("Snapshots");
    m->hardware.firmware.ioapic = true;
    m->hardware.firmware.smbios_uuid_le = true;
    m->hardware.firmware.auto_serial = true;
    return m;
}

struct settings_machine *settings_machine_load(const struct fio *io, const char *path, GError **error)
{
    struct settings_machine *m = g_new0(struct settings_machine, 1);

    file_init(&m->file, io, path);
    if (!file_load(&m->file, SETTINGS_MACHINE, m, error)) {
        settings_machine_free(m);
        return NULL;
    }
    return m;
}

bool settings_machine_save(struct settings_machine *m, GError **error)
{
    return file_save(&m->file, SETTINGS_MACHINE, m, error);
}

struct settings_machine *settings_machine_copy(const struct settings_machine *m)
{
    struct settings_machine *copy = g_new0(struct settings_machine, 1);

    map_copy(&map_machine, copy, m);
    file_copy(&copy->file, &m->file);
    return copy;
}

bool settings_machine_equal(const struct settings_machine *a, const struct settings_machine *b)
{
    return map_equal(&map_machine, a, b);
}

bool settings_machine_check(const struct settings_machine *m, GError **error)
{
    return file_check(&m->file, SETTINGS_MACHINE, m, error);
}

char *settings_machine_text(const struct settings_machine *m)
{
    return settings_machine_check(m, NULL) ? file_text(&m->file, SETTINGS_MACHINE, m, NULL) : NULL;
}

void settings_machine_free(struct settings_machine *m)
{
    if (m == NULL)
        return;
    file_fini(&m->file);
    map_free(&map_machine, m);
}

/* ---- parts ---- */

static guint find_property(const GPtrArray *list, const char *key)
{
    guint k = 0;

    while (k < list->len && strcmp(((struct settings_property *)list->pdata[k])->name, key) != 0)
        k++;
    return k;
}

const char *settings_property_get(const GPtrArray *list, const char *key)
{
    guint k = find_property(list, key);

    return k < list->len ? ((struct settings_property *)list->pdata[k])->value : NULL;
}

void settings_property_set(GPtrArray *list, const char *key, const char *value)
{
    guint k = find_property(list, key);
    bool there = k < list->len;

    if (value == NULL || *value == '\0') {
        if (there)
            g_ptr_array_remove_index(list, k);
        return;
    }
    struct settings_property *p = there ? list->pdata[k] : settings_property_new();
    char *old = p->value;
    p->value = g_strdup(value);
    g_free(old);
    if (!there) {
        p->name = g_strdup(key);
        g_ptr_array_add(list, p);
        g_ptr_array_sort(list, map_by_name);
    }
}

guint settings_snapshot_find(const struct settings_machine *m, const char *uuid)
{
    for (guint k = 0; k < m->snapshots->len; k++)
        if (strcmp(((struct settings_snapshot *)m->snapshots->pdata[k])->uuid, uuid) == 0)
            return k;
    return G_MAXUINT;
}

struct settings_snapshot *settings_snapshot_change(struct settings_machine *m, guint index)
{
    return map_own(&map_snapshot, m->snapshots, index);
}

void settings_snapshot_remove(struct settings_machine *m, guint index)
{
    guint end = settings_tree_end(m->snapshots, index);

    for (guint k = index; k < end; k++) /* their depths change */
        settings_snapshot_change(m, k);
    settings_tree_remove(m->snapshots, index);
}

void settings_hardware_copy(struct settings_hardware *to, const struct settings_hardware *from)
{
    map_copy(&map_hardware, to, from);
    map_copy(&map_platform, to, from);
    map_copy(&map_controllers, to, from); /* a second place of the same list: no part of map_hardware's copy */
}

void settings_snapshot_take(struct settings_snapshot *to, const struct settings_machine *from)
{
    settings_hardware_copy(&to->hardware, &from->hardware);
    map_copy(&map_debugging, &to->debugging, &from->debugging);
    map_copy(&map_autostart, &to->autostart, &from->autostart);
    map_copy(&map_recording, &to->recording, &from->recording);
}

void settings_snapshot_restore(struct settings_machine *to, const struct settings_snapshot *from)
{
    settings_hardware_copy(&to->hardware, &from->hardware);
    map_copy(&map_debugging, &to->debugging, &from->debugging);
    map_copy(&map_autostart, &to->autostart, &from->autostart);
    map_copy(&map_recording, &to->recording, &from->recording);
}

void settings_snapshot_copy(struct settings_snapshot *to, const struct settings_snapshot *from)
{
    map_copy(&map_snapshot, to, from);
    map_copy(&map_controllers, &to->hardware, &from->hardware);
    to->depth = from->depth;
}

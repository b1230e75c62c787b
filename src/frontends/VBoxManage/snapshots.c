/*
 * snapshots.c - the tree of snapshots as `snapshot list` and showvminfo print it.
 *
 * A node's key ends in the path of 1-based child numbers: SnapshotName-1-2 is the second child of the root's first.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

#define DEPTH_MAX 1024u

static void print_machine(const struct info *i, GVariant *s, const char *suffix, bool current)
{
    g_autofree char *name = g_strconcat("SnapshotName", suffix, NULL);
    g_autofree char *uuid = g_strconcat("SnapshotUUID", suffix, NULL);
    g_autofree char *text = g_strconcat("SnapshotDescription", suffix, NULL);

    info_text(i, name, "", dict_str(s, "Name"));
    info_text(i, uuid, "", dict_str(s, "Id"));
    if (*dict_str(s, "Description") != '\0')
        info_text(i, text, "", dict_str(s, "Description"));
    if (!current)
        return;
    info_text(i, "CurrentSnapshotName", "", dict_str(s, "Name"));
    info_text(i, "CurrentSnapshotUUID", "", dict_str(s, "Id"));
    info_text(i, "CurrentSnapshotNode", "", name);
}

static void print_human(GVariant *s, unsigned depth, bool current)
{
    int indent = (int)(3 + 3 * depth);

    printf("%*sName: %s (UUID: %s)%s\n", indent, "", dict_str(s, "Name"), dict_str(s, "Id"), current ? " *" : "");
    if (*dict_str(s, "Description") != '\0' && strchr(dict_str(s, "Description"), '\n') == NULL)
        printf("%*sDescription: %s\n", indent, "", dict_str(s, "Description"));
    else if (*dict_str(s, "Description") != '\0')
        printf("%*sDescription:\n%s\n", indent, "", dict_str(s, "Description"));
}

void show_snapshots(GVariant *machine, bool machine_readable, bool details)
{
    g_autoptr(GVariant) list = dict_list(machine, "Snapshots");

    if (g_variant_n_children(list) > 0 && !machine_readable)
        printf("* Snapshots:\n");
    snapshots_print(machine, machine_readable, details);
}

void snapshots_print(GVariant *machine, bool machine_readable, bool details)
{
    const struct info i = {.machine = machine, .machine_readable = machine_readable};
    g_autoptr(GVariant) list = dict_list(machine, "Snapshots");
    gsize count = g_variant_n_children(list);
    g_autoptr(GArray) number = g_array_new(FALSE, TRUE, sizeof(unsigned)); /* of the last child at each depth */

    (void)details;
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) s = g_variant_get_child_value(list, k);
        g_autoptr(GString) suffix = g_string_new(NULL);
        unsigned depth = (unsigned)MIN(dict_int(s, "Depth"), DEPTH_MAX);
        bool current = strcmp(dict_str(s, "Id"), dict_str(machine, "CurrentSnapshot")) == 0;
        g_array_set_size(number, depth + 1);
        g_array_index(number, unsigned, depth)++;
        for (unsigned d = 1; d <= depth; d++)
            g_string_append_printf(suffix, "-%u", g_array_index(number, unsigned, d));
        if (machine_readable)
            print_machine(&i, s, suffix->str, current);
        else
            print_human(s, depth, current);
    }
}

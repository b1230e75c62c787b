/*
 * medium_path_test.c - what is opened for a registered medium: files by name, targets by their properties.
 */
#include "main/settings/medium_path.h"

#include "main/settings/items.h"
#include "main/settings/machine.h"

static void test_luns(void)
{
    static const struct {
        const char *text;
        int lun;
    } rows[] = {{NULL, 0},
                {"", 0},
                {"0", 0},
                {"7", 7},
                {"16383", 16383},
                {"16384", -1},
                {"-1", -1},
                {"1x", -1},
                {"enc", -1},
                {"enc0000000000000000", 0},
                {"enc0005000000000000", 5},   /* SAM-5, 4.7.7.2: peripheral device addressing */
                {"enc4105000000000000", 261}, /* 4.7.7.3: flat space addressing */
                {"enc0105000000000000", -1},  /* another bus */
                {"enc8005000000000000", -1},  /* logical unit addressing */
                {"enc0005000100000000", -1}}; /* two levels */

    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++)
        g_assert_cmpint(settings_iscsi_lun(rows[k].text), ==, rows[k].lun);
}

static void expect(const char *format, const char *location, const GPtrArray *properties, const char *wanted)
{
    g_autofree char *path = settings_medium_path(format, location, properties, "/vm");

    g_assert_cmpstr(path, ==, wanted);
}

static void test_paths(void)
{
    g_autoptr(GPtrArray) p = g_ptr_array_new_with_free_func((GDestroyNotify)settings_property_free);

    expect("VDI", "Snapshots/a.vdi", p, "/vm/Snapshots/a.vdi");
    expect(NULL, "/a/../b.img", p, "/b.img");
    expect("nbd", "nbd://host/x", p, "nbd://host/x");
    settings_property_set(p, ISCSI_ADDRESS, "10.0.0.1:3261");
    settings_property_set(p, ISCSI_TARGET, "iqn.x:y");
    expect("iSCSI", "10.0.0.1|iqn.x:y", p, "iscsi://10.0.0.1:3261/iqn.x:y/0");
    settings_property_set(p, ISCSI_LUN, "enc0005000000000000");
    settings_property_set(p, ISCSI_USER, "me");
    settings_property_set(p, ISCSI_SECRET, "a/b@c#d&e%41");
    expect("ISCSI", "?", p, "iscsi://10.0.0.1:3261/iqn.x:y/5#user=me&secret=a%2Fb%40c%23d%26e%2541");
    settings_property_set(p, ISCSI_LUN, "none");
    settings_property_set(p, ISCSI_USER, NULL);
    settings_property_set(p, ISCSI_SECRET, NULL);
    settings_property_set(p, ISCSI_INITIATOR, "iqn.z");
    settings_property_set(p, ISCSI_HOST_IP, "0");
    expect("ISCSI", "?", p, "iscsi://10.0.0.1:3261/iqn.x:y/none#initiator=iqn.z&internal=1");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/medium-path/lun", test_luns);
    g_test_add_func("/settings/medium-path/path", test_paths);
    return g_test_run();
}

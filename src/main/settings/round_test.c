/*
 * round_test.c - what is read, written and read again is the same, byte for byte where the writer was VirtualBox 5.1 or
 * later; unknown parts stay where they were.
 *
 * samples/ has hand-made files; what ends in -same must be written as it was read. RB_SETTINGS_CORPUS names a folder of
 * real ones: "machine" and "global" in a name say what they are.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "main/settings/global.h"
#include "main/settings/machine.h"

static char *folder;

/* One model of either kind. */
struct any {
    struct settings_machine *machine;
    struct settings_global *global;
};

static bool any_load(struct any *a, const char *path, bool global, GError **error)
{
    *a = (struct any){0};
    if (global)
        a->global = settings_global_load(fio_system(), path, error);
    else
        a->machine = settings_machine_load(fio_system(), path, error);
    return a->global != NULL || a->machine != NULL;
}

static char *any_text(const struct any *a)
{
    return a->global != NULL ? settings_global_text(a->global) : settings_machine_text(a->machine);
}

static bool any_equal(const struct any *a, const struct any *b)
{
    return a->global != NULL ? settings_global_equal(a->global, b->global)
                             : settings_machine_equal(a->machine, b->machine);
}

static void any_copy(struct any *to, const struct any *from)
{
    to->global = from->global != NULL ? settings_global_copy(from->global) : NULL;
    to->machine = from->machine != NULL ? settings_machine_copy(from->machine) : NULL;
}

static void any_free(struct any *a)
{
    settings_global_free(a->global);
    settings_machine_free(a->machine);
}

/* From the root element on: comments before it are the program's own. */
static const char *body(const char *text)
{
    const char *root = strstr(text, "<VirtualBox");

    return root != NULL ? strchr(root, '>') : text;
}

/* Byte for byte; says the first line that differs. */
static void assert_same(const char *a, const char *b)
{
    g_auto(GStrv) left = g_strsplit(a, "\n", -1), right = g_strsplit(b, "\n", -1);

    for (unsigned k = 0; left[k] != NULL && right[k] != NULL; k++)
        g_assert_cmpstr(left[k], ==, right[k]);
    g_assert_cmpuint(strlen(a), ==, strlen(b));
}

/* Reads @path, writes it, reads that: equal models, and the same text the second time. Returns the first text. */
static char *round_trip(const char *path, bool global)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *again = g_build_filename(folder, "again.vbox", NULL);
    struct any first, second, copy;

    any_load(&first, path, global, &error);
    g_assert_no_error(error);
    char *text = any_text(&first);
    g_assert_nonnull(text);
    g_assert_true(g_file_set_contents(again, text, -1, NULL));
    any_load(&second, again, global, &error);
    g_assert_no_error(error);
    g_autofree char *twice = any_text(&second);
    assert_same(text, twice);
    g_assert_true(any_equal(&first, &second));
    any_copy(&copy, &first);
    g_autofree char *copied = any_text(&copy);
    assert_same(text, copied);
    g_assert_true(any_equal(&first, &copy));
    any_free(&first);
    any_free(&second);
    any_free(&copy);
    return text;
}

struct result {
    unsigned good, bad, same;
};

static void one_file(const char *folder_of, const char *name, struct result *r)
{
    bool global = strstr(name, "global") != NULL;
    g_autofree char *path = g_build_filename(folder_of, name, NULL), *bytes = NULL;
    g_autoptr(GError) error = NULL;
    struct any a;

    g_assert_true(g_file_get_contents(path, &bytes, NULL, NULL));
    if (!any_load(&a, path, global, &error)) {
        g_test_message("%s: refused: %s", name, error->message);
        r->bad++;
        return;
    }
    any_free(&a);
    g_autofree char *text = round_trip(path, global);
    bool same = strcmp(body(bytes), body(text)) == 0;
    g_test_message("%s: read, written, read: equal%s", name, same ? ", byte-identical" : "");
    if (strstr(name, "-same") != NULL)
        assert_same(body(bytes), body(text));
    r->good++;
    r->same += same;
}

static struct result all_files(const char *folder_of)
{
    struct result r = {0};
    g_autoptr(GDir) dir = g_dir_open(folder_of, 0, NULL);

    g_assert_nonnull(dir);
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir))
        if (strstr(name, "machine") != NULL || strstr(name, "global") != NULL)
            one_file(folder_of, name, &r);
    g_test_message("%u files read and written, %u of them byte-identical; %u refused", r.good, r.same, r.bad);
    return r;
}

static void test_samples(void)
{
    struct result r = all_files(SETTINGS_SAMPLES);

    g_assert_cmpuint(r.good, ==, 9);
    g_assert_cmpuint(r.bad, ==, 0);
}

static void test_corpus(void)
{
    const char *corpus = g_getenv("RB_SETTINGS_CORPUS");

    if (corpus != NULL)
        g_assert_cmpuint(all_files(corpus).good, >, 0);
}

/* ---- what the old layouts say ---- */

static struct settings_machine *sample(const char *name)
{
    g_autofree char *path = g_build_filename(SETTINGS_SAMPLES, name, NULL);
    g_autoptr(GError) error = NULL;
    struct settings_machine *m = settings_machine_load(fio_system(), path, &error);

    g_assert_no_error(error);
    return m;
}

static const struct settings_attachment *attached(const struct settings_machine *m, const char *controller,
                                                  uint32_t port, uint32_t device)
{
    for (guint k = 0; k < m->hardware.controllers->len; k++) {
        const struct settings_controller *c = m->hardware.controllers->pdata[k];
        for (guint n = 0; strcmp(c->name, controller) == 0 && n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            if (a->port == port && a->device == device)
                return a;
        }
    }
    g_error("nothing at port %u, device %u of %s", port, device, controller);
}

static void test_oldest(void)
{
    struct settings_machine *m = sample("machine-1.2.xml");
    const struct settings_hardware *h = &m->hardware;

    g_assert_cmpstr(m->os_type, ==, "Windows2000");
    g_assert_cmpstr(m->uuid, ==, "{a1b2c3d4-0000-4000-8000-000000000001}");
    g_assert_cmpint(m->last_state_change_s, ==, 1178435289); /* date -u -d 2007-05-06T07:08:09 +%s */
    g_assert_cmpuint(h->monitors, ==, 2);
    g_assert_cmpint(h->vrde.auth, ==, AUTH_EXTERNAL);
    g_assert_cmpstr(settings_property_get(h->vrde.properties, "TCP/Ports"), ==, "3390");
    g_assert_cmpstr(settings_property_get(h->vrde.properties, "TCP/Address"), ==, "127.0.0.1");
    g_assert_cmpint(h->firmware.boot_menu, ==, BOOT_MENU_ONLY);
    g_assert_cmpstr(attached(m, "IDE Controller", 0, 0)->image_uuid, ==, "{a1b2c3d4-0000-4000-8000-000000000010}");
    g_assert_cmpstr(attached(m, "IDE Controller", 1, 1)->image_uuid, ==, "{a1b2c3d4-0000-4000-8000-000000000011}");
    g_assert_cmpstr(attached(m, "IDE Controller", 1, 0)->host_drive, ==, "/dev/cdrom");
    g_assert_true(attached(m, "IDE Controller", 1, 0)->passthrough);
    g_assert_cmpint(attached(m, "Floppy Controller", 0, 0)->kind, ==, DEVICE_FLOPPY);
    g_assert_cmpuint(h->usb_controllers->len, ==, 1);
    const struct settings_usb_filter *filter = h->usb_filters->pdata[0];
    g_assert_cmpstr(filter->vendor_id, ==, "1234");
    g_assert_cmpstr(filter->serial_number, ==, "x");
    g_assert_cmpint(h->adapter[0].attachment, ==, ATTACH_BRIDGED);
    g_assert_cmpstr(h->adapter[0].bridged_if, ==, "eth0");
    g_assert_cmpint(h->adapter[0].type, ==, NIC_AM79C970A);
    g_assert_cmpint(h->adapter[1].attachment, ==, ATTACH_INTERNAL);
    g_assert_cmpint(h->uart[0].mode, ==, UART_HOST_PIPE);
    g_assert_cmpint(h->audio.driver, ==, AUDIO_DIRECT_SOUND);
    g_assert_true(h->audio.enabled && h->audio.in);
    g_assert_true(((struct settings_shared_folder *)h->shared_folders->pdata[0])->writable);
    g_assert_cmpuint(h->balloon_mib, ==, 8);
    g_assert_cmpuint(m->snapshots->len, ==, 1);
    const struct settings_snapshot *s = m->snapshots->pdata[0];
    g_assert_cmpstr(s->description, ==, "before");
    g_assert_cmpuint(s->hardware.controllers->len, ==, 1);
    settings_machine_free(m);
}

static void test_sata(void)
{
    struct settings_machine *m = sample("machine-1.6.xml");
    const struct settings_controller *sata = m->hardware.controllers->pdata[1];

    g_assert_cmpint(((struct settings_controller *)m->hardware.controllers->pdata[0])->type, ==, CONTROLLER_ICH6);
    g_assert_cmpint(sata->type, ==, CONTROLLER_AHCI);
    g_assert_cmpuint(sata->port_count, ==, 4);
    g_assert_cmpstr(attached(m, "SATA Controller", 3, 0)->image_uuid, ==, "{a1b2c3d4-0000-4000-8000-000000000010}");
    g_assert_true(attached(m, "SATA Controller", 3, 0)->hotpluggable);
    g_assert_cmpstr(attached(m, "IDE Controller", 0, 1)->image_uuid, ==, "{a1b2c3d4-0000-4000-8000-000000000011}");
    g_assert_cmpuint(m->hardware.usb_controllers->len, ==, 2);
    settings_machine_free(m);
}

static void test_registry(void)
{
    g_autofree char *path = g_build_filename(SETTINGS_SAMPLES, "global-1.2.xml", NULL);
    g_autoptr(GError) error = NULL;
    struct settings_global *g = settings_global_load(fio_system(), path, &error);

    g_assert_no_error(error);
    static const struct {
        uint32_t depth;
        const char *location, *format;
        enum settings_medium_type type;
    } disks[] = {{0, "VDI/a.vdi", "VDI", MEDIUM_NORMAL},
                 {1, "Machines/old/Snapshots/b.vdi", "VDI", MEDIUM_NORMAL},
                 {0, "10.0.0.1/iqn.x", "iSCSI", MEDIUM_WRITETHROUGH},
                 {0, "c.vmdk", "VMDK", MEDIUM_IMMUTABLE},
                 {0, "d.vhd", "VHD", MEDIUM_NORMAL}};
    g_assert_cmpuint(g->media.disks->len, ==, G_N_ELEMENTS(disks));
    for (guint k = 0; k < G_N_ELEMENTS(disks); k++) {
        const struct settings_medium *m = g->media.disks->pdata[k];
        g_assert_cmpuint(m->depth, ==, disks[k].depth);
        g_assert_cmpstr(m->location, ==, disks[k].location);
        g_assert_cmpstr(m->format, ==, disks[k].format);
        g_assert_cmpint(m->type, ==, disks[k].type);
    }
    const struct settings_medium *iscsi = g->media.disks->pdata[2];
    g_assert_cmpstr(settings_property_get(iscsi->properties, "LUN"), ==, "1");
    g_assert_cmpuint(g->dhcp_servers->len, ==, 1); /* what 2.2 added */
    g_assert_cmpstr(g->system.hard_disk_folder, ==, "VDI");
    g_assert_null(g->system.machine_folder); /* "Machines" stood for the default */
    g_assert_cmpstr(g->system.vrde_auth_library, ==, "VRDPAuth");
    settings_global_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("settings-round-XXXXXX", NULL);
    g_test_add_func("/settings/round/samples", test_samples);
    g_test_add_func("/settings/round/corpus", test_corpus);
    g_test_add_func("/settings/round/oldest", test_oldest);
    g_test_add_func("/settings/round/sata", test_sata);
    g_test_add_func("/settings/round/registry", test_registry);
    int rc = g_test_run();
    g_autofree char *again = g_build_filename(folder, "again.vbox", NULL);
    g_unlink(again);
    g_rmdir(folder);
    g_free(folder);
    return rc;
}

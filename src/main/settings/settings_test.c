/* settings_test.c - what a settings file says, and how a bad one is refused. */
#include "main/settings/machine.h"

#include <glib/gstdio.h>
#include <string.h>

static char *folder;

static struct settings_machine *load(const char *body, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "vm.vbox", NULL);

    g_assert_true(g_file_set_contents(path, body, -1, NULL));
    return settings_machine_load(fio_system(), path, error);
}

#define UUID "{01234567-89ab-cdef-0123-456789abcdef}"
#define HEAD                                                                                                           \
    "<?xml version=\"1.0\"?><VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.16-linux\"><Machine "         \
    "uuid=\"" UUID "\" name=\"vm\">"
#define TAIL  "</Machine></VirtualBox>"
#define HW(x) HEAD "<Hardware><Memory RAMSize=\"256\"/>" x "</Hardware>" TAIL

static void test_full(void)
{
    g_autoptr(GError) error = NULL;
    struct settings_machine *s =
        load(HEAD "<MediaRegistry><HardDisks><HardDisk uuid=\"{11111111-89ab-cdef-0123-456789abcdef}\" "
                  "location=\"a.vdi\" format=\"VDI\" type=\"Normal\">"
                  "<HardDisk uuid=\"{21111111-89ab-cdef-0123-456789abcdef}\" location=\"Snapshots/b.vdi\" "
                  "format=\"VDI\"/></HardDisk></HardDisks>"
                  "<DVDImages><Image uuid=\"{31111111-89ab-cdef-0123-456789abcdef}\" "
                  "location=\"/x/c.iso\"/></DVDImages></MediaRegistry>"
                  "<ExtraData><ExtraDataItem name=\"k\" value=\"v\"/></ExtraData>"
                  "<Hardware><CPU count=\"4\"><PAE enabled=\"false\"/><LongMode enabled=\"true\"/></CPU><Memory "
                  "RAMSize=\"512\"/><HPET enabled=\"true\"/>"
                  "<Boot><Order position=\"1\" device=\"HardDisk\"/><Order position=\"2\" "
                  "device=\"None\"/></Boot><Display VRAMSize=\"16\"/>"
                  "<BIOS><IOAPIC enabled=\"true\"/><TimeOffset value=\"-5000\"/></BIOS><RTC localOrUTC=\"UTC\"/>"
                  "<UART><Port slot=\"0\" enabled=\"true\" IOBase=\"0x3f8\" IRQ=\"4\" hostMode=\"RawFile\" "
                  "path=\"out.txt\"/></UART></Hardware>"
                  "<StorageControllers><StorageController name=\"IDE\" type=\"PIIX4\" PortCount=\"2\">"
                  "<AttachedDevice type=\"HardDisk\" port=\"0\" device=\"0\"><Image "
                  "uuid=\"{21111111-89ab-cdef-0123-456789abcdef}\"/></AttachedDevice>"
                  "<AttachedDevice passthrough=\"false\" type=\"DVD\" port=\"1\" "
                  "device=\"0\"/></StorageController></StorageControllers>" TAIL,
             &error);

    g_assert_no_error(error);
    const struct settings_hardware *h = &s->hardware;
    g_assert_cmpuint(h->cpu.count, ==, 4);
    g_assert_cmpuint(h->ram_mib, ==, 512);
    g_assert_false(h->cpu.pae);
    g_assert_true(h->cpu.hpet && h->firmware.ioapic && h->clock == CLOCK_UTC && h->cpu.long_mode == LONG_MODE_ON);
    g_assert_cmpint(h->firmware.time_offset_ms, ==, -5000);
    g_assert_cmpint(h->boot_order[0], ==, DEVICE_HARD_DISK);
    g_assert_cmpint(h->boot_order[1], ==, DEVICE_NONE);
    g_assert_cmpint(h->uart[0].mode, ==, UART_RAW_FILE);
    g_assert_cmpstr(settings_property_get(s->extra_data, "k"), ==, "v");
    g_assert_cmpuint(s->media.disks->len, ==, 2);
    enum settings_device kind = DEVICE_NONE;
    const struct settings_medium *m = settings_media_find(&s->media, "{21111111-89ab-cdef-0123-456789abcdef}", &kind);
    g_assert_cmpint(kind, ==, DEVICE_HARD_DISK);
    g_assert_cmpuint(m->depth, ==, 1);
    g_assert_cmpstr(m->location, ==, "Snapshots/b.vdi");
    const struct settings_controller *c = h->controllers->pdata[0];
    g_assert_cmpuint(c->attachments->len, ==, 2);
    g_assert_null(((struct settings_attachment *)c->attachments->pdata[1])->image_uuid);
    settings_machine_free(s);
}

/* Each file is refused with a message that holds the given words; nothing else is looked at. */
static const struct {
    const char *name, *body, *words;
} bad[] = {
    {"empty", "", "mpty"},
    {"truncated", "<?xml version=\"1.0\"?><VirtualBox version=\"1.16\"><Machine", "Location: '"},
    {"doctype", "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]><VirtualBox version=\"1.16\"/>",
     "document type declaration"},
    {"root", "<Other/>", "root element is 'Other'"},
    {"version", "<VirtualBox version=\"1.1-linux\"><Machine/></VirtualBox>",
     "Cannot handle settings version '1.1-linux'"},
    {"no version", "<VirtualBox/>", "@version attribute is missing"},
    {"global", "<VirtualBox version=\"1.12\"><Global/></VirtualBox>", "global settings"},
    {"no uuid", "<VirtualBox version=\"1.12\"><Machine name=\"x\"/></VirtualBox>",
     "Machine/@uuid attribute is missing"},
    {"zero uuid",
     "<VirtualBox version=\"1.12\"><Machine uuid=\"{00000000-0000-0000-0000-000000000000}\" name=\"x\"/></VirtualBox>",
     "must be a UUID"},
    {"no hardware", HEAD TAIL, "Machine/Hardware element is missing"},
    {"ram", HEAD "<Hardware><Memory RAMSize=\"3\"/></Hardware>" TAIL, "must be between 4 and 2097152"},
    {"cpus", HW("<CPU count=\"65\"/>"), "must be between 1 and 64"},
    {"bool", HW("<HPET enabled=\"maybe\"/>"), "must be true or false"},
    {"boot device", HW("<Boot><Order position=\"1\" device=\"Tape\"/></Boot>"), "must be one of"},
    {"uart path", HW("<UART><Port slot=\"0\" enabled=\"true\" hostMode=\"HostPipe\"/></UART>"), "no path"},
    {"disk without image",
     HW("<StorageControllers><StorageController name=\"a\" type=\"PIIX4\"><AttachedDevice type=\"HardDisk\" port=\"0\" "
        "device=\"0\"/></StorageController></StorageControllers>"),
     "without an image"},
    {"port taken twice",
     HW("<StorageControllers><StorageController name=\"a\" type=\"PIIX4\"><AttachedDevice type=\"DVD\" port=\"0\" "
        "device=\"0\"/><AttachedDevice type=\"DVD\" port=\"0\" "
        "device=\"0\"/></StorageController></StorageControllers>"),
     "already taken"},
};

static void test_bad(void)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(bad); k++) {
        g_autoptr(GError) error = NULL;
        g_test_message("%s", bad[k].name);
        g_assert_null(load(bad[k].body, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, bad[k].words));
        g_assert_nonnull(strstr(error->message, "vm.vbox"));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(settings_machine_load(fio_system(), "/nonexistent/vm.vbox", &error));
    g_assert_nonnull(
        strstr(error->message, "Could not open the settings file '/nonexistent/vm.vbox': No such file or directory"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("settings-XXXXXX", NULL);
    g_test_add_func("/settings/full", test_full);
    g_test_add_func("/settings/bad", test_bad);
    int rc = g_test_run();
    g_autofree char *path = g_build_filename(folder, "vm.vbox", NULL);
    g_unlink(path);
    g_rmdir(folder);
    g_free(folder);
    return rc;
}

/*
 * version_test.c - a file keeps its version until something needs a later one; then the old file is kept beside it.
 *
 * A file of version 1.7 or 1.12 that holds one thing of a later version (reading accepts it) must be saved in that
 * version.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "main/settings/global.h"
#include "main/settings/items.h"
#include "main/settings/machine.h"
#include "rt/fio_shim.h"

static char *folder, *path;

#define UUID "{01234567-89ab-cdef-0123-456789abcdef}"

static void clean(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
        g_autofree char *file = g_build_filename(folder, name, NULL);
        g_unlink(file);
    }
}

static bool is_there(const char *name)
{
    g_autofree char *file = g_build_filename(folder, name, NULL);

    return g_file_test(file, G_FILE_TEST_EXISTS);
}

/* Where the piece goes. */
enum where { ATTR, MACHINE, HARDWARE, CPU, ADAPTER, CONTROLLERS };

static char *document(unsigned version, enum where where, const char *piece)
{
#define AT_PLACE(w) (where == (w) ? piece : "")
    return g_strdup_printf(
        "<?xml version=\"1.0\"?>\n<VirtualBox version=\"1.%u-linux\">"
        "<Machine uuid=\"" UUID "\" name=\"vm\" %s>%s<Hardware><CPU>%s</CPU><Memory RAMSize=\"64\"/>%s"
        "<Network><Adapter slot=\"0\" enabled=\"true\">%s</Adapter></Network></Hardware>"
        "<StorageControllers><StorageController name=\"IDE Controller\" type=\"PIIX4\" PortCount=\"2\">"
        "<AttachedDevice type=\"DVD\" port=\"1\" device=\"0\"/></StorageController>%s"
        "</StorageControllers></Machine></VirtualBox>",
        version, AT_PLACE(ATTR), AT_PLACE(MACHINE), AT_PLACE(CPU), AT_PLACE(HARDWARE), AT_PLACE(ADAPTER),
        AT_PLACE(CONTROLLERS));
#undef AT_PLACE
}

/* On a file system in memory: nothing here waits for a disk. */
static unsigned saved_version(unsigned version, enum where where, const char *piece)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = document(version, where, piece);
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);

    g_assert_true(fio_atomic_replace(io, "/vm.vbox", text, strlen(text), 0, &error));
    struct settings_machine *m = settings_machine_load(io, "/vm.vbox", &error);
    g_assert_no_error(error);
    g_assert_true(settings_machine_save(m, &error));
    g_assert_no_error(error);
    unsigned saved = m->file.version;
    struct settings_machine *again = settings_machine_load(io, "/vm.vbox", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->file.version, ==, saved);
    g_assert_true(settings_machine_equal(m, again));
    settings_machine_free(m);
    settings_machine_free(again);
    fio_crash_free(disk);
    return saved;
}

/* What needs which version; nothing here is the default of any version below it. */
static const struct {
    unsigned version;
    enum where where;
    const char *piece;
} needs[] = {
    {7, HARDWARE,
     "<GuestProperties><GuestProperty name=\"a\" value=\"b\" timestamp=\"1\" flags=\"\"/></GuestProperties>"},
    {8, HARDWARE, "<Display accelerate2DVideo=\"true\"/>"},
    {9, MACHINE, "<Teleporter enabled=\"true\" port=\"6000\" address=\"\" password=\"\"/>"},
    {9, HARDWARE, "<Firmware type=\"EFI\"/>"},
    {9, CONTROLLERS,
     "<StorageController name=\"F\" type=\"I82078\" PortCount=\"1\"><AttachedDevice type=\"Floppy\" port=\"0\" "
     "device=\"0\"/><AttachedDevice type=\"Floppy\" port=\"0\" device=\"1\"/></StorageController>"},
    {9, CONTROLLERS,
     "<StorageController name=\"S\" type=\"AHCI\" PortCount=\"1\"><AttachedDevice type=\"DVD\" port=\"0\" device=\"0\" "
     "hotpluggable=\"true\"/></StorageController>"},
    {10, HARDWARE, "<RTC localOrUTC=\"UTC\"/>"},
    {10, HARDWARE, "<HPET enabled=\"true\"/>"},
    {10, HARDWARE, "<HID Pointing=\"USBTablet\"/>"},
    {10, HARDWARE, "<Memory RAMSize=\"64\" PageFusion=\"true\"/>"},
    {10, HARDWARE, "<IO><IoCache enabled=\"false\"/></IO>"},
    {10, HARDWARE, "<RemoteDisplay><VideoChannel enabled=\"true\" quality=\"50\"/></RemoteDisplay>"},
    {10, ADAPTER, "<NAT><Forwarding name=\"ssh\" proto=\"1\" hostport=\"2222\" guestport=\"22\"/></NAT>"},
    {10, ADAPTER, "<DisabledModes><InternalNetwork name=\"i\"/></DisabledModes><NAT/>"},
    {11, HARDWARE, "<AudioAdapter controller=\"HDA\" driver=\"Null\"/>"},
    {11, HARDWARE, "<Chipset type=\"ICH9\"/>"},
    {11, HARDWARE, "<CPU executionCap=\"50\"/>"},
    {11, HARDWARE, "<RemoteDisplay authLibrary=\"x\"/>"},
    {11, HARDWARE,
     "<RemoteDisplay><VRDEProperties><Property name=\"p\" value=\"v\"/></VRDEProperties></RemoteDisplay>"},
    {11, MACHINE,
     "<MediaRegistry><DVDImages><Image uuid=\"{11111111-89ab-cdef-0123-456789abcdef}\" location=\"a\"/></DVDImages>"
     "</MediaRegistry>"},
    {11, CONTROLLERS, "<StorageController name=\"2\" type=\"PIIX3\" PortCount=\"2\"/>"},
    {11, HARDWARE,
     "<IO><BandwidthGroups><BandwidthGroup name=\"g\" type=\"Disk\" maxMbPerSec=\"3\"/></BandwidthGroups></IO>"},
    {12, HARDWARE, "<HostPci><Devices><Device host=\"1\" guest=\"2\" name=\"n\"/></Devices></HostPci>"},
    {12, HARDWARE, "<EmulatedUSB><CardReader enabled=\"true\"/></EmulatedUSB>"},
    {12, ADAPTER, "<GenericInterface driver=\"UDPTunnel\"/>"},
    {13, MACHINE, "<Groups><Group name=\"/a\"/></Groups>"},
    {13, MACHINE, "<Autostart enabled=\"true\" delay=\"5\" autostop=\"Disabled\"/>"},
    {13, MACHINE, "<Debugging><Tracing enabled=\"true\"/></Debugging>"},
    {13, ATTR, "directoryIncludesUUID=\"true\""},
    {13, HARDWARE,
     "<IO><BandwidthGroups><BandwidthGroup name=\"g\" type=\"Disk\" maxBytesPerSec=\"1000\"/></BandwidthGroups></IO>"},
    {14, HARDWARE, "<Frontend><Default type=\"headless\"/></Frontend>"},
    {14, HARDWARE, "<Display controller=\"VMSVGA\"/>"},
    {14, HARDWARE, "<VideoCapture enabled=\"true\" screens=\"1\"/>"},
    {14, HARDWARE, "<USB><Controllers><Controller name=\"other\" type=\"OHCI\"/></Controllers></USB>"},
    {14, CPU, "<LongMode enabled=\"true\"/>"},
    {14, ATTR, "icon=\"iVBORw0KGgo=\""},
    {14, ADAPTER, "<NATNetwork name=\"n\"/>"},
    {15, HARDWARE, "<Paravirt provider=\"KVM\"/>"},
    {15, HARDWARE, "<CPU CpuIdPortabilityLevel=\"1\"/>"},
    {15, HARDWARE, "<USB><Controllers><Controller name=\"xHCI\" type=\"XHCI\"/></Controllers></USB>"},
    {15, HARDWARE,
     "<UART><Port slot=\"0\" enabled=\"true\" IOBase=\"0x3f8\" IRQ=\"4\" path=\"1234\" hostMode=\"TCP\"/></UART>"},
    {15, CONTROLLERS, "<StorageController name=\"U\" type=\"USB\" PortCount=\"8\"/>"},
    {16, CPU, "<X2APIC enabled=\"true\"/>"},
    {16, CPU, "<APIC enabled=\"false\"/>"},
    {16, CPU, "<SpecCtrl enabled=\"true\"/>"},
    {16, CPU, "<L1DFlushOn scheduling=\"false\"/>"},
    {16, CPU, "<MDSClearOn vmentry=\"true\"/>"},
    {16, CPU, "<IBPBOn vmexit=\"true\"/>"},
    {16, CPU, "<CpuIdTree><CpuIdLeaf id=\"1\" subleaf=\"2\" eax=\"0\" ebx=\"0\" ecx=\"0\" edx=\"0\"/></CpuIdTree>"},
    {16, HARDWARE, "<CPU CpuProfile=\"Intel 8086\"/>"},
    {16, HARDWARE, "<Paravirt debug=\"enabled=1\"/>"},
    {16, HARDWARE, "<BIOS><APIC mode=\"X2APIC\"/></BIOS>"},
    {16, CONTROLLERS, "<StorageController name=\"N\" type=\"NVMe\" PortCount=\"1\"/>"},
    {17, ATTR, "processPriority=\"High\""},
    {17, CPU, "<NestedHWVirt enabled=\"true\"/>"},
    {17, CPU, "<HardwareVirtExUseNativeApi enabled=\"true\"/>"},
    {17, HARDWARE, "<SharedFolders><SharedFolder name=\"s\" hostPath=\"/s\" autoMountPoint=\"/m\"/></SharedFolders>"},
    {17, HARDWARE, "<UART><Port slot=\"0\" enabled=\"true\" uartType=\"16750\"/></UART>"},
    {18, CPU, "<HardwareVirtExVirtVmsaveVmload enabled=\"false\"/>"},
    {18, HARDWARE, "<BIOS><NVRAM path=\"vm.nvram\"/></BIOS>"},
    {18, ADAPTER, "<CloudNetwork name=\"c\"/>"},
    {18, CONTROLLERS, "<StorageController name=\"V\" type=\"VirtioSCSI\" PortCount=\"1\"/>"},
    {19, HARDWARE, "<Iommu type=\"Automatic\"/>"},
    {19, HARDWARE, "<TrustedPlatformModule type=\"v2_0\" location=\"\"/>"},
    {19, HARDWARE, "<AudioAdapter useDefault=\"true\" driver=\"ALSA\"/>"},
    {19, ADAPTER, "<NAT localhost-reachable=\"false\"/>"},
    {19, ADAPTER, "<HostOnlyNetwork name=\"h\"/>"},
    {19, ATTR, "logKeyId=\"k\""},
    {19, MACHINE,
     "<Debugging><GuestDebug provider=\"GDB\" io=\"TCP\" address=\"localhost\" port=\"1234\"/></Debugging>"},
    {19, MACHINE,
     "<Recording enabled=\"true\" screens=\"1\"><Screen id=\"0\" enabled=\"true\" videoCodec=\"av1\"/></Recording>"},
    {20, ATTR, "executionEngine=\"Interpreter\""},
    {20, ADAPTER, "<NAT forward-broadcast=\"true\"/>"},
    {20, HARDWARE, "<Display controller=\"QemuRamFB\"/>"},
    {20, HARDWARE, "<SharedFolders><SharedFolder name=\"s\" hostPath=\"/s\" symlinkPolicy=\"any\"/></SharedFolders>"},
    {20, MACHINE, "<Platform architecture=\"ARM\"/>"},
};

static void test_needs(void)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(needs); k++) {
        g_test_message("1.%u: %s", needs[k].version, needs[k].piece);
        for (unsigned read = 7; read <= 20; read++) {
            unsigned saved = saved_version(read, needs[k].where, needs[k].piece);
            g_assert_cmpuint(saved, ==, MAX(read, needs[k].version));
        }
    }
}

/* ---- the old file ---- */

static void test_backup(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = document(12, HARDWARE, ""), *backup = NULL,
                    *name = g_build_filename(folder, "vm-1.12-linux.vbox", NULL);

    clean();
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    struct settings_machine *m = settings_machine_load(fio_system(), path, &error);
    m->hardware.ram_mib = 65;
    g_assert_true(settings_machine_save(m, &error));
    g_assert_false(is_there("vm-1.12-linux.vbox")); /* the version has not changed */
    g_autofree char *before = NULL;
    g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
    m->hardware.cpu.x2apic = true;
    g_assert_true(settings_machine_save(m, &error));
    g_assert_true(g_file_get_contents(name, &backup, NULL, NULL));
    g_assert_cmpstr(backup, ==, before);
    /* once a load; and what is there is never overwritten */
    g_assert_true(g_file_set_contents(name, "mine", -1, NULL));
    m->hardware.tpm = TPM_2_0;
    g_assert_true(settings_machine_save(m, &error));
    g_assert_false(is_there("vm-1.16-linux.vbox"));
    g_clear_pointer(&backup, g_free);
    g_assert_true(g_file_get_contents(name, &backup, NULL, NULL));
    g_assert_cmpstr(backup, ==, "mine");
    settings_machine_free(m);
}

static void test_future(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = document(21, MACHINE, "<Novelty a=\"b\"/>");

    clean();
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    struct settings_machine *m = settings_machine_load(fio_system(), path, &error);
    g_assert_no_error(error);
    g_assert_false(settings_machine_save(m, &error));
    g_assert_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VERSION);
    g_autofree char *now = NULL;
    g_assert_true(g_file_get_contents(path, &now, NULL, NULL));
    g_assert_cmpstr(now, ==, text);
    settings_machine_free(m);
}

/* Old global files: what needs which version. */
static const struct {
    unsigned version;
    const char *piece;
} global_needs[] = {
    {12, ""},
    {14, "<NetserviceRegistry><NATNetworks><NATNetwork networkName=\"n\" network=\"10.0.2.0/24\" "
         "enabled=\"1\"/></NATNetworks></NetserviceRegistry>"},
    {16, "<USBDeviceSources><USBDeviceSource name=\"n\" backend=\"USBIP\" address=\"a\"/></USBDeviceSources>"},
    {18, "<NetserviceRegistry><CloudNetworks><CloudNetwork name=\"n\"/></CloudNetworks></NetserviceRegistry>"},
    {19, "<NetserviceRegistry><HostOnlyNetworks><HostOnlyNetwork name=\"n\"/></HostOnlyNetworks></NetserviceRegistry>"},
};

static void test_global(void)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(global_needs); k++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("<VirtualBox version=\"1.12-linux\"><Global>%s</Global></VirtualBox>",
                                                global_needs[k].piece);
        clean();
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        struct settings_global *g = settings_global_load(fio_system(), path, &error);
        g_assert_no_error(error);
        g_assert_true(settings_global_save(g, &error));
        g_assert_cmpuint(g->file.version, ==, global_needs[k].version);
        settings_global_free(g);
    }
}

/* Some builds of 7.1 renamed the 64-bit guest types in 1.20, and back. */
static void test_types(void)
{
    static const struct {
        unsigned version;
        const char *type, *read;
    } types[] = {{20, "Debian_x64", "Debian_64"}, {20, "Debian_64", "Debian_64"}, {19, "Debian_x64", "Debian_x64"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++) {
        g_autofree char *attr = g_strdup_printf("OSType=\"%s\"", types[k].type);
        g_autofree char *text = document(types[k].version, ATTR, attr);
        clean();
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        struct settings_machine *m = settings_machine_load(fio_system(), path, NULL);
        g_assert_cmpstr(m->os_type, ==, types[k].read);
        settings_machine_free(m);
    }
}

static void test_new(void)
{
    g_autoptr(GError) error = NULL;

    clean();
    struct settings_machine *m = settings_machine_new(fio_system(), path, UUID, "vm", "Debian_64");
    g_assert_true(settings_machine_save(m, &error));
    g_assert_no_error(error);
    struct settings_machine *again = settings_machine_load(fio_system(), path, &error);
    g_assert_no_error(error);
    g_assert_true(settings_machine_equal(m, again));
    settings_machine_free(again);
    settings_machine_free(m);
    clean();
    struct settings_global *g = settings_global_new(fio_system(), path);
    g_assert_true(settings_global_save(g, &error));
    g_assert_cmpuint(g->file.version, ==, SETTINGS_NEW);
    settings_global_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("settings-version-XXXXXX", NULL);
    path = g_build_filename(folder, "vm.vbox", NULL);
    g_test_add_func("/settings/version/needs", test_needs);
    g_test_add_func("/settings/version/backup", test_backup);
    g_test_add_func("/settings/version/future", test_future);
    g_test_add_func("/settings/version/global", test_global);
    g_test_add_func("/settings/version/types", test_types);
    g_test_add_func("/settings/version/new", test_new);
    int rc = g_test_run();
    clean();
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
    return rc;
}

/*
 * ovf_test.c - appliances read and written, refused, cut and damaged; archives and manifests.
 */
#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/ovf/fuzz.h"
#include "main/ovf/manifest.h"
#include "main/ovf/ova.h"
#include "main/ovf/ovf.h"

/* A descriptor as another program writes it: other prefixes, units, no settings inside. */
static const char plain[] =
    "<?xml version=\"1.0\"?>\n"
    "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:o=\"http://schemas.dmtf.org/ovf/envelope/1\" "
    "xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData\">\n"
    "<References><File o:id=\"f1\" o:href=\"box.vmdk\"/></References>\n"
    "<DiskSection><Disk o:capacity=\"40\" o:capacityAllocationUnits=\"byte * 2^30\" o:diskId=\"d1\" o:fileRef=\"f1\" "
    "o:format=\"http://x#streamOptimized\"/></DiskSection>\n"
    "<VirtualSystem o:id=\"box\"><Info/>\n"
    "<EulaSection><License>Be nice.</License></EulaSection>\n"
    "<OperatingSystemSection o:id=\"96\"><Description>Debian 64</Description></OperatingSystemSection>\n"
    "<VirtualHardwareSection>\n"
    "<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>"
    "<rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>\n"
    "<Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType>"
    "<rasd:VirtualQuantity>768</rasd:VirtualQuantity></Item>\n"
    "<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType>"
    "<rasd:ResourceType>20</rasd:ResourceType></Item>\n"
    "<Item><rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:AddressOnParent>5</"
    "rasd:AddressOnParent>"
    "<rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item>\n"
    "<Item><rasd:InstanceID>5</rasd:InstanceID><rasd:Connection>VM Network</rasd:Connection>"
    "<rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>\n"
    "</VirtualHardwareSection></VirtualSystem></Envelope>\n";

static void test_read(void)
{
    g_autoptr(GError) error = NULL;
    struct ovf *o = ovf_parse("x.ovf", plain, sizeof plain - 1, &error);

    g_assert_no_error(error);
    const struct ovf_system *s = o->systems->pdata[0];
    const struct ovf_disk *d = o->disks->pdata[0];
    const struct ovf_item *disk = s->items->pdata[1], *adapter = s->items->pdata[2];
    g_assert_cmpstr(s->name, ==, "box");
    g_assert_cmpstr(s->os_type, ==, "Debian_64");
    g_assert_cmpstr(s->license, ==, "Be nice.");
    g_assert_cmpuint(s->cpus, ==, 2);
    g_assert_cmpuint(s->memory_mib, ==, 768);
    g_assert_true(d->capacity_bytes == INT64_C(40) << 30);
    g_assert_true(disk->disk == d && disk->parent == 3 && disk->address == 5);
    g_assert_cmpstr(adapter->network, ==, "VM Network");
    g_assert_cmpstr(adapter->subtype, ==, "e1000");
    for (enum ovf_version v = OVF_0_9; v <= OVF_2_0; v++) {
        o->version = v;
        g_autofree char *text = ovf_text(o);
        struct ovf *again = ovf_parse("y.ovf", text, strlen(text), &error);
        g_assert_no_error(error);
        g_assert_cmpint(again->version, ==, v);
        g_autofree char *second = ovf_text(again);
        g_assert_cmpstr(second, ==, text);
        ovf_free(again);
    }
    ovf_free(o);
}

static void test_refused(void)
{
    static const struct {
        const char *from, *to, *says;
    } rows[] = {
        {"href=\"box.vmdk\"", "href=\"../box.vmdk\"", "'../box.vmdk' is not a plain file name"},
        {"href=\"box.vmdk\"", "href=\"/etc/passwd\"", "is not a plain file name"},
        {"href=\"box.vmdk\"", "href=\".\"", "is not a plain file name"},
        {"fileRef=\"f1\"", "fileRef=\"f2\"", "disk 'd1' has no file"},
        {"capacity=\"40\"", "capacity=\"9999999999999\"", "has no valid capacity"},
        {"capacity=\"40\"", "capacity=\"-1\"", "has no valid capacity"},
        {"2^30", "2^99", "has no valid capacity"},
        {"<rasd:VirtualQuantity>768", "<rasd:VirtualQuantity>99999999999", "invalid memory size"},
        {"<rasd:VirtualQuantity>2<", "<rasd:VirtualQuantity>0<", "invalid number of CPUs"},
        {"<rasd:Parent>3<", "<rasd:Parent>5<", "on a controller that is not there"},
        {"ovf:/disk/d1", "ovf:/disk/d2", "a hard disk that is not in the appliance"},
        {"<VirtualSystem o:id=\"box\">", "<VirtualSystem>", "without name"},
        {"<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY a \"b\">]>", ""},
        {"<Envelope ", "<Letter ", ""},
    };

    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++) {
        g_auto(GStrv) parts = g_strsplit(plain, rows[k].from, 2);
        g_autofree char *text = g_strjoinv(rows[k].to, parts);
        g_autoptr(GError) error = NULL;
        g_assert_nonnull(parts[1]);
        struct ovf *o = ovf_parse("x.ovf", text, strlen(text), &error);
        if (o != NULL || strstr(error->message, rows[k].says) == NULL)
            g_error("row %u: %s", k, o != NULL ? "taken" : error->message);
    }
}

/* Every cut, and bits turned over: refused or read, never more than that. */
static void test_damage(void)
{
    g_autofree uint8_t *copy = g_memdup2(plain, sizeof plain - 1);

    LLVMFuzzerTestOneInput(copy, sizeof plain - 1);
    for (size_t size = 0; size < sizeof plain - 1; size += 3)
        LLVMFuzzerTestOneInput(copy, size);
    for (size_t bit = 0; bit < (sizeof plain - 1) * 8; bit += 5) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        LLVMFuzzerTestOneInput(copy, sizeof plain - 1);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_deep(void)
{
    GString *text = g_string_new("<Envelope>");

    for (unsigned k = 0; k < 100; k++)
        g_string_append(text, "<a>");
    for (unsigned k = 0; k < 100; k++)
        g_string_append(text, "</a>");
    g_string_append(text, "</Envelope>");
    g_autoptr(GError) error = NULL;
    g_assert_null(ovf_parse("x.ovf", text->str, text->len, &error));
    g_assert_nonnull(strstr(error->message, "more than 64 levels"));
    g_string_free(text, TRUE);
}

/* ---- archives ---- */

static bool go_on(void *user, unsigned permille)
{
    unsigned *last = user;

    g_assert_cmpuint(permille, <=, 1000);
    *last = permille;
    return true;
}

static void test_archive(void)
{
    g_autofree char *top = g_dir_make_tmp("ovf-XXXXXX", NULL), *out = g_build_filename(top, "out", NULL);
    g_autofree char *ova = g_build_filename(top, "a.ova", NULL), *disk = g_build_filename(top, "d.vmdk", NULL);
    g_autofree char *descriptor = g_build_filename(top, "a.ovf", NULL), *mf = NULL, *name = NULL, *text = NULL;
    char *files[] = {"a.ovf", "d.vmdk", NULL};
    g_autoptr(GError) error = NULL;
    gsize size;
    unsigned last = 0;

    g_assert_true(g_file_set_contents(descriptor, "<x/>", -1, NULL) && g_file_set_contents(disk, "data", -1, NULL));
    mf = manifest_text(top, files, G_CHECKSUM_SHA256, &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(mf, "SHA256(a.ovf)= "));
    g_assert_true(manifest_check("m", mf, top, NULL));
    g_assert_true(ova_pack(ova, top, files, &error));
    g_assert_true(ova_descriptor(ova, &name, &text, &size, &error));
    g_assert_cmpstr(name, ==, "a.ovf");
    g_assert_cmpstr(text, ==, "<x/>");
    g_assert_cmpint(g_mkdir(out, 0700), ==, 0);
    g_assert_true(ova_extract(ova, out, go_on, &last, &error));
    g_assert_true(manifest_check("m", mf, out, NULL));
    g_assert_true(g_file_set_contents(disk, "Data", -1, NULL));
    g_assert_false(manifest_check("m", mf, top, &error));
    g_assert_nonnull(strstr(error->message, "VERR_MANIFEST_DIGEST_MISMATCH"));
    g_assert_false(manifest_check("m", "SHA1(../x)= 00\n", top, NULL));
    g_autofree char *command = g_strdup_printf("rm -r '%s'", top);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}

struct member {
    const char *name;
    int type;
    const char *link;
};

static void make_tar(const char *path, const struct member *members, unsigned count)
{
    struct archive *a = archive_write_new();

    archive_write_set_format_ustar(a);
    g_assert_cmpint(archive_write_open_filename(a, path), ==, ARCHIVE_OK);
    for (unsigned k = 0; k < count; k++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, members[k].name);
        archive_entry_set_filetype(e, (unsigned)members[k].type);
        archive_entry_set_perm(e, 0600);
        if (members[k].link != NULL && members[k].type == AE_IFLNK)
            archive_entry_set_symlink(e, members[k].link);
        else if (members[k].link != NULL)
            archive_entry_set_hardlink(e, members[k].link);
        archive_entry_set_size(e, members[k].link == NULL && members[k].type == AE_IFREG ? 4 : 0);
        archive_write_header(a, e);
        archive_write_data(a, "<x/>", 4);
        archive_entry_free(e);
    }
    archive_write_close(a);
    archive_write_free(a);
}

static void test_hostile_archives(void)
{
    static const struct member bad[][2] = {
        {{"a.ovf", AE_IFREG, NULL}, {"../evil", AE_IFREG, NULL}},
        {{"a.ovf", AE_IFREG, NULL}, {"/tmp/evil", AE_IFREG, NULL}},
        {{"a.ovf", AE_IFREG, NULL}, {"d/evil", AE_IFREG, NULL}},
        {{"a.ovf", AE_IFREG, NULL}, {"link", AE_IFLNK, "/etc/passwd"}},
        {{"a.ovf", AE_IFREG, NULL}, {"hard", AE_IFREG, "a.ovf"}},
        {{"a.ovf", AE_IFREG, NULL}, {"pipe", AE_IFIFO, NULL}},
        {{"a.ovf", AE_IFREG, NULL}, {"a.ovf", AE_IFREG, NULL}},
        {{"a.ovf", AE_IFREG, NULL}, {"folder", AE_IFDIR, NULL}},
    };

    for (unsigned k = 0; k < G_N_ELEMENTS(bad); k++) {
        g_autofree char *top = g_dir_make_tmp("ovf-XXXXXX", NULL), *out = g_build_filename(top, "out", NULL);
        g_autofree char *ova = g_build_filename(top, "a.ova", NULL);
        g_autoptr(GError) error = NULL;
        unsigned last = 0;
        make_tar(ova, bad[k], 2);
        g_assert_cmpint(g_mkdir(out, 0700), ==, 0);
        if (ova_extract(ova, out, go_on, &last, &error))
            g_error("archive %u was taken", k);
        g_assert_nonnull(error);
        g_autofree char *command = g_strdup_printf("rm -r '%s'", top);
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    }
    g_assert_false(g_file_test("/tmp/evil", G_FILE_TEST_EXISTS));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ovf/read", test_read);
    g_test_add_func("/ovf/refused", test_refused);
    g_test_add_func("/ovf/damage", test_damage);
    g_test_add_func("/ovf/deep", test_deep);
    g_test_add_func("/ovf/archive", test_archive);
    g_test_add_func("/ovf/hostile-archives", test_hostile_archives);
    return g_test_run();
}

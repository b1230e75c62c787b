/*
 * hostile_test.c - files made to hurt: none may crash, hang or cost more than SECONDS; what is refused says why.
 *
 * Time is the processor's, so that a busy machine does not fail the test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "main/settings/file_int.h"
#include "main/settings/global.h"
#include "main/settings/machine.h"

#define UUID    "{01234567-89ab-cdef-0123-456789abcdef}"
#define SECONDS 5 /* of processor time, in a sanitizer's build; far less without */

static const char sample[] =
    "<?xml version=\"1.0\"?>\n<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.16-linux\"><Machine "
    "uuid=\"" UUID "\" name=\"vm\" OSType=\"Other\" currentSnapshot=\"{11234567-89ab-cdef-0123-456789abcdef}\" "
    "lastStateChange=\"2024-01-31T23:59:59Z\"><Description>text &#xE1; "
    "&amp;</Description><MediaRegistry><HardDisks><HardDisk "
    "uuid=\"{21234567-89ab-cdef-0123-456789abcdef}\" location=\"a.vdi\" format=\"VDI\" type=\"Normal\"><HardDisk "
    "uuid=\"{31234567-89ab-cdef-0123-456789abcdef}\" location=\"b.vdi\" "
    "format=\"VDI\"/></HardDisk></HardDisks></MediaRegistry>"
    "<Snapshot uuid=\"{11234567-89ab-cdef-0123-456789abcdef}\" name=\"s\" "
    "timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory "
    "RAMSize=\"64\"/></Hardware></Snapshot><Hardware><CPU count=\"2\"><PAE enabled=\"true\"/><CpuIdTree><CpuIdLeaf "
    "id=\"1\" "
    "eax=\"1\" ebx=\"2\" ecx=\"3\" edx=\"4\"/></CpuIdTree></CPU><Memory RAMSize=\"64\"/><Boot><Order position=\"1\" "
    "device=\"DVD\"/></Boot><Network><Adapter slot=\"0\" enabled=\"true\"><NAT><Forwarding name=\"ssh\" proto=\"1\" "
    "hostport=\"2222\" guestport=\"22\"/></NAT></Adapter></Network><UART><Port slot=\"1\" enabled=\"false\" "
    "IOBase=\"0x2f8\" "
    "IRQ=\"3\" hostMode=\"Disconnected\"/></UART></Hardware><StorageControllers><StorageController name=\"IDE\" "
    "type=\"PIIX4\" "
    "PortCount=\"2\"><AttachedDevice type=\"DVD\" port=\"1\" device=\"0\"/></StorageController></StorageControllers>"
    "<Novelty a=\"b\"><Inner/>text</Novelty></Machine></VirtualBox>\n";

/* What can be read must be writable, and is no file of the other kind. Returns why it cannot, or NULL. */
static char *digest(const char *bytes, size_t size)
{
    GError *error = NULL;
    struct settings_machine *m = g_new0(struct settings_machine, 1);
    struct settings_global *g = g_new0(struct settings_global, 1);
    char *why = NULL;

    file_init(&m->file, fio_system(), "/x/vm.vbox");
    file_init(&g->file, fio_system(), "/x/VirtualBox.xml");
    if (file_parse(&m->file, SETTINGS_MACHINE, bytes, size, m, &error)) {
        g_autofree char *text = settings_machine_text(m);
        g_assert_nonnull(text);
        g_assert_false(file_parse(&g->file, SETTINGS_GLOBAL, bytes, size, g, NULL));
    } else {
        g_assert_nonnull(error);
        why = g_strdup(error->message);
        g_clear_error(&error);
    }
    settings_machine_free(m);
    settings_global_free(g);
    return why;
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void refused(const char *name, const char *bytes, size_t size, const char *words)
{
    double started = cpu_seconds();
    g_autofree char *why = digest(bytes, size);
    double seconds = cpu_seconds() - started;

    g_test_message("%s: %.3f s: %.200s", name, seconds, why != NULL ? why : "read");
    g_assert_cmpfloat(seconds, <, SECONDS);
    g_assert_cmpint(why != NULL, ==, words != NULL);
    if (words != NULL)
        g_assert_nonnull(strstr(why, words));
}

static char *repeat(const char *before, const char *what, size_t times, const char *after)
{
    GString *s = g_string_new(before);

    for (size_t k = 0; k < times; k++)
        g_string_append(s, what);
    g_string_append(s, after);
    return g_string_free(s, FALSE);
}

#define HEAD                                                                                                           \
    "<VirtualBox version=\"1.16\"><Machine uuid=\"" UUID "\" name=\"vm\"><Hardware><Memory "                           \
    "RAMSize=\"64\"/></Hardware>"
#define TAIL "</Machine></VirtualBox>"

static void test_shapes(void)
{
    static const struct {
        const char *name, *before, *what;
        size_t times;
        const char *after, *words;
    } shapes[] = {
        {"depth 1,000,000", HEAD, "<a>", 1000000, "", "nested deeper than"},
        {"depth 2,000 unknown", HEAD "<a>", "<b/>", 1, "</a>" TAIL, NULL},
        {"300,000 elements", HEAD, "<a/>", 300000, TAIL, "more than 200000 elements"},
        {"190,000 unknown elements", HEAD, "<a/>", 190000, TAIL, NULL},
        {"190,000 of a kind", HEAD "<ExtraData>", "<ExtraDataItem name=\"n\" value=\"v\"/>", 190000,
         "</ExtraData>" TAIL, NULL},
        {"known and unknown in turn", HEAD "<ExtraData>", "<ExtraDataItem name=\"n\" value=\"v\"/><x/>", 90000,
         "</ExtraData>" TAIL, NULL},
        {"attribute of 15 MiB", HEAD "<ExtraData><ExtraDataItem name=\"n\" value=\"", "0123456789abcdef", 15 << 16,
         "\"/></ExtraData>" TAIL, NULL},
        {"file of 17 MiB", HEAD "<ExtraData><ExtraDataItem name=\"n\" value=\"", "0123456789abcdef", 17 << 16,
         "\"/></ExtraData>" TAIL, "larger than 16 MiB"},
        {"text of 15 MiB", HEAD "<Description>", "0123456789abcdef", 15 << 16, "</Description>" TAIL, NULL},
        {"references", HEAD "<Description>", "&#60;", 1 << 20, "</Description>" TAIL, NULL},
        {"a long name", HEAD "<", "name", 100, "/>" TAIL, "name is longer"},
        {"the same attribute twice", HEAD "<a ", "b=\"c\" ", 2, "/>" TAIL, "redefined"},
        {"a comment of 15 MiB", HEAD "<!-- ", "0123456789abcdef", 15 << 16, "-->" TAIL, NULL},
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(shapes); k++) {
        g_autofree char *text = repeat(shapes[k].before, shapes[k].what, shapes[k].times, shapes[k].after);
        refused(shapes[k].name, text, strlen(text), shapes[k].words);
    }
    g_autoptr(GString) many = g_string_new(HEAD "<a");
    for (unsigned k = 0; k < 1000; k++)
        g_string_append_printf(many, " a%u=\"\"", k);
    g_string_append(many, "/>" TAIL);
    refused("1,000 attributes", many->str, many->len, "more than 128 attributes");
    g_autofree char *open = repeat("", "<b>", 1900, ""), *close = repeat("", "</b>", 1900, "");
    g_autofree char *deep = g_strconcat(HEAD, open, close, TAIL, NULL);
    refused("1,900 levels of something unknown", deep, strlen(deep), NULL);
}

static void test_doctype(void)
{
    static const struct {
        const char *name, *dtd;
    } cases[] = {
        {"empty", ""},
        {"billion laughs",
         "[<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\">]"},
        {"file", "[<!ENTITY a SYSTEM \"file:///etc/passwd\">]"},
        {"network", "SYSTEM \"http://127.0.0.1:1/x.dtd\""},
        {"parameter", "[<!ENTITY % a SYSTEM \"http://127.0.0.1:1/x\"> %a;]"},
        {"default attributes", "[<!ATTLIST Machine name CDATA \"x\">]"},
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(cases); k++) {
        g_autofree char *text = g_strdup_printf(
            "<?xml version=\"1.0\"?><!DOCTYPE VirtualBox %s>" HEAD "<Description>&a;</Description>" TAIL, cases[k].dtd);
        refused(cases[k].name, text, strlen(text), "document type declaration is not allowed");
    }
    refused("entity without declaration", HEAD "<Description>&a;</Description>" TAIL,
            strlen(HEAD "<Description>&a;</Description>" TAIL), "Entity 'a' not defined");
}

static void test_bytes(void)
{
    char nul[sizeof sample], bad[sizeof sample];

    memcpy(nul, sample, sizeof sample);
    *strstr(nul, "text") = '\0';
    refused("NUL", nul, strlen(sample), "Location");
    memcpy(bad, sample, sizeof sample);
    *strstr(bad, "text") = '\xff';
    refused("bad UTF-8", bad, strlen(sample), "Location");
    memcpy(bad, sample, sizeof sample);
    *strstr(bad, "text") = '\x01';
    refused("control character", bad, strlen(sample), "Location");
    refused("empty", "", 0, "is empty");
    refused("blanks", "   \n", 4, "Location");
    refused("well", sample, strlen(sample), NULL);
}

/* Every place the file could have been cut at. */
static void test_cuts(void)
{
    size_t whole = (size_t)(strstr(sample, "</VirtualBox>") - sample) + strlen("</VirtualBox>");

    for (size_t n = 0; n < whole; n++) {
        g_autofree char *why = digest(sample, n);
        g_assert_nonnull(why);
    }
}

static void test_flips(void)
{
    char text[sizeof sample];

    for (size_t bit = 0; bit < 8 * strlen(sample); bit += 7) { /* each byte, another bit of it */
        memcpy(text, sample, sizeof sample);
        text[bit / 8] ^= (char)(1 << bit % 8);
        g_free(digest(text, strlen(sample)));
    }
}

/* ---- snapshots ---- */

static void test_deep(void)
{
    enum { DEPTH = 1000 };
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new("<VirtualBox version=\"1.16\"><Machine uuid=\"" UUID
                                 "\" name=\"vm\" currentSnapshot=\"{000003e7-0000-4000-8000-000000000000}\">");

    for (unsigned k = 0; k < DEPTH; k++)
        g_string_append_printf(text,
                               "%s<Snapshot uuid=\"{%08x-0000-4000-8000-000000000000}\" name=\"s%u\" "
                               "timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory RAMSize=\"64\"/><Network><Adapter "
                               "slot=\"0\" enabled=\"true\"><NAT/></Adapter></Network></Hardware>",
                               k > 0 ? "<Snapshots>" : "", k, k);
    for (unsigned k = DEPTH; k-- > 0;)
        g_string_append_printf(text, "</Snapshot>%s", k > 0 ? "</Snapshots>" : "");
    g_string_append(text, "<Hardware><Memory RAMSize=\"64\"/></Hardware></Machine></VirtualBox>");
    double started = cpu_seconds();
    struct settings_machine *m = g_new0(struct settings_machine, 1), *again = g_new0(struct settings_machine, 1);
    file_init(&m->file, fio_system(), "/x/vm.vbox");
    file_init(&again->file, fio_system(), "/x/vm.vbox");
    file_parse(&m->file, SETTINGS_MACHINE, text->str, text->len, m, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(m->snapshots->len, ==, DEPTH);
    g_assert_cmpuint(((struct settings_snapshot *)m->snapshots->pdata[DEPTH - 1])->depth, ==, DEPTH - 1);
    g_autofree char *out = settings_machine_text(m);
    file_parse(&again->file, SETTINGS_MACHINE, out, strlen(out), again, &error);
    g_assert_no_error(error);
    g_assert_true(settings_machine_equal(m, again));
    g_test_message("1,000 nested snapshots: %zu bytes, read, written and read again in %.3f s", strlen(out),
                   cpu_seconds() - started);
    settings_machine_free(m);
    settings_machine_free(again);
    g_string_free(text, TRUE);
}

static void test_doubles(void)
{
    static const char *const cases[][2] = {
        {"<Snapshot uuid=\"" UUID "\" name=\"a\" timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory "
         "RAMSize=\"64\"/></Hardware><Snapshots><Snapshot uuid=\"" UUID
         "\" name=\"b\" timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory RAMSize=\"64\"/></Hardware></Snapshot>"
         "</Snapshots></Snapshot>",
         "is there twice"},
        {"<Snapshot uuid=\"" UUID "\" name=\"a\" timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory "
         "RAMSize=\"64\"/></Hardware></Snapshot>",
         "currentSnapshot is missing"},
        {"<MediaRegistry><DVDImages><Image uuid=\"" UUID "\" location=\"a\"/><Image uuid=\"" UUID
         "\" location=\"b\"/></DVDImages></MediaRegistry>",
         "registered twice"},
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(cases); k++) {
        g_autofree char *text = g_strconcat(HEAD, cases[k][0], TAIL, NULL);
        refused(cases[k][1], text, strlen(text), cases[k][1]);
    }
}

/* ---- memory: each shape in a process of its own, which writes the file without holding it ---- */

static const struct {
    const char *name, *before, *what;
    unsigned times;
    const char *after;
} heavy[] = {
    {"attribute", HEAD "<ExtraData><ExtraDataItem name=\"n\" value=\"", "0123456789abcdef", 15 << 16,
     "\"/></ExtraData>" TAIL},
    {"text", HEAD "<Description>", "0123456789abcdef", 15 << 16, "</Description>" TAIL},
    {"known", HEAD "<ExtraData>", "<ExtraDataItem name=\"n\" value=\"v\"/>", 190000, "</ExtraData>" TAIL},
    {"turn", HEAD "<ExtraData>", "<ExtraDataItem name=\"n\" value=\"v\"/><x/>", 90000, "</ExtraData>" TAIL},
    {"unknown", HEAD, "<a/>", 190000, TAIL},
};

#ifdef __SANITIZE_ADDRESS__ /* which needs more memory itself */
#define MEASURES_MEMORY false
#else
#define MEASURES_MEMORY true
#endif

/* The most memory this program had. Not ru_maxrss: that begins with the parent's. */
static long peak_kib(void)
{
    g_autofree char *status = NULL;
    const char *line;

    g_assert_true(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
    line = strstr(status, "VmHWM:");
    g_assert_nonnull(line);
    return strtol(line + strlen("VmHWM:"), NULL, 10);
}

static void load_heavy(const void *data)
{
    unsigned k = GPOINTER_TO_UINT(data);
    char path[] = "/tmp/settings-heavy-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    fputs(heavy[k].before, f);
    for (unsigned n = 0; n < heavy[k].times; n++)
        fputs(heavy[k].what, f);
    fputs(heavy[k].after, f);
    g_assert_cmpint(fclose(f), ==, 0);
    struct settings_machine *m = settings_machine_load(fio_system(), path, NULL);
    unlink(path);
    settings_machine_free(m);
    printf("# %ld KiB\n", peak_kib());
    g_assert_cmpint(peak_kib(), <=, 64 << 10);
}

static void test_memory(void)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(heavy); k++) {
        g_autofree char *path = g_strconcat("/settings/hostile/memory/subprocess/", heavy[k].name, NULL);
        g_test_trap_subprocess(path, 0, G_TEST_SUBPROCESS_INHERIT_STDOUT);
        g_test_trap_assert_passed();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/hostile/shapes", test_shapes);
    g_test_add_func("/settings/hostile/doctype", test_doctype);
    g_test_add_func("/settings/hostile/bytes", test_bytes);
    g_test_add_func("/settings/hostile/cuts", test_cuts);
    g_test_add_func("/settings/hostile/flips", test_flips);
    g_test_add_func("/settings/hostile/deep", test_deep);
    g_test_add_func("/settings/hostile/doubles", test_doubles);
    if (MEASURES_MEMORY) {
        g_test_add_func("/settings/hostile/memory", test_memory);
        for (unsigned k = 0; k < G_N_ELEMENTS(heavy); k++) {
            g_autofree char *path = g_strconcat("/settings/hostile/memory/subprocess/", heavy[k].name, NULL);
            g_test_add_data_func(path, GUINT_TO_POINTER(k), load_heavy);
        }
    }
    return g_test_run();
}

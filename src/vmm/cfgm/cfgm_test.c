/*
 * cfgm_test.c - the configuration tree, its schemas and its dump.
 */
#include "vmm/cfgm/cfgm.h"

#include <string.h>

static struct cfgm_node *sample(void)
{
    static const uint8_t mac[] = {0x08, 0x00, 0x27, 0x4c, 0xa0, 0x19};
    struct cfgm_node *root = cfgm_new();
    struct cfgm_node *config = cfgm_insert(root, "Devices/vga/0/Config");

    cfgm_set_integer(root, "RamSize", 1073741824);
    cfgm_set_string(root, "Name", "Minix");
    cfgm_set_integer(root, "NumCPUs", 1);
    cfgm_set_integer(config, "VRamSize", 9437184);
    cfgm_set_bytes(config, "MAC", mac, sizeof(mac));
    return root;
}

static void test_tree(void)
{
    struct cfgm_node *root = sample();
    struct cfgm_node *config = cfgm_child(root, "/Devices/vga/0/Config/");
    g_autofree char *path = cfgm_path(config);
    size_t bytes;

    g_assert_cmpstr(path, ==, "/Devices/vga/0/Config/");
    g_assert_true(cfgm_insert(root, "Devices//vga/0/Config") == config);
    g_assert_null(cfgm_child(root, "Devices/vg"));
    g_assert_null(cfgm_child(NULL, "Devices"));
    cfgm_insert(root, "Devices/acpi");
    cfgm_insert(root, "Devices/vg");
    cfgm_insert(root, "Devices/3c501");
    g_assert_cmpstr(cfgm_name(cfgm_first(cfgm_child(root, "Devices"))), ==, "3c501");
    g_assert_cmpstr(cfgm_name(cfgm_next(cfgm_child(root, "Devices/acpi"))), ==, "vg");
    g_assert_null(cfgm_next(cfgm_child(root, "Devices/vga")));
    g_assert_cmpuint(cfgm_integer(config, "VRamSize", 1), ==, 9437184);
    g_assert_cmpuint(cfgm_integer(config, "Other", 1), ==, 1);
    g_assert_cmpuint(cfgm_integer(root, "Name", 2), ==, 2); /* another type */
    g_assert_cmpstr(cfgm_string(root, "Name", NULL), ==, "Minix");
    cfgm_set_integer(root, "Name", 3);
    g_assert_cmpuint(cfgm_integer(root, "Name", 2), ==, 3);
    g_assert_cmpint(cfgm_bytes(config, "MAC", &bytes)[5], ==, 0x19);
    g_assert_cmpuint(bytes, ==, 6);
    cfgm_free(cfgm_child(root, "Devices/vga"));
    g_assert_null(cfgm_child(root, "Devices/vga"));
    cfgm_free(root);
}

static void test_validate(void)
{
    static const struct cfgm_key keys[] = {{.name = "RamSize", .type = CFGM_INTEGER, .min = 4, .max = UINT64_MAX},
                                           {.name = "Name", .type = CFGM_STRING, .required = true},
                                           {.name = "Num*", .type = CFGM_INTEGER, .max = 32},
                                           {}};
    static const char *const children[] = {"Devices", "LUN#*", NULL}, *const none[] = {NULL};
    struct cfgm_node *root = sample();
    g_autoptr(GError) error = NULL;

    g_assert_true(cfgm_validate(root, keys, children, &error));
    g_assert_false(cfgm_validate(root, keys, none, &error));
    g_assert_error(error, CFGM_ERROR, CFGM_UNKNOWN_NODE);
    g_assert_cmpstr(error->message, ==, "Configuration node \"/Devices/\" is not known");
    g_clear_error(&error);
    cfgm_set_integer(root, "RamSize", 3);
    g_assert_false(cfgm_validate(root, keys, NULL, &error));
    g_assert_error(error, CFGM_ERROR, CFGM_OUT_OF_RANGE);
    g_clear_error(&error);
    cfgm_set_string(root, "RamSize", "4");
    g_assert_false(cfgm_validate(root, keys, NULL, &error));
    g_assert_error(error, CFGM_ERROR, CFGM_WRONG_TYPE);
    g_clear_error(&error);
    cfgm_set_integer(root, "RamSize", 4);
    cfgm_set_integer(root, "Nam", 4);
    g_assert_false(cfgm_validate(root, keys, NULL, &error));
    g_assert_cmpstr(error->message, ==, "Configuration key \"/Nam\" is not known; known here: RamSize, Name, Num*");
    g_clear_error(&error);
    g_assert_false(cfgm_validate(NULL, keys, NULL, &error));
    g_assert_error(error, CFGM_ERROR, CFGM_MISSING);
    cfgm_free(root);
}

static void collect(void *user, const char *text)
{
    g_string_append_printf(user, "%s\n", text);
}

/* The lines of a VirtualBox 7 log for the same tree. */
static void test_dump(void)
{
    struct cfgm_node *root = sample();
    g_autoptr(GString) out = g_string_new(NULL);

    cfgm_dump(root, collect, out);
    g_assert_cmpstr(out->str, ==,
                    "[/] (level 0)\n"
                    "  Name    <string>  = \"Minix\" (cb=6)\n"
                    "  NumCPUs <integer> = 0x0000000000000001 (1)\n"
                    "  RamSize <integer> = 0x0000000040000000 (1 073 741 824, 1.0 GiB)\n"
                    "\n"
                    "[/Devices/] (level 1)\n"
                    "\n"
                    "[/Devices/vga/] (level 2)\n"
                    "\n"
                    "[/Devices/vga/0/] (level 3)\n"
                    "\n"
                    "[/Devices/vga/0/Config/] (level 4)\n"
                    "  MAC      <bytes>   = \"08 00 27 4c a0 19\" (cb=6)\n"
                    "  VRamSize <integer> = 0x0000000000900000 (9 437 184, 9.0 MiB)\n"
                    "\n");
    cfgm_free(root);
}

static void test_digest(void)
{
    struct cfgm_node *one = sample(), *two = sample();
    g_autofree char *a = cfgm_digest(one), *b = NULL;

    cfgm_set_integer(two, "RamSize", 0); /* order of setting does not matter, contents do */
    cfgm_set_integer(two, "RamSize", 1073741824);
    b = cfgm_digest(two);
    g_assert_cmpstr(a, ==, b);
    g_assert_cmpuint(strlen(a), ==, 64);
    g_free(b);
    cfgm_set_integer(two, "RamSize", 1073741825);
    b = cfgm_digest(two);
    g_assert_cmpstr(a, !=, b);
    cfgm_set_integer(one, "Longer name than others", 1); /* not even the layout of the lines changes */
    cfgm_set_aside(one, "Longer name than others");
    g_free(b);
    b = cfgm_digest(one);
    g_assert_cmpstr(a, ==, b);
    cfgm_free(one);
    cfgm_free(two);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cfgm/tree", test_tree);
    g_test_add_func("/cfgm/validate", test_validate);
    g_test_add_func("/cfgm/dump", test_dump);
    g_test_add_func("/cfgm/digest", test_digest);
    return g_test_run();
}

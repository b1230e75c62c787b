/*
 * tables_test.c - the tables of methods and properties say what the interface files say: nothing missing, nothing more.
 */
#include "main/server/objects.h"

static void test_classes(const void *data)
{
    g_autofree char *wrong = bus_check(data);

    g_assert_cmpstr(wrong, ==, NULL);
}

static void test_words(void)
{
    static const struct {
        const char *type;
        const char *const *words;
    } enums[] = {
        {"ChipsetType", settings_chipset_names},
        {"FirmwareType", settings_firmware_type_names},
        {"StorageControllerType", settings_controller_type_names},
        {"MediumType", settings_medium_type_names},
        {"NATProtocol", settings_proto_names},
        {"UartType", settings_uart_type_names},
        {"PortMode", settings_uart_mode_names},
        {"PointingHIDType", settings_pointing_names},
        {"KeyboardHIDType", settings_keyboard_names},
        {"ParavirtProvider", settings_paravirt_names},
        {"AudioDriverType", settings_audio_driver_names},
        {"BIOSBootMenuMode", settings_boot_menu_names},
        {"AuthType", settings_auth_names},
        {"USBControllerType", settings_usb_type_names},
        {"NetworkAdapterPromiscModePolicy", settings_promisc_names},
        {"AutostopType", settings_autostop_names},
        {"VMProcPriority", settings_priority_names},
        {"ClipboardMode", settings_sharing_names},
    };

    for (unsigned k = 0; k < G_N_ELEMENTS(enums); k++)
        for (int n = 0; enums[k].words[n] != NULL; n++) {
            const char *api = field_word_to_api(enums[k].type, enums[k].words[n]);
            if (g_str_equal(api, "ARMv8Virtual"))
                continue; /* the format has it, an x86 program has not */
            g_assert_cmpint(api_enum_value(enums[k].type, api), >=, 0);
            g_assert_cmpint(field_api_to_word(enums[k].type, enums[k].words, api), ==, n);
        }
}

static void test_nodes(void)
{
    static const char *const names[] = {"", "IDE", "SATA Controller", "a_b", "__", "Füße", "x/y:z"};
    char id[API_UUID_SIZE], node[API_UUID_SIZE], back[API_UUID_SIZE];
    uint8_t bytes[16];

    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        g_autofree char *escaped = api_node_escape(names[k]);
        g_autofree char *path = g_strconcat("/", escaped, NULL);
        g_autofree char *text = api_node_unescape(escaped);
        g_assert_true(g_variant_is_object_path(path));
        g_assert_cmpstr(text, ==, names[k]);
    }
    g_assert_true(api_uuid_parse("{AD36E899-a3ff-46c3-a721-49f9b3b5a2be}", id));
    g_assert_false(api_uuid_parse("ad36e899-a3ff-46c3-a721-49f9b3b5a2b", back));
    g_assert_false(api_uuid_parse("ad36e899xa3ff-46c3-a721-49f9b3b5a2be", back));
    api_node_from_uuid(id, node);
    g_assert_true(api_node_to_uuid(node, back));
    g_assert_cmpstr(back, ==, id);
    api_uuid_to_bytes(id, bytes);
    api_uuid_from_bytes(bytes, back);
    g_assert_cmpstr(back, ==, "ad36e899-a3ff-46c3-a721-49f9b3b5a2be");
}

int main(int argc, char **argv)
{
    static const struct bus_class *const classes[] = {
        &virtualbox_class,     &host_class,       &properties_class,    &machine_class,         &session_class,
        &progress_class,       &console_class,    &medium_class,        &controller_class,      &snapshot_class,
        &adapter_class,        &serial_class,     &parallel_class,      &nat_network_class,     &dhcp_class,
        &host_only_class,      &appliance_class,  &metrics_class,       &extpack_class,         &attachment_class,
        &usb_controller_class, &usb_filter_class, &shared_folder_class, &bandwidth_group_class, &netif_class,
        &usb_device_class,     &guest_type_class};

    g_test_init(&argc, &argv, NULL);
    for (unsigned k = 0; k < G_N_ELEMENTS(classes); k++) {
        g_autofree char *path = g_strdup_printf("/tables/%u%s", k, classes[k]->folder);
        g_test_add_data_func(path, classes[k], test_classes);
    }
    g_test_add_func("/tables/words", test_words);
    g_test_add_func("/tables/nodes", test_nodes);
    return g_test_run();
}

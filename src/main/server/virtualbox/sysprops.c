/*
 * sysprops.c - ISystemProperties: limits of this program, and the user's defaults (kept in VirtualBox.xml).
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    (void)peer;
    return root_find(user, node, "SystemProperties");
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    g_ptr_array_add(nodes, g_strdup("SystemProperties"));
}

/* ---- limits ---- */

static GVariant *get_limit(const struct bus_call *call, const struct bus_property *row)
{
    (void)call;
    return g_variant_new_uint32(GPOINTER_TO_UINT(row->data));
}

static GVariant *get_disk_limit(const struct bus_call *call, const struct bus_property *row)
{
    (void)call, (void)row;
    return g_variant_new_uint64(UINT64_C(2199022206976)); /* what VirtualBox says: 2 TB less a bit */
}

static GVariant *get_additions(const struct bus_call *call, const struct bus_property *row)
{
    static const char *const places[] = {"/usr/share/virtualbox/VBoxGuestAdditions.iso",
                                         "/opt/VirtualBox/additions/VBoxGuestAdditions.iso"};

    (void)call, (void)row;
    for (unsigned k = 0; k < G_N_ELEMENTS(places); k++)
        if (g_file_test(places[k], G_FILE_TEST_IS_REGULAR))
            return g_variant_new_string(places[k]);
    return g_variant_new_string("");
}

/* ---- kept settings ---- */

struct kept_row {
    size_t offset;
    const char *usual;
};
#define SYSTEM(member) offsetof(struct settings_system, member)

static char **text_at(const struct bus_call *call, const struct bus_property *row)
{
    struct service *s = call->object;

    return (char **)((char *)&s->global->system + ((const struct kept_row *)row->data)->offset);
}

static GVariant *get_text(const struct bus_call *call, const struct bus_property *row)
{
    const char *text = *text_at(call, row);

    return g_variant_new_string(text != NULL ? text : ((const struct kept_row *)row->data)->usual);
}

static bool set_text(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const char *text = g_variant_get_string(val, NULL);
    char **at = text_at(call, row);

    g_free(*at);
    *at = *text != '\0' ? g_strdup(text) : NULL;
    return service_save(call->object, error);
}

static GVariant *get_folder(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_take_string(service_machine_folder(call->object));
}

static bool set_folder(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const char *text = g_variant_get_string(val, NULL);

    if (*text != '\0' && !g_path_is_absolute(text))
        return api_fail(error, E_INVALIDARG, "Given default machine folder '%s' is not fully qualified", text);
    return set_text(call, row, val, error);
}

static GVariant *get_history(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_uint32(((const struct service *)call->object)->global->system.log_history);
}

static bool set_history(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct service *s = call->object;

    (void)row;
    s->global->system.log_history = g_variant_get_uint32(val);
    return service_save(s, error);
}

static GVariant *get_exclusive(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_boolean(((const struct service *)call->object)->global->system.exclusive_hw_virt);
}

static bool set_exclusive(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct service *s = call->object;

    (void)row;
    s->global->system.exclusive_hw_virt = g_variant_get_boolean(val);
    return service_save(s, error);
}

static const char *const proxy_words[] = {"System", "NoProxy", "Manual", NULL};

static GVariant *get_proxy(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_string(proxy_words[((const struct service *)call->object)->global->system.proxy]);
}

static bool set_proxy(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct service *s = call->object;
    int mode = settings_enum_find(proxy_words, g_variant_get_string(val, NULL));

    (void)row;
    if (mode < 0)
        return api_fail(error, E_INVALIDARG, "Invalid proxy mode '%s'", g_variant_get_string(val, NULL));
    s->global->system.proxy = (enum settings_proxy)mode;
    return service_save(s, error);
}

/* ---- methods ---- */

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return root_describe(call, &interface, ret);
}

static bool get_max_adapters(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *chipset;

    g_variant_get(call->args, "(&s)", &chipset);
    if (api_enum_value("ChipsetType", chipset) <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid ChipsetType: '%s'", chipset);
    *ret = g_variant_new("(u)", g_ascii_strcasecmp(chipset, "ICH9") == 0 ? SETTINGS_ADAPTERS : 8);
    return true;
}

static bool get_max_adapters_of(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *chipset, *type;

    g_variant_get(call->args, "(&s&s)", &chipset, &type);
    if (api_enum_value("ChipsetType", chipset) <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid ChipsetType: '%s'", chipset);
    if (api_enum_value("NetworkAttachmentType", type) <= 0)
        return api_fail(error, E_INVALIDARG, "Invalid NetworkAttachmentType: '%s'", type);
    const bool few = g_ascii_strcasecmp(type, "HostOnly") == 0 || g_ascii_strcasecmp(chipset, "ICH9") != 0;
    *ret = g_variant_new("(u)", few ? 8 : SETTINGS_ADAPTERS);
    return true;
}

static bool get_profiles(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const profiles[][2] = {
#define PROFILE(name, architecture) {name, architecture},
#include "main/server/virtualbox/cpu_profiles.def"
#undef PROFILE
    };
    const char *architecture, *pattern;
    GVariantBuilder b;

    g_variant_get(call->args, "(&s&s)", &architecture, &pattern);
    const bool any = *architecture == '\0' || g_ascii_strcasecmp(architecture, "Any") == 0;
    if (!any && g_ascii_strcasecmp(architecture, "x86") != 0 && g_ascii_strcasecmp(architecture, "AMD64") != 0)
        return api_fail(error, E_INVALIDARG, "Invalid CPUArchitecture: '%s'", architecture);
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < G_N_ELEMENTS(profiles); k++) {
        GVariantDict d;
        if ((!any && g_ascii_strcasecmp(profiles[k][1], architecture) != 0) ||
            (*pattern != '\0' && !g_pattern_match_simple(pattern, profiles[k][0])))
            continue;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Name", "s", profiles[k][0]);
        g_variant_dict_insert(&d, "FullName", "s", profiles[k][0]);
        g_variant_dict_insert(&d, "Architecture", "s", profiles[k][1]);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    *ret = g_variant_new("(aa{sv})", &b);
    return true;
}

/* MediumFormatCapabilities */
enum {
    CAN_UUID = 0x01,
    CAN_FIXED = 0x02,
    CAN_DYNAMIC = 0x04,
    CAN_SPLIT = 0x08,
    CAN_DIFF = 0x10,
    CAN_ASYNC = 0x20,
    CAN_FILE = 0x40,
    HAS_PROPERTIES = 0x80,
    IS_TCP = 0x100,
    CAN_DISCARD = 0x400
};
#define CAN_ALL (CAN_UUID | CAN_FIXED | CAN_DYNAMIC | CAN_DIFF | CAN_ASYNC | CAN_FILE | CAN_DISCARD)

struct format_property {
    const char *name, *description, *type, *usual;
    enum { MANDATORY = 1, EXPERT = 2 } flags; /* VirtualBox's DataFlags */
};
static const struct format_property vmdk_properties[] = {
    {"RawDrive", "Disk of the host", "string", "", 0},
    {"Partitions", "Partitions of it", "string", "", 0},
    {"BootSector", "File with the boot code", "byte", "", 0},
    {"Relative", "Partitions by their own device names", "int", "0", 0},
    {0},
};
static const struct format_property iscsi_properties[] = {
    {"TargetName", "Target", "string", "", MANDATORY},
    {"LUN", "Logical unit", "string", "0", MANDATORY},
    {"TargetAddress", "Host and port of the target", "string", "", MANDATORY},
    {"InitiatorName", "Name of this end", "string", "", 0},
    {"InitiatorUsername", "User", "string", "", 0},
    {"InitiatorSecret", "Secret of the user", "byte", "", 0},
    {"HostIPStack", "Through the host's network", "int", "1", EXPERT},
    {0},
};

static GVariant *format_properties(const struct format_property *all)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(ssssu)"));
    for (; all != NULL && all->name != NULL; all++)
        g_variant_builder_add(&b, "(ssssu)", all->name, all->description, all->type, all->usual, (guint32)all->flags);
    return g_variant_builder_end(&b);
}

static bool get_formats(struct bus_call *call, GVariant **ret, GError **error)
{
    static const struct {
        const char *id;
        uint32_t can;
        const char *extensions[6];
        const struct format_property *properties;
    } formats[] = {
        {"VDI", CAN_ALL, {"vdi", NULL}, NULL},
        {"VMDK", CAN_ALL | CAN_SPLIT | HAS_PROPERTIES, {"vmdk", NULL}, vmdk_properties},
        {"VHD", CAN_ALL & ~(uint32_t)CAN_DISCARD, {"vhd", NULL}, NULL},
        {"Parallels", CAN_FILE | CAN_ASYNC, {"hdd", NULL}, NULL},
        {"DMG", CAN_FILE, {"dmg", NULL}, NULL},
        {"QED", CAN_FILE | CAN_ASYNC, {"qed", NULL}, NULL},
        {"QCOW", CAN_FILE | CAN_ASYNC, {"qcow", "qcow2", NULL}, NULL},
        {"VHDX", CAN_FILE | CAN_ASYNC, {"vhdx", NULL}, NULL},
        {"RAW", CAN_FIXED | CAN_ASYNC | CAN_FILE | CAN_DISCARD, {"iso", "cdr", "img", "ima", "flp", NULL}, NULL},
        {"iSCSI", CAN_ASYNC | IS_TCP | HAS_PROPERTIES, {NULL}, iscsi_properties}};
    GVariantBuilder b;

    (void)call, (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < G_N_ELEMENTS(formats); k++) {
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Id", "s", formats[k].id);
        g_variant_dict_insert(&d, "Name", "s", formats[k].id);
        g_variant_dict_insert(&d, "Capabilities", "u", formats[k].can);
        g_variant_dict_insert(&d, "Extensions", "^as", formats[k].extensions);
        g_variant_dict_insert_value(&d, "Properties", format_properties(formats[k].properties));
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    *ret = g_variant_new("(aa{sv})", &b);
    return true;
}

static GVariant *get_true(const struct bus_call *call, const struct bus_property *row)
{
    (void)call, (void)row;
    return g_variant_new_boolean(TRUE);
}

static GVariant *get_word(const struct bus_call *call, const struct bus_property *row)
{
    (void)call;
    return g_variant_new_string(row->data);
}

static GVariant *get_words(const struct bus_call *call, const struct bus_property *row)
{
    const char *const words[] = {row->data, NULL};

    (void)call;
    return g_variant_new_strv(words, -1);
}

#define SUPPORTED(name, type)                                                                                          \
    {                                                                                                                  \
        name, supported_get, NULL, (void *)(type)                                                                      \
    }
#define LIMIT(name, n)                                                                                                 \
    {                                                                                                                  \
        name, get_limit, NULL, GUINT_TO_POINTER(n)                                                                     \
    }
#define TEXT(name, member, usual)                                                                                      \
    {                                                                                                                  \
        name, get_text, set_text, &(const struct kept_row)                                                             \
        {                                                                                                              \
            SYSTEM(member), usual                                                                                      \
        }                                                                                                              \
    }
static const struct bus_method methods[] = {{"Describe", describe},
                                            {"GetMaxNetworkAdapters", get_max_adapters},
                                            {"GetCPUProfiles", get_profiles},
                                            {"GetMediumFormats", get_formats},
                                            {"GetMaxDevicesPerPortForStorageBus", bus_max_devices},
                                            {"GetMinPortCountForStorageBus", bus_min_ports},
                                            {"GetMaxPortCountForStorageBus", bus_max_ports},
                                            {"GetMaxInstancesOfStorageBus", bus_max_instances},
                                            {"GetDeviceTypesForStorageBus", bus_devices},
                                            {"GetStorageControllerTypesForStorageBus", bus_controllers},
                                            {"GetStorageBusForStorageControllerType", controller_bus},
                                            {"GetDefaultIoCacheSettingForStorageController", controller_io_cache},
                                            {"GetStorageControllerHotplugCapable", controller_hotplug},
                                            {"GetMaxInstancesOfUSBControllerType", usb_max_instances},
                                            {"GetMaxNetworkAdaptersOfType", get_max_adapters_of},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {
    LIMIT("MinGuestRAM", 4),
    LIMIT("MaxGuestRAM", 2097152),
    LIMIT("MinGuestVRAM", 0),
    LIMIT("MaxGuestVRAM", 256),
    LIMIT("MinGuestCPUCount", 1),
    LIMIT("MaxGuestCPUCount", 64),
    LIMIT("MaxGuestMonitors", 64),
    {"InfoVDSize", get_disk_limit, NULL, NULL},
    LIMIT("SerialPortCount", SETTINGS_UARTS),
    LIMIT("ParallelPortCount", SETTINGS_LPTS),
    LIMIT("MaxBootPosition", 4),
    {"DefaultMachineFolder", get_folder, set_folder, &(const struct kept_row){SYSTEM(machine_folder), ""}},
    TEXT("DefaultHardDiskFormat", hard_disk_format, "VDI"),
    TEXT("VRDEAuthLibrary", vrde_auth_library, "VBoxAuth"),
    TEXT("WebServiceAuthLibrary", web_auth_library, "VBoxAuth"),
    TEXT("DefaultVRDEExtPack", vrde_ext_pack, ""),
    TEXT("DefaultCryptoExtPack", crypto_ext_pack, ""),
    {"LogHistoryCount", get_history, set_history, NULL},
    TEXT("DefaultFrontend", frontend, ""),
    TEXT("AutostartDatabasePath", autostart_path, ""),
    {"ExclusiveHwVirt", get_exclusive, set_exclusive, NULL},
    TEXT("LoggingLevel", logging_level, "all"),
    {"ProxyMode", get_proxy, set_proxy, NULL},
    TEXT("ProxyURL", proxy_url, ""),
    TEXT("LanguageId", language, ""),
    {"DefaultAdditionsISO", get_additions, NULL, NULL},
    {"RawModeSupported", get_true, NULL, NULL},
    {"DefaultAudioDriver", get_word, NULL, (void *)"Default"},
    {"ScreenShotFormats", get_words, NULL, (void *)"PNG"},
    SUPPORTED("SupportedGraphicsControllerTypes", "GraphicsControllerType"),
    SUPPORTED("SupportedParavirtProviders", "ParavirtProvider"),
    SUPPORTED("SupportedClipboardModes", "ClipboardMode"),
    SUPPORTED("SupportedDnDModes", "DnDMode"),
    SUPPORTED("SupportedFirmwareTypes", "FirmwareType"),
    SUPPORTED("SupportedPointingHIDTypes", "PointingHIDType"),
    SUPPORTED("SupportedKeyboardHIDTypes", "KeyboardHIDType"),
    SUPPORTED("SupportedImportOptions", "ImportOptions"),
    SUPPORTED("SupportedExportOptions", "ExportOptions"),
    SUPPORTED("SupportedCloneOptions", "CloneOptions"),
    SUPPORTED("SupportedAutostopTypes", "AutostopType"),
    SUPPORTED("SupportedVMProcPriorities", "VMProcPriority"),
    SUPPORTED("SupportedNetworkAttachmentTypes", "NetworkAttachmentType"),
    SUPPORTED("SupportedNetworkAdapterTypes", "NetworkAdapterType"),
    SUPPORTED("SupportedPortModes", "PortMode"),
    SUPPORTED("SupportedUartTypes", "UartType"),
    SUPPORTED("SupportedUSBControllerTypes", "USBControllerType"),
    SUPPORTED("SupportedAudioDriverTypes", "AudioDriverType"),
    SUPPORTED("SupportedAudioControllerTypes", "AudioControllerType"),
    SUPPORTED("SupportedStorageBuses", "StorageBus"),
    SUPPORTED("SupportedStorageControllerTypes", "StorageControllerType"),
    SUPPORTED("SupportedChipsetTypes", "ChipsetType"),
    SUPPORTED("SupportedIommuTypes", "IommuType"),
    SUPPORTED("SupportedTpmTypes", "TpmType"),
    {NULL, NULL, NULL, NULL},
};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_isystem_properties_interface, .methods = methods, .properties = properties};
const struct bus_class properties_class = {
    .folder = API_ROOT, .interfaces = BUS_INTERFACES(&interface), .find = find, .list = list};

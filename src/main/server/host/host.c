/*
 * host.c - IHost: what the machine this runs on has. Read anew for every question: it may change.
 *
 * Source: proc(5).
 */
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "main/server/host/host.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    (void)peer;
    return root_find(user, node, "Host");
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    g_ptr_array_add(nodes, g_strdup("Host"));
}

/* Value of the first "key : value" line of /proc/cpuinfo; all processors are alike. g_free. */
static char *cpuinfo(const char *key)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return g_strdup("");
    g_auto(GStrv) lines = g_strsplit(text, "\n", 64);
    for (unsigned k = 0; lines[k] != NULL; k++) {
        char *colon = strchr(lines[k], ':');
        if (colon == NULL || !g_str_has_prefix(lines[k], key))
            continue;
        return g_strdup(g_strstrip(colon + 1));
    }
    return g_strdup("");
}

static guint32 cores(void)
{
    g_autofree char *text = cpuinfo("cpu cores");
    guint64 n = g_ascii_strtoull(text, NULL, 10);

    return n > 0 ? (guint32)n : (guint32)sysconf(_SC_NPROCESSORS_CONF);
}

static guint32 memory_mib(bool available)
{
    g_autofree char *text = NULL;
    const char *key = available ? "MemAvailable:" : "MemTotal:";

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
        return 0;
    const char *at = strstr(text, key);
    return at != NULL ? (guint32)(g_ascii_strtoull(at + strlen(key), NULL, 10) / 1024) : 0;
}

static GVariant *features(void)
{
    static const struct {
        const char *flag, *name;
    } table[] = {{"vmx", "HWVirtEx"}, {"svm", "HWVirtEx"},     {"pae", "PAE"},
                 {"lm", "LongMode"},  {"ept", "NestedPaging"}, {"npt", "NestedPaging"}};
    g_autofree char *text = cpuinfo("flags");
    g_auto(GStrv) flags = g_strsplit(text, " ", -1);
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < G_N_ELEMENTS(table); k++)
        if (g_strv_contains((const char *const *)flags, table[k].flag))
            g_variant_builder_add(&b, "s", table[k].name);
    return g_variant_builder_end(&b);
}

enum {
    IS_CPUS,
    IS_CPUS_ONLINE,
    IS_CORES,
    IS_CPU_NAME,
    IS_CPU_MHZ,
    IS_FEATURES,
    IS_MEMORY,
    IS_MEMORY_FREE,
    IS_OS,
    IS_OS_VERSION,
    IS_3D,
    IS_TIME
};

static GVariant *get(const struct bus_call *call, const struct bus_property *row)
{
    struct utsname uts = {0};
    g_autofree char *mhz = NULL;

    (void)call;
    uname(&uts);
    switch (GPOINTER_TO_INT(row->data)) {
    case IS_CPUS: return g_variant_new_uint32((guint32)sysconf(_SC_NPROCESSORS_CONF));
    case IS_CPUS_ONLINE: return g_variant_new_uint32((guint32)sysconf(_SC_NPROCESSORS_ONLN));
    case IS_CORES: return g_variant_new_uint32(cores());
    case IS_CPU_NAME: return g_variant_new_take_string(cpuinfo("model name"));
    case IS_CPU_MHZ: mhz = cpuinfo("cpu MHz"); return g_variant_new_uint32((guint32)g_ascii_strtod(mhz, NULL));
    case IS_FEATURES: return features();
    case IS_MEMORY: return g_variant_new_uint32(memory_mib(false));
    case IS_MEMORY_FREE: return g_variant_new_uint32(memory_mib(true));
    case IS_OS: return g_variant_new_string(uts.sysname);
    case IS_OS_VERSION: return g_variant_new_string(uts.release);
    case IS_3D: return g_variant_new_boolean(FALSE);
    default: return g_variant_new_int64(g_get_real_time() / 1000);
    }
}

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return root_describe(call, &interface, ret);
}

static bool get_feature(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name;
    g_autoptr(GVariant) list = g_variant_ref_sink(features());
    g_autofree const char **words = g_variant_get_strv(list, NULL);

    g_variant_get(call->args, "(&s)", &name);
    const char *known = api_enum_canonical("ProcessorFeature", name);
    if (known == NULL)
        return api_fail(error, E_INVALIDARG, "Invalid ProcessorFeature: '%s'", name);
    *ret = g_variant_new("(b)", g_strv_contains(words, known));
    return true;
}

bool host_cpu_exists(struct bus_call *call, GError **error)
{
    guint32 cpu;

    g_variant_get_child(call->args, 0, "u", &cpu);
    return cpu < (guint32)sysconf(_SC_NPROCESSORS_CONF) ||
           api_fail(error, E_INVALIDARG, "Argument CpuId is invalid: there is no processor %u", cpu);
}

static bool get_speed(struct bus_call *call, GVariant **ret, GError **error)
{
    g_autofree char *mhz = cpuinfo("cpu MHz");

    if (!host_cpu_exists(call, error))
        return false;
    *ret = g_variant_new("(u)", (guint32)g_ascii_strtod(mhz, NULL));
    return true;
}

static bool get_description(struct bus_call *call, GVariant **ret, GError **error)
{
    g_autofree char *name = cpuinfo("model name");

    if (!host_cpu_exists(call, error))
        return false;
    *ret = g_variant_new("(s)", name);
    return true;
}

static bool generate_mac(struct bus_call *call, GVariant **ret, GError **error)
{
    g_autofree char *mac = adapter_new_mac();

    (void)call, (void)error;
    *ret = g_variant_new("(s)", mac);
    return true;
}

#define IS(what) GINT_TO_POINTER(what)
static const struct bus_method methods[] = {{"Describe", describe},
                                            {"GetNetworkInterfaces", host_get_interfaces},
                                            {"CreateHostOnlyNetworkInterface", host_create_interface},
                                            {"RemoveHostOnlyNetworkInterface", host_remove_interface},
                                            {"FindHostNetworkInterfaceByName", host_find_interface},
                                            {"GetDrives", host_get_drives},
                                            {"GetVideoInputDevices", host_get_video_inputs},
                                            {"GetUSBDevices", host_get_usb_devices},
                                            {"FindUSBDeviceById", host_find_usb_id},
                                            {"FindUSBDeviceByAddress", host_find_usb_address},
                                            {"FindHostNetworkInterfaceById", host_find_interface_id},
                                            {"GetProcessorFeature", get_feature},
                                            {"GenerateMACAddress", generate_mac},
                                            {"GetProcessorCpuidLeaves", host_get_cpuids},
                                            {"GetProcessorCPUIDLeaf", host_get_cpuid},
                                            {"GetProcessorSpeed", get_speed},
                                            {"GetProcessorDescription", get_description},
                                            {"FindHostDVDDrive", host_find_dvd},
                                            {"FindHostFloppyDrive", host_find_floppy},
                                            {"AddUSBDeviceSource", usb_sources_add},
                                            {"RemoveUSBDeviceSource", usb_sources_remove},
                                            {"GetUSBDeviceFilters", usb_filters_host_get},
                                            {"InsertUSBDeviceFilter", usb_filters_host_insert},
                                            {"ModifyUSBDeviceFilter", usb_filters_host_modify},
                                            {"RemoveUSBDeviceFilter", usb_filters_host_remove},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {
    {"ProcessorCount", get, NULL, IS(IS_CPUS)},
    {"ProcessorOnlineCount", get, NULL, IS(IS_CPUS_ONLINE)},
    {"ProcessorCoreCount", get, NULL, IS(IS_CORES)},
    {"ProcessorOnlineCoreCount", get, NULL, IS(IS_CORES)},
    {"ProcessorDescription", get, NULL, IS(IS_CPU_NAME)},
    {"ProcessorSpeed", get, NULL, IS(IS_CPU_MHZ)},
    {"ProcessorFeatures", get, NULL, IS(IS_FEATURES)},
    {"MemorySize", get, NULL, IS(IS_MEMORY)},
    {"MemoryAvailable", get, NULL, IS(IS_MEMORY_FREE)},
    {"OperatingSystem", get, NULL, IS(IS_OS)},
    {"OSVersion", get, NULL, IS(IS_OS_VERSION)},
    {"NameServers", host_name_servers, NULL, NULL},
    {"DomainName", host_domain_name, NULL, NULL},
    {"SearchStrings", host_search_strings, NULL, NULL},
    {"Acceleration3DAvailable", get, NULL, IS(IS_3D)},
    {"UTCTime", get, NULL, IS(IS_TIME)},
    {NULL, NULL, NULL, NULL},
};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_ihost_interface, .methods = methods, .properties = properties};
const struct bus_class host_class = {
    .folder = API_ROOT, .interfaces = BUS_INTERFACES(&interface, &update_agent_interface), .find = find, .list = list};

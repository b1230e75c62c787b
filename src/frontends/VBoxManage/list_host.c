/*
 * list_host.c - list: what this host has, and the properties of the system.
 */
#include <string.h>

#include "frontends/VBoxManage/list.h"

/*
 * VirtualBox's lines, with its spacing. No property: the unit is the value; neither: the line is the label. No unit: a
 * text; ON_OFF, YES_NO: a truth.
 */
#define ON_OFF "on | off"
#define YES_NO "yes | no"
static const struct {
    const char *label, *property, *unit;
} system_rows[] = {
    {"Minimum guest RAM size:", "MinGuestRAM", " Megabytes"},
    {"Maximum guest RAM size:", "MaxGuestRAM", " Megabytes"},
    {"Minimum video RAM size:", "MinGuestVRAM", " Megabytes"},
    {"Maximum video RAM size:", "MaxGuestVRAM", " Megabytes"},
    {"Maximum guest monitor count:", "MaxGuestMonitors", ""},
    {"Minimum guest CPU count:", "MinGuestCPUCount", ""},
    {"Maximum guest CPU count:", "MaxGuestCPUCount", ""},
    {"Virtual disk limit (info):", "InfoVDSize", " Bytes"},
    {"Maximum Serial Port count:", "SerialPortCount", ""},
    {"Maximum Parallel Port count:", "ParallelPortCount", ""},
    {"Maximum Boot Position:", "MaxBootPosition", ""},
    {"Maximum PIIX3 Network Adapter count:  ", NULL, "8"},
    {"Maximum ICH9 Network Adapter count:  ", NULL, "36"},
    {"Maximum PIIX3 IDE Controllers:", NULL, "1"},
    {"Maximum ICH9 IDE Controllers:", NULL, "1"},
    {"Maximum IDE Port count:", NULL, "2"},
    {"Maximum Devices per IDE Port:", NULL, "2"},
    {"Maximum PIIX3 SATA Controllers:", NULL, "1"},
    {"Maximum ICH9 SATA Controllers:", NULL, "8"},
    {"Maximum SATA Port count:", NULL, "30"},
    {"Maximum Devices per SATA Port:", NULL, "1"},
    {"Maximum PIIX3 SCSI Controllers:", NULL, "1"},
    {"Maximum ICH9 SCSI Controllers:", NULL, "8"},
    {"Maximum SCSI Port count:", NULL, "16"},
    {"Maximum Devices per SCSI Port:", NULL, "1"},
    {"Maximum SAS PIIX3 Controllers:", NULL, "1"},
    {"Maximum SAS ICH9 Controllers:", NULL, "8"},
    {"Maximum SAS Port count:", NULL, "255"},
    {"Maximum Devices per SAS Port:", NULL, "1"},
    {"Maximum NVMe PIIX3 Controllers:", NULL, "1"},
    {"Maximum NVMe ICH9 Controllers:", NULL, "8"},
    {"Maximum NVMe Port count:", NULL, "255"},
    {"Maximum Devices per NVMe Port:", NULL, "1"},
    {"Maximum virtio-scsi PIIX3 Controllers: ", NULL, "1"},
    {"Maximum virtio-scsi ICH9 Controllers:  ", NULL, "8"},
    {"Maximum virtio-scsi Port count:        ", NULL, "256"},
    {"Maximum Devices per virtio-scsi Port:  ", NULL, "1"},
    {"Maximum PIIX3 Floppy Controllers:1", NULL, NULL},
    {"Maximum ICH9 Floppy Controllers:", NULL, "1"},
    {"Maximum Floppy Port count:", NULL, "1"},
    {"Maximum Devices per Floppy Port:", NULL, "2"},
    {"Default machine folder:", "DefaultMachineFolder", NULL},
    {"Raw-mode Supported:", "RawModeSupported", YES_NO},
    {"Exclusive HW virtualization use:", "ExclusiveHwVirt", ON_OFF},
    {"Default hard disk format:", "DefaultHardDiskFormat", NULL},
    {"VRDE auth library:", "VRDEAuthLibrary", NULL},
    {"Webservice auth. library:", "WebServiceAuthLibrary", NULL},
    {"Remote desktop ExtPack:", "DefaultVRDEExtPack", NULL},
    {"VM encryption ExtPack:", "DefaultCryptoExtPack", NULL},
    {"Log history count:", "LogHistoryCount", ""},
    {"Default frontend:", "DefaultFrontend", NULL},
    {"Default audio driver:", "DefaultAudioDriver", NULL},
    {"Autostart database path:", "AutostartDatabasePath", NULL},
    {"Default Guest Additions ISO:", "DefaultAdditionsISO", NULL},
    {"Logging Level:", "LoggingLevel", NULL},
    {"Proxy Mode:", "ProxyMode", NULL},
    {"Proxy URL:", "ProxyURL", NULL},
    {"User language:", "LanguageId", NULL},
};

int list_system(struct cmd *c, const struct listing *l)
{
    g_autoptr(GVariant) d = cmd_describe(c, API_ROOT "/SystemProperties", "ISystemProperties");
    g_auto(GStrv) version = g_strsplit(RB_VERSION, ".", 3);

    (void)l;
    if (d == NULL)
        return RC_FAILURE;
    if (as_json(c, d))
        return RC_OK;
    printf("%-32s %s_%s\n", "API version:", version[0], version[1]);
    for (unsigned k = 0; k < G_N_ELEMENTS(system_rows); k++) {
        const char *property = system_rows[k].property, *unit = system_rows[k].unit;
        if (property == NULL && unit == NULL)
            printf("%s\n", system_rows[k].label);
        else if (property == NULL)
            printf("%-32s %s\n", system_rows[k].label, unit);
        else if (unit == NULL)
            printf("%-32s %s\n", system_rows[k].label, dict_str(d, property));
        else if (strcmp(unit, ON_OFF) == 0)
            printf("%-32s %s\n", system_rows[k].label, dict_bool(d, property) ? "on" : "off");
        else if (strcmp(unit, YES_NO) == 0)
            printf("%-32s %s\n", system_rows[k].label, dict_bool(d, property) ? "yes" : "no");
        else
            printf("%-32s %" G_GINT64_FORMAT "%s\n", system_rows[k].label, dict_int(d, property), unit);
    }
    return RC_OK;
}

static void print_features(GVariant *host)
{
    static const char *const features[][2] = {{"HWVirtEx", "supports HW virtualization"},
                                              {"PAE", "supports PAE"},
                                              {"LongMode", "supports long mode"},
                                              {"NestedPaging", "supports nested paging"},
                                              {"UnrestrictedGuest", "supports unrestricted guest"},
                                              {"NestedHWVirt", "supports nested HW virtualization"},
                                              {"VirtVmsaveVmload", "supports virt. vmsave/vmload"}};
    g_autoptr(GVariant) list = g_variant_lookup_value(host, "ProcessorFeatures", G_VARIANT_TYPE("as"));
    g_autofree const char **words = g_variant_get_strv(list, NULL);

    for (unsigned k = 0; k < G_N_ELEMENTS(features); k++)
        printf("Processor %s: %s\n", features[k][1], g_strv_contains(words, features[k][0]) ? "yes" : "no");
}

int list_host(struct cmd *c, const struct listing *l)
{
    g_autoptr(GVariant) d = cmd_describe(c, API_ROOT "/Host", "IHost");

    (void)l;
    if (d == NULL)
        return RC_FAILURE;
    if (as_json(c, d))
        return RC_OK;
    gint64 ms = dict_int(d, "UTCTime");
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(ms / 1000);
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
    printf("Host Information:\n\nHost time: %s.%03d000000\n", time, (int)(ms % 1000));
    printf(
        "Processor online count: %d\nProcessor count: %d\nProcessor online core count: %d\nProcessor core count: %d\n",
        (int)dict_int(d, "ProcessorOnlineCount"), (int)dict_int(d, "ProcessorCount"),
        (int)dict_int(d, "ProcessorOnlineCoreCount"), (int)dict_int(d, "ProcessorCoreCount"));
    print_features(d);
    for (int k = 0; k < dict_int(d, "ProcessorCount"); k++) {
        if (dict_int(d, "ProcessorSpeed") > 0)
            printf("Processor#%d speed: %d MHz\n", k, (int)dict_int(d, "ProcessorSpeed"));
        else
            printf("Processor#%d speed: unknown\n", k);
        printf("Processor#%d description: %s\n", k, dict_str(d, "ProcessorDescription"));
    }
    printf("Memory size: %d MByte\nMemory available: %d MByte\nOperating system: %s\nOperating system version: %s\n",
           (int)dict_int(d, "MemorySize"), (int)dict_int(d, "MemoryAvailable"), dict_str(d, "OperatingSystem"),
           dict_str(d, "OSVersion"));
    return RC_OK;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(dict_str(*(GVariant *const *)a, "Name"), dict_str(*(GVariant *const *)b, "Name"));
}

int list_cpu_profiles(struct cmd *c, const struct listing *l)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    GVariant *reply = NULL;

    if (!TRY(c,
             isystem_properties_get_cpu_profiles(c->client, API_ROOT "/SystemProperties", "Any", "", &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    for (gsize k = 0; k < g_variant_n_children(list); k++)
        g_ptr_array_add(sorted, g_variant_get_child_value(list, k));
    if (l->sorted)
        g_ptr_array_sort(sorted, by_name);
    const int digits = 1 + (sorted->len >= 10) + (sorted->len >= 100);
    for (guint k = 0; k < sorted->len; k++) {
        GVariant *p = sorted->pdata[k];
        if (!l->details)
            printf("#%0*u: %s [%s]\n", digits, k, dict_str(p, "Name"), dict_str(p, "Architecture"));
        else
            printf("CPU Profile #%02u:\n  Architecture: %s\n  Name:         %s\n  Full Name:    %s\n", k,
                   dict_str(p, "Architecture"), dict_str(p, "Name"), dict_str(p, "FullName"));
    }
    return RC_OK;
}

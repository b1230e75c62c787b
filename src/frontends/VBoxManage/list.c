/*
 * list.c - list: machines, media, properties, guest types, network interfaces and the rest. One row per keyword.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

struct listing {
    bool details, sorted;
};

/* ---- machines ---- */

struct entry {
    char *object, *id, *name;
};

static void entry_free(void *p)
{
    struct entry *e = p;

    g_free(e->object);
    g_free(e->id);
    g_free(e->name);
    g_free(e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct entry *const *)a)->name, (*(const struct entry *const *)b)->name);
}

static void print_entry(const struct entry *e, unsigned number, GVariantBuilder *json)
{
    (void)number;
    if (json != NULL)
        g_variant_builder_add_parsed(json, "{'Id': <%s>, 'Name': <%s>}", e->id, e->name);
    else
        printf("\"%s\" {%s}\n", *e->name != '\0' ? e->name : "<inaccessible>", e->id);
}

static int list_machines(struct cmd *c, const struct listing *l, bool running)
{
    GVariant *reply = NULL;
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(entry_free);
    GVariantBuilder json;

    bool ok = running ? TRY(c, ivirtual_box_get_running_vms(c->client, API_PATH, &reply, &error))
                      : TRY(c, ivirtual_box_get_machines(c->client, API_PATH, &reply, &error));
    if (!ok)
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        struct entry *e = g_new0(struct entry, 1);
        g_variant_get_child(list, k, "(oss)", &e->object, &e->id, &e->name);
        g_ptr_array_add(all, e);
    }
    if (l->sorted)
        g_ptr_array_sort(all, by_name);
    g_variant_builder_init(&json, G_VARIANT_TYPE("aa{sv}"));
    int rc = RC_OK;
    for (unsigned k = 0; k < all->len; k++) {
        const struct entry *e = all->pdata[k];
        if (!l->details) {
            print_entry(e, k, c->json ? &json : NULL);
            continue;
        }
        rc = show_machine(c, e->object, false) != RC_OK ? RC_FAILURE : rc;
        printf("\n");
    }
    g_autoptr(GVariant) collected = g_variant_ref_sink(g_variant_builder_end(&json));
    if (c->json && !l->details)
        print_json(collected);
    return rc;
}

static int list_vms(struct cmd *c, const struct listing *l)
{
    return list_machines(c, l, false);
}

static int list_running(struct cmd *c, const struct listing *l)
{
    return list_machines(c, l, true);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_groups(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);

    (void)l;
    if (!TRY(c, ivirtual_box_get_machines(c->client, API_PATH, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    g_ptr_array_add(groups, g_strdup("/"));
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        const char *object;
        g_variant_get_child(list, k, "(&oss)", &object, NULL, NULL);
        GError *error = NULL;
        g_autoptr(GVariant) names = client_get(c->client, object, "IMachine", "Groups", &error);
        g_clear_error(&error);
        for (gsize n = 0; names != NULL && n < g_variant_n_children(names); n++) {
            char *name;
            g_variant_get_child(names, n, "s", &name);
            if (g_ptr_array_find_with_equal_func(groups, name, g_str_equal, NULL))
                g_free(name);
            else
                g_ptr_array_add(groups, name);
        }
    }
    g_ptr_array_sort(groups, by_text);
    for (unsigned k = 0; k < groups->len; k++)
        printf("\"%s\"\n", (const char *)groups->pdata[k]);
    return RC_OK;
}

/* ---- guest types ---- */

static int list_ostypes(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, ivirtual_box_get_guest_os_types(c->client, API_PATH, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (c->json) {
        print_json(list);
        return RC_OK;
    }
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) t = g_variant_get_child_value(list, k);
        printf("ID:          %s\nDescription: %s\nFamily ID:   %s\nFamily Desc: %s\n64 bit:      %s\n\n",
               dict_str(t, "Id"), dict_str(t, "Description"), dict_str(t, "FamilyId"), dict_str(t, "FamilyDescription"),
               dict_bool(t, "Is64Bit") ? "true" : "false");
    }
    return RC_OK;
}

/* ---- media ---- */

static int list_hdds(struct cmd *c, const struct listing *l)
{
    return medium_list(c, "HardDisk", l->details);
}

static int list_dvds(struct cmd *c, const struct listing *l)
{
    return medium_list(c, "DVD", l->details);
}

static int list_floppies(struct cmd *c, const struct listing *l)
{
    return medium_list(c, "Floppy", l->details);
}

static int list_backends(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, isystem_properties_get_medium_formats(c->client, API_ROOT "/SystemProperties", &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (c->json) {
        print_json(list);
        return RC_OK;
    }
    printf("Supported hard disk backends:\n\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        g_autoptr(GVariant) extensions = g_variant_lookup_value(f, "Extensions", G_VARIANT_TYPE("as"));
        g_autofree const char **words = g_variant_get_strv(extensions, NULL);
        g_autofree char *joined = g_strjoinv(",", (char **)words);
        printf("Backend %u: id='%s' description='%s' extensions='%s'\n", (unsigned)k, dict_str(f, "Id"),
               dict_str(f, "Name"), joined);
    }
    return RC_OK;
}

/* ---- properties and host ---- */

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
    {"Default machine folder:", "DefaultMachineFolder", NULL},
    {"Default hard disk format:", "DefaultHardDiskFormat", NULL},
    {"VRDE auth library:", "VRDEAuthLibrary", NULL},
    {"Webservice auth. library:", "WebServiceAuthLibrary", NULL},
    {"Remote desktop ExtPack:", "DefaultVRDEExtPack", NULL},
    {"Log history count:", "LogHistoryCount", ""},
    {"Default frontend:", "DefaultFrontend", NULL},
    {"Default audio driver:", NULL, "Default"},
    {"Autostart database path:", "AutostartDatabasePath", NULL},
    {"Default Guest Additions ISO:", "DefaultAdditionsISO", NULL},
    {"Logging Level:", "LoggingLevel", NULL},
    {"Proxy Mode:", "ProxyMode", NULL},
    {"Proxy URL:", "ProxyURL", NULL},
    {"User language:", "LanguageId", NULL},
};

static int list_system(struct cmd *c, const struct listing *l)
{
    g_autoptr(GVariant) d = cmd_describe(c, API_ROOT "/SystemProperties", "ISystemProperties");
    g_auto(GStrv) version = g_strsplit(RB_VERSION, ".", 3);

    (void)l;
    if (d == NULL)
        return RC_FAILURE;
    if (c->json) {
        print_json(d);
        return RC_OK;
    }
    printf("%-32s %s_%s\n", "API version:", version[0], version[1]);
    for (unsigned k = 0; k < G_N_ELEMENTS(system_rows); k++) {
        const char *property = system_rows[k].property, *unit = system_rows[k].unit;
        if (property == NULL)
            printf("%-32s %s\n", system_rows[k].label, unit);
        else if (unit == NULL)
            printf("%-32s %s\n", system_rows[k].label, dict_str(d, property));
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
                                              {"NestedHWVirt", "supports nested HW virtualization"}};
    g_autoptr(GVariant) list = g_variant_lookup_value(host, "ProcessorFeatures", G_VARIANT_TYPE("as"));
    g_autofree const char **words = g_variant_get_strv(list, NULL);

    for (unsigned k = 0; k < G_N_ELEMENTS(features); k++)
        printf("Processor %s: %s\n", features[k][1], g_strv_contains(words, features[k][0]) ? "yes" : "no");
}

static int list_host(struct cmd *c, const struct listing *l)
{
    g_autoptr(GVariant) d = cmd_describe(c, API_ROOT "/Host", "IHost");

    (void)l;
    if (d == NULL)
        return RC_FAILURE;
    if (c->json) {
        print_json(d);
        return RC_OK;
    }
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

static int list_interfaces(struct cmd *c, const char *kind)
{
    GVariant *reply = NULL;
    GVariantBuilder json;

    if (!TRY(c, ihost_get_network_interfaces(c->client, API_ROOT "/Host", &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    g_variant_builder_init(&json, G_VARIANT_TYPE("aa{sv}"));
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) i = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(i, "InterfaceType"), kind) != 0)
            continue;
        if (c->json) {
            g_variant_builder_add_value(&json, i);
            continue;
        }
        printf(
            "Name:            %s\nGUID:            %s\nDHCP:            %s\nIPAddress:       %s\nNetworkMask:     %s\n"
            "IPV6Address:     %s\nIPV6NetworkMaskPrefixLength: %d\nHardwareAddress: %s\nMediumType:      %s\n"
            "Wireless:        %s\nStatus:          %s\nVBoxNetworkName: %s\n\n",
            dict_str(i, "Name"), dict_str(i, "Id"), dict_bool(i, "DHCPEnabled") ? "Enabled" : "Disabled",
            dict_str(i, "IPAddress"), dict_str(i, "NetworkMask"), dict_str(i, "IPV6Address"),
            (int)dict_int(i, "IPV6NetworkMaskPrefixLength"), dict_str(i, "HardwareAddress"), dict_str(i, "MediumType"),
            dict_bool(i, "Wireless") ? "Yes" : "No", dict_str(i, "Status"), dict_str(i, "NetworkName"));
    }
    g_autoptr(GVariant) collected = g_variant_ref_sink(g_variant_builder_end(&json));
    if (c->json)
        print_json(collected);
    return RC_OK;
}

static int list_bridged(struct cmd *c, const struct listing *l)
{
    (void)l;
    return list_interfaces(c, "Bridged");
}

static int list_host_only(struct cmd *c, const struct listing *l)
{
    (void)l;
    return list_interfaces(c, "HostOnly");
}

/* What this host has nothing of: the same answer VirtualBox gives then. */
static int list_nothing(struct cmd *c, const struct listing *l)
{
    (void)l;
    if (c->json)
        printf("[]\n");
    return RC_OK;
}

static int list_extpacks(struct cmd *c, const struct listing *l)
{
    (void)l;
    printf(c->json ? "[]\n" : "Extension Packs: 0\n");
    return RC_OK;
}

static int list_screenshot_formats(struct cmd *c, const struct listing *l)
{
    (void)l;
    printf(c->json ? "[\"PNG\"]\n" : "Supported 1 screen shot formats:\n    BitmapFormat_PNG (0x20474e50)\n");
    return RC_OK;
}

/* ---- the command ---- */

static const struct keyword {
    const char *names;
    int (*run)(struct cmd *c, const struct listing *l);
} keywords[] = {
    {"vms", list_vms},
    {"runningvms", list_running},
    {"ostypes", list_ostypes},
    {"hostdvds", list_nothing},
    {"hostfloppies", list_nothing},
    {"bridgedifs|hostifs", list_bridged},
    {"hostonlyifs", list_host_only},
    {"hostinfo", list_host},
    {"hddbackends", list_backends},
    {"hdds", list_hdds},
    {"dvds", list_dvds},
    {"floppies", list_floppies},
    {"systemproperties", list_system},
    {"extpacks", list_extpacks},
    {"groups", list_groups},
    {"screenshotformats", list_screenshot_formats},
};

static const struct keyword *keyword_find(const char *word)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(keywords); k++) {
        g_auto(GStrv) names = g_strsplit(keywords[k].names, "|", -1);
        if (g_strv_contains((const char *const *)names, word))
            return &keywords[k];
    }
    return NULL;
}

enum { LONG = 1, SORTED, ARCH };
static const struct option options[] = {
    {LONG, "--long|-l", OPTION_NONE, false, NULL, "With details"},
    {SORTED, "--sorted|-s", OPTION_NONE, false, NULL, "By name"},
    {ARCH, "--platform-arch", OPTION_TEXT, false, "x86", "Accepted"},
    {0},
};

static int list(struct cmd *c)
{
    const struct keyword *what = NULL;
    struct listing l = {0};
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case LONG: l.details = true; break;
        case SORTED: l.sorted = true; break;
        case ARCH: break;
        case CMD_WORD:
            if (what != NULL)
                return cmd_syntax(c, "Too many subcommands for \"list\" command.\n");
            what = keyword_find(v.text);
            if (what == NULL)
                return cmd_syntax(c, "Unknown subcommand \"%s\".", v.text);
            break;
        default: return RC_SYNTAX;
        }
    }
    if (what == NULL)
        return cmd_syntax(c, "Missing subcommand for \"list\" command.\n");
    return cmd_client(c) != NULL ? what->run(c, &l) : RC_FAILURE;
}

const struct command list_command = {
    "list", "View system information and VM configuration details",
    (const char *const[]){
        "[--long] [--sorted] [bridgedifs | dvds | extpacks | floppies | groups | hddbackends | hdds | "
        "hostdvds | hostfloppies | hostinfo | hostonlyifs | ostypes | runningvms | screenshotformats | "
        "systemproperties | vms]",
        NULL},
    options, list};

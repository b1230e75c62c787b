/*
 * list.c - list: machines, media, properties, guest types, network interfaces and the rest. One row per keyword.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/list.h"

/* ---- guest types ---- */

static int list_ostypes(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, ivirtual_box_get_guest_os_types(c->client, API_PATH, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
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

/* What files with this extension usually are. */
static const char *extension_device(const char *extension, bool raw)
{
    static const char *const discs[] = {"iso", "cdr", NULL};

    return !raw ? "HardDisk" : g_strv_contains(discs, extension) ? "DVD" : "Floppy";
}

static void print_format_properties(GVariant *format)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(format, "Properties", G_VARIANT_TYPE("a(ssssu)"));

    printf("' properties=(");
    for (gsize k = 0; list != NULL && k < g_variant_n_children(list); k++) {
        const char *name, *description, *type, *usual;
        guint32 flags;
        g_variant_get_child(list, k, "(&s&s&s&su)", &name, &description, &type, &usual, &flags);
        printf("%s\n  name='%s' desc='%s' type=%s flags=0x%02x default='%s'", k > 0 ? ", " : "", name, description,
               type, flags, usual);
    }
    printf(")\n");
}

static int list_backends(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, isystem_properties_get_medium_formats(c->client, API_ROOT "/SystemProperties", &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    printf("Supported hard disk backends:\n\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        g_autoptr(GVariant) extensions = g_variant_lookup_value(f, "Extensions", G_VARIANT_TYPE("as"));
        g_autofree const char **words = g_variant_get_strv(extensions, NULL);
        const bool raw = strcmp(dict_str(f, "Id"), "RAW") == 0;
        printf("Backend %u: id='%s' description='%s' capabilities=%#06x extensions='", (unsigned)k, dict_str(f, "Id"),
               dict_str(f, "Name"), (unsigned)dict_int(f, "Capabilities"));
        for (unsigned n = 0; words[n] != NULL; n++)
            printf("%s%s (%s)", n > 0 ? "," : "", words[n], extension_device(words[n], raw));
        print_format_properties(f);
    }
    return RC_OK;
}

/* What this host has nothing of: the same answer VirtualBox gives then. */
static int list_nothing(struct cmd *c, const struct listing *l)
{
    (void)l;
    if (c->json)
        printf("[]\n");
    return RC_OK;
}

static int list_cloud_providers(struct cmd *c, const struct listing *l)
{
    (void)l;
    printf(c->json ? "[]\n" : "Supported 0 cloud providers:\n");
    return RC_OK;
}

static int list_screenshot_formats(struct cmd *c, const struct listing *l)
{
    (void)l;
    printf(c->json ? "[\"PNG\"]\n" : "Supported 1 screen shot formats:\n    BitmapFormat_PNG  (0x20474E50)\n");
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
    {"hostdvds", list_host_dvds},
    {"hostfloppies", list_host_floppies},
    {"hostdrives", list_host_drives},
    {"hostcpuids", list_cpuids},
    {"intnets", list_internal},
    {"natnets|natnetworks", list_nat},
    {"dhcpservers", list_dhcp},
    {"hostonlynets", list_host_only_networks},
    {"usbhost", list_usb_devices},
    {"usbfilters", list_usb_filters},
    {"webcams", list_webcams},
    {"cloudproviders", list_cloud_providers},
    {"cloudprofiles", list_nothing},
    {"cloudnets", list_nothing},
    {"cpu-profiles", list_cpu_profiles},
    {"bridgedifs|hostifs", list_bridged},
    {"hostonlyifs", list_host_only},
    {"hostinfo", list_host},
    {"hddbackends", list_backends},
    {"hdds", list_hdds},
    {"dvds", list_dvds},
    {"floppies", list_floppies},
    {"systemproperties", list_system},
    {"updates", list_updates},
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

enum { LONG = 1, SORTED, ARCH, MULTIPLE };
static const struct option options[] = {
    {LONG, "--long|-l", OPTION_NONE, false, NULL, "With details"},
    {SORTED, "--sorted|-s", OPTION_NONE, false, NULL, "By name"},
    {ARCH, "--platform-arch", OPTION_TEXT, false, "x86", "Accepted"},
    {MULTIPLE, "--multiple|-m", OPTION_NONE, false, NULL, "Several lists, each with its keyword above"},
    {0},
};

/* One of several: with its keyword above, as it was given, or as a member of one object. */
static int show_one(struct cmd *c, const char *name, const struct listing *l, bool first)
{
    if (c->json)
        printf("%s\"%s\" :\n", first ? "{\n" : ",\n", name);
    else
        printf("%s[%s]\n", first ? "" : "\n", name);
    return keyword_find(name)->run(c, l);
}

static int list(struct cmd *c)
{
    g_autoptr(GPtrArray) what = g_ptr_array_new(); /* keywords as they were given */
    struct listing l = {0};
    bool multiple = false;
    struct value v;
    int rc = RC_OK;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case LONG: l.details = true; break;
        case SORTED: l.sorted = true; break;
        case ARCH: break;
        case MULTIPLE: multiple = true; break;
        case CMD_WORD:
            if (keyword_find(v.text) == NULL)
                return cmd_syntax(c, "Unknown subcommand \"%s\".", v.text);
            if (!multiple) /* the last one counts */
                g_ptr_array_set_size(what, 0);
            g_ptr_array_add(what, (void *)v.text);
            break;
        default: return RC_SYNTAX;
        }
    }
    if (what->len == 0)
        return cmd_syntax(c, "Missing subcommand for \"list\" command.\n");
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    if (!multiple)
        return keyword_find(what->pdata[0])->run(c, &l);
    for (unsigned k = 0; k < what->len; k++)
        if (show_one(c, what->pdata[k], &l, k == 0) != RC_OK)
            rc = RC_FAILURE;
    if (c->json)
        printf("}\n");
    return rc;
}

const struct command list_command = {
    "list", "View system information and VM configuration details",
    (const char *const[]){
        "[--long] [--sorted] [--multiple] [bridgedifs | cloudnets | cloudprofiles | cloudproviders | cpu-profiles | "
        "dhcpservers | dvds | extpacks | floppies | groups | hddbackends | hdds | hostcpuids | hostdrives | hostdvds | "
        "hostfloppies | hostinfo | hostonlyifs | hostonlynets | intnets | natnets | ostypes | runningvms | "
        "screenshotformats | systemproperties | updates | usbfilters | usbhost | vms | webcams]",
        NULL},
    options, list};

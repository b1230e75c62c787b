/*
 * list_devices.c - list: drives, cameras, USB devices and filters, and the processor of this host.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/list.h"

#define HOST API_ROOT "/Host"

int list_cpuids(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, ihost_get_processor_cpuid_leaves(c->client, HOST, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    printf("Host CPUIDs:\n\nLeaf no.  EAX      EBX      ECX      EDX\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        guint32 leaf, eax, ebx, ecx, edx;
        g_variant_get_child(list, k, "(uuuuu)", &leaf, &eax, &ebx, &ecx, &edx);
        printf("%08x  %08x %08x %08x %08x\n", leaf, eax, ebx, ecx, edx);
    }
    return RC_OK;
}

/* ---- drives ---- */

static GVariant *drives(struct cmd *c, const char *type)
{
    GVariant *reply = NULL;

    return TRY(c, ihost_get_drives(c->client, HOST, type, &reply, &error)) ? reply : NULL;
}

static int list_drives(struct cmd *c, const char *type)
{
    g_autoptr(GVariant) list = drives(c, type);

    if (list == NULL)
        return RC_FAILURE;
    if (c->json)
        print_json(list);
    for (gsize k = 0; !c->json && k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) d = g_variant_get_child_value(list, k);
        printf("UUID:         %s\nName:         %s\n\n", dict_str(d, "Id"), dict_str(d, "Name"));
    }
    return RC_OK;
}

int list_host_dvds(struct cmd *c, const struct listing *l)
{
    (void)l;
    return list_drives(c, "DVD");
}

int list_host_floppies(struct cmd *c, const struct listing *l)
{
    (void)l;
    return list_drives(c, "Floppy");
}

/* 8589934592 as "8.0GiB" */
static char *human_bytes(gint64 bytes)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    unsigned k = 0;

    while (k + 1 < G_N_ELEMENTS(units) && bytes >> (10 * (k + 1)) > 0)
        k++;
    if (k == 0)
        return g_strdup_printf("%" G_GINT64_FORMAT "B", bytes);
    const gint64 unit = (gint64)1 << (10 * k);
    return g_strdup_printf("%" G_GINT64_FORMAT ".%d%sB", bytes / unit,
                           (int)((bytes % unit >> (10 * (k - 1))) * 10 >> 10), units[k]);
}

static void print_drive(GVariant *d, bool details)
{
    const char *model = dict_str(d, "Model");
    g_autofree char *size = human_bytes(dict_int(d, "Size"));

    printf("Drive:       %s\n", dict_str(d, "Name"));
    if (*model != '\0')
        printf("Model:       \"%s\"\n", model);
    else
        printf("Model:       unknown/inaccessible\n");
    if (dict_bool(d, "Limited")) {
        printf("Further disk and partitioning information is not available for drive \"%s\". (E_ACCESSDENIED)\n",
               dict_str(d, "Name"));
        return;
    }
    if (details)
        printf("Size:        %" G_GINT64_FORMAT " bytes (%s)\n", dict_int(d, "Size"), size);
    else
        printf("Size:        %s\n", size);
    printf("Sector Size: %d bytes\n", (int)dict_int(d, "SectorSize"));
}

int list_host_drives(struct cmd *c, const struct listing *l)
{
    g_autoptr(GVariant) list = drives(c, "HardDisk");

    if (list == NULL)
        return RC_FAILURE;
    if (as_json(c, list))
        return RC_OK;
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) d = g_variant_get_child_value(list, k);
        printf("%s", k > 0 ? "\n" : "");
        print_drive(d, l->details);
    }
    return RC_OK;
}

int list_webcams(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, ihost_get_video_input_devices(c->client, HOST, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    printf("Video Input Devices: %u\n", (unsigned)g_variant_n_children(list));
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) d = g_variant_get_child_value(list, k);
        printf("%s \"%s\"\n%s\n", dict_str(d, "Alias"), dict_str(d, "Name"), dict_str(d, "Path"));
    }
    return RC_OK;
}

/* ---- USB ---- */

static const char *usb_speed(const char *mbit)
{
    static const char *const speeds[][2] = {
        {"1.5", "Low"}, {"12", "Full"}, {"480", "High"}, {"5000", "Super"}, {"10000", "SuperPlus"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(speeds); k++)
        if (strcmp(speeds[k][0], mbit) == 0)
            return speeds[k][1];
    return "?";
}

static void print_device(GVariant *d)
{
    static const char *const texts[][2] = {{"Manufacturer:", "Manufacturer"},
                                           {"Product:", "Product"},
                                           {"SerialNumber:", "SerialNumber"},
                                           {"Address:", "Address"},
                                           {"Port path:", "PortPath"}};
    unsigned vendor = (unsigned)dict_int(d, "VendorId"), product = (unsigned)dict_int(d, "ProductId");
    unsigned revision = (unsigned)dict_int(d, "Revision");

    printf("UUID:               %s\nVendorId:           0x%04x (%04X)\nProductId:          0x%04x (%04X)\n"
           "Revision:           %u.%u (%02u%02u)\nPort:               %d\nUSB version/speed:  %d/%s\n",
           dict_str(d, "Id"), vendor, vendor, product, product, revision >> 8, revision & 0xff, revision >> 8,
           revision & 0xff, (int)dict_int(d, "Port"), (int)dict_int(d, "Version"), usb_speed(dict_str(d, "Speed")));
    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++)
        if (*dict_str(d, texts[k][1]) != '\0')
            printf("%-19s %s\n", texts[k][0], dict_str(d, texts[k][1]));
    printf("Current State:      %s\n\n", dict_str(d, "State"));
}

int list_usb_devices(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, ihost_get_usb_devices(c->client, HOST, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    printf("Host USB Devices:\n\n");
    if (g_variant_n_children(list) == 0)
        printf("<none>\n\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) d = g_variant_get_child_value(list, k);
        print_device(d);
    }
    return RC_OK;
}

int list_usb_filters(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, ihost_get_usb_device_filters(c->client, HOST, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    if (as_json(c, list))
        return RC_OK;
    printf("Global USB Device Filters:\n\n");
    usb_filters_print(list);
    return RC_OK;
}

/*
 * medium_path.c - see medium_path.h.
 *
 * Source: VirtualBox's manual (storageattach, iSCSI) and files it wrote; RFC 7143 for names; SAM-5, 4.7 for encoded
 * logical unit numbers.
 */
#include "main/settings/medium_path.h"

#include <string.h>

#include "main/settings/machine.h"

#define LUN_MAX 16383 /* 14 bits: flat space addressing */

bool settings_medium_remote(const char *format)
{
    return format != NULL && (g_ascii_strcasecmp(format, "iSCSI") == 0 || g_ascii_strcasecmp(format, "NBD") == 0);
}

int settings_iscsi_lun(const char *text)
{
    const bool encoded = text != NULL && g_str_has_prefix(text, "enc");
    guint64 number = 0;

    if (text == NULL || *text == '\0')
        return 0;
    if (!g_ascii_string_to_unsigned(encoded ? text + 3 : text, encoded ? 16 : 10, 0, encoded ? G_MAXUINT64 : LUN_MAX,
                                    &number, NULL))
        return -1;
    if (!encoded)
        return (int)number;
    const guint64 first = number >> 48; /* one level only: the other three are zero */
    const bool flat = first >> 14 == 1, peripheral = first >> 8 == 0;
    return (number & G_GUINT64_CONSTANT(0xffffffffffff)) != 0 || (!flat && !peripheral) ? -1 : (int)(first & LUN_MAX);
}

static void add_option(GString *address, const char *name, const char *val)
{
    if (val == NULL || *val == '\0')
        return;
    g_string_append_printf(address, "%c%s=", strchr(address->str, '#') == NULL ? '#' : '&', name);
    g_string_append_uri_escaped(address, val, NULL, FALSE);
}

static char *iscsi_address(const GPtrArray *properties)
{
    const char *host = settings_property_get(properties, ISCSI_ADDRESS);
    const char *target = settings_property_get(properties, ISCSI_TARGET);
    const char *lun = settings_property_get(properties, ISCSI_LUN);
    const char *host_ip = settings_property_get(properties, ISCSI_HOST_IP);
    GString *address = g_string_new("iscsi://");

    g_string_append_printf(address, "%s/%s/", host != NULL ? host : "", target != NULL ? target : "");
    if (settings_iscsi_lun(lun) >= 0)
        g_string_append_printf(address, "%d", settings_iscsi_lun(lun));
    else
        g_string_append(address, lun); /* what opens it says that this is no address */
    add_option(address, "user", settings_property_get(properties, ISCSI_USER));
    add_option(address, "secret", settings_property_get(properties, ISCSI_SECRET));
    add_option(address, "initiator", settings_property_get(properties, ISCSI_INITIATOR));
    add_option(address, "internal", g_strcmp0(host_ip, "0") == 0 ? "1" : NULL);
    return g_string_free(address, FALSE);
}

char *settings_medium_path(const char *format, const char *location, const GPtrArray *properties, const char *folder)
{
    if (!settings_medium_remote(format))
        return g_canonicalize_filename(location, folder);
    return g_ascii_strcasecmp(format, "iSCSI") == 0 ? iscsi_address(properties) : g_strdup(location);
}

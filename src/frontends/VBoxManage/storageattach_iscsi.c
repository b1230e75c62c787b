/*
 * storageattach_iscsi.c - storageattach --medium iscsi: a medium that is a logical unit of an iSCSI target.
 *
 * As VirtualBox does, the medium's location is SERVER|TARGET[|LUN], and its properties say the rest. Nothing is
 * connected to here: whether the target answers shows when the medium is looked at or used.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/storageattach.h"

static bool set(struct cmd *c, const char *medium, const char *name, const char *val)
{
    return val == NULL || *val == '\0' || TRY(c, imedium_set_property(c->client, medium, name, val, &error));
}

static bool valid(const struct iscsi_medium *m)
{
    const char *port = m->text[ISCSI_OPTION_PORT];

    if (m->text[ISCSI_OPTION_SERVER] == NULL || m->text[ISCSI_OPTION_TARGET] == NULL)
        return cmd_error("--server and --target are required for iSCSI media"), false;
    if (m->text[ISCSI_OPTION_LUN] != NULL && m->text[ISCSI_OPTION_ENCODED_LUN] != NULL)
        return cmd_error("--lun and --encodedlun name the same thing; give one of them"), false;
    if (m->text[ISCSI_OPTION_PASSWORD] != NULL && m->text[ISCSI_OPTION_PASSWORD_FILE] != NULL)
        return cmd_error("--password and --passwordfile name the same thing; give one of them"), false;
    return port == NULL || g_ascii_string_to_unsigned(port, 10, 1, 65535, NULL, NULL) ||
           (cmd_error("Invalid --tport argument '%s' (a TCP port)", port), false);
}

static bool set_all(struct cmd *c, const char *medium, const struct iscsi_medium *m, const char *lun,
                    const char *secret)
{
    const char *port = m->text[ISCSI_OPTION_PORT];
    g_autofree char *address =
        g_strconcat(m->text[ISCSI_OPTION_SERVER], port != NULL ? ":" : "", port != NULL ? port : "", NULL);

    return set(c, medium, "TargetAddress", address) && set(c, medium, "TargetName", m->text[ISCSI_OPTION_TARGET]) &&
           set(c, medium, "LUN", lun) && set(c, medium, "InitiatorUsername", m->text[ISCSI_OPTION_USER]) &&
           set(c, medium, "InitiatorSecret", secret) &&
           set(c, medium, "InitiatorName", m->text[ISCSI_OPTION_INITIATOR]) &&
           set(c, medium, "HostIPStack", m->internal ? "0" : NULL);
}

char *iscsi_medium_new(struct cmd *c, const struct iscsi_medium *m)
{
    g_autofree char *lun = g_strdup(m->text[ISCSI_OPTION_LUN]), *secret = g_strdup(m->text[ISCSI_OPTION_PASSWORD]);
    char *medium = NULL;

    if (!valid(m))
        return NULL;
    if (m->text[ISCSI_OPTION_ENCODED_LUN] != NULL)
        lun = g_strconcat("enc", m->text[ISCSI_OPTION_ENCODED_LUN], NULL);
    if (m->text[ISCSI_OPTION_PASSWORD_FILE] != NULL &&
        (secret = cmd_read_password(m->text[ISCSI_OPTION_PASSWORD_FILE], "iSCSI secret: ")) == NULL)
        return NULL;
    g_autofree char *location = g_strconcat(m->text[ISCSI_OPTION_SERVER], "|", m->text[ISCSI_OPTION_TARGET],
                                            lun != NULL ? "|" : NULL, lun, NULL);
    if (!TRY(c, ivirtual_box_create_medium(c->client, API_PATH, "iSCSI", location, "ReadWrite", "HardDisk", &medium,
                                           &error)))
        return NULL;
    if (set_all(c, medium, m, lun, secret))
        return medium;
    medium_forget_new(c, medium);
    g_free(medium);
    return NULL;
}

/* storageattach.h - shared by the files that make up storageattach. */
#ifndef FRONTENDS_VBOXMANAGE_STORAGEATTACH_H
#define FRONTENDS_VBOXMANAGE_STORAGEATTACH_H

#include "frontends/VBoxManage/manage.h"

enum iscsi_option {
    ISCSI_OPTION_SERVER,
    ISCSI_OPTION_TARGET,
    ISCSI_OPTION_PORT,
    ISCSI_OPTION_LUN,
    ISCSI_OPTION_ENCODED_LUN,
    ISCSI_OPTION_USER,
    ISCSI_OPTION_PASSWORD,
    ISCSI_OPTION_PASSWORD_FILE,
    ISCSI_OPTION_INITIATOR,
    ISCSI_OPTIONS
};
struct iscsi_medium {
    const char *text[ISCSI_OPTIONS]; /* NULL: not given */
    bool internal;                   /* over an internal network of the machines */
};
/** iscsi_medium_new() - makes the medium known; its object path, g_free(). NULL: said. */
char *iscsi_medium_new(struct cmd *c, const struct iscsi_medium *m);

#endif

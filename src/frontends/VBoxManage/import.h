/*
 * import.h - what import's command line says; import_options.c reads it.
 */
#ifndef FRONTENDS_VBOXMANAGE_IMPORT_H
#define FRONTENDS_VBOXMANAGE_IMPORT_H

#include "frontends/VBoxManage/manage.h"

#define IMPORT_VALUES 8u /* kinds of values a system can be given */
#define SYSTEMS_MAX   32u

/* What the command line says of a unit. */
struct unit {
    guint32 system, number;
    const char *disk, *controller, *port, *scsi;
    bool ignore;
};
struct said {
    const char *values[SYSTEMS_MAX][IMPORT_VALUES];
    const char *eula[SYSTEMS_MAX];
    GArray *units; /* struct unit */
    GPtrArray *options;
    const char *file;
    bool dry_run, cloud;
};

extern const struct option import_options[];
/** The kinds as descriptions call them. */
extern const char *const import_value_types[IMPORT_VALUES];
/** import_parse() - fills @s, whose lists are there. Return: RC_OK, or what the program ends with. */
int import_parse(struct cmd *c, struct said *s);

#endif

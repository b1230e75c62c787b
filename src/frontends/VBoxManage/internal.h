/* internal.h - what internalcommands' verbs are given, and those about disks. */
#ifndef FRONTENDS_VBOXMANAGE_INTERNAL_H
#define FRONTENDS_VBOXMANAGE_INTERNAL_H

#include "frontends/VBoxManage/manage.h"

#define INTERNAL_WORDS 6

enum {
    INTERNAL_FILENAME = 1,
    INTERNAL_RAWDISK,
    INTERNAL_PARTITIONS,
    INTERNAL_MBR,
    INTERNAL_RELATIVE,
    INTERNAL_FROM,
    INTERNAL_TO,
    INTERNAL_FORMAT,
    INTERNAL_SRC_FORMAT,
    INTERNAL_DST_FORMAT,
    INTERNAL_DRY_RUN,
    INTERNAL_ENABLE,
    INTERNAL_DISABLE,
    INTERNAL_FLAGS,
    INTERNAL_GROUPS,
    INTERNAL_DESTINATIONS,
    INTERNAL_INTERVAL,
    INTERNAL_OPTIONS
};

struct internal {
    const char *word[INTERNAL_WORDS];
    unsigned words;
    const char *text[INTERNAL_OPTIONS]; /* of an option; "" of one that stands alone, NULL: not given */
};

/** Usage and "Syntax error: ...", as VirtualBox has it for these alone. Return: RC_SYNTAX. */
int internal_syntax(struct cmd *c, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* ---- internal_disks.c ---- */
int internal_set_uuid(struct cmd *c, const struct internal *n);
int internal_set_parent_uuid(struct cmd *c, const struct internal *n);
int internal_dump_info(struct cmd *c, const struct internal *n);
int internal_list_partitions(struct cmd *c, const struct internal *n);
int internal_create_raw(struct cmd *c, const struct internal *n);
int internal_rename(struct cmd *c, const struct internal *n);
int internal_to_raw(struct cmd *c, const struct internal *n);
int internal_convert(struct cmd *c, const struct internal *n);
int internal_repair(struct cmd *c, const struct internal *n);

#endif

/*
 * controlvm.h - shared by the files of controlvm.
 */
#ifndef FRONTENDS_VBOXMANAGE_CONTROLVM_H
#define FRONTENDS_VBOXMANAGE_CONTROLVM_H

#include "frontends/VBoxManage/manage.h"

struct target {
    const char *name; /* as the user wrote it */
    char *machine, *console;
};

typedef int (*controlvm_fn)(struct cmd *c, const struct target *t);
/** controlvm_parts.c: verbs a part of the machine must carry out; NULL: it is none. */
controlvm_fn controlvm_part(const char *verb);
/* controlvm_more.c: those, and verbs that change settings */
bool controlvm_known(const char *verb);
int controlvm_more(struct cmd *c, const struct target *t, const char *verb);

#endif

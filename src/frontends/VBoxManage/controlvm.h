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

/* controlvm_more.c: verbs that change settings, and those a part of the machine must carry out */
bool controlvm_known(const char *verb);
int controlvm_more(struct cmd *c, const struct target *t, const char *verb);

#endif

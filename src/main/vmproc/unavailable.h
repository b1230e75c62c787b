/*
 * unavailable.h - what a machine's settings ask for and this machine has not: said once, in its log.
 */
#ifndef MAIN_VMPROC_UNAVAILABLE_H
#define MAIN_VMPROC_UNAVAILABLE_H

#include <glib.h>

#include "main/settings/machine.h"

/** "network adapter 1 (NAT), sound card"; NULL when everything is there. g_free */
char *unavailable_text(const struct settings_machine *m);

#endif

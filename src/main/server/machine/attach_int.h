/* attach_int.h - between attach.c (the settings) and attach_live.c (a machine that runs). */
#ifndef MAIN_SERVER_MACHINE_ATTACH_INT_H
#define MAIN_SERVER_MACHINE_ATTACH_INT_H

#include "main/server/machine/machine.h"

struct attach_place {
    struct settings_controller *controller;
    struct settings_attachment *attachment; /* NULL: free */
    gint32 port, device;
};

/** attach_mount_live() - the running machine's drive gets the medium; NULL: it loses what it has. */
bool attach_mount_live(struct part *p, const struct attach_place *at, enum settings_device kind, struct medium *m,
                       bool force, GError **error);
/**
 * attach_plug_live() - a hard disk comes, or (@m is NULL) goes: one image, that nothing is based on; also one on the
 * network, for which storage_attach() is called again: call->later then.
 */
bool attach_plug_live(struct bus_call *call, const struct attach_place *at, struct medium *m, GError **error);

#endif

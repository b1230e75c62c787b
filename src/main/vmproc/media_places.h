/*
 * media_places.h - where on the machine the attachments of the settings are: from storage controllers to devices and
 * logical units.
 */
#ifndef MAIN_VMPROC_MEDIA_PLACES_H
#define MAIN_VMPROC_MEDIA_PLACES_H

#include "machine/pc.h"
#include "main/settings/machine.h"

/* A logical unit of the machine. */
struct media_place {
    const char *device; /* the controller's device name */
    unsigned instance, lun;
    bool past_cache; /* useHostIOCache="false" */
};

/** What is called for each attachment with an image or a drive of the host's; false ends the walk with its error. */
typedef bool media_place_fn(void *ctx, const struct settings_attachment *a, const struct media_place *place,
                            GError **error);

/** media_places() - writes what is attached where into @pc. The error names file and controller. */
bool media_places(const struct settings_machine *s, struct pc_settings *pc, media_place_fn *place, void *ctx,
                  GError **error);
/** media_place_of() - the unit of port @port, device @device of @c; false: this machine has no such controller. */
bool media_place_of(const struct settings_controller *c, unsigned port, unsigned device, struct media_place *ret);

/** media_hot_plug() - hard disks may come and go on the controller's ports while the machine runs. */
bool media_hot_plug(const struct settings_controller *c);

#endif

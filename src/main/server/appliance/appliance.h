/*
 * appliance.h - shared by the files that make up IAppliance: an appliance read for import or put together for export.
 *
 * It belongs to the connection that made it.
 */
#ifndef MAIN_SERVER_APPLIANCE_APPLIANCE_H
#define MAIN_SERVER_APPLIANCE_APPLIANCE_H

#include "main/ovf/ovf.h"
#include "main/server/objects.h"

/* One line of a virtual system's description; the client may change value and extra, or leave it out. */
struct description {
    const char *type; /* VirtualSystemDescriptionType */
    char *reference, *original, *value, *extra;
    bool enabled;
    const struct ovf_item *item; /* import: what it was made from */
};

struct appliance {
    struct service *service;
    struct bus_peer *peer;
    unsigned number;
    bool busy; /* a progress object works with it */
    char *path;
    bool archive;   /* OVA */
    char *manifest; /* text; NULL: none */
    struct ovf *ovf;
    GPtrArray *systems;  /* GPtrArray of struct description, one a virtual system */
    GPtrArray *machines; /* ids: imported, or to be exported */
    GPtrArray *warnings; /* texts */
};

void appliance_free(struct appliance *a);
void appliances_peer_gone(struct service *s, struct bus_peer *peer);
GPtrArray *description_list_new(void);
struct description *description_new(GPtrArray *system, const char *type, const char *reference, const char *original,
                                    const char *value, const char *extra);
/** The first enabled line of that type, or NULL. */
const struct description *description_find(const GPtrArray *system, const char *type);
/** Its value, or "". */
const char *description_value(const GPtrArray *system, const char *type);

/* appliance_read.c */
bool appliance_read(struct bus_call *call, GVariant **ret, GError **error);
bool appliance_interpret(struct bus_call *call, GVariant **ret, GError **error);
/* appliance_import.c */
bool appliance_import(struct bus_call *call, GVariant **ret, GError **error);
/* appliance_machine.c: the settings of an imported machine; @uuids: of the disks, by description (NULL: none). */
struct settings_machine *appliance_machine(const struct appliance *a, unsigned n, const char *const *options,
                                           GError **error);
/** Attaches medium @m where the description says. */
bool appliance_attach(struct settings_machine *s, const GPtrArray *system, const struct description *disk,
                      const struct medium *m, GError **error);
/* appliance_export.c */
bool appliance_add_machine(struct bus_call *call, GVariant **ret, GError **error);
bool appliance_write(struct bus_call *call, GVariant **ret, GError **error);

#endif

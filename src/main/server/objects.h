/*
 * objects.h - the service's objects as plain structures; who owns what is in doc/main.md.
 *
 * Everything here belongs to the one main thread. UUIDs are without braces as the API has them; settings have them
 * with.
 */
#ifndef MAIN_SERVER_OBJECTS_H
#define MAIN_SERVER_OBJECTS_H

#include "main/api/api.h"
#include "main/api/infos.h"
#include "main/bus/bus.h"
#include "main/server/address.h"
#include "main/server/field.h"
#include "main/server/medium/medium.h"
#include "main/server/process/vmproc.h"
#include "main/server/progress.h"
#include "main/server/service.h"
#include "main/server/snapshot/pending.h"
#include "main/server/virtualbox/guest_types.h"
#include "main/settings/global.h"
#include "main/settings/items.h"
#include "main/settings/machine.h"

struct machine;
struct session;
struct vmproc;

/*
 * What a path means during one call: of a machine's or a session's settings a part, or (without machine) an item of the
 * global settings, which are saved with every change.
 */
struct part {
    struct service *service;
    struct machine *machine; /* NULL: global */
    struct session *session; /* NULL: the machine itself */
    struct settings_machine *s;
    void *base; /* where the object's fields are */
    bool live;  /* a shared session of a running machine: what may change now does so at once, on disk as well */
    unsigned slot;
    const int *served; /* the call has waited for a medium on the network: its socket; NULL: it has not */
};

struct service {
    struct service_config config;
    struct bus *bus;
    GMainLoop *loop;
    guint idle_source;
    char *global_path;
    struct settings_global *global;
    GPtrArray *machines;     /* struct machine, in the order of registration */
    GPtrArray *media;        /* struct medium */
    GHashTable *media_by_id; /* the first of each kind with an id */
    GPtrArray *sessions;     /* struct session, one a peer */
    GPtrArray *progresses;   /* struct progress */
    unsigned next_progress;
    GPtrArray *appliances;
    unsigned next_appliance;
    GPtrArray *listeners; /* struct listener */
    guint32 next_listener;
    struct metrics *metrics;
    struct part part; /* of the call being answered */
    GVariant *values; /* the same, if its object is a dictionary */
};

struct machine {
    struct service *service;
    char id[API_UUID_SIZE];
    char *path;
    struct settings_machine *settings; /* NULL: inaccessible */
    char *access_error;
    bool registered;
    struct bus_peer *owner; /* of a machine not registered */
    int state;              /* MachineState_ */
    int64_t changed_ms;
    struct session *writer; /* write lock */
    bool launching;
    bool busy;         /* a snapshot is being taken, deleted, restored: settings and process are not to be touched */
    bool saving;       /* a client has asked for its state */
    struct vmproc *vm; /* its process, NULL: none */
    int vm_state;      /* MachineState_ the process told last */
    char *session_name;
    GPtrArray *transient_folders; /* settings_shared_folder; while it runs */
};

struct session {
    struct service *service;
    struct bus_peer *peer;
    unsigned number;
    char *name;              /* its owner's, or NULL */
    struct machine *machine; /* NULL: unlocked */
    int type;                /* SessionType_ */
    struct settings_machine *copy;
    bool modified;
};

/* ---- service.c ---- */
/** Saves the global settings; on failure they are as they were on disk. */
/** Where new machines go; g_free. */
char *service_machine_folder(const struct service *s);
/** FOLDER/GROUP/NAME/NAME.vbox; @base "": the usual folder. g_free */
char *service_settings_path(const struct service *s, const char *base, const char *group, const char *name);
bool service_save(struct service *s, GError **error);
void service_emit(struct service *s, const char *name, GVariant *args); /* a signal of IVirtualBox */
void service_idle_check(struct service *s);

/* ---- machine.c ---- */
struct machine *machine_find(struct service *s, const char *id);
struct machine *machine_find_name(struct service *s, const char *name_or_id);
struct machine *machine_at(struct service *s, const char *path);
const char *machine_name(const struct machine *m);
char *machine_object_path(const struct machine *m); /* g_free */
struct machine *machine_new(struct service *s, const char *path, struct settings_machine *settings, const char *id);
void machine_free(struct machine *m);
void machine_load_all(struct service *s);
void machine_drop_unregistered(struct service *s, struct bus_peer *owner);
void machine_state_set(struct machine *m, int state);
/** The state a machine without a process has by its settings. */
int machine_state_at_rest(const struct machine *m);
char *machine_log_folder(const struct machine *m);
char *machine_snapshot_folder(const struct settings_machine *s);
bool machine_running(const struct machine *m);
/** Writes the machine's settings now. */
bool machine_save(struct machine *m, GError **error);
/** Saves @next and makes it the machine's settings, in sessions too; takes it in any case. */
bool machine_replace(struct machine *m, struct settings_machine *next, GError **error);
/** @path relative to the machine's folder if it is below it; g_free. */
char *machine_relative(const struct settings_machine *s, const char *path);
/** A new file name for a state in the snapshot folder; g_free. */
char *machine_new_state_path(const struct settings_machine *s);
/** Whether a snapshot or the machine refers to this state file (as written there). */
bool machine_uses_state(const struct settings_machine *s, const char *file);

/* ---- root.c: objects there is one of ---- */
void *root_find(void *user, const char *node, const char *name);
/** The answer of a Describe method: all properties. */
bool root_describe(struct bus_call *call, const struct bus_interface *interface, GVariant **ret);

/* ---- values.c: objects that only say something; there is a dictionary with it ---- */
/** What a class's find answers: @dict (taken, may be NULL) as the object of this call. */
void *values_found(struct service *s, GVariant *dict);
/** The dictionary of @list (taken, aa{sv}) whose @key is @text; NULL: none. */
GVariant *values_pick(GVariant *list, const char *key, const char *text);
GVariant *values_get(const struct bus_call *call, const struct bus_property *row);
#define VALUE(name)                                                                                                    \
    {                                                                                                                  \
        name, values_get, NULL, NULL                                                                                   \
    }

/* ---- events.c ---- */
struct listener;
void listener_free(struct listener *l);
void events_peer_gone(struct service *s, struct bus_peer *peer);
/** A signal of IVirtualBox, for those who ask; @args stays the caller's. */
void events_add(struct service *s, const char *name, GVariant *args);

/* ---- guest_properties.c ---- */
/** The machine ended: its transient properties are gone; the caller saves. */
void guest_properties_ended(struct machine *m);

/* ---- metrics.c ---- */
struct metrics;
struct metrics *metrics_new(struct service *s);
void metrics_free(struct metrics *all);
/** Something is measured: the service stays. */
bool metrics_active(const struct metrics *all);

/* ---- session.c ---- */
struct session *session_of(struct service *s, struct bus_peer *peer);
void session_close(struct session *s);
bool session_lock(struct session *s, struct machine *m, const char *lock_type, GError **error);
void session_machine_gone(struct machine *m);

/* ---- part.c ---- */
/** The machine part of a node; @ret_rest: what stands behind "_", or NULL. NULL when there is none for this peer. */
struct part *part_find(struct service *s, struct bus_peer *peer, const char *node, const char **ret_rest);
/* When settings may change, beside at rest without a saved state. */
#define PART_SAVED 1u
#define PART_LIVE  2u /* while the machine runs, by a shared session */
#define PART_ANY   (PART_SAVED | PART_LIVE)
/** May the part's settings be changed now? Marks the session modified. */
bool part_change(struct part *p, unsigned when, GError **error);
/** After it: what is global or live is saved now; on failure it is as it was. */
bool part_changed(struct part *p, GError **error);
/** "/org/virtualbox/KIND/MACHINE[_REST]" for the same machine or session copy. g_free */
char *part_path(const struct part *p, const char *kind, const char *rest);

/* ---- adapter.c ---- */
/** VirtualBox's own prefix, 08:00:27, and three random bytes; g_free. */
char *adapter_new_mac(void);

/* ---- describe.c ---- */
GVariant *machine_describe(struct part *p);

/* ---- attach.c ---- */
struct settings_controller *controller_find(const struct settings_machine *s, const char *name);
struct settings_attachment *attachment_find(const struct settings_controller *c, uint32_t port, uint32_t device);
struct controller_rule {
    enum settings_controller_type type;
    const char *bus;
    uint32_t min_ports, max_ports, default_ports, devices;
    bool first_of_bus; /* the one a new controller of that bus gets */
};
const struct controller_rule *controller_rule_of(enum settings_controller_type type);
/** The rule a new controller of @bus gets, NULL: no such bus. */
const struct controller_rule *controller_rule_for_bus(const char *bus);

/* ---- classes ---- */
extern const struct bus_class virtualbox_class, host_class, properties_class, machine_class, session_class,
    progress_class, console_class, medium_class, controller_class, snapshot_class, adapter_class, serial_class,
    parallel_class, nat_network_class, dhcp_class, host_only_class, appliance_class, metrics_class, extpack_class,
    attachment_class, usb_controller_class, usb_filter_class, shared_folder_class, bandwidth_group_class, netif_class,
    usb_device_class, guest_type_class;
extern const struct bus_interface machine_interface, controller_interface, adapter_interface, serial_interface,
    parallel_interface, medium_interface, snapshot_interface, nat_engine_interface, audio_interface, vrde_interface,
    usb_controller_interface, shared_folder_interface, bandwidth_group_interface;

#endif

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
#include "main/server/service.h"
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
};

struct service {
    struct service_config config;
    struct bus *bus;
    GMainLoop *loop;
    guint idle_source;
    char *global_path;
    struct settings_global *global;
    GPtrArray *machines;   /* struct machine, in the order of registration */
    GPtrArray *media;      /* struct medium */
    GPtrArray *sessions;   /* struct session, one a peer */
    GPtrArray *progresses; /* struct progress */
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

/* ---- field.c: properties that are kept in settings ---- */
enum field_kind { FIELD_BOOL, FIELD_U32, FIELD_I64, FIELD_STR, FIELD_ENUM };
struct field {
    enum field_kind kind;
    size_t offset;
    int64_t min, max;
    const char *const *words; /* settings' words of an enumeration */
    const char *type;         /* the API's enumeration */
    const char *what;         /* for messages: "RAM size", and its unit */
    const char *unit;
    const char *empty;               /* FIELD_STR: what NULL reads as; set to it or "", it becomes NULL */
    bool (*valid)(const char *text); /* FIELD_STR: NULL: any; not asked about "" */
    unsigned when;                   /* PART_SAVED, PART_LIVE: it may change then, too */
};
GVariant *field_get(const struct bus_call *call, const struct bus_property *row);
bool field_set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error);
const char *field_word_to_api(const char *type, const char *word);
/** Index in @words, or -1. */
int field_api_to_word(const char *type, const char *const *words, const char *name);

#define FIELD_ROW(name_, ...)                                                                                          \
    {                                                                                                                  \
        .name = (name_), .get = field_get, .set = field_set, .data = &(const struct field)                             \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
/* Behind the last argument more members may follow: .when = PART_ANY */
#define FIELD_B(name, s, member, ...) FIELD_ROW(name, .kind = FIELD_BOOL, .offset = offsetof(s, member), ##__VA_ARGS__)
#define FIELD_T(name, s, member, default_, ...)                                                                        \
    FIELD_ROW(name, .kind = FIELD_STR, .offset = offsetof(s, member), .empty = (default_), ##__VA_ARGS__)
#define FIELD_U(name, s, member, lo, hi, what_, unit_, ...)                                                            \
    FIELD_ROW(name, .kind = FIELD_U32, .offset = offsetof(s, member), .min = (lo), .max = (hi), .what = (what_),       \
              .unit = (unit_), ##__VA_ARGS__)
#define FIELD_E(name, s, member, words_, type_, ...)                                                                   \
    FIELD_ROW(name, .kind = FIELD_ENUM, .offset = offsetof(s, member), .words = settings_##words_##_names,             \
              .type = (type_), ##__VA_ARGS__)
#define FIELD_V(name, s, member, valid_, what_)                                                                        \
    FIELD_ROW(name, .kind = FIELD_STR, .offset = offsetof(s, member), .valid = (valid_), .what = (what_))

/* ---- address.c: texts of addresses ---- */
bool address_is_ipv4(const char *text);
bool address_is_ipv6(const char *text);
bool address_is_cidr(const char *text);
bool address_is_ipv6_prefix(const char *text); /* with /length */
/** Host byte order; 0 if it is none. */
uint32_t address_ipv4(const char *text);
char *address_ipv4_text(uint32_t address); /* g_free */
/** The network of "a.b.c.d/n" and its mask. */
bool address_cidr(const char *text, uint32_t *ret_network, uint32_t *ret_mask);

/* ---- progress.c ---- */
struct progress;
struct progress *progress_new(struct service *s, struct bus_peer *peer, const char *description);
char *progress_path(const struct progress *p); /* g_free */
void progress_percent(struct progress *p, unsigned percent);
/** progress_tell() - the same from any thread. */
void progress_tell(struct progress *p, unsigned percent);
/** @error NULL: done. Taken. */
void progress_end(struct progress *p, GError *error);
bool progress_ended(const struct progress *p);
/** Called when a client wants it stopped; NULL: it cannot be. */
void progress_cancelable(struct progress *p, void (*cancel)(void *user), void *user);
void progress_peer_gone(struct service *s, struct bus_peer *peer);
void progress_free(struct progress *p);
/** progress_thread() - @work runs on a thread of its own, @done in the main one, before the progress ends. */
typedef bool (*progress_work_fn)(void *data, GError **error);
typedef bool (*progress_done_fn)(void *data, bool ok, GError **error);
void progress_thread(struct progress *p, progress_work_fn work, progress_done_fn done, void *data);
GVariant *progress_reply(struct progress *p); /* "(o)" */

/* ---- medium.c ---- */
struct medium {
    struct service *service;
    char id[API_UUID_SIZE];
    enum settings_device kind;
    char *location, *format, *description;
    int type;  /* enum settings_medium_type */
    int state; /* MediumState_ */
    bool fixed, auto_reset, temporary_uuid;
    bool implicit;         /* made by attaching, in no saved settings yet: goes when nothing uses it */
    GPtrArray *properties; /* struct settings_property */
    char *access_error;
    uint64_t size_bytes, logical_bytes;
    bool looking;     /* its target is being asked */
    gint64 looked_us; /* when it was; 0: never */
    struct medium *parent;
    GPtrArray *children; /* struct medium, not owned */
};
struct medium *medium_find(struct service *s, const char *id, enum settings_device kind);
struct medium *medium_at(struct service *s, const char *location);
struct medium *medium_from_path(struct service *s, const char *object_path);
char *medium_object_path(const struct medium *m); /* g_free; "/" for NULL */
const char *medium_id_braced(const struct medium *m, char ret[40]);
/** What vd_open() gets; it may hold a secret, and nobody else is to see it. g_free */
char *medium_path(const struct medium *m);
void medium_free(struct medium *m);
/** Takes over what a settings file's registry lists. */
void medium_load(struct service *s, const struct settings_media *media, const char *folder);
struct medium *medium_new(struct service *s, const char *id, enum settings_device kind, const char *location,
                          const char *format);
/** The medium's chain, base first, is put into @settings' own registry: the machine's process reads no other. */
void medium_register_in(struct medium *m, struct settings_machine *settings);
/** Out of one registry, where its children take its place. */
bool medium_drop_from(struct settings_media *media, const char *braced);
/** Out of every registry; the medium itself stays known. */
bool medium_unregister(struct medium *m, GError **error);
/** Gives the medium a parent, or another one. */
void medium_set_parent(struct medium *m, struct medium *parent);
const struct medium *medium_base(const struct medium *m);
/** Its contents have a key: they are copied as they are, and whoever gets a copy gets the key store too. */
bool medium_encrypted(const struct medium *m);
void medium_copy_encryption(struct medium *to, const struct medium *from);
/** Ends what was interrupted; before any machine is looked at. */
void medium_recover_encryption(struct service *s);
/** Ids of the machines it is attached to, with snapshots. */
GPtrArray *medium_users(const struct medium *m);
void medium_refresh(struct medium *m);
void medium_forget(struct medium *m);
bool medium_settings_uses(const struct settings_machine *s, const char *braced);
bool medium_hardware_uses(const struct settings_hardware *h, const char *braced);

/* ---- medium_chain.c ---- */
/** The medium's images, base first: an array of struct vd_link that owns its texts; good for another thread. */
GArray *medium_links(const struct medium *m);
struct vd;
struct vd *medium_open(const struct medium *m, unsigned flags, GError **error);
/** On any thread. */
struct vd *medium_open_links(const GArray *links, unsigned flags, GError **error);
/** The format a differencing image to @parent gets. */
const char *medium_diff_format(const struct medium *parent);
/** A new child of @parent in the snapshot folder; no file is made. */
struct medium *medium_new_diff(struct medium *parent, const struct settings_machine *owner);
/** A new child of @parent for attaching, with its file; goes by itself if it is never saved. */
struct medium *medium_implicit_diff(struct medium *parent, const struct settings_machine *owner, GError **error);
/** Whether changes go to a differencing image: it has children, or its type wants that. */
bool medium_needs_diff(const struct medium *m);
/** Forgets implicit images that nothing uses, with their files. @saved: these settings are on disk. */
void medium_sweep(struct service *s, const struct settings_machine *saved);

/* ---- pending.c: what was begun, as noted in the settings ---- */
/** Adds a note; texts are copied, each may be NULL. */
void pending_add(struct settings_machine *s, enum settings_pending_action action, const char *uuid, const char *into,
                 const char *format, const char *file);
/** @file NULL: whatever it says. */
void pending_drop(struct settings_machine *s, enum settings_pending_action action, const char *uuid, const char *file);
/** Carries out what is noted about files, then forgets the notes. @done may be NULL. */
void pending_run(struct machine *m, void (*done)(void *user, GError *error), void *user);
/** Finishes or undoes what was interrupted. */
void pending_recover(struct machine *m);

/* ---- vmprocess.c ---- */
/** Starts the machine's process; @progress ends when it runs. */
bool vmproc_launch(struct machine *m, struct progress *progress, const char *frontend, const char *const *environment,
                   GError **error);
/** Finds VM processes that outlived an earlier service. */
void vmproc_adopt_all(struct service *s);
void vmproc_free(struct vmproc *vm);
typedef void (*vmproc_reply_fn)(void *user, GVariant *ret, GError *error); /* both taken by the callee */
/**
 * vmproc_call_now() - a call with a file descriptor (-1: none) that must have its answer before anything else happens;
 * at most five seconds.
 */
bool vmproc_call_now(struct vmproc *vm, const char *method, GVariant *args, int fd, GError **error);
/** Calls the process; @reply may be NULL. */
void vmproc_call(struct vmproc *vm, const char *interface, const char *method, GVariant *args, vmproc_reply_fn reply,
                 void *user);
/** The same with a descriptor (-1: none), which stays the caller's. */
void vmproc_call_fd(struct vmproc *vm, const char *interface, const char *method, GVariant *args, int fd,
                    vmproc_reply_fn reply, void *user);
/** @end is told when the process is gone and the machine's state final. */
void vmproc_when_gone(struct vmproc *vm, void (*fn)(void *user), void *user);
void vmproc_expect_saved(struct vmproc *vm);
int vmproc_pid(const struct vmproc *vm);

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

/* ---- guest_types.c ---- */
struct guest_type {
    const char *id, *description, *family, *family_description;
    bool is_64_bit;
    uint32_t cpus, ram_mib, vram_mib, disk_gib;
    const char *graphics, *adapter, *dvd_controller, *disk_controller, *chipset, *audio, *hints;
};
GVariant *guest_types(void);
/** NULL: no such type. Any case. */
const struct guest_type *guest_type_find(const char *id);
bool guest_type_hint(const struct guest_type *t, const char *hint);
const char *guest_type_description(const char *id);

#endif

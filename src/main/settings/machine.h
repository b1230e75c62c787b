/*
 * machine.h - one machine's settings (.vbox, before 4.0 .xml): the whole model, loading and saving.
 *
 * The structure holds what the file says, after validation, in one layout whatever the version was; nothing of XML is
 * left. Strings and lists are owned by it (hardware.h says how lists work). Change fields freely, then save; snapshots
 * are shared by copies of a machine, so one that is in its list is changed by settings_snapshot_change() only. Nothing
 * is written by loading.
 *
 *     struct settings_machine *m = settings_machine_load(fio_system(), path, &error);
 *     m->hardware.ram_mib = 512;
 *     bool ok = settings_machine_save(m, &error);
 *     settings_machine_free(m);
 */
#ifndef MAIN_SETTINGS_MACHINE_H
#define MAIN_SETTINGS_MACHINE_H

#include "main/settings/file.h"
#include "main/settings/hardware.h"
#include "main/settings/shared.h"

struct settings_debugging {
    bool tracing, tracing_vm_access;
    char *tracing_config;
    enum settings_debug_provider provider;
    enum settings_debug_io io;
    char *address;
    uint32_t port;
};
struct settings_autostart {
    bool enabled;
    uint32_t delay_s;
    enum settings_autostop autostop;
};
struct settings_teleporter {
    bool enabled;
    uint32_t port;
    char *address, *password; /* hashed */
};
struct settings_group {
    char *name; /* "/", "/a/b" */
    struct kept *kept;
};

/*
 * What has been begun with snapshots and images and is to be finished or undone should it be interrupted; written
 * before the first step. VirtualBox skips the element.
 */
struct settings_pending {
    enum settings_pending_action action;
    char *uuid;          /* DELETE_SNAPSHOT, STATE: of the snapshot; others: of the image */
    char *into;          /* MERGED_IMAGE: the image that holds its contents now */
    char *format, *file; /* absolute */
    struct kept *kept;
};

#define SETTINGS_MAX_DEPTH 1000 /* snapshots one on the other; xml.h's limit of levels allows it */

struct settings_snapshot {
    uint32_t depth; /* tree.h */
    char *uuid, *name, *description;
    int64_t time_s;   /* seconds since 1970, UTC */
    char *state_file; /* as written: relative to the machine's folder; NULL = taken while powered off */
    struct settings_hardware hardware;
    struct settings_debugging debugging;
    struct settings_autostart autostart;
    struct settings_recording recording;
    struct kept *kept;
    struct map_shared shared;
};

struct settings_machine {
    struct settings_file file;
    char *uuid; /* "{...}", lower case */
    char *name, *os_type, *description;
    bool name_sync;               /* folder and file follow the name */
    bool directory_includes_uuid; /* of the machine in its folder's name */
    char *state_file;             /* relative to the folder; not NULL = saved (aborted: aborted while restoring) */
    char *current_snapshot;       /* uuid; NULL = none */
    char *snapshot_folder;        /* NULL = the folder itself (before 4.0: its Snapshots) */
    bool current_state_modified;  /* since current_snapshot; true without one */
    int64_t last_state_change_s;  /* seconds since 1970, UTC; 0 = unknown */
    bool aborted;
    enum settings_priority priority;
    enum settings_engine engine;
    char *icon; /* PNG in base64 */
    char *state_key_id, *state_key_store, *log_key_id, *log_key_store;
    struct settings_teleporter teleporter;
    struct settings_media media;
    GPtrArray *extra_data; /* settings_property */
    GPtrArray *snapshots;  /* settings_snapshot, one tree */
    struct settings_hardware hardware;
    struct settings_debugging debugging;
    struct settings_autostart autostart;
    struct settings_recording recording;
    GPtrArray *groups;  /* settings_group; empty = "/" */
    GPtrArray *pending; /* settings_pending, in order */
    struct kept *kept;
};

/** settings_machine_new() - a machine with the defaults a new one has; not yet a file. */
struct settings_machine *settings_machine_new(const struct fio *io, const char *path, const char *uuid,
                                              const char *name, const char *os_type);
/** settings_machine_load() - NULL with @error "Error in 'FILE' (line N) -- ...". */
struct settings_machine *settings_machine_load(const struct fio *io, const char *path, GError **error);
/** settings_machine_save() - see file.h. On failure file and model are as before. */
bool settings_machine_save(struct settings_machine *m, GError **error);
/** settings_machine_copy() - a copy to try changes on; the snapshots are the same until they are changed. */
struct settings_machine *settings_machine_copy(const struct settings_machine *m);
/** settings_machine_equal() - whether both would be written alike (their files aside). */
bool settings_machine_equal(const struct settings_machine *a, const struct settings_machine *b);
/** settings_machine_check() - what loading would refuse, for a changed model; saving does it too. */
bool settings_machine_check(const struct settings_machine *m, GError **error);
/** settings_machine_text() - the file's text as it would be saved; free with g_free(). */
char *settings_machine_text(const struct settings_machine *m);
void settings_machine_free(struct settings_machine *m);

/* ---- parts ---- */

/** Value of @key in a list of settings_property, or NULL. */
const char *settings_property_get(const GPtrArray *list, const char *key);
/** Sets it; @value NULL or "" removes it. */
void settings_property_set(GPtrArray *list, const char *key, const char *value);
/** settings_snapshot_find() - index in m->snapshots by @uuid, or G_MAXUINT. */
guint settings_snapshot_find(const struct settings_machine *m, const char *uuid);
/** settings_snapshot_change() - m->snapshots[@index], to be changed: good until it is saved or copied next. */
struct settings_snapshot *settings_snapshot_change(struct settings_machine *m, guint index);
/** settings_snapshot_remove() - out of the tree; its children take its place. */
void settings_snapshot_remove(struct settings_machine *m, guint index);
/** What a snapshot keeps of the machine goes into it, and comes back out of it. */
void settings_snapshot_take(struct settings_snapshot *to, const struct settings_machine *from);
void settings_snapshot_copy(struct settings_snapshot *to, const struct settings_snapshot *from); /* all of it */
void settings_snapshot_restore(struct settings_machine *to, const struct settings_snapshot *from);
/**
 * settings_hardware_copy() - for taking and restoring snapshots: @to is replaced by a deep copy of @from.
 */
void settings_hardware_copy(struct settings_hardware *to, const struct settings_hardware *from);

#endif

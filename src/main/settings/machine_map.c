/*
 * machine_map.c - tables of a machine and its snapshots.
 *
 * Versions: storage controllers stand beside Hardware up to 1.16; Platform
 * stands beside it since 1.20. What is recorded is written here as Recording,
 * which layout.c turns into the VideoCapture of Hardware up to 1.18.
 */
#include "main/settings/machine.h"

#include <string.h>

#include "main/settings/items.h"
#include "main/settings/map_rows.h"
#include "main/settings/tree.h"

#define T struct settings_debugging
const struct map_type map_debugging = {
    .elems =
        ELEMS(ONE("Tracing",
                  WITH_ALL(BOOL("enabled", tracing, false), BOOL("allowTracingToAccessVM", tracing_vm_access, false),
                           STR("config", tracing_config)),
                  .since = 13),
              ONE("GuestDebug",
                  WITH_ALL(ENUM("provider", provider, debug_provider, DEBUG_NONE),
                           ENUM("io", io, debug_io, DEBUG_IO_NONE), STR("address", address), U32("port", port, 0)),
                  .since = 19))};
#undef T

#define T struct settings_autostart
const struct map_type map_autostart = {.flags = TYPE_ALL,
                                       .attrs = ATTRS(BOOL("enabled", enabled, false), U32("delay", delay_s, 0),
                                                      ENUM("autostop", autostop, autostop, AUTOSTOP_DISABLED))};
#undef T

#define T struct settings_teleporter
static const struct map_type map_teleporter = {.flags = TYPE_ALL,
                                               .attrs = ATTRS(BOOL("enabled", enabled, false),
                                                              U32("port", port, 0, .max = 65535),
                                                              STR("address", address), STR("password", password))};
#undef T

#define T struct settings_screen
const struct map_type map_screen = {
    ITEM_TYPE(screen),
    .attrs = ATTRS(
        U32("id", id, 0, .flags = ATTR_ALWAYS, .max = 63), BOOL("enabled", enabled, false, .flags = ATTR_ALWAYS),
        STR("featuresEnabled", features), U32("maxTimeS", max_time_s, 0), STR("options", options),
        U32("dest", destination, 0, .flags = ATTR_ALWAYS), STR("file", file), U32("maxSizeMB", max_size_mib, 0),
        STR("videoCodec", video_codec), STR("videoDeadline", video_deadline),
        STR("videoRateCtlMode", video_rate_control), STR("videoScalingMode", video_scaling),
        U32("horzRes", width, 1024), U32("vertRes", height, 768), U32("rateKbps", rate_kbps, 512),
        U32("fps", fps, 25, .flags = ATTR_ALWAYS), STR("audioCodec", audio_codec), STR("audioDeadline", audio_deadline),
        STR("audioRateCtlMode", audio_rate_control), U32("audioHz", audio_hz, 22050), U32("audioBits", audio_bits, 16),
        U32("audioChannels", audio_channels, 2))};
#undef T

#define T struct settings_recording
/* What the VideoCapture element has no word for. */
static bool beyond_capture(const struct settings_screen *s, const struct settings_screen *first)
{
    struct settings_screen *plain = settings_screen_new();

    plain->id = s->id;
    plain->enabled = s->enabled;
    plain->max_time_s = first->max_time_s;
    plain->max_size_mib = first->max_size_mib;
    plain->width = first->width;
    plain->height = first->height;
    plain->rate_kbps = first->rate_kbps;
    plain->fps = first->fps;
    plain->options = g_strdup(first->options);
    plain->file = g_strdup(first->file);
    bool equal = map_equal(&map_screen, plain, s);
    settings_screen_free(plain);
    return !equal;
}

static unsigned recording_need(const void *item)
{
    const T *r = item;

    for (guint k = 0; k < r->screens->len; k++)
        if (((const struct settings_screen *)r->screens->pdata[k])->id != k ||
            beyond_capture(r->screens->pdata[k], r->screens->pdata[0]))
            return 19;
    return r->enabled || r->screens->len > 0 ? 14 : 0;
}

const struct map_type map_recording = {.need = recording_need,
                                       .attrs = ATTRS(BOOL("enabled", enabled, false)),
                                       .elems = ELEMS(LIST("Screen", screens, &map_screen))};
#undef T

/* Beside Hardware, of a machine and of a snapshot. */
#define AROUND_HARDWARE                                                                                                \
    PART("Hardware", hardware, &map_hardware, .flags = ELEM_ALWAYS | ELEM_REQUIRED),                                   \
        PART("StorageControllers", hardware, &map_controllers, .until = 16),                                           \
        PART("Debugging", debugging, &map_debugging, .since = 13),                                                     \
        PART("Autostart", autostart, &map_autostart, .since = 13), PART("Recording", recording, &map_recording)
#define PLATFORM PART("Platform", hardware, &map_platform, .since = 20, .flags = ELEM_MOVED)

#define T struct settings_hardware
const struct map_type map_controllers = {.elems = ELEMS(LIST("StorageController", controllers, &map_controller))};
#undef T

#define T struct settings_snapshot
const struct map_type map_snapshot = {
    ITEM_TYPE(snapshot),
    .nest = "Snapshots",
    .nested = "Snapshot",
    .shared = offsetof(T, shared),
    .attrs = ATTRS(UUID("uuid", uuid, .flags = ATTR_REQUIRED), STR("name", name, .flags = ATTR_REQUIRED),
                   TIME("timeStamp", time_s, .flags = ATTR_REQUIRED), STR("stateFile", state_file)),
    .elems = ELEMS(ONE("Description", WITH_ATTRS(STR("", description))), AROUND_HARDWARE, PLATFORM)};
#undef T

#define T struct settings_pending
const struct map_type map_pending = {
    ITEM_TYPE(pending),
    .attrs = ATTRS(ENUM("action", action, pending_action, PENDING_DELETE_SNAPSHOT, .flags = ATTR_REQUIRED),
                   UUID("uuid", uuid), UUID("into", into), STR("format", format), STR("file", file))};
#undef T

#define T struct settings_group
const struct map_type map_group = {ITEM_TYPE(group), .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED))};
#undef T

/* ---- the machine ---- */

#define T struct settings_machine
static char *check_media(const struct settings_media *m)
{
    const GPtrArray *lists[] = {m->disks, m->dvds, m->floppies};
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned n = 0; n < G_N_ELEMENTS(lists); n++)
        for (guint k = 0; k < lists[n]->len; k++)
            if (!g_hash_table_add(seen, ((struct settings_medium *)lists[n]->pdata[k])->uuid))
                return g_strdup_printf("Medium %s is registered twice",
                                       ((struct settings_medium *)lists[n]->pdata[k])->uuid);
    return NULL;
}

static char *check_snapshots(const T *m)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint k = 0; k < m->snapshots->len; k++) {
        const struct settings_snapshot *s = m->snapshots->pdata[k];
        if (k > 0 && s->depth == 0)
            return g_strdup("There is more than one first snapshot");
        if (s->depth >= SETTINGS_MAX_DEPTH)
            return g_strdup_printf("Snapshot '%s' lies deeper than %d snapshots; delete some above it first", s->name,
                                   SETTINGS_MAX_DEPTH);
        if (!g_hash_table_add(seen, s->uuid))
            return g_strdup_printf("Snapshot %s is there twice", s->uuid);
    }
    if (m->snapshots->len > 0 && m->current_snapshot == NULL)
        return g_strdup("Machine/@currentSnapshot is missing though there are snapshots");
    if (m->current_snapshot != NULL && !g_hash_table_contains(seen, m->current_snapshot))
        return g_strdup_printf("Machine/@currentSnapshot is %s, which is no snapshot of this machine",
                               m->current_snapshot);
    return NULL;
}

static char *check_machine(const void *item)
{
    const T *m = item;
    char *bad = check_media(&m->media);

    return bad != NULL ? bad : check_snapshots(m);
}

/* "/" alone is what every machine is in. Some builds wrote Debian_x64 for
 * Debian_64 in 1.20. */
static void machine_loaded(void *item, unsigned version)
{
    T *m = item;

    if (version == 20 && m->os_type != NULL && g_str_has_suffix(m->os_type, "_x64")) {
        g_autofree char *old = m->os_type;
        m->os_type = g_strdup_printf("%.*s_64", (int)(strlen(old) - strlen("_x64")), old);
    }
    if (m->groups->len == 1 && strcmp(((struct settings_group *)m->groups->pdata[0])->name, "/") == 0)
        g_ptr_array_set_size(m->groups, 0);
}

const struct map_type map_machine = {
    .size = sizeof(T),
    .item = true,
    .kept = offsetof(T, kept),
    .check = check_machine,
    .loaded = machine_loaded,
    .attrs = ATTRS(
        UUID("uuid", uuid, .flags = ATTR_REQUIRED), STR("name", name, .flags = ATTR_REQUIRED),
        BOOL("directoryIncludesUUID", directory_includes_uuid, false, .since = 13), BOOL("nameSync", name_sync, true),
        STR("OSType", os_type), STR("stateKeyId", state_key_id, .since = 19),
        STR("stateKeyStore", state_key_store, .since = 19), STR("logKeyId", log_key_id, .since = 19),
        STR("logKeyStore", log_key_store, .since = 19), STR("stateFile", state_file),
        UUID("currentSnapshot", current_snapshot), STR("snapshotFolder", snapshot_folder),
        BOOL("currentStateModified", current_state_modified, true), TIME("lastStateChange", last_state_change_s),
        BOOL("aborted", aborted, false), ENUM("processPriority", priority, priority, PRIORITY_DEFAULT, .since = 17),
        ENUM("executionEngine", engine, engine, ENGINE_DEFAULT, .since = 20), STR("icon", icon, .since = 14)),
    .elems = ELEMS(ONE("Description", WITH_ATTRS(STR("", description))),
                   PART("Teleporter", teleporter, &map_teleporter, .since = 9),
                   PART("MediaRegistry", media, &map_media, .since = 11),
                   ONE("ExtraData", WITH_ELEMS(LIST("ExtraDataItem", extra_data, &map_property, .flags = ELEM_SORTED))),
                   TREE("Snapshot", snapshots, &map_snapshot), AROUND_HARDWARE,
                   ONE("Groups", WITH_ELEMS(LIST("Group", groups, &map_group)), .since = 13), PLATFORM,
                   ONE("PendingOperations", WITH_ELEMS(LIST("Operation", pending, &map_pending))))};
#undef T

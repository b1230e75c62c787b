/*
 * medium_object.c - IMedium.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/server/medium/medium_int.h"
#include "main/settings/medium_path.h"
#include "rt/status.h"
#include "storage/vd.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    char id[API_UUID_SIZE];

    (void)peer;
    return api_node_to_uuid(node, id) && strlen(node) == API_UUID_SIZE - 1 ? medium_find(user, id, DEVICE_NONE) : NULL;
}

static GVariant *words(const char *one, bool more, const char *second)
{
    const char *list[] = {one, more ? second : NULL, NULL};

    return g_variant_new_strv(list, -1);
}

static GVariant *children_paths(const struct medium *m)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (unsigned k = 0; k < m->children->len; k++) {
        g_autofree char *path = medium_object_path(m->children->pdata[k]);
        g_variant_builder_add(&b, "o", path);
    }
    return g_variant_builder_end(&b);
}

static GVariant *user_ids(const struct medium *m)
{
    g_autoptr(GPtrArray) users = medium_users(m);
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < users->len; k++)
        g_variant_builder_add(&b, "s", ((const struct machine *)users->pdata[k])->id);
    return g_variant_builder_end(&b);
}

enum {
    IS_ID,
    IS_DESCRIPTION,
    IS_STATE,
    IS_VARIANT,
    IS_LOCATION,
    IS_NAME,
    IS_DEVICE,
    IS_HOST_DRIVE,
    IS_SIZE,
    IS_FORMAT,
    IS_TYPE,
    IS_PARENT,
    IS_CHILDREN,
    IS_BASE,
    IS_READ_ONLY,
    IS_LOGICAL,
    IS_AUTO_RESET,
    IS_ERROR,
    IS_MACHINES
};

static GVariant *get(const struct bus_call *call, const struct bus_property *row)
{
    const struct medium *m = call->object;

    switch (GPOINTER_TO_INT(row->data)) {
    case IS_ID: return g_variant_new_string(m->id);
    case IS_DESCRIPTION: return g_variant_new_string(m->description != NULL ? m->description : "");
    case IS_STATE: return g_variant_new_string(api_enum_name("MediumState", m->state));
    case IS_VARIANT: return words(m->fixed ? "Fixed" : "Standard", m->parent != NULL, "Diff");
    case IS_LOCATION: return g_variant_new_string(m->location);
    case IS_NAME: return g_variant_new_take_string(g_path_get_basename(m->location));
    case IS_DEVICE: return g_variant_new_string(settings_device_names[m->kind]);
    case IS_HOST_DRIVE: return g_variant_new_boolean(FALSE);
    case IS_SIZE: return g_variant_new_uint64(m->size_bytes);
    case IS_FORMAT: return g_variant_new_string(m->format);
    case IS_TYPE: return g_variant_new_string(settings_medium_type_names[medium_base(m)->type]);
    case IS_PARENT: {
        g_autofree char *path = medium_object_path(m->parent);
        return g_variant_new_object_path(path);
    }
    case IS_CHILDREN: return children_paths(m);
    case IS_BASE: {
        g_autofree char *path = medium_object_path(medium_base(m));
        return g_variant_new_object_path(path);
    }
    case IS_READ_ONLY: return g_variant_new_boolean(m->kind == DEVICE_DVD || m->children->len > 0);
    case IS_LOGICAL: return g_variant_new_uint64(m->logical_bytes);
    case IS_AUTO_RESET: return g_variant_new_boolean(m->auto_reset);
    case IS_ERROR: return g_variant_new_string(m->access_error != NULL ? m->access_error : "");
    default: return user_ids(m);
    }
}

/* ---- writing to the registry entry, wherever it is ---- */

/* Carries out @edit on the medium's registry entries and saves those files. */
static bool edit_entries(struct medium *m, void (*edit)(struct settings_medium *entry, const struct medium *m),
                         GError **error)
{
    struct service *s = m->service;
    char braced[40];

    medium_id_braced(m, braced);
    struct settings_medium *entry = settings_media_find(&s->global->media, braced, NULL);
    if (entry != NULL) {
        edit(entry, m);
        if (!service_save(s, error))
            return false;
    }
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *one = s->machines->pdata[k];
        entry = one->settings != NULL ? settings_media_find(&one->settings->media, braced, NULL) : NULL;
        if (entry == NULL)
            continue;
        edit(entry, m);
        if (one->registered && !machine_save(one, error))
            return false;
    }
    for (unsigned k = 0; k < s->sessions->len; k++) {
        struct session *one = s->sessions->pdata[k];
        entry = one->copy != NULL ? settings_media_find(&one->copy->media, braced, NULL) : NULL;
        if (entry != NULL)
            edit(entry, m);
    }
    return true;
}

static void edit_description(struct settings_medium *entry, const struct medium *m)
{
    g_free(entry->description);
    entry->description = g_strdup(m->description);
}

static void edit_location(struct settings_medium *entry, const struct medium *m)
{
    g_free(entry->location);
    entry->location = g_strdup(m->location);
}

static void edit_properties(struct settings_medium *entry, const struct medium *m)
{
    g_ptr_array_set_size(entry->properties, 0);
    for (unsigned k = 0; k < m->properties->len; k++) {
        const struct settings_property *one = m->properties->pdata[k];
        settings_property_set(entry->properties, one->name, one->value);
    }
}

bool medium_save_properties(struct medium *m, GError **error)
{
    return edit_entries(m, edit_properties, error);
}

bool medium_set_place(struct medium *m, const char *path, GError **error)
{
    g_free(m->location);
    m->location = g_strdup(path);
    return edit_entries(m, edit_location, error);
}

static void edit_type(struct settings_medium *entry, const struct medium *m)
{
    entry->type = (enum settings_medium_type)m->type;
    entry->auto_reset = m->auto_reset;
}

static bool set_description(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct medium *m = call->object;

    (void)row;
    g_free(m->description);
    m->description = g_variant_get_size(val) > 1 ? g_variant_dup_string(val, NULL) : NULL;
    return edit_entries(m, edit_description, error);
}

static bool set_location(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct medium *m = call->object;
    const char *path = g_variant_get_string(val, NULL);

    (void)row;
    if (!g_path_is_absolute(path))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", path);
    const struct medium *other = medium_at(m->service, path);
    if (other != NULL && other != m)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "The medium '%s' is known already", path);
    g_free(m->location);
    m->location = g_strdup(path);
    m->state = MediumState_Inaccessible;
    return edit_entries(m, edit_location, error);
}

static bool set_type(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct medium *m = call->object;
    int type = settings_enum_find(settings_medium_type_names, g_variant_get_string(val, NULL));

    (void)row;
    if (type < 0)
        return api_fail(error, E_INVALIDARG, "Invalid MediumType: '%s'", g_variant_get_string(val, NULL));
    if (type == m->type)
        return true;
    if (m->parent != NULL)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "Cannot change the type of medium '%s' because it is a differencing medium", m->location);
    if (m->children->len > 0)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Cannot change type for medium '%s' since it has %u child media",
                        m->location, m->children->len);
    g_autoptr(GPtrArray) users = medium_users(m);
    if (users->len > 0 && type != MEDIUM_NORMAL && type != MEDIUM_WRITETHROUGH)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "Cannot change the type of medium '%s' because it is attached to %u virtual machines",
                        m->location, users->len);
    m->type = type;
    return edit_entries(m, edit_type, error);
}

static bool set_auto_reset(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct medium *m = call->object;

    (void)row;
    if (m->parent == NULL)
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "Medium '%s' is not differencing", m->location);
    m->auto_reset = g_variant_get_boolean(val);
    return edit_entries(m, edit_type, error);
}

/* ---- methods ---- */

/* A secret is written, and read by who opens the medium; it is not shown. */
static GVariant *property_list(const struct medium *m)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a{ss}"));
    for (unsigned k = 0; k < m->properties->len; k++) {
        const struct settings_property *one = m->properties->pdata[k];
        if (strcmp(one->name, ISCSI_SECRET) != 0)
            g_variant_builder_add(&b, "{ss}", one->name, one->value != NULL ? one->value : "");
    }
    return g_variant_builder_end(&b);
}

/* Machine, snapshot and its name, for each snapshot that has it attached. */
static GVariant *snapshot_uses(const struct medium *m)
{
    char braced[40], id[API_UUID_SIZE];
    GVariantBuilder b;

    medium_id_braced(m, braced);
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(sss)"));
    for (unsigned k = 0; k < m->service->machines->len; k++) {
        const struct machine *one = m->service->machines->pdata[k];
        for (unsigned n = 0; one->settings != NULL && n < one->settings->snapshots->len; n++) {
            const struct settings_snapshot *s = one->settings->snapshots->pdata[n];
            if (medium_hardware_uses(&s->hardware, braced) && api_uuid_parse(s->uuid, id))
                g_variant_builder_add(&b, "(sss)", one->id, id, s->name);
        }
    }
    return g_variant_builder_end(&b);
}

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object;
    GVariantDict dict;
    GVariantBuilder children;

    (void)error;
    medium_refresh(call->object);
    g_variant_dict_init(&dict, NULL);
    bus_describe(call->bus, &medium_interface, call->object, "", &dict);
    g_variant_builder_init(&children, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < m->children->len; k++)
        g_variant_builder_add(&children, "s", ((const struct medium *)m->children->pdata[k])->id);
    g_variant_dict_insert_value(&dict, "Children", g_variant_builder_end(&children));
    g_variant_dict_insert_value(&dict, "Properties", property_list(m));
    g_variant_dict_insert_value(&dict, "SnapshotUses", snapshot_uses(m));
    medium_describe_encryption(m, &dict);
    g_variant_dict_insert(&dict, "Parent", "s", m->parent != NULL ? m->parent->id : "");
    g_variant_dict_insert(&dict, "Base", "s", medium_base(m)->id);
    *ret = g_variant_new("(@a{sv})", g_variant_dict_end(&dict));
    return true;
}

static bool refresh(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;

    (void)error;
    medium_refresh(m);
    *ret = g_variant_new("(s)", api_enum_name("MediumState", m->state));
    return true;
}

struct creation {
    struct service *service;
    char id[API_UUID_SIZE];
    char *format, *location;
    uint64_t bytes;
    bool fixed;
    enum vd_layout layout;
};

static void creation_free(struct creation *c)
{
    g_free(c->format);
    g_free(c->location);
    g_free(c);
}

static bool create_work(void *data, GError **error)
{
    const struct creation *c = data;
    g_autofree char *folder = g_path_get_dirname(c->location);
    uint8_t uuid[VD_UUID_BYTES];

    api_uuid_to_bytes(c->id, uuid);
    const struct vd_create args = {.format = c->format,
                                   .path = c->location,
                                   .size_bytes = c->bytes,
                                   .fixed = c->fixed,
                                   .layout = c->layout,
                                   .uuid = uuid};
    g_mkdir_with_parents(folder, 0700);
    if (vd_create(fio_system(), &args, error))
        return true;
    const char *name = error != NULL && (*error)->domain == STATUS_ERROR ? status_name((*error)->code) : "VERR_?";
    g_autofree char *detail = g_strdup((*error)->message);
    g_clear_error(error);
    bool named = strstr(detail, "VERR_") != NULL;
    return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the medium storage unit '%s'.\n%s%s%s%s", c->location,
                    detail, named ? "" : " (", named ? "" : name, named ? "" : ")");
}

static bool create_done(void *data, bool ok, GError **error)
{
    struct creation *c = data;
    struct medium *m = medium_find(c->service, c->id, DEVICE_NONE);

    (void)error;
    if (m != NULL) {
        m->state = ok ? MediumState_Created : MediumState_NotCreated;
        if (ok)
            medium_refresh(m);
    }
    creation_free(c);
    return true;
}

static bool create_base(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;
    g_autofree const char **variant = NULL;
    guint64 bytes;
    enum vd_layout layout;
    bool fixed;

    g_variant_get(call->args, "(t^a&s)", &bytes, &variant);
    if (g_strv_contains(variant, "VmdkRawDisk"))
        return medium_create_raw(call, ret, error);
    if (!medium_variant(variant, &fixed, &layout, error))
        return false;
    if (m->state != MediumState_NotCreated)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Storage for the medium '%s' is already created",
                        m->location);
    if (m->kind == DEVICE_HARD_DISK && (bytes < 512 || bytes > (UINT64_C(1) << 51)))
        return api_fail(error, E_INVALIDARG, "Invalid size of the medium '%s': %" G_GUINT64_FORMAT " bytes",
                        m->location, bytes);
    struct creation *c = g_new0(struct creation, 1);
    c->service = m->service;
    g_strlcpy(c->id, m->id, sizeof c->id);
    c->format = g_strdup(m->format);
    c->location = g_strdup(m->location);
    c->bytes = (bytes + 511) & ~UINT64_C(511);
    c->fixed = fixed || m->kind == DEVICE_FLOPPY;
    c->layout = layout;
    m->state = MediumState_Creating;
    m->fixed = fixed;
    struct progress *p = progress_new(m->service, call->peer, "Creating medium");
    *ret = progress_reply(p);
    progress_thread(p, create_work, create_done, c);
    return true;
}

static bool may_close(const struct medium *m, GError **error)
{
    if (m->children->len > 0)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Cannot close medium '%s' because it has %u child media",
                        m->location, m->children->len);
    if (m->state == MediumState_Creating || m->state == MediumState_Deleting)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Medium '%s' is being created or deleted", m->location);
    return true;
}

static bool close_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;
    g_autoptr(GPtrArray) users = medium_users(m);

    (void)ret;
    if (users->len > 0)
        return api_fail(error, VBOX_E_OBJECT_IN_USE,
                        "Medium '%s' cannot be closed because it is still attached to %u virtual machines", m->location,
                        users->len);
    if (!may_close(m, error) || !medium_unregister(m, error))
        return false;
    medium_forget(m);
    return true;
}

/* Nobody has it. */
static bool unused(const struct medium *m, GError **error)
{
    g_autoptr(GPtrArray) users = medium_users(m);
    g_autoptr(GString) ids = g_string_new(NULL);

    for (unsigned k = 0; k < users->len; k++)
        g_string_append_printf(ids, "%s%s", k > 0 ? ", " : "", ((const struct machine *)users->pdata[k])->id);
    return users->len == 0 ||
           api_fail(error, VBOX_E_OBJECT_IN_USE,
                    "Cannot delete storage: medium '%s' is still attached to the following %u virtual machine(s): %s",
                    m->location, users->len, ids->str);
}

static bool delete_storage(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;
    struct service *s = m->service;

    if (settings_medium_remote(m->format))
        return api_fail(error, VBOX_E_NOT_SUPPORTED,
                        "The medium '%s' is no file and cannot be deleted; close it without deleting", m->location);
    if (!unused(m, error) || !may_close(m, error) || !medium_unregister(m, error))
        return false;
    struct progress *p = progress_new(s, call->peer, "Deleting medium storage unit");
    GError *failed = NULL;
    if (vd_remove(fio_system(), m->format, m->location, &failed))
        medium_forget(m);
    else
        api_wrap(&failed, VBOX_E_FILE_ERROR);
    progress_end(p, failed);
    *ret = progress_reply(p);
    return true;
}

#define IS(what) GINT_TO_POINTER(what)
static const struct bus_method methods[] = {{"Describe", describe},
                                            {"RefreshState", refresh},
                                            {"CreateBaseStorage", create_base},
                                            {"DeleteStorage", delete_storage},
                                            {"CreateDiffStorage", medium_create_diff},
                                            {"CloneTo", medium_clone_to},
                                            {"Compact", medium_compact},
                                            {"Resize", medium_resize},
                                            {"MoveTo", medium_move_to},
                                            {"GetProperty", medium_get_property},
                                            {"SetProperty", medium_set_property},
                                            {"GetProperties", medium_get_properties},
                                            {"SetProperties", medium_set_properties},
                                            {"GetSnapshotIds", medium_get_snapshot_ids},
                                            {"GetEncryptionSettings", medium_get_encryption},
                                            {"CheckEncryptionPassword", medium_check_password},
                                            {"ChangeEncryption", medium_change_encryption},
                                            {"Close", close_medium},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {
    {"Id", get, NULL, IS(IS_ID)},
    {"Description", get, set_description, IS(IS_DESCRIPTION)},
    {"State", get, NULL, IS(IS_STATE)},
    {"Variant", get, NULL, IS(IS_VARIANT)},
    {"Location", get, set_location, IS(IS_LOCATION)},
    {"Name", get, NULL, IS(IS_NAME)},
    {"DeviceType", get, NULL, IS(IS_DEVICE)},
    {"HostDrive", get, NULL, IS(IS_HOST_DRIVE)},
    {"Size", get, NULL, IS(IS_SIZE)},
    {"Format", get, NULL, IS(IS_FORMAT)},
    {"Type", get, set_type, IS(IS_TYPE)},
    {"AllowedTypes", medium_allowed_types, NULL, NULL},
    {"Parent", get, NULL, IS(IS_PARENT)},
    {"Children", get, NULL, IS(IS_CHILDREN)},
    {"Base", get, NULL, IS(IS_BASE)},
    {"ReadOnly", get, NULL, IS(IS_READ_ONLY)},
    {"LogicalSize", get, NULL, IS(IS_LOGICAL)},
    {"AutoReset", get, set_auto_reset, IS(IS_AUTO_RESET)},
    {"LastAccessError", get, NULL, IS(IS_ERROR)},
    {"MachineIds", get, NULL, IS(IS_MACHINES)},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface medium_interface = {
    .info = (GDBusInterfaceInfo *)&api_imedium_interface, .methods = methods, .properties = properties};
const struct bus_class medium_class = {
    .folder = API_ROOT "/medium", .interfaces = BUS_INTERFACES(&medium_interface), .find = find};

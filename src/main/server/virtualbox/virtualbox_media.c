/*
 * virtualbox_media.c - IVirtualBox's methods about media: listed, opened, made known.
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"
#include "storage/vd.h"

static void add_medium(GVariantBuilder *b, const struct medium *m)
{
    g_autofree char *path = medium_object_path(m);

    g_variant_builder_add(b, "(os)", path, m->id);
    for (unsigned k = 0; k < m->children->len; k++)
        add_medium(b, m->children->pdata[k]);
}

static bool device_kind(const char *type, enum settings_device *ret, GError **error)
{
    int kind = settings_enum_find(settings_device_names, type);

    if (kind != DEVICE_HARD_DISK && kind != DEVICE_DVD && kind != DEVICE_FLOPPY)
        return api_fail(error, E_INVALIDARG, "Invalid device type '%s'", type);
    *ret = (enum settings_device)kind;
    return true;
}

bool virtualbox_get_media(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    enum settings_device kind;
    const char *type;
    GVariantBuilder b;

    g_variant_get(call->args, "(&s)", &type);
    if (!device_kind(type, &kind, error))
        return false;
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(os)"));
    for (unsigned k = 0; k < s->media->len; k++) {
        const struct medium *m = s->media->pdata[k];
        if (m->kind == kind && m->parent == NULL)
            add_medium(&b, m);
    }
    *ret = g_variant_new("(a(os))", &b);
    return true;
}

static GVariant *medium_reply(const struct medium *m)
{
    g_autofree char *path = medium_object_path(m);

    return g_variant_new("(o)", path);
}

static const char *kind_words(enum settings_device kind)
{
    return kind == DEVICE_HARD_DISK ? "hard disk" : kind == DEVICE_DVD ? "CD/DVD image" : "floppy image";
}

static void tell_medium(struct service *s, const struct medium *m)
{
    service_emit(s, "MediumRegistered", g_variant_new("(ssb)", m->id, settings_device_names[m->kind], TRUE));
}

/* The id a file gets: its own if the format has one. */
static bool identify(const char *path, enum settings_device kind, bool fresh, char **ret_format,
                     char ret_id[API_UUID_SIZE], GError **error)
{
    g_autofree char *made = g_uuid_string_random();
    uint8_t uuid[VD_UUID_BYTES];

    g_strlcpy(ret_id, made, API_UUID_SIZE);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not find file for the medium '%s' (VERR_FILE_NOT_FOUND)",
                        path);
    if (kind != DEVICE_HARD_DISK) {
        *ret_format = g_strdup("RAW");
        return true;
    }
    const char *format = vd_probe(fio_system(), path, error);
    struct vd *vd = format != NULL ? vd_open(fio_system(), format, path, VD_READ_ONLY, error) : NULL;
    if (vd == NULL) {
        g_prefix_error(error, "Could not open the medium '%s'.\n", path);
        return api_wrap(error, VBOX_E_IPRT_ERROR);
    }
    if (!fresh && vd_uuid(vd, uuid))
        api_uuid_from_bytes(uuid, ret_id);
    *ret_format = g_strdup(vd_format(vd));
    vd_close(vd);
    return true;
}

bool virtualbox_open_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *location, *type, *access;
    g_autofree char *format = NULL;
    enum settings_device kind;
    gboolean fresh;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s&s&sb)", &location, &type, &access, &fresh);
    if (!device_kind(type, &kind, error))
        return false;
    if (api_uuid_parse(location, id)) {
        const struct medium *m = medium_find(s, id, kind);
        if (m == NULL)
            return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find an open %s with UUID {%s}",
                            kind_words(kind), id);
        *ret = medium_reply(m);
        return true;
    }
    if (!g_path_is_absolute(location))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", location);
    g_autofree char *path = g_canonicalize_filename(location, "/");
    struct medium *m = medium_at(s, path);
    if (m == NULL || m->kind != kind) {
        if (!identify(path, kind, fresh, &format, id, error))
            return false;
        const struct medium *other = medium_find(s, id, DEVICE_NONE);
        if (other != NULL)
            return api_fail(error, E_INVALIDARG,
                            "Cannot register the %s '%s' {%s} because a %s '%s' with UUID {%s} already exists",
                            kind_words(kind), path, id, kind_words(other->kind), other->location, id);
        m = medium_new(s, id, kind, path, format);
        tell_medium(s, m);
    }
    *ret = medium_reply(m);
    return true;
}

bool virtualbox_create_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *format, *location, *access, *type;
    enum settings_device kind;

    g_variant_get(call->args, "(&s&s&s&s)", &format, &location, &access, &type);
    if (!device_kind(type, &kind, error))
        return false;
    if (!g_path_is_absolute(location))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", location);
    g_autofree char *path = g_canonicalize_filename(location, "/");
    const struct medium *other = medium_at(s, path);
    if (other != NULL)
        return api_fail(error, E_INVALIDARG,
                        "Cannot register the %s '%s' because a %s '%s' with UUID {%s} already "
                        "exists",
                        kind_words(kind), path, kind_words(other->kind), other->location, other->id);
    g_autofree char *id = g_uuid_string_random();
    struct medium *m = medium_new(s, id, kind, path, *format != '\0' ? format : "VDI");
    m->state = MediumState_NotCreated;
    tell_medium(s, m);
    *ret = medium_reply(m);
    return true;
}

/*
 * virtualbox_media.c - IVirtualBox's methods about media: listed, opened, made known.
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"
#include "main/settings/medium_path.h"
#include "storage/chain.h"

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

/* What a file says about itself. */
struct identity {
    char *format, id[API_UUID_SIZE], parent[API_UUID_SIZE]; /* its own id if the format has one; "": a base */
};

static bool identify(const char *path, enum settings_device kind, bool fresh, struct identity *ret, GError **error)
{
    static const uint8_t none[VD_UUID_BYTES];
    g_autofree char *made = g_uuid_string_random();
    uint8_t uuid[VD_UUID_BYTES];

    g_strlcpy(ret->id, made, API_UUID_SIZE);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not find file for the medium '%s' (VERR_FILE_NOT_FOUND)",
                        path);
    if (kind != DEVICE_HARD_DISK) {
        ret->format = g_strdup("RAW");
        return true;
    }
    const unsigned look = VD_READ_ONLY | VD_ALONE | VD_RAW_DEVICES; /* nothing of it is used */
    const char *format = vd_probe(fio_system(), path, error);
    struct vd *vd = format != NULL ? vd_open(fio_system(), format, path, look, error) : NULL;
    if (vd == NULL) {
        g_prefix_error(error, "Could not open the medium '%s'.\n", path);
        return api_wrap(error, VBOX_E_IPRT_ERROR);
    }
    if (!fresh && vd_uuid(vd, uuid))
        api_uuid_from_bytes(uuid, ret->id);
    if (memcmp(vd_ids(vd)->parent, none, VD_UUID_BYTES) != 0)
        api_uuid_from_bytes(vd_ids(vd)->parent, ret->parent);
    ret->format = g_strdup(vd_format(vd));
    vd_close(vd);
    return true;
}

/* A medium that was not known. */
static struct medium *open_file(struct service *s, const char *path, enum settings_device kind, bool fresh,
                                GError **error)
{
    struct identity is = {0};

    if (!identify(path, kind, fresh, &is, error))
        return NULL;
    g_autofree char *format = is.format;
    const struct medium *other = medium_find(s, is.id, DEVICE_NONE);
    struct medium *parent = *is.parent != '\0' ? medium_find(s, is.parent, kind) : NULL;
    if (other != NULL) {
        api_fail(error, E_INVALIDARG,
                 "Cannot register the %s '%s' {%s} because a %s '%s' with UUID {%s} already exists", kind_words(kind),
                 path, is.id, kind_words(other->kind), other->location, is.id);
        return NULL;
    }
    if (*is.parent != '\0' && parent == NULL) {
        api_fail(error, VBOX_E_OBJECT_NOT_FOUND,
                 "Parent medium with UUID {%s} of the medium '%s' is not found in the media registry ('%s')", is.parent,
                 path, s->global_path);
        return NULL;
    }
    struct medium *m = medium_new(s, is.id, kind, path, format);
    if (parent != NULL)
        medium_set_parent(m, parent);
    tell_medium(s, m);
    return m;
}

bool virtualbox_open_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *location, *type, *access;
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
    if (m == NULL || m->kind != kind)
        m = open_file(s, path, kind, fresh, error);
    *ret = m != NULL ? medium_reply(m) : NULL;
    return m != NULL;
}

bool virtualbox_create_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *format, *location, *access, *type;
    enum settings_device kind;

    g_variant_get(call->args, "(&s&s&s&s)", &format, &location, &access, &type);
    if (!device_kind(type, &kind, error))
        return false;
    const bool remote = settings_medium_remote(format);
    if (remote && (kind != DEVICE_HARD_DISK || *location == '\0'))
        return api_fail(error, E_INVALIDARG, "A medium of the format '%s' is a hard disk with a location", format);
    if (!remote && !g_path_is_absolute(location))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", location);
    g_autofree char *path = remote ? g_strdup(location) : g_canonicalize_filename(location, "/");
    const struct medium *other = medium_at(s, path);
    if (other != NULL)
        return api_fail(error, E_INVALIDARG,
                        "Cannot register the %s '%s' because a %s '%s' with UUID {%s} already "
                        "exists",
                        kind_words(kind), path, kind_words(other->kind), other->location, other->id);
    g_autofree char *id = g_uuid_string_random();
    struct medium *m = medium_new(s, id, kind, path, *format != '\0' ? format : "VDI");
    m->state = remote ? MediumState_Inaccessible : MediumState_NotCreated; /* its storage is there, or elsewhere */
    tell_medium(s, m);
    *ret = medium_reply(m);
    return true;
}

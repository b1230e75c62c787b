/*
 * medium_work.c - IMedium's methods that take time: differencing images, clones, compacting, resizing, moving.
 *
 * Each takes what it needs of the media as plain values, works on a thread, and meets the main thread for the result.
 * A medium that is worked on is Creating or LockedWrite, and nobody else's meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "main/server/medium/medium_int.h"
#include "main/settings/medium_path.h"
#include "rt/status.h"
#include "storage/chain.h"
#include "storage/copy.h"

struct work {
    struct service *service;
    struct progress *progress;
    bool (*run)(struct work *w, GError **error);
    char id[API_UUID_SIZE]; /* of the medium that is made or changed */
    int state_before;
    GArray *links;       /* the chain that is read or changed */
    GArray *parent;      /* a new image's parent's, or NULL */
    char *format, *path; /* of a new image, or where it moves to */
    uint64_t bytes;
    bool fixed;
    enum vd_layout layout;
};

static void work_free(struct work *w)
{
    g_clear_pointer(&w->links, g_array_unref);
    g_clear_pointer(&w->parent, g_array_unref);
    g_free(w->format);
    g_free(w->path);
    g_free(w);
}

static bool report(void *ctx, unsigned permille)
{
    struct work *w = ctx;

    return progress_tell(w->progress, MIN(permille / 10, 99));
}

/* ---- the life of a piece of work ---- */

static struct work *begin(struct bus_call *call, struct medium *m, bool (*run)(struct work *, GError **), int state,
                          const char *what)
{
    struct work *w = g_new0(struct work, 1);

    w->service = m->service;
    w->run = run;
    w->state_before = m->state;
    g_strlcpy(w->id, m->id, sizeof w->id);
    m->state = state;
    w->progress = progress_new(m->service, call->peer, what);
    return w;
}

static bool run(void *data, GError **error)
{
    struct work *w = data;

    if (w->run(w, error))
        return true;
    return api_wrap(error, VBOX_E_FILE_ERROR);
}

static bool done(void *data, bool ok, GError **error)
{
    struct work *w = data;
    struct medium *m = medium_find(w->service, w->id, DEVICE_NONE);

    (void)error;
    if (m != NULL) {
        m->state = ok ? MediumState_Created : w->state_before;
        medium_refresh(m);
    }
    work_free(w);
    return true;
}

static bool go(struct work *w, GVariant **ret)
{
    *ret = progress_reply(w->progress);
    progress_thread(w->progress, run, done, w);
    return true;
}

/* ---- new images ---- */

bool medium_variant(const char *const *words, bool *ret_fixed, enum vd_layout *ret_layout, GError **error)
{
    static const struct {
        const char *word;
        bool fixed;
        enum vd_layout layout;
    } known[] = {{"Standard", false, VD_PLAIN},       {"Fixed", true, VD_PLAIN},
                 {"VmdkSplit2G", false, VD_SPLIT_2G}, {"VmdkStreamOptimized", false, VD_STREAM},
                 {"VmdkESX", true, VD_ESX},           {"Diff", false, VD_PLAIN},
                 {"Formatted", false, VD_PLAIN}};

    *ret_fixed = false;
    *ret_layout = VD_PLAIN;
    for (; *words != NULL; words++) {
        unsigned k = 0;
        while (k < G_N_ELEMENTS(known) && g_ascii_strcasecmp(known[k].word, *words) != 0)
            k++;
        if (k == G_N_ELEMENTS(known))
            return api_fail(error, E_INVALIDARG, "Invalid medium variant '%s'", *words);
        *ret_fixed |= known[k].fixed;
        if (known[k].layout != VD_PLAIN)
            *ret_layout = known[k].layout;
    }
    return true;
}

/* A target that has no storage yet, and takes it now. */
static struct medium *target_of(struct medium *m, const char *path, GError **error)
{
    struct medium *to = medium_from_path(m->service, path);

    if (to == NULL) {
        api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no medium '%s'", path);
        return NULL;
    }
    if (to->state != MediumState_NotCreated) {
        api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Storage for the medium '%s' is already created", to->location);
        return NULL;
    }
    return to;
}

static bool run_diff(struct work *w, GError **error)
{
    const struct vd_link *last = &g_array_index(w->parent, struct vd_link, w->parent->len - 1);
    struct vd *parent = medium_open_alone(last->format, last->path, error);
    g_autofree char *folder = g_path_get_dirname(w->path);
    uint8_t uuid[VD_UUID_BYTES];

    if (parent == NULL)
        return false;
    api_uuid_to_bytes(w->id, uuid);
    const struct vd_create args = {.format = w->format, .path = w->path, .parent = parent, .uuid = uuid};
    g_mkdir_with_parents(folder, 0700);
    bool ok = vd_create(fio_system(), &args, error);
    vd_close(parent);
    return ok;
}

bool medium_create_diff(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object, *to;
    g_autofree const char **words = NULL;
    enum vd_layout layout;
    const char *path;
    bool fixed;

    g_variant_get(call->args, "(&o^a&s)", &path, &words);
    to = target_of(m, path, error);
    if (to == NULL || !medium_variant(words, &fixed, &layout, error))
        return false;
    medium_set_parent(to, m);
    to->auto_reset = m->parent == NULL && m->type == MEDIUM_IMMUTABLE;
    struct work *w = begin(call, to, run_diff, MediumState_Creating, "Creating differencing medium storage unit");
    w->parent = medium_links(m);
    w->format = g_strdup(to->format);
    w->path = g_strdup(to->location);
    return go(w, ret);
}

static bool run_clone(struct work *w, GError **error)
{
    const struct vd_progress progress = {.report = report, .ctx = w};
    struct vd *from = medium_open_links(w->links, VD_READ_ONLY, error);
    g_autofree char *folder = g_path_get_dirname(w->path);
    uint8_t uuid[VD_UUID_BYTES];

    if (from == NULL)
        return false;
    api_uuid_to_bytes(w->id, uuid);
    const struct vd_create args = {
        .format = w->format, .path = w->path, .fixed = w->fixed, .layout = w->layout, .uuid = uuid};
    g_mkdir_with_parents(folder, 0700);
    bool ok = vd_copy(from, fio_system(), &args, &progress, error);
    vd_close(from);
    return ok;
}

/* Into an image that is there: its size stays. */
static bool run_overwrite(struct work *w, GError **error)
{
    const struct vd_progress progress = {.report = report, .ctx = w};
    struct vd *from = medium_open_links(w->links, VD_READ_ONLY, error);
    struct vd *to = from != NULL ? medium_open_links(w->parent, 0, error) : NULL;
    bool ok = to != NULL && vd_copy_over(from, to, &progress, error);

    vd_close(to);
    vd_close(from);
    return ok;
}

bool medium_clone_to(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object, *to;
    g_autofree const char **words = NULL;
    const char *path, *parent;
    enum vd_layout layout;
    bool fixed;

    g_variant_get(call->args, "(&o^a&s&o)", &path, &words, &parent);
    to = medium_from_path(m->service, path);
    if (to == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no medium '%s'", path);
    if (strcmp(parent, "/") != 0)
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "A clone of '%s' is complete in itself and gets no parent",
                        m->location);
    if (!medium_variant(words, &fixed, &layout, error))
        return false;
    if (to == m || (to->state != MediumState_NotCreated && !medium_may_change(to, error)))
        return to == m ? api_fail(error, E_INVALIDARG, "A medium cannot be cloned to itself") : false;
    bool fresh = to->state == MediumState_NotCreated;
    struct work *w = begin(call, to, fresh ? run_clone : run_overwrite,
                           fresh ? MediumState_Creating : MediumState_LockedWrite, "Creating clone medium");
    medium_copy_encryption((struct medium *)(uintptr_t)medium_base(to), m);
    w->links = medium_links(m);
    w->parent = fresh ? NULL : medium_links(to);
    w->format = g_strdup(to->format);
    w->path = g_strdup(to->location);
    w->fixed = fixed;
    w->layout = layout;
    if (fresh)
        progress_allow_cancel(w->progress);
    return go(w, ret);
}

/* ---- changing one ---- */

bool medium_may_change(struct medium *m, GError **error)
{
    medium_refresh(m);
    if (m->state == MediumState_Created)
        return m->children->len == 0 ||
               api_fail(error, VBOX_E_OBJECT_IN_USE, "Medium '%s' has %u child media that a change would break",
                        m->location, m->children->len);
    if (m->state == MediumState_Inaccessible)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Medium '%s' is not accessible. %s", m->location,
                        m->access_error != NULL ? m->access_error : "");
    return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Medium '%s' is locked (state: %s)", m->location,
                    api_enum_name("MediumState", m->state));
}

static bool run_compact(struct work *w, GError **error)
{
    const struct vd_progress progress = {.report = report, .ctx = w};
    struct vd *vd = medium_open_links(w->links, VD_KEEP_MODIFY, error);
    bool ok = vd != NULL && vd_compact(vd, &progress, error);

    vd_close(vd);
    return ok;
}

bool medium_compact(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const formats[] = {"VDI", "VHD", "VMDK", NULL};
    struct medium *m = call->object;
    g_autofree char *format = g_ascii_strup(m->format, -1);

    if (m->kind == DEVICE_HARD_DISK && !g_strv_contains(formats, format))
        return api_fail(error, VBOX_E_NOT_SUPPORTED,
                        "Compact medium operation for the format '%s' is not available; clone it instead", m->format);
    if (!medium_may_change(m, error))
        return false;
    struct work *w = begin(call, m, run_compact, MediumState_LockedWrite, "Compacting medium");
    w->links = medium_links(m);
    progress_allow_cancel(w->progress);
    return go(w, ret);
}

static bool run_resize(struct work *w, GError **error)
{
    struct vd *vd = medium_open_links(w->links, 0, error);
    bool ok = vd != NULL && vd_resize(vd, w->bytes, error);

    if (ok && vd_flush(vd) != 0)
        ok = api_fail(error, VBOX_E_FILE_ERROR, "Could not flush '%s'", vd_path(vd));
    vd_close(vd);
    return ok;
}

bool medium_resize(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;
    guint64 bytes;

    g_variant_get(call->args, "(t)", &bytes);
    if (bytes < 512 || bytes > (UINT64_C(1) << 51))
        return api_fail(error, E_INVALIDARG, "Invalid size of the medium '%s': %" G_GUINT64_FORMAT " bytes",
                        m->location, bytes);
    if (!medium_may_change(m, error))
        return false;
    struct work *w = begin(call, m, run_resize, MediumState_LockedWrite, "Resizing medium");
    w->links = medium_links(m);
    w->bytes = (bytes + 511) & ~UINT64_C(511);
    return go(w, ret);
}

/* ---- moving ---- */

static bool copy_and_remove(const char *from, const char *to, GError **error)
{
    g_autoptr(GFile) a = g_file_new_for_path(from), b = g_file_new_for_path(to);

    if (!g_file_copy(a, b, G_FILE_COPY_NOFOLLOW_SYMLINKS, NULL, NULL, NULL, error))
        return false;
    fio_system()->unlink(fio_system()->ctx, from);
    return true;
}

bool medium_move_to(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct fio *io = fio_system();
    struct medium *m = call->object;
    const char *where;

    g_variant_get(call->args, "(&s)", &where);
    if (!g_path_is_absolute(where))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", where);
    g_autofree char *name = g_path_get_basename(m->location);
    bool folder = g_str_has_suffix(where, "/") || g_file_test(where, G_FILE_TEST_IS_DIR);
    g_autofree char *given = folder ? g_build_filename(where, name, NULL) : g_strdup(where);
    g_autofree char *path = g_canonicalize_filename(given, "/"), *parent = g_path_get_dirname(path);
    medium_refresh(m);
    if (m->state != MediumState_Created)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Medium '%s' cannot be moved now (state: %s)", m->location,
                        api_enum_name("MediumState", m->state));
    if (settings_medium_remote(m->format))
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "The medium '%s' is no file and cannot be moved", m->location);
    if (g_ascii_strcasecmp(m->format, "VMDK") == 0)
        return api_fail(error, VBOX_E_NOT_SUPPORTED,
                        "'%s' may have more files beside it and cannot be moved; clone it instead", m->location);
    if (g_file_test(path, G_FILE_TEST_EXISTS) || medium_at(m->service, path) != NULL)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not move '%s' to '%s' (VERR_ALREADY_EXISTS)", m->location,
                        path);
    g_mkdir_with_parents(parent, 0700);
    int rc = io->rename(io->ctx, m->location, path);
    if (rc != 0 && (rc != -EXDEV || !copy_and_remove(m->location, path, error))) {
        g_clear_error(error);
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not move '%s' to '%s' (%s)", m->location, path,
                        status_name(status_from_errno(rc)));
    }
    io->dir_sync(io->ctx, parent);
    if (!medium_set_place(m, path, error))
        return false;
    struct progress *p = progress_new(m->service, call->peer, "Moving medium");
    progress_end(p, NULL);
    *ret = progress_reply(p);
    return true;
}

/* ---- properties ---- */

bool medium_get_property(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object;
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    const char *val = settings_property_get(m->properties, name);
    if (val == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Property '%s' does not exist", name);
    if (strcmp(name, ISCSI_SECRET) == 0)
        return api_fail(error, E_ACCESSDENIED, "The property '%s' is a secret and is not shown", name);
    *ret = g_variant_new("(s)", val);
    return true;
}

bool medium_property_may_be(const struct medium *m, const char *name, const char *val, GError **error)
{
    if (*name == '\0')
        return api_fail(error, E_INVALIDARG, "The property's name cannot be empty");
    if (strcmp(name, ISCSI_LUN) == 0 && settings_iscsi_lun(val) < 0)
        return api_fail(error, E_INVALIDARG,
                        "Invalid logical unit '%s' (a number up to 16383, or \"enc\" and 16 digits of one level)", val);
    if (*val == '\0' && settings_property_get(m->properties, name) == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Property '%s' does not exist", name);
    return true;
}

bool medium_set_property(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object;
    const char *name, *val;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &name, &val);
    if (!medium_property_may_be(m, name, val, error))
        return false;
    settings_property_set(m->properties, name, val);
    return medium_save_properties(m, error);
}

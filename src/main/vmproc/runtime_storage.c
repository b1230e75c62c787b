/*
 * runtime_storage.c - what the service asks of a running machine's disks: IInternalSessionControl's methods.
 */
#include <unistd.h>

#include "main/api/api.h"
#include "main/vmproc/console.h"
#include "main/vmproc/media.h"
#include "main/vmproc/runtime_int.h"
#include "rt/status.h"

#define DISKS_MAX 256u

GVariant *storage_snapshot(struct runtime *r, GVariant *args, GError **error)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(args, 1);
    gsize count = g_variant_n_children(list);
    struct media_new images[DISKS_MAX];
    const char *path;

    g_variant_get_child(args, 0, "&s", &path);
    if (!runtime_must_live(r, error))
        return NULL;
    if (count > DISKS_MAX) {
        api_fail(error, E_INVALIDARG, "At most %u disks at once", DISKS_MAX);
        return NULL;
    }
    for (gsize k = 0; k < count; k++)
        g_variant_get_child(list, k, "(&s&s&s&s)", &images[k].image, &images[k].format, &images[k].path,
                            &images[k].uuid);
    if (!console_snapshot(runtime_console(r), path, images, (unsigned)count, error))
        api_wrap(error, VBOX_E_FILE_ERROR);
    return NULL;
}

GVariant *storage_snapshot_end(struct runtime *r, GVariant *args, GError **error)
{
    gboolean keep;

    (void)error;
    g_variant_get(args, "(b)", &keep);
    console_snapshot_end(runtime_console(r), keep);
    return NULL;
}

GVariant *storage_merge(struct runtime *r, GVariant *args, GError **error)
{
    struct media *media = console_media(runtime_console(r));
    g_autoptr(GVariant) list = g_variant_get_child_value(args, 0);
    bool ok = runtime_must_live(r, error) &&
              (console_move_rests(runtime_console(r), error) || api_wrap(error, VBOX_E_INVALID_VM_STATE));

    for (gsize k = 0; ok && k < g_variant_n_children(list); k++) {
        const char *image;
        guint32 from, to;
        g_variant_get_child(list, k, "(&suu)", &image, &from, &to);
        ok = media_merge(media, image, from, to, error) || api_wrap(error, VBOX_E_FILE_ERROR);
    }
    return NULL;
}

GVariant *storage_merge_state(struct runtime *r, GVariant *args, GError **error)
{
    unsigned permille = 0;
    bool done = false;

    (void)args;
    if (!media_merge_state(console_media(runtime_console(r)), &permille, &done, error)) {
        api_wrap(error, VBOX_E_FILE_ERROR);
        return NULL;
    }
    return g_variant_new("(ub)", permille, done);
}

GVariant *storage_merge_end(struct runtime *r, GVariant *args, GError **error)
{
    gboolean keep;

    g_variant_get(args, "(b)", &keep);
    if (!media_merge_end(console_media(runtime_console(r)), keep, error))
        api_wrap(error, VBOX_E_FILE_ERROR);
    return NULL;
}

GVariant *storage_change_medium(struct runtime *r, GVariant *args, GError **error)
{
    struct media_change change = {.fd = runtime_fd(r)};
    gboolean force;

    g_variant_get(args, "(&sii&s&sb)", &change.controller, &change.port, &change.device, &change.format, &change.path,
                  &force);
    change.force = force;
    if (*change.path != '\0' && change.fd < 0)
        api_fail(error, E_INVALIDARG, "The image '%s' did not come with the message", change.path);
    else if (runtime_must_live(r, error) && !console_change_medium(runtime_console(r), &change, error))
        api_wrap(error, VBOX_E_FILE_ERROR);
    if (change.fd >= 0)
        close(change.fd);
    return NULL;
}

/* ---- passwords of encrypted disks ---- */

GVariant *storage_add_password(struct runtime *r, GVariant *args, GError **error)
{
    const char *id, *password;
    GError *why = NULL;
    gboolean clear;

    g_variant_get(args, "(&s&sb)", &id, &password, &clear);
    if (!runtime_must_live(r, error) || media_key_add(console_media(runtime_console(r)), id, password, clear, &why))
        return NULL;
    if (g_error_matches(why, STATUS_ERROR, VERR_VD_PASSWORD_INCORRECT))
        api_fail(error, VBOX_E_PASSWORD_INCORRECT, "%s", why->message);
    else
        api_fail(error, why->domain == STATUS_ERROR ? VBOX_E_FILE_ERROR : VBOX_E_OBJECT_NOT_FOUND, "%s", why->message);
    g_error_free(why);
    return NULL;
}

/* A running guest would be stopped by its next request. */
static void drop(struct runtime *r, const char *id, GError **error)
{
    const char *is = console_state(runtime_console(r));

    if (g_str_equal(is, "Running"))
        api_fail(error, VBOX_E_INVALID_VM_STATE, "The machine uses its disks' passwords; pause it first");
    else if (!media_key_drop(console_media(runtime_console(r)), id, error))
        api_wrap(error, VBOX_E_OBJECT_NOT_FOUND);
}

GVariant *storage_remove_password(struct runtime *r, GVariant *args, GError **error)
{
    const char *id;

    g_variant_get(args, "(&s)", &id);
    drop(r, id, error);
    return NULL;
}

GVariant *storage_clear_passwords(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    drop(r, NULL, error);
    return NULL;
}

/*
 * runtime_storage.c - what the service asks of a running machine's disks: IInternalSessionControl's methods.
 */
#include <unistd.h>

#include "main/api/api.h"
#include "main/vmproc/console.h"
#include "main/vmproc/media.h"
#include "main/vmproc/runtime_int.h"

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
    bool ok = runtime_must_live(r, error);

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

/*
 * attach_live.c - media of a running machine change: its process may not open files, so it gets them open.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/server/machine/attach_int.h"
#include "main/settings/medium_path.h"

/* The medium, open: its file, or a socket behind which it is. -1: the error says why not. */
static int open_medium(struct medium *m, enum settings_device kind, GError **error)
{
    if (settings_medium_remote(m->format))
        return medium_serve(m, m->type != MEDIUM_READONLY, error);
    int fd = kind == DEVICE_DVD ? -1 : open(m->location, O_RDWR | O_CLOEXEC);
    fd = fd >= 0 || kind == DEVICE_HARD_DISK ? fd : open(m->location, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        api_fail(error, VBOX_E_FILE_ERROR, "Cannot open the image '%s': %s", m->location, g_strerror(errno));
    return fd;
}

static const char *format_of(const struct medium *m, enum settings_device kind)
{
    const bool raw = m->format == NULL || g_ascii_strcasecmp(m->format, "RAW") == 0;

    return settings_medium_remote(m->format) ? "NBD" : !raw ? m->format : kind == DEVICE_DVD ? "ISO" : "RAW";
}

bool attach_mount_live(struct part *p, const struct attach_place *at, enum settings_device kind, struct medium *m,
                       bool force, GError **error)
{
    const char *const scheme = m != NULL && settings_medium_remote(m->format) ? MEDIUM_SERVED : "";
    g_autofree char *path = g_strconcat(scheme, m != NULL ? m->location : "", NULL);
    const char *format = m != NULL ? format_of(m, kind) : "";
    const int fd = m != NULL ? open_medium(m, kind, error) : -1;

    if (m != NULL && fd < 0)
        return false;
    const bool ok = vmproc_call_now(
        p->machine->vm, "ChangeMedium",
        g_variant_new("(siissb)", at->controller->name, at->port, at->device, format, path, force), fd, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool attach_plug_live(struct part *p, const struct attach_place *at, struct medium *m, GError **error)
{
    if (m != NULL && (medium_needs_diff(m) || m->parent != NULL || m->children->len > 0))
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' cannot be attached while the machine runs: it needs differencing images",
                        m->location);
    if (m != NULL && settings_property_get(m->properties, "CRYPT/KeyStore") != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' is encrypted and cannot be attached while the machine runs", m->location);
    return attach_mount_live(p, at, DEVICE_HARD_DISK, m, false, error);
}

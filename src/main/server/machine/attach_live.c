/*
 * attach_live.c - media of a running machine change: its process may not open files, so it gets them open.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/server/machine/attach_int.h"
#include "main/settings/medium_path.h"

bool attach_mount_live(struct part *p, const struct attach_place *at, enum settings_device kind, const struct medium *m,
                       bool force, GError **error)
{
    const bool disc = kind == DEVICE_DVD;
    const char *path = m != NULL ? m->location : "", *format = "";
    int fd = -1;

    if (m != NULL) {
        format = m->format != NULL && g_ascii_strcasecmp(m->format, "RAW") != 0 ? m->format : disc ? "ISO" : "RAW";
        fd = disc ? -1 : open(path, O_RDWR | O_CLOEXEC);
        fd = fd >= 0 || kind == DEVICE_HARD_DISK ? fd : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return api_fail(error, VBOX_E_FILE_ERROR, "Cannot open the image '%s': %s", path, g_strerror(errno));
    }
    const bool ok = vmproc_call_now(
        p->machine->vm, "ChangeMedium",
        g_variant_new("(siissb)", at->controller->name, at->port, at->device, format, path, force), fd, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool attach_plug_live(struct part *p, const struct attach_place *at, const struct medium *m, GError **error)
{
    if (m != NULL && (medium_needs_diff(m) || m->parent != NULL || m->children->len > 0))
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' cannot be attached while the machine runs: it needs differencing images",
                        m->location);
    if (m != NULL && settings_medium_remote(m->format))
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' cannot be attached while the machine runs: it is no file", m->location);
    if (m != NULL && settings_property_get(m->properties, "CRYPT/KeyStore") != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' is encrypted and cannot be attached while the machine runs", m->location);
    return attach_mount_live(p, at, DEVICE_HARD_DISK, m, false, error);
}

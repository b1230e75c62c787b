/*
 * attach_live.c - media of a running machine change: its process may not open files, so it gets them open.
 *
 * A hard disk on the network may take its time (medium_serve()): the call is put off, others are served, and when the
 * disk is there the call begins again, since all it has looked at may have changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/server/machine/attach_int.h"
#include "main/settings/medium_path.h"

/* A call that waits for a medium on the network: then it is carried out from its beginning, with the medium. */
struct waiting {
    struct service *service;
    char *node;
    GVariant *args;
    GDBusMethodInvocation *invocation;
};

static void served(void *user, int fd, GError *error)
{
    struct waiting *w = user;
    const char *rest = NULL;
    GVariant *ret = NULL;
    /* the node names the session, which is gone if its client is */
    struct part *p = error == NULL ? part_find(w->service, NULL, w->node, &rest) : NULL;
    struct bus_call call = {.bus = w->service->bus, .user = w->service, .object = p, .node = w->node, .args = w->args};

    if (p != NULL) {
        p->served = &fd;
        storage_attach(&call, &ret, &error);
        w->service->part.served = NULL;
    } else if (error == NULL) {
        api_fail(&error, VBOX_E_INVALID_OBJECT_STATE, "The session was closed before the medium was there");
    }
    bus_answer(w->invocation, ret, error);
    g_variant_unref(w->args);
    g_free(w->node);
    g_free(w);
}

static bool wait_for(struct bus_call *call, struct medium *m, GError **error)
{
    struct part *p = call->object;
    struct waiting *w = g_new0(struct waiting, 1);

    *w = (struct waiting){p->service, g_strdup(call->node), g_variant_ref(call->args), call->invocation};
    call->later = medium_serve(m, m->type != MEDIUM_READONLY, served, w, error);
    if (call->later)
        return true;
    g_variant_unref(w->args);
    g_free(w->node);
    g_free(w);
    return false;
}

/* The medium, open: its file, or the socket behind which it is. -1: the error says why not. */
static int open_medium(const struct part *p, const struct medium *m, enum settings_device kind, GError **error)
{
    int fd = -1;

    if (p->served != NULL)
        fd = fcntl(*p->served, F_DUPFD_CLOEXEC, 0);
    else if (kind != DEVICE_DVD)
        fd = open(m->location, O_RDWR | O_CLOEXEC);
    if (fd < 0 && p->served == NULL && kind != DEVICE_HARD_DISK)
        fd = open(m->location, O_RDONLY | O_CLOEXEC);
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
    const int fd = m != NULL ? open_medium(p, m, kind, error) : -1;

    if (m != NULL && fd < 0)
        return false;
    const bool ok = vmproc_call_now(
        p->machine->vm, "ChangeMedium",
        g_variant_new("(siissb)", at->controller->name, at->port, at->device, format, path, force), fd, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool attach_plug_live(struct bus_call *call, const struct attach_place *at, struct medium *m, GError **error)
{
    struct part *p = call->object;

    if (m != NULL && (medium_needs_diff(m) || m->parent != NULL || m->children->len > 0))
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' cannot be attached while the machine runs: it needs differencing images",
                        m->location);
    if (m != NULL && settings_property_get(m->properties, "CRYPT/KeyStore") != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The medium '%s' is encrypted and cannot be attached while the machine runs", m->location);
    if (m != NULL && settings_medium_remote(m->format) && p->served == NULL)
        return wait_for(call, m, error);
    return attach_mount_live(p, at, DEVICE_HARD_DISK, m, false, error);
}

/*
 * console.c - a running machine's objects at the service: every call goes on to the VM process, its answer comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/server/objects.h"
#include "main/server/process/teleport.h"
#include "rt/status.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    const char *rest;
    const struct part *p = part_find(user, peer, node, &rest);

    return p != NULL && rest == NULL && p->session == NULL ? p->machine : NULL;
}

static void reply(void *user, GVariant *ret, GError *error)
{
    bus_answer(user, ret, error);
    g_clear_pointer(&ret, g_variant_unref);
}

/* ---- the core file: made here, where the caller's folders are open, written there ---- */

struct dump {
    GDBusMethodInvocation *invocation;
    char *path;
};

static void dumped(void *user, GVariant *ret, GError *error)
{
    struct dump *d = user;

    if (error != NULL)
        unlink(d->path);
    reply(d->invocation, ret, error);
    g_free(d->path);
    g_free(d);
}

static bool dump_core(struct bus_call *call, GError **error)
{
    const struct machine *m = call->object;
    const char *path;

    g_variant_get(call->args, "(&s&s)", &path, NULL);
    if (!g_path_is_absolute(path))
        return api_fail(error, E_INVALIDARG, "The core file's path '%s' is not absolute", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the core file '%s' (%s)", path,
                        status_name(status_from_errno(errno)));
    struct dump *d = g_new0(struct dump, 1);
    d->invocation = call->invocation;
    d->path = g_strdup(path);
    call->later = true;
    vmproc_call_fd(m->vm, API_PREFIX "IMachineDebugger", "DumpGuestCore", call->args, fd, dumped, d);
    close(fd);
    return true;
}

static bool forward(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = call->object;

    if (m->vm == NULL || m->launching)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not currently running.", machine_name(m));
    const char *method = g_dbus_method_invocation_get_method_name(call->invocation);
    if (strcmp(method, "DumpGuestCore") == 0)
        return dump_core(call, error);
    if (strcmp(method, "Teleport") == 0)
        return teleport(call, ret, error);
    call->later = true;
    vmproc_call(m->vm, g_dbus_method_invocation_get_interface_name(call->invocation), method, call->args, reply,
                call->invocation);
    return true;
}

/* A PS/2 mouse is what every machine has, as long as it runs; nothing else points. */
static GVariant *mouse_can(const struct bus_call *call, const struct bus_property *row)
{
    const struct machine *m = call->object;

    return g_variant_new_boolean(row->data != NULL && m->vm != NULL && !m->launching);
}

static GVariant *keyboard_leds(const struct bus_call *call, const struct bus_property *row)
{
    static const struct {
        unsigned led;
        const char *word;
    } leds[] = {{VMPROC_LED_NUM, "NumLock"}, {VMPROC_LED_CAPS, "CapsLock"}, {VMPROC_LED_SCROLL, "ScrollLock"}};
    const struct machine *m = call->object;
    const unsigned lit = m->vm != NULL ? vmproc_leds(m->vm) : 0;
    GVariantBuilder b;

    (void)row;
    g_variant_builder_init(&b, G_VARIANT_TYPE_STRING_ARRAY);
    for (unsigned k = 0; k < G_N_ELEMENTS(leds); k++)
        if (lit & leds[k].led)
            g_variant_builder_add(&b, "s", leds[k].word);
    return g_variant_builder_end(&b);
}

static const struct bus_property keyboard_properties[] = {{"KeyboardLEDs", keyboard_leds, NULL, NULL},
                                                          {NULL, NULL, NULL, NULL}};

#define CAN GINT_TO_POINTER(1)
static const struct bus_property mouse_properties[] = {
    {"AbsoluteSupported", mouse_can, NULL, NULL},    {"RelativeSupported", mouse_can, NULL, CAN},
    {"TouchScreenSupported", mouse_can, NULL, NULL}, {"TouchPadSupported", mouse_can, NULL, NULL},
    {"NeedsHostCursor", mouse_can, NULL, NULL},      {NULL, NULL, NULL, NULL}};

static const struct bus_interface console = {.info = (GDBusInterfaceInfo *)&api_iconsole_interface, .any = forward};
static const struct bus_interface keyboard = {
    .info = (GDBusInterfaceInfo *)&api_ikeyboard_interface, .any = forward, .properties = keyboard_properties};
static const struct bus_interface mouse = {
    .info = (GDBusInterfaceInfo *)&api_imouse_interface, .any = forward, .properties = mouse_properties};
static const struct bus_interface display = {.info = (GDBusInterfaceInfo *)&api_idisplay_interface, .any = forward};
static const struct bus_interface debugger = {.info = (GDBusInterfaceInfo *)&api_imachine_debugger_interface,
                                              .any = forward};
static const struct bus_interface guest = {.info = (GDBusInterfaceInfo *)&api_iguest_interface, .any = forward};
const struct bus_class console_class = {.folder = API_ROOT "/console",
                                        .interfaces =
                                            BUS_INTERFACES(&console, &keyboard, &mouse, &display, &debugger, &guest),
                                        .find = find};

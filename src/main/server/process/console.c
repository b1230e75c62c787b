/*
 * console.c - a running machine's objects at the service: every call goes on to the VM process, its answer comes back.
 */
#include <string.h>

#include "main/server/objects.h"

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

static bool forward(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = call->object;

    (void)ret;
    if (m->vm == NULL || m->launching)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not currently running.", machine_name(m));
    call->later = true;
    vmproc_call(m->vm, g_dbus_method_invocation_get_interface_name(call->invocation),
                g_dbus_method_invocation_get_method_name(call->invocation), call->args, reply, call->invocation);
    return true;
}

static const struct bus_interface console = {.info = (GDBusInterfaceInfo *)&api_iconsole_interface, .any = forward};
static const struct bus_interface keyboard = {.info = (GDBusInterfaceInfo *)&api_ikeyboard_interface, .any = forward};
static const struct bus_interface display = {.info = (GDBusInterfaceInfo *)&api_idisplay_interface, .any = forward};
static const struct bus_interface debugger = {.info = (GDBusInterfaceInfo *)&api_imachine_debugger_interface,
                                              .any = forward};
const struct bus_class console_class = {
    .folder = API_ROOT "/console", .interfaces = {&console, &keyboard, &display, &debugger}, .find = find};

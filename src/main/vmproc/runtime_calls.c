/*
 * runtime_calls.c - a call on its way: from the bus's thread to the loop's, which carries it out, and its answer back.
 *
 * Theory: what a peer asks is a row of `commands`; a call without a row is answered with E_NOTIMPL. One call is carried
 * out after the other; the one that runs is r->now, which only the loop's thread knows.
 */
#include <gio/gunixfdlist.h>
#include <string.h>

#include "main/api/api.h"
#include "main/bus/bus.h"
#include "main/vmproc/runtime_int.h"
#include "rt/loop.h"

/* A call on its way to the loop's thread. */
struct request {
    struct runtime *runtime;
    GDBusMethodInvocation *invocation;
};

int runtime_fd(struct runtime *r)
{
    GUnixFDList *list = g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(r->now));

    return list != NULL && g_unix_fd_list_get_length(list) > 0 ? g_unix_fd_list_get(list, 0, NULL) : -1;
}

static const struct command {
    const char *interface, *method;
    command_fn run;
} commands[] = {
    {"IConsole", "Pause", machine_pause},
    {"IConsole", "Resume", machine_resume},
    {"IConsole", "Reset", machine_reset},
    {"IConsole", "PowerDown", machine_power_down},
    {"IConsole", "SaveState", machine_save_state},
    {"IConsole", "PowerButton", machine_power_button},
    {"IConsole", "SleepButton", machine_sleep_button},
    {"IConsole", "GetUSBDevices", machine_usb_devices},
    {"IConsole", "GetRemoteUSBDevices", machine_usb_devices},
    {"IConsole", "AddEncryptionPassword", storage_add_password},
    {"IConsole", "RemoveEncryptionPassword", storage_remove_password},
    {"IConsole", "ClearAllEncryptionPasswords", storage_clear_passwords},
    {"IKeyboard", "PutScancodes", input_scancodes},
    {"IKeyboard", "PutScancode", input_scancode},
    {"IKeyboard", "ReleaseKeys", input_release},
    {"IKeyboard", "PutCAD", input_cad},
    {"IMouse", "PutMouseEvent", input_mouse},
    {"IMouse", "PutMouseEventAbsolute", input_tablet},
    {"IMouse", "GetCapabilities", input_mouse_capabilities},
    {"IDisplay", "GetScreenResolution", screen_resolution},
    {"IDisplay", "TakeScreenShotToArray", screen_shot},
    {"IDisplay", "GetScreenText", screen_text},
    {"IGuest", "CreateSession", machine_guest_session},
    {"IMachineDebugger", "Info", debug_info},
    {"IMachineDebugger", "GetStats", debug_stats},
    {"IMachineDebugger", "ResetStats", debug_reset_stats},
    {"IMachineDebugger", "Command", debug_command},
    {"IMachineDebugger", "SetRegister", debug_set_register},
    {"IMachineDebugger", "InjectNMI", debug_inject_nmi},
    {"IMachineDebugger", "DumpGuestCore", debug_dump_core},
    {"IMachineDebugger", "DetectOS", debug_detect_os},
    {"IMachineDebugger", "QueryOSInfo", debug_os_info},
    {"IMachineDebugger", "QueryOSKernelLog", debug_os_log},
    {"IMachineDebugger", "ModifyLogGroups", debug_log_groups},
    {"IMachineDebugger", "ModifyLogFlags", debug_log_flags},
    {"IMachineDebugger", "ModifyLogDestinations", debug_log_destinations},
    {"IMachineDebugger", "GetLogSettings", debug_log_settings},
    {"IInternalSessionControl", "EndSave", machine_save_end},
    {"IInternalSessionControl", "TakeSnapshot", storage_snapshot},
    {"IInternalSessionControl", "EndSnapshot", storage_snapshot_end},
    {"IInternalSessionControl", "StartMerge", storage_merge},
    {"IInternalSessionControl", "GetMergeState", storage_merge_state},
    {"IInternalSessionControl", "EndMerge", storage_merge_end},
    {"IInternalSessionControl", "ChangeMedium", storage_change_medium},
    {"IInternalSessionControl", "Teleport", teleport_machine},
    {"IInternalSessionControl", "GetTeleportState", teleport_state},
};

static const struct command *command_find(const char *interface, const char *method)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(commands); k++)
        if (strcmp(commands[k].interface, interface + strlen(API_PREFIX)) == 0 &&
            strcmp(commands[k].method, method) == 0)
            return &commands[k];
    return NULL;
}

/* An answer goes through the bus's thread, behind the state changes that led to it. */
struct answer {
    GDBusMethodInvocation *invocation;
    GVariant *ret;
    GError *error;
};

static gboolean answer(void *user)
{
    struct answer *a = user;

    bus_answer(a->invocation, a->ret, a->error);
    g_free(a);
    return G_SOURCE_REMOVE;
}

static void carry_out(void *user)
{
    struct request *q = user;
    GDBusMethodInvocation *i = q->invocation;
    const struct command *c =
        command_find(g_dbus_method_invocation_get_interface_name(i), g_dbus_method_invocation_get_method_name(i));
    GError *error = NULL;
    GVariant *ret = NULL;

    q->runtime->now = i;
    q->runtime->kept = false;
    if (c != NULL)
        ret = c->run(q->runtime, g_dbus_method_invocation_get_parameters(i), &error);
    else
        api_fail(&error, E_NOTIMPL, "This virtual machine has nothing that could carry out %s",
                 g_dbus_method_invocation_get_method_name(i));
    if (!q->runtime->kept)
        runtime_answer(q->runtime, i, ret, error);
    g_free(q);
}

GDBusMethodInvocation *runtime_keep(struct runtime *r)
{
    r->kept = true;
    return r->now;
}

void runtime_answer(struct runtime *r, GDBusMethodInvocation *i, GVariant *ret, GError *error)
{
    struct answer *a = g_new0(struct answer, 1);

    *a = (struct answer){i, ret, error};
    g_main_context_invoke_full(r->context, G_PRIORITY_DEFAULT, answer, a, NULL);
}

/* ---- the bus's thread ---- */

bool runtime_call(struct bus_call *call, GVariant **ret, GError **error)
{
    struct runtime *r = call->user;
    struct request *q = g_new0(struct request, 1);

    (void)ret;
    q->runtime = r;
    q->invocation = call->invocation;
    const char *method = g_dbus_method_invocation_get_method_name(call->invocation);
    if (strcmp(method, "TakeSnapshot") == 0)
        r->snapshot_peer = call->peer;
    if (strcmp(method, "SaveState") == 0)
        r->save_peer = call->peer;
    call->later = loop_post(r->loop, carry_out, q);
    if (call->later)
        return true;
    g_free(q);
    return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The machine has too much to do; try again");
}

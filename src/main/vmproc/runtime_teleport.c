/*
 * runtime_teleport.c - Teleport: the service has connected to the target, because this process may not, and
 * sends the descriptor.
 */
#include <unistd.h>

#include "main/api/api.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime_int.h"

struct job {
    struct runtime *runtime;
    GDBusMethodInvocation *invocation;
};

static void moved(void *user, GError *error)
{
    struct job *j = user;

    if (error != NULL)
        api_wrap(&error, VBOX_E_VM_ERROR);
    runtime_answer(j->runtime, j->invocation, NULL, error);
    g_free(j);
}

GVariant *teleport_machine(struct runtime *r, GVariant *args, GError **error)
{
    const char *password;
    guint32 pause_ms, timeout_ms;
    const int fd = runtime_fd(r);

    g_variant_get(args, "(&su&suu)", NULL, NULL, &password, &pause_ms, &timeout_ms);
    if (fd < 0) {
        api_fail(error, E_INVALIDARG, "The connection did not come with the message");
        return NULL;
    }
    g_autofree char *hash =
        *password != '\0' ? g_compute_checksum_for_string(G_CHECKSUM_SHA256, password, -1) : g_strdup("");
    struct job *j = g_new0(struct job, 1);
    const struct console_teleport t = {
        .fd = fd, .password_hash = hash, .max_pause_ms = pause_ms, .timeout_ms = timeout_ms, .user = j, .moved = moved};
    *j = (struct job){r, runtime_keep(r)};
    if (runtime_must_live(r, error) && console_teleport(runtime_console(r), &t, error))
        return NULL;
    close(fd);
    api_wrap(error, VBOX_E_VM_ERROR);
    runtime_answer(r, j->invocation, NULL, g_steal_pointer(error));
    g_free(j);
    return NULL;
}

GVariant *teleport_state(struct runtime *r, GVariant *args, GError **error)
{
    (void)args, (void)error;
    return g_variant_new("(u)", console_teleport_permille(runtime_console(r)));
}

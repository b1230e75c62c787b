/*
 * teleport.c - IConsole.Teleport: the service connects to where a machine is to go, because the machine's process may
 * make no sockets, and gives it the connection. The progress ends with the process's answer; until then the process is
 * asked how far it is.
 *
 * Invariant 1: an attempt has a timer, or a question on its way, or neither, never both; it is freed when the answer is
 * there and the question's is, too.
 */
#include <unistd.h>

#include "main/server/objects.h"
#include "main/server/process/teleport.h"

#define CONNECT_S 10u

#define ASK_MS 100u

struct attempt {
    struct service *service;
    char id[API_UUID_SIZE];
    GVariant *args;
    struct progress *progress;
    guint timer;        /* inv 1 */
    bool asking, ended; /* inv 1 */
};

static void finish(struct attempt *a, GError *error)
{
    progress_end(a->progress, error);
    g_variant_unref(a->args);
    if (a->timer != 0)
        g_source_remove(a->timer);
    a->timer = 0;
    a->ended = true;
    if (!a->asking)
        g_free(a);
}

static void answered(void *user, GVariant *ret, GError *error)
{
    finish(user, error);
    g_clear_pointer(&ret, g_variant_unref);
}

/* ---- how far it is ---- */

static gboolean ask(void *user);

static void told(void *user, GVariant *ret, GError *error)
{
    struct attempt *a = user;
    guint32 permille = 0;

    a->asking = false;
    if (a->ended) {
        g_free(a);
    } else if (error == NULL && g_variant_is_of_type(ret, G_VARIANT_TYPE("(u)"))) {
        g_variant_get(ret, "(u)", &permille);
        progress_percent(a->progress, MIN(permille / 10, 99));
        a->timer = g_timeout_add(ASK_MS, ask, a);
    }
    g_clear_pointer(&ret, g_variant_unref);
    g_clear_error(&error);
}

static gboolean ask(void *user)
{
    struct attempt *a = user;
    const struct machine *m = machine_find(a->service, a->id);

    a->timer = 0;
    if (m == NULL || m->vm == NULL)
        return G_SOURCE_REMOVE;
    a->asking = true;
    vmproc_call(m->vm, API_PREFIX "IInternalSessionControl", "GetTeleportState", NULL, told, a);
    return G_SOURCE_REMOVE;
}

static void connected(GObject *source, GAsyncResult *result, void *user)
{
    struct attempt *a = user;
    const struct machine *m = machine_find(a->service, a->id);
    GError *error = NULL;
    g_autoptr(GSocketConnection) c = g_socket_client_connect_to_host_finish(G_SOCKET_CLIENT(source), result, &error);

    if (c == NULL)
        api_wrap(&error, VBOX_E_IPRT_ERROR);
    else if (m == NULL || m->vm == NULL)
        api_fail(&error, VBOX_E_INVALID_VM_STATE, "The machine is not running any more.");
    if (error != NULL) {
        finish(a, error);
        return;
    }
    vmproc_call_fd(m->vm, API_PREFIX "IInternalSessionControl", "Teleport", a->args,
                   g_socket_get_fd(g_socket_connection_get_socket(c)), answered, a);
    a->timer = g_timeout_add(ASK_MS, ask, a);
}

bool teleport(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = call->object;
    const char *host;
    guint32 port;

    g_variant_get(call->args, "(&su&suu)", &host, &port, NULL, NULL, NULL);
    if (port == 0 || port > 65535 || *host == '\0')
        return api_fail(error, E_INVALIDARG, "Invalid host '%s' or port %u", host, port);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    struct attempt *a = g_new0(struct attempt, 1);
    a->service = m->service;
    g_strlcpy(a->id, m->id, sizeof a->id);
    a->args = g_variant_ref(call->args);
    a->progress = progress_new(m->service, call->peer, "Teleporting VM");
    *ret = progress_reply(a->progress);
    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_set_timeout(client, CONNECT_S);
    g_socket_client_connect_to_host_async(client, host, (guint16)port, NULL, connected, a);
    return true;
}

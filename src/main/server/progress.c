/*
 * progress.c - IProgress: something that takes time, waited for by its clients.
 *
 * Work with files runs on a thread of its own and meets the main thread again when it is done. The object stays for a
 * while after the end, so that a client can ask how it ended. Canceling, by a client or by the timeout, is a wish the
 * work hears when it tells how far it is; it ends with the work's own error, or well, if it was done by then.
 *
 * Invariant 1: canceled is set by the main thread, never cleared, and all that another thread reads.
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/objects.h"

#define KEPT_MS 30000u

struct waiter {
    GDBusMethodInvocation *invocation;
    bool for_change;
    guint32 percent;
    guint timeout;
    struct bus_peer *peer;
    struct progress *progress;
};

struct progress {
    struct service *service;
    struct bus_peer *peer;
    unsigned number;
    char *description;
    unsigned percent;
    gint64 started_us;
    guint32 timeout_ms; /* since then; 0: none */
    guint timeout_source;
    bool ended, cancelable;
    gint canceled; /* inv 1 */
    int result;
    char *error_text;
    GPtrArray *waiters;
    guint remove_source;
    progress_work_fn work;
    progress_done_fn done;
    void *data;
};

static void waiter_free(void *p)
{
    struct waiter *w = p;

    if (w->timeout != 0)
        g_source_remove(w->timeout);
    g_free(w);
}

static void answer(struct waiter *w)
{
    const struct progress *p = w->progress;
    const char *text = p->error_text != NULL ? p->error_text : "";

    bus_answer(w->invocation,
               w->for_change ? g_variant_new("(ubis)", p->percent, p->ended, p->result, text)
                             : g_variant_new("(bis)", p->ended, p->result, text),
               NULL);
}

static void wake(struct progress *p)
{
    for (unsigned k = p->waiters->len; k-- > 0;) {
        struct waiter *w = p->waiters->pdata[k];
        if (!p->ended && !(w->for_change && w->percent != p->percent))
            continue;
        answer(w);
        g_ptr_array_remove_index_fast(p->waiters, k);
    }
}

struct progress *progress_new(struct service *s, struct bus_peer *peer, const char *description)
{
    struct progress *p = g_new0(struct progress, 1);

    p->service = s;
    p->peer = peer;
    p->number = ++s->next_progress;
    p->started_us = g_get_monotonic_time();
    p->description = g_strdup(description);
    p->waiters = g_ptr_array_new_with_free_func(waiter_free);
    g_ptr_array_add(s->progresses, p);
    return p;
}

void progress_free(struct progress *p)
{
    if (p == NULL)
        return;
    if (p->remove_source != 0)
        g_source_remove(p->remove_source);
    if (p->timeout_source != 0)
        g_source_remove(p->timeout_source);
    g_ptr_array_unref(p->waiters);
    g_free(p->description);
    g_free(p->error_text);
    g_free(p);
}

char *progress_path(const struct progress *p)
{
    return g_strdup_printf(API_ROOT "/progress/%u", p->number);
}

GVariant *progress_reply(struct progress *p)
{
    g_autofree char *path = progress_path(p);

    return g_variant_new("(o)", path);
}

void progress_percent(struct progress *p, unsigned percent)
{
    p->percent = MIN(percent, 100);
    wake(p);
}

struct news {
    struct progress *progress;
    unsigned percent;
};

static gboolean take_news(void *user)
{
    const struct news *n = user;

    progress_percent(n->progress, n->percent);
    return G_SOURCE_REMOVE;
}

bool progress_tell(struct progress *p, unsigned percent)
{
    struct news *n = g_new0(struct news, 1);

    *n = (struct news){p, percent};
    g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, take_news, n, g_free);
    return g_atomic_int_get(&p->canceled) == 0;
}

bool progress_ended(const struct progress *p)
{
    return p->ended;
}

static gboolean forget(void *user)
{
    struct progress *p = user;
    struct service *s = p->service;

    p->remove_source = 0;
    g_ptr_array_remove(s->progresses, p);
    return G_SOURCE_REMOVE;
}

void progress_end(struct progress *p, GError *error)
{
    if (error != NULL) {
        p->result = error->domain == API_ERROR ? error->code : (int)E_FAIL;
        p->error_text = g_strdup(error->message);
        g_error_free(error);
    } else {
        p->percent = 100;
    }
    p->ended = true;
    if (p->timeout_source != 0)
        g_source_remove(p->timeout_source);
    p->timeout_source = 0;
    wake(p);
    p->remove_source = g_timeout_add(KEPT_MS, forget, p);
    service_idle_check(p->service);
}

void progress_allow_cancel(struct progress *p)
{
    p->cancelable = true;
}

void progress_peer_gone(struct service *s, struct bus_peer *peer)
{
    for (unsigned k = 0; k < s->progresses->len; k++) {
        struct progress *p = s->progresses->pdata[k];
        for (unsigned n = p->waiters->len; n-- > 0;) {
            struct waiter *w = p->waiters->pdata[n];
            if (w->peer != peer)
                continue;
            answer(w); /* nobody reads it; the invocation is freed */
            g_ptr_array_remove_index_fast(p->waiters, n);
        }
        if (p->peer == peer)
            p->peer = NULL;
    }
}

/* ---- threads ---- */

static void run_work(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    struct progress *p = data;
    GError *error = NULL;

    (void)source, (void)cancellable;
    if (p->work(p->data, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void work_done(GObject *source, GAsyncResult *result, void *user)
{
    struct progress *p = user;
    GError *error = NULL;
    bool ok = g_task_propagate_boolean(G_TASK(result), &error);

    (void)source;
    GError *late = NULL;
    if (p->done != NULL && !p->done(p->data, ok, &late) && error == NULL)
        error = g_steal_pointer(&late);
    g_clear_error(&late);
    if (error != NULL)
        api_wrap(&error, VBOX_E_IPRT_ERROR);
    progress_end(p, error);
}

void progress_thread(struct progress *p, progress_work_fn work, progress_done_fn done, void *data)
{
    p->work = work;
    p->done = done;
    p->data = data;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, work_done, p);
    g_task_set_task_data(task, p, NULL);
    g_task_run_in_thread(task, run_work);
}

/* ---- IProgress ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    struct service *s = user;

    (void)peer;
    for (unsigned k = 0; k < s->progresses->len; k++) {
        struct progress *p = s->progresses->pdata[k];
        if (p->number == strtoul(node, NULL, 10))
            return p;
    }
    return NULL;
}

enum {
    IS_ID,
    IS_DESCRIPTION,
    IS_INITIATOR,
    IS_CANCELABLE,
    IS_PERCENT,
    IS_REMAINING,
    IS_COMPLETED,
    IS_CANCELED,
    IS_RESULT,
    IS_TEXT,
    IS_TIMEOUT,
    IS_ONE,
    IS_ZERO
};

#define A_YEAR_S (365 * 24 * 3600)

static gint32 remaining_s(const struct progress *p)
{
    if (p->ended)
        return 0;
    if (p->percent == 0)
        return -1;
    const gint64 elapsed_us = g_get_monotonic_time() - p->started_us;
    return (gint32)MIN((elapsed_us * 100 / p->percent - elapsed_us) / G_USEC_PER_SEC, A_YEAR_S);
}

static GVariant *get(const struct bus_call *call, const struct bus_property *row)
{
    const struct progress *p = call->object;

    switch (GPOINTER_TO_INT(row->data)) {
    case IS_ID: return g_variant_new_take_string(g_strdup_printf("%u", p->number));
    case IS_DESCRIPTION: return g_variant_new_string(p->description);
    case IS_INITIATOR: return g_variant_new_string(p->peer != NULL ? bus_peer_name(p->peer) : "");
    case IS_CANCELABLE: return g_variant_new_boolean(p->cancelable);
    case IS_PERCENT: return g_variant_new_uint32(p->percent);
    case IS_REMAINING: return g_variant_new_int32(remaining_s(p));
    case IS_COMPLETED: return g_variant_new_boolean(p->ended);
    case IS_CANCELED: return g_variant_new_boolean(p->canceled != 0);
    case IS_RESULT: return g_variant_new_int32(p->result);
    case IS_TEXT: return g_variant_new_string(p->error_text != NULL ? p->error_text : "");
    case IS_TIMEOUT: return g_variant_new_uint32(p->timeout_ms);
    case IS_ONE: return g_variant_new_uint32(1);
    default: return g_variant_new_uint32(0);
    }
}

static bool may_cancel(const struct progress *p, GError **error)
{
    return (p->cancelable && !p->ended) || api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Operation cannot be canceled");
}

static gboolean time_is_up(void *user)
{
    struct progress *p = user;

    p->timeout_source = 0;
    g_atomic_int_set(&p->canceled, 1);
    return G_SOURCE_REMOVE;
}

static bool set_timeout(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct progress *p = call->object;

    (void)row;
    if (!may_cancel(p, error))
        return false;
    p->timeout_ms = g_variant_get_uint32(val);
    if (p->timeout_source != 0)
        g_source_remove(p->timeout_source);
    const gint64 left_ms = p->timeout_ms - (g_get_monotonic_time() - p->started_us) / 1000;
    p->timeout_source = p->timeout_ms != 0 ? g_timeout_add((guint)MAX(left_ms, 0), time_is_up, p) : 0;
    return true;
}

static gboolean on_timeout(void *user)
{
    struct waiter *w = user;

    w->timeout = 0;
    answer(w);
    g_ptr_array_remove_fast(w->progress->waiters, w);
    return G_SOURCE_REMOVE;
}

static struct waiter *wait_on(struct bus_call *call, bool for_change, guint32 percent)
{
    struct progress *p = call->object;
    struct waiter *w = g_new0(struct waiter, 1);

    *w = (struct waiter){call->invocation, for_change, percent, 0, call->peer, p};
    g_ptr_array_add(p->waiters, w);
    call->later = true;
    return w;
}

static void wait_until_end(struct bus_call *call, gint32 timeout_ms)
{
    struct waiter *w = wait_on(call, false, 0);

    if (timeout_ms >= 0)
        w->timeout = g_timeout_add((guint)timeout_ms, on_timeout, w);
    wake(call->object);
}

static bool wait_for_completion(struct bus_call *call, GVariant **ret, GError **error)
{
    gint32 timeout_ms;

    (void)ret, (void)error;
    g_variant_get(call->args, "(i)", &timeout_ms);
    wait_until_end(call, timeout_ms);
    return true;
}

static bool wait_for_operation(struct bus_call *call, GVariant **ret, GError **error)
{
    guint32 operation;
    gint32 timeout_ms;

    (void)ret;
    g_variant_get(call->args, "(ui)", &operation, &timeout_ms);
    if (operation > 0)
        return api_fail(error, E_INVALIDARG, "Argument Operation is invalid: %u (there is operation 0)", operation);
    wait_until_end(call, timeout_ms);
    return true;
}

static bool wait_for_change(struct bus_call *call, GVariant **ret, GError **error)
{
    guint32 percent;

    (void)ret, (void)error;
    g_variant_get(call->args, "(u)", &percent);
    wait_on(call, true, percent);
    wake(call->object);
    return true;
}

static bool cancel(struct bus_call *call, GVariant **ret, GError **error)
{
    struct progress *p = call->object;

    (void)ret;
    if (!may_cancel(p, error))
        return false;
    g_atomic_int_set(&p->canceled, 1);
    return true;
}

#define IS(what) GINT_TO_POINTER(what)
static const struct bus_method methods[] = {{"WaitForCompletion", wait_for_completion},
                                            {"WaitForOperationCompletion", wait_for_operation},
                                            {"WaitForChange", wait_for_change},
                                            {"Cancel", cancel},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {
    {"Id", get, NULL, IS(IS_ID)},
    {"Description", get, NULL, IS(IS_DESCRIPTION)},
    {"Initiator", get, NULL, IS(IS_INITIATOR)},
    {"Cancelable", get, NULL, IS(IS_CANCELABLE)},
    {"Percent", get, NULL, IS(IS_PERCENT)},
    {"TimeRemaining", get, NULL, IS(IS_REMAINING)},
    {"Completed", get, NULL, IS(IS_COMPLETED)},
    {"Canceled", get, NULL, IS(IS_CANCELED)},
    {"ResultCode", get, NULL, IS(IS_RESULT)},
    {"ErrorText", get, NULL, IS(IS_TEXT)},
    {"OperationCount", get, NULL, IS(IS_ONE)},
    {"Operation", get, NULL, IS(IS_ZERO)},
    {"OperationDescription", get, NULL, IS(IS_DESCRIPTION)},
    {"OperationPercent", get, NULL, IS(IS_PERCENT)},
    {"OperationWeight", get, NULL, IS(IS_ONE)},
    {"Timeout", get, set_timeout, IS(IS_TIMEOUT)},
    {NULL, NULL, NULL, NULL},
};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_iprogress_interface, .methods = methods, .properties = properties};
const struct bus_class progress_class = {
    .folder = API_ROOT "/progress", .interfaces = BUS_INTERFACES(&interface), .find = find};

/*
 * medium_remote.c - media that are no files: their state and size, found out without anybody waiting for a target.
 *
 * A target may take half a minute to answer or not to. A thread connects to it; until it is back the medium is as it
 * was known. A target is asked once in LOOK_AGAIN_S at most.
 */
#include "main/server/medium/medium_int.h"
#include "main/settings/medium_path.h"

#define LOOK_AGAIN_S 10

struct look {
    struct service *service;
    char id[API_UUID_SIZE];
    char *format, *path; /* the path may hold a secret */
    uint64_t bytes;
};

static void look_free(void *p)
{
    struct look *l = p;

    g_free(l->format);
    g_free(l->path);
    g_free(l);
}

/* On a thread. */
static void look(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    struct look *l = data;
    GError *error = NULL;
    struct vd *vd = vd_open(fio_system(), l->format, l->path, VD_READ_ONLY, &error);

    (void)source;
    (void)cancellable;
    if (vd == NULL) {
        g_task_return_error(task, error);
        return;
    }
    l->bytes = vd_size_bytes(vd);
    vd_close(vd);
    g_task_return_boolean(task, TRUE);
}

static void looked(GObject *source, GAsyncResult *result, void *user)
{
    struct look *l = g_task_get_task_data(G_TASK(result));
    struct medium *m = medium_find(l->service, l->id, DEVICE_HARD_DISK);
    g_autoptr(GError) error = NULL;
    bool ok = g_task_propagate_boolean(G_TASK(result), &error);

    (void)source;
    (void)user;
    if (m == NULL)
        return;
    m->looking = false;
    m->looked_us = g_get_monotonic_time();
    m->state = ok ? MediumState_Created : MediumState_Inaccessible;
    m->logical_bytes = ok ? l->bytes : m->logical_bytes;
    g_free(m->access_error);
    m->access_error = ok ? NULL : g_strdup(error->message);
}

void medium_look(struct medium *m)
{
    if (m->looking || (m->looked_us != 0 && g_get_monotonic_time() - m->looked_us < LOOK_AGAIN_S * G_USEC_PER_SEC))
        return;
    struct look *l = g_new0(struct look, 1);
    l->service = m->service;
    g_strlcpy(l->id, m->id, sizeof l->id);
    l->format = g_strdup(m->format);
    l->path = medium_path(m);
    m->looking = true;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, looked, NULL);
    g_task_set_task_data(task, l, look_free);
    g_task_run_in_thread(task, look);
}

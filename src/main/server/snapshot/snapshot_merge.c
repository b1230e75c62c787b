/*
 * snapshot_merge.c - merging images of chains: at rest on a thread of the service, otherwise by the process that has
 * them open, which is asked how far it is.
 *
 * At rest the merges are left when the target holds all and is flushed; links and files are pending.c's business.
 */
#include <string.h>

#include "main/server/snapshot/snapshot_int.h"
#include "rt/status.h"
#include "storage/merge.h"

#define STEP_BYTES (16u << 20)
#define ASK_MS     100u

struct merging {
    struct machine *m;
    GPtrArray *merges;
    struct progress *progress;
    void (*done)(void *user, GError *error);
    void *user;
    unsigned at_rest, now; /* their number, and which one it is */
};

void merge_free(void *p)
{
    struct merge *m = p;

    g_free(m->from);
    g_free(m->to);
    g_free(m->leaf);
    g_free(m->format);
    g_free(m->file);
    if (m->links != NULL)
        g_array_unref(m->links);
    g_free(m);
}

static void end(struct merging *g, GError *error)
{
    void (*done)(void *, GError *) = g->done;
    void *user = g->user;

    g_free(g);
    done(user, error);
}

/* ---- by the process ---- */

static gboolean ask(void *user);

static void told(void *user, GVariant *ret, GError *error)
{
    struct merging *g = user;
    gboolean done = FALSE;
    guint32 permille = 0;

    if (error == NULL && g_variant_is_of_type(ret, G_VARIANT_TYPE("(ub)")))
        g_variant_get(ret, "(ub)", &permille, &done);
    g_clear_pointer(&ret, g_variant_unref);
    if (error != NULL || done) {
        end(g, error);
        return;
    }
    if (g->progress != NULL)
        progress_percent(g->progress, permille / 11);
    g_timeout_add(ASK_MS, ask, g);
}

static gboolean ask(void *user)
{
    struct merging *g = user;

    if (g->m->vm == NULL) {
        GError *error = NULL;
        api_fail(&error, VBOX_E_VM_ERROR, "The machine '%s' ended while its disks were merged", machine_name(g->m));
        end(g, error);
    } else {
        vmproc_call(g->m->vm, API_PREFIX "IInternalSessionControl", "GetMergeState", NULL, told, g);
    }
    return G_SOURCE_REMOVE;
}

static void started(void *user, GVariant *ret, GError *error)
{
    struct merging *g = user;

    g_clear_pointer(&ret, g_variant_unref);
    if (error != NULL)
        end(g, error);
    else
        ask(g);
}

static bool ask_process(struct merging *g)
{
    GVariantBuilder b;
    unsigned count = 0;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(suu)"));
    for (unsigned k = 0; k < g->merges->len; k++) {
        const struct merge *m = g->merges->pdata[k];
        if (m->leaf == NULL)
            continue;
        g_variant_builder_add(&b, "(suu)", m->leaf, m->from_at, m->to_at);
        count++;
    }
    if (count == 0) {
        g_variant_builder_clear(&b);
        return false;
    }
    vmproc_call(g->m->vm, API_PREFIX "IInternalSessionControl", "StartMerge", g_variant_new("(a(suu))", &b), started,
                g);
    return true;
}

/* ---- at rest ---- */

static void report(const struct merging *g, unsigned permille)
{
    if (g->progress != NULL)
        progress_tell(g->progress, (g->now * 1000 + permille) / MAX(g->at_rest, 1) / 11);
}

static bool merge_one(const struct merging *g, const struct merge *m, GError **error)
{
    struct vd *disk = medium_open_links(m->links, VD_KEEP_MODIFY, error);
    struct vd_merge *merge = disk != NULL ? vd_merge_start(disk, m->from_at, m->to_at, error) : NULL;
    bool done = false;
    int rc = 0;

    while (merge != NULL && rc == 0 && !done) {
        rc = vd_merge_step(merge, STEP_BYTES, &done);
        report(g, vd_merge_permille(merge));
    }
    bool ok = merge != NULL && rc == 0;
    if (merge != NULL && rc != 0)
        fio_error(error, rc, "Merging '%s' stopped; the disk is unchanged", m->file);
    vd_merge_cancel(merge); /* the links come later */
    vd_close(disk);
    return ok;
}

static void run(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    struct merging *g = data;
    GError *error = NULL;

    (void)source, (void)cancellable;
    for (unsigned k = 0; k < g->merges->len && error == NULL; k++) {
        const struct merge *m = g->merges->pdata[k];
        if (m->leaf != NULL)
            continue;
        merge_one(g, m, &error);
        g->now++;
    }
    if (error != NULL)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

static void ran(GObject *source, GAsyncResult *result, void *user)
{
    struct merging *g = user;
    GError *error = NULL;

    (void)source;
    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        api_wrap(&error, VBOX_E_FILE_ERROR);
        end(g, error);
    } else if (!ask_process(g)) {
        end(g, NULL);
    }
}

void merge_all(struct machine *m, GPtrArray *merges, struct progress *progress, void (*done)(void *user, GError *error),
               void *user)
{
    struct merging *g = g_new0(struct merging, 1);

    *g = (struct merging){.m = m, .merges = merges, .progress = progress, .done = done, .user = user};
    for (unsigned k = 0; k < merges->len; k++)
        g->at_rest += ((const struct merge *)merges->pdata[k])->leaf == NULL;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, ran, g);
    g_task_set_task_data(task, g, NULL);
    g_task_run_in_thread(task, run);
}

/*
 * file.c - small files that follow a device's memory (EFI variables): one thread writes them, so that no vCPU waits for
 * a disk.
 *
 * device: pdm_file_changed() -> changed = true -> thread: copy under the device's lock -> replace the file -> idle.
 * Locks: a device's lock before files_lock; the thread holds neither while it writes, and never both.
 * Invariant 1: changed is cleared before the bytes are copied: what changes later sets it again.
 * Invariant 2: a file is freed only when the thread does not work on it.
 */
#include <string.h>

#include "rt/fio.h"
#include "vmm/pdm/pdm_int.h"

struct pdm_kept {
    struct pdm_dev *dev; /* NULL: given up */
    char *path;
    const void *bytes;
    void *copy;
    size_t size;
    bool changed, busy, failed;
};

static struct pdm_kept *next_changed(struct pdm *pdm)
{
    for (unsigned i = 0; i < pdm->files->len; i++) {
        struct pdm_kept *f = g_ptr_array_index(pdm->files, i);

        if (f->changed && f->dev)
            return f;
    }
    return NULL;
}

/* Return: whether the file has what the device had. */
static bool write_one(struct pdm_kept *f)
{
    g_autoptr(GError) error = NULL;

    pdm_lock(f->dev);
    memcpy(f->copy, f->bytes, f->size); /* inv 1 */
    pdm_unlock(f->dev);
    if (fio_atomic_replace(fio_system(), f->path, f->copy, f->size, 0, &error))
        return true;
    if (!f->failed) /* once, until it works again */
        pdm_log(f->dev, "not saved: %s", error->message);
    return false;
}

static gpointer writer(gpointer user)
{
    struct pdm *pdm = user;
    struct pdm_kept *f;

    g_mutex_lock(&pdm->files_lock);
    while (!pdm->files_quit) {
        f = next_changed(pdm);
        if (f == NULL) {
            g_cond_wait(&pdm->files_cond, &pdm->files_lock);
            continue;
        }
        f->changed = false;
        f->busy = true;
        g_mutex_unlock(&pdm->files_lock);
        bool ok = write_one(f);
        g_mutex_lock(&pdm->files_lock);
        f->failed = !ok;
        f->busy = false;
        g_cond_broadcast(&pdm->files_cond);
    }
    g_mutex_unlock(&pdm->files_lock);
    return NULL;
}

static void kept_free(gpointer data)
{
    struct pdm_kept *f = data;

    g_free(f->path);
    g_free(f->copy);
    g_free(f);
}

void pdm_files_init(struct pdm *pdm)
{
    g_mutex_init(&pdm->files_lock);
    g_cond_init(&pdm->files_cond);
    pdm->files = g_ptr_array_new_with_free_func(kept_free);
}

void pdm_files_fini(struct pdm *pdm)
{
    g_mutex_lock(&pdm->files_lock);
    pdm->files_quit = true;
    g_cond_broadcast(&pdm->files_cond);
    g_mutex_unlock(&pdm->files_lock);
    if (pdm->files_thread)
        g_thread_join(pdm->files_thread);
    g_ptr_array_unref(pdm->files);
    g_cond_clear(&pdm->files_cond);
    g_mutex_clear(&pdm->files_lock);
}

void pdm_file_new(struct pdm_dev *dev, const char *path, const void *bytes, size_t size, pdm_file *ret)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_kept *f = g_new0(struct pdm_kept, 1);

    *f = (struct pdm_kept){.dev = dev, .path = g_strdup(path), .bytes = bytes, .copy = g_malloc(size), .size = size};
    g_mutex_lock(&pdm->files_lock);
    ret->id = pdm->files->len;
    g_ptr_array_add(pdm->files, f);
    if (!pdm->files_thread)
        pdm->files_thread = g_thread_new("files", writer, pdm);
    g_mutex_unlock(&pdm->files_lock);
}

static struct pdm_kept *kept_of(struct pdm_dev *dev, pdm_file file)
{
    struct pdm_kept *f = file.id < dev->pdm->files->len ? g_ptr_array_index(dev->pdm->files, file.id) : NULL;

    return f && f->dev == dev ? f : NULL;
}

void pdm_file_changed(struct pdm_dev *dev, pdm_file file)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_kept *f;

    g_mutex_lock(&pdm->files_lock);
    f = kept_of(dev, file);
    if (f && !f->changed) {
        f->changed = true;
        g_cond_broadcast(&pdm->files_cond);
    }
    g_mutex_unlock(&pdm->files_lock);
}

static void wait_idle(struct pdm *pdm, const struct pdm_kept *f)
{
    while (f->changed || f->busy)
        g_cond_wait(&pdm->files_cond, &pdm->files_lock);
}

void pdm_file_flush(struct pdm_dev *dev, pdm_file file)
{
    struct pdm *pdm = dev->pdm;
    bool left = pdm_leave(dev); /* the thread wants it */
    struct pdm_kept *f;

    g_mutex_lock(&pdm->files_lock);
    f = kept_of(dev, file);
    if (f) {
        f->changed |= f->failed; /* once more */
        g_cond_broadcast(&pdm->files_cond);
        wait_idle(pdm, f);
    }
    g_mutex_unlock(&pdm->files_lock);
    pdm_return(dev, left);
}

void pdm_files_undo(struct pdm_dev *dev)
{
    struct pdm *pdm = dev->pdm;

    g_mutex_lock(&pdm->files_lock);
    for (unsigned i = 0; i < pdm->files->len; i++) {
        struct pdm_kept *f = g_ptr_array_index(pdm->files, i);

        if (f->dev != dev)
            continue;
        wait_idle(pdm, f); /* inv 2 */
        f->dev = NULL;
    }
    g_mutex_unlock(&pdm->files_lock);
}

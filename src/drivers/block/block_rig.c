/* block_rig.c - see block_rig.h. */
#include "drivers/block/block_rig.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool rig_host_error(void *ctx, const char *id, const char *text)
{
    struct world *w = ctx;

    g_assert_cmpstr(id, ==, w->trouble ? w->trouble : "DrvVD_DISKFULL");
    g_assert_nonnull(strstr(text, w->trouble ? w->says : "disk full"));
    g_mutex_lock(&w->lock);
    w->host_errors++;
    g_cond_broadcast(&w->changed);
    g_mutex_unlock(&w->lock);
    return w->wait;
}

void rig_host_well(void *ctx)
{
    struct world *w = ctx;

    g_mutex_lock(&w->lock);
    w->well++;
    g_mutex_unlock(&w->lock);
}

void rig_wait_done(struct world *w, unsigned n)
{
    g_mutex_lock(&w->lock);
    while (w->done < n)
        g_cond_wait(&w->changed, &w->lock);
    g_mutex_unlock(&w->lock);
}

char *rig_cold_image(void)
{
    g_autofree uint8_t *bytes = g_malloc0(IMAGE_BYTES);
    char *path = g_strdup("block-test-XXXXXX");
    int fd = g_mkstemp(path);

    for (uint32_t i = 0; i < IMAGE_BYTES / 4096; i++)
        memcpy(bytes + 4096 * i, &i, sizeof(i));
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, bytes, IMAGE_BYTES), ==, IMAGE_BYTES);
    g_assert_cmpint(fsync(fd), ==, 0);
    g_assert_cmpint(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), ==, 0);
    close(fd);
    return path;
}

void rig_note(void *ctx, struct pdm_block_req *req)
{
    struct world *w = ctx;

    g_mutex_lock(&w->lock);
    w->order[w->done++] = req;
    g_cond_broadcast(&w->changed);
    g_mutex_unlock(&w->lock);
}

unsigned rig_place_of(const struct world *w, const struct pdm_block_req *req)
{
    unsigned i = 0;

    while (w->order[i] != req)
        i++;
    return i;
}

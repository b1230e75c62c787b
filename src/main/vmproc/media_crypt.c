/*
 * media_crypt.c - passwords of a running machine's encrypted disks.
 *
 * A disk whose base has the property CRYPT/KeyStore begins locked: its first request stops the machine with
 * DrvVD_DEKMISSING and waits (drivers/block/block.h) until the password that CRYPT/KeyId names is given.
 * Passwords are borrowed and never kept: only the disk's key stays, in the cipher's context.
 */
#include "main/vmproc/media_int.h"
#include "rt/log.h"
#include "storage/crypt.h"

struct key_call {
    struct medium *m;
    const char *password;
    bool ok;
    GError **error;
};

/* On the disk's thread, like all that touches an open disk. */
static void unlock(void *ctx)
{
    struct key_call *k = ctx;

    k->ok = vd_unlock(k->m->vd, k->m->key_store, k->password, k->error);
}

static void lock(void *ctx)
{
    vd_lock(((struct medium *)ctx)->vd);
}

bool media_key_add(struct media *all, const char *id, const char *password, bool clear_on_suspend, GError **error)
{
    unsigned found = 0;

    for (unsigned n = 0; n < all->list->len; n++) {
        struct medium *m = all->list->pdata[n];
        struct key_call k = {.m = m, .password = password, .error = error};

        if (m->key_store == NULL || g_strcmp0(m->key_id, id) != 0)
            continue;
        found++;
        block_call(m->block, unlock, &k);
        if (!k.ok)
            return false;
        m->clear_on_suspend = clear_on_suspend;
        log_rel("Media: '%s' is unlocked by the password '%s'", vd_path(m->vd), id);
    }
    if (found == 0)
        g_set_error(error, MEDIA_ERROR, 0, "No disk of this machine is encrypted with a password called '%s'", id);
    return found > 0;
}

bool media_key_drop(struct media *all, const char *id, GError **error)
{
    unsigned found = 0;

    for (unsigned n = 0; n < all->list->len; n++) {
        struct medium *m = all->list->pdata[n];

        if (m->key_store == NULL || (id != NULL && g_strcmp0(m->key_id, id) != 0))
            continue;
        found++;
        block_call(m->block, lock, m);
    }
    if (found == 0 && id != NULL)
        g_set_error(error, MEDIA_ERROR, 0, "No disk of this machine is encrypted with a password called '%s'", id);
    return found > 0 || id == NULL;
}

void media_suspend(struct media *all)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct medium *m = all->list->pdata[n];

        if (m->key_store != NULL && m->clear_on_suspend)
            block_call(m->block, lock, m);
    }
}

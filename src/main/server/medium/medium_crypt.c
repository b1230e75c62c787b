/*
 * medium_crypt.c - IMedium's methods about encryption: the key store that is kept as a property of a chain's base.
 *
 * What changes the contents makes copies beside all images that share the key (storage/recrypt.h). How far it is says a
 * property of the base, which is saved together with the key store: "copy": the copies go after an interruption;
 * "switch": they take the images' names. So a disk and its key store fit together at any instant.
 */
#include <string.h>

#include "main/server/medium/medium_int.h"
#include "main/settings/medium_path.h"
#include "rt/status.h"
#include "storage/recrypt.h"

#define STORE   "CRYPT/KeyStore"
#define KEY     "CRYPT/KeyId"
#define PENDING "CRYPT/Pending"

static const char *store_of(const struct medium *m, GError **error)
{
    const char *store = settings_property_get(medium_base(m)->properties, STORE);

    if (store == NULL)
        api_fail(error, VBOX_E_NOT_SUPPORTED, "The medium '%s' is not encrypted", m->location);
    return store;
}

void medium_describe_encryption(const struct medium *m, GVariantDict *d)
{
    const struct medium *base = medium_base(m);
    const char *store = settings_property_get(base->properties, STORE),
               *id = settings_property_get(base->properties, KEY);
    const char *cipher = store != NULL ? vd_keystore_cipher(store) : NULL;

    g_variant_dict_insert(d, "Encrypted", "b", store != NULL);
    g_variant_dict_insert(d, "EncryptionCipher", "s", cipher != NULL ? cipher : "");
    g_variant_dict_insert(d, "EncryptionPasswordId", "s", id != NULL ? id : "");
}

bool medium_get_encryption(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object, *base = medium_base(m);
    const char *store = settings_property_get(base->properties, STORE),
               *id = settings_property_get(base->properties, KEY);
    const char *cipher = store != NULL ? vd_keystore_cipher(store) : NULL;

    if (store == NULL)
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "The medium '%s' is not encrypted", m->location);
    *ret = g_variant_new("(ss)", cipher != NULL ? cipher : "", id != NULL ? id : "");
    return true;
}

void medium_copy_encryption(struct medium *to, const struct medium *from)
{
    static const char *const names[] = {STORE, KEY};

    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++)
        settings_property_set(to->properties, names[k], settings_property_get(medium_base(from)->properties, names[k]));
}

bool medium_encrypted(const struct medium *m)
{
    return settings_property_get(medium_base(m)->properties, STORE) != NULL;
}

/* A failure with the password told from the others. */
static bool wrong(const char *location, GError **error)
{
    if (error != NULL && g_error_matches(*error, STATUS_ERROR, VERR_VD_PASSWORD_INCORRECT)) {
        g_clear_error(error);
        return api_fail(error, VBOX_E_PASSWORD_INCORRECT, "The given password for medium '%s' is incorrect", location);
    }
    return api_wrap(error, VBOX_E_FILE_ERROR);
}

static void secret_free(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    g_free(text);
}

/* ---- checking: on a thread, a key store decides how long it takes ---- */

struct check {
    char *store, *password, *location;
    GDBusMethodInvocation *invocation;
};

static void check_run(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    const struct check *c = data;
    GError *error = NULL;

    (void)source, (void)cancellable;
    if (vd_keystore_check(c->store, c->password, &error) || wrong(c->location, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void check_done(GObject *source, GAsyncResult *result, void *user)
{
    struct check *c = user;
    GError *error = NULL;

    (void)source;
    g_task_propagate_boolean(G_TASK(result), &error);
    bus_answer(c->invocation, NULL, error);
    g_free(c->store);
    g_free(c->location);
    secret_free(c->password);
    g_free(c);
}

bool medium_check_password(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object;
    const char *store = store_of(m, error);

    (void)ret;
    if (store == NULL)
        return false;
    struct check *c = g_new0(struct check, 1);
    c->store = g_strdup(store);
    c->location = g_strdup(m->location);
    c->invocation = call->invocation;
    g_variant_get(call->args, "(s)", &c->password);
    call->later = true;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, check_done, c);
    g_task_set_task_data(task, c, NULL);
    g_task_run_in_thread(task, check_run);
    return true;
}

/* ---- the images that share a key ---- */

static void collect(struct medium *m, GPtrArray *images)
{
    g_ptr_array_add(images, m);
    for (guint at = images->len - 1; at < images->len; at++) {
        const struct medium *one = images->pdata[at];
        for (unsigned k = 0; k < one->children->len; k++)
            g_ptr_array_add(images, one->children->pdata[k]);
    }
}

/* struct vd_link, with texts of their own; the thread's */
static GArray *links_of(const GPtrArray *images)
{
    GArray *links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));

    for (unsigned k = 0; k < images->len; k++) {
        const struct medium *m = images->pdata[k];
        const struct vd_link link = {g_strdup(m->format), g_strdup(m->location)};
        g_array_append_val(links, link);
    }
    return links;
}

static void links_free(GArray *links)
{
    for (unsigned k = 0; k < links->len; k++) {
        const struct vd_link *l = &g_array_index(links, struct vd_link, k);
        g_free((char *)l->format);
        g_free((char *)l->path);
    }
    g_array_unref(links);
}

static bool may_change_all(const GPtrArray *images, GError **error)
{
    for (unsigned k = 0; k < images->len; k++) {
        struct medium *m = images->pdata[k];
        g_autoptr(GPtrArray) users = medium_users(m);
        medium_refresh(m);
        if (m->state != MediumState_Created)
            return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Medium '%s' is locked or not accessible (state: %s)",
                            m->location, api_enum_name("MediumState", m->state));
        for (unsigned n = 0; n < users->len; n++) {
            const struct machine *user = users->pdata[n];
            if (user->vm != NULL || user->launching || user->busy || user->writer != NULL)
                return api_fail(error, VBOX_E_OBJECT_IN_USE,
                                "Medium '%s' is in use by the machine '%s', which runs or is being changed",
                                m->location, machine_name(user));
        }
    }
    return true;
}

/* While they are worked on, images and machines are nobody else's. */
static void hold(const GPtrArray *images, bool on)
{
    for (unsigned k = 0; k < images->len; k++) {
        struct medium *m = images->pdata[k];
        g_autoptr(GPtrArray) users = medium_users(m);
        m->state = on ? MediumState_LockedWrite : MediumState_Created;
        for (unsigned n = 0; n < users->len; n++)
            ((struct machine *)users->pdata[n])->busy = on;
    }
}

/* ---- the work ---- */

struct recrypt {
    struct medium *base;
    struct progress *progress;
    GPtrArray *images; /* of the main thread; held, so none goes */
    GArray *links;
    char *store, *password;                  /* as it is; NULL: plain */
    char *new_store, *new_password, *new_id; /* the store is the thread's */
    enum vd_cipher cipher;
    bool same_key; /* only the password changes: nothing is copied */
    struct vd_recrypt *copies;
};

static void recrypt_free(struct recrypt *r)
{
    vd_recrypt_abandon(r->copies);
    links_free(r->links);
    g_ptr_array_unref(r->images);
    g_free(r->store);
    g_free(r->new_store);
    g_free(r->new_id);
    secret_free(r->password);
    secret_free(r->new_password);
    g_free(r);
}

static bool report(void *ctx, unsigned permille)
{
    progress_tell(((const struct recrypt *)ctx)->progress, MIN(permille / 10, 99));
    return true;
}

/* On a thread. */
static bool copy(void *data, GError **error)
{
    struct recrypt *r = data;
    const struct vd_progress progress = {.report = report, .ctx = r};

    if (r->same_key) {
        r->new_store = vd_keystore_change(r->store, r->password, r->new_password, error);
        return r->new_store != NULL || wrong(r->base->location, error);
    }
    if (r->new_password != NULL) {
        r->new_store = vd_keystore_new(r->new_password, r->cipher, error);
        if (r->new_store == NULL)
            return api_wrap(error, VBOX_E_IPRT_ERROR);
    }
    const struct vd_lock from = {r->store, r->password}, to = {r->new_store, r->new_password};
    r->copies = vd_recrypt(fio_system(), (const struct vd_link *)(void *)r->links->data, r->links->len, &from, &to,
                           &progress, error);
    return r->copies != NULL || wrong(r->base->location, error);
}

static bool note(struct medium *base, const char *pending, GError **error)
{
    settings_property_set(base->properties, PENDING, pending);
    return medium_save_properties(base, error);
}

/* The step from the old key to the new one, and what follows from it. */
static bool step(struct recrypt *r, GError **error)
{
    GPtrArray *properties = r->base->properties;
    g_autofree char *id = g_strdup(settings_property_get(properties, KEY));

    settings_property_set(properties, STORE, r->new_store);
    settings_property_set(properties, KEY, r->new_id);
    if (!note(r->base, r->same_key ? NULL : "switch", error)) { /* the file is as it was, and says so of the copies */
        settings_property_set(properties, STORE, r->store);
        settings_property_set(properties, KEY, id);
        settings_property_set(properties, PENDING, NULL);
        return false;
    }
    if (r->same_key)
        return true;
    if (!vd_recrypt_commit(g_steal_pointer(&r->copies), error))
        return api_wrap(error, VBOX_E_FILE_ERROR); /* the note stays: the next service goes on */
    return note(r->base, NULL, error);
}

static bool copied(void *data, bool ok, GError **error)
{
    struct recrypt *r = data;
    g_autoptr(GError) unsaved = NULL;

    if (ok)
        ok = step(r, error);
    else if (!note(r->base, NULL, &unsaved))
        g_warning("%s", unsaved->message); /* nothing is lost: there are no copies any more */
    hold(r->images, false);
    recrypt_free(r);
    return ok;
}

static bool start(struct bus_call *call, struct recrypt *r, GVariant **ret, GError **error)
{
    if (!may_change_all(r->images, error) || !note(r->base, "copy", error)) {
        recrypt_free(r);
        return false;
    }
    hold(r->images, true);
    r->progress =
        progress_new(r->base->service, call->peer, r->new_password != NULL ? "Encrypting medium" : "Decrypting medium");
    *ret = progress_reply(r->progress);
    progress_thread(r->progress, copy, copied, r);
    return true;
}

static bool cipher_of(const char *name, enum vd_cipher *ret, GError **error)
{
    *ret = g_ascii_strcasecmp(name, "AES-XTS128-PLAIN64") == 0 ? VD_AES_128 : VD_AES_256;
    return *ret == VD_AES_128 || *name == '\0' || g_ascii_strcasecmp(name, "AES-XTS256-PLAIN64") == 0 ||
           api_fail(error, VBOX_E_NOT_SUPPORTED,
                    "The cipher '%s' is not supported (there are AES-XTS256-PLAIN64 and AES-XTS128-PLAIN64)", name);
}

static bool may_ask(const struct medium *m, const char *now, const char *next, const char *id, GError **error)
{
    const char *store = settings_property_get(medium_base(m)->properties, STORE);

    if (*now == '\0' && *next == '\0')
        return api_fail(error, E_INVALIDARG, "Neither a current nor a new password is given");
    if (m->kind != DEVICE_HARD_DISK)
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "'%s' is no hard disk; only they are encrypted", m->location);
    if (settings_medium_remote(medium_base(m)->format))
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "'%s' is no file; only files are encrypted",
                        medium_base(m)->location);
    if (store == NULL && *next == '\0')
        return store_of(m, error) != NULL;
    if (store != NULL && *now == '\0')
        return api_fail(error, E_INVALIDARG, "'%s' is encrypted; its password is needed", m->location);
    if (store == NULL && *now != '\0')
        return api_fail(error, E_INVALIDARG, "'%s' is not encrypted; it has no password", m->location);
    return store != NULL || *id != '\0' || api_fail(error, E_INVALIDARG, "A new password needs an identifier");
}

bool medium_change_encryption(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object, *base = (struct medium *)(uintptr_t)medium_base(m);
    const char *now, *cipher, *next, *id, *store = settings_property_get(base->properties, STORE);
    enum vd_cipher wanted;

    g_variant_get(call->args, "(&s&s&s&s)", &now, &cipher, &next, &id);
    if (!may_ask(m, now, next, id, error) || !cipher_of(cipher, &wanted, error))
        return false;
    struct recrypt *r = g_new0(struct recrypt, 1);
    r->base = base;
    r->images = g_ptr_array_new();
    collect(base, r->images);
    r->links = links_of(r->images);
    r->store = g_strdup(store);
    r->password = g_strdup(now);
    r->new_password = *next != '\0' ? g_strdup(next) : NULL;
    r->cipher = wanted;
    r->same_key = store != NULL && r->new_password != NULL &&
                  (*cipher == '\0' || g_strcmp0(vd_keystore_cipher(store), cipher) == 0);
    if (r->new_password != NULL)
        r->new_id = g_strdup(*id != '\0' ? id : settings_property_get(base->properties, KEY));
    return start(call, r, ret, error);
}

void medium_recover_encryption(struct service *s)
{
    for (unsigned k = 0; k < s->media->len; k++) {
        struct medium *m = s->media->pdata[k];
        const char *pending = settings_property_get(m->properties, PENDING);
        g_autoptr(GPtrArray) images = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        if (pending == NULL)
            continue;
        collect(m, images);
        GArray *links = links_of(images);
        bool ok = vd_recrypt_finish(fio_system(), (const struct vd_link *)(void *)links->data, links->len,
                                    strcmp(pending, "switch") == 0, &error) &&
                  note(m, NULL, &error);
        if (!ok)
            g_warning("Encrypting '%s' was interrupted and could not be ended: %s", m->location, error->message);
        links_free(links);
    }
}

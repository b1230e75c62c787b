/*
 * medium_crypt.c - IMedium's methods about encryption: the key store that is kept as a property of a chain's base.
 *
 * Left out: encrypting the contents of a disk, or decrypting them.
 */
#include <string.h>

#include "main/server/medium/medium_int.h"
#include "rt/status.h"
#include "storage/crypt.h"

#define STORE "CRYPT/KeyStore"
#define KEY   "CRYPT/KeyId"

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

static bool wrong(const struct medium *m, GError **error)
{
    if (error != NULL && *error != NULL && (*error)->domain == STATUS_ERROR &&
        (*error)->code == VERR_VD_PASSWORD_INCORRECT) {
        g_clear_error(error);
        return api_fail(error, VBOX_E_PASSWORD_INCORRECT, "The given password for medium '%s' is incorrect",
                        m->location);
    }
    return api_wrap(error, VBOX_E_FILE_ERROR);
}

bool medium_check_password(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct medium *m = call->object;
    const char *password, *store = store_of(m, error);

    (void)ret;
    g_variant_get(call->args, "(&s)", &password);
    return store != NULL && (vd_keystore_check(store, password, error) || wrong(m, error));
}

bool medium_change_encryption(struct bus_call *call, GVariant **ret, GError **error)
{
    struct medium *m = call->object, *base = (struct medium *)(uintptr_t)medium_base(m);
    const char *now, *cipher, *next, *id, *store = settings_property_get(base->properties, STORE);

    (void)ret;
    g_variant_get(call->args, "(&s&s&s&s)", &now, &cipher, &next, &id);
    if (*now == '\0' && *next == '\0')
        return api_fail(error, E_INVALIDARG, "Neither a current nor a new password is given");
    const char *has = store != NULL ? vd_keystore_cipher(store) : NULL;
    if (store == NULL || *next == '\0' || (*cipher != '\0' && g_strcmp0(cipher, has) != 0))
        return api_fail(error, E_NOTIMPL,
                        "The contents of '%s' cannot be %s by this program; only the password of an encrypted disk can "
                        "be changed",
                        m->location, store == NULL ? "encrypted" : "decrypted or encrypted in another way");
    g_autofree char *changed = vd_keystore_change(store, now, next, error);
    if (changed == NULL)
        return wrong(m, error);
    settings_property_set(base->properties, STORE, changed);
    if (*id != '\0')
        settings_property_set(base->properties, KEY, id);
    return medium_save_properties(base, error);
}

/*
 * keystore.c - the store of a disk key: 250 bytes in base64.
 *
 *   0 magic "SCNE"   4 version 0100h   6 cipher name [32]   38 key derivation name [32]   70 bytes of key
 *  74 digest of the disk key [32]   106 its bytes   110 its salt [32]   142 its iterations
 * 146 salt of the password [32]   178 its iterations   182 bytes of wrapped key   186 wrapped key [64]
 *
 * The password gives by PBKDF2 a key that wraps the disk key with the disk's own cipher and an IV of zeros; PBKDF2 over
 * the disk key gives the digest by which a wrong password is known. Numbers are little-endian.
 * Source: RFC 8018, IEEE 1619; the layout of VirtualBox's CRYPT/KeyStore property.
 * All numbers of a store are checked: it comes with a disk from elsewhere.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/crypt_int.h"

#define STORE_BYTES       250
#define MAGIC             0x454e4353u
#define VERSION           0x0100
#define SALT_BYTES        32
#define ITERATIONS        100000
#define ITERATIONS_DIGEST 20000 /* of a random key: guessing it is hopeless anyway */
#define ITERATIONS_MAX    20000000

static const struct cipher {
    const char *name;
    uint32_t key_bytes;
    const EVP_CIPHER *(*evp)(void);
} ciphers[] = {
    [VD_AES_128] = {"AES-XTS128-PLAIN64", 32, EVP_aes_128_xts},
    [VD_AES_256] = {"AES-XTS256-PLAIN64", 64, EVP_aes_256_xts},
};

static const struct derivation {
    const char *name;
    uint32_t digest_bytes;
    const EVP_MD *(*evp)(void);
} derivations[] = {{"PBKDF2-SHA256", 32, EVP_sha256}, {"PBKDF2-SHA1", 20, EVP_sha1}};

static bool refuse(GError **error, int status, const char *text)
{
    fio_error(error, status, "%s", text);
    return false;
}

static bool named(const uint8_t field[32], const char *name)
{
    return strncmp((const char *)field, name, 32) == 0;
}

static bool pbkdf2(const struct derivation *d, const void *secret, size_t bytes, const uint8_t *salt,
                   uint32_t iterations, uint8_t *to, size_t to_bytes)
{
    return PKCS5_PBKDF2_HMAC(secret, (int)bytes, salt, SALT_BYTES, (int)iterations, d->evp(), (int)to_bytes, to) == 1;
}

/* One XTS unit with an IV of zeros. */
static bool wrap(const struct cipher *c, const uint8_t *key, const uint8_t *from, uint8_t *to, int encrypt)
{
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    static const uint8_t iv[16];
    int n = 0;
    bool ok = x && EVP_CipherInit_ex(x, c->evp(), NULL, key, iv, encrypt) == 1 &&
              EVP_CipherUpdate(x, to, &n, from, (int)c->key_bytes) == 1 && n == (int)c->key_bytes;

    EVP_CIPHER_CTX_free(x);
    return ok;
}

static bool parse(const char *store, uint8_t raw[STORE_BYTES], const struct cipher **ret_cipher,
                  const struct derivation **ret_derivation, GError **error)
{
    gsize bytes = 0;
    g_autofree uint8_t *decoded = g_base64_decode(store, &bytes);

    *ret_cipher = NULL;
    *ret_derivation = NULL;
    if (bytes != STORE_BYTES || le32(decoded) != MAGIC || le16(decoded + 4) != VERSION)
        return refuse(error, VERR_INVALID_MAGIC, "The key store of the disk is damaged");
    memcpy(raw, decoded, STORE_BYTES);
    for (size_t i = 0; i < G_N_ELEMENTS(ciphers); i++)
        if (named(raw + 6, ciphers[i].name))
            *ret_cipher = &ciphers[i];
    for (size_t i = 0; i < G_N_ELEMENTS(derivations); i++)
        if (named(raw + 38, derivations[i].name))
            *ret_derivation = &derivations[i];
    if (!*ret_cipher || !*ret_derivation)
        return refuse(error, VERR_NOT_SUPPORTED, "The disk is encrypted in a way that is not supported");
    if (le32(raw + 70) != (*ret_cipher)->key_bytes || le32(raw + 182) != (*ret_cipher)->key_bytes ||
        le32(raw + 106) != (*ret_derivation)->digest_bytes || le32(raw + 142) - 1 >= ITERATIONS_MAX ||
        le32(raw + 178) - 1 >= ITERATIONS_MAX)
        return refuse(error, VERR_INVALID_MAGIC, "The key store of the disk is damaged");
    return true;
}

bool keystore_open(const char *store, const char *password, struct disk_key *ret, GError **error)
{
    uint8_t raw[STORE_BYTES], key[DISK_KEY_BYTES], digest[32];
    const struct derivation *d;
    const struct cipher *c;
    bool ok;

    if (!parse(store, raw, &c, &d, error))
        return false;
    ok = pbkdf2(d, password, strlen(password), raw + 146, le32(raw + 178), key, c->key_bytes) &&
         wrap(c, key, raw + 186, ret->key, 0) &&
         pbkdf2(d, ret->key, c->key_bytes, raw + 110, le32(raw + 142), digest, d->digest_bytes) &&
         CRYPTO_memcmp(digest, raw + 74, d->digest_bytes) == 0;
    OPENSSL_cleanse(key, sizeof(key));
    ret->cipher = (enum vd_cipher)(c - ciphers);
    if (ok)
        return true;
    OPENSSL_cleanse(ret, sizeof(*ret));
    return refuse(error, VERR_VD_PASSWORD_INCORRECT, "The password of the disk is wrong; try again");
}

static void put_name(uint8_t field[32], const char *name)
{
    memcpy(field, name, strlen(name));
}

char *keystore_seal(const struct disk_key *k, const char *password, uint32_t iterations, GError **error)
{
    const struct derivation *d = &derivations[0];
    const struct cipher *c = &ciphers[k->cipher];
    uint8_t raw[STORE_BYTES] = {}, key[DISK_KEY_BYTES];
    bool ok;

    put_le32(raw, MAGIC);
    put_le16(raw + 4, VERSION);
    put_name(raw + 6, c->name);
    put_name(raw + 38, d->name);
    put_le32(raw + 70, c->key_bytes);
    put_le32(raw + 106, d->digest_bytes);
    put_le32(raw + 142, MIN(iterations, ITERATIONS_DIGEST));
    put_le32(raw + 178, iterations);
    put_le32(raw + 182, c->key_bytes);
    ok = RAND_bytes(raw + 110, SALT_BYTES) == 1 && RAND_bytes(raw + 146, SALT_BYTES) == 1 &&
         pbkdf2(d, k->key, c->key_bytes, raw + 110, le32(raw + 142), raw + 74, d->digest_bytes) &&
         pbkdf2(d, password, strlen(password), raw + 146, iterations, key, c->key_bytes) &&
         wrap(c, key, k->key, raw + 186, 1);
    OPENSSL_cleanse(key, sizeof(key));
    if (!ok)
        refuse(error, VERR_GENERAL_FAILURE, "The cryptographic library cannot make a key store");
    return ok ? g_base64_encode(raw, sizeof(raw)) : NULL;
}

char *vd_keystore_new(const char *password, enum vd_cipher cipher, GError **error)
{
    struct disk_key k = {.cipher = cipher};
    char *store = NULL;

    if (!*password)
        refuse(error, VERR_INVALID_PARAMETER, "An empty password protects nothing; choose one");
    else if (RAND_bytes(k.key, (int)ciphers[cipher].key_bytes) == 1)
        store = keystore_seal(&k, password, ITERATIONS, error);
    else
        refuse(error, VERR_GENERAL_FAILURE, "There is no randomness for a new key");
    OPENSSL_cleanse(&k, sizeof(k));
    return store;
}

bool vd_keystore_check(const char *store, const char *password, GError **error)
{
    struct disk_key k;
    bool ok = keystore_open(store, password, &k, error);

    OPENSSL_cleanse(&k, sizeof(k));
    return ok;
}

char *vd_keystore_change(const char *store, const char *password, const char *new_password, GError **error)
{
    struct disk_key k;
    char *changed = NULL;

    if (!*new_password)
        refuse(error, VERR_INVALID_PARAMETER, "An empty password protects nothing; choose one");
    else if (keystore_open(store, password, &k, error))
        changed = keystore_seal(&k, new_password, ITERATIONS, error);
    OPENSSL_cleanse(&k, sizeof(k));
    return changed;
}

const char *vd_keystore_cipher(const char *store)
{
    uint8_t raw[STORE_BYTES];
    const struct derivation *d;
    const struct cipher *c;

    return parse(store, raw, &c, &d, NULL) ? c->name : NULL;
}

/*
 * crypt.c - the sectors of an unlocked disk: AES-XTS, the tweak is the sector's number (PLAIN64).
 *
 * It lies above the whole chain, so copying on write, merging and copying of images move cipher text and need no key.
 * What no image holds is not decrypted: it is zeros. Requests that cut sectors are completed by reading.
 * Source: IEEE 1619-2007; the numbering of dm-crypt's plain64.
 * Invariant 1: what an image holds (VD_DATA) is cipher text, all of it.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/crypt_int.h"
#include "storage/format.h"

struct sector_cipher {
    EVP_CIPHER_CTX *to_cipher, *to_plain;
};

struct vd_crypt {
    struct sector_cipher *cipher;
    uint8_t *buf; /* cipher text of a unit */
};

void sector_cipher_free(struct sector_cipher *c)
{
    if (!c)
        return;
    EVP_CIPHER_CTX_free(c->to_cipher);
    EVP_CIPHER_CTX_free(c->to_plain);
    g_free(c);
}

void crypt_free(struct vd_crypt *c)
{
    if (!c)
        return;
    sector_cipher_free(c->cipher);
    g_free(c->buf);
    g_free(c);
}

static EVP_CIPHER_CTX *context(const struct disk_key *k, int encrypt)
{
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *evp = k->cipher == VD_AES_128 ? EVP_aes_128_xts() : EVP_aes_256_xts();

    if (x && EVP_CipherInit_ex(x, evp, NULL, k->key, NULL, encrypt) == 1)
        return x;
    EVP_CIPHER_CTX_free(x);
    return NULL;
}

struct sector_cipher *sector_cipher_new(const struct disk_key *key)
{
    struct sector_cipher *c = g_new0(struct sector_cipher, 1);

    c->to_cipher = context(key, 1);
    c->to_plain = context(key, 0);
    if (c->to_cipher && c->to_plain)
        return c;
    sector_cipher_free(c);
    return NULL;
}

bool crypt_set_key(struct vd *vd, const struct disk_key *key, GError **error)
{
    struct vd_crypt *c = g_new0(struct vd_crypt, 1);

    c->cipher = sector_cipher_new(key);
    c->buf = g_malloc(MAX(vd->unit_bytes, VD_SECTOR_BYTES));
    if (!c->cipher) {
        crypt_free(c);
        return vd_refuse(vd->path, VERR_GENERAL_FAILURE, error, "the cryptographic library refuses its key");
    }
    crypt_free(vd->crypt);
    vd->crypt = c;
    vd->locked = false;
    return true;
}

void vd_lock(struct vd *vd)
{
    crypt_free(vd->crypt);
    vd->crypt = NULL;
    vd->locked = true;
}

struct vd_crypt *vd_take_key(struct vd *vd)
{
    vd->locked |= vd->crypt != NULL;
    return g_steal_pointer(&vd->crypt);
}

void vd_give_key(struct vd *vd, struct vd_crypt *key)
{
    if (!key)
        return;
    crypt_free(vd->crypt);
    vd->crypt = key;
    vd->locked = false;
}

void vd_drop_key(struct vd_crypt *key)
{
    crypt_free(key);
}

bool vd_unlock(struct vd *vd, const char *store, const char *password, GError **error)
{
    struct disk_key k;
    bool ok = keystore_open(store, password, &k, error);

    if (ok)
        ok = crypt_set_key(vd, &k, error);
    else
        g_prefix_error(error, "Disk image '%s': ", vd->path);
    OPENSSL_cleanse(&k, sizeof(k));
    return ok;
}

int sector_cipher_apply(struct sector_cipher *c, bool encrypt, uint64_t sector, const uint8_t *from, uint8_t *to,
                        size_t bytes)
{
    EVP_CIPHER_CTX *x = encrypt ? c->to_cipher : c->to_plain;

    for (size_t done = 0; done < bytes; done += VD_SECTOR_BYTES) {
        uint8_t tweak[16] = {};
        int n = 0;

        put_le64(tweak, sector++);
        if (EVP_CipherInit_ex(x, NULL, NULL, NULL, tweak, -1) != 1 ||
            EVP_CipherUpdate(x, to + done, &n, from + done, VD_SECTOR_BYTES) != 1 || n != VD_SECTOR_BYTES)
            return VERR_GENERAL_FAILURE;
    }
    return 0;
}

/* Whole sectors. */
static int read_sectors(struct vd *vd, uint64_t at, uint8_t *buf, size_t bytes)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        struct vd_extent e;

        rc = chain_map(vd, at, bytes, &e);
        if (rc == 0 && e.kind == VD_DATA)
            rc = chain_read(vd, at, buf, e.bytes);
        else if (rc == 0)
            memset(buf, 0, e.bytes);
        if (rc == 0 && e.kind == VD_DATA)
            rc = sector_cipher_apply(vd->crypt->cipher, false, at / VD_SECTOR_BYTES, buf, buf, e.bytes);
        at += rc ? 0 : e.bytes;
        buf += rc ? 0 : e.bytes;
        bytes -= rc ? 0 : e.bytes;
    }
    return rc;
}

/* Whole sectors, as many as the buffer takes. */
static int write_sectors(struct vd *vd, uint64_t at, const uint8_t *buf, size_t bytes)
{
    int rc = sector_cipher_apply(vd->crypt->cipher, true, at / VD_SECTOR_BYTES, buf, vd->crypt->buf, bytes);

    return rc ? rc : vd_write_plain(vd, at, vd->crypt->buf, bytes);
}

int crypt_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        uint64_t cut = off_bytes % VD_SECTOR_BYTES;
        size_t n = bytes / VD_SECTOR_BYTES * VD_SECTOR_BYTES;

        if (cut || n == 0) {
            uint8_t sector[VD_SECTOR_BYTES];

            n = (size_t)MIN(bytes, VD_SECTOR_BYTES - cut);
            rc = read_sectors(vd, off_bytes - cut, sector, sizeof(sector));
            if (rc == 0)
                memcpy(buf, sector + cut, n);
        } else {
            rc = read_sectors(vd, off_bytes, buf, n);
        }
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

/* Part of [@first, @first + @whole), which is whole sectors: read, changed, written. */
static int write_part(struct vd *vd, uint64_t first, size_t whole, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    g_autofree uint8_t *plain = g_try_malloc(whole);
    int rc = plain ? read_sectors(vd, first, plain, whole) : VERR_NO_MEMORY;

    if (rc)
        return rc;
    memcpy(plain + (off_bytes - first), buf, bytes);
    return write_sectors(vd, first, plain, whole);
}

/*
 * The next piece of a write. A unit of the format that has no data yet is written whole: the rest of it would be zeros
 * in the file, which are not the cipher text of zeros (inv 1).
 */
static int write_piece(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes, size_t *ret_done)
{
    uint64_t unit = MAX(vd->unit_bytes, VD_SECTOR_BYTES), first = off_bytes / unit * unit;
    size_t whole = (size_t)MIN(unit, vd->size_bytes - first), n = (size_t)MIN(bytes, first + whole - off_bytes);
    struct vd_extent e;
    int rc;

    *ret_done = n;
    if (n == whole)
        return write_sectors(vd, first, buf, n);
    rc = image_map(vd, off_bytes, 1, &e);
    if (rc)
        return rc;
    if (e.kind != VD_DATA)
        return write_part(vd, first, whole, off_bytes, buf, n);
    if (off_bytes % VD_SECTOR_BYTES == 0 && n >= VD_SECTOR_BYTES) {
        *ret_done = n / VD_SECTOR_BYTES * VD_SECTOR_BYTES;
        return write_sectors(vd, off_bytes, buf, *ret_done);
    }
    first = off_bytes / VD_SECTOR_BYTES * VD_SECTOR_BYTES;
    *ret_done = (size_t)MIN(bytes, first + VD_SECTOR_BYTES - off_bytes);
    return write_part(vd, first, VD_SECTOR_BYTES, off_bytes, buf, *ret_done);
}

int crypt_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        size_t n;

        rc = write_piece(vd, off_bytes, buf, bytes, &n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

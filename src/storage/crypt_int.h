/* crypt_int.h - between keystore.c, crypt.c, recrypt.c and vd.c. */
#ifndef STORAGE_CRYPT_INT_H
#define STORAGE_CRYPT_INT_H

#include "storage/crypt.h"

#define DISK_KEY_BYTES 64

struct disk_key {
    enum vd_cipher cipher;
    uint8_t key[DISK_KEY_BYTES];
};

/** keystore_open() - the caller wipes *@ret after use. */
bool keystore_open(const char *store, const char *password, struct disk_key *ret, GError **error);

/** keystore_seal() - a store for @k as text; @iterations: how long a password takes to try. */
char *keystore_seal(const struct disk_key *k, const char *password, uint32_t iterations, GError **error);

struct sector_cipher;
/** sector_cipher_new() - NULL: the library refuses the key. */
struct sector_cipher *sector_cipher_new(const struct disk_key *key);
void sector_cipher_free(struct sector_cipher *c);
/** sector_cipher_apply() - whole sectors from number @sector on; @from may be @to. */
int sector_cipher_apply(struct sector_cipher *c, bool encrypt, uint64_t sector, const uint8_t *from, uint8_t *to,
                        size_t bytes);

struct vd_crypt;
/** crypt_set_key() - what vd_unlock() does once the store is open. */
bool crypt_set_key(struct vd *vd, const struct disk_key *key, GError **error);
void crypt_free(struct vd_crypt *c);
/* Like vd_read() and vd_write() of a range that was checked and is not empty. */
int crypt_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes);
int crypt_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);

#endif

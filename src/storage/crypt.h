/*
 * crypt.h - encrypted disks: AES-XTS over the sectors of a disk, its key in a store locked with a password.
 *
 * The store is VirtualBox's (medium property CRYPT/KeyStore, base64): what one made the other opens. The disk key never
 * changes; another password only wraps it again. All images of a chain share one key and one block size. Sectors that
 * no image holds read as zeros; a raw image holds all, so one is encrypted by being written from end to end.
 *
 *     char *store = vd_keystore_new("secret", VD_AES_256, &error);        // kept in the settings
 *     disk = vd_open(...);
 *     ok = vd_unlock(disk, store, "secret", &error);                      // from here on plain text
 */
#ifndef STORAGE_CRYPT_H
#define STORAGE_CRYPT_H

#include "storage/vd.h"

enum vd_cipher { VD_AES_128, VD_AES_256 }; /* AES-XTS128-PLAIN64, AES-XTS256-PLAIN64 */

/** vd_keystore_new() - a random disk key under @password, as text to keep. */
char *vd_keystore_new(const char *password, enum vd_cipher cipher, GError **error);
/** vd_keystore_check() - whether @password opens @store: VERR_VD_PASSWORD_INCORRECT when not. */
bool vd_keystore_check(const char *store, const char *password, GError **error);
/** vd_keystore_change() - the same disk key under another password. */
char *vd_keystore_change(const char *store, const char *password, const char *new_password, GError **error);
/** vd_keystore_cipher() - "AES-XTS256-PLAIN64"; NULL: the store is damaged. Static. */
const char *vd_keystore_cipher(const char *store);
/** vd_lock() - @vd waits for vd_unlock(): reading, writing and discarding are VERR_VD_DEK_MISSING; flushing goes on. */
void vd_lock(struct vd *vd);
/** vd_unlock() - @vd, the last image of its chain, is read and written as plain text from here on. */
bool vd_unlock(struct vd *vd, const char *store, const char *password, GError **error);

/* An unlocked disk that is closed and opened again without anybody's asking for the password. */
struct vd_crypt;
/** vd_take_key() - @vd is locked from here on; NULL: it was not unlocked. */
struct vd_crypt *vd_take_key(struct vd *vd);
/** vd_give_key() - @key is @vd's from here on; NULL: nothing happens. */
void vd_give_key(struct vd *vd, struct vd_crypt *key);
/** vd_drop_key() - NULL is fine. */
void vd_drop_key(struct vd_crypt *key);

#endif

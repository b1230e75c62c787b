/*
 * disk_tool.c - for tests: writes into a disk and says what it shows, through the storage layer alone.
 *
 *     disk_tool write SEED COUNT SIZE FORMAT:PATH ...    COUNT pieces of SIZE bytes at places and with bytes of SEED
 *     disk_tool sum FORMAT:PATH ...                      SHA-256 of all of it
 *     disk_tool keystore PASSWORD                        a key store for a disk encrypted with a new key
 *     disk_tool encrypt STORE PASSWORD FORMAT:PATH       its contents, by the key in the store
 *     disk_tool check FORMAT:PATH ...                    the last image's structure: errors and leaks
 * Images are given base first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/chain.h"
#include "storage/recrypt.h"

#define LINKS_MAX   2048
#define CHUNK_BYTES (1u << 20)

static struct vd *open_disk(char **words, int count, unsigned flags)
{
    static struct vd_link links[LINKS_MAX];
    g_autoptr(GError) error = NULL;

    for (int k = 0; k < count && k < LINKS_MAX; k++) {
        char *colon = strchr(words[k], ':');
        if (colon == NULL)
            return NULL;
        *colon = '\0';
        links[k] = (struct vd_link){words[k], colon + 1};
    }
    struct vd *vd = vd_open_chain(fio_system(), links, (size_t)count, flags, &error);
    if (vd == NULL)
        fprintf(stderr, "%s\n", error->message);
    return vd;
}

static int write_pieces(struct vd *vd, char **args)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)strtoul(args[0], NULL, 10));
    unsigned long count = strtoul(args[1], NULL, 10), bytes = strtoul(args[2], NULL, 10);
    g_autofree uint8_t *buf = g_malloc(bytes);
    int rc = 0;

    for (unsigned long k = 0; k < count && rc == 0; k++) {
        uint64_t places = vd_size_bytes(vd) / bytes;
        for (unsigned long n = 0; n < bytes; n++)
            buf[n] = (uint8_t)g_rand_int(rand);
        rc = vd_write(vd, (uint64_t)(g_rand_double(rand) * (double)places) * bytes, buf, bytes);
    }
    return rc != 0 ? rc : vd_flush(vd);
}

static int sum(struct vd *vd)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK_BYTES);
    GChecksum *c = g_checksum_new(G_CHECKSUM_SHA256);
    int rc = 0;

    for (uint64_t at = 0; at < vd_size_bytes(vd) && rc == 0; at += CHUNK_BYTES) {
        size_t n = (size_t)MIN(CHUNK_BYTES, vd_size_bytes(vd) - at);
        rc = vd_read(vd, at, buf, n);
        g_checksum_update(c, buf, (gssize)n);
    }
    printf("%s\n", g_checksum_get_string(c));
    g_checksum_free(c);
    return rc;
}

static int encrypt(char **args)
{
    const struct vd_lock plain = {NULL, NULL}, locked = {args[0], args[1]};
    g_autoptr(GError) error = NULL;
    char *colon = strchr(args[2], ':');
    struct vd_recrypt *r;

    if (colon == NULL)
        return 2;
    *colon = '\0';
    const struct vd_link image = {args[2], colon + 1};
    r = vd_recrypt(fio_system(), &image, 1, &plain, &locked, NULL, &error);
    if (r != NULL && vd_recrypt_commit(r, &error))
        return 0;
    fprintf(stderr, "%s\n", error->message);
    return 1;
}

static int check(struct vd *vd)
{
    struct vd_report report = {0};
    g_autoptr(GError) error = NULL;

    if (!vd_check(vd, &report, &error))
        fprintf(stderr, "%s\n", error->message);
    printf("%s%llu errors, %llu leaks\n", report.text->str, (unsigned long long)report.errors,
           (unsigned long long)report.leaks);
    g_string_free(report.text, TRUE);
    return report.errors != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "keystore") == 0) {
        g_autofree char *store = vd_keystore_new(argv[2], VD_AES_256, NULL);
        return store == NULL || puts(store) == EOF;
    }
    if (argc == 5 && strcmp(argv[1], "encrypt") == 0)
        return encrypt(argv + 2);
    bool writing = argc > 5 && strcmp(argv[1], "write") == 0;
    int first = writing ? 5 : 2;
    struct vd *vd = argc > first ? open_disk(argv + first, argc - first, writing ? 0 : VD_READ_ONLY) : NULL;

    if (vd == NULL)
        return 2;
    int rc = writing ? write_pieces(vd, argv + 2) : strcmp(argv[1], "sum") == 0 ? sum(vd) : check(vd);
    vd_close(vd);
    return rc != 0;
}

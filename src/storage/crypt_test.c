/*
 * crypt_test.c - a vector of IEEE 1619, key stores, wrong passwords, encrypted disks of every format.
 */
#include "storage/crypt.h"

#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/chain.h"
#include "storage/crypt_int.h"

#define SIZE (1u << 20)

static void test_store(void)
{
    for (int cipher = VD_AES_128; cipher <= VD_AES_256; cipher++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *store = vd_keystore_new("Correct horse", (enum vd_cipher)cipher, &error);
        g_autofree char *changed = NULL;
        struct disk_key a, b;

        g_assert_no_error(error);
        if (cipher == VD_AES_128) {
            g_assert_true(vd_keystore_check(store, "Correct horse", NULL));
            continue;
        }
        g_assert_false(vd_keystore_check(store, "correct horse", &error));
        g_assert_error(error, STATUS_ERROR, VERR_VD_PASSWORD_INCORRECT);
        changed = vd_keystore_change(store, "Correct horse", "battery", NULL);
        g_assert_true(keystore_open(store, "Correct horse", &a, NULL));
        g_assert_true(keystore_open(changed, "battery", &b, NULL));
        g_assert_cmpmem(a.key, 64, b.key, 64);
        g_assert_false(vd_keystore_check(changed, "Correct horse", NULL));
        g_assert_null(vd_keystore_change(store, "wrong", "battery", NULL));
    }
    g_assert_null(vd_keystore_new("", VD_AES_256, NULL));
}

/* Every field of the layout table damaged, and stores that are no stores. */
static void test_damaged_stores(void)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } rows[] = {{0, 0},   {4, 0x0200},       {6, 0x41414141}, {38, 0x41414141},  {70, 1u << 20}, {70, 0}, {106, 33},
                {142, 0}, {142, UINT32_MAX}, {178, 0},        {178, UINT32_MAX}, {182, 65},      {182, 0}};
    static const char *const texts[] = {"", "AAAA", "*", "U0NORQ=="};
    g_autofree char *store = vd_keystore_new("x", VD_AES_256, NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        gsize bytes = 0;
        g_autofree uint8_t *raw = g_base64_decode(store, &bytes);
        g_autofree char *bad = NULL;

        g_assert_cmpuint(bytes, ==, 250);
        put_le32(raw + rows[i].at, rows[i].value);
        bad = g_base64_encode(raw, bytes);
        g_assert_false(vd_keystore_check(bad, "x", NULL));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_assert_false(vd_keystore_check(texts[i], "x", NULL));
}

/* IEEE 1619-2007 annex B, vector 10: data unit FFh, plain text 00h, 01h, ... FFh twice. */
static void test_vector(void)
{
    static const uint8_t key[64] = {0x27, 0x18, 0x28, 0x18, 0x28, 0x45, 0x90, 0x45, 0x23, 0x53, 0x60, 0x28, 0x74,
                                    0x71, 0x35, 0x26, 0x62, 0x49, 0x77, 0x57, 0x24, 0x70, 0x93, 0x69, 0x99, 0x59,
                                    0x57, 0x49, 0x66, 0x96, 0x76, 0x27, 0x31, 0x41, 0x59, 0x26, 0x53, 0x58, 0x97,
                                    0x93, 0x23, 0x84, 0x62, 0x64, 0x33, 0x83, 0x27, 0x95, 0x02, 0x88, 0x41, 0x97,
                                    0x16, 0x93, 0x99, 0x37, 0x51, 0x05, 0x82, 0x09, 0x74, 0x94, 0x45, 0x92};
    static const uint8_t cipher[32] = {0x1c, 0x3b, 0x3a, 0x10, 0x2f, 0x77, 0x03, 0x86, 0xe4, 0x83, 0x6c,
                                       0x99, 0xe3, 0x70, 0xcf, 0x9b, 0xea, 0x00, 0x80, 0x3f, 0x5e, 0x48,
                                       0x23, 0x57, 0xa4, 0xae, 0x12, 0xd4, 0x14, 0xa3, 0xe6, 0x3b};
    struct disk_key k = {.cipher = VD_AES_256};
    struct fio_crash *disk = fio_crash_new();
    const struct vd_create args = {.format = "RAW", .path = "/d", .size_bytes = SIZE};
    g_autoptr(GBytes) file = NULL;
    uint8_t plain[512], got[512];
    struct vd *vd;

    memcpy(k.key, key, sizeof(key));
    for (unsigned i = 0; i < 512; i++)
        plain[i] = (uint8_t)i;
    g_assert_true(vd_create(fio_crash_io(disk), &args, NULL));
    vd = vd_open(fio_crash_io(disk), "RAW", "/d", 0, NULL);
    g_assert_true(crypt_set_key(vd, &k, NULL));
    g_assert_cmpint(vd_write(vd, 255 * 512, plain, 512), ==, 0);
    g_assert_cmpint(vd_read(vd, 255 * 512, got, 512), ==, 0);
    g_assert_cmpmem(got, 512, plain, 512);
    file = fio_crash_bytes(disk, "/d");
    g_assert_cmpmem((const uint8_t *)g_bytes_get_data(file, NULL) + 255 * 512, 32, cipher, 32);
    vd_close(vd);
    fio_crash_free(disk);
}

static void play(struct vd *vd, uint8_t *model, unsigned seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autofree uint8_t *buf = g_malloc(SIZE);

    for (unsigned i = 0; i < 40; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, SIZE);
        size_t want = (size_t)g_rand_int_range(rand, 1, 300000), n = MIN(want, SIZE - at);

        memset(model + at, g_rand_int_range(rand, 0, 256), n);
        g_assert_cmpint(vd_write(vd, at, model + at, n), ==, 0);
        g_assert_cmpint(vd_read(vd, 0, buf, SIZE), ==, 0);
        g_assert_cmpint(memcmp(buf, model, SIZE), ==, 0);
    }
}

/* Plain text with the key, none of it without; through a chain; never written reads as zeros. */
static void test_disks(void)
{
    static const char *const formats[] = {"VDI", "VHD"};
    static const char mark[] = "THE SECRET OF THE GUEST 16 TIMES";
    g_autofree char *store = vd_keystore_new("pw", VD_AES_256, NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        struct fio_crash *disk = fio_crash_new();
        const struct fio *io = fio_crash_io(disk);
        struct vd_create args = {.format = formats[i], .path = "/base", .size_bytes = SIZE, .block_bytes = 65536};
        const struct vd_link links[] = {{formats[i], "/base"}, {formats[i], "/child"}};
        g_autofree uint8_t *model = g_malloc0(SIZE), *buf = g_malloc(SIZE);
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) file = NULL;
        struct vd *vd;

        g_assert_true(vd_create(io, &args, &error));
        vd = vd_open(io, formats[i], "/base", 0, &error);
        if (i == 0) {
            g_assert_false(vd_unlock(vd, store, "PW", &error));
            g_assert_error(error, STATUS_ERROR, VERR_VD_PASSWORD_INCORRECT);
            g_assert_nonnull(strstr(error->message, "/base"));
            g_clear_error(&error);
        }
        g_assert_true(vd_unlock(vd, store, "pw", &error));
        g_assert_cmpint(vd_read(vd, 0, buf, SIZE), ==, 0);
        g_assert_cmpint(memcmp(buf, model, SIZE), ==, 0);
        play(vd, model, 1);
        memcpy(model + 5000, mark, sizeof(mark));
        g_assert_cmpint(vd_write(vd, 5000, mark, sizeof(mark)), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        args.path = "/child";
        args.parent = vd;
        g_assert_true(vd_create(io, &args, &error));
        vd_close(vd);
        file = fio_crash_bytes(disk, "/base");
        g_assert_null(memmem(g_bytes_get_data(file, NULL), g_bytes_get_size(file), mark, sizeof(mark) - 1));
        vd = vd_open_chain(io, links, 2, 0, &error);
        g_assert_no_error(error);
        g_assert_true(vd_unlock(vd, store, "pw", &error));
        g_assert_cmpint(vd_read(vd, 0, buf, SIZE), ==, 0);
        g_assert_cmpint(memcmp(buf, model, SIZE), ==, 0);
        play(vd, model, 2);
        vd_close(vd);
        fio_crash_free(disk);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crypt/vector", test_vector);
    g_test_add_func("/crypt/store", test_store);
    g_test_add_func("/crypt/damaged-stores", test_damaged_stores);
    g_test_add_func("/crypt/disks", test_disks);
    return g_test_run();
}

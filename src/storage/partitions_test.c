/*
 * partitions_test.c - damaged partition tables: what is read lies on the disk and does not overlap. (That good ones are
 * read as sfdisk wrote them: test/cli/internal_test.py.)
 */
#include "storage/partitions.h"

#include <string.h>

#include "rt/fio_shim.h"
#include "storage/bytes.h"

#define SECTORS 1400u
#define ROUNDS  100

static void put_entry(uint8_t *p, uint8_t type, uint32_t first, uint32_t sectors)
{
    p[4] = type;
    put_le32(p + 8, first);
    put_le32(p + 12, sectors);
}

static void put_magic(uint8_t *sector)
{
    sector[510] = 0x55;
    sector[511] = 0xaa;
}

/* One primary partition, one logical one, and a second behind it. */
static void make_mbr(uint8_t *disk)
{
    put_entry(disk + 0x1be, 0x83, 64, 64);
    put_entry(disk + 0x1ce, 0x05, 256, 1024);
    put_entry(disk + 256 * 512 + 0x1be, 0x83, 16, 32);
    put_entry(disk + 256 * 512 + 0x1ce, 0x05, 512, 64);
    put_entry(disk + 768 * 512 + 0x1be, 0x82, 16, 32);
    put_magic(disk);
    put_magic(disk + 256 * 512);
    put_magic(disk + 768 * 512);
}

static void make_gpt(uint8_t *disk)
{
    put_entry(disk + 0x1be, 0xee, 1, SECTORS - 1);
    put_magic(disk);
    memcpy(disk + 512, "EFI PART", 8);
    put_le64(disk + 512 + 48, SECTORS - 34);
    put_le64(disk + 512 + 72, 2);
    put_le32(disk + 512 + 80, 128);
    put_le32(disk + 512 + 84, 128);
    for (unsigned k = 0; k < 3; k++) {
        uint8_t *p = disk + 1024 + (size_t)k * 128;
        p[0] = 1;
        put_le64(p + 32, 64 + k * 100);
        put_le64(p + 40, 64 + k * 100 + 49);
    }
}

static void sane(const struct partitions *all)
{
    uint64_t end = 1;

    g_assert_cmpuint(all->count, <=, PARTITIONS_MAX);
    for (unsigned k = 0; k < all->count; k++) {
        g_assert_cmpuint(all->all[k].first_sector, >=, end);
        end = all->all[k].first_sector + all->all[k].sectors;
        g_assert_cmpuint(all->all[k].sectors, >, 0);
        g_assert_cmpuint(end, <=, SECTORS);
    }
}

static bool read_disk(const uint8_t *disk, struct partitions *ret)
{
    struct fio_crash *files = fio_crash_new();
    const struct fio *io = fio_crash_io(files);
    struct vd_create args = {.format = "RAW", .path = "/d", .size_bytes = SECTORS * 512};

    g_assert_true(vd_create(io, &args, NULL));
    struct vd *vd = vd_open(io, "RAW", "/d", 0, NULL);
    g_assert_nonnull(vd);
    g_assert_cmpint(vd_write(vd, 0, disk, SECTORS * 512), ==, 0);
    bool ok = partitions_read(vd, ret, NULL);
    vd_close(vd);
    fio_crash_free(files);
    return ok;
}

static void damage(gconstpointer make)
{
    g_autofree uint8_t *good = g_malloc0(SECTORS * 512), *disk = g_malloc(SECTORS * 512);
    g_autofree struct partitions *all = g_new0(struct partitions, 1);
    GRand *dice = g_rand_new_with_seed(7);
    static const unsigned tables[] = {0, 1, 2, 256, 768};
    unsigned refused = 0;

    ((void (*)(uint8_t *))(uintptr_t)make)(good);
    g_assert_true(read_disk(good, all));
    g_assert_cmpuint(all->count, ==, 3);
    sane(all);
    for (unsigned n = 0; n < ROUNDS; n++) {
        memcpy(disk, good, SECTORS * 512);
        for (unsigned k = 0; k < 4; k++) {
            unsigned sector = tables[g_rand_int_range(dice, 0, G_N_ELEMENTS(tables))];
            disk[sector * 512 + (unsigned)g_rand_int_range(dice, 0, 512)] = (uint8_t)g_rand_int(dice);
        }
        if (read_disk(disk, all))
            sane(all);
        else
            refused++;
    }
    g_rand_free(dice);
    g_assert_cmpuint(refused, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/partitions/mbr", (gconstpointer)(uintptr_t)make_mbr, damage);
    g_test_add_data_func("/partitions/gpt", (gconstpointer)(uintptr_t)make_gpt, damage);
    return g_test_run();
}

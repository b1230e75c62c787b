/*
 * floppy.c - see floppy.h. FAT12 with long names; files lie one after the other.
 *
 * Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03 (boot sector, FAT12 entries, long directory
 * entries). Invariant 1: what does not fit is refused before anything is written.
 */
#include "frontends/VBoxManage/unattended/floppy.h"

#include <string.h>

#include "frontends/VBoxManage/unattended/unattended.h"
#include "rt/fio.h"
#include "storage/fat.h"
#include "storage/vd.h"

#define FLOPPY_BYTES 1474560u
#define SECTOR       512u
#define ENTRY        32u
#define NAME_CHARS   13u /* of a long name in an entry */
#define ATTR_ARCHIVE 0x20
#define ATTR_LONG    0x0f
#define LAST_LONG    0x40
#define DATE_1980    0x0021 /* 1 January: the image depends on nothing but its contents */

/* Where things are; one sector a cluster on this size. */
struct volume {
    struct vd *vd;
    uint32_t fat_at, fat_bytes, fats, root_at, root_bytes, data_at, clusters;
    uint8_t *fat, *root;
    uint32_t entries, next; /* directory entries taken; the next free cluster */
};

static uint32_t get16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static void put16(uint8_t *p, uint32_t val)
{
    p[0] = (uint8_t)val;
    p[1] = (uint8_t)(val >> 8);
}

static bool volume_open(struct volume *v, struct vd *vd)
{
    uint8_t boot[SECTOR];

    *v = (struct volume){.vd = vd, .next = 2};
    if (vd_read(vd, 0, boot, sizeof boot) != 0 || boot[13] != 1)
        return false;
    v->fat_at = get16(boot + 14) * SECTOR;
    v->fats = boot[16];
    v->root_bytes = get16(boot + 17) * ENTRY;
    v->fat_bytes = get16(boot + 22) * SECTOR;
    v->root_at = v->fat_at + v->fats * v->fat_bytes;
    v->data_at = v->root_at + v->root_bytes;
    v->clusters = (FLOPPY_BYTES - v->data_at) / SECTOR + 2;
    v->fat = g_malloc(v->fat_bytes);
    v->root = g_malloc0(v->root_bytes);
    return vd_read(vd, v->fat_at, v->fat, v->fat_bytes) == 0;
}

/* ---- FAT and directory ---- */

static void fat_set(uint8_t *fat, uint32_t cluster, uint32_t val)
{
    uint8_t *p = fat + cluster + cluster / 2;

    if (cluster % 2 == 0)
        put16(p, (get16(p) & 0xf000) | val);
    else
        put16(p, (get16(p) & 0x000f) | val << 4);
}

static uint8_t alias_sum(const char *alias)
{
    uint8_t sum = 0;

    for (unsigned k = 0; k < 11; k++)
        sum = (uint8_t)((sum << 7 | sum >> 1) + (uint8_t)alias[k]);
    return sum;
}

/* The @part-th thirteen characters of the name, counted from 0. */
static void put_long(uint8_t *e, const struct floppy_file *f, unsigned part, bool last)
{
    static const uint8_t places[NAME_CHARS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    const size_t length = strlen(f->name);

    e[0] = (uint8_t)((part + 1) | (last ? LAST_LONG : 0));
    e[11] = ATTR_LONG;
    e[13] = alias_sum(f->alias);
    for (unsigned k = 0; k < NAME_CHARS; k++) {
        const size_t at = part * NAME_CHARS + k;
        put16(e + places[k], at < length ? (uint8_t)f->name[at] : at == length ? 0 : 0xffff);
    }
}

static void put_entry(struct volume *v, const struct floppy_file *f)
{
    const unsigned parts = (unsigned)(strlen(f->name) + NAME_CHARS - 1) / NAME_CHARS;
    const uint32_t bytes = (uint32_t)strlen(f->text);

    for (unsigned k = parts; k-- > 0;) /* the last part stands first */
        put_long(v->root + ENTRY * v->entries++, f, k, k == parts - 1);
    uint8_t *e = v->root + ENTRY * v->entries++;
    memcpy(e, f->alias, 11);
    e[11] = ATTR_ARCHIVE;
    put16(e + 16, DATE_1980);
    put16(e + 18, DATE_1980);
    put16(e + 24, DATE_1980);
    put16(e + 26, bytes > 0 ? v->next : 0);
    put16(e + 28, bytes);
    put16(e + 30, bytes >> 16);
}

static int put_file(struct volume *v, const struct floppy_file *f)
{
    const size_t bytes = strlen(f->text);
    const uint32_t clusters = (uint32_t)((bytes + SECTOR - 1) / SECTOR);
    const uint64_t at = v->data_at + (uint64_t)(v->next - 2) * SECTOR;

    put_entry(v, f);
    for (uint32_t k = 0; k < clusters; k++)
        fat_set(v->fat, v->next + k, k + 1 < clusters ? v->next + k + 1 : 0xfff);
    v->next += clusters;
    return bytes > 0 ? vd_write(v->vd, at, f->text, bytes) : 0;
}

/* inv 1 */
static bool fits(const struct volume *v, const struct floppy_file *files, unsigned count)
{
    size_t clusters = 2, entries = 0;

    for (unsigned k = 0; k < count; k++) {
        clusters += (strlen(files[k].text) + SECTOR - 1) / SECTOR;
        entries += 1 + (strlen(files[k].name) + NAME_CHARS - 1) / NAME_CHARS;
    }
    return clusters <= v->clusters && entries <= v->root_bytes / ENTRY;
}

static bool fill(struct vd *vd, const struct floppy_file *files, unsigned count)
{
    struct volume v;
    bool ok = volume_open(&v, vd) && fits(&v, files, count);

    for (unsigned k = 0; ok && k < count; k++)
        ok = put_file(&v, &files[k]) == 0;
    for (unsigned k = 0; ok && k < v.fats; k++)
        ok = vd_write(vd, v.fat_at + k * v.fat_bytes, v.fat, v.fat_bytes) == 0;
    ok = ok && vd_write(vd, v.root_at, v.root, v.root_bytes) == 0 && vd_flush(vd) == 0;
    g_free(v.fat);
    g_free(v.root);
    return ok;
}

bool floppy_write(const char *path, const struct floppy_file *files, unsigned count, GError **error)
{
    const struct vd_create args = {.format = "RAW", .path = path, .size_bytes = FLOPPY_BYTES, .fixed = true};

    if (!vd_create(fio_system(), &args, error))
        return false;
    struct vd *vd = vd_open(fio_system(), "RAW", path, 0, error);
    bool ok = vd != NULL && fat_format(vd, false, error);
    if (ok && !fill(vd, files, count)) {
        g_set_error(error, UNATTENDED_ERROR, 0, "The answers do not fit on the floppy '%s', or it cannot be written",
                    path);
        ok = false;
    }
    vd_close(vd);
    if (!ok)
        fio_system()->unlink(fio_system()->ctx, path);
    return ok;
}

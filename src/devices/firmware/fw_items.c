/*
 * fw_items.c - the list of items a firmware configuration device offers.
 *
 * Source: QEMU documentation, docs/specs/fw_cfg, "File directory" (entries big-endian, sorted by name).
 */
#include "devices/firmware/fw_items.h"

#include <string.h>

struct dir_entry {
    uint32_t size_be;
    uint16_t key_be, reserved;
    char name[FW_NAME_BYTES];
} __attribute__((packed));

static void item_clear(gpointer p)
{
    g_byte_array_unref(((struct fw_item *)p)->bytes);
}

void fw_items_init(struct fw_items *items)
{
    items->list = g_array_new(FALSE, TRUE, sizeof(struct fw_item));
    g_array_set_clear_func(items->list, item_clear);
}

void fw_items_fini(struct fw_items *items)
{
    g_clear_pointer(&items->list, g_array_unref);
}

static struct fw_item *add(struct fw_items *items, uint16_t key, const void *bytes, size_t size)
{
    struct fw_item item = {.key = key, .bytes = g_byte_array_new()};

    g_byte_array_append(item.bytes, bytes, (guint)size);
    g_array_append_val(items->list, item);
    return &g_array_index(items->list, struct fw_item, items->list->len - 1);
}

void fw_items_add(struct fw_items *items, uint16_t key, const void *bytes, size_t size)
{
    add(items, key, bytes, size);
}

void fw_items_add_le(struct fw_items *items, uint16_t key, uint64_t val, unsigned size)
{
    const uint64_t le = GUINT64_TO_LE(val);

    add(items, key, &le, size);
}

void fw_items_add_file(struct fw_items *items, const char *name, const void *bytes, size_t size)
{
    struct fw_item *item = add(items, 0, bytes, size);

    g_strlcpy(item->name, name, sizeof(item->name));
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(((const struct fw_item *)a)->name, ((const struct fw_item *)b)->name);
}

void fw_items_seal(struct fw_items *items)
{
    g_autoptr(GByteArray) dir = g_byte_array_new();
    uint32_t files = 0, files_be;

    g_byte_array_append(dir, (const guint8 *)"\0\0\0\0", 4);
    g_array_sort(items->list, by_name);
    for (guint i = 0; i < items->list->len; i++) {
        struct fw_item *item = &g_array_index(items->list, struct fw_item, i);
        struct dir_entry e = {0};

        if (!item->name[0])
            continue;
        item->key = (uint16_t)(FW_FILE_FIRST + files++);
        e.size_be = GUINT32_TO_BE(item->bytes->len);
        e.key_be = GUINT16_TO_BE(item->key);
        memcpy(e.name, item->name, sizeof(e.name));
        g_byte_array_append(dir, (const guint8 *)&e, sizeof(e));
    }
    files_be = GUINT32_TO_BE(files);
    memcpy(dir->data, &files_be, sizeof(files_be));
    add(items, FW_FILE_DIR, dir->data, dir->len);
}

struct fw_item *fw_items_find(struct fw_items *items, uint16_t key)
{
    for (guint i = 0; i < items->list->len; i++) {
        struct fw_item *item = &g_array_index(items->list, struct fw_item, i);

        if (item->key == key)
            return item;
    }
    return NULL;
}

struct fw_item *fw_items_find_file(struct fw_items *items, const char *name)
{
    for (guint i = 0; i < items->list->len; i++) {
        struct fw_item *item = &g_array_index(items->list, struct fw_item, i);

        if (strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

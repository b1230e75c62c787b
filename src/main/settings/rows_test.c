/*
 * rows_test.c - every row of every table: a model in which no field has its default is written and read back alike, and
 * is copied alike.
 *
 * The model is filled by walking the tables, so that a new row is tested without a line here; what checks forbid is set
 * right afterwards. Such a model needs the newest version; older layouts are for round_test.c and version_test.c.
 */
#include <string.h>

#include "main/settings/file_int.h"
#include "main/settings/global.h"
#include "main/settings/machine.h"
#include "main/settings/map_diff.h"
#include "main/settings/items.h"
#include "main/settings/map_rows.h"
#include "main/settings/tree.h"

struct filler {
    unsigned count; /* makes values different */
    unsigned rows;
};

static void fill(struct filler *f, const struct map_type *t, void *s);

static unsigned words(const char *const *names)
{
    unsigned n = 0;

    while (names[n] != NULL)
        n++;
    return n;
}

static void fill_attr(struct filler *f, const struct map_attr *a, void *s)
{
    g_autofree char *text = NULL;
    unsigned n = ++f->count;

    f->rows++;
    switch (a->kind) {
    case MAP_STR: text = g_strdup_printf("%s <&\"> %u \xc3\xa9", a->name, n); break;
    case MAP_UUID: text = g_strdup_printf("{%08x-0000-4000-8000-%012x}", n, n); break;
    case MAP_ENUM: map_set_number(a, s, (map_number(a, s) + 1 + n % 2) % words(a->names)); break;
    case MAP_BOOL:
    case MAP_BIT: map_set_number(a, s, !map_number(a, s)); break;
    case MAP_TIME: map_set_number(a, s, 1700000000 + n); break;
    case MAP_MIB:
    case MAP_U64: map_set_number(a, s, (int64_t)n << 20); break;
    default:
        map_set_number(a, s,
                       a->max != 0 ? a->min + (map_number(a, s) + 1 - a->min) % (a->max - a->min) : (int64_t)n + 100);
    }
    if (text != NULL)
        map_set_string(a, s, text);
}

static void fill_list(struct filler *f, const struct map_elem *e, GPtrArray *list)
{
    g_ptr_array_set_size(list, 0);
    for (unsigned k = 0; k < 3; k++) {
        void *item = map_new(e->type);
        fill(f, e->type, item);
        if (e->kind == ELEM_TREE)
            *(uint32_t *)item = k;
        g_ptr_array_add(list, item);
    }
}

static void fill(struct filler *f, const struct map_type *t, void *s)
{
    for (const struct map_attr *a = t->attrs; a != NULL && a->name != NULL; a++)
        fill_attr(f, a, s);
    for (const struct map_elem *e = t->elems; e != NULL && e->name != NULL; e++) {
        char *p = (char *)s + e->at;
        if (e->kind == ELEM_ONE) {
            fill(f, e->type, p);
            if (e->chosen)
                *(int *)(void *)((char *)s + e->choice) = (int)(f->count % 10);
        } else if (e->kind == ELEM_SLOTS) {
            for (unsigned k = 0; k < e->slots; k++)
                fill(f, e->type, p + k * e->type->size);
        } else {
            fill_list(f, e, *(GPtrArray **)(void *)p);
        }
        if (e->flags & ELEM_SORTED)
            g_ptr_array_sort(*(GPtrArray **)(void *)p, map_by_name);
    }
}

/* What the file has no words for, or checks refuse. */
static void set_right(struct settings_hardware *h)
{
    for (guint k = 0; k < h->controllers->len; k++) {
        struct settings_controller *c = h->controllers->pdata[k];
        c->type = k == 0 ? CONTROLLER_AHCI : CONTROLLER_PIIX4;
        for (guint n = 0; n < c->attachments->len; n++) {
            struct settings_attachment *a = c->attachments->pdata[n];
            a->kind = n == 0 ? DEVICE_DVD : DEVICE_HARD_DISK;
            a->passthrough = n == 0;
            a->port = n;
        }
    }
    for (unsigned k = 0; k < SETTINGS_UARTS; k++)
        h->uart[k].mode = UART_TCP;
    for (guint k = 0; k < h->controllers->len; k++)
        ((struct settings_controller *)h->controllers->pdata[k])->line = 0;
}

static void again_equal(enum settings_kind kind, const struct map_type *t, const struct settings_file *f,
                        const void *model)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *bad = map_check(t, model, "model");
    struct settings_file again = {0};
    void *second = g_malloc0(t->size), *copy = g_malloc0(t->size);

    g_assert_cmpstr(bad, ==, NULL);
    g_autofree char *text = file_text(f, kind, model, NULL);
    file_init(&again, fio_system(), f->path);
    file_parse(&again, kind, text, strlen(text), second, &error);
    g_assert_no_error(error);
    g_autofree char *twice = file_text(&again, kind, second, NULL);
    g_assert_cmpstr(text, ==, twice);
    g_autofree char *differs = map_difference(t, model, second);
    g_assert_cmpstr(differs, ==, NULL);
    g_assert_true(map_equal(t, model, second));
    map_copy(t, copy, model);
    g_assert_true(map_equal(t, model, copy));
    file_fini(&again);
    map_free(t, copy);
    map_free(t, second);
}

static void test_machine(void)
{
    struct filler f = {0};
    struct settings_machine *m = settings_machine_new(fio_system(), "/x/vm.vbox", NULL, NULL, NULL);

    fill(&f, &map_machine, m);
    set_right(&m->hardware);
    for (guint k = 0; k < m->snapshots->len; k++)
        set_right(&((struct settings_snapshot *)m->snapshots->pdata[k])->hardware);
    g_free(m->current_snapshot);
    m->current_snapshot = g_strdup(((struct settings_snapshot *)m->snapshots->pdata[1])->uuid);
    again_equal(SETTINGS_MACHINE, &map_machine, &m->file, m);
    g_test_message("%u values", f.rows);
    g_assert_cmpuint(f.rows, >, 1000);
    settings_machine_free(m);
}

/* What a snapshot takes and gives back: everything both have. */
static void test_snapshot(void)
{
    struct filler f = {0};
    struct settings_machine *m = settings_machine_new(fio_system(), "/x/vm.vbox", NULL, NULL, NULL);
    struct settings_machine *n = settings_machine_new(fio_system(), "/x/vm.vbox", NULL, NULL, NULL);
    struct settings_snapshot *s = settings_snapshot_new(), *t = settings_snapshot_new();

    fill(&f, &map_machine, m);
    settings_snapshot_take(s, m);
    settings_snapshot_restore(n, s);
    settings_snapshot_take(t, n);
    g_autofree char *differs = map_difference(&map_snapshot, s, t);
    g_assert_cmpstr(differs, ==, NULL);
    g_assert_cmpuint(n->hardware.controllers->len, ==, m->hardware.controllers->len);
    differs = map_difference(&map_hardware, &m->hardware, &n->hardware);
    g_assert_cmpstr(differs, ==, NULL);
    g_assert_true(map_equal(&map_controllers, &m->hardware, &n->hardware));
    g_assert_true(map_equal(&map_platform, &m->hardware, &n->hardware));
    settings_snapshot_free(s);
    settings_snapshot_free(t);
    settings_machine_free(m);
    settings_machine_free(n);
}

static void test_global(void)
{
    struct filler f = {0};
    struct settings_global *g = settings_global_new(fio_system(), "/x/VirtualBox.xml");

    fill(&f, &map_global, g);
    g_ptr_array_set_size(g->shared_folders, 0); /* 1.21 */
    again_equal(SETTINGS_GLOBAL, &map_global, &g->file, g);
    settings_global_free(g);
}

/* Defaults are what an empty file says, in the newest version. */
static void test_defaults(void)
{
    g_autoptr(GError) error = NULL;
    static const char text[] = "<VirtualBox version=\"1.20\"><Machine uuid=\"{01234567-89ab-cdef-0123-456789abcdef}\" "
                               "name=\"vm\"><Hardware><Memory RAMSize=\"128\"/></Hardware></Machine></VirtualBox>";
    struct settings_machine *m = g_new0(struct settings_machine, 1);
    struct settings_hardware fresh = {0};

    file_init(&m->file, fio_system(), "/x/vm.vbox");
    file_parse(&m->file, SETTINGS_MACHINE, text, strlen(text), m, &error);
    g_assert_no_error(error);
    map_init(&map_hardware, &fresh, SETTINGS_NEWEST);
    map_init(&map_platform, &fresh, SETTINGS_NEWEST);
    g_assert_true(map_equal(&map_hardware, &fresh, &m->hardware));
    map_clear(&map_hardware, &fresh);
    settings_machine_free(m);
}

/* ---- trees ---- */

struct leaf {
    uint32_t depth;
    char name;
};

static void test_tree(void)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    static const struct {
        char parent, name;
    } order[] = {{0, 'a'}, {'a', 'b'}, {'a', 'c'}, {'b', 'd'}, {'c', 'e'}, {0, 'f'}};

    for (unsigned k = 0; k < G_N_ELEMENTS(order); k++) {
        struct leaf *leaf = g_new0(struct leaf, 1);
        guint parent = SETTINGS_NO_PARENT;
        for (guint n = 0; order[k].parent != 0 && n < list->len; n++)
            if (((struct leaf *)list->pdata[n])->name == order[k].parent)
                parent = n;
        leaf->name = order[k].name;
        settings_tree_add(list, parent, leaf);
    }
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint k = 0; k < list->len; k++)
        g_string_append_printf(text, "%c%u", ((struct leaf *)list->pdata[k])->name,
                               ((struct leaf *)list->pdata[k])->depth);
    g_assert_cmpstr(text->str, ==, "a0b1d2c1e2f0");
    g_assert_cmpuint(settings_tree_parent(list, 4), ==, 3);
    g_assert_cmpuint(settings_tree_parent(list, 5), ==, SETTINGS_NO_PARENT);
    g_assert_cmpuint(settings_tree_end(list, 0), ==, 5);
    settings_tree_remove(list, 1);
    g_assert_cmpuint(settings_tree_parent(list, 1), ==, 0); /* d is a child of a now */
    g_assert_true(settings_tree_valid(list));
    ((struct leaf *)list->pdata[0])->depth = 1;
    g_assert_false(settings_tree_valid(list));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/rows/machine", test_machine);
    g_test_add_func("/settings/rows/snapshot", test_snapshot);
    g_test_add_func("/settings/rows/global", test_global);
    g_test_add_func("/settings/rows/defaults", test_defaults);
    g_test_add_func("/settings/rows/tree", test_tree);
    return g_test_run();
}

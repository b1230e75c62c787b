/*
 * starve_test.c - memory runs out while a state is saved (A6): the save ends with an error or like a kill, and the old
 * state or the new one is there, whole.
 *
 * What the size of the machine decides fails with an error: a machine that cannot be saved runs on. With -m slow every
 * allocation fails, not a sample.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/fio_memory.h"
#include "rt/starve.h"
#include "vmm/ssm/memory.h"

#define CONFIG "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PATH   "starve.sav"
#define BYTES  (4 * SSM_CHUNK_BYTES)
#define BIG    (128u << 10) /* what the machine's size decides, and buffers */

struct machine {
    uint8_t *memory;
    uint8_t mark; /* of the state that is written */
};

/* What a device has besides registers: VRAM may be a quarter of a gigabyte. */
static bool save_device(const struct machine *m, struct ssm_out *out, GError **error)
{
    struct ssm_writer w;
    bool ok;

    ssm_writer_init(&w);
    ssm_put_u32(&w, 4711);
    ssm_put_pages(&w, m->memory, BYTES);
    ok = ssm_out_written(out, "vga", 0, 1, &w, error);
    ssm_writer_fini(&w);
    return ok;
}

static bool save_to(const struct machine *m, const struct fio *io, GError **error)
{
    struct ssm_out *out = ssm_out_new(io, PATH, CONFIG, error);

    if (!out)
        return false;
    if (ssm_out_unit(out, "mark", 0, 1, &m->mark, 1, error) &&
        ssm_out_memory(out, "ram", m->memory, BYTES, -1, error) && save_device(m, out, error))
        return ssm_out_commit(out, error);
    ssm_out_abandon(out);
    return false;
}

static bool save(void *ctx, GError **error)
{
    return save_to(ctx, fio_system(), error);
}

/* As it goes to another process. */
static bool save_in_memory(void *ctx, GError **error)
{
    struct fio_memory file;
    bool ok;

    fio_memory_init(&file, NULL, 0);
    ok = save_to(ctx, &file.io, error);
    g_bytes_unref(fio_memory_fini(&file));
    return ok;
}

/* The mark of the state there is; it is verified whole when it is opened. */
static uint8_t mark_there(void)
{
    g_autoptr(GError) error = NULL;
    struct ssm_in *in = ssm_in_open(fio_system(), PATH, CONFIG, &error);
    struct ssm_unit u;
    uint8_t mark;

    g_assert_no_error(error);
    g_assert_cmpint(ssm_in_next(in, &u, NULL), ==, SSM_NEXT_UNIT);
    g_assert_true(ssm_in_read(in, &u, NULL));
    mark = u.bytes[0];
    ssm_in_close(in);
    return mark;
}

static bool hits(struct machine *m, const struct starve *s, unsigned ends[3])
{
    g_autofree char *what = g_strdup_printf("allocation %u of %zu bytes and more%s", s->fail_at, s->min_bytes,
                                            s->for_ever ? " and all behind it" : "");
    enum starve_end end;
    uint8_t there;
    bool hit;

    m->mark = 1;
    g_assert_true(save(m, NULL));
    m->mark = 2;
    end = starve_run(s, save, m, &hit);
    if (s->min_bytes && end == STARVE_DIED)
        g_error("%s: it died", what);
    there = mark_there();
    if (end == STARVE_DIED ? there != 1 && there != 2
                           : there != (end == STARVE_DONE ? 2 : 1)) /* it may die behind it */
        g_error("%s: state %u, and it ended with %d", what, there, (int)end);
    if (end != STARVE_DIED && g_file_test(PATH ".new", G_FILE_TEST_EXISTS))
        g_error("%s: the unfinished state was left", what);
    g_unlink(PATH ".new");
    ends[end]++;
    return hit;
}

static void test_save(void)
{
    struct machine m = {.memory = g_malloc0(BYTES)};
    unsigned ends[3] = {0};

    memset(m.memory, 7, BYTES / 2);
    for (unsigned kind = 0; kind < 4; kind++) {
        struct starve s = {.fail_at = 1, .min_bytes = kind < 2 ? 0 : BIG, .for_ever = kind % 2};
        const unsigned step = g_test_slow() || s.min_bytes ? 1 : 3;

        while (hits(&m, &s, ends))
            s.fail_at += step;
    }
    g_test_message("%u done all the same, %u refused, %u died", ends[STARVE_DONE], ends[STARVE_REFUSED],
                   ends[STARVE_DIED]);
    g_assert_cmpuint(ends[STARVE_REFUSED], >, 0);
    g_free(m.memory);
}

static void test_in_memory(void)
{
    struct machine m = {.memory = g_malloc(BYTES), .mark = 1};
    unsigned ends[3] = {0};

    memset(m.memory, 7, BYTES);
    for (unsigned kind = 0; kind < 2; kind++) {
        struct starve s = {.fail_at = 1, .min_bytes = BIG, .for_ever = kind};

        for (bool hit = true; hit; s.fail_at++)
            ends[starve_run(&s, save_in_memory, &m, &hit)]++;
    }
    g_assert_cmpuint(ends[STARVE_DIED], ==, 0);
    g_assert_cmpuint(ends[STARVE_REFUSED], >, 0);
    g_free(m.memory);
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("starve-XXXXXX", NULL);
    int rc;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(chdir(folder), ==, 0);
    g_test_add_func("/ssm/starve/save", test_save);
    g_test_add_func("/ssm/starve/in-memory", test_in_memory);
    rc = g_test_run();
    g_unlink(PATH);
    g_assert_cmpint(chdir("/"), ==, 0);
    g_rmdir(folder);
    return rc;
}

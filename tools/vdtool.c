/*
 * vdtool.c - developer's tool: disk images by hand and by script.
 *
 *     vdtool create  FORMAT FILE BYTES [LAYOUT]            vdtool convert FORMAT FILE FORMAT FILE [LAYOUT]
 *     vdtool info    FORMAT FILE                           vdtool stdin   BYTES FORMAT FILE [LAYOUT]
 *     vdtool check   FORMAT FILE                           vdtool child   FORMAT PARENT... CHILD
 *     vdtool resize  FORMAT FILE BYTES                     vdtool merge   FORMAT FROM TO FILE...
 *     vdtool compact FORMAT FILE                           vdtool time    FORMAT FILE
 *
 * LAYOUT: fixed, split, split-fixed, stream, esx. Files of a chain are given base first. "time" prints milliseconds
 * that opening takes. Exit status: 0 done, 1 failed, 2 usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/chain.h"
#include "storage/copy.h"
#include "storage/merge.h"

#define MAX_FILES 64

static bool take_layout(const char *word, struct vd_create *args)
{
    static const struct {
        const char *word;
        bool fixed;
        enum vd_layout layout;
    } rows[] = {{"fixed", true, VD_PLAIN},
                {"split", false, VD_SPLIT_2G},
                {"split-fixed", true, VD_SPLIT_2G},
                {"stream", false, VD_STREAM},
                {"esx", false, VD_ESX}};

    if (!word)
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (strcmp(rows[i].word, word) == 0) {
            args->fixed = rows[i].fixed;
            args->layout = rows[i].layout;
            return true;
        }
    return false;
}

static struct vd *open_files(const char *format, char **files, int n, unsigned flags, GError **error)
{
    struct vd_link links[MAX_FILES];

    for (int i = 0; i < n && i < MAX_FILES; i++)
        links[i] = (struct vd_link){format, files[i]};
    return vd_open_chain(fio_system(), links, (size_t)MIN(n, MAX_FILES), flags, error);
}

static bool do_create(char **a, int n, GError **error)
{
    struct vd_create args = {.format = a[0], .path = a[1], .size_bytes = strtoull(a[2], NULL, 0)};

    return take_layout(n > 3 ? a[3] : NULL, &args) && vd_create(fio_system(), &args, error);
}

static bool do_convert(char **a, int n, GError **error)
{
    struct vd_create args = {.format = a[2], .path = a[3]};
    struct vd *from = vd_open(fio_system(), a[0], a[1], VD_READ_ONLY, error);
    bool ok = from && take_layout(n > 4 ? a[4] : NULL, &args) && vd_copy(from, fio_system(), &args, NULL, error);

    vd_close(from);
    return ok;
}

static bool do_stdin(char **a, int n, GError **error)
{
    struct vd_create args = {.format = a[1], .path = a[2], .size_bytes = strtoull(a[0], NULL, 0)};

    return take_layout(n > 3 ? a[3] : NULL, &args) && vd_copy_stream(0, fio_system(), &args, NULL, error);
}

static bool do_child(char **a, int n, GError **error)
{
    struct vd_create args = {.format = a[0], .path = a[n - 1]};
    bool ok;

    args.parent = open_files(a[0], a + 1, n - 2, VD_READ_ONLY, error);
    ok = args.parent && vd_create(fio_system(), &args, error);
    vd_close(args.parent);
    return ok;
}

static bool do_merge(char **a, int n, GError **error)
{
    struct vd *vd = open_files(a[0], a + 3, n - 3, 0, error);
    bool ok = vd && vd_merge_run(vd, strtoul(a[1], NULL, 0), strtoul(a[2], NULL, 0), NULL, error);

    vd_close(vd);
    return ok;
}

static bool do_resize(char **a, int n, GError **error)
{
    struct vd *vd = vd_open(fio_system(), a[0], a[1], VD_ALONE, error);
    bool ok = vd && vd_resize(vd, strtoull(a[2], NULL, 0), error);

    (void)n;
    vd_close(vd);
    return ok;
}

static bool do_compact(char **a, int n, GError **error)
{
    struct vd *vd = vd_open(fio_system(), a[0], a[1], VD_ALONE, error);
    bool ok = vd && vd_compact(vd, NULL, error);

    (void)n;
    vd_close(vd);
    return ok;
}

static bool do_check(char **a, int n, GError **error)
{
    struct vd *vd = vd_open(fio_system(), a[0], a[1], VD_ALONE | VD_READ_ONLY, error);
    struct vd_report r = {};
    bool ok = vd && vd_check(vd, &r, error);

    (void)n;
    if (ok)
        printf("%serrors: %llu, leaks: %llu\n", r.text->str, (unsigned long long)r.errors, (unsigned long long)r.leaks);
    if (r.text)
        g_string_free(r.text, TRUE);
    vd_close(vd);
    return ok && r.errors == 0;
}

static bool do_info(char **a, int n, GError **error)
{
    struct vd *vd = vd_open(fio_system(), a[0], a[1], VD_ALONE | VD_READ_ONLY, error);
    uint8_t uuid[VD_UUID_BYTES];

    (void)n;
    if (!vd)
        return false;
    printf("size: %llu\n", (unsigned long long)vd_size_bytes(vd));
    if (vd_uuid(vd, uuid)) {
        printf("uuid: ");
        for (int i = 0; i < VD_UUID_BYTES; i++)
            printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
        printf("\n");
    }
    if (vd_parent_hint(vd))
        printf("parent: %s\n", vd_parent_hint(vd));
    vd_close(vd);
    return true;
}

static bool do_time(char **a, int n, GError **error)
{
    gint64 started = g_get_monotonic_time();
    struct vd *vd = vd_open(fio_system(), a[0], a[1], VD_ALONE, error);

    (void)n;
    if (vd)
        printf("%.3f\n", (double)(g_get_monotonic_time() - started) / 1000);
    vd_close(vd);
    return vd != NULL;
}

static const struct {
    const char *word;
    int least, most;
    bool (*run)(char **args, int n, GError **error);
} commands[] = {
    {"create", 3, 4, do_create},       {"convert", 4, 5, do_convert},     {"stdin", 3, 4, do_stdin},
    {"child", 3, MAX_FILES, do_child}, {"merge", 5, MAX_FILES, do_merge}, {"resize", 3, 3, do_resize},
    {"compact", 2, 2, do_compact},     {"check", 2, 2, do_check},         {"info", 2, 2, do_info},
    {"time", 2, 2, do_time},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(GError) error = NULL;

        if (strcmp(commands[i].word, argv[1]) != 0 || argc - 2 < commands[i].least || argc - 2 > commands[i].most)
            continue;
        if (commands[i].run(argv + 2, argc - 2, &error))
            return 0;
        fprintf(stderr, "vdtool: %s\n", error ? error->message : "failed; see the words of the file's head");
        return 1;
    }
    fprintf(stderr, "usage: vdtool create|convert|stdin|child|merge|resize|compact|check|info|time ...\n");
    return 2;
}

/*
 * picture.c - a jail and what is around it as text, from /proc and by reading its memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rig.h"

static void add_file(GString *to, const char *path)
{
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        g_string_append_printf(to, "%s:\n%s\n", path, text);
    else
        g_string_append_printf(to, "%s: cannot be read\n", path);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All entries of a folder, sorted, with what they lead to if they are links. */
static void add_folder(GString *to, const char *path)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *full = g_build_filename(path, name, NULL), *target = g_file_read_link(full, NULL);
        g_ptr_array_add(lines, g_strdup_printf("%s/%s %s\n", path, name, target != NULL ? target : ""));
    }
    g_ptr_array_sort(lines, by_text);
    for (unsigned n = 0; n < lines->len; n++)
        g_string_append(to, lines->pdata[n]);
}

/* Lines of /proc/.../status that stand still unless somebody makes a system call. */
static void add_status(GString *to, const char *path)
{
    static const char *const kept[] = {"Name",
                                       "Umask",
                                       "Tgid",
                                       "Pid",
                                       "PPid",
                                       "TracerPid",
                                       "Uid",
                                       "Gid",
                                       "FDSize",
                                       "Groups",
                                       "NStgid",
                                       "VmSize",
                                       "VmLck",
                                       "VmPin",
                                       "VmStk",
                                       "VmExe",
                                       "VmLib",
                                       "CoreDumping",
                                       "Threads",
                                       "SigPnd",
                                       "ShdPnd",
                                       "SigBlk",
                                       "SigIgn",
                                       "SigCgt",
                                       "CapInh",
                                       "CapPrm",
                                       "CapEff",
                                       "CapBnd",
                                       "CapAmb",
                                       "NoNewPrivs",
                                       "Seccomp",
                                       "Seccomp_filters",
                                       "Speculation_Store_Bypass"};
    g_autofree char *text = NULL;

    g_string_append_printf(to, "%s:\n", path);
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    for (unsigned n = 0; lines[n] != NULL; n++) {
        const size_t length = strcspn(lines[n], ":");
        for (unsigned k = 0; k < G_N_ELEMENTS(kept); k++)
            if (strlen(kept[k]) == length && memcmp(lines[n], kept[k], length) == 0)
                g_string_append_printf(to, "%s\n", lines[n]);
    }
}

/* Priority, nice value, threads; signals; real-time priority, policy: fields of stat(5) a call would change. */
static void add_stat(GString *to, const char *path)
{
    static const unsigned kept[] = {4, 5, 6, 18, 19, 20, 22, 38, 40, 41};
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL) || strrchr(text, ')') == NULL)
        return;
    g_auto(GStrv) fields = g_strsplit(strrchr(text, ')') + 2, " ", 0);
    g_string_append_printf(to, "%s:", path);
    for (unsigned n = 0; n < G_N_ELEMENTS(kept); n++)
        if (g_strv_length(fields) > kept[n] - 3)
            g_string_append_printf(to, " %s", fields[kept[n] - 3]);
    g_string_append_c(to, '\n');
}

static void add_thread(GString *to, pid_t pid, pid_t thread)
{
    g_autofree char *base = g_strdup_printf("/proc/%d/task/%d", pid, thread);
    static const char *const whole[] = {"maps", "limits", "children", "comm", "personality", "cgroup", "io"};

    for (unsigned n = 0; n < G_N_ELEMENTS(whole); n++) {
        g_autofree char *path = g_build_filename(base, whole[n], NULL);
        add_file(to, path);
    }
    g_autofree char *status = g_build_filename(base, "status", NULL), *stat = g_build_filename(base, "stat", NULL),
                    *fd = g_build_filename(base, "fd", NULL), *ns = g_build_filename(base, "ns", NULL);
    add_status(to, status);
    add_stat(to, stat);
    add_folder(to, fd);
    add_folder(to, ns);
}

/* The mapper thread stands where its owner has left it. */
static void add_mapper(GString *to, const struct rig *r)
{
    struct user_regs_struct regs;
    const uint64_t *words = (const uint64_t *)(const void *)&regs;
    g_autofree char *path = g_strdup_printf("/proc/%d/syscall", jail_pid(r->jail));

    add_file(to, path);
    if (ptrace(PTRACE_GETREGS, jail_pid(r->jail), NULL, &regs) != 0) {
        g_string_append(to, "the mapper thread cannot be looked at\n");
        return;
    }
    g_string_append(to, "mapper:");
    for (unsigned n = 0; n < sizeof regs / sizeof *words; n++)
        g_string_append_printf(to, " %" G_GINT64_MODIFIER "x", words[n]);
    g_string_append_c(to, '\n');
}

static void add_sum(GString *to, const char *name, const void *bytes, size_t size)
{
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA1, bytes, size);

    g_string_append_printf(to, "%s: %s\n", name, sum);
}

static void add_memory(GString *to, const struct rig *r)
{
    static uint8_t stub[JAIL_STUB_BYTES];
    const struct iovec here = {stub, sizeof stub},
                       there = {(void *)(uintptr_t)jail_stub(r->jail), sizeof stub}; /* NOLINT: an address in there */

    if (process_vm_readv(jail_pid(r->jail), &here, 1, &there, 1, 0) != (ssize_t)sizeof stub)
        g_string_append_printf(to, "stub: cannot be read: %s\n", g_strerror(errno));
    else
        add_sum(to, "stub", stub, sizeof stub);
    add_sum(to, "memory of nobody", r->ram.hva + 4 * JAIL_PAGE_BYTES, (RIG_PAGES - 4) * JAIL_PAGE_BYTES);
}

static void add_canaries(GString *to, const struct rig *r)
{
    g_autofree char *stat = g_strdup_printf("/proc/%d/stat", r->canary);
    struct stat s;

    add_stat(to, stat);
    g_string_append_printf(to, "signals: %u\n", __atomic_load_n(r->canary_signals, __ATOMIC_SEQ_CST));
    add_file(to, r->canary_file);
    if (lstat(r->canary_file, &s) == 0)
        g_string_append_printf(to, "mode %o, owner %u, size %lld, changed %lld.%ld\n", s.st_mode, s.st_uid,
                               (long long)s.st_size, (long long)s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

char *rig_picture(const struct rig *r)
{
    GString *to = g_string_new(NULL);
    const pid_t pid = jail_pid(r->jail);
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", pid);

    add_folder(to, tasks);
    add_thread(to, pid, pid);
    add_thread(to, pid, jail_thread(r->jail));
    add_mapper(to, r);
    add_memory(to, r);
    add_canaries(to, r);
    add_folder(to, "/proc/self/task");
    add_file(to, "/proc/thread-self/children");
    return g_string_free(to, FALSE);
}

char *rig_difference(const char *before, const char *after)
{
    g_auto(GStrv) a = g_strsplit(before, "\n", 0), b = g_strsplit(after, "\n", 0);

    if (strcmp(before, after) == 0)
        return NULL;
    for (unsigned n = 0; a[n] != NULL && b[n] != NULL; n++)
        if (strcmp(a[n], b[n]) != 0)
            return g_strdup_printf("was: %s\nis:  %s", a[n], b[n]);
    return g_strdup("lines more or less");
}

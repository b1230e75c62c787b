/*
 * place.c - see place.h. The only file that reads the environment for directories.
 */
#include "client/place.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/api/api.h"

#define SOCKET_PATH_MAX 107u /* sun_path */
#define HASH_DIGITS     16
#define POLL_US         5000u

static char *find_home(void)
{
    const char *set = g_getenv("VBOX_USER_HOME");

    if (set != NULL && *set != '\0')
        return g_canonicalize_filename(set, NULL);
    g_autofree char *old = g_build_filename(g_get_home_dir(), ".VirtualBox", NULL);
    if (g_file_test(old, G_FILE_TEST_IS_DIR))
        return g_steal_pointer(&old);
    return g_build_filename(g_get_user_config_dir(), "VirtualBox", NULL);
}

static bool make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0700) == 0)
        return true;
    return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the directory '%s': %s", path, g_strerror(errno));
}

/* A runtime directory others could write to is no place for a socket. */
static bool private_folder(const char *path, GError **error)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid() && (st.st_mode & 022) == 0)
        return true;
    return api_fail(error, E_ACCESSDENIED,
                    "The directory '%s' does not belong to you alone; remove it or set XDG_RUNTIME_DIR", path);
}

static char *runtime_of(const char *home)
{
    const char *dir = g_getenv("XDG_RUNTIME_DIR");
    char *real = realpath(home, NULL);
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, real != NULL ? real : home, -1);

    free(real);
    hash[HASH_DIGITS] = '\0';
    if (dir != NULL && g_path_is_absolute(dir))
        return g_build_filename(dir, "ringbox", hash, NULL);
    return g_build_filename(home, ".run", NULL);
}

bool place_find(struct place *p, GError **error)
{
    p->home = find_home();
    if (!make_folder(p->home, error))
        return false;
    p->runtime = runtime_of(p->home);
    if (!make_folder(p->runtime, error) || !private_folder(p->runtime, error))
        return false;
    p->socket = g_build_filename(p->runtime, "svc.sock", NULL);
    p->service_lock = g_build_filename(p->runtime, "svc.lock", NULL);
    p->start_lock = g_build_filename(p->runtime, "start.lock", NULL);
    /* the longest name there is that of a machine's socket */
    if (strlen(p->runtime) + strlen("/vm-.sock") + API_UUID_SIZE > SOCKET_PATH_MAX)
        return api_fail(error, VBOX_E_FILE_ERROR,
                        "The path '%s' is too long for sockets; set XDG_RUNTIME_DIR to a shorter directory",
                        p->runtime);
    return true;
}

void place_fini(struct place *p)
{
    g_free(p->home);
    g_free(p->runtime);
    g_free(p->socket);
    g_free(p->service_lock);
    g_free(p->start_lock);
    *p = (struct place){0};
}

/* Is @fd still the file at @path? Its last holder may have removed it while we waited. */
static bool still_there(const char *path, int fd)
{
    struct stat here, there;

    return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

int place_lock(const char *path, unsigned wait_ms, GError **error)
{
    gint64 end_us = g_get_monotonic_time() + (gint64)wait_ms * 1000;

    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            api_fail(error, VBOX_E_FILE_ERROR, "Could not open the lock '%s': %s", path, g_strerror(errno));
            return -1;
        }
        bool held = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (held && still_there(path, fd))
            return fd;
        close(fd);
        if (!held && g_get_monotonic_time() >= end_us) {
            api_fail(error, VBOX_E_TIMEOUT, "The lock '%s' is held by another process", path);
            return -1;
        }
        if (!held)
            g_usleep(POLL_US);
    }
}

void place_unlock(const char *path, int fd)
{
    if (fd < 0)
        return;
    g_unlink(path);
    close(fd);
}

char *place_program(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self != NULL ? g_path_get_dirname(self) : NULL;
    g_autofree char *beside = folder != NULL ? g_build_filename(folder, name, NULL) : NULL;

    if (beside != NULL && g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
        return g_steal_pointer(&beside);
    char *found = g_find_program_in_path(name);
    return found != NULL ? found : g_strdup(name);
}

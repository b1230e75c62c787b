/*
 * logs.c - IMachine: the machine's log files, named and read by their number (0: VBox.log, 1: VBox.log.1 ...).
 *
 * The folder is the user's, and what lies in it may be anything: only a plain file is opened, a link or a pipe is not,
 * and one answer has at most CHUNK_BYTES, so that a large log does not hold the service's one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/server/machine/machine.h"
#include "rt/status.h"

#define CHUNK_BYTES ((gsize)512 << 10)

static char *log_path(const struct machine *m, guint32 number)
{
    g_autofree char *folder = machine_log_folder(m);
    g_autofree char *name = number == 0 ? g_strdup("VBox.log") : g_strdup_printf("VBox.log.%u", number);

    return g_build_filename(folder, name, NULL);
}

/* Return: a descriptor, or -1 with errno. */
static int open_plain(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        errno = ENOENT;
        return -1;
    }
    return fd;
}

bool machine_query_log(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    guint32 number;

    (void)error;
    g_variant_get(call->args, "(u)", &number);
    g_autofree char *path = log_path(p->machine, number);
    int fd = open_plain(path);
    if (fd >= 0)
        close(fd);
    *ret = g_variant_new("(s)", fd >= 0 ? path : "");
    return true;
}

static bool failed(const char *what, const char *path, GError **error)
{
    return api_fail(error, VBOX_E_IPRT_ERROR, "Could not %s log file '%s' (%s)", what, path,
                    status_name(status_from_errno(errno)));
}

bool machine_read_log(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    guint32 number;
    gint64 offset_bytes, wanted_bytes;

    g_variant_get(call->args, "(uxx)", &number, &offset_bytes, &wanted_bytes);
    if (wanted_bytes < 0)
        return api_fail(error, E_INVALIDARG, "The size argument (%" G_GINT64_FORMAT ") is negative", wanted_bytes);
    if (offset_bytes < 0)
        return api_fail(error, E_INVALIDARG, "The offset argument (%" G_GINT64_FORMAT ") is negative", offset_bytes);
    g_autofree char *path = log_path(p->machine, number);
    int fd = open_plain(path);
    if (fd < 0)
        return failed("open", path, error);
    gsize bytes = MIN((gsize)wanted_bytes, CHUNK_BYTES);
    g_autofree guint8 *chunk = g_malloc(MAX(bytes, 1));
    ssize_t n = pread(fd, chunk, bytes, offset_bytes);
    int why = errno;
    close(fd);
    errno = why;
    if (n < 0)
        return failed("read", path, error);
    *ret = g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, chunk, (gsize)n, 1));
    return true;
}

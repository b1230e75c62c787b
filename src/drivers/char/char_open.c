/*
 * char_open.c - opens the ends that are files: an output file, a host tty, the process's own terminal.
 *
 * The terminal's descriptors are shared with other programs (the shell), so O_NONBLOCK is set on a description of our
 * own, opened again through /proc; only where that cannot work (a socket) the flag is set in place and put back.
 */
#include "drivers/char/char_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A file that is there is emptied by char_begin(), one that is made now goes again without it. */
bool char_open_file(struct char_stream *s, const struct char_conf *conf, GError **error)
{
    const int mode = O_WRONLY | O_CLOEXEC | O_NONBLOCK;
    int fd = open(conf->path, mode);

    s->is_file = true;
    if (fd < 0 && errno == ENOENT) {
        fd = open(conf->path, mode | O_CREAT | O_EXCL, 0644);
        s->unlink_path = fd >= 0 ? g_strdup(conf->path) : NULL;
    }
    if (fd < 0) {
        g_set_error(error, CHAR_ERROR, 0,
                    "cannot open the serial output file \"%s\": %s; correct the port's path in the settings, or make "
                    "it writable",
                    conf->path, g_strerror(errno));
        return false;
    }
    return char_stream_connect(s, -1, fd, error);
}

static bool set_raw(struct char_stream *s, int fd)
{
    struct termios t;

    if (tcgetattr(fd, &t) < 0)
        return false;
    s->tty_saved = g_memdup2(&t, sizeof t);
    cfmakeraw(&t);
    t.c_cflag |= CLOCAL | CREAD;
    return tcsetattr(fd, TCSANOW, &t) == 0;
}

bool char_open_tty(struct char_stream *s, const struct char_conf *conf, GError **error)
{
    const int fd = open(conf->path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int in_fd;

    if (fd < 0) {
        g_set_error(error, CHAR_ERROR, 0,
                    "cannot open the serial device \"%s\": %s; correct the port's path in the settings", conf->path,
                    g_strerror(errno));
        return false;
    }
    if (!set_raw(s, fd)) {
        g_set_error(error, CHAR_ERROR, 0, "\"%s\" is no serial device: %s; for a file use the mode RawFile", conf->path,
                    g_strerror(errno));
        close(fd);
        return false;
    }
    in_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return char_stream_connect(s, in_fd, fd, error);
}

/* A non-blocking descriptor of our own for @fd, or -1. */
static int own_fd(struct char_stream *s, int fd, int mode)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int own = open(path, mode | O_NOCTTY | O_CLOEXEC | O_NONBLOCK | (mode == O_WRONLY ? O_APPEND : 0));

    if (own >= 0)
        return own;
    own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own >= 0 && s->out_flags_fd < 0) {
        s->out_flags_fd = fd;
        s->out_flags = fcntl(fd, F_GETFL);
        (void)fcntl(fd, F_SETFL, s->out_flags | O_NONBLOCK);
    }
    return own;
}

bool char_open_stdio(struct char_stream *s, const struct char_conf *conf, GError **error)
{
    const int in_fd = own_fd(s, conf->in_fd, O_RDONLY);
    const int out_fd = own_fd(s, conf->out_fd, O_WRONLY);

    if (out_fd < 0) {
        g_set_error(error, CHAR_ERROR, 0, "cannot use the terminal for a serial port: %s", g_strerror(errno));
        if (in_fd >= 0)
            close(in_fd);
        return false;
    }
    return char_stream_connect(s, in_fd, out_fd, error);
}

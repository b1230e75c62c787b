/*
 * main.c - VBoxRemoteDisk: holds the connection to a disk on the network for a machine that runs already.
 *
 * A machine's process may make no sockets once its guest runs (doc/sandbox.md). VBoxSVC starts this program with a
 * socket as standard input, and sends four bytes of length and "FORMAT\0ADDRESS"; the address may hold a secret, which
 * so is in no argument, file or environment. The answer is a length and the reason why not, empty for "it is open".
 * Then the service hands its end to the machine's process, and this one serves it as an NBD server. It ends when that
 * end is closed: by a detached disk, or because the machine's process has ended, however.
 *
 * From the first request on it can neither open files or sockets nor start anything: the machine may be hostile.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rt/sandbox.h"
#include "rt/stream.h"
#include "storage/bytes.h"
#include "storage/nbd_server.h"

#define SOCKET      STDIN_FILENO
#define READ_ONLY   'r' /* before the format: r or w */
#define ORDER_BYTES (64u << 10)

static void confine(void)
{
    const struct sandbox_call calls[] = {
        /* the two sockets that are open */
        SANDBOX_ANY(read), SANDBOX_ANY(write), SANDBOX_ANY(readv), SANDBOX_ANY(writev), SANDBOX_ANY(recvfrom),
        SANDBOX_ANY(sendto), SANDBOX_ANY(recvmsg), SANDBOX_ANY(sendmsg), SANDBOX_ANY(poll), SANDBOX_ANY(ppoll),
        SANDBOX_ANY(shutdown), SANDBOX_ANY(getsockopt), SANDBOX_ANY(setsockopt), SANDBOX_ANY(close), SANDBOX_ANY(fcntl),
        SANDBOX_ANY(fstat), SANDBOX_IF(ioctl, 1, UINT64_C(0xffffffff), FIONREAD),
        /* the heap, never executable */
        SANDBOX_IF(mmap, 2, PROT_EXEC, 0), SANDBOX_IF(mprotect, 2, PROT_EXEC, 0), SANDBOX_ANY(munmap),
        SANDBOX_ANY(mremap), SANDBOX_ANY(madvise), SANDBOX_ANY(brk),
        /* time, chance, the end */
        SANDBOX_ANY(clock_gettime), SANDBOX_ANY(gettimeofday), SANDBOX_ANY(time), SANDBOX_ANY(clock_nanosleep),
        SANDBOX_ANY(nanosleep), SANDBOX_ANY(getrandom), SANDBOX_ANY(futex), SANDBOX_ANY(rt_sigaction),
        SANDBOX_ANY(rt_sigprocmask), SANDBOX_ANY(rt_sigreturn), SANDBOX_ANY(restart_syscall), SANDBOX_ANY(getpid),
        SANDBOX_ANY(gettid), SANDBOX_IF(tgkill, 0, UINT64_C(0xffffffff), (uint64_t)getpid()), SANDBOX_ANY(exit),
        SANDBOX_ANY(exit_group), SANDBOX_CALLS_END};
    static const struct sandbox_folder none = {.path = NULL};
    g_autoptr(GString) words = g_string_new(NULL);

    sandbox_enter(&(struct sandbox_conf){.calls = calls, .folders = &none}, words);
}

static bool answer(const char *text)
{
    const uint32_t bytes = (uint32_t)strlen(text);
    g_autofree uint8_t *raw = g_malloc(4 + bytes);

    put_be32(raw, bytes);
    memcpy(raw + 4, text, bytes);
    return stream_send(SOCKET, raw, 4 + bytes);
}

/* What the service asks for; NULL: it went away, or asks for nothing. */
static struct vd *open_ordered(GError **error)
{
    static char order[ORDER_BYTES + 2];
    uint8_t raw[4];
    uint32_t bytes;

    if (!stream_receive(SOCKET, raw, sizeof raw) || (bytes = be32(raw)) < 2 || bytes > ORDER_BYTES ||
        !stream_receive(SOCKET, order, bytes)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "No disk is asked for");
        return NULL;
    }
    const char *format = order + 1, *address = format + strlen(format) + 1; /* zeros end both */
    struct vd *vd = vd_open(fio_system(), format, address, order[0] == READ_ONLY ? VD_READ_ONLY : 0, error);
    explicit_bzero(order, sizeof order);
    return vd;
}

int main(void)
{
    g_autoptr(GError) error = NULL;
    const struct rlimit none = {0};
    int type;
    socklen_t len = sizeof type;

    if (getsockopt(SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) != 0) {
        fprintf(stderr, "VBoxRemoteDisk: error: VBoxSVC starts this program; its standard input is a socket\n");
        return 1;
    }
    setrlimit(RLIMIT_CORE, &none); /* it holds a secret */
    signal(SIGPIPE, SIG_IGN);
    struct vd *vd = open_ordered(&error);
    if (vd == NULL) {
        answer(error->message);
        return 1;
    }
    confine();
    const bool bye = answer("") && nbd_serve(vd, SOCKET);
    vd_close(vd);
    return bye ? 0 : 1;
}

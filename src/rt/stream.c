/*
 * stream.c - see stream.h.
 */
#include "rt/stream.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

bool stream_receive(int sock, void *p, size_t bytes)
{
    for (uint8_t *b = p; bytes > 0;) {
        const ssize_t n = recv(sock, b, bytes, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return false;
        }
        b += n;
        bytes -= (size_t)n;
    }
    return true;
}

bool stream_send(int sock, const void *p, size_t bytes)
{
    for (const uint8_t *b = p; bytes > 0;) {
        const ssize_t n = send(sock, b, bytes, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        b += n;
        bytes -= (size_t)n;
    }
    return true;
}

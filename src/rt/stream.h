/*
 * stream.h - all of a piece of data through a connected socket.
 *
 * Blocking sockets, with or without time limits (SO_RCVTIMEO); no SIGPIPE. Any thread.
 */
#ifndef RT_STREAM_H
#define RT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/** False: the other side is gone, time is up, or an error; errno is 0 for an end in good order. */
bool stream_receive(int sock, void *p, size_t bytes);
bool stream_send(int sock, const void *p, size_t bytes);

#endif

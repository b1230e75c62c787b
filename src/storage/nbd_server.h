/*
 * nbd_server.h - one disk served over one connected socket, to a client that may be hostile.
 *
 * For processes that may not open connections: who may opens the disk and hands the other end of the socket over; their
 * end is fmt/nbd.c, "nbd+socket:".
 */
#ifndef STORAGE_NBD_SERVER_H
#define STORAGE_NBD_SERVER_H

#include <stdbool.h>

#include "storage/vd.h"

/**
 * nbd_serve() - handshake, whatever export is asked for, then one request after the other until the client goes.
 * Return: whether it said good-bye; false = the connection ended or it broke the protocol.
 */
bool nbd_serve(struct vd *vd, int sock);

#endif

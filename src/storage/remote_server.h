/* remote_server.h - for tests: a foreign program that serves one disk image, and a player that writes and reads it. */
#ifndef STORAGE_REMOTE_SERVER_H
#define STORAGE_REMOTE_SERVER_H

#include "storage/vd.h"

#define SERVER_DISK_BYTES (8u << 20)

struct server {
    char *dir, *image, *socket; /* a folder of its own; the raw image in it; the name for a socket */
    GPid pid;
};

/* Makes the folder and an empty image; nothing runs yet. */
void server_init(struct server *s);
void server_start(struct server *s, char **argv);
/* Kills it, as a pulled cable would; the image stays. */
void server_stop(struct server *s);
void server_fini(struct server *s);

/* Writes of all alignments against a model; then the server's file is compared. */
void server_play(const struct server *s, struct vd *vd);

#endif

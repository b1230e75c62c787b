/*
 * nbd_proto.h - the numbers of the NBD protocol that our client (fmt/nbd.c) and our server (nbd_server.c) share.
 *
 * Source: NetworkBlockDevice/nbd, doc/proto.md: fixed newstyle handshake, NBD_OPT_GO, simple replies. Big-endian.
 */
#ifndef STORAGE_NBD_PROTO_H
#define STORAGE_NBD_PROTO_H

#include <stdint.h>

#define NBD_MAX_REQUEST     (1u << 20) /* ours: bytes of one read or write */
#define NBD_MAX_OPTION      (64u << 10)
#define NBD_MAX_OPTIONS     64
#define NBD_MAGIC_INIT      UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define NBD_MAGIC_OPTION    UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_MAGIC_REPLY     UINT64_C(0x0003e889045565a9)
#define NBD_MAGIC_REQUEST   0x25609513u
#define NBD_MAGIC_ANSWER    0x67446698u
#define NBD_OPT_ABORT       2u
#define NBD_OPT_GO          7u
#define NBD_REP_ACK         1u
#define NBD_REP_INFO        3u
#define NBD_REP_ERROR       0x80000000u
#define NBD_REP_UNSUPPORTED 0x80000001u
#define NBD_HAS_FIXED       1u
#define NBD_NO_ZEROES       2u
#define NBD_FLAG_THERE      1u
#define NBD_FLAG_READ_ONLY  2u
#define NBD_FLAG_FLUSH      4u
#define NBD_FLAG_TRIM       32u
#define NBD_OPTION_BYTES    16 /* headers */
#define NBD_REPLY_BYTES     20
#define NBD_REQUEST_BYTES   28
#define NBD_ANSWER_BYTES    16

enum nbd_command { NBD_CMD_READ, NBD_CMD_WRITE, NBD_CMD_DISC, NBD_CMD_FLUSH, NBD_CMD_TRIM };

/* Errors on the wire; any other means NBD_EIO. */
enum nbd_error {
    NBD_EPERM = 1,
    NBD_EIO = 5,
    NBD_ENOMEM = 12,
    NBD_EINVAL = 22,
    NBD_ENOSPC = 28,
    NBD_ESHUTDOWN = 108 /* what is behind the server is gone for good */
};

#endif

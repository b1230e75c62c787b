/*
 * ifs.h - the paired interfaces between a device (guest side) and its driver (host side).
 *
 * "Port" points up: the driver calls the device. "Connector" points down: the device calls the driver. A device gets
 * the connector of its logical unit (LUN) with pdm_lun_*(), and publishes its ports in its pdm_devreg.
 */
#ifndef VMM_PDM_IFS_H
#define VMM_PDM_IFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct pdm_dev;
struct pdm_lun;

/* ---- block media: disks, optical discs, floppies ---- */

enum pdm_block_op { PDM_BLOCK_READ, PDM_BLOCK_WRITE, PDM_BLOCK_FLUSH, PDM_BLOCK_DISCARD, PDM_BLOCK_PACKET };

/* Which packet commands a medium takes itself, being a drive of the host's: none, those that only read, any. */
enum pdm_packets { PDM_PACKETS_NONE, PDM_PACKETS_READING, PDM_PACKETS_ALL };

/* With PDM_BLOCK_PACKET the command; the driver fills in what came of it, also for a read. */
struct pdm_block_packet {
    uint8_t cdb[12];
    bool to_drive;          /* which way the data goes */
    size_t moved;           /* bytes of it */
    uint8_t key, asc, ascq; /* of a command that failed; key 0: it did not reach the drive */
};

/**
 * One request. The device owns it until submit() and again from done() on. @buf stays valid in between.
 * Completion: done() runs on the driver's thread with the device lock held, never from inside submit().
 * FLUSH completes with status 0 only after every earlier completed write is on stable storage.
 */
struct pdm_block_req {
    enum pdm_block_op op;
    uint64_t offset_bytes;
    void *buf;
    size_t bytes;
    const struct iovec *iov; /* instead of buf, with pdm_block_now() alone: PDM_BLOCK_PIECES pieces of memory at most */
    unsigned iov_count;
    struct pdm_block_packet *packet; /* for media that take packets */
    int status;                      /* 0 or a negative VERR_* (rt/status.h), valid in done() */
    void (*done)(struct pdm_dev *dev, struct pdm_block_req *req);
    void *user;          /* the device's */
    uint32_t generation; /* the device's: lets it drop completions of before a reset */
    void *priv;          /* the driver's queue link */
};

struct pdm_block {
    void *drv;
    uint64_t size_bytes;
    uint32_t sector_bytes; /* 512, or 2048 for optical media */
    bool read_only;
    bool removable;
    bool discard;        /* unused sectors may be given back: the guest is told that it can */
    bool non_rotational; /* the guest is told that seeking costs nothing */
    enum pdm_packets packets;
    char serial[32]; /* printable ASCII, may be empty */
    char model[48];  /* may be empty: the device has its default */
    void (*submit)(struct pdm_block *b, struct pdm_block_req *req);
    /**
     * Carries @req out at once if nothing has to be waited for, neither the disk nor another request: true = its status
     * is set and done() does not come; false = nothing happened, submit() it. NULL: always false.
     */
    bool (*now)(struct pdm_block *b, struct pdm_block_req *req);
    struct pdm_lun *lun; /* PDM's: the LUN it is or was attached to; the driver starts with NULL */
};
#define PDM_BLOCK_PIECES 256u
/** For the device: now() if there is one; false = nothing happened, but to the memory of a read. */
bool pdm_block_now(struct pdm_block *b, struct pdm_block_req *req);
/** For the device: now(), or submit(); true = @req is complete already. */
bool pdm_block_start(struct pdm_block *b, struct pdm_block_req *req);
/** For the driver: @req is complete, its status set. On the driver's own thread, never from inside submit(). */
void pdm_block_done(struct pdm_block *b, struct pdm_block_req *req);

/* ---- characters: serial lines, debug console ---- */

struct pdm_char {
    void *drv;
    /** Takes up to @bytes, never blocks; returns the number taken. */
    size_t (*write)(struct pdm_char *c, const void *buf, size_t bytes);
    /** The device has room again after receive() returned less than offered. */
    void (*accept)(struct pdm_char *c);
    struct pdm_lun *lun; /* PDM's; the driver starts with NULL */
};
/** For the driver: offers host data to the guest; returns the number taken (the rest again after accept()). */
size_t pdm_char_receive(struct pdm_char *c, const void *buf, size_t bytes);
/** For the driver: there is room again after write() took less than offered. */
void pdm_char_writable(struct pdm_char *c);
struct pdm_char_port {
    /** Host data for the guest; returns the number taken. Called with the device lock held. */
    size_t (*receive)(struct pdm_dev *dev, unsigned lun, const uint8_t *buf, size_t bytes);
    /** The driver can take data again after write() took less than offered. */
    void (*writable)(struct pdm_dev *dev, unsigned lun);
};

/* ---- display ---- */

/** A picture: XRGB8888, row by row. The device sets the size and fills pixels (g_realloc'd by pdm_frame_size()). */
struct pdm_frame {
    uint32_t width, height, stride_bytes;
    uint32_t *pixels;
    size_t capacity_bytes;
    bool blank;
};
#define PDM_FRAME_MAX_PIXELS (16384u * 4096u)
/** Makes @f hold @width x @height; false (and unchanged) when that is zero or beyond PDM_FRAME_MAX_PIXELS. */
bool pdm_frame_size(struct pdm_frame *f, uint32_t width, uint32_t height);
void pdm_frame_fini(struct pdm_frame *f);

/** Whole scan lines of a picture; lines 0: none. */
struct pdm_band {
    uint32_t first, lines;
};

struct pdm_display_port {
    /** Draws what the guest shows now. Called with the device lock held, from any thread. */
    void (*render)(struct pdm_dev *dev, struct pdm_frame *f);
    /**
     * For the one who shows the screen all the time: @f is what the last call left; only what may have changed since is
     * drawn, and @ret_band says where that is. May give up the device's lock for a while.
     */
    void (*update)(struct pdm_dev *dev, struct pdm_frame *f, struct pdm_band *ret_band);
    /** Text mode only: the screen's characters as UTF-8 lines (for logs and tests); NULL in graphics modes. g_free. */
    char *(*text)(struct pdm_dev *dev);
};

/* ---- input ---- */

struct pdm_keyboard_port {
    /** @codes: make and break codes of scan code set 1 (e0/e1 prefixes included). False = queue full, nothing taken. */
    bool (*put)(struct pdm_dev *dev, const uint8_t *codes, size_t count);
};
/* A keyboard's lamps, as its command ED has them. */
enum pdm_led { PDM_LED_SCROLL = 1, PDM_LED_NUM = 2, PDM_LED_CAPS = 4, PDM_LED_ALL = 7 };
struct pdm_mouse_port {
    /** Relative motion, right and down positive; @buttons: bit 0 left, 1 right, 2 middle. */
    void (*move)(struct pdm_dev *dev, int dx, int dy, int dz, unsigned buttons);
};

#endif

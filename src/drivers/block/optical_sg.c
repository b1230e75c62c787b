/*
 * optical_sg.c - commands to an optical drive of the host's through SG_IO, as the kernel's sr and sg drivers take them.
 *
 * Source: Linux <scsi/sg.h>, "The Linux SCSI Generic HOWTO" (sg_io_hdr); SPC-3 4.5 (sense data, fixed and descriptor).
 * The device is opened for reading unless writes are wanted: the kernel then refuses what changes a disc.
 */
#include <errno.h>
#include <fcntl.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/block/optical.h"
#include "rt/fio.h"
#include "rt/status.h"

#define TIMEOUT_MS   60000u   /* a disc that spins up */
#define LONG_MS      7200000u /* blanking, formatting, closing */
#define SENSE_BYTES  64
#define CHECK        0x02 /* status: there is sense data */
#define DRIVER_SENSE 0x08

static unsigned timeout_ms(uint8_t opcode)
{
    static const uint8_t slow[] = {0x04, 0x35, 0x5b, 0xa1};

    return memchr(slow, opcode, sizeof(slow)) ? LONG_MS : TIMEOUT_MS;
}

static void take_sense(struct pdm_block_packet *p, const uint8_t *sense, unsigned bytes)
{
    const bool descriptor = (sense[0] & 0x7e) == 0x72; /* 72h, 73h; otherwise 70h, 71h */

    if (bytes < 4)
        return;
    p->key = descriptor ? sense[1] & 0x0f : sense[2] & 0x0f;
    p->asc = descriptor ? sense[2] : bytes > 12 ? sense[12] : 0;
    p->ascq = descriptor ? sense[3] : bytes > 13 ? sense[13] : 0;
}

static int command(void *ctx, struct pdm_block_packet *p, void *buf, size_t bytes)
{
    uint8_t sense[SENSE_BYTES] = {0};
    struct sg_io_hdr h = {.interface_id = 'S',
                          .dxfer_direction = bytes == 0    ? SG_DXFER_NONE
                                             : p->to_drive ? SG_DXFER_TO_DEV
                                                           : SG_DXFER_FROM_DEV,
                          .cmd_len = sizeof(p->cdb),
                          .mx_sb_len = sizeof(sense),
                          .dxfer_len = (unsigned)bytes,
                          .dxferp = buf,
                          .cmdp = p->cdb,
                          .sbp = sense,
                          .timeout = timeout_ms(p->cdb[0])};

    p->moved = 0;
    p->key = p->asc = p->ascq = 0;
    if (ioctl(GPOINTER_TO_INT(ctx), SG_IO, &h) != 0)
        return status_from_errno(-errno);
    if (h.status == CHECK || (h.driver_status & 0x0f) == DRIVER_SENSE)
        take_sense(p, sense, h.sb_len_wr);
    if (p->key > 1 || h.host_status != 0 || (h.status & 0x3e && p->key != 1)) /* 1: it went well in the end */
        return VERR_DISK_IO_ERROR;
    p->moved = bytes - (size_t)CLAMP(h.resid, 0, (int)bytes);
    return 0;
}

static void close_device(void *ctx)
{
    close(GPOINTER_TO_INT(ctx));
}

static bool refuse(const char *path, GError **error, int code, const char *why)
{
    g_set_error(error, STATUS_ERROR, code, "The host drive '%s' cannot be used: %s", path, why);
    return false;
}

bool optical_sg(const char *path, bool writes, struct optical_io *ret, GError **error)
{
    const int fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC); /* also without a disc */
    struct stat st;
    int version = 0;
    bool device;

    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return refuse(path, error, VERR_ACCESS_DENIED, "no rights to it; its group (cdrom) has them");
    if (fd < 0)
        return refuse(path, error, status_from_errno(-errno), g_strerror(errno));
    device = fstat(fd, &st) == 0 && (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode));
    if (device && ioctl(fd, SG_GET_VERSION_NUM, &version) == 0 && version >= 30000) {
        *ret = (struct optical_io){.ctx = GINT_TO_POINTER(fd), .command = command, .close = close_device};
        return true;
    }
    close(fd);
    return refuse(path, error, VERR_NOT_SUPPORTED,
                  device ? "it is no drive that takes SCSI commands" : "it is not a device");
}

struct optical *optical_open(const char *path, bool all, GError **error)
{
    struct optical_io io;

    if (!optical_sg(path, all, &io, error))
        return NULL;
    return optical_new(&io, path, all ? PDM_PACKETS_ALL : PDM_PACKETS_READING, error);
}

/*
 * status.c - names and texts of status codes, and the way from errno to them.
 *
 * Source: the tables in status.def; errno meanings from POSIX.1-2017 and open(2), fallocate(2).
 */
#include "rt/status.h"

#include <errno.h>
#include <stdlib.h>

static const struct status_row {
    int number;
    const char *name, *text;
} status_rows[] = {
#define STATUS(name, number, text) {number, #name, text},
#include "rt/status.def"
#undef STATUS
};

static const struct errno_row {
    int err, status;
} errno_rows[] = {
    {EPERM, VERR_ACCESS_DENIED},
    {ENOENT, VERR_FILE_NOT_FOUND},
    {EINTR, VERR_INTERRUPTED},
    {EIO, VERR_DEV_IO_ERROR},
    {ENXIO, VERR_DEV_IO_ERROR},
    {EBADF, VERR_INVALID_HANDLE},
    {EAGAIN, VERR_TRY_AGAIN},
    {ENOMEM, VERR_NO_MEMORY},
    {EACCES, VERR_ACCESS_DENIED},
    {EBUSY, VERR_SHARING_VIOLATION},
    {EEXIST, VERR_ALREADY_EXISTS},
    {ENOTDIR, VERR_PATH_NOT_FOUND},
    {EISDIR, VERR_IS_A_DIRECTORY},
    {EINVAL, VERR_INVALID_PARAMETER},
    {EMFILE, VERR_TOO_MANY_OPEN_FILES},
    {ENFILE, VERR_TOO_MANY_OPEN_FILES},
    {ETXTBSY, VERR_SHARING_VIOLATION},
    {EFBIG, VERR_FILE_TOO_BIG},
    {ENOSPC, VERR_DISK_FULL},
    {EDQUOT, VERR_DISK_FULL},
    {EROFS, VERR_WRITE_PROTECT},
    {EPIPE, VERR_BROKEN_PIPE},
    {ENAMETOOLONG, VERR_FILENAME_TOO_LONG},
    {ELOOP, VERR_TOO_MANY_SYMLINKS},
    {EOPNOTSUPP, VERR_NOT_SUPPORTED},
    {ENOSYS, VERR_NOT_SUPPORTED},
    {ESTALE, VERR_STALE_FILE_HANDLE},
    {ETIMEDOUT, VERR_TIMEOUT},
    {ECANCELED, VERR_CANCELLED},
};

static const struct status_row *find_row(int status)
{
    for (size_t i = 0; i < G_N_ELEMENTS(status_rows); i++)
        if (status_rows[i].number == status)
            return &status_rows[i];
    return NULL;
}

const char *status_name(int status)
{
    const struct status_row *row = find_row(status);

    if (status == 0)
        return "VINF_SUCCESS";
    return row ? row->name : "VERR_?";
}

const char *status_text(int status)
{
    const struct status_row *row = find_row(status);

    if (status == 0)
        return "Success";
    return row ? row->text : "Unknown error";
}

int status_from_errno(int err)
{
    err = abs(err);
    if (err == 0)
        return 0;
    for (size_t i = 0; i < G_N_ELEMENTS(errno_rows); i++)
        if (errno_rows[i].err == err)
            return errno_rows[i].status;
    return VERR_GENERAL_FAILURE;
}

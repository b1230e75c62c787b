/* nvme_int.h - between nvme.c (registers, queues, I/O commands) and nvme_admin.c. */
#ifndef DEVICES_STORAGE_NVME_INT_H
#define DEVICES_STORAGE_NVME_INT_H

#include "devices/storage/nvme.h"

#include <string.h>

#define NVME_LATER 0xffffu /* no status: the command is on its way, or never ends by itself */

static inline uint32_t nvme_dword(const uint8_t *command, unsigned n)
{
    uint32_t v;

    memcpy(&v, command + 4 * n, sizeof(v));
    return v;
}

static inline uint64_t nvme_qword(const uint8_t *command, unsigned n)
{
    return nvme_dword(command, n) | (uint64_t)nvme_dword(command, n + 1) << 32;
}

/** An admin command. @ret_result: dword 0 of the completion. Return: a status or NVME_LATER. */
unsigned nvme_admin(struct nvme *n, const uint8_t *command, uint32_t *ret_result);
/** Bytes to the memory the command's PRPs name: at most two pages. */
unsigned nvme_give(struct nvme *n, const uint8_t *command, const void *bytes, size_t size);

#endif

/*
 * codemem.c - dual-mapped code memory.
 *
 * Sources: memfd_create(2), mmap(2) MAP_FIXED_NOREPLACE, prctl(2) PR_SET_MDWE; the linker's symbols __executable_start
 * and etext bound the program's text.
 * Where: below the text, because the heap (brk) grows above it; above, beyond the heap's room, where there is none
 * below (a program linked at a fixed low address).
 */
#include "rt/codemem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rt/status.h"

#define CODEMEM_MAX_BYTES (UINT64_C(1) << 30)
#define REACH_BYTES       (INT64_C(0x7fff0000)) /* rel32, with a little to spare for the length of an instruction */
#define STEP_BYTES        (UINT64_C(16) << 20)
#define HEAP_ROOM_BYTES   (UINT64_C(512) << 20)
#define LOW_FIRST         (UINT64_C(2) << 30)
#define LOW_END           (UINT64_C(4) << 30)

extern const char __executable_start[], etext[];

static bool in_reach(uint64_t at, uint64_t bytes)
{
    uint64_t text = (uintptr_t)__executable_start, end = (uintptr_t)etext;

    return (int64_t)(MAX(at + bytes, end) - MIN(at, text)) < REACH_BYTES;
}

static void *try_at(uint64_t at, size_t bytes, int fd)
{
    void *p = mmap((void *)(uintptr_t)at, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* At most 128 steps each way. */
static void *map_near_text(size_t bytes, int fd)
{
    uint64_t below = ((uintptr_t)__executable_start - bytes) & ~(STEP_BYTES - 1);
    uint64_t above = ((uintptr_t)etext + HEAP_ROOM_BYTES) & ~(STEP_BYTES - 1);
    void *p;

    if ((uintptr_t)__executable_start > bytes + STEP_BYTES)
        for (uint64_t at = below; at >= STEP_BYTES && in_reach(at, bytes); at -= STEP_BYTES)
            if ((p = try_at(at, bytes, fd)) != NULL)
                return p;
    for (uint64_t at = above; in_reach(at, bytes); at += STEP_BYTES)
        if ((p = try_at(at, bytes, fd)) != NULL)
            return p;
    return NULL;
}

/* From 2 GiB up, where nothing else looks for room, then below. */
static void *map_low(size_t bytes, int fd)
{
    void *p;

    for (uint64_t at = LOW_FIRST; at + bytes <= LOW_END; at += STEP_BYTES)
        if ((p = try_at(at, bytes, fd)) != NULL)
            return p;
    for (uint64_t at = STEP_BYTES; at < LOW_FIRST; at += STEP_BYTES)
        if ((p = try_at(at, bytes, fd)) != NULL)
            return p;
    return NULL;
}

static bool init(struct codemem *c, size_t size_bytes, bool low, GError **error)
{
    int fd, err;
    void *rw = MAP_FAILED, *rx = NULL;

    g_return_val_if_fail(size_bytes != 0 && size_bytes % 4096 == 0 && size_bytes <= CODEMEM_MAX_BYTES, false);
    fd = memfd_create("code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        rw = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (rw != MAP_FAILED && (rx = low ? map_low(size_bytes, fd) : map_near_text(size_bytes, fd)) != NULL) {
        madvise(rw, size_bytes, MADV_DONTDUMP);
        *c = (struct codemem){.rw = rw, .rx = rx, .size_bytes = size_bytes, .fd = fd};
        return true;
    }
    err = errno;
    g_set_error(error, STATUS_ERROR, status_from_errno(err), "no room for %zu MB of generated code%s: %s",
                size_bytes >> 20,
                rw == MAP_FAILED ? ""
                : low            ? " below 4 GB"
                                 : " within 2 GB of the program",
                g_strerror(err));
    if (rw != MAP_FAILED)
        munmap(rw, size_bytes);
    if (fd >= 0)
        close(fd);
    return false;
}

bool codemem_init(struct codemem *c, size_t size_bytes, GError **error)
{
    return init(c, size_bytes, false, error);
}

bool codemem_init_low(struct codemem *c, size_t size_bytes, GError **error)
{
    return init(c, size_bytes, true, error);
}

void codemem_fini(struct codemem *c)
{
    if (c->rw == NULL)
        return;
    munmap(c->rw, c->size_bytes);
    munmap((void *)(uintptr_t)c->rx, c->size_bytes);
    close(c->fd);
    memset(c, 0, sizeof(*c));
}

bool codemem_discard(struct codemem *c, size_t off_bytes, size_t bytes)
{
    if (off_bytes > c->size_bytes || bytes > c->size_bytes - off_bytes)
        return false;
    return fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off_bytes, (off_t)bytes) == 0;
}

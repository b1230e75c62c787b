/*
 * gmem.c - guest memory in a memfd.
 *
 * Sources: memfd_create(2), fcntl(2) file seals, mmap(2), fallocate(2). Pages of a memfd are accounted when they are
 * touched (MAP_NORESERVE), so a guest with much unused memory costs little.
 * Threads: init and fini by the owner; the memory itself by anybody.
 */
#include "rt/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "rt/status.h"

#define GMEM_PAGE_BYTES 4096u

static bool refuse(const char *name, uint64_t size_bytes, int err, GError **error)
{
    const bool small = size_bytes < 1u << 20;

    g_set_error(error, STATUS_ERROR, status_from_errno(err),
                "not enough memory for %s (%" G_GUINT64_FORMAT
                " %s): %s; close other programs, raise the limit of this "
                "process (ulimit -v), or give the machine less",
                name, size_bytes >> (small ? 10 : 20), small ? "KB" : "MB", g_strerror(err));
    return false;
}

/* More than the host can ever hold would only end in the kernel killing somebody. */
static bool host_can_hold(const char *name, uint64_t size_bytes, GError **error)
{
    struct sysinfo si;
    uint64_t have;

    if (sysinfo(&si) != 0)
        return true;
    have = ((uint64_t)si.totalram + si.totalswap) * si.mem_unit;
    if (size_bytes <= have)
        return true;
    g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY,
                "not enough memory for %s: %" G_GUINT64_FORMAT " MB wanted, this host has %" G_GUINT64_FORMAT
                " MB of RAM and swap; give the machine less",
                name, size_bytes >> 20, have >> 20);
    return false;
}

/* The mapping stands in the middle of a reservation that nothing else can get into. */
static uint8_t *map_guarded(int fd, uint64_t size_bytes)
{
    uint64_t total = size_bytes + 2 * GMEM_GUARD_BYTES;
    uint8_t *base = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *hva;

    if (base == MAP_FAILED)
        return NULL;
    hva = mmap(base + GMEM_GUARD_BYTES, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
               0);
    if (hva == MAP_FAILED) {
        int err = errno;
        munmap(base, total);
        errno = err;
        return NULL;
    }
    /* Wishes; a kernel that does not know them changes nothing. */
    madvise(hva, size_bytes, MADV_HUGEPAGE);
    madvise(hva, size_bytes, MADV_DONTDUMP);
    return hva;
}

bool gmem_init(struct gmem *g, const char *name, uint64_t size_bytes, GError **error)
{
    int fd;
    uint8_t *hva;

    g_return_val_if_fail(size_bytes != 0 && size_bytes % GMEM_PAGE_BYTES == 0, false);
    if (!host_can_hold(name, size_bytes, error))
        return false;
    fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return refuse(name, size_bytes, errno, error);
    if (ftruncate(fd, (off_t)size_bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0 ||
        (hva = map_guarded(fd, size_bytes)) == NULL) {
        int err = errno;
        close(fd);
        return refuse(name, size_bytes, err, error);
    }
    *g = (struct gmem){.hva = hva, .size_bytes = size_bytes, .fd = fd};
    return true;
}

void gmem_fini(struct gmem *g)
{
    if (g->hva == NULL)
        return;
    munmap(g->hva - GMEM_GUARD_BYTES, g->size_bytes + 2 * GMEM_GUARD_BYTES);
    close(g->fd);
    memset(g, 0, sizeof(*g));
}

void *gmem_alias(const struct gmem *g, uint64_t off_bytes, uint64_t bytes, int prot, GError **error)
{
    void *hva;

    g_return_val_if_fail(off_bytes <= g->size_bytes && bytes <= g->size_bytes - off_bytes, NULL);
    hva = mmap(NULL, bytes, prot, MAP_SHARED | MAP_NORESERVE, g->fd, (off_t)off_bytes);
    if (hva != MAP_FAILED)
        return hva;
    refuse("a second view of guest memory", bytes, errno, error);
    return NULL;
}

void gmem_alias_free(void *hva, uint64_t bytes)
{
    if (hva != NULL)
        munmap(hva, bytes);
}

bool gmem_discard(struct gmem *g, uint64_t off_bytes, uint64_t bytes)
{
    if (off_bytes > g->size_bytes || bytes > g->size_bytes - off_bytes)
        return false;
    return fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off_bytes, (off_t)bytes) == 0;
}

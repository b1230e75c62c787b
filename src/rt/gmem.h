/*
 * gmem.h - guest memory: one sealed memfd, mapped shared between two guards.
 *
 * Pages cost nothing before they are touched. The file may be mapped again elsewhere (other process, other place, other
 * rights): every alias shows the same bytes. The size never changes after gmem_init(); the seals make sure of it, so a
 * process that got the descriptor cannot make accesses here fail with SIGBUS.
 */
#ifndef RT_GMEM_H
#define RT_GMEM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Untouchable address space on both sides of a mapping: a stray index of 31 bits still faults. */
#define GMEM_GUARD_BYTES (UINT64_C(1) << 31)

struct gmem {
    uint8_t *hva; /* read-write mapping of the whole, NULL = not initialised */
    uint64_t size_bytes;
    int fd;
};

/**
 * gmem_init() - makes zeroed memory of @size_bytes (a multiple of 4 KiB, not 0) named @name in /proc.
 *
 * Refuses with VERR_NO_MEMORY what the host could never hold (more than its RAM and swap), not what it may be too
 * busy for now.
 */
bool gmem_init(struct gmem *g, const char *name, uint64_t size_bytes, GError **error);
/** gmem_fini() - accepts an all-zero struct. Aliases stay valid. */
void gmem_fini(struct gmem *g);
/** gmem_alias() - maps [off, off + bytes) a second time with PROT_* rights @prot. Return: NULL with @error set. */
void *gmem_alias(const struct gmem *g, uint64_t off_bytes, uint64_t bytes, int prot, GError **error);
void gmem_alias_free(void *hva, uint64_t bytes);
/** gmem_discard() - [off, off + bytes) reads zero again and its host memory is given back. Page aligned. */
bool gmem_discard(struct gmem *g, uint64_t off_bytes, uint64_t bytes);

#endif

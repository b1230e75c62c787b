/*
 * codemem.h - memory for generated code, seen twice: written at one address, executed at another.
 *
 * No page is ever writable and executable, so it works where the kernel forbids that (PR_SET_MDWE). The executable view
 * lies within +-2 GiB of the program's own text: calls between the two are direct.
 * Whoever writes code publishes it to other threads with release order; x86 needs no more.
 */
#ifndef RT_CODEMEM_H
#define RT_CODEMEM_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codemem {
    uint8_t *rw;       /* NULL = not initialised */
    const uint8_t *rx; /* same bytes */
    size_t size_bytes;
    int fd;
};

/** codemem_init() - @size_bytes: a multiple of 4 KiB, at most 1 GiB. Untouched pages cost nothing. */
bool codemem_init(struct codemem *c, size_t size_bytes, GError **error);
/** codemem_init_low() - the same with an executable view below 4 GiB, wherever the program is. */
bool codemem_init_low(struct codemem *c, size_t size_bytes, GError **error);
/** codemem_fini() - accepts an all-zero struct. */
void codemem_fini(struct codemem *c);
/** codemem_discard() - gives whole pages back; they read zero. */
bool codemem_discard(struct codemem *c, size_t off_bytes, size_t bytes);

static inline const uint8_t *codemem_rx(const struct codemem *c, const void *rw)
{
    return c->rx + ((const uint8_t *)rw - c->rw);
}
static inline uint8_t *codemem_rw(const struct codemem *c, const void *rx)
{
    return c->rw + ((const uint8_t *)rx - c->rx);
}
static inline bool codemem_has_rx(const struct codemem *c, const void *rx)
{
    return (size_t)((const uint8_t *)rx - c->rx) < c->size_bytes;
}

#endif

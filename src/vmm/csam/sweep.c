/*
 * sweep.c - see sweep.h.
 */
#include "vmm/csam/sweep.h"

#define BEGIN CSAM_LEAD_BYTES                     /* of the page in the window */
#define END   (CSAM_LEAD_BYTES + CSAM_PAGE_BYTES) /* behind it */

struct sweep {
    const struct csam_window *w;
    enum x86_mode mode;
    bool (*look)(void *user, const struct x86_insn *i, const uint8_t *bytes);
    void *user;
    uint64_t seen[(END + 63) / 64]; /* offsets of the window where reading came by */
};

/* From @pos to the end of the page, or to where somebody has read before. */
static bool read_from(struct sweep *s, unsigned pos)
{
    const unsigned limit = s->w->has_tail ? sizeof s->w->bytes : END;
    struct x86_insn i;

    while (pos < END && !(s->seen[pos / 64] >> (pos % 64) & 1)) {
        int n = x86_decode(s->w->bytes + pos, limit - pos, s->mode, &i);
        unsigned len = n > 0 ? (unsigned)n : 1;

        s->seen[pos / 64] |= UINT64_C(1) << (pos % 64);
        if (n == X86_NEED_MORE)
            return true;
        if (pos + len > BEGIN && !s->look(s->user, n > 0 ? &i : NULL, s->w->bytes + pos))
            return false;
        pos += len;
    }
    return true;
}

bool csam_sweep(const struct csam_window *w, unsigned entry, enum x86_mode mode,
                bool (*look)(void *user, const struct x86_insn *i, const uint8_t *bytes), void *user)
{
    struct sweep s = {.w = w, .mode = mode, .look = look, .user = user};

    return read_from(&s, w->has_lead ? 0 : BEGIN) && read_from(&s, BEGIN + entry);
}

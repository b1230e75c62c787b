/*
 * constant.c - code that changes its own constants: an instruction of which only the immediate was written again is not
 * translated again. Its immediate stands in the translation as it stands in the guest's code, as the last bytes
 * (REM_S_CONSTANT), and is written there too.
 *
 * Instructions without memory have a site for that only in pages where code has changed before (rem_page.changes): the
 * first change costs a translation.
 *
 * Left out: displacements and branch targets, which the translation holds in other forms.
 */
#include "vmm/rem/rem_int.h"

/* How many bytes at the end of a site's instruction are its immediate; @old: its bytes. */
static unsigned constant_bytes(struct rem *r, const struct rem_site *s, const uint8_t *old)
{
    struct rem_op *o = rem_op_room(r, s->id);
    struct x86_insn i;

    if (o->constant_site == s->id + 1)
        return o->constant_bytes;
    if (x86_decode(old, s->len, r->c->mode.code, &i) != s->len)
        return 0;
    o->constant_site = s->id + 1;
    o->constant_bytes = (uint8_t)x86_immediate_bytes(&i);
    return o->constant_bytes;
}

/* @old, @now: the site's bytes, which differ. What is in front of the immediate being the same, it is the same
 * instruction. */
static bool patch_site(struct rem *r, const struct rem_site *s, const uint8_t *old, const uint8_t *now)
{
    uint8_t *end = r->code.rw + s->next;
    unsigned n;

    if (!(s->flags & REM_S_CONSTANT) || (n = constant_bytes(r, s, old)) >= s->len ||
        memcmp(old, now, s->len - n) != 0 || memcmp(end - n, old + s->len - n, n) != 0)
        return false;
    memcpy(end - n, now + s->len - n, n);
    return true;
}

/* The interpreter's form of the instruction at @off. */
static void forget_op(struct rem *r, const struct rem_block *b, unsigned off)
{
    for (uint32_t n = rem_sites_of(r, b); n < rem_sites_end(r, b); n++)
        if (rem_op_room(r, n)->site == n + 1 && rem_op_room(r, n)->at.off == off)
            rem_op_room(r, n)->ready = false;
}

/* An instruction may be there twice: a stretch has a copy (group.c). */
bool rem_patch_constants(struct rem *r, struct rem_block *b, const uint8_t *now)
{
    const unsigned bytes = b->length;
    const uint8_t *was = rem_bytes_of(r, b);
    uint8_t merged[CSAM_RUN_BYTES] __attribute__((uninitialized)); /* the old ones, and what is patched */

    if (b->rest || (uint32_t)rem_page_of(r, b)->key != r->c->mode.key)
        return false;
    memcpy(merged, was, bytes);
    for (uint32_t n = rem_sites_of(r, b); n < rem_sites_end(r, b); n++) {
        const struct rem_site site = rem_site_get(r, n), *s = &site;
        unsigned at = s->off - b->off;
        if (s->same != 0) /* an instruction's last site knows */
            continue;
        if (at + s->len > bytes || memcmp(was + at, now + at, s->len) == 0)
            continue;
        if (!patch_site(r, s, was + at, now + at))
            return false;
        memcpy(merged + at, now + at, s->len);
        forget_op(r, b, s->off);
    }
    if (memcmp(merged, now, bytes) != 0)
        return false;
    memcpy(rem_bytes_of(r, b), now, bytes);
    r->stats.constants++;
    return true;
}

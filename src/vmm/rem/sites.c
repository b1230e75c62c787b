/*
 * sites.c - the sites of a block, packed: some four bytes each, read when one is asked for.
 *
 * Per site, in order of start (numbers are little-endian groups of seven bits, the last one without its top bit):
 *     control: length of the instruction (bits 0-3; 0: same instruction as before), PACK_*
 *     start, from the start before (the first: from the way out); 1 + next, from start, its sign in bit 0; 0: none
 *     PACK_OFF: offset in the page, 2 bytes; else it follows the instruction before
 *     PACK_SLOW: slow path, from the one before that had one (the first: from the way out), its sign in bit 0
 *     PACK_MORE: flags; until and leads in 2 bytes; else no flags, no group led, and the stretch before goes on
 *
 * What is asked for stays in rem.ops until another site wants its place there. Reading changes nothing but that and
 * rem_site_read() not even that, so that the fault handler may call it.
 */
#include "vmm/rem/rem_int.h"

enum { PACK_LEN = 15, PACK_OFF = 1 << 4, PACK_ALWAYS = 1 << 5, PACK_SLOW = 1 << 6, PACK_MORE = 1 << 7 };
#define UNTIL_BITS 10u

/* ---- packing ---- */

static uint8_t *put_number(uint8_t *p, uint32_t v)
{
    for (; v > 0x7f; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static uint32_t fold(int32_t v)
{
    return v < 0 ? ~(uint32_t)v << 1 | 1 : (uint32_t)v << 1;
}

/* Until where the stretch of @before goes, seen from @off. */
static uint16_t until_from(const struct rem_site *before, unsigned off)
{
    unsigned end = before->off + before->until;

    return before->until != 0 && off >= before->off && off < end ? (uint16_t)(end - off) : 0;
}

static uint8_t *pack(uint8_t *p, const struct rem_site *s, const struct rem_site *before, uint32_t *slow)
{
    const bool same = s->off == before->off && s->len == before->len;
    const unsigned more = s->until | (unsigned)s->leads << UNTIL_BITS;
    uint8_t *control = p++;

    *control = same ? 0 : s->len;
    p = put_number(p, s->start - before->start);
    p = put_number(p, s->next == 0 ? 0 : fold((int32_t)(s->next - s->start)) + 1);
    if (!same && s->off != before->off + before->len) {
        *control |= PACK_OFF;
        *p++ = (uint8_t)s->off;
        *p++ = (uint8_t)(s->off >> 8);
    }
    if (s->slow == REM_SLOW_ALWAYS) {
        *control |= PACK_ALWAYS;
    } else if (s->slow != 0) {
        *control |= PACK_SLOW;
        p = put_number(p, fold((int32_t)(s->slow - *slow)));
        *slow = s->slow;
    }
    if (s->flags != 0 || s->leads != REM_LEADS_NOT || s->until != until_from(before, s->off)) {
        *control |= PACK_MORE;
        *p++ = s->flags;
        *p++ = (uint8_t)more;
        *p++ = (uint8_t)(more >> 8);
    }
    return p;
}

void rem_sites_keep(struct rem *r, struct rem_block *b, const struct rem_site *made, uint32_t count)
{
    uint8_t *p = r->site + r->sites;
    uint32_t slow = rem_leave_of(r, b);
    struct rem_site before = {.start = slow};

    b->site = r->sites & (REM_ARENA_SITES - 1);
    b->sites = count & 0x7ff;
    for (uint32_t n = 0; n < count; n++) {
        p = pack(p, &made[n], &before, &slow);
        before = made[n];
    }
    r->sites = (uint32_t)(p - r->site);
}

/* ---- reading ---- */

struct reader {
    const uint8_t *p;
    uint32_t left, slow;
    struct rem_site s;
};

static uint32_t number(struct reader *t)
{
    uint32_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        v |= (uint32_t)(*t->p & 0x7f) << shift;
        if (!(*t->p++ & 0x80))
            return v;
    }
}

static uint32_t unfold(uint32_t v)
{
    return v & 1 ? ~(v >> 1) : v >> 1;
}

static void start(struct reader *t, const struct rem *r, const struct rem_block *b)
{
    t->p = r->site + ((size_t)rem_arena_of_block(r, b) << REM_SITE_BITS) + b->site;
    t->left = b->sites;
    t->slow = rem_leave_of(r, b);
    t->s = (struct rem_site){.id = (rem_number(r, b) << REM_SITES_BITS) - 1, .start = t->slow};
}

/* False: that was the last one. */
static bool next(struct reader *t)
{
    const struct rem_site before = t->s;
    struct rem_site *s = &t->s;
    uint8_t control;
    uint32_t v;

    if (t->left == 0)
        return false;
    t->left--;
    control = *t->p++;
    s->id++;
    s->start += number(t);
    v = number(t);
    s->next = v == 0 ? 0 : s->start + unfold(v - 1);
    if (control & PACK_LEN) {
        s->off = (uint16_t)(before.off + before.len);
        s->len = control & PACK_LEN;
    }
    if (control & PACK_OFF) {
        s->off = (uint16_t)(t->p[0] | t->p[1] << 8);
        t->p += 2;
    }
    s->slow = control & PACK_ALWAYS ? REM_SLOW_ALWAYS : 0;
    if (control & PACK_SLOW)
        s->slow = t->slow += unfold(number(t));
    s->until = until_from(&before, s->off);
    s->flags = s->leads = 0;
    if (control & PACK_MORE) {
        s->flags = t->p[0];
        s->until = (uint16_t)((t->p[1] | t->p[2] << 8) & ((1 << UNTIL_BITS) - 1));
        s->leads = t->p[2] >> (UNTIL_BITS - 8);
        t->p += 3;
    }
    return true;
}

/* Reads on, which the reader is lost for: what other sites the instruction has. */
static void finish(struct reader *t, struct rem_site *ret)
{
    *ret = t->s;
    ret->behind = ret->next;
    ret->same = 0;
    while (next(t) && t->s.off == ret->off) {
        ret->behind = t->s.next;
        ret->same++;
    }
}

void rem_site_read(const struct rem *r, uint32_t id, struct rem_site *ret)
{
    struct reader t;

    start(&t, r, &r->block[id >> REM_SITES_BITS]);
    while (next(&t) && t.s.id != id)
        ;
    finish(&t, ret);
}

struct rem_site rem_site_get(struct rem *r, uint32_t id)
{
    struct rem_op *o = rem_op_room(r, id);

    if (o->site != id + 1) {
        rem_site_read(r, id, &o->at);
        o->site = id + 1;
        o->ready = false;
    }
    return o->at;
}

/* The block whose host code @host is in; NULL: none. */
static const struct rem_block *block_at(const struct rem *r, uint32_t host)
{
    uint32_t first = rem_arena_first_block(rem_arena_of(host)), low = first,
             high = r->filled[rem_arena_of(host)].blocks;

    while (low < high) { /* the first that begins behind it */
        uint32_t middle = low + (high - low) / 2;
        if (rem_leave_of(r, &r->block[middle]) <= host)
            low = middle + 1;
        else
            high = middle;
    }
    return low != first ? &r->block[low - 1] : NULL;
}

bool rem_site_at(const struct rem *r, uint32_t host, struct rem_site *ret)
{
    const struct rem_block *b = block_at(r, host);
    uint32_t id = UINT32_MAX;
    struct reader t;

    if (b == NULL)
        return false;
    start(&t, r, b);
    while (next(&t) && t.s.start <= host)
        id = t.s.id;
    if (id == UINT32_MAX)
        return false;
    rem_site_read(r, id, ret);
    return true;
}

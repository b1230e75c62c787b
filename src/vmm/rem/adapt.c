/*
 * adapt.c - sites are caught, get another form, and their first one back: between translated code and PATM's memory.
 */
#include "vmm/rem/translate_int.h"

#include <time.h>

#define STRAYS_MAX    4u                   /* so many accesses of devices' sites to memory, and one loses its mark */
#define RELAX_WAIT_NS UINT64_C(1000000000) /* between looks at a part of the marks */

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void rem_translate_anew(struct rem *r, uint32_t block)
{
    if (r->rewrites < G_N_ELEMENTS(r->rewrite))
        r->rewrite[r->rewrites++] = block;
}

/* @always: also a site that is marked already: an instruction may stand in several blocks. */
static void caught(struct rem *r, const struct rem_site *s, enum patm_kind kind, bool always)
{
    struct rem_page *page = rem_page_of(r, rem_block_of(r, s));
    uint64_t gpa = page->gpa + s->off;

    if (patm_catch(r->patm, kind, gpa, page->key, now_ns()) || (always && patm_marked(r->patm, kind, gpa, page->key)))
        rem_translate_anew(r, rem_number(r, rem_block_of(r, s)));
    page->caught = true;
}

void rem_caught_misaligned(struct rem *r, const struct rem_site *s)
{
    caught(r, s, s->flags & REM_S_HALVES ? PATM_ODD : PATM_MISALIGNED, true);
}

void rem_caught_device(struct rem *r, const struct rem_site *s)
{
    if (r->lockstep == NULL)
        caught(r, s, PATM_DEVICE, true);
}

void rem_caught_apart(struct rem *r, const struct rem_site *s)
{
    if (r->lockstep == NULL && !rem_block_of(r, s)->copies)
        caught(r, s, PATM_APART, true);
}

void rem_no_form(const struct rem_tr *t, enum patm_kind kind)
{
    patm_release(t->r->patm, kind, t->page->gpa + t->n->off, t->page->key);
}

void rem_not_device(struct rem *r, const struct rem_site *s)
{
    const struct rem_page *page = rem_page_of(r, rem_block_of(r, s));

    r->stats.not_devices++;
    if (++r->strays < STRAYS_MAX)
        return;
    r->strays = 0;
    patm_release(r->patm, PATM_DEVICE, page->gpa + s->off, page->key);
    rem_translate_anew(r, rem_number(r, rem_block_of(r, s)));
}

static void expired(void *user, const struct patm_site *site)
{
    const unsigned off = (unsigned)site->gpa & (CSAM_PAGE_BYTES - 1);
    struct rem *r = user;
    const struct rem_page *page = rem_page_find(r, site->gpa - off, site->key);

    for (const struct rem_block *b = page != NULL ? rem_numbered(r, page->blocks) : NULL; b != NULL;
         b = rem_numbered(r, b->next))
        if (!b->rest && off >= b->off && off < rem_end_of(b))
            rem_translate_anew(r, (uint32_t)(b - r->block));
}

void rem_relax(struct rem *r)
{
    const uint64_t now = now_ns();

    patm_faults(r->patm, now, r->stats.faults);
    if (now < r->relax_at)
        return;
    r->relax_at = now + RELAX_WAIT_NS;
    patm_expire(r->patm, now, G_N_ELEMENTS(r->rewrite) / 2, expired, r);
}

/*
 * read.c - guest code for the translator: a run inside a page, or one instruction that lies in two.
 *
 * Code is watched first and read then, so that a change in between shows (pgm.h).
 */
#include "vmm/rem/segment.h"

#define PAGE_MASK  ((uint64_t)CSAM_PAGE_BYTES - 1)
#define TRIES      4u
#define INSN_BYTES 15u /* the longest */

static bool watch(struct rem *r, uint64_t gpa, unsigned bytes)
{
    uint32_t generation;

    return pgm_code_watch(r->c->mmu.pgm, gpa, bytes, &generation) != NULL;
}

static bool read_run(struct rem *r, const struct rem_page *page, unsigned off, uint8_t *code)
{
    const unsigned most = MIN(CSAM_PAGE_BYTES - off, CSAM_RUN_BYTES);
    const uint64_t gpa = page->gpa + off;
    struct csam_run *run = &r->run;
    uint8_t again[CSAM_RUN_BYTES] __attribute__((uninitialized));

    pgm_phys_read(r->c->mmu.pgm, gpa, code, most);
    for (unsigned tries = 0; tries < TRIES; tries++) {
        r->stats.scans++;
        r->stats.rescans += tries != 0;
        if (!csam_scan(code, off, rem_key_last(page->key) + 1, r->c->mode.code, run) || !watch(r, gpa, run->to - off))
            return false;
        pgm_phys_read(r->c->mmu.pgm, gpa, again, run->to - off);
        if (memcmp(code, again, run->to - off) == 0)
            return true;
        pgm_phys_read(r->c->mmu.pgm, gpa, code, most);
    }
    return false;
}

uint64_t rem_next_gla(const struct rem *r)
{
    uint64_t gla = (rem_gla_of(r->c, r->c->ctx.rip) & ~PAGE_MASK) + CSAM_PAGE_BYTES;

    return r->c->mode.code64 ? gla : (uint32_t)gla;
}

struct rem_page *rem_next_page(struct rem *r, bool make)
{
    struct vcpu *c = r->c;
    uint64_t gla = rem_next_gla(r), key;
    struct pgm_xlat x;

    if ((uint64_t)((int64_t)(gla << 16) >> 16) != gla || !rem_key(c, gla, &key) ||
        pgm_mmu_xlat(&c->mmu, c->mode.idx, gla, PGM_EXEC, &x) != PGM_XLAT_OK)
        return NULL;
    return make ? rem_page_get(r, x.gpa & ~PAGE_MASK, key) : rem_page_find(r, x.gpa & ~PAGE_MASK, key);
}

static struct rem_page *read_two(struct rem *r, const struct rem_page *page, unsigned off, uint8_t *code)
{
    unsigned first = CSAM_PAGE_BYTES - off;
    struct csam_insn *n = &r->run.insn[0];
    struct rem_page *second;

    if (first >= INSN_BYTES || rem_key_last(page->key) != PAGE_MASK ||
        r->lockstep != NULL) /* which looks at one page */
        return NULL;
    pgm_phys_read(r->c->mmu.pgm, page->gpa + off, code, first);
    if (x86_decode(code, first, r->c->mode.code, &n->i) != X86_NEED_MORE || (second = rem_next_page(r, true)) == NULL ||
        !watch(r, page->gpa + off, first) || !watch(r, second->gpa, INSN_BYTES))
        return NULL;
    pgm_phys_read(r->c->mmu.pgm, page->gpa + off, code, first);
    pgm_phys_read(r->c->mmu.pgm, second->gpa, code + first, INSN_BYTES - first);
    if (x86_decode(code, INSN_BYTES, r->c->mode.code, &n->i) <= (int)first ||
        n->i.len - first > rem_key_last(second->key) + 1)
        return NULL;
    n->off = (uint16_t)off;
    r->run.count = 1;
    r->run.from = (uint16_t)off;
    r->run.to = (uint16_t)(off + n->i.len);
    return second;
}

bool rem_read_code(struct rem *r, const struct rem_page *page, unsigned off, uint8_t *code,
                   struct rem_page **ret_second)
{
    *ret_second = NULL;
    if (read_run(r, page, off, code))
        return true;
    *ret_second = read_two(r, page, off, code);
    return *ret_second != NULL;
}

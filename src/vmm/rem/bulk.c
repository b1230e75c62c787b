/*
 * bulk.c - REP MOVS and REP STOS over the ends of pages: one copy for each run of bytes that is inside a page of the
 * source and a page of the destination, by way of the address tables.
 *
 * string.c does on the host's own what stays inside a page; what does not comes here, and goes to the interpreter from
 * where a page is no plain memory, cannot be translated, or an element lies in two pages. Registers are right after
 * each run, so that whatever happens then finds the instruction begun.
 *
 * Sources: SDM vol. 2 REP; vol. 1 7.3.9.
 */
#include "vmm/rem/segment.h"

#define PAGE_MASK ((uint64_t)CSAM_PAGE_BYTES - 1)

struct bulk {
    struct vcpu *c;
    bool movs;
    unsigned bytes;   /* of an element */
    uint64_t address; /* bits that addresses have */
};

/* Forwards, on flat memory, with pointers as wide as the mode's. */
static bool is_bulk(const struct vcpu *c, const struct x86_insn *i)
{
    bool fs_gs = i->seg_override == X86_FS || i->seg_override == X86_GS;

    return i->rep && (i->mnem == X86_MOVS || i->mnem == X86_STOS) && i->addrsize == (c->mode.code64 ? 8 : 4) &&
           (c->mode.code64 || c->mode.flat) && !fs_gs && !(c->ctx.rflags & (CPUM_FL_DF | CPUM_FL_TF)) &&
           !(c->ctx.dr[7] & 0xff);
}

static uint64_t gla_of(const struct bulk *b, unsigned reg)
{
    return b->c->ctx.gpr[reg] & b->address;
}

/* Elements from @gla to the end of its page, at most @count. */
static uint64_t in_page(const struct bulk *b, uint64_t gla, uint64_t count)
{
    return MIN(count, (CSAM_PAGE_BYTES - (gla & PAGE_MASK)) / b->bytes);
}

/* Where @gla is on the host; NULL: the interpreter has to see. */
static uint8_t *place(struct rem *r, uint64_t gla, enum pgm_access acc)
{
    const uint64_t *entry = &r->set->table[acc == PGM_READ ? FLAT_R : FLAT_W][flat_index(gla)];
    struct pgm_xlat x;

    if (!cpum_canonical(gla))
        return NULL;
    if (*entry == 0) {
        if (pgm_mmu_xlat(&r->c->mmu, r->c->mode.idx, gla, acc, &x) != PGM_XLAT_OK)
            return NULL;
        flat_fill(r->flat, r->set, &r->c->mmu, gla);
    }
    return *entry != 0 ? (uint8_t *)(uintptr_t)(gla + *entry) : NULL;
}

/* The host's own instructions: what reads what it has written does so as the guest's would. */
static void copy(uint8_t *to, const uint8_t *from, uint64_t count, unsigned bytes)
{
    switch (bytes) {
    case 1: __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory"); break;
    case 2: __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(count)::"memory"); break;
    case 4: __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count)::"memory"); break;
    default: __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count)::"memory"); break;
    }
}

static void fill(uint8_t *to, uint64_t val, uint64_t count, unsigned bytes)
{
    switch (bytes) {
    case 1: __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(val) : "memory"); break;
    case 2: __asm__ volatile("rep stosw" : "+D"(to), "+c"(count) : "a"(val) : "memory"); break;
    case 4: __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(val) : "memory"); break;
    default: __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(val) : "memory"); break;
    }
}

static void advance(const struct bulk *b, unsigned reg, uint64_t by)
{
    b->c->ctx.gpr[reg] = (b->c->ctx.gpr[reg] + by) & b->address;
}

/* Return: elements done, of at most @count; 0: it is the interpreter's turn. */
static uint64_t run(struct rem *r, const struct bulk *b, uint64_t count)
{
    uint64_t di = gla_of(b, X86_RDI), si = gla_of(b, X86_RSI), n = in_page(b, di, count);
    const uint8_t *from = NULL;
    uint8_t *to;

    if (b->movs)
        n = in_page(b, si, n);
    if (n == 0 || (b->movs && (from = place(r, si, PGM_READ)) == NULL) || (to = place(r, di, PGM_WRITE)) == NULL)
        return 0;
    if (b->movs) {
        copy(to, from, n, b->bytes);
        advance(b, X86_RSI, n * b->bytes);
    } else {
        fill(to, b->c->ctx.gpr[X86_RAX], n, b->bytes);
    }
    advance(b, X86_RDI, n * b->bytes);
    return n;
}

bool rem_bulk(struct rem *r, const struct x86_insn *i)
{
    struct vcpu *c = r->c;
    const struct bulk b = {.c = c,
                           .movs = i->mnem == X86_MOVS,
                           .bytes = i->op[0].bytes,
                           .address = c->mode.code64 ? UINT64_MAX : UINT32_MAX};
    uint64_t count = c->ctx.gpr[X86_RCX] & b.address, done;

    if (!is_bulk(c, i))
        return false;
    while (count != 0 && !cpum_wanted(c)) {
        done = run(r, &b, count);
        if (done == 0)
            return false;
        count -= done;
        c->ctx.gpr[X86_RCX] = count;
        r->stats.bulks++;
    }
    return count == 0;
}

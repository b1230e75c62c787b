/*
 * cache.c - the decode cache: from CS:RIP to a block of decoded instructions.
 *
 * A block is known by the physical address of its first byte and by c->mode.key, so it survives CR3 switches and
 * serves every linear alias. In front of the hash table stands a direct-mapped table by linear address; an entry of it
 * is believed only if the TLB still grants execution of that page and still maps it to the block's page. Memory is one
 * arena, given out upwards; when it is used up everything is forgotten at once (no block is running at that moment).
 *
 * A page's generation moves when any watched chunk of it is written. A block found with an old generation is compared
 * with the bytes it was made from: data living beside code does not cost a decode.
 *
 * Sources: SDM vol. 3 11.6 (self-modifying code), 6.15 (fetch faults); vol. 1 3.3.7.1 (canonical addresses).
 * A program larger than the arena is decoded again and again. So that its code becomes hot nevertheless, a bit map
 * remembers what was decoded before everything was forgotten: that counts as hot at once.
 *
 * Left out: an instruction whose first bytes are undefined and whose rest lies beyond the segment limit raises #UD.
 * Invariant 1: watch first, which gives the generation, then read the bytes: a store in between makes the block stale.
 * Invariant 2: code that is not RAM or ROM (device registers) is decoded for one pass only.
 */
#include "vmm/iem/step_int.h"

#include <stdlib.h>
#include <string.h>

#include "rt/resident.h"

#define ARENA_BYTES      (16u << 20)
#define ARENA_BYTES_COLD (1u << 20) /* used if another engine takes over what is hot */
#define MAX_OPS          32u
#define MAX_BYTES        256u
#define HASH_BITS        16
#define MET_BITS         21 /* log2 of the bits; a quarter of them set: begun anew */
#define PAGE_MASK        ((uint64_t)PGM_PAGE_BYTES - 1)

struct iem_cache {
    struct iem_jump jump[IEM_JUMPS];
    struct iem_block *hash[1u << HASH_BITS];
    size_t used;
    uint64_t met[(1u << MET_BITS) / 64];
    unsigned met_count;
    /* Room for blocks outside the arena: one that matches nothing, one for a pass (inv 2). */
    uint8_t none[sizeof(struct iem_block)] __attribute__((aligned(64)));
    uint8_t once[sizeof(struct iem_block) + 2 * sizeof(struct iem_op)] __attribute__((aligned(64)));
    uint8_t arena[ARENA_BYTES] __attribute__((aligned(64)));
};

/* What is being decoded, and where it ends up. */
struct fetch {
    uint64_t gla, gpa;
    const uint8_t *hva; /* NULL: read by physical address */
    uint8_t buf[MAX_BYTES];
    unsigned avail;
};

const struct iem_op iem_no_op;

static struct iem_block *none_block(struct iem_cache *k)
{
    return (struct iem_block *)k->none;
}

static struct iem_block *once_block(struct vcpu *c)
{
    return (struct iem_block *)c->iem->cache->once;
}

void iem_cache_clear(struct vcpu *c)
{
    struct iem_cache *k = c->iem->cache;

    for (size_t n = 0; n < G_N_ELEMENTS(k->jump); n++) {
        k->jump[n].gla = ~0ull;
        k->jump[n].block = none_block(k);
    }
    memset(k->hash, 0, sizeof k->hash);
    k->used = 0;
    c->iem->unlinked = IEM_NO_LINK; /* that block is gone */
}

bool iem_cache_new(struct vcpu *c, GError **error)
{
    c->iem->cache = aligned_alloc(64, sizeof *c->iem->cache);
    if (!c->iem->cache) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "CPU %u: no memory for the decode cache (%zu MiB)", c->id,
                    sizeof *c->iem->cache >> 20);
        return false;
    }
    c->iem->jump = c->iem->cache->jump;
    memset(c->iem->cache->none, 0, sizeof c->iem->cache->none);
    memset(c->iem->cache->met, 0, sizeof c->iem->cache->met);
    c->iem->cache->met_count = 0;
    none_block(c->iem->cache)->key = ~0u;
    iem_cache_clear(c);
    return true;
}

size_t iem_cache_resident(const struct vcpu *c)
{
    return c->iem != NULL ? resident_bytes(c->iem->cache, sizeof *c->iem->cache) : 0;
}

void iem_cache_free(struct vcpu *c)
{
    free(c->iem->cache);
    c->iem->cache = NULL;
}

static size_t hash_slot(uint64_t gpa, uint32_t key)
{
    return (size_t)((gpa ^ (uint64_t)key << 40) * 0x9e3779b97f4a7c15ull >> (64 - HASH_BITS));
}

static void raise_fetch_pf(struct vcpu *c, uint64_t gla, uint32_t error)
{
    c->iem->op = &iem_no_op;
    iem_raise_pf(c, gla, error);
}

static void raise_fetch_gp(struct vcpu *c)
{
    c->iem->op = &iem_no_op;
    iem_gp0(c);
}

/* Translates for execution; false: page fault, *ret_error is its code. */
static bool code_page(struct vcpu *c, uint64_t gla, uint64_t *ret_gpa, const uint8_t **ret_hva, uint32_t *ret_error)
{
    struct pgm_xlat x;

    if (pgm_mmu_xlat(&c->mmu, c->mode.idx, gla, PGM_EXEC, &x) != PGM_XLAT_OK) {
        *ret_error = x.error_code;
        return false;
    }
    *ret_gpa = (x.gpa & ~PAGE_MASK) | (gla & PAGE_MASK);
    *ret_hva = x.hva;
    return true;
}

static void read_code(struct vcpu *c, uint64_t gpa, const uint8_t *hva, uint8_t *buf, unsigned bytes)
{
    if (hva)
        memcpy(buf, hva, bytes);
    else
        pgm_phys_read(c->mmu.pgm, gpa, buf, bytes);
}

static iem_fn undefined_op, too_long_op;

static void undefined_op(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c);
}

static void too_long_op(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_gp0(c);
}

/* Decodes the instruction @pos bytes into its block; false: the bytes do not suffice. What cannot be decoded becomes an
 * op that raises the fault. */
static bool decode_op(struct vcpu *c, const uint8_t *bytes, unsigned size, unsigned pos, struct iem_op *op)
{
    int len = x86_decode(bytes, size, c->mode.code, &op->i);

    if (len == X86_NEED_MORE)
        return false;
    if (len > 0) {
        op->end = (uint16_t)(pos + (unsigned)len);
        iem_select(c, op);
    } else {
        memset(&op->i, 0, sizeof op->i);
        op->end = (uint16_t)pos;
        op->fn = len == X86_TOO_LONG ? too_long_op : undefined_op;
        iem_step_set(op, iem_step_general);
    }
    return true;
}

static bool ends_block(const struct iem_op *op)
{
    if (!op->i.row)
        return true;
    return (op->i.row->flow != X86_FLOW_NEXT && op->i.row->flow != X86_FLOW_COND) ||
           (op->i.row->rules & X86_RULE_SERIAL);
}

static bool is_system(const struct iem_op *op)
{
    return !op->i.row || op->i.row->flow >= X86_FLOW_INT || (op->i.row->rules & X86_RULE_SERIAL);
}

/* Bytes an op depends on: its own, or for one that cannot be decoded all that were looked at. */
static unsigned op_bytes(const struct iem_op *op, unsigned avail)
{
    return op->i.len ? op->i.len : MIN(avail, X86_MAX_LEN);
}

/* What the last instruction goes on to unless it is a jump. */
static void end_block(struct iem_block *b)
{
    struct iem_op *last = &b->ops[b->nops - 1], *over = &b->ops[b->nops];

    iem_step_set(over, is_system(last) ? iem_step_over_system : iem_step_over);
    over->link = NULL;
    over->imm = last->end;
    over->before = (uint8_t)b->nops;
    b->heat = 0;
}

/* Decodes up to the first jump, MAX_OPS, or the end of the bytes at hand. b->nops == 0: the first one crosses the page.
 */
static void decode_run(struct vcpu *c, const struct fetch *f, struct iem_block *b)
{
    unsigned pos = 0;

    b->nops = 0;
    while (b->nops < MAX_OPS && pos < f->avail) {
        struct iem_op *op = &b->ops[b->nops];

        if (!decode_op(c, f->buf + pos, f->avail - pos, pos, op))
            break;
        op->before = (uint8_t)b->nops++;
        pos += op_bytes(op, f->avail - pos);
        if (ends_block(op))
            break;
    }
    b->bytes = (uint16_t)pos;
    if (b->nops)
        end_block(b);
}

static struct iem_block *arena_room(struct vcpu *c)
{
    struct iem_cache *k = c->iem->cache;

    size_t room = c->iem->hot_at == UINT32_MAX ? ARENA_BYTES : ARENA_BYTES_COLD;

    if (k->used + sizeof(struct iem_block) + (MAX_OPS + 1) * sizeof(struct iem_op) + MAX_BYTES + 64 > room)
        iem_cache_clear(c);
    return (struct iem_block *)(k->arena + k->used);
}

/* Makes the block in the arena's free room permanent. */
static void arena_keep(struct vcpu *c, struct iem_block *b, const uint8_t *code)
{
    struct iem_cache *k = c->iem->cache;
    size_t slot = hash_slot(b->gpa, b->key);
    uint8_t *copy = (uint8_t *)&b->ops[b->nops] + offsetof(struct iem_op, i);

    memcpy(copy, code, b->bytes);
    b->code = copy;
    b->next = k->hash[slot];
    k->hash[slot] = b;
    k->used = (size_t)(copy + b->bytes - k->arena + 63) & ~(size_t)63;
}

static void one_op(const struct vcpu *c, struct iem_block *b, const struct fetch *f)
{
    b->gpa = f->gpa;
    b->key = c->mode.key;
    b->nops = 1;
    b->ops[0].before = 0;
    end_block(b);
}

/* One instruction over two pages: every byte of the first part is there, the second page may be missing (#PF there). */
static struct iem_block *decode_crossing(struct vcpu *c, struct fetch *f, bool cacheable)
{
    struct iem_block *b = cacheable ? arena_room(c) : once_block(c);
    unsigned first = f->avail;
    uint64_t gla2 = f->gla + first;
    const uint8_t *hva2;
    uint32_t error;

    if (!c->mode.code64)
        gla2 = (uint32_t)gla2;
    if (c->mode.code64 ? !iem_canonical(gla2) : (uint32_t)c->ctx.rip + (uint64_t)first > c->ctx.seg[X86_CS].limit)
        raise_fetch_gp(c);
    if (!code_page(c, gla2, &b->gpa2, &hva2, &error))
        raise_fetch_pf(c, gla2, error);
    b->gen = b->gen2 = NULL;
    if (cacheable) {
        b->gen = pgm_code_watch(c->mmu.pgm, f->gpa, first, &b->generation);
        b->gen2 = pgm_code_watch(c->mmu.pgm, b->gpa2, X86_MAX_LEN, &b->generation2);
        cacheable = b->gen && b->gen2;
    }
    if (cacheable) /* inv 1 */
        read_code(c, f->gpa, f->hva, f->buf, first);
    read_code(c, b->gpa2, hva2, f->buf + first, X86_MAX_LEN);
    if (!decode_op(c, f->buf, first + X86_MAX_LEN, 0, &b->ops[0])) {
        memset(&b->ops[0].i, 0, sizeof b->ops[0].i);
        b->ops[0].end = 0;
        b->ops[0].fn = too_long_op;
        iem_step_set(&b->ops[0], iem_step_general);
    }
    one_op(c, b, f);
    b->bytes = (uint16_t)op_bytes(&b->ops[0], first + X86_MAX_LEN);
    if (cacheable)
        arena_keep(c, b, f->buf);
    else
        b->gen = b->gen2 = NULL;
    return b;
}

/* Device registers as code: one instruction, decoded anew each time (inv 2). */
static struct iem_block *decode_once(struct vcpu *c, struct fetch *f)
{
    struct iem_block *b = once_block(c);

    f->avail = MIN(f->avail, X86_MAX_LEN);
    pgm_phys_read(c->mmu.pgm, f->gpa, f->buf, f->avail);
    if (!decode_op(c, f->buf, f->avail, 0, &b->ops[0]))
        return decode_crossing(c, f, false);
    one_op(c, b, f);
    b->gen = b->gen2 = NULL;
    b->bytes = (uint16_t)op_bytes(&b->ops[0], f->avail);
    return b;
}

/* Decodes from a first look at the bytes to learn how many to watch, then makes sure they were still the same (inv 1).
 */
static struct iem_block *decode_block(struct vcpu *c, struct fetch *f)
{
    struct iem_block *b = arena_room(c);
    uint8_t look[MAX_BYTES];

    f->avail = MIN(MAX_BYTES, PGM_PAGE_BYTES - (unsigned)(f->gla & PAGE_MASK));
    if (!f->hva && !pgm_code_watch(c->mmu.pgm, f->gpa, 1, &b->generation))
        return decode_once(c, f);
    read_code(c, f->gpa, f->hva, f->buf, f->avail);
    for (;;) {
        decode_run(c, f, b);
        if (b->nops == 0)
            return decode_crossing(c, f, true);
        b->gen = pgm_code_watch(c->mmu.pgm, f->gpa, b->bytes, &b->generation);
        if (!b->gen)
            return decode_once(c, f);
        read_code(c, f->gpa, f->hva, look, f->avail);
        if (memcmp(look, f->buf, b->bytes) == 0)
            break;
        memcpy(f->buf, look, f->avail);
    }
    b->gpa = f->gpa;
    b->gpa2 = ~0ull;
    b->gen2 = NULL;
    b->key = c->mode.key;
    arena_keep(c, b, f->buf);
    return b;
}

/* A block of an older generation is still good if its bytes are unchanged. */
static bool revive(struct vcpu *c, struct iem_block *b, const uint8_t *hva)
{
    uint8_t look[MAX_BYTES];
    uint32_t now;

    if (b->gen2 || pgm_code_watch(c->mmu.pgm, b->gpa, b->bytes, &now) != b->gen)
        return false;
    read_code(c, b->gpa, hva, look, b->bytes);
    if (memcmp(look, b->code, b->bytes) != 0)
        return false;
    b->generation = now;
    return true;
}

/* The same instructions but for their constants and displacements. */
static bool same_shape(const struct iem_block *a, const struct iem_block *b)
{
    if (a->nops != b->nops || a->bytes != b->bytes)
        return false;
    for (unsigned n = 0; n < a->nops; n++) {
        const struct x86_insn *x = &a->ops[n].i, *y = &b->ops[n].i;
        if (x->mnem != y->mnem || x->len != y->len || x->opcode != y->opcode || x->modrm != y->modrm)
            return false;
    }
    return true;
}

/* Looks among the known blocks; a stale one is unlinked. */
static struct iem_block *find_block(struct vcpu *c, const struct fetch *f, struct iem_block **ret_stale)
{
    struct iem_block **link = &c->iem->cache->hash[hash_slot(f->gpa, c->mode.key)];

    for (struct iem_block *b; (b = *link); link = &b->next) {
        if (b->gpa != f->gpa || b->key != c->mode.key)
            continue;
        if (iem_block_is_current(b) || revive(c, b, f->hva))
            return b;
        *link = b->next;
        *ret_stale = b;
        return NULL;
    }
    return NULL;
}

/* Whether the block has been decoded before; it has, from now on. */
static bool met_before(struct iem_cache *k, uint64_t gpa)
{
    uint64_t bit = gpa * UINT64_C(0x9e3779b97f4a7c15) >> (64 - MET_BITS), mask = UINT64_C(1) << bit % 64;
    bool met = k->met[bit / 64] & mask;

    if (!met && ++k->met_count > (1u << MET_BITS) / 4) {
        memset(k->met, 0, sizeof k->met);
        k->met_count = 1;
    }
    k->met[bit / 64] |= mask;
    return met;
}

/* Code that rewrites its own constants stays as hot as it was; code that had to give way was hot enough. */
static struct iem_block *decode_again(struct vcpu *c, struct fetch *f, const struct iem_block *stale)
{
    struct iem_block *b = decode_block(c, f);
    bool met = met_before(c->iem->cache, f->gpa);

    if (stale != NULL && b > stale && same_shape(stale, b)) /* or the arena has been emptied */
        b->heat = stale->heat;
    else if (stale == NULL && met && c->iem->hot_at != UINT32_MAX)
        b->heat = c->iem->hot_at;
    return b;
}

/* The second page of a crossing instruction may be mapped elsewhere by now, or not at all. */
static bool second_page_ok(struct vcpu *c, const struct iem_block *b, uint64_t gla)
{
    uint64_t gla2 = (gla | PAGE_MASK) + 1, gpa2;
    const uint8_t *hva;
    uint32_t error;

    if (!c->mode.code64)
        gla2 = (uint32_t)gla2;
    return code_page(c, gla2, &gpa2, &hva, &error) && gpa2 == b->gpa2;
}

struct iem_block *iem_block_find(struct vcpu *c, uint64_t gla)
{
    struct fetch f = {.gla = gla};
    struct iem_block *b, *stale = NULL;
    uint32_t error;

    c->iem->op = &iem_no_op;
    if (c->mode.code64 ? !iem_canonical(c->ctx.rip) : c->ctx.rip > c->ctx.seg[X86_CS].limit)
        raise_fetch_gp(c);
    if (!code_page(c, gla, &f.gpa, &f.hva, &error))
        raise_fetch_pf(c, gla, error);
    b = find_block(c, &f, &stale);
    if (b && b->gen2)
        return second_page_ok(c, b, gla) ? b : decode_block(c, &f);
    if (b || ((b = decode_again(c, &f, stale)) && b->gen && !b->gen2)) {
        *iem_jump_slot(c, gla) = (struct iem_jump){gla, b};
    }
    return b;
}

/*
 * rem.c - the recompiler of one vCPU: made, asked by the interpreter's run loop, and left again.
 */
#include "vmm/rem/segment.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "rt/status.h"

#define RELAX_EVERY     64u
#define HWCAP2_FSGS     (1u << 1)
#define PAGES_TOGETHER  (1u << 15) /* of all vCPUs: they must be below 2 GiB */
#define ARENAS_TOGETHER 512u       /* 1 GiB of code, below 4 GiB */
#define SETS_TOGETHER   48u        /* of 1.5 TB address space each */
#define PAGE_MASK       ((uint64_t)CSAM_PAGE_BYTES - 1)

static _Thread_local struct rem *running; /* for the fault handler */

static bool host_can(void)
{
    return __builtin_cpu_supports("bmi2") && (getauxval(AT_HWCAP2) & HWCAP2_FSGS);
}

void *rem_sparse(size_t bytes, bool low)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (low ? MAP_32BIT : 0);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void rem_unsparse(void *p, size_t bytes)
{
    if (p != NULL)
        munmap(p, bytes);
}

static void rem_free(struct rem *r)
{
    if (r == NULL)
        return;
    rem_lockstep_fini(r);
    flat_free(r->flat);
    rem_pairs_fini(r);
    rem_arenas_fini(r);
    rem_pages_fini(r);
    rem_unsparse(r->patm, sizeof *r->patm);
    rem_unsparse(r->count, (size_t)r->arenas * REM_ARENA_BLOCKS * sizeof *r->count);
    munmap(r, sizeof *r);
}

static bool memory(struct rem *r, unsigned cpus, GError **error)
{
    r->patm = rem_sparse(sizeof *r->patm, false);
    if (!rem_pages_init(r, MIN(REM_PAGES_MAX, PAGES_TOGETHER / cpus)) || r->patm == NULL) {
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory for the recompiler below 2 GB", r->c->id);
        return false;
    }
    if (!rem_arenas_init(r, CLAMP(ARENAS_TOGETHER / cpus, 2u, REM_ARENAS_MAX), error))
        return false;
    r->flat = flat_new(SETS_TOGETHER / cpus, error);
    return r->flat != NULL;
}

static bool is_set(const struct flat_set *s, const struct vcpu *c)
{
    return s != NULL && s->gen == c->mmu.gen && s->idx == c->mode.idx && s->key == c->mode.key;
}

/* Segments, and the set of the vCPU's address space, privilege and kind of code; mostly one that was in use a moment
 * ago. */
static void use_set(struct rem *r)
{
    const struct vcpu *c = r->c;
    struct flat_set *s = r->set;

    rem_follow_segments(r);
    if (is_set(s, c)) {
        rem_follow_code_segment(r);
        return;
    }
    s = r->last[c->mode.idx];
    if (!is_set(s, c))
        s = r->last[c->mode.idx] = flat_select(r->flat, &c->mmu, c->mode.idx, c->mode.key);
    rem_exchange_set(r, s);
    rem_follow_code_segment(r);
    rem_pairs_forget(r);
}

void rem_exchange_set(struct rem *r, struct flat_set *s)
{
    flat_used(r->flat, s);
    r->set = s;
    r->hot.xbase = (uint64_t)(uintptr_t)s->table[FLAT_X];
    r->hot.rbase = (uint64_t)(uintptr_t)s->table[FLAT_R];
    __asm__ volatile("wrgsbase %0" ::"r"(s->table[FLAT_W]));
}

/* What the translator knows; @ret_key as rem_key(). */
static bool translatable(const struct vcpu *c, uint64_t *ret_key)
{
    return !(c->mode.key & CPUM_KEY_ALIGN) && rem_key(c, rem_gla_of(c, c->ctx.rip), ret_key);
}

static void run_in_page(struct rem *r, uint64_t gla)
{
    r->hot.pcbase = r->c->ctx.rip - (gla & PAGE_MASK);
}

/* X and pcbase ready for running code of @page at RIP. */
static void lead_to(struct rem *r, const struct rem_page *page)
{
    uint64_t gla = rem_gla_of(r->c, r->c->ctx.rip);

    if (flat_x(r->set, gla) != rem_x_word(page, gla))
        flat_set_x(r->flat, r->set, &r->c->mmu, gla, rem_x_word(page, gla));
    run_in_page(r, gla);
}

/* The block at @gpa, which is RIP; X and pcbase made ready. NULL: none, and no room for one. */
static struct rem_block *code_for(struct rem *r, uint64_t gpa, bool translate)
{
    struct vcpu *c = r->c;
    unsigned off = gpa & PAGE_MASK;
    struct rem_page *page;
    struct rem_block *b;
    uint64_t key;

    if (!translatable(c, &key))
        return NULL;
    page = translate ? rem_page_get(r, gpa & ~PAGE_MASK, key) : rem_page_find(r, gpa & ~PAGE_MASK, key);
    if (page == NULL)
        return NULL;
    b = rem_block_at(r, page, off);
    if (b == NULL && translate)
        b = rem_translate(r, page, off);
    if (b != NULL)
        lead_to(r, page);
    return b;
}

/*
 * The physical address of the next instruction; false: it cannot be fetched. Data may have taken its page's place in
 * the TLB: two pages of code that do so to each other would otherwise never be linked.
 */
static bool code_gpa(struct vcpu *c, uint64_t *ret_gpa)
{
    uint64_t gla = rem_gla_of(c, c->ctx.rip);
    const struct pgm_tlb_entry *e = &c->mmu.tlb[c->mode.idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];
    struct pgm_xlat x;

    *ret_gpa = (e->gpa & ~PAGE_MASK) | (gla & PAGE_MASK);
    if (e->tag[PGM_EXEC] == ((gla & ~PAGE_MASK) | c->mmu.gen))
        return true;
    if (!cpum_canonical(gla) || pgm_mmu_xlat(&c->mmu, c->mode.idx, gla, PGM_EXEC, &x) != PGM_XLAT_OK)
        return false;
    *ret_gpa = x.gpa;
    return true;
}

/* Translated code was left by rem_emit_out(): its link, and where RIP is in the page. */
static void left_by_stub(struct rem *r)
{
    struct {
        uint32_t link;
        uint16_t off;
    } __attribute__((packed)) out;

    memcpy(&out, (const void *)(uintptr_t)r->hot.from, sizeof out);
    r->hot.from = 0;
    r->hot.link = out.link;
    r->c->ctx.rip += out.off;
    if (!r->c->mode.code64)
        r->c->ctx.rip = (uint32_t)r->c->ctx.rip;
}

void rem_enter(struct rem *r, uint32_t host)
{
    typedef void enter_fn(const uint8_t *);
    enter_fn *fn = (enter_fn *)(uintptr_t)(r->code.rx + r->enter);

    r->stats.enters++;
    rem_put_flags(r);
    if (r->pairs_epoch != r->flat->x_epoch || r->hot.pair_sp > r->hot.pair_first) /* by a return to no address */
        rem_pairs_forget(r);
    rem_clock_start(r);
    fn(r->code.rx + host);
    rem_clock_stop(r);
    if (r->hot.from != 0)
        left_by_stub(r);
    iem_op_none(r->c);
}

static enum iem_fast_result run(struct vcpu *c, uint64_t gpa)
{
    struct rem *r = c->rem;
    struct rem_block *b;
    bool entered = false;
    uint64_t key;

    if (!translatable(c, &key)) {
        r->stats.refused[REM_REFUSED_MODE]++;
        return IEM_FAST_COLD;
    }
    if (r->full)
        rem_forget_all(r);
    rem_follow_changes(r);
    if (r->rewrites != 0)
        rem_rewrite(r);
    rem_page_room(r);
    rem_arena_room(r);
    if (++r->asked % RELAX_EVERY == 0)
        rem_relax(r);
    running = r;
    use_set(r);
    b = code_for(r, gpa, true);
    if (b == NULL)
        return IEM_FAST_COLD;
    if (r->lockstep != NULL) {
        r->care = false;
        return rem_lockstep_run(r, b);
    }
    for (;;) {
        r->care = false;
        r->hot.link = REM_NO_LINK;
        if (!cpum_quiet(c))
            return entered ? IEM_FAST_JUMP : IEM_FAST_BUSY;
        entered = true;
        rem_enter(r, rem_host_of(r, b));
        if (r->care)
            return IEM_FAST_CARE;
        rem_note_flags(r);
        if (cpum_wanted(c) || !code_gpa(c, &gpa) || (b = code_for(r, gpa, false)) == NULL)
            return IEM_FAST_JUMP;
        if (r->hot.link == REM_INDIRECT)
            rem_target_asked(r, b);
        else if (r->hot.link != REM_NO_LINK)
            rem_link_to(r, r->hot.link, b); /* the jump by which it has left leads here */
    }
}

/* Where X leads; 0: nowhere. */
static uint32_t code_by_x(struct rem *r, uint64_t gla)
{
    const uint64_t word = rem_x_of(r->set, gla);
    const struct rem_block *b;

    if (word == 0 || !cpum_canonical(gla))
        return 0;
    b = rem_block_at(r, rem_page_by_place(r, word - REM_X_ODD + gla * 4), gla & PAGE_MASK);
    if (b == NULL)
        return 0;
    run_in_page(r, gla);
    return rem_host_of(r, b);
}

uint64_t rem_elsewhere(struct rem *r)
{
    struct vcpu *c = r->c;
    struct rem_block *b;
    uint32_t host;
    uint64_t gpa, key;

    if (r->full || r->rewrites != 0 || !translatable(c, &key) || !cpum_quiet(c) || !iem_op_quiet(c))
        return 0;
    use_set(r);
    host = code_by_x(r, rem_gla_of(c, c->ctx.rip));
    if (host == 0) {
        b = code_gpa(c, &gpa) ? code_for(r, gpa, false) : NULL;
        if (b == NULL)
            return 0;
        host = rem_host_of(r, b);
    }
    r->stats.elsewhere++;
    rem_put_flags(r);
    if (r->pairs_epoch != r->flat->x_epoch)
        rem_pairs_forget(r);
    return (uint64_t)(uintptr_t)(r->code.rx + host);
}

void rem_link_here(struct rem *r, uint32_t link)
{
    struct rem_block *b;
    uint64_t gpa;

    if (code_gpa(r->c, &gpa) && (b = code_for(r, gpa, false)) != NULL)
        rem_link_to(r, link, b);
}

static void put_masks(struct rem *r)
{
    for (unsigned n = 0; n < r->flat->sets; n++) {
        int64_t *base = (int64_t *)(void *)r->flat->set[n].table[FLAT_R];
        base[REM_MASK_PAGE / 8] = (int64_t)FLAT_INDEX_MASK;
        base[REM_MASK_OFF / 8] = (int64_t)PAGE_MASK;
        base[REM_MASK_4K / 8] = CSAM_PAGE_BYTES;
        base[REM_MASK_SIGN / 8] = INT64_MIN;
        base[REM_MASK_X / 8] = (int64_t)FLAT_X_MASK;
        for (unsigned bits = REM_CHUNK_MIN; bits <= REM_CHUNK_MAX; bits++)
            base[REM_MASK_CHUNK / 8 - (int)(bits - REM_CHUNK_MIN)] =
                (int64_t)(PAGE_MASK & ~((UINT64_C(1) << bits) - 1));
    }
}

bool rem_init(struct vcpu *c, unsigned cpus, GError **error)
{
    struct rem *r;

    if (!host_can() || (uintptr_t)(c + 1) > INT32_MAX) {
        g_set_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED,
                    "CPU %u: the recompiler needs a host with BMI2 and FSGSBASE", c->id);
        return false;
    }
    r = rem_sparse(sizeof *r, true);
    if (r == NULL) {
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory for the recompiler below 2 GB", c->id);
        return false;
    }
    r->c = c;
    r->hot.mask_in_page = PAGE_MASK;
    r->hot.mask_high = ~PAGE_MASK;
    for (unsigned n = 0; n < G_N_ELEMENTS(r->hot.mask_align); n++)
        r->hot.mask_align[n] = (2u << n) - 1;
    r->hot.mask_not_if = ~(uint64_t)CPUM_FL_IF;
    r->hot.mask_not_df = ~(uint64_t)CPUM_FL_DF;
    r->hot.mask_df = CPUM_FL_DF;
    r->hot.mask_of = CPUM_FL_OF;
    r->hot.mask_image = ~(uint64_t)(CPUM_FL_ARITH | CPUM_FL_1 | CPUM_FL_RF | CPUM_FL_VM);
    r->hot.mask_tsd = CPUM_CR4_TSD;
    r->hot.mask_paragraph = 0xffff0;
    r->hot.host_mxcsr = 0x1f80;
    r->hot.slow = rem_slow;
    r->checks_vectors = !__builtin_cpu_is("intel") && __builtin_cpu_supports("avx2");
    if (!memory(r, cpus, error)) {
        rem_free(r);
        return false;
    }
    c->rem = r;
    put_masks(r);
    rem_trampolines(r);
    if (!rem_pairs_init(r)) {
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory for the recompiler's stack", c->id);
        rem_fini(c);
        return false;
    }
    rem_arenas_reset(r);
    c->mmu.flat = r->flat;
    rem_set_threshold(c, REM_HEAT_DEFAULT);
    return true;
}

void rem_fini(struct vcpu *c)
{
    if (c->rem == NULL)
        return;
    c->mmu.flat = NULL;
    if (c->iem != NULL)
        iem_set_fast(c, NULL, 0);
    rem_free(c->rem);
    c->rem = NULL;
}

void rem_flush(struct vcpu *c)
{
    if (c->rem != NULL)
        c->rem->full = true;
}

void rem_set_arenas(struct vcpu *c, unsigned arenas)
{
    struct rem *r = c->rem;

    if (r == NULL)
        return;
    r->limit = CLAMP(arenas, 2u, r->arenas);
    r->full = true;
}

void rem_set_threshold(struct vcpu *c, uint32_t executions)
{
    if (c->rem != NULL)
        iem_set_fast(c, executions == UINT32_MAX ? NULL : run, executions);
}

void rem_code_changed(struct vcpu *c, uint64_t gpa)
{
    struct rem *r = c->rem;
    unsigned at;

    if (r == NULL)
        return;
    at = atomic_fetch_add(&r->inbox_at, 1) % REM_INBOX;
    if (atomic_exchange(&r->inbox[at], (gpa & ~PAGE_MASK) | 1) != 0)
        atomic_store(&r->inbox_lost, true);
    atomic_store_explicit(&r->inbox_any, true, memory_order_release);
}

struct rem *rem_running(void)
{
    return running;
}

const struct rem_stats *rem_stats(const struct vcpu *c)
{
    static const struct rem_stats none;

    return c->rem != NULL ? &c->rem->stats : &none;
}

/*
 * raw_int.h - inside raw mode: raw.c (asked by the run loop, traps), begin.c (beginning and end), state.c (registers),
 * space.c (which pages a jail has), fill.c (which it gets), judge.c (which code may run natively), policy.c (whether it
 * pays).
 *
 * Invariant 1: a jail maps a guest page only as the TLB could hold it: A is set on the whole way, D for writing, PGM
 *   allows direct access. Whatever the guest does to its page tables and TLB takes effect before the jail runs again.
 * Invariant 2: an executable page is watched and not writable; it was judged after the watch was set.
 * Invariant 3: while a jail runs, nothing else of the vCPU does.
 */
#ifndef VMM_RAW_RAW_INT_H
#define VMM_RAW_RAW_INT_H

#include "rt/jail.h"
#include "vmm/csam/memo.h"
#include "vmm/iem/assist.h"
#include "vmm/raw/raw.h"

#define RAW_SPACES       4u      /* address spaces kept at a time, a jail each */
#define RAW_PAGES_MAX    48000u  /* of a space: each may be a mapping of its own, and the host has 65530 of them */
#define RAW_SLOTS        131072u /* power of two */
#define RAW_QUEUE        448u
#define RAW_REGION_SHIFT 21u               /* as large as the guest's large pages */
#define RAW_REGIONS      256u              /* power of two */
#define RAW_LOWEST       UINT64_C(0x10000) /* hosts map nothing below (vm.mmap_min_addr) */
#define RAW_JUDGEMENTS   8192u             /* power of two */
#define RAW_POLICIES     256u              /* power of two */

struct raw_page {
    uint64_t gla, gpa, offset;
    _Atomic uint32_t *gen; /* executable: PGM's count of its changes, and which one was judged */
    uint32_t seen;
    unsigned rights; /* enum jail_right */
};

/* 2 MiB of a program, and how often a block of it was mapped that it had. */
struct raw_region {
    uint32_t name; /* 0: none */
    uint8_t visits;
};

struct raw_space {
    struct jail *jail;
    uint64_t root;     /* raw_root(); UINT64_MAX: free */
    uint64_t gen;      /* TLB generation everything was compared with */
    uint32_t changes;  /* of code, likewise */
    bool stale;        /* everything has to be compared */
    bool writes_stale; /* PGM has to be asked again about every writable page */
    uint64_t used_at;
    unsigned pages, queued;
    struct raw_region region[RAW_REGIONS];
    struct jail_map queue[RAW_QUEUE]; /* not yet done in the jail */
    uint16_t slot[RAW_SLOTS];         /* hash of gla: index in page[] + 1 */
    struct raw_page page[RAW_PAGES_MAX];
};

enum raw_verdict { RAW_UNKNOWN, RAW_FIT, RAW_UNFIT };
struct raw_judgement {
    uint64_t gpa; /* page | kind of code */
    _Atomic uint32_t *gen;
    uint32_t seen;
    uint8_t verdict;    /* enum raw_verdict */
    uint8_t turns;      /* how often its code became other code ... */
    uint64_t turned_ns; /* ... and when it did the last time */
};

/* What one address space has shown. */
struct raw_policy {
    uint64_t root;
    bool in;
    /* outside: of the thread's processor time, in the present window; what would have been traps, ones for a page */
    uint64_t busy_ns;
    uint32_t traps_out, pages;
    const struct jail *jail;     /* inside: of the present window; what it had used at its beginning ... */
    uint64_t used_ns, inside_ns; /* ... and how long it has run since, by the clock; what the thread ... */
    uint64_t spent_ns, once_ns;  /* ... has worked for it, and of that for what is paid for once */
    uint64_t judged_ns;          /* what judging had taken at its beginning: nothing of that is the jail's */
    uint64_t stop_ns;            /* at the last stop: the thread's processor time */
    bool warms;                  /* the stop was for a page that was only missing in the jail */
    uint32_t traps, shown;       /* in the window; of these, such as are seen outside, too */
    bool surprised;              /* at the last stop */
    uint32_t bad, stayed, vain;  /* windows, windows, surprises in a row after which it hardly computed */
    uint64_t not_before_ns;
    unsigned back_off;
};

/* Where policy.c has its times from. */
struct raw_times {
    uint64_t (*now_ns)(const struct raw *r);
    uint64_t (*spent_ns)(void); /* processor time of this thread ... */
    uint64_t (*used_ns)(const struct jail *j);
};
extern const struct raw_times raw_host_times;

struct raw {
    struct vcpu *c;
    struct pgm_shadow shadow;
    enum raw_will will;
    struct raw_space *space; /* [RAW_SPACES] */
    uint64_t clock;
    uint8_t *ram;
    uint64_t ram_bytes;
    _Atomic(struct jail *) running; /* for raw_kick() */
    _Atomic uint32_t changes;
    struct raw_space *away;             /* the jail that holds the vCPU's x87 and vector registers */
    uint64_t cleared_seen;              /* stats.cleared at the last page fault */
    uint64_t pending_gla, pending_root; /* a page whose absence became the guest's exception; root UINT64_MAX: none */
    bool lost;
    uint64_t cost_ns, map_ns; /* of one way out and in; of a page that has to be mapped, in addition */
    uint64_t tick_ns;         /* of the time stamp counter, 32.32 */
    const struct raw_times *times;
    uint16_t based_selector; /* jail_based_selector() */
    struct {
        uint64_t xcr0;
        bool cpuid_traps, avx512, fma4, xop, rtm, pku, x87_pointers;
    } host; /* what its ring 3 has */
    struct raw_stats stats;
    uint8_t op[IEM_OP_BYTES] __attribute__((aligned(16)));
    struct raw_judgement judgement[RAW_JUDGEMENTS];
    struct csam_memo shows_nothing, fits; /* judge.c: what functions of these names allow */
    struct raw_policy policy[RAW_POLICIES], *last_asked;
    uint64_t xcpts, irqs;                  /* the vCPU's counters when last_asked was asked, and ... */
    uint64_t asked_ns, spent_ns, short_ns; /* when; the thread's processor time then, without short_ns */
    struct raw_policy *visits;             /* whose jail the thread works for, or NULL ... */
    uint64_t since_ns;                     /* ... its processor time at the beginning */
};

/* ---- raw.c ---- */
/** Asked by the run loop (iem_fast_fn). */
enum iem_fast_result raw_run(struct vcpu *c, uint64_t gpa);
/** An instruction the interpreter ran for the jail left with an exception. */
void raw_unwound(struct vcpu *c);

/* ---- state.c ---- */
/** The vCPU is in a state in which the host CPU in ring 3 behaves as the guest's. */
bool raw_possible(const struct vcpu *c);
void raw_put_registers(const struct vcpu *c, struct user_regs_struct *u);
void raw_take_registers(struct vcpu *c, const struct user_regs_struct *u);
/** The selectors are those raw_put_registers() would put in. */
bool raw_own_selectors(const struct vcpu *c, const struct user_regs_struct *u);
/** Into the jail's XSAVE area, and out. Return: it had something else. */
bool raw_put_vectors(const struct vcpu *c, struct jail *j);
void raw_take_vectors(struct vcpu *c, struct jail *j);

/* ---- space.c ---- */
/** The space of the present address space; takes over the least recently used. */
struct raw_space *raw_space_get(struct raw *r);
/**
 * raw_space_ready() - brings the jail in line with everything that happened (inv 1, 2).
 * Return: false: the jail is lost.
 */
bool raw_space_ready(struct raw *r, struct raw_space *s);
/** enum jail_right of the page, 0 = not mapped. */
unsigned raw_space_rights(const struct raw_space *s, uint64_t gla);
struct raw_page *raw_space_find(const struct raw_space *s, uint64_t gla);
void raw_space_put(struct raw *r, struct raw_space *s, const struct raw_page *p);
void raw_space_clear(struct raw *r, struct raw_space *s);
/** Joins the TLB's news (pgm_shadow). */
void raw_space_listen(struct raw *r);

/* ---- fill.c ---- */
/** Inv 1: the page as data; @bits, @gpa: pgm_mmu_known(). False: not at all. */
bool raw_page_as_data(struct raw *r, uint64_t gla, unsigned bits, uint64_t gpa, struct raw_page *ret);
/**
 * raw_space_fill() - maps the page at @gla for data, and some of its neighbours, as far as possible.
 * Return: more may be done with it than before.
 */
bool raw_space_fill(struct raw *r, struct raw_space *s, uint64_t gla);
/** Maps the page of @gla, where the instruction at RIP begins or ends, for execution. Return: false: not this page. */
bool raw_space_fill_code(struct raw *r, struct raw_space *s, uint64_t gla);

/* ---- judge.c ---- */
void raw_judge_init(struct raw *r);
/**
 * raw_judge() - whether the page at @gla, physically @gpa, may be executed natively; watches it.
 * @entry: where an instruction begins that is in the page, if only with its end.
 * @ret_gen, @ret_seen: as pgm_code_watch().
 */
bool raw_judge(struct raw *r, uint64_t gla, uint64_t entry, uint64_t gpa, _Atomic uint32_t **ret_gen,
               uint32_t *ret_seen);
/** The page is known to be fit, or not to be, in its present state. */
bool raw_judged_fit(const struct raw *r, uint64_t gpa);
bool raw_judged_unfit(const struct raw *r, uint64_t gpa);

/* ---- policy.c ---- */
uint64_t raw_now_ns(void);
/** @ticks of the time stamp counter took @ns. */
void raw_policy_calibrate(struct raw *r, uint64_t ticks, uint64_t ns);
/** Asked outside: shall the present address space run natively now? */
bool raw_policy_enter(struct raw *r, uint64_t root);
/** The thread begins to work for a jail, and has ended. */
void raw_policy_visit(struct raw *r, uint64_t root);
void raw_policy_visited(struct raw *r);
/** Told inside, at each stop of @j, after @ran_ns by the clock. Return: false: it does not pay any more. */
bool raw_policy_stay(struct raw *r, uint64_t root, const struct jail *j, uint64_t ran_ns);
/** The stop was for a page the guest had already, which is mapped now. */
void raw_policy_filled(struct raw *r);
/** The stop was for what the guest's kernel has to do, inside or outside. */
void raw_policy_shown(struct raw *r);
/** It is another program. */
void raw_policy_forget(struct raw *r, uint64_t root);

/**
 * The address space, bit 0: for 32-bit code, which has a jail of its own there: pages are judged for one kind of code.
 * Two of PAE may have their tables in one page.
 */
static inline uint64_t raw_root(const struct vcpu *c)
{
    return (c->ctx.cr3 & (c->mode.long_mode ? UINT64_C(0x000ffffffffff000) : UINT64_C(0xffffffe0))) | !c->mode.code64;
}

#endif

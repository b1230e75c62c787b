/*
 * rem_int.h - what the files of the recompiler share.
 *
 * Registers while translated code runs: guest RAX RDX RBX RBP RSI RDI R8-R11 are the host's, guest RCX is host R12,
 * guest RSP is host R13, guest R12-R15 live in the context. RCX (S) and R14 (T0) are scratch: RCX, because JRCXZ is the
 * one test that leaves flags alone. R15 (RB) is the set's R table, GS.base its W table; in front of R stand the masks.
 * RSP is the stack of pairs (pairs.c), 16-byte aligned. The guest's arithmetic flags are in EFLAGS, always; DF is 0; AC
 * is 1, so that the host finds misaligned accesses, which could cross a page. Guest RIP is nowhere: it is pcbase, the
 * RIP of the running page's first byte, plus a constant.
 *
 * Invariant 1: between two guest instructions every guest register is at home; a site's slow path may run the whole
 *   instruction again in the interpreter, because nothing of it has happened yet that is not repeated the same way.
 * Invariant 2: code of a page runs only while its X entry says so, or reached from the same page.
 * Invariant 3: nothing is emitted or patched while translated code runs on this vCPU.
 * Invariant 4: in lockstep no link is aimed at a block, and every way into a block asks hot.once.
 */
#ifndef VMM_REM_REM_INT_H
#define VMM_REM_REM_INT_H

#include "rt/codemem.h"
#include "vmm/iem/assist.h"
#include "vmm/patm/patm.h"
#include "vmm/pgm/flat.h"
#include "vmm/rem/emit.h"
#include "vmm/rem/record.h"
#include "vmm/rem/rem.h"

enum { S = X86_RCX, T0 = X86_R14, RB = X86_R15, HOST_RSP = X86_R13, HOST_RCX = X86_R12 };
/* Masks in front of R, distance from RB. */
enum {
    REM_MASK_PAGE = -8,
    REM_MASK_OFF = -16,
    REM_MASK_4K = -24,
    REM_MASK_SIGN = -32,
    REM_MASK_X = -40,
    REM_MASK_CHUNK = -48
};
#define REM_CHUNK_MIN 3u /* REM_MASK_CHUNK - 8 * n: the number of the 2^(n + 3)-byte chunk in its page */
#define REM_CHUNK_MAX 8u
/* Accesses that a segment may have room for: segment.c. */
enum rem_room { REM_ROOM_READ, REM_ROOM_WRITE, REM_ROOMS };
#define REM_DEVICES         64u /* pages of device registers that are known */
#define REM_INBOX           64u
#define REM_BLOCK_HASH_BITS 18u
#define REM_BLOCK_HASH      (1u << REM_BLOCK_HASH_BITS)
#define REM_NO_LINK         0u
#define REM_INDIRECT        UINT32_MAX  /* in hot.link: left by an indirect jump */
#define REM_SITE_FPU        0x80000000u /* in hot.site: vector or x87 registers wanted */
#define REM_SITE_LINK       0x40000000u /* in hot.site: behind it stands a link, which wants to know where it leads */

/** Reached by translated code through absolute addresses. */
struct rem_hot {
    uint64_t pcbase;
    uint64_t xbase, rbase; /* X and R tables of the set */
    uint64_t flags;        /* EFLAGS in and out */
    uint64_t target, tmp, tmp2;
    uint64_t from;                /* return address of a stub's call; 0: site or link say it */
    uint64_t c_sp;                /* C code's stack while translated code runs */
    uint64_t pair_sp, pair_first; /* stack of calls when it does not; empty */
    uint64_t minus_pair_first;
    uint64_t mask_not_if, mask_not_df, mask_df, mask_of, mask_image, mask_tsd; /* system.c */
    uint64_t mask_in_page, mask_high, mask_align[3];                           /* string.c; [bytes / 4] */
    uint64_t mask_paragraph;                                                   /* segment_load.c */
    uint64_t code_room, minus_cs;                       /* segment.c: of CS, and its base negated */
    uint64_t room[REM_ROOMS][X86_SREG_COUNT];           /* segment.c */
    uint64_t group[8];                                  /* where groups are on the host */
    uint8_t vector[2][32] __attribute__((aligned(32))); /* a register while it is borrowed; a copy of an operand */
    uint32_t site, link;
    uint32_t access; /* what a device is asked for (device.c); 0: the interpreter runs the site */
    uint32_t once;   /* lockstep: not 0 = a block may be entered, which takes it back */
    uint32_t host_mxcsr;
    uint8_t vec_live;   /* the host's vector registers and MXCSR are the guest's */
    uint8_t vec_reload; /* ... and shall be when translated code goes on */
    uint8_t x87_ok;
    uint64_t (*slow)(struct rem *r);
};

/** CS as far as translated code depends on it. */
struct rem_code_segment {
    uint32_t base, limit;
};

/** How far an arena is filled: offset in the code, numbers in the tables. */
struct rem_fill {
    uint32_t used, blocks, sites, links, bytes;
};

struct rem {
    struct rem_hot hot; /* first */
    struct vcpu *c;
    struct codemem code;
    uint32_t arenas, limit, arena; /* how many there are; may be used; which one is being filled */
    uint32_t taking_turns, turns;  /* how many are used now; turns so far, and each one's last: */
    uint32_t turn[REM_ARENAS_MAX];
    uint64_t *gone;                          /* bit map: blocks that were forgotten to make room */
    uint32_t gone_count, again;              /* bits in it; of the blocks of this arena had been there */
    uint32_t code_first;                     /* behind the trampolines */
    uint32_t enter, leave, exit, slow, none; /* trampolines, host offsets */
    uint32_t slow_at, link_at, across_at;
    uint8_t *pairs;       /* mapping with the stack of calls */
    uint64_t pairs_epoch; /* of flat, that they belong to */
    struct flat *flat;
    struct flat_set *set;
    struct flat_set *last[PGM_IDX_COUNT]; /* by privilege, the one used last */
    struct rem_page *page_room;           /* [pages_max] */
    uint8_t *entries;                     /* what rem_page.entry points into ... */
    uint32_t parts, parts_max;            /* ... how many parts of it exist, and may */
    uint32_t *block_hash;                 /* [REM_BLOCK_HASH]: number + 1 */
    struct rem_page *page_hash[REM_PAGES_MAX * 2];
    struct rem_page *page_free;
    uint32_t pages, pages_max, pages_used, page_hand; /* touched; room; not free; where to look for one to give away */
    struct rem_block *block;                          /* [arenas * REM_ARENA_BLOCKS] ... all sparse */
    uint8_t *site;                                    /* packed */
    struct rem_site made[REM_BLOCK_SITES];            /* of the block that is being made, so many: */
    uint32_t made_count;
    uint32_t misaligned; /* id + 1 of the site at which the host has found a misaligned operand */
    struct rem_link *link;
    uint8_t *bytes;
    struct rem_op *ops;                              /* [REM_OPS] */
    uint32_t used, blocks, sites, links, bytes_used; /* of the arena that is being filled, and where it ends: */
    struct rem_fill end;
    struct rem_fill filled[REM_ARENAS_MAX]; /* what is finished of every arena */
    bool full, care;                        /* full: forget everything (rem_flush()) */
    _Atomic uint64_t inbox[REM_INBOX];      /* gpa | 1 of changed pages */
    _Atomic uint32_t inbox_at;
    _Atomic bool inbox_lost, inbox_any;
    struct rem_stats stats;
    uint64_t slow_by[X86_MNEM_COUNT];
    uint64_t *count;      /* of every block, below 2 GiB: how often blocks were entered; NULL: not counted */
    uint64_t since;       /* with count: time stamp when translated code was entered */
    bool checks_vectors;  /* the host's EFLAGS.AC covers vector moves: misaligned.c */
    int perf_map;         /* descriptor + 1; 0: none */
    uint32_t rewrite[16]; /* blocks with a site that shall have another form */
    unsigned rewrites;
    struct csam_run run;
    struct patm *patm;
    uint32_t asked;    /* how often rem_relax() was near */
    uint64_t relax_at; /* when marks are looked at again */
    uint32_t strays;   /* accesses of devices' sites to memory */
    struct pgm_device device[REM_DEVICES];
    struct cpum_seg seg[X86_SREG_COUNT];                 /* hot.room belongs to these ... */
    uint32_t seg_key;                                    /* ... in this mode */
    struct rem_code_segment code_segment[FLAT_SETS_MAX]; /* that X of each set belongs to */
    struct rem_lockstep *lockstep;                       /* NULL: not in lockstep */
};

static inline uint32_t rem_number(const struct rem *r, const struct rem_block *b)
{
    return (uint32_t)(b - r->block);
}
/** By number + 1; 0: NULL. */
static inline struct rem_block *rem_numbered(const struct rem *r, uint32_t number)
{
    return number != 0 ? &r->block[number - 1] : NULL;
}
static inline uint32_t rem_arena_of_block(const struct rem *r, const struct rem_block *b)
{
    return rem_number(r, b) >> REM_BLOCK_BITS;
}
static inline struct rem_page *rem_page_of(const struct rem *r, const struct rem_block *b)
{
    return &r->page_room[b->page];
}
static inline uint16_t rem_end_of(const struct rem_block *b) /* in its page */
{
    return (uint16_t)(b->off + b->length);
}
/** The guest code it was made from. */
static inline uint8_t *rem_bytes_of(const struct rem *r, const struct rem_block *b)
{
    return r->bytes + ((size_t)rem_arena_of_block(r, b) << REM_GUEST_BITS) + b->bytes;
}
/** The first instruction's site; behind the last of all. */
static inline uint32_t rem_sites_of(const struct rem *r, const struct rem_block *b)
{
    return (rem_number(r, b) << REM_SITES_BITS) + b->first;
}
static inline uint32_t rem_sites_end(const struct rem *r, const struct rem_block *b)
{
    return (rem_number(r, b) << REM_SITES_BITS) + b->sites;
}
/** Its host code: way out, entry, entry without asking for vector registers, without asking anything. */
static inline uint32_t rem_leave_of(const struct rem *r, const struct rem_block *b)
{
    return (rem_arena_of_block(r, b) << REM_HOST_BITS) + b->leave;
}
static inline uint32_t rem_host_of(const struct rem *r, const struct rem_block *b)
{
    return rem_leave_of(r, b) + b->host;
}
static inline uint32_t rem_polled_of(const struct rem *r, const struct rem_block *b)
{
    return rem_host_of(r, b) + b->polled;
}
static inline uint32_t rem_body_of(const struct rem *r, const struct rem_block *b)
{
    return rem_polled_of(r, b) + b->body;
}
/** Host offset @in_arena of the arena that @host is in. */
static inline uint32_t rem_beside(uint32_t host, uint32_t in_arena)
{
    return (host & ~(REM_ARENA_BYTES - 1)) | in_arena;
}
static inline struct rem_block *rem_block_of(const struct rem *r, const struct rem_site *s)
{
    return &r->block[s->id >> REM_SITES_BITS];
}
/** Where code runs: below 4 GiB. */
static inline uint32_t rem_address(const struct rem *r, uint32_t host)
{
    return (uint32_t)(uintptr_t)r->code.rx + host;
}

/* ---- page.c: pages, blocks, what becomes of them when code changes ---- */
struct rem_tr;
struct rem_page *rem_page_find(struct rem *r, uint64_t gpa, uint64_t key);
struct rem_page *rem_page_get(struct rem *r, uint64_t gpa, uint64_t key); /* NULL: full, or not memory */
struct rem_block *rem_block_at(struct rem *r, const struct rem_page *page, unsigned off); /* NULL: none */
void rem_block_keep(struct rem *r, struct rem_block *b);
/** Room for pages, or for what they are known by. */
bool rem_pages_init(struct rem *r, unsigned pages);
void rem_pages_fini(struct rem *r);
/** Looks at the pages announced by rem_code_changed(), if any. */
void rem_follow_changes(struct rem *r);
void rem_forget_all(struct rem *r);
/** Makes sure there is a page for rem_page_get(), and one for an instruction that goes on there. */
void rem_page_room(struct rem *r);
/** Nothing leads to the block any more; who is in it and comes by its entry leaves. Its page's list still has it. */
void rem_invalidate(struct rem *r, struct rem_block *b);
void rem_drop_stale(struct rem *r, struct rem_page *p);
/** Blocks with a site that shall have another form are translated anew. */
void rem_rewrite(struct rem *r);
/**
 * The word of the X table for a page seen at @gla: word + gla * 4 is the place for an address, + REM_X_ODD, so that an
 * empty entry never looks like a page's.
 */
#define REM_X_ODD 1
static inline uint64_t rem_x_word(const struct rem_page *page, uint64_t gla)
{
    return (uint64_t)(uintptr_t)page->entry - ((gla & ~(uint64_t)(CSAM_PAGE_BYTES - 1)) << 2) + REM_X_ODD;
}
/** The word X has for the page at @gla; 0: none, or one of another address (flat.h). */
static inline uint64_t rem_x_of(const struct flat_set *s, uint64_t gla)
{
    uint64_t word = flat_x(s, gla);

    return word - REM_X_ODD + gla * 4 <= INT32_MAX ? word : 0;
}
/** What word + gla * 4 is added to for 0 at byte @off of @page; what gives 0 nowhere. */
static inline int32_t rem_x_place(const struct rem_page *page, unsigned off)
{
    return -(int32_t)(uint32_t)(uintptr_t)(page->entry + off) - REM_X_ODD;
}
#define REM_X_NOWHERE (INT32_MAX - 1)

/* ---- targets.c: where indirect jumps go ---- */
bool rem_targets_init(struct rem *r);
void rem_targets_fini(struct rem *r);
size_t rem_targets_resident(const struct rem *r); /* bytes */
/** The entries of page number @n: they begin one memory page behind a multiple of 16 KiB. */
uint32_t *rem_targets_of(const struct rem *r, unsigned n);
const struct rem_page *rem_page_by_place(const struct rem *r, uint64_t place); /* one of its entries */
/** An indirect jump has come to the block by C code; if that happens often the next ones find it by themselves. */
void rem_target_asked(struct rem *r, const struct rem_block *b);
/** No indirect jump finds the block by itself any more. */
void rem_target_hide(const struct rem *r, const struct rem_block *b);
/** ... nor any other. */
void rem_targets_forget(struct rem *r);

/* ---- arena.c: room for translations ---- */
/** @arenas: of code; tables for them. False: no memory. */
bool rem_arenas_init(struct rem *r, uint32_t arenas, GError **error);
void rem_arenas_fini(struct rem *r);
/** Everything is empty. */
void rem_arenas_reset(struct rem *r);
/** Makes sure one more block has room: the oldest arena's blocks are forgotten for it. */
void rem_arena_room(struct rem *r);
/** A block has been made: was there one that had to give way? */
void rem_arena_kept(struct rem *r, const struct rem_block *b);
/** What is in the open arena counts from now on. */
void rem_arena_note(struct rem *r);
/** All blocks there are, of the arena with number @arena: [first, filled[arena].blocks). */
static inline uint32_t rem_arena_first_block(uint32_t arena)
{
    return arena * REM_ARENA_BLOCKS;
}
static inline uint32_t rem_arena_of(uint32_t host)
{
    return host / REM_ARENA_BYTES;
}

/* ---- read.c ---- */
/**
 * The run at @off of @page, whose RIP is ctx.rip, into r->run and its bytes into @code (CSAM_RUN_BYTES). An
 * instruction that lies in two pages is a run of its own: @ret_second is the other page then, else NULL.
 */
bool rem_read_code(struct rem *r, const struct rem_page *page, unsigned off, uint8_t *code,
                   struct rem_page **ret_second);

/** The page behind the running instruction's, about to be executed too, and its address; @make: if it is not known yet.
 * NULL: not known, or not to be executed. */
struct rem_page *rem_next_page(struct rem *r, bool make);
uint64_t rem_next_gla(const struct rem *r);

/* ---- translate.c ---- */
/** Translates the run at @off of @page, whose RIP is ctx.rip. NULL: it cannot be (cold, or full is set). */
struct rem_block *rem_translate(struct rem *r, struct rem_page *page, unsigned off);
/* ---- link.c ---- */
/** Aims a link at a block. */
void rem_link_to(struct rem *r, uint32_t link, struct rem_block *to);
/** ... at nothing again. */
void rem_unlink(struct rem *r, uint32_t link);
/** The indirect jump of a link has come to ctx.rip by the interpreter: next time by itself, if that is translated. */
void rem_link_here(struct rem *r, uint32_t link);

/* ---- entry.c: code between C and translated code ---- */
void rem_trampolines(struct rem *r);
void rem_serialize(void);

struct rem *rem_running(void); /* of this thread; rem.c */
/** In C called by translated code: where to go on at ctx.rip, 0: leave, the run loop has to look. */
uint64_t rem_elsewhere(struct rem *r);
void rem_enter(struct rem *r, uint32_t host);
/** Translated code uses the tables of @s from now on. */
void rem_exchange_set(struct rem *r, struct flat_set *s);

/* ---- rem.c, profile.c ---- */
void *rem_sparse(size_t bytes, bool low); /* zeroes; @low: below 2 GiB. NULL: no room */
void rem_unsparse(void *p, size_t bytes);
void rem_emit_count(struct rem_tr *t);
void rem_clock_start(struct rem *r);
void rem_clock_stop(struct rem *r);
void rem_perf_line(struct rem *r, uint32_t number);

/* ---- lockstep.c ---- */
void rem_lockstep_kept(struct rem *r, uint32_t block); /* one has been made */
/* with r->lockstep only: */
enum iem_fast_result rem_lockstep_run(struct rem *r, struct rem_block *b);
/** Around an instruction the interpreter runs for translated code. False: it failed, leave translated code. */
bool rem_lockstep_before(struct rem *r, const struct rem_site *s);
/** @leaving: translated code is left here, with the rest of its block not run. True: it has to be. */
bool rem_lockstep_after(struct rem *r, const struct rem_site *s, bool leaving);
/** An instruction translated code could do, but whose result the interpreter cannot tell beforehand. */
bool rem_lockstep_hands_over(const struct rem *r, const struct x86_insn *i);
void rem_lockstep_fini(struct rem *r);
uint32_t rem_lockstep_runs(const struct rem *r, uint32_t block); /* how often it was entered */

/* ---- pairs.c ---- */
bool rem_pairs_init(struct rem *r);
void rem_pairs_fini(struct rem *r);
/** Nobody's return is known any more. */
void rem_pairs_forget(struct rem *r);
/** A host fault at the stack's end: async-signal-safe. Return: false if it was none. */
bool rem_pairs_fault(const struct rem *r, void *context);

/* ---- adapt.c: which form a site has ---- */
/** The host caught the instruction at a misaligned access; it reached a device; it did not. */
void rem_caught_misaligned(struct rem *r, const struct rem_site *s);
void rem_caught_device(struct rem *r, const struct rem_site *s);
void rem_not_device(struct rem *r, const struct rem_site *s);
/** A group led by it could not share a probe, and nothing that can be done now will help. */
void rem_no_form(const struct rem_tr *t, enum patm_kind kind); /* the present instruction has none for that */
void rem_caught_apart(struct rem *r, const struct rem_site *s);
/** The block is translated anew before translated code is entered again. */
void rem_translate_anew(struct rem *r, uint32_t block);
/** Now and then: marks whose term is over; how many host faults there are. */
void rem_relax(struct rem *r);

/* ---- constant.c ---- */
/** @now: the block's bytes as they are in memory. Return: only constants had changed, the block is as if made anew. */
bool rem_patch_constants(struct rem *r, struct rem_block *b, const uint8_t *now);

/* ---- device.c ---- */
/** A store changed code, and nothing else wants the vCPU: translated code need not be left for that. Return:
 * it was so. */
bool rem_follow_code(struct rem *r);
/** What hot.access says. Return: false if the interpreter has to run the instruction; else @ret_host as rem_slow(). */
bool rem_device(struct rem *r, uint64_t *ret_host);
bool rem_emit_set_ac(struct rem_tr *t, bool on);
bool rem_emit_port(struct rem_tr *t, const struct x86_insn *i);
bool rem_emit_device(struct rem_tr *t, const struct x86_insn *i);

/* ---- bulk.c ---- */
/** REP MOVS or STOS, as far as it goes by whole runs of a page. Return: true if nothing is left of it. */
bool rem_bulk(struct rem *r, const struct x86_insn *i);

/* ---- sites.c ---- */
/** The sites of a block, in order. */
void rem_sites_keep(struct rem *r, struct rem_block *b, const struct rem_site *made, uint32_t count);
struct rem_site rem_site_get(struct rem *r, uint32_t id);
void rem_site_read(const struct rem *r, uint32_t id, struct rem_site *ret); /* async-signal-safe */
/** The last site that begins at @host or in front of it, in the same block. False: none. Async-signal-safe. */
bool rem_site_at(const struct rem *r, uint32_t host, struct rem_site *ret);

/* ---- slow.c ---- */
uint64_t rem_slow(struct rem *r);
/**
 * The instruction of a site, decoded from the bytes it was translated from; it stays until another one is asked for.
 * NULL: not an instruction now.
 */
const struct iem_op *rem_op_make(struct rem *r, const struct rem_site *s);
static inline struct rem_op *rem_op_room(const struct rem *r, uint32_t id)
{
    return &r->ops[id * 0x9e3779b1u >> (32 - REM_OPS_BITS)];
}
static inline const struct iem_op *rem_op_of(struct rem *r, const struct rem_site *s)
{
    const struct rem_op *o = rem_op_room(r, s->id);

    return o->site == s->id + 1 && o->ready ? (const struct iem_op *)(const void *)o->op : rem_op_make(r, s);
}
/** hot.flags into ctx.rflags. */
static inline void rem_note_flags(struct rem *r)
{
    const uint64_t arith = CPUM_FL_ARITH;

    r->c->ctx.rflags = (r->c->ctx.rflags & ~arith) | (r->hot.flags & arith);
}
/** The other way. */
static inline void rem_put_flags(struct rem *r)
{
    r->hot.flags = (r->c->ctx.rflags & CPUM_FL_ARITH) | CPUM_FL_1 | CPUM_FL_IF | CPUM_FL_AC;
    r->hot.x87_ok = iem_x87_usable(r->c);
}

#endif

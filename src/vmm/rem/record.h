/*
 * record.h - what is kept about translated code, and how much of it: pages, blocks, sites, links.
 *
 * There are very many of them, so they are small: numbers instead of pointers, host code as offsets in the arena or as
 * distances. What belongs together is in the same arena (arena.c); rem_int.h has what they stand for.
 */
#ifndef VMM_REM_RECORD_H
#define VMM_REM_RECORD_H

#include "vmm/csam/scan.h"
#include "vmm/iem/assist.h"

#define REM_PAGES_BITS 15u
#define REM_PAGES_MAX  (1u << REM_PAGES_BITS) /* a compiler is some 7,000 */
#define REM_BLOCK_ROOM (64u << 10)            /* host bytes one run may become */
/* An arena: this much code, and this many of each thing that is kept about it (arena.c). */
#define REM_ARENA_BYTES  (2u << 20)
#define REM_ARENA_BLOCKS 8192u
#define REM_ARENA_SITES  (512u << 10) /* bytes of them */
#define REM_ARENA_LINKS  32768u
#define REM_ARENA_GUEST  (512u << 10) /* bytes of guest code */
#define REM_ARENAS_MAX   128u         /* 256 MiB of code */
#define REM_HOST_BITS    21u
#define REM_BLOCK_BITS   13u
#define REM_LINK_BITS    15u
#define REM_GUEST_BITS   19u
#define REM_SITE_BITS    19u
#define REM_OPS_BITS     11u
#define REM_OPS          (1u << REM_OPS_BITS) /* instructions kept ready for the interpreter; power of two */

/* A page's entries, in parts of one memory page. */
#define REM_PARTS        4u
#define REM_PART_ENTRIES (CSAM_PAGE_BYTES / REM_PARTS)
#define REM_PART_ASKED   64u /* so often one has been asked for when it comes into being */

/** A guest page with code, for one kind of code (rem_key()). */
struct rem_page {
    uint64_t gpa;
    uint32_t *entry; /* [CSAM_PAGE_BYTES]: where an indirect jump to each byte, with T0 = RIP, goes on the host, as
                        distance from "none": 0 until one has come. Below 2 GiB; never at a multiple of 16 KiB (jump.c)
                      */
    uint64_t key;
    uint64_t rip;          /* when its first block was translated: of its first byte */
    uint32_t blocks;       /* number + 1 */
    struct rem_page *next; /* hash; or of those that are free */
    bool used;
    bool caught;  /* PATM knows of a site in it */
    bool stale;   /* some of its blocks are, and still in its list */
    bool grown;   /* a block was added since it was last thought of giving it away */
    bool changes; /* code was written over in it: constants have sites from then on (constant.c) */
    /* Of entry (targets.c), by part: which exist, as bits; how often indirect jumps have asked C code for one. */
    uint8_t parts, asked[REM_PARTS];
};

/** There are very many: 32 bytes. Numbers of blocks + 1; host code as distances; what belongs to an arena in it alone.
 */
struct rem_block {
    uint32_t next;                   /* of the page */
    uint32_t hash_next;              /* with the same hash */
    uint32_t links;                  /* that lead here */
    uint32_t bytes : REM_GUEST_BITS; /* in rem.bytes: guest code it was made from, as many as it ... */
    uint32_t length : 13;            /* ... has in its page */
    uint32_t leave : REM_HOST_BITS;  /* the way out */
    uint32_t stale  : 1;
    uint32_t vec    : 1;
    uint32_t copies : 1; /* of its stretches */
    uint32_t
        rest : 1; /* the second page's part of an instruction that lies in two, of which the next block is the whole */
    uint16_t page, off;            /* number; where it begins there */
    uint16_t host;                 /* behind the way out: the entry, which asks for everything */
    uint8_t polled;                /* behind that: the same without asking for vector registers; */
    uint8_t body;                  /* behind that: without asking anything */
    uint32_t site : REM_SITE_BITS; /* in rem.site: all of its sites, so many ... */
    uint32_t sites : 11;
    uint32_t first : 2; /* ... of which this is the first instruction's */
};
_Static_assert(sizeof(struct rem_block) == 32 && REM_PAGES_MAX <= 1u << 16, "rem_block");
#define REM_PROLOGUE_BYTES 15u /* in front of the entry: pcbase from T0 */

enum {
    REM_S_HALVES = 1,    /* an operand that was misaligned moves in two (misaligned_vector.c) */
    REM_S_SWAP = 2,      /* + 4 * register */
    REM_S_VEC = 16,      /* block's question for vectors */
    REM_S_SECOND = 32,   /* block's question for its second page */
    REM_S_DEVICE = 64,   /* asks a device first */
    REM_S_CONSTANT = 128 /* its code ends with the instruction's immediate */
};
_Static_assert(REM_ARENA_BYTES == 1u << REM_HOST_BITS && REM_ARENA_BLOCKS == 1u << REM_BLOCK_BITS &&
                   REM_ARENA_LINKS == 1u << REM_LINK_BITS && REM_ARENA_GUEST == 1u << REM_GUEST_BITS &&
                   REM_ARENA_SITES == 1u << REM_SITE_BITS,
               "arena");
/** An instruction that may leave translated code. Kept packed, in order of start (sites.c). */
struct rem_site {
    uint32_t id;          /* block's number << REM_SITES_BITS, and which of its sites */
    uint32_t start, next; /* on the host: of what it is for; behind that */
    uint32_t slow;        /* 0: nothing jumps to its slow path, but a fault leads there; or REM_SLOW_ALWAYS */
    uint32_t behind;      /* next of the last of its instruction's sites, of which ... */
    uint8_t same;         /* ... so many follow; these two are known when it is read */
    uint8_t flags, leads; /* REM_S_*; enum rem_leads */
    uint8_t len;          /* of the instruction, and its offset in the page: */
    uint16_t off, until;  /* how far behind it the last one of its stretch is; 0: it is that, or in none */
};
#define REM_SITES_BITS  10u /* a block has no more */
#define REM_BLOCK_SITES (1u << REM_SITES_BITS)
#define REM_SITES_ROOM  (REM_BLOCK_SITES * 15u) /* bytes they may need */
#define REM_SLOW_ALWAYS 1u                      /* the interpreter runs it: by the trampoline "slow" */
_Static_assert(CSAM_RUN_BYTES < 1u << 10 && REM_ARENAS_MAX << (REM_BLOCK_BITS + REM_SITES_BITS) <= 1u << 30,
               "rem_site");
/** In front of the site's instruction a group is probed: for reading; for writing, which the instruction itself does,
 * or a later one. */
enum rem_leads { REM_LEADS_NOT, REM_LEADS_READ, REM_LEADS_WRITE, REM_LEADS_LATER };
/** A site that was asked for, and its instruction ready for the interpreter. */
struct rem_op {
    uint32_t site; /* id + 1; 0: none */
    struct rem_site at;
    bool ready;             /* op is */
    uint32_t constant_site; /* likewise: the site of which constant_bytes is known */
    uint8_t constant_bytes; /* of its immediate */
    uint8_t op[IEM_OP_BYTES] __attribute__((aligned(64)));
};

/** A jump that may be patched: a direct one, or the target an indirect one expects. 12 bytes. */
struct rem_link {
    uint64_t rel : REM_HOST_BITS; /* end of the jump, in its arena */
    uint64_t imm  : 11; /* so far in front of rel the place that is expected ends; 0: target in the same page */
    uint64_t to   : 21; /* block it leads to now, + 1; 0: its stub */
    uint64_t next : 22; /* link to the same block */
    uint64_t stub : 16; /* + 1: so far behind rel the jump leads while it is not patched; 0: a direct one with imm,
                           which leads nowhere, since no place is right */
    uint64_t vec : 1, poll : 1; /* vector registers are the guest's here; force flags must be asked for */
    uint64_t kind : 3; /* 0: direct; 1: indirect; 1 + n: ... and has been aimed so often since its stub was last
                          put back, REM_LINK_TRIES at most */
} __attribute__((packed, aligned(4)));
_Static_assert(sizeof(struct rem_link) == 12 && REM_ARENAS_MAX << REM_BLOCK_BITS < 1u << 21 &&
                   REM_ARENAS_MAX << REM_LINK_BITS <= 1u << 22,
               "rem_link");
#define REM_LINK_MASK ((1u << 22) - 1)
enum { REM_LINK_DIRECT, REM_LINK_INDIRECT };
#define REM_LINK_TRIES 4u /* a function that is bound at its first call needs two */
/* Of an indirect one, distances from imm: ends of the jump for other targets, and of the target's offset in its page.
 */
#define REM_LINK_OTHER  7u
#define REM_LINK_OFFSET 14u

#endif

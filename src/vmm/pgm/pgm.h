/*
 * pgm.h - guest physical memory: ranges, page states, A20, code and dirty tracking.
 *
 * The physical address space is a sorted list of ranges (RAM, ROM, MMIO, device RAM). All guest RAM is one memfd
 * mapping; RAM at or above 4 GiB follows the low part in the file. Only this component turns a gpa into an hva.
 *
 * Threads: phys accesses and watches from any thread; the map changes under a writer lock and is published through a
 * sequence counter: readers take no lock, and a guest that moves ranges for ever costs no memory. Ranges and their
 * memory live until pgm_free(), so a translation used a little too long is wrong at most, never dangling.
 * Invariant 1: no vCPU holds a direct write translation to a page with a code watch: whoever sets the first watch on
 *   a page runs the synchronise callback before the first byte of code is read from it.
 * Invariant 2: every store to a watched chunk, by whomever, increases the page's code generation after the bytes
 * changed.
 * Invariant 3: a RAM or device RAM page's dirty bit is set before anybody gets a direct write translation to the page,
 * and after the bytes changed by any other way. Who clears bits waits, before he reads the bytes, until no vCPU holds a
 * translation made before: whatever is stored later sets the bit anew, and nothing is lost.
 */
#ifndef VMM_PGM_PGM_H
#define VMM_PGM_PGM_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PGM_PAGE_BYTES 4096u
#define PGM_PAGE_SHIFT 12

struct pgm;

enum pgm_kind { PGM_KIND_NONE, PGM_KIND_RAM, PGM_KIND_ROM, PGM_KIND_MMIO, PGM_KIND_DEVRAM };

/** Handler of an MMIO range; @size is 1, 2, 4 or 8, off + size never crosses the range's end. */
struct pgm_mmio_ops {
    uint64_t (*read)(void *user, uint64_t off, unsigned size);
    void (*write)(void *user, uint64_t off, uint64_t val, unsigned size);
};

/** pgm_new() - @ram_bytes of guest RAM (a multiple of 1 MiB, at most 2 TiB); what exceeds @low_limit_gpa (e.g. 3.5 GiB)
 * is placed at 4 GiB. */
struct pgm *pgm_new(uint64_t ram_bytes, uint64_t low_limit_gpa, GError **error);
void pgm_free(struct pgm *pgm);
/** Zeroes nothing, forgets nothing but watches and shadowing: RAM content survives a reset as on a PC. */
void pgm_reset(struct pgm *pgm);
uint64_t pgm_ram_low_bytes(const struct pgm *pgm);
uint64_t pgm_ram_high_bytes(const struct pgm *pgm);
/** Whole RAM as one block for saving and loading. */
void *pgm_ram_hva(struct pgm *pgm, uint64_t *ret_bytes);
int pgm_ram_fd(struct pgm *pgm);
/**
 * pgm_fill_set() - RAM's bytes are still to come: @need(user, off) is called before anything reaches the byte at @off
 * of the block of pgm_ram_hva(), by whoever does, and returns once the page is there. NULL: all of it is. @user lives
 * until pgm_free(). Set it before the first translation is made.
 */
void pgm_fill_set(struct pgm *pgm, void (*need)(void *user, uint64_t off), void *user);

/* ---- ranges; a later range hides earlier ones where they overlap ---- */
typedef struct {
    uint32_t id;
} pgm_range;
bool pgm_mmio_add(struct pgm *pgm, const char *name, uint64_t size_bytes, const struct pgm_mmio_ops *ops, void *user,
                  pgm_range *ret, GError **error);
bool pgm_devram_add(struct pgm *pgm, const char *name, uint64_t size_bytes, void **ret_hva, pgm_range *ret,
                    GError **error);
bool pgm_rom_add(struct pgm *pgm, const char *name, uint64_t gpa, const void *bytes, uint64_t size_bytes,
                 GError **error);
/** Any alignment (page aligned ones are quicker); remap moves it, and on top; an impossible @gpa unmaps. */
void pgm_map(struct pgm *pgm, pgm_range r, uint64_t gpa);
void pgm_unmap(struct pgm *pgm, pgm_range r);
/**
 * Routes reads/writes of [gpa, +size) within A0000h-FFFFFh to RAM or to what lies over it; see enum pdm_shadow for
 * @bits. After pgm_new() and pgm_reset() all of that area goes to the bus: without a range there it reads ones.
 */
void pgm_shadow_set(struct pgm *pgm, uint64_t gpa, uint64_t size_bytes, unsigned bits);
void pgm_a20_set(struct pgm *pgm, bool enabled);
bool pgm_a20(const struct pgm *pgm);

/* ---- access by physical address, any thread, any length; unmapped reads ones, writes vanish ---- */
void pgm_phys_read(struct pgm *pgm, uint64_t gpa, void *buf, size_t bytes);
void pgm_phys_write(struct pgm *pgm, uint64_t gpa, const void *buf, size_t bytes);
/**
 * pgm_phys_direct() - where the bytes from @gpa on lie in the host's memory, for the kernel to read them from files or
 *   write them to files; @write: they are going to be stored to, then pgm_phys_stored() is to follow.
 *
 * Return: how many of @bytes lie there in one piece; 0: none, they go through pgm_phys_read() or pgm_phys_write().
 */
size_t pgm_phys_direct(struct pgm *pgm, uint64_t gpa, size_t bytes, bool write, void **ret_hva);
/** pgm_phys_stored() - after the bytes changed (inv 2, 3). */
void pgm_phys_stored(struct pgm *pgm, uint64_t gpa, size_t bytes);
/** Single accesses of 1-8 bytes within one page, atomic as on a bus for aligned ones; MMIO sees exactly @size. */
uint64_t pgm_phys_read_n(struct pgm *pgm, uint64_t gpa, unsigned size);
void pgm_phys_write_n(struct pgm *pgm, uint64_t gpa, uint64_t val, unsigned size);
/**
 * Compare-and-swap of @size 1, 2, 4 or 8 bytes, aligned (page-table A/D bits, locked instructions on pages without
 * direct write); false if it was not @old any more. Where nothing can be written it is true and nothing happens.
 */
bool pgm_phys_cmpxchg(struct pgm *pgm, uint64_t gpa, uint64_t old, uint64_t val, unsigned size);

/** Stores so far that did not go through a direct translation: devices', page-table bits. Counted behind the store. */
uint64_t pgm_stores(struct pgm *pgm);

/** What a page is now. hva is NULL unless reads (and for write_ok: writes) may go there directly. */
struct pgm_page {
    enum pgm_kind kind; /* RAM: reads and writes both reach it; else what reads reach, shadow RAM counting as ROM */
    uint64_t gpa;       /* page, A20 applied */
    uint8_t *hva;       /* page start */
    bool write_direct;  /* false: ROM, watched code, or reads and writes go to different places */
};
/** @for_write: the caller is about to write there directly. Marks device RAM dirty (inv 3). */
void pgm_page_get(struct pgm *pgm, uint64_t gpa, bool for_write, struct pgm_page *ret);

/* ---- code tracking, 64-byte chunks ---- */
#define PGM_CHUNK_BYTES 64u
/**
 * pgm_code_watch() - somebody caches code from [gpa, gpa + bytes) (within one page). Read the bytes after this call.
 * @ret_gen: the generation to keep with what is cached; taken before the watch was set, so that a store in between
 *   shows. What is cached holds as long as the counter still has this value.
 * Return: the page's generation counter, valid until pgm_free(). NULL: not RAM/ROM/device RAM, do not cache.
 */
_Atomic uint32_t *pgm_code_watch(struct pgm *pgm, uint64_t gpa, unsigned bytes, uint32_t *ret_gen);
/** Whether a store here must be reported (slow path), and the report; pgm_phys_write* report by themselves. */
bool pgm_code_is_watched(struct pgm *pgm, uint64_t gpa, unsigned bytes);
void pgm_code_written(struct pgm *pgm, uint64_t gpa, unsigned bytes);
/** @sync(user, gpa): returns once no vCPU can write directly to the page any more (see vm's rendezvous). gpa -1 = all
 * pages. */
void pgm_sync_callback(struct pgm *pgm, void (*sync)(void *user, uint64_t gpa), void *user);
/**
 * @flush(user): the map changed (BAR, shadowing, A20): every vCPU has to call pgm_mmu_drop_writes(m, -1) before its
 * next block, e.g. by FF_TLB_SYNC. Called with device locks held: it must set flags only and never wait.
 */
void pgm_flush_callback(struct pgm *pgm, void (*flush)(void *user), void *user);

/**
 * @changed(user, gpa): watched code in the page at @gpa was written (or what the page is has changed); its generation
 * has moved. Called by the writer's thread, after the bytes changed and before its next access: it must set flags only.
 */
void pgm_changed_callback(struct pgm *pgm, void (*changed)(void *user, uint64_t gpa), void *user);

/* ---- dirty tracking of RAM and device RAM, by pages of 4 KiB ---- */
/**
 * pgm_dirty_collect() - which of the first @pages of @r were written since they were last collected: bit n % 64 of
 *   @ret_bits[n / 64]. Clears the marks and waits for the vCPUs once, and only if there were any; read the bytes after.
 *
 * Waits for vCPUs: never call it with a device's lock held. Return: how many pages were written.
 */
unsigned pgm_dirty_collect(struct pgm *pgm, pgm_range r, uint64_t *ret_bits, unsigned pages);
/** pgm_ram_dirty_collect() - the same for all RAM, in the order of pgm_ram_hva(). Return: pages written. */
unsigned pgm_ram_dirty_collect(struct pgm *pgm, uint64_t *ret_bits);

/** "info phys": the map as text. */
void pgm_info(struct pgm *pgm, GString *out);
struct stam;
struct info;
/** pgm_register() - counters and info handlers into the machine's registries, which go before @pgm does. */
void pgm_register(struct pgm *pgm, struct stam *stam, struct info *info);

#endif

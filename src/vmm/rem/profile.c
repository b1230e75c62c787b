/*
 * profile.c - what the recompiler has done, for people: counters, lists of its blocks and pages, symbols for perf.
 *
 * Lists are made while the vCPU runs: tables only grow until everything is forgotten, and their memory stays, so what
 * is read may be a little old but is always there.
 *
 * Counting runs of blocks and time needs rem_set_profile(): three instructions a block, and the host's time stamp
 * whenever translated code is entered or left.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include <x86intrin.h>

#include "rt/status.h"
#include "vmm/rem/translate_int.h"
#include "vmm/stam/stam.h"

#define LISTED 24u

/* ---- counters ---- */

struct row {
    const char *path, *unit, *desc;
    const uint64_t *value;
};

static void add_rows(struct stam *stam, unsigned cpu, const char *folder, const struct row *rows, size_t count)
{
    for (size_t n = 0; n < count; n++)
        stam_addf(stam, STAM_COUNTER, rows[n].value, rows[n].unit, rows[n].desc, "/%s/CPU%u/%s", folder, cpu,
                  rows[n].path);
}

static void register_rem(const struct rem *r, struct stam *stam)
{
    const struct rem_stats *s = &r->stats;
    const struct flat *f = r->flat;
    const struct row rows[] = {
        {"Blocks", "blocks", "translated", &s->blocks},
        {"Insns", "insns", "translated", &s->insns},
        {"GuestBytes", "bytes", "translated", &s->guest_bytes},
        {"HostBytes", "bytes", "made of them", &s->host_bytes},
        {"Flushes", "times", "everything forgotten: reset, loaded state", &s->flushes},
        {"Evictions", "arenas", "forgotten to make room", &s->evictions},
        {"Evicted", "blocks", "in them", &s->evicted},
        {"Again", "blocks", "translated that had been forgotten to make room", &s->again},
        {"EvictedPages", "pages", "forgotten to make room", &s->pages_evicted},
        {"TargetsForgotten", "times", "targets of indirect jumps, because there were too many", &s->targets_forgotten},
        {"Invalidated", "blocks", "whose code changed", &s->invalidated},
        {"Revived", "blocks", "whose code was written but is the same", &s->revived},
        {"Enters", "times", "translated code entered from C", &s->enters},
        {"Links", "jumps", "patched", &s->links},
        {"Slow", "insns", "run by the interpreter from translated code", &s->slow},
        {"Bulks", "times", "a page's part of a long REP MOVS or STOS was done by one copy", &s->bulks},
        {"Elsewhere", "times", "and translated code went on in another block", &s->elsewhere},
        {"Faults", "times", "host exceptions in translated code", &s->faults},
        {"Groups", "groups", "of accesses that one probe serves", &s->groups},
        {"Copies", "stretches", "of groups that exist without them too", &s->copies},
        {"Opaque", "insns", "translated into a call of the interpreter", &s->opaque_insns},
        {"Refused/Mode", "times", "alignment checks, a code segment for the interpreter",
         &s->refused[REM_REFUSED_MODE]},
        {"Refused/Memory", "times", "no memory, or no whole instruction in the page", &s->refused[REM_REFUSED_MEMORY]},
        {"Refused/Form", "times", "a block that could not be made", &s->refused[REM_REFUSED_FORM]},
        {"Lockstep/Verified", "stretches", "of code, interpreter and recompiler agree", &s->verified},
        {"Lockstep/Unverified", "stretches", "of code that could not be compared", &s->unverified},
        {"Ticks", "ticks", "in translated code (EM/Profile)", &s->ticks},
        {"Flat/Fills", "entries", "of the address tables", &f->stat_fills},
        {"Flat/Wipes", "times", "a set of tables changed hands", &f->stat_wipes},
        {"Flat/Kills", "pages", "invalidated one by one", &f->stat_kills},
    };

    add_rows(stam, r->c->id, "REM", rows, G_N_ELEMENTS(rows));
}

void rem_register(struct vcpu *c, struct stam *stam)
{
    if (c->rem == NULL)
        return;
    const struct rem_stats *s = &c->rem->stats;
    const struct row csam[] = {
        {"Scans", "runs", "of code read", &s->scans},
        {"ScannedInsns", "insns", "in them", &s->scanned_insns},
        {"Rescans", "runs", "that changed while they were read", &s->rescans},
        {"Changes", "pages", "with code that were written to", &s->changes},
    };
    const struct patm *p = c->rem->patm;
    const struct row patm[] = {
        {"Misaligned/Caught", "times", "the host found a misaligned operand", &p->stat_caught[PATM_MISALIGNED]},
        {"Misaligned/Marked", "times", "a site got the form for them", &p->stat_marked[PATM_MISALIGNED]},
        {"Odd/Caught", "times", "... of a vector that moved in two halves", &p->stat_caught[PATM_ODD]},
        {"Odd/Marked", "times", "a site got the form for any address", &p->stat_marked[PATM_ODD]},
        {"Apart/Caught", "times", "a group of accesses could not share a probe", &p->stat_caught[PATM_APART]},
        {"Apart/Marked", "times", "a stretch got a copy without groups", &p->stat_marked[PATM_APART]},
        {"Device/Caught", "times", "a site reached a device by way of the interpreter", &p->stat_caught[PATM_DEVICE]},
        {"Device/Marked", "times", "a site got the form for that", &p->stat_marked[PATM_DEVICE]},
        {"Device/Accesses", "times", "by such sites", &s->device_accesses},
        {"Device/Others", "times", "such a site reached something else", &s->not_devices},
        {"CodeStores", "times", "such a site wrote to a page with code", &s->code_stores},
        {"Constants", "blocks", "whose code changed in its constants only", &s->constants},
        {"Ports", "times", "read or written without the interpreter", &s->ports},
        {"Expired", "sites", "got their first form back", &p->stat_expired},
        {"Forgotten", "times", "all sites, because there were too many", &p->stat_forgotten},
        {"Rewritten", "blocks", "translated anew because of their sites", &s->rewritten},
        {"Faults/Rate", "per second", "host faults in translated code, not long ago", &p->stat_faults_rate},
        {"Faults/Worst", "per second", "so far", &p->stat_faults_worst},
        {"Faults/OverBudget", "times", "the rate was over 500 a second", &p->stat_over_budget},
    };

    register_rem(c->rem, stam);
    add_rows(stam, c->id, "CSAM", csam, G_N_ELEMENTS(csam));
    add_rows(stam, c->id, "PATM", patm, G_N_ELEMENTS(patm));
}

/* ---- counting ---- */

bool rem_set_profile(struct vcpu *c, GError **error)
{
    struct rem *r = c->rem;

    r->count = rem_sparse((size_t)r->arenas * REM_ARENA_BLOCKS * sizeof *r->count, true);
    if (r->count == NULL)
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory below 2 GB for counting blocks", c->id);
    return r->count != NULL;
}

void rem_emit_count(struct rem_tr *t)
{
    struct x86_place more = e_at(S, 1);

    if (t->r->count == NULL)
        return;
    t->r->count[t->block] = 0;
    e_load(&t->e, S, &t->r->count[t->block]);
    e_lea(&t->e, true, S, &more);
    e_store(&t->e, &t->r->count[t->block], S);
}

void rem_clock_start(struct rem *r)
{
    if (r->count != NULL)
        r->since = __rdtsc();
}

void rem_clock_stop(struct rem *r)
{
    if (r->count != NULL)
        r->stats.ticks += __rdtsc() - r->since;
}

/* ---- symbols for perf ---- */

bool rem_perf_map_open(int *ret_fd, GError **error)
{
    g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_APPEND, 0600);

    if (fd < 0) {
        g_set_error(error, STATUS_ERROR, status_from_errno(errno), "EM/PerfMap: cannot make '%s': %s", path,
                    g_strerror(errno));
        return false;
    }
    *ret_fd = fd;
    return true;
}

void rem_set_perf_map(struct vcpu *c, int fd)
{
    if (c->rem != NULL)
        c->rem->perf_map = fd + 1;
}

/* 0: a second page's part of another block. */
static uint32_t host_bytes(const struct rem *r, uint32_t number)
{
    const struct rem_fill *f = &r->filled[number / REM_ARENA_BLOCKS];
    uint32_t next = number + 1, leave, end;

    if (next < f->blocks && r->block[next].rest)
        next++;
    leave = rem_leave_of(r, &r->block[number]);
    end = next < f->blocks ? rem_leave_of(r, &r->block[next]) : f->used;
    return !r->block[number].rest && end > leave ? end - leave : 0;
}

void rem_perf_line(struct rem *r, uint32_t number)
{
    const struct rem_block *b = &r->block[number];
    char line[128];
    int n;

    if (r->perf_map == 0)
        return;
    n = snprintf(line, sizeof line, "%" PRIxPTR " %x guest:%" PRIx64 ":%" PRIx64 "\n",
                 (uintptr_t)(r->code.rx + rem_leave_of(r, b)), host_bytes(r, number), r->c->ctx.rip,
                 rem_page_of(r, b)->gpa + b->off);
    if (write(r->perf_map - 1, line, (size_t)n) != n)
        r->perf_map = 0; /* the disk is full: the rest has no names */
}

/* ---- lists ---- */

struct top {
    uint64_t key[LISTED];
    uint32_t number[LISTED];
    unsigned count;
};

static void top_add(struct top *t, uint64_t key, uint32_t number)
{
    unsigned at = t->count;

    if (key == 0)
        return;
    while (at > 0 && t->key[at - 1] < key)
        at--;
    if (at == LISTED)
        return;
    if (t->count < LISTED)
        t->count++;
    for (unsigned n = t->count - 1; n > at; n--) {
        t->key[n] = t->key[n - 1];
        t->number[n] = t->number[n - 1];
    }
    t->key[at] = key;
    t->number[at] = number;
}

static void list_slow(const struct rem *r, GString *out)
{
    struct top top = {.count = 0};

    for (uint32_t n = 0; n < X86_MNEM_COUNT; n++)
        top_add(&top, r->slow_by[n], n);
    if (top.count != 0)
        g_string_append(out, "Instructions the interpreter ran for translated code:\n");
    for (unsigned n = 0; n < top.count; n++)
        g_string_append_printf(out, "  %15" PRIu64 "  %s\n", top.key[n], x86_mnem_name((enum x86_mnem)top.number[n]));
}

static void list_blocks(const struct rem *r, GString *out)
{
    bool counted = r->count != NULL || r->lockstep != NULL;
    struct top top = {.count = 0};

    for (uint32_t a = 0; a < r->arenas; a++)
        for (uint32_t n = rem_arena_first_block(a); n < r->filled[a].blocks; n++)
            top_add(&top,
                    r->count != NULL      ? r->count[n]
                    : r->lockstep != NULL ? rem_lockstep_runs(r, n)
                                          : host_bytes(r, n),
                    n);
    g_string_append_printf(out,
                           "%s blocks:\n             runs  first seen at     physical          guest   host  bytes%s\n",
                           counted ? "Hottest" : "Largest", counted ? "" : " (runs are counted with EM/Profile)");
    for (unsigned n = 0; n < top.count; n++) {
        const struct rem_block *b = &r->block[top.number[n]];
        const struct rem_page *page = rem_page_of(r, b);
        g_string_append_printf(out, "  %15" PRIu64 "  %016" PRIx64 "  %016" PRIx64 "  %5u  %5u%s\n",
                               counted ? top.key[n] : 0, page->rip + b->off, page->gpa + b->off, (unsigned)b->length,
                               host_bytes(r, top.number[n]), b->stale ? "  stale" : "");
    }
}

/* How much is in all arenas together. */
static struct rem_fill filled(const struct rem *r)
{
    struct rem_fill all = {0};

    for (uint32_t n = 0; n < r->arenas; n++) {
        const struct rem_fill *f = &r->filled[n];
        all.used += f->used - n * REM_ARENA_BYTES;
        all.blocks += f->blocks - n * REM_ARENA_BLOCKS;
        for (uint32_t b = rem_arena_first_block(n); b < f->blocks; b++)
            all.sites += r->block[b].sites;
        all.links += f->links - n * REM_ARENA_LINKS;
    }
    return all;
}

void rem_info(const struct vcpu *c, GString *out)
{
    const struct rem *r = c->rem;

    if (r == NULL) {
        g_string_append_printf(out, "VCPU%u: no recompiler.\n", c->id);
        return;
    }
    const struct rem_stats *s = &r->stats;
    const struct rem_fill all = filled(r);
    g_string_append_printf(out,
                           "VCPU%u: %u blocks in %u pages, %u of %u KiB of host code, %u sites, %u links\n"
                           "Translated so far: %" PRIu64 " blocks, %" PRIu64 " instructions, %" PRIu64
                           " guest bytes into %" PRIu64 "; %" PRIu64 " blocks forgotten to make room\n"
                           "Refused: mode %" PRIu64 ", memory %" PRIu64 ", form %" PRIu64 "\n",
                           c->id, all.blocks, r->pages_used, all.used >> 10, r->taking_turns * REM_ARENA_BYTES >> 10,
                           all.sites, all.links, s->blocks, s->insns, s->guest_bytes, s->host_bytes, s->evicted,
                           s->refused[REM_REFUSED_MODE], s->refused[REM_REFUSED_MEMORY], s->refused[REM_REFUSED_FORM]);
    list_slow(r, out);
    list_blocks(r, out);
}

void rem_info_code(const struct vcpu *c, GString *out)
{
    const struct rem *r = c->rem;
    struct top top = {.count = 0};

    if (r == NULL) {
        g_string_append_printf(out, "VCPU%u: no code is known.\n", c->id);
        return;
    }
    for (uint32_t n = 0; n < r->pages; n++) {
        unsigned blocks = 0;
        for (const struct rem_block *b = rem_numbered(r, r->page_room[n].blocks); b != NULL && blocks < CSAM_PAGE_BYTES;
             b = rem_numbered(r, b->next))
            blocks++;
        top_add(&top, blocks, n);
    }
    g_string_append_printf(out,
                           "VCPU%u: %u pages with code; %" PRIu64 " runs read, %" PRIu64 " changed meanwhile, %" PRIu64
                           " writes to code followed\nPages with most blocks:\n  blocks  physical          kind\n",
                           c->id, r->pages_used, r->stats.scans, r->stats.rescans, r->stats.changes);
    for (unsigned n = 0; n < top.count; n++)
        g_string_append_printf(out, "  %6" PRIu64 "  %016" PRIx64 "  %" PRIx64 "\n", top.key[n],
                               r->page_room[top.number[n]].gpa, r->page_room[top.number[n]].key);
}

/*
 * linux.c - see linux.h.
 *
 * The kernel keeps a page of text for those who look at its dumps, VMCOREINFO: symbols, sizes and offsets of its
 * structures, "KEY(name)=value" a line. It begins with "OSRELEASE=" at a page's start. From there: the page tables of
 * the kernel (swapper_pg_dir), and the ring buffer of printk (5.10 and later).
 *
 * Source: Linux Documentation/admin-guide/kdump/vmcoreinfo.rst; kernel/printk/printk_ringbuffer.c (theory of
 * operation); SDM volume 3, 4.5 (4-level paging).
 * Left out: 32-bit kernels, 5-level paging, the ring buffer before 5.10.
 */
#include "vmm/dbgf/linux.h"

#include <string.h>

#include "vmm/pgm/pgm.h"

#define INFO_BYTES     PGM_PAGE_BYTES
#define HIGH_GPA       (UINT64_C(4) << 30)
#define KERNEL_MAP     UINT64_C(0xffffffff80000000) /* __START_KERNEL_map */
#define PTE_PRESENT    1u
#define PTE_LARGE      0x80u
#define PTE_ADDRESS    UINT64_C(0x000ffffffffff000)
#define COUNT_BITS_MAX 22u /* descriptors */
#define SIZE_BITS_MAX  27u /* bytes of text */
#define LINE_BYTES     8192u
#define UTS_BYTES      65u
#define TEXT_MAX       (16u << 20)

struct dbgf_linux {
    struct pgm *pgm;
    GHashTable *info; /* VMCOREINFO: key -> value */
    uint64_t tables;  /* gpa of the top one */
};

/* ---- VMCOREINFO ---- */

static GHashTable *parse_info(const char *text)
{
    GHashTable *info = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        char *eq = strchr(*line, '=');
        if (eq != NULL)
            g_hash_table_insert(info, g_strndup(*line, (gsize)(eq - *line)), g_strdup(eq + 1));
    }
    return info;
}

static GHashTable *find_info(struct pgm *pgm, uint64_t gpa, uint64_t end)
{
    static const char first[] = "OSRELEASE=";
    char page[INFO_BYTES + 1] = {0};

    for (; gpa < end; gpa += PGM_PAGE_BYTES) {
        pgm_phys_read(pgm, gpa, page, sizeof first - 1);
        if (memcmp(page, first, sizeof first - 1) != 0)
            continue;
        pgm_phys_read(pgm, gpa, page, INFO_BYTES);
        GHashTable *info = parse_info(page);
        if (g_hash_table_contains(info, "SYMBOL(swapper_pg_dir)") && g_hash_table_contains(info, "NUMBER(phys_base)"))
            return info;
        g_hash_table_unref(info);
    }
    return NULL;
}

/* @base 16 for symbols, 10 for the rest. */
static bool number(const struct dbgf_linux *l, const char *key, unsigned base, uint64_t *ret)
{
    const char *text = g_hash_table_lookup(l->info, key);
    char *end;

    if (text == NULL || *text == '\0')
        return false;
    *ret = *text == '-' ? (uint64_t)g_ascii_strtoll(text, &end, (guint)base) : g_ascii_strtoull(text, &end, base);
    return *end == '\0';
}

/* ---- the kernel's memory ---- */

static bool translate(const struct dbgf_linux *l, uint64_t va, uint64_t *ret_gpa)
{
    uint64_t at = l->tables;

    for (int shift = 39; shift >= PGM_PAGE_SHIFT; shift -= 9) {
        uint64_t entry = pgm_phys_read_n(l->pgm, at + (va >> shift & 511) * 8, 8);
        uint64_t offset = va & ((UINT64_C(1) << shift) - 1);
        if (!(entry & PTE_PRESENT))
            return false;
        at = entry & PTE_ADDRESS;
        if (shift == PGM_PAGE_SHIFT || (shift <= 30 && (entry & PTE_LARGE))) {
            *ret_gpa = (at & ~((UINT64_C(1) << shift) - 1)) + offset;
            return true;
        }
    }
    return false;
}

static bool read_va(const struct dbgf_linux *l, uint64_t va, void *buf, size_t bytes)
{
    for (uint8_t *p = buf; bytes > 0;) {
        const size_t n = MIN(bytes, PGM_PAGE_BYTES - (va & (PGM_PAGE_BYTES - 1)));
        uint64_t gpa;
        if (!translate(l, va, &gpa))
            return false;
        pgm_phys_read(l->pgm, gpa, p, n);
        va += n;
        p += n;
        bytes -= n;
    }
    return true;
}

/* A field of 4 or 8 bytes of the structure at @va. */
static bool field(const struct dbgf_linux *l, uint64_t va, const char *key, size_t bytes, uint64_t *ret)
{
    uint64_t offset;

    *ret = 0;
    return number(l, key, 10, &offset) && offset < PGM_PAGE_BYTES && read_va(l, va + offset, ret, bytes);
}

struct dbgf_linux *dbgf_linux_find(struct pgm *pgm)
{
    GHashTable *info = find_info(pgm, 0, pgm_ram_low_bytes(pgm));
    uint64_t swapper, base;

    if (info == NULL)
        info = find_info(pgm, HIGH_GPA, HIGH_GPA + pgm_ram_high_bytes(pgm));
    if (info == NULL)
        return NULL;
    struct dbgf_linux *l = g_new0(struct dbgf_linux, 1);
    l->pgm = pgm;
    l->info = info;
    if (!number(l, "SYMBOL(swapper_pg_dir)", 16, &swapper) || !number(l, "NUMBER(phys_base)", 10, &base) ||
        swapper < KERNEL_MAP)
        swapper = base = 0; /* no log then: it cannot be reached */
    l->tables = (swapper - KERNEL_MAP + base) & PTE_ADDRESS;
    return l;
}

void dbgf_linux_free(struct dbgf_linux *l)
{
    if (l == NULL)
        return;
    g_hash_table_unref(l->info);
    g_free(l);
}

char *dbgf_linux_version(struct dbgf_linux *l)
{
    const char *release = g_hash_table_lookup(l->info, "OSRELEASE");
    char build[UTS_BYTES + 1] = {0};
    uint64_t uts, name;

    /* struct new_utsname: sysname, nodename, release, version */
    if (!number(l, "SYMBOL(init_uts_ns)", 16, &uts) || !number(l, "OFFSET(uts_namespace.name)", 10, &name) ||
        name >= PGM_PAGE_BYTES || !read_va(l, uts + name + 3 * UTS_BYTES, build, UTS_BYTES))
        build[0] = '\0';
    g_autofree char *text = g_strconcat(release, *build != '\0' ? " " : "", build, NULL);
    return g_utf8_make_valid(text, -1);
}

/* ---- the log ---- */

/* printk's ring: descriptors with states and places, infos beside them, text in a ring of its own. */
struct ring {
    uint64_t descs, infos, data;
    uint64_t count, data_bytes, desc_bytes, info_bytes;
    uint64_t head, tail; /* ids */
};

static bool read_ring(const struct dbgf_linux *l, struct ring *r)
{
    uint64_t prb, desc_ring, text_ring, count_bits, size_bits;

    if (!number(l, "SYMBOL(prb)", 16, &prb) || !read_va(l, prb, &prb, sizeof prb) ||
        !number(l, "OFFSET(printk_ringbuffer.desc_ring)", 10, &desc_ring) ||
        !number(l, "OFFSET(printk_ringbuffer.text_data_ring)", 10, &text_ring))
        return false;
    desc_ring += prb;
    text_ring += prb;
    if (!field(l, desc_ring, "OFFSET(prb_desc_ring.count_bits)", 4, &count_bits) ||
        !field(l, desc_ring, "OFFSET(prb_desc_ring.descs)", 8, &r->descs) ||
        !field(l, desc_ring, "OFFSET(prb_desc_ring.infos)", 8, &r->infos) ||
        !field(l, desc_ring, "OFFSET(prb_desc_ring.head_id)", 8, &r->head) ||
        !field(l, desc_ring, "OFFSET(prb_desc_ring.tail_id)", 8, &r->tail) ||
        !field(l, text_ring, "OFFSET(prb_data_ring.size_bits)", 4, &size_bits) ||
        !field(l, text_ring, "OFFSET(prb_data_ring.data)", 8, &r->data) ||
        !number(l, "SIZE(prb_desc)", 10, &r->desc_bytes) || !number(l, "SIZE(printk_info)", 10, &r->info_bytes))
        return false;
    r->count = UINT64_C(1) << (count_bits & 63);
    r->data_bytes = UINT64_C(1) << (size_bits & 63);
    return count_bits <= COUNT_BITS_MAX && size_bits <= SIZE_BITS_MAX && r->desc_bytes <= PGM_PAGE_BYTES &&
           r->info_bytes <= PGM_PAGE_BYTES;
}

static void put_line(GString *out, uint64_t ns, const char *text, size_t bytes)
{
    g_string_append_printf(out, "[%5" G_GUINT64_FORMAT ".%06" G_GUINT64_FORMAT "] ", ns / 1000000000,
                           ns / 1000 % 1000000);
    g_string_append_len(out, text, (gssize)bytes);
    g_string_append_c(out, '\n');
}

/* The record with @id, if it is complete. */
static void put_record(const struct dbgf_linux *l, const struct ring *r, uint64_t id, GString *out)
{
    enum { COMMITTED = 1, FINALIZED = 2, STATE_SHIFT = 62 };
    const uint64_t desc = r->descs + id % r->count * r->desc_bytes, info = r->infos + id % r->count * r->info_bytes;
    uint64_t place, state, begin, next, ns, bytes;
    char text[LINE_BYTES];

    if (!number(l, "OFFSET(prb_desc.text_blk_lpos)", 10, &place) || place >= PGM_PAGE_BYTES ||
        !field(l, desc, "OFFSET(prb_desc.state_var)", 8, &state) ||
        !field(l, desc + place, "OFFSET(prb_data_blk_lpos.begin)", 8, &begin) ||
        !field(l, desc + place, "OFFSET(prb_data_blk_lpos.next)", 8, &next) ||
        !field(l, info, "OFFSET(printk_info.ts_nsec)", 8, &ns) ||
        !field(l, info, "OFFSET(printk_info.text_len)", 2, &bytes))
        return;
    if ((state >> STATE_SHIFT != COMMITTED && state >> STATE_SHIFT != FINALIZED) || (state ^ id) << 2 != 0)
        return;
    if (begin & 1) /* a record without text */
        bytes = 0;
    if (begin / r->data_bytes != next / r->data_bytes)
        begin = 0; /* it did not fit before the ring's end */
    begin = begin % r->data_bytes + sizeof(uint64_t);
    if (bytes > sizeof text || begin > r->data_bytes || bytes > r->data_bytes - begin ||
        !read_va(l, r->data + begin, text, bytes))
        return;
    put_line(out, ns, text, bytes);
}

/* @text from its last @most lines on. */
static char *last_lines(GString *text, unsigned most)
{
    gsize at = text->len;

    for (unsigned lines = 0; most > 0 && at > 0; at--)
        if (text->str[at - 1] == '\n' && lines++ == most)
            break;
    return g_utf8_make_valid(text->str + (most > 0 ? at : 0), -1);
}

char *dbgf_linux_log(struct dbgf_linux *l, unsigned most)
{
    g_autoptr(GString) out = g_string_new(NULL);
    struct ring r;

    if (!read_ring(l, &r))
        return NULL;
    const uint64_t records = MIN(r.head - r.tail + 1, r.count);
    for (uint64_t k = 0; k < records && out->len < TEXT_MAX; k++)
        put_record(l, &r, (r.tail + k) & (UINT64_MAX >> 2), out);
    return last_lines(out, most);
}

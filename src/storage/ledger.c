/* ledger.c - see ledger.h. */
#include "storage/ledger.h"

#include <string.h>

#include "rt/status.h"

struct stamp {
    uint64_t sector, gen;
};

static void fill(uint8_t *buf, uint64_t sector, uint64_t gen)
{
    struct stamp s = {sector, gen};

    for (unsigned i = 0; i < 512; i += sizeof(s))
        memcpy(buf + i, &s, sizeof(s));
}

/* Straight over what is there, from two pieces of memory; false = not possible, nothing was written. */
static bool write_over(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes, GRand *rand)
{
    const size_t first = (size_t)g_rand_int_range(rand, 0, (int)bytes);
    const struct iovec iov[] = {{buf, first}, {buf + first, bytes - first}};

    return vd_write_over(vd, off_bytes, iov, G_N_ELEMENTS(iov)) != VERR_TRY_AGAIN;
}

void ledger_write(struct ledger *l, struct vd *vd, GRand *rand)
{
    uint64_t at = (uint64_t)g_rand_int_range(rand, 0, LEDGER_SECTORS);
    uint64_t want = (uint64_t)g_rand_int_range(rand, 1, 24), n = MIN(want, LEDGER_SECTORS - at);
    g_autofree uint8_t *buf = g_malloc(n * 512);

    l->gen++;
    for (uint64_t i = 0; i < n; i++) {
        fill(buf + i * 512, at + i, l->gen);
        l->written[at + i] = l->gen;
    }
    if (l->gen % 2 || !write_over(vd, at * 512, buf, n * 512, rand))
        vd_write(vd, at * 512, buf, n * 512); /* may fail: then old and new are both right until flushed */
}

void ledger_discard(struct ledger *l, struct vd *vd, GRand *rand)
{
    uint64_t block = (uint64_t)g_rand_int_range(rand, 0, LEDGER_BYTES / LEDGER_BLOCK);

    vd_discard(vd, block * LEDGER_BLOCK, LEDGER_BLOCK);
    for (uint64_t i = block * (LEDGER_BLOCK / 512); i < (block + 1) * (LEDGER_BLOCK / 512); i++)
        l->discarded[i] = true;
}

/* What the disk shows right after a good flush is what must stay. */
void ledger_flush(struct ledger *l, struct vd *vd)
{
    if (vd_flush(vd))
        return;
    for (uint64_t i = 0; i < LEDGER_SECTORS; i++) {
        uint8_t buf[512];
        struct stamp s;

        if (vd_read(vd, i * 512, buf, 512))
            continue;
        memcpy(&s, buf, sizeof(s));
        l->flushed[i] = s.gen;
        l->discarded[i] = false;
    }
}

void ledger_step(struct ledger *l, struct vd *vd, GRand *rand)
{
    int what = g_rand_int_range(rand, 0, 10);

    if (what < 7)
        ledger_write(l, vd, rand);
    else if (what == 7)
        ledger_discard(l, vd, rand);
    else
        ledger_flush(l, vd);
}

void ledger_check(const struct ledger *l, struct vd *vd, const char *what)
{
    g_autofree uint8_t *disk = g_malloc(LEDGER_BYTES);
    int rc = vd_read(vd, 0, disk, LEDGER_BYTES);

    if (rc)
        g_error("%s: reading failed with %d", what, rc);
    for (uint64_t i = 0; i < LEDGER_SECTORS; i++) {
        uint8_t expect[512] = {};
        struct stamp s;
        bool ok;

        memcpy(&s, disk + i * 512, sizeof(s));
        if (s.gen == 0)
            ok = l->flushed[i] == 0 || l->discarded[i];
        else
            ok = s.sector == i && s.gen >= l->flushed[i] && s.gen <= l->written[i];
        if (!ok)
            g_error("%s: sector %" G_GUINT64_FORMAT " shows sector %" G_GUINT64_FORMAT " generation %" G_GUINT64_FORMAT
                    ", flushed was %" G_GUINT64_FORMAT,
                    what, i, s.sector, s.gen, l->flushed[i]);
        if (s.gen)
            fill(expect, s.sector, s.gen);
        g_assert_cmpmem(disk + i * 512, 512, expect, 512);
    }
}

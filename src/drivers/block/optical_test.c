/*
 * optical_test.c - drives of the host's: requests in order over a fake drive, and device files that are none.
 */
#include "drivers/block/optical.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "drivers/block/block_rig.h"
#include "rt/status.h"

#define SECTORS 100u

static struct fake {
    unsigned commands, largest; /* largest: sectors of a READ(10) */
    uint8_t type;
    bool no_disc, locked, closed;
} fake;

static int fake_command(void *ctx, struct pdm_block_packet *p, void *buf, size_t bytes)
{
    g_assert_true(ctx == &fake);
    fake.commands++;
    switch (p->cdb[0]) {
    case 0x12:
        memset(buf, 0, bytes);
        *(uint8_t *)buf = fake.type;
        break;
    case 0x1e: fake.locked = p->cdb[4] & 1; break;
    case 0x25:
        memcpy(buf, "\0\0\0\143\0\0\010\0", 8);
        if (fake.no_disc)
            return VERR_DISK_IO_ERROR;
        break;
    case 0x28:
        g_assert_cmpuint(bytes, ==, p->cdb[8] * 2048u);
        fake.largest = MAX(fake.largest, p->cdb[8]);
        if (p->cdb[5] + p->cdb[8] > SECTORS) {
            p->key = 5;
            p->asc = 0x21;
            return VERR_DISK_IO_ERROR;
        }
        for (unsigned i = 0; i < p->cdb[8]; i++)
            memset((uint8_t *)buf + 2048u * i, p->cdb[5] + (int)i, 2048);
        break;
    default: p->key = 5; return VERR_DISK_IO_ERROR;
    }
    p->moved = bytes;
    return 0;
}

static void fake_close(void *ctx)
{
    (void)ctx;
    fake.closed = true;
}

static const struct optical_io fake_io = {.ctx = &fake, .command = fake_command, .close = fake_close};

static struct world w; /* whose completions these are */

static struct optical *begin(uint8_t type, bool no_disc, GError **error)
{
    struct optical *o;

    memset(&fake, 0, sizeof(fake));
    w.done = 0;
    fake.type = type;
    fake.no_disc = no_disc;
    o = optical_new(&fake_io, "fake", PDM_PACKETS_READING, error);
    if (o)
        optical_complete(o, rig_note, &w);
    return o;
}

static void test_requests(void)
{
    static uint8_t buf[64 * 2048];
    struct optical *o = begin(5, false, NULL);
    struct pdm_block *b = optical_block(o);
    struct pdm_block_packet lock = {.cdb = {0x1e, 0, 0, 0, 1}}, beyond = {}, unknown = {.cdb = {0xff}};
    struct pdm_block_req reqs[] = {
        {.op = PDM_BLOCK_READ, .offset_bytes = 3 * 2048, .buf = buf, .bytes = sizeof(buf)},
        {.op = PDM_BLOCK_PACKET, .packet = &lock},
        {.op = PDM_BLOCK_READ, .offset_bytes = 99 * 2048, .buf = buf, .bytes = 4096, .packet = &beyond},
        {.op = PDM_BLOCK_PACKET, .packet = &unknown},
        {.op = PDM_BLOCK_READ, .offset_bytes = 1, .buf = buf, .bytes = 2048},
        {.op = PDM_BLOCK_WRITE, .buf = buf, .bytes = 2048},
        {.op = PDM_BLOCK_FLUSH}};
    static const int status[] = {0, 0, VERR_DISK_IO_ERROR, VERR_DISK_IO_ERROR, VERR_OUT_OF_RANGE, VERR_WRITE_PROTECT,
                                 0};

    g_assert_cmpuint(b->size_bytes, ==, SECTORS * 2048);
    g_assert_true(b->read_only && b->removable && b->packets == PDM_PACKETS_READING);
    b->submit(b, &reqs[0]);
    rig_wait_done(&w, 1);
    for (unsigned i = 0; i < 64; i++)
        g_assert_cmpuint(buf[2048 * i + 2047], ==, 3 + i);
    g_assert_cmpuint(fake.largest, ==, 32);
    for (size_t i = 1; i < G_N_ELEMENTS(reqs); i++)
        b->submit(b, &reqs[i]);
    rig_wait_done(&w, G_N_ELEMENTS(reqs));
    for (size_t i = 0; i < G_N_ELEMENTS(reqs); i++) {
        g_assert_true(w.order[i] == &reqs[i]);
        g_assert_cmpint(reqs[i].status, ==, status[i]);
    }
    g_assert_cmphex(beyond.asc, ==, 0x21);
    g_assert_true(fake.locked);
    optical_free(o);
    g_assert_true(!fake.locked && fake.closed); /* the host can eject it again */
}

static void test_no_disc(void)
{
    struct optical *o = begin(5, true, NULL);

    g_assert_cmpuint(optical_block(o)->size_bytes, ==, 0);
    optical_free(o);
}

static void test_no_drive(void)
{
    g_autofree char *folder = g_dir_make_tmp("optical-XXXXXX", NULL), *file = g_build_filename(folder, "file", NULL);
    g_autofree char *none = g_build_filename(folder, "none", NULL);
    const struct {
        const char *path, *why;
        bool other_user;
    } rows[] = {{none, "No such file", false},
                {file, "it is not a device", false},
                {folder, "it is not a device", false},
                {"/dev/null", "no drive that takes SCSI commands", false},
                {file, "no rights to it", true}};
    g_autoptr(GError) error = NULL;
    const uid_t root = geteuid();

    g_assert_true(g_file_set_contents_full(file, "", 0, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    g_assert_null(begin(0, false, &error)); /* a disk */
    g_assert_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED);
    g_assert_nonnull(strstr(error->message, "is not a CD or DVD drive"));
    g_assert_true(fake.closed);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_clear_error(&error);
        if (rows[i].other_user && root == 0)
            g_assert_cmpint(seteuid(65534), ==, 0);
        else if (rows[i].other_user)
            g_assert_cmpint(g_chmod(file, 0), ==, 0);
        g_assert_null(optical_open(rows[i].path, false, &error));
        g_assert_cmpint(seteuid(root), ==, 0);
        if (!strstr(error->message, rows[i].why) || !strstr(error->message, rows[i].path))
            g_error("%s: %s", rows[i].path, error->message);
    }
    g_unlink(file);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/optical/requests", test_requests);
    g_test_add_func("/optical/no-disc", test_no_disc);
    g_test_add_func("/optical/no-drive", test_no_drive);
    return g_test_run();
}

/*
 * rig_test.c - the framework between devices and the machine, on the rig, with a device made for it.
 *
 * Source of the PCI facts: PCI Local Bus Specification 3.0, sections 6.2.2-6.2.5.
 */
#include <string.h>

#include "rt/fio_shim.h"
#include "vmm/pdm/rig.h"

/* ---- a device that has one of everything ---- */

struct toy {
    uint8_t regs[8];
    uint32_t wide;
    uint64_t expired_at_ns;
    uint32_t tasks, resets, mmio_writes;
    bool line;
    uint64_t last_off;
    uint32_t last_size;
    pdm_irq irq;
    pdm_timer timer, task;
    pdm_region mmio;
    struct pdm_block_req req;
    uint8_t sector[512];
    int done_status;
    bool in_flight;
};

static uint32_t toy_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct toy *s = pdm_state(dev);

    s->last_size = size;
    return s->regs[off & 7];
}

static void toy_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct toy *s = pdm_state(dev);

    s->last_size = size;
    s->regs[off & 7] = (uint8_t)val;
    if (off == 0) {
        s->line = val & 1;
        pdm_irq_set(dev, s->irq, s->line);
    } else if (off == 1) {
        pdm_timer_at(dev, s->timer, pdm_now_ns(dev) + val);
    } else if (off == 2) {
        pdm_task_post(dev, s->task);
    } else if (off == 3) {
        pdm_guest_error(dev, "register 3 written with %u", val);
    } else if (off == 4) {
        pdm_mem_write(dev, 0x1000, s->regs, sizeof(s->regs));
        pdm_mem_write(dev, 0xe0000000, s->regs, 4); /* itself, when mapped there */
    }
}

static uint32_t wide_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct toy *s = pdm_state(dev);

    s->last_off = off;
    s->last_size = size;
    return s->wide >> (8 * (off & 3));
}

static void wide_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct toy *s = pdm_state(dev);

    s->last_off = off;
    s->last_size = size;
    s->wide = val;
}

static uint64_t toy_mmio_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct toy *s = pdm_state(dev);

    s->last_off = off;
    s->last_size = size;
    return 0x1111111111111111ull * (off & 15);
}

static void toy_mmio_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct toy *s = pdm_state(dev);

    (void)val;
    s->last_off = off;
    s->last_size = size;
    s->mmio_writes++;
}

static void toy_expired(struct pdm_dev *dev)
{
    ((struct toy *)pdm_state(dev))->expired_at_ns = pdm_now_ns(dev);
}

static void toy_task(struct pdm_dev *dev)
{
    ((struct toy *)pdm_state(dev))->tasks++;
}

static void toy_reset(struct pdm_dev *dev)
{
    struct toy *s = pdm_state(dev);

    memset(s->regs, 0, sizeof(s->regs));
    s->line = false;
    s->resets++;
}

static void toy_drive(struct pdm_dev *dev)
{
    struct toy *s = pdm_state(dev);

    pdm_irq_set(dev, s->irq, s->line);
}

static bool toy_check(void *state)
{
    return ((struct toy *)state)->wide != 0xbad;
}

static const struct ssm_field toy_fields[] = {SSM_U8S(struct toy, regs), SSM_U32(struct toy, wide),
                                              SSM_BOOL(struct toy, line), SSM_END};
static const struct ssm_desc toy_state = {.version = 3, .oldest = 2, .fields = toy_fields, .check = toy_check};
static const struct pdm_cfg_key toy_keys[] = {
    {.name = "Port", .type = PDM_CFG_U64, .min = 0, .max = 0xffff, .def = 0x300},
    {.name = "Irq", .type = PDM_CFG_U64, .min = 0, .max = 15, .def = 5},
    {.name = "Loud", .type = PDM_CFG_BOOL, .def = 1},
    {.name = "Name", .type = PDM_CFG_STR, .def_str = "toy"},
    {.name = "MAC", .type = PDM_CFG_BYTES},
    PDM_CFG_END};

static const struct pdm_io wide_io = {.name = "wide",
                                      .count = 16,
                                      .off_base = 0x100,
                                      .min_size = 2,
                                      .max_size = 4,
                                      .read = wide_read,
                                      .write = wide_write};

static bool toy_construct(struct pdm_dev *dev, GError **error)
{
    struct toy *s = pdm_state(dev);
    const struct pdm_io io = {.name = "toy",
                              .base = (uint16_t)pdm_cfg_u64(dev, "Port"),
                              .count = 8,
                              .min_size = 1,
                              .max_size = 1,
                              .read = toy_read,
                              .write = toy_write};
    const struct pdm_mmio mmio = {.name = "toy",
                                  .size_bytes = 4096,
                                  .base_unmapped = true,
                                  .min_size = 2,
                                  .max_size = 4,
                                  .read = toy_mmio_read,
                                  .write = toy_mmio_write};
    struct pdm_pci pci = {
        .vendor = 0x1234,
        .device = 0x5678,
        .int_pin = 1,
        .bus_default_slot = 4,
        .bars = {{.kind = PDM_BAR_IO, .size_bytes = 16, .io = &wide_io}, {.kind = PDM_BAR_MMIO, .size_bytes = 4096}},
        .rom = (const uint8_t *)"\x55\xaa rom",
        .rom_bytes = 6};

    if (!pdm_io_add(dev, &io, error) || !pdm_mmio_add(dev, &mmio, &s->mmio, error))
        return false;
    pci.bars[1].region = s->mmio;
    return pdm_pci_register(dev, &pci, error) &&
           pdm_irq_claim(dev, (unsigned)pdm_cfg_u64(dev, "Irq"), &s->irq, error) &&
           pdm_timer_new(dev, "toy", toy_expired, &s->timer, error) &&
           pdm_task_new(dev, "toy", toy_task, &s->task, error);
}

static const struct pdm_devreg toy_device = {.name = "toy",
                                             .desc = "a toy",
                                             .max_instances = 2,
                                             .state_size = sizeof(struct toy),
                                             .config = toy_keys,
                                             .state = &toy_state,
                                             .construct = toy_construct,
                                             .reset = toy_reset,
                                             .drive = toy_drive};

/* ---- configuration ---- */

static void test_config(void)
{
    struct rig *r = rig_new(&toy_device, "Port=0x320;Loud=0;Name=x;MAC=080027aa");
    size_t bytes;

    g_assert_cmpuint(pdm_cfg_u64(rig_dev(r), "Port"), ==, 0x320);
    g_assert_false(pdm_cfg_bool(rig_dev(r), "Loud"));
    g_assert_cmpstr(pdm_cfg_str(rig_dev(r), "Name"), ==, "x");
    g_assert_cmpint(pdm_cfg_bytes(rig_dev(r), "MAC", &bytes)[2], ==, 0x27);
    g_assert_cmpuint(bytes, ==, 4);
    rig_free(r);
}

static void test_config_refused(void)
{
    static const struct {
        const char *config, *says;
    } cases[] = {
        {"Prot=1",
         "Configuration key \"/Devices/toy/0/Config/Prot\" is not known; known here: Port, Irq, Loud, Name, MAC"},
        {"Port=65536", "Configuration key \"/Devices/toy/0/Config/Port\" is 65536; it must be between 0 and 65535"},
        {"Loud=2", "Configuration key \"/Devices/toy/0/Config/Loud\" is 2; it must be between 0 and 1"},
        {"Port=abc", "Configuration key \"/Devices/toy/0/Config/Port\" is a string; it must be an integer"},
        {"Irq=2", "toy0: there is no ISA interrupt line 2 to use"},
        {"Port=65535", "toy0: port range \"toy\" at ffffh leaves the 64 Ki ports"},
        {"PCIDeviceNo=32", "Configuration key \"/Devices/toy/0/PCIDeviceNo\" is 32; it must be between 0 and 31"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(rig_try(&toy_device, cases[i].config, &error));
        g_assert_cmpstr(error->message, ==, cases[i].says);
    }
}

/* ---- accesses ---- */

static void test_port_rules(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    struct toy *s = rig_state(r);

    rig_out(r, 0x304, 0, 1);
    rig_out(r, 0x305, 0x44332211, 4); /* wider than 1: bytes, ascending; the last leaves the range */
    g_assert_cmpint(s->regs[5], ==, 0x11);
    g_assert_cmpint(s->regs[7], ==, 0x33);
    g_assert_cmpint(s->last_size, ==, 1);
    g_assert_cmphex(rig_in(r, 0x306, 4), ==, 0xffff3322);
    g_assert_cmphex(rig_in(r, 0x400, 2), ==, 0xffff);
    rig_free(r);
}

static void test_bar(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    struct toy *s = rig_state(r);

    g_assert_cmphex(rig_cfg_read(r, 4, 0, 0, 4), ==, 0x56781234);
    g_assert_cmphex(rig_cfg_read(r, 5, 0, 0, 4), ==, 0xffffffff);
    rig_cfg_write(r, 4, 0, 0x10, 0xffffffff, 4);
    g_assert_cmphex(rig_cfg_read(r, 4, 0, 0x10, 4), ==, 0xfffffff1); /* [PCI 6.2.5.1] */
    rig_cfg_write(r, 4, 0, 0x14, 0xffffffff, 4);
    g_assert_cmphex(rig_cfg_read(r, 4, 0, 0x14, 4), ==, 0xfffff000);
    rig_cfg_write(r, 4, 0, 0x10, 0xc000, 4);
    rig_cfg_write(r, 4, 0, 0x14, 0xe0000000, 4);
    g_assert_cmphex(rig_in(r, 0xc000, 4), ==, 0xffffffff); /* decoding is off */
    rig_cfg_write(r, 4, 0, 0x04, 3, 2);
    rig_out(r, 0xc004, 0x12345678, 4);
    g_assert_cmphex(s->last_off, ==, 0x104);
    g_assert_cmphex(rig_in(r, 0xc000, 1), ==, 0xff); /* narrower than min_size */
    g_assert_cmphex(rig_in(r, 0xc000, 2), ==, 0x5678);
    g_assert_cmphex(rig_mmio_read(r, 0xe0000004, 8), ==, 0x8888888844444444);
    rig_mmio_write(r, 0xe0000002, 0, 4); /* unaligned: two aligned halves */
    g_assert_cmpuint(s->mmio_writes, ==, 2);
    g_assert_cmpuint(s->last_size, ==, 2);
    rig_cfg_write(r, 4, 0, 0x30, 0xf0000001, 4);
    g_assert_cmphex(rig_mmio_read(r, 0xf0000000, 2), ==, 0xaa55);
    rig_reset(r);
    g_assert_cmphex(rig_in(r, 0xc000, 2), ==, 0xffff);
    g_assert_cmphex(rig_cfg_read(r, 4, 0, 0x14, 4), ==, 0);
    rig_free(r);
}

static void test_dma_into_itself(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    struct toy *s = rig_state(r);
    uint8_t seen[8];

    rig_cfg_write(r, 4, 0, 0x14, 0xe0000000, 4);
    rig_cfg_write(r, 4, 0, 0x04, 2, 2);
    rig_out(r, 0x305, 0x77, 1);
    rig_out(r, 0x304, 1, 1);
    rig_mem_read(r, 0x1000, seen, 8);
    g_assert_cmpint(seen[5], ==, 0x77);
    g_assert_cmpuint(s->mmio_writes, ==, 0);
    g_assert_cmpuint(rig_guest_errors(r), >, 0);
    rig_free(r);
}

/* ---- lines, time ---- */

static void test_wired_or(void)
{
    struct rig *r = rig_empty();

    rig_add(r, &toy_device, "Port=0x300;Irq=5");
    rig_add(r, &toy_device, "Port=0x310;Irq=5;PCIDeviceNo=5");
    g_assert_true(rig_start(r, NULL));
    rig_out(r, 0x300, 1, 1);
    rig_out(r, 0x310, 1, 1);
    rig_out(r, 0x300, 0, 1);
    g_assert_true(rig_irq(r, 5));
    rig_out(r, 0x310, 0, 1);
    g_assert_false(rig_irq(r, 5));
    g_assert_cmpuint(rig_irq_edges(r, 5), ==, 1);
    rig_irq_drive(r, 5, true);
    g_assert_true(rig_irq(r, 5));
    rig_free(r);
}

static void test_time(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    struct toy *s = rig_state(r);

    rig_step_ns(r, 1000);
    rig_out(r, 0x301, 100, 1);
    rig_out(r, 0x302, 0, 1);
    rig_out(r, 0x302, 0, 1);
    g_assert_cmpuint(s->tasks, ==, 0);
    rig_step_ns(r, 0);
    g_assert_cmpuint(s->tasks, ==, 1);
    rig_step_ns(r, 99);
    g_assert_cmpuint(s->expired_at_ns, ==, 0);
    rig_step_ns(r, 500);
    g_assert_cmpuint(s->expired_at_ns, ==, 1100);
    g_assert_cmpuint(rig_now_ns(r), ==, 1599);
    rig_free(r);
}

static void test_pirq(void)
{
    struct rig *r = rig_new(&toy_device, NULL);

    pdm_pci_irq_set(rig_dev(r), true);
    g_assert_true(rig_pirq(r, 3)); /* slot 4, pin 1 */
    g_assert_cmphex(rig_cfg_read(r, 4, 0, 6, 1) & 8, ==, 8);
    rig_cfg_write(r, 4, 0, 4, 0x400, 2); /* INTx disable [PCI 6.2.2] */
    g_assert_false(rig_pirq(r, 3));
    rig_cfg_write(r, 4, 0, 4, 0, 2);
    g_assert_true(rig_pirq(r, 3));
    rig_free(r);
}

static void test_guest_errors_are_limited(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    g_auto(GStrv) lines = NULL;

    for (unsigned i = 0; i < 1000; i++)
        rig_out(r, 0x303, i & 0xff, 1);
    g_assert_cmpuint(rig_guest_errors(r), ==, 1000);
    lines = g_strsplit(rig_log(r), "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), <, 20);
    rig_free(r);
}

/* ---- saved state ---- */

static void test_save_load(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    g_autoptr(GError) error = NULL;

    rig_out(r, 0x306, 0x99, 1);
    rig_out(r, 0x300, 1, 1);
    rig_cfg_write(r, 4, 0, 0x10, 0xc000, 4);
    rig_cfg_write(r, 4, 0, 0x04, 1, 2);
    rig_irq_edges(r, 5);
    g_assert_true(rig_save_load(r, &error));
    g_assert_no_error(error);
    g_assert_cmphex(rig_in(r, 0x306, 1), ==, 0x99);
    g_assert_true(rig_irq(r, 5));
    rig_out(r, 0xc000, 0x5555, 2);
    g_assert_cmphex(rig_in(r, 0xc000, 2), ==, 0x5555);
    rig_free(r);
}

static void test_load_refused(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    struct toy *s = rig_state(r);
    g_autoptr(GByteArray) unit = rig_save(r, rig_dev(r));
    g_autoptr(GError) error = NULL;

    unit->data[256 + 12] = 2; /* the bool */
    g_assert_false(rig_load(r, rig_dev(r), unit->data, unit->len, &error));
    g_assert_nonnull(strstr(error->message, "line is 2"));
    g_clear_error(&error);
    unit->data[256 + 12] = 0;
    g_assert_false(rig_load(r, rig_dev(r), unit->data, unit->len - 1, &error));
    g_clear_error(&error);
    unit->data[256 + 8] = 0xad;
    unit->data[256 + 9] = 0x0b; /* wide = bad: check() */
    g_assert_false(rig_load(r, rig_dev(r), unit->data, unit->len, &error));
    g_clear_error(&error);
    unit->data[256 + 8] = 0;
    unit->data[0] ^= 1; /* the vendor */
    g_assert_false(rig_load(r, rig_dev(r), unit->data, unit->len, &error));
    g_clear_error(&error);
    unit->data[0] ^= 1;
    g_assert_false(pdm_load(rig_dev(r), 4, unit->data, unit->len, &error));
    g_assert_cmpstr(error->message, ==, "Saved state unit \"toy0\" has version 4; this program reads versions 2 to 3");
    g_assert_true(rig_load(r, rig_dev(r), unit->data, unit->len, NULL));
    g_assert_cmpuint(s->wide, ==, 0xb00);
    rig_free(r);
}

static bool load_file(struct rig *r, const struct fio *io, GError **error)
{
    struct ssm_in *in = ssm_in_open(io, "/toy.sav", NULL, error);
    struct ssm_unit u;
    enum ssm_next next = SSM_NEXT_ERROR;
    bool ok = in != NULL;

    pdm_load_begin(rig_pdm(r));
    while (ok && (next = ssm_in_next(in, &u, error)) == SSM_NEXT_UNIT)
        ok = ssm_in_read(in, &u, error) && pdm_load_unit(rig_pdm(r), &u, error);
    ssm_in_close(in);
    return ok && next == SSM_NEXT_END && pdm_load_end(rig_pdm(r), error);
}

/* A machine with other devices than the saved one refuses, either way round. */
static void test_state_file(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct rig *one = rig_new(&toy_device, NULL), *two = rig_empty();
    struct ssm_out *out = ssm_out_new(fio_crash_io(disk), "/toy.sav", "", NULL);
    g_autoptr(GError) error = NULL;

    rig_add(two, &toy_device, NULL);
    rig_add(two, &toy_device, "Port=0x310;PCIDeviceNo=5");
    g_assert_true(rig_start(two, NULL));
    rig_out(one, 0x306, 0x99, 1);
    g_assert_true(pdm_save_all(rig_pdm(one), out, NULL));
    g_assert_true(ssm_out_commit(out, NULL));
    rig_reset(one);
    g_assert_true(load_file(one, fio_crash_io(disk), NULL));
    g_assert_cmphex(rig_in(one, 0x306, 1), ==, 0x99);
    g_assert_false(load_file(two, fio_crash_io(disk), &error));
    g_assert_cmpstr(error->message, ==, "The saved state has no unit \"toy\", instance 1");
    g_clear_error(&error);
    out = ssm_out_new(fio_crash_io(disk), "/toy.sav", "", NULL);
    g_assert_true(pdm_save_all(rig_pdm(two), out, NULL));
    g_assert_true(ssm_out_commit(out, NULL));
    g_assert_false(load_file(one, fio_crash_io(disk), &error));
    g_assert_cmpstr(error->message, ==, "Saved state unit \"toy\", instance 1: this machine has no such device");
    rig_free(one);
    rig_free(two);
    fio_crash_free(disk);
}

/* A machine with another disk refuses; another disc in a drive is none of its business. */
static void test_state_media(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct rig *r = rig_empty();
    struct rig_media *fixed = rig_media_new(r, 4096, 512), *disc = rig_media_new(r, 4096, 2048);
    struct ssm_out *out = ssm_out_new(fio_crash_io(disk), "/toy.sav", "", NULL);
    g_autoptr(GError) error = NULL;

    rig_add(r, &toy_device, NULL);
    g_strlcpy(rig_media_block(fixed)->serial, "VB1-2", 32);
    rig_media_block(disc)->removable = true;
    rig_media_attach(r, "toy", 0, 0, fixed);
    rig_media_attach(r, "toy", 0, 1, disc);
    g_assert_true(rig_start(r, NULL));
    g_assert_true(pdm_save_all(rig_pdm(r), out, NULL));
    g_assert_true(ssm_out_commit(out, NULL));
    g_strlcpy(rig_media_block(disc)->serial, "other", 32);
    g_assert_true(load_file(r, fio_crash_io(disk), NULL));
    g_strlcpy(rig_media_block(fixed)->serial, "VB3-4", 32);
    g_assert_false(load_file(r, fio_crash_io(disk), &error));
    g_assert_error(error, SSM_ERROR, SSM_MISMATCH);
    g_assert_nonnull(strstr(error->message, "toy0, unit 0: serial number 'VB1-2', 4096 bytes, not 'VB3-4'"));
    rig_free(r);
    fio_crash_free(disk);
}

/* ---- media ---- */

static void toy_done(struct pdm_dev *dev, struct pdm_block_req *req)
{
    struct toy *s = pdm_state(dev);

    s->done_status = req->status;
    s->in_flight = false;
}

static void toy_request(struct rig *r, enum pdm_block_op op, uint64_t off)
{
    struct toy *s = rig_state(r);

    s->req = (struct pdm_block_req){.op = op, .offset_bytes = off, .buf = s->sector, .bytes = 512, .done = toy_done};
    s->in_flight = true;
    pdm_lun_block(rig_dev(r), 0)->submit(pdm_lun_block(rig_dev(r), 0), &s->req);
}

static void test_media(void)
{
    struct rig *r = rig_new(&toy_device, NULL);
    struct toy *s = rig_state(r);
    struct rig_media *m = rig_media_new(r, 1024, 512);

    g_assert_null(pdm_lun_block(rig_dev(r), 0));
    rig_media_attach(r, "toy", 0, 0, m);
    s->sector[0] = 0x42;
    toy_request(r, PDM_BLOCK_WRITE, 512);
    g_assert_true(s->in_flight);
    rig_step_ns(r, 0);
    g_assert_false(s->in_flight);
    g_assert_cmpint(rig_media_bytes(m)[512], ==, 0x42);
    rig_media_fail(m, PDM_BLOCK_READ, 0, 512, 1, -1);
    rig_media_hold(m, true);
    toy_request(r, PDM_BLOCK_READ, 0);
    rig_step_ns(r, 1000);
    g_assert_true(s->in_flight);
    g_assert_cmpuint(rig_media_complete(m, 1), ==, 1);
    g_assert_cmpint(s->done_status, ==, -1);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pdm/config", test_config);
    g_test_add_func("/pdm/config-refused", test_config_refused);
    g_test_add_func("/pdm/port-rules", test_port_rules);
    g_test_add_func("/pdm/bar", test_bar);
    g_test_add_func("/pdm/dma-into-itself", test_dma_into_itself);
    g_test_add_func("/pdm/wired-or", test_wired_or);
    g_test_add_func("/pdm/time", test_time);
    g_test_add_func("/pdm/pirq", test_pirq);
    g_test_add_func("/pdm/guest-errors-are-limited", test_guest_errors_are_limited);
    g_test_add_func("/pdm/save-load", test_save_load);
    g_test_add_func("/pdm/load-refused", test_load_refused);
    g_test_add_func("/pdm/state-file", test_state_file);
    g_test_add_func("/pdm/state-media", test_state_media);
    g_test_add_func("/pdm/media", test_media);
    return g_test_run();
}

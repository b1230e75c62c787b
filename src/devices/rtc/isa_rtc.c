/*
 * isa_rtc.c - joins the MC146818 to ports 70h-73h and IRQ 8, and fills the CMOS memory firmware reads at power-on.
 *
 * Sources: Motorola MC146818A data sheet [DS]; IBM PC/AT Technical Reference, CMOS map [AT]; Intel 82371SB (PIIX3) data
 * sheet, RTC extended RAM [PIIX]; SeaBIOS src/hw/rtc.h for the bytes above 2Fh, which are firmware's own business [SB].
 * Left out: the NMI mask in port 70h bit 7 (no NMI source asks). CMOS contents live as long as the machine.
 * Locks: every callback runs under the device lock. Time: virtual nanoseconds; the wall clock is read at set-up, and
 * when the machine stops and goes on: as with a battery, the time in between has passed for the guest's clock, be it a
 * pause or a saved state of last year. What the guest made of the clock (zone, a wrong date) stays. Invariant 1: IRQ 8
 * follows the chip's pin; the timer stands at its next possible rise.
 */
#include "devices/rtc/mc146818.h"
#include "vmm/pdm/dev.h"

#include <string.h>

enum { BANK_BYTES = 128, RTC_IRQ = 8 };
#define SECOND_NS  UINT64_C(1000000000)
#define AWAY_MAX_S (UINT64_C(100) * 366 * 86400) /* as many years as the register has */
enum cmos_reg {
    CMOS_FLOPPIES = 0x10,
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,
    CMOS_EXT_KIB = 0x17,
    CMOS_SUM_FIRST = 0x10,
    CMOS_SUM_LAST = 0x2d,
    CMOS_SUM = 0x2e,
    CMOS_EXT_KIB_POST = 0x30,
    CMOS_ABOVE_16M_64K = 0x34,
    CMOS_BOOT_3 = 0x38,
    CMOS_BOOT_1_2 = 0x3d,
    CMOS_ABOVE_4G_64K = 0x5b,
    CMOS_CPUS_MINUS_1 = 0x5f,
};
enum { EQUIPMENT_FPU = 0x02, EQUIPMENT_MOUSE = 0x04, NO_FLOPPY_SIGNATURE_CHECK = 0x01 };

struct isa_rtc {
    struct mc146818 chip;
    uint8_t index[2]; /* of each bank */
    pdm_irq irq;
    pdm_timer tick;
    uint64_t stopped_utc_ns; /* wall clock when the machine stopped; 0 = it runs */
    uint64_t skipped_ns;     /* less than a second, from earlier stops */
};

static void rtc_drive(struct pdm_dev *dev)
{
    struct isa_rtc *s = pdm_state(dev);

    mc146818_run(&s->chip, pdm_now_ns(dev));
    pdm_irq_set(dev, s->irq, mc146818_pin(&s->chip)); /* inv 1 */
    pdm_timer_at(dev, s->tick, mc146818_next_ns(&s->chip));
}

static uint32_t rtc_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_rtc *s = pdm_state(dev);
    const unsigned bank = off >> 1 & 1;
    uint8_t val;

    (void)size;
    if (!(off & 1))
        return 0xff; /* the index is write only [PIIX] */
    val = mc146818_read(&s->chip, (uint8_t)(s->index[bank] + bank * BANK_BYTES), pdm_now_ns(dev));
    rtc_drive(dev);
    return val;
}

static void rtc_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_rtc *s = pdm_state(dev);
    const unsigned bank = off >> 1 & 1;

    (void)size;
    if (!(off & 1)) {
        s->index[bank] = val & 0x7f;
        return;
    }
    mc146818_write(&s->chip, (uint8_t)(s->index[bank] + bank * BANK_BYTES), (uint8_t)val, pdm_now_ns(dev));
    rtc_drive(dev);
}

static void rtc_reset(struct pdm_dev *dev)
{
    struct isa_rtc *s = pdm_state(dev);

    mc146818_run(&s->chip, pdm_now_ns(dev));
    mc146818_reset(&s->chip);
}

/* ---- stopping and going on ---- */

static void rtc_suspend(struct pdm_dev *dev)
{
    struct isa_rtc *s = pdm_state(dev);

    mc146818_run(&s->chip, pdm_now_ns(dev));
    if (s->stopped_utc_ns == 0) /* a state that was loaded stopped when it was saved */
        s->stopped_utc_ns = (uint64_t)MAX(pdm_utc_ns(dev), 1);
}

static void rtc_resume(struct pdm_dev *dev)
{
    struct isa_rtc *s = pdm_state(dev);
    const uint64_t now_ns = (uint64_t)MAX(pdm_utc_ns(dev), 1);
    const uint64_t away_ns = s->stopped_utc_ns && now_ns > s->stopped_utc_ns ? now_ns - s->stopped_utc_ns : 0;

    s->stopped_utc_ns = 0;
    s->skipped_ns += MIN(away_ns, AWAY_MAX_S * SECOND_NS); /* never back: the host's clock may have been set */
    mc146818_skip(&s->chip, s->skipped_ns / SECOND_NS);
    s->skipped_ns %= SECOND_NS;
    rtc_drive(dev);
}

/* ---- CMOS contents ---- */

static void put_u16(uint8_t *cmos, unsigned reg, uint64_t val)
{
    const uint64_t v = val > 0xffff ? 0xffff : val;

    cmos[reg] = (uint8_t)v;
    cmos[reg + 1] = (uint8_t)(v >> 8);
}

static void fill_memory(struct pdm_dev *dev, uint8_t *cmos)
{
    uint64_t low_bytes, high_bytes;
    uint64_t ext_kib;

    pdm_ram_sizes(dev, &low_bytes, &high_bytes);
    ext_kib = low_bytes > 1 << 20 ? (low_bytes >> 10) - 1024 : 0;
    put_u16(cmos, CMOS_BASE_KIB, 640);
    put_u16(cmos, CMOS_EXT_KIB, ext_kib);
    put_u16(cmos, CMOS_EXT_KIB_POST, ext_kib);
    put_u16(cmos, CMOS_ABOVE_16M_64K, low_bytes > 16 << 20 ? (low_bytes - (16 << 20)) >> 16 : 0);
    put_u16(cmos, CMOS_ABOVE_4G_64K, high_bytes >> 16 & 0xffff);
    cmos[CMOS_ABOVE_4G_64K + 2] = (uint8_t)(high_bytes >> 32);
}

/* [SB]: one nibble per boot device. */
static bool boot_code(struct pdm_dev *dev, const char *key, uint8_t *ret_code, GError **error)
{
    static const struct {
        const char *name;
        uint8_t code;
    } table[] = {{"", 0}, {"NONE", 0}, {"FLOPPY", 1}, {"IDE", 2}, {"DVD", 3}, {"LAN", 4}};
    const char *name = pdm_cfg_str(dev, key);

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i].name, name) == 0) {
            *ret_code = table[i].code;
            return true;
        }
    g_set_error(error, PDM_ERROR, 0, "mc146818: %s is '%s'; it can be FLOPPY, IDE, DVD, LAN or NONE", key, name);
    return false;
}

static bool fill_boot_order(struct pdm_dev *dev, uint8_t *cmos, GError **error)
{
    uint8_t code[3];

    if (!boot_code(dev, "BootDevice0", &code[0], error) || !boot_code(dev, "BootDevice1", &code[1], error) ||
        !boot_code(dev, "BootDevice2", &code[2], error))
        return false;
    cmos[CMOS_BOOT_1_2] = (uint8_t)(code[1] << 4 | code[0]);
    cmos[CMOS_BOOT_3] = (uint8_t)(code[2] << 4 | NO_FLOPPY_SIGNATURE_CHECK);
    return true;
}

/* Two nibbles of drive types, A: in the high one; the equipment byte counts them. [AT] */
static void fill_floppies(uint8_t *cmos, uint8_t types)
{
    const unsigned drives = (types >> 4 != 0) + ((types & 15) != 0);

    cmos[CMOS_FLOPPIES] = types;
    cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_MOUSE;
    if (drives)
        cmos[CMOS_EQUIPMENT] |= (uint8_t)(1 | (drives - 1) << 6);
}

static void fill_checksum(uint8_t *cmos)
{
    unsigned sum = 0;

    for (unsigned i = CMOS_SUM_FIRST; i <= CMOS_SUM_LAST; i++)
        sum += cmos[i];
    cmos[CMOS_SUM] = (uint8_t)(sum >> 8);
    cmos[CMOS_SUM + 1] = (uint8_t)sum;
}

static void set_clock(struct pdm_dev *dev)
{
    struct isa_rtc *s = pdm_state(dev);
    const int64_t utc_ns = pdm_utc_ns(dev);
    int64_t s_utc = utc_ns / 1000000000;

    if (!pdm_cfg_bool(dev, "UseUTC")) {
        g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(s_utc);
        g_autoptr(GDateTime) local = utc ? g_date_time_to_local(utc) : NULL;

        if (local)
            s_utc += g_date_time_get_utc_offset(local) / G_TIME_SPAN_SECOND;
    }
    mc146818_set_time(&s->chip, s_utc, pdm_now_ns(dev));
}

static bool rtc_construct(struct pdm_dev *dev, GError **error)
{
    struct isa_rtc *s = pdm_state(dev);
    const struct pdm_io io = {
        .name = "rtc", .base = 0x70, .count = 4, .min_size = 1, .max_size = 1, .read = rtc_read, .write = rtc_write};

    mc146818_init(&s->chip);
    set_clock(dev);
    fill_memory(dev, s->chip.cmos);
    fill_floppies(s->chip.cmos, (uint8_t)pdm_cfg_u64(dev, "FloppyTypes"));
    s->chip.cmos[CMOS_CPUS_MINUS_1] = (uint8_t)(pdm_cpu_count(dev) - 1);
    if (!fill_boot_order(dev, s->chip.cmos, error))
        return false;
    fill_checksum(s->chip.cmos);
    return pdm_io_add(dev, &io, error) && pdm_irq_claim(dev, RTC_IRQ, &s->irq, error) &&
           pdm_timer_new(dev, "rtc.tick", rtc_drive, &s->tick, error);
}

static bool rtc_state_check(void *state)
{
    const struct isa_rtc *s = state;

    return s->index[0] < BANK_BYTES && s->index[1] < BANK_BYTES && s->chip.second_ns < INT64_MAX &&
           s->stopped_utc_ns < INT64_MAX && s->skipped_ns < SECOND_NS;
}

static const struct ssm_field chip_fields[] = {
    SSM_U8S(struct mc146818, cmos),
    SSM_U64(struct mc146818, second_ns),
    SSM_U64(struct mc146818, period),
    SSM_END,
};
static const struct ssm_field rtc_fields[] = {
    SSM_STRUCT(struct isa_rtc, chip, chip_fields),
    SSM_U8S(struct isa_rtc, index),
    SSM_FIELD_(struct isa_rtc, stopped_utc_ns, SSM_KIND_UINT, 8, 1, 2, NULL), /* since 2; 1 went on where it stopped */
    SSM_FIELD_(struct isa_rtc, skipped_ns, SSM_KIND_UINT, 8, 1, 2, NULL),
    SSM_END,
};
static const struct ssm_desc rtc_desc = {.version = 2, .oldest = 1, .fields = rtc_fields, .check = rtc_state_check};

static const struct pdm_cfg_key rtc_config[] = {
    {.name = "UseUTC", .type = PDM_CFG_BOOL, .def = true},
    {.name = "FloppyTypes", .type = PDM_CFG_U64, .max = 0xff}, /* 40h: A: is 1.44 MB */
    {.name = "BootDevice0", .type = PDM_CFG_STR},
    {.name = "BootDevice1", .type = PDM_CFG_STR},
    {.name = "BootDevice2", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg isa_rtc_device = {
    .name = "mc146818",
    .desc = "CMOS real-time clock",
    .info_name = "rtc",
    .max_instances = 1,
    .state_size = sizeof(struct isa_rtc),
    .config = rtc_config,
    .state = &rtc_desc,
    .construct = rtc_construct,
    .reset = rtc_reset,
    .drive = rtc_drive,
    .suspend = rtc_suspend,
    .resume = rtc_resume,
};

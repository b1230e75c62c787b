/*
 * bt958_command.c - the commands of the BT-958, as a table: see bt958.h.
 *
 * Source: [BT] 3. The adapter says it is a BT-958 with firmware 5.07B, wide and ultra, target 7. Left out: local RAM
 * that keeps what is written, BIOS and SCSI commands without mailboxes, target mode, SCAM, ISA addresses (always off).
 */
#include "devices/storage/bt958_int.h"

#define SG_LIMIT      8192u
#define LOCAL_AUTO    64u /* where the AutoSCSI data lies */
#define ISA_PORTS_OFF 6u

static bool nothing(struct bt958 *c)
{
    (void)c;
    return true;
}

static bool init(struct bt958 *c, uint8_t count, uint32_t gpa, bool short_addresses)
{
    if (count == 0)
        return false;
    c->mailboxes = count;
    c->mailbox_gpa = gpa;
    c->short_addresses = short_addresses;
    c->out_next = c->in_next = 0;
    return true;
}

static bool init_mailboxes(struct bt958 *c)
{
    return init(c, c->params[0], bt_get24(c->params + 1), true);
}

static bool init_extended(struct bt958 *c)
{
    return init(c, c->params[0], bt_get32(c->params + 1), false);
}

static bool out_interrupt(struct bt958 *c)
{
    c->out_interrupt = c->params[0] & 1;
    return c->params[0] < 2;
}

static bool interrupts(struct bt958 *c)
{
    c->interrupts_on = c->params[0] & 1;
    return c->params[0] < 2;
}

static bool strict(struct bt958 *c)
{
    c->strict = c->params[0] & 1;
    return c->params[0] < 2;
}

static bool ccb_format(struct bt958 *c)
{
    c->extended_lun = c->params[0] & 1;
    return c->params[0] < 2;
}

static bool isa_address(struct bt958 *c)
{
    return c->params[0] < 8; /* none of them exists */
}

static bool answer(struct bt958 *c, const void *bytes, uint16_t count)
{
    memcpy(c->reply, bytes, count);
    c->reply_bytes = count;
    return true;
}

/* As many of them as the guest asked for; zeros behind the last. */
static bool answer_asked(struct bt958 *c, const uint8_t *bytes, uint16_t count)
{
    memcpy(c->reply, bytes, count);
    c->reply_bytes = c->params[0];
    return true;
}

static bool board(struct bt958 *c)
{
    return answer(c, "AA50", 4);
}

static bool firmware_digit(struct bt958 *c)
{
    return answer(c, "7", 1);
}

static bool firmware_letter(struct bt958 *c)
{
    return answer(c, "B", 1);
}

static bool model(struct bt958 *c)
{
    return answer_asked(c, (const uint8_t *)"958\0", 5);
}

static bool echo(struct bt958 *c)
{
    return answer(c, c->params, 1);
}

static bool configuration(struct bt958 *c)
{
    return answer(c, (const uint8_t[]){0, 0, BT_INITIATOR}, 3);
}

static bool pci_information(struct bt958 *c)
{
    return answer(c, (const uint8_t[]){ISA_PORTS_OFF, 0, 0x83, 0}, 4); /* terminated at both ends */
}

static unsigned targets(const struct bt958 *c)
{
    unsigned there = 0;

    for (unsigned i = 0; i < BT_TARGETS; i++)
        there |= (unsigned)(i != BT_INITIATOR && c->host->present(c->ctx, i)) << i;
    return there;
}

static bool units_of(struct bt958 *c, unsigned there)
{
    for (unsigned i = 0; i < 8; i++)
        c->reply[i] = there >> i & 1; /* LUN 0 */
    c->reply_bytes = 8;
    return true;
}

static bool units_0_7(struct bt958 *c)
{
    return units_of(c, targets(c));
}

static bool units_8_15(struct bt958 *c)
{
    return units_of(c, targets(c) >> 8);
}

static bool all_targets(struct bt958 *c)
{
    const unsigned there = targets(c);

    return answer(c, (const uint8_t[]){(uint8_t)there, (uint8_t)(there >> 8)}, 2);
}

static bool setup(struct bt958 *c)
{
    uint8_t r[34] = {[0] = 0x03, [4] = c->mailboxes, [16] = 0xff, [17] = 'B', [18] = 'D', [19] = 'F', [30] = 0xff};

    for (unsigned i = 0; i < 3; i++)
        r[5 + i] = (uint8_t)(c->mailbox_gpa >> (16 - 8 * i));
    return answer_asked(c, r, sizeof(r));
}

static bool extended_setup(struct bt958 *c)
{
    uint8_t r[14] = {'E', 0, SG_LIMIT & 0xff, SG_LIMIT >> 8, c->mailboxes, [9] = 0x40, '0', '7', 'B', 0x09};

    bt_put32(r + 5, c->mailbox_gpa);
    return answer_asked(c, r, sizeof(r));
}

static bool periods(struct bt958 *c)
{
    const uint8_t r[16] = {0};

    return answer_asked(c, r, sizeof(r));
}

static bool local_ram(struct bt958 *c)
{
    static const uint8_t automatic[64] = {'F',  'A',  64,           'B',  'T',  '-', '9', '5',  '8',  ' ',  0x04, 0,
                                          0,    0,    BT_INITIATOR, 0xb7, 0,    0,   0,   0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff,         0xff, 0xff, 0,   0,   0,    0,    0,    0xff, 0xff};
    uint8_t ram[256] = {0};

    memcpy(ram + LOCAL_AUTO, automatic, sizeof(automatic));
    if (c->params[0] + c->params[1] > (int)sizeof(ram))
        return false;
    return answer(c, ram + c->params[0], c->params[1]);
}

static const struct {
    uint8_t command, params;
    bool (*run)(struct bt958 *c);
} rows[] = {
    {0x00, 0, nothing},
    {0x01, 4, init_mailboxes},
    {0x04, 0, board},
    {0x05, 1, out_interrupt},
    {0x06, 4, nothing}, /* selection time-out, bus times, rate */
    {0x07, 1, nothing},
    {0x08, 1, nothing},
    {0x09, 1, nothing},
    {0x0a, 0, units_0_7},
    {0x0b, 0, configuration},
    {0x0d, 1, setup},
    {0x1f, 1, echo},
    {0x20, 0, nothing}, /* diagnostics find nothing */
    {0x23, 0, units_8_15},
    {0x24, 0, all_targets},
    {0x25, 1, interrupts},
    {0x81, 5, init_extended},
    {0x84, 0, firmware_digit},
    {0x85, 0, firmware_letter},
    {0x86, 0, pci_information},
    {0x8b, 1, model},
    {0x8c, 1, periods},
    {0x8d, 1, extended_setup},
    {0x8f, 1, strict},
    {0x91, 2, local_ram},
    {0x95, 1, isa_address},
    {0x96, 1, ccb_format},
};

bool bt_params_of(uint8_t command, uint8_t *ret)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].command == command) {
            *ret = rows[i].params;
            return true;
        }
    return false;
}

bool bt_run(struct bt958 *c)
{
    memset(c->reply, 0, sizeof(c->reply));
    c->reply_bytes = c->reply_at = 0;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].command == c->command)
            return rows[i].run(c);
    return false;
}

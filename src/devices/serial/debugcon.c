/*
 * debugcon.c - ports on which firmware and guests print, byte by byte, into the log.
 *
 * Sources: SeaBIOS, "Debugging" (port 402h, reads E9h when present), also OVMF's debug port; Bochs, "port e9 hack"
 * (the same at E9h); VirtualBox's guest log back door (504h, writes only).
 * Each port collects its own line. Besides, every byte goes to the character driver of LUN 0, if there is one.
 * A guest could flood the log: LINES_PER_SECOND of virtual time are written, the others counted and the number told.
 * Locks: every callback runs under the device lock.
 */
#include "vmm/pdm/dev.h"

#define LINE_BYTES       256u
#define LINES_PER_SECOND 1000u
#define PRESENT          0xe9

enum { PORT_BIOS, PORT_E9, PORT_GUEST, PORT_COUNT };

static const struct {
    const char *name, *tag;
    uint16_t port;
    bool answers;
} ports[PORT_COUNT] = {
    [PORT_BIOS] = {"debug-bios", "firmware", 0x402, true},
    [PORT_E9] = {"debug-e9", "guest", 0x0e9, true},
    [PORT_GUEST] = {"debug-guest-log", "guest log", 0x504, false},
};

struct line {
    uint8_t text[LINE_BYTES];
    uint16_t len;
};

struct debugcon {
    struct line line[PORT_COUNT];
    uint64_t second; /* of virtual time, that the two below are about */
    uint32_t lines, dropped;
    struct pdm_char *copy;
    uint64_t bytes, lost;
};

static bool may_log(struct pdm_dev *dev, struct debugcon *s)
{
    const uint64_t second = pdm_now_ns(dev) / 1000000000u;

    if (second != s->second) {
        if (s->dropped)
            pdm_log(dev, "%u lines of the guest left out", s->dropped);
        s->second = second;
        s->lines = s->dropped = 0;
    }
    if (s->lines < LINES_PER_SECOND) {
        s->lines++;
        return true;
    }
    s->dropped++;
    s->lost++;
    return false;
}

static void flush(struct pdm_dev *dev, unsigned which)
{
    struct debugcon *s = pdm_state(dev);
    struct line *l = &s->line[which];

    if (l->len && may_log(dev, s))
        pdm_log(dev, "%s: %.*s", ports[which].tag, (int)l->len, (const char *)l->text);
    l->len = 0;
}

static void put(struct pdm_dev *dev, unsigned which, uint8_t ch)
{
    struct debugcon *s = pdm_state(dev);
    struct line *l = &s->line[which];

    s->bytes++;
    if (s->copy)
        (void)s->copy->write(s->copy, &ch, 1); /* a full driver loses debug text, the guest is not held up */
    if (ch == '\n') {
        flush(dev, which);
        return;
    }
    if (ch == '\r')
        return;
    l->text[l->len++] = ch >= 0x20 && ch < 0x7f ? ch : ch == '\t' ? ' ' : '.';
    if (l->len == LINE_BYTES)
        flush(dev, which);
}

/* Offsets are the index of the port: see off_base below */
static void debugcon_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    (void)size; /* 1, by max_size */
    put(dev, off, (uint8_t)val);
}

static uint32_t debugcon_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    (void)dev;
    (void)off;
    (void)size;
    return PRESENT;
}

static void debugcon_reset(struct pdm_dev *dev)
{
    for (unsigned i = 0; i < PORT_COUNT; i++)
        flush(dev, i);
}

static bool debugcon_check(void *state)
{
    const struct debugcon *s = state;

    for (unsigned i = 0; i < PORT_COUNT; i++)
        if (s->line[i].len >= LINE_BYTES)
            return false;
    return true;
}

static bool debugcon_construct(struct pdm_dev *dev, GError **error)
{
    struct debugcon *s = pdm_state(dev);

    s->copy = pdm_lun_char(dev, 0);
    pdm_stat(dev, &s->bytes, "Bytes", "bytes");
    pdm_stat(dev, &s->lost, "LinesLost", "count");
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        const struct pdm_io io = {.name = ports[i].name,
                                  .base = ports[i].port,
                                  .count = 1,
                                  .off_base = (uint16_t)i,
                                  .min_size = 1,
                                  .max_size = 1,
                                  .read = ports[i].answers ? debugcon_read : NULL,
                                  .write = debugcon_write};

        if (!pdm_io_add(dev, &io, error))
            return false;
    }
    return true;
}

static const struct ssm_field line_fields[] = {
    SSM_U8S(struct line, text),
    SSM_U16(struct line, len),
    SSM_END,
};
static const struct ssm_field debugcon_fields[] = {
    SSM_STRUCTS(struct debugcon, line, line_fields),
    SSM_END,
};
static const struct ssm_desc debugcon_state = {
    .version = 1, .oldest = 1, .fields = debugcon_fields, .check = debugcon_check};

const struct pdm_devreg debugcon_device = {
    .name = "debugcon",
    .desc = "debug output ports",
    .max_instances = 1,
    .state_size = sizeof(struct debugcon),
    .state = &debugcon_state,
    .construct = debugcon_construct,
    .reset = debugcon_reset,
};

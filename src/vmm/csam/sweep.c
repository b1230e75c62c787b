/*
 * sweep.c - see sweep.h.
 *
 * Sources: SDM vol. 2 2.3 (VEX), 2.7 (EVEX), 2.1.5 (ModRM and SIB).
 */
#include "vmm/csam/sweep.h"

#define BEGIN    CSAM_LEAD_BYTES                     /* of the page in the window */
#define END      (CSAM_LEAD_BYTES + CSAM_PAGE_BYTES) /* behind it */
#define PENDING  256u                                /* ways not followed yet */
#define APART    32u                                 /* instructions between code and data, at least */
#define MAP_0F   1u
#define MAP_0F3A 3u

struct sweep {
    const struct csam_window *w;
    enum x86_mode mode;
    csam_look *look;
    void *user;
    struct csam_memo *memo;         /* of what look() allows */
    uint64_t seen[(END + 63) / 64]; /* offsets of the window where reading came by */
};

static bool seen(struct sweep *s, unsigned pos)
{
    const uint64_t bit = UINT64_C(1) << (pos % 64);
    const bool was = s->seen[pos / 64] & bit;

    s->seen[pos / 64] |= bit;
    return was;
}

/* Vector opcodes with an immediate byte. */
static bool has_immediate(unsigned map, uint8_t opcode)
{
    if (map == MAP_0F)
        return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
    return map == MAP_0F3A;
}

/* VEX and EVEX: may be an instruction of newer processors. */
static bool newer(const uint8_t *b, enum x86_mode mode)
{
    return mode == X86_MODE_64 && (b[0] == 0x62 || b[0] == 0xc4 || b[0] == 0xc5);
}

/* How long bytes are that the decoder does not know. @b has 15 bytes. */
static unsigned unknown_bytes(const uint8_t *b, enum x86_mode mode)
{
    const bool vector = newer(b, mode);
    const unsigned prefix = b[0] == 0x62 ? 4 : b[0] == 0xc4 ? 3 : 2;
    const unsigned map = b[0] == 0xc5 ? MAP_0F : b[1] & (b[0] == 0x62 ? 7 : 0x1f);

    if (b[0] == 0x0f && b[1] == 0x01)
        return 3;
    if (!vector)
        return 1;
    return prefix + 1 + csam_operand_bytes(b + prefix + 1) + has_immediate(map, b[prefix]);
}

/*
 * What no program for ring 3 contains: where such bytes are, data is read. Not asked of 32-bit code: the SYSENTER of a
 * kernel's vdso stands among the tables of a small ELF file, and must not be overlooked.
 */
static bool is_data(const struct sweep *s, const struct x86_insn *i, const uint8_t *bytes)
{
    if (s->mode != X86_MODE_64)
        return false;
    return i != NULL ? (i->row->rules & (X86_RULE_CPL0 | X86_RULE_IOPL)) != 0 : !newer(bytes, s->mode);
}

static bool goes_on(const struct x86_insn *i)
{
    return i->row->flow != X86_FLOW_JUMP && i->row->flow != X86_FLOW_RET && i->row->flow != X86_FLOW_STOP;
}

static struct csam_step step_of(const struct x86_insn *i)
{
    const bool direct = i->nops > 0 && i->op[0].kind == X86_OP_REL;

    return (struct csam_step){
        .bytes = i->len, .direct = direct, .ends = !goes_on(i), .rel = direct ? (int32_t)i->imm[0] : 0};
}

/* What was found at a place. */
struct found {
    struct csam_step step; /* bytes 0: not all of it is there */
    bool good, data;       /* what look() says; is_data() */
};

/* Decodes what is at @pos, and shows it. */
static struct found decode_at(struct sweep *s, unsigned pos, unsigned limit)
{
    const uint8_t *bytes = s->w->bytes + pos;
    struct found f = {.good = true};
    struct x86_insn i;
    const int n = x86_decode(bytes, limit - pos, s->mode, &i);
    const bool known = n > 0;

    if (n == X86_NEED_MORE)
        return f;
    if (known)
        f.step = step_of(&i);
    else /* nobody knows where it goes */
        f.step = (struct csam_step){
            .bytes = pos + X86_MAX_LEN <= sizeof s->w->bytes ? unknown_bytes(bytes, s->mode) : 1, .ends = true};
    f.data = is_data(s, known ? &i : NULL, bytes);
    if (pos + f.step.bytes <= BEGIN)
        return f;
    f.good = s->look(s->user, known ? &i : NULL, bytes);
    if (known && f.good && !f.data && s->memo != NULL)
        csam_memo_learn(s->memo, bytes, &i);
    return f;
}

static struct found look_at(struct sweep *s, unsigned pos)
{
    const unsigned limit = s->w->has_tail ? sizeof s->w->bytes : END;
    struct found f = {.good = true};

    if (s->memo != NULL && s->mode == X86_MODE_64 && pos + X86_MAX_LEN <= limit &&
        csam_memo_recall(s->memo, s->w->bytes + pos, &f.step))
        return f;
    return decode_at(s, pos, limit);
}

/* Straight on from @pos to the end of the page. Return: false: what look() refused is not among data. */
static bool sweep_from(struct sweep *s, unsigned pos)
{
    unsigned since_data = 2 * APART, since_refused = 0; /* instructions; 0: nothing is refused */

    while (pos < END) {
        const struct found f = look_at(s, pos);

        if (f.step.bytes == 0)
            break;
        since_data = f.data ? 0 : since_data + 1;
        pos += f.step.bytes;
        if (since_data == 0)
            since_refused = 0;
        else if (since_refused > 0 || (!f.good && since_data > APART))
            since_refused++;
        if (since_refused > APART)
            return false;
    }
    return since_refused == 0;
}

bool csam_sweep(const struct csam_window *w, enum x86_mode mode, csam_look *look, void *user, struct csam_memo *memo)
{
    struct sweep s = {.w = w, .mode = mode, .look = look, .user = user, .memo = memo};

    if (w->has_lead)
        return sweep_from(&s, 0);
    for (unsigned start = 0; start < X86_MAX_LEN; start++)
        if (sweep_from(&s, BEGIN + start))
            return true;
    return false;
}

/* One way to its end; the ways that leave it are put on the list. */
static bool follow_one(struct sweep *s, unsigned pos, uint16_t *pending, unsigned *count)
{
    while (pos < END && !seen(s, pos)) {
        const struct found f = look_at(s, pos);
        int64_t target;

        if (f.step.bytes == 0)
            return true;
        if (!f.good)
            return false;
        pos += f.step.bytes;
        target = f.step.direct ? (int64_t)pos + f.step.rel : -1;
        if (target >= BEGIN && target < END && *count < PENDING)
            pending[(*count)++] = (uint16_t)target;
        if (f.step.ends)
            return true;
    }
    return true;
}

bool csam_follow(const struct csam_window *w, int entry, enum x86_mode mode, csam_look *look, void *user,
                 struct csam_memo *memo)
{
    struct sweep s = {.w = w, .mode = mode, .look = look, .user = user, .memo = memo};
    uint16_t pending[PENDING] = {(uint16_t)((int)BEGIN + entry)};
    unsigned count = 1;

    while (count > 0)
        if (!follow_one(&s, pending[--count], pending, &count))
            return false;
    return true;
}

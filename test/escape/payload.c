/*
 * payload.c - reads payloads.def and calls.def.
 */
#include "payload.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt/jail_int.h"

const struct payload payloads[] = {
#define PAYLOAD(name, bits, code, ends) {name, bits, code, ends},
#include "payloads.def"
#undef PAYLOAD
};
const unsigned payload_count = G_N_ELEMENTS(payloads);

static unsigned put(uint8_t *to, uint64_t val, unsigned bytes)
{
    memcpy(to, &val, bytes);
    return bytes;
}

unsigned payload_bytes(const char *code, uint64_t stub, uint8_t ret[PAYLOAD_BYTES])
{
    g_auto(GStrv) words = g_strsplit(code, " ", 0);
    unsigned size = 0;

    for (unsigned n = 0; words[n] != NULL; n++) {
        const uint64_t val = strtoull(words[n] + (g_ascii_isupper(words[n][0]) ? 2 : 0), NULL, 16);

        g_assert_cmpuint(size, <=, PAYLOAD_BYTES - 8);
        switch (words[n][0]) {
        case 'C': size += put(ret + size, RIG_CODE + val, 4); break;
        case 'D': size += put(ret + size, RIG_DATA + val, 4); break;
        case 'R': size += put(ret + size, RIG_READ_ONLY + val, 4); break;
        case 'S': size += put(ret + size, stub + val, 8); break;
        case 'T': size += put(ret + size, stub + JAIL_PAGE_BYTES + val, 8); break;
        default: size += put(ret + size, val, 1); break;
        }
    }
    return size;
}

/* ---- system calls ---- */

enum { NO = G_MININT };
/* Stand for numbers that are known later. */
enum { CODE = 0x7f000000, DATA, STUB, NOBODY, ME, MAPPER, OWNER, CANARY };

static const struct {
    const char *name;
    int number, old_number;
    int64_t arg[6];
} calls[] = {
#define CALL(name, number, old_number, ...) {name, number, old_number, {__VA_ARGS__}},
#include "calls.def"
#undef CALL
};
const unsigned call_count = G_N_ELEMENTS(calls);

const struct abi abis[] = {
    {"syscall", 64, false, 0, {0x0f, 0x05}, IN_CODE, SYS},
    {"syscall, x32", 64, false, 0x40000000, {0x0f, 0x05}, IN_CODE, SYS},
    {"int 80h", 64, true, 0, {0xcd, 0x80}, IN_CODE, SYS | SEGV},
    {"sysenter", 64, true, 0, {0x0f, 0x34}, IN_CODE, SYS | SEGV | ILL},
    {"32-bit int 80h", 32, true, 0, {0xcd, 0x80}, IN_CODE, SYS | SEGV},
    {"32-bit sysenter", 32, true, 0, {0x0f, 0x34}, IN_CODE, SYS | SEGV | ILL},
    {"32-bit syscall", 32, true, 0, {0x0f, 0x05}, IN_CODE, SYS | ILL},
    {"the stub's call", 64, false, 0, {0}, IN_STUB, SYS},
    {"the stub's loop over a table of its own", 64, false, 0, {0}, IN_BATCH, SYS},
};
const unsigned abi_count = G_N_ELEMENTS(abis);

const char *call_name(unsigned call)
{
    return calls[call].name;
}

static uint64_t meant(const struct rig *r, int64_t arg)
{
    switch (arg) {
    case CODE: return RIG_CODE;
    case DATA: return RIG_DATA;
    case STUB: return jail_stub(r->jail);
    case NOBODY: return 0x10000000;
    case ME:
    case MAPPER: return (uint64_t)jail_pid(r->jail);
    case OWNER: return (uint64_t)getpid();
    case CANARY: return (uint64_t)r->canary;
    default: return (uint64_t)arg;
    }
}

/* What a call might take for a path, a table of buffers, a descriptor, a signal frame. */
static void fill_data(struct rig *r)
{
    const uint64_t frame[] = {RIG_CODE, 0x202, 0x002b000000000033, RIG_DATA, 64, 0x10, 0x2b};
    uint8_t *data = r->ram.hva + 2 * JAIL_PAGE_BYTES;

    for (unsigned n = 0; n + sizeof frame <= 2 * JAIL_PAGE_BYTES; n += sizeof frame)
        memcpy(data + n, frame, sizeof frame);
    memcpy(data, "/proc/self/mem", 15);
}

static void load_batch(struct rig *r, struct user_regs_struct *u, uint64_t number, const uint64_t arg[6])
{
    struct jail_row row = {.call = number};

    memcpy(row.arg, arg, sizeof row.arg);
    memcpy(r->ram.hva + 3 * JAIL_PAGE_BYTES, &row, sizeof row);
    u->rbx = RIG_DATA + JAIL_PAGE_BYTES;
    u->rbp = u->rbx + sizeof row;
    u->rip = jail_stub(r->jail) + JAIL_STUB_BATCH;
}

bool call_load(struct rig *r, unsigned call, const struct abi *abi)
{
    const int number = abi->old_numbers ? calls[call].old_number : calls[call].number;
    struct user_regs_struct *u = jail_regs(r->jail);
    uint64_t arg[6];

    if (number == NO)
        return false;
    for (unsigned n = 0; n < 6; n++)
        arg[n] = meant(r, calls[call].arg[n]);
    rig_code(r, abi->code, abi->where == IN_CODE ? sizeof abi->code : 0, abi->bits);
    fill_data(r);
    u->rax = (uint64_t)(int64_t)number | abi->number_bit;
    if (abi->old_numbers) {
        u->rax = (uint32_t)u->rax;
        u->rbx = arg[0], u->rcx = arg[1], u->rdx = arg[2];
        u->rsi = arg[3], u->rdi = arg[4], u->rbp = abi->code[1] == 0x34 ? RIG_DATA : arg[5];
    } else {
        u->rdi = arg[0], u->rsi = arg[1], u->rdx = arg[2];
        u->r10 = arg[3], u->r8 = arg[4], u->r9 = arg[5];
    }
    if (abi->where == IN_STUB)
        u->rip = jail_stub(r->jail) + JAIL_STUB_CALL;
    if (abi->where == IN_BATCH)
        load_batch(r, u, u->rax, arg);
    return true;
}

unsigned payload_end(const struct rig *r, unsigned size, enum jail_end end, const struct jail_trap *t)
{
    if (end == JAIL_LOST)
        return 0;
    if (end == JAIL_KICKED)
        return FOREVER;
    switch (t->signal) {
    case SIGSYS: return SYS;
    case SIGSEGV: return SEGV;
    case SIGILL: return jail_regs(r->jail)->rip == RIG_CODE + size ? THROUGH : ILL;
    case SIGFPE: return FPE;
    case SIGTRAP: return TRAP;
    default: return BUS;
    }
}

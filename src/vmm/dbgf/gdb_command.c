/*
 * gdb_command.c - the commands of the gdb remote protocol that a system target needs.
 *
 * Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol" and "Standard Target Features" (i386).
 * The target is always i386:x86-64; in 16- and 32-bit guest code rip is the linear address, so that breakpoints and
 * disassembly meet memory. A vCPU is a thread, numbered from 1.
 * Left out: write access to x87/SSE registers, hardware watchpoints, multiprocess.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/dbgf/gdb_int.h"
#include "vmm/iem/iem.h"

#define TEXT_MAX (GDB_PACKET_BYTES / 2 - 16) /* characters of a text, two digits each */

const char gdb_target_xml[] =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>i386:x86-64</architecture>"
    "<feature name=\"org.gnu.gdb.i386.core\">"
    "<flags id=\"x64_eflags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"PF\" start=\"2\" "
    "end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" "
    "start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/></flags>"
    "<reg name=\"rax\" bitsize=\"64\" type=\"int64\" regnum=\"0\"/><reg name=\"rbx\" bitsize=\"64\" "
    "type=\"int64\"/><reg name=\"rcx\" bitsize=\"64\" type=\"int64\"/>"
    "<reg name=\"rdx\" bitsize=\"64\" type=\"int64\"/><reg name=\"rsi\" bitsize=\"64\" type=\"int64\"/><reg "
    "name=\"rdi\" bitsize=\"64\" type=\"int64\"/>"
    "<reg name=\"rbp\" bitsize=\"64\" type=\"data_ptr\"/><reg name=\"rsp\" bitsize=\"64\" type=\"data_ptr\"/><reg "
    "name=\"r8\" bitsize=\"64\" type=\"int64\"/>"
    "<reg name=\"r9\" bitsize=\"64\" type=\"int64\"/><reg name=\"r10\" bitsize=\"64\" type=\"int64\"/><reg "
    "name=\"r11\" bitsize=\"64\" type=\"int64\"/>"
    "<reg name=\"r12\" bitsize=\"64\" type=\"int64\"/><reg name=\"r13\" bitsize=\"64\" type=\"int64\"/><reg "
    "name=\"r14\" bitsize=\"64\" type=\"int64\"/>"
    "<reg name=\"r15\" bitsize=\"64\" type=\"int64\"/><reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/><reg "
    "name=\"eflags\" bitsize=\"32\" type=\"x64_eflags\"/>"
    "<reg name=\"cs\" bitsize=\"32\" type=\"int32\"/><reg name=\"ss\" bitsize=\"32\" type=\"int32\"/><reg name=\"ds\" "
    "bitsize=\"32\" type=\"int32\"/>"
    "<reg name=\"es\" bitsize=\"32\" type=\"int32\"/><reg name=\"fs\" bitsize=\"32\" type=\"int32\"/><reg name=\"gs\" "
    "bitsize=\"32\" type=\"int32\"/>"
    "<reg name=\"st0\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st1\" bitsize=\"80\" type=\"i387_ext\"/><reg "
    "name=\"st2\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st3\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st4\" bitsize=\"80\" type=\"i387_ext\"/><reg "
    "name=\"st5\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"st6\" bitsize=\"80\" type=\"i387_ext\"/><reg name=\"st7\" bitsize=\"80\" type=\"i387_ext\"/>"
    "<reg name=\"fctrl\" bitsize=\"32\" type=\"int\" group=\"float\"/><reg name=\"fstat\" bitsize=\"32\" type=\"int\" "
    "group=\"float\"/>"
    "<reg name=\"ftag\" bitsize=\"32\" type=\"int\" group=\"float\"/><reg name=\"fiseg\" bitsize=\"32\" type=\"int\" "
    "group=\"float\"/>"
    "<reg name=\"fioff\" bitsize=\"32\" type=\"int\" group=\"float\"/><reg name=\"foseg\" bitsize=\"32\" type=\"int\" "
    "group=\"float\"/>"
    "<reg name=\"fooff\" bitsize=\"32\" type=\"int\" group=\"float\"/><reg name=\"fop\" bitsize=\"32\" type=\"int\" "
    "group=\"float\"/>"
    "</feature></target>";

/* General registers in gdb's order. */
static const uint8_t gdb_gpr[16] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP, X86_RSP,
                                    X86_R8,  X86_R9,  X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15};
static const uint8_t gdb_seg[6] = {X86_CS, X86_SS, X86_DS, X86_ES, X86_FS, X86_GS};
enum { REG_RIP_NO = 16, REG_FLAGS_NO = 17, REG_SEG_NO = 18, REG_ST_NO = 24, REG_FCTRL_NO = 32, REG_COUNT = 40 };

static void put_hex(GString *out, const void *p, size_t bytes)
{
    const uint8_t *b = p;

    for (size_t k = 0; k < bytes; k++)
        g_string_append_printf(out, "%02x", b[k]);
}

static bool get_hex(const char **at, void *p, size_t bytes)
{
    uint8_t *b = p;

    for (size_t k = 0; k < bytes; k++) {
        int high = g_ascii_xdigit_value((*at)[0]), low = high < 0 ? -1 : g_ascii_xdigit_value((*at)[1]);
        if (low < 0)
            return false;
        b[k] = (uint8_t)(high << 4 | low);
        *at += 2;
    }
    return true;
}

static struct vcpu *chosen(struct gdb_session *s)
{
    return s->machine->cpu(s->machine->user, s->cpu);
}

static uint64_t linear_base(const struct vcpu *c)
{
    return c->mode.code64 ? 0 : c->ctx.seg[X86_CS].base;
}

static unsigned reg_bytes(unsigned n)
{
    return n <= REG_RIP_NO ? 8 : n >= REG_ST_NO && n < REG_FCTRL_NO ? 10 : 4;
}

static void put_reg(const struct vcpu *c, unsigned n, GString *out)
{
    uint8_t raw[10] = {0};
    uint64_t v = 0;

    if (n < REG_RIP_NO)
        v = c->ctx.gpr[gdb_gpr[n]];
    else if (n == REG_RIP_NO)
        v = c->ctx.rip + linear_base(c);
    else if (n == REG_FLAGS_NO)
        v = c->ctx.rflags;
    else if (n < REG_ST_NO)
        v = c->ctx.seg[gdb_seg[n - REG_SEG_NO]].sel;
    else if (n == REG_FCTRL_NO || n == REG_FCTRL_NO + 1)
        memcpy(&v, c->ctx.fpu.area + 2 * (n - REG_FCTRL_NO), 2);
    memcpy(raw, &v, sizeof v);
    if (n >= REG_ST_NO && n < REG_FCTRL_NO)
        memcpy(raw, c->ctx.fpu.area + 32 + 16 * (n - REG_ST_NO), 10);
    put_hex(out, raw, reg_bytes(n));
}

static bool set_reg(struct vcpu *c, unsigned n, const char **at)
{
    uint8_t raw[10] = {0};
    uint64_t v;

    if (!get_hex(at, raw, reg_bytes(n)))
        return false;
    memcpy(&v, raw, sizeof v);
    if (n < REG_RIP_NO)
        c->ctx.gpr[gdb_gpr[n]] = v;
    else if (n == REG_RIP_NO)
        c->ctx.rip = v - linear_base(c);
    else if (n == REG_FLAGS_NO)
        c->ctx.rflags = (c->ctx.rflags & ~(uint64_t)CPUM_FL_ARITH) | (v & CPUM_FL_ARITH);
    return true;
}

/* "ADDR,LEN" in hex; LEN within one packet. */
static bool get_range(const char *at, uint64_t *addr, uint64_t *len, const char **rest)
{
    char *end;

    *addr = g_ascii_strtoull(at, &end, 16);
    if (*end != ',')
        return false;
    *len = g_ascii_strtoull(end + 1, &end, 16);
    *rest = end;
    return *len <= GDB_PACKET_BYTES / 2 - 16;
}

static void read_memory(struct gdb_session *s, const char *args, GString *reply)
{
    uint64_t addr, len;
    const char *rest;

    if (!get_range(args, &addr, &len, &rest)) {
        g_string_assign(reply, "E01");
        return;
    }
    for (uint64_t k = 0; k < len; k++) {
        uint8_t b;
        if (!iem_debug_read(chosen(s), addr + k, &b, 1))
            break;
        put_hex(reply, &b, 1);
    }
    if (reply->len == 0)
        g_string_assign(reply, "E14");
}

static void write_memory(struct gdb_session *s, const char *args, GString *reply)
{
    uint64_t addr, len;
    const char *rest;

    g_string_assign(reply, "E01");
    if (!get_range(args, &addr, &len, &rest) || *rest != ':')
        return;
    rest++;
    for (uint64_t k = 0; k < len; k++) {
        uint8_t b;
        if (!get_hex(&rest, &b, 1) || !iem_debug_write(chosen(s), addr + k, &b, 1))
            return;
    }
    g_string_assign(reply, "OK");
}

static bool break_known(const struct gdb_session *s, uint64_t addr, guint *ret_at)
{
    for (*ret_at = 0; *ret_at < s->breaks->len; ++*ret_at)
        if (g_array_index(s->breaks, uint64_t, *ret_at) == addr)
            return true;
    return false;
}

static void break_remove(struct gdb_session *s, uint64_t addr, unsigned cpus)
{
    for (unsigned k = 0; k < cpus; k++)
        iem_break_remove(s->machine->cpu(s->machine->user, k), addr);
}

/* On all vCPUs or on none. */
static bool break_add(struct gdb_session *s, uint64_t addr)
{
    for (unsigned k = 0; k < s->machine->cpus; k++)
        if (!iem_break_add(s->machine->cpu(s->machine->user, k), addr)) {
            break_remove(s, addr, k);
            return false;
        }
    g_array_append_val(s->breaks, addr);
    return true;
}

/* Setting one that is set and removing one that is not are fine: a debugger may say things twice. */
static void breakpoint(struct gdb_session *s, const char *packet, GString *reply)
{
    guint at;

    if ((packet[1] != '0' && packet[1] != '1') || packet[2] != ',')
        return; /* watchpoints: not supported */
    uint64_t addr = g_ascii_strtoull(packet + 3, NULL, 16);
    bool known = break_known(s, addr, &at), set = packet[0] == 'Z', ok = true;
    if (set && !known)
        ok = break_add(s, addr);
    if (!set && known) {
        break_remove(s, addr, s->machine->cpus);
        g_array_remove_index_fast(s->breaks, at);
    }
    g_string_assign(reply, ok ? "OK" : "E0c");
}

void gdb_clear_breaks(struct gdb_session *s)
{
    for (unsigned k = 0; k < s->breaks->len; k++)
        for (unsigned n = 0; n < s->machine->cpus; n++)
            iem_break_remove(s->machine->cpu(s->machine->user, n), g_array_index(s->breaks, uint64_t, k));
    g_array_set_size(s->breaks, 0);
}

/* As console output, in as many packets as it takes; the answer comes after it. */
static void long_text(struct gdb_session *s, const char *text, size_t size)
{
    for (size_t at = 0; at < size; at += TEXT_MAX) {
        g_autoptr(GString) part = g_string_new("O");
        put_hex(part, text + at, MIN(size - at, TEXT_MAX));
        s->part(s->part_user, part);
    }
}

static void monitor(struct gdb_session *s, const char *hex, GString *reply)
{
    g_autoptr(GString) command = g_string_new(NULL);
    uint8_t b;

    while (get_hex(&hex, &b, 1))
        g_string_append_c(command, (char)b);
    g_autofree char *answer = s->machine->monitor(s->machine->user, command->str);
    size_t size = answer != NULL ? strlen(answer) : 0;
    if (size > TEXT_MAX) {
        long_text(s, answer, size);
        size = 0;
    }
    if (size == 0)
        g_string_assign(reply, "OK");
    else
        put_hex(reply, answer, size);
}

static void target_xml(const char *args, GString *reply)
{
    uint64_t offset, len;
    const char *rest;
    size_t total = strlen(gdb_target_xml);

    if (!get_range(args, &offset, &len, &rest) || offset > total) {
        g_string_assign(reply, "E01");
        return;
    }
    size_t n = MIN(len, total - offset);
    g_string_append_c(reply, offset + n < total ? 'm' : 'l');
    g_string_append_len(reply, gdb_target_xml + offset, (gssize)n);
}

static void query(struct gdb_session *s, const char *packet, GString *reply)
{
    if (g_str_has_prefix(packet, "qSupported")) {
        g_string_printf(reply, "PacketSize=%x;qXfer:features:read+;vContSupported+", GDB_PACKET_BYTES);
    } else if (g_str_has_prefix(packet, "qXfer:features:read:target.xml:")) {
        target_xml(packet + strlen("qXfer:features:read:target.xml:"), reply);
    } else if (g_str_has_prefix(packet, "qRcmd,")) {
        monitor(s, packet + 6, reply);
    } else if (strcmp(packet, "qfThreadInfo") == 0) {
        for (unsigned k = 0; k < s->machine->cpus; k++)
            g_string_append_printf(reply, "%s%x", k == 0 ? "m" : ",", k + 1);
    } else if (strcmp(packet, "qsThreadInfo") == 0) {
        g_string_assign(reply, "l");
    } else if (strcmp(packet, "qC") == 0) {
        g_string_printf(reply, "QC%x", s->cpu + 1);
    } else if (strcmp(packet, "qAttached") == 0) {
        g_string_assign(reply, "1");
    } else if (g_str_has_prefix(packet, "qThreadExtraInfo,")) {
        g_autofree char *name = g_strdup_printf("vCPU %u", (unsigned)strtoul(packet + 17, NULL, 16) - 1);
        put_hex(reply, name, strlen(name));
    }
}

static void choose_thread(struct gdb_session *s, const char *packet, GString *reply)
{
    long id = packet[1] != '\0' ? strtol(packet + 2, NULL, 16) : -1;

    if (packet[1] == '\0' || id > (long)s->machine->cpus) {
        g_string_assign(reply, "E01");
        return;
    }
    if (packet[1] == 'g' && id > 0)
        s->cpu = (unsigned)(id - 1);
    g_string_assign(reply, "OK");
}

static void proceed(struct gdb_session *s, bool step, GString *reply)
{
    if (step) {
        s->machine->step(s->machine->user, s->cpu);
        gdb_stop_reply(s->cpu, reply);
    } else {
        s->running = true;
        s->machine->resume(s->machine->user);
    }
}

/* The first action of vCont: "s:2" steps the second vCPU. The machine goes on as a whole. */
static void resume_action(struct gdb_session *s, const char *action, GString *reply)
{
    size_t letters = strcspn(action, ":;");
    long id = action[letters] == ':' ? strtol(action + letters + 1, NULL, 16) : 0;

    if (strchr("cCsS", action[0]) == NULL || action[0] == '\0' || id > (long)s->machine->cpus) {
        g_string_assign(reply, "E01");
        return;
    }
    if (id > 0)
        s->cpu = (unsigned)(id - 1);
    proceed(s, action[0] == 's' || action[0] == 'S', reply);
}

static void registers(struct gdb_session *s, const char *packet, GString *reply)
{
    struct vcpu *c = chosen(s);
    const char *at = packet + 1;
    char *end;
    bool ok = true;

    switch (packet[0]) {
    case 'g':
        for (unsigned n = 0; n < REG_COUNT; n++)
            put_reg(c, n, reply);
        return;
    case 'G':
        for (unsigned n = 0; ok && n < REG_COUNT && *at != '\0'; n++)
            ok = set_reg(c, n, &at);
        break;
    case 'p':
        at = packet + 1;
        unsigned n = (unsigned)strtoul(at, NULL, 16);
        if (n < REG_COUNT)
            put_reg(c, n, reply);
        else
            g_string_assign(reply, "E01");
        return;
    default: /* 'P' */
        n = (unsigned)strtoul(at, &end, 16);
        at = end + 1;
        ok = *end == '=' && n < REG_COUNT && set_reg(c, n, &at);
        break;
    }
    g_string_assign(reply, ok ? "OK" : "E01");
}

void gdb_stop_reply(unsigned cpu, GString *reply)
{
    g_string_printf(reply, "T05thread:%x;", cpu + 1);
}

void gdb_command(struct gdb_session *s, const char *packet, GString *reply)
{
    switch (packet[0]) {
    case '?': gdb_stop_reply(s->cpu, reply); break;
    case 'g':
    case 'G':
    case 'p':
    case 'P': registers(s, packet, reply); break;
    case 'm': read_memory(s, packet + 1, reply); break;
    case 'M': write_memory(s, packet + 1, reply); break;
    case 'Z':
    case 'z': breakpoint(s, packet, reply); break;
    case 'q': query(s, packet, reply); break;
    case 'H': choose_thread(s, packet, reply); break;
    case 'T': g_string_assign(reply, strtoul(packet + 1, NULL, 16) <= s->machine->cpus ? "OK" : "E01"); break;
    case 'c': proceed(s, false, reply); break;
    case 's': proceed(s, true, reply); break;
    case 'v':
        if (strcmp(packet, "vCont?") == 0)
            g_string_assign(reply, "vCont;c;C;s;S");
        else if (g_str_has_prefix(packet, "vCont;"))
            resume_action(s, packet + 6, reply);
        break;
    case 'D':
        g_string_assign(reply, "OK");
        s->quit = true;
        break;
    case 'k': s->quit = true; break;
    default: break;
    }
}

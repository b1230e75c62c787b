/*
 * gdb_test.c - the gdb stub by its protocol: packets and the answers the manual asks for, and what no debugger sends.
 *
 * Source: "Debugging with GDB", appendix E: overview (framing, acknowledgement), packets, general query packets.
 */
#include "vmm/dbgf/gdb_int.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"

#define CPUS       2u
#define WAIT_MS    10000
#define LONG_BYTES 20000u /* more than two packets hold */

struct rig {
    struct isa *t[CPUS];
    struct dbgf_machine machine;
    struct gdb *gdb;
    char *folder, *path;
    int fd;
    gint halts, resumes, steps;
};

static struct vcpu *rig_cpu(void *user, unsigned id)
{
    return ((struct rig *)user)->t[id < CPUS ? id : 0]->c;
}

static void rig_halt(void *user)
{
    g_atomic_int_inc(&((struct rig *)user)->halts);
}

static void rig_resume(void *user)
{
    g_atomic_int_inc(&((struct rig *)user)->resumes);
}

static void rig_step(void *user, unsigned cpu)
{
    struct rig *r = user;

    g_atomic_int_inc(&r->steps);
    iem_step(r->t[cpu]->c);
}

static char *rig_monitor(void *user, const char *command)
{
    (void)user;
    if (strcmp(command, "long") == 0)
        return g_strnfill(LONG_BYTES, 'x');
    return strcmp(command, "quiet") ? g_strdup_printf("<%s>", command) : NULL;
}

static void join(struct rig *r)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    g_strlcpy(sa.sun_path, r->path, sizeof sa.sun_path);
    r->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(r->fd, (struct sockaddr *)&sa, sizeof sa), ==, 0);
}

static void rig_init(struct rig *r)
{
    /* inc rax; inc rax; jmp $ */
    static const uint8_t code[] = {0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xeb, 0xfe};

    *r = (struct rig){.machine = {.cpus = CPUS,
                                  .cpu = rig_cpu,
                                  .halt = rig_halt,
                                  .resume = rig_resume,
                                  .step = rig_step,
                                  .monitor = rig_monitor}};
    for (unsigned k = 0; k < CPUS; k++) {
        r->t[k] = isa_new();
        isa_mode(r->t[k], X86_MODE_64);
        isa_load(r->t[k], code, sizeof code);
        r->t[k]->c->ctx.rip = r->t[k]->code;
        r->t[k]->c->ctx.gpr[X86_RAX] = 0x1122334455667788 + k;
    }
    r->machine.user = r;
    r->folder = g_dir_make_tmp("gdb_test-XXXXXX", NULL);
    r->path = g_build_filename(r->folder, "gdb", NULL);
    r->gdb = gdb_new(r->path, &r->machine, NULL);
    g_assert_nonnull(r->gdb);
    join(r);
}

static void rig_fini(struct rig *r)
{
    gdb_free(r->gdb);
    close(r->fd);
    g_assert_cmpint(remove(r->folder), ==, 0); /* the socket is gone */
    for (unsigned k = 0; k < CPUS; k++)
        isa_free(r->t[k]);
    g_free(r->folder);
    g_free(r->path);
}

static void say(struct rig *r, const void *bytes, size_t size)
{
    g_assert_cmpint(send(r->fd, bytes, size, MSG_NOSIGNAL), ==, (gssize)size);
}

static int hear_char(struct rig *r)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    char ch;

    g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
    return recv(r->fd, &ch, 1, 0) == 1 ? (unsigned char)ch : -1;
}

/* The next packet's content, its checksum verified; acknowledgements before it are skipped. */
static char *hear(struct rig *r)
{
    GString *text = g_string_new(NULL);
    uint8_t sum = 0;
    char digits[3] = "";
    int ch;

    while ((ch = hear_char(r)) != '$')
        g_assert_true(ch == '+');
    while ((ch = hear_char(r)) != '#') {
        g_assert_cmpint(ch, >=, 0);
        g_string_append_c(text, (char)ch);
        sum = (uint8_t)(sum + ch);
    }
    digits[0] = (char)hear_char(r);
    digits[1] = (char)hear_char(r);
    g_assert_cmpuint(g_ascii_strtoull(digits, NULL, 16), ==, sum);
    return g_string_free(text, FALSE);
}

static void put(struct rig *r, const char *packet)
{
    g_autofree char *framed = NULL;
    uint8_t sum = 0;

    for (const char *p = packet; *p != '\0'; p++)
        sum = (uint8_t)(sum + (uint8_t)*p);
    framed = g_strdup_printf("$%s#%02x", packet, sum);
    say(r, framed, strlen(framed));
}

static void expect(struct rig *r, const char *packet, const char *answer)
{
    g_autofree char *got = NULL;

    put(r, packet);
    got = hear(r);
    g_assert_cmpstr(got, ==, answer);
}

static void wait_for(const gint *counter, gint value)
{
    for (unsigned ms = 0; g_atomic_int_get(counter) < value; ms++) {
        g_assert_cmpuint(ms, <, WAIT_MS);
        g_usleep(1000);
    }
}

/* ---- what a debugger sends ---- */

static void test_answers(void)
{
    static const struct {
        const char *packet, *answer;
    } rows[] = {
        {"qSupported:multiprocess+;xmlRegisters=i386", "PacketSize=4000;qXfer:features:read+;vContSupported+"},
        {"?", "T05thread:1;"},
        {"qC", "QC1"},
        {"qAttached", "1"},
        {"qfThreadInfo", "m1,2"},
        {"qsThreadInfo", "l"},
        {"qThreadExtraInfo,2", "764350552031"}, /* vCPU 1 */
        {"vCont?", "vCont;c;C;s;S"},
        {"p0", "8877665544332211"},
        {"p10", "0000100000000000"},
        {"P1=efcdab8967452301", "OK"}, /* rbx */
        {"p1", "efcdab8967452301"},
        {"Hg2", "OK"},
        {"qC", "QC2"},
        {"p0", "8977665544332211"},
        {"Hg0", "OK"}, /* any */
        {"Hg3", "E01"},
        {"Hc-1", "OK"},
        {"T2", "OK"},
        {"T3", "E01"},
        {"Hg1", "OK"},
        {"m100000,4", "48ffc048"},
        {"M200000,4:01020304", "OK"},
        {"m200000,4", "01020304"},
        {"m40000000,1", "E14"},  /* not mapped */
        {"m3ffffffe,8", "ffff"}, /* as much as there is: no RAM, then not mapped */
        {"qRcmd,696e666f20706963", "3c696e666f207069633e"},
        {"qRcmd,7175696574", "OK"},
        {"qXfer:features:read:target.xml:0,5", "m<?xml"},
        {"qXfer:features:read:target.xml:2,3", "mxml"},
        {"Z0,100003,1", "OK"},
        {"Z0,100003,1", "OK"},
        {"z0,100003,1", "OK"},
        {"z0,100003,1", "OK"},
        {"Z2,100003,1", ""}, /* a watchpoint: not supported */
        {"vMustReplyEmpty", ""},
        {"qTStatus", ""},
        {"X0,0:", ""},
        {"s", "T05thread:1;"},
        {"p10", "0300100000000000"},
        {"vCont;s:2;c", "T05thread:2;"},
        {"p10", "0300100000000000"},
        {"p0", "8a77665544332211"},
    };
    struct rig r;

    rig_init(&r);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        expect(&r, rows[i].packet, rows[i].answer);
    g_assert_cmpint(r.halts, ==, 1);
    g_assert_cmpint(r.resumes, ==, 0);
    g_assert_cmpint(r.steps, ==, 2);
    rig_fini(&r);
}

/* g and G agree, and are as long as the target description says: 17 x 8 bytes, 7 x 4, 8 x 10, 8 x 4 */
static void test_all_registers(void)
{
    struct rig r;
    g_autofree char *all = NULL, *again = NULL, *write = NULL;

    rig_init(&r);
    put(&r, "g");
    all = hear(&r);
    g_assert_cmpuint(strlen(all), ==, 2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4));
    memcpy(all, "0102030405060708", 16);
    write = g_strconcat("G", all, NULL);
    expect(&r, write, "OK");
    g_assert_cmphex(r.t[0]->c->ctx.gpr[X86_RAX], ==, 0x0807060504030201);
    put(&r, "g");
    again = hear(&r);
    g_assert_cmpstr(again, ==, all);
    rig_fini(&r);
}

/* Runs until the debugger's Ctrl-C, or until a vCPU meets a breakpoint; detaching lets the machine go. */
static void test_running(void)
{
    struct rig r;
    g_autofree char *stop = NULL, *hit = NULL;

    rig_init(&r);
    expect(&r, "Z0,100003,1", "OK");
    put(&r, "c");
    wait_for(&r.resumes, 1);
    put(&r, "g"); /* nobody may ask now */
    say(&r, "\3", 1);
    stop = hear(&r);
    g_assert_cmpstr(stop, ==, "T05thread:1;");
    g_assert_cmpint(r.halts, ==, 2);
    put(&r, "vCont;c:-1");
    wait_for(&r.resumes, 2);
    g_assert_cmpint(iem_run(r.t[1]->c, 100), ==, IEM_EXIT_BREAK);
    gdb_stopped(r.gdb, 1);
    hit = hear(&r);
    g_assert_cmpstr(hit, ==, "T05thread:2;");
    expect(&r, "qC", "QC2");
    expect(&r, "D", "OK");
    wait_for(&r.resumes, 3);
    g_assert_cmpint(iem_run(r.t[0]->c, 100), ==, IEM_EXIT_BUDGET); /* the breakpoint went with it */
    rig_fini(&r);
}

/* All on every vCPU or none: the one too many leaves nothing behind. */
static void test_breakpoints(void)
{
    struct rig r;

    rig_init(&r);
    for (unsigned n = 0; n <= IEM_BREAKS; n++) {
        g_autofree char *packet = g_strdup_printf("Z0,%x,1", 0x300000 + n);
        expect(&r, packet, n < IEM_BREAKS ? "OK" : "E0c");
    }
    expect(&r, "z0,300000,1", "OK");
    expect(&r, "Z0,100003,1", "OK");
    expect(&r, "Z0,100003,1", "OK");
    g_assert_cmpint(iem_run(r.t[1]->c, 100), ==, IEM_EXIT_BREAK);
    expect(&r, "z0,100003,1", "OK"); /* once is enough */
    g_assert_true(iem_break_add(r.t[1]->c, 0x400000));
    expect(&r, "Z0,100003,1", "E0c");
    g_assert_cmpint(iem_run(r.t[0]->c, 100), ==, IEM_EXIT_BUDGET);
    rig_fini(&r);
}

/* A text longer than a packet comes as console output, then OK. */
static void test_long_text(void)
{
    g_autoptr(GString) all = g_string_new(NULL);
    struct rig r;

    rig_init(&r);
    put(&r, "qRcmd,6c6f6e67");
    for (;;) {
        g_autofree char *part = hear(&r);
        if (strcmp(part, "OK") == 0)
            break;
        g_assert_cmpuint(strlen(part), <=, GDB_PACKET_BYTES);
        g_assert_cmpint(part[0], ==, 'O');
        g_string_append(all, part + 1);
    }
    g_assert_cmpuint(all->len, ==, 2 * LONG_BYTES);
    g_assert_true(g_str_has_prefix(all->str, "7878"));
    rig_fini(&r);
}

/* ---- what no debugger sends ---- */

static void test_framing(void)
{
    static const struct {
        const char *bytes;
        int answer;
    } rows[] = {
        {"$qC#00", '-'}, {"$qC#zz", '-'}, {"$#00", '+'}, {"+++---$qC#b4", '+'}, {"noise\r\n$?#3f", '+'},
    };
    struct rig r;

    rig_init(&r);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        say(&r, rows[i].bytes, strlen(rows[i].bytes));
        g_assert_cmpint(hear_char(&r), ==, rows[i].answer);
        if (rows[i].answer == '+')
            g_free(hear(&r));
    }
    say(&r, "$q", 2); /* a packet in pieces */
    g_usleep(10000);
    say(&r, "C#b", 3);
    g_usleep(10000);
    say(&r, "4", 1);
    g_free(hear(&r));
    rig_fini(&r);
}

static void test_hostile(void)
{
    static const struct {
        const char *packet, *answer;
    } rows[] = {
        {"m", "E01"},
        {"m0", "E01"},
        {"m0,ffffffffffffffff", "E01"},
        {"mffffffffffffffff,4", "E14"},
        {"m,", "E14"},
        {"M0,4", "E01"},
        {"M0,4:01", "E01"},
        {"M200000,1:zz", "E01"},
        {"M0,ffffffff:00", "E01"},
        {"p", "8877665544332211"},
        {"pffffffff", "E01"},
        {"p-1", "E01"},
        {"P", "E01"},
        {"P0", "E01"},
        {"P0=12", "E01"},
        {"Pff=00", "E01"},
        {"G", "OK"},
        {"G0", "E01"},
        {"Gzz", "E01"},
        {"H", "E01"},
        {"Hg", "OK"},
        {"Hg7fffffff", "E01"},
        {"Hgzz", "OK"},
        {"T", "OK"},
        {"Tffffffff", "E01"},
        {"Z", ""},
        {"Z0", ""},
        {"Z0,", "OK"},
        {"z9,0,0", ""},
        {"vCont;", "E01"},
        {"vCont;x", "E01"},
        {"vCont;s:ff", "E01"},
        {"qXfer:features:read:target.xml:", "E01"},
        {"qXfer:features:read:target.xml:ffffff,4", "E01"},
        {"qRcmd,", "3c3e"},
        {"qRcmd,zz", "3c3e"},
        {"qThreadExtraInfo,", "7643505520343239343936373239"
                              "35"},
        {"", ""},
        {"~", ""},
        {"{}*", ""},
    };
    g_autofree char *long_one = g_strnfill(GDB_PACKET_BYTES - 100, 'm');
    struct rig r;

    rig_init(&r);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        expect(&r, rows[i].packet, rows[i].answer);
    expect(&r, long_one, "E01");
    expect(&r, "qC", "QC1");
    rig_fini(&r);
}

/* Random packets: the stub answers each and lives. Neither c nor D nor k, which have no answer at once. */
static void test_fuzz(void)
{
    static const char letters[] = "?gGpPmMZzqHTsvXRb0123456789abcdef,;:=-\177\200";
    struct rig r;

    rig_init(&r);
    for (unsigned n = 0; n < 5000; n++) {
        char packet[24] = "";
        unsigned len = (unsigned)g_test_rand_int_range(0, sizeof packet - 1);
        for (unsigned k = 0; k < len; k++)
            packet[k] = letters[g_test_rand_int_range(0, sizeof letters - 1)];
        if (packet[0] == 'c')
            continue;
        put(&r, packet);
        g_free(hear(&r));
    }
    expect(&r, "qAttached", "1");
    rig_fini(&r);
}

/* A packet without end is not collected for ever; a second debugger is sent away; one that breaks off lets the machine
 * go on, and the next one is served. */
static void test_guests(void)
{
    g_autofree char *flood = g_strnfill(2 * GDB_PACKET_BYTES, 'x');
    struct rig r;
    int first;

    rig_init(&r);
    expect(&r, "qC", "QC1");
    first = r.fd;
    join(&r);
    g_assert_cmpint(hear_char(&r), ==, -1);
    close(r.fd);
    r.fd = first;
    expect(&r, "qC", "QC1");
    flood[0] = '$';
    (void)!send(r.fd, flood, 2 * GDB_PACKET_BYTES, MSG_NOSIGNAL);
    wait_for(&r.resumes, 1);
    close(r.fd);
    join(&r);
    expect(&r, "qC", "QC1");
    close(r.fd);
    wait_for(&r.resumes, 2);
    join(&r);
    expect(&r, "qC", "QC1");
    rig_fini(&r);
}

/* Questions without end, answers never read: the stub gives up, and the machine can be taken apart. */
static void test_deaf(void)
{
    static const char ask[] = "$g#67";
    struct rig r;

    rig_init(&r);
    while (send(r.fd, ask, strlen(ask), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    wait_for(&r.resumes, 1);
    rig_fini(&r);
}

static void test_addresses(void)
{
    static const struct {
        const char *address, *words;
    } rows[] = {{":x", "HOST:PORT"},
                {"1.2.3:1", "HOST:PORT"},
                {":99999", "HOST:PORT"},
                {"/no/such/folder/gdb", "/no/such/folder/gdb"}};
    struct dbgf_machine m = {.cpus = 1};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(gdb_new(rows[i].address, &m, &error));
        g_assert_nonnull(strstr(error->message, rows[i].words));
    }
}

/* What an earlier process could not remove is replaced, what somebody listens on is not. */
static void test_stale_socket(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    g_autoptr(GError) error = NULL;
    struct rig r;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    rig_init(&r);
    g_assert_null(gdb_new(r.path, &r.machine, &error));
    gdb_free(r.gdb);
    g_strlcpy(sa.sun_path, r.path, sizeof sa.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&sa, sizeof sa), ==, 0);
    close(fd);
    r.gdb = gdb_new(r.path, &r.machine, NULL);
    g_assert_nonnull(r.gdb);
    close(r.fd);
    join(&r);
    expect(&r, "qC", "QC1");
    rig_fini(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gdb/answers", test_answers);
    g_test_add_func("/gdb/all-registers", test_all_registers);
    g_test_add_func("/gdb/running", test_running);
    g_test_add_func("/gdb/breakpoints", test_breakpoints);
    g_test_add_func("/gdb/long-text", test_long_text);
    g_test_add_func("/gdb/framing", test_framing);
    g_test_add_func("/gdb/hostile", test_hostile);
    g_test_add_func("/gdb/fuzz", test_fuzz);
    g_test_add_func("/gdb/guests", test_guests);
    g_test_add_func("/gdb/deaf", test_deaf);
    g_test_add_func("/gdb/addresses", test_addresses);
    g_test_add_func("/gdb/stale-socket", test_stale_socket);
    return g_test_run();
}

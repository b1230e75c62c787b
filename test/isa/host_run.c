/*
 * host_run.c - see host_run.h.
 *
 * The instruction stands at a fixed low address, so that RIP-relative and absolute operands mean the same here and in
 * the guest. We get to it by a far jump, which also chooses the kind of code, and come back by a jump behind it that
 * touches no register and no flag: from 16-bit and 32-bit code a far one to 64-bit code in the same page. All registers
 * including RSP and SS belong to the instruction meanwhile: signals arrive on their own stack, and state goes through
 * static memory, aligned because EFLAGS.AC may be set.
 *
 * Sources: modify_ldt(2); SDM vol. 1 13.4 (XSAVE area), Linux's asm/sigcontext.h (the same area in a signal frame).
 */
#include "host_run.h"

#include <asm/ldt.h>
#include <assert.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "vmm/rem/rem.h"

#define PAGE        4096u
#define EFLAGS_RF   0x10000u
#define EFLAGS_AC   0x40000u
#define EFLAGS_DF   0x400u
#define STACK_SIZE  (64u << 10)
#define FRAME_MAGIC 0x46505853u /* FP_XSTATE_MAGIC1: the frame has a whole XSAVE area */
#define SEL_CODE64  0x33u
#define SEL_DATA    0x2bu
#define MXCSR_RESET 0x1f80u
#define LANDING     0x800u /* 64-bit code in the code page */

/* What the assembly below reads and writes: static by nature. */
struct entry {
    uint32_t offset; /* far pointer */
    uint16_t cs, pad;
    uint16_t ss, ds, es, gs;
};
extern struct cpu_state host_in, host_out;
extern struct entry host_entry;
extern uint8_t host_clean[WORLD_FPU_BYTES];
extern uint8_t host_taken;
struct cpu_state host_in, host_out;
struct entry host_entry __attribute__((aligned(16)));
uint8_t host_clean[WORLD_FPU_BYTES] __attribute__((aligned(64)));
uint8_t host_taken;
static struct cpu_fault fault;
static volatile bool running;
static uint8_t insn_bytes;
static uint8_t signal_stack[STACK_SIZE] __attribute__((aligned(16)));

void host_enter(void);
extern const char host_exit[], host_exit_taken[], host_leave[], host_end[];

/* clang-format off */
#define GPR "host_in + 832"
#define OUT "host_out + 832"
__asm__(".text\n"
        ".globl host_enter, host_exit, host_exit_taken, host_leave, host_end\n"
        ".hidden host_in, host_out, host_entry, host_clean, host_taken\n"
        "host_enter:\n"
        "  push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n pushfq\n"
        "  mov %rsp, host_saved_rsp(%rip)\n"
        "  mov $7, %eax\n xor %edx, %edx\n xrstor64 host_in(%rip)\n"
        "  mov host_entry+10(%rip), %ds\n mov host_entry+12(%rip), %es\n mov host_entry+14(%rip), %gs\n"
        "  pushq " GPR "+128(%rip)\n"
        "  mov host_entry+8(%rip), %ss\n"
        "  popfq\n"
        "  mov " GPR "(%rip), %rax\n     mov " GPR "+8(%rip), %rcx\n   mov " GPR "+16(%rip), %rdx\n  mov " GPR "+24(%rip), %rbx\n"
        "  mov " GPR "+32(%rip), %rsp\n  mov " GPR "+40(%rip), %rbp\n  mov " GPR "+48(%rip), %rsi\n  mov " GPR "+56(%rip), %rdi\n"
        "  mov " GPR "+64(%rip), %r8\n   mov " GPR "+72(%rip), %r9\n   mov " GPR "+80(%rip), %r10\n  mov " GPR "+88(%rip), %r11\n"
        "  mov " GPR "+96(%rip), %r12\n  mov " GPR "+104(%rip), %r13\n mov " GPR "+112(%rip), %r14\n mov " GPR "+120(%rip), %r15\n"
        "  ljmpl *host_entry(%rip)\n"
        "host_exit_taken:\n"
        "  movb $1, host_taken(%rip)\n"
        "host_exit:\n"
        "  mov %rax, " OUT "(%rip)\n     mov %rcx, " OUT "+8(%rip)\n   mov %rdx, " OUT "+16(%rip)\n  mov %rbx, " OUT "+24(%rip)\n"
        "  mov %rsp, " OUT "+32(%rip)\n  mov %rbp, " OUT "+40(%rip)\n  mov %rsi, " OUT "+48(%rip)\n  mov %rdi, " OUT "+56(%rip)\n"
        "  mov %r8, " OUT "+64(%rip)\n   mov %r9, " OUT "+72(%rip)\n   mov %r10, " OUT "+80(%rip)\n  mov %r11, " OUT "+88(%rip)\n"
        "  mov %r12, " OUT "+96(%rip)\n  mov %r13, " OUT "+104(%rip)\n mov %r14, " OUT "+112(%rip)\n mov %r15, " OUT "+120(%rip)\n"
        "  mov $0x2b, %eax\n mov %eax, %ss\n mov host_saved_rsp(%rip), %rsp\n"
        "  pushfq\n popq " OUT "+128(%rip)\n"
        "  mov $7, %eax\n mov $0, %edx\n xsave64 host_out(%rip)\n"
        "host_leave:\n"
        "  mov host_saved_rsp(%rip), %rsp\n"
        "  mov $7, %eax\n mov $0, %edx\n xrstor64 host_clean(%rip)\n"
        "  popfq\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
        "host_end:\n"
        ".local host_saved_rsp\n .comm host_saved_rsp, 8, 8\n");
static_assert(offsetof(struct cpu_state, gpr) == 832 && offsetof(struct cpu_state, flags) == 832 + 128, "as in the assembly");

/* Order of enum x86_gpr. */
static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
/* clang-format on */

static void on_signal(int sig, siginfo_t *info, void *context)
{
    __asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" ::"i"(~EFLAGS_AC) : "memory", "cc");
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    uint64_t rip = (uint64_t)g[REG_RIP];
    uint32_t magic;

    (void)info;
    if (rem_fault(sig, context)) /* the engine under test uses the host's exceptions, too */
        return;
    memcpy(&magic, (const uint8_t *)uc->uc_mcontext.fpregs + 464, 4);
    if (!running || (rip >= (uintptr_t)host_enter && rip < (uintptr_t)host_end) || magic != FRAME_MAGIC) {
        dprintf(STDERR_FILENO, "host_compare: trap %d at %llx is its own\n", (int)g[REG_TRAPNO],
                (unsigned long long)rip);
        signal(sig, SIG_DFL);
        return;
    }
    for (unsigned n = 0; n < 16; n++)
        host_out.gpr[n] = (uint64_t)g[gregs[n]];
    memcpy(host_out.fpu, uc->uc_mcontext.fpregs, WORLD_FPU_BYTES);
    host_out.flags = (uint64_t)g[REG_EFL];
    host_out.rip = rip;
    fault.vector = (int)g[REG_TRAPNO];
    fault.error = (uint64_t)g[REG_ERR];
    fault.address = (uint64_t)g[REG_CR2];
    g[REG_RIP] = (greg_t)(uintptr_t)host_leave;
    g[REG_CSGSFS] = (greg_t)((uint64_t)SEL_DATA << 48 | SEL_CODE64);
    g[REG_EFL] &= ~(greg_t)(EFLAGS_DF | EFLAGS_AC);
}

static bool map_at(uint64_t address, size_t bytes, int prot)
{
    void *want = (void *)(uintptr_t)address; /* NOLINT: fixed on purpose */

    return mmap(want, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == want;
}

static bool make_segments(void)
{
    for (unsigned n = WORLD_SEG_LDT; n < WORLD_SEG_COUNT; n++) {
        const struct world_segment_spec *s = &world_segments[n];
        bool code = s->attr & 8, pages = s->attr & 0x8000;
        struct user_desc d = {.entry_number = n - WORLD_SEG_LDT,
                              .base_addr = s->base,
                              .limit = pages ? s->limit >> 12 : s->limit,
                              .seg_32bit = s->attr >> 14 & 1,
                              .contents = code ? 2 : s->attr >> 2 & 1,
                              .read_exec_only = !(s->attr & 2),
                              .limit_in_pages = pages,
                              .useable = 1};

        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d) != 0)
            return false;
    }
    return true;
}

static bool has_avx_state(void)
{
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return false;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 7) == 7;
}

static void put_landing(uint8_t *at, const char *target)
{
    static const uint8_t jump[8] = {0xff, 0x25, 2}; /* jmp [rip + 2]: the pointer is aligned */
    uint64_t address = (uint64_t)(uintptr_t)target;

    memcpy(at, jump, sizeof jump);
    memcpy(at + sizeof jump, &address, sizeof address);
}

const char *host_run_init(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_SIZE};

    if (!has_avx_state())
        return "AVX with XSAVE";
    if (!map_at(WORLD_CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) ||
        !map_at(WORLD_WINDOW, WORLD_WINDOW_BYTES, PROT_READ | PROT_WRITE))
        return "free memory at fixed low addresses";
    if (!make_segments())
        return "modify_ldt(2)";
    put_landing((uint8_t *)(uintptr_t)(WORLD_CODE + LANDING), host_exit);
    put_landing((uint8_t *)(uintptr_t)(WORLD_CODE + LANDING + 16), host_exit_taken);
    memcpy(host_clean + 24, &(uint32_t){MXCSR_RESET}, 4); /* everything else by XSTATE_BV = 0 */
    if (sigaltstack(&stack, NULL) != 0)
        return "an alternative signal stack";
    for (size_t n = 0; n < sizeof signals / sizeof *signals; n++)
        sigaction(signals[n], &sa, NULL);
    return NULL;
}

static void put_exit(const struct world *w, uint8_t *at, uint32_t landing)
{
    uint8_t near_jump[5] = {0xe9}, far_jump[8] = {0x66, 0xea, [6] = SEL_CODE64};
    uint32_t rel = landing - (uint32_t)(uintptr_t)(at + sizeof near_jump);

    memcpy(near_jump + 1, &rel, 4);
    memcpy(far_jump + 2, &landing, 4);
    if (w->mode == X86_MODE_64)
        memcpy(at, near_jump, sizeof near_jump);
    else if (w->mode == X86_MODE_16)
        memcpy(at, far_jump, sizeof far_jump);
    else
        memcpy(at, far_jump + 1, sizeof far_jump - 1);
}

void host_run_load(const struct world *w, const uint8_t *insn, size_t bytes)
{
    uint8_t *code = (uint8_t *)(uintptr_t)WORLD_CODE;

    memcpy(code, insn, bytes);
    put_exit(w, code + bytes, WORLD_CODE + LANDING);
    put_exit(w, code + WORLD_TAKEN, WORLD_CODE + LANDING + 16);
    insn_bytes = (uint8_t)bytes;
    host_entry = (struct entry){.offset = world_code_offset(w),
                                .cs = world_segments[w->seg[X86_CS]].sel,
                                .ss = world_segments[w->seg[X86_SS]].sel,
                                .ds = world_segments[w->seg[X86_DS]].sel,
                                .es = world_segments[w->seg[X86_ES]].sel,
                                .gs = world_segments[w->seg[X86_GS]].sel};
}

void host_run(struct cpu_state *r, struct cpu_fault *ret_fault)
{
    host_in = *r;
    fault = (struct cpu_fault){.vector = -1};
    host_taken = 0;
    running = true;
    host_enter();
    running = false;
    *r = host_out;
    r->flags &= ~(uint64_t)EFLAGS_RF;
    if (fault.vector < 0)
        r->rip = host_entry.offset + (host_taken ? WORLD_TAKEN : insn_bytes);
    *ret_fault = fault;
}

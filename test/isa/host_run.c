/*
 * host_run.c - see host_run.h.
 *
 * The instruction stands at a fixed low address, so that RIP-relative operands mean the same here and in the guest;
 * behind it an indirect jump, which touches no register and no flag, leads to host_exit. All registers including RSP
 * belong to the instruction meanwhile: signals arrive on their own stack, and state goes through static memory.
 */
#include "host_run.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define PAGE       4096u
#define EFLAGS_RF  0x10000u
#define STACK_SIZE (64u << 10)

/* Reached from the assembly below and from the signal handler: static by nature. */
extern struct host_regs host_in, host_out;
struct host_regs host_in, host_out;
static struct host_fault fault;
static uint8_t *code_page;
static uint8_t signal_stack[STACK_SIZE] __attribute__((aligned(16)));

void host_enter(void);
extern const char host_exit[], host_leave[];

/* clang-format off */
__asm__(".text\n"
        ".globl host_enter, host_exit, host_leave\n"
        ".hidden host_in, host_out\n"
        "host_enter:\n"
        "  push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n pushfq\n"
        "  mov %rsp, host_saved_rsp(%rip)\n"
        "  pushq host_in+128(%rip)\n popfq\n"
        "  mov host_in(%rip), %rax\n     mov host_in+8(%rip), %rcx\n   mov host_in+16(%rip), %rdx\n  mov host_in+24(%rip), %rbx\n"
        "  mov host_in+32(%rip), %rsp\n  mov host_in+40(%rip), %rbp\n  mov host_in+48(%rip), %rsi\n  mov host_in+56(%rip), %rdi\n"
        "  mov host_in+64(%rip), %r8\n   mov host_in+72(%rip), %r9\n   mov host_in+80(%rip), %r10\n  mov host_in+88(%rip), %r11\n"
        "  mov host_in+96(%rip), %r12\n  mov host_in+104(%rip), %r13\n mov host_in+112(%rip), %r14\n mov host_in+120(%rip), %r15\n"
        "  jmp *host_in+136(%rip)\n"
        "host_exit:\n"
        "  mov %rax, host_out(%rip)\n     mov %rcx, host_out+8(%rip)\n   mov %rdx, host_out+16(%rip)\n  mov %rbx, host_out+24(%rip)\n"
        "  mov %rsp, host_out+32(%rip)\n  mov %rbp, host_out+40(%rip)\n  mov %rsi, host_out+48(%rip)\n  mov %rdi, host_out+56(%rip)\n"
        "  mov %r8, host_out+64(%rip)\n   mov %r9, host_out+72(%rip)\n   mov %r10, host_out+80(%rip)\n  mov %r11, host_out+88(%rip)\n"
        "  mov %r12, host_out+96(%rip)\n  mov %r13, host_out+104(%rip)\n mov %r14, host_out+112(%rip)\n mov %r15, host_out+120(%rip)\n"
        "  mov host_saved_rsp(%rip), %rsp\n"
        "  pushfq\n popq host_out+128(%rip)\n"
        "host_leave:\n"
        "  mov host_saved_rsp(%rip), %rsp\n"
        "  popfq\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
        ".local host_saved_rsp\n .comm host_saved_rsp, 8, 8\n");

/* Order of enum x86_gpr. */
static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
/* clang-format on */

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    uint64_t rip = (uint64_t)g[REG_RIP];

    (void)info;
    if (rip < (uint64_t)(uintptr_t)code_page || rip >= (uint64_t)(uintptr_t)code_page + PAGE) {
        signal(sig, SIG_DFL); /* our own mistake: let it end us */
        return;
    }
    for (unsigned n = 0; n < 16; n++)
        host_out.gpr[n] = (uint64_t)g[gregs[n]];
    host_out.flags = (uint64_t)g[REG_EFL] & ~(uint64_t)EFLAGS_RF;
    host_out.rip = rip;
    fault.vector = (int)g[REG_TRAPNO];
    fault.error = (uint64_t)g[REG_ERR];
    fault.address = (uint64_t)g[REG_CR2];
    g[REG_RIP] = (greg_t)(uintptr_t)host_leave;
    g[REG_RSP] = (greg_t)(uintptr_t)host_out.gpr[4]; /* host_leave loads its own */
    g[REG_EFL] &= ~0x400;                            /* DF */
}

static bool map_at(uint64_t address, size_t bytes, int prot)
{
    void *want = (void *)(uintptr_t)address; /* NOLINT: fixed on purpose */

    return mmap(want, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == want;
}

bool host_run_init(uint64_t code, uint64_t window, size_t bytes, size_t guard)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_SIZE};

    if (!map_at(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) || !map_at(window, bytes, PROT_READ | PROT_WRITE) ||
        !map_at(window - guard, guard, PROT_NONE) || !map_at(window + bytes, guard, PROT_NONE))
        return false;
    code_page = (uint8_t *)(uintptr_t)code;
    if (sigaltstack(&stack, NULL) != 0)
        return false;
    for (size_t n = 0; n < sizeof signals / sizeof *signals; n++)
        sigaction(signals[n], &sa, NULL);
    return true;
}

void host_run_load(const uint8_t *insn, size_t bytes)
{
    static const uint8_t jump[6] = {0xff, 0x25}; /* jmp [rip + 0] */
    uint64_t target = (uint64_t)(uintptr_t)host_exit;

    memcpy(code_page, insn, bytes);
    memcpy(code_page + bytes, jump, sizeof jump);
    memcpy(code_page + bytes + sizeof jump, &target, sizeof target);
}

void host_run(struct host_regs *r, struct host_fault *ret_fault)
{
    host_in = *r;
    host_in.rip = (uint64_t)(uintptr_t)code_page;
    fault.vector = -1;
    fault.error = fault.address = 0;
    host_enter();
    *r = host_out;
    *ret_fault = fault;
}

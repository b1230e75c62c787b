/*
 * fault.c - host exceptions in translated code: the instruction is run again, by the interpreter.
 *
 * A guest division by zero, an unmasked floating-point exception, a misaligned SSE operand or a non-canonical address
 * traps on the host where it would on the guest's processor. Nothing of the instruction has happened (rem_int.h inv 1),
 * so the handler only aims the thread at the site's slow path.
 *
 * Async-signal-safe: reads tables, writes the context.
 */
#include "vmm/rem/rem_int.h"

#include <signal.h>
#include <ucontext.h>

/* The handler is entered with the EFLAGS.AC of translated code, which C code must not have. */
static void clear_ac(void)
{
    __asm__ volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" ::: "cc", "memory");
}

static void swap_low_bytes(greg_t *reg)
{
    uint64_t v = (uint64_t)*reg;

    *reg = (greg_t)((v & ~UINT64_C(0xffff)) | (v & 0xff) << 8 | (v >> 8 & 0xff));
}

/* Aims the thread at the slow path of the site whose code is at @pc. Apart: where AC is already clear. */
__attribute__((noinline)) static bool aim(struct rem *r, int sig, const uint8_t *pc, greg_t *regs)
{
    static const int low_registers[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX};
    struct rem_site s;

    if (!rem_site_at(r, (uint32_t)(pc - r->code.rx), &s))
        return false;
    if (sig == SIGBUS)
        r->misaligned = s.id + 1;
    if (s.flags & REM_S_SWAP)
        swap_low_bytes(&regs[low_registers[s.flags >> 2 & 3]]);
    if (s.slow == 0)
        r->hot.site = s.id;
    regs[REG_RIP] = (greg_t)(uintptr_t)(r->code.rx + (s.slow > REM_SLOW_ALWAYS ? s.slow : r->slow));
    r->stats.faults++;
    return true;
}

bool rem_fault(int sig, void *context)
{
    struct rem *r = rem_running();
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *pc = (const uint8_t *)(uintptr_t)(uint64_t)regs[REG_RIP];

    clear_ac();
    if (sig == 0 || r == NULL || !codemem_has_rx(&r->code, pc))
        return false;
    if (sig == SIGSEGV && rem_pairs_fault(r, context))
        return true;
    return aim(r, sig, pc, regs);
}

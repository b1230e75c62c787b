/*
 * rescue.c - see rescue.h. The handler runs on an alternate stack and only formats numbers and jumps back; the
 * machine is then stopped for good (guru meditation), so the interrupted C code's half-done work is never used.
 * A fault outside an armed thread gets the default action.
 */
#include "vmm/em/rescue.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "vmm/rem/rem.h"

#define STACK_BYTES 65536

/* The linker's: what addr2line wants is relative to it. */
extern const char __executable_start[];

static _Thread_local sigjmp_buf rescue_point;
static _Thread_local bool rescue_armed;
static _Thread_local char rescue_words[128];

static void on_fault(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;

    if (rem_fault(info->si_code > 0 ? sig : 0, context)) /* else somebody has sent it */
        return;
    if (!rescue_armed) {
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    rescue_armed = false;
    const char *name = sig == SIGSEGV ? "SIGSEGV" : sig == SIGBUS ? "SIGBUS" : sig == SIGFPE ? "SIGFPE" : "SIGILL";
    uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    char place[32] = "translated code"; /* which is below 4 GiB, and the program is not */
    if (pc > (uintptr_t)__executable_start)
        snprintf(place, sizeof place, "program+%zu", (size_t)(pc - (uintptr_t)__executable_start));
    snprintf(rescue_words, sizeof rescue_words, "%s at address %p, host pc %#zx (%s)", name, info->si_addr, pc, place);
    siglongjmp(rescue_point, 1);
}

/* A fault may be that the thread's own stack is used up. */
static void own_stack(void)
{
    static _Thread_local char stack[STACK_BYTES] __attribute__((aligned(16)));
    stack_t now;

    if (sigaltstack(NULL, &now) == 0 && now.ss_flags & SS_DISABLE) /* else somebody has made one already */
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
}

sigjmp_buf *rescue_arm(void)
{
    own_stack();
    rescue_armed = true;
    return &rescue_point;
}

void rescue_leave(void)
{
    rescue_armed = false;
}

const char *rescue_text(void)
{
    return rescue_words;
}

void rescue_init(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigemptyset(&sa.sa_mask);
    for (size_t k = 0; k < sizeof signals / sizeof signals[0]; k++)
        sigaction(signals[k], &sa, NULL);
}

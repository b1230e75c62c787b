/*
 * rescue.h - a host fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL) inside a vCPU thread ends in a report, not in a crash.
 */
#ifndef VMM_EM_RESCUE_H
#define VMM_EM_RESCUE_H

#include <setjmp.h>
#include <stdbool.h>

/* Thread state is the one exception to "no mutable globals": signal handlers reach nothing else. */
sigjmp_buf *rescue_arm(void);
/** True when entered; false when a host fault brought the thread back here (rescue_text() says which). */
#define rescue_enter() (sigsetjmp(*rescue_arm(), 1) == 0)
void rescue_leave(void);
void rescue_init(void);
/** What happened to this thread last: "SIGSEGV at address 0x..., host pc 0x...". */
const char *rescue_text(void);

#endif

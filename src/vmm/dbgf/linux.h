/*
 * linux.h - the Linux in the guest: that it is there, its version, its kernel log.
 *
 * Everything read is the guest's: bounded, checked, and shown, never followed without a limit.
 */
#ifndef VMM_DBGF_LINUX_H
#define VMM_DBGF_LINUX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct pgm;
struct dbgf_linux;

/** dbgf_linux_find() - NULL: no 64-bit Linux with VMCOREINFO has got so far in this memory. */
struct dbgf_linux *dbgf_linux_find(struct pgm *pgm);
void dbgf_linux_free(struct dbgf_linux *l); /* NULL is fine */
/** Release and build of the kernel, as uname -r -v has them; g_free. */
char *dbgf_linux_version(struct dbgf_linux *l);
/** The last @most lines of the kernel's log, 0 = all; NULL: its ring buffer is not of a known kind. g_free */
char *dbgf_linux_log(struct dbgf_linux *l, unsigned most);

#endif

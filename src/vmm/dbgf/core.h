/*
 * core.h - a stopped machine as an ELF core file.
 *
 * VirtualBox's format 1.6: notes VBCORE and VBCPU, memory by physical address; and one CORE note a vCPU, which
 * VirtualBox has not, so that gdb shows registers and memory of it without a helper.
 */
#ifndef VMM_DBGF_CORE_H
#define VMM_DBGF_CORE_H

#include "vmm/dbgf/dbgf.h"

struct pgm;
/** dbgf_core_write() - from the beginning of @fd; every vCPU stands still. */
bool dbgf_core_write(const struct dbgf_machine *m, struct pgm *pgm, int fd, GError **error);

#endif

/*
 * lines.h - the machine's serial and parallel lines: what the settings say, or the process's own terminal.
 */
#ifndef MAIN_VMPROC_LINES_H
#define MAIN_VMPROC_LINES_H

#include "main/settings/machine.h"
#include "main/vmproc/console.h"
#include "vmm/pdm/pdm.h"

struct lines;
struct lines *lines_new(const struct settings_machine *s, const struct console_options *o, struct pdm *pdm,
                        GError **error);
/** lines_begin() - the machine starts: output files are emptied now, not when a start may still be refused. */
void lines_begin(struct lines *l);
void lines_free(struct lines *l);

#endif

/*
 * media.h - the machine's disks, discs and floppies: opens what the settings name and joins it to the controllers.
 */
#ifndef MAIN_VMPROC_MEDIA_H
#define MAIN_VMPROC_MEDIA_H

#include "machine/pc.h"
#include "main/settings/machine.h"
#include "vmm/vm/vm.h"

struct media;
/** Opens every attached medium and writes what is attached where into @pc. The error names file and controller. */
struct media *media_open(const struct settings_machine *s, struct pc_settings *pc, GError **error);
/** @host_error(user, text): a host error that stops the machine (disk full); media_resume() tries again. */
bool media_attach(struct media *m, struct pdm *pdm, void (*host_error)(void *user, const char *text), void *user,
                  GError **error);
void media_resume(struct media *m);
/** Flushes and closes all. NULL is fine. */
void media_close(struct media *m);

#endif

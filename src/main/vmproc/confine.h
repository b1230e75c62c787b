/*
 * confine.h - what the VM process keeps of the operating system once its machine stands; doc/sandbox.md.
 */
#ifndef MAIN_VMPROC_CONFINE_H
#define MAIN_VMPROC_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * confine() - from here on: files only in these folders, no programs, no sockets but those that are open. Logs what the
 *   kernel does not have.
 * @images: disk images, each may be opened again (merging writes into what was only read); end: NULL.
 */
struct confine {
    const char *machine_folder, *log_folder, *snapshot_folder;
    const char *screenshot; /* a file outside the machine's folder that may be replaced, or NULL */
    const char *const *images;
    const pid_t *jails; /* processes and threads that run guest code (raw mode): may be traced, waited for, signalled */
    unsigned jail_count;
    bool scsi; /* commands to optical drives that are open */
};
void confine(const struct confine *c);

#endif

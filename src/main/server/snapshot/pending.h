/*
 * pending.h - what was begun with snapshots and images, as noted in the settings.
 */
#ifndef MAIN_SERVER_SNAPSHOT_PENDING_H
#define MAIN_SERVER_SNAPSHOT_PENDING_H

#include "main/settings/machine.h"

struct machine;

/** Adds a note; texts are copied, each may be NULL. */
void pending_add(struct settings_machine *s, enum settings_pending_action action, const char *uuid, const char *into,
                 const char *format, const char *file);
/** @file NULL: whatever it says. */
void pending_drop(struct settings_machine *s, enum settings_pending_action action, const char *uuid, const char *file);
/** Carries out what is noted about files, then forgets the notes. @done may be NULL. */
void pending_run(struct machine *m, void (*done)(void *user, GError *error), void *user);
/** Finishes or undoes what was interrupted. */
void pending_recover(struct machine *m);

#endif

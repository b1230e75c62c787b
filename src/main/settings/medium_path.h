/*
 * medium_path.h - what the storage layer is given to open a registered medium.
 */
#ifndef MAIN_SETTINGS_MEDIUM_PATH_H
#define MAIN_SETTINGS_MEDIUM_PATH_H

#include <glib.h>
#include <stdbool.h>

/* An iSCSI medium's properties, named as VirtualBox names them. */
#define ISCSI_ADDRESS   "TargetAddress" /* HOST[:PORT] */
#define ISCSI_TARGET    "TargetName"
#define ISCSI_LUN       "LUN" /* a number, or "enc" and the 16 digits the protocol has */
#define ISCSI_USER      "InitiatorUsername"
#define ISCSI_SECRET    "InitiatorSecret"
#define ISCSI_INITIATOR "InitiatorName"
#define ISCSI_HOST_IP   "HostIPStack" /* "0": over an internal network of the machines */

/** settings_medium_remote() - media of this format are no files: their location is not a path. */
bool settings_medium_remote(const char *format);
/**
 * settings_medium_path() - an absolute file name, or an address; g_free().
 *
 * An address may hold a secret: it is for vd_open() alone, which takes it out of what people see.
 * @properties: of settings_property
 * @folder: absolute; relative locations are below it
 */
char *settings_medium_path(const char *format, const char *location, const GPtrArray *properties, const char *folder);
/** settings_iscsi_lun() - the number in the property LUN (NULL: 0); -1: it is none, or of a kind that is not supported.
 */
int settings_iscsi_lun(const char *text);

#endif

/*
 * status.h - status codes of the engine: 0 done, negative VERR_* failed.
 *
 * Names and numbers are VirtualBox's public ones, so logs, scripts and messages keep their words. The table is
 * status.def; a new code is one row. GErrors made with STATUS_ERROR carry the code, so a caller can tell a full disk
 * from a locked file without reading the text.
 */
#ifndef RT_STATUS_H
#define RT_STATUS_H

#include <glib.h>

enum status_code {
    VINF_SUCCESS = 0,
#define STATUS(name, number, text) name = (number),
#include "rt/status.def"
#undef STATUS
};

#define STATUS_ERROR (g_quark_from_static_string("status"))

/** status_name() - "VERR_DISK_FULL"; "VERR_?" for numbers not in the table. Static. */
const char *status_name(int status);
/** status_text() - one short English phrase, no full stop. Static. */
const char *status_text(int status);
/** status_from_errno() - @err positive or negative; 0 stays 0, the unknown becomes VERR_GENERAL_FAILURE. */
int status_from_errno(int err);

#endif

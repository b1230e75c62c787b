/*
 * png.h - pictures of the screen as files, and as a fingerprint.
 */
#ifndef DRIVERS_DISPLAY_PNG_H
#define DRIVERS_DISPLAY_PNG_H

#include <glib.h>

#include "vmm/pdm/ifs.h"

/** png_write_frame() - @path holds the old file or the whole new one at every instant. Any thread; takes no locks. */
bool png_write_frame(const struct pdm_frame *f, const char *path, GError **error);
/** png_encode_frame() - the file's bytes in memory; g_free. */
void *png_encode_frame(const struct pdm_frame *f, size_t *ret_bytes, GError **error);
/** png_frame_hash() - SHA-256 in hex over size and pixels, whatever the encoder does: for golden tests. g_free. */
char *png_frame_hash(const struct pdm_frame *f);

#define PNG_ERROR (g_quark_from_static_string("png"))

#endif

/*
 * extra.h - extra data that configures the engine: "VBoxInternal/EM/KEY" becomes the value KEY of the tree's node EM.
 *
 * VirtualBox lets these keys reach any node of its tree. Here they reach node EM only: a settings file that came from
 * somewhere must not name files for devices to open.
 */
#ifndef MAIN_VMPROC_EXTRA_H
#define MAIN_VMPROC_EXTRA_H

#include <glib.h>
#include <stdbool.h>

struct cfgm_node;

/**
 * extra_to_cfgm() - @list of settings_property. A number (decimal or 0x) becomes an integer, "string:..." and anything
 * else a string; an empty value none. Whether EM knows the key is checked by its owner. False: a key cannot be one.
 */
bool extra_to_cfgm(const GPtrArray *list, struct cfgm_node *root, GError **error);

#endif

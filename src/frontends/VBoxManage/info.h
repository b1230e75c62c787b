/*
 * info.h - the halves of showvminfo.
 */
#ifndef FRONTENDS_VBOXMANAGE_INFO_H
#define FRONTENDS_VBOXMANAGE_INFO_H

#include <glib.h>
#include <stdbool.h>

struct info {
    GVariant *machine; /* IMachine.Describe */
    bool machine_readable;
};

/* info.c: KEY="VALUE" or a label in 28 columns */
void info_text(const struct info *i, const char *key, const char *label, const char *text);
void info_bool(const struct info *i, const char *key, const char *label, bool on);
void info_number(const struct info *i, const char *key, const char *label, gint64 n, const char *unit);
/* info_lists.c: storage and everything behind it; info_network.c */
void info_lists(const struct info *i);
void info_network(const struct info *i);

#endif

/*
 * info.h - the halves of showvminfo.
 */
#ifndef FRONTENDS_VBOXMANAGE_INFO_H
#define FRONTENDS_VBOXMANAGE_INFO_H

#include <glib.h>
#include <stdbool.h>

struct info {
    GVariant *machine;    /* IMachine.Describe */
    GVariantDict *fields; /* the same, looked up by hash: there are many */
    bool machine_readable;
};

/* info.c: what the machine says; static or until the dictionary goes */
const char *field_str(const struct info *i, const char *key);
bool field_bool(const struct info *i, const char *key);
gint64 field_int(const struct info *i, const char *key);
/** Of that type, or NULL; g_variant_unref. */
GVariant *field_value(const struct info *i, const char *key, const GVariantType *type);
/** An array; g_variant_unref. Empty if it is not there. */
GVariant *field_list(const struct info *i, const char *key);

/* info.c: KEY="VALUE" or a label in 28 columns */
void info_text(const struct info *i, const char *key, const char *label, const char *text);
void info_bool(const struct info *i, const char *key, const char *label, bool on);
void info_number(const struct info *i, const char *key, const char *label, gint64 n, const char *unit);
/* info_lists.c: storage and everything behind it; info_network.c */
void info_lists(const struct info *i);
void info_network(const struct info *i);

#endif

/*
 * info.h - the halves of showvminfo.
 */
#ifndef FRONTENDS_VBOXMANAGE_INFO_H
#define FRONTENDS_VBOXMANAGE_INFO_H

#include <glib.h>
#include <stdbool.h>

struct cmd;
struct info {
    GVariant *machine;    /* IMachine.Describe */
    GVariantDict *fields; /* the same, looked up by hash: there are many */
    bool machine_readable;
    bool running;
    struct cmd *cmd;
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
/** In words of their own; scripts read on and off. */
void info_either(const struct info *i, const char *key, const char *label, bool on, const char *yes, const char *no);
static inline const char *on_off(bool on)
{
    return on ? "on" : "off";
}

/* info_lists.c: everything behind the first table, in VirtualBox's order */
void info_lists(const struct info *i);
/* info_storage.c, info_network.c */
void info_storage(const struct info *i);
void info_network(const struct info *i);
/* info_display.c */
void info_video_mode(const struct info *i);
void info_vrde(const struct info *i);
void info_vrde_clients(const struct info *i);
void info_recording(const struct info *i);
/* info_shared.c */
void info_usb(const struct info *i);
void info_shared(const struct info *i);
void info_guest(const struct info *i);

#endif

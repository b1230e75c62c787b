/* medium_int.h - shared by the files that make up IMedium. */
#ifndef MAIN_SERVER_MEDIUM_MEDIUM_INT_H
#define MAIN_SERVER_MEDIUM_MEDIUM_INT_H

#include "main/server/objects.h"
#include "storage/vd.h"

/* ---- medium_table.c ---- */
void medium_table_add(struct service *s, struct medium *m);
/** @m is still in service.media; the next one with its id, if there is one, takes its place. */
void medium_table_drop(struct service *s, struct medium *m);

/* ---- medium_object.c ---- */
/** The medium lies there now: noted wherever it is registered. */
bool medium_set_place(struct medium *m, const char *path, GError **error);
bool medium_save_properties(struct medium *m, GError **error);

/* ---- medium_raw.c ---- */
/** CreateBaseStorage() of the variant VmdkRawDisk. */
bool medium_create_raw(struct bus_call *call, GVariant **ret, GError **error);

/* ---- medium_remote.c ---- */
/** Asks the target for its state and size, on a thread; the medium has the answer some time later. */
void medium_look(struct medium *m);

/* ---- medium_lists.c ---- */
GVariant *medium_allowed_types(const struct bus_call *call, const struct bus_property *row);
bool medium_get_snapshot_ids(struct bus_call *call, GVariant **ret, GError **error);
bool medium_get_properties(struct bus_call *call, GVariant **ret, GError **error);
bool medium_set_properties(struct bus_call *call, GVariant **ret, GError **error);

/* ---- medium_crypt.c ---- */
bool medium_get_encryption(struct bus_call *call, GVariant **ret, GError **error);
void medium_describe_encryption(const struct medium *m, GVariantDict *d);
bool medium_check_password(struct bus_call *call, GVariant **ret, GError **error);
bool medium_change_encryption(struct bus_call *call, GVariant **ret, GError **error);

/* ---- medium_work.c ---- */
/** What MediumVariant's words say about a new image. */
bool medium_variant(const char *const *words, bool *ret_fixed, enum vd_layout *ret_layout, GError **error);
/** Nobody has it, and no other image builds on it. */
bool medium_may_change(struct medium *m, GError **error);
bool medium_create_diff(struct bus_call *call, GVariant **ret, GError **error);
bool medium_clone_to(struct bus_call *call, GVariant **ret, GError **error);
bool medium_compact(struct bus_call *call, GVariant **ret, GError **error);
bool medium_resize(struct bus_call *call, GVariant **ret, GError **error);
bool medium_move_to(struct bus_call *call, GVariant **ret, GError **error);
/** Whether a property can have this value; "" removes one that is there. */
bool medium_property_may_be(const struct medium *m, const char *name, const char *val, GError **error);
bool medium_get_property(struct bus_call *call, GVariant **ret, GError **error);
bool medium_set_property(struct bus_call *call, GVariant **ret, GError **error);

#endif

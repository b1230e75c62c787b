/*
 * xml.h - the only file that knows libxml2: hardened loading, and typed attributes with errors a person can use.
 *
 * Limits: 16 MiB a file, no document type, no entities, no network, libxml2's own depth limit (256).
 */
#ifndef MAIN_SETTINGS_XML_H
#define MAIN_SETTINGS_XML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct xml_doc;
struct xml_node; /* an element */

struct xml_doc *xml_load(const char *path, GError **error);
void xml_free(struct xml_doc *doc);
struct xml_node *xml_root(struct xml_doc *doc);
const char *xml_name(const struct xml_node *n);
unsigned xml_line(const struct xml_node *n);
/** First child element called @name (any when NULL), and the next sibling of that name; NULL at the end. */
struct xml_node *xml_child(const struct xml_node *n, const char *name);
struct xml_node *xml_next(const struct xml_node *n, const char *name);
/** Path of child names separated by '/', or NULL; @n may be NULL. */
struct xml_node *xml_find(const struct xml_node *n, const char *path);

/**
 * Attribute readers. A missing attribute leaves *val alone and is an error only for xml_str with @required. All return
 * false with @error set to "Error in 'FILE' (line N) -- ...".
 */
bool xml_str(const struct xml_node *n, const char *attr, bool required, char **val, GError **error);
bool xml_bool(const struct xml_node *n, const char *attr, bool *val, GError **error);
bool xml_u32(const struct xml_node *n, const char *attr, uint32_t min, uint32_t max, uint32_t *val, GError **error);
bool xml_i64(const struct xml_node *n, const char *attr, int64_t *val, GError **error);
/** "{xxxxxxxx-xxxx-...}" with or without braces; result lower case with braces; the zero UUID is refused. */
bool xml_uuid(const struct xml_node *n, const char *attr, bool required, char **val, GError **error);
/** One of @names (case-insensitive, NULL-terminated); result is the index. */
bool xml_enum(const struct xml_node *n, const char *attr, const char *const *names, int *val, GError **error);
void xml_fail(const struct xml_node *n, GError **error, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

#endif

/*
 * xml.h - settings files as a tree of elements. xml.c alone knows libxml2; xml_write.c makes text again.
 *
 * A document owns all its elements and strings; documents are counted, elements are not. Nothing recurses: depth comes
 * from files. Limits (xml_limits): 16 MiB, 2,040 levels, 200,000 elements, 128 attributes an element, names of 256
 * bytes. A document type declaration ends the reading; there are no entities but XML's own five, no network, no other
 * files. Comments and processing instructions are not kept, nor is text between elements.
 */
#ifndef MAIN_SETTINGS_XML_H
#define MAIN_SETTINGS_XML_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct xml_attr {
    const char *name, *value; /* name with its prefix, if any */
};
struct xml_node {
    const char *name;
    const char *text; /* of an element without child elements; NULL = none */
    struct xml_attr *attrs;
    unsigned n_attrs, room; /* used and allocated */
    unsigned line;          /* of the start tag's end; 0 = made by us */
    struct xml_node *parent, *first, *last, *prev, *next;
    const struct xml_node *alias; /* stands for that element of another document, which outlives this one */
    const char *head;             /* xml_head() of what is not here but for child elements behind it; outlives it */
};
struct xml_doc;

enum {
    XML_MAX_BYTES = 16 << 20,
    XML_MAX_DEPTH = 2040, /* 1,000 nested snapshots and what is in the innermost; below libxml2's own 2,048 */
    XML_MAX_NODES = 200000,
    XML_MAX_ATTRS = 128,
    XML_MAX_NAME = 256,
    XML_MAX_INDENT = 30, /* levels; deeper ones stay there, or nested snapshots would cost megabytes of blanks */
};

/* ---- documents ---- */

/** xml_parse() - @path is for messages only. */
struct xml_doc *xml_parse(const char *path, const void *bytes, size_t size, GError **error);
/** xml_new() - an empty document whose root is called @root. */
struct xml_doc *xml_new(const char *root);
struct xml_doc *xml_ref(struct xml_doc *doc);
void xml_unref(struct xml_doc *doc);
struct xml_node *xml_root(const struct xml_doc *doc);
/** xml_text() - the file's text: declaration, @comment (whole, or NULL), root; indented, ASCII only. */
char *xml_text(const struct xml_doc *doc, const char *comment);
/** xml_unreadable() - NULL, or which limit @text (well-formed) exceeds: nobody here would read it again. */
const char *xml_unreadable(const char *text);
/**
 * xml_head() - @n as text at @level, up to where its end tag would stand. Return: NULL if it has no elements. It can
 * stand for them (xml_node.head); levels from XML_MAX_INDENT on have the same text.
 */
char *xml_head(const struct xml_node *n, unsigned level);

/* ---- reading; @n may be NULL everywhere; aliases are not found ---- */

struct xml_node *xml_child(const struct xml_node *n, const char *name);
/** The next sibling of the same name. */
struct xml_node *xml_again(const struct xml_node *n);
const char *xml_get(const struct xml_node *n, const char *attr);

/* ---- changing; names and values are copied into the document ---- */

struct xml_node *xml_add(struct xml_doc *doc, struct xml_node *parent, const char *name);
/** The child @name, made as the last one if there is none. */
struct xml_node *xml_need(struct xml_doc *doc, struct xml_node *parent, const char *name);
void xml_set(struct xml_doc *doc, struct xml_node *n, const char *attr, const char *value);
void xml_set_text(struct xml_doc *doc, struct xml_node *n, const char *text);
void xml_drop(struct xml_node *n, const char *attr);
/** Takes @n out of its parent (without freeing: the document does that). */
void xml_unlink(struct xml_node *n);
/** Puts the unlinked @n as last child of @parent, or behind @after, a child of it (NULL = as the first). */
void xml_append(struct xml_node *parent, struct xml_node *n);
void xml_insert(struct xml_node *parent, struct xml_node *after, struct xml_node *n);
/** A stand-in for @target, not yet linked. */
struct xml_node *xml_alias(struct xml_doc *doc, const struct xml_node *target);
void xml_rename(struct xml_doc *doc, struct xml_node *n, const char *name);

#endif

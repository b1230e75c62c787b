/*
 * xml_write.c - a tree as text, laid out as libxml2 lays it out when no encoding is declared: two blanks a level (at
 * most 30 levels), everything beyond ASCII as a numeric reference.
 */
#include "main/settings/xml.h"

#include <string.h>

/* What a byte below 80h needs to be written as; NULL = itself. */
static const char *escape(char c, bool in_attribute)
{
    switch (c) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '\r': return "&#13;";
    case '"': return in_attribute ? "&quot;" : NULL;
    case '\n': return in_attribute ? "&#10;" : NULL;
    case '\t': return in_attribute ? "&#9;" : NULL;
    default: return NULL;
    }
}

static void put(GString *out, const char *s, bool in_attribute)
{
    while (*s != '\0') {
        if ((guchar)*s >= 0x80) {
            g_string_append_printf(out, "&#x%X;", g_utf8_get_char(s));
            s = g_utf8_next_char(s);
            continue;
        }
        const char *e = escape(*s, in_attribute);
        if (e != NULL)
            g_string_append(out, e);
        else
            g_string_append_c(out, *s);
        s++;
    }
}

static void indent(GString *out, unsigned level)
{
    g_string_append_printf(out, "%*s", 2 * (int)MIN(level, XML_MAX_INDENT), "");
}

/* The start tag, and for an element without elements all of it. */
static void open(GString *out, const struct xml_node *n, unsigned level)
{
    indent(out, level);
    g_string_append_printf(out, "<%s", n->name);
    for (unsigned k = 0; k < n->n_attrs; k++) {
        g_string_append_printf(out, " %s=\"", n->attrs[k].name);
        put(out, n->attrs[k].value, true);
        g_string_append_c(out, '"');
    }
    if (n->first != NULL) {
        g_string_append(out, ">\n");
    } else if (n->text != NULL) {
        g_string_append_c(out, '>');
        put(out, n->text, false);
        g_string_append_printf(out, "</%s>\n", n->name);
    } else {
        g_string_append(out, "/>\n");
    }
}

static void end_tag(GString *out, const struct xml_node *n, unsigned level)
{
    indent(out, level);
    g_string_append_printf(out, "</%s>\n", n->name);
}

static void write_tree(GString *out, const struct xml_node *top, unsigned level)
{
    const struct xml_node *n = top;

    for (;;) {
        if (n->alias != NULL)
            write_tree(out, n->alias, level); /* a part of a read document: holds no aliases itself */
        else if (n->head != NULL)
            g_string_append(out, n->head);
        else
            open(out, n, level);
        if (n->alias == NULL && n->first != NULL) {
            n = n->first;
            level++;
            continue;
        }
        if (n->head != NULL)
            end_tag(out, n, level);
        while (n != top && n->next == NULL) {
            n = n->parent;
            end_tag(out, n, --level);
        }
        if (n == top)
            return;
        n = n->next;
    }
}

const char *xml_unreadable(const char *text)
{
    unsigned elements = 0;
    const char *end = text;

    for (; (end = strchrnul(end, '<')) != NULL && *end != '\0'; end++)
        elements += end[1] != '/' && end[1] != '!' && end[1] != '?';
    if (end - text > XML_MAX_BYTES)
        return "it would be larger than 16 MiB";
    return elements > XML_MAX_NODES ? "it would have more than 200,000 elements" : NULL;
}

char *xml_head(const struct xml_node *n, unsigned level)
{
    GString *out = g_string_new(NULL);

    if (n->first == NULL)
        return g_string_free(out, TRUE);
    write_tree(out, n, level);
    g_autoptr(GString) end = g_string_new(NULL);
    end_tag(end, n, level);
    g_string_truncate(out, out->len - end->len);
    return g_string_free(out, FALSE);
}

char *xml_text(const struct xml_doc *doc, const char *comment)
{
    GString *out = g_string_new("<?xml version=\"1.0\"?>\n");

    if (comment != NULL)
        g_string_append_printf(out, "<!--%s-->\n", comment);
    write_tree(out, xml_root(doc), 0);
    return g_string_free(out, FALSE);
}

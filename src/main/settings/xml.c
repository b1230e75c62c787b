/*
 * xml.c - hardened XML loading for settings files; see xml.h.
 *
 * A settings file may come from anywhere: it is read whole (bounded), parsed without network, entities or document
 * types, and only ever walked iteratively. A struct xml_node is libxml2's node; doc->_private holds our xml_doc.
 */
#include "main/settings/xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>
#include <sys/stat.h>

#include "main/settings/settings.h"

#define XML_MAX_BYTES (16u << 20)

struct xml_doc {
    xmlDocPtr doc;
    char *path;
};

static const xmlNode *node(const struct xml_node *n)
{
    return (const xmlNode *)(const void *)n;
}

static bool load_bytes(const char *path, char **ret, size_t *ret_bytes, GError **error)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "Could not open the settings file '%s': %s", path,
                    g_strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "The settings file '%s' is not a regular file", path);
        return false;
    }
    if ((uint64_t)st.st_size > XML_MAX_BYTES) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "The settings file '%s' is larger than %u MiB", path,
                    XML_MAX_BYTES >> 20);
        return false;
    }
    g_autoptr(GError) why = NULL;
    if (!g_file_get_contents(path, ret, ret_bytes, &why)) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "Could not read the settings file '%s': %s", path,
                    why->message);
        return false;
    }
    return true;
}

static void set_parse_error(xmlParserCtxtPtr ctxt, const char *path, GError **error)
{
    const xmlError *e = xmlCtxtGetLastError(ctxt);
    g_autofree char *text = g_strdup(e != NULL && e->message != NULL ? e->message : "the file is empty or not XML");

    g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_XML, "%s.\nLocation: '%s', line %d, column %d", g_strchomp(text),
                path, e != NULL ? e->line : 1, e != NULL ? e->int2 : 1);
}

struct xml_doc *xml_load(const char *path, GError **error)
{
    g_autofree char *bytes = NULL;
    size_t size = 0;

    if (!load_bytes(path, &bytes, &size, error))
        return NULL;
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    if (ctxt == NULL)
        g_error("out of memory");
    xmlDocPtr doc = xmlCtxtReadMemory(ctxt, bytes, (int)size, path, NULL,
                                      XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc == NULL) {
        set_parse_error(ctxt, path, error);
    } else if (doc->intSubset != NULL || xmlDocGetRootElement(doc) == NULL) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_XML, "The settings file '%s' has %s, which is not allowed",
                    path, doc->intSubset != NULL ? "a document type declaration" : "no root element");
        xmlFreeDoc(doc);
        doc = NULL;
    }
    xmlFreeParserCtxt(ctxt);
    if (doc == NULL)
        return NULL;
    struct xml_doc *d = g_new0(struct xml_doc, 1);
    d->doc = doc;
    d->path = g_strdup(path);
    doc->_private = d;
    return d;
}

void xml_free(struct xml_doc *doc)
{
    if (doc == NULL)
        return;
    xmlFreeDoc(doc->doc);
    g_free(doc->path);
    g_free(doc);
}

struct xml_node *xml_root(struct xml_doc *doc)
{
    return (struct xml_node *)(void *)xmlDocGetRootElement(doc->doc);
}

const char *xml_name(const struct xml_node *n)
{
    return (const char *)node(n)->name;
}

unsigned xml_line(const struct xml_node *n)
{
    long line = xmlGetLineNo((xmlNodePtr)(uintptr_t)node(n));

    return line > 0 ? (unsigned)line : 0;
}

static struct xml_node *first_named(xmlNodePtr n, const char *name)
{
    for (; n != NULL; n = n->next)
        if (n->type == XML_ELEMENT_NODE && (name == NULL || strcmp((const char *)n->name, name) == 0))
            return (struct xml_node *)(void *)n;
    return NULL;
}

struct xml_node *xml_child(const struct xml_node *n, const char *name)
{
    return n != NULL ? first_named(node(n)->children, name) : NULL;
}

struct xml_node *xml_next(const struct xml_node *n, const char *name)
{
    return first_named(node(n)->next, name);
}

struct xml_node *xml_find(const struct xml_node *n, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    const struct xml_node *at = n;

    for (unsigned k = 0; at != NULL && parts[k] != NULL; k++)
        at = xml_child(at, parts[k]);
    return (struct xml_node *)(uintptr_t)at;
}

void xml_fail(const struct xml_node *n, GError **error, const char *fmt, ...)
{
    const struct xml_doc *d = node(n)->doc->_private;
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VALUE, "Error in '%s' (line %u) -- %s", d->path, xml_line(n),
                text);
}

/* The attribute's text, to be freed by g_free; NULL if absent. */
static char *attribute(const struct xml_node *n, const char *attr)
{
    xmlChar *v = xmlGetNoNsProp((xmlNodePtr)(uintptr_t)node(n), (const xmlChar *)attr);
    char *copy = v != NULL ? g_strdup((const char *)v) : NULL;

    xmlFree(v);
    return copy;
}

bool xml_str(const struct xml_node *n, const char *attr, bool required, char **val, GError **error)
{
    char *v = attribute(n, attr);

    if (v == NULL) {
        if (required)
            xml_fail(n, error, "Required %s/@%s attribute is missing", xml_name(n), attr);
        return !required;
    }
    g_free(*val);
    *val = v;
    return true;
}

bool xml_bool(const struct xml_node *n, const char *attr, bool *val, GError **error)
{
    g_autofree char *v = attribute(n, attr);

    if (v == NULL)
        return true;
    if (strcmp(v, "true") == 0 || strcmp(v, "yes") == 0 || strcmp(v, "1") == 0) {
        *val = true;
    } else if (strcmp(v, "false") == 0 || strcmp(v, "no") == 0 || strcmp(v, "0") == 0) {
        *val = false;
    } else {
        xml_fail(n, error, "%s/@%s is '%s'; it must be true or false", xml_name(n), attr, v);
        return false;
    }
    return true;
}

bool xml_i64(const struct xml_node *n, const char *attr, int64_t *val, GError **error)
{
    g_autofree char *v = attribute(n, attr);
    char *end;

    if (v == NULL)
        return true;
    errno = 0;
    int64_t x = g_ascii_strtoll(v, &end, 0);
    if (errno != 0 || end == v || *end != '\0') {
        xml_fail(n, error, "%s/@%s is '%s'; it must be a whole number", xml_name(n), attr, v);
        return false;
    }
    *val = x;
    return true;
}

bool xml_u32(const struct xml_node *n, const char *attr, uint32_t min, uint32_t max, uint32_t *val, GError **error)
{
    int64_t x = *val;

    if (!xml_i64(n, attr, &x, error))
        return false;
    g_autofree char *v = attribute(n, attr);
    if (v != NULL && (x < min || x > max)) {
        xml_fail(n, error, "%s/@%s is %s; it must be between %u and %u", xml_name(n), attr, v, min, max);
        return false;
    }
    if (v != NULL)
        *val = (uint32_t)x;
    return true;
}

bool xml_uuid(const struct xml_node *n, const char *attr, bool required, char **val, GError **error)
{
    g_autofree char *v = NULL;

    if (!xml_str(n, attr, required, &v, error))
        return false;
    if (v == NULL)
        return true;
    size_t len = strlen(v);
    bool braces = len == 38 && v[0] == '{' && v[37] == '}';
    g_autofree char *bare = braces ? g_strndup(v + 1, 36) : g_strdup(v);
    if (!g_uuid_string_is_valid(bare) || strspn(bare, "0-") == 36) {
        xml_fail(n, error, "%s/@%s is '%s', which is no valid UUID", xml_name(n), attr, v);
        return false;
    }
    g_autofree char *lower = g_ascii_strdown(bare, -1);
    g_free(*val);
    *val = g_strdup_printf("{%s}", lower);
    return true;
}

bool xml_enum(const struct xml_node *n, const char *attr, const char *const *names, int *val, GError **error)
{
    g_autofree char *v = attribute(n, attr);

    if (v == NULL)
        return true;
    for (int k = 0; names[k] != NULL; k++) {
        if (g_ascii_strcasecmp(v, names[k]) == 0) {
            *val = k;
            return true;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)names);
    xml_fail(n, error, "%s/@%s is '%s'; it must be one of: %s", xml_name(n), attr, v, all);
    return false;
}

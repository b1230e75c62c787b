/*
 * xml.c - reads settings files with libxml2's event interface, and keeps the trees; see xml.h.
 *
 * A settings file may come from anywhere. libxml2 only cuts it into events; the limits are counted here, at each event,
 * and end the reading at once. XML_PARSE_HUGE lifts libxml2's limit of 256 levels, which nested snapshots exceed; what
 * else it lifts (lengths of text and names) is bounded by the file's size.
 */
#include "main/settings/xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include "main/settings/file.h"

#define BLOCK_BYTES  16384
#define INTERNED_MAX 1024u

struct xml_doc {
    unsigned refs;
    GPtrArray *blocks;
    char *at;
    size_t left;
    struct xml_node *root;
};

/* ---- memory ---- */

static void *take(struct xml_doc *doc, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (bytes > BLOCK_BYTES / 4) {
        void *big = g_malloc0(bytes);
        g_ptr_array_add(doc->blocks, big);
        return big;
    }
    if (bytes > doc->left) {
        doc->at = g_malloc0(BLOCK_BYTES);
        doc->left = BLOCK_BYTES;
        g_ptr_array_add(doc->blocks, doc->at);
    }
    void *p = doc->at;
    doc->at += bytes;
    doc->left -= bytes;
    return p;
}

static const char *keep(struct xml_doc *doc, const char *s, size_t len)
{
    char *copy = take(doc, len + 1);

    memcpy(copy, s, len);
    return copy;
}

static struct xml_doc *doc_new(void)
{
    struct xml_doc *doc = g_new0(struct xml_doc, 1);

    doc->refs = 1;
    doc->blocks = g_ptr_array_new_with_free_func(g_free);
    return doc;
}

struct xml_doc *xml_ref(struct xml_doc *doc)
{
    g_atomic_int_inc(&doc->refs);
    return doc;
}

void xml_unref(struct xml_doc *doc)
{
    if (doc == NULL || !g_atomic_int_dec_and_test(&doc->refs))
        return;
    g_ptr_array_unref(doc->blocks);
    g_free(doc);
}

struct xml_node *xml_root(const struct xml_doc *doc)
{
    return doc->root;
}

/* ---- changing ---- */

static struct xml_node *node_new(struct xml_doc *doc, const char *name)
{
    struct xml_node *n = take(doc, sizeof *n);

    n->name = keep(doc, name, strlen(name));
    return n;
}

struct xml_doc *xml_new(const char *root)
{
    struct xml_doc *doc = doc_new();

    doc->root = node_new(doc, root);
    return doc;
}

void xml_insert(struct xml_node *parent, struct xml_node *after, struct xml_node *n)
{
    n->parent = parent;
    n->prev = after;
    n->next = after != NULL ? after->next : parent->first;
    *(n->prev != NULL ? &n->prev->next : &parent->first) = n;
    *(n->next != NULL ? &n->next->prev : &parent->last) = n;
}

void xml_append(struct xml_node *parent, struct xml_node *n)
{
    xml_insert(parent, parent->last, n);
}

void xml_unlink(struct xml_node *n)
{
    *(n->prev != NULL ? &n->prev->next : &n->parent->first) = n->next;
    *(n->next != NULL ? &n->next->prev : &n->parent->last) = n->prev;
    n->parent = n->prev = n->next = NULL;
}

struct xml_node *xml_add(struct xml_doc *doc, struct xml_node *parent, const char *name)
{
    struct xml_node *n = node_new(doc, name);

    xml_append(parent, n);
    return n;
}

struct xml_node *xml_need(struct xml_doc *doc, struct xml_node *parent, const char *name)
{
    struct xml_node *n = xml_child(parent, name);

    return n != NULL ? n : xml_add(doc, parent, name);
}

struct xml_node *xml_alias(struct xml_doc *doc, const struct xml_node *target)
{
    struct xml_node *n = node_new(doc, target->name);

    n->alias = target;
    return n;
}

void xml_rename(struct xml_doc *doc, struct xml_node *n, const char *name)
{
    n->name = keep(doc, name, strlen(name));
}

void xml_set_text(struct xml_doc *doc, struct xml_node *n, const char *text)
{
    n->text = keep(doc, text, strlen(text));
}

static struct xml_attr *find(const struct xml_node *n, const char *attr)
{
    for (unsigned k = 0; n != NULL && k < n->n_attrs; k++)
        if (strcmp(n->attrs[k].name, attr) == 0)
            return &n->attrs[k];
    return NULL;
}

void xml_set(struct xml_doc *doc, struct xml_node *n, const char *attr, const char *value)
{
    struct xml_attr *a = find(n, attr);

    if (a == NULL) {
        if (n->n_attrs == n->room) {
            unsigned room = n->room + 8;
            struct xml_attr *more = take(doc, room * sizeof *more);
            if (n->n_attrs > 0)
                memcpy(more, n->attrs, n->n_attrs * sizeof *more);
            n->attrs = more;
            n->room = room;
        }
        a = &n->attrs[n->n_attrs++];
        a->name = keep(doc, attr, strlen(attr));
    }
    a->value = keep(doc, value, strlen(value));
}

void xml_drop(struct xml_node *n, const char *attr)
{
    struct xml_attr *a = find(n, attr);

    if (a == NULL)
        return;
    memmove(a, a + 1, (size_t)(n->attrs + n->n_attrs - (a + 1)) * sizeof *a);
    n->n_attrs--;
}

/* ---- reading ---- */

static struct xml_node *named(struct xml_node *n, const char *name)
{
    while (n != NULL && (n->alias != NULL || strcmp(n->name, name) != 0))
        n = n->next;
    return n;
}

struct xml_node *xml_child(const struct xml_node *n, const char *name)
{
    return n != NULL ? named(n->first, name) : NULL;
}

struct xml_node *xml_again(const struct xml_node *n)
{
    return n != NULL ? named(n->next, n->name) : NULL;
}

const char *xml_get(const struct xml_node *n, const char *attr)
{
    const struct xml_attr *a = find(n, attr);

    return a != NULL ? a->value : NULL;
}

/* ---- events ---- */

struct reader {
    xmlParserCtxtPtr ctxt;
    struct xml_doc *doc;
    struct xml_node *at; /* open element */
    GString *text;       /* of it */
    unsigned depth, nodes;
    GHashTable *names; /* in the document's memory */
    char *problem;     /* the first, with its place */
    int line, column;
};

static void G_GNUC_PRINTF(2, 3) stop(struct reader *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (r->problem == NULL) {
        r->problem = g_strdup_vprintf(fmt, ap);
        r->line = xmlSAX2GetLineNumber(r->ctxt);
        r->column = xmlSAX2GetColumnNumber(r->ctxt);
    }
    va_end(ap);
    xmlStopParser(r->ctxt);
}

/* The few names there are in settings are kept once each; beyond INTERNED_MAX different ones come from somebody
 * hostile. */
static const char *intern(struct reader *r, const char *name, size_t len)
{
    const char *there = g_hash_table_lookup(r->names, name);

    if (there != NULL)
        return there;
    const char *kept = keep(r->doc, name, len);
    if (g_hash_table_size(r->names) < INTERNED_MAX)
        g_hash_table_add(r->names, (void *)kept);
    return kept;
}

static const char *full_name(struct reader *r, const xmlChar *prefix, const xmlChar *local)
{
    const char *name = (const char *)local;
    g_autofree char *joined = prefix != NULL ? g_strdup_printf("%s:%s", (const char *)prefix, name) : NULL;
    size_t len = strlen(joined != NULL ? joined : name);

    if (len > XML_MAX_NAME) {
        stop(r, "A name is longer than %d bytes", XML_MAX_NAME);
        return keep(r->doc, "", 0);
    }
    return intern(r, joined != NULL ? joined : name, len);
}

/* A long text changes its owner, it is not copied. */
static const char *take_text(struct reader *r)
{
    if (r->text->len <= BLOCK_BYTES)
        return keep(r->doc, r->text->str, r->text->len);
    char *text = g_string_free(r->text, FALSE);
    r->text = g_string_new(NULL);
    g_ptr_array_add(r->doc->blocks, text);
    return text;
}

/*
 * Entities stay unreplaced (there are none but XML's own), and then libxml2 gives an ampersand in an attribute as
 * "&#38;". Nothing else can begin with one.
 */
static const char *attr_value(struct xml_doc *doc, const char *s, size_t len)
{
    static const char ampersand[] = "&#38;";
    char *to = take(doc, len + 1);
    const char *copy = to, *end = s + len;

    while (s < end) {
        bool special = (size_t)(end - s) >= strlen(ampersand) && memcmp(s, ampersand, strlen(ampersand)) == 0;
        *to++ = *s;
        s += special ? strlen(ampersand) : 1;
    }
    return copy;
}

/* Namespaces are not followed; a declared prefix is kept as the attribute it is written as. */
static void take_attributes(struct reader *r, struct xml_node *n, int n_spaces, const xmlChar **spaces, int n_attrs,
                            const xmlChar **attrs)
{
    n->room = (unsigned)(n_spaces + n_attrs);
    n->attrs = take(r->doc, n->room * sizeof *n->attrs);
    for (int k = 0; k < n_spaces; k++)
        if (spaces[2 * k] != NULL && spaces[2 * k + 1] != NULL)
            n->attrs[n->n_attrs++] = (struct xml_attr){
                full_name(r, (const xmlChar *)"xmlns", spaces[2 * k]),
                keep(r->doc, (const char *)spaces[2 * k + 1], strlen((const char *)spaces[2 * k + 1]))};
    for (int k = 0; k < n_attrs; k++) {
        const xmlChar **a = attrs + 5 * (size_t)k; /* local name, prefix, URI, value, its end */
        n->attrs[n->n_attrs++] =
            (struct xml_attr){full_name(r, a[1], a[0]), attr_value(r->doc, (const char *)a[3], (size_t)(a[4] - a[3]))};
    }
}

static void start_element(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int n_spaces,
                          const xmlChar **spaces, int n_attrs, int n_defaulted, const xmlChar **attrs)
{
    struct reader *r = user;

    (void)uri;
    (void)n_defaulted;
    if (r->problem != NULL)
        return;
    if (++r->depth > XML_MAX_DEPTH) {
        stop(r, "Elements are nested deeper than %d levels", XML_MAX_DEPTH);
        return;
    }
    if (++r->nodes > XML_MAX_NODES) {
        stop(r, "There are more than %d elements", XML_MAX_NODES);
        return;
    }
    if (n_attrs + n_spaces > XML_MAX_ATTRS) {
        stop(r, "An element has more than %d attributes", XML_MAX_ATTRS);
        return;
    }
    struct xml_node *n = take(r->doc, sizeof *n);
    n->name = full_name(r, prefix, local);
    n->line = (unsigned)xmlSAX2GetLineNumber(r->ctxt);
    take_attributes(r, n, n_spaces, spaces, n_attrs, attrs);
    if (r->at != NULL)
        xml_append(r->at, n);
    else
        r->doc->root = n;
    r->at = n;
    g_string_truncate(r->text, 0);
}

static void end_element(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
    struct reader *r = user;

    (void)local;
    (void)prefix;
    (void)uri;
    if (r->problem != NULL || r->at == NULL)
        return;
    if (r->at->first == NULL && strspn(r->text->str, " \t\r\n") != r->text->len)
        r->at->text = take_text(r);
    g_string_truncate(r->text, 0);
    r->at = r->at->parent;
    r->depth--;
}

static void characters(void *user, const xmlChar *s, int len)
{
    struct reader *r = user;

    if (r->at != NULL && r->at->first == NULL)
        g_string_append_len(r->text, (const char *)s, len);
}

static void document_type(void *user, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    stop(user, "A document type declaration is not allowed");
}

static void problem(void *user, xmlErrorPtr e)
{
    struct reader *r = user;

    if (e->level < XML_ERR_ERROR || r->problem != NULL || e->domain == XML_FROM_NAMESPACE)
        return;
    r->problem = g_strchomp(g_strdup(e->message != NULL ? e->message : "Not XML"));
    r->line = e->line;
    r->column = e->int2;
}

static const xmlSAXHandler events = {.initialized = XML_SAX2_MAGIC,
                                     .internalSubset = document_type,
                                     .startElementNs = start_element,
                                     .endElementNs = end_element,
                                     .characters = characters,
                                     .ignorableWhitespace = characters,
                                     .cdataBlock = characters,
                                     .serror = problem};

struct xml_doc *xml_parse(const char *path, const void *bytes, size_t size, GError **error)
{
    struct reader r = {0};

    if (size == 0 || size > XML_MAX_BYTES) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_XML,
                    size == 0 ? "The settings file '%s' is empty" : "The settings file '%s' is larger than 16 MiB",
                    path);
        return NULL;
    }
    r.ctxt = xmlCreateMemoryParserCtxt(bytes, (int)size);
    if (r.ctxt == NULL)
        g_error("out of memory");
    r.doc = doc_new();
    r.text = g_string_new(NULL);
    r.names = g_hash_table_new(g_str_hash, g_str_equal);
    *r.ctxt->sax = events;
    r.ctxt->userData = &r;
    xmlCtxtUseOptions(r.ctxt, XML_PARSE_NONET | XML_PARSE_HUGE);
    xmlParseDocument(r.ctxt);
    if (r.problem == NULL && (!r.ctxt->wellFormed || r.at != NULL || r.doc->root == NULL))
        r.problem = g_strdup("The file is not well-formed XML");
    if (r.problem != NULL) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_XML, "%s%s\nLocation: '%s', line %d, column %d", r.problem,
                    g_str_has_suffix(r.problem, ".") ? "" : ".", path, r.line, r.column);
        g_clear_pointer(&r.doc, xml_unref);
    }
    xmlFreeDoc(r.ctxt->myDoc);
    xmlFreeParserCtxt(r.ctxt);
    g_string_free(r.text, TRUE);
    g_hash_table_unref(r.names);
    g_free(r.problem);
    return r.doc;
}

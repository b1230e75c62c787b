/*
 * cfgm_dump.c - the tree as text for the log, and its digest for the saved state.
 *
 * The shape is VirtualBox 7's: names padded to the longest of their node, integers in hex, grouped decimal and, for
 * keys that name a size, in a human unit; a string's cb counts its terminator.
 */
#include "vmm/cfgm/cfgm.h"

#include <inttypes.h>
#include <string.h>

#include "vmm/cfgm/cfgm_int.h"

struct sink {
    void (*line)(void *user, const char *text);
    void *user;
    bool digest; /* what is aside is left out */
};

static void append_grouped(GString *s, uint64_t val)
{
    char digits[24];
    const int n = g_snprintf(digits, sizeof(digits), "%" PRIu64, val);

    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            g_string_append_c(s, ' ');
        g_string_append_c(s, digits[i]);
    }
}

static void append_human_size(GString *s, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    uint64_t tenths;

    if (bytes < 1024) {
        g_string_append_printf(s, "%" PRIu64 " B", bytes);
        return;
    }
    while (unit + 1 < G_N_ELEMENTS(units) && bytes >> (10 * (unit + 2)))
        unit++;
    tenths = (bytes >> (10 * unit)) * 10 / 1024;
    g_string_append_printf(s, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
}

static void append_integer(GString *s, const struct cfgm_value *v)
{
    g_string_append_printf(s, "<integer> = 0x%016" PRIx64 " (", v->integer);
    append_grouped(s, v->integer);
    if (g_str_has_suffix(v->name, "Size") || g_str_has_prefix(v->name, "cb")) {
        g_string_append(s, ", ");
        append_human_size(s, v->integer);
    }
    g_string_append_c(s, ')');
}

/* The type word is padded to the widest one this node uses. */
static void append_value(GString *s, const struct cfgm_value *v, int type_width)
{
    const uint8_t *p = v->data;

    switch (v->type) {
    case CFGM_INTEGER: append_integer(s, v); break;
    case CFGM_STRING:
        g_string_append_printf(s, "%-*s = \"%s\" (cb=%zu)", type_width, "<string>", (const char *)v->data, v->bytes);
        break;
    case CFGM_BYTES:
        g_string_append_printf(s, "%-*s = \"", type_width, "<bytes>");
        for (size_t i = 0; i < v->bytes; i++)
            g_string_append_printf(s, "%s%02x", i ? " " : "", p[i]);
        g_string_append_printf(s, "\" (cb=%zu)", v->bytes);
        break;
    }
}

static void dump_node(struct cfgm_node *node, unsigned level, const struct sink *sink)
{
    static const int widths[] = {[CFGM_INTEGER] = 9, [CFGM_STRING] = 8, [CFGM_BYTES] = 7};
    g_autofree char *path = cfgm_path(node);
    g_autofree char *head = g_strdup_printf("[%s] (level %u)", path, level);
    int name_width = 0, type_width = 0;

    sink->line(sink->user, head);
    for (unsigned i = 0; i < node->values->len; i++) {
        const struct cfgm_value *v = g_ptr_array_index(node->values, i);

        if (sink->digest && v->aside)
            continue;
        name_width = MAX(name_width, (int)strlen(v->name));
        type_width = MAX(type_width, widths[v->type]);
    }
    for (unsigned i = 0; i < node->values->len; i++) {
        const struct cfgm_value *v = g_ptr_array_index(node->values, i);
        g_autoptr(GString) s = g_string_new(NULL);

        if (sink->digest && v->aside)
            continue;
        g_string_append_printf(s, "  %-*s ", name_width, v->name);
        append_value(s, v, type_width);
        sink->line(sink->user, s->str);
    }
    sink->line(sink->user, "");
    for (unsigned i = 0; i < node->children->len; i++)
        dump_node(g_ptr_array_index(node->children, i), level + 1, sink);
}

void cfgm_dump(struct cfgm_node *node, void (*line)(void *user, const char *text), void *user)
{
    const struct sink sink = {line, user, .digest = false};
    unsigned level = 0;

    for (const struct cfgm_node *up = node->parent; up; up = up->parent)
        level++;
    dump_node(node, level, &sink);
}

void cfgm_set_aside(struct cfgm_node *node, const char *key)
{
    for (unsigned i = 0; i < node->values->len; i++) {
        struct cfgm_value *v = g_ptr_array_index(node->values, i);

        if (!strcmp(v->name, key))
            v->aside = true;
    }
}

static void digest_line(void *user, const char *text)
{
    g_checksum_update(user, (const guchar *)text, -1);
    g_checksum_update(user, (const guchar *)"\n", 1);
}

char *cfgm_digest(struct cfgm_node *node)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    const struct sink sink = {digest_line, sum, .digest = true};

    dump_node(node, 0, &sink);
    return g_strdup(g_checksum_get_string(sum));
}

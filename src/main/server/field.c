/*
 * field.c - properties that are a member of a settings structure: read, checked and written by their row.
 */
#include <string.h>

#include "main/server/objects.h"

/* Where the settings format and the API have different words for the same thing. */
static const struct {
    const char *type, *word, *api;
} other_words[] = {
    {"NetworkAdapterType", "82540EM", "I82540EM"},
    {"NetworkAdapterType", "82543GC", "I82543GC"},
    {"NetworkAdapterType", "82545EM", "I82545EM"},
    {"NetworkAdapterType", "3C503", "ELNK2"},
    {"NetworkAdapterType", "3C501", "ELNK1"},
    {"UartType", "16450", "U16450"},
    {"UartType", "16550A", "U16550A"},
    {"UartType", "16750", "U16750"},
    {"StorageControllerType", "AHCI", "IntelAhci"},
    {"GraphicsControllerType", "None", "Null"},
    {"PointingHIDType", "USBMTScreenPlusPad", "USBMultiTouchScreenPlusPad"},
    {"NATProtocol", "0", "UDP"},
    {"NATProtocol", "1", "TCP"},
    {"SymlinkPolicy", "", "None"},
    {"SymlinkPolicy", "forbidden", "ForbiddenSymlinks"},
    {"SymlinkPolicy", "subtree", "AllowedInShareSubtree"},
    {"SymlinkPolicy", "relative", "AllowedToRelativeTargets"},
    {"SymlinkPolicy", "any", "AllowedToAnyTarget"},
};

const char *field_word_to_api(const char *type, const char *word)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(other_words); k++)
        if (strcmp(other_words[k].type, type) == 0 && strcmp(other_words[k].word, word) == 0)
            return other_words[k].api;
    const char *name = api_enum_canonical(type, word);
    return name != NULL ? name : word;
}

int field_api_to_word(const char *type, const char *const *words, const char *name)
{
    for (int k = 0; words[k] != NULL; k++)
        if (g_ascii_strcasecmp(field_word_to_api(type, words[k]), name) == 0)
            return k;
    return -1;
}

GVariant *field_get(const struct bus_call *call, const struct bus_property *row)
{
    const struct field *f = row->data;
    const struct part *part = call->object;
    const char *at = part->base != NULL ? (const char *)part->base + f->offset : NULL;
    static const union {
        uint64_t zero;
        const char *text;
    } nothing = {0};

    if (at == NULL)
        at = (const char *)&nothing; /* an inaccessible machine */
    switch (f->kind) {
    case FIELD_BOOL: return g_variant_new_boolean(*(const bool *)at);
    case FIELD_U32: return g_variant_new_uint32(*(const uint32_t *)at);
    case FIELD_I64: return g_variant_new_int64(*(const int64_t *)at);
    case FIELD_ENUM: return g_variant_new_string(field_word_to_api(f->type, f->words[*(const unsigned *)at]));
    default: break;
    }
    const char *text = *(const char *const *)at;
    return g_variant_new_string(text != NULL ? text : f->empty != NULL ? f->empty : "");
}

static bool in_range(const struct field *f, int64_t n, GError **error)
{
    if (n >= f->min && n <= f->max)
        return true;
    return api_fail(error, E_INVALIDARG,
                    "Invalid %s: %" G_GINT64_FORMAT "%s (must be in range [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    "]%s)",
                    f->what, n, f->unit, f->min, f->max, f->unit);
}

static bool is_valid(const struct field *f, const char *text, GError **error)
{
    if (f->valid == NULL || *text == '\0' || f->valid(text))
        return true;
    return api_fail(error, E_INVALIDARG, "Invalid %s '%s'", f->what, text);
}

static void set_text(const struct field *f, char **at, const char *text)
{
    g_free(*at);
    *at = *text == '\0' || g_strcmp0(text, f->empty) == 0 ? NULL : g_strdup(text);
}

bool field_set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const struct field *f = row->data;
    struct part *part = call->object;
    int index = 0;

    if (f->kind == FIELD_U32 && f->max > 0 && !in_range(f, g_variant_get_uint32(val), error))
        return false;
    if (f->kind == FIELD_ENUM) {
        index = field_api_to_word(f->type, f->words, g_variant_get_string(val, NULL));
        if (index < 0)
            return api_fail(error, E_INVALIDARG, "Invalid %s: '%s'", f->type, g_variant_get_string(val, NULL));
    }
    if (f->kind == FIELD_STR && !is_valid(f, g_variant_get_string(val, NULL), error))
        return false;
    const bool clears = f->kind == FIELD_BOOL && !g_variant_get_boolean(val);
    if (!part_change(part, clears ? f->when | f->cleared_when : f->when, error))
        return false;
    char *at = (char *)part->base + f->offset;
    switch (f->kind) {
    case FIELD_BOOL: *(bool *)at = g_variant_get_boolean(val); break;
    case FIELD_U32: *(uint32_t *)at = g_variant_get_uint32(val); break;
    case FIELD_I64: *(int64_t *)at = g_variant_get_int64(val); break;
    case FIELD_ENUM: *(unsigned *)at = (unsigned)index; break;
    default: set_text(f, (char **)at, g_variant_get_string(val, NULL)); break;
    }
    return part_changed(part, error);
}

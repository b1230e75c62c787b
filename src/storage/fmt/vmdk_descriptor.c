/*
 * vmdk_descriptor.c - the text that describes a VMDK: identity, parent, extents.
 *
 * Source: VMware "Virtual Disk Format 1.1", The Descriptor; the ddb.uuid.* lines are VirtualBox's.
 * Extents are plain names beside the descriptor: anything with a path, and host devices, need the caller's consent.
 */
#include <stdio.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define MAX_LINES 1100

static bool refuse(const char *path, GError **error, unsigned line, const char *why)
{
    return vd_refuse(path, VERR_VD_VMDK_INVALID_FORMAT, error, "line %u of its descriptor: %s", line, why);
}

static int hex_digit(char c)
{
    return g_ascii_xdigit_value(c);
}

/* xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx */
static bool parse_uuid(const char *s, uint8_t ret[VD_UUID_BYTES])
{
    uint8_t out[VD_UUID_BYTES];
    unsigned n = 0;

    while (*s && n < VD_UUID_BYTES) {
        if (*s == '-') {
            s++;
            continue;
        }
        if (hex_digit(s[0]) < 0 || hex_digit(s[1]) < 0)
            return false;
        out[n++] = (uint8_t)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
        s += 2;
    }
    if (*s || n < VD_UUID_BYTES)
        return false;
    memcpy(ret, out, sizeof(out));
    return true;
}

static bool plain_name(const char *s)
{
    return *s && !strpbrk(s, "/\\") && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static const struct {
    const char *word;
    enum vmdk_kind kind;
} kinds[] = {{"FLAT", VMDK_FLAT}, {"VMFS", VMDK_FLAT}, {"SPARSE", VMDK_SPARSE}, {"ZERO", VMDK_ZERO}};

/* ACCESS SECTORS KIND "name" [OFFSET]; returns what is wrong, or NULL. */
static const char *parse_extent(char *line, bool allow_devices, struct vmdk_line *ret)
{
    char *save = NULL, *quote = strchr(line, '"'), *end = quote ? strrchr(line, '"') : NULL;
    const char *name = NULL, *offset = NULL, *sectors, *kind;
    uint64_t n = 0, at = 0;

    if (quote && end > quote) {
        *quote = *end = 0;
        name = quote + 1;
        offset = end + 1;
    }
    strtok_r(line, " \t", &save);
    sectors = strtok_r(NULL, " \t", &save);
    kind = strtok_r(NULL, " \t", &save);
    if (!sectors || !kind || !g_ascii_string_to_unsigned(sectors, 10, 1, INT64_MAX / 512, &n, NULL))
        return "an extent's size is missing or impossible";
    for (size_t i = 0; i <= G_N_ELEMENTS(kinds); i++) {
        if (i == G_N_ELEMENTS(kinds))
            return "an extent is of a kind that is not supported (FLAT, VMFS, SPARSE and ZERO are)";
        ret->kind = kinds[i].kind;
        if (strcmp(kinds[i].word, kind) == 0)
            break;
    }
    ret->sectors = n;
    if (ret->kind == VMDK_ZERO)
        return NULL;
    if (!name)
        return "an extent has no name";
    if (*name == '/' && !allow_devices)
        return "an extent is a device or file elsewhere on the host; that has to be allowed explicitly";
    if (!plain_name(name) && !(allow_devices && ret->kind == VMDK_FLAT && *name == '/'))
        return "an extent is not a plain file name beside the descriptor";
    if (offset && *g_strstrip((char *)offset) &&
        !g_ascii_string_to_unsigned(offset, 10, 0, INT64_MAX / 512 - n, &at, NULL))
        return "an extent's offset is impossible";
    ret->offset_sectors = at;
    ret->name = g_strdup(name);
    return NULL;
}

/* key = value or key = "value"; @line is cut up. */
static bool split_value(char *line, char **ret_key, char **ret_value)
{
    char *eq = strchr(line, '=');
    size_t n;

    if (!eq)
        return false;
    *eq = 0;
    *ret_key = g_strstrip(line);
    *ret_value = g_strstrip(eq + 1);
    n = strlen(*ret_value);
    if (n >= 2 && (*ret_value)[0] == '"' && (*ret_value)[n - 1] == '"') {
        (*ret_value)[n - 1] = 0;
        ++*ret_value;
    }
    return true;
}

static void take_value(struct vmdk_descriptor *d, const char *key, const char *value, size_t value_at)
{
    struct {
        const char *key;
        uint8_t *uuid;
    } uuids[] = {{"ddb.uuid.image", d->ids.image},
                 {"ddb.uuid.modification", d->ids.modify},
                 {"ddb.uuid.parent", d->ids.parent},
                 {"ddb.uuid.parentmodification", d->ids.parent_modify}};

    for (size_t i = 0; i < G_N_ELEMENTS(uuids); i++) {
        if (strcmp(uuids[i].key, key) != 0 || !parse_uuid(value, uuids[i].uuid))
            continue;
        d->has_uuid |= i == 0;
        if (strlen(value) == VMDK_UUID_CHARS)
            d->uuid_at[i] = value_at;
    }
    if (strcmp(key, "CID") == 0) {
        d->cid = (uint32_t)g_ascii_strtoull(value, NULL, 16);
        d->cid_at = strlen(value) == 8 ? value_at : 0;
    } else if (strcmp(key, "parentCID") == 0) {
        d->parent_cid = (uint32_t)g_ascii_strtoull(value, NULL, 16);
    } else if (strcmp(key, "createType") == 0 && !d->create_type) {
        d->create_type = g_strdup(value);
    } else if (strcmp(key, "parentFileNameHint") == 0 && !d->hint) {
        d->hint = g_strdup(value);
    }
}

static bool is_extent(const char *line)
{
    return g_str_has_prefix(line, "RW ") || g_str_has_prefix(line, "RDONLY ") || g_str_has_prefix(line, "NOACCESS ");
}

static bool parse_line(struct vmdk_descriptor *d, const char *path, unsigned number, const char *line, size_t bytes,
                       bool allow_devices, GError **error)
{
    g_autofree char *copy = g_strndup(line, bytes);
    struct vmdk_line extent = {};
    const char *fault;
    char *key, *value;

    if (!is_extent(copy)) {
        if (*copy != '#' && split_value(copy, &key, &value))
            take_value(d, key, value, (size_t)(line - d->text) + (size_t)(value - copy));
        return true;
    }
    fault = parse_extent(copy, allow_devices, &extent);
    if (!fault && d->lines->len == VMDK_MAX_EXTENTS)
        fault = "there are too many extents";
    if (fault) {
        g_free(extent.name);
        return refuse(path, error, number, fault);
    }
    g_array_append_val(d->lines, extent);
    return true;
}

static void line_clear(void *p)
{
    g_free(((struct vmdk_line *)p)->name);
}

static bool check_type(const struct vmdk_descriptor *d, const char *path, bool allow_devices, GError **error)
{
    bool device = d->create_type &&
                  (strcmp(d->create_type, "fullDevice") == 0 || strcmp(d->create_type, "partitionedDevice") == 0);

    if (!d->create_type || d->lines->len == 0)
        return vd_refuse(path, VERR_VD_VMDK_INVALID_FORMAT, error, "its descriptor names no type or no extents");
    if (device && !allow_devices)
        return vd_refuse(path, VERR_NOT_SUPPORTED, error,
                         "it stands for a device of the host; that has to be allowed explicitly");
    return true;
}

bool vmdk_descriptor_parse(const char *path, const char *text, size_t bytes, bool allow_devices,
                           struct vmdk_descriptor *ret, GError **error)
{
    struct vmdk_descriptor d = {.parent_cid = VMDK_NO_PARENT};
    unsigned number = 0;
    bool ok = true;

    d.text = g_strndup(text, bytes); /* to the first NUL */
    d.lines = g_array_new(FALSE, FALSE, sizeof(struct vmdk_line));
    g_array_set_clear_func(d.lines, line_clear);
    if (!g_str_has_prefix(d.text, "# Disk DescriptorFile"))
        ok = vd_refuse(path, VERR_VD_VMDK_INVALID_HEADER, error, "it is not in VMDK format");
    for (const char *p = d.text; ok && *p;) {
        size_t n = strcspn(p, "\r\n");

        if (++number > MAX_LINES)
            ok = refuse(path, error, number, "there are too many lines");
        else
            ok = parse_line(&d, path, number, p, n, allow_devices, error);
        p += n;
        p += *p == '\r';
        p += *p == '\n';
    }
    ok = ok && check_type(&d, path, allow_devices, error);
    if (ok)
        *ret = d;
    else
        vmdk_descriptor_fini(&d);
    return ok;
}

void vmdk_descriptor_fini(struct vmdk_descriptor *d)
{
    g_clear_pointer(&d->text, g_free);
    g_clear_pointer(&d->create_type, g_free);
    g_clear_pointer(&d->hint, g_free);
    g_clear_pointer(&d->lines, g_array_unref);
}

static void add_uuid(GString *s, const char *key, const uint8_t uuid[VD_UUID_BYTES])
{
    g_string_append_printf(s, "ddb.uuid.%s=\"", key);
    for (unsigned i = 0; i < VD_UUID_BYTES; i++)
        g_string_append_printf(s, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    g_string_append(s, "\"\n");
}

char *vmdk_descriptor_build(const char *create_type, const char *lines, uint64_t size_bytes,
                            const struct vmdk_descriptor *d)
{
    uint64_t cylinders = MIN(size_bytes / 512 / (16 * 63), 16383);
    GString *s = g_string_new("# Disk DescriptorFile\nversion=1\n");

    g_string_append_printf(s, "CID=%08x\nparentCID=%08x\n", d->cid, d->parent_cid);
    g_string_append_printf(s, "createType=\"%s\"\n", create_type);
    if (d->hint)
        g_string_append_printf(s, "parentFileNameHint=\"%s\"\n", d->hint);
    g_string_append_printf(s, "\n# Extent description\n%s\n# The disk Data Base\n#DDB\n\n", lines);
    g_string_append(s, "ddb.virtualHWVersion = \"4\"\nddb.adapterType=\"ide\"\n");
    g_string_append_printf(s, "ddb.geometry.cylinders=\"%u\"\n", (unsigned)cylinders);
    g_string_append(s, "ddb.geometry.heads=\"16\"\nddb.geometry.sectors=\"63\"\n");
    add_uuid(s, "image", d->ids.image);
    add_uuid(s, "parent", d->ids.parent);
    add_uuid(s, "modification", d->ids.modify);
    add_uuid(s, "parentmodification", d->ids.parent_modify);
    return g_string_free(s, FALSE);
}

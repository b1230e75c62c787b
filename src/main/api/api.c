/*
 * api.c - see api.h. Tables from result.def and enums.def.
 */
#include "main/api/api.h"

#include <string.h>

static const struct {
    const char *name, *text;
    int number;
} results[] = {
#define RESULT(name, number, text) {#name, text, (int)(number)},
#include "main/api/result.def"
#undef RESULT
};

static const struct {
    const char *type, *name;
    int number;
} enums[] = {
#define ENUM(type, name, number) {#type, #name, number},
#include "main/api/enums.def"
#undef ENUM
};

static const GDBusErrorEntry bus_names[] = {
#define RESULT(name, number, text) {(int)(number), API_PREFIX "Error." #name},
#include "main/api/result.def"
#undef RESULT
};

GQuark api_error_quark(void)
{
    static gsize quark;

    g_dbus_error_register_error_domain("virtualbox-api", &quark, bus_names, G_N_ELEMENTS(bus_names));
    return (GQuark)quark;
}

static unsigned result_index(int result)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(results); k++)
        if (results[k].number == result)
            return k;
    return result == (int)E_UNEXPECTED ? 0 : result_index((int)E_UNEXPECTED);
}

const char *api_result_name(int result)
{
    return results[result_index(result)].name;
}

const char *api_result_text(int result)
{
    return results[result_index(result)].text;
}

bool api_fail(GError **error, enum api_result result, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_set_error_literal(error, API_ERROR, (int)result, text);
    return false;
}

bool api_wrap(GError **error, enum api_result result)
{
    if (error != NULL && *error != NULL && (*error)->domain != API_ERROR) {
        (*error)->domain = API_ERROR;
        (*error)->code = (int)result;
    }
    return false;
}

const char *api_enum_name(const char *type, int number)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(enums); k++)
        if (enums[k].number == number && strcmp(enums[k].type, type) == 0)
            return enums[k].name;
    return NULL;
}

static int enum_row(const char *type, const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(enums); k++)
        if (strcmp(enums[k].type, type) == 0 && g_ascii_strcasecmp(enums[k].name, name) == 0)
            return (int)k;
    return -1;
}

int api_enum_value(const char *type, const char *name)
{
    int row = enum_row(type, name);

    return row < 0 ? -1 : enums[row].number;
}

const char *api_enum_nth(const char *type, unsigned n)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(enums); k++)
        if (strcmp(enums[k].type, type) == 0 && n-- == 0)
            return enums[k].name;
    return NULL;
}

const char *api_enum_canonical(const char *type, const char *name)
{
    int row = enum_row(type, name);

    return row < 0 ? NULL : enums[row].name;
}

bool api_uuid_parse(const char *text, char ret[API_UUID_SIZE])
{
    size_t size = strlen(text);

    if (size == 38 && text[0] == '{' && text[37] == '}') {
        text++;
        size = 36;
    }
    if (size != 36)
        return false;
    for (unsigned k = 0; k < 36; k++) {
        bool dash = k == 8 || k == 13 || k == 18 || k == 23;
        if (dash ? text[k] != '-' : !g_ascii_isxdigit(text[k]))
            return false;
        ret[k] = g_ascii_tolower(text[k]);
    }
    ret[36] = '\0';
    return true;
}

void api_uuid_to_bytes(const char *uuid, uint8_t ret[16])
{
    for (unsigned n = 0; n < 16; uuid++) {
        if (*uuid == '-')
            continue;
        ret[n++] = (uint8_t)(g_ascii_xdigit_value(uuid[0]) * 16 + g_ascii_xdigit_value(uuid[1]));
        uuid++;
    }
}

void api_uuid_from_bytes(const uint8_t bytes[16], char ret[API_UUID_SIZE])
{
    char *p = ret;

    for (unsigned n = 0; n < 16; n++) {
        if (n == 4 || n == 6 || n == 8 || n == 10)
            *p++ = '-';
        p += g_snprintf(p, 3, "%02x", bytes[n]);
    }
}

void api_node_from_uuid(const char *uuid, char ret[API_UUID_SIZE])
{
    g_strlcpy(ret, uuid, API_UUID_SIZE);
    g_strdelimit(ret, "-", '_');
}

bool api_node_to_uuid(const char *node, char ret[API_UUID_SIZE])
{
    if (strlen(node) < API_UUID_SIZE - 1)
        return false;
    char text[API_UUID_SIZE];
    g_strlcpy(text, node, API_UUID_SIZE);
    g_strdelimit(text, "_", '-');
    return api_uuid_parse(text, ret);
}

char *api_node_escape(const char *text)
{
    GString *s = g_string_new(NULL);

    for (const char *p = text; *p != '\0'; p++) {
        if (g_ascii_isalnum(*p))
            g_string_append_c(s, *p);
        else
            g_string_append_printf(s, "_%02x", (unsigned char)*p);
    }
    if (s->len == 0)
        g_string_append_c(s, '_');
    return g_string_free(s, FALSE);
}

char *api_node_unescape(const char *node)
{
    GString *s = g_string_new(NULL);

    if (strcmp(node, "_") == 0)
        return g_string_free(s, FALSE);
    for (const char *p = node; *p != '\0'; p++) {
        if (*p == '_' && g_ascii_isxdigit(p[1]) && g_ascii_isxdigit(p[2])) {
            g_string_append_c(s, (char)(g_ascii_xdigit_value(p[1]) * 16 + g_ascii_xdigit_value(p[2])));
            p += 2;
        } else {
            g_string_append_c(s, *p);
        }
    }
    return g_string_free(s, FALSE);
}

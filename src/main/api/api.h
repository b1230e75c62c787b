/*
 * api.h - what both sides of the API share: result codes as an error domain, enumerations by name, object paths.
 *
 * A failed call carries API_ERROR with one of the result codes as its code; on the bus its name is
 * "org.virtualbox.Error.VBOX_E_...". The text is one line for a person.
 * The interfaces themselves are the XML files beside this one.
 */
#ifndef MAIN_API_API_H
#define MAIN_API_API_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define API_NAME      "org.virtualbox" /* the service's well-known name on its private socket */
#define API_PREFIX    "org.virtualbox."
#define API_ROOT      "/org/virtualbox"
#define API_PATH      API_ROOT "/VirtualBox"
#define API_UUID_SIZE 37 /* with the final zero */

enum api_result {
#define RESULT(name, number, text) name = (int)(number),
#include "main/api/result.def"
#undef RESULT
};

enum api_enum_value {
#define ENUM(type, name, number) type##_##name = (number),
#include "main/api/enums.def"
#undef ENUM
};

#define API_ERROR (api_error_quark())
GQuark api_error_quark(void);
/** api_result_name() - "VBOX_E_FILE_ERROR"; "E_UNEXPECTED" for what is none of ours. Static. */
const char *api_result_name(int result);
const char *api_result_text(int result);
/** api_fail() - sets @error and returns false, so that it can stand in a return. */
bool api_fail(GError **error, enum api_result result, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
/** api_wrap() - gives an error of another domain the result code callers of the API see; the text stays. False. */
bool api_wrap(GError **error, enum api_result result);

/** api_enum_name() - the name of @number, NULL if there is none. */
const char *api_enum_name(const char *type, int number);
/** api_enum_value() - the number of @name (any case); -1 if there is none. */
int api_enum_value(const char *type, const char *name);
/** api_enum_nth() - the type's names in their order; NULL behind the last. Static. */
const char *api_enum_nth(const char *type, unsigned n);
/** api_enum_canonical() - @name as the API spells it; NULL if there is none. Static. */
const char *api_enum_canonical(const char *type, const char *name);

/** api_uuid_parse() - @text with or without braces, any case; @ret gets lower case without braces. */
bool api_uuid_parse(const char *text, char ret[API_UUID_SIZE]);
/** The 16 bytes in RFC 4122 order of a UUID of that form, and back. */
void api_uuid_to_bytes(const char *uuid, uint8_t ret[16]);
void api_uuid_from_bytes(const uint8_t bytes[16], char ret[API_UUID_SIZE]);
/** api_node_from_uuid() - the UUID as an element of an object path: dashes become underscores. In place. */
void api_node_from_uuid(const char *uuid, char ret[API_UUID_SIZE]);
bool api_node_to_uuid(const char *node, char ret[API_UUID_SIZE]);
/** api_node_escape() - any text as an element of an object path; g_free. api_node_unescape() is its inverse. */
char *api_node_escape(const char *text);
char *api_node_unescape(const char *node);

#endif

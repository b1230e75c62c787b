/*
 * field.h - properties that are kept in settings as they are: a row says where and what may stand there (field.c).
 */
#ifndef MAIN_SERVER_FIELD_H
#define MAIN_SERVER_FIELD_H

#include "main/bus/bus.h"

enum field_kind { FIELD_BOOL, FIELD_U32, FIELD_I64, FIELD_STR, FIELD_ENUM };
struct field {
    enum field_kind kind;
    size_t offset;
    int64_t min, max;
    const char *const *words; /* settings' words of an enumeration */
    const char *type;         /* the API's enumeration */
    const char *what;         /* for messages: "RAM size", and its unit */
    const char *unit;
    const char *empty;               /* FIELD_STR: what NULL reads as; set to it or "", it becomes NULL */
    bool (*valid)(const char *text); /* FIELD_STR: NULL: any; not asked about "" */
    unsigned when;                   /* PART_SAVED, PART_LIVE: it may change then, too */
    unsigned cleared_when;           /* FIELD_BOOL: it may be made false then, too */
};
GVariant *field_get(const struct bus_call *call, const struct bus_property *row);
bool field_set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error);
const char *field_word_to_api(const char *type, const char *word);
/** Index in @words, or -1. */
int field_api_to_word(const char *type, const char *const *words, const char *name);

#define FIELD_ROW(name_, ...)                                                                                          \
    {                                                                                                                  \
        .name = (name_), .get = field_get, .set = field_set, .data = &(const struct field)                             \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
/* Behind the last argument more members may follow: .when = PART_ANY */
#define FIELD_B(name, s, member, ...) FIELD_ROW(name, .kind = FIELD_BOOL, .offset = offsetof(s, member), ##__VA_ARGS__)
#define FIELD_T(name, s, member, default_, ...)                                                                        \
    FIELD_ROW(name, .kind = FIELD_STR, .offset = offsetof(s, member), .empty = (default_), ##__VA_ARGS__)
#define FIELD_U(name, s, member, lo, hi, what_, unit_, ...)                                                            \
    FIELD_ROW(name, .kind = FIELD_U32, .offset = offsetof(s, member), .min = (lo), .max = (hi), .what = (what_),       \
              .unit = (unit_), ##__VA_ARGS__)
#define FIELD_E(name, s, member, words_, type_, ...)                                                                   \
    FIELD_ROW(name, .kind = FIELD_ENUM, .offset = offsetof(s, member), .words = settings_##words_##_names,             \
              .type = (type_), ##__VA_ARGS__)
#define FIELD_V(name, s, member, valid_, what_)                                                                        \
    FIELD_ROW(name, .kind = FIELD_STR, .offset = offsetof(s, member), .valid = (valid_), .what = (what_))

#endif

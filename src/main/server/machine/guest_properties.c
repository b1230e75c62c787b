/*
 * guest_properties.c - IMachine's guest properties: a small store shared with the guest, kept in the machine's
 * settings.
 *
 * No lock is needed; every change is saved at once and told to all clients. Flags: TRANSIENT (gone when the machine
 * ends), RDONLYGUEST, RDONLYHOST, READONLY, TRANSRESET (gone at a reset as well).
 * Limits: names of 63 bytes without * ? |, values of 127 bytes, 256 properties a machine.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define NAME_MAX_BYTES  63u
#define VALUE_MAX_BYTES 127u
#define PROPERTIES_MAX  256u

enum { TRANSIENT = 1, RDONLYGUEST = 2, RDONLYHOST = 4, TRANSRESET = 8 };
static const struct {
    const char *name;
    unsigned bits;
} flag_names[] = {{"TRANSIENT", TRANSIENT},
                  {"RDONLYGUEST", RDONLYGUEST},
                  {"RDONLYHOST", RDONLYHOST},
                  {"READONLY", RDONLYGUEST | RDONLYHOST},
                  {"TRANSRESET", TRANSIENT | TRANSRESET}};

static bool parse_flags(const char *text, unsigned *ret)
{
    g_auto(GStrv) words = g_strsplit_set(text, ", ", -1);

    *ret = 0;
    for (unsigned k = 0; words[k] != NULL; k++) {
        unsigned bits = 0;
        for (unsigned n = 0; n < G_N_ELEMENTS(flag_names); n++)
            if (g_ascii_strcasecmp(flag_names[n].name, words[k]) == 0)
                bits = flag_names[n].bits;
        if (bits == 0 && *words[k] != '\0')
            return false;
        *ret |= bits;
    }
    return true;
}

/* As the format writes them: "TRANSIENT, RDONLYGUEST"; g_free */
static char *flags_text(unsigned bits)
{
    const char *words[4] = {NULL};
    unsigned n = 0;

    if ((bits & TRANSRESET) != 0)
        words[n++] = "TRANSRESET";
    else if ((bits & TRANSIENT) != 0)
        words[n++] = "TRANSIENT";
    if ((bits & RDONLYGUEST) != 0 && (bits & RDONLYHOST) != 0)
        words[n++] = "READONLY";
    else if ((bits & RDONLYGUEST) != 0)
        words[n++] = "RDONLYGUEST";
    else if ((bits & RDONLYHOST) != 0)
        words[n++] = "RDONLYHOST";
    return g_strjoinv(", ", (char **)words);
}

static struct settings_guest_property *find(const GPtrArray *list, const char *name, guint *ret_index)
{
    guint n = LIST_FIND(list, settings_guest_property, name);

    if (ret_index != NULL)
        *ret_index = n;
    return n != G_MAXUINT ? list->pdata[n] : NULL;
}

/* @value "": removed. */
static void put(GPtrArray *list, const char *name, const char *value, const char *flags, uint64_t timestamp_ns)
{
    guint index;
    struct settings_guest_property *p = find(list, name, &index);

    if (*value == '\0') {
        if (p != NULL)
            g_ptr_array_remove_index(list, index);
        return;
    }
    if (p == NULL) {
        p = settings_guest_property_new();
        g_ptr_array_add(list, p);
    }
    g_free(p->name);
    g_free(p->value);
    g_free(p->flags);
    p->name = g_strdup(name);
    p->value = g_strdup(value);
    p->flags = g_strdup(flags);
    p->timestamp_ns = timestamp_ns;
}

/* Time of the change; no two changes have the same. */
static uint64_t now_ns(const GPtrArray *list)
{
    uint64_t now = (uint64_t)g_get_real_time() * 1000;

    for (unsigned k = 0; k < list->len; k++)
        now = MAX(now, ((const struct settings_guest_property *)list->pdata[k])->timestamp_ns + 1);
    return now;
}

static bool check(const char *name, const char *value, GError **error)
{
    if (*name == '\0' || strlen(name) > NAME_MAX_BYTES || strpbrk(name, "*?|") != NULL)
        return api_fail(error, E_INVALIDARG, "Invalid guest property name '%s' (1 to %u bytes without *, ? and |)",
                        name, NAME_MAX_BYTES);
    if (strlen(value) > VALUE_MAX_BYTES)
        return api_fail(error, E_INVALIDARG, "The value of the guest property '%s' is too long (%u bytes at most)",
                        name, VALUE_MAX_BYTES);
    return true;
}

static bool accessible(const struct machine *m, GError **error)
{
    return m->settings != NULL ||
           api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", m->path, m->access_error);
}

/* The machine's settings and every session's copy, which must not bring the old value back. */
static void put_everywhere(struct machine *m, const char *name, const char *value, const char *flags, uint64_t ns)
{
    const struct service *s = m->service;

    put(m->settings->hardware.guest_properties, name, value, flags, ns);
    for (unsigned k = 0; k < s->sessions->len; k++) {
        const struct session *one = s->sessions->pdata[k];
        if (one->machine == m && one->copy != NULL)
            put(one->copy->hardware.guest_properties, name, value, flags, ns);
    }
}

static bool change(struct machine *m, const char *name, const char *value, const char *flags, GError **error)
{
    const GPtrArray *list = m->settings->hardware.guest_properties;
    const struct settings_guest_property *old = find(list, name, NULL);
    g_autofree char *old_value = g_strdup(old != NULL ? old->value : "");
    g_autofree char *old_flags = g_strdup(old != NULL && old->flags != NULL ? old->flags : "");
    g_autofree char *kept_name = g_strdup(name), *kept_flags = g_strdup(flags); /* they may be the item's own */
    uint64_t old_ns = old != NULL ? old->timestamp_ns : 0;
    unsigned bits;

    if (parse_flags(old_flags, &bits) && (bits & RDONLYHOST) != 0)
        return api_fail(error, E_ACCESSDENIED, "The property '%s' cannot be changed by the host", name);
    if (old == NULL && *value != '\0' && list->len >= PROPERTIES_MAX)
        return api_fail(error, VBOX_E_MAXIMUM_REACHED, "The machine '%s' has %u guest properties already",
                        machine_name(m), list->len);
    put_everywhere(m, kept_name, value, kept_flags, now_ns(list));
    if (m->registered && !machine_save(m, error)) {
        put_everywhere(m, kept_name, old_value, old_flags, old_ns);
        return false;
    }
    service_emit(m->service, "GuestPropertyChanged",
                 g_variant_new("(ssssb)", m->id, kept_name, value, kept_flags, *value == '\0'));
    return true;
}

bool guest_property_set(struct bus_call *call, GVariant **ret, GError **error)
{
    struct machine *m = ((struct part *)call->object)->machine;
    const char *name, *value, *flags;
    unsigned bits;

    (void)ret;
    g_variant_get(call->args, "(&s&s&s)", &name, &value, &flags);
    if (!accessible(m, error) || !check(name, value, error))
        return false;
    if (!parse_flags(flags, &bits))
        return api_fail(error, E_INVALIDARG, "Invalid guest property flags '%s'", flags);
    const struct settings_guest_property *old = find(m->settings->hardware.guest_properties, name, NULL);
    g_autofree char *text =
        *flags == '\0' && old != NULL ? g_strdup(old->flags != NULL ? old->flags : "") : flags_text(bits);
    return change(m, name, value, text, error);
}

bool guest_property_delete(struct bus_call *call, GVariant **ret, GError **error)
{
    struct machine *m = ((struct part *)call->object)->machine;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    if (!accessible(m, error) || find(m->settings->hardware.guest_properties, name, NULL) == NULL)
        return m->settings != NULL; /* nothing to delete is no error */
    return change(m, name, "", "", error);
}

bool guest_property_get(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = ((struct part *)call->object)->machine;
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    if (!accessible(m, error))
        return false;
    const struct settings_guest_property *p = find(m->settings->hardware.guest_properties, name, NULL);
    *ret = g_variant_new("(sxs)", p != NULL ? p->value : "", p != NULL ? (gint64)p->timestamp_ns : (gint64)0,
                         p != NULL && p->flags != NULL ? p->flags : "");
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct settings_guest_property *const *)a)->name,
                  (*(const struct settings_guest_property *const *)b)->name);
}

static bool matches(char *const *patterns, const char *name)
{
    bool any = false;

    for (unsigned k = 0; patterns[k] != NULL; k++) {
        if (*patterns[k] == '\0')
            continue;
        any = true;
        if (g_pattern_match_simple(patterns[k], name))
            return true;
    }
    return !any;
}

bool guest_property_enumerate(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = ((struct part *)call->object)->machine;
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    const char *patterns;
    GVariantBuilder b;

    g_variant_get(call->args, "(&s)", &patterns);
    if (!accessible(m, error))
        return false;
    g_auto(GStrv) words = g_strsplit_set(patterns, "|", 64);
    for (unsigned k = 0; k < m->settings->hardware.guest_properties->len; k++) {
        struct settings_guest_property *p = m->settings->hardware.guest_properties->pdata[k];
        if (matches(words, p->name))
            g_ptr_array_add(sorted, p);
    }
    g_ptr_array_sort(sorted, by_name);
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(ssxs)"));
    for (unsigned k = 0; k < sorted->len; k++) {
        const struct settings_guest_property *p = sorted->pdata[k];
        g_variant_builder_add(&b, "(ssxs)", p->name, p->value, (gint64)p->timestamp_ns,
                              p->flags != NULL ? p->flags : "");
    }
    *ret = g_variant_new("(a(ssxs))", &b);
    return true;
}

void guest_properties_ended(struct machine *m)
{
    GPtrArray *list = m->settings->hardware.guest_properties;
    unsigned bits;

    for (unsigned k = list->len; k-- > 0;) {
        const struct settings_guest_property *p = list->pdata[k];
        if (p->flags != NULL && parse_flags(p->flags, &bits) && (bits & TRANSIENT) != 0)
            g_ptr_array_remove_index(list, k);
    }
}

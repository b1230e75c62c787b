/*
 * host_names.c - IHost: whom this host asks for names, and in which domains.
 *
 * Source: resolv.conf(5). The last of `domain` and `search` counts, as the resolver reads it.
 */
#include <string.h>

#include "main/server/host/host.h"

#define WORDS_MAX 16u

/* Arguments of the lines that begin with @key; of the last such line alone if @last. */
static GPtrArray *resolver_words(const char *key, bool last)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/etc/resolv.conf", &text, NULL, NULL) || !g_utf8_validate(text, -1, NULL))
        return words;
    g_auto(GStrv) lines = g_strsplit(text, "\n", 256);
    for (unsigned k = 0; lines[k] != NULL; k++) {
        g_auto(GStrv) parts = g_strsplit_set(lines[k], " \t\r", -1);
        if (strcmp(parts[0] != NULL ? parts[0] : "", key) != 0)
            continue;
        if (last)
            g_ptr_array_set_size(words, 0);
        for (unsigned n = 1; parts[n] != NULL && words->len < WORDS_MAX; n++)
            if (*parts[n] != '\0')
                g_ptr_array_add(words, g_strdup(parts[n]));
    }
    return words;
}

static GVariant *list_of(const char *key, bool last)
{
    g_autoptr(GPtrArray) words = resolver_words(key, last);

    return g_variant_new_strv((const char *const *)words->pdata, words->len);
}

GVariant *host_name_servers(const struct bus_call *call, const struct bus_property *row)
{
    (void)call, (void)row;
    return list_of("nameserver", false);
}

GVariant *host_search_strings(const struct bus_call *call, const struct bus_property *row)
{
    (void)call, (void)row;
    return list_of("search", true);
}

GVariant *host_domain_name(const struct bus_call *call, const struct bus_property *row)
{
    g_autoptr(GPtrArray) domain = resolver_words("domain", true), search = resolver_words("search", true);

    (void)call, (void)row;
    const GPtrArray *named = domain->len > 0 ? domain : search;
    return g_variant_new_string(named->len > 0 ? named->pdata[0] : "");
}

/*
 * api_tool.c - one connection to the service for a test written in Python: a call a line in, an answer a line out.
 *
 *     call PATH INTERFACE METHOD (ARGUMENTS)       get PATH INTERFACE PROPERTY       set PATH INTERFACE PROPERTY VALUE
 *
 * Values are GVariant texts; A failure: "error: RESULT: text".
 */
#include <stdio.h>
#include <string.h>

#include "client/client.h"

static GVariant *call(struct client *c, char **word, GError **error)
{
    GVariant *args = word[4] != NULL ? g_variant_parse(NULL, word[4], NULL, NULL, error) : NULL;

    if (word[4] != NULL && args == NULL)
        return NULL;
    return client_call(c, word[1], word[2], word[3], args, NULL, error);
}

static GVariant *set(struct client *c, char **word, GError **error)
{
    GVariant *val = g_variant_parse(NULL, word[4], NULL, NULL, error);

    if (val == NULL || !client_set(c, word[1], word[2], word[3], val, error))
        return NULL;
    return g_variant_ref_sink(g_variant_new_tuple(NULL, 0));
}

int main(void)
{
    g_autoptr(GError) error = NULL;
    struct client *c = client_connect(&error);
    char line[65536];

    if (c == NULL)
        return 1;
    while (fgets(line, sizeof line, stdin) != NULL) {
        g_auto(GStrv) word = g_strsplit(g_strchomp(line), " ", 5);
        GError *failed = NULL;
        GVariant *ret = NULL;
        if (g_strv_length(word) < 4)
            return 2;
        if (strcmp(word[0], "call") == 0)
            ret = call(c, word, &failed);
        else if (strcmp(word[0], "get") == 0)
            ret = client_get(c, word[1], word[2], word[3], &failed);
        else if (word[4] != NULL)
            ret = set(c, word, &failed);
        if (ret != NULL) {
            g_autofree char *text = g_variant_print(ret, FALSE);
            printf("%s\n", text);
            g_variant_unref(ret);
        } else {
            const char *name = failed != NULL && failed->domain == API_ERROR ? api_result_name(failed->code) : "?";
            printf("error: %s: %s\n", name, failed != NULL ? failed->message : "");
            g_clear_error(&failed);
        }
        fflush(stdout);
    }
    client_free(c);
    return 0;
}

/*
 * extradata.c - setextradata, getextradata, setproperty.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

#define NUMBER "Incorrect number of parameters"

/* Up to four words, no options. Return: count, or -1 after a syntax error. */
static int read_words(struct cmd *c, const char **words, int min, int max, const char *few, const char *many)
{
    struct value v;
    int n = 0;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return -1;
        if (n == max) {
            cmd_syntax(c, "%s", many);
            return -1;
        }
        words[n++] = v.text;
    }
    if (n >= min)
        return n;
    cmd_syntax(c, "%s", few);
    return -1;
}

static bool is_global(const char *word)
{
    return strcmp(word, "global") == 0;
}

/* ---- setextradata ---- */

static int setextradata(struct cmd *c)
{
    const char *w[3] = {NULL, NULL, ""};
    int n;

    c->words_only = true; /* a value may start with a dash */
    n = read_words(c, w, 2, 3, "Not enough parameters", "Too many parameters");
    if (n < 0)
        return RC_SYNTAX;
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    if (is_global(w[0]))
        return TRY(c, ivirtual_box_set_extra_data(c->client, API_PATH, w[1], w[2], &error)) ? RC_OK : RC_FAILURE;
    g_autofree char *machine = cmd_find_machine(c, w[0]);
    return machine != NULL && TRY(c, imachine_set_extra_data(c->client, machine, w[1], w[2], &error)) ? RC_OK
                                                                                                      : RC_FAILURE;
}

const struct command setextradata_command = {
    "setextradata", "Set a keyword value that is associated with a virtual machine or configuration",
    (const char *const[]){"<global | uuid | vmname> <keyword> [value]", NULL}, NULL, setextradata};

/* ---- getextradata ---- */

static bool get_one(struct cmd *c, const char *machine, const char *key, char **ret)
{
    return machine == NULL ? TRY(c, ivirtual_box_get_extra_data(c->client, API_PATH, key, ret, &error))
                           : TRY(c, imachine_get_extra_data(c->client, machine, key, ret, &error));
}

static int enumerate(struct cmd *c, const char *machine)
{
    char **list = NULL;
    bool ok = machine == NULL ? TRY(c, ivirtual_box_get_extra_data_keys(c->client, API_PATH, &list, &error))
                              : TRY(c, imachine_get_extra_data_keys(c->client, machine, &list, &error));
    g_auto(GStrv) keys = list;
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a{ss}"));
    for (unsigned k = 0; ok && keys[k] != NULL; k++) {
        char *val = NULL;
        ok = get_one(c, machine, keys[k], &val);
        if (ok && c->json)
            g_variant_builder_add(&all, "{ss}", keys[k], val);
        else if (ok)
            printf("Key: %s, Value: %s\n", keys[k], val);
        g_free(val);
    }
    g_autoptr(GVariant) dict = g_variant_ref_sink(g_variant_builder_end(&all));
    if (ok && c->json)
        print_json(dict);
    return ok ? RC_OK : RC_FAILURE;
}

static int getextradata(struct cmd *c)
{
    const char *w[2];
    char *val = NULL;

    if (read_words(c, w, 2, 2, NUMBER, NUMBER) < 0)
        return RC_SYNTAX;
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    g_autofree char *machine = is_global(w[0]) ? NULL : cmd_find_machine(c, w[0]);
    if (machine == NULL && !is_global(w[0]))
        return RC_FAILURE;
    if (strcmp(w[1], "enumerate") == 0)
        return enumerate(c, machine);
    if (!get_one(c, machine, w[1], &val))
        return RC_FAILURE;
    if (*val != '\0')
        printf("Value: %s\n", val);
    else
        printf("No value set!\n");
    g_free(val);
    return RC_OK;
}

const struct command getextradata_command = {
    "getextradata", "View keyword values that are associated with a virtual machine or configuration",
    (const char *const[]){"<global | uuid | vmname> <keyword | enumerate>", NULL}, NULL, getextradata};

/* ---- setproperty ---- */

static const struct {
    const char *name, *property;
    enum option_kind kind;
} properties[] = {
    {"machinefolder", "DefaultMachineFolder", OPTION_TEXT},
    {"hwvirtexclusive", "ExclusiveHwVirt", OPTION_ON_OFF},
    {"vrdeauthlibrary", "VRDEAuthLibrary", OPTION_TEXT},
    {"vrdpauthlibrary", "VRDEAuthLibrary", OPTION_TEXT},
    {"websrvauthlibrary", "WebServiceAuthLibrary", OPTION_TEXT},
    {"vrdeextpack", "DefaultVRDEExtPack", OPTION_TEXT},
    {"autostartdbpath", "AutostartDatabasePath", OPTION_TEXT},
    {"loghistorycount", "LogHistoryCount", OPTION_U32},
    {"defaultfrontend", "DefaultFrontend", OPTION_TEXT},
    {"logginglevel", "LoggingLevel", OPTION_TEXT},
    {"proxymode", "ProxyMode", OPTION_TEXT},
    {"proxyurl", "ProxyURL", OPTION_TEXT},
    {"language", "LanguageId", OPTION_TEXT},
};

static int set_one(struct cmd *c, const char *property, enum option_kind kind, const char *text)
{
    const char *usual = strcmp(property, "ProxyMode") == 0 ? "System" : "";
    GVariant *val;
    bool on = false;
    char *end;

    if (kind == OPTION_ON_OFF && !parse_on_off(text, &on))
        return cmd_syntax(c, "Invalid value '%s': on or off", text);
    guint64 n = g_ascii_strtoull(text, &end, 10);
    if (kind == OPTION_U32 && (*text == '\0' || *end != '\0' || n > G_MAXUINT32))
        return cmd_syntax(c, "Invalid value '%s': a number", text);
    if (kind == OPTION_ON_OFF)
        val = g_variant_new_boolean(on);
    else if (kind == OPTION_U32)
        val = g_variant_new_uint32((guint32)n);
    else
        val = g_variant_new_string(strcmp(text, "default") == 0 ? usual : text);
    g_autoptr(GVariant) kept = g_variant_ref_sink(val);
    return cmd_client(c) != NULL && cmd_set(c, API_ROOT "/SystemProperties", "ISystemProperties", property, kept)
               ? RC_OK
               : RC_FAILURE;
}

static int setproperty(struct cmd *c)
{
    const char *w[2];

    if (read_words(c, w, 2, 2, NUMBER, NUMBER) < 0)
        return RC_SYNTAX;
    for (unsigned k = 0; k < G_N_ELEMENTS(properties); k++)
        if (strcmp(properties[k].name, w[0]) == 0)
            return set_one(c, properties[k].property, properties[k].kind, w[1]);
    return cmd_syntax(c, "Invalid parameter '%s'", w[0]);
}

const struct command setproperty_command = {"setproperty", "Change global settings",
                                            (const char *const[]){"<property-name> <property-value>", NULL}, NULL,
                                            setproperty};

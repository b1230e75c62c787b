/*
 * cloud.c - cloud, cloudprofile: sub-commands and options are checked; then the provider is not found, for there is
 * none in this program.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { PROVIDER = 1, PROFILE, OTHER };
#define TEXT(name)                                                                                                     \
    {                                                                                                                  \
        OTHER, name, OPTION_TEXT, false, "value", NULL                                                                 \
    }
static const struct option options[] = {
    {PROVIDER, "--provider", OPTION_TEXT, false, "name", "The cloud's provider"},
    {PROFILE, "--profile", OPTION_TEXT, false, "name", "The user's profile there"},
    TEXT("--state"),
    TEXT("--compartment-id"),
    TEXT("--filter"),
    TEXT("--domain-name"),
    TEXT("--image-id"),
    TEXT("--boot-volume-id"),
    TEXT("--display-name"),
    TEXT("--shape"),
    TEXT("--shape-cpus"),
    TEXT("--shape-memory"),
    TEXT("--launch"),
    TEXT("--subnet"),
    TEXT("--boot-disk-size"),
    TEXT("--publicip"),
    TEXT("--privateip"),
    TEXT("--public-ssh-key"),
    TEXT("--launch-mode"),
    TEXT("--cloud-init-script-path"),
    TEXT("--id"),
    TEXT("--clone-name"),
    TEXT("--metric-name"),
    TEXT("--metric-points"),
    TEXT("--bucket-name"),
    TEXT("--object-name"),
    TEXT("--instance-id"),
    TEXT("--gateway-os-name"),
    TEXT("--gateway-os-version"),
    TEXT("--gateway-shape"),
    TEXT("--tunnel-network-name"),
    TEXT("--tunnel-network-range"),
    TEXT("--proxy"),
    TEXT("--name"),
    TEXT("--network-id"),
    TEXT("--clouduser"),
    TEXT("--fingerprint"),
    TEXT("--keyfile"),
    TEXT("--passphrase"),
    TEXT("--tenancy"),
    TEXT("--compartment"),
    TEXT("--region"),
    {OTHER, "--long|-l", OPTION_NONE, false, NULL, "machine list: with details"},
    {OTHER, "--sort|-s", OPTION_NONE, false, NULL, "machine list: by name"},
    {OTHER, "--details", OPTION_NONE, false, NULL, "machine info, showvminfo"},
    {OTHER, "--enable", OPTION_NONE, false, NULL, NULL},
    {OTHER, "--disable", OPTION_NONE, false, NULL, NULL},
    {0},
};

/* Sub-commands; "ID": a machine may be named without --id or --name. */
static const char *const cloud_verbs[] = {"list instances",
                                          "list images",
                                          "list machines",
                                          "list vms",
                                          "list networks",
                                          "list subnets",
                                          "list vcns",
                                          "list objects",
                                          "list vnicattachments",
                                          "instance create",
                                          "instance info",
                                          "instance terminate",
                                          "instance start",
                                          "instance pause",
                                          "instance reset",
                                          "instance update",
                                          "instance clone",
                                          "instance metriclist",
                                          "instance metricdata",
                                          "image create",
                                          "image info",
                                          "image delete",
                                          "image import",
                                          "image export",
                                          "image update",
                                          "network setup",
                                          "network create",
                                          "network update",
                                          "network delete",
                                          "network info",
                                          "machine list",
                                          "machine info ID",
                                          "machine start ID",
                                          "machine reboot ID",
                                          "machine reset ID",
                                          "machine shutdown ID",
                                          "machine powerdown ID",
                                          "machine terminate ID",
                                          "machine console-history ID",
                                          "machine consolehistory ID",
                                          "showvminfo ID",
                                          NULL};
static const char *const profile_verbs[] = {"add", "update", "delete", "show", NULL};

/* The row that begins with these words, or NULL; *@ret_used: how many belong to it. */
static const char *verb_find(const char *const *verbs, const GPtrArray *words, unsigned *ret_used)
{
    for (; *verbs != NULL; verbs++) {
        g_auto(GStrv) row = g_strsplit(*verbs, " ", -1);
        unsigned n = 0;
        while (row[n] != NULL && n < words->len && strcmp(row[n], words->pdata[n]) == 0)
            n++;
        const bool machine = row[n] != NULL && strcmp(row[n], "ID") == 0;
        if (n == 0 || (row[n] != NULL && !machine))
            continue;
        *ret_used = machine && words->len > n ? n + 1 : n;
        return *verbs;
    }
    return NULL;
}

static int read_all(struct cmd *c, GPtrArray *words, const char **ret_provider, const char **ret_profile)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == PROVIDER)
            *ret_provider = v.text;
        else if (id == PROFILE)
            *ret_profile = v.text;
        else if (id == CMD_WORD)
            g_ptr_array_add(words, (void *)v.text);
    }
    return RC_OK;
}

/* "list", "image": a word that others follow. */
static bool is_group(const char *const *verbs, const char *word)
{
    g_autofree char *start = g_strconcat(word, " ", NULL);

    for (const char *const *v = verbs; *v != NULL; v++)
        if (g_str_has_prefix(*v, start))
            return true;
    return false;
}

static int run(struct cmd *c, const char *const *verbs)
{
    const char *provider = NULL, *profile = NULL;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const int rc = read_all(c, words, &provider, &profile);
    unsigned used = 0;

    if (rc != RC_OK)
        return rc;
    const char *verb = verb_find(verbs, words, &used);
    if (words->len == 0 || (verb == NULL && words->len == 1 && is_group(verbs, words->pdata[0])))
        return cmd_syntax(c, "No subcommand specified");
    if (verb == NULL && is_group(verbs, words->pdata[0]))
        return cmd_syntax(c, "Unknown subcommand '%s %s'", (char *)words->pdata[0], (char *)words->pdata[1]);
    if (verb == NULL)
        return cmd_syntax(c, "Unknown subcommand '%s'", (char *)words->pdata[0]);
    if (words->len > used)
        return cmd_syntax(c, "Invalid parameter '%s'", (const char *)words->pdata[used]);
    if (g_str_has_prefix(verb, "network ") && provider == NULL)
        return cmd_error("Could not find a cloud network; there are none in this program");
    if (provider == NULL || profile == NULL)
        return cmd_syntax(c, "Parameter --%s is required", provider == NULL ? "provider" : "profile");
    return cmd_error("Could not find a cloud provider with short name '%s'; there are none in this program", provider);
}

static int cloud(struct cmd *c)
{
    return run(c, cloud_verbs);
}

static int cloud_profile(struct cmd *c)
{
    return run(c, profile_verbs);
}

const struct command cloud_command = {
    "cloud", "Manage the cloud entities",
    (const char *const[]){
        "--provider=<name> --profile=<name> list <instances | images | machines | networks | subnets | vcns | objects "
        "| "
        "vnicattachments> [options]",
        "--provider=<name> --profile=<name> instance <create | info | terminate | start | pause | reset | update | "
        "clone | "
        "metriclist | metricdata> [options]",
        "--provider=<name> --profile=<name> image <create | info | delete | import | export | update> [options]",
        "[--provider=<name> --profile=<name>] network <setup | create | update | delete | info> [options]",
        "--provider=<name> --profile=<name> machine list [--long] [--sort]",
        "--provider=<name> --profile=<name> machine <info | start | reboot | reset | shutdown | powerdown | terminate "
        "| "
        "console-history> <id | --id=<id> | --name=<name>> [--details]",
        "--provider=<name> --profile=<name> showvminfo <id | --id=<id> | --name=<name>>", NULL},
    options, cloud};
const struct command cloudprofile_command = {
    "cloudprofile", "Manage the cloud profiles",
    (const char *const[]){"--provider=<name> --profile=<name> <add | update> [--clouduser=id] [--fingerprint=md5] "
                          "[--keyfile=path] [--passphrase=text] [--tenancy=id] [--compartment=id] [--region=name]",
                          "--provider=<name> --profile=<name> <delete | show>", NULL},
    options, cloud_profile};

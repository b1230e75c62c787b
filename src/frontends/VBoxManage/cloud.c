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
    {OTHER, "--enable", OPTION_NONE, false, NULL, NULL},
    {OTHER, "--disable", OPTION_NONE, false, NULL, NULL},
    {0},
};

static const char *const cloud_verbs[] = {"list instances",       "list images",     "list networks",
                                          "list subnets",         "list vcns",       "list objects",
                                          "list vnicattachments", "instance create", "instance info",
                                          "instance terminate",   "instance start",  "instance pause",
                                          "instance reset",       "instance clone",  "instance metriclist",
                                          "instance metricdata",  "image create",    "image info",
                                          "image delete",         "image import",    "image export",
                                          "network setup",        "network create",  "network update",
                                          "network delete",       "network info",    NULL};
static const char *const profile_verbs[] = {"add", "update", "delete", "show", NULL};

static int run(struct cmd *c, const char *const *verbs, unsigned words)
{
    const char *provider = NULL, *profile = NULL;
    g_autoptr(GString) verb = g_string_new(NULL);
    unsigned count = 0;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == PROVIDER)
            provider = v.text;
        else if (id == PROFILE)
            profile = v.text;
        else if (id == CMD_WORD && count++ < words)
            g_string_append_printf(verb, "%s%s", verb->len > 0 ? " " : "", v.text);
        else if (id == CMD_WORD)
            return cmd_syntax(c, "Invalid parameter '%s'", v.text);
    }
    if (count < words)
        return cmd_syntax(c, "No subcommand specified");
    if (!g_strv_contains(verbs, verb->str))
        return cmd_syntax(c, "Unknown subcommand '%s'", verb->str);
    if (g_str_has_prefix(verb->str, "network ") && provider == NULL)
        return cmd_error("Could not find a cloud network; there are none in this program");
    if (provider == NULL || profile == NULL)
        return cmd_syntax(c, "Parameter --%s is required", provider == NULL ? "provider" : "profile");
    return cmd_error("Could not find a cloud provider with short name '%s'; there are none in this program", provider);
}

static int cloud(struct cmd *c)
{
    return run(c, cloud_verbs, 2);
}

static int cloud_profile(struct cmd *c)
{
    return run(c, profile_verbs, 1);
}

const struct command cloud_command = {
    "cloud", "Manage the cloud entities",
    (const char *const[]){
        "--provider=<name> --profile=<name> list <instances | images | networks | subnets | vcns | objects | "
        "vnicattachments> [options]",
        "--provider=<name> --profile=<name> instance <create | info | terminate | start | pause | reset | clone | "
        "metriclist | metricdata> [options]",
        "--provider=<name> --profile=<name> image <create | info | delete | import | export> [options]",
        "[--provider=<name> --profile=<name>] network <setup | create | update | delete | info> [options]", NULL},
    options, cloud};
const struct command cloudprofile_command = {
    "cloudprofile", "Manage the cloud profiles",
    (const char *const[]){"--provider=<name> --profile=<name> <add | update> [--clouduser=id] [--fingerprint=md5] "
                          "[--keyfile=path] [--passphrase=text] [--tenancy=id] [--compartment=id] [--region=name]",
                          "--provider=<name> --profile=<name> <delete | show>", NULL},
    options, cloud_profile};

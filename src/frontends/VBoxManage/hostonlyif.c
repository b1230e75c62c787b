/*
 * hostonlyif.c - hostonlyif: interfaces of this host that machines share with it.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

#define HOST API_ROOT "/Host"

enum { DHCP = 1, IP, MASK, IP6, MASK6, MACHINE_READABLE };
static const struct option options[] = {
    {DHCP, "--dhcp|-d", OPTION_NONE, false, NULL, "The address comes from a DHCP server"},
    {IP, "--ip|-a", OPTION_TEXT, false, "IPv4-address", "Its address"},
    {MASK, "--netmask|-m", OPTION_TEXT, false, "IPv4-netmask", "Default: 255.255.255.0"},
    {IP6, "--ipv6|-b", OPTION_TEXT, false, "IPv6-address", "Its address"},
    {MASK6, "--netmasklengthv6|-l", OPTION_U32, false, "length", "Default: 64"},
    {MACHINE_READABLE, "--machinereadable|-M", OPTION_NONE, false, NULL, "create: only the interface's name"},
    {0},
};

static int create(struct cmd *c)
{
    char *made = NULL, *progress = NULL;
    bool bare = false;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END; bare = true) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == CMD_WORD)
            return cmd_syntax(c, "Too many parameters");
        if (id != MACHINE_READABLE)
            return cmd_syntax(c, "Unknown option: %s", v.name);
    }
    if (cmd_client(c) == NULL ||
        !TRY(c, ihost_create_host_only_network_interface(c->client, HOST, &made, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *name = made, *object = progress;
    if (!cmd_progress(c, object))
        return RC_FAILURE;
    printf(bare ? "%s" : "Interface '%s' was successfully created\n", name);
    return RC_OK;
}

static int remove_one(struct cmd *c)
{
    const char *name = cmd_word(c);
    char *progress = NULL;

    if (name == NULL)
        return cmd_syntax(c, "No interface name was specified");
    if (cmd_client(c) == NULL ||
        !TRY(c, ihost_remove_host_only_network_interface(c->client, HOST, name, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    return cmd_progress(c, object) ? RC_OK : RC_FAILURE;
}

struct address {
    const char *ip, *mask, *ip6;
    bool dhcp;
    guint32 length6;
};

static int parse(struct cmd *c, struct address *a)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case DHCP: a->dhcp = true; break;
        case IP: a->ip = v.text; break;
        case MASK: a->mask = v.text; break;
        case IP6: a->ip6 = v.text; break;
        case MASK6: a->length6 = (guint32)v.number; break;
        case CMD_WORD: return cmd_syntax(c, "Invalid parameter '%s'", v.text);
        default: return RC_SYNTAX;
        }
    }
    if (a->dhcp + (a->ip != NULL) + (a->ip6 != NULL) > 1)
        return cmd_syntax(c, a->dhcp ? "You can not use --dhcp with static ip configuration parameters: --ip, "
                                       "--netmask, --ipv6 and --netmasklengthv6."
                                     : "You can not use ipv4 configuration (--ip and --netmask) with ipv6 (--ipv6 and "
                                       "--netmasklengthv6) simultaneously.");
    if (!a->dhcp && a->ip == NULL && a->ip6 == NULL)
        return cmd_syntax(c, "Specify --dhcp, --ip or --ipv6");
    return RC_OK;
}

static int ipconfig(struct cmd *c)
{
    struct address a = {.mask = "255.255.255.0", .length6 = 64};
    const char *name = cmd_word(c);

    if (name == NULL)
        return cmd_syntax(c, "No interface name was specified");
    int rc = parse(c, &a);
    if (rc != RC_OK)
        return rc;
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    g_autofree char *object = NULL;
    bool ok = TRY(c, ihost_find_host_network_interface_by_name(c->client, HOST, name, &object, &error));
    if (ok && a.dhcp)
        ok = TRY(c, ihost_network_interface_enable_dynamic_ip_config(c->client, object, &error));
    else if (ok && a.ip != NULL)
        ok = TRY(c, ihost_network_interface_enable_static_ip_config(c->client, object, a.ip, a.mask, &error));
    else if (ok)
        ok = TRY(c, ihost_network_interface_enable_static_ip_config_v6(c->client, object, a.ip6, a.length6, &error));
    return ok ? RC_OK : RC_FAILURE;
}

static int hostonlyif(struct cmd *c)
{
    const char *verb = cmd_word(c);

    if (verb == NULL)
        return cmd_syntax(c, "No sub-command specified");
    if (strcmp(verb, "create") == 0)
        return create(c);
    if (strcmp(verb, "remove") == 0)
        return remove_one(c);
    if (strcmp(verb, "ipconfig") == 0)
        return ipconfig(c);
    return cmd_syntax(c, "Unknown subcommand: %s", verb);
}

const struct command hostonlyif_command = {
    "hostonlyif", "Manage host-only network interfaces",
    (const char *const[]){"ipconfig <ifname> <--dhcp | --ip=IPv4-address [--netmask=IPv4-netmask] | "
                          "--ipv6=IPv6-address [--netmasklengthv6=length]>",
                          "create [--machinereadable]", "remove <ifname>", NULL},
    options, hostonlyif};

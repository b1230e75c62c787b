/*
 * natnetwork.c - natnetwork, hostonlynet: networks kept in the global settings.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/list.h"

/* Sets @property of a network if @val was given. */
static bool set_text(struct cmd *c, const char *object, const char *interface, const char *property, const char *val)
{
    if (val == NULL)
        return true;
    g_autoptr(GVariant) text = g_variant_ref_sink(g_variant_new_string(val));
    return cmd_set(c, object, interface, property, text);
}

enum flag { FLAG_UNSET, FLAG_OFF, FLAG_ON };

static bool set_flag(struct cmd *c, const char *object, const char *interface, const char *property, enum flag flag)
{
    if (flag == FLAG_UNSET)
        return true;
    g_autoptr(GVariant) on = g_variant_ref_sink(g_variant_new_boolean(flag == FLAG_ON));
    return cmd_set(c, object, interface, property, on);
}

static enum flag flag_of(bool on)
{
    return on ? FLAG_ON : FLAG_OFF;
}

/* ---- natnetwork ---- */

enum { NETNAME = 1, NETWORK, DHCP, IPV6, IPV6_PREFIX, IPV6_DEFAULT, ENABLE, DISABLE, FORWARD4, FORWARD6, LOOP4, LOOP6 };
static const struct option nat_options[] = {
    {NETNAME, "--netname|-t", OPTION_TEXT, false, "name", "The network"},
    {NETWORK, "--network|--ipv4-prefix|-n", OPTION_TEXT, false, "network", "Its addresses: 10.0.2.0/24"},
    {ENABLE, "--enable|-e", OPTION_NONE, false, NULL, "It can be used"},
    {DISABLE, "--disable|-d", OPTION_NONE, false, NULL, "It cannot"},
    {DHCP, "--dhcp|-h", OPTION_ON_OFF, false, "on | off", "Addresses are handed out"},
    {IPV6_DEFAULT, "--ipv6-default", OPTION_ON_OFF, false, "on | off", "A default IPv6 route is announced"},
    {IPV6_PREFIX, "--ipv6-prefix", OPTION_TEXT, false, "prefix", "IPv6 addresses: fd17:625c:f037:2::/64"},
    {IPV6, "--ipv6|--ipv6-enable|-6", OPTION_ON_OFF, false, "on | off", "IPv6 too"},
    {FORWARD4, "--port-forward-4|-p", OPTION_TEXT, false, "rule | delete name",
     "name:tcp|udp:[host]:port:[guest]:port"},
    {FORWARD6, "--port-forward-6|-P", OPTION_TEXT, false, "rule | delete name", "The same for IPv6"},
    {LOOP4, "--loopback-4|-l", OPTION_TEXT, false, "address=offset", "A loopback address of the host in the network"},
    {LOOP6, "--loopback-6|-L", OPTION_U32, false, "offset", "Where the host's ::1 is"},
    {0},
};

struct edit { /* of one list, in the order of the command line */
    bool ipv6, remove;
    const char *text;
};

struct nat {
    const char *name, *network, *prefix;
    enum flag enabled, dhcp, ipv6, route;
    GArray *forwards;  /* struct edit */
    GPtrArray *loops4; /* const char * */
    gint64 loop6;      /* -1: as it is */
};

static int parse_nat(struct cmd *c, struct nat *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        struct edit e = {.ipv6 = id == FORWARD6, .text = v.text};
        switch (id) {
        case NETNAME: n->name = v.text; break;
        case NETWORK: n->network = v.text; break;
        case ENABLE: n->enabled = FLAG_ON; break;
        case DISABLE: n->enabled = FLAG_OFF; break;
        case DHCP: n->dhcp = flag_of(v.on); break;
        case IPV6: n->ipv6 = flag_of(v.on); break;
        case IPV6_DEFAULT: n->route = flag_of(v.on); break;
        case IPV6_PREFIX: n->prefix = v.text; break;
        case LOOP4: g_ptr_array_add(n->loops4, (void *)v.text); break;
        case LOOP6: n->loop6 = (gint64)v.number; break;
        case FORWARD4:
        case FORWARD6:
            e.remove = strcmp(v.text, "delete") == 0;
            if (e.remove)
                e.text = cmd_word(c);
            if (e.text == NULL)
                return cmd_syntax(c, "Not enough parameters");
            g_array_append_val(n->forwards, e);
            break;
        case CMD_WORD: return cmd_syntax(c, "Invalid parameter '%s'", v.text);
        default: return RC_SYNTAX;
        }
    }
    return RC_OK;
}

static bool port_of(const char *text, guint16 *ret)
{
    char *end;
    guint64 n = g_ascii_strtoull(text, &end, 10);

    *ret = (guint16)n;
    return *text != '\0' && *end == '\0' && n > 0 && n <= 65535;
}

/* name:tcp:[host]:port:[guest]:port; an IPv6 address has colons, hence the brackets */
static bool add_forward(struct cmd *c, const char *object, const struct edit *e)
{
    g_autoptr(GRegex) regex =
        g_regex_new("^([^:]+):(tcp|udp):\\[([^]]*)\\]:([0-9]+):\\[([^]]*)\\]:([0-9]+)$", G_REGEX_CASELESS, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    guint16 host, guest;

    if (!g_regex_match(regex, e->text, 0, &match))
        return cmd_error("Invalid port-forward rule: '%s'", e->text), false;
    g_autofree char *name = g_match_info_fetch(match, 1), *proto = g_match_info_fetch(match, 2);
    g_autofree char *host_ip = g_match_info_fetch(match, 3), *host_port = g_match_info_fetch(match, 4);
    g_autofree char *guest_ip = g_match_info_fetch(match, 5), *guest_port = g_match_info_fetch(match, 6);
    if (!port_of(host_port, &host) || !port_of(guest_port, &guest))
        return cmd_error("Invalid port-forward rule: '%s'", e->text), false;
    g_autofree char *protocol = g_ascii_strup(proto, -1);
    return TRY(c, inat_network_add_port_forward_rule(c->client, object, e->ipv6, name, protocol, host_ip, host,
                                                     guest_ip, guest, &error));
}

static bool set_loopback(struct cmd *c, const char *object, const char *text)
{
    g_auto(GStrv) pair = g_strsplit(text, "=", 2);
    char *end = NULL;
    guint64 n = pair[0] != NULL && pair[1] != NULL ? g_ascii_strtoull(pair[1], &end, 10) : G_MAXUINT64;

    if (end == NULL || *pair[1] == '\0' || *end != '\0' || n > G_MAXINT32)
        return cmd_error("Invalid loopback mapping: '%s'", text), false;
    return TRY(c, inat_network_add_local_mapping(c->client, object, pair[0], (gint32)n, &error));
}

static bool change_nat(struct cmd *c, const char *object, const struct nat *n)
{
    static const char interface[] = "INATNetwork";
    bool ok = set_text(c, object, interface, "Network", n->network) &&
              set_text(c, object, interface, "IPv6Prefix", n->prefix) &&
              set_flag(c, object, interface, "NeedDhcpServer", n->dhcp) &&
              set_flag(c, object, interface, "IPv6Enabled", n->ipv6) &&
              set_flag(c, object, interface, "AdvertiseDefaultIPv6RouteEnabled", n->route) &&
              set_flag(c, object, interface, "Enabled", n->enabled);

    for (unsigned k = 0; ok && k < n->forwards->len; k++) {
        const struct edit *e = &g_array_index(n->forwards, struct edit, k);
        ok = e->remove ? TRY(c, inat_network_remove_port_forward_rule(c->client, object, e->ipv6, e->text, &error))
                       : add_forward(c, object, e);
    }
    for (unsigned k = 0; ok && k < n->loops4->len; k++)
        ok = set_loopback(c, object, n->loops4->pdata[k]);
    if (ok && n->loop6 >= 0) {
        g_autoptr(GVariant) offset = g_variant_ref_sink(g_variant_new_uint32((guint32)n->loop6));
        ok = cmd_set(c, object, interface, "LoopbackIp6", offset);
    }
    return ok;
}

static int add_nat(struct cmd *c, const struct nat *n)
{
    GError *error = NULL;
    char *object = NULL;

    if (n->network == NULL)
        return cmd_syntax(c, "You need to specify a network with --network");
    if (!ivirtual_box_create_nat_network(c->client, API_PATH, n->name, &object, &error)) {
        bool taken = error->domain == API_ERROR && error->code == (int)E_INVALIDARG;
        if (!taken)
            return cmd_com_error(c, &error, "CreateNATNetwork()", __LINE__, __FILE__);
        g_error_free(error);
        return cmd_error("NATNetwork server already exists");
    }
    g_autofree char *made = object;
    if (change_nat(c, made, n))
        return RC_OK;
    ivirtual_box_remove_nat_network(c->client, API_PATH, made, NULL); /* nothing half made stays */
    return RC_FAILURE;
}

static char *find_nat(struct cmd *c, const char *name)
{
    GError *error = NULL;
    char *found = NULL;

    if (ivirtual_box_find_nat_network_by_name(c->client, API_PATH, name, &found, &error))
        return found;
    g_error_free(error);
    cmd_error("NATNetwork server does not exist");
    return NULL;
}

static int on_nat(struct cmd *c, const char *verb, const struct nat *n)
{
    g_autofree char *object = find_nat(c, n->name);

    if (object == NULL)
        return RC_FAILURE;
    bool ok;
    if (strcmp(verb, "modify") == 0)
        ok = change_nat(c, object, n);
    else if (strcmp(verb, "remove") == 0)
        ok = TRY(c, ivirtual_box_remove_nat_network(c->client, API_PATH, object, &error));
    else if (strcmp(verb, "start") == 0)
        ok = TRY(c, inat_network_start(c->client, object, &error));
    else
        ok = TRY(c, inat_network_stop(c->client, object, &error));
    return ok ? RC_OK : RC_FAILURE;
}

static int natnetwork(struct cmd *c)
{
    static const char *const verbs[] = {"add", "modify", "remove", "start", "stop", "list", NULL};
    g_autoptr(GArray) forwards = g_array_new(FALSE, FALSE, sizeof(struct edit));
    g_autoptr(GPtrArray) loops = g_ptr_array_new();
    struct nat n = {.forwards = forwards, .loops4 = loops, .loop6 = -1};
    const char *verb = cmd_word(c);

    if (verb == NULL)
        return cmd_syntax(c, "Not enough parameters");
    if (!g_strv_contains(verbs, verb))
        return cmd_syntax(c, "Invalid parameter '%s'", verb);
    if (strcmp(verb, "list") == 0) {
        struct value v;
        int id = cmd_next(c, &v);
        if (id != CMD_END && id != CMD_WORD)
            return RC_SYNTAX;
        return cmd_client(c) != NULL ? list_nat_matching(c, v.text) : RC_FAILURE;
    }
    int rc = parse_nat(c, &n);
    if (rc != RC_OK)
        return rc;
    if (n.name == NULL)
        return cmd_syntax(c, "You need to specify the --netname option");
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    return strcmp(verb, "add") == 0 ? add_nat(c, &n) : on_nat(c, verb, &n);
}

const struct command natnetwork_command = {
    "natnetwork", "Create, modify, and manage a NAT network",
    (const char *const[]){"add [--disable | --enable] <--netname=name> <--network=network> [--dhcp=on|off] "
                          "[--ipv6=on|off] [--loopback-4=rule] [--loopback-6=rule] [--port-forward-4=rule] "
                          "[--port-forward-6=rule]",
                          "list [filter-pattern]",
                          "modify [--dhcp=on|off] [--disable | --enable] <--netname=name> [--network=network] "
                          "[--ipv6=on|off] [--loopback-4=rule] [--loopback-6=rule] [--port-forward-4=rule] "
                          "[--port-forward-6=rule]",
                          "remove <--netname=name>", "start <--netname=name>", "stop <--netname=name>", NULL},
    nat_options, natnetwork};

/* ---- hostonlynet ---- */

enum { NAME = 1, ID, MASK, LOWER, UPPER, ON, OFF };
static const struct option host_only_options[] = {
    {NAME, "--name", OPTION_TEXT, false, "name", "The network"},
    {ID, "--id", OPTION_TEXT, false, "uuid", "Its UUID"},
    {MASK, "--netmask", OPTION_TEXT, false, "mask", "Its mask"},
    {LOWER, "--lower-ip|--lowerip", OPTION_TEXT, false, "address", "First address handed out"},
    {UPPER, "--upper-ip|--upperip", OPTION_TEXT, false, "address", "Last one"},
    {ON, "--enable", OPTION_NONE, false, NULL, "It can be used"},
    {OFF, "--disable", OPTION_NONE, false, NULL, "It cannot"},
    {0},
};

struct host_only {
    const char *name, *id, *mask, *lower, *upper;
    enum flag enabled;
};

static int parse_host_only(struct cmd *c, struct host_only *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case NAME: n->name = v.text; break;
        case ID: n->id = v.text; break;
        case MASK: n->mask = v.text; break;
        case LOWER: n->lower = v.text; break;
        case UPPER: n->upper = v.text; break;
        case ON: n->enabled = FLAG_ON; break;
        case OFF: n->enabled = FLAG_OFF; break;
        case CMD_WORD: return cmd_syntax(c, "Invalid parameter '%s'", v.text);
        default: return RC_SYNTAX;
        }
    }
    return RC_OK;
}

static bool change_host_only(struct cmd *c, const char *object, const struct host_only *n, bool set_id)
{
    static const char interface[] = "IHostOnlyNetwork";

    return set_text(c, object, interface, "Id", set_id ? n->id : NULL) &&
           set_text(c, object, interface, "NetworkMask", n->mask) &&
           set_text(c, object, interface, "LowerIP", n->lower) && set_text(c, object, interface, "UpperIP", n->upper) &&
           set_flag(c, object, interface, "Enabled", n->enabled);
}

static int add_host_only(struct cmd *c, const struct host_only *n)
{
    char *object = NULL;

    if (n->name == NULL)
        return cmd_syntax(c, "The --name parameter must be specified");
    if (n->mask == NULL)
        return cmd_syntax(c, "The --netmask parameter must be specified");
    if (n->lower == NULL)
        return cmd_syntax(c, "The --lower-ip parameter must be specified");
    if (n->upper == NULL)
        return cmd_syntax(c, "The --upper-ip parameter must be specified");
    if (!TRY(c, ivirtual_box_create_host_only_network(c->client, API_PATH, n->name, &object, &error)))
        return RC_FAILURE;
    g_autofree char *made = object;
    if (change_host_only(c, made, n, true))
        return RC_OK;
    ivirtual_box_remove_host_only_network(c->client, API_PATH, made, NULL);
    return RC_FAILURE;
}

/* By name or UUID; g_free. NULL: said. */
static bool property_is(struct cmd *c, const char *object, const char *property, const char *text)
{
    GError *error = NULL;
    g_autoptr(GVariant) val = text != NULL ? client_get(c->client, object, "IHostOnlyNetwork", property, &error) : NULL;

    g_clear_error(&error);
    return val != NULL && strcmp(g_variant_get_string(val, NULL), text) == 0;
}

static char *find_host_only(struct cmd *c, const struct host_only *n)
{
    char **list = NULL;

    if (!TRY(c, ivirtual_box_get_host_only_networks(c->client, API_PATH, &list, &error)))
        return NULL;
    g_auto(GStrv) paths = list;
    for (unsigned k = 0; paths[k] != NULL; k++)
        if (property_is(c, paths[k], "NetworkName", n->name) || property_is(c, paths[k], "Id", n->id))
            return g_strdup(paths[k]);
    cmd_error("Host-only network '%s' does not exist", n->name != NULL ? n->name : n->id);
    return NULL;
}

static int hostonlynet(struct cmd *c)
{
    struct host_only n = {0};
    const char *verb = cmd_word(c);

    if (verb == NULL)
        return cmd_syntax(c, "No sub-command specified");
    bool add = strcmp(verb, "add") == 0, modify = strcmp(verb, "modify") == 0;
    if (!add && !modify && strcmp(verb, "remove") != 0)
        return cmd_syntax(c, "Unknown subcommand: %s", verb);
    int rc = parse_host_only(c, &n);
    if (rc != RC_OK)
        return rc;
    if (!add && n.name == NULL && n.id == NULL)
        return cmd_syntax(c, "Either --name or --id must be specified");
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    if (add)
        return add_host_only(c, &n);
    g_autofree char *object = find_host_only(c, &n);
    bool ok =
        object != NULL && (modify ? change_host_only(c, object, &n, false)
                                  : TRY(c, ivirtual_box_remove_host_only_network(c->client, API_PATH, object, &error)));
    return ok ? RC_OK : RC_FAILURE;
}

const struct command hostonlynet_command = {
    "hostonlynet", "Host Only Network management",
    (const char *const[]){"add <--name=netname> [--id=netid] <--netmask=mask> <--lower-ip=address> "
                          "<--upper-ip=address> [--enable | --disable]",
                          "modify <--name=netname | --id=netid> [--lower-ip=address] [--upper-ip=address] "
                          "[--netmask=mask] [--enable | --disable]",
                          "remove <--name=netname | --id=netid>", NULL},
    host_only_options, hostonlynet};

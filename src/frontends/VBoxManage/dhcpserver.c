/*
 * dhcpserver.c - dhcpserver: address servers of networks, and what they hand out to whom.
 *
 * Options apply to the scope named last before them: --global (the start), --group, --mac-address, --vm with --nic.
 * Forms of version 5 are understood: --options, and --id with --value or --remove behind it.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum {
    NETWORK = 1,
    INTERFACE,
    ADDRESS,
    MASK,
    LOWER,
    UPPER,
    ENABLE,
    DISABLE,
    MAC,
    /* scopes */
    GLOBAL,
    GROUP,
    MACHINE,
    NIC,
    REMOVE,
    /* changes of a scope */
    SET_OPTION,
    SET_OPTION_HEX,
    DELETE_OPTION,
    FORCE,
    UNFORCE,
    SUPPRESS,
    UNSUPPRESS,
    MIN_LEASE,
    DEFAULT_LEASE,
    MAX_LEASE,
    FIXED,
    ZAP_OPTIONS,
    ZAP_CONDITIONS,
    /* as version 5 had them */
    OLD_OPTIONS,
    OLD_ID,
    OLD_VALUE,
    OLD_REMOVE,
    CONDITION /* and the eighteen behind it */
};
#define CONDITION_ROW(n, include, exclude, del, arg)                                                                   \
    {CONDITION + 3 * (n), include, OPTION_TEXT, false, arg, "Who is in the group"},                                    \
        {CONDITION + 3 * (n) + 1, exclude, OPTION_TEXT, false, arg, "Who is not"},                                     \
    {                                                                                                                  \
        CONDITION + 3 * (n) + 2, del, OPTION_TEXT, false, arg, "The condition is removed"                              \
    }
static const struct option options[] = {
    {NETWORK, "--network|--netname|-n", OPTION_TEXT, false, "netname", "The network it serves"},
    {INTERFACE, "--interface|--ifname|-t", OPTION_TEXT, false, "ifname", "The host-only interface it serves"},
    {ADDRESS, "--server-ip|--ip|-a", OPTION_TEXT, false, "address", "Its own address"},
    {MASK, "--netmask|-m", OPTION_TEXT, false, "mask", "The network's mask"},
    {LOWER, "--lower-ip|--lowerip|-l", OPTION_TEXT, false, "address", "First address handed out"},
    {UPPER, "--upper-ip|--upperip|-u", OPTION_TEXT, false, "address", "Last one"},
    {ENABLE, "--enable|-e", OPTION_NONE, false, NULL, "It is started with the network"},
    {DISABLE, "--disable|-d", OPTION_NONE, false, NULL, "It is not"},
    {GLOBAL, "--global|-g", OPTION_NONE, false, NULL, "What follows is for all"},
    {GROUP, "--group", OPTION_TEXT, false, "name", "What follows is for this group"},
    {MAC, "--mac-address", OPTION_TEXT, false, "address", "What follows is for this network card"},
    {MACHINE, "--vm", OPTION_TEXT, false, "name | uuid", "What follows is for a card of this machine"},
    {NIC, "--nic", OPTION_U32, false, "1-N", "Which card"},
    {REMOVE, "--remove-config", OPTION_NONE, false, NULL, "The scope's configuration is removed"},
    {SET_OPTION_HEX, "--set-opt-hex", OPTION_U32, false, "number hexstring", "A DHCP option"},
    {SET_OPTION, "--set-opt", OPTION_U32, false, "number value", "A DHCP option"},
    {DELETE_OPTION, "--del-opt", OPTION_U32, false, "number", "Not any more"},
    {ZAP_OPTIONS, "--zap-options", OPTION_NONE, false, NULL, "All DHCP options of the scope are removed"},
    {FORCE, "--force-opt", OPTION_U32, false, "number", "Sent even unasked"},
    {UNFORCE, "--unforce-opt", OPTION_U32, false, "number", "Not any more"},
    {SUPPRESS, "--suppress-opt|--supress-opt", OPTION_U32, false, "number", "Never sent"},
    {UNSUPPRESS, "--unsuppress-opt|--unsupress-opt", OPTION_U32, false, "number", "Not any more"},
    {MIN_LEASE, "--min-lease-time", OPTION_U32, false, "seconds", "Lease time"},
    {DEFAULT_LEASE, "--default-lease-time", OPTION_U32, false, "seconds", "Lease time"},
    {MAX_LEASE, "--max-lease-time", OPTION_U32, false, "seconds", "Lease time"},
    {FIXED, "--fixed-address", OPTION_TEXT, false, "address", "Of a network card"},
    {ZAP_CONDITIONS, "--zap-conditions", OPTION_NONE, false, NULL, "All conditions of the group are removed"},
    {OLD_OPTIONS, "--options|-o", OPTION_NONE, false, NULL, NULL},
    {OLD_ID, "--id|-i", OPTION_U32, false, "number", NULL},
    {OLD_VALUE, "--value|-p", OPTION_TEXT, false, "value", NULL},
    {OLD_REMOVE, "--remove|-r", OPTION_NONE, false, NULL, NULL},
    CONDITION_ROW(0, "--incl-mac", "--excl-mac", "--del-mac", "address"),
    CONDITION_ROW(1, "--incl-mac-wild", "--excl-mac-wild", "--del-mac-wild", "pattern"),
    CONDITION_ROW(2, "--incl-vendor", "--excl-vendor", "--del-vendor", "string"),
    CONDITION_ROW(3, "--incl-vendor-wild", "--excl-vendor-wild", "--del-vendor-wild", "pattern"),
    CONDITION_ROW(4, "--incl-user", "--excl-user", "--del-user", "string"),
    CONDITION_ROW(5, "--incl-user-wild", "--excl-user-wild", "--del-user-wild", "pattern"),
    {0},
};

struct step { /* an option that changes a scope, as it was given */
    int id;
    const char *text, *extra;
    guint32 number;
};

struct server {
    const char *network, *interface, *address, *mask, *lower, *upper, *mac;
    int enabled; /* -1: as it is */
    bool fresh;  /* is being added */
    int old_id;  /* of --id that waits for --value or --remove; -1: none */
    GArray *steps;
};

struct scope {
    const char *kind, *name;
    guint32 slot, lease[3];
};

/* --id N --value X is --set-opt N X, --id N --remove is --del-opt N. */
static int take_old(struct cmd *c, struct server *s, int id, const struct value *v)
{
    const char *name = id == OLD_VALUE ? "--value" : "--remove";
    const struct step step = {.id = id == OLD_VALUE ? SET_OPTION : DELETE_OPTION,
                              .extra = id == OLD_VALUE ? v->text : NULL,
                              .number = (guint32)s->old_id};

    if (id == OLD_OPTIONS)
        return RC_OK;
    if (id == OLD_ID) {
        if (s->old_id >= 0)
            return cmd_syntax(c, "Incomplete option sequence preseeding '--id=%" G_GUINT64_FORMAT, v->number);
        if (v->number > G_MAXUINT8)
            return cmd_syntax(c, "Invalid value '%s' for option '--id': a number up to 255", v->text);
        s->old_id = (int)v->number;
        return RC_OK;
    }
    if (id == OLD_REMOVE && s->fresh)
        return cmd_syntax(c, "--remove does not apply to the 'add' subcommand");
    if (s->old_id < 0)
        return cmd_syntax(c, "%s without --id=dhcp-opt-no", name);
    s->old_id = -1;
    g_array_append_val(s->steps, step);
    return RC_OK;
}

static int take(struct cmd *c, struct server *s, int id, const struct value *v)
{
    struct step step = {.id = id, .text = v->text, .number = (guint32)v->number};

    switch (id) {
    case NETWORK: s->network = v->text; return RC_OK;
    case INTERFACE: s->interface = v->text; return RC_OK;
    case ADDRESS: s->address = v->text; return RC_OK;
    case MASK: s->mask = v->text; return RC_OK;
    case LOWER: s->lower = v->text; return RC_OK;
    case UPPER: s->upper = v->text; return RC_OK;
    case ENABLE: s->enabled = 1; return RC_OK;
    case DISABLE: s->enabled = 0; return RC_OK;
    case CMD_WORD: return cmd_syntax(c, "Invalid parameter '%s'", v->text);
    case CMD_ERROR: return RC_SYNTAX;
    case OLD_OPTIONS:
    case OLD_ID:
    case OLD_VALUE:
    case OLD_REMOVE: return take_old(c, s, id, v);
    case MAC: s->mac = v->text; break;
    case SET_OPTION:
    case SET_OPTION_HEX:
        step.extra = cmd_word(c);
        if (step.extra == NULL)
            return cmd_syntax(c, "Missing value of DHCP option %u", step.number);
        break;
    default: break;
    }
    g_array_append_val(s->steps, step);
    return RC_OK;
}

/* ---- a scope's changes ---- */

static bool set_lease(struct cmd *c, const char *object, struct scope *s, unsigned which, guint32 seconds)
{
    s->lease[which] = seconds;
    return TRY(c, idhcp_server_set_lease_times(c->client, object, s->kind, s->name, s->slot, s->lease[0], s->lease[1],
                                               s->lease[2], &error));
}

static bool set_condition(struct cmd *c, const char *object, const struct scope *s, unsigned row, const char *text)
{
    return TRY(c, idhcp_server_set_condition(c->client, object, s->kind, s->name, s->slot, row % 3 == 0, row / 3, text,
                                             row % 3 != 2, &error));
}

static bool set_policy(struct cmd *c, const char *object, const struct scope *s, const struct step *step)
{
    bool suppress = step->id == SUPPRESS || step->id == UNSUPPRESS, on = step->id == FORCE || step->id == SUPPRESS;

    return TRY(c, idhcp_server_set_option_policy(c->client, object, s->kind, s->name, s->slot, step->number, suppress,
                                                 on, &error));
}

static bool set_option(struct cmd *c, const char *object, const struct scope *s, const struct step *step)
{
    return TRY(c, idhcp_server_set_option(c->client, object, s->kind, s->name, s->slot, step->number,
                                          step->id == SET_OPTION_HEX, step->extra != NULL ? step->extra : "", &error));
}

static void change_scope(struct scope *s, const struct step *step)
{
    switch (step->id) {
    case GLOBAL: *s = (struct scope){.kind = "Global", .name = ""}; break;
    case GROUP: *s = (struct scope){.kind = "Group", .name = step->text}; break;
    case MAC: *s = (struct scope){.kind = "MAC", .name = step->text}; break;
    case MACHINE: *s = (struct scope){.kind = "MachineNIC", .name = step->text}; break;
    default: s->slot = step->number > 0 ? step->number - 1 : 0; break; /* NIC */
    }
}

static bool carry_out(struct cmd *c, const char *object, struct scope *s, const struct step *step)
{
    switch (step->id) {
    case GLOBAL:
    case GROUP:
    case MAC:
    case MACHINE:
    case NIC: change_scope(s, step); return true;
    case REMOVE: return TRY(c, idhcp_server_remove_config(c->client, object, s->kind, s->name, s->slot, &error));
    case SET_OPTION:
    case SET_OPTION_HEX:
    case DELETE_OPTION: return set_option(c, object, s, step);
    case ZAP_OPTIONS:
        return TRY(c, idhcp_server_remove_all_options(c->client, object, s->kind, s->name, s->slot, &error));
    case FORCE:
    case UNFORCE:
    case SUPPRESS:
    case UNSUPPRESS: return set_policy(c, object, s, step);
    case MIN_LEASE: return set_lease(c, object, s, 0, step->number);
    case DEFAULT_LEASE: return set_lease(c, object, s, 1, step->number);
    case MAX_LEASE: return set_lease(c, object, s, 2, step->number);
    case FIXED:
        return TRY(c, idhcp_server_set_fixed_address(c->client, object, s->kind, s->name, s->slot, step->text, &error));
    case ZAP_CONDITIONS:
        return TRY(
            c, idhcp_server_set_condition(c->client, object, s->kind, s->name, s->slot, false, 0, "", false, &error));
    default: return set_condition(c, object, s, (unsigned)(step->id - CONDITION), step->text);
    }
}

/* ---- verbs ---- */

static bool set_addresses(struct cmd *c, const char *object, const struct server *s)
{
    static const char *const names[] = {"IPAddress", "NetworkMask", "LowerIP", "UpperIP"};
    const char *given[] = {s->address, s->mask, s->lower, s->upper};
    g_autoptr(GVariant) now = cmd_describe(c, object, "IDHCPServer");

    if (now == NULL)
        return false;
    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++)
        if (given[k] == NULL)
            given[k] = dict_str(now, names[k]);
    return TRY(c, idhcp_server_set_configuration(c->client, object, given[0], given[1], given[2], given[3], &error));
}

static bool change(struct cmd *c, const char *object, const struct server *s)
{
    struct scope scope = {.kind = "Global", .name = ""};
    bool addresses = s->address != NULL || s->mask != NULL || s->lower != NULL || s->upper != NULL;
    bool ok = !addresses || set_addresses(c, object, s);

    for (unsigned k = 0; ok && k < s->steps->len; k++)
        ok = carry_out(c, object, &scope, &g_array_index(s->steps, struct step, k));
    if (ok && s->enabled >= 0) {
        g_autoptr(GVariant) on = g_variant_ref_sink(g_variant_new_boolean(s->enabled == 1));
        ok = cmd_set(c, object, "IDHCPServer", "Enabled", on);
    }
    return ok;
}

static int add(struct cmd *c, const char *network, const struct server *s)
{
    GError *error = NULL;
    char *object = NULL;

    if (s->address == NULL || s->mask == NULL || s->lower == NULL || s->upper == NULL)
        return cmd_syntax(c, "Missing required option: --%s",
                          s->address == NULL ? "ip"
                          : s->mask == NULL  ? "netmask"
                          : s->lower == NULL ? "lowerip"
                                             : "upperip");
    if (!ivirtual_box_create_dhcp_server(c->client, API_PATH, network, &object, &error)) {
        bool taken = error->domain == API_ERROR && error->code == (int)E_INVALIDARG;
        if (!taken)
            return cmd_com_error(c, &error, "CreateDHCPServer()", __LINE__, __FILE__);
        g_error_free(error);
        return cmd_syntax(c, "DHCP server already exists");
    }
    g_autofree char *made = object;
    if (change(c, made, s))
        return RC_OK;
    ivirtual_box_remove_dhcp_server(c->client, API_PATH, made, NULL); /* nothing half made stays */
    return RC_FAILURE;
}

static bool find_lease(struct cmd *c, const char *object, const char *mac)
{
    char *address = NULL, *state = NULL;
    gint64 issued, expire;

    if (!TRY(c, idhcp_server_find_lease_by_mac(c->client, object, mac, &address, &state, &issued, &expire, &error)))
        return false;
    printf("IP Address:  %s\nMAC Address: %s\nState:       %s\nIssued:      %" G_GINT64_FORMAT
           "\nExpire:      %" G_GINT64_FORMAT "\n",
           address, mac, state, issued, expire);
    g_free(address);
    g_free(state);
    return true;
}

static char *find_server(struct cmd *c, const char *network)
{
    GError *error = NULL;
    char *found = NULL;

    if (ivirtual_box_find_dhcp_server_by_network_name(c->client, API_PATH, network, &found, &error))
        return found;
    g_error_free(error);
    cmd_error("DHCP server does not exist");
    return NULL;
}

static int on_server(struct cmd *c, const char *verb, const char *network, const struct server *s)
{
    bool ok = true;

    if (strcmp(verb, "findlease") == 0 && s->mac == NULL)
        return cmd_syntax(c, "You need to specify a MAC address too (--mac-address)");
    g_autofree char *object = find_server(c, network);
    if (object == NULL)
        return RC_FAILURE;
    if (strcmp(verb, "modify") == 0)
        return change(c, object, s) ? RC_OK : RC_FAILURE;
    if (strcmp(verb, "remove") == 0)
        return TRY(c, ivirtual_box_remove_dhcp_server(c->client, API_PATH, object, &error)) ? RC_OK : RC_FAILURE;
    if (strcmp(verb, "findlease") == 0)
        return find_lease(c, object, s->mac) ? RC_OK : RC_FAILURE;
    if (strcmp(verb, "start") != 0)
        ok = TRY(c, idhcp_server_stop(c->client, object, &error));
    if (ok && strcmp(verb, "stop") != 0)
        ok = TRY(c, idhcp_server_start(c->client, object, &error));
    return ok ? RC_OK : RC_FAILURE;
}

static int dhcpserver(struct cmd *c)
{
    static const char *const verbs[] = {"add", "modify", "remove", "start", "restart", "stop", "findlease", NULL};
    g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(struct step));
    struct server s = {.enabled = -1, .old_id = -1, .steps = steps};
    const char *verb = cmd_word(c);
    struct value v;
    int rc = RC_OK;

    if (verb == NULL)
        return cmd_syntax(c, "Not enough parameters");
    if (!g_strv_contains(verbs, verb))
        return cmd_syntax(c, "Invalid parameter '%s'", verb);
    s.fresh = strcmp(verb, "add") == 0;
    for (int id; rc == RC_OK && (id = cmd_next(c, &v)) != CMD_END;)
        rc = take(c, &s, id, &v);
    if (rc != RC_OK)
        return rc;
    if (s.old_id >= 0)
        return cmd_syntax(c, "Incomplete option sequence preseeding '--id=%d", s.old_id);
    if ((s.network == NULL) == (s.interface == NULL))
        return cmd_syntax(c, s.network == NULL
                                 ? "You need to specify either --network or --interface to identify the DHCP server"
                                 : "You can only use either --network or --interface to identify the DHCP server");
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    g_autofree char *network =
        s.network != NULL ? g_strdup(s.network) : g_strconcat("HostInterfaceNetworking-", s.interface, NULL);
    return s.fresh ? add(c, network, &s) : on_server(c, verb, network, &s);
}

const struct command dhcpserver_command = {
    "dhcpserver", "DHCP server management",
    (const char *const[]){
        "add <--network=netname | --interface=ifname> <--server-ip=address> <--netmask=mask> "
        "<--lower-ip=address> <--upper-ip=address> [--enable | --disable] [[--global | --group=name | "
        "--mac-address=address | --vm=vmname --nic=1-N] [options of the scope]]...",
        "modify <--network=netname | --interface=ifname> [--server-ip=address] [--lower-ip=address] "
        "[--upper-ip=address] [--netmask=mask] [--enable | --disable] [scopes as above]...",
        "remove <--network=netname | --interface=ifname>", "start <--network=netname | --interface=ifname>",
        "restart <--network=netname | --interface=ifname>", "stop <--network=netname | --interface=ifname>",
        "findlease <--network=netname | --interface=ifname> <--mac-address=mac>", NULL},
    options, dhcpserver};

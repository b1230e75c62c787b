/*
 * list_networks.c - list: interfaces of the host, internal, NAT and host-only networks, DHCP servers.
 */
#include <string.h>

#include "frontends/VBoxManage/list.h"

static int list_interfaces(struct cmd *c, const char *kind)
{
    GVariant *reply = NULL;
    GVariantBuilder json;

    if (!TRY(c, ihost_get_network_interfaces(c->client, API_ROOT "/Host", &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) list = reply;
    g_variant_builder_init(&json, G_VARIANT_TYPE("aa{sv}"));
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) i = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(i, "InterfaceType"), kind) != 0)
            continue;
        if (c->json) {
            g_variant_builder_add_value(&json, i);
            continue;
        }
        printf(
            "Name:            %s\nGUID:            %s\nDHCP:            %s\nIPAddress:       %s\nNetworkMask:     %s\n"
            "IPV6Address:     %s\nIPV6NetworkMaskPrefixLength: %d\nHardwareAddress: %s\nMediumType:      %s\n"
            "Wireless:        %s\nStatus:          %s\nVBoxNetworkName: %s\n\n",
            dict_str(i, "Name"), dict_str(i, "Id"), dict_bool(i, "DHCPEnabled") ? "Enabled" : "Disabled",
            dict_str(i, "IPAddress"), dict_str(i, "NetworkMask"), dict_str(i, "IPV6Address"),
            (int)dict_int(i, "IPV6NetworkMaskPrefixLength"), dict_str(i, "HardwareAddress"), dict_str(i, "MediumType"),
            dict_bool(i, "Wireless") ? "Yes" : "No", dict_str(i, "Status"), dict_str(i, "NetworkName"));
    }
    g_autoptr(GVariant) collected = g_variant_ref_sink(g_variant_builder_end(&json));
    if (c->json)
        print_json(collected);
    return RC_OK;
}

int list_bridged(struct cmd *c, const struct listing *l)
{
    (void)l;
    return list_interfaces(c, "Bridged");
}

int list_host_only(struct cmd *c, const struct listing *l)
{
    (void)l;
    return list_interfaces(c, "HostOnly");
}

int list_internal(struct cmd *c, const struct listing *l)
{
    char **list = NULL;

    (void)l;
    if (!TRY(c, ivirtual_box_get_internal_networks(c->client, API_PATH, &list, &error)))
        return RC_FAILURE;
    g_auto(GStrv) names = list;
    g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_new_strv((const char *const *)names, -1));
    if (c->json)
        print_json(all);
    for (unsigned k = 0; !c->json && names[k] != NULL; k++)
        printf("Name:        %s\n", names[k]);
    return RC_OK;
}

static void print_lines(GVariant *dict, const char *key, const char *title)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(dict, key, G_VARIANT_TYPE("as"));
    g_autofree const char **lines = list != NULL ? g_variant_get_strv(list, NULL) : NULL;

    if (lines != NULL && lines[0] != NULL)
        printf("%s\n", title);
    for (unsigned k = 0; lines != NULL && lines[k] != NULL; k++)
        printf("        %s\n", lines[k]);
}

static const char *yes_no(bool yes)
{
    return yes ? "Yes" : "No";
}

static void print_nat(GVariant *n, bool details)
{
    printf("Name:         %s\n", dict_str(n, "NetworkName"));
    if (details)
        printf("Enabled:      %s\n", yes_no(dict_bool(n, "Enabled")));
    printf(
        "Network:      %s\nGateway:      %s\nDHCP Server:  %s\nIPv6:         %s\nIPv6 Prefix:  %s\nIPv6 Default: %s\n",
        dict_str(n, "Network"), dict_str(n, "Gateway"), yes_no(dict_bool(n, "NeedDhcpServer")),
        yes_no(dict_bool(n, "IPv6Enabled")), dict_str(n, "IPv6Prefix"),
        yes_no(dict_bool(n, "AdvertiseDefaultIPv6RouteEnabled")));
    if (details) {
        print_lines(n, "PortForwardRules4", "Port-forwarding (ipv4)");
        print_lines(n, "PortForwardRules6", "Port-forwarding (ipv6)");
        print_lines(n, "LocalMappings", "loopback mappings (ipv4)");
    }
    printf("\n");
}

/* All of them, NULL: said. */
static GVariant *nat_networks(struct cmd *c)
{
    char **list = NULL;

    if (!TRY(c, ivirtual_box_get_nat_networks(c->client, API_PATH, &list, &error)))
        return NULL;
    g_auto(GStrv) paths = list;
    return cmd_describe_all(c, (const char *const *)paths, "INATNetwork");
}

int list_nat_matching(struct cmd *c, const char *pattern)
{
    g_autoptr(GVariant) all = nat_networks(c);
    unsigned found = 0;

    if (all == NULL)
        return RC_FAILURE;
    if (as_json(c, all))
        return RC_OK;
    printf("NAT Networks:\n\n");
    for (gsize k = 0; k < g_variant_n_children(all); k++) {
        g_autoptr(GVariant) n = g_variant_get_child_value(all, k);
        if (pattern != NULL && !g_pattern_match_simple(pattern, dict_str(n, "NetworkName")))
            continue;
        print_nat(n, true);
        found++;
    }
    printf("%u %s found\n", found, found == 1 ? "network" : "networks");
    return RC_OK;
}

static gint by_network_name(gconstpointer a, gconstpointer b)
{
    return strcmp(dict_str(*(GVariant *const *)a, "NetworkName"), dict_str(*(GVariant *const *)b, "NetworkName"));
}

int list_nat(struct cmd *c, const struct listing *l)
{
    g_autoptr(GPtrArray) nets = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_autoptr(GVariant) all = nat_networks(c);

    if (all == NULL)
        return RC_FAILURE;
    if (as_json(c, all))
        return RC_OK;
    for (gsize k = 0; k < g_variant_n_children(all); k++)
        g_ptr_array_add(nets, g_variant_get_child_value(all, k));
    if (l->sorted)
        g_ptr_array_sort(nets, by_network_name);
    for (guint k = 0; k < nets->len; k++)
        print_nat(nets->pdata[k], l->details);
    return RC_OK;
}

/* ---- DHCP ---- */

static void print_seconds(const char *label, gint64 seconds)
{
    if (seconds == 0)
        printf("    %-17s default\n", label);
    else
        printf("    %-17s %" G_GINT64_FORMAT " sec\n", label, seconds);
}

/* Numbers of options, kept with a blank between them. */
static void print_numbers(const char *label, const char *numbers)
{
    g_auto(GStrv) words = g_strsplit(numbers, " ", -1);
    g_autofree char *list = g_strjoinv(", ", words);

    printf("    %-17s %s\n", label, *list != '\0' ? list : "None");
}

/* @mask: option 1 of the server itself; NULL: another scope. */
static void print_options(GVariant *config, const char *mask)
{
    g_autoptr(GVariant) options = g_variant_lookup_value(config, "Options", G_VARIANT_TYPE("a(uus)"));
    const gsize count = options != NULL ? g_variant_n_children(options) : 0;

    print_seconds("minLeaseTime:", dict_int(config, "MinLeaseTime"));
    print_seconds("defaultLeaseTime:", dict_int(config, "DefaultLeaseTime"));
    print_seconds("maxLeaseTime:", dict_int(config, "MaxLeaseTime"));
    print_numbers("Forced options:", dict_str(config, "Forced"));
    print_numbers("Suppressed opts.:", dict_str(config, "Suppressed"));
    if (mask != NULL)
        printf("      %3d/legacy: %s\n", 1, mask);
    else if (count == 0)
        printf("    DHCP options:     None\n");
    for (gsize k = 0; k < count; k++) {
        guint32 code, encoding;
        const char *val;
        g_variant_get_child(options, k, "(uu&s)", &code, &encoding, &val);
        printf("      %3u/%-7s %s\n", code, encoding == 0 ? "legacy:" : "hex:", val);
    }
}

static void print_conditions(GVariant *config)
{
    static const char *const types[] = {"MAC", "MAC*", "VendorCID", "VendorCID*", "UserCID", "UserCID*"};
    g_autoptr(GVariant) list = g_variant_lookup_value(config, "Conditions", G_VARIANT_TYPE("a(bus)"));

    if (list == NULL || g_variant_n_children(list) == 0)
        printf("    Conditions:       None\n");
    for (gsize k = 0; list != NULL && k < g_variant_n_children(list); k++) {
        gboolean inclusive;
        guint32 type;
        const char *val;
        g_variant_get_child(list, k, "(bu&s)", &inclusive, &type, &val);
        printf("    Conditions:       %s %-10s %s\n", inclusive ? "include" : "exclude",
               types[type % G_N_ELEMENTS(types)], val);
    }
}

/* Configurations of the other scopes: groups, or single cards. Return: how many. */
static unsigned print_scope(GVariant *configs, bool groups)
{
    unsigned found = 0;

    for (gsize k = 0; k < g_variant_n_children(configs); k++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(configs, k);
        const char *scope = dict_str(one, "Scope");
        if (strcmp(scope, "Global") == 0 || (strcmp(scope, "Group") == 0) != groups)
            continue;
        found++;
        if (groups) {
            printf("Group:                %s\n", dict_str(one, "Name"));
            print_conditions(one);
        } else if (strcmp(scope, "MAC") == 0) {
            printf("Individual Config:    MAC %s\n", dict_str(one, "Name"));
        } else {
            printf("Individual Config:    VM NIC: %s slot %d, MAC %s\n", dict_str(one, "Name"),
                   (int)dict_int(one, "Slot"), dict_str(one, "MACAddress"));
        }
        if (!groups)
            printf("    Fixed Address:    %s\n",
                   *dict_str(one, "FixedAddress") != '\0' ? dict_str(one, "FixedAddress") : "dynamic");
        print_options(one, NULL);
    }
    return found;
}

int list_dhcp(struct cmd *c, const struct listing *l)
{
    char **list = NULL;

    (void)l;
    if (!TRY(c, ivirtual_box_get_dhcp_servers(c->client, API_PATH, &list, &error)))
        return RC_FAILURE;
    g_auto(GStrv) paths = list;
    g_autoptr(GVariant) all = cmd_describe_all(c, (const char *const *)paths, "IDHCPServer");
    if (all == NULL)
        return RC_FAILURE;
    if (as_json(c, all))
        return RC_OK;
    for (gsize k = 0; k < g_variant_n_children(all); k++) {
        g_autoptr(GVariant) d = g_variant_get_child_value(all, k);
        g_autoptr(GVariant) configs = dict_list(d, "Configs");
        g_autoptr(GVariant) global = g_variant_get_child_value(configs, 0);
        printf("%sNetworkName:    %s\nDhcpd IP:       %s\nLowerIPAddress: %s\nUpperIPAddress: %s\nNetworkMask:    %s\n"
               "Enabled:        %s\nGlobal Configuration:\n",
               k > 0 ? "\n" : "", dict_str(d, "NetworkName"), dict_str(d, "IPAddress"), dict_str(d, "LowerIP"),
               dict_str(d, "UpperIP"), dict_str(d, "NetworkMask"), yes_no(dict_bool(d, "Enabled")));
        print_options(global, dict_str(d, "NetworkMask"));
        if (print_scope(configs, true) == 0)
            printf("Groups:               None\n");
        if (print_scope(configs, false) == 0)
            printf("Individual Configs:   None\n");
    }
    return RC_OK;
}

int list_host_only_networks(struct cmd *c, const struct listing *l)
{
    char **list = NULL;

    (void)l;
    if (!TRY(c, ivirtual_box_get_host_only_networks(c->client, API_PATH, &list, &error)))
        return RC_FAILURE;
    g_auto(GStrv) paths = list;
    g_autoptr(GVariant) all = cmd_describe_all(c, (const char *const *)paths, "IHostOnlyNetwork");
    if (all == NULL)
        return RC_FAILURE;
    if (c->json)
        print_json(all);
    for (gsize k = 0; !c->json && k < g_variant_n_children(all); k++) {
        g_autoptr(GVariant) n = g_variant_get_child_value(all, k);
        printf("Name:            %s\nGUID:            %s\n\nState:           %s\nNetworkMask:     %s\n"
               "LowerIP:         %s\nUpperIP:         %s\nVBoxNetworkName: hostonly-%s\n\n",
               dict_str(n, "NetworkName"), dict_str(n, "Id"), dict_bool(n, "Enabled") ? "Enabled" : "Disabled",
               dict_str(n, "NetworkMask"), dict_str(n, "LowerIP"), dict_str(n, "UpperIP"), dict_str(n, "NetworkName"));
    }
    return RC_OK;
}

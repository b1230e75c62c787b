/*
 * info_network.c - showvminfo's lines about network adapters.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

/* attachment: word after nicN=, key of what it is joined to, property with its name, human form */
static const struct attachment {
    const char *api, *word, *key, *property, *human;
} attachments[] = {
    {"Null", "null", NULL, NULL, "none"},
    {"NAT", "nat", "natnet", "NATEngineNetwork", "NAT"},
    {"Bridged", "bridged", "bridgeadapter", "BridgedInterface", "Bridged Interface '%s'"},
    {"Internal", "intnet", "intnet", "InternalNetwork", "Internal Network '%s'"},
    {"HostOnly", "hostonly", "hostonlyadapter", "HostOnlyInterface", "Host-only Interface '%s'"},
    {"Generic", "Generic", "generic", "GenericDriver", "Generic '%s'"},
    {"NATNetwork", "natnetwork", "nat-network", "NATNetwork", "NAT Network '%s'"},
    {"HostOnlyNetwork", "hostonlynetwork", "hostonly-network", "HostOnlyNetwork", "Host Only Network '%s'"},
    {"Cloud", "cloudnetwork", "cloud-network", "CloudNetwork", "Cloud Network '%s'"},
};

static const struct attachment *attachment_of(GVariant *a)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(attachments); k++)
        if (strcmp(attachments[k].api, dict_str(a, "AttachmentType")) == 0)
            return &attachments[k];
    return &attachments[0];
}

/* The chip's name as VBoxManage writes it: without the I of I82540EM, virtio in lower case. */
static const char *chip(const char *api)
{
    if (g_str_has_prefix(api, "I825"))
        return api + 1;
    return strcmp(api, "Virtio") == 0 ? "virtio" : api;
}

static void show_forwards(const struct info *i, GVariant *a, unsigned number)
{
    g_autoptr(GVariant) list = dict_list(a, "NATEngineRedirects");

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        const char *proto = strcmp(dict_str(f, "Protocol"), "TCP") == 0 ? "tcp" : "udp";
        int host_port = (int)dict_int(f, "HostPort"), guest_port = (int)dict_int(f, "GuestPort");
        if (i->machine_readable)
            printf("Forwarding(%u)=\"%s,%s,%s,%d,%s,%d\"\n", (unsigned)k, dict_str(f, "Name"), proto,
                   dict_str(f, "HostIP"), host_port, dict_str(f, "GuestIP"), guest_port);
        else
            printf("NIC %u Rule(%u):   name = %s, protocol = %s, host ip = %s, host port = %d, guest ip = %s, guest "
                   "port = %d\n",
                   number, (unsigned)k, dict_str(f, "Name"), proto, dict_str(f, "HostIP"), host_port,
                   dict_str(f, "GuestIP"), guest_port);
    }
}

static int or_64(GVariant *a, const char *property)
{
    gint64 n = dict_int(a, property);

    return n != 0 ? (int)n : 64;
}

static void show_nat(const struct info *i, GVariant *a, unsigned number)
{
    int mtu = (int)dict_int(a, "NATEngineMtu"), send = or_64(a, "NATEngineSockSnd"),
        receive = or_64(a, "NATEngineSockRcv");
    int tcp_send = or_64(a, "NATEngineTcpWndSnd"), tcp_receive = or_64(a, "NATEngineTcpWndRcv");

    if (i->machine_readable)
        printf("mtu=\"%d\"\nsockSnd=\"%d\"\nsockRcv=\"%d\"\ntcpWndSnd=\"%d\"\ntcpWndRcv=\"%d\"\n", mtu, send, receive,
               tcp_send, tcp_receive);
    else
        printf("NIC %u Settings:  MTU: %d, Socket (send: %d, receive: %d), TCP Window (send:%d, receive: %d)\n", number,
               mtu, send, receive, tcp_send, tcp_receive);
    show_forwards(i, a, number);
}

/* " { k='v', k='v' }" behind a driver's name; g_free. */
static char *properties_text(GVariant *a)
{
    g_autoptr(GVariant) dict = g_variant_lookup_value(a, "GenericProperties", G_VARIANT_TYPE("a{ss}"));
    GString *text = g_string_new(" { ");

    for (gsize k = 0; dict != NULL && k < g_variant_n_children(dict); k++) {
        const char *key, *val;
        g_variant_get_child(dict, k, "{&s&s}", &key, &val);
        g_string_append_printf(text, "%s%s='%s'", k > 0 ? ", " : "", key, val);
    }
    g_string_append(text, " }");
    return g_string_free(text, FALSE);
}

static void show_machine_readable(const struct info *i, GVariant *a, unsigned number)
{
    const struct attachment *how = attachment_of(a);
    const char *joined = how->property != NULL ? dict_str(a, how->property) : "";

    if (how->key != NULL)
        printf("%s%u=\"%s\"\n", how->key, number, *joined == '\0' && strcmp(how->word, "nat") == 0 ? "nat" : joined);
    printf("macaddress%u=\"%s\"\ncableconnected%u=\"%s\"\nnic%u=\"%s\"\nnictype%u=\"%s\"\nnicspeed%u=\"%d\"\n", number,
           dict_str(a, "MACAddress"), number, dict_bool(a, "CableConnected") ? "on" : "off", number, how->word, number,
           chip(dict_str(a, "AdapterType")), number, (int)dict_int(a, "LineSpeed"));
    if (strcmp(how->word, "nat") == 0)
        show_nat(i, a, number);
}

static const char *promisc(const char *api)
{
    if (strcmp(api, "AllowNetwork") == 0)
        return "allow-vms";
    return strcmp(api, "AllowAll") == 0 ? "allow-all" : "deny";
}

static void show_human(const struct info *i, GVariant *a, unsigned number)
{
    const struct attachment *how = attachment_of(a);
    const char *joined = how->property != NULL ? dict_str(a, how->property) : "";
    const char *percent = strstr(how->human, "%s");
    g_autofree char *more = strcmp(how->api, "Generic") == 0 ? properties_text(a) : g_strdup("");
    g_autofree char *where = percent == NULL ? g_strdup(how->human)
                                             : g_strdup_printf("%.*s%s%s%s", (int)(percent - how->human), how->human,
                                                               joined, percent + 2, more);
    const char *file = dict_str(a, "TraceFile"), *group = dict_str(a, "BandwidthGroup");
    char label[16];

    g_snprintf(label, sizeof label, "NIC %u:", number);
    bool nat = strcmp(how->word, "nat") == 0 && *joined != '\0';
    printf("%-28s MAC: %s, Attachment: %s%s%s%s, Cable connected: %s, Trace: %s (file: %s), Type: %s, Reported speed: "
           "%d Mbps, Boot priority: %d, Promisc Policy: %s, Bandwidth group: %s\n",
           label, dict_str(a, "MACAddress"), where, nat ? " (" : "", nat ? joined : "", nat ? ")" : "",
           dict_bool(a, "CableConnected") ? "on" : "off", dict_bool(a, "TraceEnabled") ? "on" : "off",
           *file != '\0' ? file : "none", chip(dict_str(a, "AdapterType")), (int)dict_int(a, "LineSpeed") / 1000,
           (int)dict_int(a, "BootPriority"), promisc(dict_str(a, "PromiscModePolicy")),
           *group != '\0' ? group : "none");
    if (strcmp(how->word, "nat") == 0)
        show_nat(i, a, number);
}

void info_network(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "NetworkAdapters");

    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) a = g_variant_get_child_value(list, k);
        unsigned number = (unsigned)k + 1;
        char key[16], label[16];
        g_snprintf(key, sizeof key, "nic%u", number);
        g_snprintf(label, sizeof label, "NIC %u", number);
        if (!dict_bool(a, "Enabled"))
            info_text(i, key, label, i->machine_readable ? "none" : "disabled");
        else
            (i->machine_readable ? show_machine_readable : show_human)(i, a, number);
    }
}

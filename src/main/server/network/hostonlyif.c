/*
 * hostonlyif.c - IHost's host-only interfaces: bridges of the kernel named vboxnetN, made and configured by ioctls.
 *
 * Source: netdevice(7), bridge ioctls of <linux/sockios.h>. They need CAP_NET_ADMIN; without it the answer says so.
 * Addresses must lie in the ranges of /etc/vbox/networks.conf (lines "* CIDR..."), without it in 192.168.56.0/21 and
 * fe80::/10, so that a machine cannot be given the network of somebody else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "main/server/host/host.h"

#define PREFIX         "vboxnet"
#define INTERFACES_MAX 128u
#define NETWORKS_FILE  "/etc/vbox/networks.conf"

/* struct in6_ifreq of <linux/ipv6.h>, which contradicts <netinet/in.h> */
struct ip6_request {
    struct in6_addr address;
    uint32_t prefix_length;
    int index;
};

static bool failed(const char *what, const char *name, GError **error)
{
    int code = errno;
    const char *hint = code == EPERM || code == EACCES
                           ? ". VBoxSVC needs the capability CAP_NET_ADMIN for that, or an administrator does it"
                           : "";

    return api_fail(error, VBOX_E_HOST_ERROR, "Could not %s the host-only interface '%s': %s%s", what, name,
                    g_strerror(code), hint);
}

static bool is_ours(const char *name)
{
    char *end;

    if (!g_str_has_prefix(name, PREFIX) || !g_ascii_isdigit(name[strlen(PREFIX)]))
        return false;
    guint64 n = g_ascii_strtoull(name + strlen(PREFIX), &end, 10);
    return *end == '\0' && n < INTERFACES_MAX;
}

static bool known(const char *name, GError **error)
{
    if (!is_ours(name) || if_nametoindex(name) == 0)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "The host-only interface '%s' does not exist", name);
    return true;
}

/* One ioctl on a socket of its own. */
static bool control(int family, unsigned long request, void *arg)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd >= 0 ? ioctl(fd, request, arg) : -1;
    int code = errno;

    if (fd >= 0)
        close(fd);
    errno = code;
    return rc == 0;
}

static bool set_up(const char *name, bool up)
{
    struct ifreq r = {0};

    g_strlcpy(r.ifr_name, name, sizeof r.ifr_name);
    if (!control(AF_INET, SIOCGIFFLAGS, &r))
        return false;
    r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
    return control(AF_INET, SIOCSIFFLAGS, &r);
}

static bool reply_done(struct bus_call *call, const char *description, const char *name, GVariant **ret)
{
    struct service *s = call->object;
    struct progress *p = progress_new(s, call->peer, description);
    g_autofree char *path = progress_path(p);

    progress_end(p, NULL);
    *ret = name != NULL ? g_variant_new("(so)", name, path) : g_variant_new("(o)", path);
    return true;
}

bool host_create_interface(struct bus_call *call, GVariant **ret, GError **error)
{
    char name[IFNAMSIZ] = "";

    for (unsigned k = 0; k < INTERFACES_MAX; k++) {
        g_snprintf(name, sizeof name, PREFIX "%u", k);
        if (if_nametoindex(name) == 0)
            break;
    }
    if (!control(AF_INET, SIOCBRADDBR, name))
        return failed("create", name, error);
    set_up(name, true);
    return reply_done(call, "Creating host only network interface", name, ret);
}

bool host_remove_interface(struct bus_call *call, GVariant **ret, GError **error)
{
    char name[IFNAMSIZ];
    const char *text;

    g_variant_get(call->args, "(&s)", &text);
    if (!known(text, error))
        return false;
    g_strlcpy(name, text, sizeof name);
    if (!set_up(name, false) || !control(AF_INET, SIOCBRDELBR, name))
        return failed("remove", name, error);
    return reply_done(call, "Removing host network interface", NULL, ret);
}

/* ---- addresses ---- */

static bool ipv6_within(const struct in6_addr *a, const struct in6_addr *net, unsigned length)
{
    for (unsigned bit = 0; bit < length; bit++)
        if (((a->s6_addr[bit / 8] ^ net->s6_addr[bit / 8]) >> (7 - bit % 8) & 1) != 0)
            return false;
    return true;
}

static bool within(const char *address, const char *range)
{
    g_auto(GStrv) pair = g_strsplit(range, "/", 2);
    struct in6_addr a, net;
    uint32_t network, mask;

    if (address_cidr(range, &network, &mask))
        return address_is_ipv4(address) && (address_ipv4(address) & mask) == network;
    if (pair[0] == NULL || pair[1] == NULL || inet_pton(AF_INET6, pair[0], &net) != 1)
        return false;
    guint64 length = g_ascii_strtoull(pair[1], NULL, 10);
    return inet_pton(AF_INET6, address, &a) == 1 && length <= 128 && ipv6_within(&a, &net, (unsigned)length);
}

static bool allowed(const char *address, GError **error)
{
    g_autofree char *text = NULL;
    bool ok = false;

    if (!g_file_get_contents(NETWORKS_FILE, &text, NULL, NULL))
        text = g_strdup("* 192.168.56.0/21 fe80::/10");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned k = 0; lines[k] != NULL; k++) {
        g_auto(GStrv) words = g_strsplit_set(lines[k], " \t\r", -1);
        bool rule = words[0] != NULL && strcmp(words[0], "*") == 0;
        for (unsigned n = 1; rule && words[n] != NULL; n++)
            ok |= *words[n] != '\0' && within(address, words[n]);
    }
    return ok || api_fail(error, E_ACCESSDENIED,
                          "The IP address configured for the host-only network is not within the allowed ranges: %s. "
                          "The ranges are in " NETWORKS_FILE ", by default 192.168.56.0/21 and fe80::/10",
                          address);
}

static void fill(struct ifreq *r, const char *name, uint32_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};

    *r = (struct ifreq){0};
    g_strlcpy(r->ifr_name, name, sizeof r->ifr_name);
    memcpy(&r->ifr_addr, &in, sizeof in);
}

/* The interface whose method is called: an IHostNetworkInterface is a dictionary. */
static const char *name_of(const struct bus_call *call)
{
    const char *name = "";

    g_variant_lookup(call->object, "Name", "&s", &name);
    return name;
}

bool netif_static_ip(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name = name_of(call), *address, *mask;
    struct ifreq r;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &address, &mask);
    if (!address_is_ipv4(address) || !address_is_ipv4(mask))
        return api_fail(error, E_INVALIDARG, "Invalid address '%s' or network mask '%s'", address, mask);
    if (!known(name, error) || !allowed(address, error))
        return false;
    fill(&r, name, address_ipv4(address));
    if (!control(AF_INET, SIOCSIFADDR, &r))
        return failed("configure", name, error);
    fill(&r, name, address_ipv4(mask));
    return (control(AF_INET, SIOCSIFNETMASK, &r) && set_up(name, true)) || failed("configure", name, error);
}

bool netif_static_ip6(struct bus_call *call, GVariant **ret, GError **error)
{
    struct ip6_request r = {0};
    const char *name = name_of(call), *address;
    guint32 length;

    (void)ret;
    g_variant_get(call->args, "(&su)", &address, &length);
    if (inet_pton(AF_INET6, address, &r.address) != 1 || length > 128)
        return api_fail(error, E_INVALIDARG, "Invalid address '%s/%u'", address, length);
    if (!known(name, error) || !allowed(address, error))
        return false;
    r.prefix_length = length;
    r.index = (int)if_nametoindex(name);
    return (set_up(name, true) && control(AF_INET6, SIOCSIFADDR, &r)) || failed("configure", name, error);
}

bool netif_dynamic_ip(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name = name_of(call);

    (void)ret;
    return known(name, error) && api_fail(error, E_NOTIMPL,
                                          "Getting the address of '%s' from a DHCP server is not "
                                          "available; give it one with --ip",
                                          name);
}

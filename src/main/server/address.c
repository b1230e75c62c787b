/*
 * address.c - texts of Internet addresses as the settings have them.
 */
#include <arpa/inet.h>
#include <string.h>

#include "main/server/objects.h"

bool address_is_ipv4(const char *text)
{
    struct in_addr a;

    return inet_pton(AF_INET, text, &a) == 1;
}

bool address_is_ipv6(const char *text)
{
    struct in6_addr a;

    return inet_pton(AF_INET6, text, &a) == 1;
}

uint32_t address_ipv4(const char *text)
{
    struct in_addr a = {0};

    return inet_pton(AF_INET, text, &a) == 1 ? ntohl(a.s_addr) : 0;
}

char *address_ipv4_text(uint32_t address)
{
    return g_strdup_printf("%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff);
}

/* "ADDRESS/LENGTH" */
static bool split_prefix(const char *text, unsigned max, char *ret_address, size_t size, unsigned *ret_length)
{
    const char *slash = strchr(text, '/');
    char *end;

    if (slash == NULL || (size_t)(slash - text) >= size || !g_ascii_isdigit(slash[1]))
        return false;
    memcpy(ret_address, text, (size_t)(slash - text));
    ret_address[slash - text] = '\0';
    guint64 n = g_ascii_strtoull(slash + 1, &end, 10);
    *ret_length = (unsigned)MIN(n, 1000);
    return *end == '\0' && n <= max;
}

bool address_cidr(const char *text, uint32_t *ret_network, uint32_t *ret_mask)
{
    char address[INET_ADDRSTRLEN];
    unsigned length;

    if (!split_prefix(text, 32, address, sizeof address, &length) || !address_is_ipv4(address))
        return false;
    *ret_mask = length == 0 ? 0 : UINT32_MAX << (32 - length);
    *ret_network = address_ipv4(address) & *ret_mask;
    return true;
}

bool address_is_cidr(const char *text)
{
    uint32_t network, mask;

    return address_cidr(text, &network, &mask);
}

bool address_is_ipv6_prefix(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    unsigned length;

    return split_prefix(text, 128, address, sizeof address, &length) && address_is_ipv6(address);
}

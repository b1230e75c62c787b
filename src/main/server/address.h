/*
 * address.h - texts of network addresses.
 */
#ifndef MAIN_SERVER_ADDRESS_H
#define MAIN_SERVER_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

bool address_is_ipv4(const char *text);
bool address_is_ipv6(const char *text);
bool address_is_cidr(const char *text);
bool address_is_ipv6_prefix(const char *text); /* with /length */
/** Host byte order; 0 if it is none. */
uint32_t address_ipv4(const char *text);
char *address_ipv4_text(uint32_t address); /* g_free */
/** The network of "a.b.c.d/n" and its mask. */
bool address_cidr(const char *text, uint32_t *ret_network, uint32_t *ret_mask);

#endif

/*
 * dhcp_int.h - shared by the files that make up IDHCPServer.
 */
#ifndef MAIN_SERVER_NETWORK_DHCP_INT_H
#define MAIN_SERVER_NETWORK_DHCP_INT_H

#include "main/server/kept.h"

#define D struct settings_dhcp_server

/* dhcp.c */
D *dhcp_of(const struct bus_call *call);
bool dhcp_changed(struct bus_call *call, GError **error);

/* dhcp_config.c: what is handed out, to whom */
GVariant *dhcp_get_configs(const struct bus_call *call, const struct bus_property *row);
bool dhcp_set_option(struct bus_call *call, GVariant **ret, GError **error);
bool dhcp_remove_all_options(struct bus_call *call, GVariant **ret, GError **error);
bool dhcp_set_policy(struct bus_call *call, GVariant **ret, GError **error);
bool dhcp_set_lease_times(struct bus_call *call, GVariant **ret, GError **error);
bool dhcp_set_fixed_address(struct bus_call *call, GVariant **ret, GError **error);
bool dhcp_set_condition(struct bus_call *call, GVariant **ret, GError **error);
bool dhcp_remove_config(struct bus_call *call, GVariant **ret, GError **error);

#endif

/*
 * list.h - the functions behind the keywords of `list`; list.c has the table.
 */
#ifndef FRONTENDS_VBOXMANAGE_LIST_H
#define FRONTENDS_VBOXMANAGE_LIST_H

#include "frontends/VBoxManage/manage.h"

struct listing {
    bool details, sorted;
};

/* list_machines.c */
int list_vms(struct cmd *c, const struct listing *l);
int list_running(struct cmd *c, const struct listing *l);
int list_groups(struct cmd *c, const struct listing *l);

/* list_host.c */
int list_system(struct cmd *c, const struct listing *l);
int list_host(struct cmd *c, const struct listing *l);
int list_cpu_profiles(struct cmd *c, const struct listing *l);

/* list_devices.c */
int list_cpuids(struct cmd *c, const struct listing *l);
int list_host_dvds(struct cmd *c, const struct listing *l);
int list_host_floppies(struct cmd *c, const struct listing *l);
int list_host_drives(struct cmd *c, const struct listing *l);
int list_webcams(struct cmd *c, const struct listing *l);
int list_usb_devices(struct cmd *c, const struct listing *l);
int list_usb_filters(struct cmd *c, const struct listing *l);

/* updatecheck.c */
int list_updates(struct cmd *c, const struct listing *l);

/* extpack.c */
int list_extpacks(struct cmd *c, const struct listing *l);

/* list_networks.c */
int list_bridged(struct cmd *c, const struct listing *l);
int list_host_only(struct cmd *c, const struct listing *l);
int list_internal(struct cmd *c, const struct listing *l);
int list_nat(struct cmd *c, const struct listing *l);
int list_dhcp(struct cmd *c, const struct listing *l);
int list_host_only_networks(struct cmd *c, const struct listing *l);
/** natnetwork list: those whose names match @pattern. */
int list_nat_matching(struct cmd *c, const char *pattern);

#endif

/*
 * modifyvm.h - the functions modifyvm.def names for options that are more than one property.
 */
#ifndef FRONTENDS_VBOXMANAGE_MODIFYVM_H
#define FRONTENDS_VBOXMANAGE_MODIFYVM_H

#include "frontends/VBoxManage/commands.h"

/* Changes c->session_machine. Return: RC_OK, or what the program ends with (said). */
typedef int (*modify_fn)(struct cmd *c, const struct value *v);

int set_groups(struct cmd *c, const struct value *v);
int set_time_offset(struct cmd *c, const struct value *v);
int set_boot(struct cmd *c, const struct value *v);
int set_nic_property(struct cmd *c, const struct value *v);
int set_nic(struct cmd *c, const struct value *v);
int set_nat_settings(struct cmd *c, const struct value *v);
int set_forward(struct cmd *c, const struct value *v);
int set_alias_mode(struct cmd *c, const struct value *v);
int set_uart_mode(struct cmd *c, const struct value *v);
int set_uart(struct cmd *c, const struct value *v);
int set_lpt(struct cmd *c, const struct value *v);
int set_audio(struct cmd *c, const struct value *v);
int set_clipboard_files(struct cmd *c, const struct value *v);
int set_vrde_property(struct cmd *c, const struct value *v);
int set_vrde_port(struct cmd *c, const struct value *v);
int set_vrde_address(struct cmd *c, const struct value *v);
int set_vrde_quality(struct cmd *c, const struct value *v);
int set_vrde_channel(struct cmd *c, const struct value *v);
int set_xhci(struct cmd *c, const struct value *v);
int set_ehci(struct cmd *c, const struct value *v);
int set_ohci(struct cmd *c, const struct value *v);

/* A port forwarding rule: name,tcp|udp,hostip,hostport,guestip,guestport */
struct forward {
    char *name;
    const char *protocol; /* NATProtocol */
    char *host_ip;
    guint16 host_port;
    char *guest_ip;
    guint16 guest_port;
};
bool forward_parse(const char *text, struct forward *ret);
void forward_fini(struct forward *f);

/* modifyvm.c: one property of a numbered part; "adapter", "INetworkAdapter" */
int modify_slot(struct cmd *c, const char *kind, const char *interface, unsigned number, const char *property,
                GVariant *val);

#endif

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

/* modifyvm_more.c */
int set_recording(struct cmd *c, guint32 screen, const char *option, const char *val);
int set_teleporter_password_file(struct cmd *c, const struct value *v);
int set_teleporter_password(struct cmd *c, const struct value *v);
int set_icon(struct cmd *c, const struct value *v);
int set_plug(struct cmd *c, const struct value *v);
int set_unplug(struct cmd *c, const struct value *v);
int set_tpm(struct cmd *c, const struct value *v);
int set_engine(struct cmd *c, const struct value *v);
int set_lockstep(struct cmd *c, const struct value *v);
int set_profile(struct cmd *c, const struct value *v);
int set_perf_map(struct cmd *c, const struct value *v);
int set_raw_mode(struct cmd *c, const struct value *v);
int set_usb_name(struct cmd *c, const struct value *v);
int set_recording_screens(struct cmd *c, const struct value *v);
int set_recording_file(struct cmd *c, const struct value *v);
int set_recording_time(struct cmd *c, const struct value *v);
int set_recording_size(struct cmd *c, const struct value *v);
int set_recording_options(struct cmd *c, const struct value *v);
int set_recording_res(struct cmd *c, const struct value *v);
int set_recording_rate(struct cmd *c, const struct value *v);
int set_recording_fps(struct cmd *c, const struct value *v);
int set_pci(struct cmd *c, const struct value *v);
int set_pci_detach(struct cmd *c, const struct value *v);
int set_testing(struct cmd *c, const struct value *v);
int set_testing_mmio(struct cmd *c, const struct value *v);
int set_testing_dword(struct cmd *c, const struct value *v);
int set_cpuid_none(struct cmd *c, const struct value *v);
int set_cpuid_remove(struct cmd *c, const struct value *v);
int set_cpuid(struct cmd *c, const struct value *v);

/* modifyvm_storage.c: what storagectl and storageattach do now */
int set_hda(struct cmd *c, const struct value *v);
int set_hdb(struct cmd *c, const struct value *v);
int set_hdd(struct cmd *c, const struct value *v);
int set_ide_type(struct cmd *c, const struct value *v);
int set_sata_ports(struct cmd *c, const struct value *v);
int set_sata_disk(struct cmd *c, const struct value *v);
int set_sata(struct cmd *c, const struct value *v);
int set_scsi_disk(struct cmd *c, const struct value *v);
int set_scsi_type(struct cmd *c, const struct value *v);
int set_scsi(struct cmd *c, const struct value *v);
int set_dvd_passthrough(struct cmd *c, const struct value *v);
int set_dvd(struct cmd *c, const struct value *v);
int set_floppy(struct cmd *c, const struct value *v);

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

/* modifyvm.c: options with their arguments, on c->session_machine */
int modify_words(struct cmd *c, char **argv, int count);
/* one property of a numbered part; "adapter", "INetworkAdapter" */
int modify_slot(struct cmd *c, const char *kind, const char *interface, unsigned number, const char *property,
                GVariant *val);

#endif

/*
 * commands.h - the command groups' rows, and the few functions one group has for another.
 */
#ifndef FRONTENDS_VBOXMANAGE_COMMANDS_H
#define FRONTENDS_VBOXMANAGE_COMMANDS_H

#include "frontends/VBoxManage/manage.h"

extern const struct command createvm_command, registervm_command, unregistervm_command, startvm_command,
    controlvm_command, discardstate_command, adoptstate_command, storagectl_command, storageattach_command,
    createmedium_command, closemedium_command, showmediuminfo_command, showvminfo_command, list_command,
    modifyvm_command, setextradata_command, getextradata_command, setproperty_command, sharedfolder_command,
    bandwidthctl_command, debugvm_command, natnetwork_command, hostonlynet_command, hostonlyif_command,
    dhcpserver_command, usbdevsource_command, metrics_command, extpack_command, unattended_command,
    guestcontrol_command, cloud_command, cloudprofile_command, signova_command, modifynvram_command, encryptvm_command,
    updatecheck_command, import_command, export_command, guestproperty_command, usbfilter_command;

extern const struct command snapshot_command, modifymedium_command, clonemedium_command, mediumproperty_command,
    clonevm_command, movevm_command, convertfromraw_command, mediumio_command, internalcommands_command,
    encryptmedium_command, checkmediumpwd_command;

/* createmedium.c */
/** Says to standard error what an image of a host's disk still needs. */
void medium_host_disk_hint(void);
/* medium.c */
/** "disk", "dvd", "floppy" as DeviceType; NULL: none of them. */
const char *medium_kind(const char *word);
/** --variant's words as the API has them; NULL: said. g_free the array */
const char **medium_variant_words(struct cmd *c, const char *text);
/** The same words as a new image's layout; false: said. */
struct vd_create;
bool medium_layout(struct cmd *c, const char *text, struct vd_create *to);
/** @file with the usual extension where it has none; g_free */
char *medium_file(const char *file, const char *kind, const char *format);
/** A medium whose storage could not be made is known no more. */
void medium_forget_new(struct cmd *c, const char *object);
void medium_show(struct cmd *c, GVariant *medium, const char *base, bool details);
int medium_list(struct cmd *c, const char *kind, bool details);
/* startvm.c */
/** Starts a machine and says so; @environment: "NAME=VALUE", end NULL. */
bool startvm_start(struct cmd *c, const char *name, const char *type, const char *const *environment);
/* usbfilter.c */
void usb_filters_print(GVariant *list);
/* sharing.c */
void bandwidth_print(GVariant *group, unsigned number, bool machine_readable);

#endif

/*
 * commands.c - all commands, in the order help shows them.
 */
#include "frontends/VBoxManage/commands.h"

const struct command *const commands[] = {
    &list_command,           &showvminfo_command,    &registervm_command,
    &unregistervm_command,   &createvm_command,      &modifyvm_command,
    &startvm_command,        &controlvm_command,     &discardstate_command,
    &adoptstate_command,     &snapshot_command,      &closemedium_command,
    &storageattach_command,  &storagectl_command,    &bandwidthctl_command,
    &showmediuminfo_command, &createmedium_command,  &setextradata_command,
    &getextradata_command,   &setproperty_command,   &sharedfolder_command,
    &import_command,         &export_command,        &usbfilter_command,
    &usbdevsource_command,   &guestproperty_command, &hostonlyif_command,
    &hostonlynet_command,    &dhcpserver_command,    &natnetwork_command,
    &metrics_command,        &debugvm_command,       &guestcontrol_command,
    &unattended_command,     &extpack_command,       &modifynvram_command,
    &encryptvm_command,      &cloud_command,         &cloudprofile_command,
    &signova_command,        &updatecheck_command,   NULL,
};

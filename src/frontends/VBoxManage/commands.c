/*
 * commands.c - all commands, in the order help shows them.
 */
#include "frontends/VBoxManage/commands.h"

const struct command *const commands[] = {
    &list_command,
    &showvminfo_command,
    &registervm_command,
    &unregistervm_command,
    &createvm_command,
    &modifyvm_command,
    &startvm_command,
    &controlvm_command,
    &discardstate_command,
    &adoptstate_command,
    &snapshot_command,
    &closemedium_command,
    &storageattach_command,
    &storagectl_command,
    &bandwidthctl_command,
    &showmediuminfo_command,
    &createmedium_command,
    &setextradata_command,
    &getextradata_command,
    &setproperty_command,
    &sharedfolder_command,
    &import_command,
    &export_command,
    &usbfilter_command,
    &guestproperty_command,
    &hostonlyif_command,
    &hostonlynet_command,
    &dhcpserver_command,
    &natnetwork_command,
    &debugvm_command,
    NULL,
};

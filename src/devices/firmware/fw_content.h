/*
 * fw_content.h - what the firmware configuration device tells about this machine.
 */
#ifndef DEVICES_FIRMWARE_FW_CONTENT_H
#define DEVICES_FIRMWARE_FW_CONTENT_H

#include "devices/firmware/fw_items.h"
#include "vmm/pdm/dev.h"

/** Keys of the device's configuration the content is made from. */
extern const struct pdm_cfg_key fw_content_config[];
/** fw_content_make() - fills the items from the configuration and the machine. */
bool fw_content_make(struct pdm_dev *dev, struct fw_items *items, GError **error);
/** fw_content_selected() - the guest is about to read @key: brings what depends on registers up to date. */
void fw_content_selected(struct pdm_dev *dev, struct fw_items *items, uint16_t key);

#endif

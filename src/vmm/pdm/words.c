/*
 * words.c - what devices and busses tell people: info handlers and counters, for the machine's registries.
 */
#include <string.h>

#include "vmm/info/info.h"
#include "vmm/pdm/pdm_int.h"
#include "vmm/stam/stam.h"

/* With the device's own handler, or from its field table. */
static void dev_info(void *user, const char *args, GString *out)
{
    struct pdm_dev *dev = user;

    pdm_lock(dev);
    if (dev->reg->info)
        dev->reg->info(dev, out, args);
    else if (dev->reg->state)
        ssm_dump_fields(out, dev->reg->state->fields, dev->state);
    pdm_unlock(dev);
}

bool pdm_info(struct pdm *pdm, const char *device, const char *args, GString *out)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (strcmp(dev->tag, device) && (dev->instance != 0 || strcmp(dev->reg->name, device)))
            continue;
        dev_info(dev, args, out);
        return true;
    }
    return false;
}

static void info_pci(void *user, const char *args, GString *out)
{
    (void)args;
    pdm_info_pci(user, out);
}

static void info_irq(void *user, const char *args, GString *out)
{
    (void)args;
    pdm_info_irq(user, out);
}

static void register_info(struct pdm *pdm, struct info *info)
{
    info_add(info, "pci", "PCI functions", info_pci, pdm);
    info_add(info, "irqroute", "interrupt lines", info_irq, pdm);
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        info_add(info, dev->tag, dev->reg->desc, dev_info, dev);
        if (dev->instance != 0)
            continue;
        info_add(info, dev->reg->name, dev->reg->desc, dev_info, dev);
        if (dev->reg->info_name)
            info_add(info, dev->reg->info_name, dev->reg->desc, dev_info, dev);
    }
}

void pdm_register(struct pdm *pdm, struct stam *stam, struct info *info)
{
    for (unsigned i = 0; i < pdm->counters->len; i++) {
        const struct pdm_counter *c = g_ptr_array_index(pdm->counters, i);

        stam_addf(stam, STAM_COUNTER, c->counter, c->unit, NULL, "/Devices/%s/%s", c->dev->tag, c->stat);
    }
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        const struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        stam_addf(stam, STAM_COUNTER, &dev->guest_errors, "times", "What the data sheet forbids",
                  "/Devices/%s/GuestErrors", dev->tag);
    }
    for (unsigned line = 0; line < PDM_ISA_LINES; line++)
        stam_addf(stam, STAM_COUNTER, &pdm->isa_rises[line], "times", "Changes from low to high",
                  "/PDM/IsaLine%02u/Rises", line);
    iom_register(pdm->iom, stam, info);
    register_info(pdm, info);
}

/*
 * state.c - saved state of the devices: one unit each, named as the device, with its instance.
 *
 * A unit is the PCI configuration space, when the device has one, then its field table and extra part. What a state
 * leads to - timers, lines, mappings - is not saved: drive() makes it again when all units are in, quietly, so that no
 * controller sees an edge that did not happen.
 */
#include "vmm/pdm/pdm_int.h"

#include <string.h>

uint32_t pdm_state_version(const struct pdm_dev *dev)
{
    return dev->reg->state ? dev->reg->state->version : 0;
}

void pdm_save(struct pdm_dev *dev, struct ssm_writer *w)
{
    pdm_lock(dev);
    if (dev->pci)
        pdm_pci_save(dev, w);
    if (dev->reg->state)
        ssm_put_state(w, dev->reg->state, dev->state);
    pdm_unlock(dev);
}

bool pdm_load(struct pdm_dev *dev, uint32_t version, const void *bytes, size_t size, GError **error)
{
    static const struct ssm_desc nothing = {};
    const struct ssm_desc *desc = dev->reg->state ? dev->reg->state : &nothing;
    struct ssm_reader r;

    if (!ssm_version_ok(desc, version, dev->tag, error))
        return false;
    dev->pdm->quiet = true; /* until pdm_load_done() */
    ssm_reader_init(&r, bytes, size);
    pdm_lock(dev);
    if (dev->pci)
        pdm_pci_load(dev, &r);
    if (dev->reg->state && ssm_reader_ok(&r))
        ssm_get_state(&r, dev->reg->state, dev->state, version);
    pdm_unlock(dev);
    return ssm_reader_finish(&r, dev->tag, error);
}

void pdm_load_done(struct pdm *pdm)
{
    pdm->quiet = true;
    pdm_irq_forget(pdm);
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (dev->pci)
            dev->pci->irq_level = dev->pci->irq_out = false;
    }
    pdm_drive_all(pdm);
}

/* ---- the file ---- */

bool pdm_save_all(struct pdm *pdm, struct ssm_out *out, GError **error)
{
    bool ok = pdm_save_media(pdm, out, error);

    for (unsigned i = 0; ok && i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);
        struct ssm_writer w;

        if (!pdm_has_state(dev))
            continue;
        ssm_writer_init(&w);
        pdm_save(dev, &w);
        ok = ssm_out_written(out, dev->reg->name, dev->instance, pdm_state_version(dev), &w, error);
        ssm_writer_fini(&w);
    }
    return ok;
}

void pdm_load_begin(struct pdm *pdm)
{
    for (unsigned i = 0; i < pdm->devs->len; i++)
        ((struct pdm_dev *)g_ptr_array_index(pdm->devs, i))->loaded = false;
}

bool pdm_load_unit(struct pdm *pdm, const struct ssm_unit *unit, GError **error)
{
    struct pdm_dev *dev = pdm_find(pdm, unit->name, unit->instance);

    if (!strcmp(unit->name, PDM_MEDIUM_UNIT))
        return pdm_check_medium(pdm, unit, error);
    if (!dev || !pdm_has_state(dev) || dev->loaded) {
        g_set_error(error, SSM_ERROR, SSM_MISMATCH, "Saved state unit \"%s\", instance %u: %s", unit->name,
                    unit->instance, dev && dev->loaded ? "is there twice" : "this machine has no such device");
        return false;
    }
    dev->loaded = true;
    return pdm_load(dev, unit->version, unit->bytes, unit->size, error);
}

bool pdm_load_end(struct pdm *pdm, GError **error)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        const struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (!pdm_has_state(dev) || dev->loaded)
            continue;
        g_set_error(error, SSM_ERROR, SSM_MISMATCH, "The saved state has no unit \"%s\", instance %u", dev->reg->name,
                    dev->instance);
        return false;
    }
    pdm_load_done(pdm);
    return true;
}

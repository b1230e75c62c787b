/*
 * unavailable.c - see unavailable.h. A part that is built takes its row away here.
 */
#include "main/vmproc/unavailable.h"

static void add(GString *text, const char *what)
{
    g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", what);
}

static void add_adapters(GString *text, const struct settings_hardware *h)
{
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++) {
        const struct settings_adapter *a = &h->adapter[k];
        if (!a->enabled)
            continue;
        g_autofree char *what = g_strdup_printf("network adapter %u (%s, %s)", k + 1, settings_nic_type_names[a->type],
                                                settings_attach_names[a->attachment]);
        add(text, what);
    }
}

char *unavailable_text(const struct settings_machine *m)
{
    const struct settings_hardware *h = &m->hardware;
    const struct {
        bool wanted;
        const char *what;
    } rows[] = {
        {h->audio.enabled, "sound card"},
        {h->usb_controllers->len > 0, "USB controllers"},
        {h->pointing != POINTING_PS2 && h->pointing != POINTING_NONE, "USB pointing device"},
        {h->keyboard != KEYBOARD_PS2 && h->keyboard != KEYBOARD_NONE, "USB keyboard"},
        {h->card_reader, "USB card reader"},
        {h->vrde.enabled, "remote display"},
        {h->accelerate_3d, "3D acceleration"},
        {h->accelerate_2d, "2D video acceleration"},
        {h->monitors > 1, "second and further screens"},
        {h->tpm != TPM_NONE, "TPM"},
        {h->iommu != IOMMU_NONE, "IOMMU"},
        {h->cpu.hotplug, "CPU hot-plugging"},
        {h->cpu.execution_cap != 100, "CPU execution cap"},
        {h->cpu.leaves->len > 0, "CPUID overrides"},
        {h->pci_devices->len > 0, "PCI devices of the host"},
        {h->shared_folders->len > 0, "shared folders"},
        {h->clipboard != SHARING_DISABLED, "shared clipboard"},
        {h->drag_and_drop != SHARING_DISABLED, "drag and drop"},
        {h->balloon_mib > 0, "memory balloon"},
        {h->page_fusion, "page fusion"},
        {h->bandwidth_groups->len > 0, "bandwidth limits"},
        {m->recording.enabled, "recording"},
    };
    GString *text = g_string_new(NULL);

    add_adapters(text, h);
    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++)
        if (rows[k].wanted)
            add(text, rows[k].what);
    bool nothing = text->len == 0;
    char *result = g_string_free(text, nothing);
    return nothing ? NULL : result;
}

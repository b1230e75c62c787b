/*
 * pdm.c - the devices of a machine: construction from the configuration tree, life cycle, info.
 *
 * Invariant 1: a device's callbacks are called only between a successful construct() and its destruct().
 * Invariant 2: a failed construction leaves nothing mapped, armed or claimed.
 */
#include "vmm/pdm/pdm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/pdm/pdm_int.h"

#define PRIORITY_DEFAULT 100u

static void source_free(void *p)
{
    g_free(((struct pdm_counter *)p)->stat);
    g_free(p);
}

static void lun_free(void *p)
{
    g_free(((struct pdm_lun *)p)->device);
    g_free(p);
}

struct pdm *pdm_new(const struct pdm_host *host)
{
    struct pdm *pdm = g_new0(struct pdm, 1);

    pdm->host = *host;
    pdm->iom = iom_new();
    pdm->devs = g_ptr_array_new();
    pdm->ports = g_ptr_array_new_with_free_func(g_free);
    pdm->ranges = g_ptr_array_new_with_free_func(g_free);
    pdm->clocks = g_ptr_array_new_with_free_func(g_free);
    pdm_files_init(pdm);
    pdm->counters = g_ptr_array_new_with_free_func(source_free);
    pdm->luns = g_ptr_array_new_with_free_func(lun_free);
    pdm->blobs = g_ptr_array_new_with_free_func(g_free);
    pdm->sources = g_array_new(FALSE, TRUE, sizeof(struct pdm_source));
    g_mutex_init(&pdm->irq_lock);
    g_mutex_init(&pdm->pirq_lock);
    return pdm;
}

struct iom *pdm_iom(struct pdm *pdm)
{
    return pdm->iom;
}

/* ---- construction ---- */

static struct pdm_dev *dev_new(struct pdm *pdm, const struct pdm_devreg *reg, unsigned instance, struct cfgm_node *node)
{
    struct pdm_dev *dev = g_new0(struct pdm_dev, 1);

    dev->pdm = pdm;
    dev->reg = reg;
    dev->instance = instance;
    dev->node = node;
    dev->config = cfgm_child(node, "Config");
    dev->state = g_malloc0(MAX(reg->state_size, 1u));
    dev->tag = g_strdup_printf("%s%u", reg->name, instance);
    g_mutex_init(&dev->lock);
    return dev;
}

static void forget_roles(struct pdm_dev *dev)
{
    struct pdm *pdm = dev->pdm;

    if (pdm->pic == dev)
        pdm->pic = NULL;
    if (pdm->ioapic == dev)
        pdm->ioapic = NULL;
    if (pdm->apic == dev)
        pdm->apic = NULL;
    if (pdm->router == dev)
        pdm->router = NULL;
    if (pdm->dmac == dev)
        pdm->dmac = NULL;
    for (unsigned i = 0; i < PDM_DMA_CHANNELS; i++)
        if (pdm->dma_dev[i] == dev)
            pdm->dma_dev[i] = NULL;
    for (unsigned i = 0; i < pdm->luns->len; i++) {
        struct pdm_lun *l = g_ptr_array_index(pdm->luns, i);

        if (l->dev == dev)
            l->dev = NULL;
    }
}

/* inv 2 */
static void dev_destroy(struct pdm_dev *dev)
{
    pdm_io_undo(dev); /* timers first: after this nothing comes in */
    pdm_files_undo(dev);
    pdm_lock(dev);
    dev->constructed = false;
    if (dev->reg->destruct)
        dev->reg->destruct(dev);
    pdm_unlock(dev);
    forget_roles(dev);
    pdm_pci_undo(dev);
    g_ptr_array_remove(dev->pdm->devs, dev);
    g_free(dev->pci);
    g_free(dev->state);
    g_free(dev->tag);
    g_mutex_clear(&dev->lock);
    g_free(dev);
}

static void destroy_all(struct pdm *pdm)
{
    while (pdm->devs->len)
        dev_destroy(g_ptr_array_index(pdm->devs, pdm->devs->len - 1));
}

void pdm_free(struct pdm *pdm)
{
    if (!pdm)
        return;
    destroy_all(pdm);
    pdm_files_fini(pdm);
    g_ptr_array_unref(pdm->devs);
    g_ptr_array_unref(pdm->counters);
    iom_free(pdm->iom);
    g_ptr_array_unref(pdm->ports);
    g_ptr_array_unref(pdm->ranges);
    g_ptr_array_unref(pdm->clocks);
    g_ptr_array_unref(pdm->luns);
    g_ptr_array_unref(pdm->blobs);
    g_array_unref(pdm->sources);
    g_mutex_clear(&pdm->irq_lock);
    g_mutex_clear(&pdm->pirq_lock);
    g_free(pdm);
}

static bool dev_construct(struct pdm *pdm, const struct pdm_devreg *reg, unsigned instance, struct cfgm_node *node,
                          GError **error)
{
    struct pdm_dev *dev;
    bool ok;

    if (!pdm_cfg_check(reg, cfgm_child(node, "Config"), error))
        return false;
    dev = dev_new(pdm, reg, instance, node);
    g_ptr_array_add(pdm->devs, dev);
    pdm_luns_bind(dev);
    pdm_lock(dev);
    ok = !reg->construct || reg->construct(dev, error);
    dev->constructed = ok;
    pdm_unlock(dev);
    if (!ok)
        dev_destroy(dev);
    return ok;
}

static bool instance_check(struct cfgm_node *node, const struct pdm_devreg *reg, unsigned *ret_instance, GError **error)
{
    static const struct cfgm_key keys[] = {{.name = "Trusted", .type = CFGM_INTEGER, .max = 1},
                                           {.name = "Priority", .type = CFGM_INTEGER},
                                           {.name = "PCIBusNo", .type = CFGM_INTEGER, .max = 0},
                                           {.name = "PCIDeviceNo", .type = CFGM_INTEGER, .max = PDM_PCI_SLOTS - 1},
                                           {.name = "PCIFunctionNo", .type = CFGM_INTEGER, .max = 7},
                                           {}};
    static const char *const children[] = {"Config", "LUN#*", NULL};
    const char *name = cfgm_name(node);
    char *end;
    const unsigned long n = strtoul(name, &end, 10);

    if (!g_ascii_isdigit(*name) || *end || n >= reg->max_instances) {
        g_autofree char *path = cfgm_path(node);

        g_set_error(error, PDM_ERROR, 0, "Configuration node \"%s\": \"%s\" has instances 0 to %u", path, reg->name,
                    reg->max_instances - 1);
        return false;
    }
    *ret_instance = (unsigned)n;
    return cfgm_validate(node, keys, children, error);
}

static int by_priority(const void *a, const void *b)
{
    struct cfgm_node *const *x = a, *const *y = b;
    const uint64_t px = cfgm_integer(*x, "Priority", PRIORITY_DEFAULT),
                   py = cfgm_integer(*y, "Priority", PRIORITY_DEFAULT);
    g_autofree char *path_x = NULL, *path_y = NULL;

    if (px != py)
        return px < py ? -1 : 1;
    path_x = cfgm_path(*x);
    path_y = cfgm_path(*y);
    return strcmp(path_x, path_y);
}

/* The instance nodes of a device's node, each next to the other by priority in the end. */
static GPtrArray *instances(struct cfgm_node *root)
{
    GPtrArray *all = g_ptr_array_new();

    for (struct cfgm_node *name = cfgm_first(cfgm_child(root, "Devices")); name; name = cfgm_next(name))
        for (struct cfgm_node *node = cfgm_first(name); node; node = cfgm_next(node))
            g_ptr_array_add(all, node);
    g_ptr_array_sort(all, by_priority);
    return all;
}

static char *device_name(struct cfgm_node *instance)
{
    g_autofree char *path = cfgm_path(instance);
    g_auto(GStrv) parts = g_strsplit(path, "/", -1); /* "", "Devices", name, instance, "" */

    return g_strdup(parts[2]);
}

static bool construct_node(struct pdm *pdm, struct cfgm_node *node, GError **error)
{
    g_autofree char *name = device_name(node);
    const struct pdm_devreg *reg = pdm->host.device_find(pdm->host.user, name);
    unsigned instance;

    if (!reg) {
        g_set_error(error, PDM_ERROR, 0, "Configuration node \"/Devices/%s/\": this program has no device \"%s\"", name,
                    name);
        return false;
    }
    return instance_check(node, reg, &instance, error) && dev_construct(pdm, reg, instance, node, error);
}

bool pdm_construct(struct pdm *pdm, struct cfgm_node *root, GError **error)
{
    g_autoptr(GPtrArray) nodes = instances(root);

    for (unsigned i = 0; i < nodes->len; i++)
        if (!construct_node(pdm, g_ptr_array_index(nodes, i), error)) {
            destroy_all(pdm);
            return false;
        }
    pdm_reset(pdm);
    return true;
}

/* ---- life ---- */

typedef void (*callback)(struct pdm_dev *dev);

static void call(struct pdm_dev *dev, callback fn)
{
    if (!fn)
        return;
    pdm_lock(dev);
    fn(dev);
    pdm_unlock(dev);
}

/* Outputs from states: quietly each device's, then the lines as they are in the end. */
void pdm_drive_all(struct pdm *pdm)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (dev->pci)
            pdm_pci_remap(dev);
        call(dev, dev->reg->drive);
    }
    pdm->quiet = false;
    pdm_pirq_push(pdm);
    pdm_irq_push(pdm);
}

void pdm_reset(struct pdm *pdm)
{
    pdm->quiet = true;
    pdm_irq_forget(pdm);
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (dev->pci)
            pdm_pci_reset(dev);
        call(dev, dev->reg->reset);
    }
    pdm_drive_all(pdm);
}

void pdm_suspend(struct pdm *pdm)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        call(dev, dev->reg->suspend);
    }
}

bool pdm_busy(struct pdm *pdm)
{
    bool busy = false;

    for (unsigned i = 0; i < pdm->devs->len && !busy; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (!dev->reg->busy)
            continue;
        pdm_lock(dev);
        busy = dev->reg->busy(dev);
        pdm_unlock(dev);
    }
    return busy;
}

void pdm_resume(struct pdm *pdm)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        call(dev, dev->reg->resume);
    }
}

void pdm_power_off(struct pdm *pdm)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        call(dev, dev->reg->power_off);
    }
}

struct pdm_dev *pdm_find(struct pdm *pdm, const char *name, unsigned instance)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (dev->instance == instance && !strcmp(dev->reg->name, name))
            return dev;
    }
    return NULL;
}

void pdm_each(struct pdm *pdm, void (*each)(void *user, struct pdm_dev *dev), void *user)
{
    for (unsigned i = 0; i < pdm->devs->len; i++)
        each(user, g_ptr_array_index(pdm->devs, i));
}

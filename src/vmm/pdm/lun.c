/*
 * lun.c - drivers below devices, and what people and drivers send up to devices.
 *
 * A logical unit is named by device, instance and number; what is attached before the device exists waits for it. A
 * detached block driver may still complete what it was given: its requests carry the device's generation.
 */
#include "vmm/pdm/pdm_int.h"

#include <string.h>

static struct pdm_lun *lun_at(struct pdm *pdm, const char *device, unsigned instance, unsigned lun, bool make)
{
    struct pdm_lun *l;

    for (unsigned i = 0; i < pdm->luns->len; i++) {
        l = g_ptr_array_index(pdm->luns, i);
        if (l->instance == instance && l->lun == lun && !strcmp(l->device, device))
            return l;
    }
    if (!make)
        return NULL;
    l = g_new0(struct pdm_lun, 1);
    *l = (struct pdm_lun){.pdm = pdm, .device = g_strdup(device), .instance = instance, .lun = lun};
    l->dev = pdm_find(pdm, device, instance);
    g_ptr_array_add(pdm->luns, l);
    return l;
}

void pdm_luns_bind(struct pdm_dev *dev)
{
    for (unsigned i = 0; i < dev->pdm->luns->len; i++) {
        struct pdm_lun *l = g_ptr_array_index(dev->pdm->luns, i);

        if (l->instance == dev->instance && !strcmp(l->device, dev->reg->name))
            l->dev = dev;
    }
}

struct pdm_block *pdm_lun_block(struct pdm_dev *dev, unsigned lun)
{
    const struct pdm_lun *l = lun_at(dev->pdm, dev->reg->name, dev->instance, lun, false);

    return l ? l->block : NULL;
}

struct pdm_char *pdm_lun_char(struct pdm_dev *dev, unsigned lun)
{
    const struct pdm_lun *l = lun_at(dev->pdm, dev->reg->name, dev->instance, lun, false);

    return l ? l->chars : NULL;
}

/* ---- attaching ---- */

static void changed(struct pdm_lun *l)
{
    if (l->dev && l->dev->constructed && l->dev->reg->media_changed)
        l->dev->reg->media_changed(l->dev, l->lun);
}

static bool can_attach(struct pdm *pdm, struct pdm_lun *l, bool taken, GError **error)
{
    const struct pdm_devreg *reg = pdm->host.device_find(pdm->host.user, l->device);

    if (!reg) {
        g_set_error(error, PDM_ERROR, 0, "Nothing can be attached to \"%s\": there is no such device", l->device);
        return false;
    }
    if (taken) {
        g_set_error(error, PDM_ERROR, 0, "%s%u, unit %u: something else is attached; detach it first", l->device,
                    l->instance, l->lun);
        return false;
    }
    return true;
}

bool pdm_attach_block(struct pdm *pdm, const char *device, unsigned instance, unsigned lun, struct pdm_block *b,
                      GError **error)
{
    struct pdm_lun *l = lun_at(pdm, device, instance, lun, true);

    if (!can_attach(pdm, l, b && l->block, error))
        return false;
    if (b)
        b->lun = l;
    if (l->dev)
        pdm_lock(l->dev);
    l->block = b;
    changed(l);
    if (l->dev)
        pdm_unlock(l->dev);
    return true;
}

bool pdm_media_locked(struct pdm *pdm, const char *device, unsigned instance, unsigned lun)
{
    struct pdm_dev *dev = pdm_find(pdm, device, instance);
    bool locked;

    if (!dev || !dev->constructed || !dev->reg->media_locked)
        return false;
    pdm_lock(dev);
    locked = dev->reg->media_locked(dev, lun);
    pdm_unlock(dev);
    return locked;
}

bool pdm_attach_char(struct pdm *pdm, const char *device, unsigned instance, unsigned lun, struct pdm_char *c,
                     GError **error)
{
    struct pdm_lun *l = lun_at(pdm, device, instance, lun, true);

    if (!can_attach(pdm, l, c && l->chars, error))
        return false;
    if (c)
        c->lun = l;
    if (l->dev)
        pdm_lock(l->dev);
    l->chars = c;
    changed(l);
    if (l->dev)
        pdm_unlock(l->dev);
    return true;
}

/* ---- drivers calling up ---- */

bool pdm_block_now(struct pdm_block *b, struct pdm_block_req *req)
{
    return b->now && b->now(b, req);
}

bool pdm_block_start(struct pdm_block *b, struct pdm_block_req *req)
{
    if (pdm_block_now(b, req))
        return true;
    b->submit(b, req);
    return false;
}

void pdm_block_done(struct pdm_block *b, struct pdm_block_req *req)
{
    struct pdm_dev *dev = b->lun->dev;

    if (!dev) /* destructed: nobody waits for it any more */
        return;
    pdm_lock(dev);
    req->done(dev, req);
    pdm_unlock(dev);
}

size_t pdm_char_receive(struct pdm_char *c, const void *buf, size_t bytes)
{
    const struct pdm_lun *l = c->lun;
    size_t taken;

    if (!l || !l->dev || !l->dev->constructed || !l->dev->reg->char_port || !l->dev->reg->char_port->receive)
        return 0;
    pdm_lock(l->dev);
    taken = l->dev->reg->char_port->receive(l->dev, l->lun, buf, bytes);
    pdm_unlock(l->dev);
    return MIN(taken, bytes);
}

void pdm_char_writable(struct pdm_char *c)
{
    const struct pdm_lun *l = c->lun;

    if (!l || !l->dev || !l->dev->constructed || !l->dev->reg->char_port || !l->dev->reg->char_port->writable)
        return;
    pdm_lock(l->dev);
    l->dev->reg->char_port->writable(l->dev, l->lun);
    pdm_unlock(l->dev);
}

/* ---- people ---- */

/* The first constructed device whose registration has the port at @off; its lock is taken. */
static struct pdm_dev *port_holder(struct pdm *pdm, size_t off)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);
        void *port;

        memcpy(&port, (const char *)dev->reg + off, sizeof(port));
        if (port && dev->constructed) {
            pdm_lock(dev);
            return dev;
        }
    }
    return NULL;
}

bool pdm_keyboard_put(struct pdm *pdm, const uint8_t *codes, size_t count)
{
    struct pdm_dev *dev = port_holder(pdm, offsetof(struct pdm_devreg, keyboard_port));
    bool ok;

    if (!dev)
        return false;
    ok = dev->reg->keyboard_port->put(dev, codes, count);
    pdm_unlock(dev);
    return ok;
}

void pdm_keyboard_watch(struct pdm *pdm, void (*fn)(void *user, unsigned leds), void *user)
{
    pdm->leds_changed = fn;
    pdm->leds_user = user;
}

void pdm_keyboard_leds(struct pdm_dev *dev, unsigned leds)
{
    struct pdm *pdm = dev->pdm;

    if (pdm->leds == leds)
        return;
    pdm->leds = leds;
    if (pdm->leds_changed)
        pdm->leds_changed(pdm->leds_user, leds);
}

bool pdm_mouse_move(struct pdm *pdm, int dx, int dy, int dz, unsigned buttons)
{
    struct pdm_dev *dev = port_holder(pdm, offsetof(struct pdm_devreg, mouse_port));

    if (!dev)
        return false;
    dev->reg->mouse_port->move(dev, dx, dy, dz, buttons);
    pdm_unlock(dev);
    return true;
}

bool pdm_display_render(struct pdm *pdm, struct pdm_frame *f)
{
    struct pdm_dev *dev = port_holder(pdm, offsetof(struct pdm_devreg, display_port));

    if (!dev)
        return false;
    dev->reg->display_port->render(dev, f);
    pdm_unlock(dev);
    return true;
}

bool pdm_display_update(struct pdm *pdm, struct pdm_frame *f, struct pdm_band *ret_band)
{
    struct pdm_dev *dev = port_holder(pdm, offsetof(struct pdm_devreg, display_port));

    if (!dev)
        return false;
    dev->reg->display_port->update(dev, f, ret_band);
    pdm_unlock(dev);
    return true;
}

char *pdm_display_text(struct pdm *pdm)
{
    struct pdm_dev *dev = port_holder(pdm, offsetof(struct pdm_devreg, display_port));
    char *text;

    if (!dev)
        return NULL;
    text = dev->reg->display_port->text ? dev->reg->display_port->text(dev) : NULL;
    pdm_unlock(dev);
    return text;
}

bool pdm_press_power_button(struct pdm *pdm, bool sleep)
{
    struct pdm_dev *dev = port_holder(pdm, offsetof(struct pdm_devreg, power_button));

    if (!dev)
        return false;
    dev->reg->power_button(dev, sleep);
    pdm_unlock(dev);
    return true;
}

/* ---- pictures ---- */

bool pdm_frame_size(struct pdm_frame *f, uint32_t width, uint32_t height)
{
    const uint64_t pixels = (uint64_t)width * height;
    const size_t bytes = (size_t)pixels * sizeof(*f->pixels);

    if (!pixels || pixels > PDM_FRAME_MAX_PIXELS)
        return false;
    if (bytes > f->capacity_bytes) {
        uint32_t *more = g_try_realloc(f->pixels, bytes);

        if (!more)
            return false;
        f->pixels = more;
        f->capacity_bytes = bytes;
    }
    f->width = width;
    f->height = height;
    f->stride_bytes = width * (uint32_t)sizeof(*f->pixels);
    return true;
}

void pdm_frame_fini(struct pdm_frame *f)
{
    g_free(f->pixels);
    memset(f, 0, sizeof(*f));
}

/*
 * lock.c - one lock per device.
 *
 * The owner is kept so that the interrupt path can meet a device that is already locked by this very thread (a router
 * that raises its own interrupt), and so that a wrong second entry stops at once instead of hanging the machine.
 * Each thread keeps what it holds, so that a thread that a host fault threw out of a device can give it back.
 */
#include "vmm/pdm/pdm_int.h"

#define HELD_MAX 8u /* the interrupt path needs four */

/* The device locks this thread holds. */
static _Thread_local struct pdm_dev *held[HELD_MAX];
static _Thread_local unsigned held_count;

static void *me(void)
{
    return &held_count; /* its address is the thread's name */
}

void pdm_lock(struct pdm_dev *dev)
{
    if (pdm_holds(dev))
        g_error("PDM: %s entered a second time by the same thread", dev->tag);
    if (held_count == HELD_MAX)
        g_error("PDM: %s entered with %u devices held", dev->tag, held_count);
    g_mutex_lock(&dev->lock);
    atomic_store_explicit(&dev->owner, me(), memory_order_relaxed);
    held[held_count++] = dev;
}

void pdm_unlock(struct pdm_dev *dev)
{
    unsigned n = held_count - 1;

    while (n > 0 && held[n] != dev) /* nearly always the last one */
        n--;
    held[n] = held[--held_count];
    atomic_store_explicit(&dev->owner, NULL, memory_order_relaxed);
    g_mutex_unlock(&dev->lock);
}

void pdm_abandon(void)
{
    while (held_count > 0)
        pdm_unlock(held[held_count - 1]);
}

bool pdm_holds(struct pdm_dev *dev)
{
    return atomic_load_explicit(&dev->owner, memory_order_relaxed) == me();
}

bool pdm_enter(struct pdm_dev *dev)
{
    if (pdm_holds(dev))
        return false;
    pdm_lock(dev);
    return true;
}

void pdm_exit(struct pdm_dev *dev, bool entered)
{
    if (entered)
        pdm_unlock(dev);
}

bool pdm_leave(struct pdm_dev *dev)
{
    if (!pdm_holds(dev))
        return false;
    pdm_unlock(dev);
    return true;
}

void pdm_return(struct pdm_dev *dev, bool left)
{
    if (left)
        pdm_lock(dev);
}

bool pdm_nested(void)
{
    return held_count != 0;
}

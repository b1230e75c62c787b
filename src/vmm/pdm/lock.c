/*
 * lock.c - one lock per device.
 *
 * The owner is kept so that the interrupt path can meet a device that is already locked by this very thread (a router
 * that raises its own interrupt), and so that a wrong second entry stops at once instead of hanging the machine.
 */
#include "vmm/pdm/pdm_int.h"

/* How many device locks this thread holds. */
static _Thread_local unsigned held;

static void *me(void)
{
    return &held; /* its address is the thread's name */
}

void pdm_lock(struct pdm_dev *dev)
{
    if (pdm_holds(dev))
        g_error("PDM: %s entered a second time by the same thread", dev->tag);
    g_mutex_lock(&dev->lock);
    atomic_store_explicit(&dev->owner, me(), memory_order_relaxed);
    held++;
}

void pdm_unlock(struct pdm_dev *dev)
{
    held--;
    atomic_store_explicit(&dev->owner, NULL, memory_order_relaxed);
    g_mutex_unlock(&dev->lock);
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
    return held != 0;
}

/*
 * shared.h - items of the model's lists that copies of a model share, and what saving found out about them.
 *
 * A model is copied for every change, to be saved or thrown away; of 1,000 snapshots a change touches one. So an item
 * with a struct map_shared goes into the copy's list as it is. Who changes an item that is in a list asks for one of
 * its own first (map_own(), settings_snapshot_change()). What was checked and written of an item stays with it: a save
 * costs what has changed, and the copying of the rest's text.
 */
#ifndef MAIN_SETTINGS_SHARED_H
#define MAIN_SETTINGS_SHARED_H

#include <glib.h>
#include <stdbool.h>

/* Zero is a new item's. */
struct map_shared {
    gint others;             /* lists that have the item, beside the first; atomic */
    bool checked;            /* map_check() found nothing */
    unsigned from, need;     /* map_need() said so; 0 = not asked */
    unsigned version, level; /* of the text: */
    char *text;              /* xml_head(); NULL = not written yet */
};

/** Held by whoever checks or writes a model: its items may be another thread's too. */
extern GMutex map_shared_lock;

#endif

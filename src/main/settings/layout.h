/*
 * layout.h - how the file's layout differs between versions by more than the place of an element. Both directions work
 * on the tree, around the tables of map.h, which know the newest layout only.
 */
#ifndef MAIN_SETTINGS_LAYOUT_H
#define MAIN_SETTINGS_LAYOUT_H

#include "main/settings/xml.h"

/** layout_up() - brings what was read (1.7 and later) into the newest layout. @top: Machine or Global. */
void layout_up(struct xml_doc *doc, struct xml_node *top, unsigned version);
/** layout_down() - brings the newest layout into that of @version, which has a place for all of it. */
void layout_down(struct xml_doc *doc, struct xml_node *top, unsigned version);
/** layout_state_down() - the same for one element with hardware: the machine or a snapshot. */
void layout_state_down(struct xml_doc *doc, struct xml_node *state, unsigned version);
/** legacy_up() - brings 1.2 to 1.6 into the layout of 1.7. These versions are never written. */
void legacy_up(struct xml_doc *doc, struct xml_node *top, unsigned version);

/** layout_next() - the next element with hardware of its own after @at: the machine, then its snapshots. */
struct xml_node *layout_next(struct xml_node *machine, struct xml_node *at);
/** layout_controller() - the storage controller of one of @types (NULL-terminated), made as types[0] if there is none.
 */
struct xml_node *layout_controller(struct xml_doc *doc, struct xml_node *state, const char *name,
                                   const char *const *types, const char *ports);
extern const char *const layout_ide[], *const layout_floppy[], *const layout_sata[];

#endif

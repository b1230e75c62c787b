/*
 * keyboard.h - text as keystrokes.
 */
#ifndef FRONTENDS_VBOXMANAGE_KEYBOARD_H
#define FRONTENDS_VBOXMANAGE_KEYBOARD_H

#include <glib.h>

/** keyboard_type() - appends PC set 1 make and break codes for @text on a US keyboard; what has no key is left out. */
void keyboard_type(GByteArray *codes, const char *text, gsize size);

#endif

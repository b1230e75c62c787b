/*
 * keyboard.c - see keyboard.h.
 *
 * Source: IBM PC/AT keyboard, scan code set 1, US layout.
 */
#include "frontends/VBoxManage/keyboard.h"

#include <string.h>

#define SHIFT 0x2a
#define BREAK 0x80

/* Keys from code 02h on, unshifted and shifted; a blank is a key that types nothing. */
static const char plain[] = "1234567890-=\b\tqwertyuiop[]\n asdfghjkl;'` \\zxcvbnm,./";
static const char shifted[] = "!@#$%^&*()_+  QWERTYUIOP{}  ASDFGHJKL:\"~ |ZXCVBNM<>?";
#define FIRST_CODE 0x02
#define SPACE_CODE 0x39

static void key(GByteArray *codes, guint8 code, gboolean shift)
{
    const guint8 with[] = {SHIFT, code, code | BREAK, SHIFT | BREAK};

    g_byte_array_append(codes, shift ? with : with + 1, shift ? 4 : 2);
}

void keyboard_type(GByteArray *codes, const char *text, gsize size)
{
    for (gsize k = 0; k < size; k++) {
        char ch = text[k];
        const char *p = ch != ' ' && ch != '\0' ? strchr(plain, ch) : NULL;
        const char *s = ch != ' ' && ch != '\0' ? strchr(shifted, ch) : NULL;
        if (ch == ' ')
            key(codes, SPACE_CODE, FALSE);
        else if (p != NULL)
            key(codes, (guint8)(FIRST_CODE + (p - plain)), FALSE);
        else if (s != NULL)
            key(codes, (guint8)(FIRST_CODE + (s - shifted)), TRUE);
    }
}

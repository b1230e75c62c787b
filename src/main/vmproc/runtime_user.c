/*
 * runtime_user.c - IKeyboard, IMouse, IDisplay: what a user does and sees.
 */
#include "main/api/api.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime_int.h"

#define KEYS_MAX  4096u
#define MOUSE_MAX 0x7fff

/* ---- keyboard and mouse ---- */

/* One code to the keyboard; false: it is full. */
static bool put(struct runtime *r, guint8 code)
{
    struct runtime_keys *keys = &r->keys;

    if (!console_key(runtime_console(r), code))
        return false;
    if (code != 0xe0 && code != 0xe1)
        keys->down[(code & 0x7f) | (keys->prefixed ? 0x80 : 0)] = (code & 0x80) == 0;
    keys->prefixed = code == 0xe0;
    return true;
}

GVariant *input_scancode(struct runtime *r, GVariant *args, GError **error)
{
    gint32 code;

    g_variant_get(args, "(i)", &code);
    if (!runtime_must_live(r, error))
        return NULL;
    if (code < 0 || code > 255)
        api_fail(error, E_INVALIDARG, "%d is no scan code", code);
    else if (!put(r, (guint8)code))
        api_fail(error, VBOX_E_IPRT_ERROR, "Could not send the scan code: the keyboard's buffer is full");
    return NULL;
}

GVariant *input_release(struct runtime *r, GVariant *args, GError **error)
{
    struct runtime_keys *keys = &r->keys;

    (void)args;
    if (!runtime_must_live(r, error))
        return NULL;
    for (unsigned k = 0; k < G_N_ELEMENTS(keys->down); k++) {
        if (!keys->down[k])
            continue;
        if ((k >= 0x80 && !put(r, 0xe0)) || !put(r, (guint8)(k | 0x80))) {
            api_fail(error, VBOX_E_IPRT_ERROR, "Could not release all keys: the keyboard's buffer is full");
            return NULL;
        }
    }
    return NULL;
}

GVariant *input_scancodes(struct runtime *r, GVariant *args, GError **error)
{
    g_autoptr(GVariant) codes = g_variant_get_child_value(args, 0);
    gsize count;
    const guint8 *bytes = g_variant_get_fixed_array(codes, &count, 1);

    if (!runtime_must_live(r, error))
        return NULL;
    if (count > KEYS_MAX) {
        api_fail(error, E_INVALIDARG, "At most %u scan codes at once", KEYS_MAX);
        return NULL;
    }
    guint32 taken = 0;
    while (taken < count && put(r, bytes[taken]))
        taken++;
    return g_variant_new("(u)", taken);
}

GVariant *input_cad(struct runtime *r, GVariant *args, GError **error)
{
    static const guint8 codes[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};

    (void)args;
    if (runtime_must_live(r, error))
        for (unsigned k = 0; k < G_N_ELEMENTS(codes); k++)
            console_key(runtime_console(r), codes[k]);
    return NULL;
}

GVariant *input_mouse(struct runtime *r, GVariant *args, GError **error)
{
    gint32 dx, dy, dz, dw, buttons;

    g_variant_get(args, "(iiiii)", &dx, &dy, &dz, &dw, &buttons);
    if (!runtime_must_live(r, error))
        return NULL;
    if (MAX(ABS((gint64)dx), ABS((gint64)dy)) > MOUSE_MAX || ABS((gint64)dz) > MOUSE_MAX || (buttons & ~7) != 0)
        api_fail(error, E_INVALIDARG, "No mouse moves by %d, %d, %d with buttons %#x", dx, dy, dz, (unsigned)buttons);
    else if (!console_mouse(runtime_console(r), dx, dy, dz, (unsigned)buttons))
        api_fail(error, VBOX_E_NOT_SUPPORTED, "The machine has no mouse");
    return NULL;
}

GVariant *input_tablet(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (runtime_must_live(r, error))
        api_fail(error, VBOX_E_NOT_SUPPORTED, "The machine has no device that takes a position");
    return NULL;
}

GVariant *input_mouse_capabilities(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    /* the keyboard controller always has its mouse */
    return runtime_must_live(r, error) ? g_variant_new("(bb)", TRUE, FALSE) : NULL;
}

/* ---- the screen ---- */

GVariant *screen_resolution(struct runtime *r, GVariant *args, GError **error)
{
    unsigned width, height;

    (void)args;
    if (!runtime_must_live(r, error))
        return NULL;
    if (!console_screen_size(runtime_console(r), &width, &height)) {
        api_fail(error, VBOX_E_NOT_SUPPORTED, "The machine has no screen");
        return NULL;
    }
    return g_variant_new("(uuuiis)", width, height, 32, 0, 0, "Enabled");
}

GVariant *screen_shot(struct runtime *r, GVariant *args, GError **error)
{
    size_t bytes;

    (void)args;
    if (!runtime_must_live(r, error))
        return NULL;
    void *png = console_picture(runtime_console(r), &bytes, error);
    if (png == NULL) {
        api_wrap(error, VBOX_E_IPRT_ERROR);
        return NULL;
    }
    GVariant *picture = g_variant_new_from_data(G_VARIANT_TYPE_BYTESTRING, png, bytes, TRUE, g_free, png);
    return g_variant_new_tuple(&picture, 1);
}

GVariant *screen_text(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (!runtime_must_live(r, error))
        return NULL;
    g_autofree char *text = console_screen_text(runtime_console(r));
    return g_variant_new("(s)", text != NULL ? text : "");
}

/*
 * console_screen.c - what the machine's screen shows: its size, a picture, the text.
 */
#include "drivers/display/png.h"
#include "main/vmproc/console_int.h"
#include "vmm/pdm/pdm.h"

bool console_screen_size(struct console *c, unsigned *ret_width, unsigned *ret_height)
{
    struct pdm_frame frame = {0};

    if (!pdm_display_render(vm_pdm(c->vm), &frame))
        return false;
    *ret_width = frame.width;
    *ret_height = frame.height;
    pdm_frame_fini(&frame);
    return true;
}

char *console_screenshot(struct console *c, const char *path, GError **error)
{
    g_autofree char *target = path != NULL ? g_strdup(path) : g_build_filename(c->log_folder, "screenshot.png", NULL);
    struct pdm_frame frame = {0};

    if (!pdm_display_render(vm_pdm(c->vm), &frame)) {
        g_set_error(error, CONSOLE_ERROR, 0, "The machine '%s' has no screen", c->settings->name);
        return NULL;
    }
    bool ok = png_write_frame(&frame, target, error);
    pdm_frame_fini(&frame);
    return ok ? g_steal_pointer(&target) : NULL;
}

void *console_picture(struct console *c, size_t *ret_bytes, GError **error)
{
    struct pdm_frame frame = {0};

    if (!pdm_display_render(vm_pdm(c->vm), &frame)) {
        g_set_error(error, CONSOLE_ERROR, 0, "The machine '%s' has no screen", c->settings->name);
        return NULL;
    }
    void *png = png_encode_frame(&frame, ret_bytes, error);
    pdm_frame_fini(&frame);
    return png;
}

char *console_screen_text(struct console *c)
{
    return pdm_display_text(vm_pdm(c->vm));
}

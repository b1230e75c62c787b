/*
 * png.c - writes a frame as an 8-bit RGB PNG through libpng's simplified interface.
 *
 * Source: libpng 1.6 manual, "Simplified API". The encoder works in memory; the file is replaced as a whole.
 */
#include "drivers/display/png.h"

#include <png.h>
#include <string.h>

#include "rt/fio.h"

/* XRGB8888 -> R, G, B bytes */
static uint8_t *to_rgb(const struct pdm_frame *f)
{
    uint8_t *rgb = g_try_malloc_n((size_t)f->width * f->height, 3);
    uint8_t *out = rgb;

    for (uint32_t y = 0; rgb && y < f->height; y++) {
        const uint32_t *row = f->pixels + (size_t)y * (f->stride_bytes / sizeof *f->pixels);

        for (uint32_t x = 0; x < f->width; x++) {
            *out++ = (uint8_t)(row[x] >> 16);
            *out++ = (uint8_t)(row[x] >> 8);
            *out++ = (uint8_t)row[x];
        }
    }
    return rgb;
}

void *png_encode_frame(const struct pdm_frame *f, size_t *ret_bytes, GError **error)
{
    if (!f->width || !f->height) {
        g_set_error(error, PNG_ERROR, 0, "there is no picture yet");
        return NULL;
    }
    g_autofree uint8_t *rgb = to_rgb(f);
    png_image image = {.version = PNG_IMAGE_VERSION, .width = f->width, .height = f->height, .format = PNG_FORMAT_RGB};
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *png = rgb ? g_try_malloc(bytes) : NULL;

    if (!png) {
        g_set_error(error, PNG_ERROR, 0, "not enough memory for a picture of %u x %u", f->width, f->height);
        return NULL;
    }
    if (!png_image_write_to_memory(&image, png, &bytes, 0, rgb, 0, NULL)) {
        g_set_error(error, PNG_ERROR, 0, "cannot encode a picture of %u x %u: %s", f->width, f->height, image.message);
        g_free(png);
        return NULL;
    }
    *ret_bytes = bytes;
    return png;
}

bool png_write_frame(const struct pdm_frame *f, const char *path, GError **error)
{
    g_autofree void *png = NULL;
    size_t bytes;

    png = png_encode_frame(f, &bytes, error);
    if (!png)
        g_prefix_error(error, "cannot write \"%s\": ", path);
    return png && fio_atomic_replace(fio_system(), path, png, bytes, 0, error);
}

char *png_frame_hash(const struct pdm_frame *f)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    const uint32_t size[2] = {GUINT32_TO_LE(f->width), GUINT32_TO_LE(f->height)};
    g_autofree uint8_t *rgb = to_rgb(f);
    char *hex;

    g_checksum_update(sum, (const guchar *)size, sizeof size);
    if (rgb)
        g_checksum_update(sum, rgb, (gssize)((size_t)f->width * f->height * 3));
    hex = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return hex;
}

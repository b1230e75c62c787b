/*
 * png_test.c - a frame written as PNG reads back the same; refusals name the file.
 */
#include "drivers/display/png.h"

#include <glib/gstdio.h>
#include <png.h>
#include <string.h>

static uint32_t pixels[8 * 3];

static struct pdm_frame sample(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(pixels); i++)
        pixels[i] = 0xaa000000u | i * 0x0a0b0c; /* the top byte means nothing */
    return (struct pdm_frame){.width = 5, .height = 3, .stride_bytes = 8 * 4, .pixels = pixels};
}

static void test_round_trip(void)
{
    const struct pdm_frame f = sample();
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("png-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "a.png", NULL);
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t back[5 * 3 * 3];

    g_assert_true(png_write_frame(&f, path, &error));
    g_assert_no_error(error);
    g_assert_true(png_write_frame(&f, path, &error)); /* over the old one */
    g_assert_true(png_image_begin_read_from_file(&image, path));
    g_assert_cmpuint(image.width, ==, 5);
    g_assert_cmpuint(image.height, ==, 3);
    image.format = PNG_FORMAT_RGB;
    g_assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    for (unsigned y = 0; y < 3; y++)
        for (unsigned x = 0; x < 5; x++) {
            const uint8_t *p = back + (y * 5 + x) * 3;

            g_assert_cmphex((unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2], ==, pixels[y * 8 + x] & 0xffffff);
        }
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0); /* no temporary file stays */
}

static void test_refusals(void)
{
    struct pdm_frame f = sample();
    g_autoptr(GError) error = NULL;

    g_assert_false(png_write_frame(&f, "/nonexistent/a.png", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/a.png"));
    g_clear_error(&error);
    f.width = 0;
    g_assert_false(png_write_frame(&f, "b.png", &error));
    g_assert_nonnull(strstr(error->message, "b.png"));
}

static void test_hash(void)
{
    struct pdm_frame f = sample();
    g_autofree char *a = png_frame_hash(&f);

    pixels[7] ^= 1; /* beyond the visible width */
    g_autofree char *b = png_frame_hash(&f);
    g_assert_cmpstr(a, ==, b);
    pixels[4] ^= 1;
    g_autofree char *c = png_frame_hash(&f);
    g_assert_cmpstr(a, !=, c);
    g_assert_cmpuint(strlen(a), ==, 64);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/png/round-trip", test_round_trip);
    g_test_add_func("/png/refusals", test_refusals);
    g_test_add_func("/png/hash", test_hash);
    return g_test_run();
}

/*
 * rom_file.h - finds firmware images of the distribution.
 */
#ifndef DEVICES_FIRMWARE_ROM_FILE_H
#define DEVICES_FIRMWARE_ROM_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct rom_search {
    const char *what;         /* "the PC BIOS" */
    const char *package;      /* Debian package to name when nothing is found */
    const char *const *paths; /* NULL-terminated, tried in order */
    size_t min_bytes, max_bytes, multiple_bytes;
};

/**
 * rom_file_load() - reads @path, or when that is empty the first of the search's paths that exists.
 * Return: the bytes, @ret_bytes of them (g_free); NULL with an error that names what was tried and what to install.
 */
uint8_t *rom_file_load(const struct rom_search *search, const char *path, size_t *ret_bytes, GError **error);

#endif

/*
 * resident.c - see resident.h. Source: mincore(2). Any thread, beside those that write what is counted.
 */
#include "rt/resident.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u
#define AT_ONCE    4096u /* pages */

static bool empty(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

static size_t full(const uint8_t *p, size_t pages)
{
    unsigned char there[AT_ONCE];
    size_t count = 0;

    if (mincore((void *)(uintptr_t)p, pages * PAGE_BYTES, there) != 0)
        return 0;
    for (size_t n = 0; n < pages; n++)
        count += (there[n] & 1) && !empty(p + n * PAGE_BYTES);
    return count;
}

size_t resident_bytes(const void *p, size_t bytes)
{
    size_t skip = (0 - (uintptr_t)p) % PAGE_BYTES, count = 0;
    const uint8_t *at = (const uint8_t *)p + skip;

    if (p == NULL || bytes < skip)
        return 0;
    for (size_t left = (bytes - skip) / PAGE_BYTES; left > 0;) {
        size_t pages = left < AT_ONCE ? left : AT_ONCE;
        count += full(at, pages);
        at += pages * PAGE_BYTES;
        left -= pages;
    }
    return count * PAGE_BYTES;
}

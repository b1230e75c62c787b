/*
 * resident.h - how much of a mapping takes memory.
 */
#ifndef RT_RESIDENT_H
#define RT_RESIDENT_H

#include <stddef.h>

/**
 * Bytes of the whole pages in private memory [p, +bytes) that hold anything but zeros: where memory was only looked at
 * stands the one page of zeros that all have in common.
 */
size_t resident_bytes(const void *p, size_t bytes);

#endif

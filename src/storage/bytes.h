/* bytes.h - numbers in images: little- and big-endian, at any alignment. The caller has checked the bounds. */
#ifndef STORAGE_BYTES_H
#define STORAGE_BYTES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BYTES_GET(name, type, swap)                                                                                    \
    static inline type name(const void *p)                                                                             \
    {                                                                                                                  \
        type v;                                                                                                        \
        memcpy(&v, p, sizeof(v));                                                                                      \
        return swap(v);                                                                                                \
    }                                                                                                                  \
    static inline void put_##name(void *p, type v)                                                                     \
    {                                                                                                                  \
        v = swap(v);                                                                                                   \
        memcpy(p, &v, sizeof(v));                                                                                      \
    }

BYTES_GET(le16, uint16_t, GUINT16_FROM_LE)
BYTES_GET(le32, uint32_t, GUINT32_FROM_LE)
BYTES_GET(le64, uint64_t, GUINT64_FROM_LE)
BYTES_GET(be16, uint16_t, GUINT16_FROM_BE)
BYTES_GET(be32, uint32_t, GUINT32_FROM_BE)
BYTES_GET(be64, uint64_t, GUINT64_FROM_BE)
#undef BYTES_GET

static inline uint64_t align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}

static inline bool power_of_two(uint64_t v)
{
    return v && !(v & (v - 1));
}

#endif

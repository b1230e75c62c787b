/* bt958_int.h - between bt958.c (registers, mailboxes) and bt958_command.c (commands). */
#ifndef DEVICES_STORAGE_BT958_INT_H
#define DEVICES_STORAGE_BT958_INT_H

#include "devices/storage/bt958.h"

#include <string.h>

static inline uint32_t bt_get24(const uint8_t *p) /* big-endian: the AHA-154x's order */
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t bt_get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void bt_put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/** bt_params_of() - how many parameters the command has; false = there is no such command. */
bool bt_params_of(uint8_t command, uint8_t *ret);
/** bt_run() - carries out c->command; its reply is in c->reply. False = its parameters are wrong. */
bool bt_run(struct bt958 *c);

#endif

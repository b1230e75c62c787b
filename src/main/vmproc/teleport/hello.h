/* hello.h - the first frame of a teleport: what machine it is. The list of its media (struct media_item) follows. */
#ifndef MAIN_VMPROC_TELEPORT_HELLO_H
#define MAIN_VMPROC_TELEPORT_HELLO_H

#include <assert.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "vmm/vm/vm.h"

#define TELEPORT_MAGIC "RBTELE2"

#define TELEPORT_MEDIA_MAX 512u

struct teleport_hello {
    char magic[8];
    uint64_t ram_bytes;
    char config[64]; /* vm_digest() */
};
static_assert(sizeof(struct teleport_hello) == 80, "no padding");

static inline void teleport_hello_fill(struct teleport_hello *h, struct vm *vm)
{
    g_autofree char *digest = vm_digest(vm);

    *h = (struct teleport_hello){.magic = TELEPORT_MAGIC};
    vm_ram(vm, &h->ram_bytes);
    memcpy(h->config, digest, MIN(strlen(digest), sizeof h->config));
}

#endif

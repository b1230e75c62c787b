/*
 * medium.c - saved states know the disks by their serial numbers: one unit "medium" for each.
 *
 * A guest continued with another disk would write what it remembers of the old one over it. A disk's serial number
 * comes from its base image, so snapshots do not change it. Media that can be taken out are not compared: guests look
 * again.
 */
#include "vmm/pdm/pdm_int.h"

#include <string.h>

struct medium {
    uint8_t device[32], serial[32]; /* padded with zeros, at least one */
    uint32_t instance, lun;
    uint64_t size_bytes;
};

static const struct ssm_field medium_fields[] = {SSM_U8S(struct medium, device),     SSM_U8S(struct medium, serial),
                                                 SSM_U32(struct medium, instance),   SSM_U32(struct medium, lun),
                                                 SSM_U64(struct medium, size_bytes), SSM_END};

static bool printable(const uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size && text[i]; i++)
        if (!g_ascii_isprint((char)text[i]))
            return false;
    return text[size - 1] == 0;
}

static bool medium_possible(void *state)
{
    const struct medium *m = state;

    return printable(m->device, sizeof(m->device)) && printable(m->serial, sizeof(m->serial));
}

static const struct ssm_desc medium_desc = {
    .version = 1, .oldest = 1, .fields = medium_fields, .check = medium_possible};

bool pdm_save_media(struct pdm *pdm, struct ssm_out *out, GError **error)
{
    uint32_t number = 0;
    bool ok = true;

    for (unsigned i = 0; ok && i < pdm->luns->len; i++) {
        const struct pdm_lun *l = g_ptr_array_index(pdm->luns, i);
        struct medium m = {.instance = l->instance, .lun = l->lun};
        struct ssm_writer w;

        if (!l->block || l->block->removable)
            continue;
        g_strlcpy((char *)m.device, l->device, sizeof(m.device));
        g_strlcpy((char *)m.serial, l->block->serial, sizeof(m.serial));
        m.size_bytes = l->block->size_bytes;
        ssm_writer_init(&w);
        ssm_put_state(&w, &medium_desc, &m);
        ok = ssm_out_written(out, PDM_MEDIUM_UNIT, number++, medium_desc.version, &w, error);
        ssm_writer_fini(&w);
    }
    return ok;
}

static const struct pdm_block *block_of(const struct pdm *pdm, const struct medium *m)
{
    for (unsigned i = 0; i < pdm->luns->len; i++) {
        const struct pdm_lun *l = g_ptr_array_index(pdm->luns, i);

        if (l->instance == m->instance && l->lun == m->lun && !strcmp(l->device, (const char *)m->device))
            return l->block;
    }
    return NULL;
}

bool pdm_check_medium(const struct pdm *pdm, const struct ssm_unit *unit, GError **error)
{
    const struct pdm_block *b;
    struct ssm_reader r;
    struct medium m = {0};

    if (!ssm_version_ok(&medium_desc, unit->version, unit->name, error))
        return false;
    ssm_reader_init(&r, unit->bytes, unit->size);
    ssm_get_state(&r, &medium_desc, &m, unit->version);
    if (!ssm_reader_finish(&r, unit->name, error))
        return false;
    b = block_of(pdm, &m);
    if (b && b->size_bytes == m.size_bytes && !strcmp(b->serial, (const char *)m.serial))
        return true;
    g_set_error(error, SSM_ERROR, SSM_MISMATCH,
                "The saved state was made with another disk at %s%u, unit %u: serial number '%s', %" G_GUINT64_FORMAT
                " bytes, not '%s'. Attach that one, or discard the state",
                (const char *)m.device, m.instance, m.lun, (const char *)m.serial, m.size_bytes,
                b ? b->serial : "none");
    return false;
}

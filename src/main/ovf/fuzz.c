/*
 * fuzz.c - one input for the reader of appliances: what it takes must be written and read again alike.
 */
#include "main/ovf/fuzz.h"

#include <string.h>

#include "main/ovf/ovf.h"

static void same(const struct ovf *a, const struct ovf *b)
{
    g_assert_cmpuint(a->disks->len, ==, b->disks->len);
    g_assert_cmpuint(a->systems->len, ==, b->systems->len);
    for (unsigned k = 0; k < a->systems->len; k++) {
        const struct ovf_system *x = a->systems->pdata[k], *y = b->systems->pdata[k];
        g_assert_cmpuint(x->cpus, ==, y->cpus);
        g_assert_cmpuint(x->memory_mib, ==, y->memory_mib);
        g_assert_cmpuint(x->items->len, ==, y->items->len);
    }
    for (unsigned k = 0; k < a->disks->len; k++) {
        const struct ovf_disk *x = a->disks->pdata[k], *y = b->disks->pdata[k];
        g_assert_cmpstr(x->file, ==, y->file);
        g_assert_true(x->capacity_bytes == y->capacity_bytes);
        g_assert_true(ovf_plain_name(x->file));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ovf *o = ovf_parse("fuzz.ovf", data, size, NULL);

    if (o == NULL)
        return 0;
    g_autofree char *text = ovf_text(o);
    g_autoptr(GError) error = NULL;
    struct ovf *again = ovf_parse("again.ovf", text, strlen(text), &error);
    if (again == NULL)
        g_error("cannot be read back: %s\n%s", error->message, text);
    same(o, again);
    ovf_free(again);
    ovf_free(o);
    return 0;
}

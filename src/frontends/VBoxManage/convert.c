/*
 * convert.c - convertfromraw: works on image files themselves, without the service.
 *
 * Locks of the storage layer keep off what a machine has open. (doc/decisions/003)
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontends/VBoxManage/commands.h"
#include "rt/fio.h"
#include "storage/chain.h"
#include "storage/copy.h"

static int said(GError *error)
{
    int rc = cmd_error("%s", error->message);

    g_error_free(error);
    return rc;
}

enum { FORMAT = 1, VARIANT, UUID, STATIC };
static const struct option convert_options[] = {
    {FORMAT, "--format|-format|-o", OPTION_TEXT, false, "VDI | VMDK | VHD", "Of the new image; default VDI"},
    {VARIANT, "--variant|-variant|-m", OPTION_TEXT, false, "Standard,Fixed,Split2G,Stream,ESX", "Layout"},
    {UUID, "--uuid|-u", OPTION_TEXT, false, "uuid", "UUID of the new image"},
    {STATIC, "--static|-F", OPTION_NONE, false, NULL, NULL},
    {0},
};

struct conversion {
    const char *from, *to, *bytes, *format, *variant, *uuid;
};

static int parse_conversion(struct cmd *c, struct conversion *n)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case FORMAT: n->format = v.text; break;
        case VARIANT: n->variant = v.text; break;
        case UUID: n->uuid = v.text; break;
        case STATIC: n->variant = "Fixed"; break;
        case CMD_WORD: {
            const char **to = n->from == NULL ? &n->from : n->to == NULL ? &n->to : &n->bytes;
            if (*to != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            *to = v.text;
            break;
        }
        default: return RC_SYNTAX;
        }
    }
    if (n->to == NULL)
        return cmd_syntax(c, "Incorrect number of parameters");
    if (strcmp(n->from, "stdin") == 0 && n->bytes == NULL)
        return cmd_syntax(c, "Incorrect number of parameters");
    return RC_OK;
}

bool medium_layout(struct cmd *c, const char *text, struct vd_create *to)
{
    g_autofree const char **words = medium_variant_words(c, text);

    for (unsigned k = 0; words != NULL && words[k] != NULL; k++) {
        to->fixed |= strcmp(words[k], "Fixed") == 0 || strcmp(words[k], "VmdkESX") == 0;
        to->layout = strcmp(words[k], "VmdkSplit2G") == 0           ? VD_SPLIT_2G
                     : strcmp(words[k], "VmdkStreamOptimized") == 0 ? VD_STREAM
                     : strcmp(words[k], "VmdkESX") == 0             ? VD_ESX
                                                                    : to->layout;
    }
    return words != NULL;
}

static int convert(const struct conversion *n, struct vd_create *to)
{
    GError *error = NULL;
    struct vd *from = NULL;

    if (strcmp(n->from, "stdin") != 0) {
        from = vd_open(fio_system(), "RAW", n->from, VD_READ_ONLY, &error);
        if (from == NULL)
            return said(error);
        to->size_bytes = (vd_size_bytes(from) + 511) & ~UINT64_C(511);
    }
    printf("Converting from raw image file=\"%s\" to file=\"%s\"...\n", n->from, n->to);
    printf("Creating %s image with size %" G_GUINT64_FORMAT " bytes (%" G_GUINT64_FORMAT "MB)...\n",
           to->fixed ? "fixed" : "dynamic", to->size_bytes, (to->size_bytes + (1 << 20) - 1) >> 20);
    fflush(stdout);
    bool ok = from != NULL ? vd_copy(from, fio_system(), to, NULL, &error)
                           : vd_copy_stream(STDIN_FILENO, fio_system(), to, NULL, &error);
    vd_close(from);
    return ok ? RC_OK : said(error);
}

static int convertfromraw(struct cmd *c)
{
    struct conversion n = {0};
    int rc = parse_conversion(c, &n);
    char id[API_UUID_SIZE];
    uint8_t uuid[VD_UUID_BYTES];

    if (rc != RC_OK)
        return rc;
    struct vd_create to = {.format = n.format != NULL ? n.format : "VDI", .path = n.to};
    if (!medium_layout(c, n.variant, &to))
        return RC_SYNTAX;
    if (n.bytes != NULL) {
        char *end;
        to.size_bytes = (g_ascii_strtoull(n.bytes, &end, 10) + 511) & ~UINT64_C(511);
        if (*end != '\0' || to.size_bytes == 0)
            return cmd_syntax(c, "Invalid value '%s': a number of bytes", n.bytes);
    }
    if (n.uuid != NULL) {
        if (!api_uuid_parse(n.uuid, id))
            return cmd_syntax(c, "Invalid UUID '%s'", n.uuid);
        api_uuid_to_bytes(id, uuid);
        to.uuid = uuid;
    }
    return convert(&n, &to);
}

const struct command convertfromraw_command = {
    "convertfromraw|convertdd", "Convert a raw disk image to a virtual disk image",
    (const char *const[]){"<inputfile> <outputfile> [--format=VDI | VMDK | VHD] [--uuid=uuid] "
                          "[--variant=Standard,Fixed,Split2G,Stream,ESX]",
                          "stdin <outputfile> <bytes> [--format=VDI | VMDK | VHD] [--uuid=uuid] "
                          "[--variant=Standard,Fixed,Split2G,Stream,ESX]",
                          NULL},
    convert_options, convertfromraw};

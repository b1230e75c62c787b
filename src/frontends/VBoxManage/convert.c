/*
 * convert.c - convertfromraw, mediumio, internalcommands: work on image files themselves, without the service.
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

#define CHUNK_BYTES (1u << 20)

static int said(GError *error)
{
    int rc = cmd_error("%s", error->message);

    g_error_free(error);
    return rc;
}

/* ---- convertfromraw ---- */

enum { FORMAT = 1, VARIANT, UUID };
static const struct option convert_options[] = {
    {FORMAT, "--format|-format|-o", OPTION_TEXT, false, "VDI | VMDK | VHD", "Of the new image; default VDI"},
    {VARIANT, "--variant|-variant|-m", OPTION_TEXT, false, "Standard,Fixed,Split2G,Stream,ESX", "Layout"},
    {UUID, "--uuid|-u", OPTION_TEXT, false, "uuid", "UUID of the new image"},
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

static bool layout_of(struct cmd *c, const char *text, struct vd_create *to)
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
    if (!layout_of(c, n.variant, &to))
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

/* ---- mediumio ---- */

enum { DISK = 1, DVD, FLOPPY, HEX, OFFSET, SIZE, OUTPUT };
static const struct option io_options[] = {
    {DISK, "--disk", OPTION_TEXT, false, "uuid | filename", "The disk"},
    {DVD, "--dvd", OPTION_TEXT, false, "uuid | filename", "The disc"},
    {FLOPPY, "--floppy", OPTION_TEXT, false, "uuid | filename", "The floppy"},
    {HEX, "--hex", OPTION_NONE, false, NULL, "As hexadecimal digits"},
    {OFFSET, "--offset|-o", OPTION_U64, false, "byte-offset", "Where to begin"},
    {SIZE, "--size|-s", OPTION_U64, false, "bytes", "How much"},
    {OUTPUT, "--output|-O", OPTION_TEXT, false, "- | filename", "Where it goes; default: standard output"},
    {0},
};

struct reading {
    const char *kind, *where, *verb, *output;
    guint64 offset, bytes;
    bool hex;
};

static int parse_reading(struct cmd *c, struct reading *r)
{
    struct value v;

    r->bytes = G_MAXUINT64;
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case DISK: r->kind = "HardDisk", r->where = v.text; break;
        case DVD: r->kind = "DVD", r->where = v.text; break;
        case FLOPPY: r->kind = "Floppy", r->where = v.text; break;
        case HEX: r->hex = true; break;
        case OFFSET: r->offset = v.number; break;
        case SIZE: r->bytes = v.number; break;
        case OUTPUT: r->output = v.text; break;
        case CMD_WORD:
            if (r->verb != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            r->verb = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    if (r->where == NULL)
        return cmd_syntax(c, "No medium specified!");
    if (r->verb == NULL || strcmp(r->verb, "cat") != 0)
        return cmd_syntax(c, r->verb == NULL ? "Missing subcommand" : "Invalid parameter '%s'", r->verb);
    return RC_OK;
}

/* The medium's chain as the service knows it, base first. */
static struct vd *open_medium(struct cmd *c, const struct reading *r)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));
    g_autofree char *object = cmd_client(c) != NULL ? cmd_open_medium(c, r->where, r->kind, false) : NULL;
    GError *error = NULL;

    while (object != NULL) {
        char node[API_UUID_SIZE];
        GVariant *d = cmd_describe(c, object, "IMedium");
        if (d == NULL)
            return NULL;
        g_ptr_array_add(all, d);
        const struct vd_link link = {dict_str(d, "Format"), dict_str(d, "Location")};
        g_array_prepend_val(links, link);
        g_clear_pointer(&object, g_free);
        if (*dict_str(d, "Parent") != '\0') {
            api_node_from_uuid(dict_str(d, "Parent"), node);
            object = g_strconcat(API_ROOT "/medium/", node, NULL);
        }
    }
    if (links->len == 0)
        return NULL;
    struct vd *vd =
        vd_open_chain(fio_system(), (const struct vd_link *)(void *)links->data, links->len, VD_READ_ONLY, &error);
    if (vd == NULL)
        said(error);
    return vd;
}

static void print_hex(FILE *to, guint64 at, const uint8_t *buf, size_t bytes)
{
    for (size_t k = 0; k < bytes; k += 16) {
        fprintf(to, "%010" G_GINT64_MODIFIER "x:", at + k);
        for (size_t n = k; n < MIN(k + 16, bytes); n++)
            fprintf(to, " %02x", buf[n]);
        fputc('\n', to);
    }
}

static int cat(struct vd *vd, const struct reading *r, FILE *to)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK_BYTES);
    guint64 size = vd_size_bytes(vd), end = r->bytes < size - MIN(r->offset, size) ? r->offset + r->bytes : size;

    if (r->offset >= size)
        return cmd_error("The given offset %" G_GUINT64_FORMAT " is past the end of the medium", r->offset);
    for (guint64 at = r->offset; at < end; at += CHUNK_BYTES) {
        size_t n = (size_t)MIN(CHUNK_BYTES, end - at);
        int rc = vd_read(vd, at, buf, n);
        if (rc != 0)
            return cmd_error("Reading at %" G_GUINT64_FORMAT " failed (%d)", at, rc);
        if (r->hex)
            print_hex(to, at, buf, n);
        else if (fwrite(buf, 1, n, to) != n)
            return cmd_error("Writing the output failed");
    }
    return RC_OK;
}

static int mediumio(struct cmd *c)
{
    struct reading r = {0};
    int rc = parse_reading(c, &r);

    if (rc != RC_OK)
        return rc;
    struct vd *vd = open_medium(c, &r);
    if (vd == NULL)
        return RC_FAILURE;
    bool file = r.output != NULL && strcmp(r.output, "-") != 0;
    FILE *to = file ? fopen(r.output, "wxe") : stdout;
    rc = to != NULL ? cat(vd, &r, to) : cmd_error("Could not create the file '%s'", r.output);
    if (to != NULL && (file ? fclose(to) : fflush(to)) != 0 && rc == RC_OK)
        rc = cmd_error("Writing the output failed");
    vd_close(vd);
    return rc;
}

const struct command mediumio_command = {
    "mediumio", "Medium content access",
    (const char *const[]){"<--disk=uuid|filename | --dvd=uuid|filename | --floppy=uuid|filename> cat [--hex] "
                          "[--offset=byte-offset] [--size=bytes] [--output=-|filename]",
                          NULL},
    io_options, mediumio};

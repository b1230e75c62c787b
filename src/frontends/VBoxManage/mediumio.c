/*
 * mediumio.c - mediumio: what a medium holds, read and written here, without the service.
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
#include "storage/crypt.h"
#include "storage/fat.h"

#define CHUNK_BYTES (1u << 20)

static int said(GError *error)
{
    int rc = cmd_error("%s", error->message);

    g_error_free(error);
    return rc;
}

enum { DISK = 1, DVD, FLOPPY, HEX, OFFSET, SIZE, OUTPUT, QUICK, FORMAT, VARIANT, PASSWORD };
static const struct option io_options[] = {
    {DISK, "--disk|--harddisk", OPTION_TEXT, false, "uuid | filename", "The disk"},
    {DVD, "--dvd|--iso", OPTION_TEXT, false, "uuid | filename", "The disc"},
    {FLOPPY, "--floppy", OPTION_TEXT, false, "uuid | filename", "The floppy"},
    {PASSWORD, "--password-file", OPTION_TEXT, false, "- | filename", "Holds the password of an encrypted disk"},
    {HEX, "--hex", OPTION_NONE, false, NULL, "As hexadecimal digits"},
    {OFFSET, "--offset|-o", OPTION_U64, false, "byte-offset", "Where to begin"},
    {SIZE, "--size|-s", OPTION_U64, false, "bytes", "How much"},
    {OUTPUT, "--output|-O", OPTION_TEXT, false, "- | filename", "Where it goes; default: standard output"},
    {QUICK, "--quick|-q", OPTION_NONE, false, NULL, "formatfat: what is in the data area stays there"},
    {FORMAT, "--format|-F", OPTION_TEXT, false, "VDI | VMDK | VHD | RAW", "stream: of what is written; default VMDK"},
    {VARIANT, "--variant|-v", OPTION_TEXT, false, "Standard,Fixed,Stream", "stream: its layout; default Stream"},
    {0},
};

struct reading {
    const char *kind, *where, *verb, *output, *format, *variant, *password_file;
    guint64 offset, bytes;
    bool hex, quick;
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
        case QUICK: r->quick = true; break;
        case FORMAT: r->format = v.text; break;
        case VARIANT: r->variant = v.text; break;
        case PASSWORD: r->password_file = v.text; break;
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
    return r->verb != NULL ? RC_OK : cmd_syntax(c, "Missing subcommand");
}

/* An encrypted disk is plain text from here on; @base: its first image. */
static bool unlock(struct cmd *c, const struct reading *r, const char *base, struct vd *vd)
{
    g_autofree char *store = NULL;
    GError *failed = NULL;

    if (!TRY(c, imedium_get_property(c->client, base, "CRYPT/KeyStore", &store, &error)))
        return false;
    if (r->password_file == NULL) {
        cmd_error("Medium '%s' is encrypted; --password-file says where its password is", r->where);
        return false;
    }
    g_autofree char *password = cmd_read_password(r->password_file, "Enter password:");
    return password != NULL && (vd_unlock(vd, store, password, &failed) || said(failed) == RC_OK);
}

/* The medium's chain as the service knows it, base first. */
static struct vd *open_medium(struct cmd *c, const struct reading *r, unsigned flags)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));
    g_autofree char *object = cmd_client(c) != NULL ? cmd_open_medium(c, r->where, r->kind, false) : NULL;
    g_autofree char *base = NULL;
    bool encrypted = false;
    GError *error = NULL;

    while (object != NULL) {
        char node[API_UUID_SIZE];
        GVariant *d = cmd_describe(c, object, "IMedium");
        if (d == NULL)
            return NULL;
        g_ptr_array_add(all, d);
        const struct vd_link link = {dict_str(d, "Format"), dict_str(d, "Location")};
        g_array_prepend_val(links, link);
        g_free(base);
        base = g_steal_pointer(&object);
        encrypted = dict_bool(d, "Encrypted");
        if (*dict_str(d, "Parent") != '\0') {
            api_node_from_uuid(dict_str(d, "Parent"), node);
            object = g_strconcat(API_ROOT "/medium/", node, NULL);
        }
    }
    if (links->len == 0)
        return NULL;
    struct vd *vd = vd_open_chain(fio_system(), (const struct vd_link *)(void *)links->data, links->len, flags, &error);
    if (vd == NULL)
        said(error);
    if (vd == NULL || !encrypted || unlock(c, r, base, vd))
        return vd;
    vd_close(vd);
    return NULL;
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

static int do_cat(struct cmd *c, const struct reading *r)
{
    struct vd *vd = open_medium(c, r, VD_READ_ONLY);

    if (vd == NULL)
        return RC_FAILURE;
    bool file = r->output != NULL && strcmp(r->output, "-") != 0;
    FILE *to = file ? fopen(r->output, "wxe") : stdout;
    int rc = to != NULL ? cat(vd, r, to) : cmd_error("Could not create the file '%s'", r->output);
    if (to != NULL && (file ? fclose(to) : fflush(to)) != 0 && rc == RC_OK)
        rc = cmd_error("Writing the output failed");
    vd_close(vd);
    return rc;
}

/* ---- formatfat ---- */

static int format_fat(struct cmd *c, const struct reading *r)
{
    GError *error = NULL;

    if (strcmp(r->kind, "DVD") == 0)
        return cmd_error("A disc cannot be written");
    struct vd *vd = open_medium(c, r, 0);
    if (vd == NULL)
        return RC_FAILURE;
    bool ok = fat_format(vd, r->quick, &error);
    vd_close(vd);
    return ok ? RC_OK : said(error);
}

/* ---- stream ---- */

static bool copy_out(const char *path, GError **error)
{
    struct vd *made = vd_open(fio_system(), "RAW", path, VD_READ_ONLY, error);
    bool ok = made != NULL && vd_copy_out(made, STDOUT_FILENO, error);

    vd_close(made);
    return ok;
}

/* An image is not written from front to end, so for a pipe it is made in a file first. */
static bool stream_image(struct vd *vd, struct vd_create *to, const char *output, GError **error)
{
    if (output != NULL && strcmp(output, "-") != 0) {
        to->path = output;
        return vd_copy(vd, fio_system(), to, NULL, error);
    }
    if (g_ascii_strcasecmp(to->format, "RAW") == 0)
        return vd_copy_out(vd, STDOUT_FILENO, error);
    g_autofree char *folder = g_dir_make_tmp("stream-XXXXXX", error);
    g_autofree char *file = folder != NULL ? g_build_filename(folder, "image", NULL) : NULL;
    to->path = file;
    bool ok = file != NULL && vd_copy(vd, fio_system(), to, NULL, error) && copy_out(file, error);
    if (file != NULL)
        unlink(file);
    if (folder != NULL)
        rmdir(folder);
    return ok;
}

static int stream(struct cmd *c, const struct reading *r)
{
    struct vd_create to = {.format = r->format != NULL ? r->format : "VMDK"};
    const bool plain = r->variant == NULL && g_ascii_strcasecmp(to.format, "VMDK") != 0;
    GError *error = NULL;

    if (!medium_layout(c, plain ? NULL : r->variant != NULL ? r->variant : "Stream", &to))
        return RC_SYNTAX;
    struct vd *vd = open_medium(c, r, VD_READ_ONLY);
    if (vd == NULL)
        return RC_FAILURE;
    bool ok = stream_image(vd, &to, r->output, &error);
    vd_close(vd);
    return ok ? RC_OK : said(error);
}

static int mediumio(struct cmd *c)
{
    static const struct {
        const char *verb;
        int (*run)(struct cmd *c, const struct reading *r);
    } verbs[] = {{"cat", do_cat}, {"formatfat", format_fat}, {"stream", stream}};
    struct reading r = {0};
    int rc = parse_reading(c, &r);

    for (unsigned k = 0; rc == RC_OK && k < G_N_ELEMENTS(verbs); k++)
        if (strcmp(verbs[k].verb, r.verb) == 0)
            return verbs[k].run(c, &r);
    return rc != RC_OK ? rc : cmd_syntax(c, "Invalid parameter '%s'", r.verb);
}

#define MEDIUM "<--disk=uuid|filename | --dvd=uuid|filename | --floppy=uuid|filename> [--password-file=-|filename] "
const struct command mediumio_command = {
    "mediumio", "Medium content access",
    (const char *const[]){MEDIUM "formatfat [--quick]",
                          MEDIUM "stream [--format=VDI | VMDK | VHD | RAW] [--variant=variant] [--output=-|filename]",
                          MEDIUM "cat [--hex] [--offset=byte-offset] [--size=bytes] [--output=-|filename]", NULL},
    io_options, mediumio};

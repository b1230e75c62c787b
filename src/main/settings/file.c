/*
 * file.c - see file.h: version, root element, safe replacement.
 *
 * Locks: while a file is replaced, its old inode is locked exclusively
 * (fio_lock); a saver reads the file again by its name after it has the lock,
 * so of two that save at once the second sees what the first wrote. Any thread,
 * one at a time a model. Invariant 1: a file whose bytes are not those of
 * f->checksum (or f->attempted) is never overwritten.
 */
#include "main/settings/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "main/settings/file_int.h"
#include "main/settings/layout.h"
#include "main/settings/map_rows.h"
#include "rt/status.h"

#define NAMESPACE    "http://www.virtualbox.org/"
#define MAX_CORRUPT  1000
#define FUTURE_MINOR 250
#define LOCK_TRIES   100
#define LOCK_WAIT_US 10000

static const char comment[] = "\n"
                              "** Managed by VBoxManage and the other front ends: do not edit this "
                              "file.\n"
                              "** A change made by hand is not seen by programs that are running, and "
                              "they will refuse\n"
                              "** to save theirs over it.\n";

static const struct {
    const char *element, *other;
    const char *other_text;
    const struct map_type *type;
} kinds[] = {
    [SETTINGS_MACHINE] = {"Machine", "Global", "This is the global settings file, not a machine's", &map_machine},
    [SETTINGS_GLOBAL] = {"Global", "Machine", "This is a machine's settings file, not the global one", &map_global},
};

/* ---- identity ---- */

void file_init(struct settings_file *f, const struct fio *io, const char *path)
{
    f->io = io;
    f->path = g_canonicalize_filename(path, NULL);
    f->folder = g_path_get_dirname(f->path);
    f->version = SETTINGS_NEW;
}

void file_fini(struct settings_file *f)
{
    g_free(f->path);
    g_free(f->folder);
    g_free(f->version_text);
    g_free(f->checksum);
    g_free(f->attempted);
    kept_unref(f->kept);
}

void file_copy(struct settings_file *to, const struct settings_file *from)
{
    *to = *from;
    to->path = g_strdup(from->path);
    to->folder = g_strdup(from->folder);
    to->version_text = g_strdup(from->version_text);
    to->checksum = g_strdup(from->checksum);
    to->attempted = g_strdup(from->attempted);
    kept_ref(to->kept);
}

/* ---- bytes ---- */

static int read_open(const struct fio *io, int fd, GBytes **ret)
{
    struct fio_stat st;
    int rc = fio_stat(io, fd, &st);

    if (rc == 0 && !st.regular)
        return VERR_NOT_SUPPORTED;
    if (rc == 0 && st.size_bytes > XML_MAX_BYTES)
        return VERR_TOO_MUCH_DATA;
    if (rc != 0)
        return rc;
    void *bytes = g_malloc(st.size_bytes + 1);
    rc = fio_read(io, fd, bytes, st.size_bytes, 0);
    if (rc == 0)
        *ret = g_bytes_new_take(bytes, st.size_bytes);
    else
        g_free(bytes);
    return rc;
}

static int read_bytes(const struct fio *io, const char *path, GBytes **ret)
{
    int fd = -1, rc = fio_open(io, path, O_RDONLY | O_NONBLOCK, 0, &fd);

    if (rc != 0)
        return rc;
    rc = read_open(io, fd, ret);
    fio_close(io, fd);
    return rc;
}

static void set_read_error(GError **error, const char *path, int rc)
{
    const char *why = rc == VERR_NOT_SUPPORTED    ? "it is not a regular file"
                      : rc == VERR_TOO_MUCH_DATA  ? "it is larger than 16 MiB"
                      : rc == VERR_FILE_NOT_FOUND ? "No such file or directory"
                                                  : status_text(rc);

    g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "Could not open the settings file '%s': %s (%s)", path, why,
                status_name(rc));
}

/* By the processor's own instructions: of 1,000 snapshots GLib's takes longer than all the rest of a save. */
static char *checksum(GBytes *bytes)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    GString *text = g_string_sized_new(2 * sizeof sum + 1);
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);

    SHA256(data, size, sum);
    for (unsigned k = 0; k < sizeof sum; k++)
        g_string_append_printf(text, "%02x", sum[k]);
    return g_string_free(text, FALSE);
}

/* ---- the root element ---- */

static bool parse_version(struct settings_file *f, struct map_reader *r, const struct xml_node *root)
{
    const char *text = xml_get(root, "version");
    unsigned major = 0, minor = 0;

    if (text == NULL) {
        map_fail(r, root, "Required VirtualBox/@version attribute is missing");
        return false;
    }
    if (sscanf(text, "%3u.%3u", &major, &minor) != 2 || major == 0 || (major == 1 && minor < SETTINGS_OLDEST_READ)) {
        g_set_error(r->error, SETTINGS_ERROR, SETTINGS_ERROR_VERSION,
                    "Error in '%s' (line %u) -- Cannot handle settings version '%s'", f->path, root->line, text);
        return false;
    }
    f->version = major > 1 ? FUTURE_MINOR : MIN(minor, FUTURE_MINOR);
    g_free(f->version_text);
    f->version_text = g_strdup(text);
    r->version = f->version;
    return true;
}

static void keep_root(struct settings_file *f, struct map_reader *r, const struct xml_node *root,
                      const struct xml_node *top)
{
    const char *behind = NULL;

    for (unsigned k = 0; k < root->n_attrs; k++) {
        const struct xml_attr *a = &root->attrs[k];
        bool schema = strcmp(a->name, "xmlns:xsi") == 0 || g_str_has_prefix(a->name, "xsi:");
        if (strcmp(a->name, "version") != 0 && !schema)
            kept_attr(&f->kept, r->doc, "", a);
    }
    for (const struct xml_node *n = root->first; n != NULL; n = n->next) {
        if (n == top)
            behind = top->name;
        else
            kept_elem(&f->kept, r->doc, "", n, behind, 1);
    }
}

static struct xml_node *find_top(struct settings_file *f, struct map_reader *r, enum settings_kind kind)
{
    const struct xml_node *root = xml_root(r->doc);
    struct xml_node *top = xml_child(root, kinds[kind].element);

    if (strcmp(root->name, "VirtualBox") != 0) {
        map_fail(r, root, "The root element is '%s'; a settings file has 'VirtualBox'", root->name);
        return NULL;
    }
    if (!parse_version(f, r, root))
        return NULL;
    if (top == NULL) {
        if (xml_child(root, kinds[kind].other) != NULL)
            map_fail(r, root, "%s", kinds[kind].other_text);
        else if (xml_child(root, "MachineEncrypted") != NULL)
            map_fail(r, root, "The machine's settings are encrypted; decrypt them first");
        else
            map_fail(r, root, "The %s element is missing", kinds[kind].element);
    }
    return top;
}

bool file_parse(struct settings_file *f, enum settings_kind kind, const void *bytes, size_t size, void *model,
                GError **error)
{
    struct map_reader r = {.path = f->path, .error = error, .doc = xml_parse(f->path, bytes, size, error)};
    bool ok = false;

    if (r.doc == NULL)
        return false;
    struct xml_node *top = find_top(f, &r, kind);
    if (top != NULL) {
        keep_root(f, &r, xml_root(r.doc), top);
        legacy_up(r.doc, top, f->version);
        layout_up(r.doc, top, f->version);
        map_init(kinds[kind].type, model, f->version);
        ok = map_read(&r, kinds[kind].type, model, top);
    }
    xml_unref(r.doc);
    return ok;
}

static bool load(struct settings_file *f, enum settings_kind kind, void *model, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    gsize size;
    int rc = read_bytes(f->io, f->path, &bytes);

    if (rc != 0) {
        set_read_error(error, f->path, rc);
        return false;
    }
    const void *data = g_bytes_get_data(bytes, &size);
    f->checksum = checksum(bytes);
    return file_parse(f, kind, data, size, model, error);
}

bool file_load(struct settings_file *f, enum settings_kind kind, void *model, GError **error)
{
    if (load(f, kind, model, error))
        return true;
    g_autofree char *previous = error != NULL ? settings_previous(f->io, f->path, kind) : NULL;
    if (previous != NULL) {
        g_autofree char *text = g_strdup_printf("%s\nIts previous version '%s' can be read: copy it to "
                                                "'%s' to go back to it",
                                                (*error)->message, previous, f->path);
        g_free((*error)->message);
        (*error)->message = g_steal_pointer(&text);
    }
    return false;
}

/* ---- saving ---- */

bool file_check(const struct settings_file *f, enum settings_kind kind, const void *model, GError **error)
{
    g_mutex_lock(&map_shared_lock);
    g_autofree char *bad = map_check(kinds[kind].type, model, kinds[kind].element);
    g_mutex_unlock(&map_shared_lock);

    if (bad != NULL)
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VALUE, "Cannot save '%s' -- %s", f->path, bad);
    return bad == NULL;
}

char *file_text(const struct settings_file *f, enum settings_kind kind, const void *model, unsigned *ret_version)
{
    g_autoptr(GMutexLocker) locked = g_mutex_locker_new(&map_shared_lock);
    struct map_writer w = {.version = map_need(kinds[kind].type, model, MAX(f->version, SETTINGS_OLDEST_WRITTEN)),
                           .head = map_shared_head};
    g_autofree char *version = g_strdup_printf("1.%u-linux", w.version);

    (void)locked;
    w.doc = xml_new("VirtualBox");
    struct xml_node *root = xml_root(w.doc);
    xml_set(w.doc, root, "xmlns", NAMESPACE);
    xml_set(w.doc, root, "version", version);
    struct xml_node *top = xml_add(w.doc, root, kinds[kind].element);
    map_write(&w, kinds[kind].type, model, top);
    layout_down(w.doc, top, w.version);
    kept_write(f->kept, w.doc, "", root);
    char *text = xml_text(w.doc, comment);
    xml_unref(w.doc);
    if (ret_version != NULL)
        *ret_version = w.version;
    return text;
}

/* The file as it is now, if it is the one we know (inv 1); NULL in *ret = there
 * is none yet. */
static bool read_known(const struct settings_file *f, enum settings_kind kind, GBytes **ret, GError **error)
{
    int rc = read_bytes(f->io, f->path, ret);
    g_autofree char *sum = rc == 0 ? checksum(*ret) : NULL;

    if (rc != 0 && rc != VERR_FILE_NOT_FOUND && rc != VERR_PATH_NOT_FOUND) {
        set_read_error(error, f->path, rc);
        return false;
    }
    if (g_strcmp0(sum, f->checksum) == 0 || (sum != NULL && g_strcmp0(sum, f->attempted) == 0))
        return true;
    if (f->checksum == NULL)
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_CHANGED, "%s settings file '%s' already exists",
                    kinds[kind].element, f->path);
    else
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_CHANGED,
                    "The settings file '%s' has been %s by another program since "
                    "it was read; it is not overwritten. "
                    "Read it again and repeat the change",
                    f->path, sum != NULL ? "changed" : "removed");
    return false;
}

/*
 * Locks the file that has the name now, so that nobody else who does so
 * replaces it meanwhile. *ret_fd < 0: there is none, or its file system has no
 * locks.
 */
static bool lock(const struct settings_file *f, int *ret_fd, GError **error)
{
    *ret_fd = -1;
    for (unsigned k = 0; k < LOCK_TRIES; k++) {
        int fd = -1, rc = fio_open(f->io, f->path, O_RDWR | O_NONBLOCK, 0, &fd);
        if (rc == VERR_FILE_NOT_FOUND || rc == VERR_PATH_NOT_FOUND)
            return true;
        if (rc != 0) {
            set_read_error(error, f->path, rc);
            return false;
        }
        rc = fio_lock(f->io, fd, FIO_LOCK_EXCLUSIVE);
        if (rc == 0)
            *ret_fd = fd;
        else
            fio_close(f->io, fd);
        if (rc != VERR_SHARING_VIOLATION)
            return true;
        g_usleep(LOCK_WAIT_US);
    }
    set_read_error(error, f->path, VERR_SHARING_VIOLATION);
    return false;
}

bool settings_file_changed(const struct settings_file *f)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *sum = read_bytes(f->io, f->path, &bytes) == 0 ? checksum(bytes) : NULL;

    return g_strcmp0(sum, f->checksum) != 0;
}

static bool replace(const struct fio *io, const char *path, const void *bytes, size_t size, unsigned flags,
                    GError **error)
{
    g_autoptr(GError) why = NULL;

    if (!fio_atomic_replace(io, path, bytes, size, flags, &why)) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "Cannot save the settings: %s", why->message);
        return false;
    }
    return true;
}

static bool exists(const struct fio *io, const char *path)
{
    int fd = -1;
    bool found = fio_open(io, path, O_RDONLY | O_NONBLOCK, 0, &fd) == 0;

    fio_close(io, fd);
    return found;
}

/* "Windows XP.vbox" read as 1.9-linux becomes "Windows XP-1.9-linux.vbox",
 * once. */
static bool back_up(struct settings_file *f, GBytes *old, GError **error)
{
    const char *dot = strrchr(f->path, '.');
    size_t stem = dot != NULL && strchr(dot, '/') == NULL ? (size_t)(dot - f->path) : strlen(f->path);
    g_autofree char *version = g_strdelimit(g_strdup(f->version_text), "/", '_');
    g_autofree char *path = g_strdup_printf("%.*s-%s%s", (int)stem, f->path, version, f->path + stem);
    gsize size;
    const void *bytes = g_bytes_get_data(old, &size);

    if (!exists(f->io, path) && !replace(f->io, path, bytes, size, 0, error))
        return false;
    f->backed_up = true;
    return true;
}

static bool store(struct settings_file *f, GBytes *text, GBytes *old, unsigned version, GError **error)
{
    gsize size;
    const void *bytes = g_bytes_get_data(text, &size);

    if (old != NULL && version > f->version && !f->backed_up && !back_up(f, old, error))
        return false;
    g_free(f->attempted);
    f->attempted = checksum(text);
    if (!replace(f->io, f->path, bytes, size, FIO_KEEP_PREVIOUS, error))
        return false;
    g_free(f->checksum);
    f->checksum = g_steal_pointer(&f->attempted);
    g_free(f->version_text);
    f->version_text = g_strdup_printf("1.%u-linux", version);
    f->version = version;
    return true;
}

static bool save_locked(struct settings_file *f, enum settings_kind kind, const void *model, GError **error)
{
    g_autoptr(GBytes) old = NULL;
    unsigned version = 0;

    if (!read_known(f, kind, &old, error))
        return false;
    char *text = file_text(f, kind, model, &version);
    if (version > SETTINGS_NEWEST) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VERSION, "'%s' would need settings version 1.%u", f->path,
                    version);
        g_free(text);
        return false;
    }
    g_autoptr(GBytes) new = g_bytes_new_take(text, strlen(text));
    const char *why = xml_unreadable(text);
    if (why != NULL) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VALUE,
                    "Cannot save '%s' -- %s, and could not be read again; delete snapshots first", f->path, why);
        return false;
    }
    return (old != NULL && g_bytes_equal(old, new)) || store(f, new, old, version, error);
}

bool file_save(struct settings_file *f, enum settings_kind kind, const void *model, GError **error)
{
    int fd = -1;

    if (f->version > SETTINGS_NEWEST) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VERSION,
                    "The settings file '%s' has version %s, which is later than "
                    "1.%d; it can be read but not changed here",
                    f->path, f->version_text, SETTINGS_NEWEST);
        return false;
    }
    if (!file_check(f, kind, model, error) || !lock(f, &fd, error))
        return false;
    bool ok = save_locked(f, kind, model, error);
    fio_close(f->io, fd);
    return ok;
}

/* ---- the previous file ---- */

static bool readable(const struct fio *io, const char *path, enum settings_kind kind)
{
    struct settings_file f = {0};
    void *model = g_malloc0(kinds[kind].type->size);

    file_init(&f, io, path);
    bool ok = load(&f, kind, model, NULL);
    file_fini(&f);
    map_free(kinds[kind].type, model);
    return ok;
}

char *settings_previous(const struct fio *io, const char *path, enum settings_kind kind)
{
    g_autofree char *previous = g_strdup_printf("%s-prev", path);

    return readable(io, previous, kind) ? g_steal_pointer(&previous) : NULL;
}

static bool keep_corrupt(const struct fio *io, const char *path, GError **error)
{
    g_autoptr(GBytes) bad = NULL;
    gsize size;

    if (read_bytes(io, path, &bad) != 0)
        return true; /* nothing there to keep, or nothing that could be read */
    const void *bytes = g_bytes_get_data(bad, &size);
    for (unsigned k = 1; k < MAX_CORRUPT; k++) {
        g_autofree char *to = g_strdup_printf("%s.corrupt-%u", path, k);
        if (!exists(io, to))
            return replace(io, to, bytes, size, 0, error);
    }
    g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "There are %u corrupt copies of '%s' already; remove some",
                MAX_CORRUPT, path);
    return false;
}

bool settings_restore_previous(const struct fio *io, const char *path, enum settings_kind kind, GError **error)
{
    g_autofree char *full = g_canonicalize_filename(path, NULL);
    g_autofree char *previous = settings_previous(io, full, kind);
    g_autoptr(GBytes) good = NULL;
    gsize size;

    if (previous == NULL || read_bytes(io, previous, &good) != 0) {
        g_set_error(error, SETTINGS_ERROR, SETTINGS_ERROR_FILE, "'%s-prev' cannot be read either", full);
        return false;
    }
    const void *bytes = g_bytes_get_data(good, &size);
    return keep_corrupt(io, full, error) && replace(io, full, bytes, size, 0, error);
}

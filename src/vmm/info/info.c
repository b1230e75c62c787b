/*
 * info.c - info handlers by name.
 */
#include "vmm/info/info.h"

#include <string.h>

struct handler {
    char *name, *text;
    info_fn fn;
    void *user;
};

struct info {
    GRecMutex lock;
    GTree *handlers; /* lower-case name -> struct handler */
};

static void handler_free(gpointer data)
{
    struct handler *h = data;

    g_free(h->name);
    g_free(h->text);
    g_free(h);
}

static gint compare(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    return g_ascii_strcasecmp(a, b);
}

struct info *info_new(void)
{
    struct info *i = g_new0(struct info, 1);

    g_rec_mutex_init(&i->lock);
    i->handlers = g_tree_new_full(compare, NULL, NULL, handler_free);
    return i;
}

void info_free(struct info *i)
{
    if (i == NULL)
        return;
    g_tree_destroy(i->handlers);
    g_rec_mutex_clear(&i->lock);
    g_free(i);
}

bool info_add(struct info *i, const char *name, const char *text, info_fn fn, void *user)
{
    bool fresh;

    g_rec_mutex_lock(&i->lock);
    fresh = g_tree_lookup(i->handlers, name) == NULL;
    if (fresh) {
        struct handler *h = g_new0(struct handler, 1);
        *h = (struct handler){.name = g_strdup(name), .text = g_strdup(text), .fn = fn, .user = user};
        g_tree_insert(i->handlers, h->name, h);
    }
    g_rec_mutex_unlock(&i->lock);
    return fresh;
}

void info_remove(struct info *i, const char *name)
{
    g_rec_mutex_lock(&i->lock);
    g_tree_remove(i->handlers, name);
    g_rec_mutex_unlock(&i->lock);
}

bool info_run(struct info *i, const char *line, GString *out)
{
    size_t skip = strspn(line, " \t"), len = strcspn(line + skip, " \t");
    g_autofree char *name = g_strndup(line + skip, len);
    const char *args = line + skip + len;
    const struct handler *h;

    args += strspn(args, " \t");
    if (!g_ascii_strcasecmp(name, "help")) {
        info_list(i, out);
        return true;
    }
    g_rec_mutex_lock(&i->lock);
    h = g_tree_lookup(i->handlers, name);
    if (h)
        h->fn(h->user, args, out);
    g_rec_mutex_unlock(&i->lock);
    return h != NULL;
}

static gboolean list_one(gpointer key, gpointer value, gpointer user)
{
    const struct handler *h = value;

    (void)key;
    g_string_append_printf(user, "%-16s %s\n", h->name, h->text);
    return FALSE;
}

void info_list(struct info *i, GString *out)
{
    g_rec_mutex_lock(&i->lock);
    g_tree_foreach(i->handlers, list_one, out);
    g_rec_mutex_unlock(&i->lock);
}

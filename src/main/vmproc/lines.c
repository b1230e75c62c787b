/* lines.c - see lines.h. */
#include "main/vmproc/lines.h"

#include <string.h>

#include "drivers/char/char.h"

#define TYPED_MAX                                                                                                      \
    65536u /* what the guest has not read yet of typed or pasted text; more is lost, as on a real line                 \
            */

struct line {
    struct pdm_char *chars;
    const struct console_options *options;
    bool terminal;
    GByteArray *typed; /* terminal: filtered, waiting for the guest */
};

struct lines {
    struct line line[6]; /* four serial, two parallel */
    struct console_options options;
};

/* Takes everything at once, so that the escape sequence is seen even when the guest reads nothing any more. */
static void filter(struct line *l, const uint8_t *buf, size_t bytes)
{
    char kept[256];

    for (size_t at = 0; at < bytes; at += sizeof kept) {
        size_t size = MIN(bytes - at, sizeof kept);
        size_t n = l->options->serial_filter(l->options->serial_user, (const char *)buf + at, size, kept);
        g_byte_array_append(l->typed, (const guint8 *)kept, (guint)MIN(n, TYPED_MAX - l->typed->len));
    }
}

static size_t receive(void *user, const uint8_t *buf, size_t bytes)
{
    struct line *l = user;

    if (!l->terminal || l->options->serial_filter == NULL)
        return pdm_char_receive(l->chars, buf, bytes);
    filter(l, buf, bytes);
    g_byte_array_remove_range(l->typed, 0, (guint)pdm_char_receive(l->chars, l->typed->data, l->typed->len));
    return bytes;
}

static void writable(void *user)
{
    struct line *l = user;

    pdm_char_writable(l->chars);
}

static bool open_line(struct lines *all, unsigned n, const char *device, unsigned instance, struct char_conf *conf,
                      struct pdm *pdm, GError **error)
{
    struct line *l = &all->line[n];
    const struct char_up up = {.user = l, .receive = receive, .writable = writable};

    conf->loop = all->options.loop;
    l->options = &all->options;
    l->terminal = conf->kind == CHAR_STDIO;
    l->typed = g_byte_array_new();
    l->chars = char_new(conf, &up, error);
    return l->chars != NULL && pdm_attach_char(pdm, device, instance, 0, l->chars, error);
}

static bool open_all(struct lines *all, const struct settings_machine *s, struct pdm *pdm, GError **error)
{
    static const enum char_kind kinds[] = {[UART_RAW_FILE] = CHAR_RAW_FILE,
                                           [UART_HOST_PIPE] = CHAR_HOST_PIPE,
                                           [UART_HOST_DEVICE] = CHAR_HOST_DEVICE,
                                           [UART_TCP] = CHAR_TCP};

    for (unsigned k = 0; k < G_N_ELEMENTS(s->hardware.uart); k++) {
        const struct settings_uart *u = &s->hardware.uart[k];
        struct char_conf conf = {.kind = kinds[u->mode], .path = u->path, .server = u->server};
        bool terminal = k == 0 && all->options.serial_in >= 0;
        if (terminal)
            conf = (struct char_conf){
                .kind = CHAR_STDIO, .in_fd = all->options.serial_in, .out_fd = all->options.serial_out};
        if (!terminal && (!u->enabled || u->mode == UART_DISCONNECTED))
            continue;
        g_autofree char *path = conf.path != NULL && (u->mode == UART_RAW_FILE || u->mode == UART_HOST_PIPE)
                                    ? g_canonicalize_filename(conf.path, s->file.folder)
                                    : g_strdup(conf.path);
        conf.path = path;
        if (!open_line(all, k, "serial", k, &conf, pdm, error))
            return false;
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(s->hardware.lpt); k++) {
        if (!s->hardware.lpt[k].enabled || s->hardware.lpt[k].path == NULL || *s->hardware.lpt[k].path == '\0')
            continue;
        g_autofree char *path = g_canonicalize_filename(s->hardware.lpt[k].path, s->file.folder);
        struct char_conf conf = {.kind = CHAR_RAW_FILE, .path = path};
        if (!open_line(all, 4 + k, "parallel", k, &conf, pdm, error))
            return false;
    }
    return true;
}

struct lines *lines_new(const struct settings_machine *s, const struct console_options *o, struct pdm *pdm,
                        GError **error)
{
    struct lines *all = g_new0(struct lines, 1);

    all->options = *o;
    if (!open_all(all, s, pdm, error)) {
        lines_free(all);
        return NULL;
    }
    return all;
}

void lines_begin(struct lines *all)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(all->line); k++)
        if (all->line[k].chars != NULL)
            char_begin(all->line[k].chars);
}

void lines_free(struct lines *all)
{
    if (all == NULL)
        return;
    for (unsigned k = 0; k < G_N_ELEMENTS(all->line); k++) {
        char_free(all->line[k].chars);
        g_clear_pointer(&all->line[k].typed, g_byte_array_unref);
    }
    g_free(all);
}

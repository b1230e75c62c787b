/*
 * controlvm_parts.c - controlvm's verbs that a part of the machine's process carries out: screens, USB, CPUs, moving,
 * passwords. What the process has not got it says itself.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/controlvm.h"

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

static bool number_word(struct cmd *c, guint32 *ret)
{
    const char *word = cmd_word(c);
    char *end;

    if (word == NULL)
        return false;
    guint64 n = g_ascii_strtoull(word, &end, 10);
    *ret = (guint32)n;
    return *word != '\0' && *end == '\0' && n <= G_MAXUINT32;
}

/* "--name=value" or "--name value" among the words that are left; taken out of them is nothing. NULL: not there. */
static const char *option_word(struct cmd *c, const char *name)
{
    for (int k = c->at; k < c->argc; k++) {
        size_t size = strlen(name);
        if (strncmp(c->argv[k], name, size) != 0)
            continue;
        if (c->argv[k][size] == '=')
            return c->argv[k] + size + 1;
        if (c->argv[k][size] == '\0')
            return k + 1 < c->argc ? c->argv[k + 1] : "";
    }
    return NULL;
}

static int video_mode(struct cmd *c, const struct target *t)
{
    guint32 width, height, depth, display = 0, origin[2] = {0};

    if (!number_word(c, &width) || !number_word(c, &height) || !number_word(c, &depth))
        return cmd_syntax(c, "Incorrect arguments to 'setvideomodehint'");
    bool has_display = c->at < c->argc;
    if (has_display && !number_word(c, &display))
        return cmd_syntax(c, "Incorrect arguments to 'setvideomodehint'");
    const char *word = cmd_word(c);
    bool on = true, has_origin = c->at < c->argc;
    if ((word != NULL && !parse_on_off(word, &on)) ||
        (has_origin && (!number_word(c, &origin[0]) || !number_word(c, &origin[1]))))
        return cmd_syntax(c, "Incorrect arguments to 'setvideomodehint'");
    return done(TRY(c, idisplay_set_video_mode_hint(c->client, t->console, display, on, has_origin, (gint32)origin[0],
                                                    (gint32)origin[1], width, height, depth, &error)));
}

/* "DISPLAY off" or "DISPLAY on|primary X Y WIDTH HEIGHT BITS". */
static bool screen_words(struct cmd *c, GVariantBuilder *b)
{
    guint32 display, at[2] = {0}, size[3] = {0};
    const char *status = number_word(c, &display) ? cmd_word(c) : NULL;

    if (status == NULL)
        return false;
    const bool primary = g_ascii_strcasecmp(status, "primary") == 0;
    const bool on = primary || g_ascii_strcasecmp(status, "on") == 0;
    if (!on && g_ascii_strcasecmp(status, "off") != 0)
        return false;
    for (unsigned k = 0; on && k < 5; k++)
        if (!number_word(c, k < 2 ? &at[k] : &size[k - 2]))
            return false;
    g_variant_builder_add(b, "(ubbiiuuu)", display, on, primary, (gint32)at[0], (gint32)at[1], size[0], size[1],
                          size[2]);
    return true;
}

static int screen_layout(struct cmd *c, const struct target *t)
{
    GVariantBuilder b;
    bool ok;

    if (c->argc - c->at < 2)
        return cmd_syntax(c, "Incorrect number of parameters.");
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(ubbiiuuu)"));
    do
        ok = screen_words(c, &b);
    while (ok && c->at < c->argc);
    g_autoptr(GVariant) screens = g_variant_ref_sink(g_variant_builder_end(&b));
    if (!ok)
        return cmd_syntax(c, "Incorrect arguments to 'setscreenlayout'");
    return done(TRY(c, idisplay_set_screen_layout(c->client, t->console, "Apply", screens, &error)));
}

static int usb_attach(struct cmd *c, const struct target *t)
{
    const char *capture = option_word(c, "--capturefile"), *id = cmd_word(c);

    if (id == NULL)
        return cmd_syntax(c, "Missing argument to 'usbattach'");
    return done(TRY(c, iconsole_attach_usb_device(c->client, t->console, id, capture != NULL ? capture : "", &error)));
}

static int usb_detach(struct cmd *c, const struct target *t)
{
    const char *id = cmd_word(c);

    if (id == NULL)
        return cmd_syntax(c, "Missing argument to 'usbdetach'");
    return done(TRY(c, iconsole_detach_usb_device(c->client, t->console, id, &error)));
}

static int credentials(struct cmd *c, const struct target *t)
{
    const char *file = option_word(c, "--passwordfile"), *local = option_word(c, "--allowlocallogon");
    const char *user = cmd_word(c), *word = cmd_word(c), *domain = cmd_word(c);
    bool allow = false;

    if (domain == NULL || (local != NULL && !parse_on_off(local, &allow)))
        return cmd_syntax(c, "Incorrect arguments to 'setcredentials'");
    g_autofree char *password = file != NULL ? cmd_read_password(file, "Enter password:") : g_strdup(word);
    return done(password != NULL &&
                TRY(c, iconsole_set_credentials(c->client, t->console, user, password, domain, allow, &error)));
}

static int teleport(struct cmd *c, const struct target *t)
{
    const char *host = option_word(c, "--host"), *port = option_word(c, "--port");
    const char *downtime = option_word(c, "--maxdowntime"), *file = option_word(c, "--passwordfile");
    const char *word = option_word(c, "--password"), *timeout = option_word(c, "--timeout");
    guint64 allowed_ms = 0;
    char *end = NULL;

    if (host == NULL || port == NULL)
        return cmd_syntax(c, "Missing required option: --%s", host == NULL ? "host" : "port");
    if (timeout != NULL && (allowed_ms = g_ascii_strtoull(timeout, &end, 10),
                            *timeout == '\0' || *end != '\0' || allowed_ms > G_MAXUINT32))
        return cmd_syntax(c, "Invalid value '%s' for option '--timeout': a number", timeout);
    g_autofree char *password =
        file != NULL ? cmd_read_password(file, "Enter password:") : g_strdup(word != NULL ? word : "");
    guint32 ms = downtime != NULL ? (guint32)g_ascii_strtoull(downtime, NULL, 10) : 250;
    char *path = NULL;
    if (password == NULL ||
        !TRY(c, iconsole_teleport(c->client, t->console, host, (guint32)g_ascii_strtoull(port, NULL, 10), password, ms,
                                  (guint32)allowed_ms, &path, &error)))
        return RC_FAILURE;
    g_autofree char *progress = path;
    return done(cmd_progress(c, progress));
}

static int plug(struct cmd *c, const struct target *t)
{
    guint32 cpu;

    if (!number_word(c, &cpu))
        return cmd_syntax(c, "Missing argument to 'plugcpu'");
    return done(TRY(c, iconsole_plug_cpu(c->client, t->console, cpu, &error)));
}

static int unplug(struct cmd *c, const struct target *t)
{
    guint32 cpu;

    if (!number_word(c, &cpu))
        return cmd_syntax(c, "Missing argument to 'unplugcpu'");
    return done(TRY(c, iconsole_unplug_cpu(c->client, t->console, cpu, &error)));
}

static int webcam(struct cmd *c, const struct target *t)
{
    const char *what = cmd_word(c), *path = cmd_word(c), *settings = cmd_word(c);
    char **list = NULL;

    if (path == NULL)
        path = ".0";
    if (g_strcmp0(what, "attach") == 0)
        return done(
            TRY(c, iconsole_webcam_attach(c->client, t->console, path, settings != NULL ? settings : "", &error)));
    if (g_strcmp0(what, "detach") == 0)
        return done(TRY(c, iconsole_webcam_detach(c->client, t->console, path, &error)));
    if (g_strcmp0(what, "list") != 0)
        return cmd_syntax(c, what == NULL ? "Missing argument to 'webcam'" : "Invalid argument to 'webcam'");
    if (!TRY(c, iconsole_get_webcams(c->client, t->console, &list, &error)))
        return RC_FAILURE;
    g_auto(GStrv) paths = list;
    for (unsigned k = 0; paths[k] != NULL; k++)
        printf("%s\n", paths[k]);
    return RC_OK;
}

static int add_password(struct cmd *c, const struct target *t)
{
    const char *clear = option_word(c, "--removeonsuspend"), *id = cmd_word(c), *file = cmd_word(c);
    bool on = false;

    if (file == NULL || (clear != NULL && !parse_on_off(clear, &on)))
        return cmd_syntax(c, "Incorrect arguments to 'addencpassword'");
    g_autofree char *password = cmd_read_password(file, "Enter password:");
    return done(password != NULL &&
                TRY(c, iconsole_add_encryption_password(c->client, t->console, id, password, on, &error)));
}

static int remove_password(struct cmd *c, const struct target *t)
{
    const char *id = cmd_word(c);

    if (id == NULL)
        return cmd_syntax(c, "Missing argument to 'removeencpassword'");
    return done(TRY(c, iconsole_remove_encryption_password(c->client, t->console, id, &error)));
}

static int remove_passwords(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_clear_all_encryption_passwords(c->client, t->console, &error)));
}

static int reboot(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_guest_shutdown(c->client, t->console, true, false, &error)));
}

static int shut_down(struct cmd *c, const struct target *t)
{
    bool force = g_strcmp0(cmd_word(c), "--force") == 0;

    return done(TRY(c, iconsole_guest_shutdown(c->client, t->console, false, force, &error)));
}

static const struct {
    const char *verb;
    controlvm_fn run;
} part_verbs[] = {
    {"setvideomodehint", video_mode},
    {"setscreenlayout", screen_layout},
    {"usbattach", usb_attach},
    {"usbdetach", usb_detach},
    {"setcredentials", credentials},
    {"teleport", teleport},
    {"plugcpu", plug},
    {"unplugcpu", unplug},
    {"webcam", webcam},
    {"addencpassword", add_password},
    {"removeencpassword", remove_password},
    {"removeallencpasswords", remove_passwords},
    {"reboot", reboot},
    {"shutdown", shut_down},
};

controlvm_fn controlvm_part(const char *verb)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(part_verbs); k++)
        if (strcmp(part_verbs[k].verb, verb) == 0)
            return part_verbs[k].run;
    return NULL;
}

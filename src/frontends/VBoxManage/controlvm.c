/*
 * controlvm.c - controlvm: power, screen and keyboard of a running machine. One row per verb; the other verbs are in
 * controlvm_more.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/controlvm.h"
#include "frontends/VBoxManage/keyboard.h"

struct verb {
    const char *name;
    int (*run)(struct cmd *c, const struct target *t);
};

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

/* ---- power ---- */

static int do_pause(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_pause(c->client, t->console, &error)));
}

static int do_resume(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_resume(c->client, t->console, &error)));
}

static int do_reset(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_reset(c->client, t->console, &error)));
}

static int do_power_off(struct cmd *c, const struct target *t)
{
    char *progress = NULL;

    if (!TRY(c, imachine_power_down(c->client, t->machine, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    return done(cmd_progress(c, object));
}

static int do_save(struct cmd *c, const struct target *t)
{
    char *progress = NULL;

    if (!TRY(c, imachine_save_state(c->client, t->machine, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *object = progress;
    return done(cmd_progress(c, object));
}

static int do_power_button(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_power_button(c->client, t->console, &error)));
}

static int do_sleep_button(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_sleep_button(c->client, t->console, &error)));
}

/* ---- screen ---- */

/* A file is replaced whole; what is no file (/dev/stdout, a pipe) is written to. */
static bool write_file(const char *path, const char *bytes, gsize size)
{
    struct stat st;

    if (lstat(path, &st) != 0 || S_ISREG(st.st_mode)) {
        g_autoptr(GError) failed = NULL;
        return g_file_set_contents(path, bytes, (gssize)size, &failed) ||
               cmd_error("Cannot create file '%s': %s", path, failed->message) == RC_OK;
    }
    FILE *f = fopen(path, "wbe");
    bool ok = f != NULL && fwrite(bytes, 1, size, f) == size;
    ok = f != NULL && fclose(f) == 0 && ok;
    return ok || cmd_error("Cannot write to '%s': %s", path, g_strerror(errno)) == RC_OK;
}

static int do_screenshot(struct cmd *c, const struct target *t)
{
    const char *file = cmd_word(c);

    if (file == NULL)
        return cmd_syntax(c, "Missing argument to 'screenshotpng'");
    GVariant *reply = NULL;
    if (!TRY(c, idisplay_take_screen_shot_to_array(c->client, t->console, 0, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) picture = reply;
    gsize size;
    const char *bytes = g_variant_get_fixed_array(picture, &size, 1);
    return write_file(file, bytes, size) ? RC_OK : RC_FAILURE;
}

/* ---- keyboard ---- */

/* The keyboard takes what fits; the rest a little later. */
static int put_codes(struct cmd *c, const struct target *t, const GByteArray *codes)
{
    guint at = 0;

    for (unsigned tries = 0; at < codes->len && tries < 5000; tries++) {
        guint32 taken = 0;
        guint n = MIN(codes->len - at, 16);
        GVariant *bytes = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, codes->data + at, n, 1);
        if (!TRY(c, ikeyboard_put_scancodes(c->client, t->console, bytes, &taken, &error)))
            return RC_FAILURE;
        at += taken;
        tries = taken > 0 ? 0 : tries;
        if (at < codes->len)
            g_usleep(taken == n ? 2000 : 10000);
    }
    return at == codes->len ? RC_OK : cmd_error("Could not send all characters: the guest does not read its keyboard");
}

static int do_scancodes(struct cmd *c, const struct target *t)
{
    g_autoptr(GByteArray) codes = g_byte_array_new();
    const char *word;

    while ((word = cmd_word(c)) != NULL) {
        char *end;
        guint64 n = g_ascii_strtoull(word, &end, 16);
        guint8 code = (guint8)n;
        if (*word == '\0' || *end != '\0' || n > 0xff)
            return cmd_error("Converting '%s' returned VERR_INVALID_PARAMETER", word);
        g_byte_array_append(codes, &code, 1);
    }
    if (codes->len == 0)
        return cmd_syntax(c,
                          "Missing argument to 'keyboardputscancode'. Expected IBM PC AT set 2 keyboard scancode(s)");
    return put_codes(c, t, codes);
}

static int do_string(struct cmd *c, const struct target *t)
{
    g_autoptr(GByteArray) codes = g_byte_array_new();
    const char *word = cmd_word(c);

    if (word == NULL)
        return cmd_syntax(c, "Missing argument to 'keyboardputstring'. Expected ASCII string(s)");
    for (; word != NULL; word = cmd_word(c))
        keyboard_type(codes, word, strlen(word));
    return put_codes(c, t, codes);
}

static int do_file(struct cmd *c, const struct target *t)
{
    g_autoptr(GByteArray) codes = g_byte_array_new();
    const char *file = cmd_word(c);
    g_autofree char *text = NULL;
    gsize size = 0;

    if (file == NULL)
        return cmd_syntax(c, "Missing argument to 'keyboardputfile'. Expected file name");
    if (!g_file_get_contents(file, &text, &size, NULL))
        return cmd_error("Cannot open file '%s'", file);
    keyboard_type(codes, text, MIN(size, 64 * 1024));
    return put_codes(c, t, codes);
}

/* ---- the command ---- */

static const struct verb verbs[] = {
    {"pause", do_pause},
    {"resume", do_resume},
    {"reset", do_reset},
    {"poweroff", do_power_off},
    {"savestate", do_save},
    {"acpipowerbutton", do_power_button},
    {"acpisleepbutton", do_sleep_button},
    {"screenshotpng", do_screenshot},
    {"keyboardputscancode", do_scancodes},
    {"keyboardputstring", do_string},
    {"keyboardputfile", do_file},
};

static const struct verb *verb_find(const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(verbs); k++)
        if (strcmp(verbs[k].name, name) == 0)
            return &verbs[k];
    return NULL;
}

static int controlvm(struct cmd *c)
{
    const char *name = cmd_word(c), *word = cmd_word(c);

    if (name == NULL || word == NULL)
        return cmd_syntax(c, "Not enough parameters");
    const struct verb *verb = verb_find(word);
    if (verb == NULL && !controlvm_known(word))
        return cmd_syntax(c, "Invalid parameter '%s'", word);
    struct target t = {.name = name, .machine = cmd_find_machine(c, name)};
    int rc = RC_FAILURE;
    if (t.machine != NULL && cmd_console(c, t.machine, name, &t.console))
        rc = verb != NULL ? verb->run(c, &t) : controlvm_more(c, &t, word);
    g_free(t.machine);
    g_free(t.console);
    return rc;
}

const struct command controlvm_command = {
    "controlvm", "Change state and settings for a running virtual machine",
    (const char *const[]){
        "<uuid | vmname> pause",
        "<uuid | vmname> resume",
        "<uuid | vmname> reset",
        "<uuid | vmname> poweroff",
        "<uuid | vmname> savestate",
        "<uuid | vmname> acpipowerbutton",
        "<uuid | vmname> acpisleepbutton",
        "<uuid | vmname> reboot",
        "<uuid | vmname> shutdown [--force]",
        "<uuid | vmname> keyboardputscancode <hex> [hex...]",
        "<uuid | vmname> keyboardputstring <string> [string...]",
        "<uuid | vmname> keyboardputfile <filename>",
        "<uuid | vmname> setlinkstate<N> <on | off>",
        "<uuid | vmname> nic<N> <null | nat | bridged | intnet | hostonly | hostonlynet | generic | "
        "natnetwork> [device-name]",
        "<uuid | vmname> nictrace<N> <on | off>",
        "<uuid | vmname> nictracefile<N> <filename>",
        "<uuid | vmname> nicproperty<N> <prop-name=prop-value>",
        "<uuid | vmname> nicpromisc<N> <deny | allow-vms | allow-all>",
        "<uuid | vmname> natpf<N> <[rulename],tcp|udp,[host-IP],hostport,[guest-IP],guestport>",
        "<uuid | vmname> natpf<N> delete <rulename>",
        "<uuid | vmname> guestmemoryballoon <MB>",
        "<uuid | vmname> usbattach <uuid | address> [--capturefile=filename]",
        "<uuid | vmname> usbdetach <uuid | address>",
        "<uuid | vmname> audioin <on | off>",
        "<uuid | vmname> audioout <on | off>",
        "<uuid | vmname> clipboard mode <disabled | hosttoguest | guesttohost | bidirectional>",
        "<uuid | vmname> clipboard filetransfers <on | off>",
        "<uuid | vmname> draganddrop <disabled | hosttoguest | guesttohost | bidirectional>",
        "<uuid | vmname> vrde <on | off>",
        "<uuid | vmname> vrdeport <port>",
        "<uuid | vmname> vrdeproperty <prop-name=[prop-value]>",
        "<uuid | vmname> vrdevideochannelquality <percentage>",
        "<uuid | vmname> setvideomodehint <xres> <yres> <bpp> [display [yes | no [x-origin "
        "y-origin]]]",
        "<uuid | vmname> setscreenlayout <display> <on | primary x-origin y-origin x-resolution y-resolution bpp | "
        "off>",
        "<uuid | vmname> screenshotpng <filename> [display]",
        "<uuid | vmname> recording <on | off | start | stop>",
        "<uuid | vmname> recording <screens | filename | videores | videorate | videofps | maxtime | "
        "maxfilesize | opts> <value>",
        "<uuid | vmname> setcredentials <username> <password | --passwordfile=filename> <domain> "
        "[--allowlocallogon=yes | no]",
        "<uuid | vmname> teleport <--host=host-name> <--port=port> [--maxdowntime=msec] [--timeout=msec] "
        "[--passwordfile=filename | --password=password]",
        "<uuid | vmname> plugcpu <ID>",
        "<uuid | vmname> unplugcpu <ID>",
        "<uuid | vmname> cpuexecutioncap <num>",
        "<uuid | vmname> vm-process-priority <default | flat | low | normal | high>",
        "<uuid | vmname> webcam <attach [path [settings]] | detach [path] | list>",
        "<uuid | vmname> addencpassword <ID> <password-file | -> [--removeonsuspend=yes | no]",
        "<uuid | vmname> removeencpassword <ID>",
        "<uuid | vmname> removeallencpasswords",
        "<uuid | vmname> changeuartmode<N> <disconnected | server pipe | client pipe | tcpserver port "
        "| tcpclient host:port | file filename | device>",
        "<uuid | vmname> autostart-enabled <on | off>",
        "<uuid | vmname> autostart-delay <seconds>",
        NULL},
    NULL, controlvm};

/*
 * modifyvm_special.c - options of modifyvm that are more than one property; see modifyvm.def.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/modifyvm.h"

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

static int set_machine(struct cmd *c, const char *property, GVariant *val)
{
    return done(cmd_set(c, c->session_machine, "IMachine", property, val));
}

static int set_adapter(struct cmd *c, unsigned number, const char *property, GVariant *val)
{
    return modify_slot(c, "adapter", "INetworkAdapter", number, property, val);
}

static int set_nat(struct cmd *c, unsigned number, const char *property, GVariant *val)
{
    return modify_slot(c, "adapter", "INATEngine", number, property, val);
}

int set_groups(struct cmd *c, const struct value *v)
{
    g_auto(GStrv) groups = g_strsplit(v->text, ",", -1);

    return set_machine(c, "Groups", g_variant_new_strv((const char *const *)groups, -1));
}

int set_time_offset(struct cmd *c, const struct value *v)
{
    char *end;
    gint64 ms = g_ascii_strtoll(v->text, &end, 10);

    if (*v->text == '\0' || *end != '\0')
        return cmd_syntax(c, "Invalid value '%s' for option '%s': a number", v->text, v->name);
    return set_machine(c, "TimeOffset", g_variant_new_int64(ms));
}

int set_boot(struct cmd *c, const struct value *v)
{
    static const char *const devices[][2] = {
        {"none", "Null"}, {"floppy", "Floppy"}, {"dvd", "DVD"}, {"disk", "HardDisk"}, {"net", "Network"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(devices); k++)
        if (g_ascii_strcasecmp(devices[k][0], v->text) == 0)
            return done(
                TRY(c, imachine_set_boot_order(c->client, c->session_machine, v->index, devices[k][1], &error)));
    return cmd_syntax(c, "Invalid boot device '%s'", v->text);
}

/* ---- network ---- */

int set_nic_property(struct cmd *c, const struct value *v)
{
    g_auto(GStrv) pair = g_strsplit(v->text, "=", 2);

    if (pair[0] == NULL || pair[1] == NULL || v->index == 0)
        return cmd_syntax(c, "Invalid --nic-property%u argument '%s'", v->index, v->text);
    g_autofree char *adapter = cmd_slot(c, "adapter", v->index - 1);
    return done(TRY(c, inetwork_adapter_set_property(c->client, adapter, pair[0], pair[1], &error)));
}

int set_nic(struct cmd *c, const struct value *v)
{
    static const char *const kinds[][2] = {{"null", "Null"},
                                           {"nat", "NAT"},
                                           {"bridged", "Bridged"},
                                           {"hostif", "Bridged"},
                                           {"intnet", "Internal"},
                                           {"hostonly", "HostOnly"},
                                           {"hostonlynet", "HostOnlyNetwork"},
                                           {"generic", "Generic"},
                                           {"natnetwork", "NATNetwork"},
                                           {"cloud", "Cloud"}};

    if (g_ascii_strcasecmp(v->text, "none") == 0)
        return set_adapter(c, v->index, "Enabled", g_variant_new_boolean(FALSE));
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        if (g_ascii_strcasecmp(kinds[k][0], v->text) != 0)
            continue;
        int rc = set_adapter(c, v->index, "Enabled", g_variant_new_boolean(TRUE));
        return rc != RC_OK ? rc : set_adapter(c, v->index, "AttachmentType", g_variant_new_string(kinds[k][1]));
    }
    return cmd_syntax(c, "Invalid type '%s' specfied for NIC %u", v->text, v->index);
}

int set_nat_settings(struct cmd *c, const struct value *v)
{
    static const char *const properties[] = {"Mtu", "SockSnd", "SockRcv", "TcpWndSnd", "TcpWndRcv"};
    g_auto(GStrv) parts = g_strsplit(v->text, ",", -1);
    int rc = RC_OK;

    for (unsigned k = 0; rc == RC_OK && parts[k] != NULL; k++) {
        char *end;
        guint64 n = g_ascii_strtoull(parts[k], &end, 10);
        if (k >= G_N_ELEMENTS(properties) || *end != '\0' || n > G_MAXUINT32)
            return cmd_syntax(c, "Invalid --nat-settings%u argument '%s'", v->index, v->text);
        rc = set_nat(c, v->index, properties[k], g_variant_new_uint32((guint32)n));
    }
    return rc;
}

/* name,tcp|udp,hostip,hostport,guestip,guestport */
bool forward_parse(const char *text, struct forward *ret)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    char *end;

    if (g_strv_length(parts) != 6)
        return false;
    guint64 host = g_ascii_strtoull(parts[3], &end, 10);
    bool ok = *parts[3] != '\0' && *end == '\0' && host > 0 && host <= 65535;
    guint64 guest = g_ascii_strtoull(parts[5], &end, 10);
    ok = ok && *parts[5] != '\0' && *end == '\0' && guest > 0 && guest <= 65535;
    bool tcp = g_ascii_strcasecmp(parts[1], "tcp") == 0;
    if (!ok || (!tcp && g_ascii_strcasecmp(parts[1], "udp") != 0))
        return false;
    *ret = (struct forward){g_strdup(parts[0]), tcp ? "TCP" : "UDP", g_strdup(parts[2]),
                            (guint16)host,      g_strdup(parts[4]),  (guint16)guest};
    return true;
}

void forward_fini(struct forward *f)
{
    g_free(f->name);
    g_free(f->host_ip);
    g_free(f->guest_ip);
}

int set_forward(struct cmd *c, const struct value *v)
{
    struct forward f;

    if (v->index == 0)
        return cmd_syntax(c, "Numbers start at 1");
    g_autofree char *adapter = cmd_slot(c, "adapter", v->index - 1);
    if (g_ascii_strcasecmp(v->text, "delete") == 0) {
        const char *name = cmd_word(c);
        if (name == NULL)
            return cmd_syntax(c, "Not enough parameters");
        return done(TRY(c, inat_engine_remove_redirect(c->client, adapter, name, &error)));
    }
    if (!forward_parse(v->text, &f))
        return cmd_syntax(c, "Invalid NAT rule '%s'", v->text);
    bool ok = TRY(c, inat_engine_add_redirect(c->client, adapter, f.name, f.protocol, f.host_ip, f.host_port,
                                              f.guest_ip, f.guest_port, &error));
    forward_fini(&f);
    return done(ok);
}

int set_alias_mode(struct cmd *c, const struct value *v)
{
    static const char *const modes[][2] = {
        {"log", "AliasLog"}, {"proxyonly", "AliasProxyOnly"}, {"sameports", "AliasSamePorts"}};
    g_auto(GStrv) words = g_strsplit(g_ascii_strcasecmp(v->text, "default") == 0 ? "" : v->text, ",", -1);
    unsigned known = 0;
    int rc = RC_OK;

    for (unsigned k = 0; rc == RC_OK && k < G_N_ELEMENTS(modes); k++) {
        bool on = g_strv_contains((const char *const *)words, modes[k][0]);
        known += on;
        rc = set_nat(c, v->index, modes[k][1], g_variant_new_boolean(on));
    }
    if (rc == RC_OK && known != g_strv_length(words))
        return cmd_syntax(c, "Invalid --nat-alias-mode%u argument '%s'", v->index, v->text);
    return rc;
}

/* ---- lines ---- */

static int set_serial(struct cmd *c, unsigned number, const char *property, GVariant *val)
{
    return modify_slot(c, "serial", "ISerialPort", number, property, val);
}

/* The second word of a two-word option. */
static bool number_word(struct cmd *c, guint32 *ret)
{
    const char *text = cmd_word(c);
    char *end;

    if (text == NULL)
        return false;
    guint64 n = g_ascii_strtoull(text, &end, 0);
    *ret = (guint32)n;
    return *text != '\0' && *end == '\0' && n <= 0xffff;
}

static int set_port(struct cmd *c, const struct value *v, const char *kind, const char *interface)
{
    char *end;
    guint64 base = g_ascii_strtoull(v->text, &end, 0);
    guint32 irq;

    if (g_ascii_strcasecmp(v->text, "off") == 0)
        return modify_slot(c, kind, interface, v->index, "Enabled", g_variant_new_boolean(FALSE));
    if (*end != '\0' || base > 0xffff || !number_word(c, &irq))
        return cmd_syntax(c, "Invalid argument for %s: I/O base and IRQ, or off", v->name);
    int rc = modify_slot(c, kind, interface, v->index, "IOBase", g_variant_new_uint32((guint32)base));
    if (rc == RC_OK)
        rc = modify_slot(c, kind, interface, v->index, "IRQ", g_variant_new_uint32(irq));
    return rc == RC_OK ? modify_slot(c, kind, interface, v->index, "Enabled", g_variant_new_boolean(TRUE)) : rc;
}

int set_uart(struct cmd *c, const struct value *v)
{
    return set_port(c, v, "serial", "ISerialPort");
}

int set_lpt(struct cmd *c, const struct value *v)
{
    return set_port(c, v, "parallel", "IParallelPort");
}

int set_uart_mode(struct cmd *c, const struct value *v)
{
    static const struct {
        const char *word, *mode;
        bool server;
    } modes[] = {{"server", "HostPipe", true},
                 {"client", "HostPipe", false},
                 {"tcpserver", "TCP", true},
                 {"tcpclient", "TCP", false},
                 {"file", "RawFile", false}};
    const char *mode = "HostDevice", *path = v->text;
    bool server = false;

    if (g_ascii_strcasecmp(v->text, "disconnected") == 0)
        return set_serial(c, v->index, "HostMode", g_variant_new_string("Disconnected"));
    for (unsigned k = 0; k < G_N_ELEMENTS(modes); k++) {
        if (g_ascii_strcasecmp(modes[k].word, v->text) != 0)
            continue;
        mode = modes[k].mode;
        server = modes[k].server;
        path = cmd_word(c);
        if (path == NULL)
            return cmd_syntax(c, "Missing or invalid argument to '%s'", v->name);
    }
    int rc = set_serial(c, v->index, "Path", g_variant_new_string(path));
    if (rc == RC_OK)
        rc = set_serial(c, v->index, "Server", g_variant_new_boolean(server));
    return rc == RC_OK ? set_serial(c, v->index, "HostMode", g_variant_new_string(mode)) : rc;
}

/* ---- sound, clipboard, remote display, USB ---- */

static int set_sound(struct cmd *c, const char *property, GVariant *val)
{
    return done(cmd_set(c, c->session_machine, "IAudioAdapter", property, val));
}

int set_audio(struct cmd *c, const struct value *v)
{
    if (g_ascii_strcasecmp(v->text, "none") == 0)
        return set_sound(c, "Enabled", g_variant_new_boolean(FALSE));
    int rc = set_sound(c, "AudioDriver", g_variant_new_string(v->text));
    return rc == RC_OK ? set_sound(c, "Enabled", g_variant_new_boolean(TRUE)) : rc;
}

int set_clipboard_files(struct cmd *c, const struct value *v)
{
    bool on;

    if (!parse_on_off(v->text, &on))
        return cmd_syntax(c, "Invalid --clipboard-file-transfers argument '%s'", v->text);
    return set_machine(c, "ClipboardFileTransfersEnabled", g_variant_new_boolean(on));
}

static int vrde(struct cmd *c, const char *key, const char *val)
{
    return done(TRY(c, ivrde_server_set_vrde_property(c->client, c->session_machine, key, val, &error)));
}

int set_vrde_property(struct cmd *c, const struct value *v)
{
    g_auto(GStrv) pair = g_strsplit(v->text, "=", 2);

    if (pair[0] == NULL || pair[1] == NULL)
        return cmd_syntax(c, "Invalid --vrde-property argument '%s'", v->text);
    return vrde(c, pair[0], pair[1]);
}

int set_vrde_port(struct cmd *c, const struct value *v)
{
    return vrde(c, "TCP/Ports", g_ascii_strcasecmp(v->text, "default") == 0 ? "0" : v->text);
}

int set_vrde_address(struct cmd *c, const struct value *v)
{
    return vrde(c, "TCP/Address", v->text);
}

int set_vrde_quality(struct cmd *c, const struct value *v)
{
    return vrde(c, "VideoChannel/Quality", v->text);
}

int set_vrde_channel(struct cmd *c, const struct value *v)
{
    return vrde(c, "VideoChannel/Enabled", v->on ? "true" : "false");
}

static int set_usb(struct cmd *c, const char *type, bool on)
{
    GError *failed = NULL;
    bool ok = on ? imachine_add_usb_controller(c->client, c->session_machine, type, type, &failed)
                 : imachine_remove_usb_controller(c->client, c->session_machine, type, &failed);

    /* on when it is there, off when it is not: nothing to do */
    bool nothing =
        failed != NULL && (failed->code == (int)VBOX_E_OBJECT_IN_USE || failed->code == (int)VBOX_E_OBJECT_NOT_FOUND);
    if (ok || nothing) {
        g_clear_error(&failed);
        return RC_OK;
    }
    return cmd_com_error(c, &failed, "AddUSBController(name, type)", __LINE__, __FILE__);
}

int set_xhci(struct cmd *c, const struct value *v)
{
    return set_usb(c, "XHCI", v->on);
}

int set_ehci(struct cmd *c, const struct value *v)
{
    return set_usb(c, "EHCI", v->on);
}

int set_ohci(struct cmd *c, const struct value *v)
{
    return set_usb(c, "OHCI", v->on);
}

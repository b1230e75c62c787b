/*
 * info_display.c - showvminfo's lines about a machine's screens: what the guest shows, the remote display, recording.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

/* ---- the guest's screen ---- */

#define ANSWER_MS 5000u

void info_video_mode(const struct info *i)
{
    static const char *const human[] = {"disabled", "enabled", "blank"};
    char node[API_UUID_SIZE], *status = NULL;
    guint32 width, height, bits;
    gint32 x, y;

    if (strcmp(field_str(i, "State"), "Running") != 0 && strcmp(field_str(i, "State"), "Paused") != 0)
        return; /* its process has other things to do */
    api_node_from_uuid(field_str(i, "Id"), node);
    g_autofree char *console = g_strconcat(API_ROOT "/console/", node, NULL);
    client_patience(i->cmd->client, ANSWER_MS);
    bool shown =
        idisplay_get_screen_resolution(i->cmd->client, console, 0, &width, &height, &bits, &x, &y, &status, NULL);
    client_patience(i->cmd->client, 0);
    if (!shown)
        return; /* it ends, has no screen, or its process stands still */
    g_autofree char *word = status;
    int number = CLAMP(api_enum_value("GuestMonitorStatus", word), 0, (int)G_N_ELEMENTS(human) - 1);
    if (i->machine_readable)
        printf("VideoMode=\"%u,%u,%u\"@%d,%d %d\n", width, height, bits, x, y, number);
    else
        printf("%-28s %ux%ux%u at %d,%d %s\n", "Video mode:", width, height, bits, x, y, human[number]);
}

/* ---- remote display ---- */

static const char *vrde_property(const struct info *i, const char *key)
{
    g_autoptr(GVariant) dict = field_value(i, "VRDEProperties", G_VARIANT_TYPE("a{ss}"));
    const char *val = "";

    if (dict != NULL)
        g_variant_lookup(dict, key, "&s", &val);
    return val;
}

static bool is_true(const char *text)
{
    return g_ascii_strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static void show_vrde_properties(const struct info *i)
{
    g_autoptr(GVariant) dict = field_value(i, "VRDEProperties", G_VARIANT_TYPE("a{ss}"));

    for (gsize k = 0; dict != NULL && k < g_variant_n_children(dict); k++) {
        const char *key, *val;
        g_variant_get_child(dict, k, "{&s&s}", &key, &val);
        if (i->machine_readable)
            printf("vrdeproperty[%s]=\"%s\"\n", key, val);
        else
            printf("%-28s: %-10s = \"%s\"\n", "VRDE property", key, val);
    }
}

void info_vrde(const struct info *i)
{
    const char *ports = vrde_property(i, "TCP/Ports"), *address = vrde_property(i, "TCP/Address");
    g_autofree char *auth = g_ascii_strdown(field_str(i, "VRDEAuthType"), -1);

    if (!field_bool(i, "VRDEEnabled")) {
        info_text(i, "vrde", "VRDE", i->machine_readable ? "off" : "disabled");
        return;
    }
    const bool channel = is_true(vrde_property(i, "VideoChannel/Enabled"));
    const char *quality = vrde_property(i, "VideoChannel/Quality");
    ports = *ports != '\0' ? ports : "3389";
    if (!i->machine_readable) {
        printf("%-28s enabled (Address %s, Ports %s, MultiConn: %s, ReuseSingleConn: %s, Authentication type: %s)\n",
               "VRDE:", *address != '\0' ? address : "0.0.0.0", ports,
               on_off(field_bool(i, "VRDEAllowMultiConnection")), on_off(field_bool(i, "VRDEReuseSingleConnection")),
               auth);
        printf("%-28s %s%s%s\n", "Video redirection:", channel ? "enabled (Quality " : "disabled",
               channel ? quality : "", channel ? ")" : "");
        show_vrde_properties(i);
        return;
    }
    printf("vrde=\"on\"\nvrdeport=-1\n"); /* nothing listens */
    info_text(i, "vrdeports", "", ports);
    info_text(i, "vrdeaddress", "", address);
    info_text(i, "vrdeauthtype", "", auth);
    info_bool(i, "vrdemulticon", "", field_bool(i, "VRDEAllowMultiConnection"));
    info_bool(i, "vrdereusecon", "", field_bool(i, "VRDEReuseSingleConnection"));
    info_bool(i, "vrdevideochannel", "", channel);
    if (channel)
        info_text(i, "vrdevideochannelquality", "", quality);
    show_vrde_properties(i);
}

/* The display's server of a running machine: there is none yet. */
void info_vrde_clients(const struct info *i)
{
    if (!i->running)
        return;
    info_either(i, "VRDEActiveConnection", "VRDE Connection", false, "active", "not active");
    info_number(i, "VRDEClients=", "Clients so far", 0, "");
}

/* ---- recording ---- */

/* Of one screen; those of a machine have the same keys, a line with the screen's number stands before them. */
static void show_recorded(const struct info *i, GVariant *s, unsigned number)
{
    const char *features = dict_str(s, "Features");
    const bool video = *features == '\0' || strstr(features, "video") != NULL;
    g_autofree char *size =
        g_strdup_printf("%ux%u", (unsigned)dict_int(s, "VideoWidth"), (unsigned)dict_int(s, "VideoHeight"));

    printf(i->machine_readable ? " rec_screen%u\n" : " Screen %u:\n", number);
    info_either(i, "rec_screen_enabled", "    Enabled", dict_bool(s, "Enabled"), "yes", "no");
    info_number(i, "rec_screen_id", "    ID", dict_int(s, "Id"), "");
    info_either(i, "rec_screen_video_enabled", "    Record video", video, "yes", "no");
    info_either(i, "rec_screen_audio_enabled", "    Record audio", strstr(features, "audio") != NULL, "yes", "no");
    info_text(i, "rec_screen_dest", "    Destination", "File");
    info_text(i, "rec_screen_dest_filename", "    File", dict_str(s, "Filename"));
    info_text(i, "rec_screen_opts", "    Options", dict_str(s, "Options"));
    info_text(i, "rec_screen_video_res_xy", "    Video dimensions", size);
    info_number(i, "rec_screen_video_rate_kbps", "    Video rate", dict_int(s, "VideoRate"), "kbps");
    info_number(i, "rec_screen_video_fps", "    Video FPS", dict_int(s, "VideoFPS"), "fps");
}

void info_recording(const struct info *i)
{
    g_autoptr(GVariant) list = field_list(i, "RecordingScreens");
    gsize count = g_variant_n_children(list);

    info_either(i, "recording_enabled", "Recording enabled", field_bool(i, "RecordingEnabled"), "yes", "no");
    info_number(i, "recording_screens", "Recording screens", (gint64)count, "");
    for (gsize k = 0; k < count; k++) {
        g_autoptr(GVariant) s = g_variant_get_child_value(list, k);
        show_recorded(i, s, (unsigned)k);
    }
}

/*
 * audio.c - IAudioAdapter: a machine's sound card.
 */
#include "main/server/machine/machine.h"

#define M          struct settings_machine
#define HW(member) hardware.member

static GVariant *get_audio_driver(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = call->object;

    (void)row;
    if (p->s == NULL || p->s->hardware.audio.use_default)
        return g_variant_new_string("Default");
    return g_variant_new_string(
        field_word_to_api("AudioDriverType", settings_audio_driver_names[p->s->hardware.audio.driver]));
}

static bool set_audio_driver(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    const char *name = g_variant_get_string(val, NULL);
    bool usual = g_ascii_strcasecmp(name, "Default") == 0;
    int index = field_api_to_word("AudioDriverType", settings_audio_driver_names, name);

    (void)row;
    if (!usual && index < 0)
        return api_fail(error, E_INVALIDARG, "Invalid AudioDriverType: '%s'", name);
    if (!part_change(p, PART_SAVED, error))
        return false;
    p->s->hardware.audio.use_default = usual;
    if (!usual)
        p->s->hardware.audio.driver = (enum settings_audio_driver)index;
    return true;
}

static GVariant *get_audio_codec(const struct bus_call *call, const struct bus_property *row)
{
    static const char *const usual[] = {[AUDIO_AC97] = "STAC9700", [AUDIO_SB16] = "SB16", [AUDIO_HDA] = "STAC9221"};
    const struct part *p = call->object;

    (void)row;
    if (p->s == NULL)
        return g_variant_new_string("");
    const struct settings_audio *a = &p->s->hardware.audio;
    if (a->codec != CODEC_NONE)
        return g_variant_new_string(settings_audio_codec_names[a->codec]);
    return g_variant_new_string(a->controller < G_N_ELEMENTS(usual) ? usual[a->controller] : "");
}

static bool set_audio_codec(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    int index = settings_enum_find(settings_audio_codec_names, g_variant_get_string(val, NULL));

    (void)row;
    if (index < 0)
        return api_fail(error, E_INVALIDARG, "Invalid AudioCodecType: '%s'", g_variant_get_string(val, NULL));
    if (!part_change(p, 0, error))
        return false;
    p->s->hardware.audio.codec = (enum settings_audio_codec)index;
    return true;
}

static const struct bus_property properties[] = {
    FIELD_B("Enabled", M, HW(audio.enabled)),
    FIELD_B("EnabledIn", M, HW(audio.in), .when = PART_ANY),
    FIELD_B("EnabledOut", M, HW(audio.out), .when = PART_ANY),
    FIELD_E("AudioController", M, HW(audio.controller), audio_controller, "AudioControllerType"),
    {"AudioCodec", get_audio_codec, set_audio_codec, NULL},
    {"AudioDriver", get_audio_driver, set_audio_driver, NULL},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface audio_interface = {.info = (GDBusInterfaceInfo *)&api_iaudio_adapter_interface,
                                              .properties = properties};

/*
 * modifyvm.c - modifyvm: a table of options (modifyvm.def), most of them one property of one object.
 *
 * All options of one command are carried out in their order on a copy; it becomes real when all could be.
 */
#include "frontends/VBoxManage/modifyvm.h"

#include <string.h>

/* Whose property an option is. */
enum target {
    TARGET_MACHINE,
    TARGET_AUDIO,
    TARGET_VRDE,
    TARGET_ADAPTER,
    TARGET_NAT,
    TARGET_SERIAL,
    TARGET_PARALLEL,
    TARGET_FUNCTION
};
static const struct {
    const char *kind; /* of numbered parts; NULL: the machine itself */
    const char *interface;
} targets[] = {[TARGET_MACHINE] = {NULL, "IMachine"},
               [TARGET_AUDIO] = {NULL, "IAudioAdapter"},
               [TARGET_VRDE] = {NULL, "IVRDEServer"},
               [TARGET_ADAPTER] = {"adapter", "INetworkAdapter"},
               [TARGET_NAT] = {"adapter", "INATEngine"},
               [TARGET_SERIAL] = {"serial", "ISerialPort"},
               [TARGET_PARALLEL] = {"parallel", "IParallelPort"}};
struct action {
    enum target target;
    const char *property;
    modify_fn function;
};

#define OF_(target, property)                                                                                          \
    {                                                                                                                  \
        TARGET_##target, property, NULL                                                                                \
    }
#define M_(property) OF_(MACHINE, property)
#define U_(property) OF_(AUDIO, property)
#define V_(property) OF_(VRDE, property)
#define A_(property) OF_(ADAPTER, property)
#define N_(property) OF_(NAT, property)
#define S_(property) OF_(SERIAL, property)
#define P_(property) OF_(PARALLEL, property)
#define F_(function)                                                                                                   \
    {                                                                                                                  \
        TARGET_FUNCTION, NULL, function                                                                                \
    }

/* A row's number is its line in the table. */
static const struct {
    enum option_kind kind;
    struct action action;
} actions[] = {
#define MODIFY(names, kind, indexed, action, arg, help) [__LINE__] = {OPTION_##kind, action},
#include "frontends/VBoxManage/modifyvm.def"
#undef MODIFY
};

#define MODIFY(names, kind, indexed, action, arg, help) {__LINE__, names, OPTION_##kind, indexed, arg, help},
static const struct option options[] = {
#include "frontends/VBoxManage/modifyvm.def"
    {0},
};
#undef MODIFY

/* Words that differ from the API's. */
static const struct {
    const char *property, *word, *api;
} words[] = {
    {"GraphicsControllerType", "none", "Null"},
    {"GraphicsControllerType", "disabled", "Null"},
    {"GraphicsControllerType", "vbox", "VBoxVGA"},
    {"GraphicsControllerType", "vga", "VBoxVGA"},
    {"GraphicsControllerType", "vesa", "VBoxVGA"},
    {"GraphicsControllerType", "vmware", "VMSVGA"},
    {"GraphicsControllerType", "svga", "VBoxSVGA"},
    {"APICMode", "lapic", "APIC"},
    {"APICMode", "xapic", "APIC"},
    {"IommuType", "disabled", "None"},
    {"PointingHIDType", "ps2", "PS2Mouse"},
    {"PointingHIDType", "usb", "USBMouse"},
    {"PointingHIDType", "usbmtscreenpluspad", "USBMultiTouchScreenPlusPad"},
    {"KeyboardHIDType", "ps2", "PS2Keyboard"},
    {"KeyboardHIDType", "usb", "USBKeyboard"},
    {"PromiscModePolicy", "allow-vms", "AllowNetwork"},
    {"PromiscModePolicy", "allow-network", "AllowNetwork"},
    {"PromiscModePolicy", "allow-all", "AllowAll"},
    {"AdapterType", "82540EM", "I82540EM"},
    {"AdapterType", "82543GC", "I82543GC"},
    {"AdapterType", "82545EM", "I82545EM"},
    {"AdapterType", "3C503", "ELNK2"},
    {"AdapterType", "3C501", "ELNK1"},
    {"UartType", "16450", "U16450"},
    {"UartType", "16550A", "U16550A"},
    {"UartType", "16750", "U16750"},
    {"MACAddress", "auto", ""},
    {"BandwidthGroup", "none", ""},
    {"Network", "default", ""},
    {"SnapshotFolder", "default", ""},
    {"DefaultFrontend", "default", ""},
    {"AuthLibrary", "default", ""},
    {"VRDEExtPack", "default", ""},
    {"AudioDriver", "none", "Null"},
    {"AudioDriver", "dsound", "DirectSound"},
};

static const char *api_word(const char *property, const char *word)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (strcmp(words[k].property, property) == 0 && g_ascii_strcasecmp(words[k].word, word) == 0)
            return words[k].api;
    return word;
}

static GVariant *value_of(enum option_kind kind, const char *property, const struct value *v)
{
    switch (kind) {
    case OPTION_ON_OFF: return g_variant_new_boolean(v->on);
    case OPTION_U32: return g_variant_new_uint32((guint32)v->number);
    default: return g_variant_new_string(api_word(property, v->text));
    }
}

int modify_slot(struct cmd *c, const char *kind, const char *interface, unsigned number, const char *property,
                GVariant *val)
{
    g_autoptr(GVariant) kept = g_variant_ref_sink(val);

    if (number == 0)
        return cmd_syntax(c, "Numbers start at 1");
    g_autofree char *object = cmd_slot(c, kind, number - 1);
    return cmd_set(c, object, interface, property, kept) ? RC_OK : RC_FAILURE;
}

static int carry_out(struct cmd *c, int id, const struct value *v)
{
    const struct action *a = &actions[id].action;

    if (a->target == TARGET_FUNCTION)
        return a->function(c, v);
    GVariant *val = value_of(actions[id].kind, a->property, v);
    const char *kind = targets[a->target].kind, *interface = targets[a->target].interface;
    if (kind == NULL)
        return cmd_set(c, c->session_machine, interface, a->property, val) ? RC_OK : RC_FAILURE;
    return modify_slot(c, kind, interface, v->index, a->property, val);
}

int modify_words(struct cmd *c, char **argv, int count)
{
    const struct command command = {c->command->names, c->command->brief, c->command->synopsis, options, NULL};
    struct cmd inner = *c;
    struct value v;
    int rc = RC_OK;

    inner.command = &command;
    inner.usage = c->command;
    inner.argv = argv;
    inner.argc = count;
    inner.at = 0;
    inner.words_only = false;
    for (int id; rc == RC_OK && (id = cmd_next(&inner, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            rc = RC_SYNTAX;
        else if (id != CMD_WORD) /* words too many are ignored */
            rc = carry_out(&inner, id, &v);
    }
    c->helped |= inner.helped;
    return rc;
}

static int modifyvm(struct cmd *c)
{
    struct value v;
    int id = cmd_next(c, &v);

    if (id == CMD_ERROR)
        return RC_SYNTAX;
    if (id != CMD_WORD)
        return cmd_syntax(c, "Not enough parameters");
    g_autofree char *machine = cmd_find_machine(c, v.text);
    if (machine == NULL || !cmd_lock(c, machine))
        return RC_FAILURE;
    while ((id = cmd_next(c, &v)) != CMD_END) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == CMD_WORD)
            return cmd_syntax(c, "Invalid parameter '%s'", v.text);
        int rc = carry_out(c, id, &v);
        if (rc != RC_OK)
            return rc;
    }
    return cmd_save(c) ? RC_OK : RC_FAILURE;
}

const struct command modifyvm_command = {"modifyvm", "Change settings for a virtual machine that is stopped",
                                         (const char *const[]){"<uuid | vmname> [options]", NULL}, options, modifyvm};

/*
 * com.c - what commands need of the service: connection, sessions, progress, errors in VirtualBox's form.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "frontends/VBoxManage/manage.h"

struct client *cmd_client(struct cmd *c)
{
    GError *error = NULL;

    if (c->client == NULL)
        c->client = client_connect(&error);
    if (c->client == NULL) {
        fprintf(stderr, "VBoxManage: error: Failed to create the VirtualBox object!\nVBoxManage: error: %s\n",
                error->message);
        g_error_free(error);
    }
    return c->client;
}

int cmd_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    fprintf(stderr, "VBoxManage: error: %s\n", text);
    return RC_FAILURE;
}

/* "IMachine" is the class Machine, or SessionMachine when a session's copy was spoken to. */
static char *component(struct cmd *c, const char *interface)
{
    if (strcmp(interface, "IMachine") == 0 && c->session_machine != NULL)
        return g_strdup("SessionMachine");
    return g_strconcat(interface + 1, "Wrap", NULL);
}

/* A result code as VirtualBox prints it on this host: some of COM's have XPCOM's names there. */
static const char *printed_name(int code)
{
    static const struct {
        guint32 code;
        const char *name;
    } xpcom[] = {{E_FAIL, "NS_ERROR_FAILURE"},
                 {E_NOTIMPL, "NS_ERROR_NOT_IMPLEMENTED"},
                 {E_ABORT, "NS_ERROR_ABORT"},
                 {E_UNEXPECTED, "NS_ERROR_UNEXPECTED"},
                 {E_INVALIDARG, "NS_ERROR_INVALID_ARG"},
                 {E_OUTOFMEMORY, "NS_ERROR_OUT_OF_MEMORY"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(xpcom); k++)
        if (xpcom[k].code == (guint32)code)
            return xpcom[k].name;
    return api_result_name(code);
}

int cmd_com_error(struct cmd *c, GError **error, const char *call, int line, const char *file)
{
    const char *interface = c->client != NULL ? client_last_interface(c->client) : "IVirtualBox";
    g_autofree char *name = component(c, interface);
    g_autofree char *base = g_path_get_basename(file);
    int code = (*error)->domain == API_ERROR ? (*error)->code : (int)E_UNEXPECTED;

    fprintf(stderr, "VBoxManage: error: %s\n", (*error)->message);
    fprintf(stderr, "VBoxManage: error: Details: code %s (0x%08x), component %s, interface %s, callee %s\n",
            printed_name(code), (unsigned)code, name, interface, "nsISupports");
    fprintf(stderr, "VBoxManage: error: Context: \"%s\" at line %d of file %s\n", call, line, base);
    g_clear_error(error);
    return RC_FAILURE;
}

char *cmd_absolute(const char *path)
{
    return g_canonicalize_filename(path, NULL);
}

char *cmd_find_machine(struct cmd *c, const char *name)
{
    struct client *client = cmd_client(c);
    char *machine = NULL;
    bool file = strchr(name, '/') != NULL || g_str_has_suffix(name, ".vbox");
    g_autofree char *path = file && g_file_test(name, G_FILE_TEST_EXISTS) ? cmd_absolute(name) : g_strdup(name);

    if (client == NULL || !TRY(c, ivirtual_box_find_machine(client, API_PATH, path, &machine, &error)))
        return NULL;
    return machine;
}

static bool lock(struct cmd *c, const char *machine, const char *type)
{
    if (!TRY(c, imachine_lock_machine(c->client, machine, CLIENT_SESSION, type, &error)))
        return false;
    GError *error = NULL;
    g_autoptr(GVariant) copy = client_get(c->client, CLIENT_SESSION, "ISession", "Machine", &error);
    if (copy == NULL) {
        cmd_com_error(c, &error, "COMGETTER(Machine)", __LINE__, __FILE__);
        return false;
    }
    c->session_machine = g_variant_dup_string(copy, NULL);
    return true;
}

bool cmd_lock(struct cmd *c, const char *machine)
{
    return lock(c, machine, "Write");
}

bool cmd_lock_shared(struct cmd *c, const char *machine)
{
    return lock(c, machine, "Shared");
}

void cmd_unlock(struct cmd *c)
{
    GError *error = NULL;

    if (c->session_machine == NULL)
        return;
    isession_unlock_machine(c->client, CLIENT_SESSION, &error);
    g_clear_error(&error); /* the connection's end does it otherwise */
    g_clear_pointer(&c->session_machine, g_free);
}

bool cmd_save(struct cmd *c)
{
    bool ok = TRY(c, imachine_save_settings(c->client, c->session_machine, &error));

    cmd_unlock(c);
    return ok;
}

bool cmd_set(struct cmd *c, const char *object, const char *interface, const char *property, GVariant *val)
{
    GError *error = NULL;

    if (client_set(c->client, object, interface, property, val, &error))
        return true;
    g_autofree char *call = g_strdup_printf("COMSETTER(%s)", property);
    cmd_com_error(c, &error, call, __LINE__, __FILE__);
    return false;
}

static char *part(struct cmd *c, const char *kind, const char *rest)
{
    return g_strconcat(API_ROOT "/", kind, "/", strrchr(c->session_machine, '/') + 1, "_", rest, NULL);
}

char *cmd_slot(struct cmd *c, const char *kind, unsigned slot)
{
    char number[16];

    g_snprintf(number, sizeof number, "%u", slot);
    return part(c, kind, number);
}

char *cmd_controller(struct cmd *c, const char *name)
{
    g_autofree char *rest = api_node_escape(name);

    return part(c, "controller", rest);
}

/* ---- progress ---- */

static void tens(void *user, unsigned percent)
{
    unsigned *next = user;

    for (; *next <= percent && *next < 100; *next += 10)
        fprintf(stderr, "%u%%...", *next);
    fflush(stderr);
}

bool cmd_progress(struct cmd *c, const char *progress)
{
    GError *error = NULL;
    unsigned next = 0;

    tens(&next, 0);
    if (client_wait(c->client, progress, tens, &next, &error)) {
        tens(&next, 99);
        fprintf(stderr, "100%%\n");
        return true;
    }
    fprintf(stderr, "%s\n", printed_name(error->domain == API_ERROR ? error->code : (int)E_FAIL));
    fprintf(stderr, "VBoxManage: error: %s\n", error->message);
    g_error_free(error);
    return false;
}

GVariant *cmd_describe(struct cmd *c, const char *object, const char *interface)
{
    GError *error = NULL;
    g_autoptr(GVariant) reply = client_call(c->client, object, interface, "Describe", NULL, "(a{sv})", &error);

    if (reply == NULL) {
        cmd_com_error(c, &error, "Describe()", __LINE__, __FILE__);
        return NULL;
    }
    return g_variant_get_child_value(reply, 0);
}

char *cmd_open_medium(struct cmd *c, const char *location, const char *device_type, bool fresh_uuid)
{
    char id[API_UUID_SIZE];
    char *medium = NULL;
    g_autofree char *where = api_uuid_parse(location, id) ? g_strdup(id) : cmd_absolute(location);
    const char *access = strcmp(device_type, "DVD") == 0 ? "ReadOnly" : "ReadWrite";

    if (!TRY(c, ivirtual_box_open_medium(c->client, API_PATH, where, device_type, access, fresh_uuid, &medium, &error)))
        return NULL;
    return medium;
}

bool state_online(const char *state)
{
    static const char *const running[] = {"Running",
                                          "Paused",
                                          "Stuck",
                                          "Saving",
                                          "Restoring",
                                          "Starting",
                                          "Stopping",
                                          "OnlineSnapshotting",
                                          "DeletingSnapshotOnline",
                                          "DeletingSnapshotPaused",
                                          "Teleporting",
                                          "TeleportingIn",
                                          "TeleportingPausedVM",
                                          NULL};

    return g_strv_contains(running, state);
}

bool cmd_console(struct cmd *c, const char *machine, const char *name, char **ret_console)
{
    GError *error = NULL;
    g_autoptr(GVariant) pid = client_get(c->client, machine, "IMachine", "State", &error);

    if (pid == NULL) {
        cmd_com_error(c, &error, "COMGETTER(State)", __LINE__, __FILE__);
        return false;
    }
    if (!state_online(g_variant_get_string(pid, NULL))) {
        cmd_error("Machine '%s' is not currently running.", name);
        return false;
    }
    *ret_console = g_strconcat(API_ROOT "/console/", strrchr(machine, '/') + 1, NULL);
    return true;
}

/* ---- dictionaries ---- */

const char *dict_str(GVariant *dict, const char *key)
{
    const char *text = "";

    g_variant_lookup(dict, key, "&s", &text);
    return text;
}

bool dict_bool(GVariant *dict, const char *key)
{
    gboolean on = FALSE;

    return g_variant_lookup(dict, key, "b", &on) && on;
}

gint64 variant_int(GVariant *val)
{
    if (val == NULL)
        return 0;
    switch (g_variant_classify(val)) {
    case G_VARIANT_CLASS_INT32: return g_variant_get_int32(val);
    case G_VARIANT_CLASS_UINT32: return g_variant_get_uint32(val);
    case G_VARIANT_CLASS_INT64: return g_variant_get_int64(val);
    case G_VARIANT_CLASS_UINT64: return (gint64)g_variant_get_uint64(val);
    default: return 0;
    }
}

gint64 dict_int(GVariant *dict, const char *key)
{
    g_autoptr(GVariant) val = g_variant_lookup_value(dict, key, NULL);

    return variant_int(val);
}

GVariant *dict_list(GVariant *dict, const char *key)
{
    GVariant *list = g_variant_lookup_value(dict, key, NULL);

    return list != NULL ? list : g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE_VARDICT, NULL, 0));
}

void print_json(GVariant *val)
{
    g_autoptr(JsonNode) node = json_gvariant_serialize(val);
    g_autoptr(JsonGenerator) generator = json_generator_new();

    json_generator_set_root(generator, node);
    json_generator_set_pretty(generator, TRUE);
    g_autofree char *text = json_generator_to_data(generator, NULL);
    printf("%s\n", text);
}

bool as_json(const struct cmd *c, GVariant *val)
{
    if (c->json)
        print_json(val);
    return c->json;
}

GVariant *cmd_describe_all(struct cmd *c, const char *const *objects, const char *interface)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; objects[k] != NULL; k++) {
        g_autoptr(GVariant) one = cmd_describe(c, objects[k], interface);
        if (one == NULL) {
            g_variant_builder_clear(&b);
            return NULL;
        }
        g_variant_builder_add_value(&b, one);
    }
    return g_variant_ref_sink(g_variant_builder_end(&b));
}

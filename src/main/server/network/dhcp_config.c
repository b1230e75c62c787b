/*
 * dhcp_config.c - IDHCPServer's configurations: for all, for a group, for one card of a machine, for one MAC address.
 *
 * A configuration comes into being when something is set in it.
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/network/dhcp_int.h"

#define CONFIGS_MAX 1024u

/* One configuration of a server; options is NULL when there is none. */
struct scope {
    struct settings_dhcp_options *options;
    struct settings_dhcp_group *group;
    struct settings_dhcp_config *config;
    unsigned index; /* in its list */
};

static bool is_config(const struct settings_dhcp_config *c, bool mac, const char *name, guint32 slot)
{
    return mac ? c->mac != NULL && g_ascii_strcasecmp(c->mac, name) == 0
               : c->machine != NULL && strcmp(c->machine, name) == 0 && c->slot == slot;
}

static void find_group(D *d, const char *name, bool make, struct scope *ret)
{
    for (unsigned k = 0; k < d->groups->len && ret->group == NULL; k++) {
        struct settings_dhcp_group *g = d->groups->pdata[k];
        if (g_strcmp0(g->name, name) == 0)
            *ret = (struct scope){.options = &g->options, .group = g, .index = k};
    }
    if (ret->group != NULL || !make || d->groups->len >= CONFIGS_MAX)
        return;
    struct settings_dhcp_group *g = settings_dhcp_group_new();
    g_free(g->name);
    g->name = g_strdup(name);
    *ret = (struct scope){.options = &g->options, .group = g, .index = d->groups->len};
    g_ptr_array_add(d->groups, g);
}

static void find_config(D *d, bool mac, const char *name, guint32 slot, bool make, struct scope *ret)
{
    for (unsigned k = 0; k < d->configs->len && ret->config == NULL; k++) {
        struct settings_dhcp_config *c = d->configs->pdata[k];
        if (is_config(c, mac, name, slot))
            *ret = (struct scope){.options = &c->options, .config = c, .index = k};
    }
    if (ret->config != NULL || !make || d->configs->len >= CONFIGS_MAX)
        return;
    struct settings_dhcp_config *c = settings_dhcp_config_new();
    if (mac)
        c->mac = g_strdup(name);
    else
        c->machine = g_strdup(name);
    c->slot = mac ? 0 : slot;
    *ret = (struct scope){.options = &c->options, .config = c, .index = d->configs->len};
    g_ptr_array_add(d->configs, c);
}

static bool find_scope(struct bus_call *call, bool make, struct scope *ret, GError **error)
{
    D *d = dhcp_of(call);
    const char *scope, *name;
    guint32 slot;

    *ret = (struct scope){0};
    g_variant_get_child(call->args, 0, "&s", &scope);
    g_variant_get_child(call->args, 1, "&s", &name);
    g_variant_get_child(call->args, 2, "u", &slot);
    if (strcmp(scope, "Global") == 0)
        ret->options = &d->options;
    else if (*name == '\0')
        return api_fail(error, E_INVALIDARG, "A DHCP configuration of the scope '%s' needs a name", scope);
    else if (strcmp(scope, "Group") == 0)
        find_group(d, name, make, ret);
    else if (strcmp(scope, "MachineNIC") == 0 || strcmp(scope, "MAC") == 0)
        find_config(d, strcmp(scope, "MAC") == 0, name, slot, make, ret);
    else
        return api_fail(error, E_INVALIDARG, "Invalid DHCP scope '%s'", scope);
    return ret->options != NULL ||
           api_fail(error, make ? VBOX_E_MAXIMUM_REACHED : VBOX_E_OBJECT_NOT_FOUND,
                    "Could not find a DHCP configuration of the scope '%s' named '%s'", scope, name);
}

/* ---- what is told ---- */

static void describe_options(GVariantDict *d, const struct settings_dhcp_options *o)
{
    GVariantBuilder b;

    g_variant_dict_insert(d, "MinLeaseTime", "u", o->min_lease_s);
    g_variant_dict_insert(d, "DefaultLeaseTime", "u", o->default_lease_s);
    g_variant_dict_insert(d, "MaxLeaseTime", "u", o->max_lease_s);
    g_variant_dict_insert(d, "Forced", "s", o->forced != NULL ? o->forced : "");
    g_variant_dict_insert(d, "Suppressed", "s", o->suppressed != NULL ? o->suppressed : "");
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(uus)"));
    for (unsigned k = 0; k < o->options->len; k++) {
        const struct settings_dhcp_option *one = o->options->pdata[k];
        g_variant_builder_add(&b, "(uus)", one->code, one->encoding, one->value != NULL ? one->value : "");
    }
    g_variant_dict_insert_value(d, "Options", g_variant_builder_end(&b));
}

/* What all have; more may be put into @d before it goes to @b. */
static void begin_config(GVariantDict *d, const char *scope, const char *name, const struct settings_dhcp_options *o)
{
    g_variant_dict_init(d, NULL);
    g_variant_dict_insert(d, "Scope", "s", scope);
    g_variant_dict_insert(d, "Name", "s", name != NULL ? name : "");
    describe_options(d, o);
}

/* The address of the card it is for, "" if there is no such machine. */
static const char *mac_of(struct service *s, const struct settings_dhcp_config *c)
{
    if (c->mac != NULL)
        return c->mac;
    const struct machine *m = c->machine != NULL ? machine_find_name(s, c->machine) : NULL;
    const bool known = m != NULL && m->settings != NULL && c->slot < SETTINGS_ADAPTERS;
    const char *mac = known ? m->settings->hardware.adapter[c->slot].mac : NULL;
    return mac != NULL ? mac : "";
}

static GVariant *conditions_of(const struct settings_dhcp_group *g)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(bus)"));
    for (unsigned k = 0; k < g->conditions->len; k++) {
        const struct settings_dhcp_condition *c = g->conditions->pdata[k];
        g_variant_builder_add(&b, "(bus)", c->inclusive, c->type, c->value);
    }
    return g_variant_builder_end(&b);
}

GVariant *dhcp_get_configs(const struct bus_call *call, const struct bus_property *row)
{
    const D *d = dhcp_of(call);
    GVariantBuilder b;
    GVariantDict one;

    (void)row;
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    begin_config(&one, "Global", "", &d->options);
    g_variant_builder_add_value(&b, g_variant_dict_end(&one));
    for (unsigned k = 0; k < d->groups->len; k++) {
        const struct settings_dhcp_group *g = d->groups->pdata[k];
        begin_config(&one, "Group", g->name, &g->options);
        g_variant_dict_insert_value(&one, "Conditions", conditions_of(g));
        g_variant_builder_add_value(&b, g_variant_dict_end(&one));
    }
    for (unsigned k = 0; k < d->configs->len; k++) {
        const struct settings_dhcp_config *c = d->configs->pdata[k];
        begin_config(&one, c->mac != NULL ? "MAC" : "MachineNIC", c->mac != NULL ? c->mac : c->machine, &c->options);
        g_variant_dict_insert(&one, "Slot", "u", c->slot);
        g_variant_dict_insert(&one, "MACAddress", "s", mac_of(((const struct part *)call->object)->service, c));
        g_variant_dict_insert(&one, "FixedAddress", "s", c->fixed_address != NULL ? c->fixed_address : "");
        g_variant_builder_add_value(&b, g_variant_dict_end(&one));
    }
    return g_variant_builder_end(&b);
}

/* ---- changes ---- */

bool dhcp_set_option(struct bus_call *call, GVariant **ret, GError **error)
{
    struct scope scope;
    guint32 code, encoding;
    const char *val;

    (void)ret;
    g_variant_get(call->args, "(ssuuu&s)", NULL, NULL, NULL, &code, &encoding, &val);
    if (code == 0 || code > 254 || encoding > 1)
        return api_fail(error, E_INVALIDARG, "Invalid DHCP option %u (must be in range [1, 254])", code);
    if (!find_scope(call, true, &scope, error))
        return false;
    GPtrArray *list = scope.options->options;
    for (unsigned k = list->len; k-- > 0;)
        if (((const struct settings_dhcp_option *)list->pdata[k])->code == code)
            g_ptr_array_remove_index(list, k);
    if (*val != '\0') {
        struct settings_dhcp_option *one = settings_dhcp_option_new();
        g_free(one->value);
        *one = (struct settings_dhcp_option){.code = code, .encoding = encoding, .value = g_strdup(val)};
        g_ptr_array_add(list, one);
    }
    return dhcp_changed(call, error);
}

bool dhcp_remove_all_options(struct bus_call *call, GVariant **ret, GError **error)
{
    struct scope scope;

    (void)ret;
    if (!find_scope(call, true, &scope, error))
        return false;
    g_ptr_array_set_size(scope.options->options, 0);
    return dhcp_changed(call, error);
}

/* "1 3 6" with @code in it, or without. */
static char *with_code(const char *list, guint32 code, bool in)
{
    g_autofree char *word = g_strdup_printf("%u", code);
    g_auto(GStrv) words = g_strsplit(list != NULL ? list : "", " ", -1);
    GString *text = g_string_new(NULL);

    for (unsigned k = 0; words[k] != NULL; k++)
        if (*words[k] != '\0' && strcmp(words[k], word) != 0)
            g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", words[k]);
    if (in)
        g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", word);
    bool empty = text->len == 0;
    char *result = g_string_free(text, empty);
    return empty ? NULL : result;
}

bool dhcp_set_policy(struct bus_call *call, GVariant **ret, GError **error)
{
    struct scope scope;
    guint32 code;
    gboolean suppress, on;

    (void)ret;
    g_variant_get(call->args, "(ssuubb)", NULL, NULL, NULL, &code, &suppress, &on);
    if (code == 0 || code > 254)
        return api_fail(error, E_INVALIDARG, "Invalid DHCP option %u (must be in range [1, 254])", code);
    if (!find_scope(call, true, &scope, error))
        return false;
    char **at = suppress ? &scope.options->suppressed : &scope.options->forced;
    char *changed = with_code(*at, code, on);
    g_free(*at);
    *at = changed;
    return dhcp_changed(call, error);
}

bool dhcp_set_lease_times(struct bus_call *call, GVariant **ret, GError **error)
{
    struct scope scope;
    guint32 shortest, usual, longest;

    (void)ret;
    g_variant_get(call->args, "(ssuuuu)", NULL, NULL, NULL, &shortest, &usual, &longest);
    if (!find_scope(call, true, &scope, error))
        return false;
    scope.options->min_lease_s = shortest;
    scope.options->default_lease_s = usual;
    scope.options->max_lease_s = longest;
    return dhcp_changed(call, error);
}

bool dhcp_set_fixed_address(struct bus_call *call, GVariant **ret, GError **error)
{
    struct scope scope;
    const char *address;

    (void)ret;
    g_variant_get(call->args, "(ssu&s)", NULL, NULL, NULL, &address);
    if (*address != '\0' && !address_is_ipv4(address))
        return api_fail(error, E_INVALIDARG, "Invalid address '%s'", address);
    if (!find_scope(call, true, &scope, error))
        return false;
    if (scope.config == NULL)
        return api_fail(error, E_INVALIDARG, "Only a network card has a fixed address");
    g_free(scope.config->fixed_address);
    scope.config->fixed_address = *address != '\0' ? g_strdup(address) : NULL;
    return dhcp_changed(call, error);
}

/* @on false: the condition is removed; without a value, all are. */
bool dhcp_set_condition(struct bus_call *call, GVariant **ret, GError **error)
{
    struct scope scope;
    gboolean inclusive, on;
    guint32 type;
    const char *val;

    (void)ret;
    g_variant_get(call->args, "(ssubu&sb)", NULL, NULL, NULL, &inclusive, &type, &val, &on);
    const bool all = !on && *val == '\0';
    if (type > 5 || (*val == '\0' && !all))
        return api_fail(error, E_INVALIDARG, "Invalid condition '%s' of type %u", val, type);
    if (!find_scope(call, true, &scope, error))
        return false;
    if (scope.group == NULL)
        return api_fail(error, E_INVALIDARG, "Only a group has conditions");
    GPtrArray *list = scope.group->conditions;
    for (unsigned k = list->len; k-- > 0;) {
        const struct settings_dhcp_condition *c = list->pdata[k];
        if (all || (c->type == type && strcmp(c->value, val) == 0))
            g_ptr_array_remove_index(list, k);
    }
    if (on) {
        struct settings_dhcp_condition *c = settings_dhcp_condition_new();
        g_free(c->value);
        *c = (struct settings_dhcp_condition){.inclusive = inclusive, .type = type, .value = g_strdup(val)};
        g_ptr_array_add(list, c);
    }
    return dhcp_changed(call, error);
}

bool dhcp_remove_config(struct bus_call *call, GVariant **ret, GError **error)
{
    D *d = dhcp_of(call);
    struct scope scope;

    (void)ret;
    if (!find_scope(call, false, &scope, error))
        return false;
    if (scope.group == NULL && scope.config == NULL)
        return api_fail(error, E_INVALIDARG, "The configuration for all cannot be removed");
    g_ptr_array_remove_index(scope.group != NULL ? d->groups : d->configs, scope.index);
    return dhcp_changed(call, error);
}

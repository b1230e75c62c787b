/*
 * script.c - the answers an installer reads.
 *
 * A template has places "@@VBOX_INSERT_NAME@@", under the names VirtualBox's own templates use. Passwords stand in it
 * as SHA-512 hashes of crypt(3): the disc stays in the machine's folder.
 */
#include <crypt.h>
#include <string.h>
#include <sys/random.h>

#include "frontends/VBoxManage/unattended/unattended.h"

#define PLACE      "@@VBOX_INSERT_"
#define PLACE_END  "@@"
#define SALT_CHARS 16
#define TEXT_MAX   256

void unattended_values_fini(struct unattended_values *v)
{
    char **const texts[] = {&v->user,        &v->password, &v->admin_password, &v->full_name,
                            &v->locale,      &v->country,  &v->time_zone,      &v->hostname,
                            &v->proxy,       &v->packages, &v->post_command,   &v->kernel_parameters,
                            &v->product_key, &v->language, &v->image_index};

    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++)
        g_clear_pointer(texts[k], g_free);
}

/* ---- what may stand there ---- */

bool unattended_values_check(const struct unattended_values *v, GError **error)
{
    static const char any[] = "^[^\\x00-\\x1f\\x7f]*$";
    const struct {
        const char *name, *value, *shape;
    } rows[] = {
        {"user", v->user, "^[a-z_][a-z0-9_-]{0,31}$"},
        {"user-password", v->password, any},
        {"admin-password", v->admin_password, any},
        {"full-user-name", v->full_name, "^[^\\x00-\\x1f\\x7f:]*$"},
        {"locale", v->locale, "^[a-z]{2,3}_[A-Z]{2}$"},
        {"country", v->country, "^[A-Z]{2}$"},
        {"time-zone", v->time_zone, "^[A-Za-z0-9_/+-]+$"},
        {"hostname", v->hostname,
         "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$"},
        {"proxy", v->proxy, "^[^\\x00-\\x20\\x7f]*$"},
        {"post-install-command", v->post_command, any},
        {"key", v->product_key, "^[A-Za-z0-9-]*$"},
        {"language", v->language, "^([a-z]{2,3}(-[A-Z]{2})?)?$"},
        {"image-index", v->image_index, "^[0-9]{1,3}$"},
        {"extra-install-kernel-parameters", v->kernel_parameters, "^[^\\x00-\\x1f\\x7f{}\\\\'\"]*$"},
    };

    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++)
        if (strlen(rows[k].value) > TEXT_MAX ||
            !g_regex_match_simple(rows[k].shape, rows[k].value, G_REGEX_DOLLAR_ENDONLY, 0)) {
            g_set_error(error, UNATTENDED_ERROR, 0, "Invalid value for --%s: '%s'", rows[k].name,
                        strstr(rows[k].name, "password") != NULL ? "..." : rows[k].value);
            return false;
        }
    return true;
}

/* ---- passwords ---- */

static char *hashed(const char *password)
{
    static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char setting[4 + SALT_CHARS + 1] = "$6$";
    unsigned char random[SALT_CHARS] = {0};
    struct crypt_data data = {0};

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return NULL;
    for (unsigned k = 0; k < SALT_CHARS; k++)
        setting[3 + k] = letters[random[k] % 64];
    const char *hash = crypt_rn(password, setting, &data, (int)sizeof data);
    return hash != NULL && hash[0] == '$' ? g_strdup(hash) : NULL;
}

/* ---- the text ---- */

/* What stands between double quotes. */
static char *quoted(const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *text);
    }
    return g_strdup(out->str);
}

static char *escaped(enum unattended_escape how, const char *text)
{
    switch (how) {
    case ESCAPE_QUOTES: return quoted(text);
    case ESCAPE_XML: return g_markup_escape_text(text, -1);
    default: return g_strdup(text);
    }
}

/* Values that stand as they are, whatever the script is written in. */
static void insert(GHashTable *values, const char *name, const char *value)
{
    g_hash_table_insert(values, g_strdup(name), g_strdup(value));
}

static bool fill(GHashTable *values, enum unattended_escape how, const struct unattended_values *v)
{
    const char *dot = strchr(v->hostname, '.');
    g_autofree char *host = g_strndup(v->hostname, (gsize)(dot - v->hostname));
    g_autofree char *user = hashed(v->password), *root = hashed(v->admin_password);
    const bool minimal = strcmp(v->packages, "minimal") == 0;

    insert(values, "USER_LOGIN", v->user);
    g_hash_table_insert(values, g_strdup("USER_PASSWORD"), escaped(how, v->password));
    insert(values, "USER_PASSWORD_SHACRYPT512", user);
    g_hash_table_insert(values, g_strdup("ROOT_PASSWORD"), escaped(how, v->admin_password));
    insert(values, "ROOT_PASSWORD_SHACRYPT512", root);
    g_hash_table_insert(values, g_strdup("USER_FULL_NAME"), escaped(how, v->full_name));
    insert(values, "LOCALE", v->locale);
    insert(values, "COUNTRY", v->country);
    insert(values, "TIME_ZONE_UX", v->time_zone);
    insert(values, "HOSTNAME_FQDN", v->hostname);
    insert(values, "HOSTNAME_WITHOUT_DOMAIN", host);
    insert(values, "HOSTNAME_DOMAIN", dot + 1);
    g_hash_table_insert(values, g_strdup("PROXY"), escaped(how, v->proxy));
    insert(values, "RTC_USE_UTC", v->clock_utc ? "true" : "false");
    insert(values, "PACKAGES", minimal ? "" : "standard, ssh-server");
    insert(values, "POST_COMMAND", v->post_command);
    g_hash_table_insert(values, g_strdup("POST_COMMAND_ESCAPED"), escaped(how, v->post_command));
    return user != NULL && root != NULL;
}

/* Places are not looked for in what was inserted. */
static char *replace(const char *template, GHashTable *values, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (const char *at = template; *at != '\0';) {
        const char *place = strstr(at, PLACE), *name = place != NULL ? place + strlen(PLACE) : NULL;
        const char *end = name != NULL ? strstr(name, PLACE_END) : NULL;
        if (end == NULL) {
            g_string_append(out, at);
            break;
        }
        g_autofree char *key = g_strndup(name, (gsize)(end - name));
        const char *value = g_hash_table_lookup(values, key);
        if (value == NULL) {
            g_set_error(error, UNATTENDED_ERROR, 0, "The script's template has an unknown place '%s%s%s'", PLACE, key,
                        PLACE_END);
            return NULL;
        }
        g_string_append_len(out, at, place - at);
        g_string_append(out, value);
        at = end + strlen(PLACE_END);
    }
    return g_strdup(out->str);
}

char *unattended_script(const struct unattended_installer *i, const char *template, const struct unattended_values *v,
                        GError **error)
{
    g_autoptr(GHashTable) values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (!fill(values, i->escape, v)) {
        g_set_error(error, UNATTENDED_ERROR, 0, "The passwords could not be hashed");
        return NULL;
    }
    if (i->fill != NULL && !i->fill(values, v, error))
        return NULL;
    return replace(template != NULL ? template : i->script, values, error);
}

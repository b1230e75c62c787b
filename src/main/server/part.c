/*
 * part.c - object paths below a machine: whose settings, and which part of them.
 *
 * A node is the machine's UUID with underscores; "s7" behind it: the copy of session 7; "_REST" behind that: a part.
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/objects.h"

static struct session *session_numbered(struct service *s, struct machine *m, unsigned long number)
{
    for (unsigned k = 0; k < s->sessions->len; k++) {
        struct session *one = s->sessions->pdata[k];
        if (one->number == number)
            return one->machine == m && one->copy != NULL ? one : NULL;
    }
    return NULL;
}

struct part *part_find(struct service *s, struct bus_peer *peer, const char *node, const char **ret_rest)
{
    char id[API_UUID_SIZE];
    struct machine *m = api_node_to_uuid(node, id) ? machine_find(s, id) : NULL;
    const char *p = m != NULL ? node + API_UUID_SIZE - 1 : "";
    struct session *session = NULL;

    if (m == NULL || (!m->registered && peer != NULL && m->owner != peer))
        return NULL;
    if (*p == 's') {
        char *end;
        session = session_numbered(s, m, strtoul(p + 1, &end, 10));
        if (session == NULL || (peer != NULL && session->peer != peer))
            return NULL; /* another client's copy is nobody's business */
        p = end;
    }
    if (*p != '\0' && *p != '_')
        return NULL;
    *ret_rest = *p == '_' ? p + 1 : NULL;
    s->part = (struct part){.service = s, .machine = m, .session = session};
    s->part.live = session != NULL && session->type == SessionType_Shared && m->vm != NULL && !m->launching;
    s->part.s = session != NULL && !s->part.live ? session->copy : m->settings;
    s->part.base = s->part.s;
    return &s->part;
}

/* A failed save leaves the machine as its file says. */
static bool save_live(struct machine *m, GError **error)
{
    if (machine_save(m, error)) {
        service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
        return true;
    }
    struct settings_machine *before = settings_machine_load(m->settings->file.io, m->path, NULL);
    if (before != NULL) {
        settings_machine_free(m->settings);
        m->settings = before;
    }
    return false;
}

bool part_changed(struct part *p, GError **error)
{
    if (p->machine == NULL)
        return service_save(p->service, error);
    return !p->live || save_live(p->machine, error);
}

/* A saved state fits the machine as it was. */
static bool state_allows(const struct machine *m, unsigned when)
{
    bool saved = m->state == MachineState_Saved || m->state == MachineState_AbortedSaved;

    return !m->busy && (!saved || (when & PART_SAVED) != 0);
}

bool part_change(struct part *p, unsigned when, GError **error)
{
    if (p->machine == NULL || (p->live && (when & PART_LIVE) != 0))
        return true;
    if (p->s == NULL)
        return api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", p->machine->path,
                        p->machine->access_error);
    if (p->machine->registered && (p->session == NULL || !state_allows(p->machine, when)))
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "The machine is not mutable (state is %s)",
                        api_enum_name("MachineState", p->machine->state));
    if (p->session != NULL && p->session->type != SessionType_WriteLock)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "The machine is not mutable or its session is shared (state is %s)",
                        api_enum_name("MachineState", p->machine->state));
    if (p->session != NULL)
        p->session->modified = true;
    return true;
}

char *part_path(const struct part *p, const char *kind, const char *rest)
{
    char node[API_UUID_SIZE], session[16] = "";

    api_node_from_uuid(p->machine->id, node);
    if (p->session != NULL)
        g_snprintf(session, sizeof session, "s%u", p->session->number);
    return g_strconcat(API_ROOT "/", kind, "/", node, session, rest != NULL ? "_" : NULL, rest, NULL);
}

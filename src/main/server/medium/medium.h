/*
 * medium.h - disks, discs and floppies, as the rest of the service knows them.
 */
#ifndef MAIN_SERVER_MEDIUM_MEDIUM_H
#define MAIN_SERVER_MEDIUM_MEDIUM_H

#include "main/api/api.h"
#include "main/settings/machine.h"

struct service;

struct medium {
    struct service *service;
    char id[API_UUID_SIZE];
    enum settings_device kind;
    char *location, *format, *description;
    int type;  /* enum settings_medium_type */
    int state; /* MediumState_ */
    bool fixed, auto_reset, temporary_uuid;
    bool implicit;         /* made by attaching, in no saved settings yet: goes when nothing uses it */
    GPtrArray *properties; /* struct settings_property */
    char *access_error;
    uint64_t size_bytes, logical_bytes;
    bool looking;     /* its target is being asked */
    gint64 looked_us; /* when it was; 0: never */
    struct medium *parent;
    GPtrArray *children; /* struct medium, not owned */
};
/** What service.media_by_id is. */
GHashTable *medium_table_new(void);
struct medium *medium_find(struct service *s, const char *id, enum settings_device kind);
struct medium *medium_at(struct service *s, const char *location);
struct medium *medium_from_path(struct service *s, const char *object_path);
char *medium_object_path(const struct medium *m); /* g_free; "/" for NULL */
const char *medium_id_braced(const struct medium *m, char ret[40]);
/** What vd_open() gets; it may hold a secret, and nobody else is to see it. g_free */
char *medium_path(const struct medium *m);
void medium_free(struct medium *m);
/** Takes over what a settings file's registry lists. */
void medium_load(struct service *s, const struct settings_media *media, const char *folder);
struct medium *medium_new(struct service *s, const char *id, enum settings_device kind, const char *location,
                          const char *format);
/** The medium's chain, base first, is put into @settings' own registry: the machine's process reads no other. */
void medium_register_in(struct medium *m, struct settings_machine *settings);
/** Out of one registry, where its children take its place. */
bool medium_drop_from(struct settings_media *media, const char *braced);
/** Out of every registry; the medium itself stays known. */
bool medium_unregister(struct medium *m, GError **error);
/** Gives the medium a parent, or another one. */
void medium_set_parent(struct medium *m, struct medium *parent);
const struct medium *medium_base(const struct medium *m);
/** Its contents have a key: they are copied as they are, and whoever gets a copy gets the key store too. */
bool medium_encrypted(const struct medium *m);
void medium_copy_encryption(struct medium *to, const struct medium *from);
/** Ends what was interrupted; before any machine is looked at. */
void medium_recover_encryption(struct service *s);
/** Ids of the machines it is attached to, with snapshots. */
GPtrArray *medium_users(const struct medium *m);
void medium_refresh(struct medium *m);
void medium_forget(struct medium *m);
bool medium_settings_uses(const struct settings_machine *s, const char *braced);
bool medium_hardware_uses(const struct settings_hardware *h, const char *braced);

/* ---- medium_served.c ---- */
/* The disk's socket, which stays the caller's, or -1 and why (taken). */
typedef void (*medium_served_fn)(void *user, int fd, GError *error);
/**
 * medium_serve() - a medium on the network, opened by a process of its own, which goes when the socket is closed. @done
 * is told, later; not when this fails. The disk's format is then "NBD", its path MEDIUM_SERVED and the location.
 */
bool medium_serve(struct medium *m, bool writable, medium_served_fn done, void *user, GError **error);
#define MEDIUM_SERVED "nbd+socket:"

/* ---- medium_chain.c ---- */
/** The medium's images, base first: an array of struct vd_link that owns its texts; good for another thread. */
GArray *medium_links(const struct medium *m);
struct vd;
struct vd *medium_open(const struct medium *m, unsigned flags, GError **error);
/** On any thread. */
struct vd *medium_open_links(const GArray *links, unsigned flags, GError **error);
/** One image without its parents: enough to make a child of it, however deep the chain is. On any thread. */
struct vd *medium_open_alone(const char *format, const char *path, GError **error);
/** The format a differencing image to @parent gets. */
const char *medium_diff_format(const struct medium *parent);
/** A new child of @parent in the snapshot folder; no file is made. */
struct medium *medium_new_diff(struct medium *parent, const struct settings_machine *owner);
/** A new child of @parent for attaching, with its file; goes by itself if it is never saved. */
struct medium *medium_implicit_diff(struct medium *parent, const struct settings_machine *owner, GError **error);
/** Whether changes go to a differencing image: it has children, or its type wants that. */
bool medium_needs_diff(const struct medium *m);
/** Forgets implicit images that nothing uses, with their files. @saved: these settings are on disk. */
void medium_sweep(struct service *s, const struct settings_machine *saved);

#endif

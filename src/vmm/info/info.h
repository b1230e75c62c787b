/*
 * info.h - the registry of info handlers: "info pic" of the debugger, `VBoxManage debugvm info`, the guru report.
 *
 * Components and devices register a name and a function that writes text; whoever is asked runs it by name.
 * Threads: any. A handler runs under the registry's lock, which the same thread may take again: handlers may run
 * others, and info_remove() returns only when the handler does not run any more.
 */
#ifndef VMM_INFO_INFO_H
#define VMM_INFO_INFO_H

#include <glib.h>
#include <stdbool.h>

struct info;
/** @args: what stood behind the name, never NULL; unknown words are ignored. */
typedef void (*info_fn)(void *user, const char *args, GString *out);

struct info *info_new(void);
void info_free(struct info *i);
/** info_add() - @text: one line for the list. Return: false = the name is taken (names ignore case). */
bool info_add(struct info *i, const char *name, const char *text, info_fn fn, void *user);
void info_remove(struct info *i, const char *name);
/** info_run() - @line: name and arguments. "help" lists. Return: false = no such handler, @out untouched. */
bool info_run(struct info *i, const char *line, GString *out);
/** info_list() - a line per handler, sorted. */
void info_list(struct info *i, GString *out);

#endif

/* teleport.h - IConsole.Teleport at the service. */
#ifndef MAIN_SERVER_PROCESS_TELEPORT_H
#define MAIN_SERVER_PROCESS_TELEPORT_H

#include "main/server/objects.h"

/** teleport() - *@ret: the progress. */
bool teleport(struct bus_call *call, GVariant **ret, GError **error);

#endif

/* sandbox_int.h - between the parts of the sandbox, for this folder. */
#ifndef RT_SANDBOX_INT_H
#define RT_SANDBOX_INT_H

#include "rt/sandbox.h"

/** landlock_apply() - @ret_detail: "ABI 7, 12 threads". Return: 0 or an errno. */
int landlock_apply(const struct sandbox_folder *folders, GString *ret_detail);

#endif

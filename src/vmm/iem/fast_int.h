/*
 * fast_int.h - specialised handlers for the commonest forms.
 */
#ifndef VMM_IEM_FAST_INT_H
#define VMM_IEM_FAST_INT_H

#include "vmm/iem/iem_int.h"

/** A handler for exactly this form, or NULL: use the general one. */
iem_fn *iem_fast_select(const struct iem_op *op);

#endif

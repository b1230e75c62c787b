/*
 * values.h - random operands that meet the edges of every kind of arithmetic.
 */
#ifndef TEST_ISA_VALUES_H
#define TEST_ISA_VALUES_H

#include <stddef.h>

#include "rng.h"

/** Corner cases, small numbers, anything. */
uint64_t value_int(struct rng *r);
/** @bytes (a multiple of 16) of integers, floats and doubles with zeros, denormals, infinities, NaNs among them. */
void value_vector(struct rng *r, uint8_t *out, size_t bytes);
/** An 80-bit number, of all classes; 10 bytes. */
void value_x87(struct rng *r, uint8_t *out);
/** A whole register area in XSAVE's standard layout, every component in use, that XRSTOR64 accepts; @loose: FSW may
 * contradict itself. */
void value_fpu(struct rng *r, uint8_t *out, bool loose);

#endif

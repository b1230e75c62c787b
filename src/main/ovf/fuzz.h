/*
 * fuzz.h - the entry of libFuzzer's programs.
 */
#ifndef MAIN_OVF_FUZZ_H
#define MAIN_OVF_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

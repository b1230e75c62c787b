/* fuzz.h - the entry libFuzzer calls, for the test that calls it without libFuzzer. */
#ifndef MAIN_SETTINGS_FUZZ_H
#define MAIN_SETTINGS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

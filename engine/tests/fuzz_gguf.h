/* SPDX-License-Identifier: Apache-2.0
 *
 * The function libFuzzer calls, for whoever else wants to.
 */
#ifndef TEST_FUZZ_GGUF_H
#define TEST_FUZZ_GGUF_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif

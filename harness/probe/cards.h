/* SPDX-License-Identifier: Apache-2.0
 * The cards that ops can run on, as CUDA counts them, told by NVML in a process of its own: the harness's opens no card. */
#ifndef PROBE_CARDS_H
#define PROBE_CARDS_H

#include <jansson.h>

/*
 * A new array of {ordinal, name, uuid, memory_bytes, chosen}, `chosen` the one that TERN_CUDA_DEVICE says (else the first); or where there is none the
 * new object {absent: why}. `library`: as for gpu_open.
 */
json_t *cards_list(const char *library);

#endif
